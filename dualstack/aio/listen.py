"""aio.open_listener: the listener of ``net/``, awaited.

The binding is the same code, and so is what each accept errno means (``Listener.take``); here is only the waiting. One
task at a time waits on the sockets, the others queue behind a lock: event loops keep one waiter per descriptor.

Nothing is held across an ``await``: the task waits for readiness, then accepts and wraps without giving way, so a
cancellation finds either no connection or one that was returned. On the Proactor loop, which cannot wait for
readiness, an accept stays pending between calls; what it took goes to the next caller, or is closed with the listener.
"""

from __future__ import annotations

from .. import doors
from ..core.delays import check_timeout
from ..core.endpoint import IPEndpoint
from ..net.listen import Opener, gate_of, needs_lookup, read_addresses
from ..net.listener import Listener
from .backend import AsyncioBackend, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence
    from socket import socket as Socket
    from types import TracebackType

    from ..core.endpoint import Endpoint
    from ..core.options import SocketOptions
    from ..net.gate import AllowPeer
    from ..net.listen import Host
    from .backend import Backend, Children
    from .pending import PendingAccepts

__all__ = ("AsyncListener", "open_listener")

_FAIR = 16  # connections accepted without waiting before other tasks get their turn


async def open_listener(
    host: Host | Sequence[Host] = None,
    port: int | str | None = None,
    *,
    backlog: int | None = None,
    v6only: bool | None = None,
    reuse_port: bool = False,
    exclusive: bool = True,
    mode: int = 0o600,
    owner: int | str | None = None,
    group: int | str | None = None,
    takeover: str = "stale",
    allow: AllowPeer | None = None,
    tls: ssl.SSLContext | None = None,
    options: SocketOptions | None = None,
) -> AsyncListener:
    """Listen on *host* and *port*; arguments, meanings and errors are those of ``dualstack.open_listener``.

    Names are resolved without blocking the loop; the binding itself does not wait for anything. With *tls*,
    connections are wrapped as non-blocking ``SSLSocket``; asyncio programs that want streams use ``start_server``.
    """
    backend = current()
    if tls is not None:
        from ..net.tls import check_server_context

        check_server_context(tls)
    addresses = read_addresses(host, port)
    resolved = {}
    for address in addresses:
        if needs_lookup(address):
            from .connecting import resolve

            found = await resolve(address.host, address.port, family=address.family, passive=True)
            resolved[address] = [endpoint for endpoint in found if isinstance(endpoint, IPEndpoint)]
    world = doors.current
    gate = gate_of(allow)
    opener = Opener(world, backlog, v6only, reuse_port, exclusive, mode, owner, group, takeover, options)
    opened = opener.open_all(addresses, resolved)
    return AsyncListener(Listener(world, opened, tls=tls, gate=gate, blocking=False), backend)


