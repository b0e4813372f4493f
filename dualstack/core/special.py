"""Which addresses are special: our dated copy of the IANA registries, and the IPv4 hidden inside IPv6.

*Problem.* A guard wants to know whether an address is public, a log whether a peer is loopback. The
``ipaddress`` module answers from the table of the running Python: two Pythons disagree, and several
answers are wrong for a guard (``64:ff9b::a9fe:a9fe``, the NAT64 form of a cloud's metadata service, is
"global" there; so are ``::127.0.0.1`` and ``ff02::1``).

*Rule.* The table below is ours, dated, and the same on every Python. The longest prefix wins, so
``192.0.0.9`` is public inside ``192.0.0.0/24``, which is not. An IPv6 address may carry IPv4 addresses
(seven forms, ``embedded_ipv4``); it is public only if its own block **and every address it carries** are.

*Two questions, two answers.* ``is_global`` is asked by guards that refuse, so it looks through every form.
``is_loopback`` and its kin are asked by code that trusts, so they look through the **mapped** form only,
which is the same IPv4 address on the wire. Looking further would hand out trust: whoever owns a /64 may
choose the ISATAP interface id of 127.0.0.1. A guard that refuses by kind reads ``classify(x).kinds``.

*Left out.* NAT64 under an operator's own prefix looks like any other address. "Reachable from outside" is
a matter of routing and of firewalls, no property of an address.

Everything here is a pure function of 4 or 16 bytes in network order.
"""

from __future__ import annotations

from bisect import bisect_right

__all__ = (
    "BLOCKS",
    "REGISTRY_DATE",
    "Block",
    "Classification",
    "block_of",
    "classify",
    "embedded_ipv4",
    "is_global",
    "is_link_local",
    "is_loopback",
    "is_multicast",
    "is_private",
    "is_unspecified",
)

#: The day of the copy of both IANA special-purpose registries that the rows were compared with, row by row.
#: The IPv6 registry had then last changed on 2025-10-09.
REGISTRY_DATE = "2026-07-18"

