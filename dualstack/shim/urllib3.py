"""urllib3 with our connections: both families race, a guard, a local address, Unix sockets.

    from dualstack.shim.urllib3 import PoolManager
    http = PoolManager(allow=dualstack.public_only)
    http.request("GET", "https://example.com/")

Problem: urllib3 connects to one address after the other, each for the whole connect timeout, so a host whose IPv6 is
dead costs that timeout with every new connection. It has no place to say which addresses are allowed.

Our rule: only the making of the socket is replaced (``HTTPConnection._new_conn``); pools, keep-alive, retries, proxies
and TLS are urllib3's. The connect timeout covers look-up and race together. Exceptions are urllib3's own, with ours as
``__cause__``: NameResolutionError, ConnectTimeoutError, NewConnectionError, LocationParseError for what is no host.
A connection that another process made (a pool used after ``fork``) is dropped and made anew: two processes on one
connection would read each other's answers.

Left out: SOCKS, which urllib3 leaves to another library that connects by itself.
"""

from __future__ import annotations

import os
import sys
import urllib.parse
from functools import partial

from ..errors import AddressError, ResolveError
from .dial import Dial, in_one_line
from .unix_urls import HOST, SCHEMES, socket_of

try:
    import urllib3
    import urllib3.connection
except ImportError as _missing:
    raise ModuleNotFoundError(
        "dualstack.shim.urllib3 needs urllib3 2.x: pip install urllib3", name="urllib3"
    ) from _missing

from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket as Socket
    from typing import Any

    from ..core.endpoint_unix import UnixEndpoint
    from ..core.guard import Allow
    from ..net.attempt import Local

    class _Connection(urllib3.connection.HTTPConnection):
        """What the mix-in is mixed into, for type checkers."""

    class _Manager(urllib3.PoolManager):
        """What the mix-in is mixed into, for type checkers."""

else:
    _Connection = _Manager = object

__all__ = ("HTTPConnection", "HTTPSConnection", "PoolManager", "ProxyManager")


class _Dialled(_Connection):
    """Where the socket comes from."""

    def __init__(self, *args: Any, dial: Dial | None = None, **keywords: Any) -> None:
        self._dial = Dial() if dial is None else dial
        self._pid = 0
        super().__init__(*args, **keywords)

    def _new_conn(self) -> Socket:
        host, timeout = self._dns_host, self.timeout
        try:
            sock = self._dial.connect(host, self.port, timeout, self.source_address, self.socket_options)
        except ResolveError as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            text = f"Connection to {self.host} timed out (connect timeout={timeout}): {in_one_line(error)}"
            raise ConnectTimeoutError(self, text) from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {in_one_line(error)}") from error
        except AddressError as error:
            raise LocationParseError(f"{host!r}: {error}") from error
        sock.settimeout(timeout)  # as urllib3 leaves it, for the TLS handshake
        self._pid = os.getpid()
        sys.audit("http.client.connect", self, self.host, self.port)  # as urllib3 and http.client do
        return sock

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open, unused and this process's own."""
        return self._pid == os.getpid() and super().is_connected


class HTTPConnection(_Dialled, urllib3.connection.HTTPConnection):
    """``urllib3.connection.HTTPConnection`` that connects as *dial* says."""


class HTTPSConnection(_Dialled, urllib3.connection.HTTPSConnection):
    """``urllib3.connection.HTTPSConnection`` that connects as *dial* says."""


class _OverUnix(_Dialled):
    """The host is the path of a socket; for the server and for TLS it is localhost."""

    def __init__(self, host: str, port: int | None = None, **keywords: Any) -> None:
        super().__init__(HOST, **keywords)  # no port: one beside the scheme's own would stand in the Host header


class _UnixHTTPConnection(_OverUnix, HTTPConnection):
    pass


class _UnixHTTPSConnection(_OverUnix, HTTPSConnection):
    pass


_CONNECTIONS: dict[str, type] = {
    "http": HTTPConnection,
    "https": HTTPSConnection,
    "http+unix": _UnixHTTPConnection,
    "https+unix": _UnixHTTPSConnection,
}


class _Managed(_Manager):
    """What the two managers share."""

    dial: Dial

    def _new_pool(self, scheme: str, host: str, port: int, request_context: Any = None) -> Any:
        scheme = scheme.lower()
        dial = self.dial
        unix = socket_at(host) if scheme in SCHEMES else None
        pool: Any = super()._new_pool(SCHEMES.get(scheme, scheme), host, port, request_context)
        if unix is not None:
            dial = dial.over(unix)
            pool.scheme, pool.host = scheme, host
        pool.ConnectionCls = _CONNECTIONS[scheme]
        pool.conn_kw["dial"] = dial
        return pool


def socket_at(host: str) -> UnixEndpoint:
    """``socket_of`` with the exception of this library."""
    try:
        return socket_of(host)
    except AddressError as error:
        raise LocationValueError(f"no Unix socket: {error}") from error


def _key_of_a_path(plain: Callable[[dict[str, Any]], Any], context: dict[str, Any]) -> Any:
    return plain(context)._replace(key_host=context["host"])  # hosts have no case, paths have


class PoolManager(_Managed, urllib3.PoolManager):
    """``urllib3.PoolManager`` whose connections are ours; ``http+unix://%2Frun%2Fapp.sock/path`` is a URL for it.

    * *allow*, *local*: as for ``dualstack.connect``; the guard is asked about each address right before its socket is
      made, after redirects and reconnects too.
    * *unix*: send everything through this Unix socket; the Host header and the name for TLS stay those of the URL.
    * *connecting*: further keywords of ``dualstack.connect``: attempt_delay, family, history, options,
      resolution_delay, trace.

    All other arguments are urllib3's. A redirect to a Unix socket is never followed.
    """

    dial: Dial

    def __init__(
        self,
        num_pools: int = 10,
        headers: Mapping[str, str] | None = None,
        *,
        allow: Allow | None = None,
        local: Local | None = None,
        unix: str | bytes | os.PathLike[Any] | UnixEndpoint | None = None,
        connecting: Mapping[str, Any] | None = None,
        **connection_pool_kw: Any,
    ) -> None:
        self.dial = Dial(allow=allow, local=local, unix=unix, connecting=connecting)
        super().__init__(num_pools, headers, **connection_pool_kw)
        for scheme in SCHEMES:
            self.key_fn_by_scheme[scheme] = partial(_key_of_a_path, self.key_fn_by_scheme["http"])

    def urlopen(  # type: ignore[override]  # urllib3's own manager has the same difference to its base
        self, method: str, url: str, redirect: bool = True, **kw: Any
    ) -> Any:
        """Request *url*; as urllib3, but a redirect does not lead to a Unix socket."""
        history = getattr(kw.get("retries"), "history", ())
        location = history[-1].redirect_location if history else None
        if location and urllib.parse.urlsplit(url).scheme in SCHEMES and urllib.parse.urlsplit(location).netloc:
            raise LocationValueError(f"a redirect to a Unix socket is not followed: {location}")
        return super().urlopen(method, url, redirect, **kw)


class ProxyManager(_Managed, urllib3.ProxyManager):
    """``urllib3.ProxyManager`` whose connections to the proxy are ours; *allow* sees the proxy, not what is behind."""

    dial: Dial

    def __init__(
        self,
        proxy_url: str,
        *args: Any,
        allow: Allow | None = None,
        local: Local | None = None,
        connecting: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        self.dial = Dial(allow=allow, local=local, connecting=connecting)
        super().__init__(proxy_url, *args, **keywords)
