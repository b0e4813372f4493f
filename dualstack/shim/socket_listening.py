"""``has_dualstack_ipv6`` that tells the truth, and what ``create_server`` of the standard library leaves out.

A system whose sockets serve one family each gets two of them behind one object (socket_pair.py); a
host without IPv6 gets the IPv4 socket that all its clients can reach. ``has_dualstack_ipv6`` binds a mapped address to
find out, because DragonFly and others take the option and keep their mind.
"""

from __future__ import annotations

from _socket import getdefaulttimeout

from ..net.capabilities import probe
from ..net.listen import open_listener
from .socket_class import adopt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ("both_families", "has_dualstack_ipv6", "is_wildcard")


def has_dualstack_ipv6() -> bool:
    """Whether one IPv6 socket of this host serves IPv4 clients too, found out by binding ``::ffff:127.0.0.1``.

    The answer is kept for this process and network namespace. False as well when there are no descriptors to try it.
    Where it is False ``create_server`` serves both families all the same.
    """
    try:
        return bool(probe("dual_stack"))
    except OSError:
        return False


def is_wildcard(address: Any) -> bool:
    """Whether *address*, a ``(host, port)``, means every address of its family."""
    return address[0] in ("", "::", b"", b"::")


def both_families(port: int, backlog: int | None, reuse_port: bool) -> Any:
    """Listen for both families where one socket cannot: on two sockets, or on the family this host has."""
    socks = open_listener("::", port, backlog=backlog, reuse_port=reuse_port).detach()
    if len(socks) > 1:
        from .socket_pair import TwoSockets

        return TwoSockets.of(socks)
    sock = adopt(socks[0])
    sock.settimeout(getdefaulttimeout())
    return sock
