"""Differential laws of all parsers: against the reference, inet_pton, ipaddress and getaddrinfo.

Texts come from the grammar (valid), from the grammar with one to three edits (nearly valid, where parsers differ), and
from anywhere. ``DUALSTACK_FUZZ`` in the environment says how many cases per law; ci/soak_parsing.py runs many.
"""

from __future__ import annotations

import ipaddress
import json
import os
import pickle
import socket
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dualstack.core import text as core_text
from dualstack.core.address import parse
from dualstack.core.endpoint import Endpoint, IPv4Endpoint, IPv6Endpoint
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.errors import AddressError

CASES = int(os.environ.get("DUALSTACK_FUZZ", "300"))
fuzz = settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# ---------------------------------------------------------------------- texts

octets = st.integers(0, 255).map(str)
ipv4 = st.lists(octets, min_size=4, max_size=4).map(".".join)
groups = st.one_of(st.just("0"), st.integers(0, 0xFFFF).map("{:x}".format), st.integers(0, 0xFFFF).map("{:04X}".format))


@st.composite
def ipv6(draw: st.DrawFn) -> str:
    last = draw(st.one_of(st.just([]), ipv4.map(lambda text: [text])))
    room = 8 - 2 * len(last)
    if draw(st.booleans()):
        return ":".join(draw(st.lists(groups, min_size=room, max_size=room)) + last)
    left = draw(st.lists(groups, max_size=room - 1))
    right = draw(st.lists(groups, max_size=room - 1 - len(left)))
    return ":".join(left) + "::" + ":".join(right + last)


zones = st.one_of(
    st.integers(1, 2**32).map(str), st.sampled_from(["eth0", "lo", "en0.1", "0", "é", "x" * 15, "x" * 16])
)
link_local = st.one_of(ipv6().map(lambda text: "fe80::" + text.rpartition(":")[2][:4]), st.just("ff02::1"), ipv6())
scoped = st.builds(lambda address, zone: f"{address}%{zone}", link_local, zones)
ports = st.one_of(
    st.integers(0, 70000).map(str), st.sampled_from(["", "http", "080", "80abc", "+80", " 80", "8_0", "\uff18\uff10"])
)
labels = st.text("abcz019-_éXभ", min_size=1, max_size=8)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
hosts = st.one_of(
    ipv4, names, ipv6().map("[{}]".format), scoped.map("[{}]".format), st.sampled_from(["", "*", "%eth0", "%"])
)
schemes = st.sampled_from(
    ["", "", "", "tcp://", "tcp4://", "udp6://", "http://", "unix:", "fd://", "systemd:", "unix:@", "://"]
)
written = st.builds(
    lambda scheme, host, colon, port: scheme + host + colon + port,
    schemes,
    hosts,
    st.sampled_from([":", ":", ""]),
    ports,
)
odd = st.sampled_from(
    [*"0:.%[]@/ \0\t\n-_+xXfg\uff11①٣。²é", "::", "%25", "%00", "\udc80", "\ud800", "0x", "65536", "b\u0300"]
)


@st.composite
def edited(draw: st.DrawFn, base: st.SearchStrategy[str]) -> str:
    """A text one to three edits away from a good one."""
    text = draw(base)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 2)))
        text = text[:at] + draw(st.one_of(odd, st.just(""), st.characters())) + text[end:]
    return text


anything = st.one_of(written, edited(written), st.text(max_size=40), st.text("0123456789abcdef:.%[]", max_size=50))
bare = st.one_of(ipv4, ipv6(), edited(ipv4), edited(ipv6()), st.text("0123456789abf:.", max_size=45))


def pton(family: int, text: str) -> bytes | None:
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):  # ValueError: NUL or a surrogate in the text
        return None


# ---------------------------------------------------------------------- laws


@pytest.mark.wine_skip("inet-pton")
@fuzz
@given(bare)
@example("::ffff:1.2.3.4")
@example("1::2:3:4:5:6:7:8")
@example("0:0:0:0:0:0:0:0:0")
def test_addresses_without_zone_are_those_of_inet_pton_and_of_the_reference(reference, text: str) -> None:
    assert core_text.ipv4_packed(text) == pton(socket.AF_INET, text) == reference.ipv4(text)
    assert core_text.ipv6_packed(text) == pton(socket.AF_INET6, text) == reference.ipv6(text)


@fuzz
@given(st.one_of(bare, edited(scoped), scoped))
@example("ff02::1%\uff111")
def test_hosts_are_those_of_ipaddress_but_for_zones(reference, text: str) -> None:
    """ipaddress takes any zone on any address: the one known difference (and IPv4 agrees since 3.9.5)."""
    try:
        theirs = ipaddress.ip_address(text)
    except ValueError:
        theirs = None
    _, mark, zone = text.partition("%")
    ours: Endpoint | None
    try:
        ours = IPv6Endpoint(text, 0) if ":" in text else IPv4Endpoint(text, 0)
    except AddressError:
        ours = None
    if theirs is None or (mark and not (reference.zone(zone) and reference.zoned(theirs.packed))):
        assert ours is None
    else:
        assert ours is not None
        assert ours.packed == theirs.packed
        if theirs.version == 6 and sys.version_info >= (3, 13):
            assert ours.host == str(theirs)  # RFC 5952, and since 3.13 the mixed form of mapped addresses


