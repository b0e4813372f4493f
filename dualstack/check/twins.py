"""Whether IPv6 is already taken care of near a line that says IPv4.

Problem: half of all lines with AF_INET are right, because the IPv6 half stands beside them: in the else
branch, in the except handler, in the next element of the tuple, in a function called ``get_ipv6``.
Naive way: "AF_INET6 appears somewhere in the file" hides real defects, because one careful function does not
repair its neighbours. Our rule: a twin counts when it is *in reach*. Reach is

* the same statement (tuple, conditional expression, dict);
* another branch of an if/match/try around the line, or a test on the family around it;
* the rest of the function, but a mention of AF_INET6 belongs to the AF_INET nearest to it in the tree: a
  careful try/except at the end of a function does not excuse a socket at its start;
* a function, class or file of the same name with a 6 in it, or a subclass that sets AF_INET6.

Functions that say IPv4 in their own name (``is_ipv4``), and protocols that have no IPv6 form (ARP, IGMP,
DHCPv4, SOCKS4, FTP's PASV, Wake-on-LAN) are taken at their word.
"""

from __future__ import annotations

import ast
import re

from .facts import says_v4, says_v6, strong_v4, strong_v6
from .module import Module
from .syntax import constant_text, last_name, names_in, terminates

__all__ = ("in_family_branch", "is_family_test", "mentions_v6", "v4_by_name", "v6_in_reach")

_V4_NAME = re.compile(r"ip_?v4|ip4|inet4|(?:^|_)v4|[a-z]V4|v4$|IPv?4", re.ASCII)
_V4_PROTOCOL = re.compile(
    r"(?:^|[_./])(?:arp|igmp|dhcp|bootp|socks4a?|pasv|wol|natpmp|nat_pmp)(?:$|[_./]|\.py)|[Ss]ocks4|SOCKS4|makeport|parse227|"
    r"wake_?on_?lan|magic_packet|[Dd]hcp(?!.?v?6)|DHCP(?!.?v?6)|IGMP|ARP(?:$|[A-Z_])",
)
_RECORD_A = re.compile(r"(?:^|_)[aA](?:_|$)")
_RECORD_AAAA = re.compile(r"def \w*(?:AAAA|aaaa)")
_FAMILY_NAME = re.compile(
    r"^(?:sock_|address_|addr_|socket_|ip_|_)*(?:family|af|fam|ipver|ipversion|ip_version|addrtype|atyp|atype)$",
    re.I,
)


