"""resolve: from a host and a port to the endpoints to use, in the order to use them.

Literals, ``localhost``, wildcards, interfaces and names in the hosts file never reach the resolver. For everything
else IPv6 and IPv4 are asked apart, in daemon threads (lookup.py), so that one slow answer does not hold up the other
and a hung resolver holds up nobody past the timeout. The order is that of RFC 6724 over both answers (core/order.py).
"""

from __future__ import annotations

from _socket import AF_INET6, SOCK_DGRAM, SOCK_STREAM

from .. import doors, platforms
from ..core.delays import check_timeout
from ..core.endpoint import Endpoint, IPEndpoint
from ..core.order import rank, unique
from .etc import policy
from .names import Question, answer_of, failure_of, prepare, timed_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from ..core.address import Address
    from ..doors import Doors
    from .lookup import Lookup
    from .mailbox import Mailbox

    Host = str | os.PathLike[str] | os.PathLike[bytes] | Address | Endpoint | None

__all__ = ("resolve",)

_LOOPBACK6 = b"\0" * 15 + b"\1"
_DISCARD = 9  # any port: a UDP connect sends nothing, and macOS refuses port 0


def resolve(
    host: Host,
    port: int | str | None = None,
    *,
    family: int | None = None,
    type: int = SOCK_STREAM,
    passive: bool = False,
    timeout: float | None = None,
) -> list[Endpoint]:
    """Find the endpoints of a host, best first, without duplicates; never an empty list.

    *host* is a name, a literal, ``"*"``, ``"%eth0"``, an Address or an Endpoint, or carries its port itself
    (``"[::1]:80"``) when *port* is None; *port* may be a service name. *passive* makes ``"*"`` the addresses to bind
    to instead of those of loopback. *timeout* in seconds covers everything; without one the system decides, which can
    be half a minute. What comes back may be stale a moment later: resolve when you need it, and do not check one
    answer and connect to another (``connect(allow=)`` does both with one answer).

    Raises AddressError (a ValueError) for what cannot be an address, ResolveError (a ``socket.gaierror``) for a name
    without addresses or a resolver without an answer, ValueError for a negative *timeout*. A family whose look-up
    fails is left out when the other has addresses.
    """
    door = doors.current
    timeout = check_timeout(timeout)
    question = prepare(door, host, port, family, type, passive)
    if question.endpoints is not None:
        return in_order(door, question.endpoints) if question.name else question.endpoints
    return in_order(door, _ask(door, question, timeout))


def in_order(door: Doors, endpoints: list[Endpoint]) -> list[Endpoint]:
    if len(endpoints) < 2:
        return endpoints
    return preferred(door, unique(endpoints), sources(door))


def preferred(door: Doors, endpoints: list[Endpoint], source_of: Callable[[Endpoint], bytes | None]) -> list[Endpoint]:
    """Sort over both families: as the system does where it can be asked (Windows), else by RFC 6724 with its policy."""
    return _as_the_system(door, endpoints) or rank(endpoints, source_of, policy(door))


def _as_the_system(door: Doors, endpoints: list[Endpoint]) -> list[Endpoint]:
    platform = platforms.current
    if not platform.sorts_destinations or not all(isinstance(endpoint, IPEndpoint) for endpoint in endpoints):
        return []
    addresses = [
        (mapped.packed, mapped.scope_id)
        for mapped in (endpoint.mapped() for endpoint in endpoints)
        if isinstance(mapped, IPEndpoint)
    ]
    try:
        sock = door.socket(AF_INET6, SOCK_DGRAM)
    except OSError:  # no IPv6 here: nothing to choose between families
        return []
    with sock:
        order = platform.sort_destinations(sock, addresses)
    # What the system leaves out it cannot reach now; it stays, as the last resort.
    return [endpoints[index] for index in order] + [
        endpoint for index, endpoint in enumerate(endpoints) if order and index not in order
    ]


def sources(door: Doors) -> Callable[[Endpoint], bytes | None]:
    """A function that tells the source address this host would use for a destination, and remembers it.

    A UDP socket that is connected has its source chosen by the kernel; nothing is sent (RFC 6724 section 2).
    """
    known: dict[Endpoint, bytes | None] = {}

    def source_of(endpoint: Endpoint) -> bytes | None:
        if endpoint not in known:
            known[endpoint] = _source(door, endpoint)
        return known[endpoint]

    return source_of


def _source(door: Doors, endpoint: Endpoint) -> bytes | None:
    if not isinstance(endpoint, IPEndpoint):
        return None
    packed = endpoint.packed
    if (packed[0] == 127 and len(packed) == 4) or packed == _LOOPBACK6:
        return packed  # not worth two system calls: where there is none, trying it fails at once
    try:
        sock = door.socket(endpoint.family, SOCK_DGRAM)
    except OSError:  # this host does not have the family
        return None
    try:
        sock.connect((endpoint if endpoint.port else endpoint.with_port(_DISCARD)).sockaddr)
        local = Endpoint.local(sock)
    except OSError:  # no route, or forbidden by policy
        return None
    finally:
        sock.close()
    return local.packed if isinstance(local, IPEndpoint) else None


class Answers:
    """The look-ups of one question under way; ``report`` is called in resolver threads with each that is answered."""

    def __init__(self, question: Question, report: Callable[[Lookup], None]) -> None:
        from .lookup import pool

        self._pool = pool()
        self._question = question
        self._report = report
        self.lookups: list[Lookup] = []

    def ask(self) -> None:
        """Ask for each family; on any exception nothing is left asked for."""
        try:
            for family in self._question.families:
                self.lookups.append(self._pool.ask(self._question.name, family, self._report))
        except BaseException:
            self.forget()
            raise

    @property
    def busy(self) -> int:
        """How many questions wait for a thread because all have one that hangs."""
        from .lookup import LIMIT

        return self._pool.waiting if self._pool.threads >= LIMIT else 0

    def forget(self) -> None:
        """Wait for none of them any more."""
        for lookup in self.lookups:
            self._pool.forget(lookup, self._report)


def _ask(door: Doors, question: Question, timeout: float | None) -> list[Endpoint]:
    from .mailbox import Mailbox

    deadline = None if timeout is None else door.monotonic() + timeout
    box = Mailbox(door)
    answers = Answers(question, box.put)
    try:
        answers.ask()
        done = _collect(box, len(question.families), door, deadline)
    finally:
        answers.forget()
    late = len(done) < len(question.families)
    return found(question, done, timed_out(question, timeout or 0.0, answers.busy) if late else None)


def _collect(box: Mailbox, wanted: int, door: Doors, deadline: float | None) -> list[Lookup]:
    """The answers that are there by the deadline."""
    done: list[Lookup] = []
    while len(done) < wanted:
        lookup = box.get()
        if lookup is not None:
            done.append(lookup)
            continue
        left = None if deadline is None else deadline - door.monotonic()
        if left is not None and left <= 0:
            break
        box.wait(left)
    return done


def found(question: Question, done: Sequence[Lookup], late: Exception | None) -> list[Endpoint]:
    """The endpoints of the answered look-ups, IPv6 first, or the error that says why there are none."""
    endpoints = [
        endpoint
        for family in question.families
        for lookup in done
        if lookup.family == family
        for endpoint in answer_of(lookup, question.port)
    ]
    if endpoints:
        return endpoints
    if late is not None:
        raise late
    raise failure_of(question, done)
