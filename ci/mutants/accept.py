"""Mistakes one could make in the accept policy; see ci/mutants.py."""

TARGET = "dualstack/core/accept.py"
TESTS = ("tests/core/test_accept.py",)
MUTANTS = (
    ("a rude client ends the server", '    "ECONNABORTED",\n', ""),
    ("a firewall rule ends the server", '    "EPERM",  # a firewall rule forbids this one\n', ""),
    ("a closed listener is ignored", '    "EINTR",\n', '    "EINTR",\n    "EBADF",\n'),
    ("a full system table ends the server", '"EMFILE", "ENFILE",', '"EMFILE",'),
    ("the wait does not grow", "min(self._delay * 2, _LAST_SECONDS) or _FIRST_SECONDS", "_FIRST_SECONDS"),
    ("the wait grows for ever", "min(self._delay * 2, _LAST_SECONDS) or", "self._delay * 2 or"),
    ("the first wait is none", "or _FIRST_SECONDS", "or 0.0"),
    (
        "success does not end an episode",
        '        """End the episode."""\n        self._delay = 0.0',
        '        """End the episode."""\n        self._delay *= 1.0',
    ),
    (
        "a rude client ends an episode",
        "            return IGNORE\n",
        "            self._delay = 0.0\n            return IGNORE\n",
    ),
)
