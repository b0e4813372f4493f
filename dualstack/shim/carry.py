"""The options of one socket on another one of the other family.

A program sets options, binds, and calls ``listen``; there its socket is replaced, and the options must be on the new
one. Nothing tells which were set, so each is compared with that of a socket nobody has touched; those that differ are
carried over. An IPv4 option goes over as it is, for the IPv4 half, and as its counterpart, for the IPv6 half.

Left out: what cannot be read back (socket filters, group memberships). patch_datagram.py keeps sockets with
memberships out of this.
"""

from __future__ import annotations

import socket
from functools import lru_cache

from .. import doors, platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

    from ..platforms import Platform

    #: Level, option, value.
    Setting = tuple[int, int, int | bytes]

__all__ = ("Uncarried", "carry", "number_of", "reuse", "set_reuse", "settings_of")


class Uncarried(Exception):
    """An option of the old socket that the new one cannot have."""


_WORDS = {
    "SOL_SOCKET": (
        "SO_REUSEADDR SO_REUSEPORT SO_REUSEPORT_LB SO_EXCLUSIVEADDRUSE SO_KEEPALIVE SO_OOBINLINE SO_DONTROUTE "
        "SO_RCVBUF SO_SNDBUF SO_RCVLOWAT SO_BROADCAST SO_MARK SO_PRIORITY SO_INCOMING_CPU SO_LINGER SO_BINDTODEVICE"
    ),
    "IPPROTO_TCP": (
        "TCP_NODELAY TCP_KEEPIDLE TCP_KEEPALIVE TCP_KEEPINTVL TCP_KEEPCNT TCP_DEFER_ACCEPT TCP_FASTOPEN TCP_MAXSEG "
        "TCP_USER_TIMEOUT TCP_LINGER2 TCP_SYNCNT TCP_WINDOW_CLAMP TCP_NOTSENT_LOWAT TCP_CONGESTION"
    ),
    "IPPROTO_IP": (
        "IP_TOS IP_TTL IP_FREEBIND IP_TRANSPARENT IP_BIND_ADDRESS_NO_PORT IP_PKTINFO IP_RECVTOS IP_RECVTTL IP_RECVERR "
        "IP_RECVDSTADDR IP_MULTICAST_TTL IP_MULTICAST_LOOP"
    ),
}
_SIZES = {"SO_LINGER": 8, "SO_BINDTODEVICE": 16, "TCP_CONGESTION": 16}  # bytes; the others are numbers
_COUNTERPART = {
    "IP_TOS": "IPV6_TCLASS",
    "IP_TTL": "IPV6_UNICAST_HOPS",
    "IP_FREEBIND": "IPV6_FREEBIND",
    "IP_TRANSPARENT": "IPV6_TRANSPARENT",
    "IP_MULTICAST_TTL": "IPV6_MULTICAST_HOPS",
    "IP_MULTICAST_LOOP": "IPV6_MULTICAST_LOOP",
}
_HALVED = ("SO_RCVBUF", "SO_SNDBUF")


def number_of(name: str) -> int | None:
    """The number of an option here, also where this Python has no name for it; None where there is none."""
    number = platforms.current.constants.get(name)
    return number if number is not None else getattr(socket, name, None)


@lru_cache(maxsize=8)
def _options(system: Platform) -> list[tuple[int, int, int, int | None]]:
    """Level and number of each option there is, its size (0 for a number), and that of its IPv6 counterpart."""
    found = []
    for level, names in _WORDS.items():
        for name in names.split():
            number = number_of(name)
            if number is not None:
                twin = number_of(_COUNTERPART[name]) if name in _COUNTERPART else None
                found.append((int(getattr(socket, level)), number, _SIZES.get(name, 0), twin))
    return found


def settings_of(sock: Socket) -> list[Setting]:
    """The options of an IPv4 socket that differ from those of a new one, IPv6 counterparts included."""
    # dualstack: v4-only because it is compared with an IPv4 socket
    with doors.current.socket(socket.AF_INET, sock.type, sock.proto) as untouched:
        return _differences(sock, untouched)


def _differences(sock: Socket, untouched: Socket) -> list[Setting]:
    found: list[Setting] = []
    for level, number, size, twin in _options(platforms.current):
        value = _read(sock, level, number, size)
        if value is not None and value != _read(untouched, level, number, size):
            found.append((level, number, value))
            if twin is not None:
                found.append((socket.IPPROTO_IPV6, twin, value))
    return found


def _read(sock: Socket, level: int, number: int, size: int) -> int | bytes | None:
    try:
        return sock.getsockopt(level, number, size) if size else sock.getsockopt(level, number)
    except OSError:
        return None  # not for this kind of socket, or not on this system


def carry(settings: list[Setting], sock: Socket) -> None:
    """Set *settings* on *sock*; Uncarried when one of them does not take."""
    halved = [(socket.SOL_SOCKET, number_of(name)) for name in _HALVED]
    for level, number, value in settings:
        try:
            sock.setsockopt(level, number, value)
            if (level, number) in halved and isinstance(value, int) and sock.getsockopt(level, number) > value:
                sock.setsockopt(level, number, value // 2)  # Linux doubles what it is given (socket(7))
        except OSError as error:
            raise Uncarried(f"option {number} at level {level}: {error}") from error


def reuse(sock: Socket) -> int:
    """SO_REUSEADDR."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def set_reuse(sock: Socket, value: int) -> None:
    """Set SO_REUSEADDR."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, value)
