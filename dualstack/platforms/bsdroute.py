"""What macOS and FreeBSD write into memory about interfaces and routes, as values (route(4), getifaddrs(3)).

Pure functions from bytes: nothing here calls the system (``bsd_interfaces.py`` does), so the layouts are tested
everywhere.

What is easy to get wrong, and the rule for each:

* A sockaddr begins with its length and its family, one byte each. A netmask is cut after its last non-zero byte,
  down to a length of 0, and its family may be anything: bytes that are missing are zero, the family is that of the
  address.
* The kernel keeps the interface index of link-local addresses inside the address (KAME), big-endian in bytes 2 and
  3, with a scope id of 0, and shows it in routing messages; some systems do both at once. For fe80::/10, ff01::/16
  and ff02::/16, and no other prefix, those bytes are the scope id unless one is given, and are cleared.
* Routing messages have a version, and are skipped by their length if it or the type is unknown. The sockaddrs that
  follow the header stand in the order of the bits of ``addrs``, each padded to 4 bytes on macOS and 8 on FreeBSD;
  one of length 0 takes one such unit.
* The link-layer address starts after the name inside ``sockaddr_dl``, which may be longer than its declaration.

Offsets were compiled from the headers of both systems for x86-64 and arm64; never run on either.
"""

from __future__ import annotations

from struct import Struct

from ..core.route import Route, SourceAddress
from ..core.text import ipv4_text, ipv6_text, needs_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal

__all__ = (
    "FREEBSD",
    "MACOS",
    "System",
    "clear_scope",
    "decode_reply",
    "decode_routes",
    "host_text",
    "link_address",
    "messages",
    "prefix_length",
    "request_route",
    "sockaddrs",
    "unpack_sockaddr",
)

AF_INET = 2
AF_LINK = 18

RTM_GET = 4
RTF_UP, RTF_GATEWAY, RTF_HOST, RTF_REJECT, RTF_BLACKHOLE = 0x1, 0x2, 0x4, 0x8, 0x1000
RTF_IFSCOPE = 0x1000000  # macOS: for sockets bound to the interface only
RTA_DST, RTA_GATEWAY, RTA_NETMASK, RTA_IFP, RTA_IFA = 1, 2, 4, 16, 32

#: The table number of a route that plain traffic never takes (macOS, RTF_IFSCOPE).
SCOPED_TABLE = 0

_PREAMBLE = Struct("=HBB")  # length, version, type
_ROUTE = Struct("=HBBHxxIIiii")  # rt_msghdr: length, version, type, index, flags, addrs, pid, seq, errno
_IN6_TAIL = Struct("=HI16sI")  # sockaddr_in6 after length and family: port, flow label, address, scope id


class System:
    """What differs between the two."""

    def __init__(self, inet6: int, padding: int, route_header: int, baudrate: str, has_scoped_routes: bool) -> None:
        self.inet6 = inet6
        self.padding = padding  # of sockaddrs in routing messages, bytes
        self.route_header = route_header  # sizeof(struct rt_msghdr)
        self.version = 5  # RTM_VERSION
        self.baudrate = baudrate  # struct code of ifi_baudrate, at offset 16 of if_data; ifi_mtu is at 8
        self.has_scoped_routes = has_scoped_routes
        #: Whether address lifetimes end at a wall clock time (macOS) or at a time since boot (FreeBSD).
        self.has_wall_clock_lifetimes = has_scoped_routes


MACOS = System(inet6=30, padding=4, route_header=92, baudrate="I", has_scoped_routes=True)
FREEBSD = System(inet6=28, padding=8, route_header=152, baudrate="Q", has_scoped_routes=False)


def clear_scope(packed: bytes, scope_id: int) -> tuple[bytes, int]:
    """Take an embedded interface index out of an IPv6 address; returns the address and its scope id."""
    # Exactly ff01::/16 and ff02::/16: other multicast flags have other things in those bytes (RFC 3306).
    if not (packed[0] == 0xFE and packed[1] & 0xC0 == 0x80) and packed[:2] not in (b"\xff\x01", b"\xff\x02"):
        return packed, scope_id
    return packed[:2] + b"\0\0" + packed[4:], scope_id or int.from_bytes(packed[2:4], "big")


def unpack_sockaddr(raw: bytes, system: System, family: int = 0) -> tuple[int, bytes, int]:
    """Read a sockaddr, cut or not: family, 4 or 16 bytes (none for other families), scope id.

    *family* is what to take it for where its own is not to be trusted: netmasks.
    """
    if len(raw) < 2:
        raw = raw.ljust(2, b"\0")
    family = family or raw[1]
    body = raw[2 : raw[0]] if raw[0] else b""
    if family == AF_INET:
        return family, body[2:6].ljust(4, b"\0"), 0
    if family == system.inet6:
        _, _, packed, scope_id = _IN6_TAIL.unpack_from(body.ljust(26, b"\0"))
        return family, packed, scope_id
    return family, b"", 0


def prefix_length(mask: bytes) -> int:
    """Count the leading ones of a netmask; what stands after the first zero does not count."""
    bits = "".join(f"{byte:08b}" for byte in mask)
    return len(bits) - len(bits.lstrip("1"))


def link_address(raw: bytes) -> tuple[int, int, str, bytes]:
    """Read a sockaddr_dl: index, interface type, name (often empty), link-layer address."""
    raw = raw[: max(raw[0], 8)].ljust(8, b"\0")
    index = int.from_bytes(raw[2:4], _ORDER)
    kind, name_length, address_length = raw[4], raw[5], raw[6]
    name = raw[8 : 8 + name_length].decode("utf-8", "surrogateescape")
    return index, kind, name, raw[8 + name_length : 8 + name_length + address_length]


