"""A connected datagram socket that leaves IPV6_V6ONLY to the system; see ci/mutants.py."""

TARGET = "dualstack/net/datagram_connect.py"
TESTS = ("tests/net/test_datagram.py", "tests/conformance/test_datagrams.py")
MUTANTS = (
    (
        "V6ONLY is left as the system has it",
        "sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)",
        "pass",
    ),
    ("V6ONLY is off", "IPPROTO_IPV6, IPV6_V6ONLY, 1)", "IPPROTO_IPV6, IPV6_V6ONLY, 0)"),
)
