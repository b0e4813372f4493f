"""interfaces(): every network interface of this host and its addresses, as one snapshot."""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from .. import doors, platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.interfaces import Interfaces

__all__ = ("interfaces",)


def interfaces(*, backend: str | None = None) -> Interfaces:
    """List every network interface with its addresses, as one immutable snapshot.

    Down ones and those without an address are listed too: filter with ``.addresses()``, or by ``is_up``.
    Every call asks the system anew and keeps nothing; hold on to the result for as long as one picture is
    wanted, and use ``watch_interfaces()`` to hear of changes instead of asking in a loop.

    ``.consistent`` is False when the list kept changing while it was read. Raises UnsupportedError where the
    system does not tell. On Linux it is two rtnetlink dumps (rtnetlink(7)), on macOS and BSD getifaddrs(3),
    on Windows GetAdaptersAddresses.

    *backend* None asks the system and is what nearly everybody wants. ``"netifaces"`` asks the C extension of that
    name (the extra ``dualstack[netifaces]``): for systems that this package does not know, or to compare. The values
    are of the same types, and hold what netifaces tells: names, link-layer addresses, addresses with prefix length,
    broadcast and peer. Lost are the MTU, the state of links and addresses, lifetimes, alternative names and speed,
    and the moment: it asks for one interface at a time, its time grows with the square of their number, and what
    changes meanwhile is not noticed. Every interface counts as up, names on Windows are GUIDs, and on Linux a name
    that is not UTF-8 ends the process inside netifaces. Raises ImportError where it is not installed, ValueError for
    another backend.
    """
    if backend is None:
        return platforms.current.interfaces()
    if backend != "netifaces":
        raise ValueError(f"backend is None or 'netifaces', not {backend!r}")
    return _ask_netifaces()


def _ask_netifaces() -> Interfaces:
    from importlib import import_module

    from ..core.from_netifaces import read_tables

    try:
        netifaces: Any = import_module("netifaces")  # by name: there are no types for it
    except ImportError as error:
        raise ImportError(
            "interfaces(backend='netifaces') needs the netifaces extension: pip install 'dualstack[netifaces]'"
            " (it has no wheels for today's Pythons, so a C compiler is needed); interfaces() needs nothing",
            name="netifaces",
        ) from error
    tables = []
    for name in netifaces.interfaces():
        try:
            tables.append((name, netifaces.ifaddresses(name)))
        except ValueError:  # it went away since
            continue
    return read_tables(tables, inet=AF_INET, inet6=AF_INET6, link=netifaces.AF_LINK, index_of=_index_of)


def _index_of(name: str) -> int:
    try:
        return doors.current.if_nametoindex(name)
    except OSError:  # a GUID, or gone since
        return 0
