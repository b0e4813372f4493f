"""DST401 to DST403: the shape of a socket address. IPv6 has (host, port, flowinfo, scope_id)."""

from __future__ import annotations

import ast
import re

from dualstack.check.fixes import insert_after, replace_node
from dualstack.check.module import Module
from dualstack.check.registry import on
from dualstack.check.sockaddrs import is_addrinfo_list, sockaddr_source
from dualstack.check.syntax import argument, constant_text, last_name, names_in, unwrap
from dualstack.check.twins import in_family_branch, v6_in_reach

from .families import is_af_inet

__all__ = ()

_WHY = "an IPv6 address has four elements"
_HINT = "take host, port = addr[:2], or use dualstack.Endpoint.peer(sock), which unpacks as host, port"


def _pair(target: ast.expr) -> bool:
    return (
        isinstance(target, (ast.Tuple, ast.List))
        and len(target.elts) == 2
        and not any(isinstance(element, ast.Starred) for element in target.elts)
    )


@on(ast.Assign)
def unpacked(module: Module, node: ast.Assign) -> None:
    """DST401."""
    target, value = node.targets[0], node.value
    if _pair(target):
        source = sockaddr_source(module, value)
        if source is not None:
            if not _handled(module, node):
                edits = (insert_after(module, value, "[:2]"),) if not isinstance(value, ast.Await) else ()
                module.report(
                    "DST401",
                    node,
                    f"{source} gives four elements for IPv6, not two: ValueError",
                    _HINT,
                    edits=edits,
                )
            return
        scope_key = _asgi_key(value)
        if scope_key is not None:
            module.report(
                "DST401",
                node,
                f"scope[{scope_key!r}] may be None, and some servers put the whole IPv6 address there",
                "take scope['client'][:2] after a test for None",
                strict=True,
            )
            return
    for inner, source in _nested(module, target, value):
        if _pair(inner) and not _handled(module, node):
            module.report(
                "DST401",
                node,
                f"the address from {source} has four elements for IPv6, not two: ValueError",
                _HINT,
            )


@on(ast.For, ast.AsyncFor, ast.comprehension)
def unpacked_in_loop(module: Module, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
    """DST401 for ``for *_, (host, port) in getaddrinfo(...)``."""
    target = node.target
    if (
        isinstance(target, ast.Tuple)
        and len(target.elts) == 5
        and _pair(target.elts[4])
        and is_addrinfo_list(module, node.iter)
    ):
        call = unwrap(node.iter)
        if call is not None and ("AF_INET" in set(names_in(call)) or _handled(module, target)):
            return
        module.report("DST401", target.elts[4], f"the last element of getaddrinfo() rows varies: {_WHY}", _HINT)


def _nested(module: Module, target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, str]]:
    """``conn, (host, port) = s.accept()``."""
    call = unwrap(value)
    if not isinstance(target, (ast.Tuple, ast.List)):
        return []
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        name = call.func.attr
        if (name in ("accept", "sock_accept") and (name != "accept" or not call.args)) or name in (
            "recvfrom",
            "sock_recvfrom",
            "recvfrom_into",
        ):
            return [(target.elts[1], f"{name}()")] if len(target.elts) == 2 else []
        if name in ("recvmsg",) and len(target.elts) == 4:
            return [(target.elts[3], "recvmsg()")]
    if isinstance(call, ast.Subscript) and is_addrinfo_list(module, call.value) and len(target.elts) == 5:
        return [(target.elts[4], "getaddrinfo()")]
    return []


def _asgi_key(value: ast.expr) -> str | None:
    if isinstance(value, ast.Subscript) and last_name(value.value) == "scope":
        key = constant_text(value.slice)
        return key if key in ("client", "server") else None
    return None


def _handled(module: Module, node: ast.AST) -> bool:
    """Unpacking in two is right here: the family is known to be IPv4, or the failure is treated."""
    for child, parent in module.ancestors(node):
        if (
            isinstance(parent, ast.Try) and child in parent.body and len(parent.body) <= 4
        ):  # a wider net was not spread for this
            for handler in parent.handlers:
                kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
                if any(last_name(kind) in ("ValueError", "TypeError") for kind in kinds):
                    return True
        if isinstance(parent, (ast.If, ast.IfExp)) and child is not parent.test and _length_test(parent.test):
            return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            break
    if in_family_branch(module, node) or _socket_is_v4(module, node):
        return True
    families = {name for name in module.facts_at(node).identifiers if name.startswith(("AF_", "PF_"))}
    if families - {"AF_INET", "PF_INET", "AF_INET6", "PF_INET6", "AF_UNIX", "AF_UNSPEC"}:
        return True  # AF_CAN, PF_SYSTEM...: addresses of another kind
    return _own_method(module, node)


def _own_method(module: Module, node: ast.AST) -> bool:
    """self.getsockname() of a class that defines it itself."""
    return any(
        isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Attribute)
        and last_name(inner.func.value) == "self"
        and inner.func.attr in module.definitions
        for inner in ast.walk(node)
    )


