"""One datagram, and one bound socket that receives and sends datagrams with packet information.

``Datagram`` is what ``recv()`` returns. It keeps what the kernel said as it is and reads it only when asked: a server
that answers never needs the peer's address as text, and parsing it would cost more than the answer.

``Channel`` is a bound socket with what is known of it: its family, the control messages of its system, and the
answers' control messages, remembered per address asked (a host has few; the memory is bounded all the same).
"""

from __future__ import annotations

import errno
from array import array
from socket import AF_INET6, SOL_SOCKET

from .. import doors, platforms
from ..core.ancillary import Facts, is_multicast
from ..core.endpoint import AF_UNIX, Endpoint, IPEndpoint, from_peer, ipv4_endpoint, ipv6_endpoint
from ..core.text import ipv4_text, needs_zone
from ..errors import TruncatedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket as Socket
    from typing import Any

    from ..core.ancillary import ControlMessage

    #: What recvmsg returns: data, control messages, flags, raw peer.
    Received = tuple[bytes | memoryview, list[ControlMessage], int, Any]

__all__ = ("Channel", "Datagram")

_SCM_RIGHTS = 1  # everywhere
_IP_ROOM = 65535  # bytes; no UDP datagram of either family is longer (jumbograms, RFC 2675, exist nowhere)
_UNIX_ROOM = 2**18  # bytes; Linux's default send buffer, the largest Unix datagram there, is 212,992
_ANSWERS = 1024  # addresses asked that are remembered per socket
_NOTHING = Facts()


class Datagram:
    """A received datagram: its bytes, who sent it, and to which of our addresses.

    ``data`` is ``bytes`` (a ``memoryview`` from ``recv_into``). Everything else is worked out when it is read.
    """

    __slots__ = ("data", "_received", "_channel", "_facts", "_size")

    data: bytes | memoryview

    def __init__(self, received: Received, channel: Channel) -> None:
        self.data = received[0]
        self._received = received
        self._channel = channel

    @property
    def peer(self) -> Endpoint:
        """Who sent it; an IPv4 peer reads as IPv4 whatever the socket. An unbound Unix peer has no name."""
        return self._channel.peer(self._received[3])

    @property
    def local(self) -> Endpoint | None:
        """The address the sender used, with our port: one of ours, a multicast group or a broadcast address.

        None when the system did not say and the socket is bound to a wildcard; never a guess.
        """
        return self._channel.local(self._told)

    @property
    def interface(self) -> str | None:
        """The name of the interface it came in on; its index as digits if that has gone, None if not told."""
        index = self._told.interface
        if not index:
            return None
        try:
            return doors.current.if_indextoname(index)
        except OSError:
            return str(index)

    @property
    def interface_index(self) -> int:
        """The index of the interface it came in on; 0 if not told."""
        return self._told.interface

    @property
    def truncated(self) -> bool:
        """Whether ``data`` is only the beginning of what was sent; ``size`` tells how much that was."""
        return bool(self._received[2] & self._channel.cut)

    @property
    def size(self) -> int | None:
        """The full size in bytes as it was sent; None for a truncated one where the system does not tell."""
        try:
            return self._size
        except AttributeError:
            return None if self.truncated else len(self.data)

    @property
    def hop_limit(self) -> int | None:
        """The TTL or hop limit it arrived with; None where the system does not tell (Unix sockets, for one)."""
        return self._told.hop_limit

    @property
    def traffic_class(self) -> int | None:
        """The DSCP and ECN byte it arrived with; None where the system does not tell."""
        return self._told.traffic_class

    @property
    def timestamp(self) -> float | None:
        """When the kernel received it, in seconds since the epoch; None without ``timestamps=True``."""
        return self._told.timestamp

    @property
    def _told(self) -> Facts:
        try:
            return self._facts
        except AttributeError:
            self._facts: Facts = self._channel.facts(self._received[1])
            return self._facts

    def cut_to(self, most: int, size: int | None) -> None:
        """Keep *most* bytes and remember the full *size*."""
        _, control, flags, raw = self._received
        self.data = self.data[:most]
        self._received = self.data, control, flags | self._channel.cut, raw
        self._size: int | None = size

    def __repr__(self) -> str:
        data = bytes(self.data[:32])
        more = "..." if len(self.data) > 32 else ""
        return (
            f"<Datagram {data!r}{more} ({len(self.data)} bytes{', truncated' if self.truncated else ''})"
            f" from {self.peer} to {self.local} on {self.interface}>"
        )


