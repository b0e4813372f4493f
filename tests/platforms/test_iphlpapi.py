"""Windows' structures by size and offset, and the reading of buffers built here, for both pointer widths.

Runs everywhere: the decoder works on bytes. The same walk runs against Wine in tests/netns-free runs of ci/wine.sh.
"""

from __future__ import annotations

import ctypes

import pytest

from dualstack.platforms import iphlpapi
from dualstack.platforms.iphlpapi import Layouts, decode_adapters, decode_best_route, decode_routes, pack_sockaddr

BASE = 0x7FFE_0000_1000

# Field: (offset, size) for pointers of 8 bytes, and of 4; from the headers of the Windows SDK.
ADAPTER = {
    "Length": ((0, 4), (0, 4)),
    "IfIndex": ((4, 4), (4, 4)),
    "Next": ((8, 8), (8, 4)),
    "AdapterName": ((16, 8), (12, 4)),
    "FirstUnicastAddress": ((24, 8), (16, 4)),
    "FirstAnycastAddress": ((32, 8), (20, 4)),
    "FirstMulticastAddress": ((40, 8), (24, 4)),
    "FirstDnsServerAddress": ((48, 8), (28, 4)),
    "DnsSuffix": ((56, 8), (32, 4)),
    "Description": ((64, 8), (36, 4)),
    "FriendlyName": ((72, 8), (40, 4)),
    "PhysicalAddress": ((80, 8), (44, 8)),
    "PhysicalAddressLength": ((88, 4), (52, 4)),
    "Flags": ((92, 4), (56, 4)),
    "Mtu": ((96, 4), (60, 4)),
    "IfType": ((100, 4), (64, 4)),
    "OperStatus": ((104, 4), (68, 4)),
    "Ipv6IfIndex": ((108, 4), (72, 4)),
    "ZoneIndices": ((112, 64), (76, 64)),
    "FirstPrefix": ((176, 8), (140, 4)),
    "TransmitLinkSpeed": ((184, 8), (144, 8)),
    "ReceiveLinkSpeed": ((192, 8), (152, 8)),
    "FirstWinsServerAddress": ((200, 8), (160, 4)),
    "FirstGatewayAddress": ((208, 8), (164, 4)),
    "Ipv4Metric": ((216, 4), (168, 4)),
    "Ipv6Metric": ((220, 4), (172, 4)),
    "Luid": ((224, 8), (176, 8)),
    "Dhcpv4Server": ((232, 16), (184, 8)),
    "CompartmentId": ((248, 4), (192, 4)),
    "NetworkGuid": ((252, 16), (196, 16)),
    "ConnectionType": ((268, 4), (212, 4)),
    "TunnelType": ((272, 4), (216, 4)),
    "Dhcpv6Server": ((280, 16), (220, 8)),
    "Dhcpv6ClientDuid": ((296, 130), (228, 130)),
    "Dhcpv6ClientDuidLength": ((428, 4), (360, 4)),
    "Dhcpv6Iaid": ((432, 4), (364, 4)),
    "FirstDnsSuffix": ((440, 8), (368, 4)),
}
UNICAST = {
    "Length": ((0, 4), (0, 4)),
    "Flags": ((4, 4), (4, 4)),
    "Next": ((8, 8), (8, 4)),
    "Address": ((16, 16), (12, 8)),
    "PrefixOrigin": ((32, 4), (20, 4)),
    "SuffixOrigin": ((36, 4), (24, 4)),
    "DadState": ((40, 4), (28, 4)),
    "ValidLifetime": ((44, 4), (32, 4)),
    "PreferredLifetime": ((48, 4), (36, 4)),
    "LeaseLifetime": ((52, 4), (40, 4)),
    "OnLinkPrefixLength": ((56, 1), (44, 1)),
}
SIZES = {"Adapter": (448, 376), "Unicast": (64, 48), "SocketAddress": (16, 8)}

WIDTHS = [pytest.param(8, id="64-bit"), pytest.param(4, id="32-bit")]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("kind", "fields"), [("Adapter", ADAPTER), ("Unicast", UNICAST)])
def test_layout(width: int, kind: str, fields) -> None:
    structure = getattr(Layouts(width), kind)
    column = 0 if width == 8 else 1
    found = {name: (getattr(structure, name).offset, getattr(structure, name).size) for name, *_ in structure._fields_}
    assert found == {name: places[column] for name, places in fields.items()}
    assert ctypes.sizeof(structure) == SIZES[kind][column]


@pytest.mark.parametrize("width", WIDTHS)
def test_size_of_socket_address(width: int) -> None:
    assert ctypes.sizeof(Layouts(width).SocketAddress) == SIZES["SocketAddress"][0 if width == 8 else 1]


