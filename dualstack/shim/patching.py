"""``dualstack.shim.patch``: which parts of the standard library and of others speak both families for a while.

The parts are features (points.py), each in a file of its own: patch_connect.py, patch_listen.py, patch_datagram.py,
patch_asyncio.py. A patch holds some of them; they count their holders.
"""

from __future__ import annotations

import sys
from importlib import import_module

from .points import Feature, lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from .points import Spell

__all__ = ("Patch",)

# The sockets of PyPy are closed once more by what was behind the object before: its tests hang.
_CAN_CHANGE_SOCKETS = sys.implementation.name == "cpython"


def _netifaces(spell: Spell) -> Any:
    return import_module("dualstack.shim.netifaces")


class _Modules(Feature):
    """The entry of ``sys.modules`` that ``dualstack.shim.install`` makes."""

    def __init__(self) -> None:
        super().__init__(())

    def acquire(self) -> None:
        with lock:
            if not self._users:
                from .points import Point

                point = Point(sys.modules, "netifaces", _netifaces)
                point.install()
                self._installed.append(point)
            self._users += 1


_NETIFACES = _Modules()


def _features(*, connect: bool, listen: bool, datagram: bool, netifaces: bool) -> list[Feature]:
    wanted: list[Feature] = []
    if connect:
        from .patch_asyncio import ASYNCIO_CONNECT
        from .patch_connect import CONNECT

        wanted += [CONNECT, ASYNCIO_CONNECT]
    if listen:
        from .patch_asyncio import ASYNCIO_LISTEN
        from .patch_listen import LISTEN

        wanted += [LISTEN, ASYNCIO_LISTEN] if _CAN_CHANGE_SOCKETS else [ASYNCIO_LISTEN]
    if datagram and _CAN_CHANGE_SOCKETS:
        from .patch_datagram import DATAGRAM

        wanted.append(DATAGRAM)
    if netifaces:
        wanted.append(_NETIFACES)
    return wanted


class Patch:
    """A patch in force; made by ``dualstack.shim.patch``, ended by ``unpatch`` or at the end of a ``with`` block."""

    def __init__(self, *, connect: bool, listen: bool, datagram: bool, netifaces: bool) -> None:
        self._held: list[Feature] = []
        try:
            for feature in _features(connect=connect, listen=listen, datagram=datagram, netifaces=netifaces):
                feature.acquire()
                self._held.append(feature)
        except BaseException:
            self.unpatch()
            raise

    @property
    def active(self) -> bool:
        """Whether it is in force."""
        return bool(self._held)

    def unpatch(self) -> None:
        """End this patch; what no other patch needs is restored. The second time it does nothing."""
        with lock:
            self._release_all()

    def _release_all(self) -> None:
        while self._held:
            self._held.pop().release()

    def __enter__(self) -> Patch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.unpatch()

    def __repr__(self) -> str:
        return f"<Patch {'in force' if self._held else 'ended'}>"
