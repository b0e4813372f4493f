"""open_datagram: UDP that answers from the address it was asked on, over both families; Unix datagrams too.

Problem: a server on a host with several addresses is asked on one of them and answers from another, because the kernel
picks the source by the route; a client that called connect() never sees that answer. And a server for both families is
one socket on some systems and two on others, with IPv4 peers spelled ``::ffff:192.0.2.7``.

Rule: every socket asks for packet information (core/ancillary.py), every datagram keeps it, ``reply`` puts it back.
One dual-stack socket where the system does all of this on it (Linux, Windows), two sockets on one port behind one
``recv()`` where it does not (macOS, BSD). Where a system has no packet information, or takes it and ignores it, a
wildcard becomes one socket per local address; addresses that appear later are not heard then.

What to bind is decided by the same plan as for listeners (core/plan.py), with the same meaning of every address form.
"""

from __future__ import annotations

import errno
from socket import AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SOCK_DGRAM

from .. import doors, platforms
from ..core.endpoint import AF_UNIX, Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint
from ..core.plan import Request
from ..errors import ListenError, UnsupportedError
from .datagram_socket import DatagramSocket
from .listen import INHERITED, Opener, needs_lookup, read_addresses
from .opened import close_all
from .packet import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from socket import socket as Socket
    from typing import Any

    from ..core.address import Address
    from ..core.options import SocketOptions
    from ..doors import Doors
    from ..platforms.udp import UdpRules
    from .listen import Host
    from .opened import Opened
    from .unix import BoundUnix

__all__ = ("DatagramOpener", "open_datagram", "open_read", "read_arguments", "to_look_up")

_HOW_AUTO = "auto"
_HOW_PACKET = "packet information"
_HOW_SOCKETS = "one socket per address"
_HOW_NONE = "none"  # wildcard sockets, and the system answers from where it likes


def open_datagram(
    host: Host | Sequence[Host] = None,
    port: int | str | None = None,
    *,
    remote: Host | tuple[str, int] = None,
    v6only: bool | None = None,
    dual: bool | None = None,
    share: bool = False,
    broadcast: bool = False,
    timestamps: bool = False,
    strict: bool = False,
    multicast_ttl: int | None = None,
    multicast_loop: bool | None = None,
    multicast_interface: str | int | None = None,
    source_selection: str = _HOW_AUTO,
    mode: int = 0o600,
    takeover: str = "stale",
    options: SocketOptions | None = None,
) -> DatagramSocket:
    """Open a datagram socket that knows which of its addresses was asked, and answers from it.

    *host* takes every form ``open_listener`` takes, lists included, and means the same: ``"::"`` or ``"*"`` is both
    families on one port, ``"%eth0"`` the addresses of that interface, ``"unix:/run/x.sock"`` a Unix datagram socket;
    ``"fd://3"``, ``"systemd:"`` and ``"systemd:name"`` take over bound datagram sockets that this process inherited,
    and leave listeners to ``open_listener``.
    *port* None is the one in the text, else any free one.

    *remote* connects to one peer: an address, a name (its addresses are tried in order), or ``(host, port)``. Only its
    datagrams are received, ``send(data)`` goes there, and ICMP errors about it are raised. With *host* as well, that is
    the address to send from.

    *dual* False forces two sockets, True one dual-stack socket (or an error); None leaves it to the system. *share*
    lets other sockets hear the same port, for multicast; nobody else can take the port without it. *broadcast* permits
    sending to broadcast addresses. *timestamps* asks for the kernel's receive times. *strict* makes a truncated
    datagram a TruncatedError. *multicast_ttl* (default 1: this link), *multicast_loop* (default True: this host hears
    itself) and *multicast_interface* are for sending to groups. *source_selection* may insist on
    ``"packet information"`` or ``"one socket per address"``. *mode* and *takeover* are for Unix sockets.

    Raises ListenError as ``open_listener`` does, AddressError, ResolveError; UnsupportedError for what this system does
    not have; with *remote*, the OSError of the last address tried. ip(7), ipv6(7), RFC 3542, RFC 3678.

    Linux. Windows: receiving ran under Wine, which ignores the source of an answer, so that sending from one is known
    by its layout only. macOS and the BSDs: never run.
    """
    local, peer = read_arguments(host, port, remote)
    resolved = {one: _look_up(one, passive=one is not peer) for one in to_look_up(local, peer)}
    return open_read(
        local,
        peer,
        resolved,
        v6only=v6only,
        dual=dual,
        share=share,
        broadcast=broadcast,
        timestamps=timestamps,
        strict=strict,
        multicast_ttl=multicast_ttl,
        multicast_loop=multicast_loop,
        multicast_interface=multicast_interface,
        source_selection=source_selection,
        mode=mode,
        takeover=takeover,
        options=options,
    )