# (block, kind, public?, name, where it is defined). Public? follows the registry column "Globally Reachable",
# with three decisions of ours:
#   - blank (deprecated blocks) is no: nobody serves them any more;
#   - "N/A" (Teredo, 6to4) is yes, because the embedded addresses decide; so they do for mapped addresses,
#     where the registry's no means "not on the wire";
#   - rows that are in no special-purpose registry carry a + before their source: multicast, site-local, the
#     deprecated forms, and what the IPv6 address space registry reserves, which is all outside 2000::/3.
_IPV4_ROWS = (
    ("0.0.0.0/0", "global", True, "Global unicast", "+RFC 791"),
    ("0.0.0.0/8", "this-network", False, "This network", "RFC 791"),
    ("0.0.0.0/32", "unspecified", False, "This host on this network", "RFC 1122"),
    ("10.0.0.0/8", "private", False, "Private-Use", "RFC 1918"),
    ("100.64.0.0/10", "shared", False, "Shared Address Space", "RFC 6598"),
    ("127.0.0.0/8", "loopback", False, "Loopback", "RFC 1122"),
    ("169.254.0.0/16", "link-local", False, "Link Local", "RFC 3927"),
    ("172.16.0.0/12", "private", False, "Private-Use", "RFC 1918"),
    ("192.0.0.0/24", "protocol", False, "IETF Protocol Assignments", "RFC 6890"),
    ("192.0.0.0/29", "protocol", False, "IPv4 Service Continuity Prefix (DS-Lite)", "RFC 7335"),
    ("192.0.0.8/32", "protocol", False, "IPv4 dummy address", "RFC 7600"),
    ("192.0.0.9/32", "anycast", True, "Port Control Protocol Anycast", "RFC 7723"),
    ("192.0.0.10/32", "anycast", True, "Traversal Using Relays around NAT Anycast", "RFC 8155"),
    ("192.0.0.170/31", "protocol", False, "NAT64/DNS64 Discovery", "RFC 8880"),
    ("192.0.2.0/24", "documentation", False, "Documentation (TEST-NET-1)", "RFC 5737"),
    ("192.31.196.0/24", "anycast", True, "AS112-v4", "RFC 7535"),
    ("192.52.193.0/24", "anycast", True, "AMT", "RFC 7450"),
    ("192.88.99.0/24", "deprecated", False, "Deprecated (6to4 Relay Anycast)", "RFC 7526"),
    ("192.88.99.2/32", "anycast", False, "6a44-relay anycast address", "RFC 6751"),
    ("192.168.0.0/16", "private", False, "Private-Use", "RFC 1918"),
    ("192.175.48.0/24", "anycast", True, "Direct Delegation AS112 Service", "RFC 7534"),
    ("198.18.0.0/15", "benchmarking", False, "Benchmarking", "RFC 2544"),
    ("198.51.100.0/24", "documentation", False, "Documentation (TEST-NET-2)", "RFC 5737"),
    ("203.0.113.0/24", "documentation", False, "Documentation (TEST-NET-3)", "RFC 5737"),
    ("224.0.0.0/4", "multicast", False, "Multicast", "+RFC 5771"),
    ("240.0.0.0/4", "reserved", False, "Reserved", "RFC 1112"),
    ("255.255.255.255/32", "broadcast", False, "Limited Broadcast", "RFC 919"),
)
_IPV6_ROWS = (
    ("::/3", "reserved", False, "Reserved by IETF", "+RFC 4291"),
    ("::/96", "compatible", False, "IPv4-compatible Address (deprecated)", "+RFC 4291"),
    ("::/128", "unspecified", False, "Unspecified Address", "RFC 4291"),
    ("::1/128", "loopback", False, "Loopback Address", "RFC 4291"),
    ("::ffff:0:0/96", "mapped", True, "IPv4-mapped Address", "RFC 4291"),
    ("::ffff:0:0:0/96", "translated", False, "IPv4-translated Address (deprecated)", "+RFC 2765"),
    ("64:ff9b::/96", "nat64", True, "IPv4-IPv6 Translat.", "RFC 6052"),
    ("64:ff9b:1::/48", "nat64-local", False, "IPv4-IPv6 Translat. (local use)", "RFC 8215"),
    ("100::/64", "discard", False, "Discard-Only Address Block", "RFC 6666"),
    ("100:0:0:1::/64", "dummy", False, "Dummy IPv6 Prefix", "RFC 9780"),
    ("2000::/3", "global", True, "Global unicast", "+RFC 4291"),
    ("2001::/23", "protocol", False, "IETF Protocol Assignments", "RFC 2928"),
    ("2001::/32", "teredo", True, "TEREDO", "RFC 4380"),
    ("2001:1::1/128", "anycast", True, "Port Control Protocol Anycast", "RFC 7723"),
    ("2001:1::2/128", "anycast", True, "Traversal Using Relays around NAT Anycast", "RFC 8155"),
    ("2001:1::3/128", "anycast", True, "DNS-SD Service Registration Protocol Anycast", "RFC 9665"),
    ("2001:2::/48", "benchmarking", False, "Benchmarking", "RFC 5180"),
    ("2001:3::/32", "anycast", True, "AMT", "RFC 7450"),
    ("2001:4:112::/48", "anycast", True, "AS112-v6", "RFC 7535"),
    ("2001:10::/28", "deprecated", False, "Deprecated (previously ORCHID)", "RFC 4843"),
    ("2001:20::/28", "orchid", True, "ORCHIDv2", "RFC 7343"),
    ("2001:30::/28", "drone-id", True, "Drone Remote ID Protocol Entity Tags (DETs) Prefix", "RFC 9374"),
    ("2001:db8::/32", "documentation", False, "Documentation", "RFC 3849"),
    ("2002::/16", "6to4", True, "6to4", "RFC 3056"),
    ("2620:4f:8000::/48", "anycast", True, "Direct Delegation AS112 Service", "RFC 7534"),
    ("3fff::/20", "documentation", False, "Documentation", "RFC 9637"),
    ("4000::/2", "reserved", False, "Reserved by IETF", "+RFC 4291"),
    ("5f00::/16", "srv6", False, "Segment Routing (SRv6) SIDs", "RFC 9602"),
    ("8000::/1", "reserved", False, "Reserved by IETF", "+RFC 4291"),
    ("fc00::/7", "private", False, "Unique-Local", "RFC 4193"),
    ("fe80::/10", "link-local", False, "Link-Local Unicast", "RFC 4291"),
    ("fec0::/10", "site-local", False, "Site-Local Unicast (deprecated)", "+RFC 3879"),
    ("ff00::/8", "multicast", False, "Multicast", "+RFC 4291"),
)


