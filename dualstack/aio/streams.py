"""asyncio streams over our sockets: ``start_server`` with the meanings of ``open_listener``.

``asyncio.start_server(cb, "::", 80)`` is IPv6 alone, ``None`` gives two ports for port 0, and one call takes TCP hosts
only. Here the listening sockets are ours and asyncio gets each connection: readers, writers and TLS are its own.
"""

from __future__ import annotations

import asyncio
from functools import partial

from ..net.log import log
from .listen import AsyncListener, open_listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence
    from socket import socket as Socket
    from types import TracebackType
    from typing import Any

    from ..core.endpoint import Endpoint
    from ..net.listen import Host

__all__ = ("StreamServer", "start_server")


async def start_server(
    client_connected_cb: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None],
    host: Host | Sequence[Host] = None,
    port: int | str | None = None,
    *,
    limit: int = 2**16,
    tls: ssl.SSLContext | None = None,
    handshake_timeout: float = 10.0,
    **listening: Any,
) -> StreamServer:
    """Serve asyncio streams on any addresses ``open_listener`` takes; asyncio only.

    *client_connected_cb* gets a reader and a writer per connection, *limit* is the reader's buffer in bytes. With *tls*
    the handshake has *handshake_timeout* seconds and delays nobody else. Other keywords go to ``open_listener``.
    ``writer.get_extra_info("peername")`` is asyncio's, with IPv4 clients of a dual-stack socket in mapped form;
    ``Endpoint.from_sockaddr(...).unmapped()`` makes an endpoint of it.
    """
    listener = await open_listener(host, port, **listening)
    return StreamServer(listener, client_connected_cb, limit, tls, handshake_timeout)


class StreamServer:
    """What ``start_server`` returns: it serves until closed, with the methods of ``asyncio.Server`` programs use."""

    def __init__(
        self,
        listener: AsyncListener,
        callback: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None],
        limit: int,
        tls: ssl.SSLContext | None,
        handshake_timeout: float,
    ) -> None:
        self.listener = listener
        self._callback = callback
        self._limit = limit
        self._tls = tls
        self._handshake_timeout = handshake_timeout
        self._loop = asyncio.get_running_loop()
        self._attaching: set[asyncio.Task[None]] = set()
        self._task = self._loop.create_task(self._accept())

    @property
    def sockets(self) -> tuple[Socket, ...]:
        """The listening sockets."""
        return self.listener.sockets

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where it listens."""
        return self.listener.endpoints

    @property
    def port(self) -> int | None:
        """The port of its IP sockets."""
        return self.listener.port

    def __repr__(self) -> str:
        return f"<StreamServer of {self.listener!r}>"

    def is_serving(self) -> bool:
        """Whether new connections are accepted."""
        return not self.listener.closed

    async def _accept(self) -> None:
        async for connection, _ in self.listener:
            task = self._loop.create_task(self._attach(connection))
            self._attaching.add(task)
            task.add_done_callback(partial(self._attached, connection))

    async def _attach(self, connection: Socket) -> None:
        reader = asyncio.StreamReader(limit=self._limit, loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, self._callback, loop=self._loop)
        timeout = self._handshake_timeout if self._tls is not None else None
        await self._loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self._tls, ssl_handshake_timeout=timeout
        )

    def _attached(self, connection: Socket, task: asyncio.Task[None]) -> None:
        self._attaching.discard(task)
        if task.cancelled():
            connection.close()
            return
        error = task.exception()
        if error is not None:  # a client that breaks its handshake is its own problem, and worth a line
            connection.close()
            log().warning("handshake on %s: %s", self.listener, error)

    def close(self) -> None:
        """Stop listening; open connections go on."""
        self.listener.close()

    async def wait_closed(self) -> None:
        """Wait until nothing is accepted any more and no handshake is under way; raise what ended the server."""
        while self._attaching:
            await asyncio.wait(self._attaching)
        await asyncio.shield(self._task)

    async def serve_forever(self) -> None:
        """Serve until cancelled, then close."""
        try:
            await asyncio.shield(self._task)
        finally:
            self.close()
            await self.wait_closed()

    async def __aenter__(self) -> StreamServer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()
