"""RFC 6724 destination order: the examples of the RFC, the rules one by one, gai.conf, interleaving."""

from __future__ import annotations

import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dualstack.core.endpoint import IPv4Endpoint, IPv6Endpoint
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.core.order import Policy, interleave, leads, parse_gai_conf, rank, reason, unique

IPv4, IPv6 = socket.AF_INET, socket.AF_INET6


def packed(text: str) -> bytes:
    return socket.inet_pton(IPv6 if ":" in text else IPv4, text)


def ip(text: str, port: int = 80):
    return IPv6Endpoint(text, port) if ":" in text else IPv4Endpoint(text, port)


def ranked(pairs: list[tuple[str, str | None]], policy: Policy | None = None, deprecated=None) -> list[str]:
    """Rank destinations given as (destination, its source)."""
    sources = {ip(d): None if s is None else packed(s) for d, s in pairs}
    return [e.host for e in rank([ip(d) for d, _ in pairs], sources.__getitem__, policy, deprecated)]


RULES = [
    # RFC 6724 section 10.2, in its order of examples
    pytest.param(
        [("198.51.100.121", "198.51.100.117"), ("2001:db8:1::1", "2001:db8:1::2")], [1, 0], id="10.2-native-v6"
    ),
    pytest.param([("2001:db8:1::1", "fe80::1"), ("198.51.100.121", "198.51.100.117")], [1, 0], id="10.2-rule-2-scope"),
    pytest.param([("10.1.2.3", "10.1.2.4"), ("2001:db8:1::1", "2001:db8:1::2")], [1, 0], id="10.2-private-v4"),
    pytest.param([("2001:db8:1::1", "2001:db8:1::2"), ("fe80::1", "fe80::2")], [1, 0], id="10.2-rule-8-scope"),
    pytest.param([("2001:db8:1::1", "2001:db8:1::2"), ("fec0::1", "fec0::2")], [0, 1], id="10.2-site-local-precedence"),
    pytest.param(
        [("2001:db8:1::1", "2001:db8:1::2"), ("2001:db8:3ffe::1", "2001:db8:3f44::2")], [0, 1], id="10.2-rule-9"
    ),
    pytest.param(
        [("2001:db8:3ffe::1", "2001:db8:3f44::2"), ("2001:db8:1::1", "2001:db8:1::2")], [1, 0], id="rule-9-turned"
    ),
    pytest.param(
        [("2002:c633:6401::1", "2002:c633:6401::2"), ("2001:db8:1::1", "2001:db8:1::2")], [1, 0], id="10.2-6to4"
    ),
    pytest.param([("2002:c633:6401::1", "2002:c633:6401::2"), ("fe80::1", "fe80::2")], [1, 0], id="10.2-6to4-ll"),
    # what hosts look like
    pytest.param([("2001:db8::1", None), ("192.0.2.1", "192.0.2.9")], [1, 0], id="no-ipv6-route"),
    pytest.param([("192.0.2.1", None), ("2001:db8::1", None)], [1, 0], id="no-route-at-all-goes-by-precedence"),
    pytest.param([("2001:db8::1", "fe80::9"), ("192.0.2.1", "10.0.0.2")], [1, 0], id="only-link-local-v6"),
    pytest.param([("2001:db8::1", "fd00::9"), ("192.0.2.1", "10.0.0.2")], [1, 0], id="only-unique-local-v6"),
    pytest.param([("fd00::1", "fd00::9"), ("192.0.2.1", "10.0.0.2")], [1, 0], id="unique-local-destination-after-ipv4"),
    pytest.param([("fd00::1", "fd00::9"), ("2001:db8::1", "2001:db8::9")], [1, 0], id="unique-local-after-global"),
    pytest.param([("fd00::1", "2001:db8::9"), ("fd01::1", "fd01::9")], [1, 0], id="rule-5-label"),
    pytest.param([("127.0.0.1", "127.0.0.1"), ("::1", "::1")], [1, 0], id="localhost"),
    pytest.param([("169.254.1.1", "169.254.1.2"), ("192.0.2.1", "192.0.2.2")], [0, 1], id="rule-8-ipv4-link-local"),
    pytest.param([("169.254.1.1", "10.0.0.1"), ("192.0.2.1", "10.0.0.1")], [1, 0], id="rule-2-ipv4-link-local"),
    pytest.param([("2001:0:1::1", "2001:0:1::2"), ("192.0.2.1", "10.0.0.2")], [1, 0], id="teredo-after-ipv4"),
    pytest.param([("192.0.2.200", "192.0.2.1"), ("203.0.113.1", "192.0.2.1")], [0, 1], id="no-rule-9-in-ipv4"),
    pytest.param([("203.0.113.1", "192.0.2.1"), ("192.0.2.200", "192.0.2.1")], [0, 1], id="no-rule-9-in-ipv4-turned"),
    pytest.param(
        [("2001:db8::ffff", "2001:db8::1"), ("2001:db8::2", "2001:db8::1")], [0, 1], id="rule-9-stops-at-the-subnet"
    ),
    pytest.param(
        [("::ffff:192.0.2.1", "::ffff:192.0.2.2"), ("2001:db8::1", "2001:db8::9")],
        [1, 0],
        id="mapped-has-ipv4-precedence",
    ),
]


