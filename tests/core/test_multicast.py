"""Multicast requests by their bytes, for every system, on any system."""

from __future__ import annotations

import sys

import pytest

from dualstack import Endpoint, IPv4Endpoint
from dualstack.core.multicast import hops, link_scope, loop, membership, read_group, send_interface
from dualstack.errors import AddressError
from dualstack.platforms.constants import DARWIN, FREEBSD, LINUX, NETBSD, OPENBSD, TABLES, WINDOWS

G4, S4 = bytes((224, 0, 0, 251)), bytes((192, 0, 2, 1))
G6, S6 = bytes.fromhex("ff02" + "00" * 13 + "fb"), bytes.fromhex("20010db8" + "00" * 11 + "01")


def u32(number):
    return number.to_bytes(4, sys.byteorder)


def u16(number):
    return number.to_bytes(2, sys.byteorder)


@pytest.mark.parametrize(
    ("constants", "group", "join", "request_"),
    [
        pytest.param(LINUX, G4, True, (0, 35, G4 + bytes(4) + u32(3)), id="linux-ip_mreqn"),
        pytest.param(LINUX, G4, False, (0, 36, G4 + bytes(4) + u32(3)), id="linux-leave"),
        pytest.param(LINUX, G6, True, (41, 20, G6 + u32(3)), id="linux-ipv6_mreq"),
        pytest.param(LINUX, G6, False, (41, 21, G6 + u32(3)), id="linux-ipv6-leave"),
        pytest.param(DARWIN, G4, True, (0, 12, G4 + bytes(4) + u32(3)), id="macos-ip_mreqn"),
        pytest.param(DARWIN, G6, False, (41, 13, G6 + u32(3)), id="macos-ipv6-leave"),
        pytest.param(FREEBSD, G4, True, (0, 12, G4 + bytes(4) + u32(3)), id="freebsd-ip_mreqn"),
        pytest.param(OPENBSD, G4, True, (0, 12, G4 + bytes(4) + u32(3)), id="openbsd-ip_mreqn"),
        pytest.param(NETBSD, G4, True, (0, 12, G4 + bytes((0, 0, 0, 3))), id="netbsd-ip_mreq-with-index"),
        pytest.param(WINDOWS, G4, True, (0, 12, G4 + bytes((0, 0, 0, 3))), id="windows-ip_mreq-with-index"),
        pytest.param(WINDOWS, G6, True, (41, 12, G6 + u32(3)), id="windows-ipv6_mreq"),
    ],
)
def test_any_source(constants, group, join, request_):
    assert membership(constants, group, 3, join=join) == request_


@pytest.mark.parametrize(
    ("constants", "options", "size", "group_at", "head4", "head6"),
    [
        pytest.param(LINUX, (46, 47), 264, 8, u16(2), u16(10), id="linux"),
        pytest.param(DARWIN, (82, 83), 260, 4, b"\x10\x02", b"\x1c\x1e", id="macos-packs-to-4"),
        pytest.param(FREEBSD, (82, 83), 264, 8, b"\x10\x02", b"\x1c\x1c", id="freebsd"),
        pytest.param(WINDOWS, (45, 46), 264, 8, u16(2), u16(23), id="windows"),
    ],
)
def test_source_specific(constants, options, size, group_at, head4, head6):
    for join in (True, False):
        level, option, value = membership(constants, G4, 3, S4, join=join)
        assert (level, option, len(value), value[:4]) == (0, options[not join], size, u32(3))
        assert value[group_at : group_at + 8] == head4 + b"\0\0" + G4
        assert value[group_at + 128 : group_at + 136] == head4 + b"\0\0" + S4
        level, option, value = membership(constants, G6, 3, S6, join=join)
        assert (level, option, len(value)) == (41, options[not join], size)
        assert value[group_at : group_at + 24] == head6 + bytes(6) + G6
        assert value[group_at + 128 : group_at + 152] == head6 + bytes(6) + S6


@pytest.mark.parametrize("constants", [NETBSD, OPENBSD], ids=["netbsd", "openbsd"])
def test_no_source_specific_joins(constants):
    with pytest.raises(LookupError):
        membership(constants, G4, 3, S4, join=True)


@pytest.mark.parametrize("system", TABLES)
def test_sending_options(system):
    constants = TABLES[system]
    by_address = system in ("win32", "netbsd")
    small = system in ("darwin", "freebsd", "netbsd", "openbsd")
    four = (32, 33, 34) if system == "linux" else (9, 10, 11)
    six = (17, 18, 19) if system == "linux" else (9, 10, 11)
    index = bytes((0, 0, 0, 5)) if by_address else bytes(8) + u32(5)
    assert send_interface(constants, 5, four=True) == (0, four[0], index)
    assert send_interface(constants, 5, four=False) == (41, six[0], 5)
    assert hops(constants, 8, four=True) == (0, four[1], b"\x08" if small else 8)
    assert hops(constants, 8, four=False) == (41, six[1], 8)
    assert loop(constants, False, four=True) == (0, four[2], b"\0" if small else 0)
    assert loop(constants, True, four=False) == (41, six[2], 1)


def test_read_group():
    assert read_group("224.0.0.251").host == "224.0.0.251"
    assert read_group("ff02::fb%eth0").zone == "eth0"
    assert read_group(Endpoint.parse("[::ffff:224.0.0.251]:5353")) == IPv4Endpoint("224.0.0.251", 5353)


@pytest.mark.parametrize(
    ("group", "error"),
    [
        pytest.param("192.0.2.1", AddressError, id="unicast"),
        pytest.param("2001:db8::1", AddressError, id="unicast-ipv6"),
        pytest.param("240.0.0.1", AddressError, id="reserved"),
        pytest.param("mdns.example", AddressError, id="name"),
        pytest.param("", AddressError, id="empty"),
        pytest.param(b"\xe0\0\0\1", TypeError, id="bytes"),
        pytest.param(None, TypeError, id="none"),
        pytest.param(Endpoint.parse("unix:/x"), AddressError, id="unix"),
    ],
)
def test_what_is_no_group(group, error):
    with pytest.raises(error):
        read_group(group)


@pytest.mark.parametrize(
    ("group", "link"),
    [
        ("ff01::1", True),
        ("ff02::1", True),
        ("ff12::1", True),
        ("ff05::2", False),
        ("ff0e::1", False),
        ("224.0.0.1", False),
    ],
)
def test_link_scope(group, link):
    assert link_scope(read_group(group).packed) is link
