"""One forwarded connection: its PROXY header, its target, and the bytes between the two.

What is shut, kept or closed is decided in core/relay.py; here bytes move. Into one buffer that all connections share,
because nothing stays in it: what the other side does not take at once is copied out and kept, at most BUFFER bytes
each way, and its source is not read until it is gone.

Why not ``os.splice`` (Linux, Python 3.10), which never brings the bytes into this process: it was measured, through
pipes of 64 KiB to 1 MiB that are lent to a connection for as long as something sticks in them. With 50 connections on
loopback it moved 0.6 of what this moves and took 0.7 of the processor time for it: the receiver gets the bytes in more
and smaller pieces. ``recv_into`` is the same on every system. The buffer has 256 KiB, because 64 KiB cost half as much
processor time again, and 1 MiB hardly less.
"""

from __future__ import annotations

from socket import IPPROTO_TCP, TCP_NODELAY

from .. import platforms
from ..core.endpoint import AF_UNIX, Endpoint, IPEndpoint
from ..core.guard import permits
from ..core.proxy_protocol import ProxyProtocolError, decode, encode_v1, encode_v2
from ..core.relay import BROKEN, CLIENT, CLOSE, LINGER, RESET, SHUT, TARGET, Relay
from .loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

    from ..core.deadlines import Deadline
    from ..core.proxy_protocol import ProxyHeader
    from .forward_dial import Lone, Racing
    from .forward_stream import Streams

__all__ = ("BUFFER", "Connection")

BUFFER = 256 * 1024  # bytes
_LINGER_SECONDS = 2.0
_SHUT_WR = 1  # on every system


