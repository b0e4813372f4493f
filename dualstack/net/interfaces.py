"""interfaces(): every network interface of this host and its addresses, as one snapshot."""

from __future__ import annotations

from .. import platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.interfaces import Interfaces

__all__ = ("interfaces",)


def interfaces() -> Interfaces:
    """List every network interface with its addresses, as one immutable snapshot.

    Down ones and those without an address are listed too: filter with ``.addresses()``, or by ``is_up``.
    Every call asks the system anew and keeps nothing; hold on to the result for as long as one picture is
    wanted, and use ``watch_interfaces()`` to hear of changes instead of asking in a loop.

    ``.consistent`` is False when the list kept changing while it was read. Raises UnsupportedError where the
    system does not tell. On Linux it is two rtnetlink dumps (rtnetlink(7)), on macOS and BSD getifaddrs(3),
    on Windows GetAdaptersAddresses.
    """
    return platforms.current.interfaces()
