"""Connecting under the patch: ``socket.create_connection`` and what is built on it; urllib3 is in tests/clients."""

from __future__ import annotations

import http.client
import http.server
import socket
import sys
import threading
from unittest import mock

import pytest

import dualstack
from dualstack import shim

V4, V6 = socket.AF_INET, socket.AF_INET6
able = dualstack.capabilities()


@pytest.fixture
def patched():
    with shim.patch(listen=False, netifaces=False) as patch:
        yield patch


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def web():
    """A web server on 127.0.0.1 alone."""
    with http.server.HTTPServer(("127.0.0.1", 0), Hello) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served.server_port
        served.shutdown()
        thread.join(30)


# ---------------------------------------------------------------------- socket.create_connection


def test_it_connects_and_keeps_the_timeout(patched, server: int) -> None:
    with socket.create_connection(("localhost", server), 7.5) as sock:
        assert type(sock) is socket.socket
        assert sock.gettimeout() == 7.5
        assert sock.getpeername() == ("127.0.0.1", server)
    with socket.create_connection(("127.0.0.1", server), timeout=None) as sock:
        assert sock.gettimeout() is None
    with socket.create_connection(("127.0.0.1", str(server)), source_address=("127.0.0.1", 0)) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"


def test_the_default_timeout_is_obeyed(patched, server: int) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(3.0)
    try:
        with socket.create_connection(("127.0.0.1", server)) as sock:
            assert sock.gettimeout() == 3.0
    finally:
        socket.setdefaulttimeout(before)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_refused_is_refused(patched, server: int, host: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError) as caught:
            socket.create_connection((host, closed.getsockname()[1]))
    assert caught.value.attempts


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ExceptionGroup came with Python 3.11")
def test_all_errors(patched) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ExceptionGroup) as caught:  # noqa: F821 - a name of Python 3.11
            socket.create_connection(("localhost", closed.getsockname()[1]), all_errors=True)
    assert all(isinstance(error, OSError) for error in caught.value.exceptions)


def test_unknown_names(patched) -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("no.such.host.invalid", 1))


def test_a_resolver_of_the_program_is_asked(patched, server: int) -> None:
    asked = []

    def pinned(host, port, family=0, type=0, proto=0, flags=0):
        asked.append(host)
        return [(V4, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    with mock.patch("socket.getaddrinfo", pinned):
        socket.create_connection(("pinned.example", server), 10).close()
        socket.create_connection(("localhost", server), 10).close()
    assert asked == ["pinned.example", "localhost"]


def test_a_socket_class_of_the_program_is_used(patched, server: int) -> None:
    made = []

    class Own(socket.socket):
        def connect(self, address) -> None:
            made.append(address)
            super().connect(address)

    with mock.patch("socket.socket", Own), socket.create_connection(("127.0.0.1", server)) as sock:
        assert type(sock) is Own
    assert made == [("127.0.0.1", server)]


def test_both_families_race(patched) -> None:
    """On the virtual clock: IPv6 says nothing, and a quarter of a second later IPv4 is there."""
    from dualstack.testing import World, blackholes, connects

    with World() as world:
        world.answer("both.example", ["2001:db8::1", "192.0.2.1"])
        world.destination("2001:db8::1", 80, blackholes())
        world.destination("192.0.2.1", 80, connects(0.0625))
        sock = socket.create_connection(("both.example", 80), timeout=10)
        assert world.now == 0.3125
        sock.close()


def test_http_client(patched, web: int) -> None:
    asking = http.client.HTTPConnection("localhost", web, timeout=20)
    asking.request("GET", "/")
    assert asking.getresponse().read() == b"hello"
    asking.close()
