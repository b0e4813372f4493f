"""Mistakes one could make in classifying addresses; see ci/mutants.py."""

TARGET = "dualstack/core/special.py"
TESTS = ("tests/core/test_special.py",)
MUTANTS = (
    ("a prefix is one bit short", '("10.0.0.0/8", "private"', '("10.0.0.0/9", "private"'),
    ("CGNAT is public", '("100.64.0.0/10", "shared", False', '("100.64.0.0/10", "shared", True'),
    ("PCP anycast is not public", '("192.0.0.9/32", "anycast", True', '("192.0.0.9/32", "anycast", False'),
    (
        "the new documentation block is forgotten",
        '    ("3fff::/20", "documentation", False, "Documentation", "RFC 9637"),\n',
        "",
    ),
    ("multicast is public", '("ff00::/8", "multicast", False', '("ff00::/8", "multicast", True'),
    (
        "the shorter prefix wins",
        "key=lambda block: (block.first, block.length)",
        "key=lambda block: (block.first, -block.length)",
    ),
    (
        "a block ends where its child ends",
        "        if open_blocks and closed.last != open_blocks[-1].last:",
        "        if False:",
    ),
    (
        "bisection is off by one",
        "_HOLDERS6[bisect_right(_STARTS6, packed) - 1]",
        "_HOLDERS6[bisect_right(_STARTS6, packed) - 2]",
    ),
    (
        "mapped is tested in 32 bits only",
        '    if high == _MAPPED:\n        return (("mapped"',
        '    if packed[8:12] == _MAPPED[8:]:\n        return (("mapped"',
    ),
    (
        "the unspecified address is compatible",
        "return () if packed in (_ANY6, _LOOPBACK6) else",
        "return () if packed == _LOOPBACK6 else",
    ),
    ("Teredo clients are not inverted", "bytes(byte ^ 0xFF for byte in last)", "last"),
    ("Teredo servers are not looked at", '(("teredo-server", packed[4:8]), ("teredo-client"', '(("teredo-client"'),
    ("6to4 is read two bytes late", '(("6to4", packed[2:6]),)', '(("6to4", packed[4:8]),)'),
    (
        "ISATAP without the u bit only",
        '_ISATAP = (b"\\x00\\x00\\x5e\\xfe", b"\\x02\\x00\\x5e\\xfe")',
        '_ISATAP = (b"\\x00\\x00\\x5e\\xfe",)',
    ),
    (
        "ISATAP hides behind 6to4",
        "    found: tuple[tuple[str, bytes], ...] = ()\n    if packed[:2] == _6TO4:\n        found =",
        "    found: tuple[tuple[str, bytes], ...] = ()\n    if packed[:2] == _6TO4:\n        return",
    ),
    ("multicast has ISATAP ids", " and packed[0] != 0xFF:", ":"),
    (
        "the inside is not looked at",
        "    return all(block_of(inside).is_global for _, inside in embedded_ipv4(packed))",
        "    return True",
    ),
    ("the outside is not looked at", "    if not block_of(packed).is_global:\n        return False\n", ""),
    (
        "a classification forgets the inside",
        "return self.block.is_global and all(",
        "return self.block.is_global or all(",
    ),
    (
        "kinds forgets the inside",
        "return (self.block.kind, *(block_of(packed).kind for _, packed in self.embedded))",
        "return (self.block.kind,)",
    ),
    (
        "ISATAP of 127.0.0.1 is loopback",
        "        return packed[-4] == 127\n    return packed == _LOOPBACK6",
        "        return packed[-4] == 127\n    return packed == _LOOPBACK6 or packed[-4] == 127",
    ),
    ("172.32.0.0 is private", "second & 0xF0 == 16", "second & 0xE0 == 16"),
    ("link-local is fe80::/9", "packed[1] & 0xC0 == 0x80", "packed[1] & 0x80 == 0x80"),
    (
        "any length is an address",
        'raise ValueError(f"a packed address has 4 or 16 bytes, not {len(packed)}")\n        return ()',
        "pass\n        return ()",
    ),
)
