"""Mistakes one could make about IPV6_V6ONLY; see ci/mutants.py."""

TARGET = "dualstack/net/listen.py"
TESTS = ("tests/platforms/test_windows.py", "tests/conformance/test_listeners.py", "tests/net/test_listen.py")
MUTANTS = (
    (
        "V6ONLY is left as the system has it",
        "                sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, command.v6only)\n",
        "",
    ),
    (
        "V6ONLY is always off",
        "sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, command.v6only)",
        "sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)",
    ),
    (
        "V6ONLY is always on",
        "sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, command.v6only)",
        "sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)",
    ),
    (
        "V6ONLY is turned round",
        "sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, command.v6only)",
        "sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, not command.v6only)",
    ),
    ("the address is reused as the system likes", "            self._prepare(sock)\n", ""),
)
