"""What macOS and FreeBSD write into memory, built here byte by byte and read by the decoders; runs everywhere."""

from __future__ import annotations

from struct import pack

import pytest

from dualstack.platforms.bsdroute import (
    FREEBSD,
    MACOS,
    RTA_DST,
    RTA_GATEWAY,
    RTA_IFA,
    RTA_IFP,
    RTA_NETMASK,
    RTM_GET,
    System,
    clear_scope,
    decode_reply,
    decode_routes,
    link_address,
    messages,
    prefix_length,
    request_route,
    sockaddrs,
    unpack_sockaddr,
)
from dualstack.platforms.getifaddrs import IFADDRS, LINUX, decode

SYSTEMS = [pytest.param(MACOS, id="macos"), pytest.param(FREEBSD, id="freebsd")]
INET6 = 99  # the number of AF_INET6 where the values go, which is not that of the bytes


def name_of(index: int) -> str:
    return {1: "lo0", 4: "en0", 5: "utun3"}.get(index, str(index))


def inet(text: str) -> bytes:
    return bytes([16, 2, 0, 0, *map(int, text.split("."))]) + bytes(8)


def inet6(system: System, packed: str, scope_id: int = 0) -> bytes:
    return bytes([28, system.inet6]) + bytes(6) + bytes.fromhex(packed) + pack("=I", scope_id)


def link(index: int, name: bytes = b"", mac: bytes = b"", size: int = 20) -> bytes:
    body = pack("=HBBBB", index, 6, len(name), len(mac), 0) + name + mac
    return (bytes([max(size, 8 + len(name) + len(mac)), 18]) + body).ljust(size, b"\0")


def ip6(text: str) -> str:
    from ipaddress import IPv6Address

    return IPv6Address(text).packed.hex()


# --------------------------------------------------------------------- layouts


def test_sizes() -> None:
    assert IFADDRS.size == 56
    assert (MACOS.route_header, FREEBSD.route_header) == (92, 152)
    assert (MACOS.inet6, FREEBSD.inet6) == (30, 28)
    assert (MACOS.padding, FREEBSD.padding) == (4, 8)


@pytest.mark.parametrize(
    ("index", "offset"),
    [
        pytest.param(0, 0, id="next"),
        pytest.param(1, 8, id="name"),
        pytest.param(2, 16, id="flags"),
        pytest.param(3, 24, id="address"),
        pytest.param(4, 32, id="netmask"),
        pytest.param(5, 40, id="other-end"),
        pytest.param(6, 48, id="data"),
    ],
)
def test_offsets_of_ifaddrs(index: int, offset: int) -> None:
    raw = bytearray(56)
    raw[offset] = 7
    assert {number: value for number, value in enumerate(IFADDRS.unpack(raw)) if value} == {index: 7}


# --------------------------------------------------------------------- sockaddrs


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(bytes([0, 0]), 0, id="length-0-is-a-mask-of-nothing"),
        pytest.param(bytes([5, 0, 0, 0, 0xFF]), 8, id="cut-after-one-byte"),
        pytest.param(bytes([7, 0xFF, 0, 0, 0xFF, 0xFF, 0xF0]), 20, id="family-is-garbage"),
        pytest.param(bytes([8, 2, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]), 32, id="whole"),
        pytest.param(b"", 0, id="nothing-at-all"),
    ],
)
def test_cut_ipv4_masks(system: System, raw: bytes, expected: int) -> None:
    assert prefix_length(unpack_sockaddr(raw, system, 2)[1]) == expected


@pytest.mark.parametrize("system", SYSTEMS)
def test_cut_ipv6_mask(system: System) -> None:
    raw = bytes([16, 0, 0, 0, 0, 0, 0, 0]) + b"\xff" * 8
    assert prefix_length(unpack_sockaddr(raw, system, system.inet6)[1]) == 64


