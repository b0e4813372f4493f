"""How rules say which nodes they want to see.

A rule is a function ``(module, node)`` registered for the last name of a call, for an identifier, or for a
node type. The engine walks the tree once and asks these tables; a rule costs nothing in files that do not
use its words.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from .module import Module

__all__ = ("CALLS", "IDENTIFIERS", "TYPES", "on", "on_call", "on_name")

Handler = Callable[..., None]
_H = TypeVar("_H", bound=Handler)

CALLS: dict[str, list[Callable[[Module, ast.Call], None]]] = defaultdict(list)
IDENTIFIERS: dict[str, list[Callable[[Module, ast.expr], None]]] = defaultdict(list)
TYPES: dict[type[ast.AST], list[Callable[[Module, ast.AST], None]]] = defaultdict(list)


def on_call(*names: str) -> Callable[[_H], _H]:
    """Run for every call whose callee ends in one of *names* (import aliases are looked through)."""

    def register(handler: _H) -> _H:
        for name in names:
            CALLS[name].append(handler)
        return handler

    return register


def on_name(*names: str) -> Callable[[_H], _H]:
    """Run for every name or attribute that is read and ends in one of *names*."""

    def register(handler: _H) -> _H:
        for name in names:
            IDENTIFIERS[name].append(handler)
        return handler

    return register


def on(*types: type[ast.AST]) -> Callable[[_H], _H]:
    """Run for every node of these types."""

    def register(handler: _H) -> _H:
        for kind in types:
            TYPES[kind].append(handler)
        return handler

    return register
