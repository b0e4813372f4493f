"""open_listener: one call, one meaning, for every address form, family and system.

What has to be bound and what to try next is decided in ``core/plan.py``; here the decisions are carried out. The order
is: read all addresses, resolve all names, bind all IP sockets, bind the Unix sockets (which may remove a stale file),
and only then listen, so that no client gets in before it is certain that everything can be opened. Whatever goes wrong,
of whatever class, everything opened so far is closed before the exception leaves.

What each address form opens is the table in the docstring of ``open_listener``.
"""

from __future__ import annotations

import errno
from socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SOCK_STREAM, SOMAXCONN

from .. import doors, platforms
from ..core.address import Address, from_host
from ..core.endpoint import IPEndpoint, IPv4Endpoint, IPv6Endpoint
from ..core.plan import Bind, Failed, PlanFailed, Request, bind_plan
from ..errors import ListenError, UnsupportedError
from .opened import Opened, close_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Iterable, Mapping, Sequence
    from socket import socket as Socket

    from ..core.endpoint import Endpoint
    from ..core.options import SocketOptions
    from ..doors import Doors
    from .gate import AllowPeer, Gate
    from .listener import Listener

    #: What open_listener takes as a host.
    Host = str | os.PathLike[str] | os.PathLike[bytes] | Address | Endpoint | None

__all__ = ("INHERITED", "Opener", "gate_of", "needs_lookup", "open_listener", "read_addresses")

INHERITED = ("fd", "systemd", "launchd")  # kinds of addresses that name open sockets
_MAX_BACKLOG = 65535  # some kernels keep it in 16 bits and wrap (golang.org/issue/5030)


def open_listener(
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
    follow: bool = False,
) -> Listener:
    """Listen on *host* and *port* and return once connections can arrive; all of it, or nothing.

    The usual surprise is ``"::"``: IPv6 alone in asyncio, both families in a C program on Linux, a failure on OpenBSD.
    Here it means both everywhere. *host* is any of these, or a list of them:

    ==========================  =======================================================================================
    ``"::"``                    IPv6 and IPv4: one dual-stack socket, or two on one port where the system refuses; IPv4
                                alone where the host has no IPv6
    ``None``, ``""``, ``"*"``   every family this host has
    ``"0.0.0.0"``               IPv4 only
    ``"::"``, ``v6only=True``   IPv6 only, or an error; ``v6only=False``: both, or an error
    ``"localhost"``             both loopback addresses, as far as they exist; no resolver is asked
    a name                      all of its addresses that are this host's
    ``"%eth0"``                 every usable address of that interface
    ``"unix:/run/x.sock"``      a Unix socket; so does an ``os.PathLike``. A live socket is never taken over
    ``"unixpacket:..."``        the same with messages kept apart (SOCK_SEQPACKET)
    ``"fd://3"``, ``"systemd:"``  sockets this process inherited; on macOS ``"launchd:name"``
    ``"[::1]:80"``              with *port* None, the port is in the text
    ==========================  =======================================================================================

    All IP sockets share one port, also when *port* is 0 and the system chooses it. *backlog* defaults to the system's
    maximum. *reuse_port* lets several processes share the port, *exclusive* (Windows) keeps others from stealing it.
    *mode*, *owner*, *group* and *takeover* ("stale", "refuse", "force") are for Unix sockets. *tls* wraps connections.
    *allow* says who may connect: networks (``["192.0.2.0/24", "::1/128"]``) that IP peers must be in, or a function
    that is given the Endpoint of an IP peer and the ``PeerCredentials`` of a Unix peer. Others are closed at once and
    counted in ``refused``. Without a function, an abstract name (``"unix:@name"``), which no file mode protects, lets
    in our own user and root only; ``allow=dualstack.anyone`` opens it to all.
    *follow* keeps a listener on ``"%eth0"`` up to date while addresses come and go, in a thread that ends with it.

    Raises ListenError, whose ``errors`` say what happened at each address; AddressError for what cannot be read;
    ResolveError for names; UnsupportedError for what this system does not have. ip(7), ipv6(7), RFC 3493 5.3.
    """
    from .listener import Listener  # late: half of what importing this module would cost

    addresses = read_addresses(host, port)
    world = doors.current
    if tls is not None:
        from .tls import check_server_context

        check_server_context(tls)
    gate = gate_of(allow)
    resolved = {address: _look_up(address) for address in addresses if needs_lookup(address)}
    opener = Opener(world, backlog, v6only, reuse_port, exclusive, mode, owner, group, takeover, options)
    if not follow:
        return Listener(world, opener.open_all(addresses, resolved), tls=tls, gate=gate)
    from .follow import follow as keep_up

    fixed = [address for address in addresses if address.kind != "interface"]
    listener = Listener(world, opener.open_all(fixed, resolved), tls=tls, gate=gate)
    try:
        keep_up(listener, opener, addresses)
    except BaseException:
        listener.close()
        raise
    return listener


