"""Replacing attributes of other people's modules, and giving every one of them back.

Problem: two patches overlap in time, end in another order than they began, and in between ``mock.patch`` or another
library puts something of its own over ours. The naive way, "remember what was there and put it back", then restores a
replacement that should be gone, or removes what somebody else has put there.

Our rule: a ``Point`` is one attribute. It is replaced by the first user of a ``Feature`` and restored by the last, so
the order does not matter. What is restored is the very entry of the namespace that was there, or its absence. Where
something else than ours stands at that moment, it is left alone: whoever put it there will take it away. Should ours
come back that way after we have gone, it does nothing but call the original, and at its first call it steps aside.

The parts of a feature that belong to a module nobody has imported yet are put in place right after its import
(late.py), for as long as somebody uses the feature.
"""

from __future__ import annotations

import sys
from _thread import RLock

from .late import LateImports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    #: Makes the replacement for one spell of use.
    Make = Callable[["Spell"], Any]

__all__ = ("Feature", "Point", "Spell", "lock", "notices", "tell")

#: Held while anything is replaced or restored. Reentrant: an import may happen inside.
lock: RLock = RLock()

_MISSING = object()

#: Who is told what a program asks of a function that was replaced: its name, host and port.
notices: list[Callable[[str, Any, Any], None]] = []


def tell(call: str, host: Any, port: Any) -> None:
    """Tell them."""
    for notice in notices:
        notice(call, host, port)


class Spell:
    """One stretch of time in which a point is replaced. The replacement knows it, and asks ``alive``."""

    __slots__ = ("alive", "before", "original", "ours", "point")

    def __init__(self, point: Point, before: object, original: Any) -> None:
        self.point: Point = point
        self.before: object = before  # the entry of the namespace, or _MISSING
        self.original: Any = original  # what to call
        self.alive: bool = True
        self.ours: Any = None

    def over(self) -> Any:
        """What to call instead of a replacement whose spell is over; takes it away if it has been put back."""
        with lock:
            point = self.point
            if point.entry() is self.ours:
                now = point.spell
                point.put(now.ours if now is not None else self.before)
        return self.original


class Point:
    """One attribute, *name* of *owner* (a module or class, or a dict such as ``sys.modules``)."""

    def __init__(self, owner: Any, name: str, make: Make) -> None:
        self._owner = owner
        self._name = name
        self._make = make
        self._last: Spell | None = None
        self.spell: Spell | None = None

    def entry(self) -> object:
        """What stands in the namespace itself, inherited attributes aside."""
        owner = self._owner
        return (owner if isinstance(owner, dict) else vars(owner)).get(self._name, _MISSING)

    def put(self, value: object) -> None:
        """Make *value* the entry; _MISSING removes it."""
        if isinstance(self._owner, dict):
            if value is _MISSING:
                self._owner.pop(self._name, None)
            else:
                self._owner[self._name] = value
        elif value is _MISSING:
            delattr(self._owner, self._name)
        else:
            setattr(self._owner, self._name, value)

    def install(self) -> None:
        """Replace the attribute."""
        before, last = self.entry(), self._last
        if last is not None and before is last.ours:  # put back by somebody who had saved it
            before, original = last.before, last.original
        else:
            original = None if isinstance(self._owner, dict) else getattr(self._owner, self._name)
        spell = Spell(self, before, original)
        spell.ours = self._make(spell)
        self.put(spell.ours)
        self.spell = self._last = spell

    def remove(self) -> None:
        """Restore what was there, unless somebody else's replacement stands there now."""
        spell, self.spell = self.spell, None
        if spell is not None:
            spell.alive = False
            if self.entry() is spell.ours:
                self.put(spell.before)


class Feature:
    """Points that are replaced together, for as long as at least one patch uses them.

    *rows* are ``(module, attribute path of the owner or "", name, make)``; a module that is not imported is waited for.
    *needs* are features that this one builds on. *ended* is called when the last user has gone.
    """

    def __init__(
        self,
        rows: Sequence[tuple[str, str, str, Make]],
        *,
        needs: Sequence[Feature] = (),
        ended: Callable[[], object] | None = None,
    ) -> None:
        self._rows = rows
        self._needs = needs
        self._ended = ended
        self._installed: list[Point] = []
        self._points: dict[tuple[int, str], Point] = {}
        self._users = 0

    @property
    def active(self) -> bool:
        """Whether anybody uses it now."""
        return self._users > 0

    def acquire(self) -> None:
        """Use it: the first user puts everything in place, all or nothing."""
        with lock:
            acquired: list[Feature] = []
            try:
                for feature in self._needs:
                    feature.acquire()
                    acquired.append(feature)
                if not self._users:
                    for module in dict.fromkeys(row[0] for row in self._rows):
                        if module in sys.modules:
                            self.install(module)
                        else:
                            late.wait_for(module, self.install)
                self._users += 1
            except BaseException:
                self._remove()
                for feature in acquired:
                    feature.release()
                raise

    def release(self) -> None:
        """Use it no longer: the last user restores everything."""
        with lock:
            self._users -= 1
            if not self._users:
                self._remove()
                if self._ended is not None:
                    self._ended()
            for feature in self._needs:
                feature.release()

    def install(self, module: str) -> None:
        """Put the points of *module* in place; what a version of it does not have is left out."""
        with lock:
            for row in [row for row in self._rows if row[0] == module]:
                self._install(*row)

    def _install(self, module: str, path: str, attribute: str, make: Any) -> None:
        owner: Any = sys.modules.get(module)
        for part in path.split(".") if path else ():
            owner = getattr(owner, part, None)
        if owner is None or not hasattr(owner, attribute):
            return
        key = (id(owner), attribute)
        point = self._points.get(key)
        if point is None:  # kept, and its owner with it, so that the number stays its
            point = self._points[key] = Point(owner, attribute, make)
        if point.spell is None:
            point.install()
            self._installed.append(point)

    def _remove(self) -> None:
        for module in dict.fromkeys(row[0] for row in self._rows):
            late.forget(module, self.install)
        while self._installed:
            self._installed.pop().remove()


#: The one hook into the import system, there while somebody waits for a module.
late: LateImports = LateImports()
