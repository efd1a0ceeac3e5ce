# SPDX-License-Identifier: Apache-2.0
# Sourced by the other scripts: what they install, and how they say where they are.

release_here() {
    (. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")
}

# What another release calls otherwise.
msgpack=libmsgpack-dev old_zones=
case $(release_here) in
    forky | sid) clang_runtime=libclang-rt-dev msgpack=libmsgpack-c-dev old_zones=tzdata-legacy ;;
    trixie) clang_runtime=libclang-rt-19-dev old_zones=tzdata-legacy ;; # of US/Central and others
    *) clang_runtime=libclang-rt-14-dev ;;
esac

PACKAGES_TO_BUILD="gcc g++ libc6-dev cmake ninja-build pkg-config librdkafka-dev libhiredis-dev $msgpack libfyaml-dev
    libjansson-dev libmicrohttpd-dev libsystemd-dev libxxhash-dev libyajl-dev libre2-dev libprotobuf-dev libprotoc-dev libroaring-dev libsqlite3-dev
    libcurl4-openssl-dev libssl-dev"
PACKAGES_TO_RUN="redis-server redis-tools kcat curl python3 sqlite3 tzdata $old_zones"
PACKAGES_FOR_UNITS="libcriterion-dev libavro-dev binutils git python3-pytest procps openssl"
PACKAGES_TO_TEST="$PACKAGES_FOR_UNITS clang $clang_runtime default-jdk-headless maven systemd valgrind
    mmdebstrap systemd-container util-linux dpkg-dev file clang-format
    mandoc zsh chromium nodejs npm nginx-light golang-go python3-pip python3-venv python3-yaml spin relacy-dev"
PACKAGES_TO_EMULATE="mmdebstrap arch-test qemu-user-static"
PACKAGES_TO_BENCH="golang-go npm nginx-light"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') red=$(printf '\033[31m') plain=$(printf '\033[0m')
else
    bold='' dim='' red='' plain=''
fi
started_s=$(date +%s)

step() {
    printf '%s==> %s%s %s[%d s]%s\n' "$bold" "$*" "$plain" "$dim" "$(($(date +%s) - started_s))" "$plain"
}

fail() {
    printf '%s%s%s\n' "$red" "$*" "$plain" >&2
    exit 1
}

# Node.js and Go may be there from elsewhere, which Debian's packages of them do not like.
is_installed() {
    case $1 in
        nodejs) command -v node >/dev/null && return ;;
        npm) command -v npm >/dev/null && return ;;
        golang-go) command -v go >/dev/null && return ;;
    esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_packages NAME...: those that are missing; asks nothing.
install_packages() {
    missing=
    command -v dpkg-query >/dev/null ||
        { printf 'This is no Debian: what Debian calls %s has to be there already.\n' "$(echo "$@" | tr -s ' \n' ' ')"; return; }
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root='sudo -n'
        $as_root true 2>/dev/null || fail "Missing packages, and no way to install them unasked. As root:
    apt-get install -y --no-install-recommends$missing"
    fi
    step "Installing$missing"
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0"
    $apt update >/dev/null || printf 'apt-get update failed; going on with the lists that are there.\n' >&2
    # shellcheck disable=SC2086
    $apt install --no-install-recommends $missing | grep -E '^(Setting up|E:)' || true
    for package in $missing; do
        is_installed "$package" || fail "apt-get could not install $package."
    done
}

# Prometheus's checker of rules and metrics, without the server that its package would start: in build/tools. From Debian 13 on it is
# a package of its own.
fetch_promtool() {
    if command -v promtool >/dev/null || [ -x build/tools/usr/bin/promtool ]; then
        return 0
    fi
    mkdir -p build/tools
    (cd build/tools || exit 1
        for package in promtool prometheus; do
            apt-get -q -o APT::Sandbox::User=root download "$package" >/dev/null 2>&1 && break
        done
        dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x ./usr/bin/promtool
        rm -f "$package"_*.deb) || printf 'There is no promtool here: the tests that want it are skipped.\n' >&2
}

# build PRESET [CMAKE OPTION...]; `targets`: all, unless it names some
build() {
    mkdir -p build
    preset=$1
    shift
    step "Building ($preset) in build/$preset"
    cmake --preset "$preset" "$@" >"build/$preset.log" 2>&1 || { tail -n 30 "build/$preset.log" >&2; return 1; }
    # shellcheck disable=SC2086
    cmake --build --preset "$preset" ${targets:+--target $targets} >"build/$preset.log" 2>&1 || { grep -A8 -E 'error|FAILED' "build/$preset.log" | head -n 60 >&2; return 1; }
}
