"""Deadlines against a plain list, and that those taken back are not kept."""

from __future__ import annotations

import random

from dualstack.core.deadlines import Deadlines


def due(deadlines: Deadlines, now: float) -> list[object]:
    found = []
    while (call := deadlines.due(now)) is not None:
        found.append(call())
    return found


def test_in_their_order_and_not_before_their_time() -> None:
    deadlines = Deadlines()
    for when, name in ((3.0, "c"), (1.0, "a"), (1.0, "b"), (2.0, "x")):
        deadlines.at(when, lambda name=name: name)
    assert deadlines.next == 1.0
    assert due(deadlines, 0.5) == []
    assert due(deadlines, 1.0) == ["a", "b"]
    assert due(deadlines, 9.0) == ["x", "c"]
    assert deadlines.next is None and deadlines.due(9.0) is None


def test_taking_back() -> None:
    deadlines = Deadlines()
    first = deadlines.at(1.0, lambda: "first")
    second = deadlines.at(2.0, lambda: "second")
    deadlines.cancel(first)
    deadlines.cancel(first)
    deadlines.cancel(None)
    assert (deadlines.next, len(deadlines)) == (2.0, 1)
    assert due(deadlines, 5.0) == ["second"]
    deadlines.cancel(second)  # too late: it is done
    assert len(deadlines) == 0


def test_a_call_may_take_back_the_next_one() -> None:
    deadlines = Deadlines()
    other = None
    deadlines.at(1.0, lambda: deadlines.cancel(other))
    other = deadlines.at(1.0, lambda: "other")
    assert due(deadlines, 1.0) == [None]


def test_what_was_taken_back_is_let_go() -> None:
    deadlines = Deadlines()
    for number in range(10_000):
        deadlines.cancel(deadlines.at(1000.0 + number, lambda: None))
    assert len(deadlines) == 0
    assert len(deadlines._heap) < 200


def test_against_a_list() -> None:
    rng = random.Random(5)
    deadlines, model, now, count = Deadlines(), {}, 0.0, 0
    for _ in range(5000):
        if rng.random() < 0.6:
            count += 1
            when = now + rng.randrange(20)
            model[count] = (when, deadlines.at(when, lambda count=count: count))
        elif model and rng.random() < 0.5:
            deadlines.cancel(model.pop(rng.choice(list(model)))[1])
        else:
            now += rng.randrange(3)
            expected = sorted((when, number) for number, (when, _) in model.items() if when <= now)
            assert due(deadlines, now) == [number for _, number in expected]
            for _, number in expected:
                del model[number]
        assert len(deadlines) == len(model)
        assert deadlines.next == min((when for when, _ in model.values()), default=None)
