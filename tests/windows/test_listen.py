"""Listening on Windows: who may have the port, which families a socket serves, what the codes of Winsock become."""

from __future__ import annotations

import errno
import socket
import sys

import pytest

import dualstack

if sys.platform == "win32":
    EXCLUSIVE = socket.SO_EXCLUSIVEADDRUSE
else:
    EXCLUSIVE = 0  # never used: tests/windows/conftest.py skips everything

IPv4, IPv6 = socket.AF_INET, socket.AF_INET6


def thief(family: int, host: str, port: int) -> None:
    """Bind beside somebody else as programs do that set SO_REUSEADDR on every system."""
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == IPv6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen()


def test_a_listener_claims_its_port():
    with dualstack.open_listener("::", 0) as listener:
        for sock in listener.sockets:
            assert sock.getsockopt(socket.SOL_SOCKET, EXCLUSIVE) != 0
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


@pytest.mark.parametrize(
    ("family", "host"),
    [(IPv4, "0.0.0.0"), (IPv4, "127.0.0.1"), (IPv6, "::"), (IPv6, "::1")],
    ids=str,
)
def test_nobody_takes_it(family, host):
    with dualstack.open_listener("::", 0) as listener:
        with pytest.raises(PermissionError) as caught:
            thief(family, host, listener.port)
        assert caught.value.winerror == 10013  # WSAEACCES


def test_not_exclusive_sets_neither_option():
    with dualstack.open_listener("127.0.0.1", 0, exclusive=False) as listener:
        (sock,) = listener.sockets
        assert sock.getsockopt(socket.SOL_SOCKET, EXCLUSIVE) == 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


@pytest.mark.wine_skip("reuse-steal")
def test_not_exclusive_can_be_stolen_from():
    with dualstack.open_listener("127.0.0.1", 0, exclusive=False) as listener:
        thief(IPv4, "127.0.0.1", listener.port)


def test_a_second_listener_is_told_who_was_first():
    with dualstack.open_listener("::", 0) as listener, pytest.raises(dualstack.ListenError) as caught:
        dualstack.open_listener("::", listener.port)
    assert caught.value.errno in (errno.EADDRINUSE, errno.EACCES)
    assert f":{listener.port}" in str(caught.value)


def test_the_port_can_be_had_again_at_once():
    with dualstack.open_listener("::", 0) as listener:
        port = listener.port
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            connection, _ = listener.accept(5)
            connection.close()
            assert client.recv(1) == b""
    with dualstack.open_listener("::", port) as listener:
        assert listener.port == port


def test_both_families_by_one_socket():
    with dualstack.open_listener("::", 0) as listener:
        assert len(listener.sockets) == 1
        assert listener.sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, listener.port), 5) as client:
                connection, peer = listener.accept(5)
                with connection:
                    assert tuple(peer) == client.getsockname()[:2]
                    assert connection.getblocking()


def test_both_families_by_two_sockets():
    with dualstack.open_listener(["0.0.0.0", "::"], 0) as listener:
        assert {sock.family for sock in listener.sockets} == {IPv4, IPv6}
        assert len({sock.getsockname()[1] for sock in listener.sockets}) == 1
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, listener.port), 5):
                connection, peer = listener.accept(5)
                connection.close()
                assert peer.host == host


def test_v6only_refuses_ipv4():
    with dualstack.open_listener("::", 0, v6only=True) as listener:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listener.port), 5)
        socket.create_connection(("::1", listener.port), 5).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_foreign_address(host):
    with pytest.raises(dualstack.ListenError, match="no interface of this host has that address") as caught:
        dualstack.open_listener(host, 0)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_ports_are_not_shared():
    with pytest.raises(dualstack.UnsupportedError, match="Windows"):
        dualstack.open_listener("::", 0, reuse_port=True)


def test_the_sockets_stay_in_this_process():
    with dualstack.open_listener("::", 0) as listener:
        assert not any(sock.get_inheritable() for sock in listener.sockets)


@pytest.mark.wine_skip("unspecified-connect")
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_wildcard_is_no_destination(host):
    with dualstack.open_listener("::", 0) as listener:
        with pytest.raises(OSError) as caught:
            socket.create_connection((host, listener.port), 5)
        assert caught.value.errno == errno.EADDRNOTAVAIL
        with dualstack.connect(listener.connect_endpoint(), timeout=5):
            listener.accept(5)[0].close()
