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

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator
    from contextvars import Context

    from ..net.datagram_socket import DatagramSocket
    from ..net.packet import Datagram

_MOST = 32  # datagrams taken in one turn of the event loop

__all__ = ("ReaderWaiting", "ThreadWaiting", "TrioWaiting", "Waiting")


class Waiting:
    """How one event loop waits for one socket."""

    #: Whether a receive should be tried before waiting.
    tries = True
    #: Whether every call has to give other tasks a turn, as trio promises.
    checkpoints = False

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
        self._waiters: deque[tuple[_Handover, bool]] = deque()
        self._registered: list[int] = []

    async def wait(self, seconds: float | None, *, taking: bool) -> None:
        if not self._registered:
            self._register()
        future = _Handover(self._loop)
        entry = future, taking
        self._waiters.append(entry)
        timer = None if seconds is None else self._loop.call_later(seconds, _finish, future)
        try:
            await future
        except BaseException:
            # Cancelled after the reader had handed over to this one: the next in line fetches what was taken. In the
            # next turn of the loop: here a task is running.
            if self.taken:
                self._loop.call_soon(self._wake_one)
            raise
        finally:
            if timer is not None:
                timer.cancel()
            try:
                self._waiters.remove(entry)
            except ValueError:
                pass  # the reader took it out

    def _wake_one(self) -> None:
        while self._waiters:
            future, _ = self._waiters.popleft()
            if not future.done():
                future.resume()
                return

    def _register(self) -> None:
        self.sock.hold(self)
        try:
            for real in self.sock.sockets:
                self._loop.add_reader(real.fileno(), self._readable)
                self._registered.append(real.fileno())
        except BaseException:
            self._unregister()
            raise

    def _unregister(self) -> None:
        registered, self._registered = self._registered, []
        try:
            for number in registered:
                self._loop.remove_reader(number)
        finally:
            self.sock.release(self)

    def _readable(self) -> None:
        waiters = self._waiters
        while waiters and waiters[0][0].done():
            waiters.popleft()
        if not waiters:
            self._unregister()  # nobody waits: the loop would call again and again
            return
        if waiters[0][1]:
            self.sock.take_row(self.taken, _MOST)
            for _ in range(len(waiters)):  # each once: one that is resumed may come back and wait again
                if not self.taken:
                    break
                self._wake_one()
        else:
            self._wake_one()

    def close(self) -> None:
        try:
            running = _running_loop()
            if running is self._loop:
                self._end()
            else:
                self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:  # the loop is closed, and with it its selector
            self._registered.clear()
            self.sock.release(self)
            self.drop()

    def _end(self) -> None:
        if self._registered:
            self._unregister()
        for future, _ in self._waiters:
            _finish(future)
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

    checkpoints = True

    def __init__(self, sock: DatagramSocket) -> None:
        import trio

        super().__init__(sock)
        self._turn = trio.Lock()
        self._token = trio.lowlevel.current_trio_token()

    async def wait(self, seconds: float | None, *, taking: bool) -> None:
        import trio

        with trio.CancelScope() as scope:
            if seconds is not None:
                scope.deadline = trio.current_time() + seconds
            async with self._turn:
                me = object()
                self.sock.hold(me)
                try:
                    await self._wait_any()
                finally:
                    self.sock.release(me)

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
        async with trio.open_nursery() as nursery:
            for real in sockets:
                nursery.start_soon(first, real)

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


class _Handover:
    """A future whose waiter runs on inside ``resume()`` instead of one turn of the loop later.

    asyncio tasks wait for anything with this protocol, not only for ``asyncio.Future``. The turn that is saved is one
    more select call per datagram, a third of the price of a ping-pong. ``resume`` is for event loop callbacks, where
    no task is running; everything else goes through ``set_result``, which waits for the next turn as a future does.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_done", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._asyncio_future_blocking = False
        self._callback: Callable[[object], object] | None = None
        self._cancelled = False
        self._context: Context | None = None
        self._done = False
        self._loop = loop

    def __await__(self) -> Generator[object, None, None]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
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

            raise CancelledError

    def cancel(self, msg: object = None) -> bool:
        if self._done:
            return False
        self._done = self._cancelled = True
        self._later()
        return True

    def set_result(self, result: None) -> None:
        self._done = True
        self._later()

    def resume(self) -> None:
        self._done = True
        callback, self._callback = self._callback, None
        if callback is not None and self._context is not None:
            self._context.run(callback, self)

    def _later(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)


def _finish(future: asyncio.Future[None] | _Handover) -> None:
    if not future.done():
        future.set_result(None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    from asyncio import _get_running_loop

    return _get_running_loop()
