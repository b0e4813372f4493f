"""Listening: the same call does the same on every host, or says what is missing."""

from __future__ import annotations

import errno

import pytest

import dualstack
from dualstack import ConnectError, ListenError, UnsupportedError


def reached_by(listener, host: str) -> bool:
    """Connect to the listener at this loopback address, and check both ends' idea of each other."""
    try:
        client = dualstack.connect(host, listener.port, timeout=5)
    except ConnectError as error:
        assert isinstance(error, ConnectionRefusedError), error
        return False
    with client:
        connection, peer = listener.accept(5)
        with connection:
            assert connection.getblocking()
            assert not connection.get_inheritable()
            assert peer == dualstack.Endpoint.local(client)
            assert peer.host == host  # never ::ffff:127.0.0.1
            connection.sendall(b"pong")
            assert client.recv(10) == b"pong"
    return True


@pytest.mark.parametrize("wildcard", ["::", None, "", "*", ["0.0.0.0", "::"], "localhost"], ids=str)
def test_every_family_there_is_on_one_port(host, wildcard):
    if wildcard == ["0.0.0.0", "::"] and len(host.loopback) < 2:
        pytest.skip("this host has one family; asking for both by name is an error there, tested below")
    with dualstack.open_listener(wildcard, 0) as listener:
        assert {sock.getsockname()[1] for sock in listener.sockets} == {listener.port}
        assert [reached_by(listener, address) for address in host.loopback] == [True] * len(host.loopback)


@pytest.mark.parametrize(("wildcard", "family"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_one_family_alone(host, wildcard, family):
    arguments = {"v6only": True} if wildcard == "::" else {}
    if family not in host.loopback:
        pytest.skip("this host has no such loopback address; the others do")
    with dualstack.open_listener(wildcard, 0, **arguments) as listener:
        assert {address: reached_by(listener, address) for address in host.loopback} == {
            address: address == family for address in host.loopback
        }


def test_ipv6_alone_where_there_is_none(host):
    if host.can.ipv6:
        pytest.skip("this host has IPv6; linux-no-ipv6-module has not")
    with pytest.raises(ListenError) as caught:
        dualstack.open_listener("::", 0, v6only=True)
    assert caught.value.errno == errno.EAFNOSUPPORT


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_literal(host, address):
    if address not in host.loopback:
        with pytest.raises(ListenError) as caught:
            dualstack.open_listener(address, 0)
        assert caught.value.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
        return
    with dualstack.open_listener(address, 0) as listener:
        assert [str(endpoint) for endpoint in listener.endpoints] == [
            str(
                dualstack.Endpoint.parse(
                    f"[{address}]:{listener.port}" if ":" in address else f"{address}:{listener.port}"
                )
            )
        ]
        assert reached_by(listener, address)


def test_a_taken_port_is_an_error_and_leaves_nothing_open(host):
    with dualstack.open_listener(None, 0) as first:
        with pytest.raises(ListenError) as caught:
            dualstack.open_listener(None, first.port)
        assert caught.value.errno in (errno.EADDRINUSE, errno.EACCES)
        assert f":{first.port}" in str(caught.value)
        assert reached_by(first, host.loopback[0])
    with dualstack.open_listener(None, first.port) as again:
        assert again.port == first.port


def test_an_address_of_somebody_else(host):
    with pytest.raises(ListenError, match="no interface of this host has that address") as caught:
        dualstack.open_listener("198.51.100.1", 0)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_an_interface(host):
    nic = next(nic for nic in dualstack.interfaces() if nic.is_loopback)
    with dualstack.open_listener(f"%{nic.name}", 0) as listener:
        assert [reached_by(listener, address) for address in host.loopback] == [True] * len(host.loopback)


def test_connect_endpoint_reaches_it(host):
    with (
        dualstack.open_listener("*", 0) as listener,
        dualstack.connect(listener.connect_endpoint(), timeout=5) as client,
    ):
        connection, peer = listener.accept(5)
        connection.close()
        assert peer == dualstack.Endpoint.local(client)


def test_accept_times_out_and_ends_with_the_listener(host):
    with dualstack.open_listener("*", 0) as listener:
        with pytest.raises(TimeoutError, match="no connection on"):
            listener.accept(0.01)
        listener.close()
        with pytest.raises(OSError, match="closed") as caught:
            listener.accept(1)
        assert caught.value.errno == errno.EBADF
        assert list(listener) == []


def test_sharing_a_port(host):
    if not host.can.reuse_port:
        with pytest.raises(UnsupportedError, match="reuse_port"):
            dualstack.open_listener("*", 0, reuse_port=True)
        return
    with (
        dualstack.open_listener("*", 0, reuse_port=True) as first,
        dualstack.open_listener("*", first.port, reuse_port=True) as second,
    ):
        assert first.port == second.port
