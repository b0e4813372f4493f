"""Interface, InterfaceAddress and Interfaces as values: look-up, filters, order, text."""

from __future__ import annotations

import ipaddress
import json
import pickle
import socket

import pytest

from dualstack.core.endpoint import IPv4Endpoint, IPv6Endpoint
from dualstack.core.interface import LOOPBACK, POINT_TO_POINT, RUNNING, UP, Interface, Origin
from dualstack.core.interface_address import (
    DEPRECATED,
    DUPLICATED,
    OPTIMISTIC,
    PERMANENT,
    TEMPORARY,
    TENTATIVE,
    InterfaceAddress,
    scope_of,
)
from dualstack.core.interfaces import Interfaces


def address(text: str, nic: str = "eth0", index: int = 2, flags: int = PERMANENT, **more) -> InterfaceAddress:
    host, _, length = text.partition("/")
    bare = host.partition("%")[0]
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    scope_id = index if "%" in host else 0
    packed = socket.inet_pton(family, bare)
    return InterfaceAddress(family, packed, host, int(length), nic, index, scope_id, flags, **more)


LO = Interface(
    "lo", 1, UP | LOOPBACK | RUNNING, 65536, addresses=(address("127.0.0.1/8", "lo", 1), address("::1/128", "lo", 1))
)
ETH0 = Interface(
    "eth0",
    2,
    UP | RUNNING,
    1500,
    bytes.fromhex("02005e100001"),
    b"\xff" * 6,
    "up",
    "to the office",
    ("enp1s0", "{GUID}"),
    (
        address("192.0.2.7/24", broadcast="192.0.2.255"),
        address("10.0.0.7/8", flags=PERMANENT | DEPRECATED),
        address("2001:db8::7/64", flags=TEMPORARY, valid_lifetime=600, preferred_lifetime=300),
        address("2606:4700::7/64"),
        address("fd00::7/64", flags=TENTATIVE),
        address("fe80::1%eth0/64"),
    ),
    10**9,
)
DOWN = Interface("eth1", 3, 0, 1500, addresses=(address("198.51.100.1/32", "eth1", 3, peer="198.51.100.2"),))
BARE = Interface("tun0", 4, POINT_TO_POINT)
NICS = Interfaces((LO, ETH0, DOWN, BARE))


# --------------------------------------------------------------------- look-up


def test_is_a_sequence() -> None:
    assert len(NICS) == 4
    assert list(NICS) == [LO, ETH0, DOWN, BARE]
    assert NICS[0] is LO and NICS[-1] is BARE
    assert NICS[1:3] == Interfaces((ETH0, DOWN))
    assert ETH0 in NICS and NICS.index(DOWN) == 2
    assert NICS.names == ("lo", "eth0", "eth1", "tun0")


@pytest.mark.parametrize("name", ["eth0", "enp1s0", "{GUID}", "to the office"])
def test_every_name_finds_it(name: str) -> None:
    assert NICS[name] is ETH0
    assert NICS.get(name) is ETH0
    assert name in NICS
    assert ETH0.has_name(name)


def test_own_names_win_over_other_names() -> None:
    other = Interface("x", 9, alternative_names=("eth0",))
    assert Interfaces((other, ETH0))["eth0"] is ETH0


def test_an_unknown_name_says_what_is_near() -> None:
    with pytest.raises(KeyError, match="no interface is called 'eht0'; there is eth0"):
        NICS["eht0"]
    assert NICS.get("eht0") is None and "eht0" not in NICS
    with pytest.raises(KeyError, match="none at all"):
        Interfaces()["eth0"]


def test_by_index() -> None:
    assert NICS.by_index(2) is ETH0
    with pytest.raises(KeyError, match=r"no interface has index 7; there are \[1, 2, 3, 4\]"):
        NICS.by_index(7)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        pytest.param("192.0.2.7", ETH0, id="ipv4"),
        pytest.param("2001:DB8:0::7", ETH0, id="another-spelling"),
        pytest.param("fe80::1", ETH0, id="without-zone"),
        pytest.param("fe80::1%eth0", ETH0, id="zone-by-name"),
        pytest.param("fe80::1%2", ETH0, id="zone-by-index"),
        pytest.param(bytes([127, 0, 0, 1]), LO, id="packed"),
        pytest.param("::ffff:127.0.0.1", LO, id="mapped"),
        pytest.param(bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1]), LO, id="mapped-and-packed"),
        pytest.param(ipaddress.ip_address("192.0.2.7"), ETH0, id="ipaddress"),
        pytest.param(ipaddress.ip_address("fe80::1%eth0"), ETH0, id="ipaddress-with-zone"),
        pytest.param(IPv4Endpoint("127.0.0.1", 80), LO, id="endpoint"),
        pytest.param(IPv6Endpoint("fe80::1%eth0", 80), ETH0, id="endpoint-with-zone"),
    ],
)
def test_by_address(host, found: Interface) -> None:
    assert NICS.by_address(host) is found