SCOPES = [
    pytest.param("fe80:5::1", 0, "fe80::1", 5, id="embedded"),
    pytest.param("fe80:5::1", 4, "fe80::1", 4, id="both-the-field-wins"),
    pytest.param("fe80::1", 4, "fe80::1", 4, id="field-only"),
    pytest.param("ff02:5::1", 0, "ff02::1", 5, id="link-scoped-multicast"),
    pytest.param("ff01:5::1", 0, "ff01::1", 5, id="interface-scoped-multicast"),
    pytest.param("ff05:5::1", 0, "ff05:5::1", 0, id="site-scoped-multicast-is-left-alone"),
    pytest.param("ff32:5::1", 0, "ff32:5::1", 0, id="other-multicast-flags-are-left-alone"),
    pytest.param("2001:5::1", 0, "2001:5::1", 0, id="global-is-left-alone"),
    pytest.param("fec0:5::1", 0, "fec0:5::1", 0, id="site-local-is-left-alone"),
]


@pytest.mark.parametrize(("text", "scope_id", "expected", "scope"), SCOPES)
def test_embedded_scope(text: str, scope_id: int, expected: str, scope: int) -> None:
    assert clear_scope(bytes.fromhex(ip6(text)), scope_id) == (bytes.fromhex(ip6(expected)), scope)


def test_link_address_after_its_name_and_past_the_declared_size() -> None:
    long = link(4, b"a-long-interface-name", bytes(range(6)))
    assert len(long) > 20
    assert link_address(long) == (4, 6, "a-long-interface-name", bytes(range(6)))
    assert link_address(link(4)) == (4, 6, "", b"")


# --------------------------------------------------------------------- getifaddrs


class Memory:
    """Memory with a list in it; reading outside what was put there is an error, as in a process."""

    def __init__(self) -> None:
        self.at = 0x10000
        self.blocks: dict[int, bytes] = {}

    def put(self, raw: bytes) -> int:
        address = self.at
        self.blocks[address] = raw
        self.at += len(raw) + 64
        return address

    def read(self, address: int, size: int) -> bytes:
        for start, raw in self.blocks.items():
            if start <= address < start + len(raw):
                assert address + size <= start + len(raw), "read past the end of a block"
                return raw[address - start : address - start + size]
        raise AssertionError(f"read at {address:#x}, where nothing is")

    def entries(self, *rows: tuple[bytes, int, bytes, bytes, bytes, bytes]) -> int:
        after = 0
        for name, flags, address, netmask, other, data in reversed(rows):
            places = [self.put(raw) if raw else 0 for raw in (address, netmask, other, data)]
            after = self.put(IFADDRS.pack(after, self.put(name + b"\0"), flags, *places))
        return after