@pytest.mark.parametrize(("pairs", "order"), RULES)
def test_rank(pairs, order):
    assert ranked(pairs) == [ip(pairs[index][0]).host for index in order]


def test_rule_3_avoids_deprecated_sources():
    pairs = [("2001:db8:1::1", "2001:db8:1::2"), ("2001:db8:2::1", "2001:db8:2::2")]
    old = packed("2001:db8:1::2")
    assert ranked(pairs, deprecated=lambda source: source == old) == ["2001:db8:2::1", "2001:db8:1::1"]
    assert ranked(pairs, deprecated=lambda source: False) == ["2001:db8:1::1", "2001:db8:2::1"]


def test_rule_9_keeps_the_places_of_ipv4():
    """Only IPv6 addresses change places when a policy makes both families equal."""
    policy = parse_gai_conf("precedence ::/0 40\n")
    pairs = [("2001:db8:f::1", "2001:db8:1::9"), ("192.0.2.1", "192.0.2.9"), ("2001:db8:1::1", "2001:db8:1::9")]
    assert ranked(pairs, policy) == ["2001:db8:1::1", "192.0.2.1", "2001:db8:f::1"]


def test_other_families_go_last_and_are_not_asked_for_a_source():
    unix = UnixEndpoint("/run/x.sock")
    four = ip("192.0.2.1")
    assert rank([unix, four], {four: None}.__getitem__) == [four, unix]


def test_scope_ids_survive():
    zoned = [IPv6Endpoint("fe80::2", 80, scope_id=3), IPv6Endpoint("fe80::1", 80, scope_id=4)]
    result = rank(zoned, lambda endpoint: packed("fe80::9"))
    assert [(e.host, e.scope_id) for e in result] == [("fe80::2%3", 3), ("fe80::1%4", 4)]


@pytest.mark.parametrize(
    ("address", "precedence", "label", "scope"),
    [
        ("::1", 50, 0, 2),
        ("2001:db8::1", 40, 1, 14),
        ("::ffff:192.0.2.1", 35, 4, 14),
        ("192.0.2.1", 35, 4, 14),
        ("10.0.0.1", 35, 4, 14),
        ("100.64.0.1", 35, 4, 14),
        ("127.0.0.1", 35, 4, 2),
        ("169.254.0.1", 35, 4, 2),
        ("::ffff:169.254.0.1", 35, 4, 2),
        ("2002::1", 30, 2, 14),
        ("2001::1", 5, 5, 14),
        ("2001:1::1", 40, 1, 14),
        ("fc00::1", 3, 13, 14),
        ("fdff::1", 3, 13, 14),
        ("::192.0.2.1", 1, 3, 14),
        ("fec0::1", 1, 11, 5),
        ("feff::1", 1, 11, 5),
        ("3ffe::1", 1, 12, 14),
        ("fe80::1", 40, 1, 2),
        ("febf::1", 40, 1, 2),
        ("ff02::1", 40, 1, 2),
        ("ff0e::1", 40, 1, 14),
        ("ff05::1", 40, 1, 5),
    ],
)
def test_default_table(address, precedence, label, scope):
    policy = Policy()
    value = packed(address)
    assert (policy.precedence(value), policy.label(value), policy.scope(value)) == (precedence, label, scope)


