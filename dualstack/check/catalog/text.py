"""Texts of DST3xx: addresses as text and as bytes."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
An IPv6 address has sixteen bytes and eight groups of text that may be shortened in many ways. Whatever counts
dots, reserves four bytes or matches four numbers refuses it or, worse, takes it for a host name."""

GROUP = Group(
    "DST3",
    "text-and-bytes",
    "Text and bytes",
    _ESSAY,
    (
        Rule(
            "DST301",
            "inet-aton",
            "inet_aton()",
            "OSError for every IPv6 address, while '1' and '0x7f.1' pass as IPv4 ones.",
            """\
import socket


def packed(address):
    return socket.inet_aton(address)
""",
            """\
import ipaddress


def packed(address):
    return ipaddress.ip_address(address).packed
""",
            """\
import dualstack


def packed(endpoint):
    return endpoint.packed
""",
            "RFC 3493 section 6.3; inet_aton(3)",
        ),
        Rule(
            "DST302",
            "inet-ntoa",
            "inet_ntoa()",
            "OSError for the sixteen bytes of an IPv6 address.",
            """\
import socket


def texts(addresses):
    return [socket.inet_ntoa(address) for address in addresses]
""",
            """\
import ipaddress


def texts(addresses):
    return [str(ipaddress.ip_address(address)) for address in addresses]
""",
            """\
import ipaddress


def texts(addresses):
    return [str(ipaddress.ip_address(address)) for address in addresses]
""",
            "RFC 5952",
        ),
        Rule(
            "DST303",
            "af-inet-parse",
            "inet_pton(AF_INET) or inet_ntop(AF_INET) without an IPv6 branch",
            "The newer functions, used for the older family alone.",
            """\
import socket


def valid(text):
    return socket.inet_pton(socket.AF_INET, text)
""",
            """\
import ipaddress


def valid(text):
    return ipaddress.ip_address(text)
""",
            """\
import dualstack


def valid(text):
    return dualstack.parse(text, 0)
""",
            "RFC 3493 section 6.3",
            strict=True,
        ),
        Rule(
            "DST304",
            "ipv4address-only",
            "ipaddress.IPv4Address(), IPv4Network() or IPv4Interface() of input",
            "AddressValueError for IPv6 text; the lower-case functions take both.",
            """\
import ipaddress


def check(value):
    return ipaddress.IPv4Address(value)
""",
            """\
import ipaddress


def check(value):
    return ipaddress.ip_address(value)
""",
            """\
import dualstack


def check(value):
    return dualstack.parse(value, 0)
""",
            "https://docs.python.org/3/library/ipaddress.html",
        ),
        Rule(
            "DST305",
            "ipv4-regex",
            "Regular expression for IPv4 addresses",
            "It misses IPv6 and takes 999.1.1.1. There is no regular expression for IPv6 that anybody can read.",
            """\
import re

IP_RE = re.compile(r"^\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}$")
""",  # noqa: DST305 - the example of the rule itself
            """\
import ipaddress


def is_ip(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
""",
            """\
import dualstack


def host_of(text):
    return dualstack.parse(text, 0)
""",
            "RFC 4291 section 2.2",
        ),
        Rule(
            "DST306",
            "dotted-quad-check",
            "Test that counts dots or parts",
            "An IPv6 address has no dots, so it is taken for a name or refused.",
            """\
def is_ip(host):
    return len(host.split(".")) == 4
""",
            """\
import ipaddress


def is_ip(host):
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
""",
            """\
import dualstack


def host_of(text):
    return dualstack.parse(text, 0)
""",
            "RFC 4291 section 2.2",
        ),
        Rule(
            "DST307",
            "struct-v4-pack",
            "struct layout with four bytes for an address",
            "IPv6 needs sixteen, and group membership takes another structure (ipv6_mreq: group and interface index).",
            """\
import socket, struct


def membership(group, interface):
    return struct.pack("4s4s", group, interface)
""",
            """\
import ipaddress, struct


def field(ip_text):
    packed = ipaddress.ip_address(ip_text).packed
    return struct.pack("!B", len(packed)) + packed
""",
            """\
import dualstack


def subscribe(group):
    datagrams = dualstack.open_datagram(None, 5353)
    datagrams.join(group)
    return datagrams
""",
            "RFC 3493 section 5.2",
        ),
    ),
)
