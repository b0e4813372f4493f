"""Check one text: parse, walk once, run the rules that asked for a node, apply the remarks.

Speed decides the shape. Parsing is done by C and costs about half of the time; the walk is one loop over a
list with the child fields of each node type looked up in a table; files that hold none of the words the
rules live on are not walked at all; rules run after the walk, when all parents are known.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from . import rules
from .model import NOT_CHECKED, Finding, Span
from .module import Module
from .names import Names
from .registry import CALLS, IDENTIFIERS, TYPES, Handler
from .remarks import Remarks

__all__ = ("Unreadable", "check_text", "obeyed", "parse")

# One of these is in every file a rule can have something to say about.
_WORTH_A_WALK = re.compile(
    r"socket|AF_|inet|host|addr|IPv4|asyncio|fork|fcntl|termios|signal_handler|netifaces|psutil|zmq|"
    r"\d\.\d{1,3}\.\d{1,3}\.|\\\.|ioctl|Server|netloc|epoll|kqueue|split\(b?['\"]:|\.port\b|[:{(%]port|unix_|DatagramHandler|count\(['\"]\.|IP_|dualstack:|"
    r"wsgiref|HOST|ADDR|%s:%[ds]|\}:[{\d]|split\(b?['\"]\.|peername|sockname|client_address|recvfrom|select|\.connect\(|\.bind\(|sendto\(|listen|pack\(",
)
_SKIPPED_FIELDS = {
    "ctx", "op", "ops", "id", "attr", "arg", "name", "names", "kind", "type_comment", "module", "level",
    "conversion", "is_async", "simple", "tag", "asname", "rest", "cls", "kwd_attrs", "type_ignores", "str",
}  # fmt: skip
_LARGE = 1_000_000  # characters
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}


class Unreadable(Exception):
    """The text is not Python 3; ``line`` and ``column`` say where that showed."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def parse(text: str) -> ast.Module:
    """Parse or raise Unreadable with a message for the person who runs the checker."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes of other people's files are not our subject
            return ast.parse(text)
    except SyntaxError as error:
        message = error.msg or "invalid syntax"
        if "\0" in text:
            message = "the file holds NUL bytes"
        elif _python2(text, message):
            message = f"not Python 3 ({message}); Python 2 files are not checked"
        else:
            message = f"syntax error: {message}"
        raise Unreadable(message, error.lineno or 1, error.offset or 1) from None
    except ValueError as error:
        raise Unreadable("the file holds NUL bytes" if "null" in str(error) else str(error)) from None
    except (RecursionError, MemoryError):
        raise Unreadable("nested too deeply to be parsed") from None


def _python2(text: str, message: str) -> bool:
    return (
        "Missing parentheses in call to" in message
        or "multiple exception types must be parenthesized" in message
        or "leading zeros in decimal" in message
        or bool(
            re.search(
                r"^\s*print\s+[\"'\w%]|^\s*except\s+\w[\w.]*\s*,\s*\w+\s*:|^\s*exec\s+[\"']|\bur[\"']",
                text,
                re.MULTILINE,
            )
        )
    )


def check_text(path: str, text: str, *, sibling_twin: bool = False) -> list[Finding]:
    """Every finding in *text*, strict ones too, after the remarks in the text were obeyed.

    Raises Unreadable. Which findings are shown (levels, --select, baseline) is decided by the caller, so
    that results can be cached.
    """
    if len(text) > _LARGE and not _WORTH_A_WALK.search(text):
        return []  # a large table without one word of ours: its syntax tree would take hundreds of megabytes
    tree = parse(text)
    if not _WORTH_A_WALK.search(text):
        return []
    module = _make_module(path, text, tree, sibling_twin)
    try:
        for handler, node in _candidates(module):
            handler(module, node)
    except RecursionError:
        raise Unreadable("nested too deeply to be checked") from None
    remarks = Remarks(module)
    return sorted(remarks.filter(module.findings), key=lambda finding: finding.order)


def obeyed(path: str, text: str, findings: Sequence[Finding]) -> list[Finding]:
    """Those of *findings*, however they were made, that no remark in *text* silences. Raises Unreadable."""
    remarks = Remarks(_make_module(path, text, parse(text), False))
    return [finding for finding in remarks.filter(findings) if finding in findings]


def check_tree(path: str, text: str, tree: ast.Module, *, sibling_twin: bool = False) -> list[Finding]:
    """The same for a tree that is parsed already (flake8 hands one over)."""
    module = _make_module(path, text, tree, sibling_twin)
    for handler, node in _candidates(module):
        handler(module, node)
    return sorted(Remarks(module).filter(module.findings), key=lambda finding: finding.order)


def not_checked(path: str, problem: Unreadable) -> Finding:
    """The finding that stands for a file that could not be checked."""
    line, column = max(1, problem.line), max(1, problem.column)
    return Finding(path, Span(line, column, line, column), NOT_CHECKED, problem.message)


def _make_module(path: str, text: str, tree: ast.Module, sibling_twin: bool) -> Module:
    return Module(path, text, tree, _imports(tree), sibling_twin=sibling_twin)


def _imports(tree: ast.Module) -> Names:
    """Every import of the file, functions included; only statements are visited."""
    names = Names()
    stack: list[ast.AST] = list(reversed(tree.body))
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.add(node)
            continue
        for field in ("finalbody", "orelse", "handlers", "cases", "body"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                stack.extend(reversed(block))
    return names


def _fields_of(kind: type[ast.AST]) -> tuple[str, ...]:
    fields = (
        ()
        if kind in (ast.Constant, ast.MatchSingleton)
        else tuple(field for field in kind._fields if field not in _SKIPPED_FIELDS)
    )
    if kind in (ast.keyword, ast.Import, ast.ImportFrom, ast.alias):
        fields = ("value",) if kind is ast.keyword else ("names",) if kind is not ast.alias else ()
    _FIELDS[kind] = fields
    return fields


def _for_types_only(test: ast.expr) -> bool:
    """``if TYPE_CHECKING:``, whose body no program runs."""
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _candidates(module: Module) -> list[tuple[Handler, ast.AST]]:
    """Walk the tree, link parents, and pair each node with the rules that want it."""
    parents = module.parents
    aliases = {alias: dotted.rpartition(".")[2] for alias, dotted in module.names.aliases().items()}
    found: list[tuple[Handler, ast.AST]] = []
    stack: list[ast.AST] = [module.tree]
    wanted: Sequence[Handler]
    while stack:
        node = stack.pop()
        kind = type(node)
        if isinstance(node, ast.Name):
            for handler in IDENTIFIERS.get(aliases.get(node.id, node.id), ()):
                found.append((handler, node))  # noqa: PERF401 - most names have no handler; a generator costs more
            continue
        if isinstance(node, ast.Attribute):
            wanted = IDENTIFIERS.get(node.attr, ())
        elif isinstance(node, ast.Call):
            callee = node.func
            if isinstance(callee, ast.Attribute):
                wanted = CALLS.get(callee.attr, ())
            elif isinstance(callee, ast.Name):
                wanted = CALLS.get(aliases.get(callee.id, callee.id), ())
            else:
                wanted = ()
            wanted = [*wanted, *TYPES[ast.Call]]
        else:
            wanted = TYPES.get(kind, ())
        for handler in wanted:
            found.append((handler, node))  # noqa: PERF401 - as above
        if isinstance(node, ast.If) and _for_types_only(node.test):
            stack.extend(node.orelse)
            for child in node.orelse:
                parents[child] = node
            continue
        for field in _FIELDS.get(kind) or _fields_of(kind):  # pyright: ignore[reportOptionalIterable] - never None
            value = getattr(node, field, None)
            if value.__class__ is list:
                for child in value:  # pyright: ignore[reportOptionalIterable] - never None
                    if child is not None:
                        parents[child] = node
                        stack.append(child)
            elif value is not None:
                parents[value] = node
                stack.append(value)
    return found


_ = rules  # imported so that the rules register themselves
