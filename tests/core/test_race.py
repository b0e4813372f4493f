"""The race by the table: each row is a scenario of RFC 8305 with its exact times and commands."""

from __future__ import annotations

import pytest

from dualstack.core.delays import check_delays
from dualstack.core.race import (
    CANCELLED,
    IDLE,
    LOST,
    RACING,
    WON,
    Begin,
    Drop,
    Lose,
    Race,
    Win,
    alone_until,
    share_end,
)

# Times are multiples of 1/64 s where sums must be exact; the defaults of the RFC where they must not be.
DELAY = 0.25
HOLD = 0.0625


def race(**settings: object) -> Race:
    settings.setdefault("attempt_delay", DELAY)
    settings.setdefault("resolution_delay", HOLD)
    return Race(**settings)  # type: ignore[arg-type]


def opened(*candidates: str, now: float = 0.0, **settings: object) -> Race:
    """A race that has begun its first attempt at *now*."""
    r = race(**settings)
    assert r.start(now) == []
    assert r.more(candidates, now) == [Begin(0, candidates[0])]
    return r


class World:
    """Play a whole race against a plan {candidate: (delay or None, ok)} and note when each attempt began."""

    def __init__(self, r: Race, plan: dict[str, tuple[float | None, bool]], parts: list[tuple]) -> None:
        self.race, self.plan = r, plan
        self.began: dict[str, float] = {}
        self.dropped: dict[str, float] = {}
        self.won: tuple[str, float] | None = None
        self.lost: float | None = None
        self.names: dict[int, str] = {}
        self.reports: list[tuple[float, int, bool]] = []
        self.now = 0.0
        self.do(r.start(0.0))
        parts = sorted(parts, key=lambda part: part[0])
        while r.state == RACING:
            times = [t for t, *_ in parts[:1]] + [t for t, *_ in self.reports]
            if r.wakeup is not None:
                times.append(r.wakeup)
            if not times:
                break
            self.now = min(times)
            if parts and parts[0][0] == self.now:
                _, candidates, lead, final = parts.pop(0)
                self.do(r.more(candidates, self.now, lead=lead, final=final))
            elif any(t == self.now for t, *_ in self.reports):
                report = min(self.reports)
                self.reports.remove(report)
                _, index, ok = report
                self.do(r.connected(index, self.now) if ok else r.failed(index, OSError(), self.now))
            else:
                self.do(r.tick(self.now))

    def do(self, commands: list) -> None:
        for command in commands:
            if isinstance(command, Begin):
                name = self.names[command.index] = str(command.candidate)
                self.began[name] = self.now
                delay, ok = self.plan[name]
                if delay is not None:
                    self.reports.append((self.now + delay, command.index, ok))
            elif isinstance(command, Drop):
                self.dropped[self.names[command.index]] = self.now
                self.reports = [r for r in self.reports if r[1] != command.index]
            elif isinstance(command, Win):
                self.won = (self.names[command.index], self.now)
            else:
                self.lost = self.now


def whole(*candidates: str) -> list[tuple]:
    return [(0.0, candidates, True, True)]