class Connection:
    """A client, and the target as soon as it is connected."""

    __slots__ = (
        "_active",
        "_dialing",
        "_events",
        "_greeting",
        "_held",
        "_loop",
        "_moved",
        "_owner",
        "_relay",
        "_socks",
        "_started",
        "_timer",
        "_told",
        "over",
        "peer",
    )

    def __init__(self, owner: Streams, client: Socket, peer: Endpoint) -> None:
        self._owner = owner
        self._loop = owner.loop
        self._socks: list[Socket] = [client]
        self._events = [0, 0]  # what each side is watched for
        self._relay = Relay()
        self._held: list[memoryview] = [_NONE, _NONE]  # by source
        self._moved = [0, 0]  # bytes, by source
        self._dialing: Lone | Racing | None = None
        self._timer: Deadline | None = None
        self._greeting = bytearray()
        self._told: ProxyHeader | None = None
        self._active = self._started = self._loop.now
        #: The client, as the system names it, or as a trusted proxy does.
        self.peer: Endpoint = peer
        self.over: bool = False

    def start(self) -> None:
        """Take the client in: a PROXY header first if one is due, then the target."""
        settings, client = self._owner.settings, self._socks[CLIENT]
        client.setblocking(False)
        if isinstance(self.peer, IPEndpoint):
            client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # what comes is passed on as it comes
        if settings.trusted is None:
            self._admit()
        elif not permits(settings.trusted, self.peer):
            self._refuse("untrusted", f"{self.peer} is not among the trusted proxies (proxy_in); closed")
        else:
            self._timer = self._loop.at(self._started + settings.connect_timeout, self._greeting_late)
            self._watch(CLIENT, READ)

    # ------------------------------------------------------------------ the header of a trusted proxy

    def _greet(self) -> None:
        try:
            data = self._socks[CLIENT].recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._refuse("header", f"{self.peer} sent no PROXY header: {error.strerror}; closed")
            return
        if not data:
            self._refuse("header", f"{self.peer} ended within its PROXY header; closed")
            return
        self._greeting += data
        try:
            header = decode(self._greeting)
        except ProxyProtocolError as error:
            self._refuse("header", f"{self.peer}: {error}; closed")
            return
        if header is not None:
            self._told = header
            del self._greeting[: header.size]
            if header.source is not None:
                self.peer = header.source.unmapped()
            self._watch(CLIENT, 0)
            self._loop.cancel(self._timer)
            self._admit()

    def _greeting_late(self) -> None:
        seconds = self._owner.settings.connect_timeout
        self._refuse("header", f"{self.peer} sent no PROXY header within {seconds:g} s; closed")

    def _admit(self) -> None:
        allowed = self._owner.settings.allowed
        if allowed is not None and not permits(allowed, self.peer):
            self._refuse("allow", f"{self.peer} is not allowed (allow); closed")
            return
        dialing = self._owner.target.dial(self._owner.settings.connect_timeout, self._dialed)
        if len(self._socks) == 1 and not self.over:
            self._dialing = dialing

    # ------------------------------------------------------------------ the target

    def _dialed(self, target: Socket | None, error: OSError | None) -> None:
        self._dialing = None
        if target is None:
            self._owner.log.trouble("target", f"{self.peer} is closed: {_in_one_line(error)}")
            self._turn_away()
            return
        self._socks.append(target)
        target.setblocking(False)
        if int(target.family) != AF_UNIX:
            target.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        if self._owner.settings.proxy_out is not None:
            try:
                self._greeting[:0] = self._introduction()
            except OSError:  # the client is gone, and with it its name
                self.close()
                return
        if self._greeting:
            self._pass(CLIENT, memoryview(bytes(self._greeting)))
            self._greeting.clear()
        if not self.over:
            self._rewatch()
            self._wait_for_idle()
        if self._owner.log.verbose:
            self._owner.log.news(f"+ {self.peer} to {self._owner.target}")

    def _introduction(self) -> bytes:
        told = self._told
        if told is not None and told.source is not None:
            source, destination, tlvs = told.source, told.destination, told.tlvs
        else:
            source, destination, tlvs = self.peer, Endpoint.local(self._socks[CLIENT]), ()
        if self._owner.settings.proxy_out == "v1":
            return encode_v1(source, destination)
        return encode_v2(source, destination, tlvs=tlvs)

    # ------------------------------------------------------------------ bytes

    def _client_ready(self, events: int) -> None:
        self._ready(CLIENT, events)

    def _target_ready(self, events: int) -> None:
        self._ready(TARGET, events)

    def _ready(self, side: int, events: int) -> None:
        # What the other side did in this very round may have ended the wait, or everything.
        if events & WRITE & self._events[side]:
            self._pass(1 - side, self._held[1 - side])
        if events & READ & self._events[side]:
            if len(self._socks) == 2:
                self._pump(side)
            else:
                self._greet()

    def _pump(self, source: int) -> None:
        view = self._owner.buffer
        try:
            count = self._socks[source].recv_into(view)
        except BlockingIOError:
            return
        except OSError:
            self._do(self._relay.lost(source), source)
            return
        if not count:
            self._do(self._relay.ended(source), source)
        elif self._relay.flows[source] != BROKEN:
            self._pass(source, view[:count])

    def _pass(self, source: int, data: memoryview) -> None:
        """Give *data* to the other side, and keep what it does not take."""
        relay = self._relay
        try:
            sent = self._socks[1 - source].send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._held[source] = _NONE
            self._do(relay.broken(source, reset=isinstance(error, ConnectionResetError)), source)
            return
        if sent:
            self._active = self._loop.now
            self._moved[source] += sent
        if self._held[source]:
            self._held[source] = data[sent:]
            if sent == len(data):
                relay.freed(source)
                self._rewatch()
        elif sent < len(data):
            self._held[source] = memoryview(bytes(data[sent:]))
            relay.held(source)
            self._rewatch()

    def _do(self, command: str, source: int) -> None:
        if command == RESET:
            try:
                platforms.current.reset_on_close(self._socks[1 - source])
            except OSError:  # a Unix socket, or gone already
                pass
        if command in (RESET, CLOSE):
            self.close()
            return
        if command in (SHUT, LINGER):
            for side in (1 - source,) if command == SHUT else (CLIENT, TARGET):
                try:
                    self._socks[side].shutdown(_SHUT_WR)
                except OSError:  # it is gone, as reading from it will tell
                    pass
        if command == LINGER:
            self._loop.cancel(self._timer)
            self._timer = self._loop.at(self._loop.now + _LINGER_SECONDS, self.close)
        self._rewatch()

    def _rewatch(self) -> None:
        self._watch(CLIENT, self._relay.wants(CLIENT))
        self._watch(TARGET, self._relay.wants(TARGET))

    def _watch(self, side: int, events: int) -> None:
        was = self._events[side]
        if was != events:
            self._loop.watch(self._socks[side], was, events, self._target_ready if side else self._client_ready)
            self._events[side] = events

    # ------------------------------------------------------------------ the end

    def _wait_for_idle(self) -> None:
        idle = self._owner.settings.idle
        if idle is None or self.over:
            return
        if self._loop.now - self._active >= idle:
            self._owner.log.news(f"! {self.peer} idle for {idle:g} s")
            self.close()
        else:
            self._timer = self._loop.at(self._active + idle, self._wait_for_idle)

    def _refuse(self, kind: str, text: str) -> None:
        self._owner.log.trouble(kind, text)
        self._turn_away()

    def _turn_away(self) -> None:
        """Close a client that gets no target: with an end, not a reset, also when it has sent something already."""
        client = self._socks[CLIENT]
        try:
            client.shutdown(_SHUT_WR)
            client.recv_into(self._owner.buffer)
        except OSError:  # nothing there, or nobody
            pass
        self.close()

    def crashed(self) -> None:
        """A callback of this raised."""
        self.close()

    def close(self) -> None:
        """End it, at any time; again does nothing."""
        if self.over:
            return
        self.over = True
        self._loop.cancel(self._timer)
        if self._dialing is not None:
            self._dialing.cancel()
        for side, sock in enumerate(self._socks):
            self._watch(side, 0)
            sock.close()
        self._held = [_NONE, _NONE]
        self._owner.gone(self)
        if self._owner.log.verbose and len(self._socks) == 2:
            seconds = self._loop.now - self._started
            self._owner.log.news(
                f"- {self.peer} {self._moved[CLIENT]} bytes to, {self._moved[TARGET]} from, {seconds:.1f} s"
            )


_NONE = memoryview(b"")


def _in_one_line(error: object) -> str:
    """A ConnectError has a line for each attempt; a log has one for each message."""
    return "; ".join(" ".join(line.split()) for line in str(error).splitlines())
