"""The real urllib3, 1.26 or 2, and requests under the patch: connections race, and what urllib3 promises stays."""

from __future__ import annotations

import http.server
import socket
import sys
import threading

import pytest

from dualstack import shim

V4 = socket.AF_INET


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


@pytest.fixture
def web():
    """A web server on 127.0.0.1 alone."""
    with http.server.HTTPServer(("127.0.0.1", 0), Hello) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served.server_port
        served.shutdown()
        thread.join(30)


OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]


@pytest.fixture
def urllib3():
    found = pytest.importorskip("urllib3", reason="needs urllib3; the tox environment clients has it")
    import urllib3.util.connection

    with shim.patch(listen=False, netifaces=False):
        assert hasattr(urllib3.util.connection.create_connection, "__wrapped__")
        yield found


def test_requests(urllib3, web: int) -> None:
    with urllib3.PoolManager(retries=False, timeout=20) as pool:
        for host in ("localhost", "127.0.0.1"):
            assert pool.request("GET", f"http://{host}:{web}/").data == b"hello"


def test_options_are_set_before_connecting(urllib3, server: int) -> None:
    connect = urllib3.util.connection.create_connection
    with connect(("localhost", server), 9.0, ("127.0.0.1", 0), OPTIONS) as sock:
        assert sock.gettimeout() == 9.0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockname()[0] == "127.0.0.1"
    with connect(("127.0.0.1", server)) as sock:
        assert sock.gettimeout() == socket.getdefaulttimeout()
    if sys.platform == "linux":  # a literal that only the system takes
        connect(("127.1", server), 9.0).close()
    with pytest.raises(OSError):
        connect(("localhost", server), 9.0, None, [(socket.SOL_SOCKET, 9999, 1)])


@pytest.mark.parametrize("how", ["HAS_IPV6", "allowed_gai_family"])
def test_told_to_use_ipv4_does(urllib3, server: int, how: str, monkeypatch) -> None:
    module = urllib3.util.connection
    monkeypatch.setattr(module, how, False if how == "HAS_IPV6" else lambda: V4)
    asked = []
    real = socket.getaddrinfo

    def seeing(host, port, family=0, *more):
        asked.append(family)
        return real(host, port, family, *more)

    monkeypatch.setattr(socket, "getaddrinfo", seeing)
    module.create_connection(("localhost", server), 10).close()
    assert asked == [V4]


def test_exceptions_stay_its_own(urllib3) -> None:
    errors = urllib3.exceptions
    with socket.socket() as closed, urllib3.PoolManager(retries=False, timeout=5) as pool:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(errors.NewConnectionError):
            pool.request("GET", f"http://localhost:{closed.getsockname()[1]}/")
        with pytest.raises(errors.NewConnectionError):
            pool.request("GET", "http://no.such.host.invalid/")
        with pytest.raises(errors.LocationParseError):
            pool.request("GET", f"http://{'a' * 64}.invalid/")


def test_requests_library(urllib3, web: int) -> None:
    requests = pytest.importorskip("requests", reason="needs requests; the tox environment clients has it")
    assert requests.get(f"http://localhost:{web}/", timeout=20).text == "hello"
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get("http://no.such.host.invalid/", timeout=5)
