"""Reaching the target of a forwarder: one ``connect`` for each client, in the forwarder's loop, without waiting.

The decisions are those of ``connect`` (core/race.py by way of driver.py): a name is looked up again for each client, in
the resolver's threads, its addresses race, and a silent family is remembered. Only the waiting is another: deadlines
and readiness come from the loop (loop.py). An address that stands alone has nothing to race.
"""

from __future__ import annotations

from _socket import SOCK_STREAM
from errno import ENOMEM
from functools import partial

from ..core.endpoint import AF_UNIX, Endpoint
from .attempt import TRIES, SelfConnected, Ways, in_progress, outcome
from .conductor import Settings
from .connect import history, lone_failure, read, target_of
from .driver import Driver
from .loop import WRITE
from .names import prepare
from .resolve import Answers, found, in_order
from .sunpath import FIRST_PAUSE, LONGEST_PAUSE, QUEUE_FULL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket as Socket

    from ..core.deadlines import Deadline
    from .lookup import Lookup
    from .loop import Loop
    from .names import Question

    #: Told how it went: the socket, or None and why not.
    Done = Callable[[Socket | None, OSError | None], object]

__all__ = ("Lone", "Racing", "Resolving", "Target")


class Target:
    """Where a forwarder forwards to, as it was written; read again for each client if it is a name."""

    def __init__(self, loop: Loop, text: str, type: int = SOCK_STREAM) -> None:
        self._loop = loop
        self._text = text
        self._type = type
        self._question: Question = self._read()  # AddressError now, and not at the first client

    def __str__(self) -> str:
        return self._text

    @property
    def endpoints(self) -> list[Endpoint]:
        """The addresses of a literal; empty for a name."""
        return [] if self._question.name else list(self._question.endpoints or ())

    def question(self) -> Question:
        """What is known, and what is to be asked; the hosts file is looked at again."""
        return self._read() if self._question.name else self._question

    def _read(self) -> Question:
        if self._type == SOCK_STREAM:
            return read(self._loop.door, self._text, None, None)
        return prepare(self._loop.door, self._text, None, None, self._type, False)

    def dial(self, timeout: float, done: Done) -> Lone | Racing:
        """Begin to connect; *done* may be called before this returns."""
        question = self.question()
        ways = Ways(self._loop.door)
        ways.unix_type = question.unix_type
        known = question.endpoints
        dialing: Lone | Racing
        if known is not None and len(known) == 1:
            dialing = Lone(self._loop, ways, known[0], timeout, done)
        else:
            now = self._loop.door.monotonic()
            dialing = Racing(
                self._loop, ways, question, Settings(target_of(question), now, timeout, history=history), done
            )
        dialing.start()
        return dialing


