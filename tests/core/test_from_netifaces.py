"""What the netifaces extension tells, as values: the shapes of Linux, macOS and Windows, and its oddities undone."""

from __future__ import annotations

import pytest

from dualstack.core.from_netifaces import read_tables
from dualstack.core.interfaces import Interfaces

INET, INET6, LINK = 2, 99, 77  # families differ from system to system
MAC = {"addr": "02:00:5e:10:00:01", "broadcast": "ff:ff:ff:ff:ff:ff"}
INDEXES = {"lo": 1, "eth0": 2, "tun0": 3, "en0": 4}


def read(*tables) -> Interfaces:
    return read_tables(tables, inet=INET, inet6=INET6, link=LINK, index_of=lambda name: INDEXES.get(name, 0))


def v4(addr: str, netmask: str = "255.255.255.0", **more: str) -> dict[int, list[dict[str, str]]]:
    return {INET: [{"addr": addr, "netmask": netmask, **more}]}


def v6(addr: str, netmask: str, **more: str) -> dict[int, list[dict[str, str]]]:
    return {INET6: [{"addr": addr, "netmask": netmask, **more}]}


def test_linux() -> None:
    zeros = "00:00:00:00:00:00"
    lo, eth0, tun0, bare = read(
        ("lo", {LINK: [{"addr": zeros, "peer": zeros}], **v4("127.0.0.1", "255.0.0.0", peer="127.0.0.1")}),
        ("eth0", {LINK: [MAC], **v4("192.0.2.7", broadcast="192.0.2.255"), **v6("fe80::1%eth0", "ffff:ffff::/32")}),
        ("tun0", {**v4("10.0.0.1", "255.255.255.255", peer="10.0.0.2")}),
        ("bare", {}),
    )
    assert (lo.is_loopback, lo.is_point_to_point, lo.mac, lo.index) == (True, False, zeros, 1)
    assert [(str(one), one.broadcast, one.peer) for one in lo.addresses] == [("127.0.0.1/8", None, None)]
    assert (eth0.mac, eth0.link_broadcast, eth0.is_loopback, eth0.index) == (MAC["addr"], b"\xff" * 6, False, 2)
    ipv4, link_local = eth0.addresses
    assert (str(ipv4), ipv4.broadcast, ipv4.family, ipv4.index) == ("192.0.2.7/24", "192.0.2.255", INET, 2)
    assert (str(link_local), link_local.scope_id, link_local.family) == ("fe80::1%eth0/32", 2, INET6)
    assert (tun0.is_point_to_point, tun0.addresses[0].peer) == (True, "10.0.0.2")
    assert (bare.name, bare.index, bare.addresses, bare.mac) == ("bare", 0, (), None)


def test_what_it_does_not_know_claims_nothing() -> None:
    (nic,) = read(("eth0", {LINK: [MAC], **v4("192.0.2.7")}))
    assert (nic.mtu, nic.operational_state, nic.speed, nic.alternative_names) == (None, "unknown", None, ())
    (address,) = nic.addresses
    assert (address.valid_lifetime, address.preferred_lifetime, address.is_temporary) == (None, None, False)
    assert read(("eth0", {**v4("192.0.2.7")})).addresses(kind="usable") == [address]  # it counts as up


def test_macos() -> None:
    """Interfaces without a link broadcast, and the extra key "flags", which is not read."""
    mask = "ffff:ffff:ffff:ffff::/64"
    (en0,) = read(("en0", {LINK: [{"addr": "02:00:5e:10:00:01"}], **v6("fe80::1%en0", mask, flags="1024")}))
    assert (en0.mac, en0.link_broadcast) == ("02:00:5e:10:00:01", b"")
    assert [(str(one), one.scope_id) for one in en0.addresses] == [("fe80::1%en0/64", 4)]


def test_windows() -> None:
    """Names are GUIDs, zones are numbers, and IPv6 has a "broadcast", the last address of the network."""
    guid = "{01234567-89AB-CDEF-0123-456789ABCDEF}"
    last = "fe80::ffff:ffff:ffff:ffff%12"
    (nic,) = read((guid, {**v6("fe80::1%12", "ffff:ffff:ffff:ffff::/64", broadcast=last)}))
    (address,) = nic.addresses
    assert (nic.index, address.scope_id, address.peer, address.host) == (12, 12, None, f"fe80::1%{guid}")


@pytest.mark.parametrize(
    ("table", "broadcast", "peer"),
    [
        pytest.param(v4("192.0.2.1", broadcast="192.0.2.1"), None, None, id="F2-the-own-address-for-none"),
        pytest.param(v4("192.0.2.1", "255.255.255.255", broadcast="192.0.2.1"), None, None, id="F3-host"),
        pytest.param(v4("192.0.2.1", "255.255.255.255", broadcast="192.0.2.9"), None, "192.0.2.9", id="F4-peer"),
        pytest.param(v4("192.0.2.1", broadcast="192.0.2.255"), "192.0.2.255", None, id="broadcast"),
        pytest.param(v4("192.0.2.1"), None, None, id="F7-neither"),
        pytest.param(v6("fd00::1", "ffff:ffff:ffff:ffff::/64", broadcast="fd00::2"), None, "fd00::2", id="F5-peer"),
        pytest.param(v6("fd00::1", "ffff:ffff:ffff:ffff::/64"), None, None, id="ipv6"),
        pytest.param(
            v6("fe80::1%eth0", "ffff:ffff:ffff:ffff::/64", peer="fe80::1%eth0"), None, None, id="own-address-as-peer"
        ),
    ],
)
def test_the_third_value(table, broadcast: str | None, peer: str | None) -> None:
    (nic,) = read(("eth0", table))
    assert [(one.broadcast, one.peer) for one in nic.addresses] == [(broadcast, peer)]


def test_a_label_is_an_address_of_its_interface() -> None:
    tables = [("eth0", v4("192.0.2.1")), ("eth0:1", v4("192.0.2.2")), ("x:y", v4("192.0.2.3"))]
    eth0, other = read(*tables)
    assert [(one.host, one.label, one.interface) for one in eth0.addresses] == [
        ("192.0.2.1", None, "eth0"),
        ("192.0.2.2", "eth0:1", "eth0"),
    ]
    assert other.name == "x:y"  # no interface of ours, so it stays what netifaces says


@pytest.mark.parametrize(
    ("netmask", "length"),
    [("::/0", 0), ("8000::/1", 1), ("ffff:ffff:ffff:ffff::", 64), ("ffff:ffff:ffff:ffff::/64", 64), ("", 128)],
)
def test_ipv6_masks(netmask: str, length: int) -> None:
    (nic,) = read(("eth0", v6("2001:db8::1", netmask)))
    assert nic.addresses[0].prefix_length == length


@pytest.mark.parametrize("text", ["", "nonsense", "1.2.3", "%eth0"])
def test_what_is_no_address_is_left_out(text: str) -> None:
    (nic,) = read(("eth0", {LINK: [{"addr": text}], **v4(text), **v6(text, "::/0")}))
    assert (nic.addresses, nic.mac) == ((), None)
