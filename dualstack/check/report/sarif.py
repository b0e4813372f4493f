"""SARIF 2.1.0, for code scanning: rules with their help, results with fixes and related places."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, TextIO
from urllib.parse import quote

from dualstack.check.catalog import RULES
from dualstack.check.model import NOT_CHECKED, Edit, Finding, Rule, Span

__all__ = ("write",)

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write(
    findings: Sequence[Finding], line_of: Callable[[Finding], str], out: TextIO, tool: str = "dualstack check"
) -> None:
    used = sorted({finding.code for finding in findings if finding.code in RULES})
    index = {code: number for number, code in enumerate(used)}
    results = [_result(finding, line_of(finding), index) for finding in findings if finding.code != NOT_CHECKED]
    problems = [
        {
            "level": "error",
            "message": {"text": finding.message},
            "locations": [_location(finding.path, finding.span)],
            "descriptor": {"id": NOT_CHECKED},
        }
        for finding in findings
        if finding.code == NOT_CHECKED
    ]
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": tool,  # code scanning keeps the results of each tool apart
                "rules": [_rule(RULES[code]) for code in used],
                "notifications": [{"id": NOT_CHECKED, "shortDescription": {"text": "file not checked"}}],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not problems, "toolExecutionNotifications": problems}],
        "results": results,
    }
    json.dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, out, indent=1)
    out.write("\n")


def _rule(rule: Rule) -> dict[str, Any]:
    help_text = (
        f"{rule.why}\n\nBefore:\n{rule.bad}\nAfter (standard library):\n{rule.plain}\n"
        f"After (dualstack):\n{rule.ours}\nSee: {rule.reference}"
    )
    markdown = (
        f"{rule.why}\n\n```python\n{rule.bad}```\n\n"
        f"With the standard library:\n\n```python\n{rule.plain}```\n\n"
        f"With dualstack:\n\n```python\n{rule.ours}```\n\nSee: {rule.reference}"
    )
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.slug.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": help_text, "markdown": markdown},
        "defaultConfiguration": {"level": "note" if rule.strict else "warning", "enabled": not rule.strict},
        "properties": {"tags": ["ipv6", "portability"], "precision": "medium" if rule.strict else "high"},
    }


def _result(finding: Finding, line: str, index: dict[str, int]) -> dict[str, Any]:
    text = finding.message + (f". Instead: {finding.hint}" if finding.hint else "")
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "level": "note" if finding.strict else "warning",
        "message": {"text": text},
        "locations": [_location(finding.path, finding.span, finding.cell)],
        "partialFingerprints": {"dualstackLine/v1": _fingerprint(finding, line)},
    }
    if finding.code in index:
        result["ruleIndex"] = index[finding.code]
    if finding.related:
        result["relatedLocations"] = [
            {
                **_location(finding.path, Span(place.line, place.column, place.line, place.column)),
                "id": number,
                "message": {"text": place.message},
            }
            for number, place in enumerate(finding.related, 1)
        ]
    if finding.edits:
        result["fixes"] = [
            {
                "description": {"text": finding.hint or "apply the mechanical change"},
                "artifactChanges": [
                    {
                        "artifactLocation": {"uri": _uri(finding.path)},
                        "replacements": [_replacement(edit) for edit in finding.edits],
                    }
                ],
            }
        ]
    return result


def _location(path: str, span: Span, cell: int = 0) -> dict[str, Any]:
    place: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(path)}, "region": _region(span)},
    }
    if cell:
        place["logicalLocations"] = [{"name": f"cell {cell}", "kind": "module"}]
    return place


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _replacement(edit: Edit) -> dict[str, Any]:
    return {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}


def _uri(path: str) -> str:
    slashed = path.replace(os.sep, "/")
    if os.path.isabs(path):
        return "file://" + ("" if slashed.startswith("/") else "/") + quote(slashed, errors="surrogateescape")
    return quote(slashed.removeprefix("./"), errors="surrogateescape")


def _fingerprint(finding: Finding, line: str) -> str:
    text = f"{finding.code}:{' '.join(line.split())}"
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
