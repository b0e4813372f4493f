"""Mistakes one could make in endpoints; see ci/mutants.py."""

TARGET = "dualstack/core/endpoint.py"
TESTS = ("tests/core/test_endpoint.py", "tests/fuzz/test_parsing.py")
MUTANTS = (
    (
        "65536 is a port in the fast path",
        "                if port < 65536:\n                    if host[0]",
        "                if port < 65537:\n                    if host[0]",
    ),
    (
        "digits of other scripts in the fast path",
        "digits.isdecimal() and digits.isascii():",
        "digits.isdecimal():",
    ),
    ("six digits in the fast path", "len(digits) < 6", "len(digits) < 7"),
    ("the closing bracket is not looked at", 'if packed is not None and host[-1] == "]":', "if packed is not None:"),
    ("one octet is not looked at", "and c in OCTETS and d in OCTETS:", "and c in OCTETS:"),
    (
        "IPv4 hosts are not looked at",
        "        if ipv4_packed(host) is None:\n            explain_ip(host, host, 0)\n        _set_host",
        "        _set_host",
    ),
    (
        "mapped() forgets the port",
        "return ipv6_endpoint(_MAPPED + self.packed, self.port)",
        "return ipv6_endpoint(_MAPPED + self.packed, 0)",
    ),
    (
        "unmapped() looks at the low bits",
        "        if self.packed.startswith(_MAPPED):\n            return ipv4",
        "        if _MAPPED[10:] == self.packed[10:12]:\n            return ipv4",
    ),
    (
        "the zone is no part of equality",
        'return 1, self.packed, self.port, self.zone or ""',
        'return 1, self.packed, self.port, ""',
    ),
    (
        "the port is no part of equality",
        "self.host == other.host and self.port == other.port",
        "self.host == other.host",
    ),
    ("IPv4 sorts as text", 'return 0, self.packed, self.port, ""', 'return 0, self.host.encode(), self.port, ""'),
    ("contradicting scopes are taken", "            if scope_id and scope_id != int(name):", "            if False:"),
    ("an unknown index is zero", "        if name is not None and not scope_id:\n", "        if False:\n"),
    ("a zone shows on loopback", "if scope[1] and needs_zone(self.packed) else None", "if scope[1] else None"),
    (
        "with_port forgets the scope",
        "return ipv6_endpoint(self.packed, checked_port(port), self._scope)",
        "return ipv6_endpoint(self.packed, checked_port(port))",
    ),
    ("with_scope forgets the name", "(self.flowinfo, scope_id, name))", "(self.flowinfo, scope_id, None))"),
    (
        "pickling forgets the scope",
        "return IPv6Endpoint, (self.host, self.port, self.flowinfo, self.scope_id)",
        "return IPv6Endpoint, (self.host, self.port, self.flowinfo)",
    ),
    (
        "pickling forgets the flow label",
        "return IPv6Endpoint, (self.host, self.port, self.flowinfo, self.scope_id)",
        "return IPv6Endpoint, (self.host, self.port, 0, self.scope_id)",
    ),
    ("peers stay mapped", 'if "." in host and host.startswith("::ffff:"):', "if False:"),
    (
        "peers lose their scope",
        "_set_scope(endpoint, (flowinfo, scope_id, None) if flowinfo or scope_id else None)\n            return",
        "_set_scope(endpoint, None)\n            return",
    ),
    ("True is a port", "if isinstance(port, bool) or not hasattr", "if not hasattr"),
    ("an IntEnum is no port", 'if isinstance(port, bool) or not hasattr(port, "__index__"):', "if True:"),
    ("an IntEnum stays one", "        port = port.__index__()\n", ""),
    ("-1 is a port", "    if not 0 <= port <= 65535:", "    if not port <= 65535:"),
    ("any address may have a zone", "    if not needs_zone(packed):\n        raise", "    if False:\n        raise"),
    ("URLs carry a bare zone", 'host.replace("%", "%25", 1)', "host"),
    ("flow labels have 21 bits", "_MAX_FLOW = 2**20 - 1", "_MAX_FLOW = 2**21 - 1"),
)
