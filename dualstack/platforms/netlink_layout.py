"""Read netlink messages of a shape seen before with two calls instead of a walk over forty attributes.

**Problem.** A link message has about forty attributes and an address message about six. Walking them costs Python
5.6 and 2 microseconds, twice what the kernel needs to produce them.

**What we use.** A kernel builds its messages by one piece of code, so two interfaces whose messages have equal
length nearly always have the same attributes at the same offsets. The first message of a length is walked; its
*layout* is remembered: the header word (length and type) of every attribute, and where the wanted values lie. A
later message is read with one Struct that takes all header words, compared as one tuple, and one that takes the
values. The words decide: if any differs, the message is walked like the first. Nothing is assumed about a kernel
version, and an attribute that is unknown, new, moved or missing costs time, never a wrong value.

**Left out.** Values are not compared or cached; only where they are. A layout holds no data of a host.
"""

from __future__ import annotations

from struct import Struct

from .netlink import attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Unpack = Callable[..., tuple[Any, ...]]
    #: unpack header words, the words, unpack values; first and last word of a run, the run's header words
    Layout = tuple[Unpack, tuple[int, ...], Unpack, int, int, memoryview]

__all__ = ("Layouts",)

#: More shapes than this were never seen on one host; a name's length and alternative names make new ones.
_MOST = 512


class Layouts:
    """The learned layouts of one kind of message, found by the message's head.

    *body* is the struct format from the start of the message up to its first attribute, with the codes of the
    wanted fields. *wanted* are attribute types in the order the kernel writes them, each with its format: a
    struct code, ``"s"`` for bytes of any length, ``"z"`` for bytes before a closing NUL. An attribute with one of
    the latter two may be absent and gives ``b""``. A message with the attribute *without* is never learned.

    Shared by all threads without a lock: each step is one atomic dict operation, and what two threads learn
    from equal messages is equal.
    """

    __slots__ = ("_body", "_body_size", "_runs", "_wanted", "_without", "known")

    #: (length, type, flags, family) -> (unpack header words, the words, unpack values)
    known: dict[tuple[int, ...], Layout]

    def __init__(self, body: str, wanted: Sequence[tuple[int, str]], without: int = 0, runs: bool = False) -> None:
        self._body = body
        self._body_size = Struct(body).size
        self._wanted = tuple(wanted)
        self._without = without
        self._runs = runs
        self.known = {}

    def learn(self, head: tuple[int, ...], data: bytes, start: int) -> None:
        """Remember the layout of the message at *start*, if it has all that must be there, in order."""
        places = {}
        headers = []
        for kind, value, end in attributes(data, start + self._body_size, start + head[0]):
            places[kind] = (value - start, end - value)
            headers.append(value - start - 4)
        values = self._values(places)
        if values is None:
            return
        first, last = _longest_run(headers) if self._runs else (0, 0)
        run = memoryview(data).cast("I")[(start + first) // 4 : (start + last) // 4 : 2]
        words = "=II"  # length; type and flags
        at = 8
        for header in headers:
            if not first <= header < last:
                words += f"{header - at}xI"
                at = header + 4
        check = Struct(words).unpack_from
        if len(self.known) >= _MOST:
            self.known.clear()
        self.known[head] = (
            check,
            check(data, start),
            Struct(values).unpack_from,
            first // 4,
            last // 4,
            memoryview(run.tobytes()).cast("I"),  # a copy: the block received is 32 KiB
        )

    def _values(self, places: dict[int, tuple[int, int]]) -> str | None:
        """Write the struct format of the wanted values; None if one is missing, too short or out of order."""
        if self._without in places:
            return None
        values = self._body
        at = self._body_size
        for kind, code in self._wanted:
            anything = code in "sz"
            if kind not in places:
                if not anything:
                    return None
                values += "0s"
                continue
            place, size = places[kind]
            if place < at:
                return None
            if anything:
                closing = int(code == "z")
                values += f"{place - at}x{size - closing}s{closing}x"
            else:
                needed = Struct("=" + code).size
                if size < needed:
                    return None
                values += f"{place - at}x{code}"
                size = needed
            at = place + size
        return values


def _longest_run(headers: list[int]) -> tuple[int, int]:
    """Find the longest run of headers eight bytes apart; where it begins and ends, (0, 0) if there is none."""
    best = (0, 0)
    begin = 0
    for this in range(1, len(headers) + 1):
        if this == len(headers) or headers[this] - headers[this - 1] != 8:
            length = this - begin
            if length > 1 and length > (best[1] - best[0]) // 8:
                best = (headers[begin], headers[this - 1] + 8)
            begin = this
    return best
