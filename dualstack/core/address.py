"""Address: what a person writes, before anything is resolved.

    *:80   :80   [::1]:http   [fe80::1%eth0]:80   example.com:443   %eth0:8080
    tcp4://example.com:443   udp6://[ff02::fb]:5353   unix:/run/x.sock   unix:@name   fd://3   systemd:web

Problem: ``host:port`` has one colon and IPv6 addresses have many, so every program splits at another colon: ``::1:80``
is port 80 of ``::1`` to some and an address to others, ``host:80:90`` is whatever ``rsplit`` makes of it, ``[::1]``
without a port becomes host ``":"`` and port 1.

Our rule: an IPv6 address stands in brackets when a port follows. Without a port (and with a default) it may stand bare,
unless its own last group could be the port: ``::1:80`` is refused, ``[::1:80]`` and ``[::1]:80`` are not. A scheme says
what is not IP; a path is never guessed from a slash, nor a host from its absence. Nothing is resolved while parsing:
names, services and interfaces stay text.

Left out: URLs with paths and queries, and user names; parsers for those exist.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from ..errors import AddressError
from .endpoint import Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint, checked_port
from .text import (
    check_host_name,
    check_port,
    check_service,
    check_zone,
    explain_ip,
    ipv4_packed,
    ipv6_packed,
    looks_like_ipv4,
    needs_zone,
    port_number,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any, NoReturn

__all__ = ("Address", "from_host", "parse")

_SCHEMES: dict[str, tuple[str, int | None]] = {
    "tcp": ("tcp", None),
    "tcp4": ("tcp", AF_INET),
    "tcp6": ("tcp", AF_INET6),
    "udp": ("udp", None),
    "udp4": ("udp", AF_INET),
    "udp6": ("udp", AF_INET6),
}
_KINDS = frozenset(("host", "wildcard", "interface", "unix", "fd", "systemd", "launchd"))
_MAX_FD = 2**31 - 1  # a descriptor is a C int
_MAX_FD_NAME = 255  # characters of a LISTEN_FDNAMES entry (sd_listen_fds(3))
_PATHS = ("/", "./", "../")
_PATH_HINT = "a path is written unix:/path, or passed as an os.PathLike"


class Address:
    """An address as written: what kind it is, and the parts that kind has.

    ``kind`` is ``"host"`` (a name or a literal), ``"wildcard"``, ``"interface"``, ``"unix"``, ``"fd"``, ``"systemd"``
    or ``"launchd"``. ``host`` is the name or the literal, ``name`` the interface or what the service manager calls it,
    ``fd`` the descriptor. ``port`` is an int, or a service name as written. ``transport`` is ``"tcp"``, ``"udp"``,
    ``"seqpacket"`` or None where the text did not say; ``family`` likewise AF_INET, AF_INET6 or None. ``endpoint`` is
    the concrete endpoint where the text is one already (a literal with a numeric port, a Unix path), else None.

    Made from text by ``dualstack.parse``. Immutable; equal when the parts are equal; ``parse(str(a)) == a``.
    """

    __slots__ = ("endpoint", "family", "fd", "host", "kind", "name", "port", "transport")

    kind: str
    host: str | None
    port: int | str | None
    transport: str | None
    family: int | None
    endpoint: Endpoint | None
    name: str | None
    fd: int | None

    def __init__(
        self,
        kind: str,
        host: str | None = None,
        port: int | str | None = None,
        *,
        transport: str | None = None,
        family: int | None = None,
        endpoint: Endpoint | None = None,
        name: str | None = None,
        fd: int | None = None,
    ) -> None:
        if kind not in _KINDS:  # text, mostly: an address of no kind would be listened on nowhere
            raise AddressError(str(kind), 0, "not a kind of address; text is read by dualstack.parse")
        put = object.__setattr__
        put(self, "kind", kind)
        put(self, "host", host)
        put(self, "port", port)
        put(self, "transport", transport)
        put(self, "family", family)
        put(self, "endpoint", endpoint)
        put(self, "name", name)
        put(self, "fd", fd)

    def with_port(self, port: int) -> Address:
        """The same address with another port; what has none (a path, a descriptor) stays as it is."""
        if self.port is None:
            return self
        port = _checked_number(port)
        endpoint = self.endpoint
        if isinstance(endpoint, IPEndpoint):
            endpoint = endpoint.with_port(port)
        elif self.host is not None:  # with a number in place of a service name a literal is an endpoint
            if ":" in self.host:
                endpoint = IPv6Endpoint(self.host, port)
            elif ipv4_packed(self.host) is not None:
                endpoint = IPv4Endpoint(self.host, port)
        return Address(
            self.kind,
            self.host,
            port,
            transport=self.transport,
            family=self.family,
            endpoint=endpoint,
            name=self.name,
        )

    def _key(self) -> tuple[Any, ...]:
        return self.kind, self.host, self.port, self.transport, self.family, self.endpoint, self.name, self.fd

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Address) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an address is immutable; {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an address is immutable; {name!r} cannot be deleted")

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unixpacket:{str(self.endpoint)[5:]}" if self.transport == "seqpacket" else str(self.endpoint)
        if self.kind == "fd":
            return f"fd://{self.fd}"
        if self.kind in ("systemd", "launchd"):
            return f"{self.kind}:{self.name or ''}"
        if self.kind == "wildcard":
            host = "*"
        elif self.kind == "interface":
            host = f"%{self.name}"
        else:
            host = self.host or ""
            if ":" in host:
                host = f"[{host}]"
        scheme = ""
        if self.transport:
            digit = {AF_INET: "4", AF_INET6: "6"}.get(self.family or 0, "")
            scheme = f"{self.transport}{digit}://"
        return f"{scheme}{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return parse, (str(self),)


def parse(text: str, default_port: int | str | None = None) -> Address:
    """Read an address as a person writes it; nothing is resolved, opened or guessed.

    *default_port* (a number or a service name) is used where the text has no port; without it a missing port is an
    error. Raises AddressError, whose ``position`` points at the character that cannot be right; for a str nothing else.
    Linear in the length of the text, and most of that is looking at its length.
    """
    if not isinstance(text, str):
        raise TypeError(f"an address is read from str, not {type(text).__name__}")
    if text.startswith("unix:"):
        return _unix(text)
    if text.startswith("unixpacket:"):
        return _unix_packet(text)
    if text.startswith("fd:"):
        return _fd(text)
    if text.startswith(("systemd:", "launchd:")):
        return _passed(text)
    scheme, mark, rest = text.partition("://")
    transport: str | None = None
    family: int | None = None
    offset = 0
    if mark and scheme.isalnum():
        if scheme not in _SCHEMES:
            raise AddressError(
                text,
                0,
                "unknown scheme; known are tcp, tcp4, tcp6, udp, udp4, udp6, unix, unixpacket, fd, systemd, launchd",
            )
        transport, family = _SCHEMES[scheme]
        offset = len(scheme) + 3
    else:
        rest = text
    host, port_text, port_at = _split(text, rest, offset)
    port: int | str
    if port_text:
        port = check_service(text, port_text, port_at)
    elif default_port is None:
        if rest.startswith(_PATHS):
            raise AddressError(text, offset, _PATH_HINT)
        hint = "" if port_number(rest) < 0 else f"; a port alone is written :{rest}"
        raise AddressError(text, len(text), f"the port is missing{hint}")
    else:
        port = _checked_default(default_port)
    return _host_address(text, host, offset, port, transport, family)


def from_host(
    host: str | os.PathLike[str] | os.PathLike[bytes] | Address | Endpoint | None, port: int | str | None
) -> Address:
    """Read the ``host, port`` arguments of a verb.

    With a *port*, *host* is a host alone: a name, a literal with or without brackets, ``"%eth0"``, ``"*"``, ``""`` or
    None. Without one, *host* carries its own port (``"[::1]:80"``), needs none (a path, ``"unix:..."``, ``"fd://3"``),
    or is an Address or an Endpoint already. Raises AddressError, or TypeError for other types.
    """
    if isinstance(host, Address):
        return host if port is None else host.with_port(_checked_number(port))
    if isinstance(host, Endpoint):
        if isinstance(host, IPEndpoint):
            endpoint: IPEndpoint = host if port is None else host.with_port(_checked_number(port))
            return Address("host", endpoint.host, endpoint.port, endpoint=endpoint)
        return Address("unix", endpoint=host)
    if host is not None and hasattr(host, "__fspath__"):
        from .endpoint_unix import UnixEndpoint

        return Address("unix", endpoint=UnixEndpoint(host))
    if host is None:
        host = "*"
    if not isinstance(host, str):
        hint = "; host and port are two arguments" if isinstance(host, tuple) else ""
        raise TypeError(f"a host is a str, a path, an Address or an Endpoint, not {type(host).__name__}{hint}")
    if port is None:
        if host in ("", "*"):
            raise AddressError(host, len(host), "the port is missing")
        return parse(host)
    if host.startswith(("unix:", "unixpacket:", "fd:", "systemd:", "launchd:")):
        return parse(host)  # these have no port; a caller who passes 0 for "any" means no harm
    number = _checked_default(port)
    if host in ("", "*"):
        return Address("wildcard", None, number)
    if "://" in host:
        address = parse(host, number)
        if address.port not in (None, number):
            raise AddressError(host, len(host), f"two ports: this and {number}")
        return address
    if host[0] == "[" and host[-1] == "]":
        return _host_address(host, host, 0, number, None, None)
    if ":" in host and ipv6_packed(host.partition("%")[0]) is not None:
        return _host_address(host, f"[{host}]", -1, number, None, None)
    return _host_address(host, host, 0, number, None, None)


def _split(text: str, rest: str, offset: int) -> tuple[str, str, int]:
    """Split into host and port text; the host keeps its brackets. The third is where the port begins in *text*."""
    if rest.startswith("["):
        end = rest.find("]")
        if end < 0:
            raise AddressError(text, len(text), "the closing bracket is missing")
        host, tail = rest[: end + 1], rest[end + 1 :]
        if tail and tail[0] != ":":
            raise AddressError(text, offset + end + 1, "':' expected after ']'")
        return host, tail[1:], offset + end + 2
    first = rest.find(":")
    if first < 0:
        return rest, "", len(text)
    second = rest.find(":", first + 1)
    if second < 0:
        return rest[:first], rest[first + 1 :], offset + first + 1
    # Two colons or more: a bare IPv6 address, which leaves no place for a port.
    address, percent, zone = rest.partition("%")
    if ipv6_packed(address) is None or ":" in zone:
        _explain_colons(text, rest, offset)
    before, _, last = address.rpartition(":")
    if not percent and port_number(last) >= 0 and ipv6_packed(before) is not None:
        raise AddressError(
            text, offset + len(before) + 1, f"an address or a port? write [{before}]:{last} or [{address}]:port"
        )
    return f"[{rest}]", "", len(text)


def _explain_colons(text: str, rest: str, offset: int) -> NoReturn:
    before, _, last = rest.rpartition(":")
    address, percent, zone = before.partition("%")
    if ipv6_packed(address) is not None and port_number(last) >= 0:
        if percent:  # before the message repeats it: it may be a megabyte, or hold a line feed
            check_zone(text, zone, offset + len(address) + 1)
        raise AddressError(text, offset, f"an IPv6 address with a port is written [{before}]:{last}")
    second = rest.find(":", rest.find(":") + 1)
    if rest[:second].strip("0123456789abcdefABCDEF:"):
        raise AddressError(text, offset + second, "too many colons")
    explain_ip(text, rest, offset)


def _host_address(
    text: str, host: str, offset: int, port: int | str, transport: str | None, family: int | None
) -> Address:
    """Turn the host part, which starts at *offset* of *text*, into an Address."""
    if host in ("", "*"):
        return Address("wildcard", None, port, transport=transport, family=family)
    if host[0] == "%":
        name = check_zone(text, host[1:], offset + 1)
        return Address("interface", None, port, transport=transport, family=family, name=name)
    literal: int | None = None
    endpoint: Endpoint | None = None
    number = port if isinstance(port, int) else 0
    if host[0] == "[":
        address, percent, zone = host[1:-1].partition("%")
        packed = ipv6_packed(address)
        if packed is None:
            if ipv4_packed(address) is not None:
                raise AddressError(text, offset, "brackets are for IPv6 addresses only")
            explain_ip(text, address, offset + 1)
        if percent:
            check_zone(text, zone, offset + len(address) + 2)
            if not needs_zone(packed):
                raise AddressError(text, offset + len(address) + 1, "only link-local addresses have a zone")
        literal = AF_INET6
        endpoint = IPv6Endpoint(host[1:-1], number)
    elif ipv4_packed(host) is not None:
        literal = AF_INET
        endpoint = IPv4Endpoint(host, number)
    elif looks_like_ipv4(host) or "%" in host:
        explain_ip(text, host, offset)
    if literal is None:
        if host.startswith(_PATHS):
            raise AddressError(text, offset, _PATH_HINT)
        check_host_name(text, host, offset)
        return Address("host", host, port, transport=transport, family=family)
    if family is not None and family != literal:
        wanted = "IPv4" if family == AF_INET else "IPv6"
        raise AddressError(text, offset, f"the scheme asks for {wanted} and the address is not")
    canonical: str = endpoint.host  # type: ignore[union-attr]  # literal is not None, so endpoint is one of the two
    return Address(
        "host",
        canonical,
        port,
        transport=transport,
        family=family,
        endpoint=endpoint if isinstance(port, int) else None,
    )


def _unix(text: str) -> Address:
    from .endpoint_unix import UnixEndpoint

    endpoint = UnixEndpoint.read(text)
    if endpoint.is_unnamed:
        raise AddressError(text, len(text), "the path is missing")
    return Address("unix", endpoint=endpoint)


def _fd(text: str) -> Address:
    if not text.startswith("fd://"):
        raise AddressError(text, 3, "a descriptor is written fd://3")
    digits = text[5:]
    if not (digits.isdecimal() and digits.isascii() and len(digits) <= 10 and int(digits) <= _MAX_FD):
        raise AddressError(text, 5, "not the number of a descriptor")
    return Address("fd", fd=int(digits))


def _unix_packet(text: str) -> Address:
    """``unix:`` of type SOCK_SEQPACKET, which keeps messages apart; the scheme is called so in Go as well."""
    try:
        return Address("unix", transport="seqpacket", endpoint=_unix(f"unix:{text[11:]}").endpoint)
    except AddressError as error:
        raise AddressError(text, error.position + 6, error.reason) from None


def _passed(text: str) -> Address:
    kind, name = text[:7], text[8:]
    if kind == "launchd" and not name:
        raise AddressError(text, 8, "launchd passes sockets by name: launchd:name")
    for index, char in enumerate(name[: _MAX_FD_NAME + 1]):
        if not " " < char <= "~" or char == ":":
            raise AddressError(text, 8 + index, "not a character of a descriptor name (sd_listen_fds(3))")
    if len(name) > _MAX_FD_NAME:
        raise AddressError(text, 8 + _MAX_FD_NAME, f"a descriptor name has at most {_MAX_FD_NAME} characters")
    return Address(kind, name=name or None)


def _checked_default(port: int | str) -> int | str:
    if isinstance(port, str):
        return check_service(port, port, 0)
    return _checked_number(port)


def _checked_number(port: int | str) -> int:
    if isinstance(port, str):
        return check_port(port, port, 0)
    return checked_port(port, "an int or a str")
