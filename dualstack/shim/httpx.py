"""httpx with our connections: a transport for ``httpx.Client`` and one for ``httpx.AsyncClient`` (asyncio and trio).

    client = httpx.Client(transport=DualStackTransport(allow=dualstack.public_only))

Only the making of the socket is ours (dualstack.shim.httpcore); the rest is httpx's own transport. Exceptions are
httpx's ConnectTimeout and ConnectError, with our ConnectError or ResolveError as ``__cause__``. What a client passes to
its transport must be passed to this one: ``verify``, ``cert``, ``http2``, ``limits``, ``proxy``. A client with a
transport does not read proxies from the environment; with ``proxy=``, *allow* sees the proxy and nothing else.
"""

from __future__ import annotations

from .dial import cause_of
from .httpcore import AsyncDualStackBackend, DualStackBackend
from .unix_urls import HOST, SCHEMES, leads_to_a_socket, socket_of

try:
    import httpx
except ImportError as _missing:
    raise ModuleNotFoundError(
        "dualstack.shim.httpx needs httpx 0.27 or newer: pip install httpx", name="httpx"
    ) from _missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from ..core.endpoint_unix import UnixEndpoint
    from ..core.guard import Allow
    from ..net.attempt import Local

__all__ = ("AsyncDualStackTransport", "DualStackTransport")


class DualStackTransport(httpx.HTTPTransport):
    """``transport=`` for ``httpx.Client``.

    * *allow*, *local*: as for ``dualstack.connect``; the guard is asked about each address right before its socket is
      made, after redirects and reconnects too.
    * *unix*: send everything through this Unix socket; the Host header and the name for TLS stay those of the URL.
    * *connecting*: further keywords of ``dualstack.connect``: attempt_delay, family, history, options,
      resolution_delay, trace.

    All other arguments are those of ``httpx.HTTPTransport``. ``http+unix`` URLs go to the socket they name; make them
    with ``unix_url``, because httpx makes small letters of a host. A response that redirects to another Unix socket
    raises UnsupportedProtocol.
    """

    def __init__(
        self,
        *,
        allow: Allow | None = None,
        local: Local | None = None,
        unix: str | bytes | os.PathLike[Any] | UnixEndpoint | None = None,
        connecting: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self._backend = DualStackBackend(allow=allow, local=local, unix=unix, connecting=connecting)
        self._keywords = keywords
        self._over_unix: dict[str, DualStackTransport] = {}
        _install(self._pool, self._backend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; called by httpx."""
        if request.url.scheme in SCHEMES:
            return _checked(request, self._at(request.url).handle_request(_local(request)))
        try:
            response = super().handle_request(request)
        except httpx.TransportError as error:
            raise error from (cause_of(error) or error.__cause__)
        try:
            return _checked(request, response)
        except BaseException:
            response.close()
            raise

    def __exit__(self, *details: Any) -> None:
        self._close_others()
        super().__exit__(*details)

    def close(self) -> None:
        """Close all connections."""
        self._close_others()
        super().close()

    def _close_others(self) -> None:
        for transport in self._over_unix.values():
            transport.close()

    def _at(self, url: httpx.URL) -> DualStackTransport:
        host = _socket_host(url)
        known = self._over_unix.get(host)
        if known is None:
            dial = self._backend.dial
            made = DualStackTransport(
                allow=dial.allow, unix=socket_of(host), connecting=dial.connecting, **_without_proxy(self._keywords)
            )
            known = self._over_unix.setdefault(host, made)
        return known


class AsyncDualStackTransport(httpx.AsyncHTTPTransport):
    """``transport=`` for ``httpx.AsyncClient``, under asyncio and trio; arguments of DualStackTransport."""

    def __init__(
        self,
        *,
        allow: Allow | None = None,
        local: Local | None = None,
        unix: str | bytes | os.PathLike[Any] | UnixEndpoint | None = None,
        connecting: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self._backend = AsyncDualStackBackend(allow=allow, local=local, unix=unix, connecting=connecting)
        self._keywords = keywords
        self._over_unix: dict[str, AsyncDualStackTransport] = {}
        _install(self._pool, self._backend)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; called by httpx."""
        if request.url.scheme in SCHEMES:
            return _checked(request, await self._at(request.url).handle_async_request(_local(request)))
        try:
            response = await super().handle_async_request(request)
        except httpx.TransportError as error:
            raise error from (cause_of(error) or error.__cause__)
        try:
            return _checked(request, response)
        except BaseException:
            await response.aclose()
            raise

    async def __aexit__(self, *details: Any) -> None:
        await self._close_others()
        await super().__aexit__(*details)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._close_others()
        await super().aclose()

    async def _close_others(self) -> None:
        for transport in self._over_unix.values():
            await transport.aclose()

    def _at(self, url: httpx.URL) -> AsyncDualStackTransport:
        host = _socket_host(url)
        known = self._over_unix.get(host)
        if known is None:
            dial = self._backend.dial
            known = self._over_unix[host] = AsyncDualStackTransport(
                allow=dial.allow, unix=socket_of(host), connecting=dial.connecting, **_without_proxy(self._keywords)
            )
        return known


def _install(pool: Any, backend: object) -> None:
    # httpx has no argument for it; its own transport gives this attribute to each connection the pool makes.
    if not hasattr(pool, "_network_backend"):
        raise ImportError(f"this httpx ({httpx.__version__}) makes its connections in a way that is not known here")
    pool._network_backend = backend


def _socket_host(url: httpx.URL) -> str:
    host: str = url.raw_host.decode("ascii")
    try:
        socket_of(host)
    except ValueError as error:
        raise httpx.UnsupportedProtocol(f"no Unix socket: {error}") from error
    return host


def _without_proxy(keywords: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if name not in ("proxy", "local_address")}


def _local(request: httpx.Request) -> httpx.Request:
    """The same request for the server behind the socket."""
    url = request.url.copy_with(scheme=SCHEMES[request.url.scheme], host=HOST, port=None)
    headers = request.headers.copy()
    if headers.get("host") == request.url.netloc.decode("ascii"):
        headers["host"] = HOST
    return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)


def _checked(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if response.has_redirect_location and leads_to_a_socket(response.headers["location"], str(request.url)):
        location = response.headers["location"]
        raise httpx.UnsupportedProtocol(f"a redirect to a Unix socket is not followed: {location}")
    return response
