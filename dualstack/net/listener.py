"""Listener: several listening sockets behind one accept.

Problem: a server that listens on IPv4, IPv6 and a Unix path has three sockets, and ``accept`` takes one. Closing from
another thread leaves a blocked ``accept`` blocked on some systems and accepting from somebody else's descriptor on
others. The IPv4 client of a dual-stack socket is called ``::ffff:192.0.2.7``.

Naive way: one thread per socket, or ``select`` before every ``accept``. The first has no end, the second pays two
system calls per connection.

Our rule: the sockets do not block. ``accept`` asks the socket that had the last connection and costs one system call
when one waits there; only when none does, a selector watches all of them and a wake-up socket. Every sixteenth time the
selector goes first, so that a busy socket does not starve the others. ``close`` marks the listener, makes the wake-up
socket readable for ever, and the last thread to leave ``accept`` closes the descriptors: nobody accepts from a number
that has been given away.

Left out: accepting in the order of arrival across sockets; no system tells it.
"""

from __future__ import annotations

import errno
from _thread import RLock

from .. import platforms
from ..core.accept import IGNORE, RAISE, AcceptPolicy
from ..core.delays import check_timeout
from ..core.endpoint import Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint, from_peer
from .log import log
from .opened import Opened, close_all, is_v6only

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence
    from selectors import BaseSelector
    from socket import socket as Socket
    from types import TracebackType

    from ..doors import Doors
    from .gate import Gate
    from .serve import Server

__all__ = ("Listener",)

_LOOK_AGAIN = 0.5  # seconds between two looks at the list of sockets, where the selector does not see it change
_FAIR = 16  # accepts from one socket before the others are looked at


