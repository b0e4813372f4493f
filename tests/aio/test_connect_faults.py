"""Every door call of an awaited connect failing in turn: the drivers of asyncio and trio in the fake world.

The loops are real, their selector and clock are the world's: a selector event loop of asyncio whose waiting lets
virtual time pass, and trio with a clock that does the same. So the ledger sees every socket, and times are exact.
"""

from __future__ import annotations

import asyncio
import errno
import gc

import pytest

import dualstack
from dualstack import SocketOptions
from dualstack.aio import connecting, racing
from dualstack.net.lookup import pool
from dualstack.testing import World, blackholes, connects, fails, linux, refuses
from dualstack.testing.faults import FAULTS, sweep
from dualstack.testing.sockets import FakeSelector

SIX, SIX2, FOUR = "2001:db8::1", "2001:db8::2", "192.0.2.1"


class Cancelled(Exception):
    """asyncio.CancelledError came out; an Exception, because the sweep lets no other BaseException through."""


class WorldSelector(FakeSelector):
    """The selector of the loop: it also wakes when another thread has called something in."""

    loop: asyncio.AbstractEventLoop

    def select(self, timeout=None):
        self._world.clock.wait(lambda: bool(self._ready() or self.loop._ready), timeout, "the event loop")
        return self._ready()


class WorldLoop(asyncio.SelectorEventLoop):
    def __init__(self, world):
        self._world = world
        selector = WorldSelector(world, "the loop of the test")
        selector.loop = self
        world._selectors.append(selector)
        super().__init__(selector)

    def time(self):
        return self._world.now

    # Other threads take turns with this one, so nothing needs to be poked.
    def _make_self_pipe(self):
        pass

    def _close_self_pipe(self):
        pass

    def _write_to_self(self):
        pass


def run_asyncio(world, main):
    """What asyncio.run does, on a loop of this world."""
    loop = WorldLoop(world)
    try:
        try:
            return loop.run_until_complete(main())
        finally:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    finally:
        loop.close()


def run_trio(world, main, monkeypatch):
    import trio

    waiting = {}

    async def wait_writable(sock):
        assert sock not in waiting, "two tasks wait for one socket"
        event = waiting[sock] = trio.Event()
        try:
            await event.wait()
        finally:
            ended = waiting.pop(sock, None) is None
        if ended:
            raise trio.ClosedResourceError

    def notify_closing(sock):
        event = waiting.pop(sock, None)
        if event is not None:
            event.set()

    class Clock(trio.abc.Clock):
        def start_clock(self):
            pass

        def current_time(self):
            return world.now

        def deadline_to_sleep_time(self, deadline):
            calls = trio.lowlevel.current_trio_token()._reentry_queue

            def ready():
                return bool(calls.queue or calls.idempotent_queue or any(sock._open.writable for sock in waiting))

            world.clock.wait(ready, None if deadline == float("inf") else deadline - world.now, "trio")
            for sock, event in waiting.items():
                if sock._open.writable:
                    event.set()
            return 0

    monkeypatch.setattr(trio.lowlevel, "wait_writable", wait_writable)
    monkeypatch.setattr(trio.lowlevel, "notify_closing", notify_closing)
    return trio.run(main, clock=Clock())


@pytest.fixture(params=["readiness", "completing", pytest.param("trio", marks=pytest.mark.wine_skip("afd-poll"))])
def run(request, monkeypatch):
    """Run an async function in a world on one driver."""
    dualstack.history.clear()
    if request.param == "trio":
        pytest.importorskip("trio", reason="trio is not installed; it runs where the test extra has it")
        return lambda world, main: run_trio(world, main, monkeypatch)
    if request.param == "completing":
        monkeypatch.setattr(connecting, "ReadinessDriver", racing.CompletingDriver)
    return run_asyncio


def race(world):
    world.answer("name.example", [SIX, FOUR], after=0.125, after4=0.1875)
    world.destination(SIX, 443, blackholes())
    world.destination(FOUR, 443, connects(0.25))
    return {"host": "name.example", "port": 443, "timeout": 5, "local": ["192.0.2.100", "2001:db8::100"]}


def crowd(world):
    """A late part of the list, a loser that fails by itself, losers that are given up."""
    world.answer("name.example", [SIX, SIX2, FOUR], after4=0.125)
    world.destination(SIX, 443, refuses(0.375))
    world.destination(SIX2, 443, blackholes())
    world.destination(FOUR, 443, connects(0.5))
    return {"host": "name.example", "port": 443, "timeout": 5, "history": None}


def silent(world):
    world.answer("name.example", [SIX, FOUR])
    world.destination(SIX, 443, fails(errno.ENETUNREACH))
    world.destination(FOUR, 443, blackholes())
    return {"host": "name.example", "port": 443, "timeout": 1, "allow": ["192.0.2.0/24", "2001:db8::/32"]}


def literal(world):
    world.destination(FOUR, 443, connects(0.0625))
    return {"host": FOUR, "port": 443, "timeout": 5, "options": SocketOptions(no_delay=True)}


def unix(world):
    world.unix_holder("/run/x.sock")
    return {"host": "unix:/run/x.sock"}


SCENARIOS = [(race, 0.625), (crowd, 0.75), (silent, 1.0), (literal, 0.0625), (unix, 0.0)]


def connected(run, world, keywords):
    async def main():
        sock = await dualstack.aio.connect(**keywords)
        try:
            assert sock.gettimeout() == 0
        finally:
            sock.close()

    return run(world, main)


@pytest.mark.parametrize(("scenario", "seconds"), SCENARIOS)
def test_unharmed(run, scenario, seconds):
    """The scenarios themselves, to the millisecond: all drivers carry out the same race."""
    with World(linux()) as world:
        keywords = scenario(world)
        if scenario is silent:
            with pytest.raises(TimeoutError):
                connected(run, world, keywords)
        else:
            connected(run, world, keywords)
        assert world.now == seconds


@pytest.mark.parametrize("scenario", [scenario for scenario, _ in SCENARIOS])
def test_every_call_failing_in_turn_leaves_nothing_behind(run, scenario):
    """The ledger is empty each time, without the collector's help; what comes out is an error of ours or the fault."""

    def attempt(world):
        try:
            connected(run, world, scenario(world))
        except asyncio.CancelledError as error:
            raise Cancelled from error

    def check(world, outcome):
        dualstack.history.clear()
        world.clock.sleep(10.0)
        assert pool().threads == 0
        if outcome is not None:
            assert isinstance(outcome, (OSError, KeyboardInterrupt, MemoryError, Cancelled)), repr(outcome)

    faults = (*FAULTS, asyncio.CancelledError())
    gc.collect()
    gc.disable()
    try:
        hit = sweep(lambda: World(linux()), attempt, faults=faults, check=check)
    finally:
        gc.enable()
    assert hit >= 3 * len(faults)
