"""How often the same thing is said: at once, then with the number of those kept back."""

from __future__ import annotations

from dualstack.core.ration import SECONDS, Ration


def test_a_storm_is_two_lines_and_its_size() -> None:
    ration = Ration()
    said = [ration.say("target", f"refused {number}", number / 1000) for number in range(1000)]
    assert said == ["refused 0", *[None] * 999]
    assert ration.next == SECONDS
    assert ration.left(SECONDS - 0.001) == []
    assert ration.left(SECONDS) == ["refused 999 (and 998 more like it)"]
    assert ration.next is None


def test_it_stays_rationed_while_it_goes_on() -> None:
    ration = Ration()
    lines = []
    for now in range(100):
        line = ration.say("target", "refused", float(now))
        lines += [line] if line else []
        lines += ration.left(float(now))
    assert len(lines) == 10


def test_kinds_do_not_hold_each_other_back() -> None:
    ration = Ration()
    assert ration.say("target", "refused", 0.0) == "refused"
    assert ration.say("header", "no header", 0.0) == "no header"
    assert ration.say("header", "none here", 0.0) is None
    assert ration.left() == ["none here"]


def test_after_a_quiet_time_it_is_said_at_once() -> None:
    ration = Ration()
    assert ration.say("target", "one", 0.0) == "one"
    assert ration.say("target", "two", SECONDS) == "two"
    assert ration.say("target", "three", SECONDS) is None
    # Nobody asked for what was left; it is told with the next one.
    assert ration.say("target", "four", 2 * SECONDS) == "four (and 1 more like it)"
    assert ration.left() == []


def test_what_is_quiet_is_forgotten() -> None:
    ration = Ration()
    for number in range(100):
        ration.say(f"kind {number}", "text", 0.0)
    assert ration.left(SECONDS) == []
    assert not ration._kinds
