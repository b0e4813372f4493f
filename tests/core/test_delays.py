"""Timeouts as callers write them. The bounds of the delays are tested with the race."""

from __future__ import annotations

import pytest

from dualstack.core.delays import LONGEST_SECONDS, check_timeout

NAN = float("nan")


@pytest.mark.parametrize(
    ("timeout", "taken"),
    [
        (None, None),
        (0, 0),
        (0.25, 0.25),
        (LONGEST_SECONDS, LONGEST_SECONDS),
        (LONGEST_SECONDS + 1, None),
        (float("inf"), None),
    ],
)
def test_timeouts(timeout, taken):
    assert check_timeout(timeout) == taken


@pytest.mark.parametrize("timeout", [-1, -0.001, float("-inf"), NAN])
def test_what_no_deadline_can_be_made_of(timeout):
    with pytest.raises(ValueError, match="0 or more seconds"):
        check_timeout(timeout)


@pytest.mark.parametrize("timeout", ["5", b"5", (5,), 5j])
def test_what_is_no_number(timeout):
    with pytest.raises(TypeError, match="a number of seconds or None"):
        check_timeout(timeout)
