"""Real HTTP servers on loopback, and every client library in turn."""

from __future__ import annotations

import http.server
import json
import runpy
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from dualstack.shim.servers import ThreadingHTTPServer

HERE = Path(__file__).resolve().parent
KINDS = runpy.run_path(str(HERE / "kinds.py"))["KINDS"]
CERTIFICATE = HERE.parent / "data" / "localhost.pem"


class Handler(http.server.BaseHTTPRequestHandler):
    """Tells a client how it looks from here; ``/to?URL`` redirects, ``/close`` and ``/drop`` end the connection."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1
        self.number = self.server.connections

    def do_GET(self):
        if self.path == "/drop" and self.server.drops > 0:
            self.server.drops -= 1
            self.close_connection = True
            return
        to = self.path.partition("/to?")[2]
        body = json.dumps(
            {
                "peer": self.client_address[0],
                "host": self.headers["Host"],
                "path": self.path,
                "connection": self.number,
            }
        ).encode()
        self.send_response(302 if to else 200)
        if to:
            self.send_header("Location", to)
        if self.path == "/close":
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server:
    """One running server."""

    def __init__(self, server, scheme, host):
        self.server = server
        self.port = server.server_port
        self.url = f"{scheme}://{host}:{self.port}"

    @property
    def connections(self):
        return self.server.connections


class Counting(ThreadingHTTPServer):
    """Counts connections; drops some when told to."""

    connections = 0
    drops = 0

    def handle_error(self, request, client_address):
        """Clients that do not trust the certificate, or hang up, are part of the tests."""


@contextmanager
def serving(address, tls=None, host="localhost"):
    server = type("Secure", (Counting,), {"tls": tls})(address, Handler) if tls else Counting(address, Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(server, "https" if tls else "http", host)
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def serve():
    return serving


@pytest.fixture
def site():
    """A server on both loopback addresses."""
    with serving(("localhost", 0)) as server:
        yield server


@pytest.fixture
def other():
    """Another one, to be redirected to."""
    with serving(("localhost", 0)) as server:
        yield server


@pytest.fixture
def secure(tls_pair):
    """A server on both loopback addresses whose certificate says localhost, 127.0.0.1 and ::1."""
    with serving(("localhost", 0), tls_pair[0]) as server:
        yield server


@pytest.fixture
def at_unix(unix_path):
    """A server on a Unix socket."""
    with serving(f"unix:{unix_path}") as server:
        server.path = unix_path
        yield server


@pytest.fixture
def ca():
    return CERTIFICATE


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    """Each library in turn."""
    return request.param()
