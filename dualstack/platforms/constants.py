"""The socket constants of each system, by number.

CPython exports a constant only where the headers it was compiled with had the name, and only if somebody added it:
``IP_PKTINFO`` came with 3.12, ``IP_RECVDSTADDR`` never, and macOS hides ``IPV6_PKTINFO`` behind
``__APPLE_USE_RFC_3542``. So the numbers live here, one table per system; having the tables of all systems on each of
them also lets the plans made from them be tested anywhere.

Every number was compiled from the system's own headers (zig 0.17's libc headers for x86_64-linux-gnu, aarch64-macos,
x86_64-freebsd, x86_64-netbsd, x86_64-openbsd and x86_64-windows-gnu). A name that is missing from a table does not
exist on that system, and whoever needs it raises UnsupportedError.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("DARWIN", "FREEBSD", "LINUX", "NETBSD", "OPENBSD", "TABLES", "WINDOWS", "table")

# The same number on all six; MSG_ flags and everything about sockets themselves differ.
_COMMON = {"AF_INET": 2, "IPPROTO_IP": 0, "IPPROTO_TCP": 6, "IPPROTO_IPV6": 41, "TCP_NODELAY": 1}

LINUX: Mapping[str, int] = {
    **_COMMON,
    "AF_INET6": 10,
    "SOL_SOCKET": 1,
    "SO_REUSEADDR": 2,
    "SO_BROADCAST": 6,
    "SO_SNDBUF": 7,
    "SO_RCVBUF": 8,
    "SO_KEEPALIVE": 9,
    "SO_LINGER": 13,
    "SO_REUSEPORT": 15,
    "SO_BINDTODEVICE": 25,
    "SO_TIMESTAMPNS": 35,
    "SCM_TIMESTAMPNS": 35,
    "SO_MARK": 36,
    "TCP_KEEPIDLE": 4,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 6,
    "IP_TOS": 1,
    "IP_TTL": 2,
    "IP_PKTINFO": 8,
    "IP_RECVERR": 11,
    "IP_RECVTTL": 12,
    "IP_RECVTOS": 13,
    "IP_FREEBIND": 15,
    "IP_TRANSPARENT": 19,
    "IP_MULTICAST_IF": 32,
    "IP_MULTICAST_TTL": 33,
    "IP_MULTICAST_LOOP": 34,
    "IP_ADD_MEMBERSHIP": 35,
    "IP_DROP_MEMBERSHIP": 36,
    "IP_ADD_SOURCE_MEMBERSHIP": 39,
    "MCAST_JOIN_GROUP": 42,
    "MCAST_JOIN_SOURCE_GROUP": 46,
    "MCAST_LEAVE_SOURCE_GROUP": 47,
    "IP_MULTICAST_ALL": 49,
    "IPV6_UNICAST_HOPS": 16,
    "IPV6_MULTICAST_IF": 17,
    "IPV6_MULTICAST_HOPS": 18,
    "IPV6_MULTICAST_LOOP": 19,
    "IPV6_JOIN_GROUP": 20,
    "IPV6_LEAVE_GROUP": 21,
    "IPV6_V6ONLY": 26,
    "IPV6_MULTICAST_ALL": 29,
    "IPV6_RECVPKTINFO": 49,
    "IPV6_PKTINFO": 50,
    "IPV6_RECVHOPLIMIT": 51,
    "IPV6_HOPLIMIT": 52,
    "IPV6_RECVTCLASS": 66,
    "IPV6_TCLASS": 67,
    "IPV6_TRANSPARENT": 75,
    "IPV6_FREEBIND": 78,
    "MSG_TRUNC": 0x20,
    "MSG_CTRUNC": 0x8,
}

# What 4.3BSD and KAME handed down to macOS, the BSDs and, for most of it, Windows.
_BSD = {
    **_COMMON,
    "SOL_SOCKET": 0xFFFF,
    "SO_REUSEADDR": 0x4,
    "SO_KEEPALIVE": 0x8,
    "SO_BROADCAST": 0x20,
    "SO_LINGER": 0x80,
    "SO_SNDBUF": 0x1001,
    "SO_RCVBUF": 0x1002,
    "IP_TOS": 3,
    "IP_TTL": 4,
    "IP_MULTICAST_IF": 9,
    "IP_MULTICAST_TTL": 10,
    "IP_MULTICAST_LOOP": 11,
    "IP_ADD_MEMBERSHIP": 12,
    "IP_DROP_MEMBERSHIP": 13,
    "IPV6_UNICAST_HOPS": 4,
    "IPV6_MULTICAST_IF": 9,
    "IPV6_MULTICAST_HOPS": 10,
    "IPV6_MULTICAST_LOOP": 11,
    "IPV6_JOIN_GROUP": 12,
    "IPV6_LEAVE_GROUP": 13,
    "IPV6_V6ONLY": 27,
}

_UNIX_BSD = {
    **_BSD,
    "SO_REUSEPORT": 0x200,
    "IP_RECVDSTADDR": 7,
    "IPV6_RECVPKTINFO": 36,
    "IPV6_RECVHOPLIMIT": 37,
    "IPV6_PKTINFO": 46,
    "IPV6_HOPLIMIT": 47,
    "IPV6_RECVTCLASS": 57,
    "IPV6_TCLASS": 61,
    "MSG_TRUNC": 0x10,
    "MSG_CTRUNC": 0x20,
}

DARWIN: Mapping[str, int] = {
    **_UNIX_BSD,
    "AF_INET6": 30,
    "SO_TIMESTAMP": 0x400,
    "SCM_TIMESTAMP": 2,
    "TCP_KEEPIDLE": 0x10,  # spelt TCP_KEEPALIVE there; the meaning is that of TCP_KEEPIDLE
    "TCP_KEEPINTVL": 0x101,
    "TCP_KEEPCNT": 0x102,
    "IP_RECVTTL": 24,
    "IP_BOUND_IF": 25,
    "IP_PKTINFO": 26,
    "IP_RECVTOS": 27,
    "MCAST_JOIN_SOURCE_GROUP": 82,
    "MCAST_LEAVE_SOURCE_GROUP": 83,
    "IPV6_RECVPKTINFO": 61,
    "IPV6_RECVTCLASS": 35,
    "IPV6_TCLASS": 36,
    "IPV6_BOUND_IF": 125,
}

FREEBSD: Mapping[str, int] = {
    **_UNIX_BSD,
    "AF_INET6": 28,
    "SO_TIMESTAMP": 0x400,
    "SCM_TIMESTAMP": 2,
    "SO_REUSEPORT_LB": 0x10000,
    "TCP_KEEPIDLE": 256,
    "TCP_KEEPINTVL": 512,
    "TCP_KEEPCNT": 1024,
    "IP_SENDSRCADDR": 7,
    "IP_RECVIF": 20,
    "IP_RECVTTL": 65,
    "IP_RECVTOS": 68,
    "MCAST_JOIN_SOURCE_GROUP": 82,
    "MCAST_LEAVE_SOURCE_GROUP": 83,
}

NETBSD: Mapping[str, int] = {
    **_UNIX_BSD,
    "AF_INET6": 24,
    "SO_TIMESTAMP": 0x2000,
    "SCM_TIMESTAMP": 8,
    "TCP_KEEPIDLE": 3,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 6,
    "IP_SENDSRCADDR": 7,
    "IP_RECVIF": 20,
    "IP_RECVTTL": 23,
}

OPENBSD: Mapping[str, int] = {
    **_UNIX_BSD,
    "AF_INET6": 24,
    "SO_TIMESTAMP": 0x800,
    "SCM_TIMESTAMP": 4,
    "IP_SENDSRCADDR": 7,
    "IP_RECVIF": 30,
    "IP_RECVTTL": 31,
}

WINDOWS: Mapping[str, int] = {
    **_BSD,
    "AF_INET6": 23,
    "SO_EXCLUSIVEADDRUSE": -5,  # ~SO_REUSEADDR
    "TCP_KEEPIDLE": 3,  # these three since Windows 10 1709
    "TCP_KEEPCNT": 16,
    "TCP_KEEPINTVL": 17,
    "IP_PKTINFO": 19,
    "IP_RECVTTL": 21,
    "IP_UNICAST_IF": 31,
    "IP_RECVTOS": 40,
    "MCAST_JOIN_SOURCE_GROUP": 45,
    "MCAST_LEAVE_SOURCE_GROUP": 46,
    "IPV6_RECVPKTINFO": 19,  # Windows asks and answers with one number
    "IPV6_PKTINFO": 19,
    "IPV6_RECVHOPLIMIT": 21,
    "IPV6_HOPLIMIT": 21,
    "IPV6_UNICAST_IF": 31,
    "IPV6_TCLASS": 39,
    "IPV6_RECVTCLASS": 40,
    "MSG_TRUNC": 0x100,
    "MSG_CTRUNC": 0x200,
}

#: By the beginning of ``sys.platform``.
TABLES: Mapping[str, Mapping[str, int]] = {
    "linux": LINUX,
    "darwin": DARWIN,
    "freebsd": FREEBSD,
    "netbsd": NETBSD,
    "openbsd": OPENBSD,
    "win32": WINDOWS,
}


_native: Mapping[str, int] | None = None


def table(system: str) -> Mapping[str, int]:
    """The constants of the system whose ``sys.platform`` begins like *system*; empty for one nobody described.

    For the system this runs on, Python's own numbers win where it has the name: MIPS, PA-RISC and SPARC Linux number
    SOL_SOCKET and its options otherwise than the table.
    """
    global _native  # noqa: PLW0603  # filled once; two threads doing so at a time fill it with the same
    found: Mapping[str, int] = next((one for name, one in TABLES.items() if system.startswith(name)), {})
    if not found or found is not next((one for name, one in TABLES.items() if sys.platform.startswith(name)), None):
        return found
    if _native is None:
        import _socket

        own = vars(_socket)
        _native = {name: own.get(name, number) for name, number in found.items()}
    return _native
