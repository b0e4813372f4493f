"""The routing messages of macOS and FreeBSD broken by one byte; see ci/mutants.py."""

TARGET = "dualstack/platforms/bsdroute.py"
TESTS = ("tests/platforms/test_bsd.py",)
MUTANTS = (
    (
        "the flags of rt_msghdr are two bytes early",
        '_ROUTE = Struct("=HBBHxxIIiii")',
        '_ROUTE = Struct("=HBBHIIiiixx")',
    ),
    ("the type comes before the version", '_PREAMBLE = Struct("=HBB")', '_PREAMBLE = Struct("=HxBB")'),
    (
        "the scope of sockaddr_in6 is before the address",
        '_IN6_TAIL = Struct("=HI16sI")',
        '_IN6_TAIL = Struct("=HII16s")',
    ),
    ("macOS pads to 8", "inet6=30, padding=4", "inet6=30, padding=8"),
    ("FreeBSD pads to 4", "inet6=28, padding=8", "inet6=28, padding=4"),
    ("macOS has a longer header", "route_header=92", "route_header=93"),
    ("FreeBSD has a shorter header", "route_header=152", "route_header=151"),
    ("macOS has the number of FreeBSD", "MACOS = System(inet6=30", "MACOS = System(inet6=28"),
    ("FreeBSD has the number of macOS", "FREEBSD = System(inet6=28", "FREEBSD = System(inet6=30"),
    ("the index stays in the address", 'return packed[:2] + b"\\0\\0" + packed[4:]', "return packed"),
)
