"""Endpoint: one concrete socket address, IPv4 or IPv6 with its port, Unix, or whatever else a kernel hands out.

Endpoints are values: immutable, hashable, ordered (IPv4, IPv6, Unix, others; then by number), picklable, and
``Endpoint.parse(str(e)) == e`` holds for every one of them. ``sockaddr`` is exactly what the ``socket`` module takes.

What people get wrong without it: the socket module answers ``(host, port)`` for one family and
``(host, port, flowinfo, scope_id)`` for the other, so ``host, port = sock.getpeername()`` works until the first IPv6
client; here IP endpoints of both families unpack and index as ``(host, port)``. The text of an IPv6 address is
spelled differently by different Pythons; here it is RFC 5952 everywhere. The zone of ``fe80::1%eth0`` is part of the
address and of equality; dropping it sends the packet out of another interface.

Equality is by address, port and zone as text. The flow label and the index behind a named zone do not take part:
they are not in the text, and the same name keeps its meaning while indexes come and go.

How it stays fast: parsing keeps IPv4 as text and IPv6 as bytes, whichever came for free, and derives the other form
when asked. The slots are filled through their descriptors, which is the cheapest way to build an object that refuses
assignment. The classification tables load on first use.
"""

from __future__ import annotations

# Numbers only: AF_INET6 differs on every system, and nothing else of _socket is used in core.
from _socket import AF_INET, AF_INET6

from ..errors import AddressError
from .address_kind import AddressKind
from .text import (
    MAX_SCOPE_ID,
    OCTETS,
    check_zone,
    explain_ip,
    ipv4_packed,
    ipv4_text,
    ipv6_packed,
    ipv6_text,
    needs_zone,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address
    from typing import Any, ClassVar

__all__ = ("AF_UNIX", "Endpoint", "IPEndpoint", "IPv4Endpoint", "IPv6Endpoint", "checked_port", "from_peer")

AF_UNIX = 1  # on every system; Windows has the number even where Python lacks the name

_LOOPBACK6 = b"\0" * 15 + b"\1"
_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"
_MAX_FLOW = 2**20 - 1  # the flow label has 20 bits (RFC 8200 6); the socket module takes no more
_new = object.__new__


class Endpoint:
    """A concrete socket address; make one with ``parse``, ``from_sockaddr``, ``local``, ``peer`` or a subclass."""

    __slots__ = ()

    family: int
    #: Sorting rank of the class: IPv4, IPv6, Unix, others.
    _rank: ClassVar[int] = 3

    @staticmethod
    def parse(text: str) -> Endpoint:
        """Read ``192.0.2.1:80``, ``[2001:db8::1]:80``, ``[fe80::1%eth0]:80``, ``unix:/path`` or ``unix:@name``.

        Only concrete addresses: names, services and wildcards are for ``dualstack.parse`` and ``resolve``. Raises
        AddressError, whose ``position`` is the character that cannot be right; never anything else for a str.
        """
        # The two common forms inline: a call more would cost a tenth of the whole.
        try:
            host, _, digits = text.rpartition(":")
            if len(digits) < 6 and digits.isdecimal() and digits.isascii():
                port = int(digits)
                if port < 65536:
                    if host[0] == "[":
                        packed = ipv6_packed(host[1:-1])
                        if packed is not None and host[-1] == "]":
                            return ipv6_endpoint(packed, port)
                    else:
                        a, b, c, d = host.split(".", 4)
                        if a in OCTETS and b in OCTETS and c in OCTETS and d in OCTETS:
                            endpoint = _new(IPv4Endpoint)
                            _set_host(endpoint, host)
                            _set_port4(endpoint, port)
                            return endpoint
        except (AttributeError, IndexError, ValueError):
            if not isinstance(text, str):
                raise TypeError(f"an endpoint is read from str, not {type(text).__name__}") from None
        from .endpoint_text import read

        return read(text)

    @staticmethod
    def from_sockaddr(family: int, sockaddr: Any) -> Endpoint:
        """Wrap what ``getsockname``, ``getpeername``, ``accept``, ``recvfrom`` or ``getaddrinfo`` returned.

        Families other than IPv4, IPv6 and Unix (Bluetooth, vsock, packet, ...) become an opaque endpoint with a
        readable text. Raises AddressError for text that is no address, TypeError for a shape that is none.
        """
        if family == AF_INET and sockaddr is not None:
            return IPv4Endpoint(*sockaddr)
        if family == AF_INET6 and sockaddr is not None:
            return IPv6Endpoint(*sockaddr)
        from .endpoint_unix import UNNAMED, OpaqueEndpoint, UnixEndpoint

        if family == AF_UNIX:
            # Nearly every peer of a Unix listener never bound; None is how BSD answers then.
            return UnixEndpoint(sockaddr) if sockaddr else UNNAMED
        return OpaqueEndpoint(family, sockaddr)

    @staticmethod
    def local(sock: socket.socket) -> Endpoint:
        """Where *sock* is bound (``getsockname``), IPv4-mapped form as it is."""
        return Endpoint.from_sockaddr(sock.family, sock.getsockname())

    @staticmethod
    def peer(sock: socket.socket) -> Endpoint:
        """Who is at the other end of *sock* (``getpeername``), IPv4-mapped form as it is."""
        return Endpoint.from_sockaddr(sock.family, sock.getpeername())

    @property
    def sockaddr(self) -> Any:
        """What the ``socket`` module takes for this address."""
        raise NotImplementedError  # every subclass has its own; Endpoint itself is never made

    def unmapped(self) -> Endpoint:
        """The IPv4 endpoint inside an IPv4-mapped one; every other endpoint itself."""
        return self

    def mapped(self) -> Endpoint:
        """The IPv4-mapped IPv6 endpoint of an IPv4 one, for AF_INET6 sockets; every other endpoint itself."""
        return self

    # ------------------------------------------------------------------ value semantics

    def _key(self) -> tuple[int, bytes, int, str]:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Endpoint) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __lt__(self, other: object) -> bool:
        return self._key() < other._key() if isinstance(other, Endpoint) else NotImplemented

    def __le__(self, other: object) -> bool:
        return self._key() <= other._key() if isinstance(other, Endpoint) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return self._key() > other._key() if isinstance(other, Endpoint) else NotImplemented

    def __ge__(self, other: object) -> bool:
        return self._key() >= other._key() if isinstance(other, Endpoint) else NotImplemented

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an endpoint is immutable; {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an endpoint is immutable; {name!r} cannot be deleted")

    def __copy__(self) -> Endpoint:
        return self

    def __deepcopy__(self, memo: object) -> Endpoint:
        return self

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)  # object.__format__ refuses a width


