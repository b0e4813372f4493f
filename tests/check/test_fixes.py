"""--fix: exact results, twice changes nothing more, and the file parses afterwards."""

from __future__ import annotations

import ast
import os

import pytest

from dualstack.check.catalog import RULES
from dualstack.check.engine import check_text
from dualstack.check.fixes import fix_text


def fix(text):
    return fix_text(text, check_text("a.py", text.replace("\r\n", "\n")))[0]


ROWS = [
    pytest.param(
        "def f(s):\n    host, port = s.getsockname()  # ours\n",
        "def f(s):\n    host, port = s.getsockname()[:2]  # ours\n",
        id="unpack",
    ),
    pytest.param(
        "def f(s):\n    return '%s:%d' % s.getpeername()\n",
        "def f(s):\n    return '%s:%d' % s.getpeername()[:2]\n",
        id="percent",
    ),
    pytest.param(
        "import socket\ndef f(s):\n\ts.setsockopt(\n\t\tsocket.SOL_SOCKET,\n\n\t\tsocket.SO_REUSEPORT, 1)\n",
        'import socket\ndef f(s):\n\tif hasattr(socket, "SO_REUSEPORT"):\n\t\ts.setsockopt(\n\t\t\tsocket.SOL_SOCKET,\n\n\t\t\tsocket.SO_REUSEPORT, 1)\n',
        id="hasattr, tabs, several lines",
    ),
    pytest.param(
        "import asyncio, signal\ndef f(loop, stop):\n  loop.add_signal_handler(signal.SIGTERM, stop)  # stop\n  return 1\n",
        "import asyncio, signal\ndef f(loop, stop):\n  try:\n    loop.add_signal_handler(signal.SIGTERM, stop)  # stop\n"
        "  except NotImplementedError:\n    pass  # event loops on Windows have no signal handlers\n  return 1\n",
        id="try, two blanks",
    ),
    pytest.param(
        "import socket\ndef f(h, p):\n    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)\n    s.connect((h, p))\n    return s\n",
        "import socket\ndef f(h, p):\n    s = socket.create_connection((h, p))\n    return s\n",
        id="socket and connect",
    ),
    pytest.param(
        "import asyncio\nasync def f(h):\n    await asyncio.start_server(h, '0.0.0.0', 80)\n",
        "import asyncio\nasync def f(h):\n    await asyncio.start_server(h, None, 80)\n",
        id="asyncio host",
    ),
    pytest.param(
        "def f(t):\n    i = t.get_extra_info('peername')\n    if i and len(i) == 2:\n        return i[0]\n",
        "def f(t):\n    i = t.get_extra_info('peername')\n    if i and len(i) in (2, 4):\n        return i[0]\n",
        id="length",
    ),
    pytest.param(
        "def f(s):\r\n    h, p = s.getsockname()\r\n",
        "def f(s):\r\n    h, p = s.getsockname()[:2]\r\n",
        id="CRLF stays",
    ),
    pytest.param(
        "def f(s):\n    é, p = s.getsockname(); h, q = s.getpeername()\n",
        "def f(s):\n    é, p = s.getsockname()[:2]; h, q = s.getpeername()\n",
        id="one per line and run, non-ASCII columns",
    ),
]
UNTOUCHED = [
    pytest.param("import socket\nif x: s.setsockopt(1, socket.SO_REUSEPORT, 1)\n", id="statement shares its line"),
    pytest.param("import socket\ns.setsockopt(1, socket.SO_REUSEPORT, '''\n a''')\n", id="string over two lines"),
    pytest.param("import socket\nx = s.setsockopt(1, socket.SO_REUSEPORT, 1)\n", id="value is used"),
    pytest.param(
        "import socket\ns = socket.socket(socket.AF_INET)\ns.settimeout(3)\ns.connect((h, p))\n",
        id="something in between",
    ),
    pytest.param(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect((h, p))\n",
        id="datagrams",
    ),
]


@pytest.mark.parametrize(("before", "after"), ROWS)
def test_result(before, after):
    assert fix(before) == after


@pytest.mark.parametrize("text", UNTOUCHED)
def test_left_alone(text):
    assert fix(text) == text


@pytest.mark.parametrize("text", [*[row.values[0] for row in ROWS], *[rule.bad for rule in RULES.values()]])
def test_runs_until_nothing_changes_and_parses(text):
    seen = [text]
    while (changed := fix(seen[-1])) != seen[-1]:
        ast.parse(changed)
        seen.append(changed)
        assert len(seen) < 5, "a fix makes a new finding that it fixes again"


@pytest.mark.parametrize("rule", [pytest.param(r, id=r.code) for r in RULES.values() if r.fixable])
def test_a_fixed_finding_is_gone(rule):
    assert rule.code not in {f.code for f in check_text("a.py", fix(rule.bad)) if f.edits}


def test_fix_writes_the_file_in_its_encoding(project):
    path = project.write(
        "a.py", "# -*- coding: latin-1 -*-\ndef f(s):\n    h, p = s.getsockname()  # \xe9\n".encode("latin-1")
    )
    path.chmod(0o640)
    code, out, _ = project.run("--fix", "a.py")
    assert code == 0 and "Nothing found" in out
    assert path.read_bytes() == "# -*- coding: latin-1 -*-\ndef f(s):\n    h, p = s.getsockname()[:2]  # \xe9\n".encode(
        "latin-1"
    )
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o640


def test_diff_changes_nothing(project):
    path = project.write("a.py", "def f(s):\n    h, p = s.getsockname()\n")
    before = path.read_bytes()
    code, out, _ = project.run("--diff", "a.py")
    assert code == 1 and path.read_bytes() == before
    lines = [line.rstrip() for line in out.splitlines()]  # with the line ends of the file, CRLF on Windows
    assert "-    h, p = s.getsockname()" in lines
    assert "+    h, p = s.getsockname()[:2]" in lines


def test_fix_reports_what_is_left(project):
    project.write("a.py", "def f(s, t):\n    h, p = s.getsockname()\n    host, port = t.split(':')\n")
    code, out, _ = project.run("--fix", "--format", "flake8", "a.py")
    assert code == 1 and "DST502" in out and "DST401" not in out
