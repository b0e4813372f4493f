"""getifaddrs(3): the walk over its list, and the call by ctypes.

The list is one entry per address, and one per link (AF_LINK on BSD, AF_PACKET on Linux), in no promised order but
with the entries of an interface sharing its name. ``decode`` is a pure function: it is given the first address and
a way to read memory, and so is tested with memory built by the tests, for every system's layout. ``struct ifaddrs``
has the same offsets on 64-bit Linux, macOS and FreeBSD.

Used on macOS and FreeBSD, and on Linux only where netlink is denied (seccomp filters, Android): it knows no
lifetimes, and on Linux no MTU.
"""

from __future__ import annotations

import ctypes
import os
from struct import Struct

from ..core.interface import BROADCAST, MULTICAST, POINT_TO_POINT, Interface
from ..core.interface_address import PERMANENT, InterfaceAddress
from .bsdroute import AF_INET, AF_LINK, System, clear_scope, host_text, link_address, prefix_length, unpack_sockaddr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Read = Callable[[int, int], bytes]
    #: name, packed address, scope id -> address flags (Linux numbers), valid and preferred lifetime
    AskState = Callable[[str, bytes, int], tuple[int, int | None, int | None]]

__all__ = ("LINUX", "LinuxLayout", "decode", "read_interfaces")

#: struct ifaddrs: next, name, flags, address, netmask, broadcast or peer, data.
IFADDRS = Struct("=QQI4xQQQQ")
_MTU = Struct("=8xI4x")  # if_data: ifi_mtu at 8, ifi_baudrate at 16
_BSD_MULTICAST = 0x8000
_AF_PACKET = 17
_LINUX_INET6 = 10
_SHARED_FLAGS = 0x1 | 0x2 | 0x8 | 0x10 | 0x40  # up, broadcast, loopback, point-to-point, running


class LinuxLayout:
    """Linux: no length byte, a two-byte family, sockaddr_ll for links."""

    inet6 = _LINUX_INET6


LINUX = LinuxLayout()


class _Entry:
    """What was found under one name."""

    def __init__(self, name: str, flags: int) -> None:
        self.name = name
        self.flags = flags
        self.index = 0
        self.mac = b""
        self.mtu: int | None = None
        self.speed: int | None = None
        self.addresses: list[tuple[int, bytes, int, int, bytes]] = []


def _no_state(name: str, packed: bytes, scope_id: int) -> tuple[int, int | None, int | None]:
    return PERMANENT, None, None


def decode(
    first: int,
    read: Read,
    layout: System | LinuxLayout,
    index_of: Callable[[str], int],
    inet6: int,
    ask_state: AskState = _no_state,
) -> list[Interface]:
    """Read the list that starts at address *first*.

    *inet6* is the number of AF_INET6 to put into the values; *index_of* helps where the list has no link entry.
    """
    entries: dict[str, _Entry] = {}
    at = first
    while at:
        at, name_at, flags, address, netmask, other, data = IFADDRS.unpack(read(at, IFADDRS.size))
        raw_name = _string(read, name_at)
        name = raw_name.decode("utf-8", "surrogateescape")
        entry = entries.setdefault(name, _Entry(name, flags))
        if not address:
            continue
        if isinstance(layout, System):
            _read_bsd(entry, read, layout, address, netmask, other, data)
        else:
            _read_linux(entry, read, address, netmask, other)
    return [_interface(entry, layout, index_of, inet6, ask_state) for entry in entries.values()]


def _string(read: Read, at: int) -> bytes:
    """Read a C string; a byte at a time, as nothing says how much memory there is behind it."""
    found = b""
    while at and (byte := read(at + len(found), 1)) != b"\0":
        found += byte
    return found


