"""Endpoint: values of every family, their text, their order, and what the socket module takes for them."""

from __future__ import annotations

import copy
import enum
import ipaddress
import itertools
import json
import pickle
import socket
import sys
from pathlib import PurePosixPath

import pytest

from dualstack.core.endpoint import AF_UNIX, Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint, from_peer
from dualstack.core.endpoint_unix import OpaqueEndpoint, UnixEndpoint
from dualstack.errors import AddressError

AF_INET, AF_INET6 = socket.AF_INET, socket.AF_INET6

# text -> (class, sockaddr, canonical text when it differs)
GOOD = {
    "192.0.2.1:80": (IPv4Endpoint, ("192.0.2.1", 80)),
    "0.0.0.0:0": (IPv4Endpoint, ("0.0.0.0", 0)),
    "255.255.255.255:65535": (IPv4Endpoint, ("255.255.255.255", 65535)),
    "[::]:0": (IPv6Endpoint, ("::", 0, 0, 0)),
    "[::1]:443": (IPv6Endpoint, ("::1", 443, 0, 0)),
    "[2001:DB8:0:0::A]:80": (IPv6Endpoint, ("2001:db8::a", 80, 0, 0), "[2001:db8::a]:80"),
    "[::ffff:192.0.2.1]:80": (IPv6Endpoint, ("::ffff:192.0.2.1", 80, 0, 0)),
    "[::ffff:c000:201]:80": (IPv6Endpoint, ("::ffff:192.0.2.1", 80, 0, 0), "[::ffff:192.0.2.1]:80"),
    "[fe80::1%3]:80": (IPv6Endpoint, ("fe80::1", 80, 0, 3)),
    "[FE80::1%4294967295]:80": (IPv6Endpoint, ("fe80::1", 80, 0, 2**32 - 1), "[fe80::1%4294967295]:80"),
    "[ff02::fb%2]:5353": (IPv6Endpoint, ("ff02::fb", 5353, 0, 2)),
    "192.0.2.1:00080": (IPv4Endpoint, ("192.0.2.1", 80), "192.0.2.1:80"),
    "unix:/run/x.sock": (UnixEndpoint, "/run/x.sock"),
    "unix:relative": (UnixEndpoint, "relative"),
    "unix:///run/x.sock": (UnixEndpoint, "/run/x.sock", "unix:/run/x.sock"),
    "unix:/with space\nand:colon]": (UnixEndpoint, "/with space\nand:colon]"),
    "unix:@abstract": (UnixEndpoint, b"\0abstract"),
    "unix:@": (UnixEndpoint, b"\0"),
    "unix:@a%00b%25": (UnixEndpoint, b"\0a\0b%", "unix:@a%00b%"),
    "unix:": (UnixEndpoint, ""),
    "af17:('eth0', 2048, 0, 1, b'\\x01\\x02')": (OpaqueEndpoint, ("eth0", 2048, 0, 1, b"\1\2")),
    "af40:(3, 1234)": (OpaqueEndpoint, (3, 1234)),
    "af31:'00:11:22:33:44:55'": (OpaqueEndpoint, "00:11:22:33:44:55"),
    "af4:None": (OpaqueEndpoint, None),
}
# text -> (position, words of the reason)
BAD = {
    "": (0, "missing"),
    "80": (2, "short"),
    ":80": (0, "missing"),
    "localhost:80": (0, "not a digit"),
    "192.0.2.1": (9, "the port is missing"),
    "192.0.2.1:": (10, "the port is missing"),
    "192.0.2.1:http": (10, "not an ASCII digit"),
    "192.0.2.1:65536": (10, "above 65535"),
    "192.0.2.1:80:90": (12, "not an ASCII digit"),
    "192.0.2.1:\uff18\uff10": (10, "not an ASCII digit"),
    "[::1]:\u0668\u0660": (6, "not an ASCII digit"),
    "[::1]:000080": (6, "above 65535"),
    "1.2.3.256:80": (6, "above 255"),
    "1.256.3.4:80": (2, "above 255"),
    "1.2.256.4:80": (4, "above 255"),
    "256.2.3.4:80": (0, "above 255"),
    "192.0.2.1:80 ": (12, "not an ASCII digit"),
    "192.0.2.1 :80": (9, "not a digit"),
    "010.0.0.1:80": (0, "leading zero"),
    "127.1:80": (5, "short"),
    "1.2.3.4%eth0:80": (7, "not a digit"),
    "::1": (3, "write [address]:port"),
    "::1:80": (6, "write [address]:port"),
    "fe80::1%lo0": (11, "write [address]:port"),
    "[::1]": (5, "the port is missing"),
    "[::1]:": (6, "the port is missing"),
    "[::1]80": (5, "':' expected"),
    "[::1]x:80": (5, "':' expected"),
    "[::1": (4, "closing bracket"),
    "[::1:80": (7, "closing bracket"),
    "[]:80": (1, "missing"),
    "[[::1]]:80": (1, "not a hexadecimal"),
    "[192.0.2.1]:80": (0, "brackets are for IPv6"),
    "[localhost]:80": (1, "not a digit"),
    "[::1]:80:90": (8, "not an ASCII digit"),
    "[::1%eth0]:80": (4, "only link-local"),
    "[2001:db8::1%eth0]:80": (12, "only link-local"),
    "[fe80::1%]:80": (9, "empty"),
    "[fe80::1%0]:80": (9, "at least 1"),
    "[fe80::1%99999999999]:80": (9, "above 4294967295"),
    "[fe80::1%eth0\r\nX: 1]:80": (13, "not a character"),
    "[fe80::1%25eth0%x]:80": (15, "not a character"),
    "fe80::1%lo0:80": (14, "write [address]:port"),
    "unix:/run/x\0y": (11, "NUL"),
    "unix://host/path": (7, "no host"),
    "unix:@" + "x" * 108: (6, "107 bytes"),
    "unix:@" + "x" * 10_000: (6, "107 bytes"),
    "unix:@\ud800": (6, "not a character"),
    **({} if sys.platform == "win32" else {"unix:/\ud800": (6, "cannot be encoded")}),  # NTFS takes it
    "af": (0, "not an endpoint"),
    "af:1": (0, "not an endpoint"),
    "afx:1": (0, "not an endpoint"),
    "af\u0661:1": (0, "not an endpoint"),
    "af123456:1": (0, "not an endpoint"),
    "af17:": (5, "not the repr"),
    "af17:(": (5, "not the repr"),
    "af17:__import__('os')": (5, "not the repr"),
    "af17:" + "(" * 1000: (5, "not the repr"),
    "af17:[1]": (5, "not the repr"),
    "af17:1e999": (5, "not the repr"),
    "af17:1.5": (5, "not the repr"),
    "af17:(1, {2})": (5, "not the repr"),
    "af17:...": (5, "not the repr"),
    "af17:'" + "x" * 2000 + "'": (5, "longer than"),
}


