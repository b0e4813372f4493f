"""The checks check themselves: the count is honest, the lists of versions agree, the workflow is pinned."""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import runpy
import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest

PASSED = '<testcase classname="t" name="a" time="0.1"/>'
FAILED = '<testcase classname="t" name="b"><failure message="no">trace</failure></testcase>'
ERROR = '<testcase classname="t" name="c"><error message="no">trace</error></testcase>'
SKIPPED = '<testcase classname="t" name="d"><skipped message="not here"/></testcase>'
ONE = {"success": True, "exit_code": 0}


def load(root: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ci_{name}", root / "ci" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ci(root: Path) -> ModuleType:
    return load(root, "test")


@pytest.mark.parametrize(
    ("cases", "result", "expected"),
    [
        pytest.param([PASSED, PASSED, SKIPPED], ONE, (2, 0, 1), id="good"),
        pytest.param([PASSED, FAILED, ERROR], {"success": False}, (1, 2, 0), id="bad"),
        pytest.param([PASSED], {"success": False}, (1, 1, 0), id="passed-but-the-environment-broke"),
        pytest.param(None, ONE, (1, 0, 0), id="a-tool-counts-as-one"),
        pytest.param(None, {"success": False}, (0, 1, 0), id="a-tool-that-fails"),
        pytest.param(None, {"success": True, "skipped": True}, (0, 1, 0), id="skipped-by-tox-is-not-passed"),
        pytest.param(None, None, (0, 1, 0), id="never-ran"),
        pytest.param("<testsuites><cut", {"success": False}, (0, 1, 0), id="died-while-writing"),
    ],
)
def test_the_count(ci: ModuleType, tmp_path: Path, cases, result, expected: tuple[int, int, int]) -> None:
    if cases is not None:
        text = cases if isinstance(cases, str) else f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
        (tmp_path / "env.xml").write_text(text, encoding="utf-8")
    counted = ci.verdict("env", result, tmp_path)
    assert (counted["passed"], counted["failed"], counted["skipped"]) == expected


def test_this_interpreter_is_described(ci: ModuleType) -> None:
    factor, path = ci.describe(sys.executable)
    version = f"{sys.version_info[0]}{sys.version_info[1]}"
    assert re.fullmatch(rf"(py|pypy){version}t?", factor)
    assert Path(path).exists()


@pytest.mark.skipif(os.name == "nt", reason="the shim is a shell script; runs on POSIX")
def test_a_shim_that_does_not_run_does_not_count(ci: ModuleType, tmp_path: Path) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    assert ci.describe(str(shim)) is None
    assert ci.describe(str(tmp_path / "absent")) is None


def test_what_is_missing_is_said(ci: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci, "SYSTEM", "linux")
    run, skipped = ci.plan({"py312": "/x/python3.12", "py313t": "/x/python3.13t"}, ["pypy39", "py38"])
    reasons = dict(skipped)
    assert run[:2] == ["py312-linux", "py313t-linux"]
    assert {"clients", "sdist", "lint", "types", "docs"} <= set(run)
    assert "3.13" in reasons["py313-linux"]
    assert reasons["pypy"].startswith("pypy39 is older than 3.10; ")
    assert len([name for name in reasons if name.startswith("py*-")]) == 2


def test_an_environment_that_cannot_be_made_is_said(ci: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci, "SYSTEM", "windows")
    run, skipped = ci.plan({"py313t": "/x/python3.13t", "py314t": "/x/python3.14t"}, [])
    assert "py313t-windows" not in run and "py314t-windows" in run
    assert "cffi" in dict(skipped)["py313t-windows"]


PYTHON = {"py313": sys.executable}


@pytest.mark.parametrize(
    ("found", "environment", "reason"),
    [
        pytest.param(PYTHON, {"CC": "no-such-compiler -O2"}, "no C compiler: no-such-compiler", id="no-compiler"),
        pytest.param({"py314": sys.executable}, {}, "needs a Python 3.10 to 3.13", id="no-python"),
        pytest.param(PYTHON, {"CC": sys.executable}, None, id="all-there"),
    ],
)
def test_why_netifaces_cannot_be_built_is_said(
    ci: ModuleType, monkeypatch: pytest.MonkeyPatch, found: dict[str, str], environment: dict[str, str], reason
) -> None:
    monkeypatch.setattr(ci, "namespaces", lambda: None)
    monkeypatch.setattr(ci.os.path, "exists", lambda path: True)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = ci.oracle(found)
    assert said is None if reason is None else reason in said
    monkeypatch.setattr(ci, "namespaces", lambda: "needs root")
    assert ci.oracle(found) == "needs root"
    assert (ci.ORACLE, "needs root") in ci.plan(found, [])[1]


def test_every_planned_environment_is_in_tox_ini(ci: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci, "namespaces", lambda: None)
    monkeypatch.setattr(ci, "oracle", lambda found: None)
    monkeypatch.setattr(ci, "SYSTEM", "linux")
    config = configparser.ConfigParser(interpolation=None)
    config.read(root / "tox.ini", encoding="utf-8")
    listed = set(config["tox"]["env_list"].split())
    run, _ = ci.plan({"py313": sys.executable}, [])
    assert {env for env in run if not env.startswith("py")} == {env for env in listed if not env.startswith("py")}


@pytest.mark.parametrize("asked", [None, "0", "1"])
def test_wine_runs_unless_turned_off(ci: ModuleType, monkeypatch: pytest.MonkeyPatch, asked: str | None) -> None:
    monkeypatch.setattr(ci, "SYSTEM", "linux")
    if asked is None:
        monkeypatch.delenv("DUALSTACK_WINE", raising=False)
    else:
        monkeypatch.setenv("DUALSTACK_WINE", asked)
    run, skipped = ci.plan({"py313": "/x/python3.13"}, [])
    reasons = dict(skipped)
    if asked == "0":
        assert ci.WINE not in run and "DUALSTACK_WINE" in reasons[ci.WINE]
    else:
        assert ci.WINE in run and "-all" in reasons[f"{ci.WINE}-all"]
    run, skipped = ci.plan({"py312": "/x/python3.12"}, [])
    assert ci.WINE not in run and ci.WINE in dict(skipped)


def test_the_versions_agree(ci: ModuleType, root: Path) -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read([root / "setup.cfg", root / "tox.ini"], encoding="utf-8")
    classifiers = re.findall(r"Python :: (3\.\d+)", config["metadata"]["classifiers"])
    listed = re.findall(r"\b3(\d\d)\b", config["tox"]["env_list"])
    versions = [f"{major}.{minor}" for major, minor in ci.VERSIONS]
    assert classifiers == versions == [f"3.{minor}" for minor in listed]
    assert config["options"]["python_requires"] == f">={versions[0]}"
    workflow = (root / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    (matrix,) = re.findall(r"^ +python: \[(.*)\]$", workflow, re.M)
    assert [v for v in re.findall(r'"([\dt.]+)"', matrix) if not v.endswith("t")] == versions


def test_actions_are_pinned_and_jobs_name_their_permissions(root: Path) -> None:
    text = (root / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    uses = re.findall(r"uses: (\S+)( # v\S+)?", text)
    assert uses
    assert [name for name, tag in uses if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", name) or not tag] == []
    assert "\npermissions: {}\n" in text
    jobs = text.split("\njobs:\n")[1]
    assert len(re.findall(r"^  \w+:$", jobs, re.M)) == len(re.findall(r"^    permissions:$", jobs, re.M))
    assert len(re.findall(r"^  \w+:$", jobs, re.M)) == len(re.findall(r"^    timeout-minutes:", jobs, re.M))


def test_ci_run_ends_in_the_one_command(root: Path) -> None:
    path = root / ".ci" / "run"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "exec python3 ci/test.py"
    assert os.name == "nt" or path.stat().st_mode & stat.S_IXUSR


def test_the_sdist_is_compared_both_ways(root: Path, tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    for name in ("PKG-INFO", "README.md", "ci/extra.py"):
        (tmp_path / name).touch()
    assert load(root, "sdist").compare_files(tmp_path, {"README.md", ".gitignore", "lost.py"}) == [
        "in git, not in the sdist: lost.py",
        "in the sdist, not in git: ci/extra.py",
    ]


def test_anchors_are_those_of_github(root: Path) -> None:
    assert load(root, "docs").slug("What this host can do, really?") == "what-this-host-can-do-really"


# A report as ci/test.py leaves it, and the page of it: one feature is shown by a scripted host, one by Wine.
REPORT = """<testsuites><testsuite>
<testcase classname="tests.conformance.test_datagrams" name="test_a_reply[macos]"/>
<testcase classname="tests.net.test_resolve" name="test_a_name"/>
</testsuite></testsuites>"""


@pytest.fixture(scope="module")
def platforms(root: Path) -> ModuleType:
    return load(root, "platforms")  # once: it reads every test


@pytest.fixture
def written(platforms: ModuleType, tmp_path: Path) -> tuple[ModuleType, str]:
    report = tmp_path / "py313-wine.xml"
    report.write_text(REPORT, encoding="utf-8")
    return platforms, platforms.page(platforms.Results([report]))


def test_the_page_of_platforms_says_how_each_cell_is_known(written: tuple[ModuleType, str]) -> None:
    platforms, page = written
    cells = platforms.cells(page)
    assert cells["resolving", "Windows"] == "run under Wine"
    assert cells["resolving", "Linux"] == "documentation"
    assert cells["datagrams, answered from the address asked", "macOS"] == "scripted host"
    assert cells["Unix datagrams", "Windows"] == "-"
    assert platforms.stale(page) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("| resolving |", "| resolving names |", "rows are not those", id="a-row-too-many"),
        pytest.param("2 passed, 0 failed", "2 passed, 1 failed", "without failures", id="a-run-that-failed"),
        pytest.param("Reports: py313-wine: 2 passed, 0 failed, 0 skipped", "Reports: none", "failures", id="no-run"),
        pytest.param("run under Wine |", "certified |", "cannot be 'certified'", id="a-word-of-its-own"),
        pytest.param("| trio | documentation |", "| trio | layout-tested |", "cannot be", id="no-layout-is-tested"),
        pytest.param("| afd-poll |", "| afd |", "what Wine lacks", id="a-deviation"),
    ],
)
def test_a_stale_page_of_platforms_is_noticed(written: tuple[ModuleType, str], old: str, new: str, said: str) -> None:
    platforms, page = written
    assert page.count(old) >= 1
    assert any(said in one for one in platforms.stale(page.replace(old, new, 1)))


def test_a_lost_proof_is_noticed(written: tuple[ModuleType, str]) -> None:
    platforms, page = written
    (lost,) = platforms.weaker(
        page.replace("| resolving | documentation |", "| resolving | run |"), platforms.Results([])
    )[:1]
    assert lost.startswith("resolving on Linux is run")


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (Path(__file__).parents[2] / "ci" / "mutants").glob("*.py"))
)
def test_each_mutant_fits_the_code_it_breaks(root: Path, name: str) -> None:
    """Running them takes an hour; that a table has lost its target must show at once."""
    table = runpy.run_path(str(root / "ci" / "mutants" / f"{name}.py"))
    source = (root / table["TARGET"]).read_text("utf-8")
    assert all((root / test).exists() for test in table["TESTS"])
    assert [what for what, old, new in table["MUTANTS"] if source.count(old) != 1 or old == new] == []
