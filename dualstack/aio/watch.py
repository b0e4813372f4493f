"""aio.watch_interfaces: the watcher of ``net/``, awaited, under asyncio and trio.

Where notices come on a socket and the loop can wait for it, that is all there is. Elsewhere (Windows, asyncio's
Proactor loop, polling) one daemon thread waits and wakes the task; it ends with ``close()``. Taking a snapshot asks
the kernel, not the network, and is done in the task.
"""

from __future__ import annotations

from threading import Thread

from ..net.watch import SETTLE_ROUNDS, SETTLE_SECONDS, Watcher
from .backend import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from ..core.changes import Change
    from ..core.interfaces import Interfaces
    from .backend import Backend, WakeUp

__all__ = ("AsyncWatcher", "watch_interfaces")


def watch_interfaces(*, poll_interval: float | None = None) -> AsyncWatcher:
    """Watch the interfaces of this host: an asynchronous iterator of ``Change``.

        async with dualstack.aio.watch_interfaces() as watcher:
            async for change in watcher:
                print(change)

    Meanings are those of ``dualstack.watch_interfaces``. Cancelling the task that waits loses nothing; leaving the
    block, or ``close()``, ends the iteration.
    """
    return AsyncWatcher(current(), poll_interval)


class AsyncWatcher:
    """The iterator that ``aio.watch_interfaces()`` returns; one task at a time may wait in it."""

    def __init__(self, backend: Backend, poll_interval: float | None) -> None:
        self._backend = backend
        self._watcher = Watcher(poll_interval)
        self._queue: list[Change] = []
        self._closing = backend.wake_up()
        self._closed = False
        self._rounds = 0  # of waiting for the burst to end; kept over a cancellation, or short waits would never look
        self._reading = False  # the loop waits on the source's socket
        self._thread: Thread | None = None
        self._noticed: WakeUp | None = None

    @property
    def interfaces(self) -> Interfaces:
        """The latest snapshot."""
        return self._watcher.interfaces

    def __aiter__(self) -> AsyncWatcher:
        return self

    async def __anext__(self) -> Change:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            if not self._watcher.restless:
                await self._notice()
                self._watcher.restless = True  # cancelled before it has looked, the notice must not be used up
            await self._burst()
            if self._closed:
                raise StopAsyncIteration
            self._rounds = 0
            self._watcher.look()
            self._queue += self._watcher.pending()
        return self._queue.pop(0)

    async def _notice(self) -> None:
        """Return when there may be a change, or at ``close()``."""
        sock = self._watcher.source.sock
        if sock is not None and self._backend.can_wait:
            self._reading = True
            try:
                while not self._closed:
                    await self._backend.wait_any([sock], self._closing, None)
                    if self._watcher.source.drain():
                        return
                return
            finally:
                self._reading = False
                if self._closed:
                    self._release()
        if self._noticed is None:  # else a cancelled wait left its thread waiting
            self._noticed = self._backend.wake_up()
            self._thread = Thread(target=self._wait_in_thread, args=(self._noticed,), daemon=True)
            self._thread.start()
        await self._noticed.wait()
        self._noticed = None

    def _wait_in_thread(self, noticed: WakeUp) -> None:
        self._watcher.source.wait(None)
        noticed.set()

    async def _burst(self) -> None:
        """Wait until the burst of notices is over."""
        while self._rounds < SETTLE_ROUNDS:
            self._rounds += 1
            await self._backend.sleep(SETTLE_SECONDS)
            if self._closed or not self._watcher.source.drain():
                return

    def close(self) -> None:
        """End the iteration, also of another task that waits in it; from the loop's thread, again is fine."""
        self._closed = True
        self._closing.set()
        if not self._reading:
            self._release()
        # Else by the task that waits, once the loop has forgotten the descriptor: its number may be another's then.

    def _release(self) -> None:
        self._watcher.close()
        if self._thread is not None:
            self._thread.join()  # it was just woken
            self._thread = None

    async def __aenter__(self) -> AsyncWatcher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        await self._backend.checkpoint()
