"""core.special against the registries, against a slow reading of the same rules, and against the stdlib."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.core import special

# The "Globally Reachable" column of both registries as of special.REGISTRY_DATE, typed apart from the module:
# yes, no, n/a, or blank for a deprecated block. https://www.iana.org/assignments/iana-ipv4-special-registry/
# and https://www.iana.org/assignments/iana-ipv6-special-registry/
REGISTRY = """
0.0.0.0/8           no      RFC 791
0.0.0.0/32          no      RFC 1122
10.0.0.0/8          no      RFC 1918
100.64.0.0/10       no      RFC 6598
127.0.0.0/8         no      RFC 1122
169.254.0.0/16      no      RFC 3927
172.16.0.0/12       no      RFC 1918
192.0.0.0/24        no      RFC 6890
192.0.0.0/29        no      RFC 7335
192.0.0.8/32        no      RFC 7600
192.0.0.9/32        yes     RFC 7723
192.0.0.10/32       yes     RFC 8155
192.0.0.170/31      no      RFC 8880
192.0.2.0/24        no      RFC 5737
192.31.196.0/24     yes     RFC 7535
192.52.193.0/24     yes     RFC 7450
192.88.99.0/24      blank   RFC 7526
192.88.99.2/32      no      RFC 6751
192.168.0.0/16      no      RFC 1918
192.175.48.0/24     yes     RFC 7534
198.18.0.0/15       no      RFC 2544
198.51.100.0/24     no      RFC 5737
203.0.113.0/24      no      RFC 5737
240.0.0.0/4         no      RFC 1112
255.255.255.255/32  no      RFC 919
::1/128             no      RFC 4291
::/128              no      RFC 4291
::ffff:0:0/96       no      RFC 4291
64:ff9b::/96        yes     RFC 6052
64:ff9b:1::/48      no      RFC 8215
100::/64            no      RFC 6666
100:0:0:1::/64      no      RFC 9780
2001::/23           no      RFC 2928
2001::/32           n/a     RFC 4380
2001:1::1/128       yes     RFC 7723
2001:1::2/128       yes     RFC 8155
2001:1::3/128       yes     RFC 9665
2001:2::/48         no      RFC 5180
2001:3::/32         yes     RFC 7450
2001:4:112::/48     yes     RFC 7535
2001:10::/28        blank   RFC 4843
2001:20::/28        yes     RFC 7343
2001:30::/28        yes     RFC 9374
2001:db8::/32       no      RFC 3849
2002::/16           n/a     RFC 3056
2620:4f:8000::/48   yes     RFC 7534
3fff::/20           no      RFC 9637
5f00::/16           no      RFC 9602
fc00::/7            no      RFC 4193
fe80::/10           no      RFC 4291
"""
ROWS = [line.split(maxsplit=2) for line in REGISTRY.strip().splitlines()]
NETWORKS = {block.prefix: ipaddress.ip_network(block.prefix) for block in special.BLOCKS}


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def reference_block(address: bytes) -> special.Block:
    """The rule said plainly: of the rows that hold the address, the one with the longest prefix."""
    holding = [
        block
        for block in special.BLOCKS
        if len(block.first) == len(address) and ipaddress.ip_address(address) in NETWORKS[block.prefix]
    ]
    return max(holding, key=lambda block: block.length)


def reference_embedded(address: bytes) -> list[tuple[str, str]]:
    """The forms, written over the groups of the full text instead of over bytes."""
    if len(address) == 4:
        return []
    text = ipaddress.IPv6Address(address).exploded
    groups = text.split(":")
    dotted = {i: str(ipaddress.IPv4Address(address[i : i + 4])) for i in (2, 4, 12)}
    if text.startswith("0000:0000:0000:0000:0000:ffff:"):
        return [("mapped", dotted[12])]
    if text.startswith("0000:0000:0000:0000:0000:0000:"):
        return [] if groups[6] == "0000" and groups[7] in ("0000", "0001") else [("compatible", dotted[12])]
    if text.startswith("0000:0000:0000:0000:ffff:0000:"):
        return [("translated", dotted[12])]
    if text.startswith("0064:ff9b:0000:0000:0000:0000:"):
        return [("nat64", dotted[12])]
    if text.startswith("0064:ff9b:0001:"):
        return [("nat64-local", dotted[12])]
    if text.startswith("2001:0000:"):
        client = ipaddress.IPv4Address(int.from_bytes(address[12:], "big") ^ 0xFFFFFFFF)
        return [("teredo-server", dotted[4]), ("teredo-client", str(client))]
    found = [("6to4", dotted[2])] if groups[0] == "2002" else []
    if groups[4] in ("0000", "0200") and groups[5] == "5efe" and not text.startswith("ff"):
        found.append(("isatap", dotted[12]))
    return found


def edges() -> list[bytes]:
    """First, last, and the neighbours outside of every row: where a table goes wrong."""
    values: list[bytes] = []
    for block in special.BLOCKS:
        size = len(block.first)
        first, last = int.from_bytes(block.first, "big"), int.from_bytes(block.last, "big")
        near = (first - 1, first, first + 1, (first + last) // 2, last - 1, last, last + 1)
        values += [value.to_bytes(size, "big") for value in near if 0 <= value < 1 << (size * 8)]
    return values


EDGES = edges()
# Addresses drawn near the rows and near the embedding prefixes; plain random bytes never hit a /96.
addresses = st.one_of(
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=16, max_size=16),
    st.sampled_from(EDGES),
    st.builds(
        lambda prefix, tail: prefix[: 16 - len(tail)] + tail,
        st.sampled_from([edge for edge in EDGES if len(edge) == 16]),
        st.binary(max_size=14),
    ),
    st.builds(
        lambda high, isatap, low: high + isatap + low,
        st.sampled_from([bytes(8), packed("fe80::")[:8], packed("2002:a00:1::")[:8], packed("ff02::")[:8]]),
        st.sampled_from([b"\0\0\x5e\xfe", b"\2\0\x5e\xfe", b"\1\0\x5e\xfe", b"\0\0\x5e\xff"]),
        st.sampled_from([edge for edge in EDGES if len(edge) == 4]),
    ),
)


@pytest.mark.parametrize(("prefix", "reachable", "reference"), [pytest.param(*row, id=row[0]) for row in ROWS])
def test_row_says_what_the_registry_says(prefix: str, reachable: str, reference: str) -> None:
    (block,) = [block for block in special.BLOCKS if block.prefix == prefix]
    assert block.registered
    assert block.reference == reference
    if prefix == "::ffff:0:0/96":
        assert block.is_global  # our decision: the embedded address is what is asked about
    else:
        assert block.is_global == (reachable in ("yes", "n/a"))
    assert block.first == NETWORKS[prefix].network_address.packed
    assert block.last == NETWORKS[prefix].broadcast_address.packed
    assert block.length == NETWORKS[prefix].prefixlen


def test_no_row_claims_to_be_registered_that_is_not() -> None:
    registered = [block.prefix for block in special.BLOCKS if block.registered]
    assert sorted(registered) == sorted(row[0] for row in ROWS)


def test_prefixes_are_unique() -> None:
    prefixes = [block.prefix for block in special.BLOCKS]
    assert len(set(prefixes)) == len(prefixes)


def test_every_address_has_a_block() -> None:
    """The rows outside the registry fill both spaces, so that a look-up never falls off the table."""
    for size in (4, 16):
        assert special.block_of(bytes(size)).first == bytes(size)
        assert special.block_of(b"\xff" * size).last == b"\xff" * size


def test_edges_of_every_row() -> None:
    for edge in EDGES:
        assert special.block_of(edge) is reference_block(edge), ipaddress.ip_address(edge)


@given(addresses)
def test_longest_prefix_wins(address: bytes) -> None:
    assert special.block_of(address) is reference_block(address)


@given(addresses)
def test_embedded_addresses_agree_with_the_text(address: bytes) -> None:
    found = [(form, str(ipaddress.IPv4Address(inside))) for form, inside in special.embedded_ipv4(address)]
    assert found == reference_embedded(address)


@given(addresses)
def test_public_only_if_everything_in_it_is(address: bytes) -> None:
    expected = reference_block(address).is_global and all(
        reference_block(packed(inside)).is_global for _, inside in reference_embedded(address)
    )
    assert special.is_global(address) == expected
    found = special.classify(address)
    assert found.is_global == expected
    assert found.block is reference_block(address)
    assert found.kinds[0] == found.kind == found.block.kind
    assert len(found.kinds) == 1 + len(found.embedded)
    assert found.name == found.block.name


@given(addresses)
def test_predicates_agree_with_the_kind(address: bytes) -> None:
    """Each quick predicate is the kind of the address itself, or of the mapped one inside; no other form."""
    kind = reference_block(address).kind
    if kind == "mapped":
        kind = reference_block(address[12:]).kind
    assert special.is_loopback(address) == (kind == "loopback")
    assert special.is_unspecified(address) == (kind == "unspecified")
    assert special.is_link_local(address) == (kind == "link-local")
    assert special.is_multicast(address) == (kind == "multicast")
    assert special.is_private(address) == (kind == "private")


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("192.0.2.1", []),
        ("::", []),
        ("::1", []),
        ("::2", [("compatible", "0.0.0.2")]),
        ("::ffff:192.0.2.1", [("mapped", "192.0.2.1")]),
        ("::192.0.2.1", [("compatible", "192.0.2.1")]),
        ("::ffff:0:192.0.2.1", [("translated", "192.0.2.1")]),
        ("64:ff9b::192.0.2.1", [("nat64", "192.0.2.1")]),
        ("64:ff9b::1:192.0.2.1", []),
        ("64:ff9b:1::192.0.2.1", [("nat64-local", "192.0.2.1")]),
        ("64:ff9b:1:ffff::192.0.2.1", [("nat64-local", "192.0.2.1")]),
        ("64:ff9b:2::192.0.2.1", []),
        ("2002:c000:201::", [("6to4", "192.0.2.1")]),
        ("2002:c000:201:1::5efe:10.0.0.1", [("6to4", "192.0.2.1"), ("isatap", "10.0.0.1")]),
        # The example of RFC 4380: server 65.54.227.120, client 192.0.2.45 behind its NAT.
        (
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            [("teredo-server", "65.54.227.120"), ("teredo-client", "192.0.2.45")],
        ),
        # Flags 0 and inverted port 0x5efe: still Teredo alone.
        (
            "2001:0:102:304:0:5efe:3fff:fdd2",
            [("teredo-server", "1.2.3.4"), ("teredo-client", "192.0.2.45")],
        ),
        ("fe80::5efe:192.0.2.1", [("isatap", "192.0.2.1")]),
        ("fe80::200:5efe:192.0.2.1", [("isatap", "192.0.2.1")]),
        ("2a00::200:5efe:192.0.2.1", [("isatap", "192.0.2.1")]),
        ("fe80::100:5efe:192.0.2.1", []),
        ("ff02::5efe:192.0.2.1", []),
        # Looks mapped in its low bits only: https://github.com/ruby/ipaddr/pull/106
        ("2001:718:1::ffff:ac19:1", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_embedded_forms(text: str, forms: list[tuple[str, str]]) -> None:
    found = special.embedded_ipv4(packed(text))
    assert found == tuple((form, packed(inside)) for form, inside in forms)


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1"])
@pytest.mark.parametrize(
    "form",
    [
        "::ffff:{0}",
        "::{0}",
        "::ffff:0:{0}",
        "64:ff9b::{0}",
        "64:ff9b:1::{0}",
        "2002:{1}::1",
        "2001:0:{1}::f7f7:f7f7",  # Teredo server; the client is 8.8.8.8
        "2001:0:808:808::{2}",  # Teredo client; the server is 8.8.8.8
        "2a00::5efe:{0}",
        "2a00::200:5efe:{0}",
    ],
)
def test_no_form_smuggles_a_private_address_past_a_guard(form: str, inside: str) -> None:
    value = int(ipaddress.IPv4Address(inside))
    pairs = [f"{v >> 16:x}:{v & 0xFFFF:x}" for v in (value, value ^ 0xFFFFFFFF)]
    address = packed(form.format(inside, *pairs))
    assert not special.is_global(address)


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:0:808:808::f7f7:f7f7",
        "2a00::5efe:8.8.8.8",
        "2606:4700::1111",
        "192.0.0.9",
        "2001:1::3",
    ],
)
def test_public(text: str) -> None:
    assert special.is_global(packed(text))


def test_trust_is_not_handed_out_through_tunnels() -> None:
    """An ISATAP or NAT64 form of 127.0.0.1 is no loopback peer, but a guard sees the kind."""
    for text in ("2a00::5efe:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "::127.0.0.1"):
        assert not special.is_loopback(packed(text))
        assert "loopback" in special.classify(packed(text)).kinds
    assert special.is_loopback(packed("::ffff:127.0.0.1"))


# ipaddress of some CPython calls each of these public (3.13 still most of them). Another Python says other
# things again, which is why the running one is never asked.
STDLIB_SAYS_PUBLIC = {
    "nat64 of 169.254.169.254": "64:ff9b::a9fe:a9fe",
    "compatible loopback": "::127.0.0.1",
    "translated loopback": "::ffff:0:127.0.0.1",
    "IPv4 multicast": "224.0.0.1",
    "IPv6 multicast": "ff02::1",
    "site-local": "fec0::1",
    "documentation (RFC 9637)": "3fff::1",
    "SRv6 SIDs": "5f00::1",
    "6to4 of 127.0.0.1": "2002:7f00:1::",
    "local NAT64": "64:ff9b:1::1",
    "deprecated 6to4 relay": "192.88.99.1",
    "unallocated": "4000::1",
    "dummy prefix": "100:0:0:1::1",
    "ISATAP of 10.0.0.1": "2a00::5efe:10.0.0.1",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in STDLIB_SAYS_PUBLIC.items()])
def test_not_public_whatever_the_stdlib_says(text: str) -> None:
    assert not special.is_global(packed(text))


def test_mapped_loopback_is_loopback_on_every_python() -> None:
    assert special.is_loopback(packed("::ffff:127.0.0.1"))
    assert not special.is_loopback(packed("::ffff:128.0.0.1"))
    assert not special.is_loopback(packed("::ffff:126.255.255.255"))


def test_we_call_public_only_what_the_stdlib_calls_public_too() -> None:
    """Over every edge: ours is the stricter one, except for the rows the stdlib does not know yet."""
    # 2001:1::3 is missing there (cpython#151049); Teredo and 6to4 count as private there whatever they carry
    # (since cpython#113171); a mapped address answers for itself before 3.13.
    unknown = ("2001:1::3/128", "2001::/32", "2002::/16", "::ffff:0:0/96", "2001:30::/28", "2001:20::/28")
    # Older Pythons lack the exceptions inside 192.0.0.0/24 and 2001::/23 altogether.
    inside = [ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("2001::/23")]
    for edge in EDGES:
        address = ipaddress.ip_address(edge)
        if not special.is_global(edge) or special.block_of(edge).prefix in unknown:
            continue
        if any(address.version == net.version and address in net for net in inside):
            continue
        assert address.is_global, address


@pytest.mark.parametrize("size", [0, 1, 3, 5, 6, 8, 15, 17])
@pytest.mark.parametrize("function", [special.block_of, special.embedded_ipv4, special.classify, special.is_global])
def test_other_lengths_are_refused(function: object, size: int) -> None:
    with pytest.raises(ValueError, match=f"4 or 16 bytes, not {size}"):
        function(bytes(size))  # type: ignore[operator]  # four functions of one shape


def test_texts_for_people() -> None:
    found = special.classify(packed("64:ff9b::a9fe:a9fe"))
    assert repr(found) == "<Classification nat64, nat64 169.254.169.254>"
    assert repr(found.block) == "<Block 64:ff9b::/96 IPv4-IPv6 Translat.>"
    assert found.kinds == ("nat64", "link-local")


def test_neighbours_of_ranges_differ() -> None:
    """The flattened ranges are minimal: no two neighbours hold the same block, and starts ascend."""
    for starts, holders in (
        (special._STARTS4, special._HOLDERS4),
        (special._STARTS6, special._HOLDERS6),
    ):
        assert all(a < b for a, b in itertools.pairwise(starts))
        assert all(a is not b for a, b in itertools.pairwise(holders))
