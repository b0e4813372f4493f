"""requests with our connections: an adapter to mount, and a session that has it mounted.

    session = requests.Session()
    session.mount("https://", DualStackAdapter(allow=dualstack.public_only))

Everything below the adapter is dualstack.shim.urllib3. Exceptions are those of requests, with our ConnectError or
ResolveError as ``__cause__``. ``timeout=(connect, read)`` means what it says: connect covers look-up and race.

With a proxy, also one from the environment, *allow* sees the proxy and nothing else: a program that fetches URLs for
others sets ``session.trust_env = False``, or lets the proxy decide. SOCKS proxies connect by themselves; with *allow*,
*local* or *connecting* given they are refused.
"""

from __future__ import annotations

import urllib.parse

from .dial import Dial, cause_of
from .unix_urls import SCHEMES, leads_to_a_socket
from .urllib3 import PoolManager, ProxyManager

try:
    import requests
    import requests.adapters
except ImportError as _missing:
    _text = "dualstack.shim.requests needs requests 2.32.2 or newer: pip install requests"
    raise ModuleNotFoundError(_text, name="requests") from _missing

from requests.exceptions import InvalidProxyURL, InvalidSchema, InvalidURL
from urllib3.exceptions import LocationValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from ..core.endpoint_unix import UnixEndpoint
    from ..core.guard import Allow
    from ..net.attempt import Local

__all__ = ("DualStackAdapter", "session")


class DualStackAdapter(requests.adapters.HTTPAdapter):
    """``requests.adapters.HTTPAdapter`` whose connections are ours; mount it for ``https://`` and ``http://``.

    * *allow*, *local*: as for ``dualstack.connect``; the guard is asked about each address right before its socket is
      made, after redirects and reconnects too.
    * *unix*: send everything through this Unix socket; the Host header and the name for TLS stay those of the URL, and
      proxies are not used.
    * *connecting*: further keywords of ``dualstack.connect``: attempt_delay, family, history, options,
      resolution_delay, trace.

    All other arguments are those of HTTPAdapter. Mounted for ``http+unix://`` it speaks to the socket that the URL
    names, ``http+unix://%2Frun%2Fapp.sock/path``. A response that redirects to another Unix socket raises
    InvalidSchema; responses of other adapters are out of sight, so mount this one for ``http://`` and ``https://`` too.
    """

    __attrs__: list[str] = [*requests.adapters.HTTPAdapter.__attrs__, "dial"]  # noqa: RUF012 - requests' name for what is pickled

    dial: Dial
    poolmanager: PoolManager

    def __init__(
        self,
        *args: Any,
        allow: Allow | None = None,
        local: Local | None = None,
        unix: str | bytes | os.PathLike[Any] | UnixEndpoint | None = None,
        connecting: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        self.dial = Dial(allow=allow, local=local, unix=unix, connecting=connecting)
        super().__init__(*args, **keywords)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **keywords: Any) -> None:
        """Make the pool manager; called by requests."""
        super().init_poolmanager(connections, maxsize, block, **keywords)
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **keywords)
        self.poolmanager.dial = self.dial

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
        """Make the manager for *proxy*; called by requests."""
        known = self.proxy_manager.get(proxy)
        if known is not None:
            return known
        if proxy.lower().startswith("socks"):
            if not self.dial.is_plain:
                raise InvalidProxyURL("a SOCKS proxy connects by itself, so allow= and local= would not hold")
            return super().proxy_manager_for(proxy, **keywords)
        made = ProxyManager(
            proxy,
            proxy_headers=self.proxy_headers(proxy),
            num_pools=self._pool_connections,
            maxsize=self._pool_maxsize,
            block=self._pool_block,
            **keywords,
        )
        made.dial = self.dial
        self.proxy_manager[proxy] = made
        return made

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Say what a connection must have in common with this request; called by requests."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] in SCHEMES:  # requests has made small letters of the path
            host["host"] = urllib.parse.urlsplit(request.url).netloc
        return host, tls

    def send(
        self,
        request: Any,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Any:
        """Send one prepared request; called by requests."""
        url = request.url or ""
        if self.dial.unix is not None or url.startswith(("http+unix:", "https+unix:")):
            proxies = None
        try:
            response = super().send(request, stream, timeout, verify, cert, proxies)
        except requests.ConnectionError as error:
            ours = cause_of(error)
            if ours is None:
                raise
            raise error from ours
        except LocationValueError as error:  # what is no host, found when connecting; requests knows it only before
            raise InvalidURL(error, request=request) from error
        if response.status_code // 100 == 3 and leads_to_a_socket(response.headers.get("location"), url):
            response.close()
            raise InvalidSchema(f"a redirect to a Unix socket is not followed: {response.headers['location']}")
        return response


def session(**keywords: Any) -> requests.Session:
    """Make a ``requests.Session`` with one DualStackAdapter for ``http``, ``https``, ``http+unix`` and ``https+unix``.

    Takes the arguments of DualStackAdapter. Closing the session closes its connections.
    """
    made = requests.Session()
    adapter = DualStackAdapter(**keywords)
    for scheme in ("http", "https", *SCHEMES):
        made.mount(f"{scheme}://", adapter)
    return made