def test_a_route_row_byte_for_byte() -> None:
    # MIB_IPFORWARD_ROW2: index at 8, DestinationPrefix 12 and its length 40, NextHop 44, Metric 84.
    raw = bytearray(104)
    raw[8], raw[12:40], raw[40], raw[44:72], raw[84] = 7, bytes(range(1, 29)), 64, bytes(range(101, 129)), 9
    assert iphlpapi.ROUTE_ROW.size == 104
    assert iphlpapi.ROUTE_ROW.unpack(raw) == (7, bytes(range(1, 29)), 64, bytes(range(101, 129)), 9)


class Buffer:
    """Builds what GetAdaptersAddresses leaves: structures and strings, pointing at each other by address."""

    def __init__(self, width: int) -> None:
        self.layouts = Layouts(width)
        self.data = bytearray()
        self.base = BASE if width == 8 else 0x10001000

    def put(self, raw: bytes) -> int:
        self.data += bytes(-len(self.data) % 8)
        address = self.base + len(self.data)
        self.data += raw
        return address

    def structure(self, kind: str, **fields: object) -> int:
        item = getattr(self.layouts, kind)()
        item.Length = fields.pop("Length", ctypes.sizeof(item))
        for name, value in fields.items():
            setattr(item, name, value)
        return self.put(bytes(item))

    def change(self, address: int, kind: str, **fields: object) -> None:
        structure = getattr(self.layouts, kind)
        at = address - self.base
        item = structure.from_buffer_copy(self.data[at : at + ctypes.sizeof(structure)])
        for name, value in fields.items():
            setattr(item, name, value)
        self.data[at : at + ctypes.sizeof(structure)] = bytes(item)

    def unicast(self, packed: bytes, length: int, scope_id: int = 0, **fields: object) -> int:
        raw = pack_sockaddr(packed, scope_id)[: 16 if len(packed) == 4 else 28]
        where = self.layouts.SocketAddress(self.put(raw), len(raw))
        given = {"ValidLifetime": 0xFFFFFFFF, "PreferredLifetime": 0xFFFFFFFF, "DadState": 4, **fields}
        return self.structure("Unicast", Address=where, OnLinkPrefixLength=length, **given)


