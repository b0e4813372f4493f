"""``create_connection`` of the socket module, by the race of ``dualstack.connect``.

Problem: the standard library tries one address after the other, each for the whole timeout. A host whose IPv6 is a
black hole costs two minutes without a timeout, and with one the connection fails although IPv4 works.

Our rule: the arguments, the results and the classes of the exceptions stay; what happens between them is the race of
RFC 8305, with one deadline for everything, the look-up included. An error is an instance of the class that ``OSError``
gives its errno, so ``except ConnectionRefusedError`` works also where ::1 does not exist and only 127.0.0.1 refused.

What keeps the old way, one address after the other: ``timeout=0``, which cannot race because it ends at once; and a
program that put a class of its own in place of ``socket.socket`` (SOCKS clients do), which must be asked for each
connection. A program that replaced ``socket.getaddrinfo`` has its answers raced.
"""

from __future__ import annotations

import builtins
import socket as _stdlib
from _socket import AF_INET, AF_INET6, AI_PASSIVE, SOCK_STREAM, getdefaulttimeout
from errno import EACCES, ECONNABORTED, ECONNREFUSED, ECONNRESET, EPERM, ETIMEDOUT
from functools import lru_cache
from socket import _GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined]  # the sentinel that others pass on

from .. import doors
from ..core.endpoint import Endpoint, IPEndpoint
from ..core.text import ipv6_packed
from ..errors import AddressError, ConnectError
from ..net.attempt import Ways
from ..net.connect import alone, connect, plain, reach, ways_of
from ..net.names import Question
from .socket_lookup import check_host, check_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from socket import socket as Socket
    from typing import Any

    from ..errors import Attempt

    Row = tuple[int, int, int, str, tuple[Any, ...]]
    Lookup = Callable[..., list[Row]]

__all__ = ("connected", "create_connection", "getaddrinfo", "raised")

_OWN_CLASS = _stdlib.socket
_PLAIN = Ways(doors.current)  # without options; making one takes longer than a timeout does


def create_connection(
    address: tuple[Any, Any],
    timeout: Any = _GLOBAL_DEFAULT_TIMEOUT,
    source_address: Any = None,
    *,
    all_errors: bool = False,
    make: Callable[..., Socket] | None = None,
    lookup: Lookup | None = None,
) -> Socket:
    """``socket.create_connection`` by a race of all addresses; returns a stdlib socket with *timeout* set.

    *timeout* is in seconds and covers everything, the look-up included. *source_address* is a ``(host, port)`` as ever;
    addresses of the other family are not tried then. *make* and *lookup* are what a program put in place of
    ``socket.socket`` and ``socket.getaddrinfo``.

    Raises gaierror for a name without addresses; OSError of the class that belongs to its errno, whose
    ``attempts`` say what happened to each address; with *all_errors* an ExceptionGroup of these (from Python 3.11; the
    OSError on 3.10, which has no groups).
    """
    return connected(address, timeout, source_address, all_errors, make, lookup)


def connected(
    address: tuple[Any, Any],
    timeout: Any,
    source_address: Any,
    all_errors: bool,
    make: Callable[..., Socket] | None,
    lookup: Lookup | None,
) -> Socket:
    """``create_connection`` by position, which a third of a microsecond speaks for."""
    host, port = address
    if timeout is _GLOBAL_DEFAULT_TIMEOUT:
        timeout = getdefaulttimeout()
    if make is None and _stdlib.socket is not _OWN_CLASS:
        make = _stdlib.socket
    if make is not None or timeout == 0:
        return _in_turn(make or doors.current.socket, lookup, host, port, timeout, source_address, all_errors)
    if timeout is not None and not timeout > 0:
        raise ValueError("Timeout value out of range")
    try:
        sock = _racing(lookup, host, port, timeout, source_address)
    except ConnectError as error:
        failure = raised(error, all_errors)
        raise failure from failure.__cause__
    try:
        if sock.gettimeout() != timeout:
            sock.settimeout(timeout)
    except BaseException:
        sock.close()
        raise
    return sock


def _racing(lookup: Lookup | None, host: Any, port: Any, timeout: float | None, source_address: Any) -> Socket:
    """Connect to the first address of *host* that answers; the socket has any timeout."""
    door = doors.current
    started = door.monotonic()
    if type(host) is str and type(port) is int and lookup is None and not source_address:
        if not host[-1:].isalpha() or ":" in host:
            known = _literal(host, port)
        else:
            _, known = plain(door, host, port)
        if len(known) == 1:
            return alone(_PLAIN if _PLAIN.door is door else Ways(door), known[0], started, timeout, True)
    host, port = check_host(host, port), check_port(port, host)
    local = _local(source_address) if source_address else None
    if lookup is None and _is_host(host) and isinstance(port, (int, str)) and not isinstance(port, bool):
        try:
            return connect(host, port, timeout=timeout, local=local)
        except AddressError:  # a name with a blank in it, say: what comes of it is the system's to tell
            pass
    endpoints = _endpoints((lookup or getaddrinfo)(host, port, 0, SOCK_STREAM))
    if not endpoints:
        raise OSError("getaddrinfo returns an empty list")
    question = Question(str(host), endpoints[0].port, list(endpoints))
    return reach(ways_of(door, None, local, None), question, started, timeout)


