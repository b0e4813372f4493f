"""Address: what a person writes, split at the right colon or refused at the right character."""

from __future__ import annotations

import copy
import pickle
import socket
from pathlib import PurePosixPath

import pytest

from dualstack.core.address import Address, from_host, parse
from dualstack.core.endpoint import Endpoint, IPv4Endpoint, IPv6Endpoint
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.errors import AddressError

AF_INET, AF_INET6 = socket.AF_INET, socket.AF_INET6


def parts(address: Address) -> dict[str, object]:
    """The fields that are set, without the endpoint."""
    names = ("kind", "host", "port", "transport", "family", "name", "fd")
    return {name: getattr(address, name) for name in names if getattr(address, name) is not None}


def host(name: str, port: int | str, **more: object) -> dict[str, object]:
    return {"kind": "host", "host": name, "port": port, **more}


# text -> (the parts, the text of the endpoint or None, the canonical text when it differs)
GOOD = {
    "host:80": (host("host", 80), None),
    "host:http": (host("host", "http"), None),
    "example.com:443": (host("example.com", 443), None),
    "example.com.:443": (host("example.com.", 443), None),
    "_x._tcp.example.com:1": (host("_x._tcp.example.com", 1), None),
    "1a:80": (host("1a", 80), None),
    "bücher.example:80": (host("bücher.example", 80), None),
    "192.0.2.1:80": (host("192.0.2.1", 80), "192.0.2.1:80"),
    "192.0.2.1:http": (host("192.0.2.1", "http"), None),
    "[::1]:80": (host("::1", 80), "[::1]:80"),
    "[::1]:http": (host("::1", "http"), None),
    "[0:0::1]:080": (host("::1", 80), "[::1]:80", "[::1]:80"),
    "[::1:80]:80": (host("::1:80", 80), "[::1:80]:80"),
    "[fe80::1%eth0]:80": (host("fe80::1%eth0", 80), "[fe80::1%eth0]:80"),
    "[fe80::1%3]:80": (host("fe80::1%3", 80), "[fe80::1%3]:80"),
    "[::ffff:192.0.2.1]:80": (host("::ffff:192.0.2.1", 80), "[::ffff:192.0.2.1]:80"),
    "*:80": ({"kind": "wildcard", "port": 80}, None),
    ":80": ({"kind": "wildcard", "port": 80}, None, "*:80"),
    ":http": ({"kind": "wildcard", "port": "http"}, None, "*:http"),
    ":0": ({"kind": "wildcard", "port": 0}, None, "*:0"),
    "[::]:80": (host("::", 80), "[::]:80"),
    "0.0.0.0:80": (host("0.0.0.0", 80), "0.0.0.0:80"),
    "%eth0:80": ({"kind": "interface", "name": "eth0", "port": 80}, None),
    "%3:80": ({"kind": "interface", "name": "3", "port": 80}, None),
    "tcp://host:80": (host("host", 80, transport="tcp"), None),
    "tcp4://host:80": (host("host", 80, transport="tcp", family=AF_INET), None),
    "tcp6://[::1]:80": (host("::1", 80, transport="tcp", family=AF_INET6), "[::1]:80"),
    "udp://:53": ({"kind": "wildcard", "port": 53, "transport": "udp"}, None, "udp://*:53"),
    "udp4://*:53": ({"kind": "wildcard", "port": 53, "transport": "udp", "family": AF_INET}, None),
    "udp6://[ff02::fb%eth0]:5353": (
        host("ff02::fb%eth0", 5353, transport="udp", family=AF_INET6),
        "[ff02::fb%eth0]:5353",
    ),
    "tcp6://%eth0:80": (
        {"kind": "interface", "name": "eth0", "port": 80, "transport": "tcp", "family": AF_INET6},
        None,
    ),
    "unix:/run/x.sock": ({"kind": "unix"}, "unix:/run/x.sock"),
    "unix:///run/x.sock": ({"kind": "unix"}, "unix:/run/x.sock", "unix:/run/x.sock"),
    "unixpacket:/run/x": ({"kind": "unix", "transport": "seqpacket"}, "unix:/run/x", "unixpacket:/run/x"),
    "unix:x:80": ({"kind": "unix"}, "unix:x:80"),
    "unix:@name": ({"kind": "unix"}, "unix:@name"),
    "fd://3": ({"kind": "fd", "fd": 3}, None),
    "fd://0": ({"kind": "fd", "fd": 0}, None),
    "fd://2147483647": ({"kind": "fd", "fd": 2**31 - 1}, None),
    "systemd:web": ({"kind": "systemd", "name": "web"}, None),
    "systemd:": ({"kind": "systemd"}, None),
    "launchd:Listeners": ({"kind": "launchd", "name": "Listeners"}, None),
}
# text -> (position, words of the reason)
BAD = {
    "": (0, "the port is missing"),
    "host": (4, "the port is missing"),
    "host:": (5, "the port is missing"),
    "*": (1, "the port is missing"),
    ":": (1, "the port is missing"),
    "[::1]": (5, "the port is missing"),
    "[::1]:": (6, "the port is missing"),
    "192.0.2.1": (9, "the port is missing"),
    "tcp://host": (10, "the port is missing"),
    "2001:db8::1": (11, "the port is missing"),
    "::1": (3, "the port is missing"),
    "fe80::a%lo0": (11, "the port is missing"),
    "fe80::1%lo0:80": (0, "written [fe80::1%lo0]:80"),
    "fe80::1%lo0\nevil:80": (11, "not a character of an interface name"),  # a message must not carry a line feed
    "fe80::1%a-name-that-is-too-long:80": (23, "at most 15 bytes"),
    "8080": (4, "a port alone is written :8080"),
    "/run/x.sock": (0, "a path is written unix:/path"),
    "./x.sock": (0, "a path is written unix:/path"),
    "tcp:///run/x.sock": (6, "a path is written unix:/path"),
    "::1:80": (4, "an address or a port? write [::1]:80"),
    "::ffff:1.2.3.4:80": (0, "written [::ffff:1.2.3.4]:80"),
    "1:2:3:4:5:6:7:8:80": (0, "written [1:2:3:4:5:6:7:8]:80"),
    "host:80:90": (7, "too many colons"),
    "host::80": (5, "too many colons"),
    "a:b:c": (5, "eight groups"),
    "192.0.2.1:80:90": (12, "too many colons"),
    "[foo]bar:baz": (5, "':' expected"),
    "foo[bar]:baz": (3, "not a character"),
    "foo]bar:baz": (3, "not a character"),
    "[foo]:80": (1, "not a digit"),
    "[192.0.2.1]:80": (0, "brackets are for IPv6"),
    "[::1": (4, "closing bracket"),
    "::1]:80": (3, "not a hexadecimal"),
    "[[::1]]:80": (6, "':' expected"),
    "[]:80": (1, "missing"),
    "[::1]]:80": (5, "':' expected"),
    "[::1]:80:90": (8, "not an ASCII digit"),
    "[::1%eth0]:80": (4, "only link-local"),
    "[fe80::1%]:80": (9, "empty"),
    "[fe80::1%eth0\r\nX-Evil: 1]:80": (13, "not a character"),
    "010.0.0.1:80": (0, "leading zero"),
    "127.1:80": (5, "short"),
    "0x7f.1:80": (0, "hexadecimal"),
    "2130706433:80": (0, "above 255"),
    "1.2.3.4%eth0:80": (7, "not a digit"),
    "1.2.3.4.5:80": (7, "more than four"),
    "127.0.0.1 :80": (9, "not a character"),
    "a..b:80": (2, "empty label"),
    "-a:80": (0, "hyphen"),
    "a b:80": (1, "not a character"),
    "a\0b:80": (1, "NUL"),
    "host:80\0": (7, "not an ASCII digit"),
    "host:80abc": (7, "not an ASCII digit"),
    "host:+80": (5, "not an ASCII digit"),
    "host: 80": (5, "not an ASCII digit"),
    "host:8_0": (6, "not an ASCII digit"),
    "host:65536": (5, "above 65535"),
    "host:\uff18\uff10": (5, "not an ASCII digit"),
    "\uff11\uff12\uff17.0.0.1:80": (0, "not a digit"),
    "*.example.com:80": (0, "not a character"),
    "**:80": (0, "not a character"),
    "%:80": (1, "empty"),
    "%eth/0:80": (4, "not a character"),
    "%eth0%x:80": (5, "not a character"),
    "http://host:80": (0, "unknown scheme"),
    "TCP://host:80": (0, "unknown scheme"),
    "tcp5://host:80": (0, "unknown scheme"),
    "://host:80": (7, "too many colons"),
    "tcp:host:80": (8, "too many colons"),
    "tcp4://[::1]:80": (7, "asks for IPv4"),
    "tcp6://192.0.2.1:80": (7, "asks for IPv6"),
    "tcp://host:80/path": (13, "not an ASCII digit"),
    "tcp://user@host:80": (10, "not a character"),
    "unix:": (5, "the path is missing"),
    "unix:/a\0b": (7, "NUL"),
    "unix://host/x": (7, "no host"),
    "fd:3": (3, "fd://3"),
    "fd://": (5, "not the number"),
    "fd://-1": (5, "not the number"),
    "fd://3x": (5, "not the number"),
    "fd:// 3": (5, "not the number"),
    "fd://2147483648": (5, "not the number"),
    "fd://\u0663": (5, "not the number"),
    "systemd:a:b": (9, "not a character"),
    "launchd:": (8, "by name"),
    "unixpacket://host/x": (13, "no host"),
    "unixpacket:/a\0b": (13, "NUL"),
    "launchd:a:b": (9, "not a character"),
    "systemd:a b": (9, "not a character"),
    "systemd:a\n": (9, "not a character"),
    "systemd:\u00e9": (8, "not a character"),
    "systemd:" + "x" * 256: (263, "255 characters"),
}


