"""From what a caller wrote to endpoints, as far as that goes without asking anybody: and what is left to ask.

Literals, ``localhost`` (RFC 6761 section 6.3), wildcards, interfaces and names of the hosts file are answered here.
What remains is a ``Question``: an ASCII name for the resolver. Everything that can be refused is refused before any
system call: NUL, port ranges, label lengths, addresses in disguise.
"""

from __future__ import annotations

# EAI codes differ in sign and value between systems; _socket has those of this one.
from _socket import AF_INET, AF_INET6, EAI_AGAIN, EAI_FAIL, EAI_NONAME, EAI_SERVICE, SOCK_DGRAM, SOCK_STREAM, gaierror

from ..core.address import from_host
from ..core.endpoint import AF_UNIX, Endpoint, IPEndpoint, IPv4Endpoint, IPv6Endpoint, loopback_endpoints
from ..errors import AddressError, ResolveError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.address import Address
    from ..doors import Doors
    from .lookup import Lookup
    from .resolve import Host

__all__ = (
    "Question",
    "answer_of",
    "failure_of",
    "located",
    "of_interface",
    "prepare",
    "service_port",
    "timed_out",
)

_LINK_LOCAL = b"\xfe\x80\0\0\0\0\0\0"  # fe80::/64, the one link-local subnet in use (RFC 4291 2.5.6)


class Question:
    """What is known about the caller's host: ``endpoints``, or a ``name`` to ask the resolver for in ``families``.

    With both, the endpoints are those of the name in the hosts file, and not in order yet.
    """

    __slots__ = ("endpoints", "families", "host", "name", "port", "unix_type")

    def __init__(
        self,
        host: str | None,
        port: int,
        endpoints: list[Endpoint] | None = None,
        name: str = "",
        families: Sequence[int] = (),
    ) -> None:
        self.host: str | None = host  # as the caller wrote it, for messages
        self.port: int = port
        self.endpoints: list[Endpoint] | None = endpoints
        self.name: str = name
        self.families: Sequence[int] = families
        self.unix_type: int = SOCK_STREAM


def prepare(door: Doors, host: Host, port: int | str | None, family: int | None, type: int, passive: bool) -> Question:
    """Read the arguments of ``resolve`` or ``connect`` and answer what needs no resolver.

    Raises AddressError for what is no address, ResolveError for what cannot have one here.
    """
    address = from_host(host, port)
    if family not in (None, AF_INET, AF_INET6, AF_UNIX):
        raise ValueError(f"family must be AF_INET, AF_INET6, AF_UNIX or None, not {family!r}")
    kind = address.kind
    if kind == "unix":
        question = Question(None, 0, [_require_family(address, address.endpoint, family)])
        if address.transport == "seqpacket":
            from ..core.endpoint_unix import SOCK_SEQPACKET

            question.unix_type = SOCK_SEQPACKET
        return question
    if kind in ("fd", "systemd", "launchd"):
        raise AddressError(str(address), 0, "names an open socket, which has no address to resolve")
    if address.transport and type in (SOCK_STREAM, SOCK_DGRAM) and (type == SOCK_DGRAM) != (address.transport == "udp"):
        raise AddressError(str(address), 0, f"asks for {address.transport.upper()} where the other is meant")
    if address.family is not None:
        if family not in (None, address.family):
            raise ResolveError(EAI_NONAME, f"{address} is not of the family asked for", address.host, address.port)
        family = address.family
    number = address.port if isinstance(address.port, int) else service_port(door, address, type)
    if kind == "wildcard":
        texts = ("::", "0.0.0.0") if passive else ("::1", "127.0.0.1")
        return Question("", number, _of_family(texts, number, family))
    if kind == "interface":
        from .resolve import in_order  # late: it is resolve that reads its arguments here

        return Question(str(address), number, in_order(door, of_interface(address.name or "", number, family)))
    name = address.host or ""
    if address.endpoint is not None or ":" in name or _is_ipv4(name):
        literal = address.endpoint or _endpoint(name, number)
        return Question(name, number, [located(door, _require_family(address, literal, family))])
    return _named(door, name, number, family)


def _named(door: Doors, name: str, port: int, family: int | None) -> Question:
    families = (AF_INET6, AF_INET) if family is None else (family,)
    if AF_UNIX in families:
        raise ResolveError(EAI_NONAME, f"{name!r} is a host name, not a Unix path", name, port)
    bare = name.lower().rstrip(".")
    if bare == "localhost" or bare.endswith(".localhost"):
        known = [endpoint for endpoint in loopback_endpoints(port) if family in (None, endpoint.family)]
        return Question(name, port, known)
    ascii_name = name if name.isascii() else _to_ascii(name, port)
    from .etc import hosts_addresses

    texts = hosts_addresses(door, ascii_name)
    if texts:
        known = [located(door, endpoint) for endpoint in _of_family(texts, port, family)]
        if known:
            return Question(name, port, known, ascii_name)
    return Question(name, port, None, ascii_name, families)


def answer_of(lookup: Lookup, port: int) -> list[Endpoint]:
    """The endpoints of an answered look-up; IPv4-mapped answers come unmapped. Empty when it failed."""
    return [
        Endpoint.from_sockaddr(family, (sockaddr[0].partition("%")[0], port, *sockaddr[2:])).unmapped()
        for family, _, _, _, sockaddr in lookup.rows or ()
        if family in (AF_INET, AF_INET6)
    ]


