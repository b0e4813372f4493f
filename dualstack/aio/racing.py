"""The race under asyncio and trio: three ways to learn that a socket has become writable.

asyncio loops with readiness (selector loops, uvloop, winloop) call back for a descriptor; no task is needed, so there
is none to cancel or to await. trio waits in tasks: one per attempt, in a nursery that ends with the race; a socket is
announced as closing before it is closed, which is how trio lets a waiter go. The Proactor loop of Windows carries
connects out itself: one task per attempt around ``sock_connect``, and a socket is closed by its task once the operation
is over, never under it.

The caller's cancellation is an exception like any other here: everything is given up, and it goes on its way.
"""

from __future__ import annotations

from ..net.driver import Driver
from ..net.resolve import Answers
from ..platforms.words import socket_error
from .backend import raise_alone
from .inbox import AsyncioInbox, TrioInbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from socket import socket as Socket
    from typing import Any

    from ..core.endpoint import Endpoint
    from ..net.attempt import Ways
    from ..net.conductor import Settings
    from ..net.names import Question
    from .inbox import Inbox

__all__ = ("CompletingDriver", "ReadinessDriver", "TrioDriver")


class _AsyncDriver(Driver):
    """The loop of a race; subclasses watch sockets."""

    inbox: Inbox

    async def run(self) -> Socket:
        """Race to the verdict; afterwards the winner, non-blocking, is all that is left open."""
        conductor = self.conductor
        answers = None
        try:
            conductor.start()
            if self.question.endpoints is None and conductor.running:
                answers = Answers(self.question, self.inbox.post)
                conductor.asked()
                answers.ask()
            items = self.inbox.items
            while conductor.running:
                await self.inbox.wait(conductor.left())
                while items:
                    item = items.popleft()
                    if type(item) is int:
                        self.ended(item)
                    else:
                        conductor.answered(item)
                conductor.tick()
            return self.take()
        finally:
            try:
                if answers is not None:
                    answers.forget()
            finally:
                self.close()


class ReadinessDriver(_AsyncDriver):
    """asyncio loops that can watch a descriptor."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ways: Ways, question: Question, settings: Settings) -> None:
        super().__init__(ways, question, settings)
        self._loop = loop
        self.inbox: Inbox = AsyncioInbox(loop)

    def watch(self, index: int, sock: Socket) -> None:
        self._loop.add_writer(sock.fileno(), self._writable, index, sock.fileno())

    def _writable(self, index: int, fileno: int) -> None:
        self._loop.remove_writer(fileno)  # it stays writable: once is enough
        self.inbox.put(index)

    def unwatch(self, index: int, sock: Socket) -> None:
        self._loop.remove_writer(sock.fileno())


class TrioDriver(_AsyncDriver):
    """trio."""

    _nursery: Any = None

    def __init__(self, ways: Ways, question: Question, settings: Settings) -> None:
        super().__init__(ways, question, settings)
        self.inbox: Inbox = TrioInbox()

    def watch(self, index: int, sock: Socket) -> None:
        self._nursery.start_soon(self._wait, index, sock)

    async def _wait(self, index: int, sock: Socket) -> None:
        import trio

        if sock.fileno() < 0:  # given up before this task had its first turn
            return
        try:
            await trio.lowlevel.wait_writable(sock)
        except trio.ClosedResourceError:
            return
        self.inbox.put(index)

    def unwatch(self, index: int, sock: Socket) -> None:
        import trio

        trio.lowlevel.notify_closing(sock)

    async def run(self) -> Socket:
        import trio

        await trio.lowlevel.checkpoint_if_cancelled()
        found: list[Socket] = []
        lost: OSError | None = None
        try:
            async with trio.open_nursery() as self._nursery:
                try:
                    found.append(await super().run())
                except OSError as error:  # out of the nursery as a value: it would wrap it in a group
                    lost = error
                self._nursery.cancel_scope.cancel()
            await trio.lowlevel.cancel_shielded_checkpoint()
            if lost is not None:
                raise lost
            return found.pop()
        except BaseException as group:
            for sock in found:
                sock.close()
            raise_alone(group)
            raise
        finally:
            del self._nursery, lost


class CompletingDriver(_AsyncDriver):
    """asyncio loops that only tell when an operation has ended (Proactor)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ways: Ways, question: Question, settings: Settings) -> None:
        super().__init__(ways, question, settings)
        self._loop = loop
        self.inbox: Inbox = AsyncioInbox(loop)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._errors: dict[int, OSError] = {}

    def begin(self, index: int, endpoint: Endpoint) -> None:
        sock = self.ways.open(endpoint)
        try:
            sock.setblocking(False)
            task = self._loop.create_task(self._connect(index, sock, endpoint))
        except BaseException:
            sock.close()
            raise
        self.socks[index] = sock
        self.watched.add(index)
        self._tasks[index] = task
        self._endings.add(task)
        # A task that is cancelled before its first step never reaches its own clean-up.
        task.add_done_callback(self._endings.discard)

    async def _connect(self, index: int, sock: Socket, endpoint: Endpoint) -> None:
        try:
            await self._loop.sock_connect(sock, endpoint.sockaddr)
        except OSError as error:
            self._errors[index] = socket_error(error)
        self.inbox.put(index)

    def ended(self, index: int) -> None:
        error = self._errors.pop(index, None)
        if index not in self.watched:
            return
        self.watched.discard(index)
        sock = self.socks[index]
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
        if index in self.watched:
            # The operation owns the descriptor until it is over: its end closes it.
            self.watched.discard(index)
            sock = self.socks.pop(index)
            task = self._tasks[index]
            task.add_done_callback(lambda _: sock.close())
            task.cancel()
        else:
            super().give_up(index)

    async def run(self) -> Socket:
        sock: Socket | None = None
        try:
            try:
                sock = await super().run()
            finally:
                await self._settle()
            return sock
        except BaseException:  # a cancellation while the losers ended: then nobody gets the winner
            if sock is not None:
                sock.close()
            raise

    async def _settle(self) -> None:
        """Wait until every operation is over; a cancellation of the caller waits too, and then goes on its way."""
        import asyncio

        interrupted: asyncio.CancelledError | None = None
        while self._endings:
            try:
                await asyncio.wait(set(self._endings))
            except asyncio.CancelledError as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted
