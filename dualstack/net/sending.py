"""Where a datagram goes: from what the caller wrote to a socket, its control messages and a raw address."""

from __future__ import annotations

import errno
from socket import SOCK_DGRAM

from .. import doors
from ..core.endpoint import Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint
from ..core.text import needs_zone
from ..errors import AddressError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..core.ancillary import ControlMessage
    from .packet import Channel

    Route = tuple[Channel, tuple[ControlMessage, ...], Any, Endpoint, "Endpoint | None"]

__all__ = ("BROADCAST", "as_endpoint", "as_host", "explain", "interface_index", "route")

BROADCAST = " (a broadcast address needs broadcast=True)"  # what EACCES to an IPv4 address means, mostly
_TOO_LONG = frozenset((errno.EMSGSIZE, getattr(errno, "WSAEMSGSIZE", errno.EMSGSIZE)))
# What kernels say to a source that is not theirs: EINVAL (Linux, IPv6 and mapped), ENETUNREACH (Linux, IPv4),
# EADDRNOTAVAIL (BSD, Windows), ENODEV and ENXIO for an interface that has gone. Others mean these too, so we look.
_MAYBE_NOT_OURS = frozenset((errno.EINVAL, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO))


def as_endpoint(to: object) -> Endpoint:
    """A concrete address from what callers write; AddressError for a name, TypeError for anything else."""
    if isinstance(to, Endpoint):
        return to
    endpoint = getattr(to, "endpoint", None)  # of an Address that has one
    if isinstance(endpoint, Endpoint):
        return endpoint
    host = ""
    try:
        if isinstance(to, str):
            host = to.rpartition(":")[0]
            return Endpoint.parse(to)
        if isinstance(to, tuple) and len(to) in (2, 4) and isinstance(to[0], str):
            host = to[0]
            return IPv6Endpoint(*to) if ":" in host else IPv4Endpoint(*to[:2])
    except AddressError as error:
        if host[-1:].isalpha() and ":" not in host:
            raise AddressError(host, 0, "a name, not an address; resolve() finds the addresses of a name") from error
        raise
    raise TypeError(f"an address to send to is an Endpoint, its text or a (host, port) tuple, not {to!r}")


def as_host(address: Endpoint | str) -> IPEndpoint:
    """An address without a port (it becomes 0), from text or an endpoint, unmapped."""
    if isinstance(address, str):
        address = Endpoint.parse(f"[{address}]:0" if ":" in address else f"{address}:0")
    plain = address.unmapped()
    if not isinstance(plain, IPEndpoint):
        raise TypeError(f"an IP address is wanted, not {plain}")
    return plain


def interface_index(interface: str | int) -> int:
    """The index of an interface given by name, index, or index as text; OSError ENODEV when there is none."""
    if isinstance(interface, str) and not interface.isdecimal():
        return doors.current.if_nametoindex(interface)
    if isinstance(interface, bool) or not (isinstance(interface, str) or hasattr(interface, "__index__")):
        raise TypeError(f"an interface is a name or an index, not {interface!r}")
    index = int(interface)
    if not 0 <= index < 2**31:
        raise OSError(errno.ENODEV, f"no interface has the index {index}")
    return index


def route(
    channels: Sequence[Channel],
    to: Endpoint | str | tuple[Any, ...],
    source: Endpoint | str | None,
    interface: str | int | None,
) -> Route:
    """Choose the socket, the control messages and the raw address; also the destination and the source as values."""
    peer = as_endpoint(to)
    if channels[0].unix:
        if source is not None or interface is not None:
            raise UnsupportedError("choosing the source of a Unix datagram", "any system")
        if isinstance(peer, IPEndpoint):
            raise OSError(errno.EAFNOSUPPORT, f"a Unix socket does not send to {peer}")
        return channels[0], (), peer.sockaddr, peer, None
    peer = peer.unmapped()
    if not isinstance(peer, IPEndpoint):
        raise OSError(errno.EAFNOSUPPORT, f"an IP socket does not send to {peer}")
    if not peer.port:
        raise OSError(errno.EINVAL, f"{peer}: nobody can receive on port 0")  # some systems take it and send nothing
    index = 0 if interface is None else interface_index(interface)
    if isinstance(peer, IPv6Endpoint) and needs_zone(peer.packed) and not peer.scope_id:
        # The zone may still be a name; and an interface that was named is the zone of an address without one.
        if peer.zone is not None:
            peer = peer.with_scope(interface_index(peer.zone))
        elif index or (peer.packed[0] == 0xFF and channels[0].group_interface):
            peer = peer.with_scope(index or channels[0].group_interface)
        else:
            # Linux would take the first link-local route it finds, macOS and Windows something else.
            text = str(peer)
            raise AddressError(text, text.find("]"), "a link-local address needs its interface, as in fe80::1%eth0")
    four = isinstance(peer, IPv4Endpoint)
    usable = [channel for channel in channels if (channel.dual or not channel.six if four else channel.six)]
    if not usable:
        bound = ", ".join(str(channel.bound) for channel in channels)
        raise OSError(errno.EAFNOSUPPORT, f"{peer} cannot be reached from {bound}: another address family")
    if source is None:
        channel = _channel_towards(usable, peer)
        control = _control(channel, None, index, four=four) if index else ()
        return channel, control, channel.raw(peer), peer, None
    chosen = as_host(source)
    if isinstance(chosen, IPv4Endpoint) != four:
        raise ValueError(f"the source {chosen.host} is of another family than {peer}")
    channel, exact = _channel_from(usable, chosen.packed)
    packed = None if exact else chosen.packed
    if packed is not None and not index and needs_zone_of(chosen):
        index = chosen.scope_id or peer.scope_id
    control = _control(channel, packed, index, four=four)
    return channel, control, channel.raw(peer), peer, chosen