def gate_of(allow: AllowPeer | None) -> Gate | None:
    """Read *allow*, before anything is opened; None where it says nothing."""
    if allow is None:
        return None
    from .gate import Gate

    return Gate(allow)


def read_addresses(host: Host | Sequence[Host], port: int | str | None) -> list[Address]:
    """Read the arguments of a listening verb into addresses; the list form may mix everything."""
    # A tuple with a number in it is a socket address, and from_host says so.
    if isinstance(host, list) or (isinstance(host, tuple) and not any(isinstance(one, int) for one in host)):
        if not host:
            raise ValueError("an empty list of addresses: nothing to listen on")
        return [from_host(one, port) if _takes_port(one) else from_host(one, None) for one in host]
    return [from_host(host, port)]  # type: ignore[arg-type]  # a str is a Sequence of str, but not of hosts


def _takes_port(host: Host) -> bool:
    """Whether the *port* argument is for this member of a list: not where it brings its own, or needs none."""
    if isinstance(host, str):
        if host.startswith(("unix:", "unixpacket:", "fd:", "systemd:", "launchd:")):
            return False
        from ..errors import AddressError

        try:
            from_host(host, None)
        except AddressError:
            return True
        return False
    return host is None


def needs_lookup(address: Address) -> bool:
    """Whether the resolver must be asked before this address can be opened."""
    return address.kind == "host" and address.endpoint is None and not _is_localhost(address)


def _is_localhost(address: Address) -> bool:
    return address.host is not None and address.host.rstrip(".").lower() == "localhost"


def _look_up(address: Address) -> list[IPEndpoint]:
    from .resolve import resolve

    found = resolve(address.host, address.port, family=address.family, type=SOCK_STREAM, passive=True)
    return [endpoint for endpoint in found if isinstance(endpoint, IPEndpoint)]


