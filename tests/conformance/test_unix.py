"""Unix sockets: there and safe, or an error that says what is missing."""

from __future__ import annotations

import sys

import pytest

import dualstack
from dualstack import ListenError, UnixEndpoint, UnsupportedError


@pytest.fixture
def path(host):
    if host.world is not None and sys.platform == "win32":
        pytest.skip("the scripted hosts have POSIX paths, and os.path here has not; runs on POSIX")
    return f"{host.folder}/s"


def test_there_or_unsupported(host, path):
    if not host.can.unix_stream:
        with pytest.raises((UnsupportedError, ListenError)):
            dualstack.open_listener(f"unix:{path}")
        assert not host.exists(path)
        return
    with dualstack.open_listener(f"unix:{path}") as listener:
        assert host.exists(path)
        with dualstack.connect(f"unix:{path}", timeout=5) as client:
            connection, _ = listener.accept(5)
            with connection:
                client.sendall(b"ping")
                assert connection.recv(10) == b"ping"
    assert not host.exists(path)


def test_a_live_socket_is_never_taken_over(host, path):
    if not host.can.unix_stream:
        pytest.skip("this host has no Unix sockets; the others run it")
    with dualstack.open_listener(f"unix:{path}") as listener:
        with pytest.raises(ListenError, match=r"in use|live|listen"):
            dualstack.open_listener(f"unix:{path}")
        with dualstack.connect(f"unix:{path}", timeout=5):
            listener.accept(5)[0].close()


def test_both_families_and_a_path_in_one_listener(host, path):
    if not host.can.unix_stream:
        pytest.skip("this host has no Unix sockets; the others run it")
    with dualstack.open_listener(["*", f"unix:{path}"], 0) as listener:
        for destination in (*host.loopback, f"unix:{path}"):
            port = None if destination.startswith("unix:") else listener.port
            with dualstack.connect(destination, port, timeout=5):
                connection, peer = listener.accept(5)
                connection.close()
                assert isinstance(peer, UnixEndpoint) == (port is None)


def test_datagrams_are_there_or_unsupported(host, path):
    if not host.can.unix_datagram:
        with pytest.raises((UnsupportedError, ListenError)):
            dualstack.open_datagram(f"unix:{path}")
        assert not host.exists(path)
        return
    with (
        dualstack.open_datagram(f"unix:{path}") as server,
        dualstack.open_datagram(remote=f"unix:{path}") as client,
    ):
        client.send(b"question")
        assert server.recv(5).data == b"question"
    assert not host.exists(path)
