"""The race on selectors: the synchronous driver, on every system, without a thread of its own.

One selector watches the attempts. While only the resolver is waited for, a flag does; once there are sockets to wait
for as well, resolver threads poke one end of a socket pair that the selector watches too. Sockets are unregistered and
then closed, in this order: a selector that remembers a closed descriptor would report the next socket with its number.
"""

from __future__ import annotations

import selectors

from .driver import Driver
from .mailbox import Mailbox
from .resolve import Answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket as Socket

    from ..errors import Attempt

__all__ = ("Selecting",)


class Selecting(Driver):
    """Waits in one selector, or for the resolver alone while there is no socket to wait for."""

    _selector: selectors.BaseSelector | None = None
    _alarm: tuple[Socket, Socket] | None = None

    _box: Mailbox | None = None
    _answers: Answers | None = None

    def run(self, past: Sequence[Attempt] = (), under_way: Socket | None = None) -> Socket:
        """Race to the verdict; afterwards the winner is all that is left open.

        *past* are attempts made already, the last of them with the socket *under_way*; closed here on any exception.
        """
        try:
            # A call, not a loop, whose jump back CPython's tables leave out: tests/architecture/test_interrupts.py.
            return self._race(past, under_way)
        finally:
            try:
                self._finish()
            except BaseException:  # a signal handler struck in the middle of it: what was left over is still ours
                self._finish()
                raise

    def _race(self, past: Sequence[Attempt], under_way: Socket | None) -> Socket:
        conductor = self.conductor
        box: Mailbox | None = None
        if under_way is not None:
            self.adopt(conductor.resume(past), under_way)
            conductor.tick()
        else:
            conductor.start()
        if self.question.endpoints is None and conductor.running:
            box = self._box = Mailbox(self.ways.door)
            self._answers = Answers(self.question, box.put)
            conductor.asked()
            self._answers.ask()
        while conductor.running:
            self._wait(box)
            while box is not None and box.pending:
                conductor.answered(box.get())
            conductor.tick()
        sock = self.take()
        try:
            sock.setblocking(True)
        except BaseException:
            sock.close()
            raise
        return sock

    def _finish(self) -> None:
        try:
            if self._answers is not None:
                self._answers.forget()
            if self._box is not None:
                self._box.set_alarm(None)
        finally:
            self.close()

    def close(self) -> None:
        try:
            super().close()
        finally:
            if self._selector is not None:
                self._selector.close()
            for end in self._alarm or ():
                end.close()

    def watch(self, index: int, sock: Socket) -> None:
        if self._selector is None:
            self._selector = self.ways.door.poller()
        self._selector.register(sock, selectors.EVENT_WRITE, index)

    def unwatch(self, index: int, sock: Socket) -> None:
        if self._selector is not None:
            self._selector.unregister(sock)

    def _wait(self, box: Mailbox | None) -> None:
        left = self.conductor.left()
        selector = self._selector
        if selector is None or not self.watched:
            if box is not None:
                box.wait(left)
            return
        if box is not None and self._alarm is None and self.conductor.asking:
            self._set_alarm(selector, box)
            if box.pending:  # it came before there was an alarm
                return
        for key, _ in selector.select(left):
            if key.data is None:
                self._silence()
            else:
                self.ended(key.data)

    def _set_alarm(self, selector: selectors.BaseSelector, box: Mailbox) -> None:
        ours, theirs = self._alarm = self.ways.door.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        selector.register(ours, selectors.EVENT_READ, None)
        box.set_alarm(theirs)

    def _silence(self) -> None:
        for end in (self._alarm or ())[:1]:
            try:
                end.recv(4096)
            except OSError:  # nothing there after all
                pass
