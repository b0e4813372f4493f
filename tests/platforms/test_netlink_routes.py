"""Route messages of rtnetlink, built here: which are kept, and that passing over the others loses none."""

from __future__ import annotations

import socket
import sys
from struct import pack

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("AF_INET6 has Linux's number in these messages; runs on Linux", allow_module_level=True)

from dualstack.platforms.netlink import DUMP_INTERRUPTED, attribute
from dualstack.platforms.netlink_routes import _Reader

V4, V6 = socket.AF_INET, socket.AF_INET6
TABLE, DST, OIF, PRIORITY = 15, 1, 4, 6


def route(family: int, prefix: str, *, first=(), flags: int = 2, index: int = 0, kind: int = 24) -> bytes:
    """One RTM_NEWROUTE as the kernel writes it: the table, the destination, and the rest; *first* comes before them."""
    text, _, length = prefix.partition("/")
    packed = socket.inet_pton(family, text)
    body = pack("=BBBBBBBBI", family, int(length), 0, 0, 254, 2, 0, 1, 0)
    body += b"".join(first) + attribute(TABLE, pack("=I", 254))
    if int(length):
        body += attribute(DST, packed)
    body += attribute(PRIORITY, pack("=I", index)) + attribute(OIF, pack("=i", 0))
    return pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


DONE = pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def read(*messages: bytes) -> tuple[list[tuple[int, int]], bool]:
    """The metrics of the routes that are kept, with their prefix lengths; whether the dump was consistent."""
    reader = _Reader()
    assert reader.read(b"".join(messages))
    return [(one.metric, one.prefix_length) for one, _ in reader.found], reader.consistent


def test_defaults_are_kept_wherever_they_stand() -> None:
    others = [route(V4, "10.1.0.0/16"), route(V6, "2001:db8::/32"), route(V4, "192.0.2.7/32"), route(V6, "ff00::/8")]
    four, six = route(V4, "0.0.0.0/0", index=4), route(V6, "::/0", index=6)
    assert read(four, *others, six, DONE) == ([(4, 0), (6, 0)], True)
    assert read(*others, six, *others, four, *others, DONE) == ([(6, 0), (4, 0)], True)
    assert read(*others, DONE) == ([], True)
    assert read(DONE) == ([], True)


@pytest.mark.parametrize("prefix", ["0.0.0.0/1", "0.0.0.0/8"])
def test_longer_prefixes_of_address_zero_are_kept(prefix: str) -> None:
    """The half of a VPN, which the netifaces drop-in shows."""
    assert read(route(V4, prefix, index=1), DONE) == ([(1, int(prefix.partition("/")[2]))], True)


@pytest.mark.parametrize(("family", "prefix"), [(V4, "0.1.0.0/16"), (V6, "::1/128"), (V4, "128.0.0.0/1")])
def test_prefixes_that_begin_with_zero_or_a_bit_are_not(family: int, prefix: str) -> None:
    assert read(route(family, prefix), route(V4, "0.0.0.0/0", index=1), DONE) == ([(1, 0)], True)


def test_attributes_in_another_order_are_looked_for() -> None:
    before = [attribute(30, b"1234")]
    messages = [route(V4, "10.0.0.0/8", first=before), route(V4, "0.0.0.0/0", first=before, index=7)]
    assert read(*messages, DONE) == ([(7, 0)], True)


def test_an_interruption_is_seen_on_every_message() -> None:
    for other in (route(V4, "10.0.0.0/8", flags=2 | DUMP_INTERRUPTED), route(V4, "0.0.0.0/0", flags=DUMP_INTERRUPTED)):
        assert read(route(V4, "10.0.0.0/8"), other, route(V4, "10.0.0.0/8"), DONE)[1] is False


def test_a_length_that_says_nothing_ends_all_the_same() -> None:
    whole = route(V4, "10.0.0.0/8")
    for length in (0, 16, 40):
        reader = _Reader()
        reader.read(pack("=I", length) + whole[4:] + DONE)
        assert reader.found == []
