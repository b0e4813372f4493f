"""What the IP helper of Windows writes into memory, as values: adapters, addresses, routes (iphlpapi.dll, netioapi.h).

Pure functions from bytes: nothing here calls Windows (``windows_interfaces.py`` does), so the layouts of 64-bit and
32-bit Windows are tested everywhere. The structures are declared with ctypes for its alignment rules only, with
pointers as plain numbers of the wanted width and fixed-width integers (``c_long`` is 4 bytes on Windows and 8 on
Linux).

GetAdaptersAddresses fills one buffer with structures that point at each other inside it. Following a pointer is
subtracting the buffer's address; a pointer to elsewhere ends a list. A field is read only if the structure's own
``Length`` reaches it, as older systems write shorter ones. Prefix lengths come from OnLinkPrefixLength, never from
the prefix list, which has other entries in another order; broadcast addresses are computed, as no system call tells
them.

Layouts were checked against the headers, the walk against Wine 10; not run on a real Windows.
"""

from __future__ import annotations

import ctypes
from struct import Struct

from ..core.interface import (
    BROADCAST,
    LOOPBACK,
    MULTICAST,
    POINT_TO_POINT,
    RUNNING,
    UP,
    Interface,
)
from ..core.interface_address import DEPRECATED, DUPLICATED, PERMANENT, TEMPORARY, TENTATIVE, InterfaceAddress
from ..core.route import Route, SourceAddress
from ..core.text import ipv4_text, ipv6_text, needs_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

__all__ = (
    "AF_INET",
    "AF_INET6",
    "Layouts",
    "decode_adapters",
    "decode_best_route",
    "decode_routes",
    "pack_sockaddr",
)

# Windows' own numbers, not those of the system these functions run on.
AF_INET = 2
AF_INET6 = 23

_IF_TYPE_PPP = 23
_IF_TYPE_LOOPBACK = 24
_IF_TYPE_TUNNEL = 131
_NO_MULTICAST = 0x10
_NOT_PRESENT = 6
_OPERATIONAL_STATES = {
    1: "up",
    2: "down",
    3: "testing",
    4: "unknown",
    5: "dormant",
    6: "not-present",
    7: "lower-layer-down",
}
# IP_DAD_STATE; invalid (0) is as little bindable as tentative.
_DAD_FLAGS = {0: TENTATIVE, 1: TENTATIVE, 2: DUPLICATED, 3: DEPRECATED, 4: 0}
_ROUTER_ADVERTISEMENT = 4  # IP_PREFIX_ORIGIN
_RANDOM = 5  # IP_SUFFIX_ORIGIN; with the former: a temporary address (RFC 8981)
_NONE32 = 0xFFFFFFFF
_NONE64 = 0xFFFFFFFFFFFFFFFF

_U8, _U16, _U32, _U64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64


class Layouts:
    """The structures for pointers of one width: 8 bytes or 4."""

    def __init__(self, pointer_size: int) -> None:
        pointer: Any = _U64 if pointer_size == 8 else _U32

        class SocketAddress(ctypes.Structure):
            _fields_ = (("lpSockaddr", pointer), ("iSockaddrLength", ctypes.c_int32))

        class Adapter(ctypes.Structure):
            _fields_ = (
                ("Length", _U32),
                ("IfIndex", _U32),
                ("Next", pointer),
                ("AdapterName", pointer),
                ("FirstUnicastAddress", pointer),
                ("FirstAnycastAddress", pointer),
                ("FirstMulticastAddress", pointer),
                ("FirstDnsServerAddress", pointer),
                ("DnsSuffix", pointer),
                ("Description", pointer),
                ("FriendlyName", pointer),
                ("PhysicalAddress", _U8 * 8),
                ("PhysicalAddressLength", _U32),
                ("Flags", _U32),
                ("Mtu", _U32),
                ("IfType", _U32),
                ("OperStatus", _U32),
                ("Ipv6IfIndex", _U32),
                ("ZoneIndices", _U32 * 16),
                ("FirstPrefix", pointer),
                ("TransmitLinkSpeed", _U64),
                ("ReceiveLinkSpeed", _U64),
                ("FirstWinsServerAddress", pointer),
                ("FirstGatewayAddress", pointer),
                ("Ipv4Metric", _U32),
                ("Ipv6Metric", _U32),
                ("Luid", _U64),
                ("Dhcpv4Server", SocketAddress),
                ("CompartmentId", _U32),
                ("NetworkGuid", _U8 * 16),
                ("ConnectionType", _U32),
                ("TunnelType", _U32),
                ("Dhcpv6Server", SocketAddress),
                ("Dhcpv6ClientDuid", _U8 * 130),
                ("Dhcpv6ClientDuidLength", _U32),
                ("Dhcpv6Iaid", _U32),
                ("FirstDnsSuffix", pointer),
            )

        class Unicast(ctypes.Structure):
            _fields_ = (
                ("Length", _U32),
                ("Flags", _U32),
                ("Next", pointer),
                ("Address", SocketAddress),
                ("PrefixOrigin", _U32),
                ("SuffixOrigin", _U32),
                ("DadState", _U32),
                ("ValidLifetime", _U32),
                ("PreferredLifetime", _U32),
                ("LeaseLifetime", _U32),
                ("OnLinkPrefixLength", _U8),
            )

        self.SocketAddress = SocketAddress
        self.Adapter = Adapter
        self.Unicast = Unicast