OK, NO = True, False
SCENARIOS = [
    pytest.param({"a": (0.125, OK)}, whole("a"), {}, {"a": 0}, ("a", 0.125), id="one-good"),
    pytest.param({"a": (0.125, OK), "b": (0, OK)}, whole("a", "b"), {}, {"a": 0}, ("a", 0.125), id="first-good"),
    pytest.param(
        {"a": (None, NO), "b": (0.125, OK)}, whole("a", "b"), {}, {"a": 0, "b": 0.25}, ("b", 0.375), id="black-hole"
    ),
    pytest.param(
        {"a": (0, NO), "b": (0.125, OK)}, whole("a", "b"), {}, {"a": 0, "b": 0}, ("b", 0.125), id="refused-at-once"
    ),
    pytest.param(
        {"a": (0.125, NO), "b": (0.125, OK)},
        whole("a", "b"),
        {},
        {"a": 0, "b": 0.125},
        ("b", 0.25),
        id="refused-after-a-round-trip",
    ),
    pytest.param(
        {"a": (0.5, OK), "b": (1, OK), "c": (1, OK)},
        whole("a", "b", "c"),
        {},
        {"a": 0, "b": 0.25},
        ("a", 0.5),
        id="slow-but-good-first-lives-on",
    ),
    pytest.param(
        {"a": (0.375, NO), "b": (None, NO), "c": (0.125, OK)},
        whole("a", "b", "c"),
        {},
        {"a": 0, "b": 0.25, "c": 0.5},
        ("c", 0.625),
        id="failure-of-an-older-one-does-not-expedite",
    ),
    pytest.param(
        {"a": (None, NO), "b": (0, NO), "c": (0, OK)},
        whole("a", "b", "c"),
        {},
        {"a": 0, "b": 0.25, "c": 0.25},
        ("c", 0.25),
        id="failure-of-the-newest-expedites",
    ),
    pytest.param(
        {"a": (None, NO), "b": (None, NO), "c": (0, OK)},
        whole("a", "b", "c"),
        {"attempt_delay": 0.5},
        {"a": 0, "b": 0.5, "c": 1.0},
        ("c", 1.0),
        id="two-black-holes",
    ),
    pytest.param(
        {"a": (None, NO), "b": (1, NO)},
        whole("a", "b"),
        {"deadline": 2.0},
        {"a": 0, "b": 0.25},
        2.0,
        id="everything-dead-until-the-deadline",
    ),
    pytest.param({"a": (0, NO), "b": (0.125, NO)}, whole("a", "b"), {}, {"a": 0, "b": 0}, 0.125, id="all-refused"),
    pytest.param({}, whole(), {}, {}, 0.0, id="no-address"),
    # parts: AAAA leads, A does not
    pytest.param(
        {"6": (0.125, OK), "4": (0, OK)},
        [(0.0, ["6"], True, False), (0.0, ["4"], False, True)],
        {},
        {"6": 0},
        ("6", 0.125),
        id="both-answers-at-once",
    ),
    pytest.param(
        {"6": (0.125, OK), "4": (0, OK)},
        [(0.0, ["4"], False, False), (0.03125, ["6"], True, True)],
        {"arrange": lambda untried, last: sorted(untried, reverse=True)},
        {"6": 0.03125},
        ("6", 0.15625),
        id="AAAA-late-but-in-time",
    ),
    pytest.param(
        {"6": (0.125, OK), "4": (0.25, OK)},
        [(0.0, ["4"], False, False), (0.125, ["6"], True, True)],
        {},
        {"4": 0.0625},
        ("4", 0.3125),
        id="AAAA-too-late-A-began-after-the-resolution-delay",
    ),
    pytest.param(
        {"4": (0.125, OK)}, [(0.0, ["4"], False, False)], {}, {"4": 0.0625}, ("4", 0.1875), id="AAAA-never-answered"
    ),
    pytest.param(
        {"4": (0.125, OK)},
        [(0.0, ["4"], False, False), (0.03125, [], True, True)],
        {},
        {"4": 0.03125},
        ("4", 0.15625),
        id="AAAA-negative-ends-the-wait",
    ),
    pytest.param(
        {"6": (None, NO), "4": (0, OK)},
        [(0.0, ["6"], True, False), (0.125, ["4"], False, True)],
        {},
        {"6": 0, "4": 0.25},
        ("4", 0.25),
        id="late-A-joins-behind",
    ),
    pytest.param(
        {"6": (0, NO), "4": (0, OK)},
        [(0.0, ["6"], True, False), (0.125, ["4"], False, True)],
        {},
        {"6": 0, "4": 0.125},
        ("4", 0.125),
        id="late-A-begins-at-once-after-a-failure",
    ),
    pytest.param(
        {"6": (0, NO)},
        [(0.0, ["6"], True, False), (0.5, [], False, True)],
        {},
        {"6": 0},
        0.5,
        id="no-verdict-before-the-final-part",
    ),
    pytest.param(
        {"6": (None, NO), "4": (0.125, OK)},
        [(2.0, ["6"], True, True), (0.0, ["4"], False, False)],
        {},
        {"4": 0.0625},
        ("4", 0.1875),
        id="AAAA-two-seconds-late",
    ),
    pytest.param(
        {"4": (0, NO)},
        [(0.0, [], True, False), (2.0, ["4"], False, True)],
        {},
        {"4": 2.0},
        2.0,
        id="A-two-seconds-late-AAAA-negative",
    ),
    pytest.param(
        {"x": (None, NO), "y": (0, OK)},
        [(0.0, ["x"], False, False), (0.03125, ["y"], False, False)],
        {},
        {"x": 0.0625, "y": 0.3125},
        ("y", 0.3125),
        id="a-second-part-does-not-prolong-the-wait",
    ),
    # one at a time
    pytest.param(
        {"a": (3, NO), "b": (0, OK)},
        whole("a", "b"),
        {"attempt_delay": None},
        {"a": 0, "b": 3},
        ("b", 3),
        id="serial-waits-for-the-failure",
    ),
    pytest.param(
        {"a": (None, NO), "b": (1, OK)},
        whole("a", "b"),
        {"attempt_delay": None, "deadline": 8.0},
        {"a": 0, "b": 4.0},
        ("b", 5.0),
        id="serial-shares-the-deadline",
    ),
    pytest.param(
        {"a": (None, NO), "b": (None, NO), "c": (None, NO)},
        whole("a", "b", "c"),
        {"attempt_delay": None, "deadline": 3.0},
        {"a": 0, "b": 2.0},
        3.0,
        id="serial-shares-not-below-two-seconds",
    ),
    pytest.param(
        {"a": (7, OK)},
        whole("a"),
        {"attempt_delay": None, "deadline": 8.0},
        {"a": 0},
        ("a", 7),
        id="serial-last-has-all",
    ),
    pytest.param(
        {"a": (None, NO), "b": (None, NO)},
        whole("a", "b"),
        {"attempt_delay": None},
        {"a": 0},
        None,
        id="serial-without-deadline-waits-for-the-system",
    ),
    # width
    pytest.param(
        {"a": (None, NO), "b": (None, NO), "c": (0, OK)},
        whole("a", "b", "c"),
        {"width": 2},
        {"a": 0, "b": 0.25, "c": 0.5},
        ("c", 0.5),
        id="width-two-closes-the-oldest",
    ),
    pytest.param(
        {"a": (0.75, OK), "b": (None, NO), "c": (None, NO)},
        whole("a", "b", "c"),
        {"width": 3},
        {"a": 0, "b": 0.25, "c": 0.5},
        ("a", 0.75),
        id="width-three-is-enough-for-three",
    ),
]


