"""Deadlines of many things in one loop: which is next, which are due, and forgetting those that came to nothing.

A heap, because most deadlines never come: they are taken back in constant time, by emptying them, and swept out when
they are the greater part. What has a moving deadline (a connection that is closed when nothing was said for a minute)
does not move it with every byte; it looks at the clock when the deadline comes and sets another one.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Deadline", "Deadlines")

_SWEEP = 64  # emptied deadlines that are not worth sweeping


class Deadline:
    """A call that is due at a time; ``Deadlines.cancel`` empties it."""

    __slots__ = ("call", "number", "when")

    def __init__(self, when: float, number: int, call: Callable[[], object]) -> None:
        self.when: float = when
        self.number: int = number
        self.call: Callable[[], object] | None = call

    def __lt__(self, other: Deadline) -> bool:
        return (self.when, self.number) < (other.when, other.number)


class Deadlines:
    """Calls by the time at which they are due; those of one time in the order they were set."""

    __slots__ = ("_count", "_empty", "_heap")

    def __init__(self) -> None:
        self._heap: list[Deadline] = []
        self._count = 0
        self._empty = 0

    def __len__(self) -> int:
        return len(self._heap) - self._empty

    def at(self, when: float, call: Callable[[], object]) -> Deadline:
        """Have *call* come up in ``due`` from *when* on."""
        self._count += 1
        deadline = Deadline(when, self._count, call)
        heappush(self._heap, deadline)
        return deadline

    def cancel(self, deadline: Deadline | None) -> None:
        """Take one back; does nothing to one that was due or taken back before, or to None."""
        if deadline is None or deadline.call is None:
            return
        deadline.call = None
        self._empty += 1
        if self._empty > _SWEEP and self._empty > len(self._heap) // 2:
            self._heap = [one for one in self._heap if one.call is not None]
            heapify(self._heap)
            self._empty = 0

    @property
    def next(self) -> float | None:
        """When the next one is due; None when there is none."""
        heap = self._heap
        while heap and heap[0].call is None:
            heappop(heap)
            self._empty -= 1
        return heap[0].when if heap else None

    def due(self, now: float) -> Callable[[], object] | None:
        """Take out the first call that is due; None when none is. Ask again: a call may take others back."""
        when = self.next
        if when is None or when > now:
            return None
        first = heappop(self._heap)
        call, first.call = first.call, None
        return call
