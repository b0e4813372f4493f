"""What the fake kernel keeps for one socket, and the rules who may bind a port beside whom.

One sentence each, as measured on Linux and read in the documentation of Windows:

* Two addresses overlap when a family they share has the same host, or a wildcard on either side. A dual-stack
  ``::`` shares both families, a v6-only one only IPv6, an IPv4-mapped address only IPv4.
* POSIX: an overlapping port is EADDRINUSE, unless both sockets set SO_REUSEPORT, or both set SO_REUSEADDR and the
  one that is there does not listen. The same is asked again at ``listen``.
* Windows: whoever sets SO_REUSEADDR gets in, unless the one that is there is exclusive, then it is EACCES; without
  SO_REUSEADDR it is EADDRINUSE.

Left out: TIME_WAIT, users other than root and one other, and Windows' finer table for wildcard against specific.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Iterable
from typing import Any

from ..platforms.words import os_error

__all__ = ("OpenSocket", "as_seen", "clash", "error", "is_multicast")


def error(code: int) -> OSError:
    """The exception the socket module raises for an errno."""
    return os_error(code)


class OpenSocket:
    """What the kernel keeps for one socket; descriptors and FakeSocket objects refer to it."""

    def __init__(self, family: int, type: int, proto: int, ours: bool, origin: str) -> None:
        self.family = family
        self.type = type
        self.proto = proto
        #: False for the other side of the network: not in the ledger, not hit by faults.
        self.ours = ours
        #: File and line that created it, for the report of leaks.
        self.origin = origin
        self.options: dict[str, Any] = {}
        self.local: Any = None  # (host, port[, flowinfo, scope]) or a Unix path; None when not bound
        self.remote: Any = None
        self.state = "new"  # new, connecting, connected, failed, listening, closed
        self.error = 0  # what SO_ERROR will say, once
        self.backlog = 0
        self.queue: deque[OpenSocket] = deque()  # connections nobody accepted yet
        self.waiting: deque[OpenSocket] = deque()  # clients whose connection did not fit the queue
        self.peer: OpenSocket | None = None
        self.received: bytearray = bytearray()
        self.datagrams: deque[tuple[bytes, Any, list[Any]]] = deque()  # with the sender and control messages
        self.ended = False  # the peer will send no more
        self.reset = False

    @property
    def v6only(self) -> bool:
        return bool(self.options.get("IPV6_V6ONLY", 0))

    def covers(self) -> dict[str, str]:
        """The hosts it holds, by family: ``{"4": "0.0.0.0", "6": "::"}`` for a dual wildcard."""
        host = self.local[0]
        if self.family == socket.AF_INET:
            return {"4": host}
        if host == "::":
            return {"6": "::"} if self.v6only else {"4": "0.0.0.0", "6": "::"}
        if host.startswith("::ffff:"):
            return {"4": host[7:]}
        return {"6": f"{host}%{self.local[3]}" if self.local[3] else host}

    def overlaps(self, other: OpenSocket) -> bool:
        if (self.type, self.local[1]) != (other.type, other.local[1]):
            return False
        mine, theirs = self.covers(), other.covers()
        return any(
            mine[family] == theirs[family] or {mine[family], theirs[family]} & {"0.0.0.0", "::"}
            for family in mine
            if family in theirs
        )

    @property
    def readable(self) -> bool:
        if self.state == "listening":
            return bool(self.queue)
        return bool(self.received or self.datagrams or self.ended or self.reset or self.state == "failed")

    @property
    def writable(self) -> bool:
        return self.state in ("connected", "failed") or self.type != socket.SOCK_STREAM


def clash(opened: OpenSocket, others: Iterable[OpenSocket], *, windows: bool, to_listen: bool = False) -> int:
    """The errno *opened* gets on its port because of the *others* there, 0 for none."""
    for other in others:
        if other is opened or not opened.overlaps(other):
            continue
        if windows:
            if to_listen:
                continue
            if other.options.get("SO_EXCLUSIVEADDRUSE") and opened.options.get("SO_REUSEADDR"):
                return errno.EACCES
            if not opened.options.get("SO_REUSEADDR") or other.options.get("SO_EXCLUSIVEADDRUSE"):
                return errno.EADDRINUSE
            continue
        if _both(opened, other, "SO_REUSEPORT") or (to_listen and other.state != "listening"):
            continue
        if other.state == "listening" or not _both(opened, other, "SO_REUSEADDR"):
            return errno.EADDRINUSE
    return 0


def _both(a: OpenSocket, b: OpenSocket, option: str) -> bool:
    return bool(a.options.get(option)) and bool(b.options.get(option))


def is_multicast(host: str) -> bool:
    return host.startswith("ff") if ":" in host else 224 <= int(host.partition(".")[0]) <= 239


def as_seen(address: Any, family: int) -> Any:
    """One end's address as the other end's family spells it: IPv4 is mapped for AF_INET6 and unmapped for AF_INET."""
    if family == socket.AF_INET6 and ":" not in address[0]:
        return f"::ffff:{address[0]}", address[1], 0, 0
    if family == socket.AF_INET and address[0].startswith("::ffff:"):
        return address[0][7:], address[1]
    return address
