"""Where a text ends up: read by a machine or by a person.

Problem: ``"%s:%d" % (host, port)`` is broken as a URL, a Host header or a connect string (``::1:80`` means
something else) and harmless in a log line. Naive way: flag the format, and be wrong half of the time. Our
rule: follow the text outward and through local variables to where it is used. Log calls, messages,
exceptions, comparisons, dictionary keys and prose silence it. What is left out: other functions; a text that
is returned or kept in an attribute counts as used, unless the name says that it is for people.
"""

from __future__ import annotations

import ast
import re

from .module import Module
from .syntax import constant_text, last_name
from .templates import is_prose, template

__all__ = ("sink",)

_LOG_CALLS = {
    "debug", "info", "warning", "warn", "error", "exception", "critical", "log", "fatal", "msg", "notice",
    "trace", "print", "pprint", "echo", "secho", "vlog", "verbose", "die", "fail", "abort", "display",
    "success", "status", "report", "progress", "notify", "prompt", "set_title", "write_line", "writeln",
    "announce", "set_description", "print_error", "output", "puts", "printf", "explain", "out", "err",
    "show", "log_message", "log_info", "log_error", "log_debug", "logger", "_log", "panic", "annotate",
    "add_note", "set_status", "setStatus", "eprint", "rprint", "bus", "deprecated", "vv", "vvv", "vvvv",
    "vvvvv", "v", "skip", "skipTest", "exit", "set_name", "setName", "set_tag", "set_attribute",
    "setproctitle", "getLogger", "get_logger", "input", "confirm", "verbose1", "vdebug", "log_event",
    "assertEqual", "assertIn", "assertTrue", "assertFalse", "assertNotEqual", "assertRegex",
    "assertRaisesRegex", "assertEquals", "print_info", "print_success", "print_warning", "logg", "ok",
    "set_text", "setText", "set_label", "set_markup", "setWindowTitle", "setToolTip", "set_tooltip_text",
    "warnings", "infoMsg", "singleTimeWarnMessage", "print_status", "print_good",
}  # fmt: skip
_TRANSPARENT = {
    "str", "encode", "decode", "format", "join", "strip", "lower", "upper", "bytes", "rstrip", "lstrip",
    "u", "b", "_", "unicode", "text_type", "to_bytes", "to_native", "to_text", "ensure_str", "ensure_text",
    "ensure_binary", "fspath", "native", "force_bytes", "style", "colored", "bold", "replace", "ascii",
    "tuple", "list", "title", "highlight", "escape", "repr", "append", "extend", "add", "insert",
    "native_str", "s2b", "as_bytes", "ljust", "rjust", "center", "color", "red", "green", "yellow", "blue",
    "cyan", "ngettext", "gettext", "Text", "ngettext_lazy", "dict",
}  # fmt: skip
_MESSAGE_NAME = re.compile(
    r"(?:^|_)(?:msg|message|messages|desc|description|label|title|text|repr|log|logs|display|caption|error|err|errors|reason|banner|prompt|help|"
    r"summary|detail|details|doc|status|comment|note|warning|fmt|output|out|name|names|ident|identifier|key|id|uid|tag|line|lines|buf|usage|info|"
    r"string|str|prefix|header_text|hint|verbose|debug|print|report|table|row|rows|fingerprint|cache_key|hash|stats|metric|metrics|connid|threadname|"
    r"procname|representation|peer_?name|pretty|readable|human|labels|cn|subject|colou?r|progress)$",
    re.IGNORECASE,
)
_MESSAGE_FUNCTION = re.compile(
    r"^log|^__(?:repr|str|unicode|format|hash|rich_repr)__$|(?:^|_)(?:repr|str|describe|description|display|label|log|message|summary|usage|help|banner|to_?s|"
    r"tostring|info|show|print|pretty|format_log|debug|status|name|get_name|ident|key|id|__str|__repr|title|report|stats|human|text|error)$",
    re.IGNORECASE,
)
# A connection string is read by a machine, whatever else a "string" may be.
_MACHINE_NAME = re.compile(
    r"(?:conn|connect|connection|dsn|url|uri|bind|broker|endpoint|netloc|server|listen|amqp|jdbc|database|db)_?(?:str|string|info|line)$",
    re.IGNORECASE,
)
_IDENTITY_FUNCTION = re.compile(
    r"(?:^|_)(?:repr|id|key|label|describe|description|ident|cachekey|fingerprint)(?:_|$)", re.IGNORECASE
)
_IDENTITY_NAME = re.compile(
    r"(?:^|_)(?:id|key|ident|identifier|name|label|tag|desc|description|title|msg|message|errmsg)$",
    re.IGNORECASE,
)
_ERROR_NAME = re.compile(
    r"(?:Error|Exception|Warning|Failure|Fault|Timeout|Refused|Unreachable|Exit|Abort|Interrupt)s?$|^(?:error|exc|fail|Raise|raise_)|"
    r"^(?:Invalid|Unknown|Bad|Missing|Unsupported|Unexpected|Duplicate|Cannot|NoSuch)[A-Z]",
    re.A,
)