class Opener:
    """The keyword arguments of one call, and the carrying out; datagram.py makes another one of it."""

    type = SOCK_STREAM
    protocol = "tcp"

    def __init__(
        self,
        world: Doors,
        backlog: int | None,
        v6only: bool | None,
        reuse_port: bool,
        exclusive: bool,
        mode: int,
        owner: int | str | None,
        group: int | str | None,
        takeover: str,
        options: SocketOptions | None,
    ) -> None:
        self.world = world
        self.backlog: int = min(SOMAXCONN if backlog is None else max(backlog, 0), _MAX_BACKLOG)
        self.v6only = v6only
        self.reuse_port = reuse_port
        self.exclusive = exclusive
        self.mode = mode
        self.owner = owner
        self.group = group
        self.takeover = takeover
        self.options = options

    def open_all(self, addresses: Sequence[Address], resolved: Mapping[Address, Sequence[IPEndpoint]]) -> list[Opened]:
        """Open everything, or raise with nothing open."""
        requests: list[Request] = []
        for address in addresses:
            requests.extend(self._requests(address, resolved))
        opened: list[tuple[int, Opened]] = []
        others: list[Opened] = []
        try:
            self._bind_all(requests, opened)
            for address in addresses:
                self._open_other(address, others)
            for _, one in opened:
                self.listen(one)
            opened.sort(key=lambda pair: pair[0])
            return [one for _, one in opened] + others
        except BaseException:
            close_all([one for _, one in opened] + others)
            raise

    # ------------------------------------------------------------------ IP

    def _requests(self, address: Address, resolved: Mapping[Address, Sequence[IPEndpoint]]) -> Iterable[Request]:
        """What *address* asks to have bound."""
        if address.kind == "unix" or address.kind in INHERITED:
            return []
        if address.transport not in (None, self.protocol):
            verb = "open_datagram" if address.transport == "udp" else "open_listener"
            raise ValueError(f"{address} is for another kind of socket; use {verb}")
        if address in resolved:
            return _of_name(resolved[address], str(address))
        port = self.port_of(address)
        if address.kind == "wildcard":
            return [self._wildcard(port, address.family)]
        if address.kind == "interface":
            return self._interface(address, port)
        if _is_localhost(address):
            loopback: list[IPEndpoint] = [IPv6Endpoint("::1", port), IPv4Endpoint("127.0.0.1", port)]
            return _of_name([one for one in loopback if address.family in (None, one.family)], str(address))
        endpoint = address.endpoint.unmapped() if address.endpoint is not None else None
        if isinstance(endpoint, IPv6Endpoint):
            if endpoint.host == "::":
                return [self._wildcard(port, address.family)]
            if endpoint.zone is not None and not endpoint.scope_id:
                endpoint = endpoint.with_scope(self._index_of(endpoint))
        return [Request.one(endpoint)] if isinstance(endpoint, IPEndpoint) else []

    def _index_of(self, endpoint: IPv6Endpoint) -> int:
        try:
            return self.world.if_nametoindex(endpoint.zone or "")
        except OSError as error:
            raise ListenError(
                errno.ENODEV, f"cannot listen on {endpoint}: {error.strerror}", [(endpoint, error)]
            ) from error

    def port_of(self, address: Address) -> int:
        """The number behind the port of *address*; 0 for any."""
        port = address.port
        if isinstance(port, str):
            from .names import service_port

            return service_port(self.world, address, self.type)
        return port or 0

    def _wildcard(self, port: int, family: int | None) -> Request:
        if family == AF_INET:
            return Request.one(IPv4Endpoint("0.0.0.0", port))
        if family == AF_INET6 or self.v6only:
            return Request.one(IPv6Endpoint("::", port))
        return Request.both(port, insist=self.v6only is False)

    def _interface(self, address: Address, port: int) -> list[Request]:
        from .interfaces import interfaces

        nic = interfaces().get(address.name or "")
        if nic is None:
            raise ListenError(errno.ENODEV, f"cannot listen on {address}: this host has no interface of that name")
        usable = [
            one.endpoint(port) for one in nic.addresses if one.is_bindable and address.family in (None, one.family)
        ]
        if not usable:
            raise ListenError(errno.EADDRNOTAVAIL, f"cannot listen on {address}: the interface has no usable address")
        return _of_name(usable, str(address))

    def _bind_all(self, requests: Sequence[Request], opened: list[tuple[int, Opened]]) -> None:
        plan = bind_plan(requests)
        try:
            command = next(plan)
            while True:
                if isinstance(command, Bind):
                    outcome = self.bind(command, opened)
                else:
                    close_all([one for _, one in opened])
                    opened.clear()
                    outcome = 0
                command = plan.send(outcome)
        except StopIteration:
            return
        except PlanFailed as failure:
            raise _listen_error(failure.errors, failure.decisive) from failure.decisive[1]

    def bind(self, command: Bind, opened: list[tuple[int, Opened]]) -> int | Failed:
        """Carry out one Bind and append the socket to *opened*."""
        endpoint = command.endpoint
        stage = "socket"
        sock: Socket | None = None
        try:
            sock = self.world.socket(endpoint.family, self.type)
            sock.setblocking(False)
            self._prepare(sock)
            if endpoint.family == AF_INET6:
                stage = "v6only"
                sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, command.v6only)
                if bool(sock.getsockopt(IPPROTO_IPV6, IPV6_V6ONLY)) != command.v6only:
                    # DragonFly takes the option and keeps its own mind.
                    raise OSError(errno.EINVAL, "the system does not let one socket serve IPv6 and IPv4")
            stage = "bind"
            if self.options is not None:
                from .options import apply

                apply(
                    sock,
                    self.options,
                    stream=self.type == SOCK_STREAM,
                    dual=endpoint.family == AF_INET6 and not command.v6only,
                )
            sock.bind(endpoint.sockaddr)
            port: int = sock.getsockname()[1]
            opened.append((command.order, Opened(sock, endpoint.with_port(port))))
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, OSError) and not isinstance(error, UnsupportedError):
                return Failed(stage, error)
            raise
        return port

    def _prepare(self, sock: Socket) -> None:
        """Set what must be set before bind, beside ``options``."""
        system = platforms.current
        system.prepare_listener(sock, exclusive=self.exclusive)
        if self.reuse_port:
            system.share_port(sock)

    def listen(self, one: Opened) -> None:
        """Begin to listen on a bound socket."""
        try:
            one.socket.listen(self.backlog)
        except OSError as error:
            # Two sockets may bind one port while neither listens; the second to listen finds out here (Linux).
            raise _listen_error([(one.endpoint, error)], (one.endpoint, error)) from error

    # ------------------------------------------------------------------ Unix and inherited sockets

    def _open_other(self, address: Address, others: list[Opened]) -> None:
        """Open what is not an IP address, after those."""
        if address.kind == "unix":
            others.append(self._unix(address))
        elif address.kind in INHERITED:
            self._adopt(address, others)

    def _unix(self, address: Address) -> Opened:
        from ..core.endpoint_unix import SOCK_SEQPACKET, UnixEndpoint
        from .unix import bind_unix

        endpoint = address.endpoint
        if not isinstance(endpoint, UnixEndpoint):
            raise TypeError(f"{endpoint!r} is not an address to listen on")
        try:
            bound = bind_unix(
                endpoint,
                type=SOCK_SEQPACKET if address.transport == "seqpacket" else SOCK_STREAM,
                backlog=self.backlog,
                mode=self.mode,
                owner=self.owner,
                group=self.group,
                takeover=self.takeover,
            )
            try:
                bound.socket.setblocking(False)
                return Opened(bound.socket, bound.endpoint, bound.unlink)
            except BaseException:
                bound.unlink()
                bound.socket.close()
                raise
        except UnsupportedError:
            raise
        except OSError as error:
            said = (error.strerror or str(error)).removeprefix(f"{endpoint}: ")
            raise ListenError(error.errno or 0, f"cannot listen on {endpoint}: {said}", [(endpoint, error)]) from error

    def _adopt(self, address: Address, others: list[Opened]) -> None:
        from .activation import adopt

        adopted = adopt(str(address), datagrams=self.type != SOCK_STREAM)
        for index, (sock, endpoint) in enumerate(adopted):
            try:
                sock.setblocking(False)
                others.append(Opened(sock, endpoint))
            except BaseException:
                for left, _ in adopted[index:]:
                    left.close()
                raise


