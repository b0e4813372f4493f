"""Linux's default routes, and the kernel's own answer to "how would this packet leave" (rtnetlink(7)).

``dump_routes`` reads RTM_GETROUTE for all tables and keeps the routes to address zero: the defaults, and the few
with zero address and longer prefix (0.0.0.0/1 of a VPN) that the netifaces drop-in must show. Multipath members
become routes of their own; a gateway of the other family (RTA_VIA) is shown as it is; next hop objects are resolved
by the kernel (sysctl net.ipv4.nexthop_compat_mode, on by default) and asked for where that is off.

``ask_route`` is one RTM_GETROUTE for one destination. Connecting a UDP socket and reading its name is the popular
way and wrong for policy rules by protocol or port, asks for SO_BROADCAST for a broadcast address, and answers
127.0.0.1 for 0.0.0.0; here the kernel is asked with protocol and port, and nothing is bound.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, if_indextoname, inet_ntop
from dataclasses import replace
from errno import EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH
from struct import Struct

from ..core.route import Route, SourceAddress
from ..core.text import ipv6_text, needs_zone
from .netlink import DUMP, DUMP_INTERRUPTED, HEADER, ask, attribute, attributes, closes, dump, open_netlink, request
from .rtnetlink import DUMP_ATTEMPTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from collections.abc import Iterator

__all__ = ("ask_route", "dump_routes")

# linux/rtnetlink.h, nexthop.h
_NEWROUTE, _GETROUTE, _NEWNEXTHOP, _GETNEXTHOP = 24, 26, 104, 106
_DST, _OIF, _GATEWAY, _PRIORITY, _PREFSRC, _MULTIPATH = 1, 4, 5, 6, 7, 9
_TABLE, _VIA, _IP_PROTO, _DPORT, _NH_ID = 15, 18, 27, 29, 30
_NHA_ID, _NHA_GROUP, _NHA_OIF, _NHA_GATEWAY = 1, 2, 5, 6
_UNICAST, _LOCAL = 1, 2  # RTN_*
_RTNH_F_DEAD, _RTNH_F_LINKDOWN = 1, 16
_LOOKUP_TABLE = 0x1000  # RTM_F_LOOKUP_TABLE: name the table found; without it the answer is always 254

_ROUTE = Struct("=BBBBBBBBI")  # rtmsg: family, dst length, src length, tos, table, protocol, scope, type, flags
# Of a route as the kernel writes most: length, type, flags, family, dst length, length of the first attribute (the
# table), length and type of the second (the destination), and the first byte of that.
_USUAL = Struct("=IHH9xB10xH6x2xHB")
_NEXT_HOP = Struct("=HBBi")  # rtnexthop: length, flags, weight - 1, index
_NHMSG = Struct("=BBBxI")  # nhmsg: family, scope, protocol, flags
_GROUP = Struct("=IBxxx")  # nexthop_grp: id, weight - 1
_U32 = Struct("=I")
_I32 = Struct("=i")
_U16_NETWORK = Struct(">H")


def dump_routes() -> list[Route]:
    """Read every unicast route to address zero, in the kernel's order; none is marked effective."""
    sock = open_netlink()
    try:
        return _dump_routes(sock)
    finally:
        sock.close()


def _dump_routes(sock: Socket) -> list[Route]:
    routes = []
    for route, hop_id in _dump(sock):
        routes += _next_hops(sock, route, hop_id) if hop_id else [route]
    return routes


def _dump(sock: Socket) -> list[tuple[Route, int]]:
    """All routes, each with the number of the next hop object that says where to, or 0."""
    attempts = DUMP_ATTEMPTS
    while True:
        reader = _Reader()
        dump(sock, request(_GETROUTE, DUMP, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)), reader.read)
        attempts -= 1
        if reader.consistent or not attempts:
            return reader.found