@pytest.mark.parametrize(("text", "expected"), GOOD.items(), ids=repr)
def test_parse(text: str, expected: tuple) -> None:
    cls, sockaddr, *canonical = expected
    endpoint = Endpoint.parse(text)
    assert type(endpoint) is cls
    assert endpoint.sockaddr == sockaddr
    assert str(endpoint) == (canonical[0] if canonical else text)
    assert Endpoint.from_sockaddr(endpoint.family, endpoint.sockaddr) == endpoint


@pytest.mark.parametrize(("text", "expected"), BAD.items(), ids=lambda value: repr(value)[:40])
def test_parse_refuses(text: str, expected: tuple[int, str]) -> None:
    with pytest.raises(AddressError) as caught:
        Endpoint.parse(text)
    assert caught.value.text == text
    assert (caught.value.position, expected[1] in caught.value.reason) == (expected[0], True), caught.value.reason
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", [None, 80, b"192.0.2.1:80", ("192.0.2.1", 80), bytearray(b"x")])
def test_parse_reads_str_only(value: object) -> None:
    with pytest.raises(TypeError):
        Endpoint.parse(value)  # type: ignore[arg-type]  # on purpose


def values() -> list[Endpoint]:
    """One of each kind of value, and those whose text is tricky."""
    parsed = [Endpoint.parse(text) for text in GOOD]
    return [
        *parsed,
        IPv4Endpoint("192.0.2.1", 81),  # differs from another in the port alone, in the address alone
        IPv4Endpoint("192.0.2.2", 80),
        IPv6Endpoint("::1", 444),
        IPv6Endpoint("::2", 443),
        IPv6Endpoint("fe80::1%eth0", 80),
        IPv6Endpoint("fe80::1%eth0", 80, 0, 2),
        IPv6Endpoint("::1", 80, flowinfo=7, scope_id=1),
        *([] if sys.platform == "win32" else [UnixEndpoint(b"/run/\xff\xfe")]),  # below
        UnixEndpoint("@looks-abstract"),
        UnixEndpoint("//double"),
        UnixEndpoint("fd://3"),
        *(
            UnixEndpoint(b"\0" + name)
            for name in (b"%", b"%00", b"%25", b"%2500", b"\0", b"\xff", b"\xed\xa0\x80", b"x" * 107)
        ),
    ]


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere a path is any bytes; runs on Windows")
def test_bytes_that_are_no_path() -> None:
    with pytest.raises(AddressError, match="not UTF-8") as caught:
        UnixEndpoint(b"/run/\xff\xfe")
    assert caught.value.text[caught.value.position :].startswith("\\xff")


