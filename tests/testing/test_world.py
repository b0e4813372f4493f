"""The fake world itself: time, threads, faults, and above all that its ledger notices."""

from __future__ import annotations

import errno
import selectors
import socket
from collections.abc import Callable

import pytest

from dualstack import doors, platforms
from dualstack.core.endpoint import AF_UNIX
from dualstack.testing import (
    Leak,
    Stuck,
    World,
    sweep,
    windows,
)

STREAM = socket.SOCK_STREAM
V4, V6 = socket.AF_INET, socket.AF_INET6


def test_every_door_is_replaced() -> None:
    """A door the fake forgot would lead to the real world."""
    public = [name for name in vars(doors.Doors) if not name.startswith("_")]
    missing = [name for name in public if name not in {*vars(World), *vars(World())}]
    assert missing == []


def test_it_is_the_current_world_inside_the_block_only() -> None:
    before = doors.current, platforms.current
    with World(windows()) as world:
        assert doors.current is world
        assert platforms.current.name == "Windows"
    assert (doors.current, platforms.current) == before


def test_the_world_is_left_even_when_the_test_fails() -> None:
    before = doors.current
    with pytest.raises(KeyError, match="the test's own"), World() as world:
        world.socket(V4, STREAM)
        raise KeyError("the test's own")  # and not the Leak it causes
    assert doors.current is before


# ---------------------------------------------------------------------- the ledger


@pytest.mark.parametrize(
    ("leave", "report"),
    [
        pytest.param(lambda world: world.socket(V4, STREAM), "socket 1000000", id="socket"),
        pytest.param(lambda world: world.socketpair()[0].close(), "socket 1000001", id="half-a-pair"),
        pytest.param(lambda world: world.selector(), "selector", id="selector"),
        pytest.param(lambda world: world.socket(V4, STREAM).detach(), "socket 1000000", id="detached"),
    ],
)
def test_ledger_reports(leave: Callable[[World], object], report: str) -> None:
    with pytest.raises(Leak, match=report) as caught, World() as world:
        leave(world)
    assert "test_world.py:" in str(caught.value)  # and where it was opened


def test_ledger_reports_an_accepted_connection_and_not_its_client() -> None:
    with pytest.raises(Leak) as caught, World() as world:
        server = world.socket(V4, STREAM)
        server.bind(("127.0.0.1", 80))
        server.listen()
        world.client("127.0.0.1", 80)
        server.accept()
        server.close()
    assert str(caught.value).count("socket ") == 1
    assert "connected" in str(caught.value)


def test_ledger_reports_a_socket_file() -> None:
    with pytest.raises(Leak, match="file /run/x"), World() as world:
        sock = world.socket(AF_UNIX, STREAM)
        sock.bind("/run/x")
        sock.close()


def test_ledger_reports_what_a_thread_died_of() -> None:
    def target() -> None:
        raise ZeroDivisionError("in the thread")

    with pytest.raises(ZeroDivisionError, match="in the thread"), World() as world:
        world.start_daemon(target, "worker")


def test_closing_before_unregistering_is_noticed() -> None:
    with pytest.raises(Leak, match="before it was unregistered"), World() as world:
        selector, sock = world.selector(), world.socket(V4, STREAM)
        selector.register(sock, selectors.EVENT_READ)
        sock.close()
        selector.close()


def test_a_hung_look_up_is_no_leak_and_its_thread_ends() -> None:
    with World() as world:
        world.answer("slow.example", ["192.0.2.1"], after=float("inf"))
        world.start_daemon(lambda: world.getaddrinfo("slow.example", 80, 0, STREAM, 0, 0) and None, "look-up")
        (task,) = world.clock.tasks
        assert not task.done
    assert task.done
    assert task.thread is not None
    assert not task.thread.is_alive()


# ---------------------------------------------------------------------- time


def test_only_waiting_takes_time_and_exactly_that() -> None:
    with World() as world:
        selector = world.selector()
        assert selector.select(0.25) == []
        world.sleep(0.5)
        assert world.monotonic() == world.now == 0.75
        selector.close()