def failure_of(question: Question, lookups: Sequence[Lookup]) -> ResolveError:
    """Turn the failures of all look-ups of a name into one error: the one that says most about what to do."""
    host, port = question.host, question.port
    errors = [lookup.error for lookup in lookups if lookup.error is not None]
    for error in errors:
        if not isinstance(error, (OSError, UnicodeError)):
            raise error  # KeyboardInterrupt, MemoryError: not about the name
    # "No such name" is only true when every family says so; any other failure may be over soon.
    errors.sort(key=lambda error: isinstance(error, gaierror) and error.errno == EAI_NONAME)
    if not errors:
        return ResolveError(EAI_NONAME, f"{host!r} has no address of the family asked for", host, port)
    cause = errors[0]
    code = cause.errno if isinstance(cause, gaierror) and cause.errno else EAI_FAIL
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    failure = ResolveError(code, f"{host!r} does not resolve: {said}", host, port)
    failure.__cause__ = cause
    return failure


def timed_out(question: Question, timeout: float, busy: int) -> ResolveError:
    """The error for a resolver that did not answer in time."""
    text = f"{question.host!r} does not resolve: no answer within {timeout:g} s"
    if busy:
        text += f" ({busy} look-ups wait for a thread: others hang)"
    return ResolveError(EAI_AGAIN, text, question.host, question.port)


# ---------------------------------------------------------------------- parts


def _is_ipv4(name: str) -> bool:
    return name[-1:].isdigit() and name.count(".") == 3 and name.replace(".", "").isdecimal()


def _endpoint(text: str, port: int) -> IPEndpoint:
    return IPv6Endpoint(text, port) if ":" in text else IPv4Endpoint(text, port)


def _of_family(texts: Sequence[str], port: int, family: int | None) -> list[Endpoint]:
    endpoints = [_endpoint(text, port) for text in texts]
    return [endpoint for endpoint in endpoints if family in (None, endpoint.family)]


def _require_family(address: Address, endpoint: Endpoint | None, family: int | None) -> Endpoint:
    if endpoint is None or family not in (None, endpoint.family):
        raise ResolveError(EAI_NONAME, f"{address} is not of the family asked for", address.host, address.port)
    return endpoint


def service_port(door: Doors, address: Address, type: int) -> int:
    """The port of the service that *address* names; ResolveError when there is none of that name."""
    from ..core.services import PORTS

    name = str(address.port)
    known = PORTS.get(name)
    if known is not None:
        return known
    protocol = "udp" if type == SOCK_DGRAM else "tcp"
    try:
        return door.getservbyname(name, protocol)
    except OSError as error:  # "service/proto not found", without an errno
        raise ResolveError(
            EAI_SERVICE, f"no {protocol} service is named {name!r} (/etc/services)", address.host, name
        ) from error


def located(door: Doors, endpoint: Endpoint) -> Endpoint:
    """Supply the interface index behind a zone name; refuse a link-local address that names no interface."""
    if not isinstance(endpoint, IPv6Endpoint):
        return endpoint
    zone = endpoint.zone
    if zone is None:
        if endpoint.packed.startswith(_LINK_LOCAL):
            # The kernel answers EINVAL, or picks any interface (Windows): neither is what was meant.
            raise AddressError(
                endpoint.host, len(endpoint.host), f"a link-local address needs a zone{_zones(endpoint)}"
            )
        return endpoint
    if endpoint.scope_id:
        return endpoint
    try:
        return endpoint.with_scope(door.if_nametoindex(zone))
    except OSError as error:
        raise ResolveError(
            EAI_NONAME, f"no interface is named {zone!r}, the zone of {endpoint.host}", endpoint.host, endpoint.port
        ) from error


def _zones(endpoint: IPv6Endpoint) -> str:
    """Name the interfaces that have a link-local address, as a suggestion."""
    from .interfaces import interfaces

    try:
        names = [
            nic.name
            for nic in interfaces()
            if not nic.is_loopback and any(":" in a.host and a.endpoint(0).is_link_local for a in nic.addresses)
        ]
    except OSError:
        names = []
    return f", such as {' or '.join(f'{endpoint.host}%{name}' for name in names)}" if names else ""


def of_interface(name: str, port: int, family: int | None) -> list[Endpoint]:
    from .interfaces import interfaces

    nics = interfaces()
    nic = nics.get(name) if not name.isdecimal() else next((n for n in nics if n.index == int(name)), None)
    if nic is None:
        raise ResolveError(EAI_NONAME, f"no interface is named {name!r}", f"%{name}", port)
    found: list[Endpoint] = [
        address.endpoint(port) for address in nic.addresses if not (address.is_tentative or address.is_duplicated)
    ]
    found = [endpoint for endpoint in found if family in (None, endpoint.family)]
    if not found:
        raise ResolveError(EAI_NONAME, f"interface {name!r} has no usable address", f"%{name}", port)
    return found


def _to_ascii(name: str, port: int) -> str:
    """Encode an international name by IDNA 2008, or refuse it with the reason; never by the IDNA 2003 of the stdlib."""
    try:
        import idna
    except ImportError:
        raise ResolveError(
            EAI_NONAME,
            f"{name!r} is not ASCII: install the package 'idna', or write the name in its xn-- form",
            name,
            port,
        ) from None
    try:
        encoded: str = idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError as error:  # idna.IDNAError is one
        raise ResolveError(EAI_NONAME, f"{name!r} is not a name by IDNA 2008: {error}", name, port) from error
    # The mapping may have made an address or something longer out of it: read it again as what it has become.
    read = from_host(encoded, port)
    if read.kind != "host" or read.endpoint is not None:
        raise ResolveError(EAI_NONAME, f"{name!r} is an address in disguise ({encoded})", name, port)
    return encoded
