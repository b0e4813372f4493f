"""Asking the system's resolver without ever waiting for it: a bounded pool of daemon threads.

Problem. getaddrinfo blocks for as long as it likes, 15 seconds and more when a name server is silent, and cannot be
interrupted. An executor of the standard library is joined when the interpreter exits, so one hung look-up holds up
the exit; and it is shared, so a few hung look-ups hold up everything else that uses it.

Our rule. At most LIMIT threads, daemons that nobody joins, started when there is work and gone when there is none.
Callers of the same question share one look-up. Who stops waiting takes its callback back, and a question nobody waits
for any more is not asked. Further questions wait in a queue, which the callers' own deadlines keep short.

Nothing here waits: an answer is a call of ``callback(lookup)`` in the resolver thread, which must do no more than
tell somebody else.
"""

from __future__ import annotations

from _thread import RLock
from collections import deque

from .. import doors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..doors import Doors

__all__ = ("LIMIT", "Lookup", "Pool", "pool")

LIMIT = 32  # threads; a hung look-up costs one of them until the system gives up

_SOCK_STREAM = 1  # on every system; only keeps getaddrinfo from answering each address once per socket type


class Lookup:
    """One question to the resolver, and its answer once there is one."""

    __slots__ = ("callbacks", "error", "family", "host", "rows", "started")

    def __init__(self, host: str, family: int) -> None:
        self.host: str = host
        self.family: int = family
        self.callbacks: list[Callable[[Lookup], None]] = []
        self.started: bool = False
        #: What getaddrinfo returned, or what it raised; both None while there is no answer.
        self.rows: list[tuple[int, int, int, str, tuple[Any, ...]]] | None = None
        self.error: BaseException | None = None


class Pool:
    """The resolver threads of one process and one world."""

    def __init__(self, door: Doors) -> None:
        self.door = door
        self.pid: int = door.getpid()
        self._tickets: set[object] = set()
        # One that knows its owner: see _unlock.
        self._lock = RLock()
        self._queue: deque[Lookup] = deque()
        self._asked: dict[tuple[str, int], Lookup] = {}  # not answered yet

    def ask(self, host: str, family: int, callback: Callable[[Lookup], None]) -> Lookup:
        """Ask for the addresses of *host* in one family; *callback* gets the look-up when it is answered."""
        key = host.lower(), family
        ticket = object()  # stands for the thread that may be needed, from before it exists until it ends
        lookup: Lookup | None = None
        try:
            with self._lock:
                lookup = self._asked.get(key)
                if lookup is None:
                    lookup = Lookup(host, family)
                    self._queue.append(lookup)
                    self._asked[key] = lookup
                    if len(self._tickets) < LIMIT:
                        self._tickets.add(ticket)
                lookup.callbacks.append(callback)
            if ticket in self._tickets:
                self.door.start_daemon(lambda: self._work(ticket), "dualstack resolver")
        except BaseException as error:
            # A signal handler may have raised anywhere above, so nothing here relies on how far it got.
            self._unlock()
            with self._lock:
                self._tickets.discard(ticket)
                others = bool(self._tickets)
            # With threads at work the queue is served, only later; without one nobody would ever answer.
            if lookup is not None and others and isinstance(error, (OSError, RuntimeError)):
                return lookup
            if lookup is not None:
                self.forget(lookup, callback)
            raise
        return lookup

    def forget(self, lookup: Lookup, callback: Callable[[Lookup], None]) -> None:
        """Stop waiting: *callback* will not be called any more, except by a thread that is calling it now."""
        try:
            with self._lock:
                if callback in lookup.callbacks:
                    lookup.callbacks.remove(callback)
                if not lookup.callbacks and not lookup.started:
                    self._discard(lookup)
        except BaseException:
            self._unlock()
            raise

    @property
    def threads(self) -> int:
        """How many threads there are."""
        return len(self._tickets)

    @property
    def waiting(self) -> int:
        """How many questions no thread has taken up yet."""
        return len(self._queue)

    def _discard(self, lookup: Lookup) -> None:
        self._asked.pop((lookup.host.lower(), lookup.family), None)
        if lookup in self._queue:
            self._queue.remove(lookup)

    def _unlock(self) -> None:
        """Give the lock back if this thread has it: since 3.14 a signal may strike between its taking and the block."""
        try:
            while True:
                self._lock.release()
        except RuntimeError:  # not ours
            pass

    def _work(self, ticket: object) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._tickets.discard(ticket)
                    return
                lookup = self._queue.popleft()
                lookup.started = True
            try:
                # Port None: the port is the caller's business, so different ports share one look-up.
                lookup.rows = self.door.getaddrinfo(lookup.host, None, lookup.family, _SOCK_STREAM, 0, 0)
            except BaseException as error:  # noqa: BLE001  # a thread has nobody to raise to; who asked gets it
                error.__traceback__ = None
                lookup.error = error
            with self._lock:
                self._asked.pop((lookup.host.lower(), lookup.family), None)
                callbacks, lookup.callbacks = lookup.callbacks, []
            for callback in callbacks:
                callback(lookup)
            del lookup, callbacks  # an idle frame keeps nothing alive


_current: Pool | None = None


def pool() -> Pool:
    """The pool of the current world; a forked child starts with a new one, because threads are not inherited."""
    global _current  # noqa: PLW0603  # replaced as a whole; two threads at once make one pool too many, which ends by itself
    door = doors.current
    found = _current
    if found is None or found.door is not door or found.pid != door.getpid():
        found = _current = Pool(door)
    return found
