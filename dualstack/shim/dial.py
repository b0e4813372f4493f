"""How the HTTP clients of other people get their sockets from us: one way for all of them.

A client library asks for a connection to ``(host, port)`` within some seconds, from a source address and with some
socket options, each under its own names. A ``Dial`` is told once what is to hold for all connections of a client
(guard, local address, a Unix socket instead of the network) and turns every such request into one ``connect``: no
second race, no second look-up. The guard is therefore asked right before each socket is made: for the first request,
after a redirect, and when a kept connection was lost and is made anew. A connection that is kept was allowed when it
was made.

What a proxy does is out of sight: with one configured, the guard sees the address of the proxy and nothing else.
"""

from __future__ import annotations

from _socket import IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, TCP_NODELAY

from ..aio.connecting import connect as aio_connect
from ..core.endpoint import AF_UNIX, Endpoint, IPv4Endpoint, IPv6Endpoint
from ..core.endpoint_unix import UnixEndpoint
from ..core.guard import guard_from
from ..core.text import ipv6_packed
from ..errors import AddressError, ConnectError, ResolveError
from ..net.connect import connect as net_connect
from ..net.options import apply

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from socket import socket as Socket
    from typing import Any

    from ..core.guard import Allow
    from ..net.attempt import Local, Options

__all__ = ("cause_of",)

NO_DELAY = ((IPPROTO_TCP, TCP_NODELAY, 1),)
_IP_LEVELS = frozenset((IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP))  # what a Unix socket has not
_FURTHER = frozenset(("attempt_delay", "family", "history", "options", "resolution_delay", "trace"))


def cause_of(error: BaseException) -> ConnectError | ResolveError | None:
    """Find the ConnectError or ResolveError behind an exception of an HTTP client: the one with the table of attempts.

    Client libraries wrap errors several times, each in its own way. None when there is none of ours.
    """
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, (ConnectError, ResolveError)):
            return one
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            waiting += (one.__cause__, getattr(one, "reason", None), *one.args)
            if one.__suppress_context__:
                # httpcore cuts the cause off (`raise ... from None`). A context that was not cut off may be anything:
                # an error that the program was just dealing with, for one.
                waiting.append(one.__context__)
    return None


def in_one_line(error: BaseException) -> str:
    """The message of an error without line breaks, for the messages of others."""
    return "; ".join(" ".join(line.split()) for line in str(error).splitlines())


class Dial:
    """What holds for every connection of one client.

    * *allow*, *local*: as for ``dualstack.connect``.
    * *unix*: the path of a Unix socket (or a UnixEndpoint) to which all connections go, whatever their URL.
    * *connecting*: further keywords of ``dualstack.connect``: attempt_delay, family, history, options,
      resolution_delay, trace.
    """

    __slots__ = ("allow", "connecting", "local", "unix")

    def __init__(
        self,
        *,
        allow: Allow | None = None,
        local: Local | None = None,
        unix: str | bytes | os.PathLike[Any] | UnixEndpoint | None = None,
        connecting: Mapping[str, Any] | None = None,
    ) -> None:
        unknown = sorted(set(connecting or ()) - _FURTHER)
        if unknown:
            raise TypeError(f"connecting takes {', '.join(sorted(_FURTHER))}, not {', '.join(unknown)}")
        if not (allow is None or callable(allow) or isinstance(allow, str)):
            allow = tuple(allow)
        guard_from(allow)  # a slip in a network is said here, not at the first request
        self.allow: Allow | None = allow
        self.local: Local | None = local
        self.unix: UnixEndpoint | None = unix if unix is None or isinstance(unix, UnixEndpoint) else _path(unix)
        self.connecting: dict[str, Any] = dict(connecting or ())

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for but the race."""
        return self.allow is None and self.local is None and self.unix is None and not self.connecting

    def over(self, unix: str | UnixEndpoint) -> Dial:
        """The same to a Unix socket."""
        return Dial(allow=self.allow, unix=unix, connecting=self.connecting)

    def connect(
        self,
        host: str,
        port: int,
        timeout: float | None,
        source: tuple[str, int] | None = None,
        options: Iterable[Any] | None = None,
    ) -> Socket:
        """Connect as ``dualstack.connect``, whose errors it raises; *options* are arguments of ``setsockopt``."""
        return net_connect(*self._target(host, port), timeout=timeout, **self._keywords(source, options))

    async def connect_async(
        self,
        host: str,
        port: int,
        timeout: float | None,
        source: tuple[str, int] | None = None,
        options: Iterable[Any] | None = None,
    ) -> Socket:
        """Connect as ``dualstack.aio.connect``."""
        return await aio_connect(*self._target(host, port), timeout=timeout, **self._keywords(source, options))

    def _target(self, host: str, port: int) -> tuple[str | Endpoint, int | None]:
        return (host_alone(host), port) if self.unix is None else (self.unix, None)

    def _keywords(self, source: tuple[str, int] | None, options: Iterable[Any] | None) -> dict[str, Any]:
        keywords: dict[str, Any] = {"allow": self.allow, "local": self.local, **self.connecting}
        if self.unix is not None:
            keywords["local"] = None
        elif self.local is None and source is not None:
            keywords["local"] = source_of(source)
        if options is not None:
            keywords["options"] = setting(options, self.connecting.get("options"))
        return keywords


def setting(options: Iterable[Any], ours: Options | None = None) -> Callable[[Socket], None]:
    """The function that sets *ours*, then *options* (tuples for ``setsockopt``), those for IP not on a Unix socket."""

    def prepare(sock: Socket) -> None:
        if callable(ours):
            ours(sock)
        elif ours is not None:
            apply(sock, ours, stream=True, connecting=True)
        unix = sock.family == AF_UNIX
        for option in options:
            if not (unix and option[0] in _IP_LEVELS):
                sock.setsockopt(*option)

    return prepare


def source_of(source: tuple[str, int]) -> Local:
    """``source_address`` of other libraries as our ``local=``."""
    host, port = source[:2]
    if not host:
        return int(port)
    return IPv6Endpoint(host, int(port)) if ":" in host else IPv4Endpoint(host, int(port))


def host_alone(host: str) -> str:
    """Let only names and literals through: the host of a URL must not be read as ``unix:``, ``%eth0`` or ``*``."""
    if not host or host[0] in "*%@" or "/" in host:
        raise AddressError(host, 0, "not a host")
    if ":" not in host:
        return host
    host = host.strip("[]").replace("%25", "%", 1)  # RFC 6874: the zone in a URL
    if ipv6_packed(host.partition("%")[0]) is None:
        raise AddressError(host, host.index(":"), "neither a host name nor an IPv6 address")
    return host


def _path(path: str | bytes | os.PathLike[Any]) -> UnixEndpoint:
    if isinstance(path, str) and path.startswith("unix:"):
        return UnixEndpoint.read(path)
    endpoint = UnixEndpoint(path)
    if endpoint.is_unnamed:
        raise AddressError("", 0, "the path of the socket is missing")
    return endpoint
