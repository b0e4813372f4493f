"""aio.open_datagram: the datagram socket of ``net/``, awaited, under asyncio and trio.

Opening, receiving, answering and every error are the code of the synchronous socket; here is only the waiting, which
each event loop does in its own way (datagram_waiting.py). Cancelling a task that waits loses no datagram.
"""

from __future__ import annotations

import errno

from ..core.delays import check_timeout
from ..core.endpoint import IPEndpoint
from ..net.datagram import open_read, read_arguments, to_look_up
from .backend import AsyncioBackend, current
from .datagram_waiting import ReaderWaiting, ThreadWaiting, TrioWaiting, Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket as Socket
    from types import TracebackType
    from typing import Any

    from ..core.address import Address
    from ..core.endpoint import Endpoint
    from ..core.options import SocketOptions
    from ..net.datagram_socket import DatagramSocket
    from ..net.listen import Host
    from ..net.packet import Channel, Datagram
    from .backend import Backend

__all__ = ("AsyncDatagramSocket", "open_datagram")

_SEND_PAUSE_SECONDS = 0.002  # between tries to send when there was no room


async def open_datagram(
    host: Host | Sequence[Host] = None,
    port: int | str | None = None,
    *,
    remote: Host | tuple[str, int] = None,
    v6only: bool | None = None,
    dual: bool | None = None,
    share: bool = False,
    broadcast: bool = False,
    timestamps: bool = False,
    strict: bool = False,
    multicast_ttl: int | None = None,
    multicast_loop: bool | None = None,
    multicast_interface: str | int | None = None,
    source_selection: str = "auto",
    mode: int = 0o600,
    takeover: str = "stale",
    options: SocketOptions | None = None,
) -> AsyncDatagramSocket:
    """Open a datagram socket; arguments, meanings and errors are those of ``dualstack.open_datagram``.

    Names are resolved without blocking the loop; the rest waits for nothing.
    """
    backend = current()
    local, peer = read_arguments(host, port, remote)
    resolved = {one: await _look_up(one, passive=one is not peer) for one in to_look_up(local, peer)}
    opened = open_read(
        local,
        peer,
        resolved,
        v6only=v6only,
        dual=dual,
        share=share,
        broadcast=broadcast,
        timestamps=timestamps,
        strict=strict,
        multicast_ttl=multicast_ttl,
        multicast_loop=multicast_loop,
        multicast_interface=multicast_interface,
        source_selection=source_selection,
        mode=mode,
        takeover=takeover,
        options=options,
    )
    try:
        return AsyncDatagramSocket(opened, backend)
    except BaseException:
        opened.close()
        raise


async def _look_up(address: Address, *, passive: bool) -> list[IPEndpoint]:
    from socket import SOCK_DGRAM

    from .connecting import resolve

    found = await resolve(address.host, address.port, family=address.family, type=SOCK_DGRAM, passive=passive)
    return [endpoint for endpoint in found if isinstance(endpoint, IPEndpoint)]


