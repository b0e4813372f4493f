"""Mistakes one could make in the bind plan; see ci/mutants.py."""

TARGET = "dualstack/core/plan.py"
TESTS = ("tests/core/test_plan.py",)
MUTANTS = (
    ("gives up a round early", "PORT_ROUNDS = 32", "PORT_ROUNDS = 31"),
    ("the first family always chooses", "first = rounds % max(1, _floating(requests, chosen))", "first = 0"),
    (
        "fixed ports come last",
        "in fixed + floating[first:] + floating[:first]:",
        "in floating[first:] + floating[:first] + fixed:",
    ),
    (
        "every socket chooses its own port",
        "target = endpoint.with_port(port) if endpoint.port == 0 and port else endpoint",
        "target = endpoint",
    ),
    (
        "the last chosen port wins",
        "            if endpoint.port == 0:\n                port = outcome",
        "            port = outcome",
    ),
    ("nothing is closed before the next round", "        yield CloseAll()\n        if clash", "        if clash"),
    (
        "a clash for port 0 itself is tried again",
        "if endpoint.port == 0 and port and error.errno == errno.EADDRINUSE:",
        "if endpoint.port == 0 and error.errno == errno.EADDRINUSE:",
    ),
    (
        "a shortage counts as a missing family",
        "missing = error.errno in _NO_FAMILY",
        "missing = error.errno == errno.EMFILE or error.errno in _NO_FAMILY",
    ),
    ("a refused V6ONLY is the end", ' or outcome.stage == "v6only" or', " or"),
    (
        "a missing address is no reason for the next alternative",
        ' or outcome.stage == "v6only" or error.errno == errno.EADDRNOTAVAIL',
        ' or outcome.stage == "v6only"',
    ),
    ("literals may be skipped", "        if request.optional and (error.errno", "        if (error.errno"),
    (
        "a busy address of a name is skipped",
        "if request.optional and (error.errno in _NO_FAMILY or error.errno == errno.EADDRNOTAVAIL):",
        "if request.optional:",
    ),
    (
        "a missing family is not skipped",
        "if request.optional and (error.errno in _NO_FAMILY or error.errno",
        "if request.optional and (error.errno",
    ),
    ("a name may end up with nothing", "        if not groups <= bound:\n", "        if False:\n"),
    (
        "any name serves every name",
        "            bound |= request.groups\n",
        "            bound |= {g for r in requests for g in r.groups}\n",
    ),
    ("wildcards serve no name", "            served |= request.groups\n            if port", "            if port"),
    ("a wildcard that stands for others may be skipped", "if one.endpoint in standing_in else", "if False else"),
    (
        "the first of two equal requests decides",
        "kept[key].merged(request) if key in kept else request",
        "kept[key] if key in kept else request",
    ),
    (
        "insisting allows IPv4 alone",
        "return cls(alternatives if insist else (*alternatives, ((four, False),), ((six, True),)))",
        "return cls((*alternatives, ((four, False),), ((six, True),)))",
    ),
    ("two wildcards collide", "            if four in single:  # it brings", "            if False:  # it brings"),
    (
        "the IPv6 half of two wildcards must exist",
        "optional=(port, six.family) not in written",
        "optional=False",
    ),
    ("a written IPv6 address may be missing", "optional=(port, six.family) not in written", "optional=True"),
    (
        "addresses under a wildcard are bound again",
        "elif port in both or (four if isinstance(endpoint, IPv4Endpoint) else six) in single:",
        "elif port in both:",
    ),
    ("addresses under a dual wildcard are bound again", "elif port in both or (four if", "elif (four if"),
    ("a single IPv6 address serves IPv4", "isinstance(endpoint, IPv6Endpoint)),),)", "False),),)"),
    (
        "errors on the way are forgotten",
        "        errors.append((target, error))\n",
        "        errors[:] = [(target, error)]\n",
    ),
)
