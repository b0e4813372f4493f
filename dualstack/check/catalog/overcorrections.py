"""Texts of DST9xx: ported too far, or in appearance only."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
A port to IPv6 can go wrong in the other direction: a server that was IPv4-only and is IPv6-only now, brackets
around host names, a test that says what Python was compiled with and not what this host can do. These are
opt-in, except for a remark that silences a rule and gives no reason."""

GROUP = Group(
    "DST9",
    "over-corrections",
    "Over-corrections",
    _ESSAY,
    (
        Rule(
            "DST901",
            "v6only-assumed",
            '"::" without deciding on IPV6_V6ONLY',
            "The default of IPV6_V6ONLY is off on Linux and macOS, on on Windows and OpenBSD; asyncio and"
            " socket.create_server() turn it on themselves.",
            """\
import socket


def listen(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.bind(("::", port))
    return sock
""",
            """\
import socket


def listen(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    return sock
""",
            """\
import dualstack


def listen(port):
    return dualstack.open_listener("::", port)
""",
            "RFC 3493 section 5.3",
            strict=True,
        ),
        Rule(
            "DST902",
            "localhost-literal",
            "localhost towards a server on 127.0.0.1",
            "localhost is ::1 first on many systems; a server on 127.0.0.1 does not answer there.",
            """\
import socket

HOST = "127.0.0.1"


def dial(port):
    return socket.create_connection(("localhost", port))
""",
            """\
import socket

HOST = "127.0.0.1"


def dial(port):
    return socket.create_connection((HOST, port))
""",
            """\
import dualstack


def listen(port):
    return dualstack.open_listener("localhost", port)
""",
            "RFC 6761 section 6.3",
            strict=True,
        ),
        Rule(
            "DST903",
            "has-ipv6-test",
            "socket.has_ipv6 as a test of this host",
            "It says that Python was compiled with IPv6, which is true everywhere, also where the kernel "
            "has it switched off.",
            """\
import socket


def wildcard():
    return "::" if socket.has_ipv6 else "0.0.0.0"
""",
            """\
import socket


def wildcard():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return "0.0.0.0"
    return "::"
""",
            """\
import dualstack


def wildcard():
    return "::" if dualstack.capabilities().ipv6 else "0.0.0.0"
""",
            "https://docs.python.org/3/library/socket.html#socket.has_ipv6",
            strict=True,
        ),
        Rule(
            "DST904",
            "always-bracketed",
            "Brackets around every host",
            "http://[example.com]:80/ is no valid URL.",
            """\
def url(host, port):
    return f"http://[{host}]:{port}/"
""",
            """\
def url(host, port):
    if ":" in host:
        return f"http://[{host}]:{port}/"
    return f"http://{host}:{port}/"
""",
            """\
def url(endpoint):
    return endpoint.url("http")
""",
            "RFC 3986 section 3.2.2",
            strict=True,
        ),
        Rule(
            "DST905",
            "remark-without-reason",
            "Remark without a reason",
            "A remark that silences a rule must say why, or the next reader has to find out again.",
            """\
import socket

maker = socket.SOCK_DGRAM  # dualstack: v4-only
""",
            """\
import socket

maker = socket.SOCK_DGRAM  # dualstack: v4-only because SOCKS4 has four bytes for an address
""",
            """\
import socket

maker = socket.SOCK_DGRAM  # dualstack: v4-only because SOCKS4 has four bytes for an address
""",
            "docs/porting/index.md",
        ),
    ),
)
