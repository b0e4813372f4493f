"""Mistakes one could make about who may connect; see ci/mutants.py."""

TARGET = "dualstack/net/gate.py"
TESTS = ("tests/unix/test_allow.py",)
MUTANTS = (
    ("a function that raises lets in", "admitted, who = False, peer", "admitted, who = True, peer"),
    ("nobody is counted", "self.refused += 1", "self.refused += 0"),
    (
        "a function is not asked about IP peers",
        "judge = ask if ask is not None else self._networks",
        "judge = self._networks",
    ),
    ("networks are not asked", "judge = ask if ask is not None else self._networks", "judge = ask"),
    (
        "a function is shown the address of a Unix peer",
        "return permits(ask, who), who",
        "return permits(ask, peer), who",
    ),
    ("something to await lets a Unix peer in", "return permits(ask, who), who", "return bool(ask(who)), who"),
    (
        "a function cannot open an abstract name",
        "        if ask is not None:\n            who",
        "        if False:\n            who",
    ),
    ("a path is for our own user", 'if not getattr(one.endpoint, "is_abstract", False):', "if False:"),
    ("an abstract name is open to all", 'if not getattr(one.endpoint, "is_abstract", False):', "if True:"),
    ("an abstract name is for root alone", "who.uid in (0, doors.current.geteuid())", "who.uid is None"),
    ("unknown credentials are an error", "except UnsupportedError:", "except ZeroDivisionError:"),
)
