"""Mistakes one could make in what leads to which shutdown; see ci/mutants.py."""

TARGET = "dualstack/core/relay.py"
TESTS = ("tests/core/test_relay.py",)
MUTANTS = (
    ("a held source is read", "in (FLOWING, BROKEN) else 0", "in (FLOWING, HELD, BROKEN) else 0"),
    ("a broken source is not drained", "in (FLOWING, BROKEN) else 0", "in (FLOWING,) else 0"),
    ("an ended source is read", "in (FLOWING, BROKEN) else 0", "in (FLOWING, BROKEN, ENDED) else 0"),
    (
        "nobody waits until it takes more",
        "return read | WRITE if self.flows[1 - side] == HELD else read",
        "return read",
    ),
    (
        "the wrong side is waited for",
        "read | WRITE if self.flows[1 - side] == HELD",
        "read | WRITE if self.flows[side] == HELD",
    ),
    ("what does not fit is read on", "        self.flows[source] = HELD", "        self.flows[source] = FLOWING"),
    (
        "a freed source stays stopped",
        "        self.flows[source] = FLOWING\n\n    def ended",
        "        self.flows[source] = HELD\n\n    def ended",
    ),
    ("one end closes both", "        if other == ENDED:\n            return CLOSE\n", "        return CLOSE\n"),
    ("both ends close nothing", "        if other == ENDED:\n            return CLOSE\n", ""),
    ("an end is not told", "return NOTHING if broken else SHUT", "return NOTHING"),
    ("an end is told to nobody there", "return NOTHING if broken else SHUT", "return SHUT"),
    ("a hidden reset becomes an end", "        if self._reset[source]:", "        if False:"),
    ("every end is a reset", "        if self._reset[source]:", "        if True:"),
    ("a broken pipe counts as a reset", "self._reset[1 - source] = reset", "self._reset[1 - source] = True"),
    ("a reset counts as a broken pipe", "self._reset[1 - source] = reset", "pass"),
    ("the wrong side was reset", "self._reset[1 - source] = reset", "self._reset[source] = reset"),
    (
        "an answer is cut off by closing at once",
        "        if other == ENDED:\n            return LINGER\n",
        "        if other == ENDED:\n            return CLOSE\n",
    ),
    ("an answer is never closed", "        if other == ENDED:\n            return LINGER\n", ""),
    (
        "does not linger for the one that still sends",
        "        if other == BROKEN:\n            return LINGER",
        "        if other == BROKEN:\n            return CLOSE",
    ),
    (
        "two that do not read stay open",
        "        if other == BROKEN:\n            return CLOSE\n        self._reset",
        "        self._reset",
    ),
    ("a lost connection is an end", "= ENDED\n        return RESET\n", "= ENDED\n        return CLOSE\n"),
)
