"""DST501, DST503, DST504: host:port put together, ZeroMQ addresses, and address%zone. (DST502 is in hostsplits.)"""

from __future__ import annotations

import ast
import re

from dualstack.check.joins import Join, find_join, is_hostish, is_portish, judge
from dualstack.check.module import Module
from dualstack.check.registry import on
from dualstack.check.sinks import sink
from dualstack.check.syntax import constant_text, last_name
from dualstack.check.templates import is_prose, template
from dualstack.check.twins import v6_in_reach

__all__ = ()


@on(ast.JoinedStr, ast.BinOp, ast.Call)
def joined(module: Module, node: ast.expr) -> None:
    """DST501, DST503."""
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join")):
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
    if _brackets_known(module, join) or _colon_ruled_out(module, join):
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
    if zmq and re.search(r"\bIPV6\b|\.ipv6\b|IPV4ONLY", module.text):
        return  # ZeroMQ cuts at the last colon: with its option on, an address needs no brackets
    if zmq:
        module.report(
            "DST503",
            join.node,
            "ZeroMQ sockets have IPv6 off by default: an IPv6 host is never reached",
            "set socket.setsockopt(zmq.IPV6, 1) before bind or connect",
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


def _colon_ruled_out(module: Module, join: Join) -> bool:
    """The line is reached only when the host has no colon: the else of ``if ":" in host``."""
    name = ast.unparse(join.host)
    for child, parent in module.ancestors(join.node):
        if isinstance(parent, ast.If):
            test = parent.test
            if isinstance(test, ast.Compare) and constant_text(test.left) == ":" and len(test.ops) == 1:
                absent = parent.orelse if isinstance(test.ops[0], ast.In) else parent.body
                if child in absent and ast.unparse(test.comparators[0]) == name:
                    return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
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
