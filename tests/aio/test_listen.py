"""aio.open_listener on real loopback sockets: the same scenarios on each kind of loop."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time

import pytest

import dualstack
from dualstack import aio
from dualstack.aio.backend import current


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=5)


async def echo(connection, peer):
    backend = current()
    while True:
        await backend.wait_readable(connection)
        data = connection.recv(100)
        if not data:
            return
        connection.sendall(data)


def test_both_families_reach_one_listener(run):
    async def test():
        async with await aio.open_listener("::", 0) as listener:
            for host in ("127.0.0.1", "::1"):
                with connect(listener.port, host) as client:
                    connection, peer = await listener.accept()
                    with connection:
                        assert tuple(peer) == client.getsockname()[:2]
                        assert connection.getblocking() is False
                        assert connection.get_inheritable() is False

    run(test)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no AF_UNIX in this Python; runs on POSIX")
def test_many_sockets_behind_one_accept(run, tmp_path):
    path = str(tmp_path / "s")

    async def test():
        async with await aio.open_listener(["0.0.0.0", "::", f"unix:{path}"], 0) as listener:
            clients = [connect(listener.port), connect(listener.port, "::1"), socket.socket(socket.AF_UNIX)]
            clients[2].connect(path)
            families = set()
            for _ in clients:
                connection, peer = await listener.accept(5)
                families.add(type(peer).__name__)
                connection.close()
            for client in clients:
                client.close()
            assert families == {"IPv4Endpoint", "IPv6Endpoint", "UnixEndpoint"}
        assert not os.path.exists(path)

    run(test)


def test_accept_times_out(run):
    async def test():
        async with await aio.open_listener("127.0.0.1", 0) as listener:
            with pytest.raises(TimeoutError, match=r"no connection on 127\.0\.0\.1"):
                await listener.accept(0.01)
            with pytest.raises(TimeoutError):
                await listener.accept(0)
            with connect(listener.port):
                (await listener.accept(5))[0].close()

    run(test)


def test_close_from_another_thread_ends_the_wait(run):
    async def test():
        listener = await aio.open_listener("::", 0)
        thread = threading.Timer(0.02, listener.close)
        thread.start()
        with pytest.raises(OSError, match="is closed") as caught:
            await listener.accept()
        assert caught.value.errno == errno.EBADF
        thread.join()
        assert all(sock.fileno() == -1 for sock in listener.sockets)
        assert [item async for item in listener] == []

    run(test)


def test_serve_answers_and_closes_what_it_served(run):
    async def test():
        listener = await aio.open_listener("::", 0)
        answers = []

        def clients():
            for host in ("127.0.0.1", "::1") * 5:
                with connect(listener.port, host) as client:
                    client.sendall(b"x")
                    answers.append(client.recv(10))
            listener.close()

        thread = threading.Thread(target=clients)
        thread.start()
        await listener.serve(echo, tasks=2)
        thread.join()
        assert answers == [b"x"] * 10

    run(test)


def test_a_raising_handler_ends_only_its_connection(run, caplog):
    async def test():
        listener = await aio.open_listener("127.0.0.1", 0)
        ends = []

        async def handler(connection, peer):
            raise RuntimeError("broken handler")

        def clients():
            for _ in range(3):
                with connect(listener.port) as client:
                    ends.append(client.recv(1))
            listener.close()

        thread = threading.Thread(target=clients)
        thread.start()
        await listener.serve(handler)
        thread.join()
        assert ends == [b""] * 3

    run(test)
    assert sum("broken handler" in (record.exc_text or "") for record in caplog.records) == 3


def test_aclose_drains_then_cancels(run):
    async def test():
        listener = await aio.open_listener("127.0.0.1", 0)
        seen = []

        async def handler(connection, peer):
            seen.append("in")
            try:
                await current().sleep(3600)
            finally:
                seen.append("out")

        backend = current()
        with connect(listener.port):
            async with backend.children() as children:
                children.start(lambda: listener.serve(handler), release=lambda: None)
                while not seen:
                    await backend.sleep(0.001)
                await listener.aclose(0.01)
        assert seen == ["in", "out"]

    run(test)


def test_out_of_descriptors_waits_and_goes_on(run, caplog):
    resource = pytest.importorskip("resource", reason="POSIX only; on Windows sockets have no such limit")

    async def test():
        async with await aio.open_listener("127.0.0.1", 0) as listener:
            with connect(listener.port):
                with pytest.raises(TimeoutError):
                    await aio_first_wait(listener)
                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
                try:
                    started = time.process_time()
                    with pytest.raises(TimeoutError, match=r"accept fails: .*Too many open files"):
                        await listener.accept(0.1)
                    assert time.process_time() - started < 0.09, "it spins"
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                (await listener.accept(5))[0].close()

    async def aio_first_wait(listener):
        # Whatever the loop opens lazily is opened now, before descriptors run out.
        connection, _ = await listener.accept(5)
        connection.close()
        with connect(listener.port) as second:
            second.close()
        connection, _ = await listener.accept(5)
        connection.close()
        connections.append(connect(listener.port))
        raise TimeoutError

    connections = []
    run(test)
    for one in connections:
        one.close()
    assert sum("Too many open files" in record.getMessage() for record in caplog.records) == 1


def test_start_server_speaks_streams_and_tls(asyncio_run, tls_pair):
    server_context, client_context = tls_pair

    async def test():
        async def answer(reader, writer):
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        def ask(port, context):
            with connect(port) as raw:
                sock = context.wrap_socket(raw, server_hostname="localhost") if context else raw
                with sock:
                    sock.sendall(b"hello\n")
                    return sock.recv(100)

        import asyncio

        for server_tls, client_tls in ((None, None), (server_context, client_context)):
            async with await aio.start_server(answer, ["127.0.0.1", "::1"], 0, tls=server_tls) as server:
                assert len(server.sockets) == 2
                got = await asyncio.get_running_loop().run_in_executor(None, ask, server.port, client_tls)
                assert got == b"hello\n"

    asyncio_run(test)


def test_tls_handshake_of_a_silent_client_ends(run, tls_pair, caplog):
    async def test():
        listener = await aio.open_listener("127.0.0.1", 0, tls=tls_pair[0])
        ended = []

        def client():
            with connect(listener.port) as raw:
                ended.append(raw.recv(1))
            listener.close()

        thread = threading.Thread(target=client)
        thread.start()
        await listener.serve(echo, handshake_timeout=0.02)
        thread.join()
        assert ended == [b""]

    run(test)
    assert any("no TLS handshake within" in (record.exc_text or "") for record in caplog.records)


def test_tls_over_serve(run, tls_pair):
    async def test():
        listener = await aio.open_listener("127.0.0.1", 0, tls=tls_pair[0])
        got = []

        async def handler(connection, peer):
            assert isinstance(connection, ssl.SSLSocket)
            await current().wait_readable(connection)
            connection.send(connection.recv(100))

        def client():
            with connect(listener.port) as raw, tls_pair[1].wrap_socket(raw, server_hostname="localhost") as sock:
                sock.sendall(b"hi")
                got.append(sock.recv(10))
            listener.close()

        thread = threading.Thread(target=client)
        thread.start()
        await listener.serve(handler)
        thread.join()
        assert got == [b"hi"]

    run(test)


def test_needs_a_loop():
    coroutine = aio.open_listener("::", 0)
    with pytest.raises(RuntimeError, match="running event loop"):
        coroutine.send(None)


def test_errors_are_those_of_the_synchronous_verb(run):
    async def test():
        with dualstack.open_listener("127.0.0.1", 0) as taken:
            with pytest.raises(dualstack.ListenError) as caught:
                await aio.open_listener("127.0.0.1", taken.port)
            assert caught.value.errno == errno.EADDRINUSE

    run(test)