class _Reader:
    """Takes the answer to a route dump."""

    __slots__ = ("_names", "consistent", "found")

    def __init__(self) -> None:
        #: The route, and the next hop object that says where to if the kernel did not.
        self.found: list[tuple[Route, int]] = []
        self.consistent = True
        self._names: dict[int, str] = {}

    def read(self, data: bytes) -> bool:
        """Take one block; True when the closing message was in it."""
        position, size = 0, len(data)
        usual = _USUAL.unpack_from
        while position + HEADER.size <= size:
            # Of ten thousand routes one is a default: the others are passed over after a look, at a third of the cost.
            while position + _USUAL.size <= size:
                length, kind, flags, prefix_length, before, found, first = usual(data, position)
                if not (first and prefix_length and found == _DST and before == 8 and kind == _NEWROUTE):
                    break
                if flags & DUMP_INTERRUPTED or length < _USUAL.size:
                    break
                position += length
            if position + HEADER.size > size:
                break
            length, kind, flags, _, _ = HEADER.unpack_from(data, position)
            if flags & DUMP_INTERRUPTED:
                self.consistent = False
            if closes(data, position, kind):
                return True
            if kind == _NEWROUTE:
                self._route(data, position + HEADER.size, position + length)
            position += max(length, HEADER.size)
        return False

    def _route(self, data: bytes, start: int, end: int) -> None:
        family, prefix_length, _, tos, table, _, _, kind, flags = _ROUTE.unpack_from(data, start)
        if kind != _UNICAST or family not in (AF_INET, AF_INET6):
            return
        found = {kind: (at, stop) for kind, at, stop in attributes(data, start + _ROUTE.size, end)}
        if prefix_length and (_DST not in found or any(data[slice(*found[_DST])])):
            return
        if _TABLE in found:
            (table,) = _U32.unpack_from(data, found[_TABLE][0])
        metric = _U32.unpack_from(data, found[_PRIORITY][0])[0] if _PRIORITY in found else 0
        source = _text(data[slice(*found[_PREFSRC])]) if _PREFSRC in found else None

        def add(index: int, gateway: str | None, weight: int, flags: int, hop_id: int = 0) -> None:
            alive = not flags & (_RTNH_F_DEAD | _RTNH_F_LINKDOWN)
            name = self._name(index)
            route = Route(
                family, _zoned(gateway, name), name, index, metric, table, weight, source, prefix_length, tos, alive
            )
            self.found.append((route, hop_id))

        if _MULTIPATH in found:
            for index, hop_flags, weight, gateway in _members(data, *found[_MULTIPATH]):
                add(index, gateway, weight, hop_flags)
        elif _OIF in found:
            (index,) = _I32.unpack_from(data, found[_OIF][0])
            add(index, _gateway(data, found), 1, flags)
        elif _NH_ID in found:
            add(0, None, 1, 0, _U32.unpack_from(data, found[_NH_ID][0])[0])

    def _name(self, index: int) -> str:
        if index not in self._names:
            self._names[index] = _interface_name(index)
        return self._names[index]


def _interface_name(index: int) -> str:
    try:
        return if_indextoname(index) if index else ""
    except OSError:  # gone since
        return str(index)


def _text(packed: bytes) -> str:
    return inet_ntop(AF_INET, packed) if len(packed) == 4 else ipv6_text(packed)


def _zoned(host: str | None, name: str) -> str | None:
    return f"{host}%{name}" if host is not None and host.lower().startswith(("fe8", "fe9", "fea", "feb")) else host


def _gateway(data: bytes, found: dict[int, tuple[int, int]]) -> str | None:
    if _GATEWAY in found:
        return _text(data[slice(*found[_GATEWAY])])
    if _VIA in found:  # struct rtvia: a family, then an address of the other family (RFC 5549)
        at, end = found[_VIA]
        return _text(data[at + 2 : end])
    return None


def _members(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, str | None]]:
    """Walk RTA_MULTIPATH: yield interface index, flags, weight, gateway."""
    while start + _NEXT_HOP.size <= end:
        length, flags, weight, index = _NEXT_HOP.unpack_from(data, start)
        if length < _NEXT_HOP.size or start + length > end:
            return
        found = {k: (a, z) for k, a, z in attributes(data, start + _NEXT_HOP.size, start + length)}
        yield index, flags, weight + 1, _gateway(data, found)
        start += (length + 3) & ~3


