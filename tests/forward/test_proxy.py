"""PROXY headers through a forwarder: told to the target, taken from trusted peers, refused from everybody else."""

from __future__ import annotations

import logging
import os
import socket
import time

import pytest

from dualstack import Endpoint
from dualstack.core.proxy_protocol import LONGEST_LINE, decode, encode_v1, encode_v2

HAS_UNIX = hasattr(socket, "AF_UNIX")
needs_unix = pytest.mark.skipif(not HAS_UNIX, reason="this Python has no AF_UNIX; runs on POSIX")
A, B = Endpoint.parse("192.0.2.1:1111"), Endpoint.parse("198.51.100.2:443")
A6, B6 = Endpoint.parse("[2001:db8::1]:1111"), Endpoint.parse("[2001:db8::2]:443")
LOOPBACK = ["127.0.0.0/8", "::1/128"]


def until(ready) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0)


@pytest.fixture
def through(forward, target, helpers, folder):
    """Send bytes through a forwarder; what came out at the target, and what the client's own address was."""

    def send(*parts: bytes, kind: str = "127.0.0.1:0", **options):
        came = []

        def keep(connection) -> None:
            came.append(helpers.read_all(connection))

        forwarder = forward(f"unix:{folder}/front" if kind == "unix" else kind, target(keep), **options)
        with helpers.connect(forwarder.endpoints[0]) as client:
            name = Endpoint.local(client)
            for part in parts:
                client.sendall(part)
            client.shutdown(socket.SHUT_WR)
            assert helpers.read_all(client) == b""
        until(lambda: forwarder.connections == 0)
        return came, name, forwarder.endpoints[0]

    return send


# ---------------------------------------------------------------------- out


@pytest.mark.parametrize("kind", ["127.0.0.1:0", "[::1]:0", pytest.param("unix", marks=needs_unix)])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_target_is_told_who_the_client_is(through, kind, version) -> None:
    (came,), client, front = through(b"GET /", kind=kind, proxy_out=version)
    header = decode(came)
    assert came[header.size :] == b"GET /"
    assert header.version == int(version[1])
    if kind == "unix" and version == "v1":
        assert header.source is None  # UNKNOWN: a line has no place for it
    else:
        assert (header.source, header.destination) == (client, front)


def test_a_dual_stack_listener_tells_ipv4_as_ipv4(forward, target, helpers) -> None:
    came = []
    forwarder = forward("*:0", target(lambda connection: came.append(helpers.read_all(connection))), proxy_out="v1")
    with helpers.connect(Endpoint.parse(f"127.0.0.1:{forwarder.endpoints[0].port}")) as client:
        name = Endpoint.local(client)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    until(lambda: came)
    assert came == [b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (name.port, forwarder.endpoints[0].port)]


def test_the_header_goes_first_although_the_target_speaks_first(forward, target, helpers) -> None:
    came = []

    def greets(connection) -> None:
        connection.sendall(b"220 hello\r\n")
        came.append(helpers.read_all(connection))

    forwarder = forward("127.0.0.1:0", target(greets), proxy_out="v2")
    with helpers.connect(forwarder.endpoints[0]) as client:
        assert client.recv(100) == b"220 hello\r\n"
    until(lambda: came)
    assert decode(came[0]).size == len(came[0])


# ---------------------------------------------------------------------- in

