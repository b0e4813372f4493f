#!/bin/sh
# Run the project's tests on the PyPy of Debian 13 (Python 3.11), which older Debians do not have.
#
#   ci/pypy.sh                      all tests but netns
#   ci/pypy.sh -q tests/core        these pytest arguments instead
#
# It lives in the Debian 13 root that ci/wine.sh makes, in DUALSTACK_WINE_DIR; what the tests need is fetched beside it
# by the pip of PYTHON (default: python3). The tests run in mount and network namespaces of their own, with loopback
# only. Needs what ci/wine.sh needs: root on Linux/amd64.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")
python=${PYTHON:-python3}
root=$("$here/wine.sh" --root)
packages=$root/usr/local/lib/pypy3.11/dist-packages

in_root() { # with /dev and /proc; the binds end with the namespace
    # shellcheck disable=SC2016  # the inner shell expands
    unshare --mount --propagation private sh -ec '
        root=$1; shift
        mount --rbind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        exec chroot "$root" "$@"' sh "$root" "$@"
}

if [ ! -x "$root/usr/bin/pypy3" ]; then
    echo "pypy: installing it" >&2
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    in_root sh -ec 'export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -qq -y --no-install-recommends pypy3
        apt-get clean' >"$root/../pypy.log" 2>&1 || { echo "pypy: apt-get failed, see pypy.log beside $root" >&2; exit 3; }
fi
if [ ! -e "$packages/.ready" ]; then
    rm -rf "$packages"
    # Pure Python only, by the markers of this pip's Python: the newest hypothesis is compiled, and not for PyPy.
    "$python" -m pip install --quiet --target "$packages" --only-binary=:all: --implementation py --platform any \
        --python-version 3.11 'pytest>=8' 'pytest-timeout>=2.3' 'hypothesis>=6.100,<6.156' 'trio>=0.25' 'dnspython>=2.4'
    touch "$packages/.ready"
fi
[ $# -gt 0 ] || set -- -m "not netns"
# shellcheck disable=SC2016
exec unshare --mount --net --pid --fork --kill-child --propagation private sh -ec '
    root=$1 checkout=$2; shift 2
    ip link set lo up
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/tmp"
    mkdir -p "$root$checkout"
    mount --bind "$checkout" "$root$checkout"
    # Wine may be at work in the same root: what it wrote there stays.
    printf "127.0.0.1 localhost\n::1 localhost\n" >"$root/tmp/hosts"
    printf "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\n" >"$root/tmp/services"
    for name in hosts services; do
        [ -e "$root/etc/$name" ] || : >"$root/etc/$name"
        mount --bind "$root/tmp/$name" "$root/etc/$name"
    done
    export PYTHONPATH="$checkout" PYTHONDONTWRITEBYTECODE=1
    exec chroot "$root" sh -c "cd \"\$0\" && exec pypy3 -m pytest -p no:cacheprovider \"\$@\"" "$checkout" "$@"' \
    sh "$root" "$checkout" "$@"