def mentions_v6(node: ast.AST) -> bool:
    """The subtree uses IPv6 by name, or by the text of an address."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            if "6" in inner.id and (strong_v6(inner.id) or says_v6(inner.id)):
                return True
        elif isinstance(inner, ast.Attribute):
            if "6" in inner.attr and (strong_v6(inner.attr) or says_v6(inner.attr)):
                return True
        elif isinstance(inner, ast.Constant):
            text = constant_text(inner)
            if (
                text is not None
                and len(text) < 60
                and (("::" in text and _address_like(text)) or text.lower() in _V6_TEXTS)
            ):
                return True
        elif isinstance(inner, ast.keyword) and inner.arg and says_v6(inner.arg):
            return True
    return False


_V6_TEXTS = {"ipv6", "inet6", "tcp6", "udp6", "ip6", "af_inet6", "v6"}


def _address_like(text: str) -> bool:
    return bool(re.fullmatch(r"\[?[0-9a-fA-F:.]*::[0-9a-fA-F:.]*(?:%\w+)?\]?(?::\d*)?", text))


def is_family_test(test: ast.AST) -> bool:
    """An expression that asks which family something is of."""
    for name in names_in(test):
        if strong_v4(name) or strong_v6(name) or says_v6(name) or says_v4(name):
            return True
    for inner in ast.walk(test):
        if isinstance(inner, ast.Compare):
            sides = [inner.left, *inner.comparators]
            named = any(_FAMILY_NAME.match(last_name(side)) or "version" in last_name(side).lower() for side in sides)
            if named and any(
                isinstance(side, ast.Constant) and side.value in (4, 6, 1, 10, "4", "6") for side in sides
            ):
                return True
            if any(
                (constant_text(side) or "").lower() in ("ipv4", "ipv6", "inet", "inet6", "tcp4", "tcp6")
                for side in sides
            ):
                return True
    return False


def v4_by_name(module: Module, node: ast.AST) -> bool:
    """A function, class or file around *node* says in its name that it is about IPv4 only."""
    for _, parent in module.ancestors(node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and (
            _V4_NAME.search(parent.name) or _V4_PROTOCOL.search(parent.name)
        ):
            return True
    return bool(_V4_PROTOCOL.search(module.path.replace("\\", "/").rpartition("/")[2]))


def v6_in_reach(module: Module, node: ast.AST, *, named: bool = True) -> bool:
    """See the module docstring. *named* False leaves out what is only said by the name of the function."""
    if module.sibling_twin:
        return True
    if named and v4_by_name(module, node):
        return True
    for child, parent in module.ancestors(node):
        if _beside(child, parent):
            return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if module.has_named_twin(parent.name) or _paired(module, node, parent):
                return True
            if _RECORD_A.search(parent.name) and _RECORD_AAAA.search(module.text):
                return True  # DNS speaks of A and AAAA
        elif isinstance(parent, ast.ClassDef):
            if module.has_named_twin(parent.name) or _subclass_twin(module, parent):
                return True
        elif isinstance(parent, ast.Module) and isinstance(child, ast.stmt) and not isinstance(child, ast.ClassDef):
            return _module_pair(module, node, child)
    return False


def _beside(child: ast.AST, parent: ast.AST) -> bool:
    """Whether *parent* holds the twin of *child* in another of its parts."""
    if isinstance(parent, (ast.If, ast.IfExp)):
        if child is parent.test:
            return False
        if is_family_test(parent.test) or _record_test(parent.test):
            return True
        others = [parent.body, parent.orelse] if isinstance(parent, ast.IfExp) else [*parent.body, *parent.orelse]
        mine = _branch(child, parent)
        return any(_strong(other) for other in others if other is not child and _branch(other, parent) != mine)
    if isinstance(parent, ast.Try):
        blocks = [*parent.handlers, *parent.orelse] if child in parent.body else parent.body
        return any(mentions_v6(other) for other in blocks if other is not child)
    if isinstance(parent, ast.ExceptHandler):
        return False
    if isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension)):
        return child is not parent.iter and mentions_v6(parent.iter)
    if isinstance(parent, (ast.GeneratorExp, ast.ListComp, ast.SetComp)):
        if child is not parent.elt:
            return False
        return any(mentions_v6(g.iter) or any(is_family_test(test) for test in g.ifs) for g in parent.generators)
    if isinstance(parent, ast.match_case):
        return False
    if isinstance(parent, ast.Match):
        return any(mentions_v6(case) for case in parent.cases if case is not child)
    if isinstance(parent, ast.BoolOp):
        return any(is_family_test(value) for value in parent.values if value is not child)
    if isinstance(parent, (ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Compare, ast.Call, ast.keyword, ast.BinOp)):
        return any(mentions_v6(other) for other in ast.iter_child_nodes(parent) if other is not child)
    return False


def _strong(node: ast.AST) -> bool:
    """IPv6 itself, not only a helper with IPv6 in its name: wrapping brackets resolves nothing."""
    if any(strong_v6(name) for name in names_in(node)):
        return True
    return any(
        isinstance(inner, ast.Constant) and "::" in text and _address_like(text)
        for inner in ast.walk(node)
        if (text := constant_text(inner)) is not None and len(text) < 60
    )


def in_family_branch(module: Module, node: ast.AST) -> bool:
    """The line runs for one family only: it is behind a test of the family, or after one that left."""
    for child, parent in module.ancestors(node):
        if isinstance(parent, (ast.If, ast.IfExp)) and child is not parent.test and is_family_test(parent.test):
            return True
        if isinstance(parent, ast.Match) and is_family_test(parent):
            return True
        for block in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
            if isinstance(block, list) and child in block:
                for stmt in block[: block.index(child)]:
                    if isinstance(stmt, ast.If) and terminates(stmt.body) and is_family_test(stmt.test):
                        return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return module.has_named_twin(parent.name)
    return False


def _record_test(test: ast.AST) -> bool:
    """``if kind is QueryType.A``: DNS records of type A hold IPv4 addresses, those of type AAAA the others."""
    return isinstance(test, ast.Compare) and any(
        isinstance(side, ast.Attribute) and side.attr in ("A", "AAAA") for side in [test.left, *test.comparators]
    )


def _branch(child: ast.AST, parent: ast.If | ast.IfExp) -> bool:
    if isinstance(parent, ast.IfExp):
        return child is parent.body
    return any(child is stmt for stmt in parent.body)


def _paired(module: Module, node: ast.AST, function: ast.AST) -> bool:
    """An AF_INET6 in this function that belongs to no other AF_INET more closely than to *node*."""
    facts = module.facts(function)
    if not facts.v6:
        return False
    mine = _path(module, node, function)
    rivals = [_path(module, other, function) for other in facts.v4[:40] if not _within(mine, other)]
    for twin in facts.v6[:40]:
        theirs = _path(module, twin, function)
        depth = _common(mine, theirs)
        if all(_common(rival, theirs) <= depth for rival in rivals):
            return True
    return False


def _path(module: Module, node: ast.AST, top: ast.AST) -> list[ast.AST]:
    path = [node]
    for _, parent in module.ancestors(node):
        if parent is top:
            break
        path.append(parent)
    path.reverse()
    return path


def _within(path: list[ast.AST], other: ast.AST) -> bool:
    return any(other is step for step in path)


def _common(one: list[ast.AST], two: list[ast.AST]) -> int:
    depth = 0
    for left, right in zip(one, two):  # noqa: B905 - paths differ in length by design
        if left is not right:
            break
        depth += 1
    return depth


def _subclass_twin(module: Module, owner: ast.ClassDef) -> bool:
    """``class V6Server(Server): address_family = AF_INET6`` in the same file."""
    if "INET6" not in module.text:
        return False
    for stmt in module.tree.body:
        if (
            isinstance(stmt, ast.ClassDef)
            and stmt is not owner
            and any(last_name(base) == owner.name for base in stmt.bases)
            and any(strong_v6(name) for name in names_in(stmt))
        ):
            return True
    return False


def _module_pair(module: Module, node: ast.AST, child: ast.stmt) -> bool:
    """At the top level, only a statement close by counts: the next or the one before."""
    body = module.tree.body
    try:
        index = body.index(child)
    except ValueError:
        return False
    if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    near = [*body[max(0, index - 2) : index], *body[index + 1 : index + 3]]
    return any(
        mentions_v6(stmt)
        for stmt in near
        if not isinstance(stmt, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    )
