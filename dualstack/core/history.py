"""What earlier connections taught: a family that went silent for a host does not cost the delay again.

Problem. Where IPv6 packets to a host vanish, each connection to it waits the attempt delay before IPv4 gets its turn:
250 ms per connection, for every connection of a page, all day.

Our rule. When an attempt of the other family wins while one has been silent for at least the attempt delay, the silent
family of that host is remembered. The next races for the host start with the other family, and its answer waits for
nobody. Nothing is ever left out: the silent family follows as second, and is forgotten as soon as it wins.

What is remembered is only true of a network and for a while: it goes after ``seconds``, when the addresses of this host
change (``place``), and by ``clear()``. At most ``size`` hosts are kept, the oldest go first.
"""

from __future__ import annotations

from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from ..errors import Attempt

    Noted = tuple[int, Hashable, float]  # the family, the place, when

__all__ = ("History", "went_silent")


def went_silent(earlier: Sequence[Attempt], family: int, delay: float | None, now: float) -> int | None:
    """The family of an attempt *earlier* than the winner's that has been silent for the attempt *delay*, or None.

    *family* is the winner's. With one address at a time (*delay* None) nothing is learnt: a share is no delay.
    """
    if delay is not None:
        for attempt in earlier:
            quiet = attempt.error is None or isinstance(attempt.error, TimeoutError)
            other: int = getattr(attempt.endpoint, "family", 0)
            if quiet and other != family and attempt.started is not None and now - attempt.started >= delay:
                return other
    return None


class History:
    """A bounded memory of silent families per host; safe to share between threads.

    ``connect`` uses one per process by default; give your own as ``history=``, or None to remember nothing.
    """

    __slots__ = ("_known", "_lock", "seconds", "size")

    def __init__(self, seconds: float = 600.0, size: int = 1024) -> None:
        self.seconds: float = seconds
        self.size: int = size
        self._lock = allocate_lock()
        self._known: dict[str, Noted] = {}

    def knows(self, host: str) -> bool:
        """Whether anything is noted about *host*; cheap, so that ``place`` need not be found out in vain."""
        return host in self._known

    def silent(self, host: str, place: Hashable, now: float) -> int | None:
        """The family that went silent for *host* in this *place* not long ago, or None."""
        found = self._known.get(host)
        if found is None:
            return None
        family, where, noted = found
        if where == place and noted <= now < noted + self.seconds:
            return family
        self._undisturbed(self._remove, host, found)
        return None

    def note(self, host: str, family: int, place: Hashable, now: float) -> None:
        """Remember that *family* was silent for *host*."""
        self._undisturbed(self._add, host, (family, place, now))

    def forget(self, host: str, family: int) -> None:
        """*family* works for *host* again."""
        found = self._known.get(host)
        if found is not None and found[0] == family:
            self._undisturbed(self._remove, host, found)

    def clear(self) -> None:
        """Forget everything, as after a change of network."""
        self._known = {}

    def _undisturbed(self, change: Callable[[str, Noted], None], host: str, noted: Noted) -> None:
        """Change what is known, or nothing while somebody else does: what is lost is a hint, and costs one delay.

        To wait could be for ever: in a signal handler for the thread it interrupted, in a forked child for a thread
        that only its parent has.
        """
        if self._lock.acquire(False):
            try:
                change(host, noted)
            finally:
                self._lock.release()

    def _remove(self, host: str, noted: Noted) -> None:
        if self._known.get(host) is noted:
            del self._known[host]

    def _add(self, host: str, noted: Noted) -> None:
        known = self._known
        known.pop(host, None)  # to the end: a dict keeps the order of insertion
        known[host] = noted
        while len(known) > self.size:
            del known[next(iter(known))]

    def __len__(self) -> int:
        return len(self._known)
