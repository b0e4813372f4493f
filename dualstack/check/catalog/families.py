"""Texts of DST1xx: families and sockets."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
A socket has one family for its whole life. Code that writes `AF_INET` has decided that every peer it will
ever meet has an IPv4 address: a host that is reachable over IPv6 only cannot be connected to, and a server
is not reached by clients that come over IPv6. The family belongs to the address, so take it from there: from
`getaddrinfo()`, or from a function that asks it for you."""

GROUP = Group(
    "DST1",
    "families",
    "Families and sockets",
    _ESSAY,
    (
        Rule(
            "DST101",
            "af-inet-socket",
            "Socket of family AF_INET",
            "The socket can neither connect to an IPv6 address nor be reached over one. socket() without "
            "arguments is the same: AF_INET is its default.",
            """\
import socket


def fetch(host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.connect((host, port))
    return s
""",
            """\
import socket


def fetch(host, port):
    s = socket.create_connection((host, port))
    return s
""",
            """\
import dualstack


def fetch(host, port):
    return dualstack.connect(host, port)
""",
            "RFC 4038 section 6; RFC 6724; RFC 8305",
            fixable=True,
        ),
        Rule(
            "DST102",
            "af-inet-default-arg",
            "Parameter that defaults to AF_INET",
            "Every caller that does not know better is IPv4-only.",
            """\
import socket


def dial(host, port, family=socket.AF_INET):
    return [row for row in socket.getaddrinfo(host, port, family)]
""",
            """\
import socket


def dial(host, port, family=socket.AF_UNSPEC):
    return [row for row in socket.getaddrinfo(host, port, family)]
""",
            """\
import dualstack


def dial(host, port, family=None):
    return dualstack.resolve(host, port, family=family)
""",
            "RFC 4038 section 6.1",
        ),
        Rule(
            "DST103",
            "class-attr-family-v4",
            "Attribute or variable that fixes the family to AF_INET",
            "Whatever is made with it later speaks IPv4 only, often far away from this line.",
            """\
import socket, socketserver


class Server:
    address_family = socket.AF_INET
""",
            """\
import socket, socketserver


class Server:
    address_family = socket.AF_INET6  # with IPV6_V6ONLY off in server_bind
""",
            """\
import dualstack


def serve(port):
    return dualstack.open_listener(None, port)
""",
            "RFC 4038 section 6.3",
        ),
        Rule(
            "DST104",
            "af-inet-getaddrinfo",
            "Resolver or connection told to use AF_INET",
            "The IPv6 addresses of the name are thrown away before anybody looks at them.",
            """\
import socket


def lookup(host, port):
    return socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
""",
            """\
import socket


def lookup(host, port):
    return socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
""",
            """\
import dualstack


def lookup(host, port):
    return dualstack.resolve(host, port)
""",
            "RFC 3493 section 6.1; RFC 6724",
        ),
        Rule(
            "DST105",
            "family-branch-no-v6",
            "Branch on AF_INET that refuses everything else",
            "An IPv6 address ends in the else branch, which raises or skips it.",
            """\
import socket


def number(family, ip):
    if family == socket.AF_INET:
        return int(ip)
    else:
        raise ValueError("no such family")
""",
            """\
import socket


def number(family, ip):
    if family == socket.AF_INET:
        return int(ip)
    elif family == socket.AF_INET6:
        return int(ip)
    else:
        raise ValueError("no such family")
""",
            """\
import dualstack


def number(endpoint):
    return int(endpoint.ip)
""",
            "RFC 4038 section 6.2",
        ),
        Rule(
            "DST106",
            "server-class-v4",
            "Server class that is AF_INET inside",
            "socketserver.TCPServer and UDPServer, http.server.HTTPServer, xmlrpc and wsgiref servers "
            "have address_family = AF_INET in every version of Python, whatever host is passed.",
            """\
from http.server import HTTPServer, SimpleHTTPRequestHandler


def main(port):
    HTTPServer(("", port), SimpleHTTPRequestHandler).serve_forever()
""",
            """\
import socket
from http.server import HTTPServer, SimpleHTTPRequestHandler


class DualServer(HTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()
""",
            """\
from dualstack.shim.servers import HTTPServer
from http.server import SimpleHTTPRequestHandler


def main(port):
    HTTPServer(("", port), SimpleHTTPRequestHandler).serve_forever()
""",
            "https://docs.python.org/3/library/socketserver.html#socketserver.BaseServer.address_family",
        ),
        Rule(
            "DST107",
            "create-server-default-family",
            "socket.create_server() without a family",
            "Its default is AF_INET, unlike create_connection(), which takes what the name has.",
            """\
import socket


def listen(port):
    return socket.create_server(("", port))
""",
            """\
import socket


def listen(port):
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port), family=socket.AF_INET)
""",
            """\
import dualstack


def listen(port):
    return dualstack.open_listener("::", port)
""",
            "https://docs.python.org/3/library/socket.html#socket.create_server",
        ),
        Rule(
            "DST108",
            "asyncore-af-inet",
            "create_socket(AF_INET)",
            "An asyncore dispatcher (or a copy of it) that reaches IPv4 peers only.",
            """\
import socket


class Client:
    def open(self, address):
        self.create_socket(socket.AF_INET, socket.SOCK_STREAM)
        self.connect(address)
""",
            """\
import socket


class Client:
    def open(self, family, address):
        self.create_socket(family, socket.SOCK_STREAM)
        self.connect(address)
""",
            """\
import dualstack


class Client:
    def open(self, host, port):
        self.set_socket(dualstack.connect(host, port))
""",
            "https://peps.python.org/pep-0594/",
        ),
        Rule(
            "DST109",
            "logging-handler-v4",
            "logging.handlers.DatagramHandler",
            "Its makeSocket() uses AF_INET. SysLogHandler and SocketHandler resolve the name properly.",
            """\
import logging.handlers


def handler(host):
    return logging.handlers.DatagramHandler(host, 9021)
""",
            """\
import logging.handlers


def handler(host):
    return logging.handlers.SysLogHandler((host, 514))
""",
            """\
import logging.handlers
import dualstack


class Handler(logging.handlers.DatagramHandler):
    def makeSocket(self):
        return dualstack.open_datagram(remote=(self.host, self.port))
""",
            "https://github.com/python/cpython/blob/main/Lib/logging/handlers.py",
        ),
        Rule(
            "DST110",
            "multiprocessing-af-inet",
            "multiprocessing.connection over TCP",
            "multiprocessing.connection knows the families AF_INET, AF_UNIX and AF_PIPE; there is no AF_INET6.",
            """\
from multiprocessing.connection import Listener


def listen(host, port):
    return Listener((host, port))
""",
            """\
from multiprocessing.connection import Listener


def listen(path):
    return Listener(path, "AF_UNIX")
""",
            """\
import dualstack


def listen(host, port):
    return dualstack.open_listener(host, port)
""",
            "https://docs.python.org/3/library/multiprocessing.html#address-formats",
            strict=True,
        ),
        Rule(
            "DST111",
            "free-port-v4",
            "Search for a free port on IPv4 alone",
            "The port found may be in use over IPv6, and may be taken before it is used.",
            """\
import socket


def free_port():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind(("127.0.0.1", 0))
    return s.getsockname()[1]
""",
            """\
import socket


def listener():
    return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
""",
            """\
import dualstack


def listener():
    return dualstack.open_listener("localhost", 0)
""",
            "RFC 6056",
            strict=True,
        ),
    ),
)
