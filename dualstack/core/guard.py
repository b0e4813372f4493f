"""Guards: which endpoints may be connected to, decided when the address is known and before its socket exists.

Problem. A server that fetches URLs for others must not fetch ``http://169.254.169.254/`` or ``http://localhost/``. The
naive way resolves the name, looks at the addresses, and lets the client resolve again; the second answer is another
one (DNS rebinding). Another naive way compares text, and ``::ffff:127.0.0.1``, ``64:ff9b::a9fe:a9fe`` or ``0.0.0.0``
slip through.

Our rule. ``connect(allow=...)`` asks the guard about each endpoint right before its socket is made, with the one answer
it then connects to, and asks again about the peer the connected socket names. A guard is a function of an Endpoint, or
a collection of networks that are allowed. ``public_only`` looks through every form that carries an IPv4 address
(core/special.py). What is refused is reported as an attempt that was never made.
"""

from __future__ import annotations

from .endpoint import Endpoint, IPEndpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ipaddress import IPv4Network, IPv6Network
    from typing import Any

    Guard = Callable[[Endpoint], bool]
    Allow = Guard | Iterable[str | IPv4Network | IPv6Network]

__all__ = ("anyone", "guard_from", "permits", "public_only")

_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE; that module is dear to import
_NOT_ASYNC = "allow takes a function that answers at once, not an async one"


def public_only(endpoint: Endpoint) -> bool:
    """Allow only addresses that are globally reachable unicast: the ready-made guard against SSRF.

    Refuses loopback, private, shared, link-local, unspecified, multicast, documentation and reserved addresses, Unix
    paths, and every IPv6 address that carries such an IPv4 address (mapped, NAT64, 6to4, Teredo, ISATAP).
    """
    return isinstance(endpoint, IPEndpoint) and endpoint.is_global


def anyone(peer: object) -> bool:
    """Allow everybody: ``open_listener("unix:@name", allow=dualstack.anyone)`` lets other users in, too."""
    return True


def permits(guard: Callable[[Any], object], who: object) -> bool:
    """Ask a guard. TypeError for one that answers with something to await: that is true, and would let everybody in."""
    answer = guard(who)
    if hasattr(answer, "__await__"):
        close = getattr(answer, "close", None)
        if close is not None:
            close()  # or it warns that it was never awaited
        raise TypeError(_NOT_ASYNC)
    return bool(answer)


def guard_from(allow: Allow | None) -> Guard | None:
    """Make a guard of what ``allow=`` takes: a function, or networks such as ``["192.0.2.0/24", "2001:db8::/32"]``."""
    if allow is None:
        return None
    if callable(allow):
        if getattr(getattr(allow, "__code__", None), "co_flags", 0) & _CO_COROUTINE:
            raise TypeError(_NOT_ASYNC)
        return allow
    from ipaddress import IPv4Network, IPv6Network, ip_network

    # One network is a collection too, of its addresses.
    if isinstance(allow, (str, bytes, IPv4Network, IPv6Network)) or not hasattr(allow, "__iter__"):
        raise TypeError(f"allow takes a function or a collection of networks, not {allow!r}; write [network]")
    rows: list[tuple[int, int, int]] = []
    for item in allow:
        network = ip_network(item)  # strict: "10.0.0.1/8" is a slip, and ValueError says so
        bits = network.max_prefixlen
        rows.append((bits, bits - network.prefixlen, int(network.network_address) >> (bits - network.prefixlen)))

    def allowed(endpoint: Endpoint) -> bool:
        endpoint = endpoint.unmapped()  # ::ffff:10.0.0.8 is 10.0.0.8 on the wire
        if not isinstance(endpoint, IPEndpoint):
            return False
        packed = endpoint.packed
        number, bits = int.from_bytes(packed, "big"), 8 * len(packed)
        return any(bits == width and number >> shift == prefix for width, shift, prefix in rows)

    return allowed
