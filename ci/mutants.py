"""Mutation check of the pure core: apply each hand-written mistake, run the tests, count the survivors.

    python ci/mutants.py              all tables of ci/mutants/
    python ci/mutants.py race order   these tables
    python ci/mutants.py race:3       one mutant, with the output of its tests

A green test suite says little about code that is all decisions: one early invariant test of the race passed
20,000 random cases while most hand-made mistakes lived. So each core file has a table ci/mutants/NAME.py with

    TARGET = "dualstack/core/race.py"         the file to break
    TESTS = ("tests/core/test_race.py",)      what must notice
    MUTANTS = (("what is broken", "text as it stands", "text put in its place"), ...)

The old text must occur exactly once in the target: a table that no longer fits the code fails the run, so
tables cannot rot. A mutant lives when its tests pass. The run fails below SCORE per file. A mutant that makes no
difference to any user does not belong in a table; delete the code it shows to be superfluous instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from runpy import run_path

ROOT = Path(__file__).resolve().parent.parent
TABLES = Path(__file__).resolve().parent / "mutants"
SCORE = 0.95  # of each table
SECONDS = 60.0  # a mutant that hangs its tests is dead too


def run(tree: Path, tests: Sequence[str], show: bool = False) -> bool:
    """Run the tests in a copy of the project; True when they pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-o", "timeout=15", *tests]
    # Hypothesis must not learn from other mutants nor look for smaller examples: one failure is enough.
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
    try:
        done = subprocess.run(command, cwd=tree, env=environ, timeout=SECONDS, capture_output=not show, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode > 2:  # 2: it does not even import; below 0: it crashed
        raise SystemExit(f"pytest could not run {' '.join(tests)}: exit status {done.returncode}")
    return done.returncode == 0


def check(name: str, tree: Path, only: int | None = None) -> tuple[int, list[str]]:
    """Run one table in *tree*; the number of mutants and the names of the living."""
    table = run_path(str(TABLES / f"{name}.py"))
    target, tests, mutants = tree / table["TARGET"], table["TESTS"], table["MUTANTS"]
    source = target.read_text("utf-8")
    for what, old, new in mutants:
        if source.count(old) != 1 or old == new:
            raise SystemExit(f"{name}: {what!r} does not fit: {source.count(old)} places hold {old!r}")
    if not run(tree, tests):
        raise SystemExit(f"{name}: the tests fail without any mutant")
    living = []
    for number, (what, old, new) in enumerate(mutants):
        if only not in (None, number):
            continue
        target.write_text(source.replace(old, new), "utf-8")
        try:
            if run(tree, tests, show=only is not None):
                living.append(f"{name}:{number} {what}")
                print(f"  lives: {name}:{number} {what}", flush=True)
        finally:
            target.write_text(source, "utf-8")
    return (len(mutants) if only is None else 1), living


def main(arguments: Sequence[str]) -> int:
    names = list(arguments) or sorted(path.stem for path in TABLES.glob("*.py"))
    failed = False
    with tempfile.TemporaryDirectory(prefix="dualstack-mutants-") as folder:
        tree = Path(folder)
        for part in ("dualstack", "tests", "ci"):
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("setup.cfg", "pyproject.toml"):
            shutil.copy(ROOT / part, tree / part)
        for name in names:
            name, _, number = name.partition(":")
            count, living = check(name, tree, int(number) if number else None)
            killed = count - len(living)
            failed |= killed < SCORE * count
            print(f"{name}: {killed} of {count} mutants killed, {killed / count:.0%}", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
