"""rtnetlink messages built here and read by the decoders: fields, learned layouts, interrupted dumps, damage."""

from __future__ import annotations

import sys
import threading
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

if not sys.platform.startswith("linux"):
    pytest.skip("AF_INET6 has Linux's number in these messages; runs on Linux", allow_module_level=True)

from dualstack.platforms import netlink, rtnetlink
from dualstack.platforms.netlink import attribute, attributes, closes, name_bytes, request, text
from dualstack.platforms.netlink_addresses import read_addresses
from dualstack.platforms.netlink_layout import Layouts

MULTI, INTERRUPTED = 0x2, 0x12
DONE = pack("=IHHIIi", 20, 3, MULTI, 1, 77, 0)


def message(kind: int, body: bytes, flags: int = MULTI) -> bytes:
    return pack("=IHHII", 16 + len(body), kind, flags, 1, 77) + body


def link(
    index: int, name: str, *, extra: bytes = b"", flags: int = MULTI, state: int = 6, mtu: int = 1500, **more
) -> bytes:
    body = pack("=BxHiII", 0, 1, index, 0x1043, 0)
    body += attribute(3, name_bytes(name) + b"\0") + attribute(13, pack("=I", 1000)) + attribute(16, bytes([state]))
    body += attribute(17, b"\0") + attribute(4, pack("=I", mtu)) + attribute(27, pack("=I", 0))
    if "alias" in more:
        body += attribute(20, more["alias"].encode() + b"\0")
    body += extra
    if more.get("mac", b"\2" * 6):
        body += attribute(1, more.get("mac", b"\2" * 6)) + attribute(2, b"\xff" * 6)
    body += attribute(26 | 0x8000, bytes(40))
    if "others" in more:
        body += attribute(52 | 0x8000, b"".join(attribute(53, other.encode() + b"\0") for other in more["others"]))
    return message(16, body, flags)


def ipv4(index: int, last: int, name: str, *, flags: int = MULTI, label: str = "", peer: bytes = b"", **more) -> bytes:
    own = bytes([192, 0, 2, last])
    body = pack("=BBBBI", 2, 24, 0x80, 0, index) + attribute(1, peer or own) + attribute(2, own)
    if more.get("broadcast", True):
        body += attribute(4, bytes([192, 0, 2, 255]))
    body += attribute(3, name_bytes(label or name) + b"\0") + attribute(8, pack("=I", 0x80))
    body += attribute(6, pack("=IIII", *more.get("lifetimes", (0xFFFFFFFF, 0xFFFFFFFF)), 0, 0))
    return message(20, body, flags)


def ipv6(index: int, packed: bytes, *, bits: int = 0x80, peer: bytes = b"", proto: bool = True, **more) -> bytes:
    body = pack("=BBBBI", 10, 64, bits & 0xFF, 0, index)
    body += attribute(2, packed) + attribute(1, peer) if peer else attribute(1, packed)
    body += attribute(6, pack("=IIII", *more.get("lifetimes", (0xFFFFFFFF, 0xFFFFFFFF)), 0, 0))
    body += attribute(8, pack("=I", bits)) + (attribute(11, b"\1") if proto else b"")
    return message(20, body)


def read(links: list[bytes], addresses: list[bytes] = ()):
    """As dump() does: a closing message that stands alone and says nothing is not handed on."""
    reader = rtnetlink.Reader()
    assert not reader.read_links(b"".join(links))
    assert not reader.read_addresses(b"".join(addresses))
    return reader


@pytest.fixture(autouse=True, params=["walked", "learned"])
def twice(request, monkeypatch: pytest.MonkeyPatch):
    """Every test reads once attribute by attribute and once by layouts learned from the same messages."""
    if request.param == "walked":
        monkeypatch.setattr(Layouts, "learn", lambda *_: None)
        for layouts in (rtnetlink._LINKS, *_address_layouts()):
            layouts.known.clear()
        return lambda make: make()

    def again(make):
        make()
        return make()

    return again


