"""Joining multicast groups: by interface name or index in both families, on one interface or on all.

Problem: joining a group without naming the interface means "where the default route points", which on a host with two
networks is one of them, and on a laptop the wrong one after the cable is pulled. IPv4 and IPv6 name the interface in
different ways, and a group joined twice is an error.

Rule: an interface is a name or an index; "all" is every interface that is up, can do multicast and has an address of
the family; joined twice is joined once. With ``follow=True`` the set keeps up with the interfaces of the host: a
thread listens for changes (``watch_interfaces``) and joins or forgets. An interface that goes away takes its
membership with it, so nothing is ever left there.

A socket hears a group on the port it is bound to, if it is bound to a wildcard address or to the group.
"""

from __future__ import annotations

import errno

from .. import doors, platforms
from ..core import multicast as requests
from ..core.endpoint import IPEndpoint, IPv4Endpoint
from ..errors import AddressError, UnsupportedError
from .sending import interface_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .packet import Channel

__all__ = ("Memberships", "multicast_interfaces", "sending")

_ALREADY = (errno.EADDRINUSE,)
# The interface has gone, or has not the family: Linux says EINVAL to IPv6 on a link below its smallest MTU.
_GONE = (errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO, errno.EINVAL)

Key = tuple[bytes, int, "bytes | None"]  # group, interface index, source