@pytest.mark.parametrize("endpoint", values(), ids=repr)
def test_round_trips(endpoint: Endpoint) -> None:
    for again in (
        Endpoint.parse(str(endpoint)),
        pickle.loads(pickle.dumps(endpoint)),
        copy.copy(endpoint),
        copy.deepcopy(endpoint),
        Endpoint.parse(json.loads(json.dumps(str(endpoint)))),
        Endpoint.parse(f"{endpoint}"),
        eval(repr(endpoint)),
    ):
        assert again == endpoint
        assert hash(again) == hash(endpoint)
        assert type(again) is type(endpoint)
    again = pickle.loads(pickle.dumps(endpoint))
    if not (isinstance(endpoint, IPv6Endpoint) and endpoint.zone == "eth0" and not endpoint.scope_id):
        assert again.sockaddr == endpoint.sockaddr


@pytest.mark.parametrize("endpoint", values(), ids=repr)
def test_immutable(endpoint: Endpoint) -> None:
    for name in ("port", "host", "path", "family", "anything"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(endpoint, name, 1)
        with pytest.raises(AttributeError, match="immutable"):
            delattr(endpoint, name)
    assert not hasattr(endpoint, "__dict__")


def test_order_and_equality_laws() -> None:
    """Total order, consistent with equality and hashing, over all pairs of values."""
    found = values()
    for a, b in itertools.product(found, found):
        assert (a == b) is not (a != b)
        assert [a < b, a == b, a > b].count(True) == 1
        assert (a <= b) == (not b < a) == (b >= a)
        if a == b:
            assert hash(a) == hash(b)
    ordered = sorted(found)
    found.reverse()
    assert sorted(found) == ordered
    assert [e._rank for e in ordered] == sorted(e._rank for e in found)


def test_order_is_by_number_not_by_text() -> None:
    texts = ["2.0.0.0:1", "10.0.0.0:1", "10.0.0.0:9", "10.0.0.0:10", "[::1]:1", "[2::]:1", "[10::]:1"]
    assert [str(e) for e in sorted(map(Endpoint.parse, reversed(texts)))] == texts


@pytest.mark.parametrize("other", [None, 1, "192.0.2.1:80", ("192.0.2.1", 80), object()])
def test_other_types_are_unequal_and_unordered(other: object) -> None:
    for endpoint in values():
        assert endpoint != other
        assert not endpoint == other  # noqa: SIM201  # __eq__ and __ne__ are two answers
        with pytest.raises(TypeError):
            assert endpoint < other


def test_address_and_port_are_part_of_equality() -> None:
    for host, other in (("192.0.2.1", "192.0.2.2"), ("::1", "::2")):
        cls = IPv6Endpoint if ":" in host else IPv4Endpoint
        assert len({cls(host, 80), cls(host, 81), cls(other, 80), cls(host, 80)}) == 3


def test_families_are_never_equal() -> None:
    four = IPv4Endpoint("192.0.2.1", 80)
    assert four != four.mapped()
    assert four == four.mapped().unmapped()
    assert UnixEndpoint("/x") != OpaqueEndpoint(AF_UNIX, "/x")


def test_the_zone_is_part_of_equality() -> None:
    bare, one, two, named = (IPv6Endpoint(host, 80) for host in ("fe80::1", "fe80::1%1", "fe80::1%2", "fe80::1%eth0"))
    assert len({bare, one, two, named}) == 4
    assert one == IPv6Endpoint("fe80::1", 80, scope_id=1)
    assert named == named.with_scope(7)
    assert named.with_scope(7).sockaddr == ("fe80::1", 80, 0, 7)


# ---------------------------------------------------------------------- IP endpoints


def test_ip_endpoints_unpack_and_index_as_host_and_port() -> None:
    for text, host in (("192.0.2.1:80", "192.0.2.1"), ("[::1]:80", "::1"), ("[fe80::1%eth0]:80", "fe80::1%eth0")):
        endpoint = Endpoint.parse(text)
        assert isinstance(endpoint, IPEndpoint)
        first, second = endpoint
        assert (first, second) == (endpoint[0], endpoint[1]) == (endpoint.host, endpoint.port) == (host, 80)
        assert (endpoint[-1], endpoint[:], len(endpoint)) == (80, (host, 80), 2)
        with pytest.raises(IndexError):
            endpoint[2]


def test_parts() -> None:
    six = IPv6Endpoint("FE80::1%eth0", 443, flowinfo=5, scope_id=2)
    assert (six.host, six.zone, six.scope_id, six.flowinfo, six.port) == ("fe80::1%eth0", "eth0", 2, 5, 443)
    assert six.sockaddr == ("fe80::1", 443, 5, 2)
    assert six.ip == ipaddress.IPv6Address("fe80::1%eth0")
    assert six.packed == six.ip.packed
    assert six.family == AF_INET6
    four = IPv4Endpoint("192.0.2.1", 80)
    assert (four.zone, four.scope_id, four.flowinfo, four.family) == (None, 0, 0, AF_INET)
    assert four.ip == ipaddress.IPv4Address("192.0.2.1")
    assert four.packed == b"\xc0\0\2\1"
    assert four.with_port(81) == IPv4Endpoint("192.0.2.1", 81)
    assert six.with_port(81).sockaddr == ("fe80::1", 81, 5, 2)


def test_a_zone_name_without_index_has_no_sockaddr_yet() -> None:
    """Scope 0 in its place would be EINVAL on Linux, or another interface on Windows."""
    with pytest.raises(AddressError, match="index of zone 'eth0' is not known"):
        IPv6Endpoint("fe80::1%eth0", 80).sockaddr  # noqa: B018  # reading it is the test


def test_a_scope_id_without_a_zone_stays_in_the_sockaddr_only() -> None:
    """Kernels set one on loopback and global addresses too; the text must stay parseable."""
    endpoint = IPv6Endpoint("::1", 80, scope_id=1)
    assert (endpoint.zone, endpoint.host, endpoint.scope_id) == (None, "::1", 1)
    assert endpoint.sockaddr == ("::1", 80, 0, 1)
    assert str(endpoint) == "[::1]:80"


def test_contradicting_zone_and_scope() -> None:
    with pytest.raises(AddressError, match="not the scope id 3"):
        IPv6Endpoint("fe80::1%2", 80, scope_id=3)
    assert IPv6Endpoint("fe80::1%2", 80, scope_id=2) == IPv6Endpoint("fe80::1%2", 80)


@pytest.mark.parametrize(
    ("field", "value"), [("scope_id", -1), ("scope_id", 2**32), ("flowinfo", -1), ("flowinfo", 2**20)]
)
def test_fields_the_socket_module_would_refuse_later(field: str, value: int) -> None:
    with pytest.raises(AddressError, match="outside 0 to"):
        IPv6Endpoint("fe80::1", 80, **{field: value})
    if field == "scope_id":
        with pytest.raises(AddressError, match="outside 0 to"):
            IPv6Endpoint("fe80::1", 80).with_scope(value)


@pytest.mark.parametrize("cls", [IPv4Endpoint, IPv6Endpoint])
@pytest.mark.parametrize("port", [-1, 65536, 65616, 2**64])
def test_port_range_is_checked(cls: type, port: int) -> None:
    host = "::1" if cls is IPv6Endpoint else "127.0.0.1"
    with pytest.raises(AddressError, match="port outside 0 to 65535"):
        cls(host, port)
    with pytest.raises(AddressError, match="port outside 0 to 65535"):
        cls(host, 1).with_port(port)


class Ports(enum.IntEnum):
    """Ports as many programs keep them."""

    WEB = 8080


class Whole:
    """A number like those of numpy: no int, but it stands for one."""

    def __index__(self) -> int:
        return 8080


@pytest.mark.parametrize("port", [Ports.WEB, Whole()], ids=["IntEnum", "__index__"])
def test_a_port_may_be_whatever_is_an_int(port) -> None:
    for endpoint in (IPv4Endpoint("127.0.0.1", port), IPv6Endpoint("::1", 1).with_port(port)):
        assert endpoint.port == 8080
        assert type(endpoint.port) is int
        assert str(endpoint).endswith(":8080")


@pytest.mark.parametrize("port", ["80", 80.0, True, None, b"80"])
def test_a_port_is_an_int(port: object) -> None:
    with pytest.raises(TypeError, match="a port is an int"):
        IPv4Endpoint("127.0.0.1", port)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match="a port is an int"):
        IPv6Endpoint("::1", port)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("family", "sockaddr"),
    [(AF_INET, ()), (AF_INET, 5), (AF_INET, ("127.0.0.1",)), (AF_INET, ("127.0.0.1", 80, 0)), (AF_INET6, ("::1",))],
)
def test_a_socket_address_of_another_shape(family: int, sockaddr: object) -> None:
    with pytest.raises(TypeError):
        Endpoint.from_sockaddr(family, sockaddr)


