"""Jupyter notebooks: their code cells as one text, and findings mapped back to cells.

The cells are joined, because the import stands in one cell and its use in another. Lines that are not Python
(``%magic``, ``!command``, ``?help``, whole ``%%cells``) become comments, so that line numbers stay.
"""

from __future__ import annotations

import ast
import json
import re
from json.scanner import py_make_scanner  # type: ignore[attr-defined]  # the stub leaves it out
from typing import Any

from .model import Finding, Span

__all__ = ("Notebook", "NotebookError", "in_file")


class NotebookError(Exception):
    """The file is no notebook."""


class Notebook:
    """The joined text of a notebook; ``locate`` turns its findings into findings of cells."""

    def __init__(self, text: str) -> None:
        try:
            document = json.loads(text)
            cells = document["cells"] if "cells" in document else document["worksheets"][0]["cells"]
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            raise NotebookError("not a Jupyter notebook (JSON with a list of cells)") from None
        self._starts: list[tuple[int, int]] = []  # first line of a cell in the joined text, number of the cell
        lines: list[str] = []
        for number, cell in enumerate(cells if isinstance(cells, list) else [], 1):
            if not isinstance(cell, dict) or cell.get("cell_type") != "code":
                continue
            source = cell.get("source", cell.get("input", ""))
            body = "".join(map(str, source)) if isinstance(source, list) else str(source)
            self._starts.append((len(lines) + 1, number))
            lines.extend(_python_lines(body))
        self.text: str = "\n".join(lines) + "\n"

    def locate(self, finding: Finding) -> Finding:
        """The same finding with its line counted in its cell. Fixes are not made in notebooks."""
        first, number = 1, 0
        for start, cell in self._starts:
            if start > finding.span.line:
                break
            first, number = start, cell
        shift = first - 1
        span = Span(
            finding.span.line - shift,
            finding.span.column,
            finding.span.end_line - shift,
            finding.span.end_column,
        )
        return finding._replace(span=span, cell=number, edits=(), related=())

    def line(self, cell: int, line: int) -> str:
        """The text of one line of a cell, for reports."""
        for start, number in self._starts:
            if number == cell:
                lines = self.text.split("\n")
                return lines[start + line - 2] if 0 <= start + line - 2 < len(lines) else ""
        return ""


def _python_lines(body: str) -> list[str]:
    lines = body.replace("\r\n", "\n").split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and not first.startswith(("%%time", "%%capture", "%%prun")):
        return ["#" for _ in lines]
    kept = []
    for line in lines:
        stripped = line.lstrip()
        if stripped.startswith(("%", "!", "?")) or (stripped.endswith("?") and stripped.rstrip("?").isidentifier()):
            kept.append(line[: len(line) - len(stripped)] + "pass  # " + stripped)
        else:
            kept.append(line)
    try:
        ast.parse("\n".join(kept))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # One cell that is no Python must not hide the others; notebooks hold half-written cells.
        return ["#" for _ in kept]
    return kept


# -- places in the file itself: for code hosts, which show the JSON ----------------------------------------


class _Placed(str):
    """A string of the document that knows where its first character stands in the text."""

    offset: int


def in_file(text: str, finding: Finding) -> Finding:
    """The same finding with its place in the text of the notebook instead of in its cell."""
    pieces = _pieces(text, finding.cell)
    span = finding.span
    first = _place(text, pieces, span.line, span.column)
    last = _place(text, pieces, span.end_line, span.end_column)
    return finding._replace(span=Span(*first, *last)) if first <= last else finding


def _pieces(text: str, number: int) -> list[_Placed]:
    """The strings that make up one cell."""
    decoder: Any = json.JSONDecoder()
    scan = decoder.parse_string

    def placed(string: str, end: int, strict: bool = True) -> tuple[str, int]:
        value, after = scan(string, end, strict)
        made = _Placed(value)
        made.offset = end
        return made, after

    decoder.parse_string = placed
    decoder.scan_once = py_make_scanner(decoder)  # the one in C does not ask parse_string
    document = decoder.decode(text)
    cells = document["cells"] if "cells" in document else document["worksheets"][0]["cells"]
    source = cells[number - 1].get("source", cells[number - 1].get("input", ""))
    return [piece for piece in (source if isinstance(source, list) else [source]) if isinstance(piece, _Placed)]


def _place(text: str, pieces: list[_Placed], line: int, column: int) -> tuple[int, int]:
    """Line and column in *text* of a line and column in the joined pieces."""
    index = sum(len(before) + 1 for before in "".join(pieces).split("\n")[: line - 1]) + column - 1
    for number, piece in enumerate(pieces, 1):
        if index < len(piece) or number == len(pieces):
            offset = piece.offset + _written(text, piece.offset, index)
            return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
        index -= len(piece)
    return line, column


_UNIT = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|[^\\]", re.DOTALL)


def _written(text: str, start: int, count: int) -> int:
    """How many characters *count* characters of a JSON string take as they are written, escapes and all."""
    offset = start
    for _ in range(count):
        unit = _UNIT.match(text, offset)
        if unit is None or unit[0] == '"':
            break
        offset = unit.end()
    return offset - start
