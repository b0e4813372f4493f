"""For people: the place, what breaks, the source line with a marker, what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from dualstack.check.model import NOT_CHECKED, Finding

from .lines import place

__all__ = ("write",)

_WIDTH = 160  # characters of a source line that are shown


def write(findings: Sequence[Finding], line_of: Callable[[Finding], str], out: TextIO) -> None:
    for finding in findings:
        fixable = " [*]" if finding.edits else ""
        out.write(f"{place(finding)}: {finding.code}{fixable} {finding.message}\n")
        if finding.code == NOT_CHECKED:
            continue
        _show_source(finding, line_of(finding), out)
        if finding.hint:
            out.write(f"  = help: {finding.hint}\n")
        for related in finding.related:
            out.write(f"  = note: {finding.path}:{related.line}:{related.column}: {related.message}\n")
        out.write("\n")


def _show_source(finding: Finding, line: str, out: TextIO) -> None:
    if not line.strip():
        return
    span = finding.span
    line = line.rstrip("\r\n")
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    shift = max(0, start - 60) if len(line) > _WIDTH else 0
    shown = line[shift : shift + _WIDTH]
    # Tabs stay tabs in the marker line, so that it stands below the right characters.
    lead = "".join("\t" if char == "\t" else " " for char in shown[: start - shift])
    marker = "^" * max(1, min(end, shift + _WIDTH) - start)
    number = str(span.line)
    blank = " " * len(number)
    out.write(f"{blank} |\n{number} | {shown}\n{blank} | {lead}{marker} {finding.code}\n{blank} |\n")
