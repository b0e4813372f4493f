"""Forwarding datagrams between real sockets: sessions, answers from the address that was asked, Unix datagrams."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

import pytest

import dualstack
from dualstack import Endpoint
from dualstack.core.proxy_protocol import decode, encode_v1, encode_v2
from dualstack.net.forward import open_forwarder

HAS_UNIX = hasattr(socket, "AF_UNIX")
needs_unix = pytest.mark.skipif(not HAS_UNIX, reason="this Python has no AF_UNIX; runs on POSIX")
LOOPBACK = ["127.0.0.0/8", "::1/128"]


def until(ready) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0)


@pytest.fixture
def answering(folder):
    """A server that answers each datagram with the same backwards; its address, and who asked."""
    made = []

    def start(host: str = "127.0.0.1"):
        sock = dualstack.open_datagram(f"unix:{folder}/target" if host == "unix" else host)
        peers = []

        def serve() -> None:
            for datagram in sock:
                if datagram.peer not in peers:
                    peers.append(datagram.peer)
                sock.reply(datagram, datagram.data[::-1])

        thread = threading.Thread(target=serve)
        thread.start()
        made.append((sock, thread))
        return str(sock.endpoints[0]), peers

    yield start
    for sock, thread in made:
        sock.close()
        thread.join()


def client(to: Endpoint, source: str | None = None) -> socket.socket:
    sock = socket.socket(to.family, socket.SOCK_DGRAM)
    sock.settimeout(20)
    if source is not None:
        sock.bind(source if to.family == getattr(socket, "AF_UNIX", -1) else (source, 0))
    sock.connect(to.sockaddr)
    return sock


def asked(sock: socket.socket, data: bytes) -> bytes:
    sock.send(data)
    return sock.recv(65536)


@pytest.mark.parametrize("target", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_questions_and_answers(forward, answering, host, target) -> None:
    to, peers = answering(target)
    forwarder = forward(f"udp://{host}:0", to)
    with client(forwarder.endpoints[0]) as one, client(forwarder.endpoints[0]) as other:
        one.send(b"first")
        other.send(b"second")
        assert (other.recv(100), one.recv(100)) == (b"dnoces", b"tsrif")
        for number in range(100):
            assert asked(one, b"%03d" % number) == (b"%03d" % number)[::-1]
        assert asked(one, b"") == b""
        big = os.urandom(9000)
        assert asked(other, big) == big[::-1]
    assert forwarder.connections == len(peers) == 2  # a session for each, and one socket towards the target


def test_both_kinds_at_once(forward, target, helpers, dual_port) -> None:
    """TCP and UDP on one port, as for DNS."""
    server = dualstack.open_datagram("127.0.0.1", dual_port)
    with server, socket.create_server(("127.0.0.1", dual_port)) as streams:
        forwarder = forward(["127.0.0.1:0", "udp://127.0.0.1:0"], f"127.0.0.1:{dual_port}")
        assert forwarder.lines()[1].startswith("udp://127.0.0.1:")
        with client(forwarder.endpoints[1]) as one, helpers.connect(forwarder.endpoints[0]) as other:
            one.send(b"datagram")
            assert server.recv(20).data == b"datagram"
            with streams.accept()[0] as accepted:
                other.sendall(b"stream")
                assert accepted.recv(100) == b"stream"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address; runs on Linux")
def test_answers_leave_from_the_address_that_was_asked(forward, answering) -> None:
    to, _ = answering()
    forwarder = forward("udp://*:0", to)
    port = forwarder.endpoints[0].port
    # A connected client only hears the address it asked.
    for host in ("127.0.0.1", "127.0.0.2", "127.9.9.9"):
        with client(Endpoint.parse(f"{host}:{port}")) as one:
            assert asked(one, b"abc") == b"cba"
    with client(Endpoint.parse(f"[::1]:{port}")) as one:
        assert asked(one, b"abc") == b"cba"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address; runs on Linux")
def test_one_client_that_asks_two_addresses(forward, answering) -> None:
    to, peers = answering()
    forwarder = forward("udp://0.0.0.0:0", to)
    port = forwarder.endpoints[0].port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(20)
        for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            one.sendto(b"abc", (host, port))
            assert one.recvfrom(100) == (b"cba", (host, port))
    assert len(peers) == 2


def test_the_table_is_bounded(forward, answering, caplog) -> None:
    to, peers = answering()
    forwarder = forward("udp://127.0.0.1:0", to, max_connections=2)
    clients = [client(forwarder.endpoints[0]) for _ in range(4)]
    for one in clients:
        assert asked(one, b"abc") == b"cba"
        assert asked(clients[0], b"abc") == b"cba"  # busy, so it is never the longest quiet one
        assert forwarder.connections <= 2
    assert len(peers) == 4
    assert asked(clients[1], b"abc") == b"cba"  # comes back with a new session
    assert len(peers) == 5
    assert "2 sessions are open; the longest quiet one ends" in caplog.text
    for one in clients:
        one.close()


@pytest.mark.wine_skip("udp-icmp")
def test_a_target_that_is_down_and_comes_back(forward, caplog) -> None:
    with dualstack.open_datagram("127.0.0.1") as held:
        port = held.port
    forwarder = forward("udp://127.0.0.1:0", f"127.0.0.1:{port}")
    with client(forwarder.endpoints[0]) as one:
        one.send(b"lost")
        until(lambda: caplog.records)
        assert f"127.0.0.1:{port}: nothing listens there" in caplog.text
        until(lambda: forwarder.connections == 0)
        with dualstack.open_datagram("127.0.0.1", port) as back:
            one.send(b"found")
            datagram = back.recv(20)
            assert datagram.data == b"found"
            back.reply(datagram, b"again")
            assert one.recv(100) == b"again"


# ---------------------------------------------------------------------- Unix datagrams


@needs_unix
def test_unix_to_udp_and_back(forward, answering, folder) -> None:
    to, _ = answering()
    forwarder = forward(f"unixgram:{folder}/front", to)
    with client(forwarder.endpoints[0], f"{folder}/client") as one:
        assert asked(one, b"abc") == b"cba"
    os.unlink(f"{folder}/client")


@needs_unix
def test_udp_to_unix_and_back(forward, answering) -> None:
    to, peers = answering("unix")
    forwarder = forward("udp://127.0.0.1:0", to)
    with client(forwarder.endpoints[0]) as one, client(forwarder.endpoints[0]) as other:
        assert asked(one, b"abc") == b"cba"
        assert asked(other, b"abc") == b"cba"
    where = os.path.dirname(str(peers[0].path))
    assert os.stat(where).st_mode & 0o777 == 0o700
    forwarder.close()
    until(lambda: not os.path.exists(where))


@needs_unix
def test_unix_clients_without_a_name_are_heard(forward, folder) -> None:
    """As syslog(3) sends: nobody can answer them."""
    with dualstack.open_datagram("127.0.0.1") as log:
        forwarder = forward(f"unixgram:{folder}/log", str(log.endpoints[0]))
        with client(forwarder.endpoints[0]) as one:
            one.send(b"<13>a line")
            assert log.recv(20).data == b"<13>a line"


@needs_unix
def test_a_unix_target_that_is_not_there(forward, folder, caplog) -> None:
    forwarder = forward("udp://127.0.0.1:0", f"unixgram:{folder}/nobody")
    with client(forwarder.endpoints[0]) as one:
        one.send(b"lost")
        until(lambda: caplog.records)
    assert f"cannot connect to unix:{folder}/nobody: No such file or directory" in caplog.text


# ---------------------------------------------------------------------- PROXY headers

A, B = Endpoint.parse("192.0.2.1:1111"), Endpoint.parse("198.51.100.2:53")


def test_the_target_is_told_in_each_datagram(forward) -> None:
    with dualstack.open_datagram("127.0.0.1") as server:
        forwarder = forward("udp://127.0.0.1:0", str(server.endpoints[0]), proxy_out="v2")
        with client(forwarder.endpoints[0]) as one:
            for data in (b"abc", b"", b"def"):
                one.send(data)
                came = server.recv(20)
                header = decode(came.data)
                assert (header.source, header.destination) == (Endpoint.local(one), forwarder.endpoints[0])
                assert header.type == socket.SOCK_DGRAM
                assert came.data[header.size :] == data
            server.reply(came, b"answer")
            assert one.recv(100) == b"answer"


def test_a_trusted_header_makes_the_session(forward) -> None:
    """Several clients behind one socket of a proxy: each has its own way to the target and back."""
    with dualstack.open_datagram("127.0.0.1") as server:
        forwarder = forward("udp://127.0.0.1:0", str(server.endpoints[0]), proxy_in=LOOPBACK, proxy_out="v2")
        with client(forwarder.endpoints[0]) as proxy:
            proxy.send(encode_v2(A, B, type=socket.SOCK_DGRAM, tlvs=[(5, b"id")]) + b"one")
            first = server.recv(20)
            proxy.send(encode_v2(B, A, type=socket.SOCK_DGRAM) + b"two")
            second = server.recv(20)
            proxy.send(encode_v2() + b"three")
            third = server.recv(20)
            told = [decode(datagram.data) for datagram in (first, second, third)]
            assert [header.source for header in told] == [A, B, Endpoint.local(proxy)]
            assert told[0].tlvs == ((5, b"id"),)
            assert len({datagram.peer for datagram in (first, second, third)}) == forwarder.connections == 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"bare", "neither", id="missing"),
        pytest.param(encode_v2(A, B)[:-1], "no whole PROXY header of version 2", id="short"),
        pytest.param(encode_v1(A, B) + b"x", "no whole PROXY header of version 2", id="v1"),
        pytest.param(b"", "no whole PROXY header of version 2", id="empty"),
    ],
)
def test_a_trusted_peer_without_a_good_header_is_dropped(forward, caplog, data, says) -> None:
    with dualstack.open_datagram("127.0.0.1") as server:
        forwarder = forward("udp://127.0.0.1:0", str(server.endpoints[0]), proxy_in=LOOPBACK)
        with client(forwarder.endpoints[0]) as one:
            one.send(data)
            until(lambda: caplog.records)
            assert says in caplog.text
            one.send(encode_v2(A, B) + b"good")
            assert server.recv(20).data == b"good"


def test_untrusted_and_not_allowed(forward, caplog) -> None:
    with dualstack.open_datagram("127.0.0.1") as server:
        to = str(server.endpoints[0])
        for options in ({"proxy_in": ["192.0.2.0/24"]}, {"proxy_in": LOOPBACK, "allow": ["203.0.113.0/24"]}):
            forwarder = forward("udp://127.0.0.1:0", to, **options)
            with client(forwarder.endpoints[0]) as one:
                caplog.clear()
                one.send(encode_v2(A, B) + b"spoofed")
                until(lambda: caplog.records)
        assert "is not allowed" in caplog.text
        with pytest.raises(TimeoutError):
            server.recv(0)


def test_version_1_is_for_tcp() -> None:
    with pytest.raises(ValueError, match="PROXY v1 knows TCP only"):
        open_forwarder("udp://127.0.0.1:0", "127.0.0.1:53", proxy_out="v1")