def state_of(name: str, packed: bytes, scope_id: int) -> tuple[int, int | None, int | None]:
    return (0x20, 600, 0) if packed[-1] == 2 else (0x80, None, None)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_list(system: System) -> None:
    memory = Memory()
    data = pack("=8xII", 1500, 0) + pack("=" + system.baudrate, 10**9)
    first = memory.entries(
        (b"lo0", 0x8049, link(1, b"lo0"), b"", b"", pack("=8xII", 16384, 0) + pack("=" + system.baudrate, 0)),
        (b"lo0", 0x8049, inet("127.0.0.1"), bytes([5, 0, 0, 0, 0xFF]), inet("127.0.0.1"), b""),
        (b"en0", 0x8863, link(4, b"en0", bytes.fromhex("02005e100001")), b"", b"", data),
        (b"en0", 0x8863, inet("192.0.2.7"), bytes([7, 2, 0, 0, 255, 255, 255]), inet("192.0.2.255"), b""),
        (b"en0", 0x8863, inet6(system, ip6("fe80:4::1"), 4), bytes([16, 0] + [0] * 6) + b"\xff" * 8, b"", b""),
        (b"en0", 0x8863, inet6(system, ip6("2001:db8::2")), bytes([16, 0] + [0] * 6) + b"\xff" * 8, b"", b""),
        (b"utun3", 0x8051, link(5, b"utun3"), b"", b"", pack("=8xII", 1380, 0) + pack("=" + system.baudrate, 0)),
        (b"utun3", 0x8051, inet("10.0.0.1"), bytes([8, 2, 0, 0, 255, 255, 255, 255]), inet("10.0.0.2"), b""),
        (b"bad\xff", 0x8002, b"", b"", b"", b""),
    )
    lo0, en0, utun3, bad = decode(first, memory.read, system, lambda name: 9, INET6, state_of)
    assert (lo0.name, lo0.index, lo0.mtu, lo0.mac, lo0.is_loopback, lo0.is_multicast) == (
        "lo0",
        1,
        16384,
        None,
        True,
        True,
    )
    assert [(str(a), a.broadcast, a.peer) for a in lo0.addresses] == [("127.0.0.1/8", None, None)]
    assert (en0.mac, en0.mtu, en0.speed, en0.is_running) == ("02:00:5e:10:00:01", 1500, 10**9, True)
    ipv4, link_local, deprecated = en0.addresses
    assert (str(ipv4), ipv4.broadcast) == ("192.0.2.7/24", "192.0.2.255")
    assert (str(link_local), link_local.scope_id, link_local.family) == ("fe80::1%en0/64", 4, INET6)
    assert link_local.packed.hex() == ip6("fe80::1")
    assert deprecated.is_deprecated and (deprecated.valid_lifetime, deprecated.preferred_lifetime) == (600, 0)
    assert utun3.is_point_to_point and utun3.addresses[0].peer == "10.0.0.2" and utun3.addresses[0].broadcast is None
    assert (bad.name, bad.index, bad.addresses) == ("bad\udcff", 9, ())


def test_a_linux_list() -> None:
    memory = Memory()
    packet = pack("=HHiHBB", 17, 0, 3, 1, 0, 6) + bytes.fromhex("02005e100001") + bytes(2)
    v6 = pack("=HHI", 10, 0, 0) + bytes.fromhex(ip6("fe80::1")) + pack("=I", 3)
    mask = pack("=HHI", 10, 0, 0) + b"\xff" * 8 + bytes(8) + pack("=I", 0)
    v4 = [
        pack("=HH", 2, 0) + bytes(map(int, text.split("."))) + bytes(8)
        for text in ("192.0.2.7", "255.255.255.0", "192.0.2.255")
    ]
    first = memory.entries(
        (b"eth0", 0x1043, packet, b"", b"", b""),
        (b"eth0", 0x1043, v4[0], v4[1], v4[2], b""),
        (b"eth0", 0x1043, v6, mask, b"", b""),
    )
    (eth0,) = decode(first, memory.read, LINUX, lambda name: 0, INET6)
    assert (eth0.index, eth0.mac, eth0.is_multicast) == (3, "02:00:5e:10:00:01", True)
    assert [str(a) for a in eth0.addresses] == ["192.0.2.7/24", "fe80::1%eth0/64"]
    assert eth0.addresses[0].broadcast == "192.0.2.255"


def test_an_empty_list() -> None:
    assert decode(0, Memory().read, MACOS, lambda name: 0, INET6) == []


# --------------------------------------------------------------------- routing messages


