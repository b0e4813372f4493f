"""How every file looks: its size, its docstring, and what never stands in it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

LINES = 500
# An empty package file and a version file need no more than their docstring.
BROAD = {"Exception", "BaseException"}

# Written in two pieces so that this file does not hold what it forbids.
PLACES = (
    "/wo" + "rk/",  # a checkout of one machine
    "/ro" + "ot/",
    "/ho" + "me/",
    "/Us" + "ers/",
)
INDEXES = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "deb.deb" + "ian.org",
)
# Numbered facts of working papers that no reader of this repository has: state the fact itself.
PRIVATE_ID = re.compile(r"\((?:A" + r"D|LS|CN|UN|DG|IF|NF|PL)\d{1,3}\)")


def test_one_idea_per_file(source) -> None:
    assert source.text.count("\n") <= LINES, "split it: one file, one idea"


def test_module_docstring(source) -> None:
    assert ast.get_docstring(source.tree), "say in one line what the file is for"


def test_annotations_are_lazy(source) -> None:
    annotated = (ast.FunctionDef, ast.AsyncFunctionDef, ast.AnnAssign)
    if not any(isinstance(node, annotated) for node in ast.walk(source.tree)):
        return  # nothing to be lazy about
    names = [m for _, m in source.imports()]
    assert "__future__.annotations" in names


def test_no_assert(source) -> None:
    lines = [node.lineno for node in ast.walk(source.tree) if isinstance(node, ast.Assert)]
    assert lines == [], "python -O removes it; raise what the caller can read"


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """Whether *handler* takes every exception and neither raises nor logs it."""
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if not any(isinstance(t, ast.Name) and t.id in BROAD for t in types):
        return False
    raises = any(isinstance(n, ast.Raise) for n in ast.walk(handler))
    logs = any(isinstance(n, ast.Attribute) and n.attr == "exception" for n in ast.walk(handler))
    return not raises and not logs


def test_no_naked_except(source) -> None:
    if source.unit == "doors":
        return
    found = []
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        # Around other people's code (a handler of serve) all must be caught; ruff wants the reason on the line.
        reason = isinstance(node, ast.ExceptHandler) and "noqa: BLE001 " in lines[node.lineno - 1]
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and not reason:
            found.append(f"{source.name}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize(
    ("code", "everything"),
    [
        pytest.param("try: x\nexcept: pass", True, id="bare"),
        pytest.param("try: x\nexcept Exception: pass", True, id="exception"),
        pytest.param("try: x\nexcept (OSError, BaseException): pass", True, id="in-a-tuple"),
        pytest.param("try: x\nexcept BaseException: close(); raise", False, id="cleanup"),
        pytest.param("try: x\nexcept Exception: log.exception('handler')", False, id="logged"),
        pytest.param("try: x\nexcept OSError: pass", False, id="narrow"),
    ],
)
def test_what_counts_as_naked(code: str, everything: bool) -> None:
    (handler,) = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.ExceptHandler)]
    assert catches_everything(handler) is everything


def test_every_ignore_has_its_reason(source) -> None:
    bare = []
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        match = re.search(r"#\s*(?:type: ignore(\[[^\]]*\])?|noqa(: ?[A-Z0-9, ]+)?)(.*)", token.string)
        if match and (not (match[1] or match[2]) or not re.search(r"\w{3}", match[3])):
            bare.append(f"{source.name}:{token.start[0]} {token.string}")
    assert bare == [], "name the rule and say why: # noqa: BLE001 - the handler is the caller's code"


def texts(root: Path, tracked: list[str]) -> list[tuple[str, str]]:
    found = []
    for name in tracked:
        try:
            found.append((name, (root / name).read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue  # a binary fixture
    return found


def test_no_path_of_one_machine(root: Path, tracked: list[str]) -> None:
    found = []
    for name, text in texts(root, tracked):
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{name}:{number} {line.strip()}" for word in (*PLACES, *INDEXES) if word in line]
    assert found == []


def test_no_reference_that_readers_cannot_follow(root: Path, tracked: list[str]) -> None:
    found = []
    for name, text in texts(root, tracked):
        for number, line in enumerate(text.splitlines(), 1):
            if PRIVATE_ID.search(line):
                found.append(f"{name}:{number} {line.strip()}")
    assert found == [], "state the fact itself; cite an RFC, a man page or a public issue"