_LAYOUTS = {size: Layouts(size) for size in (4, 8)}

# MIB_IPFORWARD_ROW2 up to Metric: index at 8; prefix (a SOCKADDR_INET, 28 bytes) at 12 and its length at 40, next
# hop at 44, metric at 84. The same with both pointer widths.
ROUTE_ROW = Struct("<8xI28sB3x28s12xI16x")
_SOCKADDR_IN6 = Struct("<HHI16sI")
_SOCKADDR_IN = Struct("<HH4s8x")


class _Memory:
    """The buffer, with pointers followed inside it."""

    def __init__(self, data: bytes, base: int) -> None:
        self._data = data
        self._base = base

    def structure(self, kind: Any, address: int) -> Any:
        """Copy a structure, no more of it than its ``Length`` says; None if it is not in the buffer."""
        at = address - self._base
        if not address or not 0 <= at <= len(self._data) - 4:
            return None
        size = min(int.from_bytes(self._data[at : at + 4], "little"), ctypes.sizeof(kind))
        if at + size > len(self._data):
            return None
        return kind.from_buffer_copy(self._data[at : at + size].ljust(ctypes.sizeof(kind), b"\0"))

    def chain(self, kind: Any, address: int) -> Iterator[Any]:
        """Follow ``Next`` from *address*; a list that comes back to itself ends."""
        seen = set()
        while address not in seen:
            seen.add(address)
            found = self.structure(kind, address)
            if found is None:
                return
            yield found
            address = found.Next

    def bytes(self, address: int, size: int) -> bytes:
        at = address - self._base
        return self._data[at : at + size] if address and 0 <= at <= len(self._data) else b""

    def narrow(self, address: int) -> str:
        """A string of bytes that ends with a NUL: a GUID, always ASCII."""
        at = address - self._base
        return self._data[at : self._data.index(b"\0", at)].decode("ascii", "replace") if address else ""

    def wide(self, address: int) -> str:
        """A string of UTF-16 units that ends with a zero unit; lone surrogates are legal in names."""
        if not address:
            return ""
        at = end = address - self._base
        while end + 2 <= len(self._data) and self._data[end : end + 2] != b"\0\0":
            end += 2
        return self._data[at:end].decode("utf-16-le", "surrogatepass")


def decode_adapters(
    data: bytes, base: int, pointer_size: int = 8, inet6: int = AF_INET6
) -> list[tuple[Interface, int, int]]:
    """Read the list GetAdaptersAddresses left in *data*, whose first byte was at address *base*.

    Returns each interface with its IPv4 and IPv6 metric. *inet6* is the number of AF_INET6 to put into the values.
    """
    layouts = _LAYOUTS[pointer_size]
    memory = _Memory(data, base)
    found = []
    for adapter in memory.chain(layouts.Adapter, base):
        name = memory.wide(adapter.FriendlyName)
        # Either is 0 where the adapter lacks the family.
        index = adapter.IfIndex or adapter.Ipv6IfIndex
        flags = _adapter_flags(adapter)
        unicasts = memory.chain(layouts.Unicast, adapter.FirstUnicastAddress)
        read = (_unicast(memory, unicast, layouts, name, index, flags, inet6) for unicast in unicasts)
        nic = Interface(
            name,
            index,
            flags,
            None if adapter.Mtu == _NONE32 else adapter.Mtu,
            bytes(adapter.PhysicalAddress)[: adapter.PhysicalAddressLength],
            b"",
            _OPERATIONAL_STATES.get(adapter.OperStatus, "unknown"),
            memory.wide(adapter.Description) or None,
            (memory.narrow(adapter.AdapterName),),
            tuple(address for address in read if address is not None),
            # 0 where the driver does not say, all ones where nobody can.
            adapter.TransmitLinkSpeed if adapter.TransmitLinkSpeed not in (0, _NONE64) else None,
        )
        found.append((nic, adapter.Ipv4Metric, adapter.Ipv6Metric))
    return found


def _adapter_flags(adapter: Any) -> int:
    # Adapters that were disabled are not in the list: listed is up.
    flags = 0 if adapter.OperStatus == _NOT_PRESENT else UP
    if adapter.OperStatus == 1:
        flags |= RUNNING
    if adapter.IfType == _IF_TYPE_LOOPBACK:
        flags |= LOOPBACK
    elif adapter.IfType == _IF_TYPE_PPP:
        flags |= POINT_TO_POINT
    elif adapter.IfType != _IF_TYPE_TUNNEL:
        flags |= BROADCAST
    if not adapter.Flags & _NO_MULTICAST:
        flags |= MULTICAST
    return flags