def test_what_happens_exactly_at_the_timeout_counts() -> None:
    with World() as world:
        left, right = world.socketpair()
        with world.selector() as selector:
            selector.register(left, selectors.EVENT_READ, "left")
            world.at(1.0, lambda: right.send(b"x"))
            assert [key.data for key, _ in selector.select(1.0)] == ["left"]
            assert world.now == 1.0
        left.close()
        right.close()


def test_actions_of_one_instant_run_in_order_before_anybody_looks() -> None:
    with World() as world:
        seen: list[str] = []
        world.at(1.0, lambda: seen.append("a"))
        world.at(1.0, lambda: seen.append("b"))
        world.at(0.5, lambda: seen.append("early"))
        world.sleep(1.0)
        assert seen == ["early", "a", "b"]


def test_waiting_for_nothing_is_stuck() -> None:
    with World() as world, world.selector() as selector:
        with pytest.raises(Stuck, match="select waits for ever"):
            selector.select()
        world.at(2.0, lambda: None)
        with pytest.raises(Stuck):
            selector.select()
        assert world.now == 2.0


def test_threads_take_turns_at_exact_times() -> None:
    with World() as world:
        world.answer("a.example", ["192.0.2.1", "2001:db8::1"], after4=2.0, after6=0.5)
        seen: list[tuple[float, str]] = []

        def look_up(family: int) -> Callable[[], None]:
            def run() -> None:
                (row,) = world.getaddrinfo("a.example", 80, family, STREAM, 0, 0)
                seen.append((world.now, row[4][0]))

            return run

        world.start_daemon(look_up(V4), "four")
        world.start_daemon(look_up(V6), "six")
        assert seen == []
        world.sleep(1.0)
        assert seen == [(0.5, "2001:db8::1")]
        world.sleep(1.0)
        assert seen == [(0.5, "2001:db8::1"), (2.0, "192.0.2.1")]


def test_a_thread_may_wait_for_data_and_start_another() -> None:
    with World() as world:
        left, right = world.socketpair()
        seen: list[object] = []

        def outer() -> None:
            world.start_daemon(lambda: seen.append("inner"), "inner")
            seen.append(left.recv(10))

        world.start_daemon(outer, "outer")
        world.at(3.0, lambda: right.send(b"x"))
        world.sleep(5.0)
        assert seen == ["inner", b"x"]
        left.close()
        right.close()


# ---------------------------------------------------------------------- faults


def test_faults_by_number_and_by_name() -> None:
    with World() as world:
        world.fail(2, errno.ENOBUFS)
        world.fail("socket", MemoryError(), nth=2)
        sock = world.socket(V4, STREAM)  # call 1
        with pytest.raises(OSError) as caught:
            sock.bind(("127.0.0.1", 80))  # call 2, without effect
        assert caught.value.errno == errno.ENOBUFS
        sock.bind(("127.0.0.1", 80))
        with pytest.raises(MemoryError):
            world.socket(V4, STREAM)
        sock.close()
        assert world.calls == ["socket", "bind", "bind", "socket"]


def careful(world: World) -> None:
    sock = world.socket(V4, STREAM)
    try:
        sock.bind(("127.0.0.1", 80))
        sock.listen()
    finally:
        sock.close()


def careless(world: World) -> None:
    sock = world.socket(V4, STREAM)
    sock.bind(("127.0.0.1", 80))
    sock.listen()
    sock.close()


def test_sweep_strikes_every_call_with_every_fault() -> None:
    seen: list[object] = []
    faults = (OSError(errno.EMFILE, "full"), KeyboardInterrupt())
    assert sweep(World, careful, faults=faults, check=lambda _, error: seen.append(type(error))) == 6
    assert seen == [OSError] * 3 + [type(None)] + [KeyboardInterrupt] * 3 + [type(None)]


def test_sweep_finds_the_leak() -> None:
    with pytest.raises(AssertionError, match=r"with call 2 failing with KeyboardInterrupt.*left behind: socket"):
        sweep(World, careless, faults=(KeyboardInterrupt(),))
