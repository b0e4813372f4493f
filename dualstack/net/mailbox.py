"""Mailbox: what other threads report to one that waits, with or without sockets to wait for."""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket
    from typing import Any

    from ..doors import Doors

__all__ = ("Mailbox",)


class Mailbox:
    """A queue that one thread reads. While it waits in a selector, ``alarm`` is a socket to poke it with."""

    def __init__(self, door: Doors) -> None:
        self._event = door.event()
        self._items: deque[Any] = deque()
        self._lock = allocate_lock()
        self._alarm: Socket | None = None

    def put(self, item: Any) -> None:
        """Add an item and wake the reader; from any thread."""
        self._items.append(item)
        # Under the lock, so that nobody closes the alarm, and gives its number to another socket, meanwhile.
        with self._lock:
            for _ in range(2 if self._alarm is not None else 0):
                try:
                    self._alarm.send(b"\0")  # type: ignore[union-attr]  # looked at in the line above
                    break
                except OSError:  # full: the reader has been woken often enough
                    break
                except BaseException:  # noqa: BLE001  # MemoryError in a thread that has nobody to raise to: once more
                    continue
        self._event.set()

    @property
    def pending(self) -> bool:
        """Whether there is something to get."""
        return bool(self._items)

    def get(self) -> Any:
        """Take the oldest item, None when there is none."""
        return self._items.popleft() if self._items else None

    def wait(self, timeout: float | None) -> None:
        """Wait until an item comes or *timeout* seconds went by; may return early."""
        if not self._items:
            self._event.wait(timeout)

    def set_alarm(self, alarm: Socket | None) -> None:
        """Poke this socket for each item from now on; None: poke nothing, and the old one may be closed."""
        with self._lock:
            self._alarm = alarm