class AsyncDatagramSocket:
    """A datagram socket, awaited; made by ``aio.open_datagram``.

    What does not wait is as in ``DatagramSocket``: ``sockets``, ``endpoints``, ``port``, ``remote``, ``join``,
    ``leave``, the ``multicast_`` properties. Several tasks may receive and send at a time.
    """

    def __init__(self, sock: DatagramSocket, backend: Backend) -> None:
        self._sock = sock
        self._backend = backend
        self._waiting: Waiting
        self._reader: ReaderWaiting | None = None
        if not isinstance(backend, AsyncioBackend):
            self._waiting = TrioWaiting(sock)
        elif backend.can_wait:
            self._waiting = self._reader = ReaderWaiting(sock, backend.loop)
        else:
            self._waiting = ThreadWaiting(sock, backend.loop)
        self._taken = self._waiting.taken
        self._unix = not isinstance(sock.endpoints[0], IPEndpoint)

    # ------------------------------------------------------------------ what it is

    @property
    def sockets(self) -> tuple[Socket, ...]:
        """The sockets behind it; they are non-blocking, do not close them."""
        return self._sock.sockets

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where each of the sockets is bound."""
        return self._sock.endpoints

    @property
    def port(self) -> int:
        """The one port of all sockets; 0 for Unix sockets."""
        return self._sock.port

    @property
    def remote(self) -> Endpoint | None:
        """The peer of a connected socket, else None."""
        return self._sock.remote

    @property
    def source_selection(self) -> str:
        """How answers get their source, as in ``DatagramSocket``."""
        return self._sock.source_selection

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._sock.closed

    def __repr__(self) -> str:
        return repr(self._sock).replace("<DatagramSocket", "<AsyncDatagramSocket", 1)

    # ------------------------------------------------------------------ receiving

    async def recv(
        self, timeout: float | None = None, *, max_size: int | None = None, strict: bool | None = None
    ) -> Datagram:
        """Wait for a datagram; as ``DatagramSocket.recv``. Cancelling loses none."""
        taken, reader = self._taken, self._reader
        if not taken and reader is not None and timeout is None and not self._sock.closed:
            future = reader.queue()
            try:
                await future
            except BaseException:
                reader.leave(future)
                raise
        if taken:
            datagram = taken.popleft()
            if isinstance(datagram, OSError):
                raise datagram
            if datagram._received[2] or max_size is not None or self._unix:
                self._sock.check(datagram, max_size, strict)
            return datagram
        return await self._receive(None, timeout, max_size, strict)

    async def recv_into(self, buffer: Any, timeout: float | None = None, *, strict: bool | None = None) -> Datagram:
        """Receive into a writable *buffer*; as ``DatagramSocket.recv_into``."""
        return await self._receive(self._sock.into(buffer), timeout, None, strict)

    async def recv_many(
        self, most: int, timeout: float | None = None, *, max_size: int | None = None, strict: bool | None = None
    ) -> list[Datagram]:
        """Wait for one datagram, then take what else is there, up to *most*; as ``DatagramSocket.recv_many``."""
        if most < 1:
            raise ValueError(f"recv_many takes at least 1, not {most}")
        got = [await self.recv(timeout, max_size=max_size, strict=strict)]
        while len(got) < most and not self._sock.closed:
            datagram = self._waiting.take() or self._sock.grab()
            if datagram is None:
                break
            self._sock.check(datagram, max_size, strict)
            got.append(datagram)
        return got

    async def _receive(
        self,
        receive: Callable[[Channel], Datagram] | None,
        timeout: float | None,
        max_size: int | None,
        strict: bool | None,
    ) -> Datagram:
        sock, waiting = self._sock, self._waiting
        timeout = check_timeout(timeout)
        await waiting.enter()
        waited = False
        deadline: float | None = None
        while True:
            sock.check_open()
            left: float | None = None
            if timeout is not None:
                now = sock.now()
                deadline = now + timeout if deadline is None else deadline
                left = deadline - now
            datagram = waiting.take() if receive is None else None
            if datagram is None and (receive is not None or waiting.tries or (left is not None and left <= 0)):
                datagram = sock.grab(receive)
            if datagram is not None:
                if not waited:
                    await waiting.give_way()
                sock.check(datagram, max_size, strict)
                return datagram
            if left is not None and left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, f"no datagram within {timeout:g} s")
            # With a buffer of the caller's the reader must not take the datagram, only say that there is one.
            await waiting.wait(left, taking=receive is None)
            waited = True

    def __aiter__(self) -> AsyncDatagramSocket:
        return self

    async def __anext__(self) -> Datagram:
        try:
            return await self.recv()
        except OSError:
            if self._sock.closed:
                raise StopAsyncIteration from None
            raise

    # ------------------------------------------------------------------ sending

    async def reply(self, datagram: Datagram, data: Any, timeout: float | None = None) -> int:
        """Answer from the address that was asked; as ``DatagramSocket.reply``. Waits only for room to send."""
        reader = self._reader
        try:
            if reader is not None and reader.registered:  # which holds the socket
                return self._sock.answer(datagram, data, 0)
            return self._sock.reply(datagram, data, 0)
        except TimeoutError:
            return await self._again(lambda: self._sock.reply(datagram, data, 0), timeout)

    async def send(
        self,
        data: Any,
        to: Endpoint | str | tuple[Any, ...] | None = None,
        *,
        source: Endpoint | str | None = None,
        interface: str | int | None = None,
        timeout: float | None = None,
    ) -> int:
        """Send one datagram; as ``DatagramSocket.send``. Waits only for room to send."""

        def attempt() -> int:
            return self._sock.send(data, to, source=source, interface=interface, timeout=0)

        try:
            return attempt()
        except TimeoutError:
            return await self._again(attempt, timeout)

    async def _again(self, attempt: Callable[[], int], timeout: float | None) -> int:
        """Try until there is room."""
        clock = self._sock.now
        deadline = None if timeout is None else clock() + timeout
        while deadline is None or clock() < deadline:
            # A full queue of an interface does not show in the readiness of the socket, so time is the safe measure.
            await self._backend.sleep(_SEND_PAUSE_SECONDS)
            try:
                return attempt()
            except TimeoutError:
                pass
        return attempt()

    # ------------------------------------------------------------------ groups

    def join(
        self,
        group: str | Endpoint,
        interface: str | int | None = None,
        source: str | Endpoint | None = None,
        *,
        follow: bool = False,
    ) -> None:
        """Hear a multicast group; as ``DatagramSocket.join``. Does not wait."""
        self._sock.join(group, interface, source, follow=follow)

    def leave(
        self, group: str | Endpoint, interface: str | int | None = None, source: str | Endpoint | None = None
    ) -> None:
        """Undo ``join``; as ``DatagramSocket.leave``."""
        self._sock.leave(group, interface, source)

    @property
    def multicast_ttl(self) -> int | None:
        """As ``DatagramSocket.multicast_ttl``."""
        return self._sock.multicast_ttl

    @multicast_ttl.setter
    def multicast_ttl(self, value: int) -> None:
        self._sock.multicast_ttl = value

    @property
    def multicast_loop(self) -> bool | None:
        """As ``DatagramSocket.multicast_loop``."""
        return self._sock.multicast_loop

    @multicast_loop.setter
    def multicast_loop(self, value: bool) -> None:
        self._sock.multicast_loop = value

    @property
    def multicast_interface(self) -> str | int | None:
        """As ``DatagramSocket.multicast_interface``."""
        return self._sock.multicast_interface

    @multicast_interface.setter
    def multicast_interface(self, value: str | int | None) -> None:
        self._sock.multicast_interface = value

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Close: every task that waits gets OSError EBADF. From any thread."""
        self._waiting.close()  # first: a descriptor is unregistered before its number can be somebody else's
        self._sock.close()

    async def __aenter__(self) -> AsyncDatagramSocket:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
