"""Socket addresses of IPv4 peers of an AF_INET6 socket: from the mapped form and back to it.

Nothing but the form changes: ``("::ffff:192.0.2.7", 51413, 0, 0)`` and ``("192.0.2.7", 51413)``. The second is what
an AF_INET socket would say and take.
"""

from __future__ import annotations

from ..core.text import ipv4_packed, ipv4_text, ipv6_packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ("mapped", "unmapped")

_PREFIX = "::ffff:"
_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"


def unmapped(address: Any) -> Any:
    """The address of a peer of an AF_INET6 socket; two values long when the peer is an IPv4 one."""
    if type(address) is not tuple or len(address) != 4:
        return address  # None: a datagram without a source
    host = address[0]
    if not host.startswith(_PREFIX):
        return address
    text = host[len(_PREFIX) :]
    if ":" in text:  # ::ffff:7f00:1 in hexadecimal, or the longer ::ffff:0:a.b.c.d, which is no mapped address
        packed = ipv6_packed(host)
        if packed is None or not packed.startswith(_MAPPED):
            return address
        text = ipv4_text(packed[12:])
    return text, address[1]


def mapped(address: Any) -> Any:
    """An address as an AF_INET6 socket takes it: an IPv4 literal with a port in its mapped form, others as they are."""
    if type(address) is not tuple or len(address) != 2:
        return address
    host, port = address
    if type(host) is str and ipv4_packed(host) is not None:
        return _PREFIX + host, port, 0, 0
    return address