@pytest.mark.parametrize("host", ["", "localhost", "010.0.0.1", "::1", "127.0.0.1\0", "127.0.0.1 "])
def test_ipv4_host_is_strict(host: str) -> None:
    with pytest.raises(AddressError):
        IPv4Endpoint(host, 80)


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1", "[::1]", "::1%eth0", "fe80::1%", "::1\0", "::1 "])
def test_ipv6_host_is_strict(host: str) -> None:
    with pytest.raises(AddressError):
        IPv6Endpoint(host, 80)


@pytest.mark.parametrize(
    ("port", "name"),
    [(0, "SYSTEM"), (1023, "SYSTEM"), (1024, "USER"), (49151, "USER"), (49152, "DYNAMIC"), (65535, "DYNAMIC")],
)
def test_port_ranges(port: int, name: str) -> None:
    assert IPv4Endpoint("127.0.0.1", port).port_range == IPv6Endpoint("::1", port).port_range == name


def test_service_names_and_urls() -> None:
    assert IPv4Endpoint("127.0.0.1", 443).service == "https"
    assert IPv4Endpoint("127.0.0.1", 4711).service is None
    assert IPv4Endpoint("127.0.0.1", 80).url("http") == "http://127.0.0.1:80"
    assert IPv6Endpoint("::1", 80).url("http") == "http://[::1]:80"
    assert IPv6Endpoint("fe80::1%eth0", 80).url("http") == "http://[fe80::1%25eth0]:80"  # RFC 6874


