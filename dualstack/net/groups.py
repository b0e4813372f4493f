"""The multicast methods of a datagram socket: join, leave, and how it sends to groups."""

from __future__ import annotations

from ..core.multicast import read_group
from .datagram_base import DatagramBase, closed
from .log import log
from .multicast import Memberships, sending
from .sending import as_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..core.endpoint import Endpoint
    from ..doors import Doors
    from .packet import Channel
    from .unix import BoundUnix

__all__ = ("Groups",)

_PAUSE_SECONDS = 1.0  # before interfaces that could not be looked at are looked at again


class Groups(DatagramBase):
    """Part of DatagramSocket: what it joined, and how it sends to groups."""

    def __init__(self, world: Doors, channels: Sequence[Channel], bound_unix: BoundUnix | None) -> None:
        super().__init__(world, channels, bound_unix)
        self._memberships: Memberships | None = None
        self._sending: dict[str, Any] = {}

    def join(
        self,
        group: str | Endpoint,
        interface: str | int | None = None,
        source: str | Endpoint | None = None,
        *,
        follow: bool = False,
    ) -> None:
        """Hear what is sent to a multicast *group* on our port, of either family.

        *interface* is a name or an index, or ``"all"`` for every one that is up and has the family; None lets the
        system choose, which it may not for link-local IPv6 groups (ff02::/16). *source* narrows it to one sender
        (RFC 4607). *follow* keeps ``"all"`` true while interfaces come and go. Joining twice is joining once.

        Raises AddressError for what is no group, OSError (ENODEV, EADDRNOTAVAIL) for an interface that has gone or
        lacks the family, EAFNOSUPPORT where this socket lacks it, UnsupportedError for sources on NetBSD and OpenBSD.
        """
        where = read_group(group)
        whom = None if source is None else as_host(source)
        if follow and interface != "all":
            raise ValueError("only interface='all' can be followed")
        with self._lock:
            if self._closing:
                raise closed()
            groups = self._groups
            groups.join(where, interface, whom)
            if follow:
                groups.follow(where, whom)
                self._follow()

    def leave(
        self, group: str | Endpoint, interface: str | int | None = None, source: str | Endpoint | None = None
    ) -> None:
        """Undo ``join`` with the same arguments; ``"all"`` leaves the group wherever it was joined.

        Raises OSError EADDRNOTAVAIL if it was not joined. ``close()`` leaves everything by itself.
        """
        with self._lock:
            if self._closing:
                raise closed()
            self._groups.leave(read_group(group), interface, None if source is None else as_host(source))

    @property
    def _groups(self) -> Memberships:
        if self._memberships is None:
            self._memberships = Memberships(self._channels)
        return self._memberships

    def _follow(self) -> None:
        """Start listening for interface changes, once."""
        if self._watcher is not None:
            return
        from .watch import watch_interfaces

        watcher = self._watcher = watch_interfaces()

        def run() -> None:
            while not self._closing:
                try:
                    self._update()  # of what came before there was a watcher, or during the pause
                    for _ in watcher:
                        self._update()
                    return  # closed
                except OSError as error:  # no descriptor left to look at the interfaces with, for one
                    if self._closing:
                        return
                    log().warning("%r could not follow the interfaces: %s", self, error)
                    self._world.sleep(_PAUSE_SECONDS)

        self._world.start_daemon(run, "dualstack-follow-groups")

    def _update(self) -> None:
        with self._lock:
            if not self._closing:
                self._groups.update()

    @property
    def multicast_ttl(self) -> int | None:
        """How many routers a datagram to a group may cross, plus one (0 stays on this host); None: 1, the default."""
        return self._sending.get("ttl")

    @multicast_ttl.setter
    def multicast_ttl(self, value: int) -> None:
        if not 0 <= value <= 255:
            raise ValueError(f"multicast_ttl is 0 to 255, not {value}")
        self._set_sending(ttl=value)

    @property
    def multicast_loop(self) -> bool | None:
        """Whether this host's own sockets hear what this one sends to groups; None: they do, the default."""
        return self._sending.get("loop")

    @multicast_loop.setter
    def multicast_loop(self, value: bool) -> None:
        self._set_sending(loop=value)

    @property
    def multicast_interface(self) -> str | int | None:
        """The interface for groups when ``send`` names none; None, the default and the way back to it: by route."""
        return self._sending.get("interface") or None

    @multicast_interface.setter
    def multicast_interface(self, value: str | int | None) -> None:
        self._set_sending(interface=0 if value is None else value)

    def _set_sending(self, **what: Any) -> None:
        with self._lock:
            if self._closing:
                raise closed()
            sending(self._channels, **what)
            self._sending.update(what)