def _socket_is_v4(module: Module, node: ast.AST) -> bool:
    """The socket that is asked was made here as AF_INET: that line is the finding, this one follows."""
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Call)
            and isinstance(inner.func, ast.Attribute)
            and isinstance(inner.func.value, ast.Name)
        ):
            if inner.func.attr not in ("getsockname", "getpeername", "accept", "recvfrom", "recvfrom_into"):
                continue
            stores = module.facts_at(node).stores.get(inner.func.value.id, ())
            made = [unwrap(store.value) for store in stores if store.kind in ("assign", "with")]
            if made and len(made) == len(stores) and all(_makes_v4(module, value) for value in made):
                return True
    return False


def _makes_v4(module: Module, value: ast.expr | None) -> bool:
    while isinstance(value, ast.Call) and last_name(value.func) in ("closing", "wrap_socket"):
        value = value.args[0] if value.args else None
    if not isinstance(value, ast.Call) or last_name(value.func) != "socket":
        return False
    family = argument(value, 0, "family")
    if family is None:
        return not value.args and all(keyword.arg in ("type", "proto") for keyword in value.keywords)
    return is_af_inet(module, family)


def _length_test(test: ast.expr) -> bool:
    for inner in ast.walk(test):
        if isinstance(inner, ast.Compare) and isinstance(inner.left, ast.Call) and last_name(inner.left.func) == "len":
            return True
    return False


@on(ast.Compare)
def length_two(module: Module, node: ast.Compare) -> None:
    """DST402."""
    if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
        return
    left, right = node.left, node.comparators[0]
    if not (isinstance(left, ast.Call) and last_name(left.func) == "len" and len(left.args) == 1):
        return
    if not (isinstance(right, ast.Constant) and right.value == 2 and not isinstance(right.value, bool)):
        return
    subject = left.args[0]
    source = sockaddr_source(module, subject)
    if source is None and isinstance(subject, ast.Name):
        source = _by_name(module, subject)
    if source is None or _other_lengths(module, node, subject) or _other_branch(module, node):
        return
    operator = "in" if isinstance(node.ops[0], ast.Eq) else "not in"
    edits = (
        ()
        if _unpacked_later(module, subject)
        else (replace_node(module, node, f"{module.source(left)} {operator} (2, 4)"),)
    )
    module.report(
        "DST402",
        node,
        f"{source} has two elements for IPv4 only; an IPv6 address is turned away",
        "accept len(addr) in (2, 4), or test the family of the socket",
        edits=edits,
    )


def _by_name(module: Module, subject: ast.Name) -> str | None:
    """A parameter named sockaddr, peername... is one."""
    if not re.fullmatch(
        r"_?(?:sock_?addr|peer_?name|sock_?name|client_address|sockaddress|remote_sockaddr|raw_addr)",
        subject.id,
    ):
        return None
    stores = module.facts_at(subject).stores.get(subject.id, ())
    return subject.id if stores and all(store.kind == "param" for store in stores) else None


def _other_lengths(module: Module, node: ast.Compare, subject: ast.expr) -> bool:
    """The same function also looks for length 4."""
    name = last_name(subject)
    for inner in ast.walk(module.function(node)):
        if isinstance(inner, ast.Compare) and inner is not node and isinstance(inner.left, ast.Call):
            call = inner.left
            same = last_name(call.func) == "len" and call.args and last_name(call.args[0]) == name
            if same and any(isinstance(c, ast.Constant) and c.value in (3, 4) for c in ast.walk(inner)):
                return True
    return v6_in_reach(module, node)


def _other_branch(module: Module, node: ast.Compare) -> bool:
    """The other length has a branch of its own."""
    for child, parent in module.ancestors(node):
        if isinstance(parent, ast.IfExp):
            refused = isinstance(parent.orelse, ast.Constant) and not parent.orelse.value
            return child is parent.test and not refused
        if isinstance(parent, ast.If):
            return child is parent.test and bool(parent.orelse) and not isinstance(parent.orelse[-1], ast.Raise)
        if isinstance(parent, ast.stmt):
            return False
    return False


def _unpacked_later(module: Module, subject: ast.expr) -> bool:
    if not isinstance(subject, ast.Name):
        return True
    for use in module.facts_at(subject).loads.get(subject.id, ()):
        parent = module.parents.get(use)
        if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], (ast.Tuple, ast.List)):
            return True
        if isinstance(parent, (ast.Starred, ast.BinOp)):
            return True
    return False


@on(ast.BinOp)
def percent_format(module: Module, node: ast.BinOp) -> None:
    """DST403."""
    if not isinstance(node.op, ast.Mod):
        return
    text = constant_text(node.left)
    if text is None or len(re.findall(r"%[-#0 +]*\d*[sdirau]", text)) != 2 or "%(" in text:
        return
    right = node.right
    source = sockaddr_source(module, right)
    if source is None or _handled(module, node):
        return
    module.report(
        "DST403",
        node,
        f"{source} has four elements for IPv6: 'not all arguments converted'",
        "format addr[:2], or print dualstack.Endpoint.peer(sock), which also writes the brackets",
        edits=(insert_after(module, right, "[:2]"),),
    )