def _address_layouts():
    from dualstack.platforms import netlink_addresses

    return netlink_addresses._IPV4, netlink_addresses._IPV6


def test_links(twice) -> None:
    messages = [
        link(1, "lo", state=0, mtu=65536),
        link(2, "eth0", alias="to the office", others=["enp1s0", "office"]),
        link(3, "tun0", mac=b""),
        link(4, "eth1", extra=attribute(99, b"unknown")),
        link(5, "bad\udcff"),
        link(6, "new", state=77),
    ]
    nics = twice(lambda: read(messages).result())
    assert nics.names == ("lo", "eth0", "tun0", "eth1", "bad\udcff", "new")
    assert [nic.operational_state for nic in nics] == ["unknown", "up", "up", "up", "up", "unknown"]
    assert [nic.mtu for nic in nics] == [65536, 1500, 1500, 1500, 1500, 1500]
    assert [nic.mac for nic in nics] == ["02:02:02:02:02:02"] * 2 + [None] + ["02:02:02:02:02:02"] * 3
    assert nics["eth0"].display_name == "to the office"
    assert nics["eth0"].alternative_names == ("enp1s0", "office")
    assert nics["eth1"].alternative_names == () and nics["eth1"].display_name == "eth1"
    assert nics.consistent


def test_attributes_of_one_length_in_place_of_another(twice) -> None:
    """A message of the same length, an alias where another had something else: the header words tell."""
    messages = [
        link(1, "e1", extra=attribute(10, pack("=I", 7))),
        link(2, "e2", alias="abc"),
        link(3, "e3", alias="xyz"),
    ]
    assert len(set(map(len, messages))) == 1
    nics = twice(lambda: read(messages).result())
    assert [nic.display_name for nic in nics] == ["e1", "abc", "xyz"]


def test_names_of_different_length_in_messages_of_one_length(twice) -> None:
    messages = [link(index, name) for index, name in enumerate(("abc", "ab", "a", "abc"), 1)]
    assert len({len(one) for one in messages}) == 1
    assert twice(lambda: read(messages).result()).names == ("abc", "ab", "a", "abc")


def test_addresses(twice) -> None:
    messages = [
        ipv4(1, 1, "e1"),
        ipv4(1, 2, "e1", broadcast=False),
        ipv4(1, 3, "e1", label="e1:1"),
        ipv4(1, 4, "e1", peer=bytes([198, 51, 100, 9]), broadcast=False),
        ipv4(1, 5, "e1", lifetimes=(10, 20)),
        ipv6(1, bytes.fromhex("20010db8" + "00" * 11 + "01")),
        ipv6(1, bytes.fromhex("fe80" + "00" * 13 + "01"), bits=0xC0),
        ipv6(1, bytes(10) + b"\xff\xff\xc0\0\2\1", proto=False),
        ipv6(1, bytes(12) + b"\xc0\0\2\1"),
        ipv6(1, bytes.fromhex("fd00" + "00" * 13 + "01"), peer=bytes.fromhex("fd00" + "00" * 13 + "02")),
        ipv6(1, bytes.fromhex("20010db8" + "00" * 11 + "02"), lifetimes=(0, 600)),
    ]
    (nic,) = twice(lambda: read([link(1, "e1")], messages).result())
    found = twice(lambda: read_addresses("e1", 1, messages))
    assert nic.addresses == found
    assert [one.host for one in found] == [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.4",
        "192.0.2.5",
        "2001:db8::1",
        "fe80::1%e1",
        "::ffff:192.0.2.1",
        "::c000:201",
        "fd00::1",
        "2001:db8::2",
    ]
    assert [one.broadcast for one in found[:5]] == ["192.0.2.255", None, "192.0.2.255", None, "192.0.2.255"]
    assert [one.label for one in found[:3]] == [None, None, "e1:1"]
    assert [one.peer for one in found] == [None] * 3 + ["198.51.100.9"] + [None] * 5 + ["fd00::2", None]
    assert (found[4].preferred_lifetime, found[4].valid_lifetime) == (10, 20)
    assert (found[10].preferred_lifetime, found[10].valid_lifetime) == (0, 600)
    assert found[6].is_tentative and found[6].scope_id == 1 and found[5].scope_id == 0


