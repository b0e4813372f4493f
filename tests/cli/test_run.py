"""``python -m dualstack run``: the program runs as Python runs it, and is reached over both families.

The first half runs each program twice, by Python and by us, and compares everything that comes out.
"""

from __future__ import annotations

import os
import py_compile
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dualstack
from dualstack.cli.run import respell

ROOT = Path(__file__).resolve().parents[2]
able = dualstack.capabilities()

# What a program can see of how it was started. Addresses of objects differ from run to run.
PROBE = """
'''The docstring.'''
import json, re, sys
def function(): pass
main = sys.modules["__main__"]
seen = {name: re.sub(" at 0x[0-9a-fA-F]+", "", repr(value)) for name, value in vars(main).items()
        if name.startswith("__") and name not in ("__builtins__", "__loader__")}
seen["builtins"] = type(vars(main).get("__builtins__")).__name__
loader = main.__loader__
seen["loader"] = [getattr(loader, "__name__", type(loader).__name__), str(getattr(loader, "path", "")),
                  getattr(loader, "name", "")]
seen["module"] = [function.__module__, function.__code__.co_filename, function.__code__.co_flags]
seen["argv"], seen["path"] = sys.argv, sys.path
seen["globals"] = vars(main) is globals()
print(json.dumps(seen, indent=0, sort_keys=True))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the probe in every form a program can have."""
    (tmp_path / "probe.py").write_text(PROBE)
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "__main__.py").write_text(PROBE)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "__main__.py").write_text(PROBE)
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.write(tmp_path / "probe.py", "__main__.py")
    shutil.copy(tmp_path / "archive.zip", tmp_path / "application")
    py_compile.compile(str(tmp_path / "probe.py"), cfile=str(tmp_path / "compiled.pyc"))
    shutil.copy(tmp_path / "compiled.pyc", tmp_path / "compiled")
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\nprint(ascii('\xe9'))\n")
    return tmp_path


class Running:
    """One process; what came of it once it is asked for. Addresses of objects differ from run to run."""

    def __init__(self, folder: Path, *words: str, stdin: bytes = b"") -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", *words],
                cwd=folder,
                env=environment,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )

    def outcome(self) -> tuple[int, str, str]:
        """Status, output, errors."""
        with self.process:
            out, err = self.process.communicate(timeout=60)
        texts = [re.sub(" at 0x[0-9a-fA-F]+", "", data.decode(errors="replace")) for data in (out, err)]
        return self.process.returncode, texts[0].replace("\r\n", "\n"), texts[1].replace("\r\n", "\n")


