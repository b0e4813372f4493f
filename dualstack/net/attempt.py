"""One connection attempt: its socket made ready, and what must hold once it is connected.

The guard is asked right before the socket is made; options are set before bind and connect, buffers because of the TCP
window scale; the local address is bound without taking a port yet where the system can wait with that. A socket that is
connected to itself is no connection: two ends of a simultaneous open on a freed ephemeral port (RFC 9293 section 3.5),
met in tests after a few thousand connects to a closed local port.
"""

from __future__ import annotations

import errno

# Numbers only; the names of _socket are those of the running system.
from _socket import AF_INET6, SO_ERROR, SOCK_STREAM, SOL_SOCKET

from .. import platforms
from ..core.endpoint import AF_UNIX, Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from socket import socket as Socket

    from ..core.address import Address
    from ..core.guard import Guard
    from ..core.options import SocketOptions
    from ..doors import Doors

    Local = int | str | Endpoint | Address | Iterable[str | Endpoint | Address]
    Options = SocketOptions | Callable[[Socket], object]

__all__ = ("IP_BIND_ADDRESS_NO_PORT", "TRIES", "SelfConnected", "Ways", "in_progress", "local_addresses", "outcome")

TRIES = 3  # of an address that turns out to be ourselves; each next one gets another ephemeral port
# EINTR: the attempt goes on in the kernel and ends as any other (connect(2)); 10035 is WSAEWOULDBLOCK.
_IN_PROGRESS = frozenset((errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR, 10035))
_IPV6_V6ONLY = "IPV6_V6ONLY"
IP_BIND_ADDRESS_NO_PORT = 24  # Linux 4.2, ip(7): bind the address now and choose the port in connect


