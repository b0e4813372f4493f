"""Mistakes one could make in the guards; see ci/mutants.py."""

TARGET = "dualstack/core/guard.py"
TESTS = ("tests/core/test_guard.py",)
MUTANTS = (
    (
        "paths are public",
        "isinstance(endpoint, IPEndpoint) and endpoint.is_global",
        "not isinstance(endpoint, IPEndpoint) or endpoint.is_global",
    ),
    (
        "everything is public",
        "isinstance(endpoint, IPEndpoint) and endpoint.is_global",
        "isinstance(endpoint, IPEndpoint)",
    ),
    ("nothing is public", "isinstance(endpoint, IPEndpoint) and endpoint.is_global", "False"),
    ("private is public", "and endpoint.is_global", "and not endpoint.is_loopback"),
    ("None is a set of networks", "    if allow is None:\n        return None\n", ""),
    ("functions are sets of networks", "    if callable(allow):", "    if False:"),
    ("async functions are taken", '"co_flags", 0) & _CO_COROUTINE:', '"co_flags", 0) & 0:'),
    ("something to await is a yes", 'if hasattr(answer, "__await__"):', "if False:"),
    ("a coroutine is left to warn", "if close is not None:", "if False:"),
    ("whatever can be awaited is closed", "if close is not None:", "if True:"),
    ("every answer is a yes", "return bool(answer)", "return True"),
    ("an answer is taken as it is", "return bool(answer)", "return answer"),
    ("texts are iterated", "(str, bytes, IPv4Network, IPv6Network)", "(bytes, IPv4Network, IPv6Network)"),
    ("bytes are iterated", "(str, bytes, IPv4Network, IPv6Network)", "(str, IPv4Network, IPv6Network)"),
    ("one IPv4 network is iterated", "(str, bytes, IPv4Network, IPv6Network)", "(str, bytes, IPv6Network)"),
    ("one IPv6 network is iterated", "(str, bytes, IPv4Network, IPv6Network)", "(str, bytes, IPv4Network)"),
    ("what is no collection is iterated", ' or not hasattr(allow, "__iter__"):', ":"),
    ("slips are taken", "ip_network(item)", "ip_network(item, strict=False)"),
    ("whole addresses are compared", "bits - network.prefixlen, int", "0, int"),
    ("prefixes are not shortened", " >> (bits - network.prefixlen)))", "))"),
    ("mapped addresses are not looked through", "endpoint = endpoint.unmapped()", "endpoint = endpoint"),
    ("paths are in every network", "            return False\n", "            return True\n"),
    ("byte order", 'int.from_bytes(packed, "big")', 'int.from_bytes(packed, "little")'),
    ("bits of bytes", "8 * len(packed)", "32"),
    ("families are mixed", "bits == width and number", "number"),
    ("every network must hold it", "return any(", "return all("),
    ("no network holds it", "return any(", "return not any("),
    ("nothing is compared", "number >> shift == prefix", "True"),
    ("the networks are read at each question only once", "    return allowed\n", "    return None\n"),
)
