"""In which order to try addresses: RFC 6724 over all of them, then families in turn (RFC 8305 section 4).

Problem. A and AAAA are asked apart, so the system sorts each answer by itself and nobody has sorted the whole. Which
family leads is then left to the program, and "IPv6 first" is wrong on many hosts: one with only a unique-local or
link-local IPv6 address has no business trying IPv6 towards the internet first.

The naive way hard-codes a family. The rules of RFC 6724 section 6 compare two destinations by what each would be
reached *from*: an address without a source is unusable, a source of another scope or label is a bad sign, and only
then precedence counts.

Our rule. ``rank`` sorts by rules 1 to 3, 5, 6, 8 and 9, given a function that tells the source of a destination (a
UDP connect and getsockname, which sends nothing); the order of arrival, which is the system's, is the last
tie-breaker. Rule 9, the longest matching prefix, compares IPv6 only and only the 64 bits of the subnet: within IPv4
it would undo the round robin of name servers, which is why systems leave it out too. ``interleave`` then alternates
the families through the whole list. ``leads`` decides whether an answer may start without waiting for the other one:
when nothing in the other family could go before its best address.

The policy table is data. Its default is RFC 6724 section 2.1, so an IPv4 address goes before a unique-local one
(precedence 35 against 3); an administrator changes that in ``gai.conf`` (glibc), read by ``parse_gai_conf``.

Left out: rules 4 and 7 (mobile IP and tunnels; no system tells a program) and measured round-trip times.
"""

from __future__ import annotations

from .endpoint import IPEndpoint
from .text import ipv4_packed, ipv6_packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    from .endpoint import Endpoint

    E = TypeVar("E", bound=Endpoint)
    #: Tells the packed source address of a destination, None when there is none (no route, no address).
    SourceOf = Callable[[Endpoint], "bytes | None"]
    Key = tuple[int, int, int, int, int, int]

__all__ = (
    "Policy",
    "choose_source",
    "default_policy",
    "interleave",
    "leads",
    "parse_gai_conf",
    "rank",
    "reason",
    "unique",
)

_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"
_REMEMBERED = 1024  # pairs of addresses
_LONG_WORD = 64  # characters; longer than any prefix, and int() raises for thousands of digits
_SUBNET_BITS = 64  # RFC 4291 2.5.1: the rest is the interface identifier

# RFC 6724 section 2.1: prefix, length, precedence, label.
_DEFAULT_ROWS = (
    ("::1", 128, 50, 0),
    ("::", 0, 40, 1),
    ("::ffff:0:0", 96, 35, 4),
    ("2002::", 16, 30, 2),
    ("2001::", 32, 5, 5),
    ("fc00::", 7, 3, 13),
    ("::", 96, 1, 3),
    ("fec0::", 10, 1, 11),
    ("3ffe::", 16, 1, 12),
)
# RFC 6724 section 3.2: IPv4 scopes. Private and shared addresses count as global.
_DEFAULT_SCOPES = (("127.0.0.0", 8, 2), ("169.254.0.0", 16, 2), ("0.0.0.0", 0, 14))

_LINK_LOCAL, _SITE_LOCAL, _GLOBAL = 2, 5, 14  # RFC 4291 section 2.7, shared by unicast (RFC 6724 section 3.1)


def _row(packed: bytes, length: int, value: int) -> tuple[int, int, int]:
    shift = 8 * len(packed) - length
    return int.from_bytes(packed, "big") >> shift, length, value


def _longest(rows: Sequence[tuple[int, int, int]], packed: bytes, default: int) -> int:
    number, bits = int.from_bytes(packed, "big"), 8 * len(packed)
    for prefix, length, value in rows:
        if number >> (bits - length) == prefix:
            return value
    return default


