"""What this host can do with sockets, found out by doing it.

**Problem.** Code must decide: one socket for both families or two, IPv6 at all, a Unix socket or loopback.

**Naive way.** ``socket.has_ipv6``, ``socket.has_dualstack_ipv6()``, ``hasattr(socket, "AF_UNIX")``, version tables.

**What breaks.** ``has_ipv6`` says how Python was compiled. With ``net.ipv6.conf.all.disable_ipv6=1`` it is True,
``has_dualstack_ipv6()`` is True, ``bind("::")`` works, and only binding ``::1`` says no. A kernel started with
``ipv6.disable=1`` refuses to create the socket. OpenBSD refuses IPV6_V6ONLY=0; others accept it without effect.

**Our rule.** Each capability is one small act through the doors, undone at once; ``how`` says what was done and what
the system answered. For both families on one socket the act is binding ``::ffff:127.0.0.1``: it fails where the
option was accepted in words only. Answers are kept per process and network namespace, because both change them. A
shortage (EMFILE, ENOBUFS) is no answer about the host: it is raised, not kept.

**Left out.** No packet leaves the host: whether a route leads anywhere is for ``connect`` to find out.
"""

from __future__ import annotations

import socket
from errno import EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM, errorcode

from .. import doors as _doors
from .. import platforms as _platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..doors import Doors

__all__ = ("Capabilities", "Capability", "capabilities", "probe")

_SHORTAGES = frozenset({EMFILE, ENFILE, ENOBUFS, ENOMEM})
_STREAM, _DGRAM, _SEQPACKET = 1, 2, 5  # the same numbers on every system; SOCK_SEQPACKET is not always named


class Capability:
    """One thing this host can or cannot do; true in a condition when it can.

    ``name`` as in ``Capabilities``, ``available``, and ``how`` it was found out: what was done, what the system said.
    """

    __slots__ = ("available", "how", "name")

    name: str
    available: bool
    how: str

    def __init__(self, name: str, available: bool, how: str) -> None:
        for slot, value in (("name", name), ("available", available), ("how", how)):
            object.__setattr__(self, slot, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a capability is immutable; {name!r} cannot be set")

    def __bool__(self) -> bool:
        return self.available

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Capability) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Capability({self.name!r}, {self.available}, {self.how!r})"

    def __reduce__(self) -> tuple[type[Capability], tuple[str, bool, str]]:
        return Capability, self._key()

    def _key(self) -> tuple[str, bool, str]:
        return self.name, self.available, self.how


class Capabilities:
    """What this host can do: one ``Capability`` per attribute, all of them in order by iterating."""

    __slots__ = ("_all",)

    _all: tuple[Capability, ...]

    def __init__(self, all: tuple[Capability, ...]) -> None:
        object.__setattr__(self, "_all", all)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"capabilities are immutable; {name!r} cannot be set")

    def __iter__(self) -> Iterator[Capability]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        return self._all == other._all if isinstance(other, Capabilities) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._all)

    def __repr__(self) -> str:
        return f"<Capabilities {' '.join(c.name if c else '-' + c.name for c in self._all)}>"

    def __reduce__(self) -> tuple[type[Capabilities], tuple[tuple[Capability, ...]]]:
        return Capabilities, (self._all,)

    def _get(self, name: str) -> Capability:
        return next(capability for capability in self._all if capability.name == name)

    @property
    def ipv4(self) -> Capability:
        """IPv4 sockets exist and bind the wildcard address."""
        return self._get("ipv4")

    @property
    def ipv4_loopback(self) -> Capability:
        """127.0.0.1 is there and reachable; false on a host with IPv6 only, or with the loopback interface down."""
        return self._get("ipv4_loopback")

    @property
    def ipv6(self) -> Capability:
        """IPv6 sockets exist and bind the wildcard address; this stays true when a sysctl disabled IPv6."""
        return self._get("ipv6")

    @property
    def ipv6_loopback(self) -> Capability:
        """::1 is there and reachable; false where IPv6 is disabled by a sysctl, which nothing else shows."""
        return self._get("ipv6_loopback")

    @property
    def dual_stack(self) -> Capability:
        """One IPv6 socket serves IPv4 clients too; false on OpenBSD, where two sockets stand in."""
        return self._get("dual_stack")

    @property
    def unix_stream(self) -> Capability:
        """Unix stream sockets."""
        return self._get("unix_stream")

    @property
    def unix_datagram(self) -> Capability:
        """Unix datagram sockets; not on Windows."""
        return self._get("unix_datagram")

    @property
    def unix_seqpacket(self) -> Capability:
        """Unix sockets that keep message boundaries on a connection; not on macOS and Windows."""
        return self._get("unix_seqpacket")

    @property
    def unix_abstract(self) -> Capability:
        """Unix addresses without a file, ``unix:@name``; Linux only."""
        return self._get("unix_abstract")

    @property
    def reuse_port(self) -> Capability:
        """Several listeners of one user may share a port (SO_REUSEPORT); not on Windows."""
        return self._get("reuse_port")

    @property
    def ipv4_packet_info(self) -> Capability:
        """An IPv4 datagram can say which local address it was sent to (IP_PKTINFO, on the BSDs IP_RECVDSTADDR)."""
        return self._get("ipv4_packet_info")

    @property
    def ipv6_packet_info(self) -> Capability:
        """An IPv6 datagram can say which local address it was sent to (IPV6_RECVPKTINFO, RFC 3542)."""
        return self._get("ipv6_packet_info")

    @property
    def source_selection(self) -> Capability:
        """One datagram socket answers from each address it is asked on; where false, one socket per address does."""
        return self._get("source_selection")


