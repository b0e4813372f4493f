"""aio.watch_interfaces() on every kind of loop: notices on a socket, notices from a thread, cancelling, closing."""

from __future__ import annotations

import socket
import threading

import pytest

import dualstack.aio
from dualstack import platforms
from dualstack.aio.backend import current
from dualstack.core.interface import UP, Interface
from dualstack.core.interfaces import Interfaces
from dualstack.net.watch import SETTLE_ROUNDS
from dualstack.platforms.change_source import ChangeSource, SocketSource
from dualstack.platforms.contract import Platform


class ThreadSource(ChangeSource):
    """No socket to wait for: as on Windows."""

    def __init__(self) -> None:
        self.state = threading.Condition()
        self.notices = 0
        self.closed = False

    def notify(self) -> None:
        with self.state:
            self.notices += 1
            self.state.notify_all()

    def wait(self, timeout):
        with self.state:
            self.state.wait_for(lambda: self.notices or self.closed, timeout)
            found, self.notices = bool(self.notices), 0
            return found and not self.closed

    def close(self):
        with self.state:
            self.closed = True
            self.state.notify_all()


class System(Platform):
    def __init__(self) -> None:
        self.names = ["a"]

    def interfaces(self):
        return Interfaces([Interface(name, number, UP) for number, name in enumerate(self.names, 1)])

    def routes(self):
        return []

    def watch(self, poll_interval=None):
        return self.source


@pytest.fixture(params=["socket", "thread"])
def system(request, monkeypatch: pytest.MonkeyPatch):
    made = System()
    monkeypatch.setattr(platforms, "current", made)
    if request.param == "thread":
        made.source = ThreadSource()
        made.notify = made.source.notify
        yield made
        return
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("needs datagram socket pairs; runs on Linux and macOS")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    made.source = SocketSource(ours, socket.socketpair(), lambda *_: True, 105)
    made.notify = lambda: theirs.send(b"x")
    yield made
    made.source.close()
    theirs.close()


def test_changes(run, system) -> None:
    async def main():
        async with dualstack.aio.watch_interfaces() as watcher:
            found = []
            for name in ("b", "c"):
                system.names.append(name)
                system.notify()
                found.append(await watcher.__anext__())
            assert [(change.action, change.interface) for change in found] == [("added", "b"), ("added", "c")]
            assert watcher.interfaces.names == ("a", "b", "c")
        assert [change async for change in watcher] == []

    run(main)


def test_close_ends_the_wait_of_another_task(run, system) -> None:
    async def main():
        watcher = dualstack.aio.watch_interfaces()
        ended = []

        async def wait():
            ended.append([change async for change in watcher])

        async with current().children() as children:
            children.start(wait, release=lambda: None)
            await current().checkpoint()
            watcher.close()
            watcher.close()
        assert ended == [[]]

    run(main)


def test_a_cancelled_wait_loses_nothing(run, system) -> None:
    async def main():
        async with dualstack.aio.watch_interfaces() as watcher:

            async def wait():
                await watcher.__anext__()
                raise AssertionError("nothing has changed yet")

            async with current().children() as children:
                children.start(wait, release=lambda: None)
                await current().checkpoint()
                await current().checkpoint()
                children.cancel()
            system.names.append("b")
            system.notify()
            change = await watcher.__anext__()
            assert (change.action, change.interface) == ("added", "b")

    run(main)


def test_a_wait_cancelled_between_notice_and_look_loses_nothing(run, system) -> None:
    """The notice is read by then, and no other one comes."""

    async def main():
        async with dualstack.aio.watch_interfaces() as watcher:
            reached = []

            async def endless_burst():
                reached.append(True)
                while True:
                    await current().sleep(0.001)

            async def wait():
                await watcher.__anext__()
                raise AssertionError("not looked yet")

            watcher._burst = endless_burst
            async with current().children() as children:
                children.start(wait, release=lambda: None)
                await current().checkpoint()
                system.names.append("b")
                system.notify()
                while not reached:
                    await current().sleep(0.001)
                children.cancel()
            del watcher._burst
            change = await watcher.__anext__()
            assert (change.action, change.interface) == ("added", "b")

    run(main)


def test_waits_shorter_than_a_burst_come_to_a_look(run, system) -> None:
    """Each is cancelled while it waits for the burst to end; the next one goes on from there."""

    async def main():
        async with dualstack.aio.watch_interfaces() as watcher:
            found, sleeps = [], []
            backend = watcher._backend

            class Slow:
                """Every pause of the burst is cut short."""

                def __getattr__(self, name):
                    return getattr(backend, name)

                async def sleep(self, seconds):
                    sleeps.append(seconds)
                    children.cancel()
                    await backend.sleep(0)
                    await backend.checkpoint()

            async def wait():
                found.append(await watcher.__anext__())

            watcher._backend = Slow()
            system.names.append("b")
            system.notify()
            while not found:
                async with current().children() as children:
                    children.start(wait, release=lambda: None)
            assert [(change.action, change.interface) for change in found] == [("added", "b")]
            assert 1 <= len(sleeps) <= SETTLE_ROUNDS

    run(main)
