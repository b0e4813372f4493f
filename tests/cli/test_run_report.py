"""``python -m dualstack run --report``: what is found, where it is put down, and how it is written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dualstack.check.catalog import RULES

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, program: str, *options: str, name: str = "program.py") -> subprocess.CompletedProcess[str]:
    (folder / name).write_text(textwrap.dedent(program), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "dualstack", "run", *options, name],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def found(folder: Path, program: str, *options: str) -> list[tuple[int, str]]:
    """(line, rule) of every finding, in order."""
    done = run(folder, program, "--report=json", "--output", "report.json", *options)
    assert done.stderr == "", done.stderr
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert {entry["path"] for entry in report} <= {"program.py"}
    return [(entry["line"], entry["code"]) for entry in report]


HEAD = """\
import asyncio, logging.handlers, socket, socketserver, http.server
server = socket.create_server(("::1", 0), family=socket.AF_INET6) if socket.has_ipv6 else None
local = socket.socket(); local.bind(("127.0.0.1", 0)); local.listen()  # noqa
port = local.getsockname()[1]
"""

# What a program does -> the rules, each with the line behind HEAD it is put down to.
CASES = {
    "bind-any": ("s = socket.socket()\ns.bind(('0.0.0.0', 0))", [(1, "DST101"), (2, "DST601")]),
    "bind-empty": ("s = socket.socket(socket.AF_INET)\ns.bind(('', 0))", [(1, "DST101"), (2, "DST605")]),
    "bind-computed": ("s = socket.socket()\ns.bind(('.'.join('0000'), 0))", [(1, "DST101"), (2, "DST601")]),
    "bind-loopback": ("s = socket.socket()\ns.bind(('127.0.0.1', 0))", [(1, "DST101"), (2, "DST602")]),
    "family-computed": (
        "family = getattr(socket, 'AF_' + 'INET')\ns = socket.socket(family)\ns.bind(('', 0))",
        [(2, "DST101"), (3, "DST605")],
    ),
    "tcp-server": ("socketserver.TCPServer(('', 0), None).server_close()", [(1, "DST106")]),
    "http-server": ("http.server.HTTPServer(('', 0), None).server_close()", [(1, "DST106")]),
    "own-class": (
        "class Own(socketserver.TCPServer):\n    pass\nOwn(('', 0), None).server_close()",
        [(3, "DST106")],
    ),
    "create-server": ("socket.create_server(('', 0)).close()", [(1, "DST107")]),
    "connect-name": ("s = socket.socket()\ns.connect(('localhost', port))", [(1, "DST101"), (2, "DST101")]),
    "connect-literal": ("s = socket.socket()\ns.connect(('127.0.0.1', port))", [(1, "DST101"), (2, "DST602")]),
    "probe": (
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('192.0.2.1', 9))",
        [(1, "DST101"), (2, "DST603")],
    ),
    "create-connection-literal": ("socket.create_connection(('127.0.0.1', port)).close()", [(1, "DST602")]),
    "create-connection-name": ("socket.create_connection(('localhost', port)).close()", []),
    "gethostbyname": ("socket.gethostbyname('localhost')", [(1, "DST201")]),
    "gethostbyname-ex": ("socket.gethostbyname_ex('localhost')", [(1, "DST202")]),
    "getaddrinfo": ("socket.getaddrinfo('localhost', 80, socket.AF_INET)", [(1, "DST104")]),
    "getaddrinfo-any": ("socket.getaddrinfo('localhost', 80)", []),
    "loop-over-all": (
        (
            "for family, kind, proto, _, address in socket.getaddrinfo('localhost', port, 0, socket.SOCK_STREAM):\n"
            "    s = socket.socket(family, kind, proto)\n"
            "    s.connect_ex(address)\n"
            "    s.close()"
        ),
        [],
    ),
    "accepting": ("c = socket.create_connection(('localhost', port))\nlocal.accept()[0].close()", []),
    "ipv6": ("s = socket.socket(socket.AF_INET6)\ns.bind(('::', 0))", []),
    "unused-socket": ("socket.socket().close()", []),
    "broadcast": (
        (
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "try:\n    s.sendto(b'x', ('255.255.255.255', 9))\nexcept OSError:\n    pass"
        ),
        [(3, "DST607")],
    ),
    "answering": (
        "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\ns.bind(('::1', 0))\ns.sendto(b'x', s.getsockname())",
        [],
    ),
    "datagram-handler": (
        "h = logging.handlers.DatagramHandler('127.0.0.1', 9)\nh.emit(logging.makeLogRecord({'msg': 'x'}))\nh.close()",
        [(2, "DST109")],
    ),
    "asyncio-server": (
        "async def main():\n    (await asyncio.start_server(print, '0.0.0.0', 0)).close()\nasyncio.run(main())",
        [(2, "DST604")],
    ),
    "asyncio-family": (
        (
            "async def main():\n"
            "    _, w = await asyncio.open_connection('localhost', port, family=socket.AF_INET)\n    w.close()\n"
            "asyncio.run(main())"
        ),
        [(2, "DST104")],
    ),
    "asyncio-literal": (
        (
            "async def main():\n    _, w = await asyncio.open_connection('127.0.0.1', port)\n    w.close()\n"
            "asyncio.run(main())"
        ),
        [(2, "DST602")],
    ),
    "remark": (
        (
            "s = socket.socket()  # dualstack: v4-only because the other end knows no other\n"
            "s.bind(('', 0))  # noqa: DST605"
        ),
        [],
    ),
    "thread": (
        (
            "import threading\ndef work():\n    socket.gethostbyname('localhost')\n"
            "t = threading.Thread(target=work)\nt.start()\nt.join()"
        ),
        [(3, "DST201")],
    ),
}


# These resolve the wildcard, after which nobody can tell it from one that was written: each runs alone.
ALONE = {
    "passive-loop": (
        "for row in socket.getaddrinfo(None, 0, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE):\n"
        "    with socket.socket(*row[:3]) as s:\n"
        "        s.bind(row[4])"
    ),
    "asyncio-both": (
        "async def main():\n    (await asyncio.start_server(print, None, 0)).close()\nasyncio.run(main())"
    ),
}
DRIVER = """\
import runpy, sys
kept = []  # ports are not used twice
for name in sys.argv[1:]:
    try:
        kept.append(runpy.run_path(name + ".py"))
    except OSError as error:  # no IPv4 network here: what was tried has been seen all the same
        kept.append(error)
