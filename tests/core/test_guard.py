"""Guards: public_only and networks."""

from __future__ import annotations

import ipaddress

import pytest

from dualstack import Endpoint, UnixEndpoint, public_only
from dualstack.core.guard import guard_from, permits


def ip(text: str) -> Endpoint:
    return Endpoint.parse(f"[{text}]:80" if ":" in text else f"{text}:80")


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_public(text):
    assert public_only(ip(text))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%1",
        "fec0::1",
        "fd00::1",
        "ff0e::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
    ],
)
def test_not_public(text):
    assert not public_only(ip(text))


def test_a_path_is_not_public():
    assert not public_only(UnixEndpoint("/run/x.sock"))


@pytest.mark.parametrize(
    ("networks", "text", "allowed"),
    [
        (["10.0.0.0/8"], "10.1.2.3", True),
        (["10.0.0.0/8"], "11.1.2.3", False),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["10.0.0.0/8"], "64:ff9b::a01:203", False),
        (["10.0.0.0/8"], "::1", False),
        (["2001:db8::/32", "192.0.2.0/24"], "2001:db8:1::1", True),
        (["2001:db8::/32", "192.0.2.0/24"], "192.0.2.9", True),
        (["2001:db8::/32", "192.0.2.0/24"], "2001:db9::1", False),
        (["::/0"], "192.0.2.1", False),
        (["0.0.0.0/0"], "192.0.2.1", True),
        (["192.0.2.1"], "192.0.2.1", True),
        (["192.0.2.1"], "192.0.2.2", False),
        ([ipaddress.ip_network("10.0.0.0/8")], "10.0.0.1", True),
        ([], "10.0.0.1", False),
        ({"fe80::/10"}, "fe80::1%1", True),
    ],
)
def test_networks(networks, text, allowed):
    assert guard_from(networks)(ip(text)) is allowed


def test_paths_are_in_no_network():
    assert not guard_from(["0.0.0.0/0"])(UnixEndpoint("/x"))


def test_functions_and_nothing_pass_through():
    assert guard_from(None) is None
    assert guard_from(public_only) is public_only


async def anybody(endpoint):
    return True


class Anybody:
    async def allows(self, endpoint):
        return True


@pytest.mark.parametrize("allow", [anybody, Anybody().allows], ids=["function", "method"])
def test_an_async_function_is_refused_at_once(allow):
    with pytest.raises(TypeError, match="not an async one"):
        guard_from(allow)


class Later:
    """Something to await that cannot be closed."""

    def __await__(self):
        yield


@pytest.mark.parametrize("later", [lambda: anybody(0), Later], ids=["coroutine", "future"])
def test_something_to_await_is_no_answer(later):
    with pytest.raises(TypeError, match="not an async one"):
        permits(lambda endpoint: later(), UnixEndpoint("/x"))


@pytest.mark.parametrize(("answer", "permitted"), [(True, True), (1, True), ("yes", True), (None, False), ([], False)])
def test_any_answer_is_true_or_not(answer, permitted):
    assert permits(lambda endpoint: answer, UnixEndpoint("/x")) is permitted


ONE = ("10.0.0.0/8", b"10.0.0.0/8", ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fe80::/10"), True)


@pytest.mark.parametrize("allow", ONE)
def test_one_network_is_a_slip(allow):
    with pytest.raises(TypeError, match="collection of networks"):
        guard_from(allow)


@pytest.mark.parametrize("allow", [["10.0.0.1/8"], ["nonsense"], ["10.0.0.0/33"]])
def test_bad_networks(allow):
    with pytest.raises(ValueError):
        guard_from(allow)