class Block:
    """One row of the table: a prefix, what it is for, and whether its own addresses are public.

    ``first`` and ``last`` are the packed ends. ``kind`` is one lower-case word to compare with ("private",
    "loopback", "documentation", ...; "global" for ordinary unicast), ``name`` the name IANA gives it,
    ``reference`` the RFC, ``registered`` whether it is a row of the special-purpose registries.
    """

    __slots__ = ("first", "is_global", "kind", "last", "length", "name", "prefix", "reference", "registered")

    prefix: str
    length: int
    first: bytes
    last: bytes
    kind: str
    is_global: bool
    name: str
    reference: str
    registered: bool

    def __init__(self, prefix: str, kind: str, is_global: bool, name: str, reference: str) -> None:
        network, _, length = prefix.partition("/")
        self.prefix = prefix
        self.length = int(length)
        self.first = _pack(network)
        size = len(self.first)
        free = (1 << (size * 8 - self.length)) - 1
        self.last = (int.from_bytes(self.first, "big") | free).to_bytes(size, "big")
        self.kind = kind
        self.is_global = is_global
        self.name = name
        self.reference = reference.lstrip("+")
        self.registered = not reference.startswith("+")

    def __repr__(self) -> str:
        return f"<Block {self.prefix} {self.name}>"


