"""One forwarded connection as a state machine: whose end leads to which shutdown, and when it is over.

Problem: a forwarder has two connections to make look like one. The naive ``recv`` and ``sendall`` loop in each
direction closes both when one side has said all it has to say, and cuts off the answer (``ssh host cat < file``, every
protocol where the client shuts its side down and then reads); or it waits for ever for a side that is gone; or it makes
an orderly end out of a reset, so that a cut transfer looks complete.

Our rule. Each side is the source of one flow, and each flow is in one of four states:

* FLOWING: its source is read.
* HELD: the other side takes no more; what was read is kept, the source is not read until it is gone. So a reader that
  does not read stops its writer, and memory is bounded.
* ENDED: the source has ended, and the other side was told so (SHUT): it may go on sending.
* BROKEN: the other side will read no more (EPIPE, ECONNRESET). What the source still sends is thrown away, as a kernel
  would, and the other flow goes on: the answer that came before the break is delivered.

The connection is over (CLOSE) when both flows have ended. When one has ended and the other is broken, the source is
given a moment more (LINGER): to close with unread bytes in the socket is a reset, and a reset may overtake an answer
that is still on its way. A side whose connection is lost (a read fails, or ECONNRESET on a write and then no more to
read) makes the other one be RESET: its peer must not take the beginning for the whole.

The driver (net/forward_connection.py) asks nothing here while bytes flow freely; it reports what changes.

Left out: urgent data, which no two systems mean the same by.
"""

from __future__ import annotations

__all__ = (
    "BROKEN",
    "CLIENT",
    "CLOSE",
    "ENDED",
    "FLOWING",
    "HELD",
    "LINGER",
    "NOTHING",
    "READ",
    "RESET",
    "SHUT",
    "TARGET",
    "WRITE",
    "Relay",
)

CLIENT, TARGET = 0, 1  # the sides; a flow has the number of its source, and 1 minus that is its destination

FLOWING, HELD, ENDED, BROKEN = "flowing", "held", "ended", "broken"

# What the driver is told to do.
NOTHING = "nothing"
SHUT = "shut"  # shut the destination down for writing
RESET = "reset"  # the connection is over: close the source, and the destination with a reset
CLOSE = "close"  # the connection is over: close both
LINGER = "linger"  # shut both down for writing, and close them soon, or earlier if told so

READ, WRITE = 1, 2  # as in selectors


class Relay:
    """The two flows of one connection; every report answers with what to do."""

    __slots__ = ("_reset", "flows")

    def __init__(self) -> None:
        self.flows: list[str] = [FLOWING, FLOWING]
        self._reset: list[bool] = [False, False]  # whether writing to a side has met a reset

    def wants(self, side: int) -> int:
        """What to watch *side* for: READ, WRITE, both or neither."""
        read = READ if self.flows[side] in (FLOWING, BROKEN) else 0
        return read | WRITE if self.flows[1 - side] == HELD else read

    def held(self, source: int) -> None:
        """The destination did not take everything."""
        self.flows[source] = HELD

    def freed(self, source: int) -> None:
        """The destination has taken what was held."""
        self.flows[source] = FLOWING

    def ended(self, source: int) -> str:
        """The source has said all: a read gave the end."""
        other = self.flows[1 - source]
        if self._reset[source]:
            self.flows[source] = ENDED
            return RESET  # an end that only hides the reset which a write has met before
        broken = self.flows[source] == BROKEN
        self.flows[source] = ENDED
        if other == ENDED:
            return CLOSE
        if other == BROKEN:
            return LINGER
        return NOTHING if broken else SHUT

    def broken(self, source: int, *, reset: bool) -> str:
        """Writing to the destination failed; *reset* tells a reset (ECONNRESET) from a mere refusal to read (EPIPE)."""
        self.flows[source] = BROKEN
        other = self.flows[1 - source]
        if other == ENDED:
            return LINGER
        if other == BROKEN:
            return CLOSE
        self._reset[1 - source] = reset
        return NOTHING

    def lost(self, source: int) -> str:
        """Reading from the source failed: its connection is gone, in both directions."""
        self.flows[source] = self.flows[1 - source] = ENDED
        return RESET
