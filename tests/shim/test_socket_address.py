"""IPv4 peers of IPv6 sockets: from the mapped form and back."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.shim.socket_address import mapped, unmapped


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param(("::ffff:192.0.2.7", 80, 0, 0), ("192.0.2.7", 80), id="mapped"),
        pytest.param(("::ffff:c000:207", 80, 0, 0), ("192.0.2.7", 80), id="mapped-in-hexadecimal"),
        pytest.param(("::ffff:0.0.0.0", 80, 0, 0), ("0.0.0.0", 80), id="mapped-wildcard"),
        pytest.param(("::1", 80, 0, 0), ("::1", 80, 0, 0), id="ipv6"),
        pytest.param(("fe80::1", 80, 0, 3), ("fe80::1", 80, 0, 3), id="link-local"),
        pytest.param(("::ffff:0:192.0.2.7", 80, 0, 0), ("::ffff:0:192.0.2.7", 80, 0, 0), id="translated-rfc-2765"),
        pytest.param(("64:ff9b::c000:207", 80, 0, 0), ("64:ff9b::c000:207", 80, 0, 0), id="nat64"),
        pytest.param(None, None, id="no-source"),
        pytest.param("", "", id="not-a-tuple"),
    ],
)
def test_unmapped(address, expected):
    assert unmapped(address) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param(("192.0.2.7", 80), ("::ffff:192.0.2.7", 80, 0, 0), id="ipv4"),
        pytest.param(("::1", 80), ("::1", 80), id="ipv6-in-two-values"),
        pytest.param(("::1", 80, 0, 0), ("::1", 80, 0, 0), id="ipv6"),
        pytest.param(("192.0.2.7", 80, 0, 0), ("192.0.2.7", 80, 0, 0), id="four-values-are-meant-for-ipv6"),
        pytest.param(("127.1", 80), ("127.1", 80), id="short-is-not-ours-to-read"),
        pytest.param(("host.example", 80), ("host.example", 80), id="a-name-is-resolved-by-the-system"),
        pytest.param(("", 80), ("", 80), id="wildcard"),
        pytest.param((b"192.0.2.7", 80), (b"192.0.2.7", 80), id="bytes"),
        pytest.param("/run/x.sock", "/run/x.sock", id="path"),
        pytest.param((1, 2), (1, 2), id="numbers"),
    ],
)
def test_mapped(address, expected):
    assert mapped(address) == expected


@given(st.ip_addresses(v=4), st.integers(0, 65535))
def test_there_and_back(ip, port):
    address = (str(ip), port)
    assert ipaddress.ip_address(mapped(address)[0]).ipv4_mapped == ip
    assert unmapped(mapped(address)) == address


@given(st.ip_addresses(v=6), st.integers(0, 65535))
def test_every_other_address_stays(ip, port):
    address = (str(ip), port, 0, 0)
    expected = address if ip.ipv4_mapped is None else (str(ip.ipv4_mapped), port)
    assert unmapped(address) == expected
