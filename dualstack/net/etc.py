"""Configuration files of the system, read again when they change: the hosts file and gai.conf."""

from __future__ import annotations

from .. import platforms
from ..core.hosts import Hosts, files_come_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..core.order import Policy
    from ..doors import Doors

__all__ = ("hosts_addresses", "policy")

# (path) -> (doors, stamp, value, when). One entry per file; replaced as a whole, so threads need no lock.
_known: dict[bytes, tuple[Doors, tuple[int, ...] | None, Any, float]] = {}
_SELDOM_SECONDS = 1.0  # an administrator edits nsswitch.conf and gai.conf about once in the life of a host


def _read(door: Doors, path: bytes | None, parse: Callable[[bytes], Any], missing: Any, seldom: float = 0.0) -> Any:
    if path is None:
        return missing
    known = _known.get(path)
    now = door.monotonic() if seldom else 0.0
    if known is not None and known[0] is door and now < known[3] + seldom:
        return known[2]
    stamp = door.file_stamp(path)
    if known is not None and known[0] is door and known[1] == stamp:
        _known[path] = door, stamp, known[2], now
        return known[2]
    value = missing
    if stamp is not None:
        try:
            value = parse(door.read_file(path))
        except OSError:  # gone meanwhile, or not ours to read: as if there were none
            stamp = None
    _known[path] = door, stamp, value, now
    return value


def hosts_addresses(door: Doors, name: str) -> tuple[str, ...]:
    """The addresses the hosts file has for *name* where the system's resolver would look there first."""
    platform = platforms.current
    if not _read(door, platform.nsswitch_file, files_come_first, True, _SELDOM_SECONDS):
        return ()
    hosts: Hosts | None = _read(door, platform.hosts_file, Hosts, None)
    return () if hosts is None else hosts.get(name)


def policy(door: Doors) -> Policy:
    """The address selection policy of this host: the administrator's where there is one, else RFC 6724's."""
    from ..core.order import default_policy

    found: Policy = _read(door, platforms.current.gai_conf, _parse_policy, default_policy(), _SELDOM_SECONDS)
    return found


def _parse_policy(data: bytes) -> Policy:
    from ..core.order import parse_gai_conf

    return parse_gai_conf(data.decode("utf-8", "replace"))