def _next_hops(sock: Socket, route: Route, hop_id: int, weight: int = 1, depth: int = 2) -> list[Route]:
    """Ask for a next hop object, or the members of a group of them (ip-nexthop(8))."""
    asked = request(_GETNEXTHOP, 0, _NHMSG.pack(0, 0, 0, 0) + attribute(_NHA_ID, _U32.pack(hop_id)))
    try:
        data = ask(sock, asked)
    except OSError:
        return []  # removed since
    length, kind, _, _, _ = HEADER.unpack_from(data)
    if kind != _NEWNEXTHOP:
        return []
    *_, flags = _NHMSG.unpack_from(data, HEADER.size)
    found = {k: (a, z) for k, a, z in attributes(data, HEADER.size + _NHMSG.size, length)}
    if _NHA_GROUP in found and depth:
        members = _GROUP.iter_unpack(data[slice(*found[_NHA_GROUP])])
        return [one for inner, share in members for one in _next_hops(sock, route, inner, share + 1, depth - 1)]
    if _NHA_OIF not in found:  # a blackhole
        return []
    (index,) = _U32.unpack_from(data, found[_NHA_OIF][0])
    gateway = _text(data[slice(*found[_NHA_GATEWAY])]) if _NHA_GATEWAY in found else None
    name = _interface_name(index)
    alive = not flags & (_RTNH_F_DEAD | _RTNH_F_LINKDOWN)
    return [replace(route, host=_zoned(gateway, name), interface=name, index=index, weight=weight, is_alive=alive)]


def ask_route(family: int, packed: bytes, destination: str, scope_id: int, protocol: int, port: int) -> SourceAddress:
    """Ask how a packet of *protocol* to *packed* and *port* would leave.

    Raises OSError with the kernel's errno where it would not: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL.
    """
    body = _ROUTE.pack(family, len(packed) * 8, 0, 0, 0, 0, 0, 0, _LOOKUP_TABLE) + attribute(_DST, packed)
    body += attribute(_IP_PROTO, bytes([protocol]))
    if port:
        body += attribute(_DPORT, _U16_NETWORK.pack(port))
    if scope_id:
        body += attribute(_OIF, _I32.pack(scope_id))
    sock = open_netlink()
    try:
        data = ask(sock, request(_GETROUTE, 0, body))
    except OSError as error:
        code = error.errno or 0
        raise OSError(code, f"no packet can go to {destination}: {_WHY_NOT.get(code, error.strerror)}") from None
    finally:
        sock.close()
    length = HEADER.unpack_from(data)[0]
    *_, table, _, _, kind, _ = _ROUTE.unpack_from(data, HEADER.size)
    found = {k: (a, z) for k, a, z in attributes(data, HEADER.size + _ROUTE.size, length)}
    if _TABLE in found:
        (table,) = _U32.unpack_from(data, found[_TABLE][0])
    if _OIF in found:
        (index,) = _I32.unpack_from(data, found[_OIF][0])
        gateway = _gateway(data, found)
    elif _MULTIPATH in found:
        index, _, _, gateway = next(_members(data, *found[_MULTIPATH]), (0, 0, 0, None))
    else:
        index, gateway = 0, None
    name = _interface_name(index)
    source = data[slice(*found[_PREFSRC])] if _PREFSRC in found else b""
    if not source:
        raise OSError(EHOSTUNREACH, f"no packet can go to {destination}: no local address fits the route by {name}")
    host = _text(source)
    if len(source) == 16 and needs_zone(source):
        host = f"{host}%{name}"
    return SourceAddress(family, destination, host, name, index, _zoned(gateway, name), table or None, kind == _LOCAL)


# What the errnos of a route look-up mean (ip-route(8), route types).
_WHY_NOT = {
    ENETUNREACH: "there is no route to it (Network is unreachable)",
    EHOSTUNREACH: 'a route says "unreachable" (No route to host)',
    EACCES: 'a route says "prohibit" (Permission denied)',
    EINVAL: 'a route says "blackhole", or the address cannot be a destination (Invalid argument)',
}
