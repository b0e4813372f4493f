"""Forwarding datagrams: a session for each client, whose answers leave from the address that the client asked.

Problem: datagrams have no connection, but an answer must find its client. The naive forwarder keeps one socket towards
the target and sends every answer to whoever asked last; or it answers from the address the kernel likes best, and a
client that asked another one of the host's addresses drops the answer.

Our rule: a session is a client's address and the address it asked. Each has a socket of its own, connected to the
target, so that only the target's datagrams are answers (and an ICMP error from it is seen), and ``reply`` sends them
back from where the client asked. Sessions end when nothing moved for ``idle`` seconds. Their number is bounded: with
the table full the one that was quiet the longest goes, because refusing the new one would let anybody who invents
addresses lock everybody else out. Datagrams that cannot be sent at once are dropped, as on any congested link.

Over Unix sockets an answer needs a name on the asking side: ours is a socket file in a private directory.

With PROXY headers (version 2 alone knows datagrams) each datagram has one, as PowerDNS and dnsdist have it.

Left out: connections on one side and datagrams on the other; a stream does not say where a datagram ends.
"""

from __future__ import annotations

from collections import OrderedDict
from socket import SOCK_DGRAM

from ..core.endpoint import AF_UNIX, Endpoint, IPv4Endpoint, IPv6Endpoint
from ..core.guard import permits
from ..core.proxy_protocol import ProxyProtocolError, decode, encode_v2
from ..errors import TruncatedError
from .datagram import open_datagram
from .forward_dial import Resolving
from .loop import READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ..core.proxy_protocol import ProxyHeader
    from .datagram_socket import DatagramSocket
    from .forward import Settings
    from .forward_dial import Target
    from .forward_log import Log
    from .loop import Loop
    from .packet import Datagram

__all__ = ("Datagrams",)

_AT_ONCE = 64  # datagrams taken from one socket before others have their turn
_PAUSE_SECONDS = 0.5  # after a fault
_WAITING = 16  # datagrams kept for a session whose target is being looked up


