"""Control messages by their bytes, for every system, on any system."""

from __future__ import annotations

import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.core.ancillary import Facts, is_multicast, is_v4_mapped, needs_interface
from dualstack.platforms.udp import RULES

LINUX, DARWIN, FREEBSD, OPENBSD, NETBSD, WINDOWS = (
    RULES[name].layout for name in ("linux", "darwin", "freebsd", "openbsd", "netbsd", "win32")
)

V4, OTHER4 = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 9))
V6 = bytes.fromhex("20010db8" + "00" * 11 + "01")
LINK = bytes.fromhex("fe80" + "00" * 13 + "01")
GROUP4, GROUP6 = bytes((224, 0, 0, 251)), bytes.fromhex("ff02" + "00" * 13 + "fb")
MAPPED = bytes(10) + b"\xff\xff"


def u32(number):
    return number.to_bytes(4, sys.byteorder)


def sockaddr_dl(index):
    return bytes((54, 18)) + index.to_bytes(2, sys.byteorder) + bytes(50)


def told(layout, *messages):
    facts = layout.decode(messages)
    return {name: getattr(facts, name) for name in Facts.__slots__ if getattr(facts, name)}


@pytest.mark.parametrize(
    ("layout", "messages", "expected"),
    [
        pytest.param(LINUX, [], {}, id="nothing"),
        pytest.param(LINUX, [(0, 8, u32(3) + V4 + V4)], {"local": V4, "source": V4, "interface": 3}, id="linux-ipv4"),
        pytest.param(LINUX, [(41, 50, V6 + u32(4))], {"local": V6, "interface": 4}, id="linux-ipv6"),
        pytest.param(LINUX, [(41, 50, MAPPED + V4 + u32(4))], {"local": V4, "interface": 4}, id="linux-mapped"),
        pytest.param(
            LINUX,
            [(41, 50, MAPPED + V4 + u32(4)), (0, 8, u32(4) + V4 + V4)],
            {"local": V4, "source": V4, "interface": 4},
            id="linux-both-messages",
        ),
        pytest.param(
            LINUX,
            [(0, 8, u32(4) + OTHER4 + GROUP4), (41, 50, MAPPED + GROUP4 + u32(4))],
            {"local": GROUP4, "source": OTHER4, "interface": 4},
            id="linux-group-both-messages-other-order",
        ),
        pytest.param(
            LINUX,
            [(41, 50, MAPPED + V4 + u32(4)), (0, 8, u32(4) + OTHER4 + OTHER4)],
            {"source": OTHER4, "interface": 4},
            id="messages-that-disagree-name-no-local",
        ),
        pytest.param(LINUX, [(41, 50, V6)], {}, id="linux-ipv6-short"),
        pytest.param(LINUX, [(0, 8, u32(3) + V4)], {}, id="linux-ipv4-short"),
        pytest.param(
            LINUX, [(41, 52, u32(63)), (41, 67, u32(0xB8))], {"hop_limit": 63, "traffic_class": 0xB8}, id="linux-hops"
        ),
        pytest.param(
            LINUX, [(0, 2, u32(63)), (0, 1, b"\xb8")], {"hop_limit": 63, "traffic_class": 0xB8}, id="linux-ttl"
        ),
        pytest.param(LINUX, [(1, 35, struct.pack("=qq", 7, 500_000_000))], {"timestamp": 7.5}, id="linux-timestamp"),
        pytest.param(LINUX, [(1, 35, bytes(4))], {}, id="timestamp-short"),
        pytest.param(LINUX, [(1, 1, bytes(4)), (99, 1, b""), (41, 99, b"x")], {}, id="unknown-messages"),
        pytest.param(LINUX, [(41, 52, b""), (0, 2, b"")], {}, id="empty-data"),
        pytest.param(DARWIN, [(0, 26, u32(3) + V4 + V4)], {"local": V4, "source": V4, "interface": 3}, id="macos-ipv4"),
        pytest.param(DARWIN, [(0, 7, V4)], {"local": V4}, id="macos-dstaddr"),
        pytest.param(DARWIN, [(41, 46, V6 + u32(5))], {"local": V6, "interface": 5}, id="macos-ipv6"),
        pytest.param(
            DARWIN,
            [(0, 24, b"\x3f"), (0, 27, b"\x04"), (41, 47, u32(9)), (41, 36, u32(3))],
            {"hop_limit": 9, "traffic_class": 3},
            id="macos-hops",
        ),
        pytest.param(DARWIN, [(0xFFFF, 2, struct.pack("=qi4x", 7, 250_000))], {"timestamp": 7.25}, id="macos-timeval"),
        pytest.param(FREEBSD, [(0, 7, V4), (0, 20, sockaddr_dl(6))], {"local": V4, "interface": 6}, id="freebsd-ipv4"),
        pytest.param(
            FREEBSD, [(0, 65, b"\x40"), (0, 68, b"\x01")], {"hop_limit": 64, "traffic_class": 1}, id="freebsd-ttl"
        ),
        pytest.param(FREEBSD, [(0xFFFF, 2, struct.pack("=qq", 7, 250_000))], {"timestamp": 7.25}, id="freebsd-timeval"),
        pytest.param(FREEBSD, [(0, 7, b"\1\2")], {}, id="freebsd-short"),
        pytest.param(OPENBSD, [(0, 7, V4), (0, 30, sockaddr_dl(2))], {"local": V4, "interface": 2}, id="openbsd-ipv4"),
        pytest.param(NETBSD, [(0, 7, V4), (0, 23, b"\x10")], {"local": V4, "hop_limit": 16}, id="netbsd-ipv4"),
        pytest.param(WINDOWS, [(0, 19, V4 + u32(7))], {"local": V4, "interface": 7}, id="windows-ipv4"),
        pytest.param(
            WINDOWS,
            [(41, 19, MAPPED + V4 + u32(7)), (0, 19, V4 + u32(7)), (0, 4, u32(64)), (0, 3, u32(2))],
            {"local": V4, "interface": 7, "hop_limit": 64, "traffic_class": 2},
            id="windows-dual-as-seen-under-wine",
        ),
        pytest.param(
            WINDOWS, [(0, 21, u32(64)), (0, 40, u32(2))], {"hop_limit": 64, "traffic_class": 2}, id="windows-by-option"
        ),
        pytest.param(
            WINDOWS,
            [(41, 19, V6 + u32(7)), (41, 21, u32(1)), (41, 39, u32(4))],
            {"local": V6, "interface": 7, "hop_limit": 1, "traffic_class": 4},
            id="windows-ipv6",
        ),
    ],
)
def test_decode(layout, messages, expected):
    assert told(layout, *messages) == expected


