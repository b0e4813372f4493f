"""create_server for both families on every kind of host; has_dualstack_ipv6 tells the truth."""

from __future__ import annotations

import asyncio
import errno
import inspect
import select
import selectors
import socket as stdlib
import threading

import pytest

import dualstack
from dualstack import UnsupportedError
from dualstack.shim import socket, socket_listening
from dualstack.shim.socket_pair import TwoSockets
from dualstack.testing import World, freebsd, linux, macos, openbsd, windows
from dualstack.testing.faults import sweep

BOTH = {"family": socket.AF_INET6, "dualstack_ipv6": True}


@pytest.fixture(autouse=True)
def fresh_capabilities():
    """What one test's host can do is no news about the next one's."""
    yield
    dualstack.capabilities(refresh=True)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param(linux(), True, id="linux"),
        pytest.param(macos(), True, id="macos"),
        pytest.param(freebsd(), True, id="freebsd"),
        pytest.param(windows(), True, id="windows"),
        pytest.param(openbsd(), False, id="openbsd"),
        pytest.param(linux(ipv6=False), False, id="no-ipv6"),
        pytest.param(linux(bindv6only=True), True, id="bindv6only"),
        pytest.param(linux(mapped=False), False, id="takes-the-option-and-does-not-do-it"),
    ],
)
def test_has_dualstack_ipv6(host, expected):
    with World(host):
        assert socket.has_dualstack_ipv6() is expected
        assert socket.has_dualstack_ipv6() is expected


def test_no_descriptors_are_no_answer_and_no_error(world):
    world.fail("socket", errno.EMFILE)
    assert socket.has_dualstack_ipv6() is False
    assert socket.has_dualstack_ipv6() is True, "it is asked again"


# ---------------------------------------------------------------------- one socket


def test_the_signature_is_that_of_the_standard_library():
    assert inspect.signature(socket.create_server) == inspect.signature(stdlib.create_server)
    assert inspect.signature(socket.has_dualstack_ipv6) == inspect.signature(stdlib.has_dualstack_ipv6).replace(
        return_annotation="bool"
    )


@pytest.mark.skipif(
    not dualstack.capabilities().dual_stack, reason="needs one socket for both families; runs on every other host"
)
@pytest.mark.parametrize("host", ["", "::"])
def test_both_families(host):
    with socket.create_server((host, 0), **BOTH) as server:
        assert type(server) is socket.socket
        for family in ("127.0.0.1", "::1"):
            with socket.create_connection((family, server.getsockname()[1])) as client:
                connection, peer = server.accept()
                with connection:
                    assert peer == client.getsockname()


def test_arguments_that_do_not_go_together():
    with pytest.raises(ValueError, match="dualstack_ipv6 requires AF_INET6 family"):
        socket.create_server(("", 0), dualstack_ipv6=True)


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError) as caught:
        socket.create_server(server.getsockname())
    assert caught.value.errno == errno.EADDRINUSE
    assert "127.0.0.1" in str(caught.value)


def test_backlog_and_class():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        assert type(server) is socket.socket
        assert server.gettimeout() is None


# ---------------------------------------------------------------------- where one socket cannot


def test_a_host_without_ipv6_serves_ipv4():
    with World(linux(ipv6=False)) as world, socket.create_server(("", 8080), **BOTH) as server:
        assert server.family == socket.AF_INET
        assert server.gettimeout() is None
        with world.client("127.0.0.1", 8080) as client:
            connection, peer = server.accept()
            connection.close()
            assert peer == client.getsockname()


@pytest.mark.parametrize("host", [openbsd(), linux(mapped=False)], ids=["openbsd", "mapped-in-words-only"])
def test_two_sockets_where_one_cannot(host):
    with World(host) as world, socket.create_server(("", 8080), **BOTH) as server:
        assert type(server) is TwoSockets
        assert isinstance(server, stdlib.socket)
        assert [sock.family for sock in server.sockets] == [socket.AF_INET6, socket.AF_INET]
        assert {sock.getsockname()[1] for sock in server.sockets} == {8080}
        with world.client("127.0.0.1", 8080) as four, world.client("::1", 8080) as six:
            peers = []
            for _ in range(2):
                connection, peer = server.accept()
                assert connection.gettimeout() is None
                connection.close()
                peers.append(peer)
            assert set(peers) == {four.getsockname(), six.getsockname()}


def test_neither_family_waits_for_ever():
    with World(openbsd()) as world, socket.create_server(("", 8080), **BOTH) as server:
        clients = [world.client("127.0.0.1", 8080, source_port=port) for port in range(40000, 40004)]
        clients.append(world.client("::1", 8080))
        families = []
        for _ in range(2):
            connection, peer = server.accept()
            connection.close()
            families.append(len(peer))
        assert sorted(families) == [2, 4]
        for client in clients:
            client.close()


