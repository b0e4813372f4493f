"""Which paths are not looked at: exclude patterns as ruff has them, and .gitignore.

A pattern without a slash matches a file or folder of that name anywhere; one with a slash matches from the
place it was written for. In .gitignore the last pattern that matches decides, ``!`` brings a path back, a
slash at the end means folders, and files below an ignored folder cannot be brought back (git does not look
there either).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ("DEFAULT_EXCLUDES", "Excludes", "GitIgnore")

DEFAULT_EXCLUDES = (
    ".bzr", ".direnv", ".eggs", ".git", ".git-rewrite", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nox",
    ".pants.d", ".pyenv", ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".tox", ".venv", ".vscode",
    "__pycache__", "__pypackages__", "_build", "buck-out", "build", "dist", "node_modules", "site-packages",
    "venv", ".dualstack-check-cache",
)  # fmt: skip


@lru_cache(maxsize=1024)
def _translate(pattern: str) -> re.Pattern[str]:
    """A glob with ``**`` as a regular expression over a path with forward slashes."""
    out = []
    index = 0
    while index < len(pattern):
        char = pattern[index]
        if pattern.startswith("**/", index):
            out.append("(?:.*/)?")
            index += 3
            continue
        if pattern.startswith("**", index):
            out.append(".*")
            index += 2
            continue
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = pattern.find("]", index + 2)
            if end < 0:
                out.append(r"\[")
            else:
                body = pattern[index + 1 : end]
                body = ("^" + body[1:]) if body[0] in "!^" else body
                out.append("[" + body.replace("\\", r"\\") + "]")
                index = end
        elif char == "\\" and index + 1 < len(pattern):
            index += 1
            out.append(re.escape(pattern[index]))
        else:
            out.append(re.escape(char))
        index += 1
    try:
        return re.compile("".join(out))
    except re.error:
        return re.compile(re.escape(pattern))


def _slashed(path: str) -> str:
    return path.replace(os.sep, "/")


class Excludes:
    """The exclude patterns of the configuration."""

    def __init__(self, patterns: Iterable[str], root: str) -> None:
        self._root = root
        self._names = [_translate(p.rstrip("/")) for p in patterns if "/" not in p.rstrip("/")]
        self._paths = [
            _translate(_slashed(p).rstrip("/").removeprefix("./").lstrip("/")) for p in patterns if "/" in p.rstrip("/")
        ]

    def match(self, path: str) -> bool:
        """Whether a file or folder is excluded; folders above it are the caller's business."""
        name = os.path.basename(path)
        if any(pattern.fullmatch(name) for pattern in self._names):
            return True
        if not self._paths:
            return False
        relative = _slashed(os.path.relpath(path, self._root))
        return any(pattern.fullmatch(relative) or pattern.fullmatch(_slashed(path)) for pattern in self._paths)


class GitIgnore:
    """The .gitignore files that apply below a folder, read as they are met."""

    def __init__(self, start: str) -> None:
        self._rules: dict[str, list[tuple[re.Pattern[str], bool, bool, bool]]] = {}
        self._chains: dict[str, list[str]] = {}
        self._top = self._repository(os.path.abspath(start))

    def ignored(self, path: str, is_folder: bool) -> bool:
        if self._top is None:
            return False
        full = os.path.abspath(path)
        answer = False
        for folder in self._chain(os.path.dirname(full)):
            rules = self._rules.get(folder)
            if rules is None:
                rules = self._rules[folder] = self._read(folder)
            if not rules:
                continue
            relative = _slashed(full[len(folder.rstrip(os.sep)) + 1 :])
            name = relative.rpartition("/")[2]
            for pattern, anchored, folders_only, back in rules:
                if folders_only and not is_folder:
                    continue
                if pattern.fullmatch(relative if anchored else name):
                    answer = not back
        return answer

    def _chain(self, folder: str) -> list[str]:
        """The folders from the repository down to *folder*."""
        chain = self._chains.get(folder)
        if chain is None:
            top = self._top or folder
            chain = (
                [folder] if folder == top or len(folder) < len(top) else [*self._chain(os.path.dirname(folder)), folder]
            )
            self._chains[folder] = chain
        return chain

    @staticmethod
    def _repository(folder: str) -> str | None:
        while True:
            if os.path.exists(os.path.join(folder, ".git")):
                return folder
            parent = os.path.dirname(folder)
            if parent == folder:
                return None
            folder = parent

    @staticmethod
    def _read(folder: str) -> list[tuple[re.Pattern[str], bool, bool, bool]]:
        try:
            with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as handle:
                lines = handle.read().splitlines()
        except OSError:
            return []
        rules = []
        for line in lines:
            text = line.rstrip() if not line.endswith("\\ ") else line
            if not text or text.startswith("#"):
                continue
            back = text.startswith("!")
            text = text[1:] if back else text.removeprefix("\\")
            folders_only = text.endswith("/")
            text = text.rstrip("/")
            anchored = "/" in text
            rules.append((_translate(text.lstrip("/")), anchored, folders_only, back))
        return rules
