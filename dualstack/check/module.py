"""One file as the rules see it: tree, imports, parents, scopes, and where to report.

Parents are linked only for what the engine visited (see ``engine``); the facts of a function link the rest of
it when they are first asked for.
"""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterator

from .facts import Facts, gather
from .model import Edit, Finding, Related, Span
from .names import Names
from .syntax import SCOPES, constant_text, last_name

__all__ = ("Module", "twin_key")

_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_SIX = re.compile(r"_?(?:ip_?v?6|inet_?6|v6)|(?<=[A-Za-z_])6(?!\d)", re.IGNORECASE)
_FOUR = re.compile(r"_?(?:ip_?v?4|inet_?4|v4|af_inet|inet)|(?<=[A-Za-z_])4(?!\d)", re.IGNORECASE)
_IP = re.compile(r"_?ip(?![a-z])", re.IGNORECASE)


# utils6.py holds other things than utils.py; udp6.py is udp.py once more.
_SAYS_NOTHING = frozenset(
    (
        "utils",
        "util",
        "common",
        "base",
        "core",
        "main",
        "helpers",
        "misc",
        "config",
        "const",
        "constants",
        "test",
        "py",
    )
)


def twin_key(name: str) -> str | None:
    """What is left of a name that says IPv6 when that is taken out; None for other names."""
    shorter = _SIX.sub("", name, count=1)
    return shorter.lower().strip("_") if shorter != name else None