@pytest.mark.parametrize(
    ("layout", "six", "address", "interface", "messages"),
    [
        pytest.param(LINUX, True, V6, 0, [(41, 50, V6 + u32(0))], id="linux-ipv6"),
        pytest.param(LINUX, True, V4, 0, [(41, 50, MAPPED + V4 + u32(0))], id="linux-ipv4-on-dual"),
        pytest.param(
            LINUX, True, bytes(4), 3, [(41, 50, MAPPED + bytes(4) + u32(3))], id="linux-interface-ipv4-on-dual"
        ),
        pytest.param(LINUX, False, V4, 2, [(0, 8, u32(2) + V4 + bytes(4))], id="linux-ipv4"),
        pytest.param(LINUX, True, None, 3, [(41, 50, bytes(16) + u32(3))], id="linux-interface-only"),
        pytest.param(LINUX, False, None, 3, [(0, 8, u32(3) + bytes(8))], id="linux-interface-only-ipv4"),
        pytest.param(LINUX, True, None, 0, [], id="nothing-to-say"),
        pytest.param(LINUX, False, bytes(4), 0, [], id="nothing-to-say-ipv4"),
        pytest.param(DARWIN, False, V4, 0, [(0, 26, u32(0) + V4 + bytes(4))], id="macos-ipv4"),
        pytest.param(DARWIN, True, V6, 0, [(41, 46, V6 + u32(0))], id="macos-ipv6"),
        pytest.param(FREEBSD, False, V4, 0, [(0, 7, V4)], id="freebsd-ipv4"),
        pytest.param(OPENBSD, True, LINK, 3, [(41, 46, LINK + u32(3))], id="openbsd-link-local"),
        pytest.param(WINDOWS, True, V4, 0, [(0, 19, V4 + u32(0))], id="windows-ipv4-on-dual"),
        pytest.param(WINDOWS, True, V6, 9, [(41, 19, V6 + u32(9))], id="windows-ipv6"),
        pytest.param(WINDOWS, False, None, 9, [(0, 19, bytes(4) + u32(9))], id="windows-interface-only"),
    ],
)
def test_source(layout, six, address, interface, messages):
    assert list(layout.source(six=six, address=address, interface=interface)) == messages


def test_bsd_has_no_message_for_the_interface_of_ipv4():
    with pytest.raises(LookupError):
        FREEBSD.source(six=False, address=V4, interface=1)


def _facts(**fields):
    facts = Facts()
    for name, value in fields.items():
        setattr(facts, name, value)
    return facts


