"""DST101 to DST105 and DST108: AF_INET where the family should come from the address."""

from __future__ import annotations

import ast
import re

from dualstack.check.fixes import pair_with_create_connection
from dualstack.check.module import Module
from dualstack.check.registry import on, on_call, on_name
from dualstack.check.syntax import argument, last_name, names_in, terminates
from dualstack.check.twins import mentions_v6, v6_in_reach

__all__ = ("is_af_inet",)

_SOCKET_CALLS = {"socket", "fromfd", "SocketType", "socketpair", "create_socket", "Socket"}
_RESOLVERS = {"getaddrinfo"}
_V4_LITERAL = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}$")


def is_af_inet(module: Module, node: ast.AST | None) -> bool:
    """The expression is socket.AF_INET in any of its spellings."""
    if isinstance(node, ast.Attribute):
        return node.attr in ("AF_INET", "PF_INET") and module.names.is_from(
            node, "socket", unless=("netifaces", "psutil")
        )
    if isinstance(node, ast.Name):
        if node.id in ("AF_INET", "PF_INET"):
            return module.names.is_from(node, "socket", unless=("netifaces",))
        dotted = module.names.imported(node.id)
        return dotted is not None and dotted.endswith((".AF_INET", ".PF_INET")) and not dotted.startswith("netifaces")
    return False


@on_call("socket", "fromfd", "SocketType", "create_socket", "Socket")
def socket_of_one_family(module: Module, node: ast.Call) -> None:
    """DST101, DST108."""
    name = module.real_name(node.func)
    if name == "create_socket":
        if is_af_inet(module, argument(node, 0, "family")) and not v6_in_reach(module, node):
            module.report(
                "DST108",
                node,
                "create_socket(AF_INET) reaches IPv4 peers only",
                "take family and address from getaddrinfo(); asyncore itself is gone from Python 3.12",
            )
        return
    position = 1 if name == "fromfd" else 0
    family = argument(node, position, "family")
    implied = False
    if family is None:
        dotted = module.names.resolve(node.func)
        plain = dotted in ("socket.socket", "socket.SocketType") or (
            dotted == "*.socket" and "socket" in module.names.star
        )
        if not plain or node.args or any(kw.arg in ("fileno", None) for kw in node.keywords):
            return
        implied = True
    elif not is_af_inet(module, family) and not _by_default(module, family):
        return
    if v6_in_reach(module, node) or _deliberate(module, node):
        return
    if _only_a_descriptor(module, node) or (implied and _never_used(module, node)):
        return
    kept = isinstance(module.parents.get(node), (ast.Assign, ast.AnnAssign, ast.withitem)) and _variable(module, node)
    lent = implied and kept and kept.isidentifier() and not _ADDRESSED & set(_methods(module, node))
    said = "socket() without a family is AF_INET" if implied else "this socket speaks IPv4 only"
    edits = pair_with_create_connection(module, node)
    module.report(
        "DST101",
        node,
        f"{said}: it cannot {_purpose(module, node)} an IPv6 address",
        _instead(module, node),
        strict=bool(lent),  # a socket() without a word about families, handed to somebody else
        edits=edits,
    )


def _by_default(module: Module, family: ast.expr) -> bool:
    """``family or AF_INET``: IPv4 unless somebody says otherwise."""
    return isinstance(family, ast.BoolOp) and isinstance(family.op, ast.Or) and is_af_inet(module, family.values[-1])


def _never_used(module: Module, node: ast.Call) -> bool:
    """A socket() that meets no address in its function and is not handed on: a placeholder."""
    if _ADDRESSED & set(_methods(module, node)):
        return False
    if isinstance(module.parents.get(node), (ast.Expr, ast.Await)):
        return True  # made, and dropped
    name = _variable(module, node)
    if not name.isidentifier():
        return False
    for use in module.facts_at(node).loads.get(name, ()):
        parent = module.parents.get(use)
        if (
            isinstance(parent, ast.Call)
            and use in parent.args
            and last_name(parent.func) not in ("select", "append", "addCleanup", "register", "closing")
        ):
            return False
        if not isinstance(parent, (ast.Attribute, ast.Call, ast.List, ast.withitem, ast.Expr)):
            return False
    return True


