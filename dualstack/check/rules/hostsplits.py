"""DST502: host:port cut apart, at a colon or by a pattern."""

from __future__ import annotations

import ast
import re

from dualstack.check.joins import find_join, is_hostish, is_portish
from dualstack.check.module import Module
from dualstack.check.registry import on, on_call
from dualstack.check.syntax import constant_text, last_name, words
from dualstack.check.twins import v6_in_reach

__all__ = ()

_FALL_APART = ": '[::1]:80' and '::1' fall apart"
_INSTEAD = "use urllib.parse.urlsplit('//' + text) for .hostname and .port, or dualstack.parse(text, default_port)"
_HARDWARE = {"mac", "hwaddr", "ether", "hw", "lladdr", "macaddr", "macaddress", "bssid", "oui", "wwn", "wwpn"}
# Words that also name other things written with a colon: module:attribute, prefix:node, name:target.
_WEAK = {
    "target", "dest", "destination", "src", "dst", "node", "nodename", "interface", "machine", "remote",
    "domain", "server", "servers", "list",
}  # fmt: skip
_PAIR_NAME = re.compile(r"(?:^|_)(?:host|hostname|ip|addr|address|server)_?(?:and_?)?port$", re.IGNORECASE)
_PIECES = {"path", "module", "attr", "attribute", "name", "prefix"}
_NOT_A_HOST = {
    "time", "date", "duration", "path", "line", "header", "auth", "cred", "credential", "credentials",
    "user", "version", "image", "repo", "tag", "uuid", "slot", "pci", "bdf", "volume", "module", "userinfo",
    "password", "hash", "hashes", "fingerprint", "digest", "timestamp", "hours", "timezone", "tz", "range",
    "ranges", "css", "style", "schema", "scheme", "rgb", "color", "colour", "log", "message", "cookie",
    "class", "cls", "ext", "entry", "bytes", "hex", "ref", "refs", "iqn", "jid", "device", "dev", "disk",
    "ipv6", "ip6", "v6", "xpath", "prop", "option", "opt", "env", "setting", "spec", "expr", "query",
    "ident", "identity", "label", "text", "field", "kw", "func", "function", "method", "member", "plugin",
    "proto", "protocol",
}  # fmt: skip


@on_call("split", "rsplit", "partition", "rpartition")
def split_at_colon(module: Module, node: ast.Call) -> None:
    """DST502."""
    if not isinstance(node.func, ast.Attribute) or not node.args or constant_text(node.args[0]) != ":":
        return
    receiver = node.func.value
    if constant_text(receiver) is not None:
        return
    method = node.func.attr
    about = _about(module, node, receiver, method)
    if about is not None:
        _report_cut(module, node, f"{about} is cut at a colon")


def _about(module: Module, node: ast.Call, receiver: ast.expr, method: str) -> str | None:
    """What is cut, when that is a host and a port; None otherwise."""
    name = last_name(receiver)
    found = words(name)
    if found & _HARDWARE:
        return None
    targets, index = _targets(module, node)
    if len(targets) == 1 and index is None:
        targets = _taken_later(module, targets[0]) or targets
    pair = len(targets) == 2 and is_hostish(targets[0]) and is_portish(targets[1])
    kept = len(targets) == 1 and index is None and bool(_PAIR_NAME.search(last_name(targets[0])))
    if found & _NOT_A_HOST and not found & {"host", "hostport", "netloc"} and not pair and not kept:
        return None
    named = any(map(is_hostish, targets)) and any(map(is_portish, targets))
    if (not named and _hexadecimal(module, node)) or _other_numbers(targets):
        return None
    if index == -1 or (index == 1 and method == "rsplit") or (index == 2 and method == "rpartition"):
        return None  # the last piece is the port in every form
    if method in ("rsplit", "rpartition") and (_speaks_of_v6(module, node) or _joined_again(module, targets)):
        return None
    if len(targets) == 2 and last_name(targets[0]) in ("_", "__") and method in ("rsplit", "rpartition"):
        return None  # only the port is taken
    hosts = [target for target in targets if is_hostish(target)]
    ports = [target for target in targets if is_portish(target)]
    if len(targets) == 2 and hosts == targets[1:] and not ports:
        return None  # what stands in front of an address is no port: as_number:address, proto:host
    if not (hosts and ports) and any(words(last_name(target)) & _PIECES for target in targets):
        return None  # host:path of scp, module:attribute
    if targets and not hosts and not ports and all(words(last_name(target)) & _NOT_A_HOST for target in targets):
        return None  # proto = listen.split(":")[0]
    shown = name if name and name not in ("split", "rsplit", "urlparse", "urlsplit") else "the address"
    if kept:
        return shown
    sure = any(not words(last_name(target)) & _WEAK for target in hosts)
    other = any(words(last_name(target)) & _NOT_A_HOST for target in targets)
    if hosts and not other and (ports or (sure and index in (0, None))):
        return shown
    if index is not None and ports and index != -1:
        return shown
    host_named = is_hostish(receiver) or bool(
        found & {"hostport", "netloc", "hosts", "endpoint", "addrport", "hostspec"}
    )
    if host_named and (ports or not found & _WEAK):
        facts = module.facts_at(node)
        if (index == 0 and not targets) or (index is None and len(targets) == 2):
            return shown
        speaks_of_ports = any("port" in words(name) or name.endswith("port") for name in facts.identifiers)
        return shown if speaks_of_ports or index == 0 else None
    if is_portish(receiver) and not hosts:
        facts = module.facts_at(node)
        return shown if any(words(identifier) & {"ip", "host"} for identifier in facts.identifiers) else None
    return None