def read_arguments(
    host: Host | Sequence[Host], port: int | str | None, remote: Host | tuple[str, int]
) -> tuple[list[Address] | None, Address | None]:
    """Read the addresses of one call: where to bind (None: nowhere in particular), whom to connect to."""
    if remote is not None and host is None and port is None:
        local = None
    else:
        # In a list, the port is for those that bring none of their own; so a port of 0 is put on a lone host.
        lone = port is None and not isinstance(host, list | tuple)
        local = read_addresses([host] if lone else host, port or 0)  # type: ignore[list-item]  # not a list here
    if remote is None:
        return local, None
    where: tuple[Any, ...] = remote if isinstance(remote, tuple) else (remote, None)
    if len(where) != 2 or isinstance(where[0], list | tuple):
        raise TypeError(f"remote is one address or (host, port), not {remote!r}")
    peers = read_addresses(*where)
    if peers[0].kind in (*INHERITED, "interface"):
        raise ValueError(f"{peers[0]} is nobody to connect to")
    return local, peers[0]


def to_look_up(local: Sequence[Address] | None, peer: Address | None) -> list[Address]:
    """The addresses whose names must be resolved before ``open_read``."""
    return [one for one in (*(local or ()), *(() if peer is None else (peer,))) if needs_lookup(one)]


def open_read(
    local: Sequence[Address] | None,
    peer: Address | None,
    resolved: Mapping[Address, Sequence[IPEndpoint]],
    *,
    v6only: bool | None = None,
    dual: bool | None = None,
    share: bool = False,
    broadcast: bool = False,
    timestamps: bool = False,
    strict: bool = False,
    multicast_ttl: int | None = None,
    multicast_loop: bool | None = None,
    multicast_interface: str | int | None = None,
    source_selection: str = _HOW_AUTO,
    mode: int = 0o600,
    takeover: str = "stale",
    options: SocketOptions | None = None,
) -> DatagramSocket:
    """``open_datagram`` after reading and resolving; waits for nothing."""
    world = doors.current
    rules = platforms.current.udp
    if source_selection not in (_HOW_AUTO, _HOW_PACKET, _HOW_SOCKETS):
        raise ValueError(f"source_selection is {_HOW_AUTO!r}, {_HOW_PACKET!r} or {_HOW_SOCKETS!r}")
    how = _HOW_PACKET if peer is not None else _how(source_selection)
    opener = DatagramOpener(
        world, rules, how, v6only=v6only, dual=dual, share=share, mode=mode, takeover=takeover, options=options
    )
    if peer is not None:
        if any(one.kind in INHERITED for one in local or ()):
            raise ValueError(f"{local[0] if local else ''}: who made an inherited socket connects it, not remote=")
        from .datagram_connect import connect_datagram

        opened = connect_datagram(
            opener, peer, local, resolved, broadcast=broadcast, timestamps=timestamps, strict=strict
        )
    else:
        try:
            opened = opener.open_datagram(
                local or (), resolved, broadcast=broadcast, timestamps=timestamps, strict=strict
            )
        except ListenError as error:
            if source_selection != _HOW_AUTO or how != _HOW_SOCKETS or error.errno != errno.EADDRINUSE:
                raise
            # Wine does not let two IPv4 addresses have one UDP port. Better a socket that says it cannot choose.
            opener.how = _HOW_NONE
            opened = opener.open_datagram(
                local or (), resolved, broadcast=broadcast, timestamps=timestamps, strict=strict
            )
    try:
        if multicast_ttl is not None:
            opened.multicast_ttl = multicast_ttl
        if multicast_loop is not None:
            opened.multicast_loop = multicast_loop
        if multicast_interface is not None:
            opened.multicast_interface = multicast_interface
    except BaseException:
        opened.close()
        raise
    return opened


