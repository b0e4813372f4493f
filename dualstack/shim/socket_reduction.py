"""Handing sockets of the shim to other processes by multiprocessing, and to nobody else.

multiprocessing pickles a socket by a table of exact types (``ForkingPickler.register``), in which a subclass is not.
Registering ours when the shim is imported would import multiprocessing, which takes longer than everything else
together. So the entry is made when the first socket is pickled: ``pickle`` asks the object then, and who asks is seen
from the frame. Plain ``pickle`` goes on to refuse sockets, as it does for the standard library's.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

__all__ = ("reducer",)

_DEPTH = 8  # frames between a pickler written in Python (PyPy) and who started it, at the most


def reducer(cls: type[Any], caller: FrameType | None) -> Callable[[Any], tuple[Any, ...]] | None:
    """How to pickle a *cls* for *caller*; None when that is not multiprocessing. Registers it for the next time."""
    from multiprocessing import reduction

    for _ in range(_DEPTH):
        if caller is None:
            return None
        if caller.f_globals is vars(reduction):
            reduction.register(cls, _reduce)
            return _reduce
        if sys.implementation.name == "cpython":  # the pickler of C has no frames
            return None
        caller = caller.f_back
    return None


def _reduce(sock: Any) -> tuple[Any, ...]:
    from multiprocessing import reduction

    dup_fd = getattr(reduction, "DupFd", None)
    if dup_fd is not None:
        return _rebuild, (dup_fd(sock.fileno()), int(sock.family), int(sock.type), sock.proto)
    from multiprocessing import resource_sharer

    return _rebuild, (vars(resource_sharer)["DupSocket"](sock),)  # there on Windows, where there is no DupFd


def _rebuild(shared: Any, family: int = 0, type: int = 0, proto: int = 0) -> Any:
    from .socket_class import adopt, socket

    found = shared.detach()
    return socket(family, type, proto, found) if isinstance(found, int) else adopt(found)
