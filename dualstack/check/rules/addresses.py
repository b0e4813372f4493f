"""DST601 to DST607: IPv4 addresses written into the program."""

from __future__ import annotations

import ast
import re

from dualstack.check.fixes import replace_node
from dualstack.check.module import Module
from dualstack.check.registry import on, on_call
from dualstack.check.syntax import argument, constant_text, last_name, words
from dualstack.check.twins import v6_in_reach

from .families import is_af_inet

__all__ = ()

_V4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_DOCUMENTATION = ("192.0.2.", "198.51.100.", "203.0.113.", "2.5.", "1.3.6.")
_HOST_KEYS = {
    "host", "bind", "bind_address", "hostname", "address", "listen", "addr", "interface", "ip",
    "server_host", "bind_addr", "bind_host", "listen_address", "local_addr", "bindaddr", "server_name",
    "listen_host", "hosts", "server", "default",
}  # fmt: skip
_RUNNERS = {
    "run": ("host", 1),
    "run_app": ("host", 1),
    "run_simple": ("hostname", 0),
    "start_server": ("host", 1),
    "create_server": ("host", 1),
    "serve": ("host", 1),
    "TCPSite": ("host", 1),
    "Config": ("host", -1),
    "listen": ("address", 1),
    "open_tcp_listeners": ("host", 1),
    "serve_tcp": ("host", 2),
    "create_tcp_listener": ("local_host", -1),
    "run_server": ("host", -1),
    "run_async": ("host", -1),
    "launch": ("server_name", -1),
    "make_server": ("host", -1),
}


def _stdlib_server(module: Module, node: ast.Call) -> bool:
    """Constructors whose own rule (DST106, DST107) speaks already."""
    return module.names.resolve(node.func) in ("socket.create_server", "wsgiref.simple_server.make_server")


@on_call(*_RUNNERS)
def server_told_v4(module: Module, node: ast.Call) -> None:
    """DST604."""
    name = module.real_name(node.func)
    keyword, position = _RUNNERS[name]
    host = argument(node, position, keyword)
    if host is None and name in ("run_app", "serve", "run"):
        host = argument(node, -1, "host")
    if name == "run" and constant_text(host) != "0.0.0.0" and node.args:
        host = node.args[0]  # app.run("0.0.0.0", 5000) of Flask and Bottle
    if constant_text(host) != "0.0.0.0" or host is None or _stdlib_server(module, node):
        return
    if (
        isinstance(node.func, ast.Attribute)
        and name == "run"
        and last_name(node.func.value) in ("subprocess", "client", "docker")
    ):
        return
    if v6_in_reach(module, node, named=False):
        return
    asyncio_own = name in ("start_server", "create_server") and isinstance(node.func, ast.Attribute)
    module.report(
        "DST604",
        host,
        f'{name}(host="0.0.0.0") listens on IPv4 only',
        "pass host=None: asyncio then opens both families"
        if asyncio_own
        else 'pass "::" where it is dual-stack, or hand over the sockets of dualstack.open_listener(None, port)',
        edits=(replace_node(module, host, "None"),) if asyncio_own and _is_asyncio(module, node) else (),
    )


def _is_asyncio(module: Module, node: ast.Call) -> bool:
    dotted = module.names.resolve(node.func)
    if dotted is not None:
        return dotted == "asyncio.start_server"
    return isinstance(node.func, ast.Attribute) and last_name(node.func.value) in (
        "loop",
        "_loop",
        "get_event_loop",
        "get_running_loop",
    )


@on_call("create_datagram_endpoint")
def datagram_endpoint(module: Module, node: ast.Call) -> None:
    """DST604 for UDP."""
    address = argument(node, 1, "local_addr")
    if not isinstance(address, ast.Tuple) or not address.elts or constant_text(address.elts[0]) != "0.0.0.0":
        return
    if "SO_BROADCAST" in module.facts_at(node).identifiers or any(kw.arg == "allow_broadcast" for kw in node.keywords):
        return
    if v6_in_reach(module, node):
        return
    module.report(
        "DST604",
        address,
        'local_addr=("0.0.0.0", ...) makes an IPv4-only datagram endpoint',
        'bind ("::", port) on a socket with IPV6_V6ONLY off and pass sock=, or use '
        "dualstack.aio.open_datagram(None, port)",
    )


@on_call("connect")
def probe(module: Module, node: ast.Call) -> None:
    """DST603: connect a UDP socket to a public IPv4 address to learn the local one."""
    address = node.args[0] if node.args else None
    if not isinstance(address, ast.Tuple) or len(address.elts) != 2:
        return
    text = module.text_of(address.elts[0], node)
    if (
        text is None
        or not (_V4.fullmatch(text) or text in ("dns.google", "google.com", "www.google.com"))
        or text.startswith("127.")
    ):
        return
    facts = module.facts_at(node)
    if "getsockname" not in facts.identifiers or v6_in_reach(module, node):
        return
    if not any(is_af_inet(module, call.args[0]) if call.args else True for call in facts.calls.get("socket", ())):
        return
    module.report(
        "DST603",
        node,
        f"the local address is found by a route to {text}: nothing is found on an IPv6-only host",
        "use dualstack.source_for(destination) with the real destination, or list dualstack.interfaces()",
    )


