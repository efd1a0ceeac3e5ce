# SPDX-License-Identifier: Apache-2.0
# Sourced by scripts/try-bare and scripts/test: a Debian of its own in a folder, with what is committed here in it. What this
# machine is told of proxies, mirrors and certificates (its environment, apt's, pip's, npm's, Go's and Maven's own files) holds
# inside, too.

# What a release has without its updates, which mirrors of a seldom architecture may be behind with.
main_source() {
    mirror=$(grep -hs -oE '[a-z]+://[^ ]*/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list |
        grep -v snapshot | head -n 1)
    echo "deb $mirror $1 main"
}

# Debian's own sources, of all that this machine installs from, for another of its releases. sid has neither updates nor security of its own.
write_sources() {
    if [ "$1" = sid ]; then
        main_source sid
        return
    fi
    here=$(release_here)
    grep -ls /debian /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list | while read -r file; do
        sed "s/\\b$here\\b/$1/g" "$file" >"$2.$(basename "$file")"
        echo "$2.$(basename "$file")"
    done
}

# carry ROOT FILE...: to the same place inside, where it is there at all.
carry() {
    inside=$1
    shift
    for file in "$@"; do
        [ ! -e "$file" ] || (mkdir -p "$inside$(dirname "$file")" && cp -RL "$file" "$inside$(dirname "$file")/")
    done
}

# The variables by which tools find their proxies, mirrors and certificates, as NAME=VALUE, one a line.
network_variables() {
    env | grep -E '^([A-Za-z_]*(_proxy|_PROXY)|SSL_CERT_[A-Z]*|[A-Z_]*CA_BUNDLE|NODE_EXTRA_CA_CERTS|PIP_[A-Z_]*|(npm_config|NPM_CONFIG)_[A-Za-z_]*|GO(PROXY|SUMDB|NOSUMDB|FLAGS)|MAVEN_(OPTS|ARGS)|JAVA_TOOL_OPTIONS|CI)='
}

# make_debian RELEASE ROOT: bare. A mirror of sid that stands still for two weeks is good enough.
make_debian() {
    step "Making a bare Debian $1 in $2"
    mkdir -p "${2%/*}"
    write_sources "$1" "$2" >"$2.sources"
    xargs -d '\n' mmdebstrap --variant=minbase --dpkgopt=force-unsafe-io --aptopt='Acquire::Check-Valid-Until "false"' "$1" "$2" <"$2.sources" >"$2.log" 2>&1 ||
        { tail -n 5 "$2.log" >&2; fail "mmdebstrap could not make it."; }
    carry "$2" /etc/resolv.conf /etc/hosts /etc/apt/apt.conf.d/*proxy* /usr/local/share/ca-certificates /etc/pip.conf /etc/npmrc \
        "$HOME/.npmrc" "$HOME/.config/pip" "$HOME/.config/go/env" "$HOME/.m2/settings.xml"
}

# clone_into ROOT: what is committed here, in /root/stepd of the root. What was built there before stays.
clone_into() {
    step "Cloning $(git log -1 --format='%h "%s"')"
    [ -e "$1/root/stepd/.git" ] || git clone -q --no-local --no-checkout . "$1/root/stepd" || fail "What is committed here can't be cloned."
    git -C "$1/root/stepd" fetch -q "$PWD" HEAD && git -C "$1/root/stepd" checkout -q --force --detach FETCH_HEAD ||
        fail "What is committed here can't be fetched."
}

# run_inside ROOT "SCRIPT [WORD...]": one of the scripts, with processes of its own, which end with it. The root is the name space's own,
# as in a machine: within one that was only changed into, systemd boots no other, and nothing may have users of its own. HOME is root's, as carried.
run_inside() {
    network_variables >"$1/root/environment"
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child sh -c '
        mount --bind "$1" "$1" && cd "$1" && mkdir -p outside &&
            mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev && pivot_root . outside || exit 1
        exec chroot . env -i HOME="$2" TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            sh -c "umount -l /outside && rmdir /outside && while IFS= read -r line; do export \"\$line\"; done </root/environment; cd /root/stepd && exec scripts/\$1" sh "$3"' \
        sh "$1" "$HOME" "$2"
}