@pytest.mark.parametrize(
    ("host", "true"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("169.254.1.1", "link_local"),
        ("fe80::1", "link_local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("10.0.0.1", "private"),
        ("fd00::1", "private"),
        ("::ffff:192.168.1.1", "private"),
        ("8.8.8.8", "global"),
        ("2606:4700::1111", "global"),
        ("192.0.2.1", ""),
        ("64:ff9b::7f00:1", ""),
    ],
)
def test_kinds(host: str, true: str) -> None:
    endpoint = IPv6Endpoint(host, 1) if ":" in host else IPv4Endpoint(host, 1)
    names = ("loopback", "unspecified", "link_local", "multicast", "private", "global")
    assert [name for name in names if getattr(endpoint, f"is_{name}")] == ([true] if true else [])


def test_mapped_and_unmapped() -> None:
    four = IPv4Endpoint("192.0.2.1", 80)
    six = Endpoint.parse("[::ffff:192.0.2.1]:80")
    assert (four.mapped(), six.unmapped()) == (six, four)
    assert four.unmapped() is four
    assert six.mapped() is six
    for text in ("[2001:718:1:2:3:ffff:c000:201]:80", "[::c000:201]:80", "[::1:ffff:c000:201]:80", "unix:/x", "af9:1"):
        other = Endpoint.parse(text)  # looks mapped in its low bits at most
        assert other.unmapped() is other
        assert other.mapped() is other


# ---------------------------------------------------------------------- from the kernel


@pytest.mark.parametrize(
    ("family", "sockaddr", "text"),
    [
        (AF_INET, ("192.0.2.1", 80), "192.0.2.1:80"),
        (AF_INET6, ("::1", 80, 0, 0), "[::1]:80"),
        (AF_INET6, ("::1", 80), "[::1]:80"),
        (AF_INET6, ("fe80::1", 80, 0, 2), "[fe80::1%2]:80"),
        (AF_INET6, ("fe80::1%eth0", 80, 0, 2), "[fe80::1%eth0]:80"),  # macOS and getnameinfo write the name in
        (AF_INET6, ("::ffff:192.0.2.1", 80, 0, 0), "[::ffff:192.0.2.1]:80"),
        (AF_UNIX, "/run/x", "unix:/run/x"),
        (AF_UNIX, b"\0auto", "unix:@auto"),
        (AF_UNIX, "", "unix:"),
        (AF_UNIX, b"", "unix:"),
        (AF_UNIX, None, "unix:"),
        (17, ("lo", 2048, 0, 772, b"\0" * 6), "af17:('lo', 2048, 0, 772, b'\\x00\\x00\\x00\\x00\\x00\\x00')"),
        (40, (2, 1024), "af40:(2, 1024)"),
        (AF_INET, None, f"af{int(AF_INET)}:None"),
    ],
)
def test_from_sockaddr(family: int, sockaddr: object, text: str) -> None:
    endpoint = Endpoint.from_sockaddr(family, sockaddr)
    assert str(endpoint) == text
    assert endpoint.family == family
    assert Endpoint.parse(text) == endpoint


@pytest.mark.parametrize(
    ("family", "sockaddr", "text"),
    [
        (AF_INET, ("192.0.2.1", 80), "192.0.2.1:80"),
        (AF_INET6, ("::ffff:192.0.2.1", 80, 0, 0), "192.0.2.1:80"),
        (AF_INET6, ("2001:db8::1", 80, 0, 0), "[2001:db8::1]:80"),
        (AF_INET6, ("fe80::1", 80, 0, 2), "[fe80::1%2]:80"),
        (AF_INET6, ("fe80::1%eth0", 80, 0, 2), "[fe80::1%eth0]:80"),
        (AF_UNIX, "", "unix:"),
        (AF_UNIX, None, "unix:"),
        (40, (2, 1024), "af40:(2, 1024)"),
    ],
)
def test_peers_come_unmapped(family: int, sockaddr: object, text: str) -> None:
    assert str(from_peer(family, sockaddr)) == text


def test_a_peer_is_read_when_asked() -> None:
    """Accepting costs no parsing; a text no inet_ntop writes shows when somebody looks."""
    peer = from_peer(AF_INET6, ("2001:DB8:0::1", 80, 0, 0))
    assert peer == Endpoint.parse("[2001:db8::1]:80")
    assert hash(peer) == hash(Endpoint.parse("[2001:db8::1]:80"))
    broken = from_peer(AF_INET6, ("nonsense", 80, 0, 0))
    with pytest.raises(AddressError):
        str(broken)


def test_local_and_peer_of_real_sockets() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()) as client, server.accept()[0] as conn:
            assert Endpoint.local(server) == Endpoint.peer(client)
            assert Endpoint.peer(conn) == Endpoint.local(client)


