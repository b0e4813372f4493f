"""Datagrams: answers come from the address that was asked, on every host."""

from __future__ import annotations

import pytest

import dualstack


@pytest.mark.parametrize("wildcard", ["::", None, "localhost"], ids=str)
def test_a_reply_comes_from_the_address_that_was_asked(host, wildcard):
    with dualstack.open_datagram(wildcard) as server:
        assert {endpoint.port for endpoint in server.endpoints} == {server.port}
        for address in host.loopback:
            with dualstack.open_datagram(remote=(address, server.port)) as client:
                client.send(b"question")
                asked = server.recv(5)
                assert asked.data == b"question"
                assert not asked.truncated
                assert asked.peer.host == address  # never ::ffff:127.0.0.1
                assert asked.peer.port == client.port
                assert server.reply(asked, b"answer") == 6
                answer = client.recv(5)
                assert (answer.data, answer.peer.host, answer.peer.port) == (b"answer", address, server.port)


def test_nothing_comes(host):
    with dualstack.open_datagram("localhost") as sock, pytest.raises(TimeoutError):
        sock.recv(0.01)


def test_a_port_is_for_one(host):
    with dualstack.open_datagram("*") as sock, pytest.raises(dualstack.ListenError) as caught:
        dualstack.open_datagram("*", sock.port)
    assert f":{sock.port}" in str(caught.value)


def test_an_empty_datagram_is_a_datagram(host):
    with (
        dualstack.open_datagram("localhost") as server,
        dualstack.open_datagram(remote=(host.loopback[0], server.port)) as client,
    ):
        client.send(b"")
        assert server.recv(5).data == b""


def test_closed_is_closed(host):
    sock = dualstack.open_datagram("localhost")
    sock.close()
    with pytest.raises(OSError, match="closed"):
        sock.recv(1)


def test_a_connected_one_leaves_the_port_of_the_other_family_alone(host):
    """IPV6_V6ONLY is set, whatever the system's default: the wildcard of IPv6 is not that of IPv4 too."""
    if len(host.loopback) < 2:
        pytest.skip("this host has one family; the others run it")
    with (
        dualstack.open_datagram("::1") as server,
        dualstack.open_datagram("0.0.0.0") as other,
        dualstack.open_datagram("::", other.port, remote=("::1", server.port)) as client,
    ):
        assert client.port == other.port
        client.send(b"x")
        assert server.recv(5).peer.host == "::1"