class IPEndpoint(AddressKind, Endpoint):
    """What IPv4 and IPv6 endpoints have in common; unpacks and indexes as ``(host, port)``."""

    __slots__ = ()

    port: int

    @property
    def host(self) -> str:
        """The address as canonical text, with ``%zone`` where there is one."""
        raise NotImplementedError

    @property
    def zone(self) -> str | None:
        """The interface name or index after ``%``, or None."""
        return None

    @property
    def scope_id(self) -> int:
        """``sin6_scope_id``: the index of the interface a link-local address belongs to; 0 for none."""
        return 0

    @property
    def flowinfo(self) -> int:
        """``sin6_flowinfo`` as the socket module gives it; 0 for IPv4."""
        return 0

    def with_port(self, port: int) -> IPEndpoint:
        """The same address with another port."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        return iter((self.host, self.port))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return (self.host, self.port)[index]

    def url(self, scheme: str) -> str:
        """``scheme://host:port`` with brackets, and the zone escaped as RFC 6874 has it (``%25``)."""
        host = self.host
        if ":" in host:
            host = "[" + host.replace("%", "%25", 1) + "]"
        return f"{scheme}://{host}:{self.port}"


class IPv4Endpoint(IPEndpoint):
    """An IPv4 address and a port: ``IPv4Endpoint("192.0.2.1", 80)``."""

    # A slot is quicker to read than a property, and this one is read most of all.
    __slots__ = ("host", "port")  # pyright: ignore[reportIncompatibleMethodOverride]

    family = AF_INET
    _rank = 0
    host: str

    def __init__(self, host: str, port: int) -> None:
        if ipv4_packed(host) is None:
            explain_ip(host, host, 0)
        _set_host(self, host)
        _set_port4(self, checked_port(port))

    @property
    def packed(self) -> bytes:
        return bytes(map(int, self.host.split(".")))

    @property
    def ip(self) -> IPv4Address:
        """The address as an ``ipaddress`` object, made now."""
        from ipaddress import IPv4Address

        return IPv4Address(self.packed)

    @property
    def sockaddr(self) -> tuple[str, int]:
        return self.host, self.port

    def with_port(self, port: int) -> IPv4Endpoint:
        return ipv4_endpoint(self.host, checked_port(port))

    def mapped(self) -> IPv6Endpoint:
        return ipv6_endpoint(_MAPPED + self.packed, self.port)

    def _key(self) -> tuple[int, bytes, int, str]:
        return 0, self.packed, self.port, ""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, IPv4Endpoint):
            return self.host == other.host and self.port == other.port
        return False if isinstance(other, Endpoint) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.host, self.port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"IPv4Endpoint({self.host!r}, {self.port})"

    def __reduce__(self) -> tuple[Any, ...]:
        return IPv4Endpoint, (self.host, self.port)


