"""The Listener in the fake world: waiting, errors of accept, shortages, closing, and what it says about itself."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

import dualstack
from dualstack.testing import Host, World, linux, macos, openbsd, sweep, windows

V4 = socket.AF_INET


# ---------------------------------------------------------------------- accept


def test_accept_costs_one_call_when_a_connection_waits() -> None:
    with World() as world, dualstack.open_listener("::", 80) as listener:
        world.client("127.0.0.1", 80)
        before = len(world.calls)
        connection, _ = listener.accept()
        assert world.calls[before:] == ["accept"]
        connection.close()


def test_accept_waits_exactly_as_long_as_told() -> None:
    with World() as world, dualstack.open_listener("localhost", 80) as listener:
        with pytest.raises(TimeoutError, match=r"no connection on \[::1\]:80, 127\.0\.0\.1:80 within 2\.5 s"):
            listener.accept(timeout=2.5)
        assert world.now == 2.5
        world.at(3.0, lambda: world.client("127.0.0.1", 80))
        connection, peer = listener.accept(timeout=2.5)
        assert (world.now, str(peer)) == (3.0, "127.0.0.1:40000")
        assert connection.getblocking()
        connection.close()


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_never_comes_is_refused(timeout: float) -> None:
    with World(), dualstack.open_listener("::", 80) as listener:
        with pytest.raises(ValueError, match="timeout must be 0 or more seconds"):
            listener.accept(timeout=timeout)
        with pytest.raises(ValueError, match="timeout must be 0 or more seconds"):
            dualstack.resolve("localhost", 80, timeout=timeout)


@pytest.mark.parametrize("timeout", [1e10, float("inf")])
def test_a_timeout_may_be_longer_than_the_system_waits_at_once(timeout: float) -> None:
    """Over real sockets: the fake selector would take any number."""
    with dualstack.open_listener("localhost", 0) as listener:
        endpoint = listener.connect_endpoint()
        timer = threading.Timer(0.0, lambda: socket.create_connection(tuple(endpoint)).close())
        with pytest.raises(TimeoutError):
            listener.accept(timeout=0)  # what waits is there from now on
        timer.start()
        connection, _ = listener.accept(timeout=timeout)
        connection.close()
        timer.join()


@pytest.mark.parametrize("host", [linux, windows, macos])
def test_connections_block_whatever_the_system_inherits(host: Callable[[], Host]) -> None:
    with World(host()) as world, dualstack.open_listener("127.0.0.1", 80) as listener:
        world.client("127.0.0.1", 80)
        connection, _ = listener.accept()
        assert connection.gettimeout() is None
        assert not connection.get_inheritable()
        connection.close()


def test_close_from_elsewhere_ends_the_wait() -> None:
    with World() as world:
        listener = dualstack.open_listener("::", 80)
        world.at(5.0, listener.close)
        with pytest.raises(OSError, match=r"the listener on \[::\]:80 is closed") as caught:
            listener.accept()
        assert (caught.value.errno, world.now) == (errno.EBADF, 5.0)
        assert listener.closed
        with pytest.raises(OSError):
            listener.accept()
        assert list(listener) == []
        listener.close()


def test_close_inside_the_first_wait() -> None:
    """A signal handler closes the listener while accept, in the same thread, is making its selector."""

    class Interrupted(World):
        def socketpair(self) -> Any:
            listener.close()
            return super().socketpair()

    with Interrupted():
        listener = dualstack.open_listener("::", 80)
        with pytest.raises(OSError) as caught:
            listener.accept()
        assert caught.value.errno == errno.EBADF


def test_iteration_ends_with_close() -> None:
    with World() as world:
        listener = dualstack.open_listener("::", 80)
        for when in (1.0, 2.0):
            world.at(when, lambda: world.client("127.0.0.1", 80))
        world.at(3.0, listener.close)
        times = []
        for connection, _ in listener:
            times.append(world.now)
            connection.close()
        assert times == [1.0, 2.0]


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR, errno.ENETDOWN])
def test_errors_of_one_connection_are_skipped(code: int) -> None:
    with World() as world, dualstack.open_listener("::", 80) as listener:
        world.client("127.0.0.1", 80)
        world.fail("accept", code)
        connection, _ = listener.accept(timeout=0)
        connection.close()
        assert world.now == 0.0


def test_a_shortage_waits_and_goes_on_with_one_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    with World() as world, dualstack.open_listener("::", 80) as listener, caplog.at_level(logging.WARNING):
        world.client("127.0.0.1", 80)
        for nth in range(1, 6):  # the first is the quick try, which is tried again
            world.fail("accept", errno.EMFILE, nth=nth)
        connection, _ = listener.accept()
        connection.close()
        assert world.now == pytest.approx(0.01 + 0.02 + 0.04 + 0.08, abs=1e-9)
        assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
            "accept on [",
        ][:1]
        assert len(caplog.records) == 1
        world.client("127.0.0.1", 80)
        world.fail("accept", errno.EMFILE, nth=1)
        world.fail("accept", errno.EMFILE, nth=2)
        listener.accept()[0].close()
        assert len(caplog.records) == 2  # a new episode, a new line


def test_a_real_shortage_of_descriptors(caplog: pytest.LogCaptureFixture) -> None:
    """The table is full: connections wait in the queue, and come in when somebody closes something."""
    with World() as world, dualstack.open_listener("::", 80) as listener:
        world.client("127.0.0.1", 80)
        listener.accept(timeout=0)[0].close()
        with pytest.raises(TimeoutError):
            listener.accept(timeout=0)  # makes the selector and the wake-up pair before descriptors run out
        world.host.fd_limit = len(world.open_things()) - 1  # the selector counts there, and here it does not
        world.client("127.0.0.1", 80)
        world.at(1.0, lambda: setattr(world.host, "fd_limit", 1024))
        connection, _ = listener.accept(timeout=10)
        connection.close()
        assert 1.0 <= world.now < 1.7
        assert len(caplog.records) == 1


def test_a_shortage_ends_at_the_timeout() -> None:
    with World() as world, dualstack.open_listener("::", 80) as listener:
        world.client("127.0.0.1", 80)
        for nth in range(1, 100):
            world.fail("accept", errno.ENFILE, nth=nth)
        with pytest.raises(OSError):
            listener.accept(timeout=1.0)
        assert world.now == 1.0


def test_close_ends_the_wait_of_a_shortage() -> None:
    with World() as world:
        listener = dualstack.open_listener("::", 80)
        world.client("127.0.0.1", 80)
        for nth in range(1, 100):
            world.fail("accept", errno.ENFILE, nth=nth)
        world.at(1.0, listener.close)
        with pytest.raises(OSError) as caught:
            listener.accept()
        assert (caught.value.errno, world.now) == (errno.EBADF, 1.0)


def test_what_breaks_the_listener_is_raised() -> None:
    with World() as world, dualstack.open_listener("::", 80) as listener:
        world.client("127.0.0.1", 80)
        for nth in (1, 2):
            world.fail("accept", errno.EINVAL, nth=nth)
        with pytest.raises(OSError) as caught:
            listener.accept()
        assert caught.value.errno == errno.EINVAL
        listener.accept(timeout=0)[0].close()


def test_a_busy_socket_does_not_starve_the_others() -> None:
    with World() as world, dualstack.open_listener("localhost", 80) as listener:
        for _ in range(300):
            world.client("::1", 80)
        world.client("127.0.0.1", 80)
        families = []
        for _ in range(301):
            connection, peer = listener.accept(timeout=0)
            families.append(peer.family)
            connection.close()
        assert families.index(V4) < 150


def test_accept_leaves_nothing_behind_whatever_fails() -> None:
    def scenario(world: World) -> None:
        with dualstack.open_listener("localhost", 80) as listener:
            world.client("127.0.0.1", 80)
            connection, _ = listener.accept(timeout=1)
            connection.close()
            with pytest.raises(TimeoutError):
                listener.accept(timeout=1)

    sweep(
        World,
        scenario,
        faults=(OSError(errno.EMFILE, "full"), OSError(errno.EPERM, "no"), KeyboardInterrupt(), MemoryError()),
    )


# ---------------------------------------------------------------------- what it says about itself


@pytest.mark.parametrize(
    ("host", "kind", "endpoint", "urls"),
    [
        ("::", linux, "127.0.0.1:80", ["http://127.0.0.1:80", "http://[::1]:80"]),
        ("0.0.0.0", linux, "127.0.0.1:80", ["http://127.0.0.1:80"]),
        ("tcp6://*", linux, "[::1]:80", ["http://[::1]:80"]),
        ("::", openbsd, "[::1]:80", ["http://[::1]:80", "http://127.0.0.1:80"]),
        ("localhost", linux, "[::1]:80", ["http://[::1]:80", "http://127.0.0.1:80"]),
        ("192.0.2.100", linux, "192.0.2.100:80", ["http://192.0.2.100:80"]),
        ("::", windows, "127.0.0.1:80", ["http://127.0.0.1:80", "http://[::1]:80"]),
    ],
)
def test_how_to_reach_it(host: str, kind: Callable[[], Host], endpoint: str, urls: list[str]) -> None:
    """Connecting to a wildcard works on Linux and fails on Windows, so neither is told to anybody."""
    with World(kind()) as world, dualstack.open_listener(host, 80) as listener:
        assert str(listener.connect_endpoint()) == endpoint
        assert listener.urls("http") == urls
        world.client(listener.connect_endpoint().host, 80)  # type: ignore[attr-defined]  # an IP endpoint here
        listener.accept(timeout=0)[0].close()


def test_detach_hands_the_sockets_over() -> None:
    with World() as world:
        listener = dualstack.open_listener("localhost", 80)
        with pytest.raises(TimeoutError):
            listener.accept(timeout=0)
        sockets = listener.detach()
        assert len(world.open_things()) == 2
        assert listener.closed
        with pytest.raises(OSError):
            listener.detach()
        listener.close()
        world.client("127.0.0.1", 80)
        for sock in sockets:
            sock.close()


def test_repr() -> None:
    with World():
        listener = dualstack.open_listener("localhost", 80)
        assert repr(listener) == "<Listener [::1]:80, 127.0.0.1:80>"
        listener.close()
        assert repr(listener) == "<Listener [::1]:80, 127.0.0.1:80 closed>"


def test_a_shortage_before_the_first_wait() -> None:
    """The selector and the wake-up pair cannot be made either: that is waited out like the rest."""
    with World() as world, dualstack.open_listener("::", 80) as listener:
        for nth in (1, 2, 3):
            world.fail("socketpair", errno.EMFILE, nth=nth)
        world.fail("selector", errno.ENFILE)
        world.at(1.0, lambda: world.client("127.0.0.1", 80))
        listener.accept()[0].close()
        assert world.now == 1.0
    with World() as world, dualstack.open_listener("::", 80) as listener:
        for nth in range(1, 100):
            world.fail("socketpair", errno.EMFILE, nth=nth)
        with pytest.raises(TimeoutError, match=r"within 3 s; accept fails: .*Too many open files"):
            listener.accept(timeout=3.0)
        assert world.now == 3.0
        world.faults.disarm()
        world.fail("socketpair", errno.EINVAL)
        with pytest.raises(OSError) as caught:
            listener.accept(timeout=3.0)
        assert caught.value.errno == errno.EINVAL


def test_waiting_out_a_shortage_needs_no_descriptor() -> None:
    with World() as world, dualstack.open_listener("::", 80) as listener:
        with pytest.raises(TimeoutError):
            listener.accept(timeout=0)
        world.client("127.0.0.1", 80)
        for nth in range(1, 5):
            world.fail("accept", errno.EMFILE, nth=nth)
        for name in ("socket", "socketpair", "selector"):
            world.fail(name, errno.EMFILE)
        listener.accept(timeout=10)[0].close()


def test_thousands_of_sockets_close_and_one_failure_stops_none() -> None:
    """As many as the addresses of an interface may be: more than Python's stack has frames."""
    hosts = [f"127.0.{number // 250}.{number % 250 + 1}" for number in range(1500)]
    with World(linux(fd_limit=2000)) as world:
        listener = dualstack.open_listener(hosts, 80)
        victim = listener.sockets[700]
        close, victim.close = victim.close, lambda: (close(), 1 / 0)  # type: ignore[method-assign]
        with pytest.raises(ZeroDivisionError):
            listener.close()
        assert world.open_things() == []
