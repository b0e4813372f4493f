"""The hosts file as a table, and whether the resolver looks there first: hosts(5), nsswitch.conf(5).

Why we read it ourselves: AAAA and A are asked apart, and ``getaddrinfo(name, AF_INET6)`` for a name that the hosts
file has only an IPv4 address for goes on to ask DNS, while the question for both families does not. Such a name would
then wait for a name server that has nothing to say about it, on a host without network for many seconds.
"""

from __future__ import annotations

from ..errors import AddressError
from .text import check_host_name, ipv4_packed, ipv6_packed, ipv6_text

__all__ = ("files_come_first", "parse_hosts")


def parse_hosts(data: bytes) -> dict[str, tuple[str, ...]]:
    """Read a hosts file: lower-case name to its addresses in canonical text, in the order of the lines.

    Lines and names that cannot be read are skipped; addresses keep their zone. A name that is not ASCII is left to
    the resolver, and ``localhost`` means loopback whatever the file says (RFC 6761 section 6.3).
    """
    table: dict[str, list[str]] = {}
    for line in data.decode("ascii", "replace").splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2:
            continue
        address, _, zone = words[0].partition("%")
        if ipv4_packed(address) is None:
            packed = ipv6_packed(address)
            if packed is None:
                continue
            address = ipv6_text(packed)
        if zone:
            address += "%" + zone
        for name in words[1:]:
            try:
                check_host_name(name, name, 0)
            except AddressError:
                continue
            name = name.lower()
            if name != "localhost" and not name.endswith(".localhost"):
                table.setdefault(name, []).append(address)
    return {name: tuple(dict.fromkeys(addresses)) for name, addresses in table.items()}


def files_come_first(data: bytes) -> bool:
    """Whether ``hosts:`` of nsswitch.conf asks the hosts file before anything else, as it does by default."""
    for line in data.decode("ascii", "replace").splitlines():
        database, colon, sources = line.partition("#")[0].partition(":")
        if colon and database.strip() == "hosts":
            return sources.split()[:1] == ["files"]
    return True
