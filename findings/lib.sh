# SPDX-License-Identifier: Apache-2.0
# Sourced by the findings beside it: a folder that goes away again, packages in it, and what was seen.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
here=$(pwd)
cd "$folder"

# debian VERSION PACKAGE...: unpacked in ./root; another upstream version is another finding.
debian() {
    version=$1
    shift
    for package in "$@"; do
        apt-get -q download "$package" >/dev/null 2>&1 || { echo "apt-get can't download $package"; exit 2; }
        dpkg-deb -x "$package"_*.deb root
        found=$(dpkg-deb -f "$package"_*.deb Version)
        case $found in "$version"*) echo "$package $found" ;; *) echo "$package is $found, this was seen with $version"; exit 1 ;; esac
    done
}

# python PACKAGE==VERSION...: in ./venv.
python() {
    python3 -m venv venv && venv/bin/pip -q install "$@" || { echo "pip can't install $*"; exit 2; }
    echo "$@"
}

# seen NAME VALUE EXPECTED: says it; ends with 1 where it is something else by now.
seen() {
    echo "$1: $2"
    [ "$2" = "$3" ] || { echo "it was: $3"; exit 1; }
}
