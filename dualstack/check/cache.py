"""Results of earlier runs, found again by the content of a file.

One JSON file per project: a run over unchanged files reads it once, hashes the files and is done, without
loading the rules. The key covers the text, the path (rules look at file names) and the checker itself, so
nothing stale can come out after an update. Entries that were not asked for in the last runs are dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from .model import Edit, Finding, Related, Span

__all__ = ("Cache", "from_row", "to_row")

_FILE = "results.json"
_KEPT = 50_000  # entries; about 10 MB


def to_row(finding: Finding) -> list[Any]:
    """A finding as JSON, without its path."""
    return [
        list(finding.span),
        finding.code,
        finding.message,
        finding.hint,
        int(finding.strict),
        finding.cell,
        [[list(edit.span), edit.text] for edit in finding.edits],
        [list(place) for place in finding.related],
    ]


def from_row(path: str, row: Sequence[Any]) -> Finding:
    span, code, message, hint, strict, cell, edits, related = row
    return Finding(
        path,
        Span(*span),
        code,
        message,
        hint,
        bool(strict),
        cell,
        tuple(Edit(Span(*where), text) for where, text in edits),
        tuple(Related(*place) for place in related),
    )


class Cache:
    """``get`` and ``put`` by key; ``save`` once at the end."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self._old: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        self._used: set[str] = set()
        self._stamp = _own_fingerprint()
        if folder is not None:
            self._load(os.path.join(folder, _FILE))

    def key(self, path: str, data: bytes, extra: str = "") -> str:
        digest = hashlib.blake2b(data, digest_size=16)
        digest.update(f"\0{path}\0{extra}".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def get(self, key: str) -> list[Any] | None:
        rows = self._old.get(key)
        if isinstance(rows, list):
            self._used.add(key)
            return rows
        return None

    def put(self, key: str, rows: list[Any]) -> None:
        self._new[key] = rows

    def save(self) -> None:
        """Write what is new. A folder that cannot be written is no reason to fail a check."""
        if self._folder is None or not self._new:
            return
        import tempfile

        kept = {key: rows for key, rows in self._old.items() if key not in self._new}
        if len(kept) + len(self._new) > _KEPT:
            kept = {key: rows for key, rows in kept.items() if key in self._used}
        document = {"stamp": self._stamp, "results": {**kept, **self._new}}
        try:
            os.makedirs(self._folder, exist_ok=True)
            marker = os.path.join(self._folder, ".gitignore")
            if not os.path.exists(marker):
                with open(marker, "w", encoding="utf-8") as handle:
                    handle.write("*\n")
            number, name = tempfile.mkstemp(dir=self._folder)
            with open(number, "w", encoding="utf-8") as handle:
                json.dump(document, handle, separators=(",", ":"))
            os.replace(name, os.path.join(self._folder, _FILE))
        except OSError:
            return

    def _load(self, path: str) -> None:
        try:
            with open(path, encoding="utf-8") as handle:
                document = json.load(handle)
        except (OSError, ValueError, RecursionError):
            return
        if (
            isinstance(document, dict)
            and document.get("stamp") == self._stamp
            and isinstance(document.get("results"), dict)
        ):
            self._old = document["results"]


def _own_fingerprint() -> str:
    """Changes with every change of the checker and with the Python that parses."""
    digest = hashlib.blake2b(repr(sys.version_info).encode(), digest_size=16)
    top = os.path.dirname(os.path.abspath(__file__))
    for folder in (top, os.path.join(top, "rules")):
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda found: found.name):
                    if entry.name.endswith(".py"):
                        status = entry.stat()
                        digest.update(f"{entry.name}:{status.st_size}:{status.st_mtime_ns};".encode())
        except OSError:
            continue  # inside a zip: the version of Python alone must do
    return digest.hexdigest()
