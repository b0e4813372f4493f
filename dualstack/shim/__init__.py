"""Drop-ins for other people's code: nothing here is imported unless asked for by name."""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from .patching import Patch

__all__ = ("install", "patch")

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


def patch(*, connect: bool = True, listen: bool = True, datagram: bool = False, netifaces: bool = True) -> Patch:
    """Make the IPv4-only code of this process speak both families, until ``unpatch()`` or the end of a ``with`` block.

        with dualstack.shim.patch():
            import some_server          # binds ("", 8080): now IPv6 clients get in, too
            some_server.main()

    It is in force when the call returns. Patches nest and may end in any order, from any thread; after the last one
    everything is what it was. What others have imported by name before (``from socket import create_connection``)
    they keep.

    * *connect*: ``socket.create_connection`` and urllib3's (hence requests) race all addresses; asyncio does so
      (``happy_eyeballs_delay``) where the program gave no delay and no family.
    * *listen*: an AF_INET stream socket that is bound to ``""`` or ``"0.0.0.0"`` and listens hears both families;
      so do socketserver, http.server and asyncio. The program goes on seeing AF_INET and ``(host, port)``; the host of
      an IPv6 client is its text. asyncio's ``create_server("::")`` means both. Where this cannot be done (IPv6 off, the
      port taken), the program keeps exactly what it had.
    * *datagram*: the same for UDP sockets bound to the wildcard.
    * *netifaces*: ``install("netifaces")`` until the end of the patch.

    Nothing changes for code that says what it wants: AF_INET6, an address, IPV6_V6ONLY, asyncio with ``family=``.
    A socket that was changed stays dual-stack after the patch, and says AF_INET6 from then on.

    Linux; Windows under Wine; macOS never run; PyPy without *listen* and *datagram*. On Windows, the descriptor number
    of a socket changes in ``listen``.
    """
    from .patching import Patch

    return Patch(connect=connect, listen=listen, datagram=datagram, netifaces=netifaces)
