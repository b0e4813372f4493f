"""The hosts file, searched for one name at a time, and whether the resolver looks there first: nsswitch.conf(5).

Why we read it ourselves: AAAA and A are asked apart, and ``getaddrinfo(name, AF_INET6)`` for a name that the hosts
file has only an IPv4 address for goes on to ask DNS, while the question for both families does not. Such a name would
then wait for a name server that has nothing to say about it, on a host without network for many seconds.

Why it is not read into a table: lists against advertisements put 200,000 names there, and reading them all took a
second, in whatever thread asked for its first name. Finding one name in the bytes takes milliseconds even then.
"""

from __future__ import annotations

from .text import ipv4_packed, ipv6_packed, ipv6_text

__all__ = ("Hosts", "files_come_first")

_BLANKS = bytes.maketrans(b"\t\v\f\r", b"    ")


_REMEMBERED = 1024  # names


class Hosts:
    """A hosts file; ``get`` finds the addresses of a name, and remembers them."""

    __slots__ = ("_data", "_folded", "_found")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._found: dict[str, tuple[str, ...]] = {}
        self._folded = data.lower().translate(_BLANKS)  # as long as the data: a place in one is a place in the other

    def get(self, name: str) -> tuple[str, ...]:
        """The addresses of *name*, in any case, in canonical text with their zone and in the order of the lines.

        Lines that cannot be read are skipped. A name that is not ASCII is left to the resolver, and ``localhost`` means
        loopback whatever the file says (RFC 6761 section 6.3).
        """
        found = self._found.get(name)
        if found is None:
            if len(self._found) >= _REMEMBERED:
                self._found = {}
            found = self._found[name] = self._search(name.lower())
        return found

    def _search(self, name: str) -> tuple[str, ...]:
        if name == "localhost" or name.endswith(".localhost") or not name.isascii():
            return ()
        folded = self._folded
        key = b" " + name.encode()
        found: list[str] = []
        at = folded.find(key)
        while at >= 0:
            start, end = folded.rfind(b"\n", 0, at) + 1, folded.find(b"\n", at)
            end = len(folded) if end < 0 else end
            address = _address_of(self._data[start:end].decode("ascii", "replace"), name)
            if address is not None and address not in found:
                found.append(address)
            at = folded.find(key, end)
        return tuple(found)


def _address_of(line: str, name: str) -> str | None:
    """The address of a line that gives it to *name*."""
    words = line.partition("#")[0].split()
    if name not in [word.lower() for word in words[1:]]:
        return None  # it is the beginning of another name, or in a comment
    address, _, zone = words[0].partition("%")
    if ipv4_packed(address) is None:
        packed = ipv6_packed(address)
        if packed is None:
            return None
        address = ipv6_text(packed)
    return f"{address}%{zone}" if zone else address


def files_come_first(data: bytes) -> bool:
    """Whether ``hosts:`` of nsswitch.conf asks the hosts file before anything else, as it does by default."""
    for line in data.decode("ascii", "replace").splitlines():
        database, colon, sources = line.partition("#")[0].partition(":")
        if colon and database.strip() == "hosts":
            return sources.split()[:1] == ["files"]
    return True
