"""Sources of change notices: waiting, draining, overflow, and closing from another thread; with real sockets."""

from __future__ import annotations

import errno
import socket
import threading

import pytest

from dualstack.platforms.change_source import PollingSource, SocketSource

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="needs datagram socket pairs; runs on Linux and macOS"
)


@pytest.fixture
def source():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    made = SocketSource(ours, socket.socketpair(), lambda data, _: data != b"noise", errno.ENOBUFS)
    made.theirs = theirs
    yield made
    made.close()
    theirs.close()


def test_a_notice(source) -> None:
    assert not source.wait(0)
    source.theirs.send(b"notice")
    assert source.wait(None) is True
    assert not source.wait(0)


def test_noise_is_no_notice(source) -> None:
    source.theirs.send(b"noise")
    assert not source.wait(0.01)
    source.theirs.send(b"noise")
    source.theirs.send(b"notice")
    assert source.wait(None) is True


def test_drain(source) -> None:
    assert not source.drain()
    for _ in range(3):
        source.theirs.send(b"notice")
    assert source.drain()
    assert not source.drain()


def test_an_overflow_is_a_notice_and_is_told_once(source) -> None:
    class Full:
        def __init__(self, sock):
            self.sock, self.errors = sock, [errno.ENOBUFS]

        def recvfrom(self, size):
            if self.errors:
                raise OSError(self.errors.pop(), "No buffer space available")
            return self.sock.recvfrom(size)

        def __getattr__(self, name):
            return getattr(self.sock, name)

    source._sock = Full(source._sock)
    assert source.drain()
    assert source.lost()
    assert not source.lost()


def test_another_error_is_raised(source) -> None:
    class Broken:
        def __init__(self, sock):
            self.sock = sock

        def recvfrom(self, size):
            raise OSError(errno.EIO, "broken")

        def __getattr__(self, name):
            return getattr(self.sock, name)

    source._sock = Broken(source._sock)
    with pytest.raises(OSError, match="broken"):
        source.drain()


def test_close_wakes_who_waits_and_leaves_no_descriptor(source) -> None:
    results = []
    waiting = threading.Event()

    def wait():
        waiting.set()
        results.append(source.wait(None))

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    waiting.wait()
    source.close()
    for thread in threads:
        thread.join()
    assert results == [False] * 3
    assert source.sock.fileno() == -1
    assert not source.wait(None) and not source.drain()
    source.close()


def test_polling_ends_with_close() -> None:
    source = PollingSource(3600)
    assert not source.wait(0)
    results = []
    thread = threading.Thread(target=lambda: results.append(source.wait(None)))
    thread.start()
    source.close()
    thread.join()
    assert results == [False]
    assert source.sock is None and not source.lost()


def test_polling_says_at_each_interval() -> None:
    source = PollingSource(0.001)
    assert source.wait(None) and source.wait(None)
    source.close()
    assert not source.wait(None)


@pytest.mark.parametrize("interval", [0, -1.0, float("nan"), float("inf")])
def test_polling_without_pause_or_end_is_refused(interval: float) -> None:
    with pytest.raises(ValueError, match="poll_interval is a number of seconds above 0, not"):
        PollingSource(interval)