# Byte order of the structures' own numbers: that of the machine. Both systems run on little-endian ones only.
_ORDER: Literal["little"] = "little"


def messages(data: bytes, system: System) -> Iterator[tuple[int, bytes]]:
    """Split what a routing socket or sysctl gave: yield type and message; skip other versions."""
    at = 0
    while at + _PREAMBLE.size <= len(data):
        length, version, kind = _PREAMBLE.unpack_from(data, at)
        if length < _PREAMBLE.size or at + length > len(data):
            return
        if version == system.version:
            yield kind, data[at : at + length]
        at += length


def sockaddrs(message: bytes, start: int, bits: int, system: System) -> dict[int, bytes]:
    """Take the sockaddrs of a routing message by their bit (RTA_*)."""
    found = {}
    for number in range(bits.bit_length()):
        bit = 1 << number
        if not bits & bit:
            continue
        if start >= len(message) or start + message[start] > len(message):
            break
        length = message[start]
        found[bit] = message[start : start + max(length, 2)]
        padded = (length + system.padding - 1) // system.padding * system.padding
        start += padded or system.padding
    return found


def host_text(packed: bytes, scope_id: int, name_of: Callable[[int], str]) -> tuple[str, int]:
    """Write an address with its zone; returns the scope id that remains."""
    if len(packed) == 4:
        return ipv4_text(packed), 0
    packed, scope_id = clear_scope(packed, scope_id)
    if scope_id and needs_zone(packed):
        return f"{ipv6_text(packed)}%{name_of(scope_id)}", scope_id
    return ipv6_text(packed), 0


def decode_routes(data: bytes, system: System, name_of: Callable[[int], str], inet6: int) -> list[Route]:
    """Read what sysctl NET_RT_DUMP gave: the default routes.

    *inet6* is the number of AF_INET6 to put into the values.
    """
    found = []
    for _, message in messages(data, system):
        if len(message) < system.route_header:
            continue
        _, _, _, index, flags, bits, _, _, _ = _ROUTE.unpack_from(message)
        if not flags & RTF_UP or flags & (RTF_HOST | RTF_REJECT | RTF_BLACKHOLE):
            continue
        parts = sockaddrs(message, system.route_header, bits, system)
        family, destination, _ = unpack_sockaddr(parts.get(RTA_DST, b""), system)
        if not destination or any(destination):
            continue
        if any(unpack_sockaddr(parts.get(RTA_NETMASK, b""), system, family)[1]):
            continue
        gateway = _gateway(parts, flags, system, name_of)
        if gateway is None and flags & RTF_GATEWAY:
            continue
        table = SCOPED_TABLE if system.has_scoped_routes and flags & RTF_IFSCOPE else 254
        found.append(
            Route(
                AF_INET if family == AF_INET else inet6,
                gateway,
                name_of(index),
                index,
                table=table,
            )
        )
    return found


def _gateway(parts: dict[int, bytes], flags: int, system: System, name_of: Callable[[int], str]) -> str | None:
    if not flags & RTF_GATEWAY:
        return None
    _, gateway, scope_id = unpack_sockaddr(parts.get(RTA_GATEWAY, b""), system)
    return host_text(gateway, scope_id, name_of)[0] if gateway else None


def request_route(packed: bytes, scope_id: int, system: System, sequence: int) -> bytes:
    """Build the RTM_GET message that asks how a packet to *packed* would leave."""
    if len(packed) == 4:
        target = bytes([16, AF_INET]) + b"\0\0" + packed + bytes(8)
    else:
        target = bytes([28, system.inet6]) + _IN6_TAIL.pack(0, 0, packed, scope_id)
    # Asking for RTA_IFP makes the kernel name the interface and the local address.
    link = bytes([20, AF_LINK]).ljust(20, b"\0")
    body = b"".join(part.ljust(-(-len(part) // system.padding) * system.padding, b"\0") for part in (target, link))
    flags = RTF_UP | (RTF_HOST if len(packed) == 4 else 0)
    header = _ROUTE.pack(
        system.route_header + len(body), system.version, RTM_GET, 0, flags, RTA_DST | RTA_IFP, 0, sequence, 0
    )
    return header.ljust(system.route_header, b"\0") + body


def decode_reply(
    data: bytes,
    system: System,
    sequence: int,
    pid: int,
    destination: str,
    name_of: Callable[[int], str],
    inet6: int,
) -> SourceAddress | None:
    """Read the answer to ``request_route`` out of *data*; None if it is not in there.

    A routing socket hears everything: only the answer with our process id and sequence number is ours.
    """
    for kind, message in messages(data, system):
        if kind != RTM_GET or len(message) < system.route_header:
            continue
        _, _, _, index, flags, bits, its_pid, its_sequence, _ = _ROUTE.unpack_from(message)
        if (its_pid, its_sequence) != (pid, sequence):
            continue
        parts = sockaddrs(message, system.route_header, bits, system)
        family, source, scope_id = unpack_sockaddr(parts.get(RTA_IFA, b""), system)
        if not source:
            continue
        if RTA_IFP in parts:
            index = link_address(parts[RTA_IFP])[0] or index
        host, _ = host_text(source, scope_id or index, name_of)
        return SourceAddress(
            AF_INET if family == AF_INET else inet6,
            destination,
            host,
            name_of(index),
            index,
            _gateway(parts, flags, system, name_of),
            None,
            host.partition("%")[0] == destination.partition("%")[0],
        )
    return None
