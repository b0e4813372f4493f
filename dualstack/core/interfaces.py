"""Interfaces: one snapshot of all network interfaces, with lookup and filters.

A snapshot is a sequence in the system's own order (rising index on Linux) and never changes; ask again for a
newer one. ``addresses()`` answers the question most programs have, "which address should I use", by family,
scope, kind and state, best first. What it cannot answer is "which one is reached from outside": no host knows
that without asking somebody outside.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6
from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ipaddress import IPv4Address, IPv6Address
    from typing import Any, Literal, overload

    from .endpoint import IPEndpoint
    from .interface import Interface
    from .interface_address import InterfaceAddress, Scope

    Kind = Literal["usable", "private", "global", "link_local", "temporary", "loopback"]

__all__ = ("Interfaces",)

_KINDS: dict[str, Callable[[InterfaceAddress], bool]] = {
    "usable": lambda address: address.is_bindable and not address.is_deprecated,
    "private": lambda address: address.is_private,
    "global": lambda address: address.is_global,
    "link_local": lambda address: address.is_link_local,
    "temporary": lambda address: address.is_temporary,
    "loopback": lambda address: address.is_loopback,
}
_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"  # ::ffff:0:0/96 (RFC 4291 section 2.5.5.2)
_NEARNESS = {"global": 0, "link": 1, "host": 2}


class Interfaces(Sequence["Interface"]):
    """All interfaces at one moment: a sequence, and a look-up by name, index and address.

    ``nics["eth0"]`` finds by any of the interface's names and raises KeyError with near matches,
    ``nics[0]`` is the first one as in any sequence, ``nics.by_index(3)`` the one the system numbers 3.

    ``consistent`` is False when the system kept changing while it was read and said so at every retry: an
    address that was there all the time may then be missing or doubled.
    """

    __slots__ = ("_items", "_later", "consistent")

    consistent: bool
    #: A function and its argument that give the items, and where the first to call it leaves them; None afterwards.
    _later: tuple[Callable[[Any], Iterable[Interface]], Any, dict[None, tuple[Interface, ...]]] | None

    def __init__(self, items: Iterable[Interface] = (), consistent: bool = True) -> None:
        self._items = tuple(items)
        self.consistent = consistent

    @classmethod
    def later(cls, make: Callable[[Any], Iterable[Interface]], received: Any) -> Interfaces:
        """A snapshot whose items are ``make(received)``, called when somebody looks; for decoders."""
        nics: Interfaces = cls.__new__(cls)
        nics._later = make, received, {}
        nics.consistent = True
        return nics

    if not TYPE_CHECKING:  # else a checker would believe in any attribute

        def __getattr__(self, slot: str) -> Any:
            if slot != "_items":
                raise AttributeError(f"'Interfaces' object has no attribute {slot!r}")
            # Two threads may both get here and make items; those of one are taken, as setdefault is one step. Who
            # finds nothing to make them of finds them made.
            later = self._later
            if later is not None:
                make, received, made = later
                self._items = made.setdefault(None, tuple(make(received)))
                self._later = None
            return object.__getattribute__(self, "_items")

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, which: int | str) -> Interface: ...
        @overload
        def __getitem__(self, which: slice) -> Interfaces: ...

    def __getitem__(self, which: int | str | slice) -> Interface | Interfaces:
        if isinstance(which, str):
            found = self.get(which)
            if found is None:
                raise KeyError(self._unknown(which))
            return found
        if isinstance(which, slice):
            return Interfaces(self._items[which], self.consistent)
        return self._items[which]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Interface]:
        return iter(self._items)

    def __contains__(self, what: object) -> bool:
        return self.get(what) is not None if isinstance(what, str) else what in self._items

    @property
    def names(self) -> tuple[str, ...]:
        """The interface names, in order."""
        return tuple(item.name for item in self._items)

    def get(self, name: str) -> Interface | None:
        """Find an interface by name, alternative name, GUID or display name, in this order; or None."""
        for item in self._items:
            if item.name == name:
                return item
        for item in self._items:
            if name in item.alternative_names:
                return item
        for item in self._items:
            if item.display_name == name:
                return item
        return None

    def by_index(self, index: int) -> Interface:
        """Find the interface the system numbers *index*; KeyError if there is none."""
        for item in self._items:
            if item.index == index:
                return item
        raise KeyError(f"no interface has index {index}; there are {[item.index for item in self._items]}")

    def by_address(self, host: str | bytes | IPv4Address | IPv6Address | IPEndpoint) -> Interface:
        """Find the interface that has the address *host*; KeyError if none has it.

        *host* is text, 4 or 16 bytes, an ``ipaddress`` object or an IP endpoint, whose port does not matter. An
        IPv4-mapped address is the IPv4 one, as a dual-stack socket names its own end. A link-local address without a
        zone may be on several interfaces; the first one is returned.
        """
        if not isinstance(host, str | bytes):
            if not hasattr(host, "packed"):
                raise TypeError(f"an address is text, bytes, an ipaddress object or an endpoint, not {host!r}")
            host = str(getattr(host, "host", host))
        if isinstance(host, bytes) and host[:12] == _MAPPED:
            host = host[12:]
        for address in self._every():
            if host == (address.packed if isinstance(host, bytes) else address.host):
                return self.by_index(address.index)
        if isinstance(host, str):
            from ipaddress import ip_address

            text, _, zone = host.partition("%")
            try:
                packed = ip_address(text).packed
            except ValueError:
                raise KeyError(f"no interface has {host!r}, which is not an IP address") from None
            if packed[:12] == _MAPPED:
                packed = packed[12:]
            for address in self._every():
                if address.packed == packed and zone in ("", address.interface, str(address.index)):
                    return self.by_index(address.index)
        raise KeyError(f"no interface has the address {host!r}")

    def addresses(
        self,
        *,
        family: int | None = None,
        scope: Scope | None = None,
        kind: Kind | Sequence[Kind] = (),
        up: bool | None = True,
        interface: str | int | Interface | None = None,
    ) -> list[InterfaceAddress]:
        """List the addresses that meet all conditions, the one to prefer first.

        Order: usable before tentative and duplicated, not deprecated before deprecated, global before
        link-local before loopback, lasting before temporary, then the system's own order.

        ``up`` True takes interfaces that are up, False those that are down, None all. ``kind`` is a name or
        several that must all hold: ``usable`` (a socket can be bound to it and new connections may start from
        it), ``private``, ``global``, ``link_local``, ``loopback``, ``temporary``. ``scope`` is ``global``, ``link`` or
        ``host``. ``interface`` is a name, an index or an ``Interface``; KeyError if it does not exist. ValueError for
        any other kind, scope or family.
        """
        if family not in (None, AF_INET, AF_INET6):
            raise ValueError(f"family must be AF_INET, AF_INET6 or None, not {family!r}")
        if scope is not None and scope not in _NEARNESS:
            raise ValueError(f"scope is one of {', '.join(_NEARNESS)}, not {scope!r}")
        kinds = [kind] if isinstance(kind, str) else kind
        tests = [_KINDS[name] for name in kinds if name in _KINDS]
        if len(tests) < len(kinds):
            strange = next(name for name in kinds if name not in _KINDS)
            raise ValueError(f"kind is one of {', '.join(_KINDS)}, not {strange!r}")
        nics: Iterable[Interface] = self._items
        if interface is not None:
            which = interface if isinstance(interface, str | int) else interface.index
            nics = [self[which] if isinstance(which, str) else self.by_index(which)]
        found = [
            address
            for nic in nics
            if up is None or nic.is_up == up
            for address in nic.addresses
            if (family is None or address.family == family)
            and (scope is None or address.scope == scope)
            and all(test(address) for test in tests)
        ]
        return sorted(found, key=_preference)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as JSON-ready values."""
        return {"consistent": self.consistent, "interfaces": [item.to_dict() for item in self._items]}

    def _every(self) -> Iterator[InterfaceAddress]:
        for item in self._items:
            yield from item.addresses

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches

        known = [word for item in self._items for word in (item.name, *item.alternative_names)]
        near = get_close_matches(name, known, n=3) or known[:10]
        return f"no interface is called {name!r}; there is {', '.join(near) or 'none at all'}"

    def __str__(self) -> str:
        text = "\n".join(map(str, self._items))
        return text if self.consistent else text + "\n(the list changed while it was read)"

    def __repr__(self) -> str:
        return f"<Interfaces {', '.join(self.names)}>"

    def __eq__(self, other: object) -> bool:
        return self._items == other._items if isinstance(other, Interfaces) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._items)

    def __reduce__(self) -> tuple[Any, ...]:
        return Interfaces, (self._items, self.consistent)


def _preference(address: InterfaceAddress) -> tuple[bool, bool, int, bool]:
    return (
        not address.is_bindable,
        address.is_deprecated,
        _NEARNESS[address.scope],
        address.is_temporary,
    )
