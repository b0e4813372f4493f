"""DST501 to DST504: the text forms host:port and address%zone."""

from __future__ import annotations

import ast
import re

from dualstack.check.joins import Join, find_join, is_hostish, is_portish, judge
from dualstack.check.module import Module
from dualstack.check.registry import on, on_call
from dualstack.check.sinks import sink
from dualstack.check.syntax import constant_text, last_name, words
from dualstack.check.templates import is_prose, template
from dualstack.check.twins import v6_in_reach

__all__ = ()

_HARDWARE = {"mac", "hwaddr", "ether", "hw", "lladdr", "macaddr", "macaddress", "bssid", "oui", "wwn", "wwpn"}
# Words that also name other things written with a colon: module:attribute, prefix:node, name:target.
_WEAK = {
    "target", "dest", "destination", "src", "dst", "node", "nodename", "interface", "machine", "remote",
    "domain", "server", "servers", "list",
}  # fmt: skip
_PIECES = {"path", "module", "attr", "attribute", "name", "prefix"}
_NOT_A_HOST = {
    "time", "date", "duration", "path", "line", "header", "auth", "cred", "credential", "credentials",
    "user", "version", "image", "repo", "tag", "uuid", "slot", "pci", "bdf", "volume", "module", "userinfo",
    "password", "hash", "hashes", "fingerprint", "digest", "timestamp", "hours", "timezone", "tz", "range",
    "ranges", "css", "style", "schema", "scheme", "rgb", "color", "colour", "log", "message", "cookie",
    "class", "cls", "ext", "entry", "bytes", "hex", "ref", "refs", "iqn", "jid", "device", "dev", "disk",
    "ipv6", "ip6", "v6", "xpath", "prop", "option", "opt", "env", "setting", "spec", "expr", "query",
    "ident", "identity", "label", "text", "field", "kw", "func", "function", "method", "member", "plugin",
}  # fmt: skip


@on(ast.JoinedStr, ast.BinOp, ast.Call)
def joined(module: Module, node: ast.expr) -> None:
    """DST501, DST503."""
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Attribute) and node.func.attr == "format"):
            return
    elif isinstance(node, ast.BinOp):
        if not isinstance(node.op, (ast.Mod, ast.Add)):
            return
        outer = module.parents.get(node)
        if isinstance(outer, ast.BinOp) and isinstance(outer.op, ast.Add) and isinstance(node.op, ast.Add):
            return  # the outermost sum is judged
    join = find_join(node)
    if join is None or not judge(module, join) or _inside_larger(module, node):
        return
    if _brackets_known(module, join):
        return
    parts = template(node) or []
    if is_prose(parts):
        return
    where = sink(module, node)
    if where is None or v6_in_reach(module, node, named=False):
        return
    _report_join(module, join, where)


def _inside_larger(module: Module, node: ast.AST) -> bool:
    """The text is a part of a larger one that is judged itself."""
    parent = module.parents.get(node)
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add) and find_join(parent) is not None


def _report_join(module: Module, join: Join, where: str) -> None:
    zmq = join.before.startswith("tcp://") and module.names.uses("zmq", "aiozmq", "zmq.asyncio", "zmq.green")
    if zmq and not re.search(r"\bIPV6\b|\.ipv6\b|IPV4ONLY", module.text):
        module.report(
            "DST503",
            join.node,
            "ZeroMQ sockets have IPv6 off by default, and an IPv6 host needs brackets here",
            "set socket.setsockopt(zmq.IPV6, 1) and write tcp://[host]:port for IPv6 hosts",
        )
        return
    kind = "URL" if join.scheme is not None else "text"
    host = _named(join.host)
    module.report(
        "DST501",
        join.node,
        f"{host} is joined to a port without brackets ({kind} {where}): ::1 and 80 become '::1:80'",
        "write [host] when ':' is in host, or str(dualstack.Endpoint) / Endpoint.url(scheme), which do",
    )


def _named(node: ast.expr) -> str:
    try:
        text = ast.unparse(node)
    except (ValueError, AttributeError, RecursionError):
        return "a host"
    return text if len(text) < 40 else text[:37] + "..."


@on(ast.AugAssign)
def appended(module: Module, node: ast.AugAssign) -> None:
    """DST501 in the form ``netloc += f":{port}"``."""
    if not isinstance(node.op, ast.Add) or not is_hostish(node.target):
        return
    parts = template(node.value) or []
    if (
        len(parts) < 2
        or not isinstance(parts[0], str)
        or parts[0] != ":"
        or isinstance(parts[1], str)
        or not is_portish(parts[1])
    ):
        return
    facts = module.facts_at(node)
    if facts.brackets or facts.weak_v6 or v6_in_reach(module, node, named=False):
        return
    name = last_name(node.target)
    if any(
        isinstance(inner, ast.Attribute) and inner.attr == "netloc"
        for store in facts.stores.get(name, ())
        if store.kind == "assign" and store.value is not None
        for inner in ast.walk(store.value)
    ):
        return
    module.report(
        "DST501",
        node,
        f"a port is put behind {name} without brackets: ::1 and 80 become '::1:80'",
        "put [ ] around a host with ':' first, or use Endpoint.url(scheme)",
    )


