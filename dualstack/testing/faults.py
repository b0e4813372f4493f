"""Fault injection: make the n-th call into the world fail, and sweep a scenario through all of them.

Every call the code under test makes into the world has a number: 1, 2, 3, ... in the order made. A fault
replaces one call by an exception, before the call has any effect. Closing and removing are not numbered: a close that
does not close is nothing a program can recover from. A fault by name reaches them all the same; one named "close"
strikes when the descriptor is closed already, as on Linux.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..platforms.words import os_error

if TYPE_CHECKING:
    from .world import World

__all__ = ("FAULTS", "Faults", "sweep")

#: What may come out of a system call at a bad moment, and what may come out of any line at all.
FAULTS: tuple[BaseException, ...] = (
    *(
        os_error(code)
        for code in (
            errno.EMFILE,
            errno.ENFILE,
            errno.ENOBUFS,
            errno.ENOMEM,
            errno.EINTR,
            errno.ECONNABORTED,
            errno.EPERM,
            errno.EADDRINUSE,
            errno.EADDRNOTAVAIL,
            errno.EAFNOSUPPORT,
            errno.EINVAL,
            errno.ENETUNREACH,
        )
    ),
    KeyboardInterrupt(),
    MemoryError(),
)

_UNNUMBERED = frozenset({"close", "close_file", "rmdir", "unlink"})


class Faults:
    """The calls made so far, and those that are to fail."""

    def __init__(self) -> None:
        #: Every counted call, as ``"bind"``, ``"getaddrinfo"``, ... in order.
        self.calls: list[str] = []
        #: How often a fault struck.
        self.struck: int = 0
        self._by_number: dict[int, BaseException] = {}
        self._by_name: dict[str, dict[int, BaseException]] = {}
        self._counts: dict[str, int] = {}

    def fail(self, call: int | str, exception: BaseException | int, *, nth: int = 1) -> None:
        """Let call number *call* raise *exception*, or the *nth* call of that name; an int is an errno."""
        if isinstance(exception, int):
            exception = os_error(exception)
        if isinstance(call, int):
            self._by_number[call] = exception
        else:
            self._by_name.setdefault(call, {})[self._counts.get(call, 0) + nth] = exception

    def disarm(self) -> None:
        """Forget the faults that have not struck."""
        self._by_number.clear()
        self._by_name.clear()

    def count(self, name: str) -> None:
        """Note one call; raise the fault that waits for it."""
        count = self._counts[name] = self._counts.get(name, 0) + 1
        exception = None
        if name not in _UNNUMBERED:
            self.calls.append(name)
            exception = self._by_number.pop(len(self.calls), None)
        if exception is None and name in self._by_name:
            exception = self._by_name[name].pop(count, None)
        if exception is not None:
            self.struck += 1
            # A fresh one: an exception object that is raised twice drags its first traceback along.
            raise type(exception)(*exception.args)


def sweep(
    make_world: Callable[[], World],
    scenario: Callable[[World], Any],
    *,
    faults: Iterable[BaseException] = FAULTS,
    check: Callable[[World, BaseException | None], None] | None = None,
    limit: int = 1000,
) -> int:
    """Run *scenario* with each call failing in turn with each fault, until it runs to its end unharmed.

    Each run has a world of its own, whose ledger is checked, so a fault that makes the scenario leak fails here.
    *check*, if given, sees the world and the exception that came out of the scenario, None when it succeeded in
    spite of the fault; nothing fails any more then. Returns how many runs were hit.
    """
    hit = 0
    for fault in faults:
        for number in range(1, limit + 1):
            world = make_world()
            world.faults.fail(number, fault)
            outcome: BaseException | None = None
            try:
                with world:
                    try:
                        scenario(world)
                    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the outcome is what is tested
                        outcome = error
                        # Frames must not be what keeps a socket alive, nor what closes it.
                        error.__traceback__ = None
                    world.faults.disarm()
                    if check is not None:
                        check(world, outcome)
            except AssertionError as error:
                raise AssertionError(f"with call {number} failing with {fault!r}: {error}") from error
            if not world.faults.struck:
                break
            hit += 1
        else:
            raise AssertionError(f"still failing after {limit} calls: the scenario does not end")
    return hit