def _unicast(
    memory: _Memory, unicast: Any, layouts: Layouts, name: str, index: int, flags: int, inet6: int
) -> InterfaceAddress | None:
    raw = memory.bytes(unicast.Address.lpSockaddr, unicast.Address.iSockaddrLength)
    family, packed, scope_id = unpack_sockaddr(raw)
    if not packed:
        return None
    prefix_length = len(packed) * 8
    if unicast.Length > layouts.Unicast.OnLinkPrefixLength.offset:
        prefix_length = min(unicast.OnLinkPrefixLength, prefix_length)
    state = _DAD_FLAGS.get(unicast.DadState, 0)
    if family == AF_INET6 and unicast.PrefixOrigin == _ROUTER_ADVERTISEMENT and unicast.SuffixOrigin == _RANDOM:
        state |= TEMPORARY
    if unicast.ValidLifetime == _NONE32:
        state |= PERMANENT
    if len(packed) == 16 and needs_zone(packed):
        host, scope_id = f"{ipv6_text(packed)}%{name}", scope_id or index
    else:
        host, scope_id = ipv4_text(packed) if len(packed) == 4 else ipv6_text(packed), 0
    return InterfaceAddress(
        2 if family == AF_INET else inet6,
        packed,
        host,
        prefix_length,
        name,
        index,
        scope_id,
        state,
        _broadcast(packed, prefix_length) if flags & BROADCAST else None,
        None,
        None,
        None if unicast.ValidLifetime == _NONE32 else unicast.ValidLifetime,
        None if unicast.PreferredLifetime == _NONE32 else unicast.PreferredLifetime,
    )


def _broadcast(packed: bytes, prefix_length: int) -> str | None:
    if len(packed) == 16 or prefix_length > 30:  # RFC 3021: a /31 has none
        return None
    number = int.from_bytes(packed, "big") | 0xFFFFFFFF >> prefix_length
    return ipv4_text(number.to_bytes(4, "big"))


def unpack_sockaddr(raw: bytes) -> tuple[int, bytes, int]:
    """Read a sockaddr: family, 4 or 16 bytes (none for other families), scope id."""
    family = int.from_bytes(raw[:2], "little")
    if family == AF_INET and len(raw) >= 8:
        return family, raw[4:8], 0
    if family == AF_INET6 and len(raw) >= _SOCKADDR_IN6.size:
        _, _, _, packed, scope_id = _SOCKADDR_IN6.unpack_from(raw)
        return family, packed, scope_id
    return family, b"", 0


def pack_sockaddr(packed: bytes, scope_id: int = 0) -> bytes:
    """Build a SOCKADDR_INET, 28 bytes."""
    if len(packed) == 4:
        return _SOCKADDR_IN.pack(AF_INET, 0, packed).ljust(28, b"\0")
    return _SOCKADDR_IN6.pack(AF_INET6, 0, 0, packed, scope_id)


def decode_routes(data: bytes, nics: Mapping[int, tuple[str, int, int]], inet6: int = AF_INET6) -> list[Route]:
    """Read a MIB_IPFORWARD_TABLE2: the default routes.

    *nics* maps an index to name, IPv4 metric and IPv6 metric: what counts is the sum of both metrics. The padding
    inside rows is not cleared by the system and never looked at.
    """
    count = int.from_bytes(data[:4], "little")
    found = []
    for at in range(8, min(8 + count * ROUTE_ROW.size, len(data) - ROUTE_ROW.size + 1), ROUTE_ROW.size):
        index, prefix, prefix_length, next_hop, metric = ROUTE_ROW.unpack_from(data, at)
        family, packed, _ = unpack_sockaddr(prefix)
        if prefix_length or not packed:
            continue
        name, metric4, metric6 = nics.get(index, (str(index), 0, 0))
        _, gateway, _ = unpack_sockaddr(next_hop)
        found.append(
            Route(
                2 if family == AF_INET else inet6,
                _host(gateway, name) if any(gateway) else None,
                name,
                index,
                metric + _known(metric4 if family == AF_INET else metric6),
            )
        )
    return found


def _known(metric: int) -> int:
    return 0 if metric == _NONE32 else metric


def decode_best_route(
    row: bytes, source: bytes, destination: str, nics: Mapping[int, tuple[str, int, int]], inet6: int = AF_INET6
) -> SourceAddress:
    """Read what GetBestRoute2 answered: a row as above, and the source address."""
    index, _, _, next_hop, _ = ROUTE_ROW.unpack_from(row)
    family, packed, _ = unpack_sockaddr(source)
    name = nics.get(index, (str(index), 0, 0))[0]
    _, gateway, _ = unpack_sockaddr(next_hop)
    host = _host(packed, name)
    return SourceAddress(
        2 if family == AF_INET else inet6,
        destination,
        host,
        name,
        index,
        _host(gateway, name) if any(gateway) else None,
        None,
        host.partition("%")[0] == destination.partition("%")[0],
    )


def _host(packed: bytes, name: str) -> str:
    if len(packed) == 4:
        return ipv4_text(packed)
    return f"{ipv6_text(packed)}%{name}" if needs_zone(packed) else ipv6_text(packed)
