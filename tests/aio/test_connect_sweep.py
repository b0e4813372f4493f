"""Cancel, time out and interrupt a connect at many instants: descriptors, threads and tasks are as before, gc off.

The scenario has a silent address, a refused one and a good one, so that attempts are being started, dropped and won
while the blow falls. ``DUALSTACK_SWEEP`` sets the number of instants; ci/soak.py uses the long one.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import dualstack
from dualstack import doors
from dualstack.aio import racing
from dualstack.net.lookup import pool

INSTANTS = int(os.environ.get("DUALSTACK_SWEEP", "150"))
IPv4, IPv6 = socket.AF_INET, socket.AF_INET6

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="a full accept queue is a black hole on Linux only; runs there"
)


class Names(doors.Doors):
    """``name.example`` is ::1 (silent) and 127.0.0.2 (refused) and 127.0.0.1 (good), answered a moment apart."""

    def getaddrinfo(self, host, port, family, type, proto, flags):
        if family == IPv6:
            return [(family, type, proto, "", ("::1", 0, 0, 0))]
        time.sleep(0.0002)
        return [(family, type, proto, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]


@pytest.fixture
def port():
    """One port: silent on ::1, closed on 127.0.0.2, good on 127.0.0.1; the ledger is checked afterwards."""
    dualstack.history.clear()
    while True:
        opened = good, silent = socket.socket(IPv4), socket.socket(IPv6)
        good.bind(("127.0.0.1", 0))
        number = good.getsockname()[1]
        try:
            silent.bind(("::1", number))
            break
        except OSError:  # somebody else's in this family
            good.close()
            silent.close()
    good.listen(1000)
    silent.listen(0)
    filler = socket.create_connection(("::1", number))
    stop = threading.Event()

    def accept():
        while True:
            connection, _ = good.accept()
            connection.close()
            if stop.is_set():
                return

    thread = threading.Thread(target=accept)
    thread.start()
    with doors.using(Names()):
        try:
            yield number
        finally:
            while pool().threads:
                time.sleep(0)
            stop.set()
            socket.create_connection(("127.0.0.1", number)).close()
            thread.join()
            filler.close()
            for sock in opened:
                sock.close()
            dualstack.history.clear()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def links() -> list[str]:
    """What each descriptor is, for the message of a leak."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:  # the descriptor that listed them
            pass
    return found


def settle(before: int | None = None) -> None:
    """Let resolver threads end, and the server of this process close what it has just accepted; a leak stays."""
    while pool().threads:
        time.sleep(0)
    patience = time.monotonic() + 5
    while before is not None and (count := descriptors()) != before:
        # Counted once per look: the server may accept what an earlier connect left in its queue at any moment.
        assert time.monotonic() < patience, f"{count} descriptors, not {before}: {'; '.join(links())}"
        time.sleep(0)


ARGUMENTS = {"attempt_delay": 0.01, "resolution_delay": 0.001, "history": None}


def blows():
    """How many steps, or how long, before the blow falls: all the early steps, then random instants."""
    rng = random.Random(8305)
    for count in range(INSTANTS):
        # Every other one early, where descriptors are made: most of the time nothing but waiting happens.
        yield count if count < 40 else None, rng.uniform(0, 0.014 if count % 2 else 0.0006)


@pytest.mark.parametrize("driver", ["readiness", "completing", "uvloop", "eager"])
def test_asyncio_cancel(port, driver, monkeypatch):
    import dualstack.aio.connecting as module

    factory = None
    loop_factory = asyncio.new_event_loop
    if driver == "completing":
        monkeypatch.setattr(module, "ReadinessDriver", racing.CompletingDriver)
    elif driver == "uvloop":
        uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed; it runs where the test extra has it")
        loop_factory = uvloop.new_event_loop
    elif driver == "eager":
        if sys.version_info < (3, 12):
            pytest.skip("eager tasks came with 3.12; runs there")
        factory = asyncio.eager_task_factory

    async def main():
        loop = asyncio.get_running_loop()
        if factory:
            loop.set_task_factory(factory)
        cancelled = won = 0
        await asyncio.sleep(0.001)
        before = descriptors()
        for steps, seconds in blows():
            task = loop.create_task(dualstack.aio.connect("name.example", port, **ARGUMENTS))
            if steps is not None:
                for _ in range(steps):
                    await asyncio.sleep(0)
            else:
                await asyncio.sleep(seconds)
            asked = task.cancel()
            try:
                sock = await task
            except asyncio.CancelledError:
                cancelled += 1
            else:
                assert not asked, "the cancellation was swallowed"
                sock.close()
                won += 1
            del task
            assert len(asyncio.all_tasks()) == 1
            settle(before)
        return cancelled, won

    loop = loop_factory()
    gc.collect()
    gc.disable()
    try:
        cancelled, _ = loop.run_until_complete(main())
    finally:
        gc.enable()
        loop.close()
    assert cancelled > INSTANTS // 4


