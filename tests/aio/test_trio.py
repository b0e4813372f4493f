"""What leaves our waiting under trio: the error itself, never a group that one of our nurseries made of it."""

from __future__ import annotations

import signal
import sys

import pytest

from dualstack import aio
from dualstack.aio.backend import raise_alone

trio = pytest.importorskip("trio", reason="trio is not installed; runs where the test extra has it")
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="interrupts itself by an interval timer, which Windows has not; runs on the others"
)


async def accepting():
    async with await aio.open_listener("localhost", 0) as listener:
        await listener.accept()


async def serving():
    async with await aio.open_listener("localhost", 0) as listener:
        await listener.serve(None)


async def receiving():
    async with await aio.open_datagram("::", dual=False) as sock:
        await sock.recv()


async def watching():
    async with aio.watch_interfaces() as watcher:
        async for _ in watcher:
            pass


WAITING = [accepting, serving, receiving, watching]


@pytest.mark.parametrize("wait", WAITING)
def test_ctrl_c(wait):
    async def main():
        with trio.fail_after(10):
            await wait()

    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)  # again, should the first have come before the waiting
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            trio.run(main)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not hasattr(caught.value.__context__, "exceptions")  # a cycle


@pytest.mark.parametrize("wait", WAITING)
def test_cancelled(wait):
    seen = []

    async def main():
        with trio.move_on_after(0.02):
            try:
                await wait()
            except BaseException as error:
                seen.append(type(error))
                raise

    trio.run(main)
    assert seen == [trio.Cancelled]


class Group(Exception):
    """Shaped like an exception group of any Python."""

    def __init__(self, *exceptions):
        self.exceptions = exceptions


def test_several_errors_stay_together():
    raise_alone(Group(OSError(), ValueError()))
    raise_alone(OSError())
    with pytest.raises(ValueError, match="alone"):
        raise_alone(Group(Group(ValueError("alone"))))
    with pytest.raises(KeyboardInterrupt):
        raise_alone(Group(OSError(), Group(KeyboardInterrupt())))
