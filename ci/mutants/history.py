"""Mistakes one could make in the memory of silent families; see ci/mutants.py."""

TARGET = "dualstack/core/history.py"
TESTS = ("tests/core/test_history.py",)
MUTANTS = (
    ("one at a time teaches", "if delay is not None:", "if True:\n        delay = delay or 0.0"),
    ("failures count as silence", "quiet = attempt.error is None or isinstance", "quiet = True or isinstance"),
    (
        "a timeout of the system is no silence",
        "attempt.error is None or isinstance(attempt.error, TimeoutError)",
        "attempt.error is None",
    ),
    (
        "only timeouts of the system are silence",
        "attempt.error is None or isinstance(attempt.error, TimeoutError)",
        "isinstance(attempt.error, TimeoutError)",
    ),
    ("the winner's own family is silent", "if quiet and other != family and", "if quiet and"),
    ("only the winner's family is silent", "other != family", "other == family"),
    ("what was never tried was silent", "and attempt.started is not None and now", "and now"),
    ("silence of any length", "now - attempt.started >= delay", "True"),
    ("silence of exactly the delay is none", "now - attempt.started >= delay", "now - attempt.started > delay"),
    (
        "only the first is looked at",
        "                return other\n    return None",
        "                return other\n            return None\n    return None",
    ),
    ("knows everything", "return host in self._known", "return True"),
    ("knows nothing", "return host in self._known", "return False"),
    ("any place", "if where == place and noted", "if noted"),
    ("another clock", "noted <= now < noted", "now < noted"),
    ("for ever", "noted <= now < noted + self.seconds", "noted <= now"),
    ("a moment longer", "now < noted + self.seconds", "now <= noted + self.seconds"),
    ("what is over stays", "self._undisturbed(self._remove, host, found)\n        return None", "return None"),
    ("what came meanwhile goes", "if self._known.get(host) is noted:", "if True:"),
    ("never lets go", "                self._lock.release()", "                pass"),
    ("the oldest is the newest", "known.pop(host, None)  # to the end", "None  # to the end"),
    ("nothing is noted", "known[host] = noted", "pass"),
    ("no bound", "while len(known) > self.size:", "while False:"),
    ("a bound too low", "len(known) > self.size", "len(known) >= self.size"),
    ("the newest goes", "del known[next(iter(known))]", "del known[host]"),
    ("any family is forgotten", "if found is not None and found[0] == family:", "if found is not None:"),
    ("the unknown are forgotten", "if found is not None and found[0] == family:", "if found[0] == family:"),
    ("nothing is forgotten", "if found is not None and found[0] == family:", "if False:"),
    ("clear does nothing", "self._known = {}", "pass"),
    ("ten seconds", "seconds: float = 600.0", "seconds: float = 10.0"),
    ("one host", "size: int = 1024", "size: int = 1"),
    ("without length", "return len(self._known)", "return 0"),
)