@pytest.mark.parametrize(("text", "expected"), GOOD.items(), ids=repr)
def test_parse(text: str, expected: tuple) -> None:
    fields, endpoint, *canonical = expected
    address = parse(text)
    assert parts(address) == fields
    assert (address.endpoint and str(address.endpoint)) == endpoint
    assert str(address) == (canonical[0] if canonical else text)
    for again in (parse(str(address)), pickle.loads(pickle.dumps(address)), copy.deepcopy(address)):
        assert again == address
        assert hash(again) == hash(address)


@pytest.mark.parametrize(("text", "expected"), BAD.items(), ids=lambda value: repr(value)[:40])
def test_parse_refuses(text: str, expected: tuple[int, str]) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    error = caught.value
    assert error.text == text
    assert (error.position, expected[1] in error.reason) == (expected[0], True), (error.position, error.reason)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("::1", 80, "[::1]:80"),
        ("[::1]", 80, "[::1]:80"),  # never host ":" and port 1
        ("[::1]:81", 80, "[::1]:81"),
        ("::", 80, "[::]:80"),
        ("2001:db8::1:2", "http", None),  # 2 could be the port
        ("2001:db8::a", "http", "[2001:db8::a]:http"),
        ("::1:80", 443, None),
        ("::1:ffff", 443, "[::1:ffff]:443"),
        ("1:2:3:4:5:6:7:8", 80, "[1:2:3:4:5:6:7:8]:80"),  # without its last group it is no address
        ("::1:2", 443, None),
        ("fe80::1%eth0", 80, "[fe80::1%eth0]:80"),
        ("fe80::1:2%eth0", 80, "[fe80::1:2%eth0]:80"),  # the zone says where the address ends
        ("::ffff:1.2.3.4", 80, "[::ffff:1.2.3.4]:80"),
        ("host", 80, "host:80"),
        ("host:", 80, "host:80"),
        ("", 80, "*:80"),
        ("*", "http", "*:http"),
        ("192.0.2.1", 80, "192.0.2.1:80"),
        ("%eth0", 80, "%eth0:80"),
        ("tcp6://", 80, "tcp6://*:80"),
        ("udp://host", 53, "udp://host:53"),
        ("unix:/x", 80, "unix:/x"),
        ("fd://3", 80, "fd://3"),
    ],
)
def test_default_port(text: str, default: int | str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(AddressError, match="an address or a port"):
            parse(text, default)
    else:
        assert str(parse(text, default)) == expected


@pytest.mark.parametrize("default", [-1, 65536, "65536", "+80", " 80", "80abc", ""])
def test_a_bad_default_port_is_refused(default: int | str) -> None:
    with pytest.raises(AddressError):
        parse("host", default)


@pytest.mark.parametrize("default", [True, 80.0, b"80"])
def test_a_default_port_is_an_int_or_text(default: object) -> None:
    with pytest.raises(TypeError):
        parse("host", default)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("text", [None, 80, b"host:80", ["host:80"]])
def test_parse_reads_str_only(text: object) -> None:
    with pytest.raises(TypeError, match="an address is read from str"):
        parse(text)  # type: ignore[arg-type]  # on purpose


# ---------------------------------------------------------------------- the host and port of a verb


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((None, 80), "*:80"),
        (("", 80), "*:80"),
        (("*", "http"), "*:http"),
        (("::", 80), "[::]:80"),
        (("[::]", 80), "[::]:80"),
        (("::1:80", 80), "[::1:80]:80"),  # the port is given apart, so this is an address
        (("fe80::1%eth0", 80), "[fe80::1%eth0]:80"),
        (("0.0.0.0", "80"), "0.0.0.0:80"),
        (("localhost", 0), "localhost:0"),
        (("%eth0", 80), "%eth0:80"),
        (("tcp6://host", 80), "tcp6://host:80"),
        (("tcp6://host:80", 80), "tcp6://host:80"),
        (("[::1]:80", None), "[::1]:80"),
        (("host:http", None), "host:http"),
        (("unix:/x", None), "unix:/x"),
        (("unix:/x", 0), "unix:/x"),
        (("fd://3", None), "fd://3"),
        (("systemd:web", 0), "systemd:web"),
        ((PurePosixPath("/run/x"), None), "unix:/run/x"),
        ((UnixEndpoint("/x"), None), "unix:/x"),
        ((IPv4Endpoint("192.0.2.1", 80), None), "192.0.2.1:80"),
        ((IPv4Endpoint("192.0.2.1", 80), 81), "192.0.2.1:81"),
        ((IPv6Endpoint("fe80::1", 80, scope_id=2), None), "[fe80::1%2]:80"),
        ((parse("host:80"), None), "host:80"),
        ((parse("host:80"), 81), "host:81"),
        ((parse("[::1]:80"), 81), "[::1]:81"),
        ((parse("[::1]:http"), 81), "[::1]:81"),
        ((parse("*:80"), 81), "*:81"),
        ((parse("*:80"), "81"), "*:81"),
    ],
    ids=repr,
)
def test_from_host(arguments: tuple, expected: str) -> None:
    address = from_host(*arguments)
    assert str(address) == expected
    assert parse(str(address)) == address


