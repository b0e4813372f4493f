"""Waiting until a datagram socket is readable: an asyncio reader that stays, trio, or a thread for the Proactor loop.

**asyncio.** Naive way: add_reader, wait, remove_reader, receive; that is two system calls more per datagram than
asyncio's own datagram transport makes. So the reader stays registered while somebody waits. It takes all datagrams
that are there (a row of them costs one turn of the loop, not one each) and hands them over through a queue: what a
cancelled waiter leaves is the next one's. A reader that is called while nobody waits takes itself out.

**Proactor.** It cannot wait for readiness, and its own operations know no control messages. One daemon thread per
socket waits and wakes the loop; it ends with ``close()``.

Each of them holds the synchronous socket while it has descriptors registered or is asleep on them (``hold``), so that
``close()`` from any thread leaves the descriptors open until they are out of the event loop.
"""

from __future__ import annotations

from collections import deque

from .backend import raise_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator
    from contextvars import Context

    from ..net.datagram_socket import DatagramSocket
    from ..net.packet import Datagram

_MOST = 32  # datagrams taken in one turn of the event loop
_MOST_LONELY = 6  # at most 63 turns go by without a look for a second datagram

__all__ = ("Handover", "ReaderWaiting", "ThreadWaiting", "TrioWaiting", "Waiting")


class Waiting:
    """How one event loop waits for one socket."""

    #: Whether a receive should be tried before waiting.
    tries = True

    def __init__(self, sock: DatagramSocket) -> None:
        self.sock = sock
        #: Datagrams (or the errors in their place) that were taken for a waiter; the oldest first.
        self.taken: deque[Datagram | OSError] = deque()

    def take(self) -> Datagram | None:
        """A datagram that was taken already, unchecked; raises the error that was."""
        if not self.taken:
            return None
        one = self.taken.popleft()
        if isinstance(one, OSError):
            raise one
        return one

    async def enter(self) -> None:
        """Notice a cancellation, as every call does under trio."""

    async def give_way(self) -> None:
        """Give other tasks a turn, as every call does under trio, also one that need not wait; not to be cancelled."""

    async def wait(self, seconds: float | None, *, taking: bool) -> None:
        """Return when it is worth trying again, or after *seconds*; with *taking* something may be taken on the way."""
        raise NotImplementedError

    def close(self) -> None:
        """Wake every waiter and let go of the descriptors; before or while the socket is closed, from any thread."""
        raise NotImplementedError

    def drop(self) -> None:
        """Throw away what was taken and never fetched; descriptors in it are closed."""
        while self.taken:
            one = self.taken.popleft()
            if not isinstance(one, OSError):
                one._channel.check_control(one, 0)