@pytest.mark.parametrize(
    ("layout", "six", "facts", "messages"),
    [
        pytest.param(LINUX, True, {"local": V6, "interface": 4}, [(41, 50, V6 + u32(0))], id="routing-stays-free"),
        pytest.param(
            LINUX, True, {"local": LINK, "interface": 4}, [(41, 50, LINK + u32(4))], id="link-local-names-its-link"
        ),
        pytest.param(
            LINUX,
            False,
            {"local": b"\xa9\xfe\1\2", "interface": 4},
            [(0, 8, u32(4) + b"\xa9\xfe\1\2" + bytes(4))],
            id="ipv4-link-local",
        ),
        pytest.param(LINUX, True, {}, [], id="unknown-is-not-guessed"),
        pytest.param(LINUX, True, {"interface": 4}, [], id="interface-alone-is-not-an-address"),
        pytest.param(LINUX, True, {"local": GROUP6, "interface": 4}, [(41, 50, bytes(16) + u32(4))], id="group"),
        pytest.param(
            LINUX,
            True,
            {"local": GROUP4, "source": V4, "interface": 4},
            [(41, 50, MAPPED + V4 + u32(4))],
            id="ipv4-group-on-dual",
        ),
        pytest.param(
            LINUX,
            False,
            {"local": b"\xc0\x00\x02\xff", "source": V4, "interface": 4},
            [(0, 8, u32(4) + V4 + bytes(4))],
            id="broadcast",
        ),
        pytest.param(
            WINDOWS, True, {"local": GROUP4, "interface": 4}, [(0, 19, bytes(4) + u32(4))], id="windows-group-on-dual"
        ),
        pytest.param(FREEBSD, False, {"local": V4, "interface": 4}, [(0, 7, V4)], id="freebsd"),
        pytest.param(
            FREEBSD,
            False,
            {"local": b"\xa9\xfe\1\2", "interface": 4},
            [(0, 7, b"\xa9\xfe\1\2")],
            id="freebsd-link-local",
        ),
        pytest.param(FREEBSD, False, {"local": GROUP4, "interface": 4}, [], id="freebsd-group-goes-by-route"),
        pytest.param(
            FREEBSD, True, {"local": GROUP6, "interface": 4}, [(41, 46, bytes(16) + u32(4))], id="freebsd-ipv6-group"
        ),
    ],
)
def test_answer(layout, six, facts, messages):
    assert list(layout.answer(_facts(**facts), six=six)) == messages


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("address", [V4, V6], ids=["ipv4", "ipv6"])
def test_an_answer_reads_back_as_the_address_that_was_asked(name, address):
    layout = RULES[name].layout
    six = len(address) == 16
    (message,) = layout.answer(_facts(local=address, interface=7), six=six)
    facts = layout.decode([message])
    # In what is sent, in_pktinfo of Linux and macOS has the source in spec_dst and addr empty.
    assert address in (facts.local, facts.source)
    assert layout.names_local(message)


@pytest.mark.parametrize(
    ("layout", "sizes", "space"),
    [
        pytest.param(LINUX, (20,), 40, id="linux-in6_pktinfo"),
        pytest.param(DARWIN, (20,), 32, id="macos-in6_pktinfo"),
        pytest.param(DARWIN, (4,), 16, id="macos-int"),
        pytest.param(FREEBSD, (20,), 40, id="freebsd-in6_pktinfo"),
        pytest.param(FREEBSD, (4,), 24, id="freebsd-int"),
        pytest.param(WINDOWS, (8,), 24, id="windows-in_pktinfo"),
        pytest.param(WINDOWS, (20, 8), 64, id="windows-both"),
    ],
)
@pytest.mark.skipif(sys.maxsize < 2**32, reason="sizes of 64-bit systems")
def test_space(layout, sizes, space):
    assert layout.space(*sizes) == space


def test_pack_is_what_the_headers_say():
    packed = WINDOWS.pack([(41, 19, V6 + u32(7)), (0, 19, V4 + u32(7))])
    assert packed == (
        struct.pack("=Qii", 36, 41, 19) + V6 + u32(7) + bytes(4) + struct.pack("=Qii", 24, 0, 19) + V4 + u32(7)
    )
    assert DARWIN.pack([(41, 46, V6 + u32(7))]) == struct.pack("=Iii", 32, 41, 46) + V6 + u32(7)
    assert FREEBSD.pack([(0, 7, V4)]) == struct.pack("=Iii4x", 20, 0, 7) + V4 + bytes(4)


messages = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=60)), max_size=5)


@given(messages, st.sampled_from(sorted(RULES)))
def test_pack_and_unpack(what, name):
    layout = RULES[name].layout
    packed = layout.pack(what)
    assert layout.unpack(packed) == what
    assert len(packed) == layout.space(*(len(data) for _, _, data in what))


@given(st.binary(max_size=200), st.sampled_from(sorted(RULES)))
def test_unpack_and_decode_any_bytes(raw, name):
    layout = RULES[name].layout
    found = layout.unpack(raw)
    assert sum(len(data) for _, _, data in found) <= len(raw)
    facts = layout.decode(found)
    assert facts.local is None or (len(facts.local) in (4, 16) and not is_v4_mapped(facts.local))


def test_kinds_of_addresses():
    assert [is_multicast(one) for one in (V4, GROUP4, b"\xf0\0\0\1", V6, GROUP6)] == [False, True, False, False, True]
    assert [needs_interface(one) for one in (V4, b"\xa9\xfe\0\1", V6, LINK, b"\xfe\xc0" + bytes(14))] == [
        False, True, False, True, False,
    ]  # fmt: skip
