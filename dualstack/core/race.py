"""Connection racing (RFC 8305, Happy Eyeballs v2) as a state machine: events and ``now`` in, commands out.

Problem. A name has several addresses in two families and any part of the network may be broken: packets
vanish, an answer of the resolver never comes, a host refuses. The user wants the first connection that works,
about as fast as if only the working addresses existed, and exactly one socket in the end.

The naive way tries one address after the other with a timeout for each. A black hole then costs the whole
timeout, so people shorten it, and then good but slow routes are cut off. Trying all at once floods servers.

What breaks in the usual better ways: a race made of tasks mixes three things, deciding, owning sockets and
waiting. Two winners in one turn of the loop, a cancellation while a loser is being closed, an answer that comes
after the verdict are then each a hole through which a socket or somebody's cancellation is lost.

Our rule. The decisions live here and nowhere else; nothing in this file does I/O or reads a clock. A driver
carries commands out and reports back. It holds no opinion about racing:

* ``Begin(i, candidate)``: start attempt *i*. ``Drop(i)``: give it up and close its socket.
* ``Win(i)``: the race is over, hand out the socket of *i*. ``Lose()``: the race is over, nothing connected.
* ``wakeup``: when to call ``tick`` if nothing else happens first; None when only reports can move the race.

The rules of the race:

1. Candidates come in parts (``more``), because AAAA and A are asked apart. A part that *leads* opens the race
   at once. A part that does not lead waits ``resolution_delay`` for one that does, or for the final part.
2. Whatever has not been tried is put in order by ``arrange`` each time a part arrives, so a late part joins
   behind what has started, alternating families from there.
3. The next attempt begins ``attempt_delay`` after the previous one, or at once when the *newest* attempt
   fails. The failure of an older one changes nothing: its successor is already running.
4. Attempts are never cut short by their successors. A slow good route still wins if the others fail. Only an
   explicit ``width`` closes the oldest attempt when one more than *width* would run. ``connect`` has no argument for
   it: it could close the one route that works, and the attempt delay bounds the number of attempts already.
5. The first success wins. All rivals are dropped in the same batch as the verdict, and an attempt that
   connects after its Drop (the photo finish) is answered by Drop again.
6. ``attempt_delay=None`` is strictly one at a time. Then, and only then, each attempt gets a share of the
   time left, because the next one waits for its end.
7. One ``deadline`` ends everything; it was set before the names were looked up.

Left out on purpose: RTT estimates (RFC 8305 section 8 names them as one optional input to the sort;
core/history.py keeps what is worth keeping) and SVCB/HTTPS records (Happy Eyeballs v3 is a draft).
"""

from __future__ import annotations

from ..errors import Attempt
from .delays import ATTEMPT_DELAY_SECONDS, RESOLUTION_DELAY_SECONDS, check_delays

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .endpoint import Endpoint

    Arrange = Callable[[Sequence[Endpoint], "Endpoint | None"], Sequence[Endpoint]]

__all__ = (
    "CANCELLED",
    "IDLE",
    "LOST",
    "RACING",
    "WON",
    "Begin",
    "Command",
    "Drop",
    "Lose",
    "Race",
    "Win",
    "alone_until",
    "share_end",
)

# What one attempt needs at least to be worth starting when a deadline is shared out: one lost SYN is sent
# again after a second (RFC 6298), so two seconds let it arrive.
SHARE_SECONDS = 2.0

IDLE = "idle"
RACING = "racing"
WON = "won"
LOST = "lost"
CANCELLED = "cancelled"

_NEVER = float("inf")


class Command:
    """What a driver is told to do; compares by kind and content."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


class Begin(Command):
    """Start attempt *index* towards *candidate* and report ``connected`` or ``failed``."""

    __slots__ = ("candidate", "index")

    def __init__(self, index: int, candidate: Endpoint) -> None:
        self.index: int = index
        self.candidate: Endpoint = candidate

    def __repr__(self) -> str:
        return f"Begin({self.index}, {self.candidate!r})"


class Drop(Command):
    """Give attempt *index* up: stop waiting for it, then close its socket."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index: int = index

    def __repr__(self) -> str:
        return f"Drop({self.index})"


