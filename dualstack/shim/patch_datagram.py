"""``bind(("", port))`` of an AF_INET datagram socket, for both families.

A datagram socket hears from ``bind`` on, so it is changed there and not at ``listen`` (patch_listen.py has the rest of
the story). Addresses come out as ``(host, port)`` and go in as such: what ``recvfrom`` said is what ``sendto`` takes,
so that an answer goes to where the question came from. A name is looked up as IPv4, which is what it meant to the
program; an IPv6 literal, which only a received address can be, goes out as IPv6.

What stays as it is: sockets that have joined a group or asked for IPv4 packet information before ``bind``, for they
mean IPv4; systems where a dual-stack socket has no IPv4 options (macOS, the BSDs); sockets of asyncio on Windows, whose
proactor sends by the addresses of the system.
"""

from __future__ import annotations

import socket
import sys
from functools import wraps

from .. import platforms
from .carry import number_of, settings_of
from .patch_listen import SOCKETS, datagrams
from .points import Feature
from .shapes import ByIdentity, marks, shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket
    from typing import Any

    from .points import Make, Spell

__all__ = ("DATAGRAM",)

_marked = marks.entries
_joined = ByIdentity()  # sockets with group memberships, which cannot be read back
_PACKET_OPTIONS = ("IP_PKTINFO", "IP_RECVTOS", "IP_RECVTTL", "IP_RECVERR", "IP_RECVDSTADDR")
_JOINS = ("IP_ADD_MEMBERSHIP", "IP_ADD_SOURCE_MEMBERSHIP", "MCAST_JOIN_GROUP", "MCAST_JOIN_SOURCE_GROUP")


def _may_change(sock: Socket, caller: str) -> bool:
    if not DATAGRAM.active or not platforms.current.udp.dual:
        return False
    if caller.startswith("asyncio.") and "asyncio.windows_events" in sys.modules:
        return False
    return id(sock) not in _joined.entries and not _asks_for_packets(sock)


def _asks_for_packets(sock: Socket) -> bool:
    numbers = {number_of(name) for name in _PACKET_OPTIONS}
    return any(level == socket.IPPROTO_IP and number in numbers for level, number, _ in settings_of(sock))


def _translate(address: Any) -> Any:
    """What an AF_INET6 socket takes in place of the IPv4 address, or shaped IPv6 address, of a program."""
    if not isinstance(address, tuple) or len(address) != 2 or not isinstance(address[0], str):
        return address  # the system says what is wrong with it
    host, port = address
    if ":" in host:
        return socket.getaddrinfo(host, port, socket.AF_INET6, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4]
    if host in ("", "<broadcast>"):
        host = "255.255.255.255" if host else "0.0.0.0"
    try:
        socket.inet_pton(socket.AF_INET, host)
    except OSError:
        host = str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0])
    return "::ffff:" + host, port


def _receives(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    def method(self: Any, /, *args: Any, **keywords: Any) -> Any:
        found = original(self, *args, **keywords)
        return (*found[:-1], shape(found[-1])) if id(self) in _marked else found

    return method


def _sends(spell: Spell) -> Any:
    """For calls whose last argument is the address."""
    original = spell.original

    @wraps(original)
    def method(self: Any, /, *args: Any) -> Any:
        if args and id(self) in _marked:
            return original(self, *args[:-1], _translate(args[-1]))
        return original(self, *args)

    return method


def _sendmsg(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    def sendmsg(self: Any, /, *args: Any) -> Any:
        if len(args) == 4 and id(self) in _marked:
            return original(self, *args[:3], _translate(args[3]))
        return original(self, *args)

    return sendmsg


def _setsockopt(spell: Spell) -> Any:
    original = spell.original
    joins = {number_of(name) for name in _JOINS}

    @wraps(original)
    def setsockopt(self: Any, /, *args: Any) -> None:
        original(self, *args)
        if args[0] == socket.IPPROTO_IP and args[1] in joins:
            _joined.put(self)

    return setsockopt


def _row(name: str, make: Make) -> tuple[str, str, str, Make]:
    return "socket", "socket", name, make


DATAGRAM = Feature(
    (
        _row("recvfrom", _receives),
        _row("recvfrom_into", _receives),
        _row("recvmsg", _receives),
        _row("recvmsg_into", _receives),
        _row("sendto", _sends),
        _row("connect", _sends),
        _row("connect_ex", _sends),
        _row("sendmsg", _sendmsg),
        _row("setsockopt", _setsockopt),
    ),
    needs=(SOCKETS,),
    ended=_joined.entries.clear,
)
datagrams.append(_may_change)