def test_trio_cancel(port):
    import trio

    async def main():
        cancelled = 0
        before = descriptors()
        for steps, seconds in blows():
            done = []

            async def one(done=done):
                done.append(await dualstack.aio.connect("name.example", port, **ARGUMENTS))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(one)
                if steps is not None:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                else:
                    await trio.sleep(seconds)
                nursery.cancel_scope.cancel()
            for sock in done:
                sock.close()
            cancelled += not done
            settle(before)
        return cancelled

    gc.collect()
    gc.disable()
    try:
        assert trio.run(main) > INSTANTS // 4
    finally:
        gc.enable()


class Blow(BaseException):
    """What the signal handler raises; like KeyboardInterrupt, but nobody else's."""


@pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="relies on the reference count, as said below; runs on CPython"
)
# Python code cannot keep a signal from striking between the return of socket() and the store of its result. The
# descriptor is then closed by its reference count, which warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sync_interrupt(port):
    """A signal handler that raises, at random instants of a blocking connect."""

    def strike(*_):
        raise Blow

    before_handler = signal.signal(signal.SIGALRM, strike)
    gc.collect()
    gc.disable()
    interrupted = 0
    try:
        before = descriptors()
        for _, seconds in blows():
            sock = None
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.00001))
                    sock = dualstack.connect("name.example", port, **ARGUMENTS)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Blow:
                interrupted += 1
            if sock is not None:
                sock.close()
            settle(before)
    finally:
        signal.signal(signal.SIGALRM, before_handler)
        gc.enable()
    assert interrupted > INSTANTS // 4


@pytest.mark.parametrize("timeout", [0, 0.0001, 0.001, 0.003, 0.012])
def test_sync_timeouts(port, timeout):
    before = descriptors()
    for _ in range(max(INSTANTS // 10, 5)):
        try:
            dualstack.connect("name.example", port, timeout=timeout, **ARGUMENTS).close()
        except TimeoutError as error:
            assert isinstance(error, dualstack.ConnectError)
        settle(before)


CHILD = textwrap.dedent(
    """
    import os, random, signal, socket, sys, threading, time
    import dualstack

    port, count = int(sys.argv[1]), int(sys.argv[2])
    dualstack.connect("127.0.0.1", port).close()
    before = len(os.listdir("/proc/self/fd"))
    rng = random.Random(1)
    delays = [rng.uniform(0, 0.02) for _ in range(count)]
    hit = 0
    for delay in delays:
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        sock = None
        try:
            timer.start()
            sock = dualstack.connect("localhost", port, attempt_delay=0.01, timeout=5)
            timer.join()
        except KeyboardInterrupt:
            hit += 1
        try:
            timer.join()
        except KeyboardInterrupt:
            hit += 1
        if sock is not None:
            sock.close()
        assert len(os.listdir("/proc/self/fd")) == before, os.listdir("/proc/self/fd")
    print(hit)
    """
)


def test_sigint_in_a_child(port):
    """Real SIGINTs at random instants, in a process of their own."""
    count = max(INSTANTS // 8, 10)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        # -B: while it writes the .pyc of a module, importlib holds a bare descriptor, which a signal makes it lose.
        [sys.executable, "-B", "-W", "ignore::ResourceWarning", "-c", CHILD, str(port), str(count)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0


def test_hung_resolver_does_not_hold_up_the_exit():
    """connect(timeout=0.2) returns, and the interpreter is gone long before the look-up would end."""
    program = textwrap.dedent(
        """
        import time
        import dualstack
        from dualstack import doors

        class Hung(doors.Doors):
            def getaddrinfo(self, *arguments):
                time.sleep(30)

        with doors.using(Hung()):
            started = time.monotonic()
            try:
                dualstack.connect("name.example", 80, timeout=0.2)
            except TimeoutError:
                print(time.monotonic() - started)
        """
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=25, check=True
    )
    assert done.stderr == ""
    assert 0.2 <= float(done.stdout) < 25
    assert time.monotonic() - started < 25  # and not 30; the benchmark measures how fast
