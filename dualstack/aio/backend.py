"""Which event loop runs here, and the few things our drivers need from it.

A driver in ``aio/`` is written once against ``Backend``: wait until a socket is ready, sleep, be woken from another
thread, run children that do not outlive their parent. Everything that decides something is in ``core/`` already.

asyncio's Proactor loop (the default on Windows) cannot wait for readiness (``can_wait`` is False there): it starts an
operation and reports its end. Drivers then use the loop's own ``sock_accept``, ``sock_connect`` and ``sock_recvfrom``.
A connection can be waited for all the same: a receive of no bytes ends when there is something to receive, and leaves
it there.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from socket import socket as Socket
    from typing import Any

__all__ = ("AsyncioBackend", "Backend", "Children", "TrioBackend", "WakeUp", "current", "raise_alone")

POLL_SECONDS = 0.005  # between two looks at a full send buffer on the Proactor loop
_INVALID_PARAMETER = 87  # ERROR_INVALID_PARAMETER (winerror.h)


class WakeUp:
    """Something one task waits for and any thread may set; it stays set."""

    def set(self) -> None:
        """Wake the waiter; from any thread, also after the loop has gone (then nobody waits)."""
        raise NotImplementedError

    async def wait(self) -> None:
        """Return once ``set`` was called."""
        raise NotImplementedError


class Backend:
    """What asyncio and trio both can do, under one name each."""

    name: str
    #: Whether ``wait_readable`` and ``wait_writable`` work here for every socket, or only for stream connections.
    can_wait = True

    async def wait_readable(self, sock: Socket) -> None:
        """Return when a read, or an accept, will not block. One waiter per socket and direction."""
        raise NotImplementedError

    async def wait_writable(self, sock: Socket) -> None:
        """Return when a write will not block, or a connect has ended."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Pause this task."""
        raise NotImplementedError

    async def checkpoint(self) -> None:
        """Let other tasks run, and notice a cancellation."""
        raise NotImplementedError

    def wake_up(self) -> WakeUp:
        """Make something to be woken by."""
        raise NotImplementedError

    async def wait_any(self, socks: Sequence[Socket], wake: WakeUp, seconds: float | None) -> None:
        """Return when one of *socks* is readable, *wake* was set, or *seconds* have passed; which one is not told."""
        raise NotImplementedError

    def children(self) -> Children:
        """Make a group of tasks that does not outlive its ``async with`` block."""
        raise NotImplementedError

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Make a lock for ``async with``, fair and not reentrant."""
        raise NotImplementedError


class Children:
    """Tasks inside an ``async with`` block; leaving it waits for them, leaving it by an exception cancels them."""

    def start(
        self, run: Callable[..., Coroutine[Any, Any, None]], *args: object, release: Callable[[], object]
    ) -> None:
        """Start a task, and call *release* when it is over, also when it was cancelled before its first step.

        An exception of the task ends the group, so *run* handles its own.
        """
        raise NotImplementedError

    def cancel(self) -> None:
        """Cancel all that run now."""
        raise NotImplementedError

    async def drain(self, seconds: float | None) -> None:
        """Give all that run now *seconds* to end (None: as long as it takes), then cancel them."""
        raise NotImplementedError

    async def __aenter__(self) -> Children:
        raise NotImplementedError

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        raise NotImplementedError


def current() -> Backend:
    """The backend of the running task; RuntimeError where no event loop runs."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return TrioBackend()
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("dualstack.aio needs a running event loop, asyncio's or trio's") from None
    return AsyncioBackend(loop)