class DatagramOpener(Opener):
    """Opens datagram sockets by the plan that opens listeners."""

    type = SOCK_DGRAM
    protocol = "udp"

    def __init__(
        self,
        world: Doors,
        rules: UdpRules,
        how: str,
        *,
        v6only: bool | None,
        dual: bool | None,
        share: bool,
        mode: int,
        takeover: str,
        options: SocketOptions | None,
    ) -> None:
        super().__init__(world, 0, v6only, False, True, mode, None, None, takeover, options)
        self.rules = rules
        self.how = how
        self.dual: bool = rules.dual if dual is None else dual
        self.insist_dual: bool = dual is True
        self.share = share

    def open_datagram(
        self,
        addresses: Sequence[Address],
        resolved: Mapping[Address, Sequence[IPEndpoint]],
        *,
        broadcast: bool,
        timestamps: bool,
        strict: bool,
    ) -> DatagramSocket:
        """Bind everything asked for, or raise with nothing open."""
        if any(address.kind == "unix" for address in addresses):
            return self._open_unix(addresses, strict=strict)
        opened = self.open_all(addresses, resolved)
        try:
            channels = self._channels(opened, broadcast=broadcast, timestamps=timestamps)
            return DatagramSocket(self.world, channels, strict=strict, source_selection=self._said(channels))
        except BaseException:
            close_all(opened)
            raise

    def _channels(self, opened: Sequence[Opened], *, broadcast: bool, timestamps: bool) -> list[Channel]:
        if len(opened) > 1 and any(one.family == AF_UNIX for one in opened):  # inherited ones
            raise ValueError("one Unix datagram socket at a time, and no IP addresses beside it")
        channels = []
        for one in opened:
            dual = one.family == AF_INET6 and not one.socket.getsockopt(IPPROTO_IPV6, IPV6_V6ONLY)
            if one.family != AF_UNIX:
                self.rules.ignore_resets(one.socket)
                if broadcast:
                    self.permit_broadcast(one.socket)
            channels.append(Channel(one.socket, dual=dual, timestamps=timestamps))
        return channels

    def permit_broadcast(self, sock: Socket) -> None:
        """Let *sock* send to broadcast addresses."""
        constants = self.rules.constants
        sock.setsockopt(constants["SOL_SOCKET"], constants["SO_BROADCAST"], 1)

    def requests(self, address: Address, resolved: Mapping[Address, Sequence[IPEndpoint]]) -> Iterable[Request]:
        """What *address* means, before wildcards are split for this system."""
        return super()._requests(address, resolved)

    def _said(self, channels: Sequence[Channel]) -> str:
        if not any(isinstance(one.bound, IPEndpoint) and one.bound.is_unspecified for one in channels):
            return _HOW_SOCKETS if len(channels) > 1 else "fixed"
        return self.how if all(channel.tells_local for channel in channels) else _HOW_NONE

    def _requests(self, address: Address, resolved: Mapping[Address, Sequence[IPEndpoint]]) -> Iterable[Request]:
        requests: list[Request] = []
        for request in super()._requests(address, resolved):
            if self.how == _HOW_SOCKETS and request.endpoint.is_unspecified:
                requests += self._every_address(request)
            elif not request.wants_both:
                requests.append(request)
            elif self.insist_dual:
                request.alternatives = request.alternatives[:1]
                requests.append(Request((*request.alternatives, request.alternatives[0])))
            elif self.dual:
                requests.append(request)
            else:
                group = f"both families of port {request.endpoint.port}"
                optional = self.v6only is None
                six, four = IPv6Endpoint("::", request.endpoint.port), IPv4Endpoint("0.0.0.0", request.endpoint.port)
                requests += [Request.one(one, optional=optional, group=group) for one in (six, four)]
        return requests

    def _every_address(self, request: Request) -> list[Request]:
        """A wildcard as the addresses this host has now."""
        from .interfaces import interfaces

        family = None if request.wants_both else request.endpoint.family
        port = request.endpoint.port
        found = [one.endpoint(port) for one in interfaces().addresses() if one.is_bindable]
        wanted = [one for one in found if family is None or one.family == family]
        return [Request.one(one, optional=True, group=f"every address, port {port}") for one in wanted]

    def _prepare(self, sock: Socket) -> None:
        self.rules.prepare(sock, share=self.share)

    def listen(self, one: object) -> None:
        """Datagram sockets do not listen."""

    def bind_unix(self, endpoint: Endpoint | None) -> BoundUnix:
        """Bind a Unix datagram socket; ListenError says why not."""
        from ..core.endpoint_unix import UnixEndpoint
        from .unix import bind_unix

        system = platforms.current
        if not system.has_unix_datagrams:
            raise UnsupportedError("Unix datagram sockets", system.name, "use UDP on loopback or a Unix stream")
        if not isinstance(endpoint, UnixEndpoint):
            raise TypeError(f"{endpoint!r} is not a Unix address")
        try:
            return bind_unix(endpoint, type=SOCK_DGRAM, mode=self.mode, takeover=self.takeover)
        except UnsupportedError:
            raise
        except OSError as error:
            message = f"cannot receive on {endpoint}: {error.strerror or error}"
            raise ListenError(error.errno or 0, message, [(endpoint, error)]) from error

    def _open_unix(self, addresses: Sequence[Address], *, strict: bool) -> DatagramSocket:
        if len(addresses) > 1:
            raise ValueError("one Unix datagram socket at a time, and no IP addresses beside it")
        if addresses[0].transport is not None:
            raise ValueError(f"{addresses[0]} is not a datagram address; use open_listener")
        endpoint = addresses[0].endpoint
        bound = self.bind_unix(endpoint)
        try:
            if self.options is not None:
                from .options import apply

                apply(bound.socket, self.options, stream=False)
            channel = Channel(bound.socket, dual=False)
            return DatagramSocket(self.world, [channel], strict=strict, bound_unix=bound, source_selection="fixed")
        except BaseException:
            bound.unlink()
            bound.socket.close()
            raise


def _look_up(address: Address, *, passive: bool = True) -> list[IPEndpoint]:
    from .resolve import resolve

    found = resolve(address.host, address.port, family=address.family, type=SOCK_DGRAM, passive=passive)
    return [endpoint for endpoint in found if isinstance(endpoint, IPEndpoint)]


def _how(wanted: str) -> str:
    if wanted != _HOW_AUTO:
        return wanted
    from .capabilities import probe

    return _HOW_PACKET if probe("source_selection") else _HOW_SOCKETS
