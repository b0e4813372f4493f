"""What a forwarder says: warnings by ration (core/ration.py), each connection only to who asked for it."""

from __future__ import annotations

from logging import INFO, getLogger

from ..core.ration import Ration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .loop import Loop

__all__ = ("Log",)


class Log:
    """The logger "dualstack": WARNING for what failed, INFO for each connection."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._logger = getLogger("dualstack")
        self._ration = Ration()
        self._waiting = False
        #: Whether ``news`` says anything.
        self.verbose: bool = self._logger.isEnabledFor(INFO)

    def news(self, text: str) -> None:
        """Say something about one connection."""
        self._logger.info("%s", text)

    def trouble(self, kind: str, text: str) -> None:
        """Say that something failed, now or, after another of its *kind*, later and with their number."""
        line = self._ration.say(kind, text, self._loop.now)
        if line is not None:
            self._logger.warning("%s", line)
        self._wait()

    def _wait(self) -> None:
        when = self._ration.next
        if when is not None and not self._waiting:
            self._waiting = True
            self._loop.at(when, self._left)

    def _left(self) -> None:
        self._waiting = False
        for line in self._ration.left(self._loop.now):
            self._logger.warning("%s", line)
        self._wait()

    def close(self) -> None:
        """Say what was kept back."""
        for line in self._ration.left():
            self._logger.warning("%s", line)
