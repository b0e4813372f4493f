"""Texts of DST5xx: the text forms host:port and address%zone."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
The colon separates host from port, and IPv6 addresses are full of colons. Between the two stand brackets:
`[2001:db8::1]:80`. Text that is joined without them means another address or nothing, and text that is cut at
a colon falls apart. In a log line that is a blemish; in a URL, a Host header or a connect string it is a bug,
and only there does the checker report it."""

GROUP = Group(
    "DST5",
    "host-port-text",
    "host:port as text",
    _ESSAY,
    (
        Rule(
            "DST501",
            "hostport-join",
            "Host and port joined without brackets",
            "http://::1:80/ is no valid URL, and ::1:80 is a valid IPv6 address, only not the one that was meant.",
            """\
import urllib.request


def fetch(host, port):
    return urllib.request.urlopen("http://%s:%d/" % (host, port))
""",
            """\
import urllib.request


def fetch(host, port):
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return urllib.request.urlopen(f"http://{netloc}/")
""",
            """\
import urllib.request


def fetch(endpoint):
    return urllib.request.urlopen(endpoint.url("http"))
""",
            "RFC 3986 section 3.2.2; RFC 5952 section 6",
        ),
        Rule(
            "DST502",
            "hostport-split",
            "host:port cut at a colon",
            "'[::1]:80'.split(':') has five pieces. rsplit() keeps the brackets in the host, and takes "
            "the last group of a bare address for a port.",
            """\
def parse(address):
    host, port = address.split(":")
    return host, int(port)
""",
            """\
from urllib.parse import urlsplit


def parse(address):
    parts = urlsplit("//" + address)
    return parts.hostname, parts.port
""",
            """\
import dualstack


def parse(address):
    return dualstack.parse(address, default_port=80)
""",
            "RFC 3986 section 3.2.2",
        ),
        Rule(
            "DST503",
            "zmq-no-ipv6",
            "ZeroMQ address without the IPV6 option",
            "ZeroMQ sockets are IPv4-only until their IPV6 option is set. With it, the text is cut at its last "
            "colon: an IPv6 host works with brackets and without.",
            """\
import zmq


def dial(context, host, port):
    sock = context.socket(zmq.REQ)
    sock.connect("tcp://%s:%i" % (host, port))
    return sock
""",
            """\
import zmq


def dial(context, host, port):
    sock = context.socket(zmq.REQ)
    sock.setsockopt(zmq.IPV6, 1)
    sock.connect(f"tcp://{host}:{port}")
    return sock
""",
            """\
import zmq


def dial(context, endpoint):
    sock = context.socket(zmq.REQ)
    sock.setsockopt(zmq.IPV6, 1)
    sock.connect(endpoint.url("tcp"))
    return sock
""",
            "zmq_setsockopt(3), ZMQ_IPV6",
        ),
        Rule(
            "DST504",
            "zone-id-drop",
            "Zone of a link-local address thrown away",
            "fe80::1 exists on every interface; without %eth0 nobody can connect to it.",
            """\
def plain(addr):
    return addr.split("%")[0]
""",
            """\
def plain(addr):
    return addr
""",
            """\
import dualstack


def scope_of(endpoint):
    return endpoint.zone
""",
            "RFC 4007 section 11",
            strict=True,
        ),
    ),
)
