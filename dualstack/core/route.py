"""Default routes and the answer to "how would a packet to X leave", as plain values, and which default counts.

**Problem.** "The default gateway" is one question in people's minds and several in a kernel: a host has one per
family, may have several per family that differ in metric, several of equal metric that share the traffic
(multipath), some in other tables that a policy rule selects, and some without any gateway (a WireGuard or PPP
interface). Programs that print the first line of a routing table answer wrongly on every multi-homed host.

**Our rule.** ``Route`` shows them all; ``mark_effective`` says which ones a plain packet would take: main table,
any type of service, next hop alive, lowest metric as the unsigned number it is; all members where several share.
Blackhole and unreachable defaults are not gateways. A more specific route (the 0.0.0.0/1 of a VPN) does not change
what the default route is; ``source_for()`` says what really happens to one destination.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .endpoint import IPv4Endpoint, ipv4_endpoint, ipv6_endpoint
from .text import ipv6_packed, needs_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .endpoint import IPv6Endpoint

__all__ = ("MAIN_TABLE", "Route", "SourceAddress", "mark_effective")

#: The table that a packet without a matching policy rule is looked up in: RT_TABLE_MAIN of Linux. Systems with one
#: table say the same.
MAIN_TABLE = 254


@dataclass(frozen=True, slots=True)
class Route:
    """One default route of one family, or one member of a default route that has several next hops."""

    family: int
    #: The gateway with its zone if it is link-local; None for a default that is an interface only (PPP, WireGuard).
    host: str | None
    interface: str
    index: int
    #: Lower is better; unsigned.
    metric: int = 0
    #: 254 is the main table; systems with one table say so too.
    table: int = MAIN_TABLE
    #: The share of this member among those of equal metric.
    weight: int = 1
    #: The local address that the route itself prefers, where it says so.
    source: str | None = None
    #: 0; longer ones are for readers inside the package, who see what mark_effective() leaves out.
    prefix_length: int = 0
    #: Type of service it is for (Linux, IPv4); 0 is for all.
    tos: int = 0
    #: False when the system knows that the next hop cannot be reached (its link is down).
    is_alive: bool = True
    #: Whether plain traffic takes it.
    is_effective: bool = False

    @property
    def is_on_link(self) -> bool:
        """A default without a gateway: everything is handed to the interface."""
        return self.host is None

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-ready values."""
        out = {
            name: getattr(self, name)
            for name in (
                "family",
                "host",
                "interface",
                "index",
                "metric",
                "table",
                "weight",
                "source",
                "tos",
                "is_on_link",
                "is_alive",
                "is_effective",
            )
        }
        # The number of AF_INET6 differs from system to system.
        out["family"] = "IPv4" if self.family == IPv4Endpoint.family else "IPv6"
        return out

    def __str__(self) -> str:
        text = f"via {self.host} dev {self.interface}" if self.host else f"dev {self.interface}"
        text += f" metric {self.metric}"
        if self.table != MAIN_TABLE:
            text += f" table {self.table}"
        if self.tos:
            text += f" tos {self.tos:#x}"
        if self.weight != 1:
            text += f" weight {self.weight}"
        if self.source:
            text += f" source {self.source}"
        return text if self.is_alive else text + " (link down)"


def mark_effective(routes: Iterable[Route]) -> list[Route]:
    """Keep the default routes and set ``is_effective`` on those that plain traffic takes.

    The order stays, so a caller sees the system's own. Default routes for one type of service only, in other
    tables, or over a dead link are kept and never effective.
    """
    defaults = [route for route in routes if route.prefix_length == 0]
    best: dict[int, int] = {}
    for route in defaults:
        if _usable(route):
            best[route.family] = min(best.get(route.family, route.metric), route.metric)
    return [replace(route, is_effective=_usable(route) and route.metric == best[route.family]) for route in defaults]


def _usable(route: Route) -> bool:
    return route.table == MAIN_TABLE and not route.tos and route.is_alive


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """How a packet to one destination would leave: from which local address, interface and gateway."""

    family: int
    #: The destination as canonical text, unmapped.
    destination: str
    #: The local address, with its zone if it is link-local.
    host: str
    interface: str
    index: int
    #: None if the destination is on the same link, or is this host.
    gateway: str | None = None
    #: The routing table that decided, where the system has several and tells.
    table: int | None = None
    #: Whether the destination is an address of this host.
    is_local: bool = False

    def endpoint(self, port: int = 0) -> IPv4Endpoint | IPv6Endpoint:
        """Make the socket address to bind to before connecting there."""
        packed = ipv6_packed(self.host.partition("%")[0])
        if packed is None:
            return ipv4_endpoint(self.host, port)
        return ipv6_endpoint(packed, port, (0, self.index, self.interface) if needs_zone(packed) else None)

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-ready values."""
        return {
            name: getattr(self, name)
            for name in ("destination", "host", "interface", "index", "gateway", "table", "is_local")
        }

    def __str__(self) -> str:
        via = "this host itself" if self.is_local else f"via {self.gateway}" if self.gateway else "on link"
        return f"{self.destination} from {self.host} dev {self.interface} {via}"
