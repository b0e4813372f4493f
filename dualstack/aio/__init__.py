"""The verbs of dualstack, awaitable, under asyncio (any loop, eager tasks, uvloop) and under trio.

    listener = await dualstack.aio.open_listener("::", 8080)
    async for connection, peer in listener: ...

Same names, same arguments, same results as the synchronous verbs, except that sockets do not block. Which library runs
is found out at each call; neither is imported before it is needed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connecting import connect as connect
    from .connecting import open_connection as open_connection
    from .connecting import resolve as resolve
    from .datagram import AsyncDatagramSocket as AsyncDatagramSocket
    from .datagram import open_datagram as open_datagram
    from .listen import AsyncListener as AsyncListener
    from .listen import open_listener as open_listener
    from .streams import start_server as start_server
    from .watch import AsyncWatcher as AsyncWatcher
    from .watch import watch_interfaces as watch_interfaces

__all__ = (
    # datagrams
    "AsyncDatagramSocket",
    "open_datagram",
    # connecting
    "connect",
    "open_connection",
    "resolve",
    # listening
    "AsyncListener",
    "open_listener",
    "start_server",
    # watching interfaces
    "AsyncWatcher",
    "watch_interfaces",
)

_HOME = {
    "AsyncDatagramSocket": "datagram",
    "open_datagram": "datagram",
    "connect": "connecting",
    "open_connection": "connecting",
    "resolve": "connecting",
    "AsyncListener": "listen",
    "open_listener": "listen",
    "start_server": "streams",
    "AsyncWatcher": "watch",
    "watch_interfaces": "watch",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(__import__(f"{__name__}.{home}", None, None, (name,)), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
