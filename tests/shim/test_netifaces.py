"""The netifaces drop-in on scripted systems: shapes, oddities, errors, installing; tests/netns has the real one."""

from __future__ import annotations

import socket
import sys

import pytest

from dualstack import platforms, shim
from dualstack.core.interface import BROADCAST, LOOPBACK, POINT_TO_POINT, UP, Interface
from dualstack.core.interface_address import InterfaceAddress
from dualstack.core.interfaces import Interfaces
from dualstack.core.route import Route
from dualstack.platforms.contract import Platform
from dualstack.shim import netifaces
from dualstack.shim.netifaces import AF_INET, AF_INET6, AF_LINK

MAC = bytes.fromhex("02005e100001")


def address(text: str, nic: str = "eth0", **more) -> InterfaceAddress:
    host, _, length = text.partition("/")
    bare = host.partition("%")[0]
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    packed = socket.inet_pton(family, bare)
    return InterfaceAddress(family, packed, host, int(length), nic, 2, 2 if "%" in host else 0, **more)


class Scripted(Platform):
    has_address_labels = True

    def __init__(self, *nics: Interface, routes: tuple[Route, ...] = ()) -> None:
        self.nics = Interfaces(nics)
        self.found = list(routes)

    def interfaces(self) -> Interfaces:
        return self.nics

    def routes(self) -> list[Route]:
        return self.found


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch):
    def use(*nics: Interface, routes: tuple[Route, ...] = (), guids: bool = False) -> None:
        scripted = Scripted(*nics, routes=routes)
        scripted.has_interface_guids = guids
        monkeypatch.setattr(platforms, "current", scripted)

    return use


def nic(*addresses: InterfaceAddress, flags: int = UP | BROADCAST, **more) -> Interface:
    given = {"mac": MAC, "link_broadcast": b"\xff" * 6, **more}
    return Interface("eth0", 2, flags, addresses=addresses, **given)


def test_links_then_labels(system) -> None:
    labelled = nic(
        address("192.0.2.1/24"), address("192.0.2.2/24", label="eth0:1"), address("192.0.2.3/24", label="x:y")
    )
    system(Interface("lo", 1), labelled, Interface("last", 3))
    assert netifaces.interfaces() == ["lo", "eth0", "last", "eth0:1", "x:y"]


def test_an_address_with_a_label_belongs_to_the_label(system) -> None:
    system(nic(address("192.0.2.1/24"), address("192.0.2.2/24", label="eth0:1"), address("2001:db8::1/64")))
    assert [one["addr"] for one in netifaces.ifaddresses("eth0")[AF_INET]] == ["192.0.2.1"]
    found = netifaces.ifaddresses("eth0:1")
    assert {family: [one["addr"] for one in entries] for family, entries in found.items()} == {AF_INET: ["192.0.2.2"]}


def test_families_and_keys_in_order(system) -> None:
    system(nic(address("192.0.2.1/24", broadcast="192.0.2.255"), address("2001:db8::1/64")))
    found = netifaces.ifaddresses("eth0")
    assert list(found) == [AF_LINK, AF_INET, AF_INET6]
    assert repr(list(found.values())) == repr(
        [
            [{"addr": "02:00:5e:10:00:01", "broadcast": "ff:ff:ff:ff:ff:ff"}],
            [{"addr": "192.0.2.1", "netmask": "255.255.255.0", "broadcast": "192.0.2.255"}],
            [{"addr": "2001:db8::1", "netmask": "ffff:ffff:ffff:ffff::/64"}],
        ]
    )