class Win(Command):
    """The race is over: attempt *index* is the connection."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index: int = index

    def __repr__(self) -> str:
        return f"Win({self.index})"


class Lose(Command):
    """The race is over: nothing connected; ``Race.attempts`` says why."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Lose()"


def share_end(started: float, deadline: float, waiting: int) -> float:
    """Say until when an attempt begun at *started* may run while *waiting* others wait for its end.

    An equal share of the time left, but not below SHARE_SECONDS, and never past the deadline. The last
    candidates of a long list may thus get no turn: a few good tries beat a thousand hopeless ones.
    """
    share = (deadline - started) / (waiting + 1)
    return min(deadline, started + max(share, SHARE_SECONDS))


def alone_until(started: float, waiting: int, attempt_delay: float | None, deadline: float | None) -> float | None:
    """Say until when an attempt begun at *started* is alone in a race whose candidates are all known; None: for ever.

    This is ``Race.wakeup`` while that attempt alone is live and *waiting* candidates come after it. A race in which
    every attempt ends by then is a plain loop over the list, and may be run as one (net/turns.py).
    """
    until = _NEVER if deadline is None else deadline
    if waiting and attempt_delay is not None:
        until = min(until, started + attempt_delay)
    elif waiting and deadline is not None:
        until = share_end(started, deadline, waiting)
    return None if until == _NEVER else until


