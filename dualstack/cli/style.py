"""How the commands print: colour for people at a terminal, plain aligned text for everything else."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

__all__ = ("Style", "table")

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Style:
    """Colours a stream if it is a terminal that shows colours and nobody asked for none (no-color.org)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        if stream is None:
            stream = sys.stdout  # None as well where the descriptor was closed; print then says nothing
        # Old Windows consoles print escape sequences as they are; the ones that do not set one of these.
        known = os.environ.get("TERM", "dumb") != "dumb" or "WT_SESSION" in os.environ
        self.enabled: bool = known and not os.environ.get("NO_COLOR") and bool(stream and stream.isatty())
        # A pipe on Windows has an encoding of its own, which may lack the marks.
        try:
            "✓✗".encode((stream and stream.encoding) or "ascii")
            marks = "✓", "✗", "–"  # noqa: RUF001 - the dash is as wide as the marks
        except (LookupError, UnicodeEncodeError):
            marks = "ok", "FAILED", "-"
        self.good: str = marks[0]
        self.bad: str = marks[1]
        self.none: str = marks[2]

    def __call__(self, text: str, *names: str) -> str:
        """*text* in the named colours, or as it is."""
        if not self.enabled or not names:
            return text
        return f"\033[{';'.join(_CODES[name] for name in names)}m{text}\033[0m"

    def mark(self, ok: bool | None) -> str:
        """A tick, a cross, or a dash for what does not apply."""
        if ok is None:
            return self(self.none, "dim")
        return self(self.good, "green") if ok else self(self.bad, "red", "bold")

    def heading(self, text: str) -> str:
        """A section title."""
        return self(text, "bold")


def table(rows: Iterable[Sequence[tuple[str, str]]], indent: str = "  ") -> str:
    """Align *rows* of ``(plain, styled)`` cells in columns; the width is that of the plain text."""
    kept = [list(row) for row in rows]
    columns = max((len(row) for row in kept), default=0)
    widths = [max((len(row[i][0]) for row in kept if i < len(row) - 1), default=0) for i in range(columns)]
    lines = []
    for row in kept:
        cells = [styled + " " * (widths[i] - len(plain)) for i, (plain, styled) in enumerate(row)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)
