"""dualstack interfaces and dualstack route, on scripted systems: text, JSON, filters, changes, and what is refused."""

from __future__ import annotations

import json
import socket

import pytest

from dualstack import platforms
from dualstack.cli.__main__ import main
from dualstack.core.interface import LOOPBACK, RUNNING, UP, Interface
from dualstack.core.interface_address import DEPRECATED, PERMANENT, TEMPORARY, InterfaceAddress
from dualstack.core.interfaces import Interfaces
from dualstack.core.route import Route, SourceAddress
from dualstack.errors import UnsupportedError
from dualstack.platforms.change_source import ChangeSource
from dualstack.platforms.contract import Platform

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)


def address(text: str, nic: str = "eth0", index: int = 2, flags: int = PERMANENT, **more) -> InterfaceAddress:
    host, _, length = text.partition("/")
    bare = host.partition("%")[0]
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    packed = socket.inet_pton(family, bare)
    return InterfaceAddress(
        int(family), packed, host, int(length), nic, index, index if "%" in host else 0, flags, **more
    )


LO = Interface("lo", 1, UP | LOOPBACK | RUNNING, 65536, addresses=(address("127.0.0.1/8", "lo", 1),))
ETH0 = Interface(
    "eth0",
    2,
    UP | RUNNING,
    1500,
    bytes.fromhex("02005e100001"),
    operational_state="up",
    alternative_names=("enp1s0",),
    addresses=(
        address("192.0.2.7/24", broadcast="192.0.2.255"),
        address("2001:db8::7/64", flags=TEMPORARY | DEPRECATED, valid_lifetime=600, preferred_lifetime=0),
        address("fe80::7%eth0/64"),
    ),
)
ETH1 = Interface("eth1", 3, 0, 1500, addresses=(address("198.51.100.1/24", "eth1", 3),))
ODD = Interface("bad\udcff", 4, UP)
DEFAULT = Route(V4, "192.0.2.1", "eth0", 2, 100)


