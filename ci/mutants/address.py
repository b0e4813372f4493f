"""Mistakes one could make in addresses as people write them; see ci/mutants.py."""

TARGET = "dualstack/core/address.py"
TESTS = ("tests/core/test_address.py", "tests/fuzz/test_parsing.py")
MUTANTS = (
    (
        "::1:80 is an address",
        "if not percent and port_number(last) >= 0 and ipv6_packed(before) is not None:",
        "if False:",
    ),
    ("an unknown scheme is a host", "        if scheme not in _SCHEMES:", "        if False:"),
    (
        "the scheme's family is forgotten",
        "        transport, family = _SCHEMES[scheme]",
        "        transport, family = _SCHEMES[scheme][0], None",
    ),
    ("tcp4 takes IPv6", "    if family is not None and family != literal:", "    if False:"),
    ("positions forget the scheme", "        offset = len(scheme) + 3", "        offset = 0"),
    ("junk after the bracket is dropped", '        if tail and tail[0] != ":":', "        if False:"),
    (
        "IPv4 may stand in brackets",
        "            if ipv4_packed(address) is not None:\n                raise",
        "            if False:\n                raise",
    ),
    ("any address may have a zone", "            if not needs_zone(packed):", "            if False:"),
    ("zones are not looked at", "            check_zone(text, zone, offset + len(address) + 2)\n", ""),
    ("127.1 is a name", '    elif looks_like_ipv4(host) or "%" in host:\n        explain_ip(text, host, offset)\n', ""),
    (
        "names are not looked at",
        '        check_host_name(text, host, offset)\n        return Address("host"',
        '        return Address("host"',
    ),
    ("a service name makes an endpoint", "endpoint=endpoint if isinstance(port, int) else None", "endpoint=endpoint"),
    ("unix: without a path is taken", "    if endpoint.is_unnamed:", "    if False:"),
    ("descriptors have 32 bits", "_MAX_FD = 2**31 - 1", "_MAX_FD = 2**32 - 1"),
    ("descriptor names may hold a colon", 'if not " " < char <= "~" or char == ":":', 'if not " " < char <= "~":'),
    (
        "the default port overrides",
        "    if port_text:\n        port = check_service",
        "    if port_text and default_port is None:\n        port = check_service",
    ),
    (
        "a message repeats any zone",
        "            check_zone(text, zone, offset + len(address) + 1)\n",
        "            pass\n",
    ),
    ("a path is a name", "        if host.startswith(_PATHS):", "        if False:"),
    ("two ports are one", "        if address.port not in (None, number):", "        if False:"),
    (
        "with_port leaves a literal unread",
        "        elif self.host is not None:  # with a number",
        "        elif False:  # with a number",
    ),
    (
        "with_port takes any port",
        "        port = _checked_number(port)\n        endpoint = self.endpoint\n",
        "        endpoint = self.endpoint\n",
    ),
    ("the transport is not in the text", "        if self.transport:\n", "        if False:\n"),
    (
        "IPv6 loses its brackets",
        '            if ":" in host:\n                host = f"[{host}]"',
        '            if False:\n                host = f"[{host}]"',
    ),
)
