"""Sockets of the shim in the hands of ssl, selectors, select, asyncio and multiprocessing."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import select
import selectors
import threading
from multiprocessing import reduction, resource_sharer

import pytest

import dualstack
from dualstack.shim import socket


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def test_tls(server, tls_pair):
    server_context, client_context = tls_pair

    def serve():
        connection, _ = server.accept()
        with server_context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.sendall(wrapped.recv(10).upper())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        sock = socket.create_connection(server.getsockname(), timeout=10)
        with client_context.wrap_socket(sock, server_hostname="localhost") as wrapped:
            assert isinstance(wrapped, socket.socket)
            wrapped.sendall(b"hello")
            assert wrapped.recv(10) == b"HELLO"
    finally:
        thread.join()


def test_a_tls_listener(server, tls_pair):
    server_context, client_context = tls_pair
    with server_context.wrap_socket(server, server_side=True) as listener:

        def serve():
            connection, peer = listener.accept()
            with connection:
                connection.sendall(peer[0].encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            sock = socket.create_connection(listener.getsockname(), timeout=10)
            with client_context.wrap_socket(sock, server_hostname="localhost") as wrapped:
                assert wrapped.recv(100) == b"127.0.0.1"
        finally:
            thread.join()


@pytest.mark.parametrize(
    "kind",
    [
        getattr(selectors, name)
        for name in ("SelectSelector", "PollSelector", "EpollSelector", "KqueueSelector")
        if hasattr(selectors, name)
    ],
)
def test_selectors(server, kind):
    with kind() as selector:
        selector.register(server, selectors.EVENT_READ, "server")
        assert selector.select(0) == []
        with socket.create_connection(server.getsockname()):
            ((key, _),) = selector.select(10)
            assert key.fileobj is server
            server.accept()[0].close()


def test_select(server):
    assert select.select([server], [], [], 0)[0] == []
    with socket.create_connection(server.getsockname()) as client:
        assert select.select([server], [client], [], 10)[:2] == ([server], [client])
        server.accept()[0].close()


def test_asyncio_serves_a_listening_socket(server):
    server.setblocking(False)

    async def main():
        peers = []

        async def serve(reader, writer):
            peers.append(writer.get_extra_info("peername"))
            writer.write((await reader.read(10)).upper())
            writer.close()
            await writer.wait_closed()

        listener = await asyncio.start_server(serve, sock=server)
        sock = await asyncio.to_thread(socket.create_connection, server.getsockname())
        reader, writer = await asyncio.open_connection(sock=sock)
        local = writer.get_extra_info("sockname")
        writer.write(b"hello")
        assert await reader.read(10) == b"HELLO"
        writer.close()
        await writer.wait_closed()
        listener.close()
        await listener.wait_closed()
        assert peers == [local]

    asyncio.run(main())


@pytest.mark.skipif(
    not dualstack.capabilities().dual_stack, reason="needs one socket for both families; runs on every other host"
)
def test_asyncio_accepts_and_connects_by_hand():
    async def main():
        loop = asyncio.get_running_loop()
        with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
            server.setblocking(False)
            with socket.socket() as client:
                client.setblocking(False)
                address = ("127.0.0.1", server.getsockname()[1])
                accepted, _ = await asyncio.gather(loop.sock_accept(server), loop.sock_connect(client, address))
                connection, peer = accepted
                with connection:
                    # With the Proactor loop of Windows the address comes from the system, in the mapped form.
                    assert peer[:2] == client.getsockname() or peer[0] == "::ffff:127.0.0.1"
                    await loop.sock_sendall(client, b"hello")
                    assert await loop.sock_recv(connection, 10) == b"hello"

    asyncio.run(main())


# ---------------------------------------------------------------------- other processes


def greet(connection, sock):
    """In another process: say through *sock* what kind it is, and again through one that comes by *connection*."""
    for one in (sock, connection.recv()):
        with one:
            one.sendall(type(one).__module__.encode())
    connection.close()


def test_multiprocessing_hands_sockets_over():
    """As arguments of a process and through a pipe; plain pickle goes on to refuse them."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    first, second = socket.socketpair(), socket.socketpair()
    process = context.Process(target=greet, args=(theirs, first[1]))
    try:
        process.start()
        theirs.close()
        ours.send(second[1])
        for mine, other in (first, second):
            other.close()
            mine.settimeout(60)
            assert mine.makefile("rb").read() == b"dualstack.shim.socket"
    finally:
        for pair in (first, second):
            for end in pair:
                end.close()
        process.join(60)
        ours.close()
        resource_sharer.stop(5)
    assert process.exitcode == 0
    with socket.socket() as sock, pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(sock)


def test_multiprocessing_does_not_take_subclasses_as_ever():
    class Own(socket.socket):
        pass

    with Own() as sock, pytest.raises(TypeError, match="cannot pickle"):
        reduction.ForkingPickler.dumps(sock)