def wide(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass") + b"\0\0"


@pytest.fixture(params=WIDTHS)
def width(request) -> int:
    value: int = request.param
    return value


def build(width: int) -> Buffer:
    """An Ethernet adapter with four addresses, then a loopback without IPv4 index."""
    buffer = Buffer(width)
    first = buffer.structure("Adapter")
    link_local = buffer.unicast(bytes.fromhex("fe80" + "00" * 13 + "01"), 64, 7, PrefixOrigin=2, SuffixOrigin=4)
    temporary = buffer.unicast(
        bytes.fromhex("20010db8" + "00" * 11 + "02"),
        64,
        PrefixOrigin=4,
        SuffixOrigin=5,
        DadState=3,
        ValidLifetime=600,
        PreferredLifetime=0,
        Next=link_local,
    )
    tentative = buffer.unicast(bytes([192, 0, 2, 8]), 31, DadState=1, Next=temporary)
    plain = buffer.unicast(bytes([192, 0, 2, 7]), 24, Next=tentative)
    loopback = buffer.structure(
        "Adapter",
        AdapterName=buffer.put(b"{00000000-0000-0000-0000-000000000001}\0"),
        FriendlyName=buffer.put(wide("Loopback Pseudo-Interface 1")),
        Mtu=0xFFFFFFFF,
        IfType=24,
        OperStatus=1,
        Ipv6IfIndex=1,
        TransmitLinkSpeed=1_073_741_824,
        FirstUnicastAddress=buffer.unicast(bytes(15) + b"\1", 128),
    )
    buffer.change(
        first,
        "Adapter",
        IfIndex=7,
        Ipv6IfIndex=7,
        Next=loopback,
        AdapterName=buffer.put(b"{01234567-89AB-CDEF-0123-456789ABCDEF}\0"),
        FriendlyName=buffer.put(wide("Ethernet \u00fc \ud800")),
        Description=buffer.put(wide("Some Gigabit Adapter")),
        PhysicalAddress=(ctypes.c_uint8 * 8)(2, 0, 0x5E, 0x10, 0, 1),
        PhysicalAddressLength=6,
        Mtu=1500,
        IfType=6,
        OperStatus=2,
        TransmitLinkSpeed=10**9,
        Ipv4Metric=25,
        Ipv6Metric=35,
        FirstUnicastAddress=plain,
    )
    return buffer


def test_adapters(width: int) -> None:
    buffer = build(width)
    (ethernet, metric4, metric6), (loopback, _, _) = decode_adapters(bytes(buffer.data), buffer.base, width)
    assert ethernet.name == "Ethernet \u00fc \ud800"
    assert ethernet.display_name == "Some Gigabit Adapter"
    assert ethernet.alternative_names == ("{01234567-89AB-CDEF-0123-456789ABCDEF}",)
    assert (ethernet.index, ethernet.mtu, ethernet.mac, ethernet.speed) == (7, 1500, "02:00:5e:10:00:01", 10**9)
    assert (metric4, metric6) == (25, 35)
    assert ethernet.is_up and not ethernet.is_running and ethernet.operational_state == "down"
    assert (loopback.index, loopback.mtu, loopback.mac) == (1, None, None)
    assert loopback.is_loopback and loopback.is_running
    assert [str(one) for one in loopback.addresses] == ["::1/128"]


def test_addresses(width: int) -> None:
    buffer = build(width)
    (nic, _, _), _ = decode_adapters(bytes(buffer.data), buffer.base, width)
    plain, tentative, temporary, link_local = nic.addresses
    assert (str(plain), plain.broadcast, plain.valid_lifetime) == ("192.0.2.7/24", "192.0.2.255", None)
    assert (str(tentative), tentative.broadcast) == ("192.0.2.8/31", None)
    assert tentative.is_tentative and not tentative.is_bindable
    assert temporary.is_temporary and temporary.is_deprecated
    assert (temporary.valid_lifetime, temporary.preferred_lifetime) == (600, 0)
    assert link_local.scope_id == 7 and link_local.host.startswith("fe80::1%Ethernet")
    assert not link_local.is_temporary


def test_a_short_structure_has_no_prefix_length(width: int) -> None:
    """Before Windows Vista the structure ended with the lease lifetime."""
    buffer = build(width)
    data = bytes(buffer.data)
    short = Layouts(width).Unicast.OnLinkPrefixLength.offset
    (nic, _, _), _ = decode_adapters(data, buffer.base, width)
    full = ctypes.sizeof(Layouts(width).Unicast)
    cut = data.replace(full.to_bytes(4, "little") + bytes(4), short.to_bytes(4, "little") + bytes(4))
    (older, _, _), _ = decode_adapters(cut, buffer.base, width)
    assert [one.prefix_length for one in nic.addresses] == [24, 31, 64, 64]
    assert [one.prefix_length for one in older.addresses] == [32, 32, 128, 128]


def test_a_list_that_returns_to_itself_ends(width: int) -> None:
    buffer = build(width)
    buffer.change(buffer.base, "Adapter", Next=buffer.base)
    assert len(decode_adapters(bytes(buffer.data), buffer.base, width)) == 1


def test_a_pointer_to_elsewhere_ends_the_list(width: int) -> None:
    buffer = build(width)
    buffer.change(buffer.base, "Adapter", Next=buffer.base - 4096)
    assert len(decode_adapters(bytes(buffer.data), buffer.base, width)) == 1


def test_no_adapter_at_all(width: int) -> None:
    assert decode_adapters(b"", BASE, width) == []


def row(prefix: bytes, length: int, next_hop: bytes, index: int, metric: int) -> bytes:
    return iphlpapi.ROUTE_ROW.pack(index, pack_sockaddr(prefix), length, pack_sockaddr(next_hop), metric)


NICS = {7: ("Ethernet", 25, 35), 9: ("VPN", 5, 0xFFFFFFFF)}


def test_routes() -> None:
    rows = [
        row(bytes(4), 0, bytes([192, 0, 2, 1]), 7, 10),
        row(bytes(4), 0, bytes(4), 9, 1),
        row(bytes(4), 1, bytes([192, 0, 2, 9]), 9, 0),
        row(bytes([10, 0, 0, 0]), 8, bytes([192, 0, 2, 2]), 7, 0),
        row(bytes(16), 0, bytes.fromhex("fe80" + "00" * 13 + "01"), 7, 256),
        row(bytes(16), 0, bytes.fromhex("20010db8" + "00" * 11 + "01"), 9, 3),
    ]
    # The padding of rows is whatever was there before.
    table = len(rows).to_bytes(4, "little") + b"\xaa" * 4 + b"".join(rows)
    found = decode_routes(table, NICS)
    assert [(r.family, r.host, r.interface, r.metric) for r in found] == [
        (2, "192.0.2.1", "Ethernet", 35),
        (2, None, "VPN", 6),
        (23, "fe80::1%Ethernet", "Ethernet", 291),
        (23, "2001:db8::1", "VPN", 3),
    ]


def test_a_table_cut_short_is_read_as_far_as_it_goes() -> None:
    table = (2).to_bytes(4, "little") + bytes(4) + row(bytes(4), 0, bytes([192, 0, 2, 1]), 7, 10)
    assert len(decode_routes(table + b"\0" * 50, NICS)) == 1


def test_best_route() -> None:
    best = row(bytes(4), 0, bytes([192, 0, 2, 1]), 7, 10)
    found = decode_best_route(best, pack_sockaddr(bytes([192, 0, 2, 7])), "198.51.100.1", NICS)
    assert (found.host, found.interface, found.gateway, found.is_local) == ("192.0.2.7", "Ethernet", "192.0.2.1", False)
    own = decode_best_route(row(bytes(4), 32, bytes(4), 7, 0), pack_sockaddr(bytes([192, 0, 2, 7])), "192.0.2.7", NICS)
    assert own.is_local and own.gateway is None
