"""Mistakes one could make about what netifaces' texts mean; see ci/mutants.py."""

TARGET = "dualstack/core/from_netifaces.py"
TESTS = ("tests/core/test_from_netifaces.py",)
MUTANTS = (
    ("a label stays an interface", "if colon and real in found:", "if False:"),
    ("any name with a colon is a label", "if colon and real in found:", "if colon:"),
    ("an interface is down", "return UP | (BROADCAST if", "return 0 | (BROADCAST if"),
    ("a peer does not make a point-to-point link", 'if any("peer" in one for one in texts):', "if False:"),
    ("loopback is a point-to-point link", "if any(address.is_loopback for address in kept):", "if False:"),
    ("the own address is a broadcast", "(None if text == host else text for text in", "(text for text in"),
    ("a peer of a /32 is its broadcast", "if broadcast is not None and length >= 31:", "if False:"),
    ("the broadcast of a network is a peer", "length >= 31:", "length >= 24:"),
    ("a mask is forgotten", "length = 32 if mask is None", "length = 32 if True"),
    ("no scope id", "scope_id = index if needs_zone(packed) else 0", "scope_id = 0"),
    ("no zone in the text", '(f"%{name}" if needs_zone(packed) else "")', '""'),
    ("Windows' last address is a peer", " or far == _last_of_network(packed, length)", ""),
    ("an own address is a peer", "far is None or far == packed or", "far is None or"),
    ("an IPv6 mask without its length is a /128", "else _ones(ipv6_packed(mask))", "else 128"),
    ("the index is not asked for", "index = index_of(name) or", "index ="),
    ("the zones do not tell the index", "or _index_in_zones(entries.get(inet6, ()))", "or 0"),
    ("link addresses are dropped", '_link_bytes(own.get("addr", "")),', 'b"",'),
)
