"""Serving in tasks: the accept loop of ``AsyncListener.serve``.

As in ``net/serve.py`` a connection is accepted only when a handler may start, and waits in the kernel's backlog until
then. The handlers are children of ``serve``: they do not outlive it, whether it ends by ``close`` or by cancellation.
"""

from __future__ import annotations

from errno import ETIMEDOUT
from functools import partial

from ..net.log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from socket import socket as Socket
    from typing import Any

    from ..core.endpoint import Endpoint
    from .backend import Backend, Children
    from .listen import AsyncListener

__all__ = ("Server", "handshake")


class Server:
    """The accept loop and the handlers of one ``serve`` call."""

    def __init__(
        self,
        listener: AsyncListener,
        handler: Callable[[Socket, Endpoint], Awaitable[object]],
        tasks: int,
        handshake_timeout: float,
    ) -> None:
        if tasks < 1:
            raise ValueError("serve needs at least one task")
        self._listener = listener
        self._handler = handler
        self._free = tasks
        self._handshake_timeout = handshake_timeout

    async def run(self, backend: Backend, children: Children) -> None:
        """Accept until the listener is closed; the caller waits for the children."""
        self._backend = backend
        while True:
            while self._free == 0:
                self._room = backend.wake_up()
                await self._room.wait()
            try:
                connection, peer = await self._listener.accept()
            except OSError:
                if self._listener.closed:
                    return
                raise
            self._free -= 1
            children.start(self._work, connection, peer, release=partial(self._release, connection))

    async def _work(self, connection: Socket, peer: Endpoint) -> None:
        try:
            if hasattr(connection, "do_handshake"):
                await handshake(self._backend, connection, self._handshake_timeout)
            await self._handler(connection, peer)
        except Exception:  # noqa: BLE001 - whatever a handler raises is logged; it must not end the others
            log().exception("handler for %s", peer)

    def _release(self, connection: Socket) -> None:
        connection.close()
        self._free += 1
        if self._free == 1:
            self._room.set()


async def handshake(backend: Backend, connection: Any, seconds: float | None) -> None:
    """Carry out the TLS handshake of a non-blocking ``SSLSocket``; TimeoutError after *seconds*."""
    from ssl import SSLWantReadError, SSLWantWriteError
    from time import monotonic

    deadline = None if seconds is None else monotonic() + seconds
    never = backend.wake_up()
    while True:
        try:
            connection.do_handshake()
        except SSLWantReadError:
            remaining = None if deadline is None else deadline - monotonic()
            if remaining is not None and remaining <= 0:
                raise TimeoutError(ETIMEDOUT, f"no TLS handshake within {seconds:g} s") from None
            await backend.wait_any((connection,), never, remaining)
        except SSLWantWriteError:
            await backend.wait_writable(connection)
        else:
            return