@pytest.mark.parametrize(("plan", "parts", "settings", "began", "end"), SCENARIOS)
def test_scenario(plan, parts, settings, began, end):
    """Every Begin at its exact time, the verdict at its exact time, every rival dropped with it."""
    r = race(**settings)
    world = World(r, plan, parts)
    assert world.began == began
    if end is None:
        assert (r.state, r.wakeup) == (RACING, None)
    elif isinstance(end, tuple):
        assert (world.won, r.state) == (end, WON)
    else:
        assert (world.lost, r.state) == (end, LOST)
    if end is not None:
        assert r.live == [] and r.wakeup is None
        undecided = {a.endpoint for a in r.attempts if a.error is None} - {end[0] if world.won else None}
        assert undecided <= world.dropped.keys()


def test_defaults_are_those_of_the_rfc():
    r = Race()
    r.start(0.0)
    r.more(["4"], 0.0, lead=False, final=False)
    assert r.wakeup == 0.05
    assert r.tick(0.05) == [Begin(0, "4")]
    r.more(["6"], 0.1)
    assert r.wakeup == 0.05 + 0.25


def test_early_ticks_do_nothing_and_the_exact_instant_does():
    r = opened("a", "b")
    assert r.wakeup == 0.25
    assert r.tick(0.125) == []
    assert r.tick(0.25) == [Begin(1, "b")]
    assert r.wakeup is None
    assert r.tick(0.75) == []


def test_a_late_tick_does_not_bunch_attempts():
    """After a stall of the process the spacing counts from the real beginning of the previous attempt."""
    r = opened("a", "b", "c")
    assert r.tick(10.0) == [Begin(1, "b")]
    assert r.wakeup == 10.25
    assert r.tick(10.125) == []


