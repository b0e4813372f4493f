"""How often to say the same thing: at once the first time, then once a while, with the number of those kept back.

Problem: a target that is down fails every connection, and a log with a line for each is a second failure. The naive
way, saying only the first, hides that it goes on; saying every hundredth says nothing for an hour on a quiet host.

Our rule: a kind of message is said at once when it was not said in the last ten seconds. What comes sooner is counted,
and when the ten seconds are over the last of them is said, with the number of the others.
"""

from __future__ import annotations

__all__ = ("Ration",)

SECONDS = 10.0


class Ration:
    """What was said lately, by kind; times are given in."""

    __slots__ = ("_kinds", "seconds")

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds: float = seconds
        self._kinds: dict[str, tuple[float, int, str]] = {}  # kind: quiet until, kept back, the last of them

    def say(self, kind: str, text: str, now: float) -> str | None:
        """The line to say now, None when it is kept back until ``left`` gives it."""
        until, kept, _ = self._kinds.get(kind, (now, 0, ""))
        if now < until:
            self._kinds[kind] = until, kept + 1, text
            return None
        self._kinds[kind] = now + self.seconds, 0, ""
        return text + _others(kept)

    def left(self, now: float | None = None) -> list[str]:
        """What was kept back and is to be said by *now*; all of it for None."""
        lines = []
        for kind, (until, kept, text) in list(self._kinds.items()):
            if now is not None and now < until:
                continue
            if kept:
                lines.append(text + _others(kept - 1))
            if kept and now is not None:
                self._kinds[kind] = now + self.seconds, 0, ""
            else:
                del self._kinds[kind]
        return lines

    @property
    def next(self) -> float | None:
        """When ``left`` has something to give; None when nothing is kept back."""
        return min((until for until, kept, _ in self._kinds.values() if kept), default=None)


def _others(count: int) -> str:
    return f" (and {count} more like it)" if count else ""
