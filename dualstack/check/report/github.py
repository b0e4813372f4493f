"""Workflow commands of GitHub Actions: each finding appears beside its line in the pull request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from dualstack.check.model import NOT_CHECKED, Finding

__all__ = ("write",)


def write(findings: Sequence[Finding], line_of: Callable[[Finding], str], out: TextIO) -> None:
    for finding in findings:
        span = finding.span
        level = "error" if finding.code == NOT_CHECKED else "warning"
        message = finding.message + (f"\nhelp: {finding.hint}" if finding.hint else "")
        out.write(
            f"::{level} file={_property(finding.path)},line={span.line},col={span.column},"
            f"endLine={span.end_line},endColumn={span.end_column},title={finding.code}::{_data(message)}\n"
        )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
