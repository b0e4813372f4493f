"""Reading an endpoint the careful way: zones, Unix paths, other families, and every error with its position.

``Endpoint.parse`` reads plain IPv4 and IPv6 itself, because servers do that once per line of a log; all other
text, right or wrong, comes here.
"""

from __future__ import annotations

from ..errors import AddressError
from .endpoint import Endpoint, ipv4_endpoint, ipv6_endpoint, read_zone
from .endpoint_unix import OpaqueEndpoint, UnixEndpoint
from .text import check_port, explain_ip, ipv4_packed, ipv6_packed

__all__ = ("read",)


def read(text: str) -> Endpoint:
    """Return the endpoint that *text* spells, or raise AddressError at the first character that cannot be right."""
    if text.startswith("unix:"):
        return UnixEndpoint.read(text)
    if text.startswith("af"):
        return OpaqueEndpoint.read(text)
    if not text.startswith("["):
        host, colon, port = text.partition(":")
        if ipv4_packed(host) is None:
            if ipv6_packed(text.partition("%")[0]) is not None:
                raise AddressError(text, len(text), "the port is missing; write [address]:port")
            explain_ip(text, host, 0)
        if not colon:
            raise AddressError(text, len(text), "the port is missing")
        return ipv4_endpoint(host, check_port(text, port, len(host) + 1))
    end = text.find("]")
    if end < 0:
        raise AddressError(text, len(text), "the closing bracket is missing")
    address, percent, zone = text[1:end].partition("%")
    packed = ipv6_packed(address)
    if packed is None:
        if ipv4_packed(address) is not None:
            raise AddressError(text, 0, "brackets are for IPv6 addresses only")
        explain_ip(text, address, 1)
    if text[end + 1 : end + 2] != ":":
        raise AddressError(text, end + 1, "the port is missing" if end + 1 == len(text) else "':' expected after ']'")
    scope: tuple[int, int, str | None] | None = None
    if percent:
        name = read_zone(text, zone, len(address) + 2, packed)
        scope = (0, int(name), None) if name.isdecimal() else (0, 0, name)
    return ipv6_endpoint(packed, check_port(text, text[end + 2 :], end + 2), scope)
