"""One module per operating system behind contract.py; the only place that asks which one this is."""

from __future__ import annotations

import sys

from .contract import Platform

__all__ = ("Platform", "current")


def _detect() -> Platform:
    if sys.platform == "linux":
        from .linux import Linux

        return Linux()
    if sys.platform == "darwin":
        from .darwin import Darwin

        return Darwin()
    if sys.platform == "win32":
        from .windows import Windows

        return Windows()
    if sys.platform.startswith("freebsd"):
        from .bsd import FreeBSD

        return FreeBSD()
    from .posix import Posix

    return Posix()


#: The system this process runs on. Tests of other systems put a scripted Platform here and take it out again.
current: Platform = _detect()
