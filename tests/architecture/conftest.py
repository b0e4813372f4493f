"""The sources of dualstack as syntax trees: what the architecture tests read."""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Source(NamedTuple):
    """One module: its path below dualstack/ (``net/listen.py``), its text and its tree."""

    name: str
    text: str
    tree: ast.Module

    @property
    def unit(self) -> str:
        """The floor it stands on: ``net`` for net/listen.py, ``doors`` for doors.py."""
        return self.name.split("/")[0].removesuffix(".py")

    def imports(self, *, types: bool = True) -> Iterator[tuple[int, str]]:
        """Every import as (line, absolute dotted name), lazy ones included, type-only ones if *types*."""
        parts = ("dualstack", *self.name.removesuffix(".py").split("/"))
        package = parts[:-1]  # holds for __init__ too: its own name is the last part
        type_only: set[ast.AST] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
                type_only.update(child for statement in node.body for child in ast.walk(statement))
        for node in ast.walk(self.tree):
            if node in type_only:
                continue
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name
            elif isinstance(node, ast.ImportFrom):
                base = list(package[: len(package) - node.level + 1]) if node.level else []
                base += node.module.split(".") if node.module else []
                for alias in node.names:
                    yield node.lineno, ".".join([*base, alias.name])


def _load() -> list[Source]:
    found = []
    for path in sorted((ROOT / "dualstack").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT / "dualstack").as_posix()
        found.append(Source(name, text, ast.parse(text, str(path))))
    return found


SOURCES = _load()


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(params=SOURCES, ids=lambda source: source.name)
def source(request: pytest.FixtureRequest) -> Source:
    """Each module of the package in turn."""
    value: Source = request.param
    return value


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    return SOURCES


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[str]:
    """The files git tracks; in an unpacked sdist, which has no git, the files there are."""
    if (root / ".git").exists() and not shutil.which("git"):
        pytest.skip("needs git to know its own files; the Linux run has it")
    if shutil.which("git"):
        done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout:
            return [name for name in done.stdout.split("\0") if name and (root / name).is_file()]
    skip = {".git", ".tox", "__pycache__", "build", "dist", "dualstack.egg-info"}
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [path.as_posix() for path in files if not skip & set(path.parts)]