def test_win_drops_every_rival_in_one_batch_oldest_first():
    r = opened("a", "b", "c")
    r.tick(0.25)
    r.tick(0.5)
    assert r.connected(1, 0.625) == [Drop(0), Drop(2), Win(1)]
    assert [(a.started, a.ended, a.error) for a in r.attempts] == [
        (0.0, 0.625, None),
        (0.25, 0.625, None),
        (0.5, 0.625, None),
    ]
    assert r.winner == 1


def test_photo_finish_is_answered_by_drop_again():
    r = opened("a", "b")
    r.tick(0.25)
    r.connected(1, 0.375)
    assert r.connected(0, 0.375) == [Drop(0)]
    assert r.connected(0, 0.5) == [Drop(0)]
    assert r.failed(0, OSError(), 0.5) == []
    assert r.state == WON


def test_a_connection_in_hand_beats_the_deadline_that_passed_meanwhile():
    r = opened("a", deadline=1.0)
    assert r.connected(0, 1.5) == [Win(0)]


def test_deadline_drops_and_says_so():
    r = opened("a", "b", "c", deadline=0.375)
    r.tick(0.25)
    assert r.wakeup == 0.375
    assert r.tick(0.375) == [Drop(0), Drop(1), Lose()]
    assert r.timed_out
    assert [a.ended for a in r.attempts] == [0.375, 0.375]


def test_deadline_before_any_answer():
    r = race(deadline=1.0)
    assert r.start(0.5) == []
    assert r.wakeup == 1.0
    assert r.tick(1.0) == [Lose()]
    assert r.timed_out and r.attempts == []


def test_deadline_already_over_at_the_start():
    r = race(deadline=1.0)
    assert r.start(1.0) == [Lose()]


def test_all_failed_is_not_a_timeout_and_keeps_the_errors_in_order():
    r = opened("a", "b", deadline=9.0)
    first, second = OSError("first"), OSError("second")
    assert r.failed(0, first, 0.0) == [Begin(1, "b")]
    assert r.failed(1, second, 0.125) == [Lose()]
    assert [a.error for a in r.attempts] == [first, second]
    assert [a.ended for a in r.attempts] == [0.0, 0.125]
    assert not r.timed_out


def test_superseded_by_width_is_an_error_of_its_own():
    r = opened("a", "b", width=1)
    assert r.tick(0.25) == [Drop(0), Begin(1, "b")]
    assert isinstance(r.attempts[0].error, TimeoutError)
    assert "make room" in str(r.attempts[0].error)
    assert r.attempts[0].ended == 0.25
    assert r.connected(0, 0.375) == [Drop(0)]


def test_width_supersedes_the_oldest():
    r = opened("a", "b", "c", width=2)
    r.tick(0.25)
    assert r.tick(0.5) == [Drop(0), Begin(2, "c")]
    assert r.live == [1, 2]


def test_superseded_by_share_is_an_error_of_its_own():
    r = opened("a", "b", attempt_delay=None, deadline=10.0)
    assert r.wakeup == 5.0
    assert r.tick(5.0) == [Drop(0), Begin(1, "b")]
    assert isinstance(r.attempts[0].error, TimeoutError)
    assert "share" in str(r.attempts[0].error)
    assert r.wakeup == 10.0


def test_shares_shrink_when_more_candidates_come():
    r = race(attempt_delay=None, deadline=12.0)
    r.start(0.0)
    r.more(["a"], 0.0, final=False)
    assert r.wakeup == 12.0
    r.more(["b", "c"], 1.0)
    assert r.wakeup == 4.0


def test_arrange_sees_the_untried_and_the_last_begun():
    seen = []

    def arrange(untried, last):
        seen.append((list(untried), last))
        return list(reversed(untried))

    r = race(arrange=arrange)
    r.start(0.0)
    assert r.more(["a", "b"], 0.0, final=False) == [Begin(0, "b")]
    assert r.more(["c"], 0.125) == []
    assert r.tick(0.25) == [Begin(1, "c")]
    assert r.failed(1, OSError(), 0.25) == [Begin(2, "a")]
    assert seen == [(["a", "b"], None), (["a", "c"], "b")]


def test_arrange_is_told_the_last_of_several():
    seen = []
    r = race(arrange=lambda untried, last: seen.append(last) or untried)
    r.start(0.0)
    r.more(["a", "b"], 0.0, final=False)
    r.tick(0.25)
    r.more(["c"], 0.375)
    assert seen == [None, "b"]


