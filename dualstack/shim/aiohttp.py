"""aiohttp with our connections: a connector.

    connector = DualStackConnector(allow=dualstack.public_only)
    async with aiohttp.ClientSession(connector=connector) as session: ...

Problem: aiohttp waits for both look-ups before it connects, keeps their answers for ten seconds, and has a place for
making a socket (``socket_factory``) but none for saying no to the address it will be connected to.

Our rule: a TCPConnector whose connecting is ours; pool, keep-alive, limits, proxies and TLS are aiohttp's. There is no
cache of look-ups: the guard is asked about the one answer that is then used. ``ClientTimeout.sock_connect`` covers
look-up, race and handshake. Exceptions are aiohttp's: ClientConnectorDNSError, ClientConnectorError
(ClientProxyConnectionError for a proxy), ConnectionTimeoutError, and InvalidURL for what is no host;
``dualstack.shim.dial.cause_of`` finds ours. With a proxy, *allow* sees the proxy and nothing else.

``http+unix`` URLs go to the socket they name; make them with ``unix_url``, because aiohttp makes small letters of a
host. aiohttp knows no ``https+unix``: use ``unix=`` and an ``https`` URL.
"""

from __future__ import annotations

import ssl
import sys

from ..errors import AddressError, ResolveError
from .dial import NO_DELAY, Dial
from .unix_urls import HOST, SCHEMES, socket_of

try:
    import aiohttp
    import aiohttp.abc
    import yarl
    from aiohttp.helpers import ceil_timeout
except ImportError as _missing:
    _text = "dualstack.shim.aiohttp needs aiohttp 3.13 or newer: pip install aiohttp"
    raise ModuleNotFoundError(_text, name="aiohttp") from _missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from ..core.endpoint_unix import UnixEndpoint
    from ..core.guard import Allow
    from ..net.attempt import Local

__all__ = ("DualStackConnector",)

_SCHEME = "http+unix"

# For relative redirects. yarl copies the lists of urllib.parse when it is imported, which may have been before
# unix_urls.py had added to them; where a later yarl does it otherwise, such a redirect is aiohttp's InvalidURL.
for _name in ("USES_RELATIVE", "USES_AUTHORITY"):
    _copied = getattr(yarl._url, _name, None)
    if isinstance(_copied, frozenset):
        setattr(yarl._url, _name, _copied | set(SCHEMES))


class _Unresolved(aiohttp.abc.AbstractResolver):
    """Gives every name back as it is: the race asks for its addresses."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [{"hostname": host, "host": host, "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is open."""


class DualStackConnector(aiohttp.TCPConnector):
    """``connector=`` for ``aiohttp.ClientSession``.

    * *allow*, *local*: as for ``dualstack.connect``; the guard is asked about each address right before its socket is
      made, after redirects and reconnects too.
    * *unix*: send everything through this Unix socket; the Host header and the name for TLS stay those of the URL.
    * *connecting*: further keywords of ``dualstack.connect``: attempt_delay, family, history, options,
      resolution_delay, trace.

    All other arguments are those of ``aiohttp.TCPConnector``, except those about resolving and racing (resolver,
    use_dns_cache, ttl_dns_cache, happy_eyeballs_delay, interleave, socket_factory), which raise TypeError.
    """

    allowed_protocol_schema_set: frozenset[str] = aiohttp.TCPConnector.allowed_protocol_schema_set | {_SCHEME}

    def __init__(
        self,
        *,
        allow: Allow | None = None,
        local: Local | None = None,
        unix: str | bytes | os.PathLike[Any] | UnixEndpoint | None = None,
        connecting: Mapping[str, Any] | None = None,
        family: int = 0,
        local_addr: tuple[str, int] | None = None,
        **keywords: Any,
    ) -> None:
        ours = {"happy_eyeballs_delay", "interleave", "resolver", "socket_factory", "ttl_dns_cache", "use_dns_cache"}
        if ours & set(keywords):
            raise TypeError(f"{', '.join(sorted(ours & set(keywords)))}: the race is dualstack's; see connecting=")
        further = dict(connecting or ())
        if family:
            further["family"] = family
        self.dial: Dial = Dial(allow=allow, local=local, unix=unix, connecting=further)
        self._source = local_addr
        super().__init__(resolver=_Unresolved(), use_dns_cache=False, **keywords)

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        """Take a connection from the pool or make one; called by aiohttp."""
        if req.url.scheme == _SCHEME and req.headers.get("Host") == req.url.host_port_subcomponent:
            req.headers["Host"] = HOST
        return await super().connect(req, traces, timeout)

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        if req.url.scheme != _SCHEME:
            return await super()._create_connection(req, traces, timeout)
        try:
            dial = self.dial.over(socket_of(req.url.raw_host))
        except AddressError as error:
            raise aiohttp.InvalidURL(req.url, str(error)) from error
        return (await self._dialled(dial, HOST, 0, self._factory, req=req, timeout=timeout))[1]

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: Any,
        req: Any,
        timeout: Any,
        client_error: Any = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> Any:
        host, port = addr_infos[0][4][:2]  # as _Unresolved gave it, or a literal
        return await self._dialled(
            self.dial, host, port, *args, req=req, timeout=timeout, client_error=client_error, **kwargs
        )

    async def _dialled(
        self,
        dial: Dial,
        host: str,
        port: int,
        *args: Any,
        req: Any,
        timeout: Any,
        client_error: Any = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> Any:
        """Connect and let the loop make transport and TLS of it; errors as TCPConnector raises them."""
        seconds = timeout.sock_connect or None  # 0 is none, to aiohttp
        started = self._loop.time()
        try:
            sock = await dial.connect_async(host, port, seconds, self._source, NO_DELAY)
        except AddressError as error:
            raise aiohttp.InvalidURL(req.url, str(error)) from error
        except ResolveError as error:
            raise aiohttp.ClientConnectorDNSError(req.connection_key, error) from error
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {req.url}: {error}") from error
        except OSError as error:
            raise client_error(req.connection_key, error) from error
        if kwargs.get("ssl") and getattr(self, "_ssl_shutdown_timeout", 0) and sys.version_info >= (3, 11):
            kwargs["ssl_shutdown_timeout"] = self._ssl_shutdown_timeout
        try:
            left = None if seconds is None else max(started + seconds - self._loop.time(), 0.001)  # 0 would be none
            async with ceil_timeout(left, ceil_threshold=timeout.ceil_threshold):
                return await self._loop.create_connection(*args, **kwargs, sock=sock)
        except BaseException as error:
            sock.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
            if isinstance(error, ssl.SSLError):
                raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error
            if isinstance(error, OSError) and error.errno is not None:
                raise client_error(req.connection_key, error) from error
            raise
