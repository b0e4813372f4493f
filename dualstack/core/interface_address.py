"""InterfaceAddress: one address of one network interface, with its state and lifetimes, as a plain value.

The decoders of the operating systems (``platforms/``) make them and nothing else does, so one meaning holds
everywhere: flag bits have Linux's numbers on every system, a lifetime is whole seconds, or None for ever.

The fields sit in private slots behind read-only properties instead of in a frozen dataclass: a snapshot of a
router has ten thousand of them, and a frozen dataclass pays for every field a call of ``object.__setattr__``.
What costs more than an attribute is made on demand: ``ip``, ``network``, ``endpoint()``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
    from typing import Any, Literal

    from .endpoint import IPv4Endpoint, IPv6Endpoint

    Scope = Literal["global", "link", "host"]

__all__ = ("InterfaceAddress", "scope_of")

# Address flags: Linux's IFA_F_* (linux/if_addr.h); the other systems' bits are translated into these.
SECONDARY = 0x01  # of an IPv4 address; the same bit of an IPv6 address says temporary
TEMPORARY = 0x01
OPTIMISTIC = 0x04
DUPLICATED = 0x08
DEPRECATED = 0x20
TENTATIVE = 0x40
PERMANENT = 0x80


def scope_of(packed: bytes) -> Scope:
    """Say how far an address reaches: ``"host"``, ``"link"`` or ``"global"``.

    Told from the address, not from the scope an administrator typed, so that it means the same on systems
    that have no such setting. Private and unique-local addresses are ``"global"`` here as in RFC 4007: they
    are not tied to a link (RFC 4193 section 3.3); ask ``is_private`` for the other question.
    """
    if len(packed) == 4:
        if packed[0] == 127:
            return "host"
        return "link" if packed[0] == 169 and packed[1] == 254 else "global"
    if packed[0] == 0xFE and packed[1] & 0xC0 == 0x80:
        return "link"
    return "host" if packed == b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1" else "global"


class InterfaceAddress:
    """One IPv4 or IPv6 address of one interface, with all the system knows about it.

    ``str()`` is ``host/prefix_length``. Equal when every field is equal, lifetimes included: two snapshots
    a second apart differ in the lifetime of a leased address. ``key`` is what stays the same.
    """

    __slots__ = (
        "_broadcast",
        "_family",
        "_flags",
        "_host",
        "_index",
        "_interface",
        "_label",
        "_packed",
        "_peer",
        "_preferred",
        "_prefix_length",
        "_scope_id",
        "_valid",
    )

    def __init__(
        self,
        family: int,
        packed: bytes,
        host: str,
        prefix_length: int,
        interface: str,
        index: int,
        scope_id: int = 0,
        flags: int = PERMANENT,
        broadcast: str | None = None,
        peer: str | None = None,
        label: str | None = None,
        valid_lifetime: int | None = None,
        preferred_lifetime: int | None = None,
    ) -> None:
        self._family = family
        self._packed = packed
        self._host = host
        self._prefix_length = prefix_length
        self._interface = interface
        self._index = index
        self._scope_id = scope_id
        self._flags = flags
        self._broadcast = broadcast
        self._peer = peer
        self._label = label
        self._valid = valid_lifetime
        self._preferred = preferred_lifetime

    @property
    def family(self) -> int:
        """``socket.AF_INET`` or ``socket.AF_INET6``."""
        return self._family

    @property
    def packed(self) -> bytes:
        """The address as 4 or 16 bytes."""
        return self._packed

    @property
    def host(self) -> str:
        """The address as text, with ``%zone`` where it means nothing without: ``fe80::1%eth0``."""
        return self._host

    @property
    def prefix_length(self) -> int:
        """Leading bits that name the network: 24 in ``192.0.2.7/24``."""
        return self._prefix_length

    @property
    def interface(self) -> str:
        """The name of the interface that has it."""
        return self._interface

    @property
    def index(self) -> int:
        """The index of the interface that has it."""
        return self._index

    @property
    def scope_id(self) -> int:
        """What ``sin6_scope_id`` must be to use it: the interface's index for link-local IPv6, else 0."""
        return self._scope_id

    @property
    def scope(self) -> Scope:
        """How far it reaches: ``"host"`` (loopback), ``"link"`` or ``"global"`` (private ones included)."""
        return scope_of(self._packed)

    @property
    def flags(self) -> int:
        """The address flags in Linux's numbers (IFA_F_*); the ``is_`` properties read the portable ones."""
        return self._flags

    @property
    def broadcast(self) -> str | None:
        """The broadcast address the system has on record; None for IPv6, /31, /32 and peers."""
        return self._broadcast

    @property
    def peer(self) -> str | None:
        """The other end of a point-to-point address; some are set on broadcast links too."""
        return self._peer

    @property
    def label(self) -> str | None:
        """The alias name of an IPv4 address (``eth0:1``), where it is not the interface's own; Linux only."""
        return self._label

    @property
    def valid_lifetime(self) -> int | None:
        """Seconds until the address goes away, counted from the snapshot; None is for ever."""
        return self._valid

    @property
    def preferred_lifetime(self) -> int | None:
        """Seconds until it is deprecated, counted from the snapshot; None is for ever, 0 is already."""
        return self._preferred

    @property
    def is_temporary(self) -> bool:
        """A privacy address that will be replaced (RFC 8981); do not publish it."""
        return len(self._packed) == 16 and self._flags & TEMPORARY != 0

    @property
    def is_deprecated(self) -> bool:
        """Still answers, but no new connection should start from it (RFC 4862 section 5.5.4)."""
        return self._flags & DEPRECATED != 0

    @property
    def is_tentative(self) -> bool:
        """Duplicate detection has not ended; binding it fails with EADDRNOTAVAIL until it has."""
        return self._flags & (TENTATIVE | OPTIMISTIC) == TENTATIVE

    @property
    def is_duplicated(self) -> bool:
        """Another host has it; this one may not use it (RFC 4862 section 5.4)."""
        return self._flags & DUPLICATED != 0

    @property
    def is_bindable(self) -> bool:
        """Neither tentative nor duplicated: a socket can be bound to it now."""
        return not (self._flags & DUPLICATED or self.is_tentative)

    @property
    def is_loopback(self) -> bool:
        """In 127.0.0.0/8, or ``::1``."""
        return self.scope == "host"

    @property
    def is_link_local(self) -> bool:
        """In 169.254.0.0/16 or fe80::/10."""
        return self.scope == "link"

    @property
    def is_private(self) -> bool:
        """For use inside one site: RFC 1918, unique-local (RFC 4193); not loopback, not link-local.

        Shared carrier-grade NAT space (100.64.0.0/10, RFC 6598) is neither private nor global.
        """
        from .special import is_private

        return is_private(self._packed)

    @property
    def is_global(self) -> bool:
        """Globally reachable by its number. Whether a firewall lets anyone in, no host can know by itself."""
        from .special import is_global

        return is_global(self._packed)

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        """The address as an ``ipaddress`` object, made on demand, with the zone of a link-local one."""
        from ipaddress import IPv4Address, IPv6Address

        return IPv4Address(self._packed) if len(self._packed) == 4 else IPv6Address(self._host)

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """The network it is in, as an ``ipaddress`` object, made on demand."""
        from ipaddress import IPv4Network, IPv6Network

        network = IPv4Network if len(self._packed) == 4 else IPv6Network
        return network((self._packed, self._prefix_length), strict=False)

    @property
    def netmask(self) -> str:
        """The network mask as text: ``255.255.255.0``, ``ffff:ffff:ffff:ffff::``."""
        return str(self.network.netmask)

    @property
    def key(self) -> tuple[int, bytes, int, str | None]:
        """What makes it one and the same address over time: interface index, bytes, prefix length, peer."""
        return self._index, self._packed, self._prefix_length, self._peer

    def endpoint(self, port: int) -> IPv4Endpoint | IPv6Endpoint:
        """Make the socket address of *port* on this address, with the scope a link-local one needs."""
        from .endpoint import ipv4_endpoint, ipv6_endpoint

        if not 0 <= port <= 65535:
            raise ValueError(f"port {port} is not between 0 and 65535")
        if len(self._packed) == 4:
            return ipv4_endpoint(self._host, port)
        # The zone by name and by index: the text names the interface, the sockaddr needs no look-up.
        return ipv6_endpoint(self._packed, port, (0, self._scope_id, self._interface) if self._scope_id else None)

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-ready values."""
        names = (
            "interface family host prefix_length netmask scope scope_id broadcast peer label flags is_temporary "
            "is_deprecated is_tentative is_duplicated valid_lifetime preferred_lifetime"
        )
        out = {name: getattr(self, name) for name in names.split()}
        # The number of AF_INET6 differs from system to system.
        out["family"] = "IPv4" if len(self._packed) == 4 else "IPv6"
        return out

    def _fields(self) -> tuple[Any, ...]:
        return (
            self._family,
            self._packed,
            self._host,
            self._prefix_length,
            self._interface,
            self._index,
            self._scope_id,
            self._flags,
            self._broadcast,
            self._peer,
            self._label,
            self._valid,
            self._preferred,
        )

    def __str__(self) -> str:
        return f"{self._host}/{self._prefix_length}"

    def __repr__(self) -> str:
        return f"<InterfaceAddress {self} on {self._interface}>"

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, InterfaceAddress) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __reduce__(self) -> tuple[Any, ...]:
        return InterfaceAddress, self._fields()