def capabilities(*, refresh: bool = False) -> Capabilities:
    """Say what this host can do and how that was found out; nothing is assumed from a version or a name.

    The answer is kept for this process and network namespace; *refresh* asks the system again, which a long-running
    program wants after an administrator changed a sysctl. About 20 system calls the first time, two afterwards.

    Raises OSError only for a shortage (descriptors, memory), which says nothing about the host.
    """
    if refresh:
        _forget()
    return Capabilities(tuple(probe(name) for name in _PROBES))


def probe(name: str) -> Capability:
    """Find out one capability by its name, or take it from what is known already."""
    doors = _doors.current
    known = _known(doors)
    capability = known.get(name)
    if capability is None:
        available, how = _PROBES[name](doors)
        capability = known[name] = Capability(name, available, how)
    return capability


# ---------------------------------------------------------------------- what is known already

# One entry: (world, process, namespace) and what was found out there. Replaced as a whole, so threads see either
# the old pair or the new one; two threads that probe the same thing at once find the same.
_cache: tuple[tuple[Doors, int, int], dict[str, Capability]] | None = None


def _known(doors: Doors) -> dict[str, Capability]:
    global _cache  # noqa: PLW0603 - the cache is this module's one state
    key = (doors, doors.getpid(), _platforms.current.network_namespace())
    cache = _cache
    if cache is None or cache[0] != key:
        cache = _cache = (key, {})
    return cache[1]


def _forget() -> None:
    global _cache  # noqa: PLW0603 - see _known
    _cache = None


# ---------------------------------------------------------------------- the probes


def _said(error: OSError) -> str:
    """What the system said: ``EADDRNOTAVAIL (Cannot assign requested address)``."""
    if error.errno in _SHORTAGES:
        raise error
    code = errorcode.get(error.errno or 0)
    text = error.strerror or str(error)
    return f"{code} ({text})" if code else text


def _bind(doors: Doors, family: int, host: str, v6only: int | None = None) -> OSError | None:
    """Bind *host* for a moment; return what went wrong."""
    try:
        with doors.socket(family, _STREAM) as sock:
            if v6only is not None:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
                if bool(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)) != bool(v6only):
                    return OSError(0, "IPV6_V6ONLY did not change when it was set")
            sock.bind((host, 0))
    except OSError as error:
        return error
    return None


def _binds(family: int, host: str, v6only: int | None = None) -> Callable[[Doors], tuple[bool, str]]:
    def run(doors: Doors) -> tuple[bool, str]:
        error = _bind(doors, family, host, v6only)
        return (True, f"bound {host}") if error is None else (False, f"binding {host}: {_said(error)}")

    return run


def _loopback(family: int, host: str) -> Callable[[Doors], tuple[bool, str]]:
    def run(doors: Doors) -> tuple[bool, str]:
        act = f"binding {host}"
        try:
            with doors.socket(family, _DGRAM) as sock:
                sock.bind((host, 0))
                # Linux binds 127.0.0.1 with the loopback interface down; only a route to it tells. A datagram socket
                # looks for the route without sending anything.
                act = f"connecting a datagram socket to {host}"
                sock.connect(sock.getsockname())
        except OSError as error:
            return False, f"{act}: {_said(error)}"
        return True, f"bound {host} and connected to it"

    return run