class Listener:
    """Listening sockets that answer as one; made by ``open_listener``.

    ``accept`` returns ``(socket, Endpoint)``: a blocking, non-inheritable stdlib socket and its peer, IPv4 clients of a
    dual-stack socket as IPv4. A listener is a context manager and an iterator over connections; it owns its sockets
    until ``close`` or ``detach``. All methods may be called from any thread.
    """

    def __init__(
        self,
        world: Doors,
        opened: Sequence[Opened],
        *,
        tls: ssl.SSLContext | None = None,
        gate: Gate | None = None,
        blocking: bool = True,
    ) -> None:
        self._world = world
        self._opened = tuple(opened)
        self._tls = tls
        if gate is None and any(getattr(one.endpoint, "is_abstract", False) for one in self._opened):
            from .gate import Gate

            gate = Gate(None)  # no file, no mode: who may connect is asked about each
        self._gate = gate
        # Guards the ownership of the sockets and the making of the selector. Reentrant: a signal handler that calls
        # close() may run in the very thread that holds it.
        self._lock = RLock()
        self._closed = False
        self._owns = True
        self._users: list[None] = []  # one entry per thread inside accept; append and pop are atomic
        self._hot = self._opened[0] if self._opened else None  # where the last connection came from
        self._fixed = len(self._opened)  # those behind them came by ``add``
        self._retired: list[Opened] = []  # dropped while somebody was inside accept
        self._at_close: Callable[[], None] | None = None
        self._streak = 0
        self._policy = AcceptPolicy()
        self._trouble = ""
        self._selector: BaseSelector | None = None
        self._wake: tuple[Socket, Socket] | None = None
        self._server: Server | None = None
        # What a fresh connection has to be told. Python takes each for blocking; where the system does so too, nothing.
        self._blocking = True if blocking and platforms.current.accept_inherits_nonblocking else None
        if not blocking:
            self._blocking = False
        self._alone = len(self._opened) == 1
        # Whether it needs more than its endpoint, always and just now.
        self._work = self._always_work = self._blocking is not None or tls is not None or self._gate is not None

    # ------------------------------------------------------------------ what it is

    @property
    def sockets(self) -> tuple[Socket, ...]:
        """The listening sockets, non-blocking, still owned by this listener; for servers that take ``sockets=``."""
        return tuple(one.socket for one in self._opened)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where it listens, in the order asked for; a wildcard as ``[::]:port`` or ``0.0.0.0:port``."""
        return tuple(one.endpoint for one in self._opened)

    @property
    def port(self) -> int | None:
        """The port of its IP sockets (the first one's where they were given several), None with only Unix sockets."""
        for one in self._opened:
            if isinstance(one.endpoint, IPEndpoint):
                return one.endpoint.port
        return None

    @property
    def closed(self) -> bool:
        """Whether ``close`` or ``detach`` was called."""
        return self._closed

    @property
    def refused(self) -> int:
        """How many connections ``allow`` has refused; they were closed at once."""
        return self._gate.refused if self._gate is not None else 0

    def connect_endpoint(self) -> Endpoint:
        """An endpoint of this host that reaches the listener: a wildcard becomes loopback of a family it serves."""
        if not self._opened:
            raise OSError(errno.EADDRNOTAVAIL, "the interface this listener follows has no address now")
        return self._reachable(self._opened[0])[0]

    def urls(self, scheme: str) -> list[str]:
        """Addresses to print, ``scheme://host:port``: wildcards as loopback of each family, Unix paths as ``unix:``."""
        urls: list[str] = []
        for one in self._opened:
            for endpoint in self._reachable(one):
                url = endpoint.url(scheme) if isinstance(endpoint, IPEndpoint) else str(endpoint)
                if url not in urls:
                    urls.append(url)
        return urls

    def _reachable(self, one: Opened) -> list[Endpoint]:
        endpoint = one.endpoint
        if isinstance(endpoint, IPv4Endpoint) and endpoint.host == "0.0.0.0":
            return [IPv4Endpoint("127.0.0.1", endpoint.port)]
        if isinstance(endpoint, IPv6Endpoint) and endpoint.host == "::":
            loopback6 = IPv6Endpoint("::1", endpoint.port)
            if is_v6only(one.socket):
                return [loopback6]
            return [IPv4Endpoint("127.0.0.1", endpoint.port), loopback6]  # every host has 127.0.0.1; some have no ::1
        return [endpoint]

    # ------------------------------------------------------------------ accepting

    def accept(self, timeout: float | None = None) -> tuple[Socket, Endpoint]:
        """Wait for a connection and return it with its peer; *timeout* in seconds, None waits for ever.

        Connections that broke while they were queued are skipped. When descriptors or memory run out it waits and goes
        on, with one line in the log of "dualstack". With ``tls`` the socket is wrapped and the handshake happens at the
        first read or write, so that a silent client blocks nobody else.

        Raises TimeoutError; ValueError for a negative *timeout*; OSError EBADF once the listener is closed, also when
        it is closed while this waits; other OSErrors when the listening socket itself is broken.
        """
        try:
            self._users.append(None)
            return self._accept(timeout)  # a call: see tests/architecture/test_interrupts.py
        finally:
            self._users.pop()
            if self._closed or self._retired:
                self._release()

    def _accept(self, timeout: float | None) -> tuple[Socket, Endpoint]:
        hot = self._hot
        if hot is not None and not self._closed and self._streak < _FAIR:
            try:
                connection, sockaddr = self._world.accept(hot.socket, hot.family, hot.type, hot.proto)
            except OSError:
                pass  # BlockingIOError mostly; any other comes again below, where it is judged
            else:
                if not self._alone:
                    self._streak += 1
                finished = self._finish(connection, hot, sockaddr)
                if finished is not None:
                    return finished
        return self._wait_and_accept(timeout)

    def _finish(self, connection: Socket, one: Opened, sockaddr: object) -> tuple[Socket, Endpoint] | None:
        """Make a fresh connection what the caller expects; None when it is refused or broke under our hands."""
        try:
            if self._work:
                if self._policy.in_episode:
                    self._policy.succeeded()
                    self._work = self._always_work
                if self._gate is not None and not self._gate.admits(connection, one, from_peer(one.family, sockaddr)):
                    connection.close()
                    return None
                if self._blocking is not None:
                    connection.setblocking(self._blocking)
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, from_peer(one.family, sockaddr)
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):  # ssl looks at the peer while wrapping, and the peer may be gone
                return None
            raise

    def take(
        self, one: Opened, result: Callable[[], tuple[Socket, object]] | None = None
    ) -> tuple[Socket, Endpoint] | float | None:
        """Accept from one socket without waiting: a connection, None, or the seconds to wait before trying again.

        *result* is an accept that an event loop has carried out already, errors included.
        """
        try:
            if result is None:
                connection, sockaddr = self._world.accept(one.socket, one.family, one.type, one.proto)
            else:
                connection, sockaddr = result()
        except BlockingIOError:
            return None  # another thread was faster, or the client is gone
        except OSError as error:
            return None if one in self._retired else self._judge(error)
        self._hot = one
        self._streak = 0
        return self._finish(connection, one, sockaddr)

    def _wait_and_accept(self, timeout: float | None) -> tuple[Socket, Endpoint]:
        timeout = check_timeout(timeout)
        now = self._world.monotonic
        deadline = None if timeout is None else now() + timeout
        selector = self._watch_when_possible(timeout, deadline)
        self.check_open()  # a signal handler may have closed it while there was no wake-up socket yet
        while True:
            remaining = None if deadline is None else max(0.0, deadline - now())
            if self._at_close is not None and not hasattr(selector, "fileno"):
                # poll and select see only the sockets they were given at the call, and followed ones come later.
                remaining = _LOOK_AGAIN if remaining is None else min(remaining, _LOOK_AGAIN)
            ready = [key.data for key, _ in selector.select(remaining) if key.data is not None]
            self.check_open()
            if len(ready) > 1 and ready[0] is self._hot:
                ready.append(ready.pop(0))  # the others have waited longer
            for one in ready:
                taken = self.take(one)
                if isinstance(taken, tuple):
                    return taken
                if taken is not None:
                    self._pause(taken if deadline is None else min(taken, max(0.0, deadline - now())))
            if deadline is not None and now() >= deadline:
                raise self.timed_out(timeout)

    def timed_out(self, timeout: float | None) -> TimeoutError:
        """The exception for a wait that ended without a connection, with the reason if accept itself kept failing."""
        why = f"; accept fails: {self._trouble}" if self._policy.in_episode else ""
        return TimeoutError(errno.ETIMEDOUT, f"no connection on {self._names()} within {timeout:g} s{why}")

    @property
    def world(self) -> Doors:
        """The doors through which the sockets were opened."""
        return self._world

    def using(self) -> _Using:
        """Keep the descriptors open for the length of a ``with`` block, also when the listener is closed meanwhile."""
        return _Using(self)

    def hot_last(self) -> list[Opened]:
        """The sockets, the one that had the last connection at the end, so that none starves."""
        opened = list(self._opened)
        if self._hot in opened:
            opened.remove(self._hot)
            opened.append(self._hot)
        return opened

    def check_open(self) -> None:
        """Raise OSError EBADF once the listener is closed."""
        if self._closed:
            raise OSError(errno.EBADF, f"the listener on {self._names()} is closed")

    def _judge(self, error: OSError) -> float | None:
        """Ignore an accept error (None), name the seconds to sit out a lack of resources, or raise it."""
        was_in_episode = self._policy.in_episode
        delay = self._policy.failed(error.errno or 0)
        if delay == RAISE:
            raise error
        if delay == IGNORE:
            return None
        self._work = True  # the next success ends the episode
        self._trouble = str(error)
        if not was_in_episode:
            log().warning("accept on %s: %s; waiting for it to pass", self._names(), error)
        return delay

    def _pause(self, seconds: float) -> None:
        # On the wake-up socket alone, so that close() still ends it; the listening sockets are ready all the while.
        # It must need no descriptor: there is none to be had.
        wake = self._wake
        if wake is not None:
            self._world.wait_readable(wake[0], seconds)

    def _watch_when_possible(self, timeout: float | None, deadline: float | None) -> BaseSelector:
        """The selector, also when the shortage is there before the first wait; then close() is seen within 0.64 s."""
        now = self._world.monotonic
        while True:
            try:
                return self._watch()
            except OSError as error:
                delay = self._judge(error) or 0.0
            if deadline is not None and now() >= deadline:
                raise self.timed_out(timeout)
            self._world.sleep(delay if deadline is None else min(delay, deadline - now()))

    def _watch(self) -> BaseSelector:
        """The selector over all sockets and the wake-up socket, made when somebody has to wait for the first time."""
        with self._lock:
            if self._selector is None:
                self.check_open()
                wake = self._world.socketpair()
                try:
                    selector = self._world.selector()
                    try:
                        selector.register(wake[0], 1)
                        for one in self._opened:
                            selector.register(one.socket, 1, one)  # 1: selectors.EVENT_READ
                    except BaseException:
                        selector.close()
                        raise
                except BaseException:
                    wake[0].close()
                    wake[1].close()
                    raise
                self._selector, self._wake = selector, wake
            return self._selector

    def __iter__(self) -> Iterator[tuple[Socket, Endpoint]]:
        """Yield connections until the listener is closed."""
        while True:
            try:
                connection = self.accept()
            except OSError:
                if self._closed:
                    return
                raise
            yield connection

    def serve(
        self,
        handler: Callable[[Socket, Endpoint], object],
        *,
        workers: int = 64,
        handshake_timeout: float = 10.0,
    ) -> None:
        """Accept until closed and run ``handler(socket, peer)`` for each connection, at most *workers* at a time.

        The connection is closed when the handler returns. An exception of the handler is logged and ends nothing else.
        With all workers busy new connections wait in the backlog. With ``tls`` the handshake runs in the handler's
        thread and is given *handshake_timeout* seconds. Returns after ``close``, when every handler has returned.
        """
        from .serve import Server

        with self._lock:
            if self._server is not None:
                raise RuntimeError("this listener is being served already")
            server = self._server = Server(self, handler, workers, handshake_timeout)
        try:
            server.run()
        finally:
            self._server = None

    # ------------------------------------------------------------------ sockets that come and go (follow.py)

    @property
    def followed(self) -> tuple[Opened, ...]:
        """The sockets that came by ``add``."""
        return self._opened[self._fixed :]

    def add(self, one: Opened) -> None:
        """Listen on one more socket; closed at once if the listener is."""
        with self._lock:
            if not self._closed:
                if self._selector is not None:
                    self._selector.register(one.socket, 1, one)
                self._opened += (one,)
                self._alone = False
                return
        one.close()

    def drop(self, one: Opened) -> None:
        """Stop listening on a socket that came by ``add``."""
        with self._lock:
            if one not in self.followed:
                return
            if self._selector is not None:
                self._selector.unregister(one.socket)  # before anybody may close the descriptor
            self._opened = tuple(other for other in self._opened if other is not one)
            self._retired.append(one)
            if self._hot is one:
                self._hot = None
        self._release()

    def on_close(self, call: Callable[[], None]) -> None:
        """Have *call* called once when the listener is closed."""
        self._at_close = call

    # ------------------------------------------------------------------ the end

    def close(self, drain: float = 0.0) -> None:
        """Stop listening: wake every ``accept``, remove our socket files, close the sockets. Twice does nothing more.

        With ``serve`` running, its handlers get *drain* seconds to finish; then their connections are shut down, so
        that a handler blocked in a read sees the end. Connections returned by ``accept`` stay open: they are yours.
        """
        try:
            with self._lock:
                self._closed = True
                at_close, self._at_close = self._at_close, None
                wake = self._wake
                if wake is not None:
                    try:
                        wake[1].send(b"\0")  # never read: every waiter, now and later, finds it readable
                    except OSError:
                        pass  # full or closed: it was woken before
            if at_close is not None:
                at_close()
        finally:
            self._release()
        server = self._server
        if server is not None:
            server.drain(drain)

    def detach(self) -> list[Socket]:
        """Hand the listening sockets to the caller and forget them; their socket files are not removed any more."""
        with self._lock:
            owned, self._owns, self._closed = self._owns, False, True
        if not owned:
            raise OSError(errno.EBADF, "the listener is closed")
        self.close()  # the wake-up socket and the selector
        return [one.socket for one in self._opened]

    def _release(self) -> None:
        """Close what is ours and not wanted any more, once, when nobody is inside accept."""
        with self._lock:
            if self._users:
                return  # the last one out does it
            retired, self._retired = self._retired, []
        close_all(retired)
        with self._lock:
            if not self._closed or self._users:
                return
            owned, self._owns = self._owns, False
            selector, self._selector = self._selector, None
            wake, self._wake = self._wake, None
        try:
            if selector is not None:
                selector.close()
            if wake is not None:
                try:
                    wake[0].close()
                finally:
                    wake[1].close()
        finally:
            if owned:
                close_all(self._opened)

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _names(self) -> str:
        return ", ".join(map(str, self.endpoints)) or "no address"

    def __repr__(self) -> str:
        return f"<Listener {self._names()}{' closed' if self._closed else ''}>"


class _Using:
    """One user of the descriptors; the last one to leave a closed listener closes them."""

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __enter__(self) -> None:
        self._listener._users.append(None)

    def __exit__(self, *exc: object) -> None:
        self._listener._users.pop()
        if self._listener._closed or self._listener._retired:
            self._listener._release()