@pytest.mark.parametrize(
    ("one", "flags", "third"),
    [
        pytest.param(address("192.0.2.1/24"), 0, {"broadcast": "192.0.2.1"}, id="F2-none-is-the-own-address"),
        pytest.param(address("192.0.2.1/32"), 0, {"broadcast": "192.0.2.1"}, id="F3-host"),
        pytest.param(address("192.0.2.1/32", peer="192.0.2.9"), 0, {"broadcast": "192.0.2.9"}, id="F4-peer"),
        pytest.param(address("192.0.2.1/32", peer="192.0.2.9"), POINT_TO_POINT, {"peer": "192.0.2.9"}, id="peer"),
        pytest.param(address("127.0.0.1/8"), LOOPBACK, {"peer": "127.0.0.1"}, id="loopback"),
        pytest.param(address("fd00::1/128", peer="fd00::2"), 0, {"broadcast": "fd00::2"}, id="F5-ipv6-peer"),
        pytest.param(address("fd00::1/64"), 0, {}, id="ipv6"),
        pytest.param(address("169.254.7.7/16", broadcast="169.254.255.255"), 0, {}, id="F7-ipv4-link-local"),
    ],
)
def test_the_third_key(system, one: InterfaceAddress, flags: int, third: dict[str, str]) -> None:
    system(nic(one, flags=UP | flags))
    (entry,) = netifaces.ifaddresses("eth0")[one.family]
    assert {key: value for key, value in entry.items() if key not in ("addr", "netmask")} == third


