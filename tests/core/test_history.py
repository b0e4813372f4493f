"""The memory of silent families."""

from __future__ import annotations

from dualstack.core.history import History

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
