"""Conductor: what the three drivers of a race share; between the machine (core/race.py) and the waiting.

A driver knows how to start an attempt and how to give one up (``begin`` and ``drop``), and how to wait. Everything else
that a ``connect`` must do is here, once: feeding the machine, ordering candidates, remembering silent families, telling
the trace, and making the error of a lost race.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6
from collections import deque

from ..core.delays import ATTEMPT_DELAY_SECONDS, RESOLUTION_DELAY_SECONDS
from ..core.endpoint import IPEndpoint, IPv4Endpoint, IPv6Endpoint
from ..core.history import went_silent
from ..core.order import interleave, leads, unique
from ..core.race import (
    LOST,
    RACING,
    Begin,
    Drop,
    Race,
    Win,
)
from ..core.report import NotTried, report
from ..errors import Attempt
from .attempt import TRIES, SelfConnected
from .etc import policy
from .names import answer_of, failure_of
from .resolve import preferred, sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from ..core.endpoint import Endpoint
    from ..core.history import History
    from ..core.race import Command
    from ..core.trace import Trace
    from ..doors import Doors
    from .lookup import Lookup
    from .names import Question

__all__ = ("Conductor", "Settings", "arranged", "place", "rebased")

# Any address of the other family, to ask the kernel whether there is a route at all; nothing is sent. These two belong
# to a root name server and are as global as addresses get.
_ANY: dict[int, IPEndpoint] = {
    AF_INET: IPv4Endpoint("198.41.0.4", 53),
    AF_INET6: IPv6Endpoint("2001:503:ba3e::2:30", 53),
}


class Settings:
    """The arguments of a ``connect`` that concern its race."""

    __slots__ = ("attempt_delay", "history", "resolution_delay", "started", "target", "timeout", "trace")

    def __init__(
        self,
        target: str,
        started: float,
        timeout: float | None = None,
        attempt_delay: float | None = ATTEMPT_DELAY_SECONDS,
        resolution_delay: float = RESOLUTION_DELAY_SECONDS,
        history: History | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.target: str = target  # for messages
        self.started: float = started
        self.timeout: float | None = timeout
        self.attempt_delay: float | None = attempt_delay
        self.resolution_delay: float = resolution_delay
        if history is not None and not hasattr(history, "knows"):
            raise TypeError(f"history is a History, or None to remember nothing, not {history!r}")
        self.history: History | None = history
        self.trace: Trace | None = trace

    @property
    def deadline(self) -> float | None:
        """When everything must be over."""
        return None if self.timeout is None else self.started + self.timeout

    def left(self, now: float) -> float | None:
        """Seconds until the deadline, 0.0 when it is over, None when there is none."""
        return None if self.timeout is None else max(0.0, self.started + self.timeout - now)


class Conductor:
    """One race under way. ``begin(index, endpoint)`` raises OSError for an attempt that ended at once."""

    def __init__(
        self,
        door: Doors,
        question: Question,
        begin: Callable[[int, Endpoint], None],
        drop: Callable[[int], None],
        settings: Settings,
    ) -> None:
        self._door = door
        self._question = question
        self._begin = begin
        self._drop = drop
        self._settings = settings
        self._attempt_delay = settings.attempt_delay
        self._history = settings.history if question.name else None
        self._trace = settings.trace
        self._silent: int | None = None
        self._sources: Callable[[Endpoint], bytes | None] | None = None
        self._commands: deque[Command] = deque()
        self._carrying = False
        self._retries: dict[int, int] = {}
        self._answered: list[Lookup] = []
        self.race: Race = Race(
            attempt_delay=settings.attempt_delay,
            resolution_delay=settings.resolution_delay,
            deadline=settings.deadline,
            arrange=self._arrange,
        )

    # ------------------------------------------------------------------ what the driver reports

    @property
    def running(self) -> bool:
        """Whether there is no verdict yet."""
        return self.race.state == RACING

    def endpoint(self, index: int) -> Endpoint:
        """Where attempt *index* goes."""
        return self.race.attempts[index].endpoint  # type: ignore[return-value]  # Begin put an Endpoint there

    @property
    def asking(self) -> bool:
        """Whether answers of the resolver are still to come."""
        return self._question.endpoints is None and len(self._answered) < len(self._question.families)

    def start(self) -> None:
        """Open the race, with the candidates that are known already."""
        history, name = self._history, self._question.name
        if history is not None and history.knows(name):
            self._silent = history.silent(name, self._place(), self._door.monotonic())
        self._feed(self.race.start(self._door.monotonic()))
        endpoints = self._question.endpoints
        if endpoints is not None and self.running:
            self._feed(self.race.more(endpoints, self._door.monotonic()))

    def resume(self, past: Sequence[Attempt]) -> int:
        """Tell the machine what was done without it: attempts one after the other, the last of them still under way.

        Returns the index of that one. RuntimeError when the machine would have done anything else.
        """
        race, endpoints = self.race, self._question.endpoints or ()
        now = past[0].started or 0.0
        race.arrange = None  # the endpoints are in order already
        commands = race.start(now) + race.more(endpoints, now)
        for index, attempt in enumerate(past):
            if commands != [Begin(index, attempt.endpoint)]:  # type: ignore[arg-type]  # an attempt of ours has an Endpoint
                raise RuntimeError(f"the race wanted {commands} instead of attempt {index}")
            if attempt.error is not None:
                commands = race.failed(index, attempt.error, attempt.ended or 0.0)
        return len(past) - 1

    def asked(self) -> None:
        """The look-ups are about to begin."""
        if self._trace is not None:
            for family in self._question.families:
                self._tell("lookup-started", family=family)

    def answered(self, lookup: Lookup) -> None:
        """A look-up has ended."""
        if not self.running:
            return
        self._answered.append(lookup)
        endpoints = answer_of(lookup, self._question.port)
        if self._trace is not None:
            self._tell("lookup-answered", error=lookup.error, family=lookup.family, endpoints=tuple(endpoints))
        final = len(self._answered) == len(self._question.families)
        lead = final or (bool(endpoints) and self._leads(endpoints))
        self._feed(self.race.more(endpoints, self._door.monotonic(), lead=lead, final=final))

    def connected(self, index: int) -> None:
        """Attempt *index* is connected and checked."""
        self._feed(self.race.connected(index, self._door.monotonic()))

    def failed(self, index: int, error: BaseException) -> None:
        """Attempt *index* has ended, and its socket is closed."""
        if isinstance(error, SelfConnected) and index in self.race.live:
            self._retries[index] = self._retries.get(index, 0) + 1
            if self._retries[index] < TRIES:
                self._start(index, self.endpoint(index))
                return
        endpoint = self.endpoint(index)
        commands = self.race.failed(index, error, self._door.monotonic())
        if self._trace is not None:
            self._tell("attempt-failed", endpoint, error)
        self._feed(commands)

    def tick(self) -> None:
        """Time has passed."""
        if self.running:
            self._feed(self.race.tick(self._door.monotonic()))

    def left(self) -> float | None:
        """Seconds until ``tick`` is due, None when only reports can move the race."""
        wakeup = self.race.wakeup
        return None if wakeup is None else max(0.0, wakeup - self._door.monotonic())

    # ------------------------------------------------------------------ carrying out

    def _feed(self, commands: list[Command]) -> None:
        """Carry commands out in order; those that come of them join the end of the queue."""
        self._commands.extend(commands)
        if self._carrying:
            return
        self._carrying = True
        try:
            self._carry_out()
        finally:
            self._carrying = False

    def _carry_out(self) -> None:
        while self._commands:
            command = self._commands.popleft()
            if type(command) is Begin:
                self._start(command.index, command.candidate)
            elif type(command) is Drop:
                self._drop(command.index)
                if self._trace is not None:
                    self._tell("attempt-dropped", self.endpoint(command.index))
            elif type(command) is Win:
                self._won(command.index)

    def _start(self, index: int, endpoint: Endpoint) -> None:
        if self._trace is not None and index not in self._retries:
            self._tell("attempt-started", endpoint)
        try:
            self._begin(index, endpoint)
        except OSError as error:
            self.failed(index, error.with_traceback(None))  # its frames hold the race, which will hold it

    def _won(self, index: int) -> None:
        attempts, endpoint = self.race.attempts, self.endpoint(index)
        if self._trace is not None:
            self._tell("attempt-won", endpoint)
        history = self._history
        if history is not None:
            name, now = self._question.name, self._door.monotonic()
            history.forget(name, endpoint.family)
            silent = went_silent(attempts[:index], endpoint.family, self._attempt_delay, now)
            if silent is not None:
                history.note(name, silent, self._place(), now)

    # ------------------------------------------------------------------ order

    def _source_of(self, endpoint: Endpoint) -> bytes | None:
        if self._sources is None:
            self._sources = sources(self._door)
        return self._sources(endpoint)

    def _place(self) -> Hashable:
        return place(self._source_of)

    def _leads(self, endpoints: list[Endpoint]) -> bool:
        """Whether the first answer may start at once, or waits the Resolution Delay for the other one."""
        family = endpoints[0].family
        if self._silent is not None:
            return family != self._silent
        rival = _ANY[AF_INET if family == AF_INET6 else AF_INET6]
        table = policy(self._door)
        return any(
            leads(endpoint, self._source_of(endpoint), rival.packed, self._source_of(rival), table)
            for endpoint in endpoints
            if isinstance(endpoint, IPEndpoint)
        )

    def _arrange(self, untried: Sequence[Endpoint], last: Endpoint | None) -> Sequence[Endpoint]:
        if not self._question.name:
            return untried  # a literal, localhost, a wildcard: the order is part of the meaning
        tried = {attempt.endpoint for attempt in self.race.attempts}
        candidates = [endpoint for endpoint in untried if endpoint not in tried]
        return arranged(self._door, candidates, self._source_of, last.family if last is not None else self._silent)

    # ------------------------------------------------------------------ telling

    def _tell(
        self,
        kind: str,
        endpoint: Endpoint | None = None,
        error: BaseException | None = None,
        family: int | None = None,
        endpoints: tuple[Endpoint, ...] = (),
    ) -> None:
        from ..core.trace import TraceEvent

        if self._trace is not None:
            now = self._door.monotonic()
            self._trace(TraceEvent(kind, now, endpoint, error, family, endpoints))

    def close(self) -> None:
        """Let go of the driver: its methods in here, and ours in the race, would keep all three alive as a cycle."""
        self.race.arrange = None
        self._begin = self._drop = _gone

    def failure(self) -> OSError:
        """The exception of a lost race."""
        if self.race.state != LOST:
            raise RuntimeError(f"the race is {self.race.state}")
        race, question, settings = self.race, self._question, self._settings
        if not race.attempts and not race.timed_out:
            return failure_of(question, self._answered)
        return report(
            settings.target,
            [rebased(attempt, settings.started) for attempt in race.attempts],
            timeout=settings.timeout,
            timed_out=race.timed_out,
            notes=self._notes(),
        )

    def _notes(self) -> list[str]:
        """Say which look-ups failed or never answered."""
        if self._question.endpoints is not None:
            return []
        notes = []
        answers = {lookup.family: lookup for lookup in self._answered}
        for family in self._question.families:
            name = "IPv6" if family == AF_INET6 else "IPv4"
            lookup = answers.get(family)
            if lookup is None:
                notes.append(f"{name} addresses of {self._question.name}: no answer from the resolver")
            elif lookup.error is not None:
                said = getattr(lookup.error, "strerror", None) or lookup.error
                notes.append(f"{name} addresses of {self._question.name}: {said}")
        return notes


def _gone(*_: object) -> None:
    raise RuntimeError("the race is closed")


def place(source_of: Callable[[Endpoint], bytes | None]) -> Hashable:
    """Where this host is in the network: the addresses it would use. Another network, another place."""
    return source_of(_ANY[AF_INET]), source_of(_ANY[AF_INET6])


def arranged(
    door: Doors, candidates: Sequence[Endpoint], source_of: Callable[[Endpoint], bytes | None], last: int | None
) -> list[Endpoint]:
    """The addresses of a name in the order to try them; *last* is the family that has just had its turn."""
    candidates = unique(candidates)
    if len({endpoint.family for endpoint in candidates}) > 1:
        # Within one family the system has sorted already, by the same rules.
        candidates = preferred(door, candidates, source_of)
    return interleave(candidates, last)


def rebased(attempt: Attempt, started: float) -> Attempt:
    """The same attempt with times from the start of the call; None for what was never tried."""
    if isinstance(attempt.error, NotTried):
        return Attempt(attempt.endpoint, None, None, attempt.error)
    begin, end = attempt.started, attempt.ended
    return Attempt(
        attempt.endpoint,
        None if begin is None else begin - started,
        None if end is None else end - started,
        attempt.error,
    )
