"""What to bind, in which order, and what to try next when a bind fails.

Problem: "listen on port 8080" is up to four system calls that may each fail for a dozen reasons, on systems that
disagree. ``::`` includes IPv4 or not by a kernel setting; OpenBSD never includes it; a kernel without IPv6 refuses the
family; ``localhost`` names ``::1`` on hosts that have none; port 0 gives each family another port.

Naive way: getaddrinfo, loop, bind, and whatever happens happens. Two ports for one server, half a server after an
error, IPv6 clients or IPv4 clients refused depending on the machine.

Our rule, as a generator that knows no sockets. It yields commands, is sent the outcome of each, and ends in success or
raises ``PlanFailed`` with every error on the way; the driver in ``net/`` or ``aio/`` carries them out:

* A wildcard that means both families is tried as one dual-stack socket; where the system refuses to switch IPV6_V6ONLY
  off, as two sockets on one port; where it has no IPv6, as IPv4 alone, and the other way round (never when the
  caller insisted on both).
* What the caller wrote as a literal must be bound. What came from a name may be skipped when it is not an address of
  this host (EADDRNOTAVAIL) or of no family of it (EAFNOSUPPORT), if another address of the name is bound.
* ``0.0.0.0`` beside ``::`` on one port makes the second IPv6-only, so that they do not collide; any other address
  that a wildcard of the same port already serves is not bound again.
* Port 0 is chosen by the system once, for the first socket, and the others take it. If one of them finds it busy, all
  are closed and the choice is made again by the next socket in turn. With 5,000 busy ports in one family a fixed first
  chooser collides 37 times in 100; taking turns, 32 rounds fail less than once in 10^13.

Left out: retrying a fixed port that is busy (a supervisor's job), and any choice by version or operating system.
"""

from __future__ import annotations

import errno

from .endpoint import IPEndpoint, IPv4Endpoint, IPv6Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

__all__ = ("Bind", "CloseAll", "Failed", "PlanFailed", "Request", "bind_plan")

PORT_ROUNDS = 32  # how often port 0 is chosen anew; see the head of this file

# The family does not exist here: no module, switched off, or compiled out.
_NO_FAMILY = frozenset(
    getattr(errno, name) for name in ("EAFNOSUPPORT", "EPFNOSUPPORT", "EPROTONOSUPPORT") if hasattr(errno, name)
)


class Request:
    """One thing the caller asked for; make it with ``both`` or ``one``.

    ``alternatives`` are tuples of ``(endpoint, v6only)`` that must all be bound, in order of preference: the next is
    tried when the system cannot do the one before. ``optional`` marks an address that may be skipped when this host
    does not have it, as long as another request of the same ``group`` is bound.
    """

    __slots__ = ("alternatives", "groups", "optional")

    def __init__(
        self,
        alternatives: tuple[tuple[tuple[IPEndpoint, bool], ...], ...],
        *,
        optional: bool = False,
        group: str = "",
    ) -> None:
        self.alternatives: tuple[tuple[tuple[IPEndpoint, bool], ...], ...] = alternatives
        self.optional: bool = optional
        self.groups: frozenset[str] = frozenset((group,)) if group else frozenset()

    @classmethod
    def both(cls, port: int, *, insist: bool = False) -> Request:
        """Ask for IPv6 and IPv4 on every address of this host; *insist* forbids one family alone."""
        six, four = IPv6Endpoint("::", port), IPv4Endpoint("0.0.0.0", port)
        alternatives = (((six, False),), ((six, True), (four, False)))
        return cls(alternatives if insist else (*alternatives, ((four, False),), ((six, True),)))

    @classmethod
    def one(cls, endpoint: IPEndpoint, *, optional: bool = False, group: str = "") -> Request:
        """Ask for one address, IPv6 without IPv4."""
        return cls((((endpoint, isinstance(endpoint, IPv6Endpoint)),),), optional=optional, group=group)

    @property
    def endpoint(self) -> IPEndpoint:
        """The first address of the first choice."""
        return self.alternatives[0][0][0]

    @property
    def wants_both(self) -> bool:
        """Whether this is the wildcard of both families."""
        return len(self.alternatives) > 1

    @property
    def is_written(self) -> bool:
        """Whether the caller wrote this one address himself, so that it must be served."""
        return not self.wants_both and not self.optional

    def serving(self, families: Collection[int]) -> Request:
        """This wildcard without the alternatives that leave one of *families* out."""
        fit = [one for one in self.alternatives if all(_serves(one, family) for family in families)]
        return Request(tuple(fit), optional=self.optional)

    def __repr__(self) -> str:
        return f"Request({self.alternatives!r}, optional={self.optional}, groups={sorted(self.groups)})"

    def merged(self, other: Request) -> Request:
        """One request in place of two for the same address: it must be bound if either must, and serves both."""
        merged = Request(self.alternatives, optional=self.optional and other.optional)
        merged.groups = self.groups | other.groups
        return merged