@on(ast.Constant)
def literal(module: Module, node: ast.Constant) -> None:
    """DST601, DST602, DST606, DST607: all opt-in."""
    text = node.value
    if not isinstance(text, str) or not 7 <= len(text) <= 21:
        return
    if text == "<broadcast>":
        if _is_argument(module, node):
            module.report(
                "DST607",
                node,
                "IPv6 has no broadcast",
                "use the multicast group ff02::1 beside it",
                strict=True,
            )
        return
    if not text[0].isdigit() or not _V4.fullmatch(text.partition(":")[0].partition("/")[0]):
        return
    if any(int(part) > 255 for part in text.partition(":")[0].partition("/")[0].split(".")) or not _is_argument(
        module, node
    ):
        return
    host = text.partition(":")[0]
    if _is_netmask(module, node, host) or v6_in_reach(module, node):
        return
    if host == "0.0.0.0":
        if _bind_context(module, node):
            module.report(
                "DST601",
                node,
                "0.0.0.0 serves IPv4 only",
                'use None or "::" with dualstack.open_listener(), which opens both',
                strict=True,
            )
    elif host.startswith("127."):
        module.report(
            "DST602",
            node,
            "the IPv4 loopback alone; clients of localhost may come over ::1",
            'use "localhost" with dualstack, which opens both',
            strict=True,
        )
    elif host == "255.255.255.255":
        module.report("DST607", node, "IPv6 has no broadcast", "use the multicast group ff02::1 beside it", strict=True)
    elif not host.startswith(_DOCUMENTATION) and not _version(module, node):
        module.report(
            "DST606",
            node,
            "an IPv4 address is written into the program",
            "take it from configuration, and allow IPv6 there",
            strict=True,
        )


def _mask(text: str | None) -> bool:
    """One bits first, zero bits after them, as in 255.255.240.0."""
    if text is None or not _V4.fullmatch(text):
        return False
    bits = "".join(f"{int(part):08b}" for part in text.split("."))
    return "01" not in bits


def _is_netmask(module: Module, node: ast.AST, host: str) -> bool:
    """A mask is no address: 255.255.0.0, or any mask in a table that holds nothing else."""
    if not _mask(host):
        return False
    if host.startswith("255.") and host != "255.255.255.255":
        return True
    table = module.parents.get(node)
    values = (
        table.values if isinstance(table, ast.Dict) else table.elts if isinstance(table, (ast.List, ast.Tuple)) else []
    )
    return len(values) > 3 and all(_mask(constant_text(value)) for value in values)


def _is_argument(module: Module, node: ast.AST) -> bool:
    """The literal goes somewhere (argument, default, assignment) and is neither compared nor a docstring."""
    for _, parent in module.ancestors(node):
        if isinstance(parent, (ast.Compare, ast.Expr, ast.JoinedStr)):
            return False
        if isinstance(parent, ast.Call) and last_name(parent.func).startswith("assert"):
            return False  # assertEqual() is a comparison
        if isinstance(parent, (ast.Call, ast.arguments, ast.Assign, ast.AnnAssign, ast.keyword, ast.Return)):
            return True
        if isinstance(parent, ast.stmt):
            return False
    return False


def _bind_context(module: Module, node: ast.AST) -> bool:
    for child, parent in module.ancestors(node):
        if isinstance(parent, ast.keyword):
            return parent.arg in _HOST_KEYS
        if isinstance(parent, ast.Call):
            name = last_name(parent.func).lower()
            return any(
                part in name for part in ("bind", "listen", "serve", "add_argument", "option", "get", "run", "start")
            )
        if isinstance(parent, ast.arguments):
            return True
        if isinstance(parent, (ast.Assign, ast.AnnAssign)):
            target = parent.targets[0] if isinstance(parent, ast.Assign) else parent.target
            return bool(words(last_name(target)) & {"host", "bind", "address", "addr", "listen", "ip", "interface"})
        if isinstance(parent, ast.stmt) and child is not None:
            return False
    return False


def _version(module: Module, node: ast.AST) -> bool:
    statement = module.statement(node)
    names: set[str] = set()
    for inner in ast.walk(statement):
        if isinstance(inner, ast.Name):
            names |= words(inner.id)
        elif isinstance(inner, ast.keyword) and inner.arg:
            names |= words(inner.arg)
    return bool(names & {"version", "ver", "release", "oid"})


@on_call("bind")
def empty_host(module: Module, node: ast.Call) -> None:
    """DST605."""
    address = node.args[0] if node.args else None
    if not isinstance(address, ast.Tuple) or len(address.elts) != 2 or constant_text(address.elts[0]) != "":
        return
    facts = module.facts_at(node)
    if not any(is_af_inet(module, call.args[0] if call.args else None) for call in facts.calls.get("socket", ())):
        return
    if v6_in_reach(module, node):
        return
    module.report(
        "DST605",
        node,
        '"" is 0.0.0.0 on this AF_INET socket: IPv4 only',
        "use dualstack.open_listener(None, port), which opens every family",
        strict=True,
    )
