"""Accepts that asyncio's Proactor loop carries out (Windows): started ahead, one per listening socket.

The loop reports the end of an accept, not that one would succeed. So an accept is under way on each socket of a
listener while somebody waits, and stays so for the next caller when another socket was faster or time was up: to cancel
it could lose a connection. What breaks is the end. An accept that was cancelled is over only when the loop has reaped
it; if its listening socket is closed before that, the loop loses the socket it had made for the connection, and logs an
error that nobody can do anything about (``IocpProactor.accept``). Hence: cancel in the thread of the loop, keep the
descriptors until all have ended, and let those who wait for the listener's end wait for that too.
"""

from __future__ import annotations

from ..core.endpoint import AF_UNIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from contextlib import AbstractContextManager
    from socket import socket as Socket
    from typing import Any

    from ..core.endpoint import Endpoint
    from ..net.listener import Listener
    from ..net.opened import Opened
    from .backend import AsyncioBackend, WakeUp

__all__ = ("PendingAccepts",)


class PendingAccepts:
    """The accepts under way of one listener."""

    def __init__(self, listener: Listener, backend: AsyncioBackend) -> None:
        self._listener = listener
        self._backend = backend
        self._futures: dict[Opened, asyncio.Future[tuple[Socket, Any]]] = {}
        self._ending: set[asyncio.Future[tuple[Socket, Any]]] = set()
        self._held: AbstractContextManager[None] | None = None  # keeps the descriptors open

    def take(self) -> tuple[Socket, Endpoint] | float | None:
        """A connection that was accepted, the seconds to wait before trying again, or None."""
        for one, future in list(self._futures.items()):
            if future.done():
                del self._futures[one]
                taken = self._listener.take(one, future.result)
                if taken is not None:
                    return taken
        return None

    async def wait(self, wake: WakeUp, seconds: float | None) -> None:
        """Return when one has ended, *wake* was set or *seconds* have passed."""
        loop = self._backend.loop
        for one in self._listener.hot_last():
            if one not in self._futures:
                if self._held is None:
                    self._held = self._listener.using()
                    self._held.__enter__()
                self._futures[one] = loop.create_task(_accept(loop, one))
        await self._backend.wait_futures(list(self._futures.values()), wake, seconds)

    def end_soon(self) -> None:
        """Have them cancelled; from any thread."""
        try:
            self._backend.loop.call_soon_threadsafe(self._end)
        except RuntimeError:
            pass  # the loop is closed, and has cancelled its tasks before that

    def _end(self) -> None:
        futures, self._futures = self._futures, {}
        self._ending.update(futures.values())
        for future in futures.values():
            future.cancel()
            future.add_done_callback(self._ended)
        if not self._ending:
            self._release()

    def _ended(self, future: asyncio.Future[tuple[Socket, Any]]) -> None:
        self._ending.discard(future)
        if not future.cancelled() and future.exception() is None:
            future.result()[0].close()
        if not self._ending:
            # Once more round the loop: its own task for the accepted socket runs beside ours.
            self._backend.loop.call_soon(self._release)

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.__exit__(None, None, None)

    async def ended(self) -> None:
        """End them and wait until they have."""
        self._end()
        while self._held is not None:
            await self._backend.sleep(0)


async def _accept(loop: asyncio.AbstractEventLoop, one: Opened) -> tuple[Socket, Any]:
    """Accept on the Proactor loop, also on the Unix sockets it does not know (its AcceptEx has room for IP only)."""
    if one.family != AF_UNIX:
        return await loop.sock_accept(one.socket)
    from select import select

    while True:
        try:
            return one.socket.accept()
        except BlockingIOError:
            pass
        # In a thread, which cannot be interrupted: so it looks up now and then, in seconds.
        await loop.run_in_executor(None, select, [one.socket], [], [], 0.2)
