"""What one function says about families, brackets and variables, gathered in one walk.

Rules ask many questions about the function around a suspicious line: is AF_INET6 named here, are brackets
put around hosts, what was this variable assigned, where is it used. One walk answers all of them, and it is
made only for functions that hold a candidate, which keeps clean files cheap.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .syntax import FUNCTIONS, SCOPES, constant_text, direct_walk, last_name

__all__ = ("Facts", "Store", "gather", "has_bracket_text", "says_v4", "says_v6", "strong_v4", "strong_v6")

_V6_WORD = re.compile(r"ip_?v?_?6|inet_?6|in6_?|(?:^|_)v_?6(?:_|$)|[Vv]6(?:$|_|[A-Z])|(?<![\d])_?6$", re.IGNORECASE)
_V4_WORD = re.compile(r"ip_?v?_?4(?!\d)|inet_?4|(?:^|_)v_?4(?:_|$)|v4(?:$|_)", re.IGNORECASE)
# md6, base16, utf16, py36, x86, sha256: digits that end in 6 and have nothing to do with IP.
_NOT_V6 = re.compile(r"(?:\d6|md6|base6|x86|b6|crc6|sse6|h26)$", re.IGNORECASE)
_BRACKETED = re.compile(
    r"^\[$|^\]$|^\[\]$|\[(?:%s|%r|\{[^{}\]]*\})\]|^\]:|//\[$|@\[$|[: ]\[$|\[\s*\]|^\[::|^\]:?%[ds]|\\\[.+\\\]"
)


class Store(NamedTuple):
    """One way a variable gets its value: ``path`` picks the element, ``kind`` says by which statement."""

    kind: str  # assign, iter, with, param
    value: ast.expr | None
    path: tuple[int, ...]
    node: ast.AST


class Facts:
    """Everything gathered about one scope; see the module docstring."""

    __slots__ = (
        "brackets",
        "calls",
        "colons",
        "identifiers",
        "loads",
        "stores",
        "strings",
        "v4",
        "v6",
        "weak_v6",
    )

    def __init__(self) -> None:
        self.v4: list[ast.AST] = []  # AF_INET, IPv4Address, IP_TTL...
        self.v6: list[ast.AST] = []  # AF_INET6, IPv6Address, IPV6_*...
        self.weak_v6: bool = False  # an identifier such as use_ipv6 or host6
        self.brackets: bool = False  # "[%s]:%d", "[" + host + "]", strip("[]")
        self.colons: list[ast.AST] = []  # tests such as ":" in host
        self.identifiers: set[str] = set()
        self.strings: set[str] = set()
        self.loads: dict[str, list[ast.Name]] = defaultdict(list)
        self.stores: dict[str, list[Store]] = defaultdict(list)
        self.calls: dict[str, list[ast.Call]] = defaultdict(list)


def strong_v6(name: str) -> bool:
    """Names that only IPv6 code uses."""
    return name.startswith(("AF_INET6", "PF_INET6", "IPV6_", "IPPROTO_IPV6", "IPv6", "in6addr_")) or name in (
        "ZMQ_IPV6",
        "has_dualstack_ipv6",
        "dualstack_ipv6",
        "HAS_IPV6",
        "has_ipv6",
        "HAS_V6",
    )


def strong_v4(name: str) -> bool:
    """The IPv4 counterpart of ``strong_v6``."""
    return name in (
        "AF_INET",
        "PF_INET",
        "IPv4Address",
        "IPv4Network",
        "IPv4Interface",
        "inet_aton",
        "inet_ntoa",
    )


def says_v6(name: str) -> bool:
    """An identifier that speaks of IPv6: ``use_ipv6``, ``host6``, ``is_v6``."""
    return "6" in name and bool(_V6_WORD.search(name)) and not _NOT_V6.search(name)


def says_v4(name: str) -> bool:
    """An identifier that speaks of IPv4: ``is_ipv4``, ``addr_v4``."""
    return "4" in name and bool(_V4_WORD.search(name))


def has_bracket_text(text: str) -> bool:
    """A literal that puts or takes the brackets of ``[::1]:80``."""
    return len(text) < 200 and ("[" in text or "]" in text) and bool(_BRACKETED.search(text))


def gather(scope: ast.AST, parents: dict[ast.AST, ast.AST]) -> Facts:
    """Walk *scope* (a module only at its own level), link parents on the way and collect."""
    facts = Facts()
    nodes: Iterable[ast.AST]
    if isinstance(scope, ast.Module):
        nodes = direct_walk(scope)
    else:
        nodes = _linked_walk(scope, parents)
        if isinstance(scope, FUNCTIONS):
            for arg in _arguments(scope.args):
                facts.stores[arg.arg].append(Store("param", None, (), arg))
                if says_v6(arg.arg):
                    facts.weak_v6 = True
    for node in nodes:
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                facts.loads[node.id].append(node)
            _identifier(facts, node.id, node)
        elif isinstance(node, ast.Attribute):
            _identifier(facts, node.attr, node)
        elif isinstance(node, ast.Constant):
            text = constant_text(node)
            if text is not None and len(text) < 200:
                facts.strings.add(text)
                if has_bracket_text(text):
                    facts.brackets = True
        elif isinstance(node, ast.JoinedStr):
            if _bracket_fstring(node):
                facts.brackets = True
        elif isinstance(node, ast.Call):
            facts.calls[last_name(node.func)].append(node)
            for keyword in node.keywords:
                if keyword.arg and says_v6(keyword.arg):
                    facts.weak_v6 = True
        elif isinstance(node, ast.Compare):
            if isinstance(node.ops[0], (ast.In, ast.NotIn)) and constant_text(node.left) in (":", "::"):
                facts.colons.append(node)
        else:
            _store(facts, node)
    return facts


def _identifier(facts: Facts, name: str, node: ast.AST) -> None:
    facts.identifiers.add(name)
    if strong_v4(name):
        facts.v4.append(node)
    elif strong_v6(name):
        facts.v6.append(node)
        facts.weak_v6 = True
    elif says_v6(name):
        facts.weak_v6 = True


def _store(facts: Facts, node: ast.AST) -> None:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            _bind(facts, "assign", target, node.value, (), node)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        if node.value is not None:
            _bind(facts, "assign", node.target, node.value, (), node)
    elif isinstance(node, ast.AugAssign):
        _bind(facts, "augmented", node.target, node.value, (), node)
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        _bind(facts, "iter", node.target, node.iter, (), node)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        _bind(facts, "with", node.optional_vars, node.context_expr, (), node)


def _bind(facts: Facts, kind: str, target: ast.expr, value: ast.expr, path: tuple[int, ...], node: ast.AST) -> None:
    if isinstance(target, ast.Name):
        facts.stores[target.id].append(Store(kind, value, path, node))
    elif isinstance(target, (ast.Tuple, ast.List)):
        for index, element in enumerate(target.elts):
            if isinstance(element, ast.Starred):
                return  # positions after a star are unknown
            _bind(facts, kind, element, value, (*path, index), node)


def _arguments(args: ast.arguments) -> Iterator[ast.arg]:
    yield from args.posonlyargs
    yield from args.args
    yield from args.kwonlyargs


def _bracket_fstring(node: ast.JoinedStr) -> bool:
    """``f"[{host}]:{port}"``: a literal ends in "[" before a value and the next begins with "]"."""
    before = ""
    for index, part in enumerate(node.values):
        text = constant_text(part)
        if text is not None:
            before = text
        elif before.endswith("["):
            after = constant_text(node.values[index + 1]) if index + 1 < len(node.values) else ""
            if after and after.startswith("]"):
                return True
        else:
            before = ""
    return False


def _linked_walk(scope: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    stack = [scope]
    while stack:
        node = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)):
                continue
            parents[child] = node
            stack.append(child)
        if node is not scope or not isinstance(scope, SCOPES):
            yield node