class AsyncioBackend(Backend):
    """asyncio, whichever loop: selector, Proactor, uvloop."""

    name = "asyncio"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        # By class name: the class itself exists on Windows only. winloop and uvloop have readers.
        self.can_wait: bool = "Proactor" not in type(loop).__name__

    async def wait_readable(self, sock: Socket) -> None:
        if self.can_wait:
            await self._wait(sock, self.loop.add_reader, self.loop.remove_reader)
        else:
            await self._receive_nothing(sock)

    async def wait_writable(self, sock: Socket) -> None:
        if self.can_wait:
            await self._wait(sock, self.loop.add_writer, self.loop.remove_writer)
            return
        # A send of no bytes ends at once, so there is nothing to wait for but the clock. Rare: a full send buffer.
        from select import select

        while not select((), (sock,), (), 0)[1]:
            await self.sleep(POLL_SECONDS)

    async def _receive_nothing(self, sock: Socket) -> None:
        # Not loop.sock_recv: it refuses an SSLSocket, although nothing is to be decrypted.
        proactor = self.loop._proactor  # type: ignore[attr-defined]  # typeshed hides it; the loop of Windows has it
        try:
            received = proactor.recv(sock, 0)
        except OSError as error:
            if getattr(error, "winerror", 0) != _INVALID_PARAMETER:
                raise
            # A handle joins a completion port once, and this one did as the socket that TLS has wrapped since. The
            # proactor has noted the new object all the same.
            received = proactor.recv(sock, 0)
        try:
            await received
        except ConnectionError:
            pass  # the caller's own receive says so

    async def _wait(self, sock: Socket, add: Callable[..., object], remove: Callable[[int], object]) -> None:
        ready = self.loop.create_future()
        fileno = sock.fileno()
        add(fileno, _finish, ready)
        try:
            await ready
        finally:
            remove(fileno)  # before anybody may close the descriptor: its number would be another socket's soon

    async def sleep(self, seconds: float) -> None:
        from asyncio import sleep

        await sleep(seconds)

    async def checkpoint(self) -> None:
        from asyncio import sleep

        await sleep(0)

    def wake_up(self) -> WakeUp:
        return _AsyncioWakeUp(self.loop)

    async def wait_any(self, socks: Sequence[Socket], wake: WakeUp, seconds: float | None) -> None:
        if not self.can_wait:
            receiving = [self.loop.create_task(self._receive_nothing(sock)) for sock in socks]
            try:
                await self.wait_futures(receiving, wake, seconds)
            finally:
                for task in receiving:
                    task.cancel()
                while not all(task.done() for task in receiving):
                    await self.sleep(0)
            return
        readable = self.loop.create_future()
        watched: list[int] = []
        try:
            for sock in socks:
                watched.append(sock.fileno())
                self.loop.add_reader(sock.fileno(), _finish, readable)
            await self.wait_futures([readable], wake, seconds)
        finally:
            for fileno in watched:
                self.loop.remove_reader(fileno)

    async def wait_futures(self, futures: Sequence[asyncio.Future[Any]], wake: WakeUp, seconds: float | None) -> None:
        """``wait_any`` for operations the loop carries out (Proactor); they go on when this is cancelled."""
        ready = self.loop.create_future()

        def done(_: object) -> None:
            _finish(ready)

        watched = [*futures, wake.future]  # type: ignore[attr-defined]  # ours, from wake_up()
        for future in watched:
            future.add_done_callback(done)
        try:
            timer = None if seconds is None else self.loop.call_later(seconds, _finish, ready)
            try:
                await ready
            finally:
                if timer is not None:
                    timer.cancel()
        finally:
            for future in watched:
                future.remove_done_callback(done)

    def children(self) -> Children:
        return _AsyncioChildren(self.loop)

    def lock(self) -> AbstractAsyncContextManager[object]:
        from asyncio import Lock

        return Lock()


class _AsyncioChildren(Children):
    # asyncio.TaskGroup would do, from 3.11 on.
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self, run: Callable[..., Coroutine[Any, Any, None]], *args: object, release: Callable[[], object]
    ) -> None:
        task = self._loop.create_task(run(*args))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            release()

        task.add_done_callback(ended)

    def cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()

    async def drain(self, seconds: float | None) -> None:
        import asyncio

        # Not itself: a handler may close the listener that serves it.
        running = self._tasks - {task for task in (asyncio.current_task(),) if task is not None}
        if running:
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()

    async def __aenter__(self) -> Children:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.cancel()
        interrupted = await _settle(self)
        if interrupted is not None and error is None:
            raise interrupted