class Module:
    """A parsed file and the answers about it that more than one rule needs."""

    def __init__(self, path: str, text: str, tree: ast.Module, names: Names, *, sibling_twin: bool = False) -> None:
        self.path = path
        self.text = text
        self.lines: list[str] = text.split("\n")
        self.tree = tree
        self.names = names
        self.sibling_twin = sibling_twin  # udp6.py stands beside udp.py
        self.parents: dict[ast.AST, ast.AST] = {}
        self.findings: list[Finding] = []
        self._facts: dict[ast.AST, Facts] = {}
        self._definitions: set[str] | None = None
        self._twin_keys: set[str] | None = None
        self._callers: dict[str, list[ast.Call]] | None = None
        self._module_values: dict[str, list[ast.expr]] | None = None
        self._reported: set[tuple[str, int, int]] = set()

    # -- shape ---------------------------------------------------------------------------------------

    def ancestors(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """(child, parent) pairs from *node* up to the module."""
        child = node
        while True:
            parent = self.parents.get(child)
            if parent is None:
                return
            yield child, parent
            child = parent

    def scope(self, node: ast.AST) -> ast.AST:
        """The innermost function or lambda around *node*, else the class, else the module.

        A lambda is looked through: it reads its surroundings.
        """
        for _, parent in self.ancestors(node):
            if isinstance(parent, SCOPES) and not isinstance(parent, ast.Lambda):
                return parent
        return self.tree

    def function(self, node: ast.AST) -> ast.AST:
        """The innermost def around *node*, else the module."""
        for _, parent in self.ancestors(node):
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return parent
        return self.tree

    def enclosing_class(self, node: ast.AST) -> ast.ClassDef | None:
        for _, parent in self.ancestors(node):
            if isinstance(parent, ast.ClassDef):
                return parent
        return None

    def statement(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.stmt):
            return node
        for _, parent in self.ancestors(node):
            if isinstance(parent, ast.stmt):
                return parent
        return node

    def real_name(self, node: ast.AST) -> str:
        """The last name of an expression before the renaming of its import: AF_INET for V4."""
        if isinstance(node, ast.Name):
            dotted = self.names.imported(node.id)
            return dotted.rpartition(".")[2] if dotted is not None else node.id
        return last_name(node)

    def facts(self, scope: ast.AST) -> Facts:
        found = self._facts.get(scope)
        if found is None:
            found = self._facts[scope] = gather(scope, self.parents)
        return found

    def facts_at(self, node: ast.AST) -> Facts:
        """Facts of the innermost def around *node* (of the module's own level outside of any)."""
        return self.facts(self.function(node))

    # -- names ---------------------------------------------------------------------------------------

    @property
    def definitions(self) -> set[str]:
        if self._definitions is None:
            self._definitions = set(_DEFINITION.findall(self.text))
        return self._definitions

    def has_named_twin(self, name: str) -> bool:
        """Whether the file defines the IPv6 form of this function or class name."""
        if self._twin_keys is None:
            keys = (twin_key(defined) for defined in self.definitions)
            self._twin_keys = {key for key in keys if key is not None}
        if not self._twin_keys or twin_key(name) is not None:
            return False
        low = name.lower()
        forms = {low.strip("_"), _FOUR.sub("", low, count=1).strip("_"), _IP.sub("", low, count=1).strip("_")}
        return not forms.isdisjoint(self._twin_keys)

    def callers(self, name: str) -> list[ast.Call]:
        """Every call in the file whose last name is *name*."""
        if self._callers is None:
            self._callers = defaultdict(list)
            stack: list[ast.AST] = [self.tree]
            while stack:
                node = stack.pop()
                for child in ast.iter_child_nodes(node):
                    self.parents[child] = node
                    stack.append(child)
                if isinstance(node, ast.Call):
                    self._callers[last_name(node.func)].append(node)
        return self._callers.get(name, [])

    def module_values(self, name: str) -> list[ast.expr]:
        """What is assigned to *name* at the top level of the file."""
        if self._module_values is None:
            self._module_values = defaultdict(list)
            for stmt in self.tree.body:
                self._collect_values(stmt)
        return self._module_values.get(name, [])

    def _collect_values(self, stmt: ast.stmt) -> None:
        values = self._module_values
        if values is None:
            return
        if isinstance(stmt, ast.Assign):
            for target in stmt.targets:
                if isinstance(target, ast.Name):
                    values[target.id].append(stmt.value)
        elif isinstance(stmt, ast.AnnAssign):
            if isinstance(stmt.target, ast.Name) and stmt.value is not None:
                values[stmt.target.id].append(stmt.value)
        elif isinstance(stmt, (ast.If, ast.Try)):
            for block in (stmt.body, stmt.orelse, getattr(stmt, "finalbody", [])):
                for inner in block:
                    self._collect_values(inner)
            for handler in getattr(stmt, "handlers", []):
                for inner in handler.body:
                    self._collect_values(inner)

    def text_of(self, node: ast.expr | None, near: ast.AST) -> str | None:
        """The text an expression is known to have: a literal, or a name bound to one literal only."""
        text = constant_text(node)
        if text is not None or node is None:
            return text
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            return self._class_constant(node.attr, near)
        if not isinstance(node, ast.Name):
            return None
        stores = self.facts_at(near).stores.get(node.id)
        if stores:
            texts = {constant_text(store.value) if not store.path else None for store in stores}
            return next(iter(texts)) if len(texts) == 1 else None
        values = {constant_text(value) for value in self.module_values(node.id)}
        return next(iter(values)) if len(values) == 1 else None

    def _class_constant(self, name: str, near: ast.AST) -> str | None:
        owner = self.enclosing_class(near)
        if owner is None:
            return None
        texts: set[str | None] = set()
        for node in ast.walk(owner):
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, (ast.Name, ast.Attribute)) and last_name(target) == name:
                        texts.add(constant_text(node.value))
                    elif isinstance(target, (ast.Tuple, ast.List)) and name in map(last_name, target.elts):
                        texts.add(None)
        return next(iter(texts)) if len(texts) == 1 else None

    # -- places --------------------------------------------------------------------------------------

    def span(self, node: ast.AST) -> Span:
        line = getattr(node, "lineno", 1)
        end_line = getattr(node, "end_lineno", None) or line
        return Span(
            line,
            self.column(line, getattr(node, "col_offset", 0)),
            end_line,
            self.column(end_line, getattr(node, "end_col_offset", None) or 0),
        )

    def column(self, line: int, offset: int) -> int:
        """ast counts UTF-8 bytes from 0; people and editors count characters from 1."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        if text.isascii():
            return offset + 1
        return len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore")) + 1

    def source(self, node: ast.AST) -> str:
        """The exact text of *node*."""
        span = self.span(node)
        first, last = span.line - 1, span.end_line - 1
        if first == last:
            return self.lines[first][span.column - 1 : span.end_column - 1]
        middle = self.lines[first + 1 : last]
        return "\n".join([self.lines[first][span.column - 1 :], *middle, self.lines[last][: span.end_column - 1]])

    def report(
        self,
        rule: str,
        node: ast.AST,
        message: str,
        hint: str = "",
        *,
        strict: bool = False,
        edits: tuple[Edit, ...] = (),
        related: tuple[tuple[ast.AST, str], ...] = (),
    ) -> None:
        """Record a finding; the same code twice at one place is one finding."""
        span = self.span(node)
        key = (rule, span.line, span.column)
        if key in self._reported:
            return
        self._reported.add(key)
        places = []
        for other, text in related:
            at = self.span(other)
            places.append(Related(at.line, at.column, text))
        self.findings.append(Finding(self.path, span, rule, message, hint, strict, 0, edits, tuple(places)))


def sibling_twin_exists(path: str, listing: frozenset[str] | None = None) -> bool:
    """Whether ``udp6.py`` or ``udp_ipv6.py`` stands beside ``udp.py``."""
    folder, name = os.path.split(path)
    stem = name.rpartition(".")[0]
    if not stem or stem.lower() in _SAYS_NOTHING or twin_key(stem) is not None:
        return False
    if listing is None:
        try:
            listing = frozenset(os.listdir(folder or "."))
        except OSError:
            return False
    low = stem.lower()
    forms = {low.strip("_"), _FOUR.sub("", low, count=1).strip("_")}
    return any(other.endswith(".py") and "6" in other and twin_key(other[:-3]) in forms for other in listing)