def needs_zone_of(endpoint: IPEndpoint) -> bool:
    """Whether the address means nothing without its interface."""
    return isinstance(endpoint, IPv6Endpoint) and needs_zone(endpoint.packed)


def _channel_towards(usable: list[Channel], peer: IPEndpoint) -> Channel:
    """The socket to send from when the caller leaves it open: a wildcard, else the one routing would choose."""
    for channel in usable:
        if _bound(channel).is_unspecified:
            return channel
    if len(usable) == 1:
        return usable[0]
    probe = doors.current.socket(peer.family, SOCK_DGRAM)
    try:
        probe.connect(peer.sockaddr)
        local = Endpoint.local(probe)
    except OSError:
        return usable[0]  # no route: sending will say so
    finally:
        probe.close()
    for channel in usable:
        if _bound(channel).packed == getattr(local, "packed", None):
            return channel
    return usable[0]


def _channel_from(usable: list[Channel], source: bytes) -> tuple[Channel, bool]:
    """The socket that sends from *source*, and whether it does so by being bound to it."""
    for channel in usable:
        if _bound(channel).packed == source:
            return channel, True
    for channel in usable:
        if _bound(channel).is_unspecified:
            return channel, False
    bound = ", ".join(str(channel.bound) for channel in usable)
    raise OSError(errno.EADDRNOTAVAIL, f"bound to {bound}, which cannot send from another address")


def _bound(channel: Channel) -> IPEndpoint:
    bound = channel.bound.unmapped()
    if not isinstance(bound, IPEndpoint):
        raise TypeError(f"{bound} is not an IP socket")
    return bound


def _control(channel: Channel, address: bytes | None, index: int, *, four: bool) -> tuple[ControlMessage, ...]:
    if address is None and not index:
        return ()
    try:
        if not channel.tells_local:
            raise LookupError("no packet information")
        return channel.source(address, index, four=four)
    except LookupError as error:
        what = "choosing the interface of a datagram" if index else "choosing the source of a datagram"
        instead = "bind a socket to the address, or set multicast_interface for groups"
        raise UnsupportedError(what, f"this system ({error.args[0]})", instead) from None


def explain(error: OSError, data: Any, peer: Endpoint | None, source: Endpoint | None) -> OSError:
    """What a send error means, in terms of the call that was made; the class and errno stay what they were."""
    code = error.errno
    if code in _TOO_LONG:
        size = len(memoryview(data).cast("B")) if data else 0
        most = "65,507 bytes are the most over IPv4, 65,527 over IPv6"
        limit = most if isinstance(peer, IPEndpoint) else "see SocketOptions(send_buffer=...)"
        return OSError(code, f"{size} bytes do not fit one datagram to {peer} ({limit})")
    if code == errno.EACCES and isinstance(peer, IPv4Endpoint):
        return PermissionError(code, f"{peer}: {error.strerror}{BROADCAST}")
    if isinstance(source, IPEndpoint) and code in _MAYBE_NOT_OURS and not _is_ours(source):
        text = f"{source.host} is not an address this host can send from (any more): nothing was sent to {peer}"
        return OSError(errno.EADDRNOTAVAIL, text)
    return type(error)(code, f"{peer}: {error.strerror}")


def _is_ours(source: IPEndpoint) -> bool:
    """Whether this host has the address now: whether it can be bound."""
    with doors.current.socket(source.family, SOCK_DGRAM) as probe:
        try:
            probe.bind(source.with_port(0).sockaddr)
        except OSError:
            return False
    return True
