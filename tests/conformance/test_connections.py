"""Resolving and connecting: the same answers and errors on every host."""

from __future__ import annotations

import errno

import pytest

import dualstack
from dualstack import ConnectError, ResolveError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1", "192.0.2.1:80"),
        ("2001:DB8::0001", "[2001:db8::1]:80"),
        ("::ffff:192.0.2.1", "[::ffff:192.0.2.1]:80"),
    ],
)
def test_literals_need_no_resolver(host, text, found):
    assert [str(endpoint) for endpoint in dualstack.resolve(text, 80)] == [found]


def test_localhost_is_loopback_and_nothing_else(host):
    found = dualstack.resolve("localhost", 80)
    assert found
    assert all(endpoint.is_loopback and endpoint.port == 80 for endpoint in found)
    assert len(set(found)) == len(found)


def test_bad_literals_are_refused_before_any_system_call(host):
    for text in ("127.1", "0x7f.1", "127.0.0.01", "1.2.3.4\0"):
        with pytest.raises((dualstack.AddressError, ResolveError)):
            dualstack.resolve(text, 80)


def test_connect_to_each_family_and_to_localhost(host):
    with dualstack.open_listener("*", 0) as listener:
        for destination in (*host.loopback, "localhost"):
            with dualstack.connect(destination, listener.port, timeout=5) as client:
                assert client.getblocking()
                assert not client.get_inheritable()
                connection, peer = listener.accept(5)
                with connection:
                    assert peer == dualstack.Endpoint.local(client)
                    client.sendall(b"ping")
                    assert connection.recv(10) == b"ping"


def test_refused_is_refused_and_names_every_attempt(host):
    with dualstack.open_listener("localhost", 0) as listener:
        port = listener.port
    with pytest.raises(ConnectError) as caught:
        dualstack.connect("localhost", port, timeout=5)
    error = caught.value
    assert error.errno == errno.ECONNREFUSED  # the most telling, also where the other family is not there at all
    if len(host.loopback) == 2:
        assert isinstance(error, ConnectionRefusedError)
    tried = {attempt.endpoint.host for attempt in error.attempts}
    assert set(host.loopback) <= tried
    assert all(attempt.error is not None for attempt in error.attempts)
    assert "refused" in str(error).lower()


def test_the_local_port_is_the_one_asked_for(host):
    with dualstack.open_listener(host.loopback[0], 0) as taken:
        free = taken.port
    with (
        dualstack.open_listener("*", 0) as listener,
        dualstack.connect(host.loopback[0], listener.port, local=free, timeout=5) as client,
    ):
        assert dualstack.Endpoint.local(client).port == free
        listener.accept(5)[0].close()