def ours(folder: Path, *words: str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
    return Running(folder, "-m", "dualstack", "run", *options, *words).outcome()


def same(folder: Path, *words: str, before: tuple[str, ...] = (), stdin: bytes = b"") -> tuple[int, str, str]:
    """Run it both ways at once; the outcome they share."""
    by_python = Running(folder, *before, *words, stdin=stdin)
    by_us = Running(folder, *before, "-m", "dualstack", "run", *words, stdin=stdin)
    expected, found = by_python.outcome(), by_us.outcome()
    assert found == expected
    return found


FORMS = [
    pytest.param(["probe.py", "-a", "--report", "b"], id="script"),
    pytest.param(["./probe.py"], id="relative"),
    pytest.param(["package", "x"], id="folder"),
    pytest.param(["archive.zip", "x"], id="zip"),
    pytest.param(["application"], id="zip-without-suffix"),
    pytest.param(["compiled.pyc"], id="compiled"),
    pytest.param(["-m", "probe", "-m", "x", "--listen"], id="module"),
    pytest.param(["-mprobe", "x"], id="module-glued"),
    pytest.param(["-m", "package", "x"], id="package"),
    pytest.param(["-m", "package.inner"], id="package-below"),
    pytest.param(["-", "x"], id="stdin"),
    pytest.param(["latin.py"], id="encoding"),
]


@pytest.mark.parametrize("words", FORMS)
def test_the_program_sees_what_python_shows_it(folder: Path, words: list[str]) -> None:
    assert same(folder, *words, stdin=PROBE.encode())[1]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows; runs on POSIX")
def test_a_link_is_followed_for_the_path(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "tool").symlink_to(folder / "probe.py")
    assert same(folder, "bin/tool")[0] == 0


@pytest.mark.skipif(sys.version_info < (3, 11), reason="-P came with Python 3.11")
@pytest.mark.parametrize("words", [["probe.py"], ["package"], ["-m", "probe"]])
def test_safe_path(folder: Path, words: list[str]) -> None:
    same(folder, *words, before=("-P",))


@pytest.mark.parametrize(
    "words",
    [["missing.py"], ["empty"], ["-m", "missing"], ["-m", "package.missing"], ["-m", "package.inner.none"]],
    ids=" ".join,
)
def test_programs_that_are_not_there(folder: Path, words: list[str]) -> None:
    assert same(folder, *words)[0] in (1, 2)


ENDINGS = {
    "nothing": "",
    "division": "def f():\n    1 / 0\nf()",
    "chain": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise OSError(2, 'no') from e",
    "value-error": "raise ValueError('not for the command line to catch')",
    "os-error": "open('no such file')",
    "broken-pipe": "raise BrokenPipeError",
    "syntax": "x = = 1",
    "exit-status": "import sys; sys.exit(7)",
    "exit-text": "raise SystemExit('over')",
    "exit-none": "raise SystemExit",
    "exit-large": "raise SystemExit(259)",
    "os-exit": "import os; os._exit(5)",
    "interrupt": "raise KeyboardInterrupt",
    "hook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__, a[2].tb_frame.f_code.co_name)\n1 / 0",
    "atexit": "import atexit\natexit.register(print, 'bye')\nprint('end')",
    "atexit-error": "import atexit, sys\natexit.register(lambda: print(sys.modules['__main__'].__file__))\n1 / 0",
    "thread": "import threading, sys\nx = 5\ngo = threading.Event()\n"
    "def f():\n    go.wait(); print(x, sys.modules['__main__'].x)\n"
    "threading.Thread(target=f).start()\nthreading.Timer(0.2, go.set).start()",
    "thread-error": "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='worker')\nt.start(); t.join()",
    "recursion": "def f(): f()\ntry:\n    f()\nexcept RecursionError:\n    print('deep')",
    "future": "def f(x: nonsense): pass\n" if sys.version_info >= (3, 14) else "x: int = 5\nprint(__annotations__)",
    "pickle": "import pickle\nclass C: pass\nprint(type(pickle.loads(pickle.dumps(C()))) is C)",
    "traceback": "import traceback\nprint(''.join(traceback.format_stack()[-1:]))",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_it_ends_as_it_does_under_python(folder: Path, name: str) -> None:
    (folder / "program.py").write_text(ENDINGS[name], encoding="utf-8")
    status, _, errors = same(folder, "program.py")
    assert "dualstack" not in errors
    if name == "interrupt" and sys.platform != "win32":
        assert status == -signal.SIGINT


@pytest.mark.parametrize("name", ["division", "exit-status", "exit-text", "hook", "interrupt"])
def test_a_module_ends_as_it_does_under_python(folder: Path, name: str) -> None:
    (folder / "program.py").write_text(ENDINGS[name])
    same(folder, "-m", "program")


def test_multiprocessing_finds_the_program_again(folder: Path) -> None:
    (folder / "program.py").write_text(
        "import multiprocessing\n"
        "def double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(double, [1, 2]))\n"
        "        pool.close(); pool.join()\n"
    )
    assert same(folder, "program.py") == (0, "[2, 4]\n", "")


# ---------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("words", "respelt"),
    [
        (["run", "--report", "x.py"], ["run", "--report=text", "x.py"]),
        (["run", "--report=json", "x.py", "--report"], ["run", "--report=json", "x.py", "--report"]),
        (["run", "--output", "--report", "--report", "x"], ["run", "--output", "--report", "--report=text", "x"]),
        (["run", "--listen", "-mx.y", "-mz"], ["run", "--listen", "-m", "x.y", "-mz"]),
        (["run", "-m", "x", "--report"], ["run", "-m", "x", "--report"]),
        (["run", "-", "--report"], ["run", "-", "--report"]),
        (["run", "--", "--report"], ["run", "--", "--report"]),
        (["run"], ["run"]),
    ],
)
def test_spelling(words: list[str], respelt: list[str]) -> None:
    assert respell(words) == respelt


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param([], "name a SCRIPT, - for standard input, or -m MODULE", id="nothing"),
        pytest.param(["--listen"], "name a SCRIPT", id="no-program"),
        pytest.param(["--report=xml", "x.py"], "invalid choice: 'xml'", id="format"),
        pytest.param(["--nonsense", "x.py"], "unrecognized arguments: --nonsense", id="option"),
        pytest.param(["--output", "f", "probe.py"], "--output is for --report", id="output"),
        pytest.param(["-m"], "name a SCRIPT", id="no-module"),
    ],
)
def test_what_is_not_understood(folder: Path, words: list[str], text: str) -> None:
    status, out, errors = ours(folder, *words)
    assert (status, out) == (2, "")
    assert text in errors


