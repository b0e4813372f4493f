"""What destinations outside the host do: the script of the fake network.

    world.destination("192.0.2.1", 443, connects(after=0.030))
    world.destination("2001:db8::1", 443, blackholes())
    world.destination("198.51.100.7", 80, [refuses(), connects()])     # first refused, from then on connected

Connections to the host's own addresses need no script: they reach the listeners of the world, or are refused.
"""

from __future__ import annotations

import errno

__all__ = ("Outcome", "blackholes", "connects", "fails", "refuses", "self_connects")


class Outcome:
    """How one connection attempt ends: *after* how many seconds, with which errno (0: connected).

    ``after`` None means at once, out of the ``connect`` call itself; any number means while waiting, and
    infinity never. ``to_itself`` connects the socket to its own address.
    """

    __slots__ = ("after", "code", "to_itself")

    def __init__(self, code: int, after: float | None, to_itself: bool = False) -> None:
        self.code: int = code
        self.after: float | None = after
        self.to_itself: bool = to_itself

    def __repr__(self) -> str:
        what = errno.errorcode.get(self.code, "connected")
        return f"<{what}{' to itself' if self.to_itself else ''} after {self.after} s>"


def connects(after: float = 0.0) -> Outcome:
    """The connection is made *after* seconds."""
    return Outcome(0, after)


def refuses(after: float | None = 0.0) -> Outcome:
    """Nothing listens there: ECONNREFUSED *after* seconds, or from ``connect`` itself with None."""
    return Outcome(errno.ECONNREFUSED, after)


def blackholes() -> Outcome:
    """Packets vanish: the attempt never ends by itself."""
    return Outcome(0, float("inf"))


def fails(code: int, after: float | None = None) -> Outcome:
    """Another errno, by default from ``connect`` itself, as a missing route does."""
    return Outcome(code, after)


def self_connects(after: float = 0.0) -> Outcome:
    """The attempt meets itself: a simultaneous open of one socket with itself on a freed local port."""
    return Outcome(0, after, to_itself=True)