class Datagrams:
    """The sessions of one datagram socket."""

    def __init__(
        self,
        loop: Loop,
        sock: DatagramSocket,
        target: Target,
        settings: Settings,
        log: Log,
        most: int,
        name: Callable[[], str],
    ) -> None:
        self.loop: Loop = loop
        self.sock: DatagramSocket = sock
        self.target: Target = target
        self.settings: Settings = settings
        self.log: Log = log
        self.name = name  # a path for one more socket file
        self.sessions: OrderedDict[Hashable, Session] = OrderedDict()  # the longest quiet first
        self._most = most
        self._watched = self._closed = False

    def start(self) -> None:
        """Begin to receive."""
        if not self._watched and not self._closed:
            self._watched = True
            for sock in self.sock.sockets:
                self.loop.watch(sock, 0, READ, self._ready)

    def _ready(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                datagram = self.sock.grab() if self._watched else None
                if datagram is None:
                    return
                self.sock.check(datagram, None, None)
            except TruncatedError as error:
                self.log.trouble("receive", f"{error}; dropped")
            except OSError as error:
                where = ", ".join(map(str, self.sock.endpoints))
                self.log.trouble("receive", f"receiving on {where}: {error}")
                self.crashed()
                return
            else:
                self._take(datagram)

    def _take(self, datagram: Datagram) -> None:
        received = datagram._received
        # The first control message is the address that was asked, and the same one each time (packet.py).
        key: Hashable = received[3], received[1][0] if received[1] else None
        data = datagram.data
        peer: Endpoint | None = None
        header: ProxyHeader | None = None
        if self.settings.trusted is not None:
            peer = datagram.peer
            if not permits(self.settings.trusted, peer):
                self.log.trouble(
                    "untrusted", f"{peer} is not among the trusted proxies (proxy_in); its datagram is dropped"
                )
                return
            try:
                header = decode(bytes(data))
            except ProxyProtocolError as error:
                self.log.trouble("header", f"{peer}: {error}; its datagram is dropped")
                return
            if header is None or header.version == 1:
                self.log.trouble("header", f"{peer}: no whole PROXY header of version 2; its datagram is dropped")
                return
            key = key, header.source, header.destination
            data = data[header.size :]
            peer = header.source or peer
        session = self.sessions.get(key)
        if session is None:
            peer = (peer or datagram.peer).unmapped()
            allowed = self.settings.allowed
            if allowed is not None and not permits(allowed, peer):
                self.log.trouble("allow", f"{peer} is not allowed (allow); its datagram is dropped")
                return
            while len(self.sessions) >= self._most:
                self.log.trouble("sessions", f"{self._most} sessions are open; the longest quiet one ends for {peer}")
                next(iter(self.sessions.values())).close()
            session = self.sessions[key] = Session(self, key, peer)
            if self.settings.proxy_out is not None:
                session.introduce(datagram, header)
            session.start()
        else:
            self.sessions.move_to_end(key)
        # Kept for the way back; not its bytes.
        datagram.data, datagram._received = b"", (b"", *received[1:])
        session.question = datagram
        session.send(data)

    def crashed(self) -> None:
        """Receiving raised, and would again at once."""
        self._unwatch()
        self.loop.at(self.loop.now + _PAUSE_SECONDS, self.start)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            for sock in self.sock.sockets:
                self.loop.watch(sock, READ, 0, self._ready)

    def close(self) -> None:
        """End everything."""
        self._closed = True
        self._unwatch()
        for session in list(self.sessions.values()):
            session.close()
        self.sock.close()


class Session:
    """One client of a datagram socket."""

    __slots__ = (
        "_active",
        "_head",
        "_key",
        "_owner",
        "_resolving",
        "_timer",
        "_up",
        "_waiting",
        "over",
        "peer",
        "question",
    )

    def __init__(self, owner: Datagrams, key: Hashable, peer: Endpoint) -> None:
        self._owner = owner
        self._key = key
        self._up: DatagramSocket | None = None
        self._waiting: list[bytes | memoryview] = []
        self._head = b""
        self._active = owner.loop.now
        self._resolving: Resolving | None = None
        self._timer = owner.loop.at(self._active + owner.settings.datagram_idle, self._wait_for_idle)
        self.peer: Endpoint = peer
        self.over: bool = False
        #: The last datagram of the client: answers go where it came from.
        self.question: Datagram | None = None

    def introduce(self, datagram: Datagram, header: ProxyHeader | None) -> None:
        """Make the PROXY header for all datagrams of this session."""
        if header is not None and header.source is not None:
            self._head = encode_v2(header.source, header.destination, type=SOCK_DGRAM, tlvs=header.tlvs)
            return
        local = datagram.local
        if local is None and self.peer.family != AF_UNIX:  # not told: a wildcard in the family of the client
            port = self._owner.sock.port
            local = IPv4Endpoint("0.0.0.0", port) if isinstance(self.peer, IPv4Endpoint) else IPv6Endpoint("::", port)
        self._head = encode_v2(datagram.peer, local, type=SOCK_DGRAM)

    def start(self) -> None:
        """Find the target."""
        resolving = self._resolving = Resolving(self._owner.loop, self._owner.target, self._resolved)
        resolving.start()

    def _resolved(self, endpoints: list[Endpoint], error: OSError | None) -> None:
        self._resolving = None
        failure: OSError | None = error
        for endpoint in endpoints:
            try:
                host = f"unix:{self._owner.name()}" if endpoint.family == AF_UNIX else None
                self._up = open_datagram(host, remote=endpoint)
                break
            except OSError as refused:
                failure = refused
        if self._up is None:
            self._owner.log.trouble("target", f"{self.peer}: {failure}")
            self.close()
            return
        if self._owner.log.verbose:
            self._owner.log.news(f"+ {self.peer} to {self._owner.target}")
        for sock in self._up.sockets:
            self._owner.loop.watch(sock, 0, READ, self._answered)
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.send(data)

    def send(self, data: bytes | memoryview) -> None:
        """Pass a datagram of the client on."""
        if self.over:
            return
        self._active = self._owner.loop.now
        if self._up is None:
            if len(self._waiting) < _WAITING:
                self._waiting.append(bytes(data))
            return
        try:
            self._up.send(self._head + data if self._head else data, timeout=0)
        except OSError as error:
            self._lost(error)

    def _answered(self, events: int) -> None:
        sock = self._owner.sock
        for _ in range(_AT_ONCE):
            up, question = self._up, self.question
            if up is None or question is None:
                return
            try:
                datagram = up.grab()
            except OSError as error:
                self._lost(error)
                return
            if datagram is None:
                return
            self._active = self._owner.loop.now
            self._owner.sessions.move_to_end(self._key)
            try:
                up.check(datagram, None, None)
                sock.reply(question, datagram.data, timeout=0)
            except OSError as error:
                self._owner.log.trouble("answer", f"answering {self.peer}: {error}")

    def _lost(self, error: OSError) -> None:
        """The target cannot be sent to; it is looked for again with the next datagram."""
        self._owner.log.trouble("target", f"{self.peer}: {error}")
        if not isinstance(error, TimeoutError):  # no room: dropped, and that is all
            self.close()

    def crashed(self) -> None:
        """A callback of this raised."""
        self.close()

    def _wait_for_idle(self) -> None:
        loop, idle = self._owner.loop, self._owner.settings.datagram_idle
        if loop.now - self._active >= idle:
            self.close()
        else:
            self._timer = loop.at(self._active + idle, self._wait_for_idle)

    def close(self) -> None:
        """End it, at any time; again does nothing."""
        if self.over:
            return
        self.over = True
        self._owner.loop.cancel(self._timer)
        if self._resolving is not None:
            self._resolving.cancel()
        up, self._up = self._up, None
        if up is not None:
            for sock in up.sockets:
                self._owner.loop.watch(sock, READ, 0, self._answered)
            up.close()
            if self._owner.log.verbose:
                self._owner.log.news(f"- {self.peer}")
        del self._owner.sessions[self._key]
