"""Serving: a bounded pool of handler threads over one listener.

Problem: a thread per connection without a bound is a denial of service waiting for its client; a fixed pool behind a
queue accepts connections nobody will answer for minutes.

Our rule: a connection is accepted when a worker is free to take it and waits in the kernel's backlog until then, where
the client's own timeout and the kernel's limit apply. A handler that raises is logged and its connection closed; the
server goes on. Draining gives handlers their time, then shuts their connections down so that a blocked read returns;
``run`` returns when the last handler has.

Left out: killing a handler that ignores the end of its connection; Python cannot stop a thread.
"""

from __future__ import annotations

import threading

from .. import platforms
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket as Socket

    from ..core.endpoint import Endpoint
    from .listener import Listener

__all__ = ("Server",)


class Server:
    """The accept loop and the workers of one ``Listener.serve`` call."""

    def __init__(
        self,
        listener: Listener,
        handler: Callable[[Socket, Endpoint], object],
        workers: int,
        handshake_timeout: float,
    ) -> None:
        if not callable(handler):
            raise TypeError(f"a handler is a function of a socket and its peer, not {handler!r}")
        if workers < 1:
            raise ValueError("serve needs at least one worker")
        self._listener = listener
        self._handler = handler
        self._handshake_timeout = handshake_timeout
        self._free = threading.Semaphore(workers)
        self._active: dict[threading.Thread, Socket] = {}
        self._idle = threading.Condition()

    def run(self) -> None:
        """Accept until the listener is closed, then wait for the handlers."""
        try:
            self._accept_all()
        except BaseException as error:
            if not (isinstance(error, OSError) and self._listener.closed):
                self.drain(0.0)  # Ctrl-C: handlers that sit in a read would keep the finally below for ever
                raise
        finally:
            with self._idle:
                self._idle.wait_for(lambda: not self._active)

    def _accept_all(self) -> None:
        while True:
            self._free.acquire()
            try:
                connection, peer = self._listener.accept()
            except BaseException:
                self._free.release()
                raise
            self._start(connection, peer)

    def _start(self, connection: Socket, peer: Endpoint) -> None:
        thread = threading.Thread(target=self._work, args=(connection, peer), name=f"dualstack {peer}", daemon=True)
        try:
            with self._idle:
                self._active[thread] = connection
            thread.start()
        except BaseException as error:
            with self._idle:
                self._active.pop(thread, None)
            self._free.release()
            connection.close()
            if not isinstance(error, RuntimeError) or thread.ident is not None:
                raise
            # The system has no thread to give just now: that costs one client, not the server.
            log().error("closed the connection from %s: %s", peer, error)

    def _work(self, connection: Socket, peer: Endpoint) -> None:
        try:
            with connection:
                if self._handshake(connection, peer):
                    self._handler(connection, peer)
        except Exception:  # noqa: BLE001 - whatever a handler raises is logged; it must not end the others
            log().exception("handler for %s", peer)
        finally:
            with self._idle:
                del self._active[threading.current_thread()]
                self._idle.notify_all()
            self._free.release()

    def _handshake(self, connection: Socket, peer: Endpoint) -> bool:
        handshake = getattr(connection, "do_handshake", None)
        if handshake is None:
            return True
        connection.settimeout(self._handshake_timeout)
        try:
            handshake()
        except OSError as error:  # a scanner, a client that does not trust us: a line, but no traceback for each
            log().warning("no TLS with %s: %s", peer, error)
            return False
        connection.settimeout(None)
        return True

    def drain(self, seconds: float) -> None:
        """Give the handlers *seconds*, then shut their connections down."""
        me = threading.current_thread()  # a handler may close its own listener; it does not wait for itself
        with self._idle:
            self._idle.wait_for(lambda: not (self._active.keys() - {me}), timeout=seconds)
            for thread, connection in self._active.items():
                try:
                    if thread is me:
                        continue
                    platforms.current.interrupt(connection)
                except OSError:
                    pass  # the client or the handler was faster