def test_from_host_keeps_the_scope_of_an_endpoint() -> None:
    endpoint = IPv6Endpoint("fe80::1%eth0", 80, scope_id=2)
    address = from_host(endpoint, 81)
    assert address.endpoint is not None
    assert address.endpoint.sockaddr == ("fe80::1", 81, 0, 2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((None, None), "the port is missing"),
        (("*", None), "the port is missing"),
        (("", None), "the port is missing"),
        (("host", None), "the port is missing"),
        (("host:80", 80), "not a character"),
        (("[::1]:80", 80), ""),
        (("tcp://host:80", 81), "two ports"),
        (("::1%eth0", 80), "only link-local"),
        (("010.0.0.1", 80), "leading zero"),
        (("127.1", 80), "short"),
        (("host", 65536), "outside 0 to 65535"),
        (("host", -1), "outside 0 to 65535"),
        (("host", "65616"), "above 65535"),
        (("host\0", 80), "NUL"),
        (("/run/x.sock", 0), "a path is written unix:/path"),
        (("tcp4://::1", 80), "asks for IPv4"),
        ((parse("host:80"), 65616), "outside 0 to 65535"),
        ((IPv4Endpoint("192.0.2.1", 80), 65616), "outside 0 to 65535"),
        ((PurePosixPath("/a\0b"), None), "NUL"),
    ],
    ids=repr,
)
def test_from_host_refuses(arguments: tuple, reason: str) -> None:
    with pytest.raises(AddressError) as caught:
        from_host(*arguments)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    "arguments", [(80, None), (b"host", 80), (["host"], 80), ("host", True), ("host", 80.0), ("host", b"80")]
)
def test_from_host_takes_these_types_only(arguments: tuple) -> None:
    with pytest.raises(TypeError):
        from_host(*arguments)


