"""Drop-ins for other people's code: nothing here is imported unless asked for by name."""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__all__ = ("install",)

#: The modules that ``install`` can stand in for, by the name under which others import them.
_STANDS_IN = {"netifaces": "netifaces", "socket": "socket"}


def install(name: str) -> ModuleType:
    """Make ``import NAME`` anywhere in this process give the drop-in for it; returns the drop-in.

    Explicit, never a side effect of an import. Call it before the code that imports NAME; who has imported the
    real module already keeps it. There are ``install("netifaces")`` and ``install("socket")``; after the latter, ssl,
    asyncio and http.client use the drop-in where they are imported afterwards. Raises ValueError for others.
    """
    if name not in _STANDS_IN:
        raise ValueError(f"no drop-in for {name!r}; there is {', '.join(_STANDS_IN)}")
    module = import_module(f"{__name__}.{_STANDS_IN[name]}")
    if name == "socket":
        # It registers the class it finds for handing sockets to other processes: that must be the real one, ours adds
        # itself (socket_reduction.py). Imported later it would find ours and forget the sockets of everybody else.
        import_module("multiprocessing.reduction")
    sys.modules[name] = module
    return module
