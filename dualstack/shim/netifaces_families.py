"""The address family names and numbers that netifaces has on each system, as data.

Linux as netifaces 0.11.0 has them, in its order. The others from their headers (sys/socket.h, winsock2.h),
which netifaces takes what it finds from; there was no netifaces there to compare with.
"""

from __future__ import annotations

from _socket import AF_INET6, inet_ntop

from .. import platforms

__all__ = ("constants", "inet6_text", "names")

_LINUX = {
    "AF_UNSPEC": 0,
    "AF_FILE": 1,
    "AF_INET": 2,
    "AF_AX25": 3,
    "AF_SNA": 22,
    "AF_DECnet": 12,
    "AF_APPLETALK": 5,
    "AF_NETLINK": 16,
    "AF_PACKET": 17,
    "AF_IPX": 4,
    "AF_ISDN": 34,
    "AF_INET6": 10,
    "AF_NETBEUI": 13,
    "AF_ATMPVC": 8,
    "AF_ATMSVC": 20,
    "AF_IRDA": 23,
    "AF_NETROM": 6,
    "AF_BRIDGE": 7,
    "AF_X25": 9,
    "AF_ROSE": 11,
    "AF_SECURITY": 14,
    "AF_KEY": 15,
    "AF_ASH": 18,
    "AF_ECONET": 19,
    "AF_PPPOX": 24,
    "AF_WANPIPE": 25,
    "AF_BLUETOOTH": 31,
}
_MACOS = {
    "AF_UNSPEC": 0,
    "AF_UNIX": 1,
    "AF_INET": 2,
    "AF_IMPLINK": 3,
    "AF_PUP": 4,
    "AF_CHAOS": 5,
    "AF_NS": 6,
    "AF_ISO": 7,
    "AF_ECMA": 8,
    "AF_DATAKIT": 9,
    "AF_CCITT": 10,
    "AF_SNA": 11,
    "AF_DECnet": 12,
    "AF_DLI": 13,
    "AF_LAT": 14,
    "AF_HYLINK": 15,
    "AF_APPLETALK": 16,
    "AF_ROUTE": 17,
    "AF_LINK": 18,
    "AF_COIP": 20,
    "AF_CNT": 21,
    "AF_IPX": 23,
    "AF_SIP": 24,
    "AF_NDRV": 27,
    "AF_ISDN": 28,
    "AF_INET6": 30,
    "AF_NATM": 31,
    "AF_SYSTEM": 32,
    "AF_NETBIOS": 33,
    "AF_PPP": 34,
}
_WINDOWS = {
    "AF_UNSPEC": 0,
    "AF_UNIX": 1,
    "AF_INET": 2,
    "AF_IMPLINK": 3,
    "AF_PUP": 4,
    "AF_CHAOS": 5,
    "AF_NS": 6,
    "AF_ISO": 7,
    "AF_ECMA": 8,
    "AF_DATAKIT": 9,
    "AF_CCITT": 10,
    "AF_SNA": 11,
    "AF_DECnet": 12,
    "AF_DLI": 13,
    "AF_LAT": 14,
    "AF_HYLINK": 15,
    "AF_APPLETALK": 16,
    "AF_LINK": -1000,  # netifaces' own: Windows has no such family
    "AF_VOICEVIEW": 18,
    "AF_FIREFOX": 19,
    "AF_UNKNOWN1": 20,
    "AF_BAN": 21,
    "AF_INET6": 23,
    "AF_CLUSTER": 24,
    "AF_12844": 25,
    "AF_IRDA": 26,
    "AF_NETBIOS": 17,
    "AF_ATM": 22,
    "AF_NETDES": 28,
}
_FREEBSD = {
    "AF_UNSPEC": 0,
    "AF_UNIX": 1,
    "AF_INET": 2,
    "AF_IMPLINK": 3,
    "AF_PUP": 4,
    "AF_CHAOS": 5,
    "AF_ISO": 7,
    "AF_ECMA": 8,
    "AF_DATAKIT": 9,
    "AF_CCITT": 10,
    "AF_SNA": 11,
    "AF_DECnet": 12,
    "AF_DLI": 13,
    "AF_LAT": 14,
    "AF_HYLINK": 15,
    "AF_APPLETALK": 16,
    "AF_ROUTE": 17,
    "AF_LINK": 18,
    "AF_COIP": 20,
    "AF_CNT": 21,
    "AF_IPX": 23,
    "AF_SIP": 24,
    "AF_ISDN": 26,
    "AF_INET6": 28,
    "AF_NATM": 29,
    "AF_NETBIOS": 6,
    "AF_ATM": 30,
    "AF_NETGRAPH": 32,
}
# Second names of a number that address_families has under another name.
_SECOND = {
    "Linux": {"AF_UNIX": 1, "AF_ROUTE": 16, "AF_LINK": 17},
    "Windows": {"AF_IPX": 6},
}
_SYSTEMS = {"Linux": _LINUX, "macOS": _MACOS, "Windows": _WINDOWS, "FreeBSD": _FREEBSD}


def _table() -> dict[str, int]:
    return _SYSTEMS.get(platforms.current.name, {"AF_UNSPEC": 0, "AF_INET": 2, "AF_LINK": 18, "AF_INET6": AF_INET6})


def names() -> dict[int, str]:
    """Number -> name, in netifaces' order."""
    return {number: name for name, number in _table().items()}


def constants() -> dict[str, int]:
    """Name -> number, every name that netifaces has here."""
    return {**_table(), **_SECOND.get(platforms.current.name, {})}


def inet6_text(packed: bytes) -> str:
    """The text as the system's own inet_ntop(3) has it, which netifaces shows."""
    return inet_ntop(AF_INET6, packed)
