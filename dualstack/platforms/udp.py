"""What datagram sockets need on each system: which options to ask with, which layout the answers have.

Run on Linux; Windows under Wine 10. The rows of macOS and the BSDs agree with their headers and were never run.
"""

from __future__ import annotations

import sys
from struct import calcsize

from ..core.ancillary import ControlLayout
from .constants import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from typing import Any

    Calls = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]

__all__ = ("RULES", "UdpRules", "rules")

_NATIVE = "@Nii"  # size_t cmsg_len, int level, int type
_WORD = calcsize("N")  # what Linux and Windows align control data to: sizeof(size_t)
_BSD_HEADER = "@Iii"  # socklen_t cmsg_len


class UdpRules:
    """One system's datagram sockets.

    ``dual``: whether one IPv6 socket carries IPv4 with everything a datagram socket promises here. macOS and the BSDs
    do not: an AF_INET6 socket has no IPPROTO_IP options there, hence no IPv4 groups and no IPv4 source; two sockets on
    one port do the same job with what is documented.
    """

    __slots__ = ("constants", "dual", "exclusive", "layout", "probe", "share", "wanted4", "wanted6")

    def __init__(
        self, constants: Mapping[str, int], layout: ControlLayout, *, dual: bool, share: str, exclusive: str = ""
    ) -> None:
        self.constants: Mapping[str, int] = constants
        self.layout: ControlLayout = layout
        self.dual: bool = dual
        #: Whether sending from a chosen source must be tried before it is believed: Wine takes it and ignores it.
        self.probe: bool = bool(exclusive)
        #: The option that lets several sockets hear one port, and the one that forbids it.
        self.share: str = share
        self.exclusive: str = exclusive
        destination = ("IP_PKTINFO",) if "IP_PKTINFO" in constants else ("IP_RECVDSTADDR", "IP_RECVIF")
        self.wanted4: tuple[str, ...] = (*destination, "IP_RECVTTL", "IP_RECVTOS")
        self.wanted6: tuple[str, ...] = ("IPV6_RECVPKTINFO", "IPV6_RECVHOPLIMIT", "IPV6_RECVTCLASS")

    @property
    def has_messages(self) -> bool:
        """Whether packet information can be had in both directions at all."""
        return "IPV6_PKTINFO" in self.constants

    def prepare(self, sock: socket.socket, *, share: bool) -> None:
        """Before bind: share the port, or keep others out where the system does not do so by itself.

        POSIX keeps a UDP port for one socket as long as nobody sets SO_REUSEADDR, which on Linux would let any other
        process that sets it too take all our datagrams (https://github.com/python/cpython/issues/81409). Sharing
        takes SO_REUSEADDR on Linux, where SO_REUSEPORT would split unicast between the sharers; SO_REUSEPORT on
        macOS and the BSDs; SO_REUSEADDR on Windows, which otherwise needs SO_EXCLUSIVEADDRUSE.
        """
        option = self.share if share else self.exclusive
        if option:
            sock.setsockopt(self.constants["SOL_SOCKET"], self.constants[option], 1)

    def ask(self, sock: socket.socket, *, six: bool, dual: bool, timestamps: bool) -> bool:
        """Ask for packet information, hop limit, traffic class and, if wanted, timestamps; whether the first is had.

        A dual-stack socket is asked at both levels: Linux gives hop limit, traffic class and the address to answer
        broadcasts from at the IPv4 level only, Windows some of its packet information too.
        """
        had = False
        level = self.constants
        for wanted, number, of in ((self.wanted6, 41, six), (self.wanted4, 0, dual or not six)):
            for place, name in enumerate(wanted if of else ()):
                done = _try(sock, number, level.get(name), 1)
                had = had or (done and place == 0)
        if timestamps:
            _try(sock, level["SOL_SOCKET"], level.get("SO_TIMESTAMPNS", level.get("SO_TIMESTAMP")), 1)
        # Linux hands a socket bound to a wildcard the datagrams of every group any process of the host has joined;
        # all others only those of its own. Linux's way of saying so too (ip(7), IPv6 since 4.20):
        if dual or not six:
            _try(sock, 0, level.get("IP_MULTICAST_ALL"), 0)
        if six:
            _try(sock, 41, level.get("IPV6_MULTICAST_ALL"), 0)
        return had

    def calls(self, sock: socket.socket) -> Calls | None:
        """``recvmsg``, ``recvmsg_into`` and ``sendmsg`` of *sock* as the socket module means them, or None.

        CPython has none of the three on Windows (https://github.com/python/cpython/issues/80398); there they are made
        from WSARecvMsg and WSASendMsg.
        """
        if hasattr(sock, "recvmsg"):
            own: Any = sock  # typeshed hides the three on win32, where CPython may have them one day
            return own.recvmsg, own.recvmsg_into, own.sendmsg
        if sys.platform == "win32":
            from .wsamsg import calls

            return calls(sock)
        return None

    def ignore_resets(self, sock: socket.socket) -> None:
        """Keep an ICMP error about one peer from failing the next receive of an unconnected socket (Windows)."""
        if sys.platform == "win32":
            from .wsamsg import ignore_resets

            ignore_resets(sock)


def _try(sock: socket.socket, level: int, option: int | None, value: int) -> bool:
    if option is None:
        return False
    try:
        sock.setsockopt(level, option, value)
    except OSError:
        return False
    return True


def _rules(
    system: str, *, header: str, align: int, pktinfo: str, dual: bool, share: str, exclusive: str = ""
) -> UdpRules:
    constants = table(system)
    layout = ControlLayout(constants, header=header, align=align, pktinfo=pktinfo, mapped_as_v6=system == "linux")
    return UdpRules(constants, layout, dual=dual, share=share, exclusive=exclusive)


_BSD: dict[str, Any] = {"header": _BSD_HEADER, "align": 8, "pktinfo": "", "dual": False, "share": "SO_REUSEPORT"}

#: By the beginning of ``sys.platform``, as TABLES.
RULES: Mapping[str, UdpRules] = {
    "linux": _rules("linux", header=_NATIVE, align=_WORD, pktinfo="index spec addr", dual=True, share="SO_REUSEADDR"),
    "darwin": _rules("darwin", **{**_BSD, "align": 4, "pktinfo": "index spec addr"}),
    "freebsd": _rules("freebsd", **_BSD),
    "netbsd": _rules("netbsd", **_BSD),
    "openbsd": _rules("openbsd", **_BSD),
    "win32": _rules(
        "win32",
        header=_NATIVE,
        align=_WORD,
        pktinfo="addr index",
        dual=True,
        share="SO_REUSEADDR",
        exclusive="SO_EXCLUSIVEADDRUSE",
    ),
}

# A system nobody described: no packet information, so one socket per local address.
_UNKNOWN = UdpRules({"SOL_SOCKET": 1}, ControlLayout({}, header=_NATIVE, align=8, pktinfo=""), dual=False, share="")


def rules(system: str) -> UdpRules:
    """The rules of the system whose ``sys.platform`` begins like *system*."""
    return next((found for name, found in RULES.items() if system.startswith(name)), _UNKNOWN)