def _dual_stack(doors: Doors) -> tuple[bool, str]:
    mapped = "::ffff:127.0.0.1"
    error = _bind(doors, socket.AF_INET6, mapped, 0)
    if error is None:
        return True, f"bound {mapped} with IPV6_V6ONLY off"
    if error.errno == EADDRNOTAVAIL and not probe("ipv4_loopback"):
        # No 127.0.0.1 to map: the wildcard is the next best witness.
        error = _bind(doors, socket.AF_INET6, "::", 0)
        if error is None:
            return True, "bound :: with IPV6_V6ONLY off (there is no 127.0.0.1 to try)"
        mapped = "::"
    return False, f"binding {mapped} with IPV6_V6ONLY off: {_said(error)}"


def _unix(kind: int, name: str) -> Callable[[Doors], tuple[bool, str]]:
    def run(doors: Doors) -> tuple[bool, str]:
        # Connecting to a directory cannot succeed and changes nothing. A system that knows the family answers with
        # an errno about the path; Python without AF_UNIX says "bad family", which has none.
        try:
            with doors.unix_socket(kind) as sock:
                try:
                    sock.connect("/")
                except OSError as error:
                    if error.errno:
                        return True, f"made an AF_UNIX {name} socket"
                    return False, f"connecting an AF_UNIX {name} socket: {_said(error)}"
                return True, f"made an AF_UNIX {name} socket"
        except OSError as error:
            return False, f"making an AF_UNIX {name} socket: {_said(error)}"

    return run


def _unix_abstract(doors: Doors) -> tuple[bool, str]:
    try:
        with doors.unix_socket(_STREAM) as sock:
            sock.bind("")  # unix(7) autobind: a free abstract name; other systems refuse the empty path
            name = sock.getsockname()
    except OSError as error:
        return False, f"binding without a path: {_said(error)}"
    if isinstance(name, bytes) and name[:1] == b"\0":
        return True, "bound a name that the system chose"
    return False, f"binding without a path gave {name!r}"


def _sets(kind: int, family: int, *names: str) -> Callable[[Doors], tuple[bool, str]]:
    """Set the first of the options *names* that the system has."""

    def run(doors: Doors) -> tuple[bool, str]:
        constants = _platforms.current.constants
        name = next((one for one in names if one in constants), None)
        if name is None:
            return False, f"this system has no {names[0]}"
        level = "IPPROTO_IPV6" if family == socket.AF_INET6 else "IPPROTO_IP"
        try:
            with doors.socket(family, kind) as sock:
                sock.setsockopt(constants[level], constants[name], 1)
        except OSError as error:
            return False, f"setting {name}: {_said(error)}"
        return True, f"set {name}"

    return run


def _reuse_port(doors: Doors) -> tuple[bool, str]:
    try:
        with doors.socket(socket.AF_INET if probe("ipv4") else socket.AF_INET6, _STREAM) as sock:
            _platforms.current.share_port(sock)
    except OSError as error:
        return False, _said(error)
    return True, "set it on a socket"


def _source_selection(doors: Doors) -> tuple[bool, str]:
    from .source_probe import probe_source

    return probe_source(doors, _platforms.current.udp)


_PROBES: dict[str, Callable[[Doors], tuple[bool, str]]] = {
    "ipv4": _binds(socket.AF_INET, "0.0.0.0"),
    "ipv4_loopback": _loopback(socket.AF_INET, "127.0.0.1"),
    "ipv6": _binds(socket.AF_INET6, "::", 1),
    "ipv6_loopback": _loopback(socket.AF_INET6, "::1"),
    "dual_stack": _dual_stack,
    "unix_stream": _unix(_STREAM, "stream"),
    "unix_datagram": _unix(_DGRAM, "datagram"),
    "unix_seqpacket": _unix(_SEQPACKET, "seqpacket"),
    "unix_abstract": _unix_abstract,
    "reuse_port": _reuse_port,
    "ipv4_packet_info": _sets(_DGRAM, socket.AF_INET, "IP_PKTINFO", "IP_RECVDSTADDR"),
    "ipv6_packet_info": _sets(_DGRAM, socket.AF_INET6, "IPV6_RECVPKTINFO"),
    "source_selection": _source_selection,
}