def _speaks_of_v6(module: Module, node: ast.AST) -> bool:
    """A comment or text in the function says IPv6: cutting at the last colon was chosen for it."""
    function = module.function(node)
    first, last = getattr(function, "lineno", None), getattr(function, "end_lineno", None)
    if first is None or last is None:
        return False
    return "ipv6" in "\n".join(module.lines[first - 1 : last]).lower()


def _joined_again(module: Module, targets: list[ast.expr]) -> bool:
    """The front piece is only ever put together with another port: its brackets stay where they were."""
    if not targets or not isinstance(targets[0], ast.Name):
        return False
    uses = module.facts_at(targets[0]).loads.get(targets[0].id, []) if targets[0] in module.parents else []
    return bool(uses) and all(_is_join_host(module, use) for use in uses)


def _is_join_host(module: Module, use: ast.Name) -> bool:
    for _, parent in module.ancestors(use):
        if isinstance(parent, (ast.JoinedStr, ast.BinOp, ast.Call)):
            join = find_join(parent)
            return join is not None and join.host is use
        if isinstance(parent, ast.stmt):
            return False
    return False


def _targets(module: Module, node: ast.Call) -> tuple[list[ast.expr], int | None]:
    """The variables that receive the pieces, and the index that is taken of them."""
    index: int | None = None
    for child, parent in module.ancestors(node):
        if isinstance(parent, ast.Subscript) and child is parent.value:
            if index is None:
                index = _number(parent.slice)
            continue
        if isinstance(parent, ast.Assign):
            target = parent.targets[0]
            if isinstance(target, (ast.Tuple, ast.List)):
                value = parent.value
                if isinstance(value, (ast.Tuple, ast.List)):
                    return [t for t, v in zip(target.elts, value.elts, strict=False) if _inside(v, node)], index
                return list(target.elts), index
            return [target], index
        if isinstance(parent, (ast.AnnAssign, ast.NamedExpr)):
            return [parent.target], index
        if isinstance(parent, ast.keyword):
            return [ast.Name(id=parent.arg or "", ctx=ast.Load())], index
        if isinstance(parent, (ast.For, ast.comprehension)) and child is parent.iter:
            target = parent.target
            return list(target.elts) if isinstance(target, (ast.Tuple, ast.List)) else [target], index
        if isinstance(parent, (ast.GeneratorExp, ast.ListComp)) and child is parent.elt:
            continue
        if isinstance(parent, (ast.Call, ast.IfExp, ast.Starred, ast.Await, ast.BoolOp)):
            continue
        if isinstance(parent, ast.Return):
            function = module.function(parent)
            name = getattr(function, "name", "")
            said = name.lower().endswith(("host", "hostname", "ip", "addr", "address", "port"))
            return ([ast.Name(id=name, ctx=ast.Load())] if index is not None and said else []), index
        return [], index
    return [], index


def _taken_later(module: Module, target: ast.expr) -> list[ast.expr]:
    """What the pieces are called when they are taken out of the list: parts = ..., host = parts[0]."""
    if not isinstance(target, ast.Name) or target not in module.parents:
        return []
    found: dict[int, ast.expr] = {}
    for use in module.facts_at(target).loads.get(target.id, ()):
        parent = module.parents.get(use)
        if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], (ast.Tuple, ast.List)):
            found.update(
                (number, element) for number, element in enumerate(parent.targets[0].elts) if number not in found
            )
        if not (isinstance(parent, ast.Subscript) and parent.value is use):
            continue
        number = _number(parent.slice)
        outer = module.parents.get(parent)
        if isinstance(outer, ast.Call) and last_name(outer.func) in ("int", "str"):
            outer = module.parents.get(outer)
        if number is not None and isinstance(outer, ast.Assign):
            found.setdefault(number, outer.targets[0])
    if not {0, 1} <= found.keys() or not (is_hostish(found[0]) and is_portish(found[1])):
        return []
    return [found[0], found[1]]


