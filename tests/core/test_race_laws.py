"""The laws of the race, over every interleaving of small races and over random large ones.

A ``Referee`` stands beside the machine, hears the same events, sees the same commands and checks after each
event everything that must hold whatever happened before:

* attempts begin in order, spaced by the delay unless the newest failed, never after the verdict;
* never more than ``width`` run, and a serial race never runs two;
* at the verdict every rival is dropped in the same batch, and there is exactly one verdict;
* a dropped attempt that connects or fails late changes nothing, and connecting is answered by Drop;
* ticking before ``wakeup`` does nothing, ticking at ``wakeup`` does something, and while anything can
  still happen there is something to wait for: no race gets stuck.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dualstack.core.race import CANCELLED, LOST, RACING, WON, Begin, Drop, Lose, Race, Win

DELAY = 0.25
HOLD = 0.0625
CANCEL = ("cancel", None, False)


class Referee:
    """One race with its laws. ``parts`` is a list of (candidates, lead); the last one is final."""

    def __init__(self, parts, *, attempt_delay=DELAY, deadline=None, width=None) -> None:
        self.race = Race(attempt_delay=attempt_delay, resolution_delay=HOLD, deadline=deadline, width=width)
        self.parts = parts
        self.delay, self.deadline, self.width = attempt_delay, deadline, width
        self.given = 0
        self.now = 0.0
        self.order: list[str] = []
        self.began: list[float] = []
        self.live: list[int] = []
        self.dropped: set[int] = set()
        self.failures: dict[int, BaseException] = {}
        self.verdicts: list[object] = []
        self.newest_failed = True  # the first attempt has nothing to wait for
        self.cancelled = False
        self.see(self.race.start(0.0))

    # what may happen next

    def events(self):
        if self.race.state != RACING:
            return
        if self.race.wakeup is not None:
            yield "tick", None, True
        for at_the_wakeup in (False, True) if self.race.wakeup is not None else (False,):
            if self.given < len(self.parts):
                yield "part", None, at_the_wakeup
            for index in self.live:
                yield "ok", index, at_the_wakeup
                yield "fail", index, at_the_wakeup

    def play(self, event) -> None:
        """Let one event happen: a tick at the wakeup, anything else before it or just ahead of that tick."""
        race, (kind, index, at_the_wakeup) = self.race, event
        if kind == "tick":
            assert race.wakeup is not None and race.wakeup >= self.now
            self.now = race.wakeup
            commands = race.tick(self.now)
            assert commands, "a wakeup at which nothing is due"
            self.see(commands)
            return
        ahead = race.wakeup if race.wakeup is not None else self.now + 1.0
        self.now = ahead if at_the_wakeup else (self.now + ahead) / 2
        if not at_the_wakeup:
            assert race.tick(self.now) == [], "an early tick did something"
        if kind == "part":
            candidates, lead = self.parts[self.given]
            self.given += 1
            self.order += candidates
            self.see(race.more(candidates, self.now, lead=lead, final=self.given == len(self.parts)))
        elif kind == "ok":
            self.live.remove(index)
            self.see(race.connected(index, self.now), winner=index)
        elif kind == "fail":
            self.live.remove(index)
            self.failures[index] = error = OSError(index)
            self.newest_failed = index == len(self.began) - 1 or self.newest_failed
            self.see(race.failed(index, error, self.now))
        elif kind == "cancel":
            self.cancelled = True
            self.see(race.cancel(self.now))

    # what must hold

    def see(self, commands, winner=None) -> None:
        race, drops = self.race, []
        rivals = list(self.live)
        for command in commands:
            assert not self.verdicts, "a command after the verdict"
            if isinstance(command, Begin):
                self.check_begin(command)
            elif isinstance(command, Drop):
                assert command.index in self.live, "dropped something that does not run"
                self.live.remove(command.index)
                self.dropped.add(command.index)
                drops.append(command.index)
            elif isinstance(command, Win):
                assert command.index == winner == race.winner and race.state == WON
                self.verdicts.append(command)
            elif isinstance(command, Lose):
                assert race.state == LOST
                assert race.timed_out == (self.deadline is not None and self.now >= self.deadline)
                assert race.timed_out or (self.given == len(self.parts) and len(self.began) == len(self.order))
                self.verdicts.append(command)
        if winner is not None:
            assert self.verdicts and isinstance(self.verdicts[0], Win)
        if self.verdicts or self.cancelled:
            assert self.live == [] and drops == rivals, "a rival was not dropped with the verdict"
            assert race.wakeup is None
        self.check_rest()

    def check_begin(self, command) -> None:
        assert command.index == len(self.began)
        assert command.candidate == self.order[command.index], "not in order of preference"
        if not self.newest_failed:
            assert self.now >= self.began[-1] + (self.delay if self.delay is not None else 0)
            if self.delay is None:
                assert not self.live, "two at a time in a serial race"
        self.began.append(self.now)
        self.live.append(command.index)
        self.newest_failed = False
        assert self.width is None or len(self.live) <= self.width

    def check_rest(self) -> None:
        race = self.race
        assert race.live == self.live
        assert [a.endpoint for a in race.attempts] == self.order[: len(self.began)]
        assert [a.started for a in race.attempts] == self.began
        for index, attempt in enumerate(race.attempts):
            assert (attempt.ended is None) == (index in self.live or (race.state == WON and race.winner is None))
            if index in self.failures:
                assert attempt.error is self.failures[index]
            elif index in self.live or index == race.winner:
                assert attempt.error is None
        state, wakeup = race.state, race.wakeup
        for index in self.dropped:  # a photo finish at this very moment
            assert race.connected(index, self.now) == [Drop(index)]
            assert race.failed(index, OSError(), self.now) == []
        assert (race.state, race.wakeup, race.live) == (state, wakeup, self.live)
        if state != RACING:
            return
        untried = len(self.order) - len(self.began)
        opened = self.began or self.given == len(self.parts)
        if untried and opened:
            assert self.live, "something is left to try and nothing runs"
            assert not self.newest_failed, "the newest failed and the next has not begun"
            if self.delay is not None:
                assert wakeup is not None and wakeup <= self.began[-1] + self.delay
        elif untried:
            assert wakeup is not None and wakeup <= self.now + HOLD
        if self.deadline is not None:
            assert wakeup is not None and wakeup <= self.deadline
        can_happen = self.live or self.given < len(self.parts) or wakeup is not None
        assert can_happen, "the race is stuck"


def explore(make) -> tuple[int, int]:
    """Walk every path of events by replaying prefixes; count paths and the cancels tried on the way."""
    paths = cancels = 0
    stack: list[tuple] = [()]
    while stack:
        prefix = stack.pop()
        referee = make()
        for event in prefix:
            referee.play(event)
        following = list(referee.events())
        if following:
            stack.extend((*prefix, event) for event in following)
        else:
            paths += 1
        if not referee.verdicts:
            referee.play(CANCEL)
            cancels += 1
            assert referee.race.state == CANCELLED
        elif referee.race.winner is not None:
            winner = referee.race.winner
            assert referee.race.cancel(referee.now) == [Drop(winner)]
    return paths, cancels


def split(count: int) -> list[list[tuple[list[str], bool]]]:
    """The ways *count* candidates may arrive: at once, or as two answers in either order, one of them empty."""
    names = [f"c{i}" for i in range(count)]
    ways = [[(names, True)]]
    for cut in range(count + 1):
        ways.append([(names[:cut], True), (names[cut:], False)])
        ways.append([(names[:cut], False), (names[cut:], True)])
    return ways


SETTINGS = [
    pytest.param({}, id="plain"),
    pytest.param({"deadline": 0.6875}, id="deadline"),
    pytest.param({"width": 1}, id="width-1"),
    pytest.param({"width": 2}, id="width-2"),
    pytest.param({"attempt_delay": None}, id="serial"),
    pytest.param({"attempt_delay": None, "deadline": 5.0}, id="serial-deadline"),
]

# ci/soak.py raises both; four candidates are two families with a second address each.
MOST = int(os.environ.get("DUALSTACK_RACE_CANDIDATES", "4"))
EXAMPLES = int(os.environ.get("DUALSTACK_RACE_EXAMPLES", "500"))


@pytest.mark.parametrize("config", SETTINGS)
@pytest.mark.parametrize("count", range(MOST + 1))
def test_every_interleaving(config, count):
    """All orders of parts, successes, failures, silences and ticks, with a cancel after each event."""
    for parts in split(count):
        paths, cancels = explore(lambda parts=parts: Referee(parts, **config))
        assert paths and cancels


candidates = st.integers(0, 5)
configs = st.fixed_dictionaries(
    {
        "attempt_delay": st.sampled_from([None, 0.015625, 0.25, 2.0]),
        "deadline": st.sampled_from([None, 0.0, 0.03125, 1.0, 7.0, 30.0]),
        "width": st.sampled_from([None, 1, 2, 3]),
    }
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.tuples(candidates, st.booleans()), min_size=1, max_size=4),
    configs,
    st.lists(st.integers(0, 100), max_size=60),
)
def test_random_races(shape, config, choices):
    """Up to twenty candidates in four parts, reports at and between wakeups, every setting."""
    serial = iter(range(100))
    parts = [([f"c{next(serial)}" for _ in range(count)], lead) for count, lead in shape]
    referee = Referee(parts, **config)
    for choice in choices:
        following = list(referee.events())
        if not following:
            break
        referee.play(following[choice % len(following)])
    if referee.verdicts:
        return
    referee.play(CANCEL)
    assert referee.race.state == CANCELLED and not referee.live