def _listen_error(errors: Sequence[tuple[Endpoint, OSError]], decisive: tuple[Endpoint, OSError]) -> ListenError:
    """Say which address failed, what the system said, what to do, and what had failed on the way there."""
    endpoint, error = decisive
    system = platforms.current
    port = endpoint.port if isinstance(endpoint, IPEndpoint) else 0
    message = f"cannot listen on {endpoint}: {error.strerror or error}"
    hint: str | None = None
    if error.errno == errno.EADDRINUSE and port:
        holder = system.holder_of(endpoint.family, port)
        hint = holder and f"the port is held by {holder}"
    elif error.errno == errno.EACCES:
        hint = system.why_denied(port)
    elif error.errno == errno.EADDRNOTAVAIL:
        hint = "no interface of this host has that address"
    if hint:
        message += f"; {hint}"
    told = {str(endpoint)}
    for other, cause in errors:
        if str(other) not in told:
            told.add(str(other))
            message += f"; before that {other}: {cause.strerror or cause}"
    return ListenError(error.errno or 0, message, errors)


def _of_name(endpoints: Sequence[IPEndpoint], name: str) -> list[Request]:
    """Requests for the addresses behind one name: all that this host has, at least one."""
    return [Request.one(endpoint, optional=True, group=name) for endpoint in endpoints]
