"""Mistakes one could make in the bounds of the delays; see ci/mutants.py."""

TARGET = "dualstack/core/delays.py"
TESTS = ("tests/core/test_race.py", "tests/core/test_delays.py")
MUTANTS = (
    ("floor not enforced", "ATTEMPT_DELAY_FLOOR_SECONDS <= attempt_delay", "0 < attempt_delay"),
    ("ceiling not enforced", "<= attempt_delay <= ATTEMPT_DELAY_CEILING_SECONDS", "<= attempt_delay"),
    (
        "floor not allowed",
        "ATTEMPT_DELAY_FLOOR_SECONDS <= attempt_delay",
        "ATTEMPT_DELAY_FLOOR_SECONDS < attempt_delay",
    ),
    ("negative resolution delay", "if not 0 <= resolution_delay <=", "if not resolution_delay <="),
    ("negative timeout", "timeout is None or 0 <= timeout <=", "timeout is None or timeout <="),
    ("no timeout of 0", "timeout is None or 0 <= timeout <=", "timeout is None or 0 < timeout <="),
    ("long timeouts are kept", "0 <= timeout <= LONGEST_SECONDS", "0 <= timeout"),
    ("infinity is no timeout", "if timeout > LONGEST_SECONDS:", "if False:"),
)
