"""Interface: one network interface with its addresses, as a plain value.

The decoders of the operating systems (``platforms/rtnetlink.py``, ``bsdroute.py``, ``iphlpapi.py``) make them
and nothing else does, so one meaning holds everywhere: flag bits have Linux's numbers on every system, a
speed is bits per second, a name is a ``str`` whose undecodable bytes are surrogate escapes (``os.fsencode``
gives the bytes back). Where the snapshot does not carry ``speed``, its first read asks the system.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .interface_address import InterfaceAddress

__all__ = ("OPERATIONAL_STATES", "Interface", "Origin")

# Interface flags: the five that Linux and BSD number alike (net/if.h), and Linux's number for multicast.
UP = 0x1
BROADCAST = 0x2
LOOPBACK = 0x8
POINT_TO_POINT = 0x10
RUNNING = 0x40
MULTICAST = 0x1000

#: RFC 2863 ifOperStatus by Linux's IF_OPER_* number (linux/if.h).
OPERATIONAL_STATES = ("unknown", "not-present", "down", "lower-layer-down", "testing", "dormant", "up")

_FLAG_NAMES = (
    (UP, "up"),
    (BROADCAST, "broadcast"),
    (LOOPBACK, "loopback"),
    (POINT_TO_POINT, "point-to-point"),
    (RUNNING, "running"),
    (MULTICAST, "multicast"),
)


class Origin:
    """Where a snapshot's interfaces get what is made only when somebody looks; platforms subclass it."""

    def fill(self, nic: Interface) -> None:
        """Set the fields of *nic* that its maker has left out; asked once, when the first of them is read."""

    def addresses(self, name: str, index: int) -> tuple[InterfaceAddress, ...] | None:
        """Turn the addresses of one interface, which came with the snapshot, into values; None after ``forget``."""
        return ()

    def forget(self, index: int) -> None:
        """Drop what the addresses of one interface are made of: it has them."""

    def speed(self, name: str) -> int | None:
        """Ask the system for the link speed in bits per second; None if it does not know."""
        return None


_NOWHERE = Origin()
#: A decoder may leave these unset when its Origin can fill them.
_PUT_OFF = frozenset(
    ["_alternative_names", "_display_name", "_flags", "_link_broadcast", "_mac", "_mtu", "_operational_state", "_speed"]
)


