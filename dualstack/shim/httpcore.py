"""httpcore with our connections: a network backend, synchronous and asynchronous (asyncio and trio).

    pool = httpcore.ConnectionPool(network_backend=DualStackBackend(allow=dualstack.public_only))

httpx uses httpcore; dualstack.shim.httpx has the transports for it. Only the making of the socket is ours: pools,
HTTP/2, proxies and TLS are httpcore's. The connect timeout covers look-up and race together. Exceptions are httpcore's
ConnectTimeout and ConnectError; its pool cuts their ``__cause__`` off, and ``dualstack.shim.dial.cause_of`` finds ours
all the same. With a proxy, *allow* sees the proxy and nothing else.

A synchronous HTTP/1.1 connection that another process made (a pool used after ``fork``) counts as closed and is made
anew; an event loop does not survive a fork anyway.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from ..core.endpoint import AF_UNIX
from ..errors import AddressError
from .dial import NO_DELAY, Dial, in_one_line

try:
    import httpcore
    from httpcore._backends.sync import SyncStream  # its TLS, TLS in TLS included, must stay httpcore's own
except ImportError as _missing:
    raise ModuleNotFoundError(
        "dualstack.shim.httpcore needs httpcore 1.0.6 or newer: pip install httpcore", name="httpcore"
    ) from _missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from ..core.endpoint_unix import UnixEndpoint
    from ..core.guard import Allow
    from ..net.attempt import Local

__all__ = ("AsyncDualStackBackend", "DualStackBackend")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(in_one_line(error)) from error
    except (OSError, AddressError) as error:
        raise httpcore.ConnectError(in_one_line(error)) from error


class _Stream(SyncStream):
    """httpcore's stream over a socket, which knows whose process it belongs to."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self._pid = os.getpid()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secure = super().start_tls(ssl_context, server_hostname, timeout)
        return _Stream(secure._sock) if type(secure) is SyncStream else secure

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self._pid != os.getpid():
            return True  # an idle connection with something to read is over, to httpcore
        return super().get_extra_info(info)


class DualStackBackend(httpcore.NetworkBackend):
    """``network_backend=`` for ``httpcore.ConnectionPool``.

    * *allow*, *local*: as for ``dualstack.connect``; the guard is asked about each address right before its socket is
      made, after redirects and reconnects too.
    * *unix*: make all connections to this Unix socket.
    * *connecting*: further keywords of ``dualstack.connect``: attempt_delay, family, history, options,
      resolution_delay, trace.
    """

    def __init__(
        self,
        *,
        allow: Allow | None = None,
        local: Local | None = None,
        unix: str | bytes | os.PathLike[Any] | UnixEndpoint | None = None,
        connecting: Mapping[str, Any] | None = None,
    ) -> None:
        self.dial: Dial = Dial(allow=allow, local=local, unix=unix, connecting=connecting)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect; called by httpcore."""
        source, options = _arguments(local_address, socket_options)
        with _translated():
            return _Stream(self.dial.connect(host, port, timeout, source, options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Connect to the socket of a pool with ``uds=``; called by httpcore."""
        with _translated():
            return _Stream(self.dial.over(path).connect(path, 0, timeout, None, socket_options))


class AsyncDualStackBackend(httpcore.AsyncNetworkBackend):
    """``network_backend=`` for ``httpcore.AsyncConnectionPool``, under asyncio and trio; arguments of DualStackBackend.

    Needs anyio 4.11 or newer.
    """

    def __init__(
        self,
        *,
        allow: Allow | None = None,
        local: Local | None = None,
        unix: str | bytes | os.PathLike[Any] | UnixEndpoint | None = None,
        connecting: Mapping[str, Any] | None = None,
    ) -> None:
        self.dial: Dial = Dial(allow=allow, local=local, unix=unix, connecting=connecting)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; called by httpcore."""
        source, options = _arguments(local_address, socket_options)
        return await self._connect(self.dial, host, port, timeout, source, options)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the socket of a pool with ``uds=``; called by httpcore."""
        with _translated():
            dial = self.dial.over(path)
        return await self._connect(dial, path, 0, timeout, None, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Pause between retries; called by httpcore."""
        import anyio

        await anyio.sleep(seconds)

    async def _connect(self, dial: Dial, *arguments: Any) -> httpcore.AsyncNetworkStream:
        from anyio.abc import SocketStream, UNIXSocketStream
        from httpcore._backends.anyio import AnyIOStream  # see SyncStream

        with _translated():
            sock = await dial.connect_async(*arguments)
            try:
                kind = UNIXSocketStream if sock.family == AF_UNIX else SocketStream
                return AnyIOStream(await kind.from_socket(sock))
            except BaseException:
                sock.close()
                raise


def _arguments(
    local_address: str | None, socket_options: Iterable[Any] | None
) -> tuple[tuple[str, int] | None, list[Any]]:
    """What httpcore says, as a Dial takes it; TCP_NODELAY is httpcore's own default."""
    return None if local_address is None else (local_address, 0), [*(socket_options or ()), *NO_DELAY]
