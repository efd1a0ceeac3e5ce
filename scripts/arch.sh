# SPDX-License-Identifier: Apache-2.0
# Sourced by scripts/test: what it does for another of Debian's processors. Built here with a cross compiler and the
# libraries of a root of that architecture; the tests run in an emulator, which the kernel has to know (binfmt).

# As compilers call what Debian calls so.
machine_of() {
    case $1 in
        arm64) echo aarch64 ;;
        riscv64) echo riscv64 ;;
        *) fail "No architecture to test: $1. There are arm64 and riscv64." ;;
    esac
}

# install_emulator ARCH: with the compilers for it.
install_emulator() {
    compilers=$(machine_of "$1")-linux-gnu || exit 1
    [ "$1" != riscv64 ] || [ "$(release_here)" != bookworm ] || fail "Debian 12 has no riscv64: scripts/test --root trixie --arch riscv64"
    # shellcheck disable=SC2086
    install_packages $PACKAGES_TO_EMULATE "gcc-$compilers" "g++-$compilers"
}

# Criterion, which the unit tests want, is not there on riscv64: the daemon alone is tried.
has_units() {
    [ "$1" != riscv64 ]
}

# make_root ARCH FOLDER: libraries and headers to link with, nothing that runs.
make_root() {
    [ -e "$2/usr/include/stdio.h" ] && return
    step "Making a root of $1 in $2"
    units=
    ! has_units "$1" || units=$PACKAGES_FOR_UNITS
    libraries=$(echo "$PACKAGES_TO_BUILD $units" | tr -s ' \n' '\n\n' | grep -E '^lib.*-dev$' | paste -sd ' ')
    compiler=$("$(machine_of "$1")-linux-gnu-gcc" -dumpversion)
    mmdebstrap --quiet --variant=extract --architectures="$1" --include="$libraries libgcc-${compiler%%.*}-dev" \
        "$(release_here)" "$2" "$(main_source "$(release_here)")" || return 1
    [ -e "$2/lib" ] || ln -s usr/lib "$2/lib" # where programs look for their loader; from Debian 13 on no library's package brings it
    find "$2" -type l | while read -r link; do # what points to /etc or /lib points into the root
        target=$(readlink "$link")
        case $target in /*) ln -sfnr "$2$target" "$link" ;; esac
    done
}

# learn_emulator MACHINE: programs of it start by themselves, as Criterion's tests start themselves anew.
learn_emulator() {
    registered=/proc/sys/fs/binfmt_misc
    [ -e $registered/register ] || mount -t binfmt_misc binfmt_misc $registered || return 1
    [ -e "$registered/qemu-$1" ] || cat "/usr/lib/binfmt.d/qemu-$1.conf" >$registered/register
}

# Left out: what looks at no processor (page, units, documents, models), what measures, and three programs that hang in
# the emulator, not on a processor (forks after threads; a signal while another is handled).
not_under_emulation='^(browser|systemd|docs|bench|package|model|processors|stress|instructions)|^(dev/(dev|broker)|ctl/stepctl|service/signals)$'

# test_arch ARCH [short]
test_arch() {
    machine=$(machine_of "$1") || exit 1
    install_emulator "$1"
    export QEMU_LD_PREFIX="$PWD/build/root-$1"
    if ! make_root "$1" "$QEMU_LD_PREFIX" || ! learn_emulator "$machine"; then
        : >"$reports/root-$1.xml"
        return 1
    fi
    targets=
    only=.
    [ "${2:-}" != short ] || targets=$short_targets only=$short_tests
    try_build "$1" && has_units "$1" && run_ctest "$1" -R "$only" -E "$not_under_emulation"
    if [ "${2:-}" != short ] && try_build ci; then
        export STEPD_OTHER_BUILD="build/$1" STEPD_OTHER_CC="$machine-linux-gnu-gcc"
        run_pytest ci "One daemon of each kind" tests/scenarios/mixed_fleet.py
    fi
    unset QEMU_LD_PREFIX
}

# try_in_root ROOT SCRIPT: read by the root's sh, in the emulator.
try_in_root() {
    unshare --mount --pid --fork --kill-child sh -c '
        mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" || exit 1
        exec chroot "$1" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -s' sh "$1" <"$2"
}

# make_packages ARCH: in build/package-ARCH/packages.
make_packages() {
    install_emulator "$1"
    make_root "$1" "$PWD/build/root-$1" && learn_emulator "$(machine_of "$1")" || fail "There is no root of $1."
    step "Building packages for $1"
    { cmake --preset "package-$1" && cmake --build --preset "package-$1" && cpack --preset "package-$1"; } >"build/package-$1.log" 2>&1 ||
        { tail -n 30 "build/package-$1.log" >&2; fail "They can't be built."; }
}

# try_image ARCH: of its packages, run as a container runs it, in the emulator.
try_image() {
    make_packages "$1"
    targets="stepd stepctl"
    try_build ci || return 1
    (
        export QEMU_LD_PREFIX="$PWD/build/root-$1" STEPD_IMAGE_ARCH="$1" STEPD_OTHER_CC="$(machine_of "$1")-linux-gnu-gcc"
        run_pytest ci "The image of $1" tests/scenarios/test_container.py
    )
}

# try_packages ARCH: made, installed where there is nothing but what they depend on, and an event worked by what was installed.
try_packages() {
    make_packages "$1"
    package=$(echo "build/package-$1/packages"/stepd_*.deb)
    [ "$(dpkg-deb -f "$package" Architecture)" = "$1" ] || fail "$package is for another architecture."
    root=$PWD/build/installed-$1
    rm -rf --one-file-system "$root"
    step "Installing $package with what it depends on"
    # Unpacked alone: to configure all of a Debian takes a quarter of an hour in the emulator.
    needed=$(dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/[(|].*//; s/ //g' | paste -sd,)
    mmdebstrap --quiet --variant=extract --architectures="$1" --include="$needed,redis-server,dash,bash,coreutils,sed,grep,dpkg,mawk,base-passwd,libc-bin" \
        "$(release_here)" "$root" "$(main_source "$(release_here)")" || fail "It can't be made."
    cp /etc/passwd /etc/group "$root/etc/"
    cp "$package" "$root/stepd.deb"
    echo 'dpkg --force-depends --force-bad-path -i /stepd.deb >/dev/null 2>&1; dpkg-query -W stepd' >"$root.sh"
    try_in_root "$root" "$root.sh" || fail "It can't be installed."
    step "An event"
    try_in_root "$root" scripts/one-event || fail "It was not worked."
}
