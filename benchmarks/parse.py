"""Reading one address with its port: Endpoint.parse against ipaddress and splitting by hand."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from compare import compare, machine

from dualstack import Endpoint


def by_hand_6(text: str) -> tuple[object, int]:
    host, _, port = text.rpartition(":")
    return ip_address(host[1:-1]), int(port)


def by_hand_4(text: str) -> tuple[object, int]:
    host, _, port = text.rpartition(":")
    return ip_address(host), int(port)


def main() -> None:
    machine()
    parse, from_sockaddr = Endpoint.parse, Endpoint.from_sockaddr
    for text, hand in (("[2001:db8::1]:443", by_hand_6), ("192.0.2.1:443", by_hand_4)):
        rows = [
            ("Endpoint.parse", lambda t=text: parse(t)),
            ("ipaddress.ip_address, split by hand", lambda t=text, h=hand: h(t)),
        ]
        compare(rows, number=5000, title=text)
    for family, sockaddr in ((socket.AF_INET6, ("2001:db8::1", 443, 0, 0)), (socket.AF_INET, ("192.0.2.1", 443))):
        rows = [
            ("Endpoint.from_sockaddr", lambda f=family, s=sockaddr: from_sockaddr(f, s)),
            ("ipaddress.ip_address of the host", lambda s=sockaddr: ip_address(s[0])),
        ]
        compare(rows, number=5000, title=repr(sockaddr))


if __name__ == "__main__":
    main()