def _brackets_known(module: Module, join: Join) -> bool:
    """The function deals with brackets or families, or the class does where it stores this attribute."""
    facts = module.facts_at(join.node)
    if facts.brackets or facts.weak_v6:
        return True
    host = join.host
    if isinstance(host, ast.Attribute) and isinstance(host.value, ast.Name) and host.value.id == "self":
        owner = module.enclosing_class(join.node)
        if owner is not None:
            return _class_brackets(module, owner, host.attr)
    return False


def _class_brackets(module: Module, owner: ast.ClassDef, attribute: str) -> bool:
    for stmt in owner.body:
        if not isinstance(stmt, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        stores = any(
            isinstance(inner, ast.Attribute) and inner.attr == attribute and isinstance(inner.ctx, ast.Store)
            for inner in ast.walk(stmt)
        )
        if (stores or stmt.name == attribute) and module.facts(stmt).brackets:
            return True
    return False


@on_call("split", "rsplit", "partition", "rpartition")
def split_at_colon(module: Module, node: ast.Call) -> None:
    """DST502."""
    if not isinstance(node.func, ast.Attribute) or not node.args or constant_text(node.args[0]) != ":":
        return
    receiver = node.func.value
    if constant_text(receiver) is not None:
        return
    method = node.func.attr
    facts = module.facts_at(node)
    about = _about(module, node, receiver, method)
    if about is None:
        return
    if facts.brackets or facts.weak_v6 or _counts_colons(module, node) or v6_in_reach(module, node, named=False):
        return
    module.report(
        "DST502",
        node,
        f"{about} is cut at a colon: '[::1]:80' and '::1' fall apart",
        "use urllib.parse.urlsplit('//' + text) for .hostname and .port, or dualstack.parse(text, default_port)",
    )


def _about(module: Module, node: ast.Call, receiver: ast.expr, method: str) -> str | None:
    """What is cut, when that is a host and a port; None otherwise."""
    name = last_name(receiver)
    found = words(name)
    if found & _HARDWARE:
        return None
    targets, index = _targets(module, node)
    pair = len(targets) == 2 and is_hostish(targets[0]) and is_portish(targets[1])
    if found & _NOT_A_HOST and not found & {"host", "hostport", "netloc"} and not pair:
        return None
    if _hexadecimal(module, node) or _other_numbers(targets):
        return None
    if index == -1 or (index == 1 and method == "rsplit") or (index == 2 and method == "rpartition"):
        return None  # the last piece is the port in every form
    if method in ("rsplit", "rpartition") and (_speaks_of_v6(module, node) or _joined_again(module, targets)):
        return None
    if len(targets) == 2 and last_name(targets[0]) in ("_", "__") and method in ("rsplit", "rpartition"):
        return None  # only the port is taken
    hosts = [target for target in targets if is_hostish(target)]
    ports = [target for target in targets if is_portish(target)]
    if not (hosts and ports) and any(words(last_name(target)) & _PIECES for target in targets):
        return None  # host:path of scp, module:attribute
    shown = name if name and name not in ("split", "rsplit") else "the address"
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


@on(ast.Constant)
def zmq_wildcard(module: Module, node: ast.Constant) -> None:
    """DST503 at ``tcp://*:5555``."""
    text = node.value
    if (
        not isinstance(text, str)
        or not text.startswith(("tcp://*", "tcp://0.0.0.0"))
        or not module.names.uses("zmq", "aiozmq")
    ):
        return
    if re.search(r"\bIPV6\b|\.ipv6\b|IPV4ONLY", module.text) or isinstance(
        module.parents.get(node), (ast.Expr, ast.Compare)
    ):
        return
    if not any(
        isinstance(parent, ast.Call) and "bind" in last_name(parent.func) for _, parent in module.ancestors(node)
    ):
        return
    module.report(
        "DST503",
        node,
        "ZeroMQ binds this to IPv4 only while its IPV6 option is off",
        "set socket.setsockopt(zmq.IPV6, 1) before bind",
    )


@on(ast.Subscript)
def zone_dropped(module: Module, node: ast.Subscript) -> None:
    """DST504."""
    call = node.value
    if not (isinstance(node.slice, ast.Constant) and node.slice.value == 0 and isinstance(call, ast.Call)):
        return
    if last_name(call.func) not in ("split", "partition", "rsplit") or not isinstance(call.func, ast.Attribute):
        return
    if constant_text(call.args[0] if call.args else None) != "%" or not is_hostish(call.func.value):
        return
    module.report(
        "DST504",
        node,
        "a link-local address without its zone cannot be used",
        "keep the zone for connecting (it is the scope id of the socket address), drop it for display only",
        strict=True,
    )
