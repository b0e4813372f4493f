"""Thirty-two threads call every public verb at once: the same answers as alone, nothing left open, no thread left.

What would break here is module state without a lock: caches of capabilities and of the running system, the resolver's
pool, the history of connections, names loaded on first use. Free-threaded builds run it too. SECONDS is short; set
DUALSTACK_STRESS_SECONDS for a longer run.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gc
import inspect
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import dualstack
from dualstack import aio

THREADS = 32
SECONDS = float(os.environ.get("DUALSTACK_STRESS_SECONDS", "1"))
WAIT = 60.0  # until the test gives up


def open_descriptors() -> int | None:
    if sys.platform != "linux":
        return None
    return len(os.listdir("/proc/self/fd"))


def parse() -> None:
    assert str(dualstack.parse("[2001:db8::1]:443")) == "[2001:db8::1]:443"
    assert str(dualstack.Endpoint.parse("192.0.2.1:80").with_port(443)) == "192.0.2.1:443"


def resolve() -> None:
    assert {endpoint.host for endpoint in dualstack.resolve("localhost", 80)} <= {"::1", "127.0.0.1"}


def capabilities() -> None:
    assert dualstack.capabilities().ipv4_loopback


def interfaces() -> None:
    assert any(nic.is_loopback for nic in dualstack.interfaces())


def talk() -> None:
    with (
        dualstack.open_listener("localhost", 0) as listener,
        dualstack.connect("localhost", listener.port, timeout=WAIT) as client,
    ):
        connection, peer = listener.accept(WAIT)
        with connection:
            assert peer == dualstack.Endpoint.local(client)
            connection.sendall(b"x")
            assert client.recv(1) == b"x"


def refused() -> None:
    # A port that is bound and does not listen: refused for certain, whatever the other threads open.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            dualstack.connect("127.0.0.1", held.getsockname()[1], timeout=WAIT)


def datagrams() -> None:
    with (
        dualstack.open_datagram("127.0.0.1") as server,
        dualstack.open_datagram(remote=("127.0.0.1", server.port)) as client,
    ):
        client.send(b"question")
        asked = server.recv(WAIT)
        server.reply(asked, b"answer")
        assert client.recv(WAIT).data == b"answer"


def history() -> None:
    dualstack.history.clear()


def guards() -> None:
    endpoint = dualstack.Endpoint.parse("127.0.0.1:80")
    assert not dualstack.public_only(endpoint)
    assert dualstack.anyone(endpoint)


def routes() -> None:
    with contextlib.suppress(dualstack.UnsupportedError):  # Wine's GetBestRoute2, and systems never looked at
        assert dualstack.source_for("127.0.0.1").host == "127.0.0.1"
    with contextlib.suppress(dualstack.UnsupportedError):
        default = dualstack.default_interface()
        assert default is None or default.name in {route.interface for route in dualstack.gateways()}


def watch() -> None:
    with dualstack.watch_interfaces() as watcher:
        assert any(nic.is_loopback for nic in watcher.interfaces)


def unix() -> None:
    folder = tempfile.mkdtemp(prefix="ds")
    path = os.path.join(folder, "s")
    with dualstack.open_listener(f"unix:{path}") as listener, dualstack.connect(f"unix:{path}", timeout=WAIT) as client:
        connection, _ = listener.accept(WAIT)
        with connection:
            assert dualstack.peer_credentials(connection).pid in (os.getpid(), None)
            dualstack.send_fds(client, b"x", [client.fileno()])
            data, received = dualstack.recv_fds(connection, 1, 1)
            assert data == b"x"
            os.close(received[0])
    os.rmdir(folder)


def shared() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        dualstack.from_share(dualstack.share(server, os.getpid())) as same,
    ):
        assert same.getsockname() == server.getsockname()


def awaited() -> None:
    async def answer(reader, writer) -> None:
        writer.write(await reader.read(1))
        writer.close()

    async def main() -> None:
        assert await aio.resolve("127.0.0.1", 80) == [dualstack.Endpoint.parse("127.0.0.1:80")]
        async with await aio.open_listener("127.0.0.1", 0) as listener:
            with await aio.connect("127.0.0.1", listener.port, timeout=WAIT) as client:
                connection, peer = await listener.accept(WAIT)
                with connection:
                    assert peer == dualstack.Endpoint.local(client)
        async with await aio.start_server(answer, "127.0.0.1", 0) as server:
            reader, writer = await aio.open_connection("127.0.0.1", server.port, timeout=WAIT)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            writer.close()
            await writer.wait_closed()
        async with await aio.open_datagram("127.0.0.1", 0) as one:
            await one.send(b"to oneself", one.endpoints[0])
            assert (await one.recv(WAIT)).data == b"to oneself"
        async with aio.watch_interfaces() as watcher:
            assert any(nic.is_loopback for nic in watcher.interfaces)

    asyncio.run(main())


VERBS: list[Callable[[], None]] = [
    parse, resolve, capabilities, interfaces, talk, refused, datagrams, history, guards, routes, watch, awaited,
]  # fmt: skip
if hasattr(socket, "AF_UNIX"):
    VERBS.append(unix)
if sys.platform == "win32":
    VERBS.append(shared)


def test_no_verb_is_left_out() -> None:
    """Each public function of the package is called above, by its name."""
    tree = ast.parse(Path(__file__).read_text("utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for prefix, module in (("dualstack", dualstack), ("aio", aio)):
        verbs = {name for name in module.__all__ if inspect.isroutine(getattr(module, name))}
        assert verbs and verbs <= {name.partition(".")[2] for name in called if name.startswith(f"{prefix}.")}


@pytest.mark.slow
def test_every_verb_from_many_threads() -> None:
    for verb in VERBS:  # what the first call loads or starts is not a leak
        verb()
    gc.collect()
    before, threads = open_descriptors(), threading.active_count()
    start = threading.Barrier(THREADS)
    errors: list[BaseException] = []
    calls = [0] * THREADS

    def work(number: int) -> None:
        start.wait(WAIT)
        end = time.monotonic() + SECONDS
        turn = number
        while not errors and (time.monotonic() < end or calls[number] < len(VERBS)):
            try:
                VERBS[turn % len(VERBS)]()
            except BaseException as error:  # noqa: BLE001 - raised again in the test
                errors.append(error)
            calls[number] += 1
            turn += 1

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(WAIT)
    if errors:
        raise errors[0]
    assert not any(worker.is_alive() for worker in workers)
    assert min(calls) >= len(VERBS)
    gc.collect()
    assert open_descriptors() == before
    assert threading.active_count() == threads


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_the_first_call_may_come_from_many_threads(verb: Callable[[], None]) -> None:
    """Each cache of the library is empty, and all threads fill it at once."""
    from dualstack.net import capabilities as probes

    probes._forget()
    start = threading.Barrier(8)
    errors: list[BaseException] = []

    def work() -> None:
        start.wait(WAIT)
        try:
            verb()
        except BaseException as error:  # noqa: BLE001 - raised again in the test
            errors.append(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(WAIT)
    assert errors == []
    assert not any(worker.is_alive() for worker in workers)