class IPv6Endpoint(IPEndpoint):
    """An IPv6 address, a port, and where it needs one a zone: ``IPv6Endpoint("fe80::1%eth0", 80)``.

    The zone may come as text in *host* (a name or an index), as *scope_id*, or as both when the name of the index is
    known. A name without its index has no ``sockaddr`` yet: ``with_scope(index)`` supplies it, and ``resolve`` does so.
    """

    __slots__ = ("_packed", "_raw", "_scope", "_text", "port")

    family = AF_INET6
    _rank = 1
    _packed: bytes
    _raw: str  # set instead of _packed for a peer: text of the system's inet_ntop, canonical or not (musl is not)
    _scope: tuple[int, int, str | None] | None  # flowinfo, scope_id, zone name; None when all are empty
    _text: str  # the address without its zone; filled on first use

    def __init__(self, host: str, port: int, flowinfo: int = 0, scope_id: int = 0) -> None:
        address, percent, zone = host.partition("%")
        packed = ipv6_packed(address)
        if packed is None:
            explain_ip(host, address, 0)
        name = read_zone(host, zone, len(address) + 1, packed) if percent else None
        if name is not None and name.isdecimal():
            if scope_id and scope_id != int(name):
                raise AddressError(host, len(address) + 1, f"the zone is not the scope id {scope_id}")
            scope_id, name = int(name), None
        if flowinfo or scope_id:
            _check_field("flow label", flowinfo, _MAX_FLOW)
            _check_field("scope id", scope_id, MAX_SCOPE_ID)
        _set_packed(self, packed)
        _set_port6(self, checked_port(port))
        _set_scope(self, (flowinfo, scope_id, name) if flowinfo or scope_id or name else None)

    @property
    def packed(self) -> bytes:
        try:
            return self._packed
        except AttributeError:
            packed = ipv6_packed(self._raw)
            if packed is None:
                explain_ip(self._raw, self._raw, 0)
            _set_packed(self, packed)
            return packed

    @property
    def host(self) -> str:
        zone = self.zone
        return self._address() if zone is None else f"{self._address()}%{zone}"

    def _address(self) -> str:
        try:
            return self._text
        except AttributeError:
            text = ipv6_text(self.packed)
            _set_text(self, text)
            return text

    @property
    def zone(self) -> str | None:
        scope = self._scope
        if scope is None:
            return None
        if scope[2] is not None:
            return scope[2]
        # Kernels also set a scope id on addresses that have no zone; it stays in sockaddr and out of the text.
        return str(scope[1]) if scope[1] and needs_zone(self.packed) else None

    @property
    def scope_id(self) -> int:
        return self._scope[1] if self._scope else 0

    @property
    def flowinfo(self) -> int:
        return self._scope[0] if self._scope else 0

    @property
    def ip(self) -> IPv6Address:
        """The address as an ``ipaddress`` object with its scope, made now."""
        from ipaddress import IPv6Address

        return IPv6Address(self.host)

    @property
    def sockaddr(self) -> tuple[str, int, int, int]:
        scope = self._scope
        if scope is None:
            return self._address(), self.port, 0, 0
        flowinfo, scope_id, name = scope
        if name is not None and not scope_id:
            # Zero would let the kernel choose an interface, or refuse with EINVAL and no reason.
            raise AddressError(str(self), 0, f"the index of zone {name!r} is not known yet; resolve() finds it")
        return self._address(), self.port, flowinfo, scope_id

    def with_port(self, port: int) -> IPv6Endpoint:
        return ipv6_endpoint(self.packed, checked_port(port), self._scope)

    def with_scope(self, scope_id: int) -> IPv6Endpoint:
        """The same address with the interface index *scope_id* behind its zone; a zone name stays."""
        _check_field("scope id", scope_id, MAX_SCOPE_ID)
        name = self._scope[2] if self._scope else None
        return ipv6_endpoint(self.packed, self.port, (self.flowinfo, scope_id, name))

    def unmapped(self) -> IPv4Endpoint | IPv6Endpoint:
        if self.packed.startswith(_MAPPED):
            return ipv4_endpoint(ipv4_text(self.packed[12:]), self.port)
        return self

    def _key(self) -> tuple[int, bytes, int, str]:
        return 1, self.packed, self.port, self.zone or ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}"

    def __repr__(self) -> str:
        scope = f", flowinfo={self.flowinfo}" if self.flowinfo else ""
        if self.scope_id and self.zone != str(self.scope_id):
            scope += f", scope_id={self.scope_id}"
        return f"IPv6Endpoint({self.host!r}, {self.port}{scope})"

    def __reduce__(self) -> tuple[Any, ...]:
        return IPv6Endpoint, (self.host, self.port, self.flowinfo, self.scope_id)