class Classification:
    """What one address is: its most specific block, and the IPv4 addresses it carries."""

    __slots__ = ("block", "embedded")

    #: The row of the table with the longest matching prefix.
    block: Block
    #: ``(form, packed IPv4)`` for each IPv4 address inside, as ``embedded_ipv4`` lists them.
    embedded: tuple[tuple[str, bytes], ...]

    def __init__(self, block: Block, embedded: tuple[tuple[str, bytes], ...]) -> None:
        self.block = block
        self.embedded = embedded

    @property
    def kind(self) -> str:
        """The kind of the address's own block, one lower-case word."""
        return self.block.kind

    @property
    def name(self) -> str:
        """The name IANA gives the block."""
        return self.block.name

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of the address and of every IPv4 address inside: for guards that refuse by kind."""
        return (self.block.kind, *(block_of(packed).kind for _, packed in self.embedded))

    @property
    def is_global(self) -> bool:
        """Whether the block and every embedded address are public."""
        return self.block.is_global and all(block_of(packed).is_global for _, packed in self.embedded)

    def __repr__(self) -> str:
        inside = "".join(f", {form} {'.'.join(map(str, packed))}" for form, packed in self.embedded)
        return f"<Classification {self.kind}{inside}>"


def _pack(network: str) -> bytes:
    """Pack one network of the table; no parser for text from outside, that is core.text."""
    if ":" not in network:
        return bytes(map(int, network.split(".")))
    head, _, tail = network.partition("::")
    left, right = ([int(group, 16) for group in part.split(":") if group] for part in (head, tail))
    groups = left + [0] * (8 - len(left) - len(right)) + right
    return b"".join(group.to_bytes(2, "big") for group in groups)


def _flatten(blocks: list[Block]) -> tuple[list[bytes], list[Block]]:
    """Cut nested blocks into disjoint ranges: where each begins, and the innermost block that holds there.

    Looking up is then one bisection over byte strings, which sort as the numbers they stand for.
    """
    starts: list[bytes] = []
    holders: list[Block] = []
    open_blocks: list[Block] = []

    def begin(first: bytes, block: Block) -> None:
        if starts and starts[-1] == first:  # a block that begins where its parent does replaces it
            starts.pop()
            holders.pop()
        starts.append(first)
        holders.append(block)

    def end() -> None:
        closed = open_blocks.pop()
        if open_blocks and closed.last != open_blocks[-1].last:
            after = int.from_bytes(closed.last, "big") + 1
            begin(after.to_bytes(len(closed.last), "big"), open_blocks[-1])

    for block in sorted(blocks, key=lambda block: (block.first, block.length)):
        while open_blocks and open_blocks[-1].last < block.first:
            end()
        begin(block.first, block)
        open_blocks.append(block)
    while open_blocks:
        end()
    return starts, holders


#: Every row, IPv4 first, in the order of the registries.
BLOCKS = tuple(Block(*row) for row in _IPV4_ROWS + _IPV6_ROWS)
_STARTS4, _HOLDERS4 = _flatten([block for block in BLOCKS if len(block.first) == 4])
_STARTS6, _HOLDERS6 = _flatten([block for block in BLOCKS if len(block.first) == 16])

_ANY4 = bytes(4)
_ANY6 = bytes(16)
_LOOPBACK6 = bytes(15) + b"\x01"
_COMPATIBLE = bytes(12)
_MAPPED = bytes(10) + b"\xff\xff"
_TRANSLATED = bytes(8) + b"\xff\xff\x00\x00"
_NAT64 = b"\x00\x64\xff\x9b" + bytes(8)
_NAT64_LOCAL = b"\x00\x64\xff\x9b\x00\x01"
_TEREDO = b"\x20\x01\x00\x00"
_6TO4 = b"\x20\x02"
# RFC 5214 section 6.1: the u bit (0x02) is set when the IPv4 address is globally unique; both are ISATAP.
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


def block_of(packed: bytes) -> Block:
    """Find the row with the longest prefix that holds *packed* (4 or 16 bytes).

    Does not look inside: the block of ``::ffff:10.0.0.1`` is the mapped one. Other lengths are a ValueError.
    """
    if len(packed) == 4:
        return _HOLDERS4[bisect_right(_STARTS4, packed) - 1]
    if len(packed) == 16:
        return _HOLDERS6[bisect_right(_STARTS6, packed) - 1]
    raise ValueError(f"a packed address has 4 or 16 bytes, not {len(packed)}")


def embedded_ipv4(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    """List the IPv4 addresses that *packed* carries, as ``(form, packed IPv4)``; empty for IPv4 itself.

    Forms: "mapped" (RFC 4291), "compatible" (deprecated there), "translated" (RFC 2765), "nat64" (RFC 6052),
    "nat64-local" (RFC 8215, read as a /96 prefix, the usual one; its layout is the operator's choice), "6to4"
    (RFC 3056), "teredo-server" and "teredo-client" (RFC 4380), "isatap" (RFC 5214). An ISATAP interface id
    may stand under any unicast prefix, so an address can show two forms.
    """
    if len(packed) != 16:
        if len(packed) != 4:
            raise ValueError(f"a packed address has 4 or 16 bytes, not {len(packed)}")
        return ()
    high = packed[:12]
    last = packed[12:]
    if high == _MAPPED:
        return (("mapped", last),)
    if high == _COMPATIBLE:
        return () if packed in (_ANY6, _LOOPBACK6) else (("compatible", last),)
    if high == _TRANSLATED:
        return (("translated", last),)
    if high == _NAT64:
        return (("nat64", last),)
    if packed[:4] == _TEREDO:
        # The client's address and port are stored inverted, so that a NAT that rewrites what looks like its
        # own address leaves them alone (RFC 4380 section 4). Flags and port may look like ISATAP: no match.
        return (("teredo-server", packed[4:8]), ("teredo-client", bytes(byte ^ 0xFF for byte in last)))
    if packed[:6] == _NAT64_LOCAL:
        return (("nat64-local", last),)
    found: tuple[tuple[str, bytes], ...] = ()
    if packed[:2] == _6TO4:
        found = (("6to4", packed[2:6]),)
    if packed[8:12] in _ISATAP and packed[0] != 0xFF:
        found += (("isatap", last),)
    return found


def classify(packed: bytes) -> Classification:
    """Say what an address of 4 or 16 bytes is: its block, and each IPv4 address inside it."""
    return Classification(block_of(packed), embedded_ipv4(packed))


def is_global(packed: bytes) -> bool:
    """Whether the address is public: its own block and every IPv4 address embedded in it are.

    Multicast of any scope is not, nor is anything IANA has not opened (outside ``2000::/3``). This is the
    question for a guard that refuses; it says nothing about routing or firewalls.
    """
    if not block_of(packed).is_global:
        return False
    return all(block_of(inside).is_global for _, inside in embedded_ipv4(packed))


def is_loopback(packed: bytes) -> bool:
    """Whether this is ``127.0.0.0/8``, also mapped, or ``::1``.

    Connecting to the *unspecified* address reaches loopback too on Linux: a guard refuses both.
    """
    if len(packed) == 4 or packed[:12] == _MAPPED:
        return packed[-4] == 127
    return packed == _LOOPBACK6


def is_unspecified(packed: bytes) -> bool:
    """Whether this is ``0.0.0.0``, also mapped, or ``::``."""
    if len(packed) == 4 or packed[:12] == _MAPPED:
        return packed[-4:] == _ANY4
    return packed == _ANY6


def is_link_local(packed: bytes) -> bool:
    """Whether this is unicast ``169.254.0.0/16``, also mapped, or ``fe80::/10``."""
    if len(packed) == 4 or packed[:12] == _MAPPED:
        return packed[-4:-2] == b"\xa9\xfe"
    return packed[0] == 0xFE and packed[1] & 0xC0 == 0x80


def is_multicast(packed: bytes) -> bool:
    """Whether this is ``224.0.0.0/4``, also mapped, or ``ff00::/8``."""
    if len(packed) == 4 or packed[:12] == _MAPPED:
        return packed[-4] & 0xF0 == 0xE0
    return packed[0] == 0xFF


def is_private(packed: bytes) -> bool:
    """Whether this is for private use: RFC 1918 space, also mapped, or unique local ``fc00::/7``.

    Narrower than ``ipaddress``, which calls nearly all that is not public private: see ``is_global``.
    """
    if len(packed) == 4 or packed[:12] == _MAPPED:
        first, second = packed[-4], packed[-3]
        return first == 10 or (first == 172 and second & 0xF0 == 16) or (first == 192 and second == 168)
    return packed[0] & 0xFE == 0xFC
