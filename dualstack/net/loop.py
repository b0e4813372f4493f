"""One thread for many sockets: what waits for readiness, for a time, or for another thread.

Problem: a forwarder has thousands of connections. A thread for each costs memory and a wake-up for each piece of data.
asyncio is an event loop already, but a forwarder made of its streams moved 0.35 of the bytes that this moves, with
three times the processor time for each, and 0.55 of the connections per second (50 connections on loopback, CPython
3.13): each piece becomes an object, a task's turn and a copy. And asyncio is a floor above.

Our rule: a selector, a heap of deadlines (core/deadlines.py), a mailbox that resolver threads and signal handlers put
calls into. A callback is a method, or a ``partial`` of one, and never waits. One that raises, for want of memory or by
a fault of ours, is logged, its object is told (``crashed``) so that it can close what it has, and the others go on.

On Windows ``select`` takes 512 sockets; ``room`` says so, and one more is EMFILE, as with descriptors.
"""

from __future__ import annotations

from errno import EMFILE

from .. import platforms
from ..core.deadlines import Deadlines
from .log import log
from .mailbox import Mailbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket as Socket

    from ..core.deadlines import Deadline
    from ..doors import Doors

    Ready = Callable[[int], object]

__all__ = ("READ", "WRITE", "Loop")

READ, WRITE = 1, 2  # selectors.EVENT_READ and EVENT_WRITE


class Loop:
    """Runs callbacks in one thread; ``post`` alone may be called from others."""

    def __init__(self, door: Doors) -> None:
        self.door: Doors = door
        #: The time at which the current round began, in monotonic seconds.
        self.now: float = door.monotonic()
        #: How many sockets can be watched.
        self.room: int = platforms.current.most_selected
        self._deadlines = Deadlines()
        self._box = Mailbox(door)
        self._selector = door.selector()
        try:
            self._alarm = door.socketpair()
            for end in self._alarm:
                end.setblocking(False)
            self._selector.register(self._alarm[0], READ, self._silence)
        except BaseException:
            self._selector.close()
            for end in getattr(self, "_alarm", ()):
                end.close()
            raise
        self._watched = 1
        self._box.set_alarm(self._alarm[1])

    @property
    def alarm(self) -> Socket:
        """A socket that wakes the loop when something is written to it: for ``signal.set_wakeup_fd``."""
        return self._alarm[1]

    # ------------------------------------------------------------------ waiting for

    def watch(self, sock: Socket, was: int, events: int, ready: Ready) -> None:
        """Call ``ready(events)`` while *sock* is readable or writable; *was* is what it is watched for until now."""
        if was == events:
            return
        if not was:
            if self._watched >= self.room:
                raise OSError(EMFILE, f"this system watches {self.room} sockets at a time")
            self._selector.register(sock, events, ready)
            self._watched += 1
        elif events:
            self._selector.modify(sock, events, ready)
        else:
            self._watched -= 1
            self._selector.unregister(sock)

    def at(self, when: float, call: Callable[[], object]) -> Deadline:
        """Run *call* once at *when*."""
        return self._deadlines.at(when, call)

    def cancel(self, deadline: Deadline | None) -> None:
        """Take a deadline back, if there is one."""
        self._deadlines.cancel(deadline)

    def post(self, call: Callable[[], object]) -> None:
        """Run *call* in the loop's thread, soon; from any thread, or a signal handler."""
        self._box.put(call)

    # ------------------------------------------------------------------ running

    def run(self, goes_on: Callable[[], bool]) -> None:
        """Run callbacks as long as *goes_on* says so; it is asked after each round."""
        select, door, deadlines, box = self._selector.select, self.door, self._deadlines, self._box
        while goes_on():
            when = deadlines.next
            ready = select(None if when is None else max(0.0, when - door.monotonic()))
            self.now = door.monotonic()
            for key, events in ready:
                try:
                    key.data(events)
                except Exception:  # noqa: BLE001 - one connection's trouble, whatever it is, must not end the others
                    self._crashed(key.data)
            while (call := deadlines.due(self.now) or box.get()) is not None:
                try:
                    call()
                except Exception:  # noqa: BLE001 - as above
                    self._crashed(call)

    def _crashed(self, call: object) -> None:
        log().exception("a callback of the forwarder failed")
        tell = getattr(getattr(getattr(call, "func", call), "__self__", None), "crashed", None)
        if tell is not None:
            tell()

    def _silence(self, events: int) -> None:
        try:
            self._alarm[0].recv(4096)
        except OSError:  # nothing there after all
            pass

    def close(self) -> None:
        """Let go of the selector and the alarm; what is watched stays its owners'."""
        self._box.set_alarm(None)
        self._selector.close()
        for end in self._alarm:
            end.close()
