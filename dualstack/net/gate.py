"""Who may connect to a listener: ``open_listener(allow=...)``, asked about each connection that was accepted.

**Problem.** A server that is meant for some peers checks the address after accept, in each program again: it compares
``::ffff:192.0.2.7`` with ``192.0.2.0/24`` and finds no match, or it forgets the Unix socket beside. And a Unix socket
with an abstract name has no file, so no mode keeps anybody out: every process in the network namespace may connect,
those of other users and of containers that share it included (CVE-2020-15257, CVE-2022-42919).

**Our rule.** *allow* is what ``connect(allow=...)`` takes: a function, or networks. The function sees the endpoint of
an IP peer, unmapped, and the credentials of a Unix peer, because its address says nothing. Networks are about IP
peers; Unix peers are then let in by the mode of the file, as without *allow*. A Unix socket with an abstract name lets
in our own user and root, unless a function decides. Who is refused is closed at once, before TLS, counted and told to
the log at level info; the accept goes on with the next. A function that raises refuses, and its traceback is logged:
whoever connects must not be able to end the server.

**Left out.** Refusing before the connection is made: no system offers it to a program. A refused peer sees a connection
that ends.
"""

from __future__ import annotations

from _thread import allocate_lock

from .. import doors, platforms
from ..core.credentials import PeerCredentials
from ..core.endpoint import AF_UNIX
from ..core.guard import guard_from, permits
from ..errors import UnsupportedError
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Network, IPv6Network
    from socket import socket as Socket
    from typing import Any

    from ..core.endpoint import Endpoint
    from .opened import Opened

    #: What ``open_listener`` takes as *allow*.
    AllowPeer = Callable[[Endpoint | PeerCredentials], bool] | Iterable[str | IPv4Network | IPv6Network]

__all__ = ("Gate",)


class Gate:
    """Decides about each connection, and counts those it refuses."""

    def __init__(self, allow: AllowPeer | None) -> None:
        guard: Callable[[Any], object] | None = guard_from(allow)  # refuses what is neither
        self._ask = guard if callable(allow) else None
        self._networks = None if callable(allow) else guard
        self._lock = allocate_lock()
        self.refused: int = 0

    def admits(self, connection: Socket, one: Opened, peer: Endpoint) -> bool:
        """Whether a fresh connection from *peer* may stay; the caller closes it otherwise."""
        try:
            admitted, who = self._decide(connection, one, peer)
        except Exception:  # noqa: BLE001 - the caller's function: a fault in it keeps one client out, and does not end accept
            log().exception("allow for %s on %s", peer, one.endpoint)
            admitted, who = False, peer
        if not admitted:
            with self._lock:
                self.refused += 1
            log().info("refused a connection from %s on %s", who, one.endpoint)
        return admitted

    def _decide(self, connection: Socket, one: Opened, peer: Endpoint) -> tuple[bool, Endpoint | PeerCredentials]:
        ask = self._ask
        if one.family != AF_UNIX:
            judge = ask if ask is not None else self._networks
            return judge is None or permits(judge, peer), peer
        if ask is not None:
            who = credentials(connection)
            return permits(ask, who), who
        if not getattr(one.endpoint, "is_abstract", False):
            return True, peer  # whoever could open the file
        who = credentials(connection)
        return who.uid is not None and who.uid in (0, doors.current.geteuid()), who


def credentials(connection: Socket) -> PeerCredentials:
    """Who connected; all None where the system does not tell."""
    try:
        return PeerCredentials(platforms.current.peer_credentials(connection))
    except UnsupportedError:
        return PeerCredentials((None, None, None))
