"""Driver: the part of carrying out a race that does not depend on how one waits.

It owns the sockets of the attempts. A subclass says how a socket is watched until it becomes writable, which is how a
non-blocking connect ends, and how watching stops; a socket is always unwatched before it is closed.
"""

from __future__ import annotations

from ..platforms.words import os_error
from .attempt import in_progress, outcome
from .conductor import Conductor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

    from ..core.endpoint import Endpoint
    from .attempt import Ways
    from .conductor import Settings
    from .names import Question

__all__ = ("Driver",)


class Driver:
    """The sockets of one race; ``close`` leaves at most the winner open."""

    def __init__(self, ways: Ways, question: Question, settings: Settings) -> None:
        self.ways = ways
        self.question = question
        self.socks: dict[int, Socket] = {}
        self.watched: set[int] = set()
        self.conductor: Conductor = Conductor(ways.door, question, self.begin, self.give_up, settings)

    def watch(self, index: int, sock: Socket) -> None:
        """Call ``ended(index)`` some time after *sock* has become writable."""
        raise NotImplementedError

    def unwatch(self, index: int, sock: Socket) -> None:
        """Undo ``watch``; when this returns the descriptor may be closed."""
        raise NotImplementedError

    def begin(self, index: int, endpoint: Endpoint) -> None:
        """Start an attempt; OSError when it has failed at once, with its socket closed."""
        sock = self.socks[index] = self.ways.open(endpoint)
        try:
            sock.setblocking(False)
            code = self.ways.dial(sock, endpoint)
            if code and in_progress(code, endpoint):
                self.watch(index, sock)
                self.watched.add(index)
                return
            if code:
                raise os_error(code)
            self.ways.check(sock, endpoint)
        except BaseException:
            self.give_up(index)
            raise
        self.conductor.connected(index)

    def adopt(self, index: int, sock: Socket) -> None:
        """Take over an attempt that is under way."""
        self.socks[index] = sock
        self.watch(index, sock)
        self.watched.add(index)

    def ended(self, index: int) -> None:
        """Attempt *index* is over. Ignored when it was given up meanwhile, by what came before it in one batch."""
        if index not in self.watched:
            return
        sock = self.socks[index]
        error = outcome(sock)
        if error is None:
            try:
                self.ways.check(sock, self.conductor.endpoint(index))
            except OSError as found:
                error = found
        if error is None:
            self.conductor.connected(index)
        else:
            self.give_up(index)
            self.conductor.failed(index, error)

    def give_up(self, index: int) -> None:
        """Close the socket of an attempt, if it has one."""
        sock = self.socks.get(index)
        if sock is not None:
            if index in self.watched:
                self.watched.discard(index)
                self.unwatch(index, sock)
            del self.socks[index]
            sock.close()

    def take(self) -> Socket:
        """Hand the winner out, or raise what the lost race amounts to."""
        index = self.conductor.race.winner
        if index is None:
            raise self.conductor.failure()
        sock = self.socks[index]
        if index in self.watched:
            self.watched.discard(index)
            self.unwatch(index, sock)
        return self.socks.pop(index)

    def close(self) -> None:
        """Give everything up that is still there."""
        try:
            for index in list(self.socks):
                self.give_up(index)
        finally:
            self.conductor.close()
