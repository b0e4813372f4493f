"""gateways(), default_interface() and source_for(): where packets would leave this host.

Never asks anybody outside and sends nothing. The usual trick, connecting a UDP socket to 8.8.8.8, fails on a host
without internet, names the VPN when the local network was meant, and answers for the wrong protocol under policy
routing; "no route" is an answer here, not 127.0.0.1.
"""

from __future__ import annotations

from .. import platforms
from ..core.endpoint import Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint
from ..core.route import Route, SourceAddress, mark_effective
from ..core.text import needs_zone
from ..errors import AddressError
from .interfaces import interfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from ..core.interface import Interface

__all__ = ("default_interface", "gateways", "source_for")

_TCP = 6  # IPPROTO_TCP, the same everywhere


def gateways(family: int | None = None) -> list[Route]:
    """List all default routes, the ones that plain traffic takes first.

    Each has ``host`` (None where the default is an interface without a gateway), ``interface``, ``metric``,
    ``table`` and ``is_effective``; a route with several next hops gives one entry for each. An empty list means
    that this host reaches its own links and nothing else. Default routes in other tables, for one type of
    service, or over a link that is down are listed and not effective.

    Linux by rtnetlink(7); macOS and BSD by sysctl(3) NET_RT_DUMP; Windows by GetIpForwardTable2.
    """
    if family not in (None, IPv4Endpoint.family, IPv6Endpoint.family):
        raise ValueError(f"family must be AF_INET, AF_INET6 or None, not {family!r}")
    found = [route for route in mark_effective(platforms.current.routes()) if family in (None, route.family)]
    return sorted(found, key=lambda route: (not route.is_effective, route.metric))


def default_interface(family: int | None = None) -> Interface | None:
    """Find the interface of the effective default route, or None if there is no default route.

    Without *family* the IPv6 one is taken if both exist, as it is the one that RFC 6724 prefers. Several members
    of one route share the traffic; the first is returned.
    """
    effective = [route for route in gateways(family) if route.is_effective]
    if not effective:
        return None
    chosen = max(effective, key=lambda route: route.family != IPv4Endpoint.family)
    nics = interfaces()
    try:
        return nics.by_index(chosen.index)
    except KeyError:  # removed between the two questions
        return None


def source_for(
    destination: str | IPv4Address | IPv6Address | Endpoint, port: int = 0, *, protocol: int = _TCP
) -> SourceAddress:
    """Say which local address and interface a connection to *destination* would use, without making one.

    *destination* is an IP address as text (with a zone if it is link-local) or as an ``ipaddress`` object, or an
    endpoint; names are not resolved. *protocol* and *port* matter where policy rules tell traffic apart. IPv4-mapped
    addresses are answered as IPv4.

    Raises AddressError for what is no destination: not an address, ``0.0.0.0`` and ``::``, link-local without
    zone; KeyError for a zone that is no interface. Raises OSError when no packet would leave, and says why:
    ENETUNREACH without a route, EHOSTUNREACH, EACCES and EINVAL as a route says so.
    """
    endpoint = _destination(destination, port)
    text = endpoint.host
    if endpoint.is_unspecified:
        raise AddressError(text, 0, "the unspecified address is no destination")
    scope_id = 0
    if isinstance(endpoint, IPv6Endpoint):
        scope_id = endpoint.scope_id
        if needs_zone(endpoint.packed) and not scope_id:
            if endpoint.zone is None:
                reason = "a link-local address needs a zone, the interface it is behind: fe80::1%eth0"
                raise AddressError(text, len(text), reason)
            scope_id = interfaces()[endpoint.zone].index
    return platforms.current.route_to(endpoint.family, endpoint.packed, text, scope_id, protocol, endpoint.port)


def _destination(destination: str | IPv4Address | IPv6Address | Endpoint, port: int) -> IPEndpoint:
    if isinstance(destination, Endpoint):
        found = destination.unmapped()
    else:
        text = str(destination)  # of an ipaddress object, too
        kind = IPv6Endpoint if ":" in text else IPv4Endpoint
        found = kind(text, port).unmapped()
    if not isinstance(found, IPEndpoint):
        raise AddressError(str(found), 0, "not an IP address")
    return found