"""


@pytest.fixture(scope="module", params=[(), ("--listen",)], ids=["patched", "listen-only"])
def seen(request, tmp_path_factory) -> dict[str, list[tuple[int, str]]]:
    """All cases in one run: by name, the lines and rules of what is found."""
    folder = tmp_path_factory.mktemp("cases")
    for name, (program, _) in CASES.items():
        (folder / f"{name}.py").write_text(HEAD + program)
    (folder / "driver.py").write_text(DRIVER)
    done = subprocess.run(
        [sys.executable, "-m", "dualstack", "run", "--report=json", "--output=r", *request.param, "driver.py", *CASES],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in CASES}
    for entry in json.loads((folder / "r").read_text(encoding="utf-8")):
        found[entry["path"].removesuffix(".py")].append((entry["line"] - HEAD.count("\n"), entry["code"]))
    return found


@pytest.mark.parametrize("name", CASES)
def test_what_is_found_and_where(request, seen: dict[str, list[tuple[int, str]]], name: str) -> None:
    if sys.platform == "win32" and request.node.callspec.id == "listen-only-asyncio-literal":
        pytest.skip("the proactor connects without an audit event, and nothing is patched then; runs on POSIX")
    assert seen[name] == CASES[name][1]


@pytest.mark.parametrize("options", [(), ("--listen",)], ids=["patched", "listen-only"])
@pytest.mark.parametrize("name", ALONE)
def test_what_comes_from_an_open_look_up_is_no_finding(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    assert found(tmp_path, HEAD + ALONE[name], *options) == []


def test_the_text(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """\
        import socket
        for number in range(3):
            s = socket.socket()
            s.bind(("0.0.0.0", 0))
        print("done")
        """,
        "--report",
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "program.py:4:13: DST601 bind(('0.0.0.0', 0)): serves IPv4 only (3 times)" in done.stderr
    assert '4 |     s.bind(("0.0.0.0", 0))\n  |             ^^^^^^^^^ DST601' in done.stderr
    assert f"  = help: {RULES['DST601'].title and 'use None or'}" in done.stderr
    assert done.stderr.endswith("2 places over IPv4 alone. Programs started by this one were not watched.\n")


def test_nothing_to_report(tmp_path: Path) -> None:
    done = run(tmp_path, "print('fine')", "--report")
    assert done.stderr == "0 places over IPv4 alone. Programs started by this one were not watched.\n"
    assert json.loads(run(tmp_path, "", "--report=json").stderr) == []


def test_json_has_call_place_and_advice(tmp_path: Path) -> None:
    done = run(tmp_path, "import socket\nsocket.gethostbyname('localhost')\n", "--report=json")
    (entry,) = json.loads(done.stderr)
    assert (entry["path"], entry["line"], entry["column"]) == ("program.py", 2, 1)
    assert (entry["code"], entry["name"]) == ("DST201", "gethostbyname")
    assert entry["message"].startswith("gethostbyname('localhost')")
    assert "dualstack.resolve(host, port)" in entry["hint"]
    assert entry["source"] == "socket.gethostbyname('localhost')"


def test_sarif(tmp_path: Path) -> None:
    done = run(tmp_path, "import socket\ns = socket.socket()\ns.bind(('', 0))\n", "--report=sarif", "--output", "r")
    assert done.stderr == ""
    (one,) = json.loads((tmp_path / "r").read_text())["runs"]
    assert one["tool"]["driver"]["name"] == "dualstack run"
    assert [result["ruleId"] for result in one["results"]] == ["DST101", "DST605"]
    assert [rule["id"] for rule in one["tool"]["driver"]["rules"]] == ["DST101", "DST605"]
    place = one["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "program.py"
    assert place["region"]["startLine"] == 3


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        pytest.param("1 / 0", 1, id="exception"),
        pytest.param("raise SystemExit(7)", 7, id="exit"),
        pytest.param("import sys; sys.exit('text')", 1, id="exit-text"),
        pytest.param("import os; os.chdir('/')", 0, id="elsewhere"),
        pytest.param("import atexit; atexit.register(socket.gethostbyname, 'localhost')", 0, id="exit-handler"),
    ],
)
def test_reported_however_it_ends(tmp_path: Path, ending: str, status: int) -> None:
    program = f"import socket\nsocket.gethostbyname('localhost')\n{ending}\n"
    done = run(tmp_path, program, "--report=json", "--output", "report.json")
    assert done.returncode == status
    lines = [entry["line"] for entry in json.loads((tmp_path / "report.json").read_text())]
    assert 2 in lines


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here; runs on POSIX")
@pytest.mark.parametrize("end", ["raise SystemExit(0)", "os._exit(0)", "pass"])
def test_a_forked_child_does_not_report(tmp_path: Path, end: str) -> None:
    done = run(
        tmp_path,
        f"""\
        import os, socket
        socket.gethostbyname("localhost")
        pid = os.fork()
        if pid == 0:
            socket.gethostbyname_ex("localhost")
            {end}
        else:
            os.waitpid(pid, 0)
        """,
        "--report=json",
    )
    (entry,) = json.loads(done.stderr)
    assert entry["code"] == "DST201"


def test_a_program_of_the_standard_library(tmp_path: Path) -> None:
    """With -m, the library's own module is the program."""
    (tmp_path / "empty.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "dualstack", "run", "--report=json", "-m", "http.server", "--bind", "0.0.0.0", "x"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2  # "x" is no port
    assert "invalid int value: 'x'" in done.stderr
    assert done.stderr.rstrip().endswith("[]")


def test_code_without_a_file(tmp_path: Path) -> None:
    program = "exec(compile(\"import socket\\nsocket.gethostbyname('localhost')\", '<made>', 'exec'))\n"
    done = run(tmp_path, program, "--report")
    assert re.search(r"^<made>:2:\d+: DST201 gethostbyname\('localhost'\)", done.stderr, re.MULTILINE)


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    done = run(tmp_path, "print('ran')", "--report", "--output", "no/such/folder/report")
    assert done.stdout == ""
    assert done.returncode == 1
    assert "cannot write the report to" in done.stderr and "No such file or directory" in done.stderr
