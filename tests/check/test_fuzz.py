"""Any module at all: no exception, fixes that keep the file parsing, the same findings twice."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dualstack.check.catalog import RULES
from dualstack.check.engine import Unreadable, check_text, parse
from dualstack.check.fixes import fix_text

# Expressions and statements made of the words the rules live on, put together in any way that parses.
ATOMS = st.sampled_from(
    [
        "socket.AF_INET",
        "AF_INET6",
        "socket.AF_UNIX",
        "host",
        "port",
        "addr",
        "self.host",
        "s",
        "0",
        "2",
        "4",
        "'0.0.0.0'",
        "'127.0.0.1'",
        "'['",
        "':'",
        "'%s:%d'",
        "b'%s:%d'",
        "socket.SO_REUSEPORT",
        "socket.gethostbyname",
        "socket.socket",
        "s.getsockname()",
        "s.accept()",
        "host.split(':')",
        "'http://'",
        "socket.getaddrinfo(host,port)",
        "sys.platform",
        "hasattr(socket,'AF_UNIX')",
        "netifaces.AF_INET",
        "ipaddress.IPv4Address(host)",
        "struct.pack('4s4s',a,b)",
        "'\\0x'",
        "None",
        "*rest",
        "lambda:0",
        "r'\\d+\\.\\d+\\.\\d+\\.\\d+'",
        "f'{host}:{port}'",
        "f'http://[{host}]:{port}'",
    ]
)


def joined(parts):
    return st.one_of(
        st.tuples(parts, parts).map(lambda p: f"({p[0]}, {p[1]})"),
        st.tuples(parts, st.lists(parts, max_size=3)).map(lambda p: f"{p[0]}({', '.join(p[1])})"),
        st.tuples(parts, parts).map(lambda p: f"({p[0]} + {p[1]})"),
        st.tuples(parts, parts).map(lambda p: f"({p[0]} % {p[1]})"),
        st.tuples(parts, parts).map(lambda p: f"({p[0]} == {p[1]})"),
        st.tuples(parts, parts, parts).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        st.tuples(parts, parts).map(lambda p: f"[{p[0]} for host, port in {p[1]} if host]"),
        st.tuples(
            parts,
            st.sampled_from(
                ["[0]", "[:2]", "[0][4]", ".connect((host, port))", ".bind(('', 0))", ".format(host, port)"]
            ),
        ).map("".join),
        parts.map(lambda p: f"'{{}}:{{}}'.format({p}, port)"),
        parts.map(lambda p: f"len({p}) == 2"),
    )


EXPRESSIONS = st.recursive(ATOMS, joined, max_leaves=8)
SIMPLE = st.one_of(
    EXPRESSIONS,
    EXPRESSIONS.map(lambda e: f"host, port = {e}"),
    EXPRESSIONS.map(lambda e: f"self.family = {e}"),
    EXPRESSIONS.map(lambda e: f"return {e}"),
    EXPRESSIONS.map(lambda e: f"host += {e}"),
    EXPRESSIONS.map(lambda e: f"raise {e}"),
    st.sampled_from(
        [
            "import fcntl, socket",
            "from socket import *",
            "from socket import AF_INET as V4, AF_UNIX",
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)",
            "s.setsockopt(0, socket.IP_ADD_MEMBERSHIP, m)",
            "loop.add_signal_handler(1, 2)",
            "# dualstack: v4-only because FUZZ",
            "pass  # noqa: DST1",
        ]
    ),
)


def blocks(inner):
    body = st.lists(inner, min_size=1, max_size=3).map(
        lambda rows: "\n".join("    " + line for row in rows for line in row.split("\n")) + "\n    pass"
    )
    return st.one_of(
        body.map(lambda b: f"def f(host, port, family=socket.AF_INET):\n{b}"),
        body.map(lambda b: f"class TCPServer(socketserver.TCPServer):\n{b}"),
        st.tuples(EXPRESSIONS, body, body).map(lambda p: f"if {p[0]}:\n{p[1]}\nelse:\n{p[2]}"),
        st.tuples(body, body).map(lambda p: f"try:\n{p[0]}\nexcept (OSError, AttributeError):\n{p[1]}"),
        st.tuples(EXPRESSIONS, body).map(lambda p: f"for f, t, p, c, (host, port) in {p[0]}:\n{p[1]}"),
        st.tuples(EXPRESSIONS, body).map(lambda p: f"with {p[0]} as s:\n{p[1]}"),
        st.tuples(EXPRESSIONS, body).map(
            lambda p: f"match {p[0]}:\n    case {{'host': host}}:\n" + p[1].replace("    ", "        ")
        ),
    )


MODULES = st.lists(st.recursive(SIMPLE, blocks, max_leaves=6), min_size=1, max_size=6).map("\n".join)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(MODULES)
def test_generated_modules(text):
    try:
        parse(text)
    except Unreadable:
        return
    findings = check_text("fuzz.py", text)
    assert findings == check_text("fuzz.py", text)
    lines = text.split("\n")
    for finding in findings:
        assert finding.code in RULES and 1 <= finding.span.line <= len(lines) and finding.span.column >= 1
    changed, done = fix_text(text, findings)
    ast.parse(changed)
    assert bool(done) == (changed != text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text):
    try:
        check_text("fuzz.py", text)
    except Unreadable as problem:
        assert problem.message and problem.line >= 0


LIBRARY = Path(sysconfig.get_paths()["stdlib"])
PARTS = ["asyncio", "http", "urllib", "multiprocessing", "logging", "email", "xmlrpc", "wsgiref", "*.py"]


@pytest.mark.skipif(
    not (LIBRARY / "email").is_dir(), reason="this Python has its library in a zip file, without sources (Wine run)"
)
@pytest.mark.parametrize("part", PARTS)
def test_standard_library(part):
    """The rest of it, test files included, is in ci/check_quality.py --only robustness."""
    paths = sorted(LIBRARY.glob(part)) if "*" in part else sorted((LIBRARY / part).rglob("*.py"))
    assert paths
    for path in paths:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        findings = check_text(str(path), text)
        changed, _ = fix_text(text, findings)
        ast.parse(changed)
