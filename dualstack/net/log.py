"""The log of "dualstack", for what goes wrong while serving: also when there is no descriptor left to load it with.

``logging`` is dear to import, and a program may do without it, so it is loaded when there is something to say for the
first time. That may be that descriptors have run out, and then its file cannot be opened either.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger

__all__ = ("log",)


def log() -> Logger | LastResort:
    """The logger "dualstack", or what stands in for it while it cannot be loaded."""
    try:
        from logging import getLogger
    except OSError:
        return LastResort()
    return getLogger("dualstack")


class LastResort:
    """Does what logging does in a program that has not set it up: warnings and worse go to stderr, as bare lines."""

    def info(self, text: str, *arguments: object) -> None:
        """Say nothing."""

    def warning(self, text: str, *arguments: object) -> None:
        """Write one line."""
        if sys.stderr is not None:  # pythonw has none
            print(text % arguments, file=sys.stderr)

    error = warning

    def exception(self, text: str, *arguments: object) -> None:
        """Write one line, with the exception under way."""
        self.warning(f"{text}: %r", *arguments, sys.exc_info()[1])
