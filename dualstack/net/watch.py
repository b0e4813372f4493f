"""watch_interfaces(): hear of interfaces, addresses and default routes that come, go and change.

Subscribe first, then take the snapshot: nothing falls between. After a notice the burst is waited out (an address that
comes up makes four notices within a few milliseconds), a new snapshot is taken and compared with the last one. The
comparison decides, see ``core/changes.py``; a notice without a difference is silent.

A snapshot of a system that kept changing may lack what was there all the time (``Interfaces.consistent``). It is taken
again, so that nothing is reported as gone that is not; only when MOST_DOUBTS of them came in a row the next one is
believed, or a host that never rests would never report anything.
"""

from __future__ import annotations

from .. import platforms
from ..core.changes import Change, State, difference
from ..core.route import mark_effective
from ..errors import UnsupportedError
from .interfaces import interfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from ..core.interfaces import Interfaces
    from ..platforms.change_source import ChangeSource

__all__ = ("Watcher", "watch_interfaces")

SETTLE_SECONDS = 0.02  # a burst is over when this long nothing came
SETTLE_ROUNDS = 10  # and is looked at in any case after so many of these, however long it goes on
MOST_DOUBTS = 5  # inconsistent snapshots in a row that are thrown away


def watch_interfaces(*, poll_interval: float | None = None) -> Watcher:
    """Watch the interfaces of this host: an iterator of ``Change``, which blocks until there is one.

        with dualstack.watch_interfaces() as watcher:
            for change in watcher:
                print(change)

    ``close()`` may be called from any thread and ends the iteration. ``watcher.interfaces`` is the picture that the
    changes given so far lead to. What came and went again within a few milliseconds is not reported. It watches the
    network namespace it was made in; iterate in a thread that is there still (setns(2) moves one thread).

    *poll_interval* in seconds looks at regular intervals instead of asking the system for notices, which is also
    what happens (every 2 seconds) where the system has none or denies them. On Linux the notices are those of
    rtnetlink(7), on macOS and FreeBSD of route(4) (never run there), on Windows of NotifyUnicastIpAddressChange,
    NotifyIpInterfaceChange and NotifyRouteChange2 (under Wine they never come, and it polls).

    What cannot be asked for want of descriptors raises OSError (EMFILE) in the iteration; go on iterating when there
    are some again, and nothing is missed.
    """
    return Watcher(poll_interval)


def take_state() -> State:
    """Take the snapshot that is compared; without routes where the system does not tell them."""
    try:
        routes = mark_effective(platforms.current.routes())
    except UnsupportedError:
        routes = []
    return State(interfaces(), tuple(routes))


class Watcher:
    """The iterator that ``watch_interfaces()`` returns; close it, or use it as a context manager."""

    def __init__(self, poll_interval: float | None = None) -> None:
        self.source: ChangeSource = platforms.current.watch(poll_interval)
        self._pending: list[Change] = []
        self._closed = False
        self._lost = False
        self._doubted = 0
        try:
            self._state = take_state()
        except BaseException:
            self.source.close()
            raise
        #: Whether to look again without waiting for a notice.
        self.restless: bool = not self._state.interfaces.consistent

    @property
    def interfaces(self) -> Interfaces:
        """The latest snapshot."""
        return self._state.interfaces

    def __iter__(self) -> Watcher:
        return self

    def __next__(self) -> Change:
        while not self._pending:
            if self._closed or not self._settled():
                raise StopIteration
            self.look()
        return self._pending.pop(0)

    def _settled(self) -> bool:
        """Wait for a notice and for the burst to end; False when closed meanwhile."""
        if not self.restless:
            while not self.source.wait(None):
                if self._closed:
                    return False
            self.restless = True  # interrupted before it has looked, the notice must not be used up
        for _ in range(SETTLE_ROUNDS):
            if not self.source.wait(SETTLE_SECONDS):
                break
        return not self._closed

    def look(self) -> None:
        """Take a new snapshot and queue what is different, unless it is in doubt; ``restless`` says so."""
        self.restless = True  # also if what follows fails: the notice is used up
        self._lost = self.source.lost() or self._lost
        state = take_state()
        if not state.interfaces.consistent and self._doubted < MOST_DOUBTS:
            self._doubted += 1
            return
        self._doubted = 0
        self.restless = not state.interfaces.consistent
        before, self._state = self._state, state
        if self._lost:
            self._lost = False
            self._pending.append(Change("resync", "all"))
        self._pending += difference(before, state)

    def pending(self) -> list[Change]:
        """Take what is queued."""
        taken, self._pending = self._pending, []
        return taken

    def close(self) -> None:
        """End the iteration, also of another thread that waits in it; again is fine."""
        self._closed = True
        self.source.close()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
