"""Texts that are put together, in whatever form: %, format(), f-strings, sums.

All forms become one: a list of parts, each a literal text or the expression that is put in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .syntax import constant_text

__all__ = ("Part", "is_prose", "template")

Part = str | ast.expr

_HEADER = re.compile(
    r"^\s*(?:CONNECT|GET|POST|PUT|HEAD|OPTIONS|DESCRIBE|SETUP|REGISTER|INVITE|M-SEARCH|NOTIFY|SUBSCRIBE)\s|"
    r"(?:^|\n)(?:Host|X-Forwarded-\w+|Via|Location|Origin|Referer|HOST|LOCATION):?[ \t]*\S*\r?$",
    re.M,
)


def template(node: ast.AST) -> list[Part] | None:
    """The parts of a text that is put together, literals merged; None for anything else."""
    parts: list[Part] | None = None
    if isinstance(node, ast.JoinedStr):
        parts = _fstring(node)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        text = constant_text(node.left)
        parts = _percent(text, node.right) if text is not None else None
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = _added(node)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        text = constant_text(node.func.value)
        parts = _format(text, node) if text is not None else None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        parts = _joined(constant_text(node.func.value), node.args[0] if len(node.args) == 1 else None)
    if parts is None:
        return None
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
            continue
        merged.append(part)
    return merged


def _joined(between: str | None, given: ast.expr | None) -> list[Part] | None:
    """``":".join([host, str(port)])``."""
    if not between or not isinstance(given, (ast.List, ast.Tuple)):
        return None
    parts: list[Part] = []
    for element in given.elts:
        if isinstance(element, ast.Starred):
            return None
        parts += [between] if parts else []
        parts.append(constant_text(element) or element)
    return parts


def _fstring(node: ast.JoinedStr) -> list[Part]:
    parts: list[Part] = []
    for value in node.values:
        if isinstance(value, ast.FormattedValue):
            if value.format_spec is not None and re.search(r"[xX]'?$", "".join(_spec(value.format_spec))):
                parts.append("0x")  # a number in hexadecimal is no host
            else:
                parts.append(value.value)
        else:
            parts.append(constant_text(value) or "")
    return parts


def _spec(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        text = constant_text(inner)
        if text:
            yield text


def _percent(text: str, right: ast.expr) -> list[Part] | None:
    pieces = re.split(r"%(?:\((\w+)\))?([-#0 +]*\d*(?:\.\d+)?[sdirau%xXfeg])", text)
    values = list(right.elts) if isinstance(right, ast.Tuple) else None
    parts: list[Part] = [pieces[0]]
    used = 0
    for index in range(1, len(pieces), 3):
        key, kind, literal = pieces[index], pieces[index + 1], pieces[index + 2]
        if kind.endswith("%"):
            parts.append("%")
        elif kind[-1] in "xX":
            parts.append("0x")
            used += 1
        elif key:
            parts.append(_from_mapping(right, key))
        elif values is not None:
            if used >= len(values) or isinstance(values[used], ast.Starred):
                return None
            parts.append(values[used])
            used += 1
        else:
            parts.append(right)
        parts.append(literal)
    return parts


def _from_mapping(right: ast.expr, key: str) -> ast.expr:
    if isinstance(right, ast.Dict):
        for name, value in zip(right.keys, right.values, strict=True):
            if constant_text(name) == key:
                return value
    if isinstance(right, ast.Call):
        for keyword in right.keywords:
            if keyword.arg == key:
                return keyword.value
    return ast.Name(id=key, ctx=ast.Load())  # "%(host)s" % locals(): the key says what it is


def _format(text: str, call: ast.Call) -> list[Part] | None:
    parts: list[Part] = []
    auto = 0
    for literal, field in re.findall(r"((?:[^{}]|\{\{|\}\})*)(\{[^{}]*\})?", text):
        if literal:
            parts.append(literal)
        if not field:
            continue
        name, _, spec = field[1:-1].partition(":")
        name = name.partition("!")[0]
        base = re.split(r"[.\[]", name)[0]
        value: ast.expr | None = None
        if base == "" or base.isdigit():
            position = auto if base == "" else int(base)
            auto += 1
            if position < len(call.args) and not any(isinstance(arg, ast.Starred) for arg in call.args[: position + 1]):
                value = call.args[position]
            elif call.args and isinstance(call.args[0], ast.Starred):
                value = call.args[0].value
        else:
            value = next((kw.value for kw in call.keywords if kw.arg == base), None)
        if value is None:
            value = ast.Name(id=base or "unknown", ctx=ast.Load())
        if base != name:  # "{0.host}:{0.port}": the field says what it is
            value = ast.Name(id=re.split(r"[.\[]", name)[-1].rstrip("]") or base, ctx=ast.Load())
        parts.append("0x" if spec[-1:] in ("x", "X") else value)
    return parts


def _added(node: ast.BinOp) -> list[Part] | None:
    operands: list[ast.expr] = []
    cursor: ast.expr = node
    while isinstance(cursor, ast.BinOp) and isinstance(cursor.op, ast.Add):
        operands.append(cursor.right)
        cursor = cursor.left
    operands.append(cursor)
    operands.reverse()
    parts: list[Part] = []
    any_text = False
    for operand in operands:
        text = constant_text(operand)
        if text is not None:
            parts.append(text)
            any_text = True
            continue
        inner = template(operand) if isinstance(operand, (ast.JoinedStr, ast.BinOp, ast.Call)) else None
        if inner is not None:
            parts.extend(inner)
            any_text = True
        else:
            parts.append(operand)
    return parts if any_text else None


def is_prose(parts: list[Part]) -> bool:
    """A sentence for people. Request lines and headers have blanks too, but are read by machines."""
    texts = [part for part in parts if isinstance(part, str)]
    whole = "\0".join(texts)
    if (
        _HEADER.search(whole.replace("\0", "x"))
        or "\r\n" in whole
        or re.match(r"^\s*[A-Z][A-Za-z-]+: ?$", texts[0] if texts else "")
    ):
        return bool(re.match(r"^\s*[A-Z][A-Za-z-]+: ?$", texts[0])) and not _HEADER.search(whole.replace("\0", "x"))
    return bool(re.search(r"[A-Za-z]{2,}[,.:;!]?[ \t]+(?:$|[A-Za-z(\0'\"\[<h])", whole)) or bool(
        re.search(r"\0[^\0]*[ \t]+[(\[]?[A-Za-z]{2,}", "\0" + whole)
    )
