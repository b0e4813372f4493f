"""The memory of silent families."""

from __future__ import annotations

import pytest

from dualstack import IPv4Endpoint, IPv6Endpoint
from dualstack.core.history import History, went_silent
from dualstack.errors import Attempt

SIX, FOUR = 10, 2


def test_remembers_for_its_time_and_place():
    history = History()
    assert not history.knows("a") and history.silent("a", "home", 0.0) is None
    history.note("a", SIX, "home", 100.0)
    assert history.knows("a")
    assert history.silent("a", "home", 100.0) == SIX
    assert history.silent("a", "home", 699.5) == SIX
    assert history.silent("b", "home", 100.0) is None
    assert history.silent("a", "home", 700.0) is None
    assert not history.knows("a")


def test_another_place_forgets():
    history = History()
    history.note("a", SIX, "home", 0.0)
    assert history.silent("a", "train", 1.0) is None
    assert history.silent("a", "home", 1.0) is None


def test_a_clock_of_another_world_forgets():
    history = History()
    history.note("a", SIX, "home", 1000.0)
    assert history.silent("a", "home", 1.0) is None


def test_a_working_family_is_forgotten_and_the_other_is_not():
    history = History()
    history.note("a", SIX, "home", 0.0)
    history.forget("a", FOUR)
    assert history.silent("a", "home", 1.0) == SIX
    history.forget("a", SIX)
    history.forget("b", SIX)
    assert history.silent("a", "home", 1.0) is None


def test_is_bounded_and_drops_the_oldest():
    history = History(size=2)
    for index, name in enumerate("abac"):
        history.note(name, SIX, "home", float(index))
    assert len(history) == 2
    assert history.knows("a") and history.knows("c") and not history.knows("b")


def test_clear_and_own_time():
    history = History(seconds=5)
    history.note("a", SIX, "home", 0.0)
    assert history.silent("a", "home", 4.5) == SIX
    history.clear()
    assert len(history) == 0


def tried(host: str, started: float | None = 0.0, error: BaseException | None = None) -> Attempt:
    endpoint = IPv6Endpoint(host, 443) if ":" in host else IPv4Endpoint(host, 443)
    return Attempt(endpoint, started, None, error)


V6, V4 = IPv6Endpoint.family, IPv4Endpoint.family


@pytest.mark.parametrize(
    ("earlier", "delay", "now", "silent"),
    [
        pytest.param([], 0.25, 1.0, None, id="nothing-before"),
        pytest.param([tried("2001:db8::1")], 0.25, 1.0, V6, id="silent"),
        pytest.param([tried("2001:db8::1")], 0.25, 0.25, V6, id="silent-for-just-the-delay"),
        pytest.param([tried("2001:db8::1")], 0.25, 0.125, None, id="not-long-enough"),
        pytest.param([tried("2001:db8::1", 0.5)], 0.25, 0.625, None, id="counted-from-its-start"),
        pytest.param([tried("2001:db8::1")], None, 9.0, None, id="one-at-a-time"),
        pytest.param([tried("192.0.2.2")], 0.25, 1.0, None, id="the-winners-family"),
        pytest.param([tried("2001:db8::1", None)], 0.25, 1.0, None, id="never-tried"),
        pytest.param([tried("2001:db8::1", 0.0, ConnectionRefusedError())], 0.25, 1.0, None, id="refused"),
        pytest.param([tried("2001:db8::1", 0.0, TimeoutError())], 0.25, 1.0, V6, id="timed-out"),
        pytest.param([tried("192.0.2.2"), tried("2001:db8::1", 0.25)], 0.25, 1.0, V6, id="not-the-first"),
    ],
)
def test_which_family_went_silent(earlier, delay, now, silent):
    assert went_silent(earlier, V4, delay, now) == silent


def test_sizes():
    history = History()
    assert history.seconds == 600
    for index in range(1500):
        history.note(str(index), SIX, "home", 0.0)
    assert len(history) == 1024


def test_nobody_waits_for_a_change_under_way():
    """In a signal handler or a forked child that could be for ever."""
    history = History()
    history.note("a", SIX, "home", 0.0)
    with history._lock:  # as whoever was interrupted, or is in the parent, left it
        history.note("b", SIX, "home", 0.0)
        history.forget("a", SIX)
        assert (history.silent("a", "home", 1.0), history.silent("a", "train", 1.0)) == (SIX, None)
        assert history.knows("a") and not history.knows("b")
        history.clear()
        assert len(history) == 0
    history.note("b", SIX, "home", 0.0)
    history.forget("b", SIX)
    assert not history.knows("b")


def test_what_is_noted_meanwhile_stays():
    history = History()
    history.note("a", SIX, "home", 0.0)
    before = history._known["a"]
    history.note("a", SIX, "home", 500.0)
    history._remove("a", before)  # of a thread that looked before the second note
    assert history.silent("a", "home", 700.0) == SIX
