"""What a datagram socket owns, and how it ends: sockets closed together, from any thread, once nobody is inside."""

from __future__ import annotations

import errno
import selectors
from _thread import RLock

from ..core.endpoint import Endpoint, IPEndpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket as Socket
    from typing import Any

    from ..doors import Doors
    from .packet import Channel
    from .unix import BoundUnix

__all__ = ("DatagramBase", "closed")


def closed() -> OSError:
    """What every method raises once the socket is closed."""
    return OSError(errno.EBADF, "the datagram socket is closed")


class DatagramBase:
    """Part of DatagramSocket: the sockets, their selector, and the alarm that wakes every waiter.

    A thread is in ``_inside`` while it is in a call. ``close`` marks the end and rings the alarm; whoever is last
    closes the descriptors, so that no thread ever uses a number that has become somebody else's.
    """

    def __init__(self, world: Doors, channels: Sequence[Channel], bound_unix: BoundUnix | None) -> None:
        self._world = world
        self._channels = tuple(channels)
        self._bound_unix = bound_unix
        self._inside: dict[object, None] = {}  # threads in a call; a dict for its atomic item operations
        self._closing = self._closed = False
        self._lock = RLock()  # a signal handler may close what its own thread is just using
        self._reader: selectors.BaseSelector | None = None
        self._alarm: tuple[Socket, Socket] | None = None
        self._watcher: Any = None  # of interface changes, where groups are followed

    # ------------------------------------------------------------------ what it is

    @property
    def sockets(self) -> tuple[Socket, ...]:
        """The sockets behind it: one, or one per family or address. They are non-blocking; do not close them."""
        return tuple(channel.sock for channel in self._channels)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where each of the sockets is bound."""
        return tuple(channel.bound for channel in self._channels)

    @property
    def port(self) -> int:
        """The one port of all sockets; 0 for Unix sockets."""
        bound = self._channels[0].bound
        return bound.port if isinstance(bound, IPEndpoint) else 0

    @property
    def remote(self) -> Endpoint | None:
        """The peer of a connected socket, else None."""
        return self._channels[0].remote

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closing

    def fileno(self) -> int:
        """The descriptor, for a selector; ValueError where there are several sockets (see ``sockets``)."""
        if len(self._channels) > 1:
            raise ValueError(f"{len(self._channels)} sockets have no one descriptor; use .sockets")
        return self._channels[0].sock.fileno()  # pyright: ignore[reportGeneralTypeIssues] - there is always one

    def __repr__(self) -> str:
        state = "closed" if self._closing else ", ".join(map(str, self.endpoints))
        return f"<DatagramSocket {state}{f' connected to {self.remote}' if self.remote is not None else ''}>"

    def _readable(self) -> selectors.BaseSelector:
        """The selector that wakes on a datagram and on close()."""
        reader = self._reader
        if reader is None:
            with self._lock:
                reader = self._reader
                if reader is None:
                    alarm = self._alarm_pair()
                    reader = self._world.selector()
                    try:
                        for sock in (*self.sockets, alarm[0]):
                            reader.register(sock, selectors.EVENT_READ)
                    except BaseException:
                        reader.close()
                        raise
                    self._reader = reader
        return reader

    def _alarm_pair(self) -> tuple[Socket, Socket]:
        # Under the lock. After close() no new pair is made: nobody would close it.
        if self._alarm is None:
            if self._closing:
                raise closed()
            self._alarm = self._world.socketpair()
        return self._alarm

    def _writable(self, channel: Channel) -> selectors.BaseSelector:
        with self._lock:
            alarm = self._alarm_pair()
            waiter = self._world.poller()
            try:
                waiter.register(channel.sock, selectors.EVENT_WRITE)
                waiter.register(alarm[0], selectors.EVENT_READ)
            except BaseException:
                waiter.close()
                raise
            return waiter

    # ------------------------------------------------------------------ for the drivers in aio/

    def check_open(self) -> None:
        """Raise what every method raises once the socket is closed."""
        if self._closing:
            raise closed()

    def hold(self, who: object) -> None:
        """Keep the descriptors open until ``release``, also when the socket is closed meanwhile."""
        self._inside[who] = None
        if self._closing:
            self.release(who)
            raise closed()

    def release(self, who: object) -> None:
        """End ``hold``; does nothing without it."""
        self._inside.pop(who, None)
        if self._closing:
            self._finish()

    def select(self) -> None:
        """Block until a datagram is there or the socket is closed."""
        self._readable().select()

    def now(self) -> float:
        """The clock of deadlines."""
        return self._world.monotonic()

    def start_daemon(self, run: Callable[[], None], name: str) -> None:
        """Run something in a thread that does not keep the interpreter alive."""
        self._world.start_daemon(run, name)

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Close from any thread; every call that waits raises, and nothing is left open. Again does nothing.

        A Unix socket's file is removed, if it is still the one this socket made.
        """
        with self._lock:
            if self._closing:
                return
            self._closing = True
            alarm, watcher = self._alarm, self._watcher
        try:
            if alarm is not None:
                alarm[1].close()  # the other end reads as ended from now on: every waiter wakes
            if watcher is not None:
                watcher.close()
        finally:
            self._finish()

    def _finish(self) -> None:
        """Close the descriptors once nobody is inside."""
        with self._lock:
            if self._inside or self._closed:
                return
            self._closed = True
        try:
            if self._bound_unix is not None:
                self._bound_unix.unlink()
        finally:
            if self._reader is not None:
                self._reader.close()
            for pair in self._alarm or ():
                pair.close()
            for channel in self._channels:
                channel.sock.close()

    def __exit__(self, *exc: object) -> None:
        self.close()