class Notices(ChangeSource):
    """One notice for each picture that is left; then the watcher is at its end."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.open = True

    def wait(self, timeout: float | None) -> bool:
        if timeout is None and len(self.system.pictures) == 1:
            raise KeyboardInterrupt  # as a person ends it
        return timeout is None

    def lost(self) -> bool:
        lost, self.system.lost = self.system.lost, False
        return lost

    def close(self) -> None:
        self.open = False


class System(Platform):
    def __init__(self, *pictures: Interfaces, routes: tuple[Route, ...] = ()) -> None:
        self.pictures = [*pictures, pictures[-1]]  # the last one stays
        self.found = list(routes)
        self.lost = False
        self.source: Notices | None = None

    def interfaces(self) -> Interfaces:
        return self.pictures.pop(0) if len(self.pictures) > 1 else self.pictures[0]

    def routes(self) -> list[Route]:
        return self.found

    def route_to(self, family, packed, destination, scope_id, protocol, port) -> SourceAddress:
        if packed[0] == 203:
            raise OSError(101, "no packet can go to 203.0.113.1: Network is unreachable")
        return SourceAddress(family, destination, "192.0.2.7", "eth0", 2, f"192.0.2.{port or 1}")

    def watch(self, poll_interval=None) -> Notices:
        self.source = Notices(self)
        return self.source


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch):
    def use(*pictures: Interfaces, routes: tuple[Route, ...] = (DEFAULT,)) -> System:
        scripted = System(*(pictures or (Interfaces((LO, ETH0, ETH1, ODD)),)), routes=routes)
        monkeypatch.setattr(platforms, "current", scripted)
        return scripted

    return use


# --------------------------------------------------------------------- listing


def test_for_people(system, capsys) -> None:
    system()
    assert main(["interfaces"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "2: eth0 <up,running> up mtu 1500 mac 02:00:5e:10:00:01" in shown
    assert "    192.0.2.7/24 broadcast 192.0.2.255" in shown
    assert "    2001:db8::7/64 temporary deprecated valid 600s preferred 0s" in shown
    assert shown[-1] == "4: bad\\xff <up> unknown"  # bytes that no terminal can show


def test_for_programs(system, capsys) -> None:
    system()
    assert main(["interfaces", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["consistent"] is True
    assert [nic["name"] for nic in found["interfaces"]] == ["lo", "eth0", "eth1", "bad\udcff"]
    assert found["interfaces"][1]["addresses"][1]["valid_lifetime"] == 600


def test_that_something_may_be_missing_is_said_beside_the_list(system, capsys) -> None:
    system(Interfaces((LO,), consistent=False))
    assert main(["interfaces", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["consistent"] is False
    assert "something may be missing" in captured.err


FILTERS = [
    pytest.param(["ipv4"], ["192.0.2.7/24", "198.51.100.1/24", "127.0.0.1/8"], id="family"),
    pytest.param(["up", "ipv4"], ["192.0.2.7/24", "127.0.0.1/8"], id="up"),
    pytest.param(["down"], ["198.51.100.1/24"], id="down"),
    pytest.param(["eth0"], ["192.0.2.7/24", "fe80::7%eth0/64", "2001:db8::7/64"], id="interface-usable-first"),
    pytest.param(["enp1s0", "ipv6", "usable"], ["fe80::7%eth0/64"], id="alternative-name-and-kind"),
    pytest.param(["link-local"], ["fe80::7%eth0/64"], id="link-local"),
    pytest.param(["loopback"], ["127.0.0.1/8"], id="loopback"),
    pytest.param(["temporary"], ["2001:db8::7/64"], id="temporary"),
]


@pytest.mark.parametrize(("words", "expected"), FILTERS)
def test_filters(system, capsys, words: list[str], expected: list[str]) -> None:
    system()
    assert main(["interfaces", *words]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == expected
    assert main(["interfaces", "--json", *words]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [f"{row['host']}/{row['prefix_length']}" for row in rows] == expected
    assert all(row["interface"] in ("lo", "eth0", "eth1") for row in rows)


def test_filters_that_leave_nothing(system, capsys) -> None:
    system()
    assert main(["interfaces", "lo", "ipv6"]) == 1
    assert main(["interfaces", "--json", "lo", "ipv6"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("[]\n", "")


@pytest.mark.parametrize("watch", [[], ["--watch"]], ids=["list", "watch"])
@pytest.mark.parametrize(
    ("word", "near"),
    [
        pytest.param("eht0", "there is eth0", id="near-an-interface"),
        pytest.param("tempory", "there is temporary", id="near-a-filter"),
        pytest.param("zzz", "there is up, down, ipv4, ipv6, usable", id="near-nothing"),
    ],
)
def test_an_unknown_word(system, capsys, watch: list[str], word: str, near: str) -> None:
    system()
    assert main(["interfaces", *watch, word]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"dualstack interfaces: '{word}' is no filter and no interface; {near}")


def test_a_system_that_does_not_tell(monkeypatch, capsys) -> None:
    monkeypatch.setattr(platforms, "current", Platform())
    assert main(["interfaces"]) == 1
    assert "listing network interfaces" in capsys.readouterr().err


# --------------------------------------------------------------------- changes


def without(nic: Interface, host: str, **changed) -> Interface:
    fields = dict(zip(("name", "index", "flags", "mtu"), nic._fields()[:4], strict=True), **changed)
    return Interface(**fields, addresses=tuple(one for one in nic.addresses if one.host != host))


PICTURES = [
    Interfaces((LO, ETH0)),
    Interfaces((LO, without(ETH0, "192.0.2.7"))),
    Interfaces((LO, without(ETH0, "192.0.2.7"), ETH1)),
    Interfaces((LO,)),
]


def watched(system, capsys, *words: str) -> list[str]:
    scripted = system(*PICTURES)
    assert main(["interfaces", "--watch", *words]) == 130
    assert not scripted.source.open
    return capsys.readouterr().out.splitlines()


def test_changes_for_people(system, capsys) -> None:
    shown = watched(system, capsys)
    assert shown[0] == "removed address 192.0.2.7/24 on eth0"
    assert "added interface 3: eth1 <> unknown mtu 1500" in shown
    assert "added address 198.51.100.1/24 on eth1" in shown
    assert shown[-1].startswith("removed interface 3: eth1")


def test_changes_for_programs(system, capsys) -> None:
    changes = [json.loads(line) for line in watched(system, capsys, "--json")]
    assert (changes[0]["action"], changes[0]["subject"], changes[0]["interface"]) == ("removed", "address", "eth0")
    assert changes[0]["old"]["host"] == "192.0.2.7" and changes[0]["new"] is None
    assert {change["subject"] for change in changes} == {"address", "interface"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["eth0", "ipv4"], ["removed address 192.0.2.7/24"], id="interface-and-family"),
        pytest.param(["lo"], [], id="nothing-happened-there"),
        pytest.param(["temporary"], ["removed address 2001:db8::7/64"], id="kind"),
        pytest.param(
            ["down"],
            [
                "added interface 3: eth1",
                "added address 198.51.100.1/24",
                "removed address 198.51.100.1/24",
                "removed interface 3: eth1",
            ],
            id="state-also-of-what-went",
        ),
    ],
)
def test_changes_that_filters_name(system, capsys, words: list[str], expected: list[str]) -> None:
    shown = watched(system, capsys, *words)
    assert [line.partition(" on ")[0].partition(" <")[0] for line in shown] == expected


def test_lost_events_concern_everybody(system, capsys) -> None:
    scripted = system(*PICTURES[:2])
    scripted.lost = True
    assert main(["interfaces", "--watch", "lo"]) == 130
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("resync: the system lost events")


# --------------------------------------------------------------------- routes


def test_the_way_to_a_destination(system, capsys) -> None:
    system()
    assert main(["route", "198.51.100.9"]) == 0
    assert main(["route", "198.51.100.9", "--port", "9", "--json"]) == 0
    text, _, data = capsys.readouterr().out.partition("\n")
    assert text == "198.51.100.9 from 192.0.2.7 dev eth0 via 192.0.2.1"
    found = json.loads(data)
    assert (found["host"], found["interface"], found["gateway"]) == ("192.0.2.7", "eth0", "192.0.2.9")


def test_the_default_routes(system, capsys) -> None:
    system(routes=(Route(V4, "192.0.2.2", "eth0", 2, 200), DEFAULT, Route(V6, None, "eth1", 3)))
    assert main(["route"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "* dev eth1 metric 0",
        "* via 192.0.2.1 dev eth0 metric 100",
        "  via 192.0.2.2 dev eth0 metric 200",
    ]
    assert main(["route", "--json"]) == 0
    assert [route["is_effective"] for route in json.loads(capsys.readouterr().out)] == [True, True, False]


def test_without_a_default_route(system, capsys) -> None:
    system(routes=())
    assert main(["route"]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        pytest.param(["example.com"], 2, "not a digit", id="a-name"),
        pytest.param(["10.1"], 2, "short", id="short"),
        pytest.param(["0.0.0.0"], 2, "the unspecified address is no destination", id="unspecified"),
        pytest.param(["fe80::1"], 2, "needs a zone", id="link-local-without-zone"),
        pytest.param(["fe80::1%eht0"], 2, "no interface is called 'eht0'; there is eth0", id="near-zone"),
        pytest.param(["203.0.113.1"], 1, "Network is unreachable", id="no-route"),
    ],
)
def test_what_is_no_destination(system, capsys, words: list[str], status: int, text: str) -> None:
    system()
    assert main(["route", *words]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("dualstack route: ") and text in captured.err and captured.err.count("\n") == 1


def test_a_system_without_routes(monkeypatch, capsys) -> None:
    class Silent(System):
        def routes(self) -> list[Route]:
            raise UnsupportedError("listing routes", "this test")

    monkeypatch.setattr(platforms, "current", Silent(Interfaces((LO,))))
    assert main(["route"]) == 1
    assert "listing routes" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["interfaces", "route"])
def test_help(capsys, name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "--json" in shown and ("exit status is 1" in shown or "Nothing is sent" in shown)
