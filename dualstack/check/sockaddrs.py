"""Which expressions hold a socket address as the system gave it, followed through one function.

An IPv6 socket address has four elements. Only a value that really came from the socket module (or asyncio)
must be treated so; a ``(host, port)`` pair of the program's own has two and is nobody's business.
"""

from __future__ import annotations

import ast

from .facts import Store
from .module import Module
from .syntax import argument, constant_text, last_name, unwrap

__all__ = ("is_addrinfo_list", "sockaddr_source")

_CALLS = {"getsockname", "getpeername"}
# method -> position of the address in what it returns
_RETURNS = {
    "accept": 1,
    "recvfrom": 1,
    "recvfrom_into": 1,
    "recvmsg": 3,
    "recvmsg_into": 3,
    "sock_accept": 1,
    "sock_recvfrom": 1,
}


# Their server_address is what getsockname() said after bind.
_SERVERS = ("socketserver", "http.server", "xmlrpc.server", "wsgiref.simple_server")


def sockaddr_source(module: Module, node: ast.expr | None, depth: int = 0) -> str | None:
    """Where the value comes from (``"getpeername()"``) when it is a whole socket address, else None."""
    node = unwrap(node)
    if node is None or depth > 4:
        return None
    if isinstance(node, ast.Call):
        return _from_call(node)
    if isinstance(node, ast.Attribute):
        if node.attr == "server_address":
            return "server_address" if module.names.uses(*_SERVERS) and not _assigned(module, node) else None
        return "client_address" if node.attr == "client_address" and _name_of(node.value) == "self" else None
    if isinstance(node, ast.Subscript):
        return _from_subscript(module, node, depth)
    if isinstance(node, ast.Name):
        sources = [_from_store(module, node, store, depth) for store in module.facts_at(node).stores.get(node.id, ())]
        known = [source for source in sources if source]
        # One rebinding to something else is enough to be unsure.
        return known[0] if known and len(known) == len(sources) else None
    return None


def is_addrinfo_list(module: Module, node: ast.expr | None, depth: int = 0) -> bool:
    """The value is what getaddrinfo returned."""
    node = unwrap(node)
    if depth > 4 or node is None:
        return False
    if isinstance(node, ast.Call):
        if last_name(node.func) in ("getaddrinfo", "getaddrinfo_async"):
            return True
        return (
            last_name(node.func) in ("list", "sorted", "iter", "wait_for", "set")
            and bool(node.args)
            and is_addrinfo_list(module, node.args[0], depth + 1)
        )
    if isinstance(node, ast.Name):
        stores = module.facts_at(node).stores.get(node.id, ())
        return bool(stores) and all(
            store.kind == "assign" and not store.path and is_addrinfo_list(module, store.value, depth + 1)
            for store in stores
        )
    return False


def _name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _assigned(module: Module, node: ast.Attribute) -> bool:
    """self.server_address of a class that gives it a value of its own."""
    owner = module.enclosing_class(node)
    return owner is not None and any(
        isinstance(inner, ast.Attribute) and inner.attr == node.attr and isinstance(inner.ctx, ast.Store)
        for inner in ast.walk(owner)
    )


def _from_call(node: ast.Call) -> str | None:
    name = last_name(node.func)
    if name in _CALLS and isinstance(node.func, ast.Attribute) and not node.args:
        return f"{name}()"
    if name == "get_extra_info":
        key = constant_text(argument(node, 0, "name"))
        if key in ("peername", "sockname"):
            return f"get_extra_info({key!r})"
    return None


def _from_subscript(module: Module, node: ast.Subscript, depth: int) -> str | None:
    index = node.slice
    if isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.USub) and isinstance(index.operand, ast.Constant):
        number = -index.operand.value if isinstance(index.operand.value, int) else None
    else:
        number = index.value if isinstance(index, ast.Constant) and isinstance(index.value, int) else None
    if number is None:
        return None
    inner = unwrap(node.value)
    if number in (4, -1) and (_is_addrinfo(module, inner, depth)):
        return "getaddrinfo()"
    if number in (1, -1) and isinstance(inner, ast.Call) and last_name(inner.func) in ("accept", "recvfrom"):
        return f"{last_name(inner.func)}()"
    return None


def _is_addrinfo(module: Module, node: ast.expr | None, depth: int) -> bool:
    """One row of what getaddrinfo returns."""
    if isinstance(node, ast.Subscript):
        return not isinstance(node.slice, ast.Slice) and is_addrinfo_list(module, node.value, depth + 1)
    if isinstance(node, ast.Name):
        stores = module.facts_at(node).stores.get(node.id, ())
        return bool(stores) and all(
            not store.path
            and (
                (store.kind == "iter" and is_addrinfo_list(module, store.value, depth + 1))
                or (store.kind == "assign" and depth < 4 and _is_addrinfo(module, store.value, depth + 1))
            )
            for store in stores
        )
    return False


def _from_store(module: Module, node: ast.Name, store: Store, depth: int) -> str | None:
    if store.kind == "param":
        function = module.parents.get(store.node)
        owner = module.function(store.node) if function is not None else None
        if isinstance(owner, (ast.FunctionDef, ast.AsyncFunctionDef)) and owner.name == "datagram_received":
            names = [arg.arg for arg in owner.args.args]
            return "datagram_received()" if len(names) == 3 and names[2] == node.id else None
        return None
    value = unwrap(store.value)
    if store.kind == "iter":
        if store.path == (4,) and is_addrinfo_list(module, value, depth + 1):
            return "getaddrinfo()"
        return None
    if store.kind != "assign" or value is None:
        return None
    if not store.path:
        return sockaddr_source(module, value, depth + 1)
    if isinstance(value, ast.Call):
        name = last_name(value.func)
        position = _RETURNS.get(name)
        if position is not None and store.path == (position,) and isinstance(value.func, ast.Attribute):
            if name == "accept" and value.args:
                return None
            return f"{name}()"
    if store.path == (4,) and _is_addrinfo(module, value, depth):
        return "getaddrinfo()"
    return None
