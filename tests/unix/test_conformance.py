"""The same scenarios over ``unix:`` with the synchronous verbs, asyncio (three kinds) and trio: one meaning."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import threading
from importlib.util import find_spec

import pytest

import dualstack
import dualstack.aio


class Sync:
    """The synchronous verbs behind the awaitable names, so that one scenario serves all."""

    name = "sync"

    async def open_listener(self, *args, **kwargs):
        return _Awaitable(dualstack.open_listener(*args, **kwargs))

    async def connect(self, *args, **kwargs):
        return dualstack.connect(*args, **kwargs)


class _Awaitable:
    def __init__(self, listener) -> None:
        self.listener = listener
        self.endpoints = listener.endpoints
        self.sockets = listener.sockets

    async def accept(self, timeout=None):
        return self.listener.accept(timeout)

    def close(self) -> None:
        self.listener.close()


def _alone(scenario):
    try:
        scenario.send(None)  # nothing in it really waits
    except StopIteration:
        return
    raise AssertionError("a synchronous scenario has waited")


def _asyncio(scenario):
    asyncio.run(scenario)


def _eager(scenario):
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await scenario

    asyncio.run(main())


def _uvloop(scenario):
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(scenario)
    finally:
        loop.close()


def _trio(scenario):
    import trio

    async def main():
        await scenario

    trio.run(main)


DRIVERS = [
    pytest.param(Sync(), _alone, id="sync"),
    pytest.param(dualstack.aio, _asyncio, id="asyncio"),
    pytest.param(
        dualstack.aio,
        _uvloop,
        id="uvloop",
        marks=pytest.mark.skipif(not find_spec("uvloop"), reason="needs uvloop; runs where the test extra has it"),
    ),
    pytest.param(dualstack.aio, _trio, id="trio"),
]
if sys.version_info >= (3, 12):
    DRIVERS.append(pytest.param(dualstack.aio, _eager, id="asyncio-eager"))


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first loop of uvloop opens descriptors that stay for the life of the process."""
    try:
        import uvloop
    except ImportError:
        return
    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def pytest_generate_tests(metafunc):
    if "verbs" in metafunc.fixturenames:
        metafunc.parametrize(("verbs", "run"), DRIVERS)


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
        listener = await verbs.open_listener(f"unix:@ds-conformance-{os.getpid()}")
        client = await verbs.connect(listener.endpoints[0], timeout=10)
        server, _ = await listener.accept(timeout=10)
        client.close()
        server.close()
        listener.close()

    run(scenario())


def test_beside_ip_on_one_listener(verbs, run, path):
    async def scenario():
        listener = await verbs.open_listener(["127.0.0.1:0", f"unix:{path}"])
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
        with pytest.raises(dualstack.ConnectError, match="No such file") as caught:
            await verbs.connect(f"unix:{path}", timeout=10)
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