@pytest.mark.parametrize("where", ["link", "last-link", "links-done", "address", "addresses-done"])
def test_an_interrupted_dump_is_noticed_wherever_it_is_said(where: str, twice) -> None:
    links = [link(1, "e1", flags=INTERRUPTED if where == "link" else MULTI)]
    links.append(link(2, "e2", flags=INTERRUPTED if where == "last-link" else MULTI))
    addresses = [ipv4(1, 1, "e1", flags=INTERRUPTED if where == "address" else MULTI)]
    interrupted = pack("=IHHIIi", 20, 3, INTERRUPTED, 1, 77, 0)

    def make():
        reader = rtnetlink.Reader()
        reader.read_links(b"".join(links))
        reader.read_links(interrupted if where == "links-done" else DONE)
        reader.read_addresses(b"".join(addresses))
        reader.read_addresses(interrupted if where == "addresses-done" else DONE)
        return reader.result()

    nics = twice(make)
    assert nics.consistent is False
    assert nics.names == ("e1", "e2") and len(nics["e1"].addresses) == 1


@pytest.mark.parametrize("where", ["link", "links-done", "address", "addresses-done"])
def test_an_interrupted_dump_is_given_up_where_the_interruption_shows(where: str) -> None:
    interrupted = pack("=IHHIIi", 20, 3, INTERRUPTED, 1, 77, 0)
    read = "read_links" if "link" in where else "read_addresses"
    one = link(1, "e1", flags=INTERRUPTED) if "link" in where else ipv4(1, 1, "e1", flags=INTERRUPTED)
    reader = rtnetlink.Reader()
    reader.hasty = True
    with pytest.raises(rtnetlink._Interrupted):
        getattr(reader, read)(interrupted if "done" in where else one)


def answers(*dumps: list[bytes]):
    """A netlink socket class whose requests are answered by *dumps*, and the log of what happened to it."""
    script, log = list(dumps), []

    class Scripted:
        def __init__(self, *args: int) -> None:
            self.blocks: list[bytes] = []
            log.append("open")

        def send(self, data: bytes) -> None:
            assert self.blocks == [], "the dump before was not read to its end"
            self.blocks = list(script.pop(0))
            log.append("links" if data[4] == 18 else "addresses")

        def recv(self, size: int) -> bytes:
            return self.blocks.pop(0)

        def close(self) -> None:
            log.append("close")

    return Scripted, log


LINKS = [link(1, "e1"), DONE]
ADDRESSES = [ipv4(1, 1, "e1"), ipv4(1, 2, "e1"), DONE]
BROKEN = [ipv4(1, 1, "e1"), ipv4(1, 2, "e1", flags=INTERRUPTED), ipv4(1, 2, "e1"), DONE]
BROKEN_LINKS = [link(1, "e1", flags=INTERRUPTED), link(2, "e2"), DONE]


