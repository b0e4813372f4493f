"""An attempt that takes IPv4's port along; see ci/mutants.py."""

TARGET = "dualstack/net/attempt.py"
TESTS = ("tests/net/test_connect.py", "tests/conformance/test_connections.py")
MUTANTS = (
    (
        "V6ONLY is off where the local port is shared",
        'sock.setsockopt(constants["IPPROTO_IPV6"], constants[_IPV6_V6ONLY], 1)',
        'sock.setsockopt(constants["IPPROTO_IPV6"], constants[_IPV6_V6ONLY], 0)',
    ),
)