class Lone:
    """A connection to the one address there is; the same errors as a race of one."""

    __slots__ = (
        "_deadline",
        "_done",
        "_endpoint",
        "_loop",
        "_pause",
        "_retry",
        "_sock",
        "_started",
        "_timeout",
        "_tries",
        "_ways",
        "_watched",
    )

    def __init__(self, loop: Loop, ways: Ways, endpoint: Endpoint, timeout: float, done: Done) -> None:
        self._loop = loop
        self._ways = ways
        self._endpoint = endpoint
        self._timeout = timeout
        self._done: Done | None = done
        self._started = loop.door.monotonic()
        self._sock: Socket | None = None
        self._watched = 0
        self._tries = TRIES
        self._pause = FIRST_PAUSE
        self._deadline: Deadline | None = None
        self._retry: Deadline | None = None

    def start(self) -> None:
        """Try."""
        try:
            sock = self._sock = self._ways.open(self._endpoint)
            sock.setblocking(False)
            self._dial(sock)
        except OSError as error:
            self._failed(error)

    def _dial(self, sock: Socket) -> None:
        code = self._ways.dial(sock, self._endpoint)
        if not code:
            self._connected(sock)
            return
        if code in QUEUE_FULL and self._endpoint.family == AF_UNIX:
            # A Unix connect is done at once or the listener's queue is full; nobody tells when it is not.
            self._wait_until_timeout()
            self._retry = self._loop.at(self._loop.door.monotonic() + self._pause, partial(self._again, sock))
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        elif in_progress(code, self._endpoint):
            self._loop.watch(sock, 0, WRITE, self._writable)
            self._watched = WRITE
            self._wait_until_timeout()
        else:
            from ..platforms.words import os_error

            self._failed(os_error(code))

    def _again(self, sock: Socket) -> None:
        try:
            self._dial(sock)
        except OSError as error:
            self._failed(error)

    def _wait_until_timeout(self) -> None:
        if self._deadline is None:
            self._deadline = self._loop.at(self._started + self._timeout, self._late)

    def _late(self) -> None:
        self._failed(TimeoutError())

    def _writable(self, events: int) -> None:
        sock = self._sock
        if sock is None:  # given up by what came before it in one round
            return
        self._unwatch(sock)
        error = outcome(sock)
        if error is not None:
            self._failed(error)
        else:
            self._connected(sock)

    def _connected(self, sock: Socket) -> None:
        try:
            self._ways.check(sock, self._endpoint)
        except SelfConnected as error:
            self._tries -= 1
            if not self._tries:
                self._failed(error)
                return
            self._drop()
            self.start()
        except OSError as error:
            self._failed(error)
        else:
            self._sock = None
            self._tell(sock, None)

    def _failed(self, failure: OSError) -> None:
        self._drop()
        now = self._loop.door.monotonic()
        self._tell(None, lone_failure(self._endpoint, failure, self._started, now, self._timeout))

    def _tell(self, sock: Socket | None, error: OSError | None) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(sock, error)

    def crashed(self) -> None:
        """A callback of this raised."""
        self._tell(None, _fault())

    def _unwatch(self, sock: Socket) -> None:
        self._loop.watch(sock, self._watched, 0, self._writable)
        self._watched = 0

    def _drop(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            self._unwatch(sock)
            sock.close()

    def cancel(self) -> None:
        """Give up; nothing is told any more."""
        self._done = None
        self._loop.cancel(self._deadline)
        self._loop.cancel(self._retry)
        self._drop()


class Racing(Driver):
    """A race in the loop."""

    def __init__(self, loop: Loop, ways: Ways, question: Question, settings: Settings, done: Done) -> None:
        super().__init__(ways, question, settings)
        self._loop = loop
        self._done: Done | None = done
        self._answers: Answers | None = None
        self._deadline: Deadline | None = None

    def start(self) -> None:
        """Begin the race."""
        self.conductor.start()
        if self.question.endpoints is None and self.conductor.running:
            self._answers = Answers(self.question, self._report)
            self.conductor.asked()
            self._answers.ask()
        self._advance()

    def _report(self, lookup: Lookup) -> None:
        # In a resolver thread.
        self._loop.post(partial(self._answered, lookup))

    def _answered(self, lookup: Lookup) -> None:
        if self._done is not None:
            self.conductor.answered(lookup)
            self._advance()

    def watch(self, index: int, sock: Socket) -> None:
        self._loop.watch(sock, 0, WRITE, partial(self._ready, index))

    def unwatch(self, index: int, sock: Socket) -> None:
        self._loop.watch(sock, WRITE, 0, _nobody)

    def _ready(self, index: int, events: int) -> None:
        if self._done is not None:
            self.ended(index)
            self._advance()

    def _advance(self) -> None:
        if self._done is None:
            return
        self.conductor.tick()
        self._loop.cancel(self._deadline)
        if self.conductor.running:
            left = self.conductor.left()
            if left is not None:
                self._deadline = self._loop.at(self._loop.door.monotonic() + left, self._advance)
            return
        sock: Socket | None = None
        error: OSError | None = None
        try:
            sock = self.take()
        except OSError as failure:
            error = failure
        self._tell(sock, error)

    def _tell(self, sock: Socket | None, error: OSError | None) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(sock, error)

    def crashed(self) -> None:
        """A callback of this raised."""
        self._tell(None, _fault())

    def cancel(self) -> None:
        """Give up; nothing is told any more."""
        self._done = None
        self._loop.cancel(self._deadline)
        try:
            if self._answers is not None:
                self._answers.forget()
        finally:
            self.close()


class Resolving:
    """The addresses of a target without connecting to them: for datagrams."""

    def __init__(self, loop: Loop, target: Target, done: Callable[[list[Endpoint], OSError | None], object]) -> None:
        self._loop = loop
        self._question = target.question()
        self._lookups: list[Lookup] = []
        self._done: Callable[[list[Endpoint], OSError | None], object] | None = done
        self._answers: Answers | None = None

    def start(self) -> None:
        """Ask; what is known already is told before this returns."""
        known = self._question.endpoints
        if known is not None:
            self._tell(known if not self._question.name else in_order(self._loop.door, known), None)
            return
        self._answers = Answers(self._question, self._report)
        self._answers.ask()

    def _report(self, lookup: Lookup) -> None:
        # In a resolver thread.
        self._loop.post(partial(self._answered, lookup))

    def _answered(self, lookup: Lookup) -> None:
        self._lookups.append(lookup)
        if self._done is None or len(self._lookups) < len(self._question.families):
            return
        try:
            endpoints = in_order(self._loop.door, found(self._question, self._lookups, None))
        except OSError as error:
            self._tell([], error)
        else:
            self._tell(endpoints, None)

    def crashed(self) -> None:
        """A callback of this raised."""
        self._tell([], _fault())

    def _tell(self, endpoints: list[Endpoint], error: OSError | None) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(endpoints, error)

    def cancel(self) -> None:
        """Give up; nothing is told any more."""
        self._done = None
        if self._answers is not None:
            self._answers.forget()


def _fault() -> OSError:
    return OSError(ENOMEM, "no memory, or a fault in the forwarder; the log has the traceback")


def _nobody(events: int) -> None:
    """Stands where nobody is called."""
