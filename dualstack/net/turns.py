"""Addresses tried in turn, as long as that is all a race would do: the cheap beginning of every race with a known list.

Problem. ``localhost``, ``"*"`` and the names of the hosts file have two addresses, and their attempts end at once: they
are connected or refused within microseconds. A race for them spends more time on its machine, its selector and its
timers than on the network.

Our rule. While all candidates are known and the newest attempt is the only one, the race begins the next attempt when
that one fails, and takes it when it connects: a loop. ``alone_until`` of core/race.py says how long this holds, which
is the attempt delay mostly. The operating system does the waiting, in a connect with that timeout. An attempt that
takes longer is handed over as it is, with the history of those before it, and the race goes on as if it had run from
the start: the machine is asked about each step then, and refuses a history it would not have made.

Left to the race from its start: look-ups that are still to be answered, a trace, a family known to be silent.
"""

from __future__ import annotations

from ..core.history import went_silent
from ..core.race import alone_until
from ..errors import Attempt
from ..platforms.words import os_error
from .attempt import TRIES, SelfConnected, in_progress
from .conductor import arranged, place, rebased
from .resolve import sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

    from ..core.endpoint import Endpoint
    from .attempt import Ways
    from .conductor import Settings
    from .names import Question

__all__ = ("in_turn",)


def in_turn(ways: Ways, question: Question, settings: Settings) -> Socket:
    """Race for the addresses of *question*, which are known; the socket blocks."""
    door, endpoints, history, name = ways.door, question.endpoints or [], settings.history, question.name
    if name:
        if history is not None and history.knows(name):
            return _race(ways, question, settings, [], None)
        question.endpoints = endpoints = arranged(door, endpoints, sources(door), None)
    past: list[Attempt] = []
    waiting, deadline = len(endpoints), settings.deadline
    now = door.monotonic()
    for endpoint in endpoints:
        if deadline is not None and now >= deadline:
            break
        waiting -= 1
        attempt = Attempt(endpoint, now, None, None)
        past.append(attempt)
        until = alone_until(now, waiting, settings.attempt_delay, deadline)
        sock, failure = _reach(ways, endpoint, until)
        if sock is None:
            attempt.error = failure
            attempt.ended = now = door.monotonic()
        elif failure is None:
            if name and history is not None and waiting < len(endpoints) - 1:
                now = door.monotonic()
                silent = went_silent(past[:-1], endpoint.family, settings.attempt_delay, now)
                if silent is not None:
                    history.note(name, silent, place(sources(door)), now)
            return sock
        else:
            return _race(ways, question, settings, past, sock)
    raise _failure(question, settings, past, late=deadline is not None and now >= deadline)


def _reach(ways: Ways, endpoint: Endpoint, until: float | None) -> tuple[Socket | None, OSError | None]:
    """One attempt: a connected socket, or why there is none; both when it is still on its way at *until*."""
    tries = TRIES
    while True:
        sock = None
        try:
            sock = ways.open(endpoint)
            if until is not None:
                sock.settimeout(max(until - ways.door.monotonic(), 0.0))
            elif sock.gettimeout() is not None:  # of socket.setdefaulttimeout
                sock.settimeout(None)
            code = sock.connect_ex(endpoint.sockaddr)
            if not code:
                ways.check(sock, endpoint)
                if until is not None:
                    sock.settimeout(None)
                return sock, None
            if until is not None and in_progress(code, endpoint):
                return sock, TimeoutError()
            failure = os_error(code)
        except OSError as error:
            failure = error.with_traceback(None)  # its frames hold the list of attempts, which will hold it
            tries -= isinstance(error, SelfConnected)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        if sock is not None:
            sock.close()
        if not isinstance(failure, SelfConnected) or not tries:
            return None, failure


def _race(ways: Ways, question: Question, settings: Settings, past: list[Attempt], under_way: Socket | None) -> Socket:
    from .selecting import Selecting

    try:
        return Selecting(ways, question, settings).run(past, under_way)
    except BaseException:
        if under_way is not None:
            under_way.close()
        raise


def _failure(question: Question, settings: Settings, past: list[Attempt], *, late: bool) -> OSError:
    from ..core.report import report

    attempts = [rebased(attempt, settings.started) for attempt in past]
    return report(settings.target, attempts, timeout=settings.timeout, timed_out=late)