def test_empty_parts_are_not_arranged():
    r = race(arrange=lambda untried, last: pytest.fail("nothing to arrange"))
    r.start(0.0)
    assert r.more([], 0.0) == [Lose()]


def test_a_part_may_be_an_iterator():
    r = race()
    r.start(0.0)
    assert r.more(iter(["a"]), 0.0) == [Begin(0, "a")]


def test_an_empty_leading_part_does_not_open_the_race():
    r = race()
    r.start(0.0)
    assert r.more([], 0.0, lead=True, final=False) == []
    assert r.more(["4"], 0.0, lead=False, final=False) == []
    assert r.wakeup == HOLD


def test_an_empty_part_does_not_start_the_resolution_delay():
    r = race()
    r.start(0.0)
    assert r.more([], 0.0, lead=False, final=False) == []
    assert r.wakeup is None
    assert r.more(["4"], 0.5, lead=False, final=False) == []
    assert r.wakeup == 0.5 + HOLD


def test_an_open_race_does_not_wait_again():
    r = race()
    r.start(0.0)
    r.more(["6"], 0.0, lead=True, final=False)
    r.failed(0, OSError(), 0.0)
    assert r.more(["4"], 0.125, lead=False, final=False) == [Begin(1, "4")]


def test_a_race_opened_by_the_timer_stays_open():
    r = race()
    r.start(0.0)
    r.more(["4"], 0.0, lead=False, final=False)
    assert r.tick(HOLD) == [Begin(0, "4")]
    r.failed(0, OSError(), 0.125)
    assert r.more(["x"], 0.125, lead=False, final=False) == [Begin(1, "x")]


def test_cancel_drops_what_is_live():
    r = opened("a", "b")
    r.tick(0.25)
    assert r.cancel(0.375) == [Drop(0), Drop(1)]
    assert r.state == CANCELLED
    assert r.cancel(0.5) == []
    assert r.connected(0, 0.5) == [Drop(0)]
    assert r.wakeup is None
    assert [a.ended for a in r.attempts] == [0.375, 0.375]


def test_cancel_after_the_victory_drops_the_winner():
    r = opened("a", "b")
    r.tick(0.25)
    r.connected(0, 0.375)
    assert r.cancel(0.375) == [Drop(0)]
    assert r.winner is None and r.state == CANCELLED
    assert r.connected(0, 0.5) == [Drop(0)]


def test_cancel_before_the_start_and_after_a_loss():
    r = race()
    assert r.cancel(0.0) == [] and r.state == CANCELLED
    r = race()
    r.start(0.0)
    r.more([], 0.0)
    assert r.cancel(0.0) == [] and r.state == LOST


@pytest.mark.parametrize(
    ("prepare", "call"),
    [
        pytest.param(race, lambda r: r.more([], 0.0), id="more-before-start"),
        pytest.param(race, lambda r: r.tick(0.0), id="tick-before-start"),
        pytest.param(lambda: opened("a"), lambda r: r.start(0.0), id="start-twice"),
        pytest.param(lambda: opened("a"), lambda r: r.more(["b"], 0.0), id="more-after-the-final-part"),
        pytest.param(lambda: opened("a"), lambda r: r.connected(1, 0.0), id="connected-of-an-unknown-attempt"),
        pytest.param(lambda: opened("a"), lambda r: r.failed(1, OSError(), 0.0), id="failed-of-an-unknown-attempt"),
        pytest.param(
            lambda: opened("a"),
            lambda r: (r.failed(0, OSError(), 0.0), r.failed(0, OSError(), 0.0)),
            id="failed-twice",
        ),
        pytest.param(
            lambda: opened("a", "b"),
            lambda r: (r.failed(0, OSError(), 0.0), r.connected(0, 0.0)),
            id="connected-after-failed",
        ),
        pytest.param(lambda: opened("a"), lambda r: (r.connected(0, 0.0), r.connected(0, 0.0)), id="connected-twice"),
        pytest.param(lambda: opened("a"), lambda r: (r.connected(0, 0.0), r.tick(1.0)), id="tick-after-the-verdict"),
        pytest.param(lambda: opened("a"), lambda r: (r.cancel(0.0), r.tick(1.0)), id="tick-after-cancel"),
    ],
)
def test_wrong_calls_are_bugs_of_the_driver(prepare, call):
    with pytest.raises(RuntimeError):
        call(prepare())


