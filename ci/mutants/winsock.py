"""Windows' Unix socket addresses broken by one byte; see ci/mutants.py."""

TARGET = "dualstack/platforms/winsock.py"
TESTS = ("tests/platforms/test_winsock.py",)
MUTANTS = (
    ("the address is a byte longer", "_SIZE = 110", "_SIZE = 111"),
    ("the address is a byte shorter", "_SIZE = 110", "_SIZE = 109"),
    ("the family has one byte", "AF_UNIX.to_bytes(2, sys.byteorder)", "AF_UNIX.to_bytes(1, sys.byteorder)"),
    ("the family in network order", "AF_UNIX.to_bytes(2, sys.byteorder)", 'AF_UNIX.to_bytes(2, "big")'),
    ("no NUL at the end", 'raw + b"\\0"', "raw"),
    ("the path is read a byte late", "raw[2:].split", "raw[3:].split"),
    ("what follows the NUL is taken for the path", '.split(b"\\0", 1)[0]', ""),
    ("one byte too many is let through", "if len(raw) > _SIZE - 3:", "if len(raw) > _SIZE - 2:"),
)