class Interface:
    """One network interface of one snapshot.

    ``is_up`` is what an administrator set, ``is_running`` is whether the link works; a cable pulled out
    leaves the first and clears the second. An interface without addresses, without link-layer address or
    without either is listed like any other.
    """

    __slots__ = (
        "_addresses",
        "_alternative_names",
        "_display_name",
        "_flags",
        "_index",
        "_link_broadcast",
        "_mac",
        "_mtu",
        "_name",
        "_operational_state",
        "_raw",
        "_source",
        "_speed",
    )

    _raw: Any  # what the origin fills the other fields from, where they are not set at once

    def __init__(
        self,
        name: str,
        index: int,
        flags: int = 0,
        mtu: int | None = None,
        mac: bytes = b"",
        link_broadcast: bytes = b"",
        operational_state: str = "unknown",
        display_name: str | None = None,
        alternative_names: tuple[str, ...] = (),
        addresses: tuple[InterfaceAddress, ...] | None = (),
        speed: int | None = None,
        source: Origin = _NOWHERE,
    ) -> None:
        self._name = name
        self._index = index
        self._flags = flags
        self._mtu = mtu
        self._mac = mac
        self._link_broadcast = link_broadcast
        self._operational_state = operational_state
        self._display_name = display_name
        self._alternative_names = alternative_names
        self._addresses = addresses
        self._speed = speed
        self._source = source

    if not TYPE_CHECKING:  # else a checker would believe in any attribute

        def __getattr__(self, slot: str) -> Any:
            # Called for what is not set: the fields that a decoder puts off, because most are never read.
            if slot not in _PUT_OFF:
                raise AttributeError(f"'Interface' object has no attribute {slot!r}")
            self._source.fill(self)
            return object.__getattribute__(self, slot)

    @property
    def name(self) -> str:
        """The name to configure it by: ``eth0``; on Windows the friendly name (``Ethernet 2``)."""
        return self._name

    @property
    def index(self) -> int:
        """The system's number for it, which is the scope id of its link-local addresses; starts at 1."""
        return self._index

    @property
    def display_name(self) -> str:
        """The longest description the system has: driver text on Windows, the alias on Linux, or the name."""
        return self._display_name or self._name

    @property
    def alternative_names(self) -> tuple[str, ...]:
        """Other names it is found by: ``altname`` on Linux, the GUID on Windows."""
        return self._alternative_names

    @property
    def mac(self) -> str | None:
        """The link-layer address, ``"02:00:5e:10:00:01"``; None without one. InfiniBand's has 20 bytes."""
        return self._mac.hex(":") if self._mac else None

    @property
    def mac_bytes(self) -> bytes:
        """The link-layer address as the system has it; empty without one."""
        return self._mac

    @property
    def link_broadcast(self) -> bytes:
        """The link-layer broadcast address, on point-to-point links the peer's; empty where not told."""
        return self._link_broadcast

    @property
    def mtu(self) -> int | None:
        """Largest packet in bytes; None where the system sets no limit (Windows loopback)."""
        return self._mtu

    @property
    def flags(self) -> int:
        """The interface flags in Linux's numbers (IFF_*); the ``is_`` properties read the portable ones."""
        return self._flags

    @property
    def operational_state(self) -> str:
        """RFC 2863 ifOperStatus: up, down, testing, unknown, dormant, not-present, lower-layer-down.

        Loopback and many tunnels never leave ``"unknown"`` on Linux, which is not a fault.
        """
        return self._operational_state

    @property
    def is_up(self) -> bool:
        """Set up by the administrator (IFF_UP); says nothing about a cable."""
        return self._flags & UP != 0

    @property
    def is_running(self) -> bool:
        """The link works (IFF_RUNNING, or the operational state is up)."""
        return self._flags & RUNNING != 0 or self._operational_state == "up"

    @property
    def is_loopback(self) -> bool:
        """Everything sent comes back to this host."""
        return self._flags & LOOPBACK != 0

    @property
    def is_point_to_point(self) -> bool:
        """One peer and no broadcast: PPP, tunnels."""
        return self._flags & POINT_TO_POINT != 0

    @property
    def is_multicast(self) -> bool:
        """Carries multicast."""
        return self._flags & MULTICAST != 0

    @property
    def speed(self) -> int | None:
        """Bits per second the link runs at, or None where nobody knows (down, virtual, wireless).

        On Linux asked of the driver at the first read (ethtool), as the snapshot does not carry it.
        """
        if self._speed is None:
            self._speed = self._source.speed(self._name) or 0  # asked, and nobody knows
        return self._speed or None

    @property
    def addresses(self) -> tuple[InterfaceAddress, ...]:
        """Its IPv4 and IPv6 addresses in the system's own order."""
        addresses = self._addresses
        if addresses is None:
            # Two threads may both get here and make equal values. Who finds nothing to make them of finds them made.
            found = self._source.addresses(self._name, self._index)
            if found is None:
                return self._addresses or ()
            addresses = self._addresses = found
            self._source.forget(self._index)
        return addresses

    def has_name(self, name: str) -> bool:
        """Say whether *name* is one of its names: name, alternative names, display name."""
        return name == self._name or name in self._alternative_names or name == self._display_name

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-ready values, addresses included."""
        names = (
            "name index display_name alternative_names mac mtu flags operational_state is_up is_running "
            "is_loopback is_point_to_point speed"
        )
        out = {name: getattr(self, name) for name in names.split()}
        out["alternative_names"] = list(self._alternative_names)
        out["addresses"] = [address.to_dict() for address in self.addresses]
        return out

    def _fields(self) -> tuple[Any, ...]:
        return (
            self._name,
            self._index,
            self._flags,
            self._mtu,
            self._mac,
            self._link_broadcast,
            self._operational_state,
            self._display_name,
            self._alternative_names,
        )

    def __str__(self) -> str:
        """One paragraph as a person reads it: the interface, then its addresses, indented."""
        words = [name for bit, name in _FLAG_NAMES if self._flags & bit]
        head = f"{self._index}: {self._name} <{','.join(words)}> {self._operational_state}"
        if self._mtu is not None:
            head += f" mtu {self._mtu}"
        if self._mac:
            head += f" mac {self.mac}"
        return "\n    ".join([head, *map(_describe, self.addresses)])

    def __repr__(self) -> str:
        return f"<Interface {self._name} index {self._index}, {len(self.addresses)} addresses>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Interface):
            return NotImplemented
        return self._fields() == other._fields() and self.addresses == other.addresses

    def __hash__(self) -> int:
        return hash((self._name, self._index))

    def __reduce__(self) -> tuple[Any, ...]:
        return Interface, (*self._fields(), self.addresses, self.speed)


def _describe(address: InterfaceAddress) -> str:
    text = str(address)
    if address.peer:
        text += f" peer {address.peer}"
    if address.broadcast:
        text += f" broadcast {address.broadcast}"
    for word in ("temporary", "deprecated", "tentative", "duplicated"):
        if getattr(address, f"is_{word}"):
            text += f" {word}"
    if address.valid_lifetime is not None:
        text += f" valid {address.valid_lifetime}s preferred {address.preferred_lifetime}s"
    return text
