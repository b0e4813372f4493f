"""Interfaces and routes through iphlpapi.dll, compared with what Windows says elsewhere.

Under Wine the network is that of ci/wine-enter.sh, so there the values are known too.
"""

from __future__ import annotations

import os
import socket
import sys

import pytest

import dualstack
from dualstack import doors


def under_wine() -> bool:
    if sys.platform != "win32":
        return False
    from ctypes import WinDLL

    return hasattr(WinDLL("ntdll"), "wine_get_version")


wine = pytest.mark.skipif(not under_wine(), reason="knows the network of ci/wine-enter.sh; runs under Wine")
full = pytest.mark.skipif(os.environ.get("DUALSTACK_WINE_NET") != "full", reason="runs with DUALSTACK_WINE_NET=full")


def test_the_indices_are_those_of_the_socket_module():
    assert {nic.index for nic in dualstack.interfaces()} <= {index for index, _ in socket.if_nameindex()}


def test_loopback():
    (nic,) = [nic for nic in dualstack.interfaces() if nic.is_loopback]
    assert nic.is_up
    assert {address.host for address in nic.addresses} >= {"127.0.0.1", "::1"}
    assert {address.prefix_length for address in nic.addresses} >= {8, 128}


def test_every_address_can_be_bound():
    found = [address for address in dualstack.interfaces().addresses(up=True) if address.is_bindable]
    assert found
    for address in found:
        with socket.socket(address.family) as sock:
            sock.bind(address.endpoint(0).sockaddr)
            assert dualstack.Endpoint.local(sock).packed == address.packed


@wine
def test_ethernet():
    nic = dualstack.interfaces()["eth0"]
    assert (nic.mac, nic.mtu, nic.is_up, nic.is_loopback) == ("02:00:5e:10:00:01", 1400, True, False)
    told = {address.host: address for address in nic.addresses}
    assert told["2001:db8::7"].prefix_length == 64
    assert told["2001:db8::7"].scope_id == 0
    (scoped,) = [address for address in nic.addresses if address.host.startswith("fe80:")]
    assert scoped.scope_id == nic.index
    assert scoped.host.endswith("%eth0")


@wine
@full
def test_ethernet_ipv4():
    (address,) = [one for one in dualstack.interfaces()["eth0"].addresses if one.family == socket.AF_INET]
    assert (address.host, address.prefix_length, address.broadcast) == ("192.0.2.7", 24, "192.0.2.255")
    assert "192.0.2.1" in {route.host for route in dualstack.gateways()}


@wine
def test_the_default_gateway():
    assert "2001:db8::1" in {route.host for route in dualstack.gateways()}
    assert dualstack.default_interface(socket.AF_INET6).name == "eth0"


@pytest.mark.wine_skip("best-route6")
@pytest.mark.parametrize(("destination", "source"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1")])
def test_the_source_for_loopback(destination, source):
    assert dualstack.source_for(destination).host == source


def test_a_listener_on_an_interface():
    (nic,) = [nic for nic in dualstack.interfaces() if nic.is_loopback]
    with dualstack.open_listener(f"%{nic.name}", 0) as listener:
        assert {endpoint.host for endpoint in listener.endpoints} == {"127.0.0.1", "::1"}


def test_the_names_that_interfaces_have_here_are_names_everywhere():
    """if_nametoindex of the C library knows "ethernet_32769" alone."""
    for nic in dualstack.interfaces():
        for name in (nic.name, *nic.alternative_names):
            assert doors.current.if_nametoindex(name) == nic.index
        assert doors.current.if_indextoname(nic.index) == nic.name
    with pytest.raises(OSError, match="no interface named 'none of these'"):
        doors.current.if_nametoindex("none of these")
