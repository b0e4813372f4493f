"""Error numbers in words, also Winsock's, for which Windows' own strerror has none."""

from __future__ import annotations

from errno import errorcode
from os import strerror

__all__ = ("os_error", "socket_error")

# What POSIX systems say (strerror(3)). Windows knows Winsock's numbers under these names but has no words for them.
_WORDS = {
    "EACCES": "Permission denied",
    "EADDRINUSE": "Address already in use",
    "EADDRNOTAVAIL": "Cannot assign requested address",
    "EAFNOSUPPORT": "Address family not supported by protocol",
    "ECONNABORTED": "Software caused connection abort",
    "ECONNREFUSED": "Connection refused",
    "ECONNRESET": "Connection reset by peer",
    "EHOSTUNREACH": "No route to host",
    "EINVAL": "Invalid argument",
    "EMSGSIZE": "Message too long",
    "ENETDOWN": "Network is down",
    "ENETUNREACH": "Network is unreachable",
    "ENOBUFS": "No buffer space available",
    "ENOTCONN": "Transport endpoint is not connected",
    "EOPNOTSUPP": "Operation not supported",
    "EPROTONOSUPPORT": "Protocol not supported",
    "ETIMEDOUT": "Connection timed out",
    "EWOULDBLOCK": "Resource temporarily unavailable",
}


def os_error(code: int) -> OSError:
    """The exception for an errno, of the right subclass, in words also where the system has none."""
    words = strerror(code)
    if words.startswith("Unknown error"):
        name = errorcode.get(code, words).removeprefix("WSA")
        words = _WORDS.get(name, name)
    return OSError(code, words)


# What the end of an overlapped operation is called in Windows' general numbers, and what a socket call would have said.
_OF_OVERLAPPED = {
    64: 10054,  # ERROR_NETNAME_DELETED: WSAECONNRESET
    121: 10060,  # ERROR_SEM_TIMEOUT: WSAETIMEDOUT
    1225: 10061,  # ERROR_CONNECTION_REFUSED: WSAECONNREFUSED
    1231: 10051,  # ERROR_NETWORK_UNREACHABLE: WSAENETUNREACH
    1232: 10065,  # ERROR_HOST_UNREACHABLE: WSAEHOSTUNREACH
    1236: 10053,  # ERROR_CONNECTION_ABORTED: WSAECONNABORTED
}


def socket_error(error: OSError) -> OSError:
    """The same error with the errno of a socket call, where it came out of an overlapped operation (Proactor).

    Python makes errno 22 of such numbers, so that a refused connection would not compare equal to ECONNREFUSED.
    """
    code = _OF_OVERLAPPED.get(getattr(error, "winerror", None) or 0)
    return error if code is None else os_error(code)
