"""A forwarder in a thread, targets that do what a test says, and a ledger of descriptors."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
import threading

import pytest

from dualstack import Endpoint
from dualstack.net.forward import open_forwarder

SECONDS = 20  # for anything that should happen at once


def open_descriptors() -> set[str]:
    return {name for name in os.listdir("/dev/fd") if os.path.lexists(f"/dev/fd/{name}")}


@pytest.fixture(autouse=True)
def ledger():
    """Every descriptor and thread of a test has ended with it, without the help of the garbage collector."""
    gc.collect()
    gc.disable()
    posix = os.path.isdir("/dev/fd")
    before = open_descriptors() if posix else set()
    threads = threading.active_count()
    yield
    after = open_descriptors() if posix else set()
    gc.enable()
    assert (after, threading.active_count()) == (before, threads)


@pytest.fixture
def folder():
    """A directory with a short name; empty again at the end of the test."""
    path = tempfile.mkdtemp(prefix="ds", dir="/tmp" if os.path.isdir("/tmp") else None)
    yield path
    left = sorted(os.listdir(path))
    shutil.rmtree(path)
    assert left == []


@pytest.fixture
def forward(folder):
    """Start forwarders; at the end each is closed and has returned from ``run``."""
    running = []

    def start(listen, to, **options):
        forwarder = open_forwarder(listen, to, **options)
        failed = []

        def run() -> None:
            try:
                forwarder.run()
            except BaseException as error:  # noqa: BLE001 - the test that started it fails of it
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        running.append((forwarder, thread, failed))
        return forwarder

    yield start
    for forwarder, thread, failed in running:
        forwarder.close()
        thread.join(SECONDS)
        assert not thread.is_alive()
        assert failed == []


def connect(endpoint: Endpoint) -> socket.socket:
    sock = socket.socket(endpoint.family)
    sock.settimeout(SECONDS)
    try:
        sock.connect(endpoint.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def listen(kind: str, folder: str) -> tuple[socket.socket, str]:
    """A listening socket of a kind, and how it is written as an address."""
    if kind == "unix":
        sock = socket.socket(socket.AF_UNIX)
        path = f"{folder}/target"
        sock.bind(path)
        written = f"unix:{path}"
    else:
        sock = socket.socket(socket.AF_INET6 if kind == "ipv6" else socket.AF_INET)
        sock.bind(("::1" if kind == "ipv6" else "127.0.0.1", 0))
        written = f"localhost:{sock.getsockname()[1]}" if kind == "name" else str(Endpoint.local(sock))
    sock.listen(4096)
    return sock, written


@pytest.fixture
def target(folder):
    """Start a server: ``target(handler)`` answers with its address; the handler gets each connection in a thread."""
    made = []

    def start(handler, kind: str = "ipv4") -> str:
        sock, written = listen(kind, folder)
        threads = []

        def serve_one(connection) -> None:
            with connection:
                connection.settimeout(SECONDS)
                handler(connection)

        def accept() -> None:
            while True:
                connection = sock.accept()[0]
                if stop:
                    connection.close()
                    return
                threads.append(threading.Thread(target=serve_one, args=(connection,)))
                threads[-1].start()

        stop: list[bool] = []
        thread = threading.Thread(target=accept)
        thread.start()
        made.append((sock, stop, thread, threads, kind))
        return written

    yield start
    for sock, stop, thread, threads, kind in made:
        stop.append(True)
        connect(Endpoint.local(sock)).close()  # wakes the accept
        thread.join(SECONDS)
        for one in threads:
            one.join(SECONDS)
            assert not one.is_alive()
        if kind == "unix":
            os.unlink(sock.getsockname())
        sock.close()


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(1 << 18):
        parts.append(part)
    return b"".join(parts)


def backwards(connection: socket.socket) -> None:
    """Answer, at the end of what the client says, with the same backwards."""
    connection.sendall(read_all(connection)[::-1])


@pytest.fixture
def helpers():
    """What tests need by name: test folders are no packages."""

    class Helpers:
        pass

    for helper in (connect, listen, read_all, backwards):
        setattr(Helpers, helper.__name__, staticmethod(helper))
    Helpers.SECONDS = SECONDS
    return Helpers