def _by_length(rows: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    return sorted(rows, key=lambda row: -row[1])


class Policy:
    """The policy table: precedence and label of a prefix, and the scope of IPv4 prefixes; longest match wins."""

    __slots__ = ("_keys", "_labels", "_precedences", "_scopes")

    def __init__(
        self,
        precedences: Iterable[tuple[int, int, int]] = (),
        labels: Iterable[tuple[int, int, int]] = (),
        scopes: Iterable[tuple[int, int, int]] = (),
    ) -> None:
        six = [(ipv6_packed(prefix) or b"", length, p, label) for prefix, length, p, label in _DEFAULT_ROWS]
        four = [(ipv4_packed(prefix) or b"", length, scope) for prefix, length, scope in _DEFAULT_SCOPES]
        self._precedences = _by_length(list(precedences) or [_row(packed, n, p) for packed, n, p, _ in six])
        self._labels = _by_length(list(labels) or [_row(packed, n, label) for packed, n, _, label in six])
        self._scopes = _by_length(list(scopes) or [_row(packed, n, scope) for packed, n, scope in four])
        self._keys: dict[tuple[bytes, bytes | None], Key] = {}

    def precedence(self, packed: bytes) -> int:
        """The precedence of an address of 4 or 16 bytes; higher goes first."""
        return _longest(self._precedences, _as_ipv6(packed), 40)  # glibc's value for what no row covers

    def label(self, packed: bytes) -> int:
        """The label of an address; source and destination should agree."""
        return _longest(self._labels, _as_ipv6(packed), 1)

    def scope(self, packed: bytes) -> int:
        """The scope as a number of RFC 4291 section 2.7: 2 link-local, 5 site-local, 14 global."""
        if packed.startswith(_MAPPED):
            packed = packed[12:]
        if len(packed) == 4:
            return _longest(self._scopes, packed, _GLOBAL)
        if packed[0] == 0xFF:
            return packed[1] & 0x0F
        high = packed[0] << 8 | packed[1]
        if high & 0xFFC0 == 0xFE80 or packed == b"\0" * 15 + b"\1":  # RFC 4007 section 4: ::1 is link-local
            return _LINK_LOCAL
        return _SITE_LOCAL if high & 0xFFC0 == 0xFEC0 else _GLOBAL

    def key(self, packed: bytes, source: bytes | None) -> Key:
        """What rules 1 to 8 compare, in their order; smaller goes first. Remembered: most hosts reach few others."""
        key = self._keys.get((packed, source))
        if key is None:
            if len(self._keys) >= _REMEMBERED:
                self._keys.clear()
            key = self._keys[packed, source] = _key(packed, source, self)
        return key


def _as_ipv6(packed: bytes) -> bytes:
    return _MAPPED + packed if len(packed) == 4 else packed


def parse_gai_conf(text: str) -> Policy:
    """Read gai.conf(5). Lines that cannot be read are skipped, as the C library skips them.

    One ``label`` line replaces the whole default table of labels, one ``precedence`` line that of precedences, one
    ``scopev4`` line that of IPv4 scopes; a file with none of them, as distributed, changes nothing.
    """
    found: dict[str, list[tuple[int, int, int]]] = {"label": [], "precedence": [], "scopev4": []}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) != 3 or words[0] not in found or max(map(len, words)) > _LONG_WORD:
            continue
        address, slash, digits = words[1].partition("/")
        packed = ipv6_packed(address)
        if words[0] == "scopev4":
            packed = ipv4_packed(address) or (packed[12:] if packed and packed.startswith(_MAPPED) else None)
        if packed is None or not words[2].isdecimal() or (slash and not digits.isdecimal()):
            continue
        bits = 8 * len(packed)
        length = int(digits) if slash else bits
        if words[0] == "scopev4" and ":" in address and slash:
            length -= 96  # written as a mapped prefix, ::ffff:169.254.0.0/112
        if 0 <= length <= bits:
            found[words[0]].append(_row(packed, length, int(words[2])))
    return Policy(found["precedence"], found["label"], found["scopev4"])


_default: Policy | None = None


def default_policy() -> Policy:
    """The table of RFC 6724, made once."""
    global _default  # noqa: PLW0603  # a constant that is built late to keep imports cheap; any thread may build it
    if _default is None:
        _default = Policy()
    return _default


def _key(packed: bytes, source: bytes | None, policy: Policy) -> Key:
    """What rules 1 to 8 compare, in their order; smaller goes first."""
    scope = policy.scope(packed)
    if source is None:
        return 1, 1, 0, 1, -policy.precedence(packed), scope
    return (
        0,
        int(policy.scope(source) != scope),
        0,
        int(policy.label(source) != policy.label(packed)),
        -policy.precedence(packed),
        scope,
    )


