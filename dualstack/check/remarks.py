"""Remarks in the checked code: ``# noqa: DST501`` and ``# dualstack: v4-only because REASON``.

Some protocols are IPv4 by definition, and no syntax shows it. The accepted remark says so and must say why:

    sock = socket.socket(AF_INET, SOCK_DGRAM)  # dualstack: v4-only because SOCKS4 carries four bytes

It covers the statement on its line. On a line of its own it covers the next statement; on or above a ``def``
or ``class`` line it covers the whole body; above the first statement of the file, the file. ``v4-only``
silences the address rules, ``unix-only`` and ``linux-only`` the rules of group 8. A remark without a reason
silences nothing and is itself a finding, DST905.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator

from .model import Finding, Span
from .module import Module

__all__ = ("Remarks",)

_NOQA = re.compile(r"#\s*noqa(?P<codes>:\s?(?P<list>[A-Z]+[0-9]*(?:[,\s]+[A-Z]+[0-9]+)*))?", re.IGNORECASE)
_REMARK = re.compile(r"#\s*dualstack:\s*(?P<kind>v4-only|unix-only|linux-only)\b[\s:,]*(?P<reason>.*)$", re.IGNORECASE)
_BECAUSE = re.compile(r"because\s+\S.{2,}", re.IGNORECASE)


class Remarks:
    """The remarks of one file and what they silence."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._noqa: dict[int, set[str] | None] = {}
        self._ranges: list[tuple[int, int, str]] = []
        self._problems: list[Finding] = []
        text = module.text
        if "noqa" in text or "NOQA" in text:
            self._read_noqa()
        if "dualstack:" in text:
            self._read_remarks()

    def filter(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        for finding in findings:
            if not self._silenced(finding):
                yield finding
        yield from self._problems

    def _silenced(self, finding: Finding) -> bool:
        for line in {finding.span.line, finding.span.end_line}:
            if line in self._noqa:
                codes = self._noqa[line]
                if codes is None or any(finding.code.startswith(code) for code in codes):
                    return True
        kinds = ("unix-only", "linux-only") if finding.code.startswith("DST8") else ("v4-only",)
        return any(first <= finding.span.line <= last and kind in kinds for first, last, kind in self._ranges)

    def _read_noqa(self) -> None:
        for number, line in enumerate(self._module.lines, 1):
            if "noqa" not in line.lower():
                continue
            match = _NOQA.search(line)
            if match is None:
                continue
            codes = {code.upper() for code in re.split(r"[,\s]+", match["list"])} if match["list"] else None
            self._noqa[number] = codes

    def _read_remarks(self) -> None:
        for number, column, comment in _comments(self._module.text):
            match = _REMARK.match(comment)
            if match is None:
                continue
            line = self._module.lines[number - 1]
            if not _BECAUSE.search(match["reason"]):
                self._problems.append(
                    Finding(
                        self._module.path,
                        Span(number, column + 1, number, len(line) + 1),
                        "DST905",
                        f"the remark {match['kind']} gives no reason and silences nothing",
                        f"write: # dualstack: {match['kind']} because REASON",
                    )
                )
                continue
            alone = not line[:column].strip()
            first, last = self._covered(number, alone)
            self._ranges.append((first, last, match["kind"].lower()))

    def _covered(self, line: int, alone: bool) -> tuple[int, int]:
        body = self._module.tree.body
        if alone and body and line < _first_line(body[0]):
            nearest = body[0]
            gap = self._module.lines[line : _first_line(nearest) - 1]
            if (
                any(not text.strip() for text in gap)
                or _is_docstring(nearest)
                or isinstance(nearest, (ast.Import, ast.ImportFrom))
            ):
                return 1, len(self._module.lines)
        if (
            alone
            and body
            and _is_docstring(body[0])
            and len(body) > 1
            and line < _first_line(body[1])
            and line > (body[0].end_lineno or 0)
        ):
            return 1, len(self._module.lines)
        best: ast.stmt | None = None
        for node in ast.walk(self._module.tree):
            if not isinstance(node, ast.stmt):
                continue
            start, end = _first_line(node), node.end_lineno or node.lineno
            if alone:
                if start > line and (best is None or start < _first_line(best)):
                    best = node
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if node.lineno <= line < node.body[0].lineno and (best is None or node.lineno > best.lineno):
                    best = node
            elif not hasattr(node, "body") and start <= line <= end and (best is None or _first_line(best) <= start):
                best = node
        if best is None:
            return line, line
        return _first_line(best), best.end_lineno or best.lineno


def _comments(text: str) -> Iterator[tuple[int, int, str]]:
    """(line, column from 0, text) of every comment; a remark quoted in a string is none."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.start[1], token.string
    except (tokenize.TokenError, SyntaxError):
        return  # the parser took it, the tokenizer of this Python does not: then there are no remarks


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min(node.lineno, *(int(decorator.lineno) for decorator in decorators)) if decorators else node.lineno


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