class Memberships:
    """The groups of one datagram socket; the socket's lock guards them."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self._joined: dict[Key, Channel] = {}
        self._everywhere: dict[tuple[bytes, bytes | None], IPEndpoint] = {}  # joined on "all"
        self._followed: set[tuple[bytes, bytes | None]] = set()

    def join(self, group: IPEndpoint, interface: str | int | None, source: IPEndpoint | None) -> None:
        """Join; all of it, or nothing new where one interface fails for another reason than having gone."""
        packed = group.packed
        wanted = None if source is None else _source(group, source)
        if interface != "all":
            index = _index(group, interface)
            self._join_one(group, index, wanted)
            return
        before = set(self._joined)
        joined = 0
        for index in multicast_interfaces(group):
            try:
                self._join_one(group, index, wanted)
                joined += 1
            except OSError as error:
                if error.errno not in _GONE or isinstance(error, UnsupportedError):
                    for key in self._joined.keys() - before:
                        self._drop(key)
                    raise
        if not joined:
            raise OSError(errno.ENODEV, f"no interface of this host can join {group.host}: none is up with its family")
        self._everywhere[packed, wanted] = group

    def leave(self, group: IPEndpoint, interface: str | int | None, source: IPEndpoint | None) -> None:
        """Leave what was joined; OSError EADDRNOTAVAIL if it was not."""
        packed = group.packed
        wanted = None if source is None else _source(group, source)
        if interface == "all":
            keys = [key for key in self._joined if key[0] == packed and key[2] == wanted]
            self._everywhere.pop((packed, wanted), None)
            self._followed.discard((packed, wanted))
        else:
            keys = [(packed, _index(group, interface), wanted)]
        if not any(key in self._joined for key in keys):
            raise OSError(errno.EADDRNOTAVAIL, f"{group.host} was not joined there")
        for key in keys:
            channel = self._joined.pop(key, None)
            if channel is None:
                continue
            try:
                channel.sock.setsockopt(*requests.membership(_constants(), packed, key[1], wanted, join=False))
            except OSError as error:
                if error.errno not in _GONE:  # the interface has gone, and the membership with it
                    raise

    def follow(self, group: IPEndpoint, source: IPEndpoint | None) -> None:
        """Keep the "all" of this group up to date by ``update``."""
        self._followed.add((group.packed, None if source is None else _source(group, source)))

    def update(self) -> None:
        """Interfaces changed: join the followed groups where they are missing, forget interfaces that have gone."""
        for packed, wanted in tuple(self._followed):
            group = self._everywhere.get((packed, wanted))
            if group is None:
                continue
            indices = set(multicast_interfaces(group))
            for key in [key for key in self._joined if key[0] == packed and key[2] == wanted]:
                if key[1] not in indices:
                    # Gone, or down: leaving a membership that the kernel still has lets it be joined anew later.
                    self._drop(key)
            for index in indices:
                try:
                    self._join_one(group, index, wanted)
                except OSError:
                    pass  # it went while we looked; the next change tells

    def _drop(self, key: Key) -> None:
        """Leave one group on one interface, without a word if the membership went with the interface."""
        packed, index, wanted = key
        channel = self._joined.pop(key)
        try:
            channel.sock.setsockopt(*requests.membership(_constants(), packed, index, wanted, join=False))
        except OSError:
            pass

    def _join_one(self, group: IPEndpoint, index: int, source: bytes | None) -> None:
        packed = group.packed
        key = (packed, index, source)
        if key in self._joined:
            return
        channel = self._channel_for(group)
        try:
            channel.sock.setsockopt(*requests.membership(_constants(), packed, index, source, join=True))
        except LookupError:
            raise UnsupportedError(
                "joining a group for one source", platforms.current.name, "join it for every source and look at .peer"
            ) from None
        except OSError as error:
            if error.errno not in _ALREADY:
                raise _explain(error, group, index) from None
        self._joined[key] = channel

    def _channel_for(self, group: IPEndpoint) -> Channel:
        four = isinstance(group, IPv4Endpoint)
        bound = []
        for channel in self._channels:
            if channel.unix or not (channel.dual or not channel.six if four else channel.six):
                continue
            local = channel.bound.unmapped()
            if isinstance(local, IPEndpoint) and (local.is_unspecified or local.packed == group.packed):
                return channel
            bound.append(str(local))
        if not bound:
            raise OSError(errno.EAFNOSUPPORT, f"{group.host}: this socket has no {'IPv4' if four else 'IPv6'}")
        raise OSError(
            errno.EINVAL,
            f"{group.host}: a socket bound to {', '.join(bound)} hears no groups; bind a wildcard address or the group",
        )


def multicast_interfaces(group: IPEndpoint) -> list[int]:
    """The interfaces a group can be joined on now: up, capable of multicast, with an address of the family."""
    from .interfaces import interfaces

    return [
        nic.index
        for nic in interfaces()
        if nic.is_up and nic.is_multicast and any(one.family == group.family for one in nic.addresses)
    ]


def _constants() -> Mapping[str, int]:
    return platforms.current.udp.constants


def _index(group: IPEndpoint, interface: str | int | None) -> int:
    if interface is None:
        index = group.scope_id or (interface_index(group.zone) if group.zone else 0)
        if not index and requests.link_scope(group.packed):
            # Linux answers EINVAL here and a route look-up names any interface: neither is what was meant.
            raise AddressError(group.host, 0, "a link-local group needs its interface: a name, an index or 'all'")
        return index
    return interface_index(interface)


def _source(group: IPEndpoint, source: IPEndpoint) -> bytes:
    if source.family != group.family:
        raise ValueError(f"the source {source.host} is of another family than the group {group.host}")
    return source.packed


def _explain(error: OSError, group: IPEndpoint, index: int) -> OSError:
    where = "the interface the system chose"
    if index:
        try:
            where = doors.current.if_indextoname(index)
        except OSError:
            where = f"interface {index}, which does not exist"
    text = f"cannot join {group.host} on {where}: {error.strerror}"
    if error.errno in _GONE:
        text += f" (has it an {'IPv4' if isinstance(group, IPv4Endpoint) else 'IPv6'} address, and is it up?)"
    elif error.errno == errno.ENOBUFS:
        text += " (too many groups; Linux counts them in net.ipv4.igmp_max_memberships and igmp_max_msf)"
    return type(error)(error.errno, text)


def sending(
    channels: Sequence[Channel],
    *,
    ttl: int | None = None,
    loop: bool | None = None,
    interface: str | int | None = None,
) -> None:
    """Set how the sockets send to groups; an interface of 0 gives the choice back to the system."""
    constants = _constants()
    index = None if interface is None else interface_index(interface)
    for channel in channels:
        if index is not None:
            channel.group_interface = index
        for four in (True, False):
            if channel.unix or not (channel.dual or not channel.six if four else channel.six):
                continue
            if ttl is not None:
                channel.sock.setsockopt(*requests.hops(constants, ttl, four=four))
            if loop is not None:
                channel.sock.setsockopt(*requests.loop(constants, loop, four=four))
            if index is not None:
                try:
                    channel.sock.setsockopt(*requests.send_interface(constants, index, four=four))
                except OSError as error:
                    if error.errno not in _GONE:
                        raise
                    text = f"cannot send groups through interface {interface!r}: {error.strerror}"
                    raise type(error)(error.errno, text) from None