def rank(
    endpoints: Iterable[E],
    source_of: SourceOf,
    policy: Policy | None = None,
    deprecated: Callable[[bytes], bool] | None = None,
) -> list[E]:
    """Sort by RFC 6724 section 6; what is equal by all rules keeps its order. Other families than IP go last.

    *source_of* tells the packed source address for a destination, or None. *deprecated* tells whether a source is
    past its preferred lifetime (rule 3), where that is known.
    """
    policy = policy or default_policy()
    groups: dict[Key, list[tuple[E, bytes, bytes | None]]] = {}
    for endpoint in endpoints:
        packed, source = b"", None
        if isinstance(endpoint, IPEndpoint):
            source, packed = source_of(endpoint), endpoint.packed
            key = policy.key(packed, source)
            if source is not None and deprecated is not None and deprecated(source):
                key = (key[0], key[1], 1, key[3], key[4], key[5])
        else:
            key = (2, 0, 0, 0, 0, 0)
        groups.setdefault(key, []).append((endpoint, packed, source))
    ranked: list[E] = []
    for key in sorted(groups):
        group = groups[key]
        ranked += [group[0][0]] if len(group) == 1 else _by_prefix(group)
    return ranked


def _by_prefix(group: list[tuple[E, bytes, bytes | None]]) -> list[E]:
    """Rule 9 inside a group that rules 1 to 8 leave equal: IPv6 addresses change places among themselves only.

    Comparing across families by "equal, so leave them" is not transitive; keeping each family's places is.
    """
    matching = [_matching(packed, source) for _, packed, source in group]
    best = iter(sorted((index for index, bits in enumerate(matching) if bits), key=lambda index: -matching[index]))
    return [group[next(best) if bits else index][0] for index, bits in enumerate(matching)]


def _matching(packed: bytes, source: bytes | None) -> int:
    """One more than the number of leading subnet bits that both have in common; 0 outside IPv6."""
    if len(packed) != 16 or source is None or len(source) != 16:
        return 0
    shift = 128 - _SUBNET_BITS
    difference = (int.from_bytes(packed, "big") ^ int.from_bytes(source, "big")) >> shift
    return _SUBNET_BITS - difference.bit_length() + 1


def interleave(endpoints: Iterable[E], last_family: int | None = None) -> list[E]:
    """Alternate the families through the whole list, each in its own order (RFC 8305 section 4).

    The family of the first address leads, unless an attempt in that family (*last_family*) has just begun.
    """
    queues: dict[int, list[E]] = {}
    for endpoint in endpoints:
        queues.setdefault(endpoint.family, []).append(endpoint)
    if last_family in queues and len(queues) > 1:
        queues[last_family] = queues.pop(last_family)  # a dict keeps the order of insertion: now it is last
    columns = list(queues.values())
    longest = max(map(len, columns), default=0)
    return [column[index] for index in range(longest) for column in columns if index < len(column)]


def leads(best: IPEndpoint, source: bytes | None, rival: bytes, rival_source: bytes | None, policy: Policy) -> bool:
    """Whether *best* may be tried before the other family's answer is known.

    *rival* stands for the best address the other family could have: any global one, with the source this host
    would use for it. None as its source means that this host has no route to the other family at all.
    """
    return policy.key(best.packed, source) <= policy.key(rival, rival_source)


def choose_source(destination: IPEndpoint, sources: Sequence[IPEndpoint], policy: Policy) -> IPEndpoint | None:
    """Of several local addresses the one to reach *destination* from; None when none has its family.

    Rules 2, 6 and 8 of RFC 6724 section 5: scope, label, longest match. An interface has a link-local address and
    often a unique-local one beside the global one; bound to those, nothing outside answers.
    """
    packed = destination.packed

    def key(source: IPEndpoint) -> tuple[bool, bool, int]:
        ours = source.packed
        return (
            policy.scope(ours) != policy.scope(packed),
            policy.label(ours) != policy.label(packed),
            -_matching(packed, ours),
        )

    return min((source for source in sources if source.family == destination.family), key=key, default=None)


def reason(endpoint: IPEndpoint, source: bytes | None, policy: Policy | None = None) -> str:
    """Say in a few words what decides about this address, for people who ask why it is where it is."""
    policy = policy or default_policy()
    if source is None:
        return "no route or no source address (rule 1)"
    packed = endpoint.packed
    words = [f"precedence {policy.precedence(packed)}"]
    if policy.scope(source) != policy.scope(packed):
        words.append("scope differs from the source's (rule 2)")
    if policy.label(source) != policy.label(packed):
        words.append("label differs from the source's (rule 5)")
    return ", ".join(words)


def unique(endpoints: Iterable[E]) -> list[E]:
    """Drop repetitions, keep the order. getaddrinfo answers an address once per line of the hosts file it is on."""
    return list(dict.fromkeys(endpoints))