class AsyncListener:
    """Listening sockets that answer as one, awaited; made by ``aio.open_listener``.

    ``accept`` returns ``(socket, Endpoint)`` with a non-blocking, non-inheritable stdlib socket. An async context
    manager and an async iterator over connections. ``close`` may be called from any thread.
    """

    def __init__(self, listener: Listener, backend: Backend) -> None:
        self._listener = listener
        self._backend = backend
        self._wake = backend.wake_up()
        self._turn = backend.lock()
        self._streak = 0
        self._pending = _pending(listener, backend)
        self._children: Children | None = None  # the handlers of serve

    # ------------------------------------------------------------------ what it is

    @property
    def sockets(self) -> tuple[Socket, ...]:
        """The listening sockets, non-blocking, still owned by this listener."""
        return self._listener.sockets

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where it listens, in the order asked for."""
        return self._listener.endpoints

    @property
    def port(self) -> int | None:
        """The port of its IP sockets, None with only Unix sockets."""
        return self._listener.port

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._listener.closed

    @property
    def refused(self) -> int:
        """How many connections ``allow`` has refused; they were closed at once."""
        return self._listener.refused

    def connect_endpoint(self) -> Endpoint:
        """An endpoint of this host that reaches the listener."""
        return self._listener.connect_endpoint()

    def urls(self, scheme: str) -> list[str]:
        """Addresses to print, ``scheme://host:port``."""
        return self._listener.urls(scheme)

    # ------------------------------------------------------------------ accepting

    async def accept(self, timeout: float | None = None) -> tuple[Socket, Endpoint]:
        """Wait for a connection and return it with its peer; *timeout* in seconds, None waits for ever.

        Raises TimeoutError, OSError EBADF once the listener is closed, and what ``Listener.accept`` raises.
        """
        timeout = check_timeout(timeout)
        monotonic = self._listener.world.monotonic
        deadline = None if timeout is None else monotonic() + timeout
        if self._backend.name == "trio" or self._streak >= _FAIR:
            self._streak = 0
            await self._backend.checkpoint()
        with self._listener.using():
            async with self._turn:
                while True:
                    if self._listener.closed and self._pending is not None:
                        await self._pending.ended()
                    self._listener.check_open()
                    taken = self._take_any()
                    if isinstance(taken, tuple):
                        self._streak += 1
                        return taken
                    remaining = None if deadline is None else deadline - monotonic()
                    if remaining is not None and remaining <= 0:
                        raise self._listener.timed_out(timeout)
                    if taken is not None:  # out of descriptors or memory: the sockets are ready all the while
                        pause = taken if remaining is None else min(taken, remaining)
                        await self._backend.wait_any((), self._wake, pause)
                    elif self._pending is None:
                        await self._backend.wait_any(self._listener.sockets, self._wake, remaining)
                    else:
                        await self._pending.wait(self._wake, remaining)

    def _take_any(self) -> tuple[Socket, Endpoint] | float | None:
        if self._pending is not None:
            return self._pending.take()
        pause = None
        for one in self._listener.hot_last():
            taken = self._listener.take(one)
            if isinstance(taken, tuple):
                return taken
            pause = pause or taken
        return pause

    # ------------------------------------------------------------------ serving and the end

    def __aiter__(self) -> AsyncListener:
        return self

    async def __anext__(self) -> tuple[Socket, Endpoint]:
        try:
            return await self.accept()
        except OSError:
            if self._listener.closed:
                raise StopAsyncIteration from None
            raise

    async def serve(
        self,
        handler: Callable[[Socket, Endpoint], Awaitable[object]],
        *,
        tasks: int = 10_000,
        handshake_timeout: float = 10.0,
    ) -> None:
        """Accept until closed and run ``await handler(socket, peer)`` in a task each, at most *tasks* at a time.

        The connection is closed when the handler returns; an exception of the handler is logged and ends nothing else.
        Returns after ``close``, when every handler has returned; cancelling it cancels them and waits for them.
        """
        if self._children is not None:
            raise RuntimeError("this listener is being served already")
        from .serve import Server

        try:
            async with self._backend.children() as self._children:
                await Server(self, handler, tasks, handshake_timeout).run(self._backend, self._children)
        finally:
            self._children = None

    def close(self) -> None:
        """Stop listening at once: every ``accept`` ends, our socket files go, the sockets close. Handlers go on."""
        self._listener.close()  # descriptors go when the last task has left accept
        self._wake.set()
        if self._pending is not None:
            self._pending.end_soon()

    async def aclose(self, drain: float | None = None) -> None:
        """Close, give the handlers of ``serve`` *drain* seconds (None: as long as they take), then cancel them."""
        self.close()
        if self._pending is not None:
            await self._pending.ended()
        if self._children is not None:
            await self._children.drain(drain)

    async def __aenter__(self) -> AsyncListener:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._pending is not None:
            await self._pending.ended()

    def __repr__(self) -> str:
        return repr(self._listener).replace("<Listener", "<AsyncListener", 1)


def _pending(listener: Listener, backend: Backend) -> PendingAccepts | None:
    if backend.can_wait or not isinstance(backend, AsyncioBackend):
        return None
    from .pending import PendingAccepts

    return PendingAccepts(listener, backend)