def test_help() -> None:
    status, out, _ = ours(ROOT, "--help")
    assert status == 0
    for word in ("--connect", "--listen", "--datagram", "--report", "--output", "SCRIPT", "-m MODULE", "not watched"):
        assert word in " ".join(out.split()), word


def test_a_double_dash_ends_the_options(folder: Path) -> None:
    (folder / "--odd").write_text("print('odd')")
    assert ours(folder, "--", "--odd") == (0, "odd\n", "")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ([], ["create_connection", "listen"]),
        (["--connect"], ["create_connection"]),
        (["--listen"], ["listen"]),
        (["--connect", "--listen"], ["create_connection", "listen"]),
        (["--datagram"], ["sendto"]),
    ],
    ids=str,
)
def test_what_is_patched(folder: Path, options: list[str], parts: list[str]) -> None:
    (folder / "program.py").write_text(
        "import socket\n"
        "print(*[n for o in (socket, socket.socket) for n in ('create_connection', 'listen', 'sendto')\n"
        "        if hasattr(vars(o).get(n), '__wrapped__')])"
    )
    assert ours(folder, "program.py", options=tuple(options))[1].split() == parts


# ---------------------------------------------------------------------- curl

SERVERS = {
    "socketserver": """
        import socketserver, sys
        class Hello(socketserver.StreamRequestHandler):
            def handle(self):
                while self.rfile.readline().strip():
                    pass
                host, port = self.client_address
                body = f"hello {host}".encode()
                self.wfile.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        with socketserver.TCPServer(("", 0), Hello) as server:
            print(server.server_address[1], flush=True)
            server.serve_forever()
        """,
    "raw": """
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0", 0))
        s.listen(5)
        print(s.getsockname()[1], flush=True)
        while True:
            conn, (host, port) = s.accept()
            while b"\\r\\n\\r\\n" not in conn.recv(65536):
                pass
            assert conn.family == socket.AF_INET and conn.getpeername() == (host, port)
            body = ("hello " + host).encode()
            conn.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
            conn.close()
        """,
    "wsgiref": """
        from wsgiref.simple_server import make_server
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"hello " + environ["REMOTE_ADDR"].encode()]
        server = make_server("", 0, application)
        print(server.server_port, flush=True)
        server.serve_forever()
        """,
    "asyncio": """
        import asyncio
        async def hello(reader, writer):
            await reader.readuntil(b"\\r\\n\\r\\n")
            host, port = writer.get_extra_info("peername")
            body = ("hello " + host).encode()
            writer.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
            writer.close()
        async def main():
            server = await asyncio.start_server(hello, "0.0.0.0", 0)
            print(server.sockets[0].getsockname()[1], flush=True)
            await server.serve_forever()
        asyncio.run(main())
        """,
}


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "dualstack", "run", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def curl(way: str, port: int) -> str:
    done = subprocess.run(
        ["curl", way, "-sS", "--noproxy", "*", "--max-time", "20", f"http://localhost:{port}/"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl; .ci/run installs it")
@pytest.mark.skipif(not able.ipv6_loopback, reason="no ::1 here; others have it")
@pytest.mark.parametrize("name", SERVERS)
def test_curl_reaches_an_ipv4_server_over_both_families(tmp_path: Path, name: str) -> None:
    (tmp_path / "server.py").write_text(textwrap.dedent(SERVERS[name]))
    with serving(tmp_path, "--listen", "server.py") as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert curl("-6", port) == "hello ::1"
        assert curl("-4", port) == "hello 127.0.0.1"


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl; .ci/run installs it")
@pytest.mark.skipif(not able.ipv6_loopback, reason="no ::1 here; others have it")
def test_curl_reaches_http_server(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("hello")
    with serving(tmp_path, "--listen", "-m", "http.server", "--bind", "0.0.0.0", "0") as process:
        assert process.stdout is not None
        port = int(re.findall(r"port (\d+)", process.stdout.readline())[0])
        assert curl("-6", port) == "hello"
        assert curl("-4", port) == "hello"


def test_without_us_curl_would_not(tmp_path: Path) -> None:
    """The servers above are IPv4-only, or the tests show nothing."""
    with socket.create_server(("", 0)) as sock, socket.socket(socket.AF_INET6) as client, pytest.raises(OSError):
        client.connect(("::1", sock.getsockname()[1]))