@fuzz
@given(st.one_of(bare, written, edited(written)))
def test_numeric_hosts_are_a_strict_subset_of_getaddrinfo(text: str) -> None:
    """Whatever we read as a literal the system reads too, as the same address (zones by index only)."""
    packed = core_text.ipv4_packed(text) or core_text.ipv6_packed(text)
    if packed is None:
        return
    rows = socket.getaddrinfo(text, None, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    assert {socket.inet_pton(row[0], row[4][0]) for row in rows} == {packed}


@pytest.mark.parametrize("text", ["127.1", "0x7f.1", "2130706433", "010.0.0.1", "0"])
def test_the_subset_is_strict(text: str) -> None:
    """glibc reads these as addresses; we must not (elsewhere a system may refuse them too)."""
    assert core_text.ipv4_packed(text) is None


# What URL parsers of browsers read as an address: ours is that address, or an error, never another one.
BROWSERS = {
    "127.0.0.1": "127.0.0.1",
    "0x7f.0.0.1": None,
    "0X7F.0x0.0x0.0x1": None,
    "0x7f000001": None,
    "017700000001": None,
    "127.1": None,
    "127.0.1": None,
    "1.2.3.08": None,
    "1.2.3.4.": None,  # browsers drop the last dot
    "1.2.3.4.5": None,
    "256.256.256.256": None,
    "0x100.2.3.4": None,
    "4294967296": None,
    "%30%78%63%30": None,
    "\uff10\uff38\uff43\uff10\uff0e\uff10\uff12\uff15\uff10\uff0e\uff10\uff11": None,  # 0Xc0.0250.01, full width
    "192.168.0.1\u3002": None,
    "192\u30020\uff0e2.1": None,
    "1.2.3.4\u200b": None,
    "1.2.3.\xad4": None,
    "[::1]": "::1",
    "[0:0:0:0:0:0:0:1]": "::1",
    "[::127.0.0.1]": "::7f00:1",
    "[0:0:0:0:0:0:13.1.68.3]": "::d01:4403",
    "[2001::1]": "2001::1",
    "[::1.2.3.4x]": None,
    "[::1.2.3.]": None,
    "[::.1.2]": None,
    "[::127.0.0.1.]": None,
    "[::0x7f.0.0.1]": None,
    "[0:1:2:3:4:5:6:7:8]": None,
    "[0::0::0]": None,
    "[0:.0]": None,
    "[0:1.23.23]": None,
    "[::1%eth0]": None,
    "[1:2::3%252]": None,
    "[www.example.com]": None,
    "[]": None,
    "[:]": None,
}


@pytest.mark.parametrize(("host", "address"), BROWSERS.items(), ids=ascii)
def test_what_browsers_take_for_an_address(host: str, address: str | None) -> None:
    if address is None:
        with pytest.raises(AddressError):
            parse(f"{host}:80")
    else:
        assert parse(f"{host}:80").host == address


@fuzz
@given(anything)
@example("[fe80::1%1]:0")
@example("[::1]:00080")
def test_endpoints_are_those_of_the_reference(reference, text: str) -> None:
    expected = reference.endpoint(text)
    if text.startswith(("unix:", "af")):
        return
    try:
        endpoint = Endpoint.parse(text)
    except AddressError as error:
        assert expected is None
        check_error(error, text)
        return
    assert (endpoint.family, endpoint.packed, endpoint.zone, endpoint.port) == expected


@fuzz
@given(anything)
@example("unix:@%00")
@example("[::1]:b\u0300")
@example("a.b\u0300:1")
def test_addresses_are_those_of_the_reference(reference, text: str) -> None:
    expected = reference.address(text)
    try:
        address = parse(text)
    except AddressError as error:
        assert expected is None
        check_error(error, text)
        return
    kind, host, port, transport, family = expected
    assert (address.kind, address.port, address.transport, address.family) == (kind, port, transport, family)
    if kind == "unix":
        assert address.endpoint == UnixEndpoint(host)
    elif kind == "host" and isinstance(host, tuple):
        assert address.host == (core_text.ipv6_text(host[0]) + ("" if host[1] is None else f"%{host[1]}"))
    elif kind == "host" and isinstance(host, bytes):
        assert address.host == ".".join(map(str, host))
    else:
        assert {"host": address.host, "fd": address.fd}.get(kind, address.name) == host


def check_error(error: AddressError, text: str) -> None:
    assert error.text == text
    assert 0 <= error.position <= len(text)
    assert error.reason
    assert len(str(error)) < 800  # a megabyte of input must not become a megabyte of log; repr may take 10 a piece
    assert pickle.loads(pickle.dumps(error)).position == error.position


@fuzz
@given(anything)
def test_parsing_is_pure_and_its_text_reads_back(text: str) -> None:
    for read in (parse, Endpoint.parse):
        try:
            value = read(text)
        except AddressError as error:
            with pytest.raises(AddressError) as again:
                read(text)
            assert (again.value.position, again.value.reason) == (error.position, error.reason)
            continue
        assert read(text) == value
        spelled = str(value)
        assert read(spelled) == value
        assert str(read(spelled)) == spelled
        assert hash(read(spelled)) == hash(value)
        assert pickle.loads(pickle.dumps(value)) == value
        assert read(json.loads(json.dumps(spelled))) == value


@fuzz
@given(st.binary(min_size=16, max_size=16))
def test_ipv6_text_is_rfc_5952(packed: bytes) -> None:
    text = core_text.ipv6_text(packed)
    assert core_text.ipv6_packed(text) == packed
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        assert text == f"::ffff:{ipaddress.IPv4Address(packed[12:])}"
    else:
        assert text == str(ipaddress.IPv6Address(packed))


@fuzz
@given(st.binary(max_size=107))
def test_every_abstract_name_has_a_text(name: bytes) -> None:
    endpoint = UnixEndpoint(b"\0" + name)
    assert Endpoint.parse(str(endpoint)) == endpoint
    assert parse(str(endpoint)).endpoint == endpoint


@fuzz
@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_every_path_has_a_text(path: str) -> None:
    try:
        endpoint = UnixEndpoint(path)
    except AddressError:
        with pytest.raises(UnicodeEncodeError):
            os.fsencode(path)
        return
    assert Endpoint.parse(str(endpoint)) == endpoint
    # The same file, though perhaps by a shorter name.
    assert os.path.normpath(endpoint.sockaddr).lstrip("/") == os.path.normpath(path).lstrip("/")


# ---------------------------------------------------------------------- a megabyte

MEGABYTE = 10**6
LONG = {
    "digits": "1" * MEGABYTE,
    "octets": "1." * (MEGABYTE // 2),
    "colons": ":" * MEGABYTE,
    "groups": "1:" * (MEGABYTE // 2),
    "hex": "f" * MEGABYTE,
    "hex-then-colon": "f" * MEGABYTE + ":",
    "bracket-hex": "[" + "f" * MEGABYTE + ":]:80",
    "bracket-mixed": "[::" + "1" * MEGABYTE + ".1]:80",
    "brackets": "[" * MEGABYTE,
    "zone": "[fe80::1%" + "x" * MEGABYTE + "]:80",
    "zone-digits": "[fe80::1%" + "9" * MEGABYTE + "]:80",
    "percents": "%" * MEGABYTE,
    "bare-zone-and-port": "fe80::1%" + "x" * MEGABYTE + ":80",
    "slashes-of-a-path": "/" * MEGABYTE,
    "label": "a" * MEGABYTE + ":80",
    "labels": "a." * (MEGABYTE // 2) + ":80",
    "dots": "." * MEGABYTE + ":80",
    "non-ascii": "é" * MEGABYTE + ":80",
    "marks": "b" + "\u0300" * MEGABYTE + ":80",
    "port": "host:" + "9" * MEGABYTE,
    "port-zeros": "1.2.3.4:" + "0" * MEGABYTE,
    "port-letters": "host:" + "x" * MEGABYTE,
    "port-hyphens": "host:" + "-" * MEGABYTE,
    "spaces": " " * MEGABYTE,
    "nul": "\0" * MEGABYTE,
    "nul-at-the-end": "1" * MEGABYTE + "\0",
    "unix": "unix:" + "x" * MEGABYTE,
    "abstract": "unix:@" + "%00" * (MEGABYTE // 3),
    "slashes": "unix:" + "/" * MEGABYTE,
    "fd": "fd://" + "3" * MEGABYTE,
    "systemd": "systemd:" + "x" * MEGABYTE,
    "opaque": "af17:" + "(" * MEGABYTE,
    "opaque-family": "af" + "1" * MEGABYTE + ":1",
    "scheme": "t" * MEGABYTE + "://x:80",
}


class Counted:
    """Counts the lines of core/ that run: work in Python, which is what could be slow."""

    def __init__(self) -> None:
        self.lines = 0

    def trace(self, frame, event, arg):
        if "dualstack" not in frame.f_code.co_filename:
            return None
        self.lines += event == "line"
        return self.trace


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in LONG.items()])
def test_a_megabyte_costs_a_bounded_number_of_steps(text: str) -> None:
    """Whatever walks the whole text runs in C; the Python steps do not grow with it.

    Counted, not timed: 2,000 lines is far above the longest explanation and far below one step per character.
    """
    for read in (parse, Endpoint.parse):
        counted = Counted()
        before = sys.gettrace()
        sys.settrace(counted.trace)
        try:
            read(text)
        except AddressError as error:
            sys.settrace(before)
            assert len(str(error)) < 2000
        finally:
            sys.settrace(before)
        assert counted.lines < 2000