@lru_cache(64)
def _literal(host: str, port: int) -> Sequence[Endpoint]:
    """The endpoint of a literal, which is the same each time: the hundredth connection to a proxy reads it no more."""
    return plain(doors.current, host, port)[1]


def _in_turn(
    make: Callable[..., Socket],
    lookup: Lookup | None,
    host: Any,
    port: Any,
    timeout: Any,
    source_address: Any,
    all_errors: bool,
) -> Socket:
    """Connect as the standard library does: one address after the other, each for *timeout*, by sockets from *make*."""
    errors: list[OSError] = []
    try:
        for family, type, proto, _, sockaddr in (lookup or getaddrinfo)(host, port, 0, SOCK_STREAM):
            try:
                sock = make(family, type, proto)
                try:
                    sock.settimeout(timeout)
                    if source_address:
                        sock.bind(source_address)
                    sock.connect(sockaddr)
                except BaseException:
                    sock.close()
                    raise
                return sock
            except OSError as error:
                errors.append(error)
        if not errors:
            raise OSError("getaddrinfo returns an empty list")
        raise _group(errors, all_errors) or errors[-1]
    finally:
        errors.clear()  # each holds this frame


def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[Row]:
    """``socket.getaddrinfo`` that refuses what would be read otherwise than it is written: see socket_lookup.py."""
    return doors.current.getaddrinfo(check_host(host, port), check_port(port, host), family, type, proto, flags)


# ---------------------------------------------------------------------- what it raises


class _Denied(ConnectError, PermissionError):
    """A firewall or a policy of this host forbids it."""


class _Reset(ConnectError, ConnectionResetError):
    """The peer reset the connection while it was made."""


class _Aborted(ConnectError, ConnectionAbortedError):
    """The connection was given up while it was made."""


class _Refused(ConnectError, ConnectionRefusedError):
    """An address that exists refused; the others did not get that far."""


class _TimedOut(ConnectError, TimeoutError):
    """An address did not answer; the others did not get that far."""


_CLASSES = {
    EACCES: _Denied,
    EPERM: _Denied,
    ECONNRESET: _Reset,
    ECONNABORTED: _Aborted,
    ECONNREFUSED: _Refused,
    ETIMEDOUT: _TimedOut,
}


def raised(error: ConnectError, all_errors: bool) -> BaseException:
    """What a program that expects the standard library's exceptions is given for *error*."""
    group = _group([_of(attempt) for attempt in error.attempts] or [error], all_errors)
    if group is not None:
        group.__cause__ = error  # which has the table: who was tried when
        return group
    wanted = _CLASSES.get(error.errno or 0)
    if wanted is None or isinstance(error, wanted.__bases__[1]):
        return error
    failure = wanted(error.errno or 0, error.strerror or "", error.attempts)
    failure.__cause__ = error.__cause__
    return failure


def _of(attempt: Attempt) -> BaseException:
    """The exception of one attempt; those that were under way at the end have none."""
    return attempt.error or TimeoutError(f"timed out (connecting to {attempt.endpoint})")


def _group(errors: Sequence[BaseException], wanted: bool) -> BaseException | None:
    group = getattr(builtins, "ExceptionGroup", None) if wanted else None
    return group and group("create_connection failed", errors)


# ---------------------------------------------------------------------- what it is given


def _is_host(host: Any) -> bool:
    """Whether *host* is a name or a literal, and none of the forms that only dualstack knows (``"%eth0"``, ``"*"``).

    A program may check what it hands to create_connection, and must not reach ``unix:/run/docker.sock`` by it.
    """
    if not isinstance(host, str):
        return False
    if ":" in host:
        return ipv6_packed(host.partition("%")[0]) is not None
    return host not in ("", "*") and host[0] not in "%[" and "/" not in host


def _local(source_address: Any) -> int | Sequence[Endpoint] | None:
    """Read ``source_address``: ``(host, port)``, for IPv6 with flow information and scope as well."""
    host, port, *_ = source_address
    if host in ("", b"", None):
        return port or None
    return _endpoints(getaddrinfo(host, port, 0, SOCK_STREAM, 0, AI_PASSIVE))


def _endpoints(rows: Iterable[Row]) -> list[IPEndpoint]:
    found = (Endpoint.from_sockaddr(row[0], row[4]) for row in rows if row[0] in (AF_INET, AF_INET6))
    return list(dict.fromkeys(endpoint for endpoint in found if isinstance(endpoint, IPEndpoint)))
