"""The names this system has a meaning for and this Python's ``socket`` does not have: constants, and CMSG_LEN beside.

CPython has a name where its headers had it when it was compiled, and from the version in which somebody added it.
platforms/constants.py has the numbers by system; what is missing there does not exist there.
"""

from __future__ import annotations

from .. import platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

__all__ = ("missing",)


def missing(has: Container[str]) -> dict[str, Any]:
    """Name -> value of what a ``socket`` module that *has* these names lacks here; on Windows ``AF_UNIX`` is one."""
    system = platforms.current
    found: dict[str, Any] = {name: number for name, number in system.constants.items() if name not in has}
    if system.name == "Windows":
        # CPython has neither, because it has neither Unix sockets nor recvmsg there; the shim has (socket_windows.py).
        found.update((name, value) for name, value in _windows(system).items() if name not in has)
    return found


def _windows(system: platforms.Platform) -> dict[str, Any]:
    space = system.udp.layout.space

    def CMSG_LEN(length: int, /) -> int:
        """CMSG_LEN(length) -> control message length, without the padding behind it"""
        return space(0) + length

    def CMSG_SPACE(length: int, /) -> int:
        """CMSG_SPACE(length) -> buffer size for a control message with this much data"""
        return space(length)

    return {"AF_UNIX": 1, "CMSG_LEN": CMSG_LEN, "CMSG_SPACE": CMSG_SPACE}
