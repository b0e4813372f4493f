"""open_forwarder: pass connections and datagrams on to another address, for programs that cannot be changed.

A service that speaks IPv4 only, behind IPv6 and a Unix socket; a Unix socket for a program that knows ports; the
clients' addresses for a server that reads the PROXY protocol. ``python -m dualstack forward`` is this as a command.

What is decided is in core/ (forward_plan, relay, proxy_protocol, deadlines, ration); one thread moves the bytes
(loop.py, forward_stream.py, forward_connection.py, forward_datagram.py) and connects to the target (forward_dial.py).
"""

from __future__ import annotations

import os
from _thread import RLock
from functools import partial
from socket import SOCK_DGRAM

from .. import doors, platforms
from ..core.endpoint import Endpoint, IPEndpoint
from ..core.forward_plan import plan
from ..core.guard import guard_from
from .datagram import open_datagram
from .forward_datagram import Datagrams
from .forward_dial import Target
from .forward_log import Log
from .forward_stream import Streams
from .listen import open_listener
from .loop import Loop
from .opened import do_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..core.guard import Allow, Guard

__all__ = ("Forwarder", "Settings", "open_forwarder")

_UNIX = "unix"  # among networks: whoever may open the socket file
_DATAGRAM_IDLE = 60.0  # seconds
_SPARE = 64  # descriptors for what is not a connection: listeners, files, look-ups
_MOST_SESSIONS = 1024


class Settings:
    """How connections are forwarded; read once, when the forwarder is opened."""

    __slots__ = ("allowed", "connect_timeout", "datagram_idle", "idle", "proxy_out", "trusted")

    def __init__(
        self,
        idle: float | None,
        connect_timeout: float,
        proxy_out: str | None,
        trusted: Guard | None,
        allowed: Guard | None,
    ) -> None:
        self.idle: float | None = idle
        self.datagram_idle: float = _DATAGRAM_IDLE if idle is None else idle
        self.connect_timeout: float = connect_timeout
        self.proxy_out: str | None = proxy_out
        self.trusted: Guard | None = trusted
        self.allowed: Guard | None = allowed


def open_forwarder(
    listen: str | Sequence[str],
    to: str,
    *,
    idle: float | None = None,
    connect_timeout: float = 10.0,
    max_connections: int | None = None,
    proxy_out: str | None = None,
    proxy_in: Allow | None = None,
    allow: Allow | None = None,
    mode: int = 0o600,
) -> Forwarder:
    """Listen on addresses and pass on what comes to another; nothing moves until ``Forwarder.run``.

    *listen* takes what ``open_listener`` takes, as text, and ``udp://`` and ``unixgram:`` for datagrams; *to* what
    ``connect`` takes. An address that does not say whether it is for connections or datagrams takes it from the other
    side. A name is resolved again for each client, and its addresses race.

    A client that shuts its side down still gets its answer; a reset is passed on as a reset; who does not read stops
    the one who writes, with at most 256 KiB kept for each direction beside the system's buffers.

    * *idle*: seconds without a byte in either direction after which a connection is closed; None never. Sessions of
      datagrams end after 60 s then.
    * *connect_timeout*: seconds until the target must be connected, and until a PROXY header must be there.
    * *max_connections* at a time, others wait in the system's queue; by default as many as descriptors allow. The same
      number bounds the sessions of each datagram socket (default 1024); there the longest quiet one ends for a new one.
    * *proxy_out*: ``"v1"`` or ``"v2"`` tells the target who the client is, by a PROXY header; datagrams take v2 only.
    * *proxy_in*: networks (or a function of an Endpoint) whose clients are proxies: they must send a PROXY header, v1
      or v2, and everybody else is refused. To pass others on as they are would pass on a header they wrote
      themselves. ``"unix"`` among the networks stands for clients over Unix sockets. *proxy_out* passes on what the
      header says.
    * *allow*: networks of the clients that are served, by the address that a trusted header tells where there is one.
    * *mode*: of Unix sockets.

    Raises ValueError for what cannot be forwarded (datagrams to a stream), AddressError, and as ``open_listener`` does.
    Names what is missing with UnsupportedError. On Windows 254 connections at a time are the most.
    """
    sorted_ = plan([listen] if isinstance(listen, str) else list(listen), to)
    if proxy_out not in (None, "v1", "v2"):
        raise ValueError(f"proxy_out is 'v1', 'v2' or None, not {proxy_out!r}")
    if proxy_out == "v1" and sorted_.datagrams:
        raise ValueError(f"{sorted_.datagrams[0]}: PROXY v1 knows TCP only; datagrams take proxy_out='v2'")
    for name, seconds in (("idle", idle), ("connect_timeout", connect_timeout)):
        if seconds is not None and not seconds > 0:
            raise ValueError(f"{name} is more than 0 seconds, not {seconds!r}")
    if max_connections is not None and max_connections < 1:
        raise ValueError(f"max_connections is at least 1, not {max_connections!r}")
    settings = Settings(idle, connect_timeout, proxy_out, _guard(proxy_in), _guard(allow))
    forwarder = Forwarder(Loop(doors.current))
    try:
        forwarder._open(sorted_.streams, sorted_.datagrams, sorted_.to, settings, max_connections, mode)
    except BaseException:
        forwarder.close()
        raise
    return forwarder


def _guard(allow: Allow | None) -> Guard | None:
    """``guard_from``, with "unix" among the networks."""
    if allow is None or callable(allow) or isinstance(allow, str):
        return guard_from(allow)
    networks = list(allow)
    guard = guard_from([one for one in networks if one != _UNIX])
    if guard is None or _UNIX not in networks:
        return guard
    known = guard
    return lambda endpoint: not isinstance(endpoint, IPEndpoint) or known(endpoint)


