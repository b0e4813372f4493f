"""connect("unix:..."): long paths, a full queue, and the errors; sync here, asyncio and trio in test_conformance.py."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pathlib
import signal
import socket
import sys

import pytest

import dualstack
from dualstack import doors
from dualstack.doors import Doors


def listening(path: str, backlog: int = 5) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(path)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda path: f"unix:{path}", id="text"),
        pytest.param(dualstack.UnixEndpoint, id="endpoint"),
        pytest.param(lambda path: dualstack.UnixEndpoint(os.fsencode(path)), id="bytes"),
        pytest.param(lambda path: dualstack.UnixEndpoint(pathlib.Path(path)), id="pathlike"),
        pytest.param(lambda path: dualstack.parse(f"unix:{path}"), id="address"),
    ],
)
def test_connects_and_blocks(path, form):
    with listening(path) as listener, dualstack.connect(form(path), timeout=5) as client:
        server, _ = listener.accept()
        with server:
            assert client.gettimeout() is None
            assert not client.get_inheritable()
            server.sendall(b"x")
            assert client.recv(1) == b"x"
    os.unlink(path)


def test_a_relative_path(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with dualstack.open_listener("unix:s") as listener, dualstack.connect("unix:s", timeout=5) as client:
        connection, _ = listener.accept(timeout=5)
        connection.close()
        assert client.recv(1) == b""


@pytest.mark.parametrize("size", [107, 108, 150, 255])
def test_long_paths(folder, size):
    path = f"{folder}/{'n' * (size - len(folder) - 1)}"
    with dualstack.open_listener(f"unix:{path}") as listener, dualstack.connect(f"unix:{path}", timeout=5):
        connection, _ = listener.accept(timeout=5)
        connection.close()
        assert str(listener.endpoints[0]) == f"unix:{path}"


@pytest.mark.parametrize("length", [5, 200], ids=["short", "long"])
def test_errors_are_connect_errors_with_the_address(folder, length):
    path = f"{folder}/{'n' * length}"
    with pytest.raises(dualstack.ConnectError, match=path) as caught:
        dualstack.connect(f"unix:{path}", timeout=5)
    assert caught.value.errno == errno.ENOENT
    with dualstack.open_listener(f"unix:{path}") as listener:
        listener.detach()[0].close()
    with pytest.raises(ConnectionRefusedError, match=path) as caught:
        dualstack.connect(f"unix:{path}", timeout=5)
    assert [str(attempt.endpoint) for attempt in caught.value.attempts] == [f"unix:{path}"]
    os.unlink(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda path: open(path, "w").close(), "a regular file is there, not a socket", id="file"),
        pytest.param(os.mkdir, "a directory is there, not a socket", id="directory"),
        pytest.param(os.mkfifo, "a FIFO is there, not a socket", id="fifo"),
    ],
)
def test_what_is_no_socket_is_told(path, make, says):
    """The kernel refuses as for a socket that nobody listens on."""
    make(path)
    with pytest.raises(ConnectionRefusedError) as caught:
        dualstack.connect(f"unix:{path}", timeout=5)
    assert f"Connection refused: {says}" in str(caught.value)
    with pytest.raises(ConnectionRefusedError) as caught:
        asyncio.run(dualstack.aio.connect(f"unix:{path}", timeout=5))
    assert f"Connection refused: {says}" in str(caught.value)
    (os.rmdir if os.path.isdir(path) else os.unlink)(path)


def test_a_socket_that_nobody_listens_on_is_refused_and_nothing_else(path, stale):
    stale(path)
    with pytest.raises(ConnectionRefusedError) as caught:
        dualstack.connect(f"unix:{path}", timeout=5)
    assert "is there" not in str(caught.value)
    os.unlink(path)


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names exist on Linux, and run there")
def test_an_abstract_name_that_nobody_has_is_refused():
    with pytest.raises(ConnectionRefusedError) as caught:
        dualstack.connect(f"unix:@ds-nobody-{os.getpid()}", timeout=5)
    assert "is there" not in str(caught.value)


class Clock(Doors):
    """A clock that moves only by sleeping, and something to do at a given time."""

    def __init__(self, at: float = 1e9, act=None) -> None:
        self.now, self.at, self.act = 0.0, at, act

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        if self.now >= self.at and self.act:
            act, self.act = self.act, None
            act()


def test_a_full_queue_is_waited_for(path, fill):
    with listening(path, 0) as listener:
        fill(listener)

        def accept() -> None:
            listener.accept()[0].close()

        clock = Clock(0.5, accept)
        with doors.using(clock), dualstack.connect(f"unix:{path}", timeout=5) as client:
            listener.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while True:
                    accept()
            assert client.recv(1) == b""
        assert 0.5 <= clock.now < 0.6
    os.unlink(path)


def test_a_queue_that_stays_full_is_a_timeout(path, fill):
    with listening(path, 0) as listener:
        fill(listener)
        with doors.using(Clock()) as clock, pytest.raises(TimeoutError, match="stayed full") as caught:
            dualstack.connect(f"unix:{path}", timeout=5)
        assert isinstance(caught.value, dualstack.ConnectError)
        assert clock.now == 5.0
    os.unlink(path)


def test_a_signal_does_not_make_a_connection_out_of_nothing(path, fill):
    """CPython's blocking connect returns as if connected when a handler runs while the queue is full."""
    seen = []

    class Signalled(Clock):
        def sleep(self, seconds):
            signal.raise_signal(signal.SIGUSR1)
            super().sleep(seconds)

    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    try:
        with listening(path, 0) as listener:
            fill(listener)
            with doors.using(Signalled()), pytest.raises(TimeoutError):
                dualstack.connect(f"unix:{path}", timeout=1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(seen) > 5
    os.unlink(path)


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="abstract names exist on Linux, and run there")
def test_abstract_names():
    name = f"unix:@ds-connect-{os.getpid()}"
    with dualstack.open_listener(name) as listener, dualstack.connect(name, timeout=5):
        connection, peer = listener.accept(timeout=5)
        with connection:
            assert str(peer) == "unix:"
            assert dualstack.peer_credentials(connection).pid == os.getpid()


def test_the_name_of_a_bound_client(folder):
    with dualstack.open_listener(f"unix:{folder}/s") as listener, socket.socket(socket.AF_UNIX) as client:
        client.bind(f"{folder}/c")
        client.connect(f"{folder}/s")
        connection, peer = listener.accept(timeout=5)
        connection.close()
        assert str(peer) == f"unix:{folder}/c"
    os.unlink(f"{folder}/c")
