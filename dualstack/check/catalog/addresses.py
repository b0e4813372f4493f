"""Texts of DST6xx: addresses written into the program."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
`0.0.0.0` is every IPv4 address of this host and no IPv6 one; `127.0.0.1` is half of the loopback. Where they
are passed to a server that both kinds of clients should reach, half of the clients stay out. Most of these
rules are opt-in (`--strict`), because a literal is often a deliberate choice."""

GROUP = Group(
    "DST6",
    "addresses",
    "Addresses",
    _ESSAY,
    (
        Rule(
            "DST601",
            "bind-any-v4",
            "0.0.0.0 as a host to bind to",
            "The server, or the default of its option, is IPv4-only.",
            """\
def add_options(parser):
    parser.add_argument("--host", default="0.0.0.0")
""",
            """\
def add_options(parser):
    parser.add_argument("--host", default=None)
""",
            """\
import dualstack


def listen(port):
    return dualstack.open_listener(None, port)
""",
            "RFC 4291 section 2.5.2",
            strict=True,
        ),
        Rule(
            "DST602",
            "loopback-v4-literal",
            "127.0.0.1 as a host",
            "Clients that resolve localhost may try ::1 first, and hosts without IPv4 have no 127.0.0.1 at all.",
            """\
def settings():
    return dict(host="127.0.0.1")
""",
            """\
def settings():
    return dict(host="localhost")
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
            "DST603",
            "v4-probe-address",
            "Own address found by a route to an IPv4 literal",
            "connect(('8.8.8.8', 80)) on a datagram socket sends nothing, but fails where there is no "
            "IPv4 route, and answers for the default route only.",
            """\
import socket


def own_address():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("8.8.8.8", 80))
    return s.getsockname()[0]
""",
            """\
import socket


def own_address(host, port):
    with socket.create_connection((host, port)) as s:
        return s.getsockname()[0]
""",
            """\
import dualstack


def own_address(destination):
    return dualstack.source_for(destination)
""",
            "RFC 6724 section 5",
        ),
        Rule(
            "DST604",
            "asyncio-v4-endpoint",
            "Server told to listen on 0.0.0.0",
            "asyncio, aiohttp, uvicorn and others listen on what they are told. For asyncio host=None "
            "means both families.",
            """\
import asyncio


async def main(handler, port):
    return await asyncio.start_server(handler, "0.0.0.0", port)
""",
            """\
import asyncio


async def main(handler, port):
    return await asyncio.start_server(handler, None, port)
""",
            """\
import asyncio, dualstack


async def main(handler, port):
    listener = dualstack.open_listener(None, port)
    return [await asyncio.start_server(handler, sock=sock) for sock in listener.sockets]
""",
            "https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.create_server",
            fixable=True,
        ),
        Rule(
            "DST605",
            "bind-empty-v4",
            'bind(("", port)) on an AF_INET socket',
            "The empty host is INADDR_ANY there: every IPv4 address.",
            """\
import socket


def listen(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind(("", port))
    return s
""",
            """\
import socket


def listen(port):
    return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
""",
            """\
import dualstack


def listen(port):
    return dualstack.open_listener("", port)
""",
            "ip(7)",
            strict=True,
        ),
        Rule(
            "DST606",
            "v4-literal",
            "IPv4 address in the program",
            "Addresses change, and this one is of one family. Documentation prefixes (RFC 5737) and "
            "version numbers are left alone.",
            """\
def resolver():
    return make(server="10.1.2.3")
""",
            """\
def resolver(config):
    return make(server=config["server"])
""",
            """\
import dualstack


def resolver(config):
    return dualstack.parse(config["server"], 53)
""",
            "RFC 5737; RFC 3849",
            strict=True,
        ),
        Rule(
            "DST607",
            "broadcast-v4",
            "Broadcast address",
            "IPv6 has no broadcast; what must reach everybody on a link goes to a multicast group such as ff02::1.",
            """\
def announce(sock, data):
    sock.sendto(data, ("255.255.255.255", 9999))
""",
            """\
def announce(sock, data, group, index):
    sock.sendto(data, (group, 9999, 0, index))
""",
            """\
import dualstack


def announce(data, group):
    with dualstack.open_datagram(None, 0) as datagrams:
        datagrams.send(data, group)
""",
            "RFC 4291 section 2.7",
            strict=True,
        ),
    ),
)
