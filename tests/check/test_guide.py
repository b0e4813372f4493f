"""The porting guide says what the rules say, and the package stands alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_guide_does_not_drift():
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "porting_guide.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_checker_imports_nothing_else_of_the_package():
    for path in (ROOT / "dualstack" / "check").rglob("*.py"):
        depth = len(path.relative_to(ROOT / "dualstack" / "check").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth, f"{path.name}: import from above dualstack/check"
                module = node.module or ""
                assert not module.startswith("dualstack") or module.startswith("dualstack.check"), path.name
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("dualstack") for alias in node.names), path.name


def test_the_project_passes_its_own_check():
    folders = [name for name in ("dualstack", "ci", "examples", "benchmarks") if (ROOT / name).exists()]
    done = subprocess.run(
        [sys.executable, "-m", "dualstack.check", "--no-cache", "--format", "flake8", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