# Slot descriptors write where __setattr__ refuses; taken once, called without a name look-up.
_set_host = IPv4Endpoint.__dict__["host"].__set__
_set_port4 = IPv4Endpoint.__dict__["port"].__set__
_set_packed = IPv6Endpoint.__dict__["_packed"].__set__
_set_raw = IPv6Endpoint.__dict__["_raw"].__set__
_set_port6 = IPv6Endpoint.__dict__["port"].__set__
_set_scope = IPv6Endpoint.__dict__["_scope"].__set__
_set_text = IPv6Endpoint.__dict__["_text"].__set__


def ipv4_endpoint(host: str, port: int) -> IPv4Endpoint:
    """Build from parts that are known to be right."""
    endpoint = _new(IPv4Endpoint)
    _set_host(endpoint, host)
    _set_port4(endpoint, port)
    return endpoint


def ipv6_endpoint(packed: bytes, port: int, scope: tuple[int, int, str | None] | None = None) -> IPv6Endpoint:
    """Build from parts that are known to be right."""
    endpoint = _new(IPv6Endpoint)
    _set_packed(endpoint, packed)
    _set_port6(endpoint, port)
    _set_scope(endpoint, scope)
    return endpoint


def canonical_endpoint(packed: bytes, port: int, text: str) -> IPv6Endpoint:
    """``ipv6_endpoint`` of an address whose canonical text is at hand."""
    endpoint = ipv6_endpoint(packed, port)
    _set_text(endpoint, text)
    return endpoint


def loopback_endpoints(port: int) -> list[Endpoint]:
    """``::1`` and 127.0.0.1: what ``localhost`` means whatever the hosts file says (RFC 6761 section 6.3)."""
    return [canonical_endpoint(_LOOPBACK6, port, "::1"), ipv4_endpoint("127.0.0.1", port)]


#: The one endpoint of all Unix peers that never bound, which are nearly all; put here when endpoint_unix is loaded,
#: because an import statement would be a tenth of an accept.
_unnamed: list[Endpoint] = []


def from_peer(family: int, sockaddr: Any) -> Endpoint:
    """The peer that ``accept`` returned, unmapped: ``::ffff:192.0.2.1`` is an IPv4 client.

    This runs once per connection and most programs never look, so the kernel's own text is kept and read when asked.
    """
    if family == AF_INET6:
        host, port, flowinfo, scope_id = sockaddr
        if "." in host and host.startswith("::ffff:"):
            host = host[7:]
        elif "%" not in host:
            endpoint = _new(IPv6Endpoint)
            _set_raw(endpoint, host)
            _set_port6(endpoint, port)
            _set_scope(endpoint, (flowinfo, scope_id, None) if flowinfo or scope_id else None)
            return endpoint
    elif family == AF_INET:
        host, port = sockaddr
    elif family == AF_UNIX and not sockaddr and _unnamed:
        return _unnamed[0]
    else:
        return Endpoint.from_sockaddr(family, sockaddr)
    if ":" in host:  # a zone in the text: another Python than CPython
        return Endpoint.from_sockaddr(family, sockaddr)
    peer = _new(IPv4Endpoint)
    _set_host(peer, host)
    _set_port4(peer, port)
    return peer


def _check_field(what: str, value: int, limit: int) -> None:
    if not 0 <= value <= limit:
        raise AddressError(str(value), 0, f"{what} outside 0 to {limit}")


def checked_port(port: int, kinds: str = "an int") -> int:
    """*port* as a plain int, from whatever is one (an IntEnum, a number of numpy); AddressError out of range."""
    if type(port) is not int:
        if isinstance(port, bool) or not hasattr(port, "__index__"):  # bool is an int to isinstance; True is no port
            raise TypeError(f"a port is {kinds}, not {type(port).__name__}")
        port = port.__index__()
    if not 0 <= port <= 65535:
        raise AddressError(str(port), 0, "port outside 0 to 65535")
    return port


def read_zone(text: str, zone: str, offset: int, packed: bytes) -> str:
    name = check_zone(text, zone, offset)
    if not needs_zone(packed):
        raise AddressError(text, offset - 1, "only link-local addresses have a zone")
    return name