def _for_people(name: str) -> bool:
    return bool(_MESSAGE_NAME.search(name)) and not _MACHINE_NAME.search(name)


def sink(module: Module, node: ast.AST, depth: int = 0) -> str | None:
    """Where the text goes: None when only people or comparisons see it, else a word for the message."""
    for child, parent in module.ancestors(node):
        if isinstance(parent, (ast.JoinedStr, ast.FormattedValue)):
            inner = template(parent) if isinstance(parent, ast.JoinedStr) else None
            if inner and is_prose(inner):
                return None
        elif isinstance(parent, ast.BinOp):
            inner = template(parent)
            if inner and is_prose(inner):
                return None
        elif isinstance(parent, ast.keyword):
            if parent.arg and _for_people(parent.arg):
                return None
        elif isinstance(parent, ast.Call):
            found = _call_sink(parent, child)
            if found != "":
                return found
        elif isinstance(parent, (ast.Compare, ast.Raise, ast.Assert, ast.Expr)):
            return None
        elif isinstance(parent, ast.Subscript):
            if child is parent.slice:
                return None
        elif isinstance(parent, ast.Dict):
            if any(child is key for key in parent.keys):
                return None
            key = next((k for k, v in zip(parent.keys, parent.values, strict=True) if v is child), None)
            text = constant_text(key)
            if text is not None:
                return None if _for_people(text) else f"stored as {text!r}"
        elif isinstance(parent, (ast.Return, ast.Yield)):
            function = module.function(parent)
            name = getattr(function, "name", "")
            told = _MESSAGE_FUNCTION.search(name) or _IDENTITY_FUNCTION.search(name)
            if told and not _MACHINE_NAME.search(name):
                return None
            return f"returned by {name}()"
        elif isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign)):
            return _stored(module, parent, depth)
        elif isinstance(parent, ast.stmt):
            return "used here" if not isinstance(parent, (ast.If, ast.While)) else None
    return None


def _call_sink(call: ast.Call, child: ast.AST) -> str | None:
    """ "" to go on outward, None for people, a word for the rest."""
    name = last_name(call.func)
    if child is call.func:
        return "" if name in _TRANSPARENT else None
    low = name.lower()
    if low in ("set_property", "setproperty", "setattr") and any(
        _for_people(constant_text(arg) or "") for arg in call.args
    ):
        return None  # widget.set_property("text", ...)
    if name in _LOG_CALLS or low.startswith(("log", "print", "warn", "debug")) or _ERROR_NAME.search(name):
        return None
    if low == "write" and isinstance(call.func, ast.Attribute):
        owner = last_name(call.func.value).lower()
        return None if re.search(r"out|err|log|stream|file|f$|fp|fd|fh", owner) else "written out"
    if name == "replace" and isinstance(call.func, ast.Attribute):
        return None
    if name in (
        "get",
        "pop",
        "setdefault",
        "startswith",
        "endswith",
        "index",
        "find",
        "remove",
        "discard",
        "count",
        "isinstance",
        "len",
        "hash",
        "register",
        "Thread",
    ):
        owner = last_name(call.func.value).lower() if isinstance(call.func, ast.Attribute) else ""
        if name != "get" or not re.search(r"request|session|http|client|^s$", owner):
            return None
    if name in ("append", "add", "insert", "extend"):
        owner = last_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        return None if _for_people(owner) or owner == "explain" else f"added to {owner}"
    if name in _TRANSPARENT or name == "":
        return ""
    return f"passed to {name}()"


def _stored(module: Module, statement: ast.AST, depth: int) -> str | None:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    answers: list[str | None] = []
    for target in targets:
        if isinstance(target, ast.Name):
            answers.append(_local(module, target.id, statement, depth))
        elif target is not None:
            if isinstance(target, ast.Subscript) and _logging_extra(module, target.value):
                continue
            name = last_name(target)
            answers.append(None if _for_people(name) else f"kept in {name}")
    return next((answer for answer in answers if answer), None)


def _logging_extra(module: Module, node: ast.expr) -> bool:
    """A dictionary that is handed to a logger as extra=."""
    if not isinstance(node, ast.Name):
        return False
    return any(
        isinstance(parent := module.parents.get(use), ast.keyword) and parent.arg == "extra"
        for use in module.facts_at(node).loads.get(node.id, ())
    )


def _local(module: Module, name: str, statement: ast.AST, depth: int) -> str | None:
    """Follow a local variable to all its uses; the first that is not for people decides."""
    if _IDENTITY_NAME.search(name):
        return None
    if depth > 3:
        return f"kept in {name}"
    scope = module.scope(statement)
    if isinstance(scope, (ast.Module, ast.ClassDef)):
        return None if _for_people(name) else f"kept in {name}"
    line = getattr(statement, "lineno", 0)
    uses = [use for use in module.facts(scope).loads.get(name, ()) if use.lineno > line or _in_loop(module, statement)]
    for use in uses[:30]:
        found = sink(module, use, depth + 1)
        if found:
            return found
    return None


def _in_loop(module: Module, node: ast.AST) -> bool:
    return any(isinstance(parent, (ast.For, ast.While, ast.AsyncFor)) for _, parent in module.ancestors(node))
