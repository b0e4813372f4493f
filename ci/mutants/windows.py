"""Mistakes one could make about listening on Windows; see ci/mutants.py."""

TARGET = "dualstack/platforms/windows.py"
TESTS = ("tests/platforms/test_windows.py", "tests/conformance/test_listeners.py")
MUTANTS = (
    ("exclusive use is never set", "if exclusive:", "if False:"),
    ("exclusive use is set although not wanted", "if exclusive:", "if True:"),
    ("the option is cleared instead of set", "_SO_EXCLUSIVEADDRUSE, 1)", "_SO_EXCLUSIVEADDRUSE, 0)"),
    ("SO_REUSEADDR instead, which invites thieves", "_SO_EXCLUSIVEADDRUSE = -5", "_SO_EXCLUSIVEADDRUSE = 4"),
    ("the level of Linux", "_SOL_SOCKET = 0xFFFF", "_SOL_SOCKET = 1"),
)