class Race:
    """One race for one connection. Each method returns the commands to carry out, in order.

    All times are seconds of one monotonic clock and are arguments. ``attempts`` holds one ``Attempt`` per
    Begin with times of that clock; ``live`` the indexes still running, oldest first. A method called in the
    wrong state, or about an attempt that cannot report, is a bug of the driver and raises RuntimeError.
    ``arrange`` may be taken away after the verdict by whoever gave it.
    """

    __slots__ = (
        "_attempt_delay",
        "_deadline",
        "_dropped",
        "_final",
        "_not_before",
        "_open",
        "_open_at",
        "_queue",
        "_resolution_delay",
        "_width",
        "arrange",
        "attempts",
        "live",
        "state",
        "timed_out",
        "winner",
    )

    def __init__(
        self,
        *,
        attempt_delay: float | None = ATTEMPT_DELAY_SECONDS,
        resolution_delay: float = RESOLUTION_DELAY_SECONDS,
        deadline: float | None = None,
        width: int | None = None,
        arrange: Arrange | None = None,
    ) -> None:
        check_delays(attempt_delay, resolution_delay)
        if width is not None and width < 1:
            raise ValueError(f"width must be at least 1 or None, not {width!r}")
        self._attempt_delay = attempt_delay
        self._resolution_delay = resolution_delay
        self._deadline = deadline
        self._width = width
        self.arrange: Arrange | None = arrange
        self._queue: list[Endpoint] = []
        self._final = False  # no further part will come
        self._open = False  # attempts may begin; never closes again
        self._open_at = _NEVER  # when a part that does not lead has waited long enough
        self._not_before = -_NEVER  # earliest time of the next Begin
        self._dropped: set[int] = set()
        self.attempts: list[Attempt] = []
        self.live: list[int] = []
        self.state: str = IDLE
        self.timed_out: bool = False
        self.winner: int | None = None

    @property
    def wakeup(self) -> float | None:
        """When ``tick`` must be called if nothing is reported before; None: only reports move the race."""
        if self.state != RACING:
            return None
        wakeup = self._next_begin() if self._queue else _NEVER
        if self._deadline is not None and self._deadline < wakeup:
            wakeup = self._deadline
        return None if wakeup == _NEVER else wakeup

    def start(self, now: float) -> list[Command]:
        """Open the race; attempts begin when the first part of the candidates comes."""
        self._require(IDLE, "start")
        self.state = RACING
        return self._advance(now)

    def more(
        self, candidates: Iterable[Endpoint], now: float, *, lead: bool = True, final: bool = True
    ) -> list[Command]:
        """Add a part of the candidates, in order of preference; empty for an answer without addresses.

        *lead*: whether these may start before the other parts are known. *final*: no part comes after this.
        """
        self._require(RACING, "more")
        if self._final:
            raise RuntimeError("more() after the final part")
        added = list(candidates)
        if added:
            untried = self._queue + added
            last = self.attempts[-1].endpoint if self.attempts else None
            self._queue = list(self.arrange(untried, last)) if self.arrange else untried  # type: ignore[arg-type] # Begin put an Endpoint there
        self._final = final
        if final or (lead and added):
            self._open = True
        elif added and self._open_at == _NEVER:
            self._open_at = now + self._resolution_delay
        return self._advance(now)

    def tick(self, now: float) -> list[Command]:
        """Let time pass. Harmless when nothing is due."""
        self._require(RACING, "tick")
        return self._advance(now)

    def connected(self, index: int, now: float) -> list[Command]:
        """Report that attempt *index* is connected: it wins, or is dropped again if it came too late."""
        if index in self._dropped:
            return [Drop(index)]
        self._require_live(index)
        self.state = WON
        self.winner = index
        self.live.remove(index)
        self.attempts[index].ended = now
        commands = self._drop_all(now)
        commands.append(Win(index))
        return commands

    def failed(self, index: int, error: BaseException, now: float) -> list[Command]:
        """Report that attempt *index* ended with *error* and that its socket is closed."""
        if index in self._dropped:
            return []
        self._require_live(index)
        self.live.remove(index)
        attempt = self.attempts[index]
        attempt.ended = now
        attempt.error = error
        if index == len(self.attempts) - 1:
            self._not_before = -_NEVER
        return self._advance(now)

    def cancel(self, now: float) -> list[Command]:
        """Nobody wants the result any more: everything still open is dropped, a winner included."""
        if self.state in (LOST, CANCELLED):
            return []
        if self.winner is not None:
            self._dropped.add(self.winner)
            commands: list[Command] = [Drop(self.winner)]
            self.winner = None
        else:
            commands = self._drop_all(now)
        self.state = CANCELLED
        return commands

    def _require(self, state: str, method: str) -> None:
        if self.state != state:
            raise RuntimeError(f"{method}() while the race is {self.state}")

    def _require_live(self, index: int) -> None:
        if index not in self.live:
            raise RuntimeError(f"attempt {index} is not running")

    def _drop_all(self, now: float) -> list[Command]:
        """Drop what is live. The attempts keep error None: they had not failed when the verdict fell."""
        commands: list[Command] = []
        for index in self.live:
            self._dropped.add(index)
            self.attempts[index].ended = now
            commands.append(Drop(index))
        self.live = []
        return commands

    def _supersede(self, index: int, now: float, reason: str) -> Drop:
        """Drop one attempt that must make room for the next while the race goes on."""
        self.live.remove(index)
        self._dropped.add(index)
        attempt = self.attempts[index]
        attempt.ended = now
        attempt.error = TimeoutError(reason)
        return Drop(index)

    def _next_begin(self) -> float:
        """When the first in the queue may begin. Only meaningful while there is a queue."""
        if not self._open:
            return self._open_at
        if self._attempt_delay is None and self.live and self._deadline is not None:
            started = self.attempts[-1].started
            return share_end(started or 0.0, self._deadline, len(self._queue))
        return self._not_before

    def _advance(self, now: float) -> list[Command]:
        """Do everything that is due at *now*: the deadline, the next attempts, the end of the list."""
        if self._deadline is not None and now >= self._deadline:
            self.timed_out = True
            return self._lose(now)
        commands: list[Command] = []
        if self._queue and now >= self._next_begin():
            if self.live and self._attempt_delay is None:
                commands.append(self._supersede(self.live[0], now, "its share of the time is used up"))
            elif self._width is not None and len(self.live) >= self._width:
                commands.append(self._supersede(self.live[0], now, "closed to make room for the next"))
            self._open = True
            index = len(self.attempts)
            candidate = self._queue.pop(0)
            self.attempts.append(Attempt(candidate, now, None, None))
            self.live.append(index)
            self._not_before = _NEVER if self._attempt_delay is None else now + self._attempt_delay
            commands.append(Begin(index, candidate))
        elif self._final and not self.live and not self._queue:
            return self._lose(now)
        return commands

    def _lose(self, now: float) -> list[Command]:
        self.state = LOST
        commands = self._drop_all(now)
        commands.append(Lose())
        return commands