def test_states():
    r = race()
    assert (r.state, r.wakeup) == (IDLE, None)
    r.start(0.0)
    assert r.state == RACING


@pytest.mark.parametrize("delay", [0.01, 0.1, 0.25, 2.0, 2, None])
def test_attempt_delay_accepted(delay):
    check_delays(delay, 0.05)
    Race(attempt_delay=delay)


@pytest.mark.parametrize("delay", [0, 0.0099, -1, 2.001, float("nan"), float("inf")])
def test_attempt_delay_refused(delay):
    with pytest.raises(ValueError, match=r"attempt_delay must be 0\.01 to 2\.0 seconds"):
        Race(attempt_delay=delay)


@pytest.mark.parametrize("delay", [0, 0.05, 2.0])
def test_resolution_delay_accepted(delay):
    check_delays(None, delay)


@pytest.mark.parametrize("delay", [-0.001, 2.001, float("nan")])
def test_resolution_delay_refused(delay):
    with pytest.raises(ValueError, match=r"resolution_delay must be 0 to 2\.0 seconds"):
        Race(resolution_delay=delay)


@pytest.mark.parametrize("width", [0, -1])
def test_width_refused(width):
    with pytest.raises(ValueError, match="width must be at least 1"):
        Race(width=width)


@pytest.mark.parametrize(
    ("started", "deadline", "waiting", "end"),
    [
        pytest.param(0.0, 12.0, 0, 12.0, id="the-last-has-everything"),
        pytest.param(0.0, 12.0, 1, 6.0, id="half"),
        pytest.param(0.0, 12.0, 2, 4.0, id="third"),
        pytest.param(0.0, 12.0, 5, 2.0, id="sixth-is-the-minimum"),
        pytest.param(0.0, 12.0, 999, 2.0, id="thousand-addresses"),
        pytest.param(11.0, 12.0, 1, 12.0, id="minimum-capped-by-the-deadline"),
        pytest.param(0.0, 1.0, 3, 1.0, id="short-deadline"),
        pytest.param(5.0, 15.0, 1, 10.0, id="not-from-zero"),
        pytest.param(3.0, 3.0, 4, 3.0, id="nothing-left"),
    ],
)
def test_share_end(started, deadline, waiting, end):
    assert share_end(started, deadline, waiting) == end


def test_a_thousand_addresses_in_twelve_seconds_one_at_a_time():
    """Six good tries of two seconds each, not a thousand of twelve milliseconds."""
    names = [f"host{i}" for i in range(1000)]
    r = race(attempt_delay=None, deadline=12.0)
    world = World(r, dict.fromkeys(names, (None, NO)), whole(*names))
    assert list(world.began.values()) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert world.lost == 12.0 and r.timed_out


def test_commands_compare_by_kind_and_content():
    assert Begin(1, "a") == Begin(1, "a") and Begin(1, "a") != Begin(1, "b")
    assert Drop(1) == Drop(1) and Drop(1) != Drop(2) and Drop(1) != Win(1)
    assert Lose() == Lose() and Lose() != Win(0)
    assert len({Drop(1), Drop(1), Win(1), Lose(), Begin(0, "a")}) == 4
    assert repr([Begin(0, "a"), Drop(0), Win(1), Lose()]) == "[Begin(0, 'a'), Drop(0), Win(1), Lose()]"


@pytest.mark.parametrize("deadline", [None, 100.125, 100.25, 103.0, 110.0])
@pytest.mark.parametrize("delay", [None, 0.25, 2.0])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_alone_until_is_the_wakeup_of_the_race(count, delay, deadline):
    now = 100.0
    r = race(attempt_delay=delay, deadline=deadline)
    r.start(now)
    r.more("abcd"[:count], now)
    for index in range(count):
        assert alone_until(now, count - index - 1, delay, deadline) == r.wakeup
        now += 0.0625
        r.failed(index, ConnectionRefusedError(), now)
        if r.state == LOST:
            break