@pytest.mark.parametrize(
    ("length", "mask"),
    [
        (0, "::/0"),
        (1, "8000::/1"),
        (16, "ffff::/16"),
        (17, "ffff:8000::/17"),
        (64, "ffff:ffff:ffff:ffff::/64"),
        (65, "ffff:ffff:ffff:ffff:8000::/65"),
        (112, "ffff:ffff:ffff:ffff:ffff:ffff:ffff::/112"),
        (127, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"),
        (128, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"),
    ],
)
def test_ipv6_masks(system, length: int, mask: str) -> None:
    system(nic(address(f"2001:db8::1/{length}")))
    assert netifaces.ifaddresses("eth0")[AF_INET6][0]["netmask"] == mask


def test_ipv6_text(system) -> None:
    system(nic(address("fe80::1%eth0/64"), address("::a01:203/96"), address("fec0::1/64")))
    shown = [one["addr"] for one in netifaces.ifaddresses("eth0")[AF_INET6]]
    assert shown[0] == "fe80::1%eth0" and shown[2] == "fec0::1"
    assert shown[1] == socket.inet_ntop(socket.AF_INET6, address("::a01:203/96").packed)


def test_without_any_address(system) -> None:
    system(Interface("eth0", 2, UP))
    assert netifaces.ifaddresses("eth0") == {}


def test_unknown_names(system) -> None:
    system(nic(alternative_names=("enp1s0",)))
    for name in ("eth1", "", "enp1s0", "eth0:"):
        with pytest.raises(ValueError, match=r"^You must specify a valid interface name\.$"):
            netifaces.ifaddresses(name)


GATEWAYS = [
    pytest.param([], {"default": {}}, id="none-still-has-the-key"),
    pytest.param(
        [Route(2, "192.0.2.1", "eth0", 2), Route(10, "fe80::1%eth0", "eth0", 2)],
        {
            "default": {2: ("192.0.2.1", "eth0"), 10: ("fe80::1", "eth0")},
            2: [("192.0.2.1", "eth0", True)],
            10: [("fe80::1", "eth0", True)],
        },
        id="both-families-without-zone",
    ),
    pytest.param(
        [Route(2, "192.0.2.1", "eth0", 2, 200), Route(2, "192.0.2.2", "eth0", 2, 100)],
        {"default": {2: ("192.0.2.2", "eth0")}, 2: [("192.0.2.1", "eth0", True), ("192.0.2.2", "eth0", True)]},
        id="a-better-one-later-both-were-the-default-once",
    ),
    pytest.param(
        [Route(2, "192.0.2.3", "eth0", 2, 0, 100), Route(2, "192.0.2.1", "eth0", 2, 100)],
        {"default": {2: ("192.0.2.1", "eth0")}, 2: [("192.0.2.3", "eth0", False), ("192.0.2.1", "eth0", True)]},
        id="F8-other-table",
    ),
    pytest.param(
        [Route(2, "192.0.2.1", "eth0", 2), Route(2, "192.0.2.2", "eth0", 2)],
        {"default": {2: ("192.0.2.1", "eth0")}, 2: [("192.0.2.1", "eth0", True), ("192.0.2.2", "eth0", False)]},
        id="F9-two-next-hops",
    ),
    pytest.param(
        [Route(2, "192.0.2.9", "vpn", 3, prefix_length=1), Route(2, "192.0.2.1", "eth0", 2)],
        {"default": {2: ("192.0.2.9", "vpn")}, 2: [("192.0.2.9", "vpn", True), ("192.0.2.1", "eth0", False)]},
        id="F13-the-half-of-a-vpn-counts",
    ),
    pytest.param(
        [Route(2, "192.0.2.9", "eth0", 2, prefix_length=8), Route(2, "192.0.2.1", "eth0", 2)],
        {"default": {2: ("192.0.2.1", "eth0")}, 2: [("192.0.2.9", "eth0", False), ("192.0.2.1", "eth0", True)]},
        id="F11-an-eighth-does-not",
    ),
    pytest.param([Route(2, None, "ppp0", 4)], {"default": {}}, id="F16-no-gateway-no-entry"),
]


@pytest.mark.parametrize(("routes", "expected"), GATEWAYS)
def test_gateways(system, routes: list[Route], expected: dict[object, object]) -> None:
    system(nic(), routes=tuple(routes))
    assert repr(netifaces.gateways()) == repr(expected)


def test_windows_has_guids_and_numeric_zones(system) -> None:
    guid = "{01234567-89AB-CDEF-0123-456789ABCDEF}"
    ethernet = Interface(
        "Ethernet 2",
        2,
        UP | BROADCAST,
        mac=MAC,
        alternative_names=(guid,),
        addresses=(address("fe80::1%Ethernet 2/64", "Ethernet 2"),),
    )
    system(ethernet, routes=(Route(2, "192.0.2.1", "Ethernet 2", 2),), guids=True)
    assert netifaces.interfaces() == [guid]
    assert netifaces.ifaddresses(guid)[AF_LINK] == [{"addr": "02:00:5e:10:00:01"}]
    assert netifaces.ifaddresses(guid)[AF_INET6][0]["addr"] == "fe80::1%2"
    assert netifaces.gateways()["default"] == {2: ("192.0.2.1", guid)}
    with pytest.raises(ValueError, match="valid interface name"):
        netifaces.ifaddresses("Ethernet 2")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: netifaces.interfaces(1), "netifaces.interfaces() takes no arguments (1 given)"),
        (lambda: netifaces.gateways(1, 2), "netifaces.gateways() takes no arguments (2 given)"),
        (lambda: netifaces.gateways(x=1), "netifaces.gateways() takes no keyword arguments"),
        (netifaces.ifaddresses, "function takes exactly 1 argument (0 given)"),
        (lambda: netifaces.ifaddresses(b"lo"), "argument 1 must be str, not bytes"),
        (lambda: netifaces.ifaddresses(None), "argument 1 must be str, not None"),
        (lambda: netifaces.ifaddresses(name="lo"), "ifaddresses() takes no keyword arguments"),
    ],
)
def test_wrong_arguments(call, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == text


def test_a_nul_in_a_name() -> None:
    with pytest.raises(ValueError, match=r"^embedded null character$"):
        netifaces.ifaddresses("lo\0")


def test_public_names() -> None:
    public = {name for name in vars(netifaces) if not name.startswith("_")}
    functions = {"address_families", "gateways", "ifaddresses", "interfaces", "version"}
    assert functions < public
    assert {name for name in public - functions if not name.startswith("AF_")} == set()
    assert netifaces.version == "0.11.0"


def test_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "netifaces", sys)  # so that what install puts there is taken back
    assert shim.install("netifaces") is netifaces
    import netifaces as installed

    assert installed is netifaces
    with pytest.raises(ValueError, match="no drop-in for 'psutil'"):
        shim.install("psutil")