# What can be done to a socket without meeting an address of its family.
_ADDRESSED = {"accept", "bind", "connect", "connect_ex", "getpeername", "listen", "recvfrom", "sendmsg", "sendto"}
_ADDRESSLESS = {
    "close", "detach", "dup", "family", "fileno", "get_inheritable", "getblocking", "getsockopt", "gettimeout", "proto",
    "set_inheritable", "setblocking", "setsockopt", "settimeout", "type",
}  # fmt: skip


def _only_a_descriptor(module: Module, node: ast.Call) -> bool:
    """The socket never meets an address: an fd that is only looked at, a stand-in for any descriptor."""
    name = _variable(module, node)
    uses: list[ast.expr]
    parent = module.parents.get(node)
    if isinstance(parent, ast.Attribute):
        return parent.attr in _ADDRESSLESS  # socket().detach()
    if name.isidentifier():
        uses = list(module.facts_at(node).loads.get(name, ()))
    elif re.fullmatch(r"self\._\w+", name) and (owner := module.enclosing_class(node)) is not None:
        module.facts(owner)  # links the parents of the whole class
        uses = [
            inner
            for inner in ast.walk(owner)
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Load) and ast.unparse(inner) == name
        ]
    else:
        return False
    return bool(uses) and all(_without_address(module, use) for use in uses)


def _without_address(module: Module, use: ast.expr) -> bool:
    parent = module.parents.get(use)
    if isinstance(parent, ast.Attribute):
        return parent.attr in _ADDRESSLESS
    return isinstance(parent, (ast.Compare, ast.If, ast.BoolOp, ast.UnaryOp))


def _variable(module: Module, node: ast.Call) -> str:
    """What the new socket is called: ``s`` or ``self.sock``."""
    for child, parent in module.ancestors(node):
        if isinstance(parent, ast.Assign) and child is parent.value:
            plain = next((target for target in parent.targets if isinstance(target, ast.Name)), parent.targets[0])
            return ast.unparse(plain)  # self.sock = sock = socket(): the short name is the one that is used
        if isinstance(parent, (ast.AnnAssign, ast.NamedExpr)) and child is parent.value:
            return ast.unparse(parent.target)
        if isinstance(parent, ast.withitem):
            return ast.unparse(parent.optional_vars) if parent.optional_vars is not None else ""
        if isinstance(parent, ast.stmt):
            return ""
    return ""


def _methods(module: Module, node: ast.Call) -> dict[str, list[ast.Call]]:
    """The calls on the new socket in its function, by method."""
    name = _variable(module, node)
    found: dict[str, list[ast.Call]] = {}
    if not name:
        for child, parent in module.ancestors(node):  # socket.socket(...).connect(...)
            if isinstance(parent, ast.Attribute) and child is node:
                call = module.parents.get(parent)
                if isinstance(call, ast.Call):
                    found.setdefault(parent.attr, []).append(call)
            break
        return found
    for calls in module.facts_at(node).calls.values():
        for call in calls:
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == name:
                found.setdefault(call.func.attr, []).append(call)
    return found


def _purpose(module: Module, node: ast.Call) -> str:
    methods = _methods(module, node)
    if "connect" in methods or "connect_ex" in methods or "sendto" in methods:
        return "reach"
    if "bind" in methods or "listen" in methods:
        return "serve"
    return "use"


