"""PROXY headers with the program that invented them: HAProxy writes what we read, and reads what we write."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from dualstack import Endpoint
from dualstack.core.proxy_protocol import decode
from dualstack.net.forward import open_forwarder

HAPROXY = shutil.which("haproxy")
pytestmark = pytest.mark.skipif(HAPROXY is None, reason="needs haproxy (Debian package haproxy); runs where it is")

CONFIG = """
defaults
    mode tcp
    timeout connect 10s
    timeout client 10s
    timeout server 10s
listen {name}
    bind {bind} {accept}
    server target {server} {send}
"""


def free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


@pytest.fixture
def haproxy(tmp_path: Path):
    """Start HAProxy in front of a server; how it is reached."""
    running = []

    def start(server: Endpoint, host: str, *, accept: str = "", send: str = "") -> Endpoint:
        front = Endpoint.parse(f"[{host}]:{free_port(host)}" if ":" in host else f"{host}:{free_port(host)}")
        file = tmp_path / "haproxy.cfg"
        file.write_text(CONFIG.format(name="l", bind=front, accept=accept, server=server, send=send), encoding="ascii")
        process = subprocess.Popen([HAPROXY, "-db", "-q", "-f", str(file)])
        running.append(process)
        patience = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(front.sockaddr[:2]).close()
                return front
            except ConnectionRefusedError:
                assert process.poll() is None and time.monotonic() < patience
                time.sleep(0.01)

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


@pytest.fixture
def forward():
    running = []

    def start(to: Endpoint, host: str, **options):
        forwarder = open_forwarder(f"[{host}]:0" if ":" in host else f"{host}:0", str(to), **options)
        thread = threading.Thread(target=forwarder.run)
        thread.start()
        running.append((forwarder, thread))
        return forwarder.endpoints[0]

    yield start
    for forwarder, thread in running:
        forwarder.close()
        thread.join()


def through(front: Endpoint, server: socket.socket, data: bytes = b"hello") -> tuple[Endpoint, bytes]:
    """What a client's bytes have become at the server, and the client's address."""
    with socket.create_connection(front.sockaddr[:2]) as client:
        client.settimeout(20)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while True:
            connection, _ = server.accept()
            with connection:
                try:
                    came = b"".join(iter(lambda c=connection: c.recv(65536), b""))
                except ConnectionResetError:  # the one that looked whether HAProxy is up
                    continue
                if came.endswith(data):
                    return Endpoint.local(client), came


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_it_writes_what_we_read(haproxy, forward, host, send) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        server.settimeout(20)
        middle = forward(Endpoint.local(server), host, proxy_in=["127.0.0.0/8", "::1/128"], proxy_out="v2")
        front = haproxy(middle, host, send=send)
        client, came = through(front, server)
        header = decode(came)
        assert (header.source, header.destination) == (client, front)
        assert came[header.size :] == b"hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_it_reads_what_we_write(haproxy, forward, host, version) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        server.settimeout(20)
        # HAProxy tells the server who it was told the client is.
        behind = haproxy(Endpoint.local(server), host, accept="accept-proxy", send="send-proxy-v2")
        front = forward(behind, host, proxy_out=version)
        client, came = through(front, server)
        header = decode(came)
        assert (header.source, header.destination) == (client, front)
        assert came[header.size :] == b"hello"