@pytest.mark.parametrize(
    "host", ["192.0.2.8", "fe80::1%eth1", "eth0", b"\0\0\0\0", ipaddress.ip_address("192.0.2.8")], ids=repr
)
def test_by_address_without_such_an_address(host) -> None:
    with pytest.raises(KeyError, match="no interface has"):
        NICS.by_address(host)


def test_by_address_of_what_is_no_address() -> None:
    with pytest.raises(TypeError, match=r"not 2$"):
        NICS.by_address(2)  # type: ignore[arg-type]  # that is what is tried


# --------------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("filters", "hosts"),
    [
        pytest.param({}, "2606:4700::7 192.0.2.7 2001:db8::7 fe80::1%eth0 127.0.0.1 ::1 10.0.0.7 fd00::7", id="order"),
        pytest.param({"family": socket.AF_INET}, "192.0.2.7 127.0.0.1 10.0.0.7", id="family"),
        pytest.param({"scope": "link"}, "fe80::1%eth0", id="scope-link"),
        pytest.param({"scope": "host"}, "127.0.0.1 ::1", id="scope-host"),
        pytest.param({"kind": "global"}, "2606:4700::7", id="global"),
        pytest.param({"kind": "private"}, "10.0.0.7 fd00::7", id="private"),
        pytest.param({"kind": ["private", "usable"]}, "", id="both-must-hold"),
        pytest.param({"kind": "temporary"}, "2001:db8::7", id="temporary"),
        pytest.param({"kind": "link_local"}, "fe80::1%eth0", id="link-local"),
        pytest.param({"kind": "loopback", "family": socket.AF_INET6}, "::1", id="loopback"),
        pytest.param({"up": False}, "198.51.100.1", id="down"),
        pytest.param(
            {"up": None, "scope": "global", "family": socket.AF_INET}, "192.0.2.7 198.51.100.1 10.0.0.7", id="any"
        ),
        pytest.param({"interface": "lo"}, "127.0.0.1 ::1", id="interface-by-name"),
        pytest.param({"interface": 3, "up": None}, "198.51.100.1", id="interface-by-index"),
        pytest.param({"interface": LO}, "127.0.0.1 ::1", id="interface-itself"),
    ],
)
def test_addresses(filters, hosts: str) -> None:
    given = NICS.addresses(**filters)
    found = sorted(one.host for one in given)
    assert found == sorted(hosts.split())


def test_order_of_preference() -> None:
    found = [one.host for one in NICS.addresses()]
    assert found == [
        "192.0.2.7",
        "2606:4700::7",
        "2001:db8::7",
        "fe80::1%eth0",
        "127.0.0.1",
        "::1",
        "10.0.0.7",
        "fd00::7",
    ]


def test_addresses_of_an_unknown_interface() -> None:
    with pytest.raises(KeyError, match="there is eth0"):
        NICS.addresses(interface="eth00")


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        pytest.param({"kind": "privat"}, "kind is one of usable, private, .*, not 'privat'", id="kind"),
        pytest.param({"kind": ["usable", "link-local"]}, "kind is one of .*, not 'link-local'", id="one-of-two-kinds"),
        pytest.param({"scope": "site"}, "scope is one of global, link, host, not 'site'", id="scope"),
        pytest.param({"family": 4}, "family must be AF_INET, AF_INET6 or None, not 4", id="family"),
    ],
)
def test_a_filter_that_is_none_is_told(filters, says: str) -> None:
    """An empty list would say that the host has no such address."""
    with pytest.raises(ValueError, match=says):
        NICS.addresses(**filters)


# --------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("127.9.9.9", "host"),
        ("169.254.1.1", "link"),
        ("10.0.0.1", "global"),
        ("::1", "host"),
        ("::2", "global"),
        ("fe80::1", "link"),
        ("febf::1", "link"),
        ("fec0::1", "global"),
        ("fd00::1", "global"),
    ],
)
def test_scope(text: str, scope: str) -> None:
    assert scope_of(socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)) == scope