@pytest.mark.parametrize(
    ("dumps", "log", "consistent"),
    [
        pytest.param([LINKS, ADDRESSES], "open links addresses close", True, id="quiet"),
        pytest.param(
            [LINKS, BROKEN, ADDRESSES], "open links addresses close open addresses close", True, id="addresses-change"
        ),
        pytest.param(
            [BROKEN_LINKS, LINKS, ADDRESSES], "open links close open links addresses close", True, id="links-change"
        ),
        pytest.param(
            [LINKS] + [BROKEN] * rtnetlink.DUMP_ATTEMPTS,
            "open links addresses close" + " open addresses close" * (rtnetlink.DUMP_ATTEMPTS - 1),
            False,
            id="never-rests",
        ),
        pytest.param(
            [BROKEN_LINKS] * rtnetlink.DUMP_ATTEMPTS + [ADDRESSES],
            "open links close " * (rtnetlink.DUMP_ATTEMPTS - 1) + "open links addresses close",
            False,
            id="links-never-rest",
        ),
    ],
)
def test_what_is_asked_again(monkeypatch: pytest.MonkeyPatch, dumps, log: str, consistent: bool) -> None:
    """Links that came whole are kept; the last attempt is read to its end and marked."""
    scripted, happened = answers(*dumps)
    monkeypatch.setattr(netlink, "Socket", scripted)
    nics = rtnetlink.dump_interfaces()
    assert (" ".join(happened), nics.consistent) == (log, consistent)
    assert [one.host for one in nics["e1"].addresses] == ["192.0.2.1", "192.0.2.2"]


def test_whoever_looks_first_makes_it_for_all(twice) -> None:
    """Two threads that look at a fresh snapshot get the same interfaces and all of their addresses."""
    for _ in range(50):
        nics = twice(lambda: read([link(1, "e1"), link(2, "e2")], [ipv4(1, 1, "e1"), ipv4(2, 2, "e2")]).result())
        ready, found = threading.Barrier(4), []

        def look(nics=nics, ready=ready, found=found) -> None:
            ready.wait()
            found.append([(nic, nic.addresses, nic.mac) for nic in nics])

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        for rows in found:
            assert [nic is nics[place] for place, (nic, _, _) in enumerate(rows)] == [True, True]
            assert [[one.host for one in addresses] for _, addresses, _ in rows] == [["192.0.2.1"], ["192.0.2.2"]]


@pytest.mark.parametrize("late", ["items", "addresses"])
def test_a_thread_that_comes_while_another_is_making_it(monkeypatch: pytest.MonkeyPatch, late: str) -> None:
    """At the worst moment: a second one makes everything between two steps of the first."""
    seen = []
    method = "made" if late == "items" else "addresses"
    real = getattr(rtnetlink.Reader, method)

    def between(self, *args):
        found = real(self, *args)
        if not seen:
            seen.append(True)  # only the first is interrupted
            seen.append([(nic, [one.host for one in nic.addresses]) for nic in nics])
        return found

    monkeypatch.setattr(rtnetlink.Reader, method, between)
    nics = read([link(1, "e1")], [ipv4(1, 1, "e1")]).result()
    mine = [(nic, [one.host for one in nic.addresses]) for nic in nics]
    assert seen[1] == mine == [(nics[0], ["192.0.2.1"])]
    assert seen[1][0][0] is nics[0]


def test_long_tables_of_links_are_read_as_they_come(twice) -> None:
    blocks = [link(index, f"e{index}") for index in range(1, 30)]

    def make():
        reader = rtnetlink.Reader()
        for block in blocks:
            assert not reader.read_links(block)
            assert len(reader.links) <= rtnetlink.MOST_KEPT
        reader.read_links(DONE)
        return reader.result()

    assert twice(make).names == tuple(f"e{index}" for index in range(1, 30))


def test_what_an_interrupted_dump_doubled_is_there_once(twice) -> None:
    def make():
        reader = read([link(1, "e1"), link(1, "e1")], [ipv4(1, 1, "e1"), ipv4(1, 1, "e1"), ipv4(1, 2, "e1")])
        reader.consistent = False
        return reader.result()

    nics = twice(make)
    assert nics.names == ("e1",)
    assert [one.host for one in nics[0].addresses] == ["192.0.2.1", "192.0.2.2"]