def _serves(alternative: tuple[tuple[IPEndpoint, bool], ...], family: int) -> bool:
    return any(one.family == family or (not v6only and one.host == "::") for one, v6only in alternative)


class Bind:
    """Create a socket, set IPV6_V6ONLY to *v6only* (IPv6 only), bind it; answer with the port, or with Failed.

    ``order`` is the place of the request among those asked for: binds are carried out in another order for port 0.
    """

    __slots__ = ("endpoint", "order", "v6only")

    def __init__(self, endpoint: IPEndpoint, v6only: bool, order: int) -> None:
        self.endpoint: IPEndpoint = endpoint
        self.v6only: bool = v6only
        self.order: int = order

    def __repr__(self) -> str:
        return f"Bind({self.endpoint}{' v6only' if self.v6only else ''})"


class CloseAll:
    """Close every socket of this plan that is open; answer with 0."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "CloseAll()"


class Failed:
    """The outcome of a Bind that did not work: at which ``stage`` (``"socket"``, ``"v6only"``, ``"bind"``) and why."""

    __slots__ = ("error", "stage")

    def __init__(self, stage: str, error: OSError) -> None:
        self.stage: str = stage
        self.error: OSError = error


class PlanFailed(Exception):
    """The plan cannot be carried out; ``errors`` are all failures in order, ``decisive`` the last word."""

    def __init__(self, errors: Sequence[tuple[IPEndpoint, OSError]], decisive: tuple[IPEndpoint, OSError]) -> None:
        super().__init__(str(decisive[1]))
        self.errors: tuple[tuple[IPEndpoint, OSError], ...] = tuple(errors)
        self.decisive = decisive


def simplify(requests: Sequence[Request]) -> tuple[list[Request], set[str]]:
    """Drop what is asked for twice or already served by a wildcard, and keep two wildcards of one port apart.

    The second answer names the groups of which a wildcard serves a member already.
    """
    served: set[str] = set()
    standing_in: set[IPEndpoint] = set()
    both = {request.endpoint.port for request in requests if request.wants_both}
    single = {request.endpoint for request in requests if not request.wants_both}
    # Families of which the caller wrote an address himself: a wildcard that stands for it must serve that family.
    written = {(request.endpoint.port, request.endpoint.family) for request in requests if request.is_written}
    kept: dict[tuple[IPEndpoint, bool], Request] = {}  # in the order asked for, each once
    for request in requests:
        endpoint = request.endpoint
        port = endpoint.port
        four, six = IPv4Endpoint("0.0.0.0", port), IPv6Endpoint("::", port)
        group = f"every address, port {port}"
        if request.wants_both:
            if four in single:  # it brings IPv4 itself; a host without IPv6 may do with that
                request = Request.one(six, optional=(port, six.family) not in written, group=group)
            else:
                request = request.serving({family for place, family in written if place == port})
        elif endpoint == four:
            if port in both:
                request = Request.one(four, group=group)
        elif endpoint == six:
            if port in both and four not in single:
                continue
        elif port in both or (four if isinstance(endpoint, IPv4Endpoint) else six) in single:
            served |= request.groups
            if port not in both:
                standing_in.add(four if isinstance(endpoint, IPv4Endpoint) else six)
            continue
        key = request.alternatives[0][0]
        kept[key] = kept[key].merged(request) if key in kept else request
    # A name may have a wildcard among its addresses, which could be skipped; not when it stands in for another address.
    return [
        one.merged(Request.one(one.endpoint)) if one.endpoint in standing_in else one for one in kept.values()
    ], served


def bind_plan(requests: Sequence[Request]) -> Generator[Bind | CloseAll, int | Failed, None]:
    """Yield what to do, be sent how it went, return when everything asked for is bound.

    Sent after a ``Bind``: the port that was bound, or ``Failed``. The driver keeps the sockets, in any order; it closes
    them on ``CloseAll`` and whenever the generator raises.
    """
    requests, served = simplify(requests)
    chosen = [0] * len(requests)  # which alternative of each request is tried
    errors: list[tuple[IPEndpoint, OSError]] = []
    rounds = 0
    while True:
        first = rounds % max(1, _floating(requests, chosen))
        clash = yield from _round(requests, chosen, errors, served, first)
        if clash is None:
            return
        yield CloseAll()
        if clash[1].errno == errno.EADDRINUSE and clash[0].port == 0:
            rounds += 1
            if rounds >= PORT_ROUNDS:
                raise PlanFailed(errors, clash)
        # Otherwise an alternative was given up, which happens at most twice per request: begin again without it.


def _floating(requests: Sequence[Request], chosen: Sequence[int]) -> int:
    """How many binds take part in choosing port 0."""
    return sum(
        endpoint.port == 0
        for request, index in zip(requests, chosen, strict=True)
        for endpoint, _ in request.alternatives[index]
    )


def _round(
    requests: Sequence[Request],
    chosen: list[int],
    errors: list[tuple[IPEndpoint, OSError]],
    served: set[str],
    first: int,
) -> Generator[Bind | CloseAll, int | Failed, tuple[IPEndpoint, OSError] | None]:
    """Bind everything once; None when all is bound, else the failure after which to begin again."""
    binds = [
        (number, endpoint, v6only)
        for number, (request, index) in enumerate(zip(requests, chosen, strict=True))
        for endpoint, v6only in request.alternatives[index]
    ]
    floating = [bind for bind in binds if bind[1].port == 0]
    fixed = [bind for bind in binds if bind[1].port != 0]
    port = 0
    bound = set(served)
    skipped: list[tuple[frozenset[str], IPEndpoint, OSError]] = []
    # Fixed ports first, or the system might choose one of them for port 0.
    for number, endpoint, v6only in fixed + floating[first:] + floating[:first]:
        request = requests[number]
        target = endpoint.with_port(port) if endpoint.port == 0 and port else endpoint
        outcome = yield Bind(target, v6only, number)
        if not isinstance(outcome, Failed):
            if endpoint.port == 0:
                port = outcome
            bound |= request.groups
            continue
        error = outcome.error
        errors.append((target, error))
        if endpoint.port == 0 and port and error.errno == errno.EADDRINUSE:
            return endpoint, error
        missing = error.errno in _NO_FAMILY or outcome.stage == "v6only" or error.errno == errno.EADDRNOTAVAIL
        if missing and chosen[number] + 1 < len(request.alternatives):
            # A kernel that cannot mix families goes to two sockets; one that has no IPv6 fails again there, at once.
            chosen[number] += 1
            return endpoint, error
        if request.optional and (error.errno in _NO_FAMILY or error.errno == errno.EADDRNOTAVAIL):
            skipped.append((request.groups, target, error))
            continue
        raise PlanFailed(errors, (target, error))
    for groups, endpoint, error in skipped:
        if not groups <= bound:
            raise PlanFailed(errors, (endpoint, error))
    return None
