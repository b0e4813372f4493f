"""What each errno of accept(2) means: ignore it, wait and go on, or give up.

Problem: accept fails for reasons that are no fault of the listener. Linux hands over errors that were pending on the
new connection (accept(2) lists nine); a client that hung up in the queue is ECONNABORTED; a full descriptor table is
EMFILE, again and again, as fast as the loop can ask.

Naive way: let the exception end the server, or ``except OSError: continue``. The first dies of one rude client, the
second turns "too many open files" into a processor at 100 % and a full log.

Others: trio ignores the first kind and sleeps 0.1 s on the second; asyncio stops listening for one second; libuv keeps
a spare descriptor to accept and drop with, which it calls unreliable with threads; OpenSSH sleeps 0.1 s.

Our rule: errors of one connection are ignored; errors of the process or the system wait, 10 ms at first and doubling
to 0.64 s, so that a short episode costs little and a long one next to nothing; everything else is raised. One log line
opens an episode and the next success closes it.

Left out: shedding load by closing connections; whoever wants it can accept and close.
"""

from __future__ import annotations

import errno

__all__ = ("IGNORE", "OUT_OF_RESOURCES", "RAISE", "AcceptPolicy")

IGNORE = -1.0
RAISE = -2.0

_FIRST_SECONDS = 0.01
_LAST_SECONDS = 0.64


def _numbers(*names: str) -> frozenset[int]:
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


# The connection, not the listener: it was reset or refused before we took it, or its route failed (accept(2)).
_OF_ONE_CONNECTION = _numbers(
    "ECONNABORTED",
    "ECONNRESET",  # Windows: the client reset it while it was queued
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "EINTR",
    "ENETDOWN",
    "ENETUNREACH",
    "ENONET",
    "ENOPROTOOPT",
    "EOPNOTSUPP",
    "EPERM",  # a firewall rule forbids this one
    "EPROTO",
    "ETIMEDOUT",
)
#: The process or the system is out of something that comes back.
OUT_OF_RESOURCES = _numbers("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM")


class AcceptPolicy:
    """The back-off state of one listener; ``failed`` and ``succeeded`` are told what happened."""

    __slots__ = ("_delay",)

    def __init__(self) -> None:
        self._delay = 0.0

    @property
    def in_episode(self) -> bool:
        """Whether the last thing that happened was a lack of resources; the caller logs when this turns true."""
        return self._delay > 0.0

    def failed(self, code: int) -> float:
        """Answer IGNORE, RAISE, or the seconds to wait before the next accept."""
        if code in _OF_ONE_CONNECTION:
            return IGNORE
        if code not in OUT_OF_RESOURCES:
            return RAISE
        self._delay = min(self._delay * 2, _LAST_SECONDS) or _FIRST_SECONDS
        return self._delay

    def succeeded(self) -> None:
        """End the episode."""
        self._delay = 0.0