def test_the_timeout_of_two_sockets():
    with World(openbsd()) as world, socket.create_server(("", 8080), **BOTH) as server:
        server.settimeout(2.0)
        assert (server.gettimeout(), server.timeout, server.getblocking()) == (2.0, 2.0, True)
        with pytest.raises(TimeoutError):
            server.accept()
        assert world.now == 2.0
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        assert world.now == 2.0
        server.settimeout(None)
        clients = []
        world.at(5.0, lambda: clients.append(world.client("127.0.0.1", 8080)))
        server.accept()[0].close()
        assert world.now == 5.0
        clients[0].close()
        with pytest.raises(ValueError, match="Timeout value out of range"):
            server.settimeout(-1)


def test_a_port_that_one_family_has_taken():
    with World(openbsd()) as world, world.occupy("0.0.0.0", 8080), pytest.raises(OSError) as caught:
        socket.create_server(("", 8080), **BOTH)
    assert caught.value.errno == errno.EADDRINUSE


def test_one_address_is_of_one_family(monkeypatch):
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with socket.create_server(("::1", 0), **BOTH) as server:
        assert (server.family, server.getsockname()[0]) == (socket.AF_INET6, "::1")


def test_nothing_is_left_whatever_fails():
    def scenario(world):
        with socket.create_server(("", 8080), **BOTH) as server:
            server.settimeout(1.0)
            with pytest.raises(TimeoutError):
                server.accept()

    def world():
        dualstack.capabilities(refresh=True)
        return World(openbsd())

    assert sweep(world, scenario) > 10


# ---------------------------------------------------------------------- two real sockets


@pytest.fixture
def pair(dual_port):
    six = stdlib.create_server(("::1", dual_port), family=stdlib.AF_INET6)
    four = stdlib.create_server(("127.0.0.1", dual_port))
    with TwoSockets.of([six, four]) as made:
        yield made


def reaches(server, host):
    with stdlib.create_connection((host, server.getsockname()[1])) as client:
        connection, peer = server.accept()
        connection.close()
        return peer == client.getsockname()


def test_two_real_sockets(pair):
    assert reaches(pair, "127.0.0.1") and reaches(pair, "::1")
    assert (pair.family, pair.type, pair.proto) == (socket.AF_INET6, socket.SOCK_STREAM, 0)
    assert pair.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN if hasattr(socket, "SO_ACCEPTCONN") else 2)
    pair.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    assert all(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) for sock in pair.sockets)
    pair.set_inheritable(True)
    assert pair.get_inheritable() and all(sock.get_inheritable() for sock in pair.sockets)
    pair.listen(5)
    assert repr(pair).count("laddr") == 2
    with pytest.raises(OSError):
        pair.getpeername()


has_one_descriptor = pytest.mark.skipif(
    not hasattr(selectors.DefaultSelector, "fileno"), reason="needs epoll or kqueue; Windows needs no two sockets"
)


@has_one_descriptor
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_one_descriptor_tells_of_both(pair, host):
    assert select.select([pair], [], [], 0)[0] == []
    with stdlib.create_connection((host, pair.getsockname()[1])):
        assert select.select([pair], [], [], 10)[0] == [pair]
        pair.accept()[0].close()
    assert select.select([pair], [], [], 0)[0] == []


@has_one_descriptor
def test_asyncio_serves_two_sockets_as_one(pair):
    async def main():
        async def serve(reader, writer):
            writer.write((await reader.read(10)).upper())
            writer.close()
            await writer.wait_closed()

        pair.setblocking(False)
        port = pair.getsockname()[1]
        listener = await asyncio.start_server(serve, sock=pair)
        for host in ("127.0.0.1", "::1"):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hello")
            assert await reader.read(10) == b"HELLO"
            writer.close()
            await writer.wait_closed()
        listener.close()
        await listener.wait_closed()

    asyncio.run(main())


def test_accept_in_a_thread_that_waits(pair):
    peers = []
    thread = threading.Thread(target=lambda: peers.append(pair.accept()))
    thread.start()
    with stdlib.create_connection(("127.0.0.1", pair.getsockname()[1])) as client:
        thread.join(30)
        ((connection, peer),) = peers
        connection.close()
        assert peer == client.getsockname()


@pytest.mark.parametrize("what", ["detach", "dup", "share"])
def test_what_two_sockets_cannot_be(pair, what):
    with pytest.raises(UnsupportedError, match=r"use its \.sockets"):
        getattr(pair, what)(*([1] if what == "share" else []))


def test_closed(pair):
    socks = pair.sockets
    pair.close()
    pair.close()
    assert [sock.fileno() for sock in socks] == [-1, -1]
    assert pair.fileno() == -1
    for call in (pair.accept, pair.getsockname, lambda: pair.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)):
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == errno.EBADF
    assert repr(pair) == "<TwoSockets closed>"


def test_which_addresses_are_wildcards():
    assert [host for host in ("", "::", "0.0.0.0", "::1", "localhost") if socket_listening.is_wildcard((host, 0))] == [
        "",
        "::",
    ]