@pytest.mark.parametrize("kind", ["localhost:80", "[::1]:80", "", "HOST"])
def test_an_address_is_not_made_of_its_text(kind: str) -> None:
    with pytest.raises(AddressError, match=r"text is read by dualstack\.parse"):
        Address(kind)


def test_a_socket_address_is_no_host() -> None:
    with pytest.raises(TypeError, match="not tuple; host and port are two arguments"):
        from_host(("127.0.0.1", 80), None)  # type: ignore[arg-type]  # on purpose


# ---------------------------------------------------------------------- the value


def test_with_port() -> None:
    assert parse("[::1]:80").with_port(81) == parse("[::1]:81")
    assert parse("[::1]:http").with_port(81) == parse("[::1]:81")
    assert parse("192.0.2.1:http").with_port(81) == parse("192.0.2.1:81")
    assert parse("host:http").with_port(81) == parse("host:81")
    assert parse("tcp6://%eth0:80").with_port(81) == parse("tcp6://%eth0:81")
    assert parse("unix:/x").with_port(81) == parse("unix:/x")
    for port in (-1, 65536):
        with pytest.raises(AddressError, match="outside 0 to 65535"):
            parse("*:80").with_port(port)


def test_equality_is_by_meaning() -> None:
    assert parse("[::1]:80") == parse("[0:0:0:0:0:0:0:1]:080")
    different = ["host:80", "host:81", "host:http", "tcp://host:80", "tcp4://host:80", "*:80", "%host:80", "unix:host"]
    assert len({parse(text) for text in different}) == len(different)
    assert parse("host:80") != "host:80"
    assert Address("wildcard", None, 80) == parse("*:80")


def test_immutable_and_printable() -> None:
    address = parse("host:80")
    for name in ("host", "port", "anything"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(address, name, 1)
        with pytest.raises(AttributeError, match="immutable"):
            delattr(address, name)
    assert repr(address) == "Address('host:80')"
    assert f"{address:>9}" == "  host:80"


def test_endpoints_and_addresses_agree_on_concrete_text() -> None:
    for text in ("192.0.2.1:80", "[::1]:80", "[fe80::1%eth0]:80", "unix:/x", "unix:@x"):
        assert parse(text).endpoint == Endpoint.parse(text)