class ReaderWaiting(Waiting):
    """asyncio with readers: selector loops, uvloop, winloop."""

    tries = False  # a socket that was just emptied would answer "would block" at the price of a receive

    def __init__(self, sock: DatagramSocket, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(sock)
        self._loop = loop
        self._waiters: deque[Handover] = deque()
        self.registered: list[int] = []  # descriptors; while there are any, the socket is held
        self._lonely = 0  # how often in a row, on a logarithmic scale, nothing came with the first datagram
        self._singles = 0  # turns left in which only one is taken

    def queue(self, *, taking: bool = True) -> Handover:
        """Something to await until it is worth trying again; who is interrupted while waiting calls ``leave``."""
        if not self.registered:
            self._register()
        future = Handover(self._loop, taking)
        self._waiters.append(future)
        return future

    def leave(self, future: Handover) -> None:
        """Wait no more, because of a timeout or a cancellation."""
        try:
            self._waiters.remove(future)
        except ValueError:
            # The reader took it out and has handed over to it: the next in line fetches what was taken. In the next
            # turn of the loop: here a task is running.
            if self.taken:
                self._loop.call_soon(self._wake_one)

    async def wait(self, seconds: float | None, *, taking: bool) -> None:
        future = self.queue(taking=taking)
        timer = None if seconds is None else self._loop.call_later(seconds, _finish, future)
        try:
            await future
        except BaseException:
            self.leave(future)
            raise
        finally:
            if timer is not None:
                timer.cancel()
                if future in self._waiters:  # the time is over
                    self._waiters.remove(future)

    def _wake_one(self) -> None:
        waiters = self._waiters
        while waiters:
            if waiters.popleft().resume():
                return

    def _register(self) -> None:
        self.sock.hold(self)
        try:
            for real in self.sock.sockets:
                self._loop.add_reader(real.fileno(), self._readable)
                self.registered.append(real.fileno())
        except BaseException:
            self._unregister()
            raise

    def _unregister(self) -> None:
        registered, self.registered = self.registered, []
        try:
            for number in registered:
                self._loop.remove_reader(number)
        finally:
            self.sock.release(self)

    def _readable(self) -> None:
        waiters = self._waiters
        while waiters and waiters[0].done():
            waiters.popleft()
        if not waiters:
            self._unregister()  # nobody waits: the loop would call again and again
            return
        if not waiters[0].taking:
            self._wake_one()
            return
        self._take()
        taken = self.taken
        for _ in range(min(len(waiters), len(taken))):  # each once: one that is resumed may come back and wait again
            if taken:
                self._wake_one()

    def _take(self) -> None:
        """Take what is there; where that is one datagram each time, look for a second one more and more seldom.

        To look and find nothing costs a receive and an exception, a tenth of an echo. Not to look costs a turn of the
        loop when there is something, so one that is found ends the restraint.
        """
        if self._singles:
            self._singles -= 1
            self.sock.take_row(self.taken, 1)
            return
        before = len(self.taken)
        self.sock.take_row(self.taken, _MOST)
        self._lonely = min(self._lonely + 1, _MOST_LONELY) if len(self.taken) - before < 2 else 0
        self._singles = 2**self._lonely - 1

    def close(self) -> None:
        try:
            running = _running_loop()
            if running is self._loop:
                self._end()
            else:
                self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:  # the loop is closed, and with it its selector
            self.registered.clear()
            self.sock.release(self)
            self.drop()

    def _end(self) -> None:
        if self.registered:
            self._unregister()
        for future in self._waiters:
            _finish(future)
        self._waiters.clear()
        self.drop()


class ThreadWaiting(Waiting):
    """asyncio's Proactor loop: one daemon thread waits in the selector of the synchronous socket."""

    def __init__(self, sock: DatagramSocket, loop: asyncio.AbstractEventLoop) -> None:
        from threading import Event

        super().__init__(sock)
        self._loop = loop
        self._waiters: set[asyncio.Future[None]] = set()
        self._wanted = Event()
        self._started = False

    async def wait(self, seconds: float | None, *, taking: bool) -> None:
        if not self._started:
            self.sock.hold(self)
            self._started = True
            self.sock.start_daemon(self._run, "dualstack-datagram")
        future = self._loop.create_future()
        self._waiters.add(future)
        self._wanted.set()
        timer = None if seconds is None else self._loop.call_later(seconds, _finish, future)
        try:
            await future
        finally:
            self._waiters.discard(future)
            if timer is not None:
                timer.cancel()

    def _run(self) -> None:
        try:
            while True:
                self._wanted.wait()
                self._wanted.clear()
                if self.sock.closed:
                    return
                self.sock.select()
                self._loop.call_soon_threadsafe(self._wake)
        except (OSError, RuntimeError):
            pass  # the socket or the loop was closed: nobody waits any more
        finally:
            self.sock.release(self)

    def _wake(self) -> None:
        for future in self._waiters:
            _finish(future)

    def close(self) -> None:
        self.sock.close()  # rings the alarm: the thread leaves the selector
        self._wanted.set()
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more


class TrioWaiting(Waiting):
    """trio. One task waits in the loop, the others queue behind a lock: trio has one waiter per descriptor."""

    def __init__(self, sock: DatagramSocket) -> None:
        import trio

        super().__init__(sock)
        self._turn = trio.Lock()
        self._token = trio.lowlevel.current_trio_token()

    async def enter(self) -> None:
        import trio

        await trio.lowlevel.checkpoint_if_cancelled()

    async def give_way(self) -> None:
        import trio

        await trio.lowlevel.cancel_shielded_checkpoint()

    async def wait(self, seconds: float | None, *, taking: bool) -> None:
        import trio

        if seconds is None:
            await self._wait_in_turn()
            return
        with trio.CancelScope(deadline=trio.current_time() + seconds):
            await self._wait_in_turn()

    async def _wait_in_turn(self) -> None:
        from trio import WouldBlock

        try:
            self._turn.acquire_nowait()  # the other way is a turn of the loop, and the waiting is one already
        except WouldBlock:
            await self._turn.acquire()
        try:
            me = object()
            self.sock.hold(me)
            try:
                await self._wait_any()
            finally:
                self.sock.release(me)
        finally:
            self._turn.release()

    async def _wait_any(self) -> None:
        import trio

        async def one(real: object) -> None:
            try:
                await trio.lowlevel.wait_readable(real)  # type: ignore[arg-type]  # a socket, from sock.sockets
            except trio.ClosedResourceError:
                pass  # close(); the caller finds out

        async def first(real: object) -> None:
            await one(real)
            nursery.cancel_scope.cancel()

        sockets = self.sock.sockets
        if len(sockets) == 1:
            await one(sockets[0])
            return
        try:
            async with trio.open_nursery() as nursery:
                for real in sockets:
                    nursery.start_soon(first, real)
        except BaseException as group:
            raise_alone(group)
            raise

    def close(self) -> None:
        import trio

        if trio.lowlevel.in_trio_run() and trio.lowlevel.current_trio_token() is self._token:
            self._notify()
            return
        try:
            self._token.run_sync_soon(self._notify)
        except trio.RunFinishedError:
            pass  # nobody waits any more

    def _notify(self) -> None:
        import trio

        for real in self.sock.sockets:
            if real.fileno() != -1:
                trio.lowlevel.notify_closing(real)


class Handover:
    """A future whose waiter runs on inside ``resume()`` instead of one turn of the loop later.

    asyncio tasks wait for anything with this protocol, not only for ``asyncio.Future``. The turn that is saved is one
    more select call per datagram, a third of the price of a ping-pong. ``resume`` is for event loop callbacks, where
    no task is running; everything else goes through ``set_result``, which waits for the next turn as a future does.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_callback",
        "_cancelled",
        "_context",
        "_done",
        "_loop",
        "_words",
        "taking",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, taking: bool) -> None:
        self.taking: bool = taking  # whether the reader may take a datagram, or only says that there is one
        self._asyncio_future_blocking = False
        self._callback: Callable[[object], object] | None = None
        self._cancelled = False
        self._context: Context | None = None
        self._done = False
        self._loop = loop
        self._words: tuple[object, ...] = ()  # of the cancellation: anyio knows those of its scopes by them

    def __await__(self) -> Generator[object, None, None]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        if self._cancelled:
            self.result()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: Callable[[object], object], *, context: Context | None = None) -> None:
        self._callback, self._context = callback, context
        if self._done:
            self._later()

    def done(self) -> bool:
        return self._done

    def result(self) -> None:
        if self._cancelled:
            from asyncio import CancelledError

            raise CancelledError(*self._words)

    def cancel(self, msg: object = None) -> bool:
        if self._done:
            return False
        self._done = self._cancelled = True
        self._words = () if msg is None else (msg,)
        self._later()
        return True

    def set_result(self, result: None) -> None:
        self._done = True
        self._later()

    def resume(self) -> bool:
        """Let the waiter run on, here and now; False when nobody waits any more."""
        if self._done:
            return False
        self._done = True
        callback, context = self._callback, self._context
        if callback is not None and context is not None:
            self._callback = None
            context.run(callback, self)
        return True

    def _later(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)


def _finish(future: asyncio.Future[None] | Handover) -> None:
    if not future.done():
        future.set_result(None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    from asyncio import _get_running_loop

    return _get_running_loop()
