"""The relay machine: every state that can be reached by every report that can be made, and the stories by name."""

from __future__ import annotations

import copy

import pytest

from dualstack.core.relay import (
    BROKEN,
    CLIENT,
    CLOSE,
    ENDED,
    FLOWING,
    HELD,
    LINGER,
    NOTHING,
    READ,
    RESET,
    SHUT,
    TARGET,
    WRITE,
    Relay,
)

FINAL = (CLOSE, RESET)
SIDES = (CLIENT, TARGET)


class Referee:
    """One connection and what really happened to it, told apart from what the machine keeps."""

    def __init__(self) -> None:
        self.relay = Relay()
        self.ended = [False, False]  # the source has said all
        self.shut = [False, False]  # the destination of the flow was told so
        self.deaf = [False, False]  # the destination of the flow reads no more
        self.reset = [False, False]  # a write to this side has met a reset
        self.held = [False, False]
        self.lingering = False
        self.over = ""

    def reports(self):
        """What a driver may report now: reading where it was told to read, writing where it was told to write."""
        if self.over:
            return
        for side in SIDES:
            wants = self.relay.wants(side)
            if wants & READ:
                yield "ended", side
                yield "lost", side
                if not self.deaf[side]:
                    yield "held", side
                    yield "broken", side
                    yield "broken by a reset", side
            if wants & WRITE:
                yield "freed", 1 - side
                yield "broken", 1 - side
                yield "broken by a reset", 1 - side

    def play(self, report) -> None:
        kind, source = report
        relay = self.relay
        command = NOTHING
        if kind == "held":
            relay.held(source)
            self.held[source] = True
        elif kind == "freed":
            relay.freed(source)
            self.held[source] = False
        elif kind == "ended":
            self.ended[source] = True
            command = relay.ended(source)
        elif kind == "lost":
            command = relay.lost(source)
            assert command == RESET
        else:
            self.deaf[source], self.held[source] = True, False
            reset = kind != "broken"
            command = relay.broken(source, reset=reset)
            self.reset[1 - source] |= reset and not self.ended[1 - source]
        self.obey(command, kind, source)
        self.check()

    def obey(self, command: str, kind: str, source: int) -> None:
        if command == SHUT:
            assert self.ended[source] and not self.shut[source] and not self.deaf[source]
            self.shut[source] = True
        elif command == LINGER:
            assert not self.lingering
            self.lingering = True
            self.shut = [True, True]
            # One has said all, and will read no more: nothing can move between the two.
            assert any(self.ended[side] and self.deaf[1 - side] for side in SIDES)
        elif command in FINAL:
            self.over = command
            hidden = kind == "ended" and self.reset[source]
            assert (command == RESET) == (kind == "lost" or hidden)
            if command == CLOSE:
                assert all(self.ended[side] or self.deaf[side] for side in SIDES)

    def check(self) -> None:
        if self.over:
            return
        for side in SIDES:
            wants = self.relay.wants(side)
            # A reader that does not read stops its writer; a side that has ended is not read again.
            assert bool(wants & READ) == (not self.held[side] and not self.ended[side])
            assert bool(wants & WRITE) == self.held[1 - side]
            # An end is told, unless nobody is there to be told, or everything ends soon.
            assert not self.ended[side] or self.shut[side] or self.deaf[side]
        assert any(self.relay.wants(side) for side in SIDES), "nothing can happen any more"

    @property
    def state(self):
        return (
            *self.relay.flows,
            *self.relay._reset,
            *self.ended,
            *self.shut,
            *self.deaf,
            *self.held,
            self.lingering,
            self.over,
        )


def test_every_story() -> None:
    first = Referee()
    first.check()
    seen, todo, steps = {first.state: first}, [first], 0
    after: dict[object, list[object]] = {}
    while todo:
        one = todo.pop()
        for report in one.reports():
            steps += 1
            next_ = copy.deepcopy(one)
            next_.play(report)
            after.setdefault(one.state, []).append(next_.state)
            if next_.state not in seen:
                seen[next_.state] = next_
                todo.append(next_)
    finals = {state for state, one in seen.items() if one.over}
    assert {one.over for one in seen.values()} == {"", CLOSE, RESET}
    # From everywhere there is a way to the end.
    alive = set(finals)
    while True:
        more = {state for state, nexts in after.items() if state not in alive and alive.intersection(nexts)}
        if not more:
            break
        alive |= more
    assert alive == set(seen)
    assert {flow for one in seen.values() for flow in one.relay.flows} == {FLOWING, HELD, ENDED, BROKEN}
    assert steps > len(seen) > 40


def run(*reports) -> list[str]:
    """The commands that a story leads to."""
    relay = Relay()
    commands = []
    for kind, source, *more in reports:
        told = getattr(relay, kind)(source, **(more[0] if more else {}))
        commands.append(told or NOTHING)
    return commands


EPIPE, ECONNRESET = {"reset": False}, {"reset": True}


@pytest.mark.parametrize(
    ("reports", "commands"),
    [
        pytest.param([("ended", CLIENT), ("ended", TARGET)], [SHUT, CLOSE], id="request-then-answer"),
        pytest.param([("ended", TARGET), ("ended", CLIENT)], [SHUT, CLOSE], id="the-target-ends-first"),
        pytest.param(
            [("held", TARGET), ("freed", TARGET), ("ended", TARGET)], [NOTHING, NOTHING, SHUT], id="slow-reader"
        ),
        pytest.param(
            [("ended", CLIENT), ("held", TARGET), ("freed", TARGET), ("ended", TARGET)],
            [SHUT, NOTHING, NOTHING, CLOSE],
            id="half-closed-slow-reader",
        ),
        pytest.param([("lost", CLIENT)], [RESET], id="reset-by-the-client"),
        pytest.param([("lost", TARGET)], [RESET], id="reset-by-the-target"),
        pytest.param([("ended", CLIENT), ("lost", TARGET)], [SHUT, RESET], id="the-answer-is-cut"),
        pytest.param(
            [("broken", CLIENT, ECONNRESET), ("ended", TARGET)], [NOTHING, RESET], id="a-write-met-the-reset-first"
        ),
        pytest.param(
            [("broken", CLIENT, EPIPE), ("ended", TARGET), ("ended", CLIENT)],
            [NOTHING, LINGER, CLOSE],
            id="answered-and-closed-early",
        ),
        pytest.param(
            [("ended", TARGET), ("broken", CLIENT, ECONNRESET)], [SHUT, LINGER], id="answered-ended-and-then-reset"
        ),
        pytest.param(
            [("held", CLIENT), ("broken", CLIENT, EPIPE), ("ended", CLIENT), ("ended", TARGET)],
            [NOTHING, NOTHING, NOTHING, CLOSE],
            id="reads-no-more-but-answers",
        ),
        pytest.param([("broken", CLIENT, EPIPE), ("broken", TARGET, EPIPE)], [NOTHING, CLOSE], id="nobody-reads"),
    ],
)
def test_stories(reports, commands) -> None:
    assert run(*reports) == commands