def _inside(top: ast.AST, node: ast.AST) -> bool:
    return any(inner is node for inner in ast.walk(top))


def _number(node: ast.expr) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return -value if isinstance(value, int) else None
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None


def _hexadecimal(module: Module, node: ast.AST) -> bool:
    """int(x, 16) in the statement, or hex in a name: hardware addresses, /proc/net/tcp."""
    if any("hex" in name.lower() for name in module.facts_at(node).identifiers):
        return True
    statement = module.statement(node)
    for inner in ast.walk(statement):
        if isinstance(inner, ast.Call):
            name = last_name(inner.func)
            if name in ("unhexlify", "fromhex"):
                return True
            if (
                name == "int"
                and len(inner.args) == 2
                and isinstance(inner.args[1], ast.Constant)
                and inner.args[1].value == 16
            ):
                return True
        if (
            isinstance(statement, (ast.For, ast.If, ast.With, ast.While, ast.Try))
            and inner is not statement
            and isinstance(inner, ast.stmt)
        ):
            return False
    return False


def _other_numbers(targets: list[ast.expr]) -> bool:
    """h, m, s = ...; more than three pieces are no host and port."""
    names = {last_name(target).lower() for target in targets}
    return (
        bool(
            names
            & {
                "hours",
                "minutes",
                "seconds",
                "hh",
                "mm",
                "ss",
                "key",
                "username",
                "user",
                "password",
                "passwd",
                "scheme",
                "proto_name",
                "tag",
                "k",
                "v",
            }
        )
        or len(targets) > 4
    )


def _counts_colons(module: Module, node: ast.AST) -> bool:
    for call in module.facts_at(node).calls.get("count", ()):
        if call.args and constant_text(call.args[0]) == ":":
            return True
    return False


@on_call("index", "find")
def cut_by_position(module: Module, node: ast.Call) -> None:
    """DST502 in the form addr[:addr.index(":")]."""
    if not isinstance(node.func, ast.Attribute) or len(node.args) != 1 or constant_text(node.args[0]) != ":":
        return
    receiver = node.func.value
    if not is_hostish(receiver) or words(last_name(receiver)) & (_NOT_A_HOST | _HARDWARE):
        return
    facts = module.facts_at(node)
    if any(call.args and constant_text(call.args[0]) == ":" for call in facts.calls.get("rfind", ())):
        return  # the first colon is compared with the last: addresses are known here
    text = ast.dump(receiver)
    if not any(
        isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Slice) and ast.dump(inner.value) == text
        for inner in ast.walk(module.function(node))
    ):
        return
    _report_cut(module, node, f"{last_name(receiver)} is cut at its first colon")


def _report_cut(module: Module, node: ast.Call, what: str) -> None:
    """Report it, unless the same function looks after IPv6 addresses."""
    facts = module.facts_at(node)
    if not (facts.brackets or facts.weak_v6 or _counts_colons(module, node) or v6_in_reach(module, node, named=False)):
        module.report("DST502", node, f"{what}{_FALL_APART}", _INSTEAD)


# (?P<host>[^:]+):(?P<port>\\d+) : the names say what is matched, the first class that it ends at a colon.
_HOST_PORT_PATTERN = re.compile(
    r"\(\?P<\w*(?:host|hostname|ip|addr|address|server)>(?:\[\^[^\]]*:[^\]]*\]|\[\\?[\w.\\-]*\]|\.)[+*]\??\).{0,8}:.{0,8}\(\?P<\w*port>"
)


@on(ast.Constant)
def matched(module: Module, node: ast.Constant) -> None:
    """DST502 in the form of a regular expression with a group for the host and one for the port."""
    text = constant_text(node)
    if text is None or "(?P<" not in text or len(text) > 600 or not _HOST_PORT_PATTERN.search(text):
        return
    if "\\[" in text or "a-f" in text.lower() or isinstance(module.parents.get(node), ast.Expr):
        return  # brackets, or hexadecimal digits, have a place in it
    facts = module.facts_at(node)
    if facts.brackets or v6_in_reach(module, node, named=False):
        return
    module.report("DST502", node, f"this pattern ends the host at its first colon{_FALL_APART}", _INSTEAD)
