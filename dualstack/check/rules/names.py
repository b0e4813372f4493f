"""DST201 to DST205: names to addresses."""

from __future__ import annotations

import ast

from dualstack.check.module import Module
from dualstack.check.registry import on, on_call
from dualstack.check.sockaddrs import is_addrinfo_list
from dualstack.check.syntax import argument, constant_text, last_name, names_in, unwrap
from dualstack.check.twins import v6_in_reach

__all__ = ()


def _is_socket(module: Module, node: ast.Call, name: str) -> bool:
    """The call is the socket function and not somebody's method of that name."""
    if getattr(module.function(node), "name", "") == name:
        return False  # a stand-in for the function itself
    dotted = module.names.resolve(node.func)
    if dotted is not None:
        return dotted in (f"socket.{name}", f"*.{name}") or dotted.endswith(f".socket.{name}")
    if isinstance(node.func, ast.Name):
        return node.func.id not in module.definitions
    owner = last_name(node.func.value).lower() if isinstance(node.func, ast.Attribute) else ""
    return "sock" in owner or owner in ("loop", "resolver")


@on_call("gethostbyname")
def gethostbyname(module: Module, node: ast.Call) -> None:
    """DST201, DST203."""
    if not _is_socket(module, node, "gethostbyname"):
        return
    name = node.args[0] if node.args else None
    own = _own_name(module, name)
    if v6_in_reach(module, node):
        return
    if own:
        module.report(
            "DST203",
            node,
            "looking up one's own name gives one IPv4 address, often 127.0.1.1",
            "ask for the source address of a route (dualstack.source_for(destination)) or list dualstack.interfaces()",
        )
    elif constant_text(name) is None or (constant_text(name) or "x")[-1:].isalpha():
        module.report(
            "DST201",
            node,
            "gethostbyname() knows IPv4 only: a host with an IPv6 address alone cannot be found",
            "pass the name itself to create_connection(), or use getaddrinfo() / dualstack.resolve(host, port)",
        )


def _own_name(module: Module, name: ast.expr | None) -> bool:
    """gethostname(), directly or by way of a variable."""
    if isinstance(name, ast.Name):
        function = module.function(name)
        stores = module.facts(function).stores.get(name.id, ())
        values = [None if store.path else store.value for store in stores]
        return bool(values) and all(isinstance(value, ast.Call) and _own_name(module, value) for value in values)
    return isinstance(name, ast.Call) and last_name(name.func) in ("gethostname", "getfqdn", "node")


@on_call("gethostbyname_ex")
def gethostbyname_ex(module: Module, node: ast.Call) -> None:
    """DST202."""
    if not _is_socket(module, node, "gethostbyname_ex") or v6_in_reach(module, node):
        return
    inner = node.args[0] if node.args else None
    own = _own_name(module, inner)
    module.report(
        "DST202",
        node,
        "gethostbyname_ex() lists IPv4 addresses only",
        "list dualstack.interfaces() for the addresses of this host"
        if own
        else "use getaddrinfo(), or dualstack.resolve(host, port) for every address in order",
    )


@on(ast.Subscript)
def first_address_only(module: Module, node: ast.Subscript) -> None:
    """DST204: getaddrinfo(...)[0] without a loop over the rest."""
    if not (isinstance(node.slice, ast.Constant) and node.slice.value == 0) or not isinstance(node.ctx, ast.Load):
        return
    value = unwrap(node.value)
    if not is_addrinfo_list(module, value):
        return
    call = value if isinstance(value, ast.Call) else None
    if isinstance(value, ast.Name):
        if _looped(module, value):
            return
        stores = module.facts_at(node).stores.get(value.id, ())
        inner = unwrap(stores[0].value) if stores else None
        call = inner if isinstance(inner, ast.Call) else None
    if call is not None and _one_answer(module, call):
        return
    if _only_asks(module, node) or v6_in_reach(module, node, named=False):
        return
    outer = module.parents.get(node)
    family_only = isinstance(outer, ast.Subscript) and isinstance(outer.slice, ast.Constant) and outer.slice.value == 0
    module.report(
        "DST204",
        node,
        "only the first address is ever tried: a dead first one (often IPv6) is the end",
        "try every answer in order: socket.create_connection(), asyncio with happy_eyeballs_delay, or "
        "dualstack.connect()",
        strict=family_only,
    )


def _looped(module: Module, name: ast.Name) -> bool:
    """The list is also gone through as a whole."""
    for use in module.facts_at(name).loads.get(name.id, ()):
        parent = module.parents.get(use)
        if isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension)) and parent.iter is use:
            return True
        if isinstance(parent, (ast.Return, ast.Call, ast.Starred, ast.Yield)) and not (
            isinstance(parent, ast.Call) and last_name(parent.func) in ("len", "bool", "print", "debug", "isinstance")
        ):
            return True
    return False


def _one_answer(module: Module, call: ast.Call) -> bool:
    """Numeric hosts have one answer, literals too."""
    names = set(names_in(call))
    if any("NUMERIC" in name for name in names):
        return True
    host = module.text_of(argument(call, 0, "host"), call)
    return host is not None and (host[:1].isdigit() or ":" in host)


def _only_asks(module: Module, node: ast.AST) -> bool:
    """Canonical name, or a mere test for existence."""
    outer = module.parents.get(node)
    if isinstance(outer, ast.Subscript) and isinstance(outer.slice, ast.Constant) and outer.slice.value == 3:
        return True
    return isinstance(outer, (ast.Compare, ast.If, ast.Expr))


@on_call("gethostbyaddr")
def gethostbyaddr(module: Module, node: ast.Call) -> None:
    """DST205."""
    if _is_socket(module, node, "gethostbyaddr"):
        module.report(
            "DST205",
            node,
            "gethostbyaddr() has no scope for link-local addresses and no way back to what getaddrinfo() gives",
            "use socket.getnameinfo(sockaddr, NI_NAMEREQD)",
            strict=True,
        )