class SelfConnected(OSError):
    """The socket met itself instead of a server."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNREFUSED, "connected to itself: nothing listens there")


def in_progress(code: int, endpoint: Endpoint) -> bool:
    """Whether a non-blocking connect that answered *code* goes on. On a Unix socket EAGAIN is a full queue: an end."""
    return code in _IN_PROGRESS and not (code == errno.EAGAIN and endpoint.family == AF_UNIX)


def local_addresses(door: Doors, local: Local | None) -> list[IPEndpoint] | None:
    """Read ``local=``: a port, a literal with or without port, ``"%eth0"``, an endpoint, or several of these."""
    if local is None:
        return None
    from .names import located, of_interface

    if type(local) is int:
        return [IPv6Endpoint("::", local), IPv4Endpoint("0.0.0.0", local)]
    from ..core.address import Address, parse

    if isinstance(local, (str, Endpoint, Address)):
        address = parse(local, 0) if isinstance(local, str) else local
        if isinstance(address, Endpoint):
            found: list[Endpoint] = [address]
        elif address.kind == "interface" and isinstance(address.port, int):
            found = of_interface(address.name or "", address.port, address.family)
        elif address.endpoint is not None:
            found = [address.endpoint]
        elif address.kind == "host" and isinstance(address.port, int) and _is_interface(address.host or ""):
            found = of_interface(address.host or "", address.port, address.family)  # "eth0": names are not resolved
        else:
            raise ValueError(f"local takes addresses, ports and interfaces (%eth0), not {str(local)!r}")
        found = [located(door, endpoint) for endpoint in found]
    elif hasattr(local, "__iter__") and not isinstance(local, (bytes, bytearray)):  # whose items are ports
        found = [endpoint for one in local for endpoint in local_addresses(door, one) or ()]  # pyright: ignore[reportGeneralTypeIssues] - ints have none
    else:
        raise TypeError(f"local takes a port, a str, an Endpoint or an Address, not {type(local).__name__}")
    if not all(isinstance(endpoint, IPEndpoint) for endpoint in found):
        raise ValueError("local takes IP addresses; a Unix connection has no local address to choose")
    return [endpoint for endpoint in found if isinstance(endpoint, IPEndpoint)]


def _is_interface(name: str) -> bool:
    from .interfaces import interfaces

    return name in interfaces()


class Ways:
    """How the sockets of one ``connect`` are made: guard, local addresses, options."""

    __slots__ = ("door", "guard", "local", "options", "unix_type")

    def __init__(
        self,
        door: Doors,
        guard: Guard | None = None,
        local: Sequence[IPEndpoint] | None = None,
        options: Options | None = None,
    ) -> None:
        self.door: Doors = door
        self.guard: Guard | None = guard
        self.local: Sequence[IPEndpoint] | None = local
        self.options: Options | None = options
        self.unix_type: int = SOCK_STREAM

    def open(self, endpoint: Endpoint) -> Socket:
        """Make the socket for an attempt, bound and with its options, blocking; on any exception it is closed.

        Raises NotTried for an endpoint that may not be tried, or OSError.
        """
        if self.guard is not None and not self._permits(endpoint):
            from ..core.report import NotTried

            raise NotTried(errno.EACCES, "not allowed (allow=)")
        family, door = endpoint.family, self.door
        if self.local is None and self.options is None and family != AF_UNIX:
            return door.socket(family, SOCK_STREAM)
        source = self._source(endpoint) if self.local is not None and family != AF_UNIX else None
        sock = door.socket(family, SOCK_STREAM) if family != AF_UNIX else door.unix_socket(self.unix_type)
        if source is None and self.options is None:
            return sock
        try:
            if callable(self.options):
                self.options(sock)
            elif self.options is not None:
                from .options import apply

                apply(sock, self.options, stream=True, connecting=True)
            if source is not None:
                self._bind(sock, source)
        except BaseException:
            sock.close()
            raise
        return sock

    def _source(self, endpoint: Endpoint) -> IPEndpoint:
        from ..core.order import choose_source
        from .etc import policy

        source = None
        if isinstance(endpoint, IPEndpoint):
            source = choose_source(endpoint, self.local or (), policy(self.door))
        if source is None:
            from ..core.report import NotTried

            raise NotTried(errno.EADDRNOTAVAIL, "no matching local address (local=)")
        return source

    def _bind(self, sock: Socket, source: IPEndpoint) -> None:
        if source.port:
            # Two attempts of one race may have the same port: bound sockets that do not listen share it.
            platforms.current.prepare_listener(sock, exclusive=False)
            if source.family == AF_INET6:
                constants = platforms.current.constants
                sock.setsockopt(constants["IPPROTO_IPV6"], constants[_IPV6_V6ONLY], 1)  # leave IPv4's port alone
        elif platforms.current.delays_port:
            # Else bind takes a port that is free of all connections, and there are only some 28,000.
            try:
                sock.setsockopt(0, IP_BIND_ADDRESS_NO_PORT, 1)  # IPPROTO_IP, for IPv6 too
            except OSError:  # older than Linux 4.2: one port is used up
                pass
        try:
            sock.bind(source.sockaddr)
        except OSError as error:
            local = source if source.port else source.host
            raise OSError(error.errno, f"cannot connect from {local} (local=): {error.strerror}") from None

    def dial(self, sock: Socket, endpoint: Endpoint) -> int:
        """``connect_ex``, whatever the family and however long the path."""
        if endpoint.family != AF_UNIX:
            return sock.connect_ex(endpoint.sockaddr)
        from .sunpath import connect_ex

        return connect_ex(self.door, sock, endpoint)

    def check(self, sock: Socket, endpoint: Endpoint) -> None:
        """See that a connected socket is a connection to where it should go; OSError if not."""
        if isinstance(endpoint, IPEndpoint):
            local = sock.getsockname()
            if local[1] == endpoint.port and local[0] == endpoint.sockaddr[0]:
                raise SelfConnected
        if self.guard is not None and not self._permits(Endpoint.peer(sock).unmapped()):
            raise PermissionError(errno.EACCES, "the peer it ended up at is not allowed (allow=)")

    def _permits(self, endpoint: Endpoint) -> bool:
        from ..core.guard import permits  # late: most connects have no guard

        return self.guard is None or permits(self.guard, endpoint)


def outcome(sock: Socket) -> OSError | None:
    """How an attempt ended whose socket has become writable; None when it is connected."""
    code = sock.getsockopt(SOL_SOCKET, SO_ERROR)
    if not code:
        return None
    from ..platforms.words import os_error

    return os_error(code)
