"""interfaces(), gateways(), source_for() and default_interface() on this host and on scripted ones."""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_address

import pytest

import dualstack
from dualstack import platforms, testing
from dualstack.core.interface import UP, Interface
from dualstack.core.interfaces import Interfaces
from dualstack.core.route import Route, SourceAddress
from dualstack.platforms.contract import Platform


class System(Platform):
    def __init__(self, *routes: Route) -> None:
        self.found = list(routes)
        self.asked: list[tuple[object, ...]] = []

    def interfaces(self) -> Interfaces:
        return Interfaces((Interface("eth0", 2, UP), Interface("ppp0", 3, UP)))

    def routes(self) -> list[Route]:
        return self.found

    def route_to(self, *arguments) -> SourceAddress:
        self.asked.append(arguments)
        return SourceAddress(arguments[0], arguments[2], "192.0.2.7", "eth0", 2)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch):
    def use(*routes: Route) -> System:
        scripted = System(*routes)
        monkeypatch.setattr(platforms, "current", scripted)
        return scripted

    return use


def test_this_host() -> None:
    nics = dualstack.interfaces()
    assert nics
    assert {index for index, _ in socket.if_nameindex()} >= {nic.index for nic in nics if nic.index}
    for nic in nics:
        for address in nic.addresses:
            assert address.interface == nic.name and address.index == nic.index
            assert dualstack.Endpoint.parse(str(address.endpoint(80))) == address.endpoint(80)


def test_a_system_that_does_not_tell(monkeypatch) -> None:
    monkeypatch.setattr(platforms, "current", Platform())
    for call in (dualstack.interfaces, dualstack.gateways, lambda: dualstack.source_for("192.0.2.1")):
        with pytest.raises(dualstack.UnsupportedError, match="is not available on this system"):
            call()


V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
GLOBAL, LINK = bytes.fromhex("20010db8" + "00" * 11 + "01"), bytes.fromhex("fe80" + "00" * 13 + "01")


def test_gateways_with_the_effective_first(system) -> None:
    system(
        Route(V4, "192.0.2.9", "eth0", 2, 0, 100),
        Route(V4, "192.0.2.2", "eth0", 2, 200),
        Route(V4, "192.0.2.1", "eth0", 2, 100),
        Route(V6, "fe80::1%eth0", "eth0", 2, 1024),
        Route(V4, "192.0.2.8", "eth0", 2, 0, prefix_length=1),
    )
    found = dualstack.gateways()
    assert [(route.host, route.is_effective) for route in found] == [
        ("192.0.2.1", True),
        ("fe80::1%eth0", True),
        ("192.0.2.9", False),
        ("192.0.2.2", False),
    ]
    assert [route.host for route in dualstack.gateways(V6)] == ["fe80::1%eth0"]


def test_default_interface(system) -> None:
    system()
    assert dualstack.default_interface() is None
    system(Route(V4, None, "ppp0", 3), Route(V6, "fe80::1%eth0", "eth0", 2))
    assert dualstack.default_interface().name == "eth0"
    assert dualstack.default_interface(V4).name == "ppp0"
    system(Route(V4, None, "gone", 9))
    assert dualstack.default_interface() is None


@pytest.mark.parametrize(
    ("destination", "port", "asked"),
    [
        pytest.param("198.51.100.1", 0, (V4, bytes([198, 51, 100, 1]), "198.51.100.1", 0, 6, 0), id="ipv4"),
        pytest.param("::ffff:198.51.100.1", 80, (V4, bytes([198, 51, 100, 1]), "198.51.100.1", 0, 6, 80), id="mapped"),
        pytest.param("2001:db8::1", 0, (V6, GLOBAL, "2001:db8::1", 0, 6, 0), id="ipv6"),
        pytest.param("fe80::1%eth0", 0, (V6, LINK, "fe80::1%eth0", 2, 6, 0), id="zone-name"),
        pytest.param("fe80::1%3", 0, (V6, LINK, "fe80::1%3", 3, 6, 0), id="zone-index"),
        pytest.param(
            dualstack.IPv4Endpoint("198.51.100.1", 443),
            0,
            (V4, bytes([198, 51, 100, 1]), "198.51.100.1", 0, 6, 443),
            id="endpoint",
        ),
        pytest.param(
            ip_address("198.51.100.1"), 0, (V4, bytes([198, 51, 100, 1]), "198.51.100.1", 0, 6, 0), id="ipaddress"
        ),
    ],
)
def test_what_the_system_is_asked(system, destination, port: int, asked: tuple[object, ...]) -> None:
    scripted = system()
    dualstack.source_for(destination, port)
    assert scripted.asked == [asked]


@pytest.mark.parametrize(
    ("destination", "reason"),
    [
        pytest.param("0.0.0.0", "unspecified", id="any-ipv4"),
        pytest.param("::", "unspecified", id="any-ipv6"),
        pytest.param("fe80::1", "needs a zone", id="link-local-without-zone"),
        pytest.param("ff02::1", "needs a zone", id="link-scoped-multicast-without-zone"),
        pytest.param("example.com", "not a digit", id="name"),
        pytest.param("10.1", "short", id="short"),
        pytest.param(dualstack.UnixEndpoint("/run/x"), "not an IP address", id="unix"),
    ],
)
def test_what_is_no_destination(system, destination, reason: str) -> None:
    scripted = system()
    with pytest.raises(dualstack.AddressError, match=reason):
        dualstack.source_for(destination)
    assert scripted.asked == []


def test_an_unknown_zone(system) -> None:
    system()
    with pytest.raises(KeyError, match="no interface is called 'eth9'; there is eth0"):
        dualstack.source_for("fe80::1%eth9")


# --------------------------------------------------------------------- another source


class Netifaces:
    """The part of the extension that is asked; ``gone`` went away after the names were read."""

    AF_LINK = 17

    @staticmethod
    def interfaces() -> list[str]:
        return ["lo", "gone", "nowhere"]

    @staticmethod
    def ifaddresses(name: str) -> dict[int, list[dict[str, str]]]:
        if name == "gone":
            raise ValueError("You must specify a valid interface name.")
        return {V4: [{"addr": "127.0.0.1", "netmask": "255.0.0.0", "peer": "127.0.0.1"}], 17: [{"addr": "02:00"}]}


def test_the_netifaces_extension_as_a_source(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "netifaces", Netifaces)
    with testing.World(testing.linux()):
        nics = dualstack.interfaces(backend="netifaces")
    assert isinstance(nics, dualstack.Interfaces)
    assert nics.names == ("lo", "nowhere")
    assert nics["nowhere"].index == 0
    assert [str(one) for one in nics["lo"].addresses] == ["127.0.0.1/8"]
    assert nics["lo"].addresses[0].family == V4


def test_without_the_netifaces_extension(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "netifaces", None)
    with pytest.raises(ImportError, match=r"pip install 'dualstack\[netifaces\]'") as caught:
        dualstack.interfaces(backend="netifaces")
    assert caught.value.name == "netifaces"


def test_an_unknown_source() -> None:
    with pytest.raises(ValueError, match="backend is None or 'netifaces', not 'psutil'"):
        dualstack.interfaces(backend="psutil")


def test_gateways_of_no_family(system) -> None:
    """An empty list would say that there is no default route."""
    system(Route(socket.AF_INET, "192.0.2.254", "eth0", 2))
    with pytest.raises(ValueError, match="family must be AF_INET, AF_INET6 or None, not 4"):
        dualstack.gateways(4)