def _instead(module: Module, node: ast.Call) -> str:
    methods = _methods(module, node)
    if "connect_ex" in methods or "connect" in methods:
        return "use socket.create_connection((host, port)) or dualstack.connect(host, port)"
    if "bind" in methods or "listen" in methods:
        return "use create_server() with dualstack_ipv6=True or dualstack.open_listener(host, port)"
    return "take the family from getaddrinfo(), or use dualstack.connect() / dualstack.open_listener()"


def _deliberate(module: Module, node: ast.Call) -> bool:
    """The socket is a handle for ioctl, a broadcaster, or meets only literal IPv4 addresses of its own."""
    facts = module.facts_at(node)
    if "SO_BROADCAST" in facts.identifiers or "ioctl" in facts.identifiers:
        return True
    owner = module.enclosing_class(node)
    if owner is not None and _variable(module, node).startswith("self.") and "ioctl" in module.facts(owner).identifiers:
        return True
    if "socketpair" in getattr(module.function(node), "name", "").lower():
        return True  # both ends are its own, on loopback
    methods = _methods(module, node)
    reached = [
        (call, call.args[0])
        for name in ("connect", "connect_ex", "bind")
        for call in methods.get(name, [])
        if call.args
    ]
    variable = _variable(module, node)
    reached += [  # loop.sock_connect(sock, address)
        (call, call.args[1])
        for call in facts.calls.get("sock_connect", ())
        if len(call.args) == 2 and ast.unparse(call.args[0]) == variable
    ]
    reached += [(call, call.args[-1]) for call in methods.get("sendto", []) if len(call.args) > 1]
    if not reached:
        return False
    if "getsockname" in methods and set(methods).isdisjoint(("listen", "accept", "recvfrom", "recv")):
        return all(_own_literal(module, call, address) or _any_port(module, call, address) for call, address in reached)
    return all(_own_literal(module, call, address) for call, address in reached)


def _own_end(address: ast.Call) -> bool:
    return last_name(address.func) == "getsockname"  # the other end was made here, and is judged there


def _own_literal(module: Module, call: ast.Call, address: ast.expr) -> bool:
    """The address is one of this program's own on the IPv4 loopback."""
    if isinstance(address, ast.Name):
        stores = module.facts_at(call).stores.get(address.id, ())
        return bool(stores) and all(
            store.kind == "assign" and not store.path and isinstance(store.value, ast.Call) and _own_end(store.value)
            for store in stores
        )
    if isinstance(address, ast.Call):
        return _own_end(address)
    if not isinstance(address, ast.Tuple) or not address.elts:
        return False
    text = module.text_of(address.elts[0], call)
    port = address.elts[1] if len(address.elts) > 1 else None
    if text == "localhost" and isinstance(port, ast.Constant) and port.value == 0:
        return True  # a pair of its own, or a search for a free port
    return text is not None and _V4_LITERAL.match(text) is not None and text.startswith("127.")


def _any_port(module: Module, call: ast.Call, address: ast.expr) -> bool:
    """bind(("", 0)) to learn a number: the search for a free port, which DST111 speaks about."""
    if not isinstance(address, ast.Tuple) or len(address.elts) != 2 or last_name(call.func) != "bind":
        return False
    port = address.elts[1]
    return (
        isinstance(port, ast.Constant) and port.value == 0 and module.text_of(address.elts[0], call) in ("", "0.0.0.0")
    )