def test_an_address_that_went_and_came_back_while_a_block_was_written_is_there_once(twice) -> None:
    """The kernel's list is read without a lock, and one block without an interruption; seen with IPv6."""
    same = bytes.fromhex("20010db8" + "00" * 11 + "01")
    rows = [ipv6(1, same), ipv4(1, 1, "e1"), ipv6(1, same), ipv4(1, 1, "e1", peer=bytes([198, 51, 100, 9]))]
    nics = twice(lambda: read([link(1, "e1")], rows).result())
    assert nics.consistent
    assert [(one.host, one.peer) for one in nics[0].addresses] == [
        ("2001:db8::1", None),
        ("192.0.2.1", None),
        ("192.0.2.1", "198.51.100.9"),  # another address all the same
    ]


def test_an_interface_that_came_in_between_is_not_there_nor_are_its_addresses(twice) -> None:
    nics = twice(lambda: read([link(1, "e1")], [ipv4(9, 1, "e9"), ipv4(1, 1, "e1")]).result())
    assert nics.names == ("e1",) and len(nics[0].addresses) == 1


def test_bytes_that_look_like_an_interrupted_message_and_are_none(twice) -> None:
    """The quick look at a block finds the words anywhere; only a message that says so counts."""
    packed = bytes.fromhex("20010db8") + pack("=HH", 20, 0x12) + bytes(8)
    assert twice(lambda: read([link(1, "e1")], [ipv6(1, packed), ipv4(1, 1, "e1")]).result()).consistent


def test_a_snapshot_holds_no_cycle(twice, uncollected) -> None:
    """Freed at once, without the garbage collector."""
    nics = twice(lambda: read([link(1, "e1")], [ipv4(1, 1, "e1")]).result())
    assert len(nics[0].addresses) == 1
    while uncollected():
        pass
    del nics
    assert uncollected() == 0


def test_other_messages_in_between_are_passed_over(twice) -> None:
    other = message(99, b"????")
    reader = twice(lambda: read([other, link(1, "e1"), other], [other, ipv4(1, 1, "e1"), other]))
    assert [one.host for one in reader.result()[0].addresses] == ["192.0.2.1"]


def test_a_closing_message_that_is_handed_on(twice) -> None:
    reader = rtnetlink.Reader()
    assert not reader.read_links(link(1, "e1")) and reader.read_links(DONE)
    assert not reader.read_addresses(ipv4(1, 1, "e1")) and reader.read_addresses(DONE)
    assert len(reader.result()[0].addresses) == 1


def test_the_closing_message_may_follow_in_the_same_block(twice) -> None:
    reader = rtnetlink.Reader()
    assert reader.read_links(link(1, "e1") + DONE)
    assert reader.read_addresses(ipv4(1, 1, "e1") + DONE)
    assert len(reader.result()[0].addresses) == 1


def test_an_errno_of_the_kernel() -> None:
    for kind in (2, 3):
        with pytest.raises(PermissionError, match="rtnetlink"):
            closes(pack("=IHHIIi", 20, kind, 0, 1, 77, -1), 0, kind)
        assert closes(pack("=IHHIIi", 20, kind, 0, 1, 77, 0), 0, kind)
    assert not closes(link(1, "e1"), 0, 16)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_damage_is_an_error_or_an_answer_and_ends(noise: bytes, cut: int) -> None:
    whole = (link(1, "e1") + ipv4(1, 1, "e1"))[:cut] + noise
    whole += bytes(-len(whole) % 4)
    for method in ("read_links", "read_addresses"):
        try:
            getattr(rtnetlink.Reader(), method)(whole)
        except (netlink.StructError, OSError):
            pass


@given(st.binary(max_size=80))
def test_walking_attributes_ends_and_stays_inside(data: bytes) -> None:
    for _, start, end in attributes(data, 0, len(data)):
        assert 4 <= start <= end <= len(data)


def test_names_go_through_bytes() -> None:
    for name in ("eth0", "grüße", "bad\udcff\udcfe"):
        assert text(name_bytes(name) + b"\0") == name


def test_building_a_request() -> None:
    assert request(18, 0x300, b"body") == pack("=IHHII", 20, 18, 0x301, 1, 0) + b"body"
    assert attribute(3, b"abcde") == pack("=HH", 9, 3) + b"abcde\0\0\0"
