"""hosts(5) and nsswitch.conf(5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.core.hosts import Hosts, files_come_first

HOSTS = b"""\
127.0.0.1\tlocalhost  # the usual
::1 localhost ip6-localhost
192.0.2.7 Build.Example build
2001:db8::7   build.example
192.0.2.7 build   # twice
fe80::1%Eth0 router
300.0.2.1 broken
127.1 short
192.0.2.9
192.0.2.10 127.1 0x7f.1 a..b -x good_name
   # nothing
\xff\xfe \xff
192.0.2.12 dos\r
192.0.2.11\tlast"""


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("ip6-localhost", ("::1",)),
        ("build.example", ("192.0.2.7", "2001:db8::7")),
        ("BUILD.example", ("192.0.2.7", "2001:db8::7")),
        ("build", ("192.0.2.7",)),  # once, though it stands on two lines
        ("router", ("fe80::1%Eth0",)),
        ("good_name", ("192.0.2.10",)),
        ("localhost", ()),  # not what the file says: RFC 6761
        ("db.localhost", ()),
        ("twice", ()),  # it stands in a comment
        ("usual", ()),
        ("example", ()),  # parts of names are no names
        ("buil", ()),
        ("ip6", ()),
        ("broken", ()),  # of lines without an address
        ("short", ()),
        ("192.0.2.9", ()),
        ("nothing", ()),
        ("absent", ()),
        ("\xff", ()),
        ("last", ("192.0.2.11",)),  # at the end, without a line feed
        ("dos", ("192.0.2.12",)),
    ],
)
def test_names_of_a_hosts_file(name: str, addresses: tuple[str, ...]) -> None:
    assert Hosts(HOSTS).get(name) == addresses


names = st.sampled_from(["a", "A.b", "a.b", "b", "ab", "localhost", "x-1"])
words = st.one_of(
    names, st.sampled_from(["192.0.2.1", "::1", "1.2", "#", "%", "\t", "  ", "\n", "\r\n", "fe80::1%Eth0"])
)


def by_the_line(text: str, name: str) -> tuple[str, ...]:
    """The same in the plainest way: every word of every line."""
    found = []
    for line in text.split("\n"):
        address, *given_names = [*line.partition("#")[0].split(), ""]
        if name.lower() in [one.lower() for one in given_names if one] and address in (
            "192.0.2.1",
            "::1",
            "fe80::1%Eth0",
        ):
            found.append(address)
    return tuple(dict.fromkeys(found))


@given(st.lists(words, max_size=30).map(" ".join), names.filter(lambda name: name != "localhost"))
def test_finding_a_name_is_reading_every_line(text: str, name: str) -> None:
    assert Hosts(text.encode()).get(name) == by_the_line(text, name)


def test_a_name_is_searched_for_once_and_a_thousand_are_remembered() -> None:
    class Counting(Hosts):
        searched: list[str] = []  # noqa: RUF012 - of this test alone

        def _search(self, name: str) -> tuple[str, ...]:
            self.searched.append(name)
            return super()._search(name)

    hosts = Counting(HOSTS)
    assert [hosts.get(name) for name in ("build", "absent") * 2] == [("192.0.2.7",), ()] * 2
    assert hosts.searched == ["build", "absent"]
    for number in range(1023):
        hosts.get(f"n{number}")
    assert hosts.get("build") == ("192.0.2.7",)
    assert hosts.searched.count("build") == 2


@given(st.binary(), st.text())
def test_hosts_files_are_read_whatever_is_in_them(data: bytes, name: str) -> None:
    assert isinstance(Hosts(data).get(name), tuple)
    assert files_come_first(data) in (True, False)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (b"", True),
        (b"passwd: nis\n", True),
        (b"hosts: files dns\n", True),
        (b"hosts:\tfiles\n", True),
        (b"hosts: mymachines files dns\n", False),
        (b"hosts: dns files\n", False),
        (b"hosts: [NOTFOUND=return] files\n", False),
        (b"# hosts: dns\nhosts : files\n", True),
        (b"hosts: # nothing\n", False),
    ],
)
def test_files_come_first(text, first):
    assert files_come_first(text) is first
