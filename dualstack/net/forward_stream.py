"""The listening side of a forwarder for streams: accepting, counting, and stopping to accept.

With ``max_connections`` open, or without descriptors, nothing is accepted: clients wait in the kernel's queue, where
their own timeouts apply, and nobody is told a connection that nobody has. The log says so.
"""

from __future__ import annotations

from functools import partial

from .forward_connection import BUFFER, Connection
from .loop import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .forward import Settings
    from .forward_dial import Target
    from .forward_log import Log
    from .listener import Listener
    from .loop import Loop
    from .opened import Opened

__all__ = ("Streams",)

_AT_ONCE = 32  # connections taken from one socket before others have their turn

_PAUSE_SECONDS = 0.5  # after a fault


class Streams:
    """The connections of one listener."""

    def __init__(self, loop: Loop, listener: Listener, target: Target, settings: Settings, log: Log, most: int) -> None:
        self.loop: Loop = loop
        self.target: Target = target
        self.settings: Settings = settings
        self.log: Log = log
        self.buffer: memoryview = memoryview(bytearray(BUFFER))
        self.connections: set[Connection] = set()
        #: What broke a listening socket for good.
        self.failure: OSError | None = None
        self._listener = listener
        self._most = most
        self._watched: list[Opened] = []
        self._closing = False
        self._pausing = False

    def start(self) -> None:
        """Begin to accept."""
        self._look()

    def _look(self) -> None:
        """Watch the listening sockets if another connection may come, and do not if none may."""
        wanted = not self._closing and not self._pausing and len(self.connections) < self._most
        if wanted == bool(self._watched):
            return
        for one in self._listener.hot_last() if wanted else self._watched:
            self.loop.watch(one.socket, 0 if wanted else READ, READ if wanted else 0, partial(self._accept, one))
        self._watched = self._listener.hot_last() if wanted else []
        if not wanted and not self._closing and not self._pausing:
            where = ", ".join(map(str, self._listener.endpoints))
            count = "1 connection is" if self._most == 1 else f"{self._most} connections are"
            self.log.trouble("full", f"{count} open on {where}, the most there may be; others wait until one ends")

    def _accept(self, one: Opened, events: int) -> None:
        for _ in range(_AT_ONCE):
            if not self._watched:  # full, or closed by what came before in this round
                return
            try:
                taken = self._listener.take(one)
            except OSError as error:
                self.failure = error
                return
            if taken is None:
                return
            if not isinstance(taken, tuple):
                self._pause(taken)
                return
            try:
                connection = Connection(self, *taken)
                self.connections.add(connection)
            except BaseException:  # no memory for it
                taken[0].close()
                raise
            try:
                connection.start()
            except OSError as error:  # the client is gone already, or there is no descriptor for the target
                self.log.trouble("client", f"{connection.peer}: {error}")
                connection.close()
            except BaseException:
                connection.close()
                raise
            self._look()

    def crashed(self) -> None:
        """Accepting raised, and would again at once."""
        self._pause(_PAUSE_SECONDS)

    def _pause(self, seconds: float) -> None:
        self._pausing = True
        self._look()
        self.loop.at(self.loop.door.monotonic() + seconds, self._resume)

    def _resume(self) -> None:
        self._pausing = False
        self._look()

    def gone(self, connection: Connection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        self._look()

    def stop(self) -> None:
        """Accept no more, and give the addresses free."""
        self._closing = True
        self._look()
        self._listener.close()

    def close(self) -> None:
        """End everything."""
        self.stop()
        for connection in list(self.connections):
            connection.close()