GAI_CONF = """\
# Configuration for getaddrinfo(3).
label ::1/128       0
label fc00::/7      6   # unique local
precedence  ::ffff:0:0/96  100
precedence  ::/0 7
reload  yes
scopev4 ::ffff:169.254.0.0/112  2
scopev4 10.0.0.0/8 5
scopev4 192.0.2.7 9
"""


def test_gai_conf_replaces_each_table_as_a_whole():
    policy = parse_gai_conf(GAI_CONF)
    assert policy.precedence(packed("192.0.2.1")) == 100
    assert policy.precedence(packed("::1")) == 7  # the default row for ::1 is gone
    assert policy.label(packed("fd00::1")) == 6
    assert policy.label(packed("2002::1")) == 1  # no row covers it
    assert policy.scope(packed("169.254.1.1")) == 2
    assert policy.scope(packed("10.9.9.9")) == 5
    assert policy.scope(packed("192.0.2.7")) == 9
    assert policy.scope(packed("127.0.0.1")) == 14  # the default row for 127/8 is gone


def test_gai_conf_with_precedence_only_keeps_the_other_tables():
    policy = parse_gai_conf("precedence ::ffff:0:0/96 100\n")
    assert policy.label(packed("fd00::1")) == 13
    assert policy.precedence(packed("2001:db8::1")) == 40
    assert policy.scope(packed("127.0.0.1")) == 2
    assert ranked([("2001:db8::1", "2001:db8::9"), ("192.0.2.1", "192.0.2.9")], policy) == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# precedence ::ffff:0:0/96 100",
        "precedence",
        "precedence ::ffff:0:0/96",
        "precedence ::ffff:0:0/96 100 extra",
        "precedence ::ffff:0:0/129 100",
        "precedence ::ffff:0:0/-1 100",
        "precedence ::ffff:0:0/x 100",
        "precedence ::ffff:0:0/ 100",
        "precedence 192.0.2.0/24 100",
        "precedence nonsense/96 100",
        "precedence ::ffff:0:0/96 ten",
        "scopev4 ::1/128 3",
        "scopev4 ::ffff:0:0/95 3",
        "scopev4 10.0.0.0/33 3",
        "favour ::/0 1",
    ],
)
def test_gai_conf_lines_that_say_nothing(line):
    policy, default = parse_gai_conf(line + "\n"), Policy()
    for text in ("::1", "192.0.2.1", "2001:db8::1", "fd00::1", "127.0.0.1", "2002::1"):
        value = packed(text)
        assert policy.precedence(value) == default.precedence(value)
        assert policy.label(value) == default.label(value)
        assert policy.scope(value) == default.scope(value)


@given(st.text())
@example("label ::/0 " + "9" * 5000)
@example("precedence ::/" + "9" * 5000 + " 1")
def test_gai_conf_is_total(text):
    parse_gai_conf(text)


def families(pattern: str) -> list:
    count = {"4": 0, "6": 0}
    found = []
    for char in pattern:
        count[char] += 1
        found.append(ip(f"192.0.2.{count[char]}" if char == "4" else f"2001:db8::{count[char]}"))
    return found


@pytest.mark.parametrize(
    ("pattern", "last", "result"),
    [
        ("", None, ""),
        ("6", None, "6"),
        ("66", IPv6, "66"),
        ("6644", None, "6464"),
        ("4466", None, "4646"),
        ("66644", None, "64646"),
        ("64444", None, "64444"),
        ("6644", IPv6, "4646"),
        ("6644", IPv4, "6464"),
        ("4466", IPv4, "6464"),
        ("44", IPv6, "44"),
        ("6464", 1, "6464"),
    ],
)
def test_interleave(pattern, last, result):
    given_list = families(pattern)
    mixed = interleave(given_list, last)
    assert "".join("6" if e.family == IPv6 else "4" for e in mixed) == result
    for family in (IPv4, IPv6):
        assert [e for e in mixed if e.family == family] == [e for e in given_list if e.family == family]


