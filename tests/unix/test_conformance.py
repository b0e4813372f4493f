"""The same scenarios over ``unix:`` with the synchronous verbs, asyncio (three kinds) and trio: one meaning."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading

import pytest

import dualstack


def test_connect_accept_close(verbs, run, path):
    async def scenario():
        listener = await verbs.open_listener(f"unix:{path}", mode=0o620)
        assert str(listener.endpoints[0]) == f"unix:{path}"
        assert os.stat(path).st_mode & 0o777 == 0o620
        client = await verbs.connect(f"unix:{path}", timeout=10)
        server, peer = await listener.accept(timeout=10)
        assert str(peer) == "unix:"
        client.sendall(b"x")
        assert server.recv(1) == b"x"
        assert dualstack.peer_credentials(server).pid == os.getpid()
        client.close()
        server.close()
        listener.close()
        assert not os.path.lexists(path)

    run(scenario())


def test_a_long_path(verbs, run, folder):
    long = f"unix:{folder}/{'n' * 200}"

    async def scenario():
        listener = await verbs.open_listener(long)
        client = await verbs.connect(long, timeout=10)
        server, _ = await listener.accept(timeout=10)
        client.close()
        server.close()
        assert str(listener.endpoints[0]) == long
        listener.close()

    run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names exist on Linux, and run there")
def test_an_abstract_name(verbs, run):
    async def scenario():
        name = f"unix:@ds-conformance-{os.getpid()}"
        listener = await verbs.open_listener(name)
        assert [str(endpoint) for endpoint in listener.endpoints] == [name]
        client = await verbs.connect(listener.endpoints[0], timeout=10)
        server, peer = await listener.accept(timeout=10)
        assert peer.is_unnamed
        client.close()
        server.close()
        listener.close()

    run(scenario())


def test_beside_ip_on_one_listener(verbs, run, path):
    async def scenario():
        listener = await verbs.open_listener(["127.0.0.1:0", f"unix:{path}"])
        assert [str(endpoint).rpartition(":")[0] for endpoint in listener.endpoints] == ["127.0.0.1", "unix"]
        for endpoint in listener.endpoints:
            client = await verbs.connect(endpoint, timeout=10)
            server, peer = await listener.accept(timeout=10)
            assert peer.family == endpoint.family
            client.close()
            server.close()
        listener.close()

    run(scenario())


def test_a_live_socket_stays_a_dead_one_goes(verbs, run, path, stale):
    async def scenario():
        stale(path)
        listener = await verbs.open_listener(f"unix:{path}")
        with pytest.raises(dualstack.ListenError, match="a running process has it open") as caught:
            await verbs.open_listener(f"unix:{path}")
        assert caught.value.errno == errno.EADDRINUSE
        (await verbs.connect(f"unix:{path}", timeout=10)).close()
        listener.close()

    run(scenario())


def test_nobody_there_and_nobody_listening(verbs, run, path, stale):
    async def scenario():
        with pytest.raises(FileNotFoundError, match="No such file") as caught:
            await verbs.connect(f"unix:{path}", timeout=10)
        assert isinstance(caught.value, dualstack.ConnectError)
        assert caught.value.errno == errno.ENOENT
        stale(path)
        with pytest.raises(ConnectionRefusedError) as caught:
            await verbs.connect(f"unix:{path}", timeout=10)
        assert isinstance(caught.value, dualstack.ConnectError)
        assert [str(attempt.endpoint) for attempt in caught.value.attempts] == [f"unix:{path}"]

    run(scenario())
    os.unlink(path)


def test_a_full_queue_is_waited_for(verbs, run, path, fill):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        fill(listener)
        started = threading.Event()

        def make_room():
            started.wait(10)
            listener.accept()[0].close()

        thread = threading.Thread(target=make_room)
        thread.start()

        async def scenario():
            with pytest.raises(TimeoutError, match="stayed full") as caught:
                await verbs.connect(f"unix:{path}", timeout=0)
            assert isinstance(caught.value, dualstack.ConnectError)
            started.set()
            (await verbs.connect(f"unix:{path}", timeout=10)).close()

        run(scenario())
        thread.join()
    os.unlink(path)


def told(seen):
    """A trace that keeps what happened, and to whom."""
    return lambda event: seen.append((event.kind, str(event.endpoint), getattr(event.error, "errno", None)))


def test_a_trace_is_told_of_the_one_attempt(verbs, run, path, stale):
    here = f"unix:{path}"

    async def scenario():
        seen = []
        listener = await verbs.open_listener(here)
        client = await verbs.connect(here, timeout=10, trace=told(seen))
        server, _ = await listener.accept(timeout=10)
        client.sendall(b"x")
        assert server.recv(1) == b"x"
        client.close()
        server.close()
        with pytest.raises(dualstack.ConnectError, match="not allowed"):
            await verbs.connect(here, allow=lambda endpoint: False, trace=told(seen))
        listener.close()
        stale(path)
        with pytest.raises(ConnectionRefusedError):
            await verbs.connect(dualstack.UnixEndpoint(path), trace=told(seen))
        assert seen == [
            ("attempt-started", here, None),
            ("attempt-won", here, None),
            ("attempt-started", here, None),
            ("attempt-failed", here, errno.EACCES),
            ("attempt-started", here, None),
            ("attempt-failed", here, errno.ECONNREFUSED),
        ]

    run(scenario())
    os.unlink(path)


def test_a_trace_does_not_change_what_a_full_queue_means(verbs, run, path):
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        seen = []

        def trace(event):
            told(seen)(event)
            if len(seen) == 3:  # the second attempt has begun, and finds the queue full or not: both are right
                listener.accept()[0].close()

        async def scenario():
            with pytest.raises(TimeoutError, match="stayed full"):
                await verbs.connect(f"unix:{path}", timeout=0, trace=trace)
            (await verbs.connect(f"unix:{path}", timeout=10, trace=trace)).close()

        run(scenario())
        kinds = [kind for kind, _, _ in seen]
        assert kinds == ["attempt-started", "attempt-failed", "attempt-started", "attempt-won"]
    os.unlink(path)


@pytest.mark.parametrize("at", ["attempt-started", "attempt-won", "attempt-failed"])
def test_a_trace_that_raises_ends_it_and_leaves_nothing(verbs, run, path, stale, at):
    def trace(event):
        if event.kind == at:
            raise ZeroDivisionError

    async def scenario():
        if at == "attempt-failed":
            stale(path)
        else:
            listener = await verbs.open_listener(f"unix:{path}")
        with pytest.raises(ZeroDivisionError):  # the ledger of this folder sees what stays open
            await verbs.connect(f"unix:{path}", timeout=10, trace=trace)
        if at != "attempt-failed":
            listener.close()

    run(scenario())
    if at == "attempt-failed":
        os.unlink(path)


def test_allow_is_asked(verbs, run, path):
    async def scenario():
        listener = await verbs.open_listener(f"unix:{path}")
        with pytest.raises(dualstack.ConnectError, match="not allowed"):
            await verbs.connect(f"unix:{path}", allow=lambda endpoint: endpoint.family != socket.AF_UNIX)
        listener.close()

    run(scenario())


@pytest.mark.skipif(not hasattr(socket, "SOCK_SEQPACKET") or sys.platform == "darwin", reason="Linux and the BSDs")
@pytest.mark.parametrize("form", ["text", "address"])
def test_messages_kept_apart(verbs, run, path, form):
    where = f"unixpacket:{path}" if form == "text" else dualstack.parse(f"unixpacket:{path}")

    async def scenario():
        listener = await verbs.open_listener(where)
        client = await verbs.connect(where, timeout=10)
        server, _ = await listener.accept(timeout=10)
        assert client.type == server.type == socket.SOCK_SEQPACKET
        client.send(b"one")
        client.send(b"two")
        assert (server.recv(100), server.recv(100)) == (b"one", b"two")
        client.close()
        server.close()
        listener.close()

    run(scenario())