async def _settle(group: _AsyncioChildren) -> BaseException | None:
    """Wait until all children are gone; a cancellation of the caller reaches them, and is returned, not swallowed."""
    import asyncio

    interrupted: BaseException | None = None
    while group._tasks:
        try:
            await asyncio.wait(group._tasks)
        except asyncio.CancelledError as error:
            interrupted = error
            group.cancel()
    return interrupted


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _AsyncioWakeUp(WakeUp):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.future = loop.create_future()

    def set(self) -> None:
        try:
            self._loop.call_soon_threadsafe(_finish, self.future)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    async def wait(self) -> None:
        from asyncio import shield

        await shield(self.future)  # a cancelled waiter leaves it for the next


class TrioBackend(Backend):
    """trio."""

    name = "trio"

    async def wait_readable(self, sock: Socket) -> None:
        import trio

        await trio.lowlevel.wait_readable(sock)

    async def wait_writable(self, sock: Socket) -> None:
        import trio

        await trio.lowlevel.wait_writable(sock)

    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    async def checkpoint(self) -> None:
        import trio

        await trio.lowlevel.checkpoint()

    def wake_up(self) -> WakeUp:
        return _TrioWakeUp()

    async def wait_any(self, socks: Sequence[Socket], wake: WakeUp, seconds: float | None) -> None:
        import trio

        async def readable(sock: Socket) -> None:
            await trio.lowlevel.wait_readable(sock)
            nursery.cancel_scope.cancel()

        async def woken() -> None:
            await wake.wait()
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                if seconds is not None:
                    nursery.cancel_scope.deadline = trio.current_time() + seconds
                for sock in socks:
                    nursery.start_soon(readable, sock)
                nursery.start_soon(woken)
        except BaseException as group:
            raise_alone(group)
            raise

    def children(self) -> Children:
        return _TrioChildren()

    def lock(self) -> AbstractAsyncContextManager[object]:
        import trio

        return trio.Lock()


class _TrioChildren(Children):
    def __init__(self) -> None:
        import trio

        self._manager = trio.open_nursery()
        self._scopes: set[trio.CancelScope] = set()
        self._idle = trio.Condition()

    def start(
        self, run: Callable[..., Coroutine[Any, Any, None]], *args: object, release: Callable[[], object]
    ) -> None:
        self._nursery.start_soon(self._run, run, args, release)

    async def _run(
        self, run: Callable[..., Coroutine[Any, Any, None]], args: tuple[object, ...], release: Callable[[], object]
    ) -> None:
        import trio

        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                await run(*args)
            finally:
                self._scopes.discard(scope)
                release()
                with trio.CancelScope(shield=True):
                    async with self._idle:
                        self._idle.notify_all()

    def cancel(self) -> None:
        for scope in self._scopes:
            scope.cancel()

    async def drain(self, seconds: float | None) -> None:
        import trio

        with trio.move_on_after(float("inf") if seconds is None else seconds):
            async with self._idle:
                while self._scopes:
                    await self._idle.wait()
        self.cancel()

    async def __aenter__(self) -> Children:
        self._nursery = await self._manager.__aenter__()
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            await self._manager.__aexit__(type(error) if error else None, error, None)
        except BaseException as group:
            raise_alone(group)
            raise


def raise_alone(group: BaseException) -> None:
    """Raise what a nursery of ours has wrapped: a caller of ours never asked for a group.

    A nursery wraps even the KeyboardInterrupt that came while somebody waited in it, and ``except KeyboardInterrupt``
    does not see that. Returns when there are several errors that differ in what is to be done about them.
    """
    import trio

    errors = list(_leaves(group))
    error = next((error for error in errors if isinstance(error, KeyboardInterrupt)), errors[0])
    alike = len(errors) == 1 or all(isinstance(error, trio.Cancelled) for error in errors)
    if error is group or not (alike or isinstance(error, KeyboardInterrupt)):
        return
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context  # not the group, which has the error in it: a cycle
        del error, errors, context, group


def _leaves(error: BaseException) -> Iterator[BaseException]:
    inner: Sequence[BaseException] | None = getattr(error, "exceptions", None)
    if inner is None:
        yield error
    for one in inner or ():
        yield from _leaves(one)


class _TrioWakeUp(WakeUp):
    def __init__(self) -> None:
        import trio

        self._event = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def set(self) -> None:
        import trio

        try:
            self._token.run_sync_soon(self._event.set)
        except trio.RunFinishedError:
            pass  # nobody waits any more

    async def wait(self) -> None:
        await self._event.wait()
