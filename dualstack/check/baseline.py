"""A baseline: findings that are known and not reported again.

For a project that starts with three hundred findings and wants no new ones. A finding is recognised by its
file, its code and the text of its line, so that it survives lines moving; a second one of the same kind on
an equal line is new.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable

from .model import NOT_CHECKED, Finding

__all__ = ("Baseline", "BaselineError")


class BaselineError(Exception):
    """The baseline file cannot be used; the message says why."""


class Baseline:
    """Known findings, counted."""

    def __init__(self, known: Counter[str] | None = None) -> None:
        self._known = known if known is not None else Counter()

    @classmethod
    def read(cls, path: str) -> Baseline:
        try:
            with open(path, encoding="utf-8") as handle:
                document = json.load(handle)
            known = Counter({str(key): int(count) for key, count in document["findings"].items()})
        except OSError as error:
            raise BaselineError(f"{path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BaselineError(f"{path}: not a baseline; write one with --write-baseline") from None
        return cls(known)

    @staticmethod
    def write(path: str, findings: Iterable[Finding], line_of: Callable[[Finding], str]) -> int:
        """Write all *findings* as known; the number written."""
        counted = Counter(_key(finding, line_of(finding)) for finding in findings if finding.code != NOT_CHECKED)
        document = {
            "about": "known findings of: python -m dualstack check",
            "findings": dict(sorted(counted.items())),
        }
        with open(path, "w", encoding="utf-8") as handle:
            json.dump(document, handle, indent=1)
            handle.write("\n")
        return sum(counted.values())

    def new(self, findings: Iterable[Finding], line_of: Callable[[Finding], str]) -> list[Finding]:
        """The findings that are not known."""
        left = self._known.copy()
        fresh = []
        for finding in findings:
            key = _key(finding, line_of(finding))
            if left[key] > 0:
                left[key] -= 1
            else:
                fresh.append(finding)
        return fresh


def _key(finding: Finding, line: str) -> str:
    digest = hashlib.blake2b(" ".join(line.split()).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    path = finding.path.replace("\\", "/").removeprefix("./")
    return f"{path}:{finding.code}:{digest}"
