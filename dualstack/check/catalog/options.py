"""Texts of DST7xx: socket options, multicast, interfaces."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
Options at level `IPPROTO_IP` belong to IPv4. On an IPv6 socket they do nothing or fail, and each has a
counterpart at level `IPPROTO_IPV6`. The same holds for lists of interface addresses that are asked for one
family."""

GROUP = Group(
    "DST7",
    "options-and-multicast",
    "Options, multicast and interfaces",
    _ESSAY,
    (
        Rule(
            "DST701",
            "multicast-v4-only",
            "Multicast group joined for IPv4 only",
            "Peers that announce themselves over IPv6 (mDNS on ff02::fb, SSDP on ff02::c) are not heard.",
            """\
import socket


def join(sock, mreq):
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreq)
""",
            """\
import socket


def join(sock, mreq):
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, mreq)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreq)
""",
            """\
import dualstack


def join(group):
    datagrams = dualstack.open_datagram(None, 5353)
    datagrams.join(group)
    return datagrams
""",
            "RFC 3493 section 5.2",
        ),
        Rule(
            "DST702",
            "ip-level-sockopt-v4",
            "IPv4 option without its IPv6 counterpart",
            "IP_TTL, IP_TOS, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_PKTINFO... have no effect on IPv6 packets.",
            """\
import socket


def mark(sock, tos):
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
""",
            """\
import socket


def mark(sock, tos):
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
""",
            """\
import dualstack


def local(host, port):
    return dualstack.open_datagram(host, port)
""",
            "RFC 3542; ipv6(7)",
        ),
        Rule(
            "DST703",
            "netif-v4-only",
            "Interface addresses of IPv4 only",
            "An interface with IPv6 addresses alone looks as if it had none.",
            """\
import netifaces


def addresses(name):
    return netifaces.ifaddresses(name).get(netifaces.AF_INET, [])
""",
            """\
import netifaces


def addresses(name):
    table = netifaces.ifaddresses(name)
    return table.get(netifaces.AF_INET, []) + table.get(netifaces.AF_INET6, [])
""",
            """\
import dualstack


def addresses(name):
    return dualstack.interfaces()[name].addresses
""",
            "getifaddrs(3)",
        ),
    ),
)
