"""What changed between two snapshots of interfaces and default routes.

**Problem.** Kernels report events, and events lie by omission: setting a link up reports its IPv6 addresses and not
its IPv4 ones, a queue that overflows drops the rest, an address flips its flags twice while duplicate detection runs,
and some systems say only "something changed". A program that keeps its own list from events is wrong in the end.

**Our rule.** Events only say when to look. What happened is the difference between the snapshot before and the one
after, so it is complete and minimal on every system: what came and went in between is not reported, what is reported
is so. Lifetimes count down all the time and are no change.
"""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping
    from typing import Any, Literal

    from .interface import Interface
    from .interface_address import InterfaceAddress
    from .interfaces import Interfaces
    from .route import Route

    Action = Literal["added", "removed", "changed", "resync"]
    Subject = Literal["interface", "address", "route", "all"]
    Value = Interface | InterfaceAddress | Route

__all__ = ("Change", "State", "difference")


@dataclass(frozen=True, slots=True)
class State:
    """What is watched: the interfaces with their addresses, and the default routes."""

    interfaces: Interfaces
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different now: ``action`` happened to ``subject``.

    ``old`` is None for what was added, ``new`` is None for what was removed. The action ``"resync"`` with subject
    ``"all"`` says that the system lost events; the changes that follow it are complete all the same, as they come
    from comparing snapshots.
    """

    action: Action
    subject: Subject
    old: Value | None = None
    new: Value | None = None

    @property
    def value(self) -> Value | None:
        """What it is about: the new value, or the old one of something removed."""
        return self.new if self.new is not None else self.old

    @property
    def interface(self) -> str | None:
        """The name of the interface it is about."""
        value = self.value
        if value is None:
            return None
        name: str = value.name if self.subject == "interface" else value.interface  # type: ignore[union-attr]  # by subject
        return name

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-ready values."""
        return {
            "action": self.action,
            "subject": self.subject,
            "interface": self.interface,
            "old": self.old.to_dict() if self.old is not None else None,
            "new": self.new.to_dict() if self.new is not None else None,
        }

    def __str__(self) -> str:
        if self.action == "resync":
            return "resync: the system lost events, what follows is the difference"
        value = self.value
        text = str(value).partition("\n")[0]
        if self.subject == "interface":
            return f"{self.action} interface {text}"
        return f"{self.action} {self.subject} {text} on {self.interface}"


def difference(old: State, new: State) -> list[Change]:
    """List what is different, in an order that makes sense when applied.

    First what went (routes, then addresses, then interfaces), then what came and changed (interfaces, then
    addresses, then routes).
    """
    routes = list(_compare("route", _by_route(old.routes), _by_route(new.routes), _route_facts))
    addresses = list(_compare("address", _by_address(old), _by_address(new), _address_facts))
    nics = list(_compare("interface", _by_index(old), _by_index(new), _interface_facts))
    gone = [change for group in (routes, addresses, nics) for change in group if change.action == "removed"]
    return gone + [change for group in (nics, addresses, routes) for change in group if change.action != "removed"]


def _compare(subject: Subject, old: Mapping[Any, Value], new: Mapping[Any, Value], facts: Any) -> Iterator[Change]:
    for key, before in old.items():
        if key not in new:
            yield Change("removed", subject, before, None)
    for key, after in new.items():
        if key not in old:
            yield Change("added", subject, None, after)
        elif facts(old[key]) != facts(after):
            yield Change("changed", subject, old[key], after)


def _by_index(state: State) -> dict[int, Interface]:
    return {nic.index: nic for nic in state.interfaces}


def _by_address(state: State) -> dict[Hashable, InterfaceAddress]:
    return {address.key: address for nic in state.interfaces for address in nic.addresses}


def _by_route(routes: Iterable[Route]) -> dict[Hashable, Route]:
    return {(route.family, route.host, route.index, route.table, route.metric, route.tos): route for route in routes}


def _interface_facts(nic: Interface) -> tuple[object, ...]:
    return (
        nic.name,
        nic.flags,
        nic.mtu,
        nic.mac_bytes,
        nic.link_broadcast,
        nic.operational_state,
        nic.display_name,
        nic.alternative_names,
    )


def _address_facts(address: InterfaceAddress) -> tuple[object, ...]:
    lasting = address.valid_lifetime is None, address.preferred_lifetime is None
    return address.host, address.flags, address.broadcast, address.label, lasting


def _route_facts(route: Route) -> tuple[object, ...]:
    return route.interface, route.weight, route.source, route.is_alive, route.is_effective
