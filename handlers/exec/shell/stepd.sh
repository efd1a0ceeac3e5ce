# SPDX-License-Identifier: Apache-2.0
# To be sourced by shell scripts that stepd's exec runs. A step that has returned is never run again in
# its run: the script is started again after a failure, and `step` answers with what was printed before.

# ask LINE: sends it, and sets $answer.
ask() {
    printf '%s\n' "$1" >&3
    IFS= read -r answer <&4 || exit 75
    case $answer in
    '{"suspend":true}') exit 0 ;;
    '{"error":'*) printf '%s\n' "$answer" >&2; exit 65 ;;
    esac
}

# one_line JSON: prints it on one line. Line ends stand between its tokens only; what is no number is null.
one_line() {
    case $1 in
    NaN | Infinity | -Infinity) printf null ;;
    *) printf '%s' "$1" | tr '\n' ' ' ;;
    esac
}

# step NAME COMMAND...: sets $result to what the command printed (JSON, which may have several lines: they
# become one), now or in an earlier attempt. A command that fails is retried; its status is 1 once it failed for good, $answer says why.
step() {
    step_name=$1
    shift
    ask "{\"step\":\"$step_name\"}"
    case $answer in
    '{"result":'*)
        result=${answer#'{"result":'}
        result=${result%'}'}
        return 0
        ;;
    '{"failed":'*) return 1 ;;
    esac
    if result=$("$@" 3>&- 4<&-); then
        result=$(one_line "$result")
        ask "{\"step\":\"$step_name\",\"result\":${result:-null}}"
    else
        ask "{\"step\":\"$step_name\",\"error\":{\"name\":\"CommandFailed\",\"message\":\"exit status $?\"}}"
        return 1
    fi
}

# nap NAME MILLISECONDS: the script ends here, and is started again when the time is over.
nap() {
    ask "{\"sleep\":\"$1\",\"ms\":$2}"
}

# await NAME EVENT [CONDITION [MILLISECONDS]]: sets $result to the next event of that name that the condition is true of, as JSON, null
# once the time is over. The script ends here, and is started again when it has come. No " stands in what it is given but as \".
await() {
    ask "{\"wait\":\"$1\",\"event\":\"$2\"${3:+,\"when\":\"$3\"}${4:+,\"timeout_ms\":$4}}"
    case $answer in
    '{"failed":'*) return 1 ;;
    esac
    result=${answer#'{"result":'}
    result=${result%'}'}
}

# invoke NAME FUNCTION [DATA [MILLISECONDS]]: sets $result to what that function, of whichever daemon, makes of the data, both JSON. Its
# status is 1 where it failed; $answer says why. The script ends here, and is started again when it is there.
invoke() {
    ask "{\"invoke\":\"$1\",\"function\":\"$2\",\"data\":$(one_line "${3:-null}")${4:+,\"timeout_ms\":$4}}"
    case $answer in
    '{"failed":'*) return 1 ;;
    esac
    result=${answer#'{"result":'}
    result=${result%'}'}
}
