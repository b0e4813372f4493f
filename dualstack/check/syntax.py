"""Small questions about syntax trees that every rule asks: last name, constant text, words of a name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

__all__ = (
    "FUNCTIONS",
    "SCOPES",
    "argument",
    "chain",
    "constant_text",
    "direct_walk",
    "last_name",
    "names_in",
    "terminates",
    "text_parts",
    "unwrap",
    "words",
)

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Module)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(maxsize=8192)
def words(name: str) -> frozenset[str]:
    """The lower-case words of an identifier: ``bindHost_addr6`` -> bind, host, addr, 6."""
    return frozenset(word.lower() for word in _WORD.findall(name))


def last_name(node: ast.AST | None) -> str:
    """``socket`` of ``self.mod.socket``, ``host`` of ``config["host"]``, ``name`` of ``f(x).name``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Subscript):
        key = node.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return key.value
        return last_name(node.value)
    if isinstance(node, ast.Call):
        called = last_name(node.func)
        # `d.get("host")` and `getattr(o, "host", None)` are names in disguise, as is str(host).
        if called in ("get", "getattr", "pop", "str", "int", "repr", "bytes", "text_type", "setdefault"):
            for arg in node.args:
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str):
                    return arg.value
            if called in ("str", "int", "repr", "bytes", "text_type") and node.args:
                return last_name(node.args[0])
        if called in (
            "strip",
            "lower",
            "decode",
            "encode",
            "upper",
            "rstrip",
            "lstrip",
            "format",
        ) and isinstance(node.func, ast.Attribute):
            return last_name(node.func.value)
        return called
    if isinstance(node, (ast.Await, ast.Starred, ast.FormattedValue)):
        return last_name(node.value)
    if isinstance(node, ast.BoolOp):
        return last_name(node.values[0])
    if isinstance(node, ast.IfExp):
        return last_name(node.body)
    return ""


def chain(node: ast.AST) -> list[str] | None:
    """``["self", "mod", "socket"]`` of a dotted expression, None when it is not one."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    parts.reverse()
    return parts


def constant_text(node: ast.AST | None) -> str | None:
    """The text of a string or bytes literal."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, bytes):
            return node.value.decode("latin-1")
    return None


def text_parts(node: ast.AST) -> Iterator[str]:
    """Every string literal inside *node*, also the fixed parts of f-strings."""
    for inner in ast.walk(node):
        text = constant_text(inner)
        if text is not None:
            yield text


def argument(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    """The argument passed at *position* or as *keyword*; None when it is not passed or behind a star."""
    for kw in call.keywords:
        if kw.arg == keyword:
            return kw.value
    if position < 0:
        return None
    for index, arg in enumerate(call.args):
        if isinstance(arg, ast.Starred):
            return None
        if index == position:
            return arg
    return None


def unwrap(node: ast.expr | None) -> ast.expr | None:
    """Without await, and without a trailing [:2] or tuple()/list() around it."""
    while isinstance(node, ast.Await):
        node = node.value
    return node


def names_in(node: ast.AST) -> Iterator[str]:
    """Every identifier used inside *node*, attributes included."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.attr


def direct_walk(scope: ast.AST) -> Iterator[ast.AST]:
    """Walk *scope* without entering the functions and classes inside it (they themselves are yielded)."""
    stack = list(ast.iter_child_nodes(scope))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, SCOPES):
            stack.extend(ast.iter_child_nodes(node))


def terminates(body: list[ast.stmt]) -> bool:
    """The block never falls through: what follows it runs only when it was not entered."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return True
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return last_name(last.value.func) in ("exit", "_exit", "abort", "skip", "skipTest", "fail", "die")
    if isinstance(last, ast.If):
        return bool(last.orelse) and terminates(last.body) and terminates(last.orelse)
    return False
