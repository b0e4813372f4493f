"""Which of several local addresses to bind to: the one the destination would answer."""

from __future__ import annotations

import pytest

from dualstack.core.endpoint import Endpoint
from dualstack.core.order import Policy, choose_source

INTERFACE = ["fe80::9%2", "fd00::9", "2001:db8::9", "192.0.2.9", "169.254.0.9"]


def ip(text: str):
    return Endpoint.parse(f"[{text}]:0" if ":" in text else f"{text}:0")


@pytest.mark.parametrize(
    ("destination", "sources", "chosen"),
    [
        pytest.param("2001:db8:1::1", INTERFACE, "2001:db8::9", id="global-from-global"),
        pytest.param("fd01::1", INTERFACE, "fd00::9", id="unique-local-from-unique-local"),
        pytest.param("fe80::1%2", INTERFACE, "fe80::9%2", id="link-local-from-link-local"),
        pytest.param("192.0.2.1", INTERFACE, "192.0.2.9", id="ipv4"),
        pytest.param("169.254.0.1", INTERFACE, "169.254.0.9", id="ipv4-link-local"),
        pytest.param("2001:db8:1::1", ["2001:db8:2::9", "2001:db8:1::9"], "2001:db8:1::9", id="longest-match"),
        pytest.param("2001:db8::1", ["2001:0:1::9", "2a00::9"], "2a00::9", id="label-before-longest-match"),
        pytest.param("2001:db8::1", ["192.0.2.9"], None, id="no-address-of-the-family"),
        pytest.param("2001:db8::1", ["fe80::9%2"], "fe80::9%2", id="what-was-asked-for-even-if-odd"),
        pytest.param("192.0.2.1", [], None, id="none"),
    ],
)
def test_choose_source(destination, sources, chosen):
    found = choose_source(ip(destination), [ip(source) for source in sources], Policy())
    assert (found and found.host) == chosen
