"""Mechanical changes: made as edits of the text, so that formatting and comments stay.

Three promises. A fix is applied only when the changed file still parses. Running twice changes nothing more.
Two fixes never overlap; the second waits for the next run. A change that would need a decision (which
family, which server class) is a hint and no fix.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from .model import Edit, Finding, Span
from .module import Module
from .syntax import argument, last_name

__all__ = (
    "apply_edits",
    "fix_text",
    "guard_with_hasattr",
    "guard_with_try",
    "insert_after",
    "pair_with_create_connection",
    "replace_node",
)


def insert_after(module: Module, node: ast.AST, text: str) -> Edit:
    span = module.span(node)
    return Edit(Span(span.end_line, span.end_column, span.end_line, span.end_column), text)


def replace_node(module: Module, node: ast.AST, text: str) -> Edit:
    return Edit(module.span(node), text)


def _lone_statement(module: Module, node: ast.AST) -> ast.Expr | None:
    """The expression statement that *node* is part of, when it stands alone on its lines."""
    statement = module.statement(node)
    if not isinstance(statement, ast.Expr):
        return None
    span = module.span(statement)
    before = module.lines[span.line - 1][: span.column - 1]
    after = module.lines[span.end_line - 1][span.end_column - 1 :].strip()
    if before.strip() or (after and not after.startswith("#")):
        return None
    for inner in ast.walk(statement):
        if isinstance(inner, (ast.Constant, ast.JoinedStr)) and getattr(inner, "end_lineno", 0) != getattr(
            inner, "lineno", 0
        ):
            return None  # indenting the second line of a string would change it
    if any(line.rstrip().endswith("\\") for line in module.lines[span.line - 1 : span.end_line]):
        return None
    return statement


def _indent_edits(module: Module, statement: ast.stmt, step: str) -> tuple[Edit, ...]:
    span = module.span(statement)
    return tuple(
        Edit(Span(line, 1, line, 1), step)
        for line in range(span.line + 1, span.end_line + 1)
        if module.lines[line - 1].strip()
    )


def _indentation(module: Module, statement: ast.stmt) -> tuple[str, str]:
    """The indentation of the statement, and one step of this file."""
    line = module.lines[statement.lineno - 1]
    own = line[: len(line) - len(line.lstrip())]
    if "\t" in own:
        return own, "\t"
    for other in module.lines:
        stripped = other.lstrip(" ")
        if stripped and stripped != other and not stripped.startswith(("#", "*")):
            width = len(other) - len(stripped)
            return own, " " * (width if width in (2, 3, 4, 8) else 4)
    return own, "    "


def guard_with_hasattr(module: Module, node: ast.expr, name: str) -> tuple[Edit, ...]:
    """``if hasattr(socket, "SO_REUSEPORT"):`` in front of a statement of its own."""
    statement = _lone_statement(module, node)
    if statement is None or not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return ()
    missing = {inner.attr for inner in ast.walk(statement) if isinstance(inner, ast.Attribute)}
    if len(missing & {"TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "SO_REUSEPORT", "TCP_QUICKACK"}) > 1:
        return ()
    own, step = _indentation(module, statement)
    span = module.span(statement)
    head = Edit(
        Span(span.line, span.column, span.line, span.column),
        f'if hasattr({node.value.id}, "{name}"):\n{own}{step}',
    )
    return (head, *_indent_edits(module, statement, step))


def guard_with_try(module: Module, node: ast.expr, error: str, why: str) -> tuple[Edit, ...]:
    """``try:`` around a statement of its own, with a reason in the handler."""
    statement = _lone_statement(module, node)
    if statement is None:
        return ()
    own, step = _indentation(module, statement)
    span = module.span(statement)
    line_end = len(module.lines[span.end_line - 1].rstrip("\r")) + 1
    return (
        Edit(Span(span.line, span.column, span.line, span.column), f"try:\n{own}{step}"),
        *_indent_edits(module, statement, step),
        Edit(
            Span(span.end_line, line_end, span.end_line, line_end),
            f"\n{own}except {error}:\n{own}{step}pass  # {why}",
        ),
    )


def pair_with_create_connection(module: Module, node: ast.Call) -> tuple[Edit, ...]:
    """``s = socket.socket(AF_INET, SOCK_STREAM)`` directly followed by ``s.connect((host, port))``."""
    if not isinstance(node.func, ast.Attribute) or module.names.resolve(node.func) != "socket.socket":
        return ()
    kind = argument(node, 1, "type")
    if len(node.args) + len(node.keywords) > 2 or (kind is not None and last_name(kind) != "SOCK_STREAM"):
        return ()
    statement = module.parents.get(node)
    if (
        not isinstance(statement, ast.Assign)
        or len(statement.targets) != 1
        or not isinstance(node.func.value, ast.Name)
    ):
        return ()
    block = next((b for b in _blocks(module.parents.get(statement)) if statement in b), None)
    if block is None or block.index(statement) + 1 >= len(block):
        return ()
    following = block[block.index(statement) + 1]
    call = following.value if isinstance(following, ast.Expr) else None
    if not (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "connect"
        and ast.unparse(call.func.value) == ast.unparse(statement.targets[0])
        and len(call.args) == 1
        and isinstance(call.args[0], ast.Tuple)
        and following.lineno == (statement.end_lineno or 0) + 1
    ):
        return ()
    first, second = module.span(statement), module.span(following)
    tail = module.lines[first.end_line - 1][first.end_column - 1 :]
    if tail.strip() or module.lines[second.line - 1][: second.column - 1].strip():
        return ()
    target = module.source(statement.targets[0])
    made = f"{target} = {node.func.value.id}.create_connection({module.source(call.args[0])})"
    return (Edit(Span(first.line, first.column, second.end_line, second.end_column), made),)


def _blocks(parent: ast.AST | None) -> list[list[ast.stmt]]:
    found = [getattr(parent, name, None) for name in ("body", "orelse", "finalbody")]
    return [block for block in found if isinstance(block, list)]


def apply_edits(lines: Sequence[str], edits: Iterable[Edit]) -> list[str]:
    """Apply non-overlapping *edits* to a text given as lines without their ends."""
    changed = list(lines)
    for edit in sorted(
        edits, key=lambda e: (e.span.line, e.span.column, e.span.end_line, e.span.end_column), reverse=True
    ):
        span = edit.span
        head = changed[span.line - 1][: span.column - 1]
        tail = changed[span.end_line - 1][span.end_column - 1 :]
        changed[span.line - 1 : span.end_line] = (head + edit.text + tail).split("\n")
    return changed


def fix_text(text: str, findings: Sequence[Finding]) -> tuple[str, list[Finding]]:
    """The text with every fix that can be made, and the findings that were fixed.

    Fixes that overlap an earlier one, or after which the text does not parse, are left out.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    original = text.split(newline)
    taken: list[Edit] = []
    done: list[Finding] = []
    for finding in findings:
        if not finding.edits or _overlaps(finding.edits, taken):
            continue
        edits = [Edit(edit.span, edit.text) for edit in finding.edits]
        candidate = newline.join("\n".join(apply_edits(original, [*taken, *edits])).split("\n"))
        try:
            ast.parse(candidate)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        taken.extend(edits)
        done.append(finding)
    if not done:
        return text, []
    return newline.join("\n".join(apply_edits(original, taken)).split("\n")), done


def _overlaps(edits: Sequence[Edit], taken: Sequence[Edit]) -> bool:
    for edit in edits:
        for other in taken:
            if edit.span.line <= other.span.end_line and other.span.line <= edit.span.end_line:
                return True
    return False
