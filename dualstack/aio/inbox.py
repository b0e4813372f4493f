"""Inbox: what one task waits for while it races: reports from its own loop and from resolver threads."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any

__all__ = ("AsyncioInbox", "Inbox", "TrioInbox")


class Inbox:
    """A queue that one task reads."""

    def __init__(self) -> None:
        self.items: deque[Any] = deque()

    def put(self, item: object) -> None:
        """Add an item, from the loop's own thread."""
        raise NotImplementedError

    def post(self, item: object) -> None:
        """Add an item from any thread, also after the loop has gone (then nobody reads)."""
        raise NotImplementedError

    async def wait(self, seconds: float | None) -> None:
        """Wait until there is an item or *seconds* have passed; may return early."""
        raise NotImplementedError


class AsyncioInbox(Inbox):
    """For any asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: object) -> None:
        self.items.append(item)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def post(self, item: object) -> None:
        try:
            self._loop.call_soon_threadsafe(self.put, item)
        except RuntimeError:  # the loop is closed
            pass

    async def wait(self, seconds: float | None) -> None:
        if self.items:
            return
        self._waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


class TrioInbox(Inbox):
    """For trio."""

    def __init__(self) -> None:
        import trio

        super().__init__()
        self._event = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def put(self, item: object) -> None:
        self.items.append(item)
        self._event.set()

    def post(self, item: object) -> None:
        import trio

        try:
            self._token.run_sync_soon(self.put, item)
        except trio.RunFinishedError:
            pass

    async def wait(self, seconds: float | None) -> None:
        import trio

        if self.items:
            return
        self._event = trio.Event()
        with trio.move_on_after(float("inf") if seconds is None else seconds):
            await self._event.wait()
