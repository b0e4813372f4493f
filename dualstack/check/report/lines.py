"""One line per finding, as flake8 prints them; editors read this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from dualstack.check.model import Finding

__all__ = ("place", "write")


def place(finding: Finding) -> str:
    """``path:line:column``, with the cell of a notebook."""
    cell = f":cell {finding.cell}" if finding.cell else ""
    return f"{finding.path}{cell}:{finding.span.line}:{finding.span.column}"


def write(findings: Sequence[Finding], line_of: Callable[[Finding], str], out: TextIO) -> None:
    for finding in findings:
        out.write(f"{place(finding)}: {finding.code} {finding.message}\n")