TLVS = ((2, b"example.com"), (5, b"id"))
GOOD = {
    "v1": (encode_v1(A, B), (A, B)),
    "v1-ipv6": (encode_v1(A6, B6), (A6, B6)),
    "v2": (encode_v2(A, B), (A, B)),
    "v2-ipv6": (encode_v2(A6, B6, tlvs=TLVS, crc=True), (A6, B6)),
    "unknown": (b"PROXY UNKNOWN\r\n", None),
    "local": (encode_v2(), None),
    "unspecified": (encode_v2(A, B)[:13] + b"\0" + encode_v2(A, B)[14:], None),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_trusted_header_is_taken_and_passed_on(through, name) -> None:
    data, told = GOOD[name]
    (came,), client, front = through(data + b"GET /", proxy_in=LOOPBACK, proxy_out="v2")
    header = decode(came)
    assert (header.source, header.destination) == (told or (client, front))
    assert header.tlvs == (TLVS if name == "v2-ipv6" else ())
    assert came[header.size :] == b"GET /"


@pytest.mark.parametrize("name", GOOD)
def test_without_proxy_out_the_header_stays_here(through, name) -> None:
    (came,), _, _ = through(GOOD[name][0] + b"GET /", proxy_in=LOOPBACK)
    assert came == b"GET /"


@pytest.mark.parametrize("name", ["v1", "v2-ipv6"])
def test_a_header_in_pieces(forward, target, helpers, name) -> None:
    came = []
    keep = target(lambda connection: came.append(helpers.read_all(connection)))
    forwarder = forward("127.0.0.1:0", keep, proxy_in=LOOPBACK)
    data = GOOD[name][0]
    with helpers.connect(forwarder.endpoints[0]) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            client.sendall(data[at : at + 1])
            connection = next(iter(forwarder._streams[0].connections), None)
            until(lambda: forwarder._streams[0].connections)
            (connection,) = forwarder._streams[0].connections
            if at + 1 < len(data):
                until(lambda connection=connection, at=at: len(connection._greeting) == at + 1)
        client.sendall(b"rest")
        client.shutdown(socket.SHUT_WR)
        assert helpers.read_all(client) == b""
    until(lambda: came)
    assert came == [b"rest"]


def test_much_may_come_with_the_header(through) -> None:
    data = os.urandom(5_000_000)
    (came,), _, _ = through(encode_v2(A, B) + data, proxy_in=LOOPBACK, proxy_out="v1")
    assert came == encode_v1(A, B) + data


@needs_unix
def test_clients_over_unix_sockets_are_trusted_by_name(through) -> None:
    (came,), _, _ = through(encode_v1(A, B) + b"x", kind="unix", proxy_in=["unix"], proxy_out="v1")
    assert came == encode_v1(A, B) + b"x"


# ---------------------------------------------------------------------- what is refused

BAD = {
    "missing": (b"GET / HTTP/1.1\r\n\r\n", "neither 'PROXY ' nor the signature of version 2 (at byte 0)"),
    "short": (encode_v1(A, B)[:-2], "ended within its PROXY header"),
    "short-v2": (encode_v2(A, B)[:-1], "ended within its PROXY header"),
    "nothing": (b"", "ended within its PROXY header"),
    "over-107": (b"PROXY UNKNOWN " + b"x" * LONGEST_LINE, "no CR LF in the first 107 bytes (at byte 107)"),
    "lf-alone": (encode_v1(A, B).replace(b"\r", b""), "a line ends with CR LF"),
    "octal": (b"PROXY TCP4 0177.0.0.1 1.2.3.4 1 2\r\n", "leading zero"),
    "garbage": (os.urandom(16).replace(b"P", b"Q").replace(b"\r", b"Q"), "neither"),
    "bad-crc": (encode_v2(A, B, crc=True)[:-1] + b"\0", "the CRC32c does not fit"),
    "command": (encode_v2(A, B)[:12] + b"\x2f" + encode_v2(A, B)[13:], "command 15"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_trusted_peer_without_a_good_header_is_refused(through, caplog, name) -> None:
    data, says = BAD[name]
    came, client, _ = through(data, proxy_in=LOOPBACK)
    assert came == []  # the target never hears of it
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(str(client)) and says in line, line


@pytest.mark.parametrize("header", [encode_v1(A, B), encode_v2(A, B), b"GET /"], ids=["v1", "v2", "none"])
def test_an_untrusted_peer_is_refused_whatever_it_says(forward, target, helpers, caplog, header) -> None:
    came = []
    forwarder = forward("127.0.0.1:0", target(came.append), proxy_in=["192.0.2.0/24"], proxy_out="v1")
    with helpers.connect(forwarder.endpoints[0]) as client:
        try:
            client.sendall(header)
            assert client.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):  # it was refused before it had said so
            pass
    until(lambda: caplog.records)
    assert "is not among the trusted proxies" in caplog.text
    assert came == []


@needs_unix
def test_networks_do_not_trust_unix_clients(forward, target, helpers, folder, caplog) -> None:
    forwarder = forward(f"unix:{folder}/front", target(helpers.backwards), proxy_in=["0.0.0.0/0", "::/0"])
    with helpers.connect(forwarder.endpoints[0]) as client:
        assert client.recv(1) == b""
    assert "unix: is not among the trusted proxies" in caplog.text


def test_without_proxy_in_a_header_is_only_bytes(through) -> None:
    (came,), _, _ = through(encode_v1(A, B) + b"x")
    assert came == encode_v1(A, B) + b"x"


def test_allow_looks_at_the_client_the_header_names(forward, target, helpers, caplog) -> None:
    to = target(helpers.backwards)
    forwarder = forward("127.0.0.1:0", to, proxy_in=LOOPBACK, allow=["192.0.2.0/24"])
    with caplog.at_level(logging.WARNING, "dualstack"), helpers.connect(forwarder.endpoints[0]) as good:
        good.sendall(encode_v2(A, B) + b"abc")
        good.shutdown(socket.SHUT_WR)
        assert helpers.read_all(good) == b"cba"
        with helpers.connect(forwarder.endpoints[0]) as bad:
            bad.sendall(encode_v2(B, A))
            assert bad.recv(1) == b""
    assert f"{B} is not allowed" in caplog.text


def test_allow_without_headers(forward, target, helpers, caplog) -> None:
    forwarder = forward("127.0.0.1:0", target(helpers.backwards), allow=["127.0.0.2/32"])
    with helpers.connect(forwarder.endpoints[0]) as client:
        assert client.recv(1) == b""
    assert "is not allowed" in caplog.text


def test_a_function_may_decide(forward, target, helpers) -> None:
    asked = []

    def allow(endpoint) -> bool:
        asked.append(endpoint)
        return True

    forwarder = forward("127.0.0.1:0", target(helpers.backwards), allow=allow)
    with helpers.connect(forwarder.endpoints[0]) as client:
        name = Endpoint.local(client)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert asked == [name]
