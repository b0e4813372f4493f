"""Texts of DST2xx: names to addresses."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
The functions of 1983 (`gethostbyname` and its relatives) have no room for an IPv6 address in their answers.
`getaddrinfo()` replaced them in 1999: it answers with every address of every family, best first, and the
caller is expected to try them in that order until one works."""

GROUP = Group(
    "DST2",
    "names",
    "Names",
    _ESSAY,
    (
        Rule(
            "DST201",
            "gethostbyname",
            "gethostbyname()",
            "A host that has an IPv6 address only is reported as unknown, and only one IPv4 address of "
            "several is returned.",
            """\
import socket


def reach(host, port):
    return (socket.gethostbyname(host), port)
""",
            """\
import socket


def reach(host, port):
    return socket.create_connection((host, port))
""",
            """\
import dualstack


def reach(host, port):
    return dualstack.resolve(host, port)
""",
            "RFC 3493 section 6; getaddrinfo(3)",
        ),
        Rule(
            "DST202",
            "gethostbyname-ex",
            "gethostbyname_ex()",
            "The list of addresses holds IPv4 only.",
            """\
import socket


def addresses(host):
    return socket.gethostbyname_ex(host)[2]
""",
            """\
import socket


def addresses(host):
    return [row[4][0] for row in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
""",
            """\
import dualstack


def addresses(host):
    return [endpoint.host for endpoint in dualstack.resolve(host, 0)]
""",
            "RFC 3493 section 6",
        ),
        Rule(
            "DST203",
            "gethostname-self-lookup",
            "Looking up one's own host name",
            "gethostbyname(gethostname()) asks the hosts file: one IPv4 address, on Debian 127.0.1.1, on "
            "a laptop that of another network.",
            """\
import socket


def own_address():
    return socket.gethostbyname(socket.gethostname())
""",
            """\
import socket


def own_address(destination, port):
    with socket.create_connection((destination, port)) as sock:
        return sock.getsockname()[0]
""",
            """\
import dualstack


def own_address(destination):
    return dualstack.source_for(destination)
""",
            "hosts(5)",
        ),
        Rule(
            "DST204",
            "getaddrinfo-first-only",
            "Only the first answer of getaddrinfo()",
            "The first address is the best by rule, and may still be dead: a host with broken IPv6 is "
            "then never reached.",
            """\
import socket


def dial(host, port):
    family, kind, proto, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    s = socket.socket(family, kind, proto)
    s.connect(address)
    return s
""",
            """\
import socket


def dial(host, port):
    for family, kind, proto, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        s = socket.socket(family, kind, proto)
        try:
            s.connect(address)
            return s
        except OSError:
            s.close()
    raise OSError("no address of %s answered" % host)
""",
            """\
import dualstack


def dial(host, port):
    return dualstack.connect(host, port)
""",
            "RFC 6724 section 2; RFC 8305",
        ),
        Rule(
            "DST205",
            "gethostbyaddr",
            "gethostbyaddr()",
            "It takes IPv6 text, but no scope, and gives no control over what happens when there is no name.",
            """\
import socket


def name(ip):
    return socket.gethostbyaddr(ip)[0]
""",
            """\
import socket


def name(sockaddr):
    return socket.getnameinfo(sockaddr, socket.NI_NAMEREQD)[0]
""",
            """\
import socket


def name(endpoint):
    return socket.getnameinfo(endpoint.sockaddr, socket.NI_NAMEREQD)[0]
""",
            "RFC 3493 section 6.2; getnameinfo(3)",
            strict=True,
        ),
    ),
)
