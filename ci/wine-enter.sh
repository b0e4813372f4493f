#!/bin/sh
# Inside new mount, network and process namespaces: make the network of the tests, enter the Debian 13 root, start
# Wine. Called by ci/wine.sh only. All binds and links live in the namespaces and vanish with the process; nothing of
# the machine is in reach of a test but its processor, the cache directory and the checkout.
set -eu

work=$1 checkout=$2 directory=$3
shift 3
root=$work/trixie

# One host with an IPv6 network (RFC 3849), a default route, and a neighbour that never answers. With
# DUALSTACK_WINE_NET=full also an IPv4 network (RFC 5737); not by default, because two IPv4 addresses are one too many
# for Wine's datagram sockets (udp-addresses in tests/wine_deviations.py).
ip link set lo up
ip link add eth0 type veth peer name far
ip link set far up
ip link set eth0 address 02:00:5e:10:00:01 mtu 1400 up
ip address add 2001:db8::7/64 dev eth0 nodad
ip route add default via 2001:db8::1 dev eth0
if [ "${DUALSTACK_WINE_NET-}" = full ]; then
    ip address add 192.0.2.7/24 broadcast 192.0.2.255 dev eth0
    ip route add default via 192.0.2.1
fi

mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp" # the wineserver's socket: its process answers for one network namespace only
for path in "$work" "$checkout" "$directory"; do
    mkdir -p "$root$path"
    mount --bind "$path" "$root$path"
done
hostname wine
# Fixed names, whatever this machine is called. Windows answers localhost with both addresses.
printf '127.0.0.1 localhost\n::1 localhost\n2001:db8::7 wine\n' >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
printf 'domain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\n' >"$root/etc/services"

export WINEARCH=win64 WINEDEBUG="${WINEDEBUG--all}" WINEPREFIX="$work/prefix" WINEDLLOVERRIDES="mscoree,mshtml="
unset DISPLAY WAYLAND_DISPLAY XDG_RUNTIME_DIR
# Not exec: this shell is process 1 of the namespace, and what wineserver leaves running ends with it. While the prefix
# is made the registry has to be written first, which wineserver does when its last client is gone.
status=0
chroot "$root" /bin/sh -c 'cd "$0" && exec wine "$@"' "$directory" "$@" <&0 &
child=$!
# Wine 10's server now and then ends itself by an assertion about sockets (server/sock.c, sock_poll_event), and every
# Windows program then waits for it for ever. That is no result: status 75 says so, and ci/wine.sh tries again.
(
    seen=
    while sleep 2; do
        if grep -qs wineserver "$root"/proc/[0-9]*/comm; then
            seen=1
        elif [ -n "$seen" ]; then
            : >"$root/tmp/.died"
            kill -9 "$child"
            exit
        fi
    done
) &
watch=$!
wait "$child" || status=$?
kill "$watch" 2>/dev/null || true
[ ! -e "$root/tmp/.died" ] || status=75
[ -e "$work/prefix/.ready" ] || chroot "$root" wineserver -w
exit $status