class Forwarder:
    """Open sockets and what they forward to; made by ``open_forwarder``. A context manager.

    ``run`` forwards in the calling thread. ``close`` may be called from any thread and from signal handlers.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._log = Log(loop)
        self._streams: list[Streams] = []
        self._datagrams: list[Datagrams] = []
        self._endpoints: list[tuple[str, Endpoint]] = []
        self._folder = b""
        self._files = 0
        self._until: float | None = None  # when a drain ends
        # Between run, which makes the sockets its own, and close, which closes them if nobody has; a signal handler
        # may run in the thread that holds it.
        self._lock = RLock()
        self._closing = self._ran = self._running = self._closed = False

    def _open(
        self,
        streams: list[str],
        datagrams: list[str],
        to: str,
        settings: Settings,
        most: int | None,
        mode: int,
    ) -> None:
        """Open everything; for ``open_forwarder``."""
        loop, log = self._loop, self._log
        room = min(loop.room, platforms.current.fd_limit() - _SPARE)
        sessions = most or min(_MOST_SESSIONS, max(1, room // 4))
        if streams:
            target = Target(loop, to)
            listener = open_listener(streams, mode=mode)
            room -= len(listener.sockets) + 2 + sessions * len(datagrams)
            fit = max(1, room // 2)
            self._streams.append(Streams(loop, listener, target, settings, log, min(most or fit, fit)))
            self._endpoints += [("", endpoint) for endpoint in listener.endpoints]
            _refuse_itself(target, listener.endpoints)
        for address in datagrams:
            target = Target(loop, to, SOCK_DGRAM)
            sock = open_datagram(address, mode=mode)
            self._datagrams.append(Datagrams(loop, sock, target, settings, log, sessions, self._file))
            self._endpoints += [
                ("udp://" if isinstance(one, IPEndpoint) else "datagrams ", one) for one in sock.endpoints
            ]
            _refuse_itself(target, sock.endpoints)

    def _all(self) -> list[Streams | Datagrams]:
        return [*self._streams, *self._datagrams]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where it listens, first for connections and then for datagrams."""
        return tuple(endpoint for _, endpoint in self._endpoints)

    def lines(self) -> list[str]:
        """Where it listens, to print: datagrams say so."""
        return [f"{scheme}{endpoint}" for scheme, endpoint in self._endpoints]

    @property
    def connections(self) -> int:
        """How many connections and sessions there are now."""
        return sum(len(one.connections) for one in self._streams) + sum(len(one.sessions) for one in self._datagrams)

    def wakeup_fileno(self) -> int:
        """For ``signal.set_wakeup_fd``: without it Windows runs a signal handler when the next byte comes."""
        return self._loop.alarm.fileno()

    def run(self) -> None:
        """Forward until closed, once; raises what breaks a listening socket for good."""
        with self._lock:
            if self._ran:
                raise RuntimeError("a forwarder runs once")
            self._ran = True
            if self._closed:
                return
            self._running = True
        try:
            self._run()
        finally:
            with self._lock:
                self._running = False
                self._end()

    def _run(self) -> None:
        for one in self._all():
            one.start()
        self._loop.run(self._goes_on)
        for streams in self._streams:
            if streams.failure is not None:
                raise streams.failure

    def _goes_on(self) -> bool:
        if any(streams.failure is not None for streams in self._streams):
            return False
        if not self._closing:
            return True
        if self._until is None or self._loop.door.monotonic() >= self._until:
            return False
        return any(streams.connections for streams in self._streams)

    def close(self, drain: float = 0.0) -> None:
        """Stop listening; connections have *drain* seconds to end by themselves, and are closed then.

        ``run`` returns when that is done; this does not wait for it. Called again, with less, it ends sooner.
        Datagrams end at once: who asked asks again.
        """
        until = self._loop.door.monotonic() + drain
        with self._lock:
            if self._running:
                self._loop.post(partial(self._stop, until))
            else:
                self._end()

    def _stop(self, until: float) -> None:
        self._closing = True
        self._until = until if self._until is None else min(until, self._until)
        self._loop.at(self._until, self._goes_on)  # so that it is asked then
        for streams in self._streams:
            streams.stop()
        for datagrams in self._datagrams:
            datagrams.close()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        steps: list[Callable[[], object]] = [one.close for one in self._all()]
        do_all([*steps, self._remove_folder, self._log.close, self._loop.close])

    # ------------------------------------------------------------------ files of Unix datagram sockets of ours

    def _file(self) -> str:
        """A path for one more socket, in a directory that only this user can enter."""
        if not self._folder:
            self._folder = self._loop.door.private_dir(platforms.current.short_dir or b".")
        self._files += 1
        return f"{os.fsdecode(self._folder)}/{self._files}"

    def _remove_folder(self) -> None:
        if self._folder:
            self._loop.door.rmdir(self._folder)

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Forwarder {', '.join(self.lines())}>"


def _refuse_itself(target: Target, endpoints: Iterable[Endpoint]) -> None:
    """A forwarder that forwards to itself opens connections until there are no descriptors."""
    for goal in target.endpoints:
        for endpoint in endpoints:
            same = goal == endpoint
            if isinstance(goal, IPEndpoint) and isinstance(endpoint, IPEndpoint) and goal.port == endpoint.port:
                same = goal.host == endpoint.host or (endpoint.is_unspecified and goal.is_loopback)
            if same:
                raise ValueError(f"{endpoint} would be forwarded to itself")
