"""Waiting until the system says that interfaces, addresses or routes may have changed.

A ``ChangeSource`` says *when* to look and whether events were lost, never *what* changed: that is the difference of two
snapshots (``core/changes.py``). ``SocketSource`` is for systems that report on a socket (Linux, BSD, macOS),
``PollingSource`` for those that do not report at all. ``close`` may be called from any thread and wakes who waits;
descriptors are closed by the last one to leave, so that nobody selects on a number that is another file's by then.
"""

from __future__ import annotations

import selectors
from threading import TIMEOUT_MAX, Condition, Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ("ChangeSource", "PollingSource", "SocketSource")

# Where there is poll(2): it needs no descriptor of its own, so a process that has none left goes on waiting.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_EVERY_SECONDS = 2.0  # how stale a polled picture may be; a snapshot costs less than a millisecond


class ChangeSource:
    """What every system's source of change notices can do."""

    def wait(self, timeout: float | None) -> bool:
        """Wait for a notice, at most *timeout* seconds; whether there was one. False at once when closed."""
        raise NotImplementedError

    def lost(self) -> bool:
        """Whether notices were lost since the last call."""
        return False

    @property
    def sock(self) -> socket.socket | None:
        """The socket that becomes readable with a notice, for an event loop; None where there is none."""
        return None

    def drain(self) -> bool:
        """Take all notices that are there without waiting; whether there were any."""
        return self.wait(0)

    def close(self) -> None:
        """End it and wake who waits; again is fine."""
        raise NotImplementedError


class PollingSource(ChangeSource):
    """Says at regular intervals that something may have changed."""

    def __init__(self, interval: float = _EVERY_SECONDS) -> None:
        if not 0 < interval <= TIMEOUT_MAX:  # nan is not
            raise ValueError(f"poll_interval is a number of seconds above 0, not {interval!r}")
        self._interval = interval
        self._state = Condition()
        self._closed = False

    def wait(self, timeout: float | None) -> bool:
        with self._state:
            if timeout is not None and timeout < self._interval:
                self._state.wait_for(lambda: self._closed, timeout)
                return False
            return not self._state.wait_for(lambda: self._closed, self._interval)

    def close(self) -> None:
        with self._state:
            self._closed = True
            self._state.notify_all()


class SocketSource(ChangeSource):
    """Notices are datagrams on a non-blocking socket.

    *pair* makes the two sockets by which ``close`` wakes who waits. *counts* looks at one datagram and its sender
    and says whether it is a notice. *overflow* is the errno that says the queue was too small.
    """

    def __init__(
        self,
        sock: socket.socket,
        pair: tuple[socket.socket, socket.socket],
        counts: Callable[[bytes, object], bool],
        overflow: int,
    ) -> None:
        self._sock = sock
        self._waker, self._wake = pair
        self._counts = counts
        self._overflow = overflow
        self._lost = False
        self._lock = Lock()
        self._inside = 0
        self._closed = False

    @property
    def sock(self) -> socket.socket:
        return self._sock

    def wait(self, timeout: float | None) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._inside += 1
        try:
            with _Selector() as selector:
                selector.register(self._sock, selectors.EVENT_READ)
                selector.register(self._waker, selectors.EVENT_READ)
                return self._wait(selector, timeout)
        finally:
            with self._lock:
                self._inside -= 1
                if self._closed and not self._inside:
                    self._release()

    def _wait(self, selector: selectors.BaseSelector, timeout: float | None) -> bool:
        while selector.select(timeout) and not self._closed:
            if self._take():
                return True
            if timeout is not None:
                break
        return False

    def drain(self) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._inside += 1
        try:
            return self._take()
        finally:
            with self._lock:
                self._inside -= 1
                if self._closed and not self._inside:
                    self._release()

    def lost(self) -> bool:
        lost, self._lost = self._lost, False
        return lost

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._inside:
                self._wake.send(b"x")
            else:
                self._release()

    def _take(self) -> bool:
        """Read all that is queued; whether a notice was among it, an overflow counting as one."""
        found = False
        while True:
            try:
                data, sender = self._sock.recvfrom(65536)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != self._overflow:
                    raise
                self._lost = found = True
            else:
                found = self._counts(data, sender) or found

    def _release(self) -> None:
        self._sock.close()
        self._waker.close()
        self._wake.close()