def message(
    system: System, kind: int, index: int, flags: int, parts: dict[int, bytes], pid: int = 0, sequence: int = 0
) -> bytes:
    body = b""
    for bit in sorted(parts):
        raw = parts[bit]
        body += raw.ljust(max(-(-len(raw) // system.padding) * system.padding, system.padding), b"\0")
    bits = sum(parts)
    header = pack("=HBBHHIIiii", system.route_header + len(body), 5, kind, index, 0, flags, bits, pid, sequence, 0)
    return header.ljust(system.route_header, b"\0") + body


GATEWAY = 0x1 | 0x2


@pytest.mark.parametrize("system", SYSTEMS)
def test_default_routes(system: System) -> None:
    nothing = bytes([0, 0])
    v4, v6 = inet("0.0.0.0"), inet6(system, ip6("::"))

    def route(index: int, flags: int, target: bytes, gateway: bytes, mask: bytes = nothing) -> bytes:
        return message(system, 4, index, flags, {RTA_DST: target, RTA_GATEWAY: gateway, RTA_NETMASK: mask})

    data = b"".join(
        [
            route(4, GATEWAY, v4, inet("192.0.2.1")),
            pack("=HBB", 8, 77, 4) + b"????",  # another version
            route(4, GATEWAY, inet("10.0.0.0"), inet("192.0.2.9"), bytes([5, 0, 0, 0, 255])),
            route(5, 0x1, v4, link(5), bytes([5, 0, 0, 0, 128])),  # half of the address space
            route(5, 0x1, v6, link(5)),  # no gateway
            route(4, GATEWAY, v6, inet6(system, ip6("fe80:4::1"))),
            route(4, GATEWAY | 0x1000000, v4, inet("192.0.2.2")),  # RTF_IFSCOPE
            route(4, GATEWAY | 0x1000, v4, inet("192.0.2.3")),  # RTF_BLACKHOLE
            route(4, 0x2, v4, inet("192.0.2.4")),  # not up
        ]
    )
    found = decode_routes(data, system, name_of, INET6)
    scoped = 0 if system is MACOS else 254
    assert [(r.family, r.host, r.interface, r.table) for r in found] == [
        (2, "192.0.2.1", "en0", 254),
        (INET6, None, "utun3", 254),
        (INET6, "fe80::1%en0", "en0", 254),
        (2, "192.0.2.2", "en0", scoped),
    ]


@pytest.mark.parametrize("system", SYSTEMS)
def test_asking_for_a_route(system: System) -> None:
    asked = request_route(bytes([198, 51, 100, 1]), 0, system, 42)
    ((kind, one),) = messages(asked, system)
    assert (kind, one) == (RTM_GET, asked)
    parts = sockaddrs(asked, system.route_header, RTA_DST | RTA_IFP, system)
    assert unpack_sockaddr(parts[RTA_DST], system) == (2, bytes([198, 51, 100, 1]), 0)
    assert link_address(parts[RTA_IFP]) == (0, 0, "", b"")


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_answer_among_other_messages(system: System) -> None:
    parts = {
        RTA_DST: inet("0.0.0.0"),
        RTA_GATEWAY: inet("192.0.2.1"),
        RTA_IFP: link(4, b"en0", bytes(6)),
        RTA_IFA: inet("192.0.2.7"),
    }
    other = message(system, RTM_GET, 5, GATEWAY, {**parts, RTA_IFA: inet("10.0.0.1")}, pid=1, sequence=42)
    ours = message(system, RTM_GET, 4, GATEWAY, parts, pid=77, sequence=42)
    assert decode_reply(other, system, 42, 77, "198.51.100.1", name_of, INET6) is None
    found = decode_reply(other + ours, system, 42, 77, "198.51.100.1", name_of, INET6)
    assert found is not None
    assert (found.host, found.interface, found.index, found.gateway) == ("192.0.2.7", "en0", 4, "192.0.2.1")


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_cut_off_is_not_read(system: System) -> None:
    """At every length: nothing is invented, whether the header tells the old length or the new one."""
    parts = {RTA_DST: inet("0.0.0.0"), RTA_GATEWAY: inet("192.0.2.1"), RTA_NETMASK: bytes([0, 0, 0, 0])}
    whole = message(system, 4, 4, GATEWAY, parts)
    (route,) = decode_routes(whole, system, name_of, INET6)
    for cut in range(len(whole)):
        assert decode_routes(whole[:cut], system, name_of, INET6) == []
        told = (pack("=H", cut) + whole[2:])[:cut]
        assert decode_routes(told, system, name_of, INET6) in ([], [route])