class Channel:
    """One bound socket. Blocking is the owner's business: every call here is non-blocking and raises what it meets."""

    __slots__ = (
        "_layout",
        "answers",
        "bound",
        "control_room",
        "cut",
        "dual",
        "group_interface",
        "recvmsg",
        "recvmsg_into",
        "remote",
        "room",
        "sendmsg",
        "six",
        "sock",
        "tells_local",
        "unix",
    )

    def __init__(self, sock: Socket, *, dual: bool, remote: Endpoint | None = None, timestamps: bool = False) -> None:
        sock.setblocking(False)
        rules = platforms.current.udp
        self.sock: Socket = sock
        self.unix: bool = int(sock.family) == AF_UNIX
        self.six: bool = sock.family == AF_INET6
        self.dual: bool = dual
        self.remote: Endpoint | None = remote
        self.bound: Endpoint = Endpoint.local(sock)
        #: The interface for groups, where one was set for the whole socket.
        self.group_interface: int = 0
        self._layout = rules.layout
        #: The control messages of answers, by the first message received with the question; filled by ``answer``.
        self.answers: dict[ControlMessage, tuple[ControlMessage, ...]] = {}
        calls = rules.calls(sock)
        self.recvmsg: Callable[..., Any]
        self.recvmsg_into: Callable[..., Any]
        self.sendmsg: Callable[..., Any]
        self.recvmsg, self.recvmsg_into, self.sendmsg = calls if calls is not None else _plain(sock)
        self.cut: int = rules.constants.get("MSG_TRUNC", 0x20)
        self.room: int = _IP_ROOM
        #: Whether packet information can be had in both directions.
        self.tells_local: bool = False
        if self.unix:
            self.room = _UNIX_ROOM
            # Room for the 253 descriptors one message can carry: they are closed. With no room some systems install
            # them all the same and nobody ever learns their numbers.
            self.control_room: int = self._layout.space(253 * 4) if calls is not None else 0
            return
        self.control_room = 0
        if calls is not None:
            self.tells_local = rules.ask(sock, six=self.six, dual=dual, timestamps=timestamps)
            # in_pktinfo, in6_pktinfo, sockaddr_dl, four integers and a timestamp, all at once at the worst.
            self.control_room = self._layout.space(12, 20, 54, 4, 4, 4, 4, 16)

    # ------------------------------------------------------------------ what a datagram says

    def facts(self, control: list[ControlMessage]) -> Facts:
        """Decode; nothing is told about Unix datagrams."""
        return _NOTHING if self.unix else self._layout.decode(control)

    def peer(self, raw: Any) -> Endpoint:
        """The sender as people write it."""
        if raw is None and self.remote is not None:
            return self.remote  # macOS does not repeat the address on a connected socket
        return from_peer(int(self.sock.family) if not self.unix else AF_UNIX, raw)

    def local(self, facts: Facts) -> Endpoint | None:
        """Which of our addresses was asked."""
        packed = facts.local
        bound = self.bound
        if packed is None:
            if isinstance(bound, IPEndpoint) and bound.is_unspecified:
                return None
            return bound.unmapped()
        port = bound.port if isinstance(bound, IPEndpoint) else 0
        if len(packed) == 4:
            return ipv4_endpoint(ipv4_text(packed), port)
        scope = (0, facts.interface, None) if facts.interface and needs_zone(packed) else None
        return ipv6_endpoint(packed, port, scope)

    def answer(self, control: list[ControlMessage]) -> tuple[ControlMessage, ...]:
        """The control messages that make an answer leave from the address that was asked."""
        if self.remote is not None or not control or self.unix:
            return ()  # a connected socket has its source already
        facts = self.facts(control)
        messages = self._layout.answer(facts, six=self.six)
        first = control[0]
        plain = facts.local is not None and not is_multicast(facts.local)
        if plain and facts.source in (None, facts.local) and self._layout.names_local(first):
            # The same message means the same answer: it holds the address and the interface. With timestamps=True the
            # first message is another one each time, and nothing is remembered.
            if len(self.answers) >= _ANSWERS:
                self.answers.clear()
            self.answers[first] = messages
        return messages

    def source(self, address: bytes | None, interface: int, *, four: bool) -> tuple[ControlMessage, ...]:
        """The control messages for a chosen source and interface; *four* says that the destination is IPv4."""
        if address is None and four:
            address = b"\0\0\0\0"  # on a dual-stack socket the family of the destination decides what is read
        return self._layout.source(six=self.six, address=address, interface=interface)

    def raw(self, to: Endpoint) -> Any:
        """*to* as this socket's system calls take it."""
        if self.six and not isinstance(to, IPEndpoint):
            raise TypeError(f"an IP socket does not send to {to}")
        if self.six and self.dual:
            return to.mapped().sockaddr
        return to.sockaddr

    # ------------------------------------------------------------------ taking in

    def check_control(self, datagram: Datagram, lost: int) -> None:
        """Close descriptors nobody asked for, and raise TruncatedError if control data did not fit."""
        if self.unix:
            close_descriptors(datagram._received[1])
        if datagram._received[2] & lost:
            raise TruncatedError(
                errno.ENOBUFS,
                f"control data of a datagram from {datagram.peer} was cut by the system, so its local address is "
                "unknown; the datagram is dropped",
            )


def close_descriptors(control: list[ControlMessage]) -> None:
    """Close every descriptor that came in SCM_RIGHTS messages."""
    for level, kind, data in control:
        if level == SOL_SOCKET and kind == _SCM_RIGHTS:
            numbers = array("i")
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
            for number in numbers:
                doors.current.close_fd(number)


def _plain(sock: Socket) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """recvmsg and its kin without control messages, for systems that have none."""

    def recvmsg(bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, Any]:
        data, raw = sock.recvfrom(bufsize, flags)
        return data, [], 0, raw

    def recvmsg_into(buffers: list[Any], ancbufsize: int = 0, flags: int = 0) -> tuple[int, list[Any], int, Any]:
        data, raw = sock.recvfrom(_IP_ROOM, flags)
        rest = memoryview(data)
        for buffer in buffers:
            view = memoryview(buffer).cast("B")
            part = min(len(view), len(rest))
            view[:part] = rest[:part]
            rest = rest[part:]
        return len(data) - len(rest), [], 0, raw

    def sendmsg(parts: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        data = b"".join(parts)
        return sock.send(data, flags) if address is None else sock.sendto(data, flags, address)

    return recvmsg, recvmsg_into, sendmsg