def _read_bsd(entry: _Entry, read: Read, system: System, address: int, netmask: int, other: int, data: int) -> None:
    def sockaddr(where: int) -> bytes:
        return read(where, max(read(where, 1)[0], 2)) if where else b""

    raw = sockaddr(address)
    if raw[1] == AF_LINK:
        entry.index, _, _, entry.mac = link_address(raw)
        if data:
            (entry.mtu,) = _MTU.unpack(read(data, _MTU.size))
            rate = Struct("=" + system.baudrate)
            (speed,) = rate.unpack(read(data + 16, rate.size))
            entry.speed = speed or None
        return
    family, packed, scope_id = unpack_sockaddr(raw, system)
    if packed:
        mask = unpack_sockaddr(sockaddr(netmask), system, family)[1]
        far = unpack_sockaddr(sockaddr(other), system, family)[1] if other else b""
        entry.addresses.append((family, packed, scope_id, prefix_length(mask), far))


def _read_linux(entry: _Entry, read: Read, address: int, netmask: int, other: int) -> None:
    family = int.from_bytes(read(address, 2), "little")
    if family == _AF_PACKET:  # sockaddr_ll: index at 4, length of the address at 11, address at 12
        raw = read(address, 20)
        entry.index = int.from_bytes(raw[4:8], "little")
        entry.mac = raw[12 : 12 + raw[11]]
    elif family in (AF_INET, _LINUX_INET6):
        start, size = (4, 4) if family == AF_INET else (8, 16)
        packed = read(address + start, size)
        scope_id = int.from_bytes(read(address + 24, 4), "little") if size == 16 else 0
        length = prefix_length(read(netmask + start, size)) if netmask else size * 8
        entry.addresses.append((family, packed, scope_id, length, read(other + start, size) if other else b""))


def _interface(
    entry: _Entry, layout: System | LinuxLayout, index_of: Callable[[str], int], inet6: int, ask_state: AskState
) -> Interface:
    name, index = entry.name, entry.index or index_of(entry.name)
    flags = entry.flags & _SHARED_FLAGS
    if entry.flags & (_BSD_MULTICAST if isinstance(layout, System) else MULTICAST):
        flags |= MULTICAST
    addresses = []
    for family, packed, scope_id, length, other in entry.addresses:
        host, scope_id = host_text(packed, scope_id or index, lambda _: name)
        other_host = host_text(other, index, lambda _: name)[0] if other and other != packed else None
        state, valid, preferred = ask_state(name, packed, scope_id) if len(packed) == 16 else (PERMANENT, None, None)
        addresses.append(
            InterfaceAddress(
                AF_INET if family == AF_INET else inet6,
                clear_scope(packed, 0)[0] if len(packed) == 16 else packed,
                host,
                length,
                name,
                index,
                scope_id,
                state,
                other_host if len(packed) == 4 and flags & BROADCAST and length < 31 else None,
                other_host if flags & POINT_TO_POINT else None,
                None,
                valid,
                preferred,
            )
        )
    return Interface(name, index, flags, entry.mtu, entry.mac, addresses=tuple(addresses), speed=entry.speed)


def read_interfaces(
    layout: System | LinuxLayout, index_of: Callable[[str], int], inet6: int, ask_state: AskState = _no_state
) -> list[Interface]:
    """Call getifaddrs and read what it gave; OSError with its errno."""
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        from errno import ENOTSUP

        raise OSError(ENOTSUP, "getifaddrs is read on 64-bit systems only")
    library = ctypes.CDLL(None, use_errno=True)
    get, free = library.getifaddrs, library.freeifaddrs
    get.restype, get.argtypes = ctypes.c_int, (ctypes.c_void_p,)
    free.restype, free.argtypes = None, (ctypes.c_void_p,)
    first = ctypes.c_void_p()
    if get(ctypes.byref(first)):
        code = ctypes.get_errno()
        raise OSError(code, f"getifaddrs: {os.strerror(code)}")
    try:
        return decode(first.value or 0, ctypes.string_at, layout, index_of, inet6, ask_state)
    finally:
        free(first)