@on(ast.FunctionDef, ast.AsyncFunctionDef)
def default_argument(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """DST102."""
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    pairs = list(zip(reversed(positional), reversed(args.defaults), strict=False))
    pairs += [(arg, value) for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value is not None]
    if _mirrors_stdlib(module, node.args):
        return
    for arg, default in pairs:
        if is_af_inet(module, default) and not v6_in_reach(module, default):
            module.report(
                "DST102",
                default,
                f"{node.name}() is IPv4-only unless its caller knows about {arg.arg}=",
                "default to AF_UNSPEC (0) and let getaddrinfo() or dualstack choose the family",
            )


def _mirrors_stdlib(module: Module, node: ast.AST) -> bool:
    """Inside a socket type's constructor or a socketpair(): the default is that of the standard library."""
    function = module.function(node)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    if function.name in ("socket", "fromfd", "create_server") or function.name.lower().endswith("socketpair"):
        return True
    owner = module.parents.get(function)
    return isinstance(owner, ast.ClassDef) and owner.name.lower().endswith("socket") and function.name == "__init__"


_FAMILY_TARGET = re.compile(r"(?:^|_)(?:family|families|fam|af|proto_?family|addr_?type|socket_?type|inet|pf)$", re.I)


@on(ast.Assign, ast.AnnAssign)
def family_attribute(module: Module, node: ast.Assign | ast.AnnAssign) -> None:
    """DST103."""
    value = node.value
    if value is None:
        return
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    name = last_name(targets[0])
    if isinstance(targets[0], (ast.Tuple, ast.List)) or not _FAMILY_TARGET.search(name):
        return
    if name in ("AF_INET", "PF_INET"):
        return  # the constant under its own name: a table, nothing is chosen
    answer = value.body if isinstance(value, ast.Lambda) else value  # allowed_gai_family = lambda: AF_INET
    if not is_af_inet(module, answer):
        return
    if _mirrors_stdlib(module, node):
        return
    if isinstance(targets[0], ast.Attribute) and _other_value(module, node, name):
        return
    if isinstance(targets[0], ast.Name) and any(
        store.value is not None and store.value is not value and _from_info(store.value)
        for store in module.facts_at(node).stores.get(name, ())
        if store.kind == "assign"
    ):
        return  # what to use when getaddrinfo() did not say
    if v6_in_reach(module, node) or _overridden(module, node, name):
        return
    place = (
        "every socket made from it"
        if isinstance(targets[0], ast.Attribute) or isinstance(module.scope(node), ast.ClassDef)
        else "the socket made with it"
    )
    module.report(
        "DST103",
        node,
        f"{name} = AF_INET makes {place} IPv4-only",
        "take the family from getaddrinfo(), or use AF_INET6 with IPV6_V6ONLY off; dualstack.open_listener() does both",
    )


def _other_value(module: Module, node: ast.AST, name: str) -> bool:
    """The class sets the same attribute to AF_INET6 elsewhere."""
    owner = module.enclosing_class(node)
    if owner is None:
        return False
    for inner in ast.walk(owner):
        if not isinstance(inner, ast.Assign) or inner is node or last_name(inner.targets[0]) != name:
            continue
        if any(found.endswith("INET6") for found in names_in(inner.value)) or _from_info(inner.value):
            return True
    return False


def _overridden(module: Module, node: ast.AST, name: str) -> bool:
    """Another class of the file sets the same class attribute to AF_INET6."""
    if not isinstance(module.parents.get(node), ast.ClassDef):
        return False
    pattern = rf"\b{re.escape(name)}\s*(?::[^=\n]+)?=\s*[\w.]*AF_INET6"
    return re.search(pattern, module.text) is not None


def _from_info(value: ast.expr) -> bool:
    return any("addrinfo" in name or name == "family" for name in names_in(value))


@on(ast.Return)
def family_returned(module: Module, node: ast.Return) -> None:
    """DST103, in the form of a function that answers AF_INET."""
    if not is_af_inet(module, node.value):
        return
    function = module.function(node)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or "famil" not in function.name.lower():
        return
    if any("INET6" in name or name == "AF_UNSPEC" for name in names_in(function)) or v6_in_reach(module, node):
        return
    module.report(
        "DST103",
        node,
        f"{function.name}() always answers AF_INET",
        "derive the family from the address or from getaddrinfo()",
    )


@on(ast.Call)
def family_argument(module: Module, node: ast.Call) -> None:
    """DST104: getaddrinfo(..., AF_INET), and family=AF_INET to anything that resolves or connects."""
    name = module.real_name(node.func)
    family: ast.expr | None = None
    if name in _RESOLVERS:
        family = argument(node, 2, "family")
    elif name not in _SOCKET_CALLS:
        family = next(
            (kw.value for kw in node.keywords if kw.arg in ("family", "address_family", "socket_family", "af")),
            None,
        )
    if family is None or not is_af_inet(module, family):
        return
    if name in ("namedtuple", "get", "isinstance", "snicaddr", "sconn", "TypeError") or v6_in_reach(module, node):
        return
    given = [*node.args, *(kw.value for kw in node.keywords)]
    if any(
        _V4_LITERAL.match(module.text_of(arg, node) or "") for arg in given if isinstance(arg, (ast.Constant, ast.Name))
    ):
        return  # told to use IPv4 for an IPv4 literal
    module.report(
        "DST104",
        node,
        f"{name}() is asked for IPv4 addresses only" if name in _RESOLVERS else f"{name}() is told to use IPv4 only",
        "leave the family out (AF_UNSPEC) and use every answer; dualstack.resolve() returns both families in order",
    )


@on(ast.If)
def branch_without_v6(module: Module, node: ast.If) -> None:
    """DST105: an if on AF_INET whose other way is a refusal."""
    test = node.test
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return
    sides = [test.left, test.comparators[0]]
    if not any(is_af_inet(module, side) for side in sides):
        return
    parent = module.parents.get(node)
    if isinstance(parent, ast.If) and len(parent.orelse) == 1 and parent.orelse[0] is node:
        return  # judged with the head of its chain
    op = test.ops[0]
    if isinstance(op, (ast.Eq, ast.Is)):
        refused = _refuses(node.orelse)
        verb = "raises"
    elif isinstance(op, (ast.NotEq, ast.IsNot)):
        refused = _refuses(node.body) or (len(node.body) == 1 and isinstance(node.body[0], ast.Continue))
        verb = "skips" if isinstance(node.body[0], ast.Continue) else "raises"
    else:
        return
    if not refused or mentions_v6(node) or _reach_around(module, node):
        return
    if module.facts_at(node).identifiers & {"net_if_addrs", "ifaddresses", "get_adapters"}:
        return  # a list of interface addresses is filtered: DST703 speaks
    module.report(
        "DST105",
        node.test,
        f"anything but AF_INET {verb if verb == 'raises' else 'is skipped'} here: IPv6 has no branch",
        "handle AF_INET6 beside it, or work on dualstack.Endpoint values, which hide the difference",
    )


def _reach_around(module: Module, node: ast.If) -> bool:
    return v6_in_reach(module, node.test)


def _refuses(block: list[ast.stmt]) -> bool:
    """The block is nothing but a refusal."""
    if not block:
        return False
    if len(block) == 1 and isinstance(block[0], ast.If):
        inner = block[0]
        return bool(inner.orelse) and _refuses(inner.orelse)
    return isinstance(block[-1], ast.Raise) and terminates(block) and len(block) <= 2


@on_name("AF_INET")
def table_of_families(module: Module, node: ast.expr) -> None:
    """DST104 in the form ``families = [AF_INET]`` that is looped over."""
    parent = module.parents.get(node)
    if not isinstance(parent, (ast.List, ast.Tuple, ast.Set)) or len(parent.elts) != 1:
        return
    holder = module.parents.get(parent)
    if not isinstance(holder, (ast.For, ast.Assign)) or not is_af_inet(module, node):
        return
    if isinstance(holder, ast.For) and holder.iter is not parent:
        return
    if isinstance(holder, ast.Assign) and "famil" not in last_name(holder.targets[0]).lower():
        return
    if v6_in_reach(module, node):
        return
    module.report(
        "DST104",
        parent,
        "the list of families to try holds IPv4 only",
        "add AF_INET6, or ask getaddrinfo() with AF_UNSPEC",
    )
