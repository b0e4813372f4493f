"""Texts of DST4xx: the shape of a socket address."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
`getsockname()`, `getpeername()`, `accept()`, `recvfrom()` and asyncio's `get_extra_info()` give
`(host, port)` for IPv4 and `(host, port, flowinfo, scope_id)` for IPv6. Index 0 and 1 are right for both;
unpacking into two is an exception on the day the first IPv6 client arrives."""

GROUP = Group(
    "DST4",
    "socket-addresses",
    "Socket addresses",
    _ESSAY,
    (
        Rule(
            "DST401",
            "sockaddr-unpack-2",
            "Socket address unpacked into two",
            "ValueError: too many values to unpack (expected 2), when the socket is IPv6.",
            """\
def peer_of(sock):
    host, port = sock.getpeername()
    return host, port
""",
            """\
def peer_of(sock):
    host, port = sock.getpeername()[:2]
    return host, port
""",
            """\
import dualstack


def peer_of(sock):
    host, port = dualstack.Endpoint.peer(sock)
    return host, port
""",
            "https://docs.python.org/3/library/socket.html#socket-families",
            fixable=True,
        ),
        Rule(
            "DST402",
            "sockaddr-len-2",
            "Test for a socket address of length two",
            "An IPv6 address has four elements and is turned away, often without a word.",
            """\
def remote(transport):
    info = transport.get_extra_info("peername")
    if info is not None and len(info) == 2:
        return str(info[0]), int(info[1])
    return None
""",
            """\
def remote(transport):
    info = transport.get_extra_info("peername")
    if info is not None and len(info) in (2, 4):
        return str(info[0]), int(info[1])
    return None
""",
            """\
import dualstack


def remote(sock):
    return dualstack.Endpoint.peer(sock)
""",
            "https://docs.python.org/3/library/asyncio-protocol.html",
            fixable=True,
        ),
        Rule(
            "DST403",
            "sockaddr-percent-format",
            "Socket address formatted with two placeholders",
            "TypeError: not all arguments converted, in the log line of the first IPv6 client.",
            """\
def show(sock):
    print("listening on %s:%d" % sock.getsockname())
""",
            """\
def show(sock):
    print("listening on %s:%d" % sock.getsockname()[:2])
""",
            """\
import dualstack


def show(sock):
    print("listening on", dualstack.Endpoint.local(sock))
""",
            "https://docs.python.org/3/library/socket.html#socket-families",
            fixable=True,
        ),
    ),
)