@pytest.mark.parametrize(
    ("best", "source", "rival", "rival_source", "verdict"),
    [
        pytest.param("2001:db8::1", "2001:db8::9", "198.41.0.4", "192.0.2.9", True, id="good-ipv6-starts"),
        pytest.param("192.0.2.1", "192.0.2.9", "2001:503::1", "2001:db8::9", False, id="ipv4-waits-for-ipv6"),
        pytest.param("192.0.2.1", "192.0.2.9", "2001:503::1", None, True, id="ipv4-on-a-host-without-ipv6"),
        pytest.param("192.0.2.1", "192.0.2.9", "2001:503::1", "fe80::1", True, id="ipv4-beside-link-local-only"),
        pytest.param("192.0.2.1", "192.0.2.9", "2001:503::1", "fd00::1", True, id="ipv4-beside-unique-local-only"),
        pytest.param("fd00::1", "fd00::9", "198.41.0.4", "192.0.2.9", False, id="unique-local-waits-for-ipv4"),
        pytest.param("2001:db8::1", None, "198.41.0.4", "192.0.2.9", False, id="unreachable-ipv6-waits-for-ipv4"),
        pytest.param("fd00::1", "fd00::9", "198.41.0.4", None, True, id="unique-local-on-a-host-without-ipv4"),
        pytest.param("2001:db8::1", None, "198.41.0.4", None, True, id="nothing-to-choose"),
    ],
)
def test_leads(best, source, rival, rival_source, verdict):
    known = [None if text is None else packed(text) for text in (source, rival, rival_source)]
    assert leads(ip(best), *known, Policy()) is verdict


def test_equal_families_both_lead():
    policy = parse_gai_conf("precedence ::/0 35\nprecedence ::ffff:0:0/96 35\n")
    for best, source, rival in (
        ("192.0.2.1", "192.0.2.9", "2001:503::1"),
        ("2001:db8::1", "2001:db8::9", "198.41.0.4"),
    ):
        other = "192.0.2.9" if ":" in source else "2001:db8::9"
        assert leads(ip(best), packed(source), packed(rival), packed(other), policy)


def test_leads_follows_the_administrator():
    policy = parse_gai_conf("precedence ::ffff:0:0/96 100\n")
    assert leads(ip("192.0.2.1"), packed("192.0.2.9"), packed("2001:503::1"), packed("2001:db8::9"), policy)
    assert not leads(ip("2001:db8::1"), packed("2001:db8::9"), packed("198.41.0.4"), packed("192.0.2.9"), policy)


@pytest.mark.parametrize(
    ("address", "source", "text"),
    [
        ("2001:db8::1", None, "no route or no source address (rule 1)"),
        ("2001:db8::1", "2001:db8::2", "precedence 40"),
        ("2001:db8::1", "fe80::2", "precedence 40, scope differs from the source's (rule 2)"),
        ("2001:db8::1", "fd00::2", "precedence 40, label differs from the source's (rule 5)"),
    ],
)
def test_reason(address, source, text):
    assert reason(ip(address), source and packed(source)) == text


def test_unique_keeps_the_first():
    assert unique(map(ip, ["192.0.2.1", "::1", "192.0.2.1", "::1", "192.0.2.2"])) == [
        ip("192.0.2.1"),
        ip("::1"),
        ip("192.0.2.2"),
    ]


addresses = st.one_of(
    st.binary(min_size=4, max_size=4).map(lambda b: ip(socket.inet_ntop(IPv4, b))),
    st.binary(min_size=16, max_size=16).map(lambda b: ip(socket.inet_ntop(IPv6, b))),
)


@given(st.lists(addresses, max_size=8), st.data())
def test_rank_is_a_permutation_and_idempotent(endpoints, data):
    sources = {e: data.draw(st.sampled_from([None, packed("fe80::1"), packed("2001:db8::1")])) for e in endpoints}
    once = rank(endpoints, sources.__getitem__)
    assert sorted(once) == sorted(endpoints)
    assert rank(once, sources.__getitem__) == once
