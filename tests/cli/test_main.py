"""The command line itself: the table, lazy loading, exit statuses, and how it prints."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from dualstack import AddressError
from dualstack.cli import __main__ as cli
from dualstack.cli.style import Style, table

ROOT = Path(__file__).resolve().parents[2]


def dualstack(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-m", "dualstack", *arguments]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]  # options are subprocess's own
        command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False, **options
    )


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Put a command of our own into the table: command(function) -> run it with these words."""

    def install(run):
        module = types.ModuleType("dualstack.cli.trial")

        def add_parser(subparsers) -> None:
            subparsers.add_parser("trial").add_argument("words", nargs="*")

        module.add_parser, module.run = add_parser, run
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(cli, "COMMANDS", {"trial": "for this test"})
        monkeypatch.setattr(cli, "find_spec", lambda name: name)
        return lambda *words: cli.main(["trial", *words])

    return install


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the descriptor; runs on POSIX")
def test_output_may_be_closed() -> None:
    """Under some service managers it is, and sys.stdout is None."""
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-W", "error", "-m", "dualstack", "capabilities"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_keeps_the_contract() -> None:
    from importlib import import_module

    for name in cli.COMMANDS:
        if cli.find_spec(f"dualstack.cli.{name}") is not None:
            module = import_module(f"dualstack.cli.{name}")
            assert callable(module.add_parser) and callable(module.run), name


def test_every_module_is_in_the_table() -> None:
    files = (ROOT / "dualstack" / "cli").glob("[a-z]*.py")
    modules = {path.stem for path in files if "def add_parser(" in path.read_text(encoding="utf-8")}
    assert modules <= set(cli.COMMANDS)
    assert {"demo", "listen", "resolve"} <= modules


def test_help_lists_every_command_there_is() -> None:
    done = dualstack("--help")
    assert done.returncode == 0
    for name, what in cli.COMMANDS.items():
        there = cli.find_spec(f"dualstack.cli.{name}") is not None
        assert (f"\n    {name}" in done.stdout) is there
        assert not there or what.split()[0] in done.stdout


def test_help_loads_no_command() -> None:
    program = "import sys; from dualstack.cli.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    program += "print([m for m in sys.modules if m.startswith(('dualstack.net', 'dualstack.check', 'socket'))])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version() -> None:
    import dualstack as package

    assert dualstack("--version").stdout.strip() == f"dualstack {package.__version__}"


@pytest.mark.parametrize("words", [[], ["nonsense"], ["--json"]], ids=["none", "unknown", "option-only"])
def test_not_understood(words: list[str]) -> None:
    done = dualstack(*words)
    assert done.returncode == 2
    assert "usage: python -m dualstack" in done.stderr


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        pytest.param(OSError(errno.EADDRINUSE, "port 80 is taken"), 1, "port 80 is taken", id="os"),
        pytest.param(AddressError("::1:80", 3, "ambiguous"), 2, "ambiguous (at character 3", id="address"),
        pytest.param(KeyboardInterrupt(), 130, "", id="interrupted"),
    ],
)
def test_errors_become_one_line(command, capsys, error: BaseException, status: int, text: str) -> None:
    def run(args) -> int:
        raise error

    assert command(run)() == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err
    assert captured.err.count("\n") == 1


def test_status_is_that_of_the_command(command) -> None:
    assert command(lambda args: len(args.words))("a", "b", "c") == 3


def test_a_reader_that_leaves_is_no_traceback() -> None:
    program = (
        "import sys; from dualstack.cli import __main__ as cli; import dualstack.cli.capabilities as c\n"
        "def run(args):\n  while True: print('x' * 1000)\n"
        "c.run = run; sys.exit(cli.main(['capabilities']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


# ---------------------------------------------------------------------- style


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "enabled"),
    [
        pytest.param(Terminal(), {"TERM": "xterm"}, True, id="terminal"),
        pytest.param(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False, id="no-color"),
        pytest.param(Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True, id="no-color-empty-means-nothing"),
        pytest.param(Terminal(), {"TERM": "dumb"}, False, id="dumb"),
        pytest.param(Terminal(), {}, False, id="old-windows-console"),
        pytest.param(Terminal(), {"WT_SESSION": "1"}, True, id="windows-terminal"),
        pytest.param(io.StringIO(), {"TERM": "xterm"}, False, id="pipe"),
    ],
)
def test_colour(monkeypatch, stream, environment: dict[str, str], enabled: bool) -> None:
    for name in ("TERM", "NO_COLOR", "WT_SESSION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Style(stream)("text", "green", "bold") == ("\033[32;1mtext\033[0m" if enabled else "text")


def test_marks_fit_the_encoding() -> None:
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    assert [Style(latin).mark(ok) for ok in (True, False, None)] == ["ok", "FAILED", "-"]
    assert Style(Terminal()).good == "✓"


def test_table_aligns_by_what_is_seen() -> None:
    rows = [[("a", "\033[1ma\033[0m"), ("x", "x")], [("long", "long"), ("y", "y")], [("only", "only")]]
    assert table(rows) == "  \033[1ma\033[0m     x\n  long  y\n  only"


# ---------------------------------------------------------------------- capabilities


def test_capabilities_for_people() -> None:
    done = dualstack("capabilities")
    assert done.returncode == 0 and done.stderr == ""
    assert "\033[" not in done.stdout
    assert any("ipv4_loopback" in line and "127.0.0.1" in line for line in done.stdout.splitlines())


def test_capabilities_for_programs() -> None:
    found = json.loads(dualstack("capabilities", "--json").stdout)
    assert found["ipv4"].keys() == {"available", "how"}