# ---------------------------------------------------------------------- Unix and others


def test_unix_kinds() -> None:
    path, abstract, unnamed = UnixEndpoint("/x"), UnixEndpoint(b"\0x"), UnixEndpoint("")
    assert (path.path, path.abstract, path.is_abstract, path.is_unnamed) == ("/x", None, False, False)
    assert (abstract.path, abstract.abstract, abstract.is_abstract, abstract.is_unnamed) == (None, b"x", True, False)
    assert (unnamed.path, unnamed.is_unnamed) == (None, True)
    assert UnixEndpoint("\0x") == abstract
    assert UnixEndpoint(PurePosixPath("/x")) == UnixEndpoint(b"/x") == path


def test_path_text_that_reads_as_something_else_is_respelled() -> None:
    assert UnixEndpoint("@x").sockaddr == "./@x"
    assert UnixEndpoint("//host/x").sockaddr == "/host/x"


@pytest.mark.parametrize("path", ["/run/x\0y", "x\0", b"/run/x\0y", PurePosixPath("/a\0b")])
def test_nul_in_a_path(path: str | bytes | PurePosixPath) -> None:
    """The socket module would create /run/x."""
    with pytest.raises(AddressError, match="NUL in a socket path"):
        UnixEndpoint(path)


@pytest.mark.parametrize("path", [None, 3, ["/x"], bytearray(b"/x")])
def test_a_path_is_text_bytes_or_pathlike(path: object) -> None:
    with pytest.raises(TypeError, match="a Unix address is str, bytes"):
        UnixEndpoint(path)  # type: ignore[arg-type]  # on purpose


def test_abstract_names_have_a_length() -> None:
    assert len(UnixEndpoint(b"\0" + b"x" * 107).sockaddr) == 108
    with pytest.raises(AddressError, match="107 bytes, here 108"):
        UnixEndpoint(b"\0" + b"x" * 108)


def test_format_takes_a_width() -> None:
    assert f"{IPv4Endpoint('192.0.2.1', 80):>14}" == "  192.0.2.1:80"


def test_the_base_class_has_no_address() -> None:
    with pytest.raises(NotImplementedError):
        Endpoint().sockaddr  # noqa: B018  # reading it is the test
