# SPDX-License-Identifier: Apache-2.0
# bash completion of stepctl and stepd: what the programs say of themselves with --help, what runs and functions
# there are. Slow answers (Redis away) are not waited for.

_stepd_commands() {
    "$@" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

_stepd_options() {
    "$@" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}

# The words that say which daemon is meant.
_stepctl_where() {
    local i
    where=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --dev) where+=(--dev) ;;
        --config) where+=(--config "${COMP_WORDS[i + 1]}") ;;
        esac
    done
}

_stepctl_first_column() {
    timeout 2 stepctl "${where[@]}" "$@" 2>/dev/null | sed -n '2,$s/^\([^ ]*\) .*/\1/p'
}

_stepctl() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command="" i
    local -a where
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --config | --topic | --key | --id | --status | --function | --limit | --event | --async | --from | --count | --error | --since | --until | --where | --name | --to) i=$((i + 1)) ;;
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $before in
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --status)
        mapfile -t COMPREPLY < <(compgen -W 'running delayed queued sleeping waiting completed failed cancelled' -- "$current")
        return
        ;;
    --function)
        _stepctl_where
        mapfile -t COMPREPLY < <(compgen -W "$(_stepctl_first_column functions)" -- "$current")
        return
        ;;
    --topic | --key | --id | --limit | --event | --async | --from | --count | --error | --since | --until | --where | --name | --to) return ;;
    esac
    if [[ $current == -* ]]; then
        # shellcheck disable=SC2086
        mapfile -t COMPREPLY < <(compgen -W "$(_stepd_options stepctl $command)" -- "$current")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_stepd_commands stepctl)" -- "$current")
    elif [[ $command == show || $command == why || $command == retry || $command == cancel ]]; then
        _stepctl_where
        mapfile -t COMPREPLY < <(compgen -W "$(_stepctl_first_column runs --limit 200)" -- "$current")
    elif [[ $command == pause || $command == resume ]]; then
        _stepctl_where
        mapfile -t COMPREPLY < <(compgen -W "$(_stepctl_first_column functions)" -- "$current")
    fi
}

_stepd() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=""
    COMPREPLY=()
    [[ ${COMP_WORDS[1]} == dev && $COMP_CWORD -gt 1 ]] && command=dev
    case $before in
    --config | --module | --data) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    esac
    if [[ $current == -* ]]; then
        # shellcheck disable=SC2086
        mapfile -t COMPREPLY < <(compgen -W "$(_stepd_options stepd $command)" -- "$current")
    elif [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W dev -- "$current")
    fi
}

complete -o filenames -F _stepctl stepctl
complete -o filenames -F _stepd stepd
