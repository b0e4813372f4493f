"""The command: exit codes, selection, configuration, baseline, cache, processes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dualstack.check.cache import Cache
from dualstack.check.runner import run

ROOT = str(Path(__file__).parents[2])
BAD = "import socket\nx = socket.gethostbyname(host)\n"
STRICT = "run_it(host='127.0.0.1')\n"


def test_exit_codes(project):
    project.write("good.py", "x = 1\n")
    project.write("bad.py", BAD)
    assert project.run("good.py")[0] == 0
    assert project.run("bad.py")[0] == 1
    assert project.run("bad.py", "--exit-zero")[0] == 0
    assert project.run("bad.py", "nowhere.py")[0] == 2


def test_text_shows_line_marker_and_help(project):
    project.write("a.py", "import socket\n\tif_ = 1\n".replace("\tif_", "if_") + "x = (socket.gethostbyname(host))\n")
    _, out, _ = project.run("a.py")
    assert "3 | x = (socket.gethostbyname(host))\n  |      ^^^^^^^^^^^^^^^^^^^^^^^^^^ DST201\n" in out
    assert "  = help: " in out and out.endswith("Found 1 in 1 of 1 files.\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], ["DST201", "DST502"], id="default"),
        pytest.param(["--select", "DST5"], ["DST502"], id="group"),
        pytest.param(["--ignore", "DST502,DST1"], ["DST201"], id="ignore"),
        pytest.param(["--select", "DST201", "--ignore", "DST2"], ["DST201"], id="the longer prefix wins"),
        pytest.param(["--strict"], ["DST201", "DST502", "DST602"], id="strict"),
        pytest.param(["--select", "DST602"], ["DST602"], id="a strict code by name"),
        pytest.param(["--per-file-ignores", "pkg/*:DST5,DST2"], [], id="per file"),
        pytest.param(["--per-file-ignores", "a.py:DST5"], ["DST201"], id="per file by name"),
    ],
)
def test_selection(project, arguments, expected):
    project.write("pkg/a.py", BAD + STRICT + "h, port = addr.split(':')\n")
    assert [code for _, code in project.codes(*arguments, ".")] == expected


CONFIGS = [
    pytest.param("setup.cfg", "[dualstack.check]\nselect = DST5\n", id="setup.cfg"),
    pytest.param("tox.ini", "[dualstack.check]\nignore =\n    DST2  # names\n    DST6\n", id="tox.ini"),
    pytest.param(
        "pyproject.toml",
        '[tool.dualstack.check]\nselect = ["DST5"]\n[tool.dualstack.check.per-file-ignores]\n"x.py" = ["DST1"]\n',
        id="pyproject.toml",
        marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 reads no TOML; runs from 3.11"),
    ),
]


@pytest.mark.parametrize(("name", "text"), CONFIGS)
def test_configuration_files(project, name, text, monkeypatch):
    project.write(name, text)
    project.write("sub/a.py", BAD + "h, port = addr.split(':')\n")
    assert [code for _, code in project.codes(".")] == ["DST502"]
    assert [code for _, code in project.codes("--isolated", ".")] == ["DST201", "DST502"]
    monkeypatch.chdir(project.folder / "sub")
    assert [code for _, code in project.codes("a.py")] == ["DST502"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("[dualstack.check]\nselct = DST1\n", "selct", id="unknown key"),
        pytest.param("[dualstack.check]\nselect = E501\n", "E501", id="no code of ours"),
        pytest.param("[dualstack.check]\nstrict = maybe\n", "maybe", id="no truth"),
        pytest.param("[dualstack.check]\njobs = many\n", "many", id="no number"),
        pytest.param("[dualstack.check]\nper-file-ignores = tests\n", "PATTERN:CODE", id="no pattern"),
        pytest.param("[dualstack.check\n", "setup.cfg", id="no ini file"),
    ],
)
def test_wrong_settings_are_named(project, text, word):
    project.write("setup.cfg", text)
    code, out, err = project.run(".")
    assert code == 2 and word in err and "setup.cfg" in err and out == ""


def test_baseline(project):
    project.write("a.py", BAD)
    code, _, err = project.run("--write-baseline", "known.json", ".")
    assert code == 0 and "1 findings" in err
    assert project.run("--baseline", "known.json", ".")[0] == 0
    project.write("a.py", "import socket\n\n# moved\nx = socket.gethostbyname(host)\nx = socket.gethostbyname(host)\n")
    assert project.codes("--baseline", "known.json", ".") == [("a.py", "DST201")]
    project.write("known.json", "{}")
    assert project.run("--baseline", "known.json", ".")[0] == 2


def test_explain_and_rules(project):
    code, out, _ = project.run("--explain", "DST501")
    assert code == 0 and "Before:" in out and "RFC 3986" in out
    assert project.run("--explain", "hostport-join")[1] == out
    assert project.run("--explain", "DST5")[1].count("See:") == 4
    assert project.run("--explain", "DST999")[0] == 2
    assert "DST101" in project.run("--rules")[1]


def test_statistics(project):
    project.write("a.py", BAD * 2)
    _, out, _ = project.run("--statistics", ".")
    assert out == "     2  DST201  gethostbyname()\n"


def test_output_file(project):
    project.write("a.py", BAD)
    code, out, _ = project.run("--format", "json", "--output", "report.json", ".")
    assert code == 1 and out == ""
    assert json.loads((project.folder / "report.json").read_text())[0]["code"] == "DST201"


def test_cache_answers_by_content(project, monkeypatch):
    project.write("a.py", BAD)
    project.run(".")
    stored = project.folder / ".dualstack-check-cache" / "results.json"
    assert json.loads(stored.read_text())["results"]
    assert (stored.parent / ".gitignore").read_text() == "*\n"
    first = project.run("--format", "flake8", ".")
    monkeypatch.setattr("dualstack.check.runner.check_bytes", lambda *_: pytest.fail("checked again"))
    assert project.run("--format", "flake8", ".") == first


def test_a_changed_file_and_a_broken_cache_are_checked_anew(project):
    path = project.write("a.py", "x = 1\n")
    assert project.run(".")[0] == 0
    path.write_text(BAD)
    assert project.run(".")[0] == 1
    (project.folder / ".dualstack-check-cache" / "results.json").write_text("{broken")
    assert project.run(".")[0] == 1


def test_a_folder_that_cannot_be_written_is_no_error(project):
    project.write("a.py", BAD)
    project.write("file", "")
    assert project.run("--cache-dir", "file/cache", ".")[0] == 1


def test_processes_find_the_same(project):
    names = [str(project.write(f"m{number:02}.py", BAD + f"y = {number}\n")) for number in range(12)]
    one = run(names, cache=Cache(None), jobs=1)
    two = run(names, cache=Cache(None), jobs=2)
    assert one.findings == two.findings and len(one.findings) == 12


def test_progress_hears_of_every_file(project):
    names = [str(project.write(f"m{number}.py", BAD)) for number in range(3)]
    heard = []
    run(names, cache=Cache(None), jobs=1, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_module_runs(project):
    project.write("a.py", BAD)
    done = subprocess.run(
        [sys.executable, "-m", "dualstack.check", "--no-cache", "--format", "flake8", "a.py"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    assert done.returncode == 1 and done.stdout.startswith("a.py:2:5: DST201") and done.stderr == ""


def test_a_mistake_in_a_rule_is_reported_for_its_file(project, monkeypatch):
    from dualstack.check import engine

    def broken(path, text, **_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(engine, "check_text", broken)
    project.write("a.py", BAD)
    code, out, _ = project.run("--no-cache", "a.py")
    assert code == 2 and "a mistake in the checker" in out and "oops" in out


def test_a_report_that_cannot_be_written_is_no_finding(project):
    project.write("a.py", BAD)
    code, out, err = project.run("--output", "missing/report.txt", "a.py")
    assert code == 2 and out == ""
    assert err.startswith("dualstack check: cannot write the report: ") and "missing/report.txt" in err
    code, _, err = project.run("--write-baseline", "missing/known.json", "a.py")
    assert code == 2 and "missing/known.json" in err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full; runs on Linux")
@pytest.mark.parametrize("module", [["dualstack", "check"], ["dualstack.check"]])
def test_a_full_disk_under_standard_output(project, module):
    project.write("a.py", BAD)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", *module, "--no-cache", "a.py"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": ROOT},
        )
    assert done.returncode == 2
    assert (
        done.stderr == f"dualstack check: cannot write the report: [Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}\n"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes that close early are tried on POSIX")
def test_the_reader_may_leave(project):
    project.write("a.py", BAD * 4000)
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "dualstack.check", "--no-cache", "a.py"],
            stdout=out,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": ROOT},
        )
    os.close(reader)
    assert process.communicate()[1] == b"" and process.returncode == 1


def test_one_file_that_cannot_be_changed(project, monkeypatch):
    """The others are changed all the same, and it is said."""
    text = "def f(s):\n    host, port = s.getsockname()\n"
    project.write("a.py", text)
    project.write("b.py", text)
    real = os.replace

    def replace(source, target):
        if str(target).endswith("a.py"):
            raise PermissionError(errno.EACCES, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    code, out, err = project.run("--no-cache", "--fix", ".")
    assert code == 2 and err == "a.py: cannot be changed: Permission denied\n"
    assert "a.py:2:5: DST401" in out and "b.py" not in out
    assert "[:2]" in (project.folder / "b.py").read_text() and "[:2]" not in (project.folder / "a.py").read_text()
    assert sorted(path.name for path in project.folder.iterdir()) == ["a.py", "b.py"]