@pytest.mark.parametrize(
    ("flags", "states"),
    [
        pytest.param(PERMANENT, "bindable", id="plain"),
        pytest.param(TENTATIVE, "tentative", id="tentative"),
        pytest.param(TENTATIVE | OPTIMISTIC, "bindable", id="optimistic-may-be-used-at-once"),
        pytest.param(TENTATIVE | DUPLICATED, "tentative duplicated", id="duplicated"),
        pytest.param(DEPRECATED, "deprecated bindable", id="deprecated"),
        pytest.param(TEMPORARY, "temporary bindable", id="temporary"),
    ],
)
def test_states(flags: int, states: str) -> None:
    one = address("2001:db8::1/64", flags=flags)
    names = ("temporary", "deprecated", "tentative", "duplicated", "bindable")
    assert [name for name in names if getattr(one, f"is_{name}")] == [n for n in names if n in states.split()]


def test_the_temporary_bit_of_an_ipv4_address_says_secondary() -> None:
    assert not address("192.0.2.1/24", flags=TEMPORARY).is_temporary


def test_what_is_made_on_demand() -> None:
    ipv4, link_local = ETH0.addresses[0], ETH0.addresses[-1]
    assert str(ipv4.ip) == "192.0.2.7" and str(ipv4.network) == "192.0.2.0/24" and ipv4.netmask == "255.255.255.0"
    assert str(link_local.ip) == "fe80::1%eth0" and str(link_local.network) == "fe80::/64"
    assert str(ipv4.endpoint(80)) == "192.0.2.7:80"
    endpoint = link_local.endpoint(80)
    assert str(endpoint) == "[fe80::1%eth0]:80" and endpoint.sockaddr == ("fe80::1", 80, 0, 2)
    with pytest.raises(ValueError, match="65536"):
        ipv4.endpoint(65536)


def test_values() -> None:
    assert pickle.loads(pickle.dumps(NICS)) == NICS
    assert hash(ETH0.addresses[0]) == hash(address("192.0.2.7/24", broadcast="192.0.2.255"))
    assert ETH0.addresses[0] != address("192.0.2.7/24")
    assert ETH0 != "eth0" and ETH0.addresses[0] != "192.0.2.7"
    for value in (ETH0, ETH0.addresses[0]):
        with pytest.raises(AttributeError):
            value.index = 9


def test_to_dict_is_json() -> None:
    found = json.loads(json.dumps(NICS.to_dict()))
    assert found["consistent"] is True
    assert found["interfaces"][1]["addresses"][2]["valid_lifetime"] == 600
    assert found["interfaces"][1]["addresses"][2]["interface"] == "eth0"  # an address alone says where it is
    assert found["interfaces"][1]["alternative_names"] == ["enp1s0", "{GUID}"]


def test_text() -> None:
    assert str(ETH0).splitlines() == [
        "2: eth0 <up,running> up mtu 1500 mac 02:00:5e:10:00:01",
        "    192.0.2.7/24 broadcast 192.0.2.255",
        "    10.0.0.7/8 deprecated",
        "    2001:db8::7/64 temporary valid 600s preferred 300s",
        "    2606:4700::7/64",
        "    fd00::7/64 tentative",
        "    fe80::1%eth0/64",
    ]
    assert "peer 198.51.100.2" in str(DOWN)
    assert str(Interfaces((BARE,), consistent=False)).endswith("(the list changed while it was read)")
    assert repr(NICS) == "<Interfaces lo, eth0, eth1, tun0>"


@pytest.mark.parametrize("speed", [1000, None])
def test_what_is_read_when_somebody_looks(speed: int | None) -> None:
    """Raw addresses and the speed are asked of the origin, each once, also a speed that nobody knows."""

    asked = []

    class Counting(Origin):
        def addresses(self, name, index):
            asked.append(f"addresses of {name}, {index}")
            return (address("192.0.2.7/24"),)

        def speed(self, name):
            asked.append(f"speed of {name}")
            return speed

    nic = Interface("eth0", 2, addresses=None, source=Counting())
    assert asked == []
    assert [str(one) for one in nic.addresses] == ["192.0.2.7/24"]
    assert nic.addresses is nic.addresses
    assert nic.speed == nic.speed == speed
    assert asked == ["addresses of eth0, 2", "speed of eth0"]
