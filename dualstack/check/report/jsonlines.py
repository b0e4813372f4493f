"""One JSON array of all findings, with their fixes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from dualstack.check.catalog import RULES
from dualstack.check.model import Finding

__all__ = ("write",)


def write(findings: Sequence[Finding], line_of: Callable[[Finding], str], out: TextIO) -> None:
    json.dump([_entry(finding, line_of(finding)) for finding in findings], out, indent=1)
    out.write("\n")


def _entry(finding: Finding, line: str) -> dict[str, Any]:
    rule = RULES.get(finding.code)
    span = finding.span
    return {
        "path": finding.path,
        "cell": finding.cell or None,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "code": finding.code,
        "name": rule.slug if rule is not None else "not-checked",
        "message": finding.message,
        "hint": finding.hint,
        "strict": finding.strict,
        "source": line.rstrip("\r\n"),
        "related": [{"line": r.line, "column": r.column, "message": r.message} for r in finding.related],
        "fix": [
            {
                "line": edit.span.line,
                "column": edit.span.column,
                "end_line": edit.span.end_line,
                "end_column": edit.span.end_column,
                "text": edit.text,
            }
            for edit in finding.edits
        ]
        or None,
    }
