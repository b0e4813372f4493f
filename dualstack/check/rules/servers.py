"""DST106, DST107, DST109, DST110, DST111: servers and helpers that are AF_INET inside, without saying so."""

from __future__ import annotations

import ast

from dualstack.check.module import Module
from dualstack.check.registry import on, on_call
from dualstack.check.syntax import argument, constant_text, last_name, names_in
from dualstack.check.twins import v6_in_reach

from .families import is_af_inet

__all__ = ("V4_SERVERS",)

# Checked on Python 3.8 to 3.14: address_family is AF_INET in every one of them.
V4_SERVERS = {
    "socketserver.TCPServer",
    "socketserver.UDPServer",
    "socketserver.ThreadingTCPServer",
    "socketserver.ThreadingUDPServer",
    "socketserver.ForkingTCPServer",
    "socketserver.ForkingUDPServer",
    "http.server.HTTPServer",
    "http.server.ThreadingHTTPServer",
    "http.server.HTTPSServer",
    "xmlrpc.server.SimpleXMLRPCServer",
    "xmlrpc.server.DocXMLRPCServer",
    "wsgiref.simple_server.WSGIServer",
    "wsgiref.simple_server.make_server",
    "eventlet.listen",
    "logging.config.listen",
    "smtpd.SMTPServer",
    "werkzeug.serving.BaseWSGIServer",
}
_LAST = tuple({name.rpartition(".")[2] for name in V4_SERVERS})
_HINT = "set address_family to AF_INET6 and clear IPV6_V6ONLY in server_bind(), or use dualstack.shim.servers"


@on_call(*_LAST)
def server_made(module: Module, node: ast.Call) -> None:
    """DST106, at the call."""
    dotted = module.names.resolve(node.func)
    if dotted not in V4_SERVERS:
        return
    if dotted == "eventlet.listen":
        if argument(node, 1, "family") is not None or any(kw.arg is None for kw in node.keywords):
            return
    elif dotted == "logging.config.listen":
        return
    address = node.args[0] if node.args else argument(node, 0, "server_address")
    host = _host_of(module, address, node)
    if host is not None and (":" in host or host.startswith("127.")):
        return  # an explicit literal: the loopback rules speak about it
    server_class = argument(node, 3, "server_class") if dotted.endswith("make_server") else None
    if server_class is not None or v6_in_reach(module, node) or _family_set(module, node):
        return
    name = dotted.rpartition(".")[2]
    module.report("DST106", node, f"{name} listens on IPv4 only: its address_family is AF_INET", _HINT)


def _host_of(module: Module, address: ast.expr | None, node: ast.AST) -> str | None:
    if isinstance(address, ast.Tuple) and address.elts:
        return module.text_of(address.elts[0], node)
    return module.text_of(address, node)


def _family_set(module: Module, node: ast.AST) -> bool:
    """``TCPServer.address_family = ...`` or ``server.address_family = ...`` somewhere in the file."""
    return "address_family" in module.text and any(
        isinstance(inner, ast.Attribute) and inner.attr == "address_family" and isinstance(inner.ctx, ast.Store)
        for inner in ast.walk(module.function(node))
    )


@on(ast.ClassDef)
def server_class(module: Module, node: ast.ClassDef) -> None:
    """DST106, at a subclass that does not choose its family."""
    base = next((base for base in node.bases if module.names.resolve(base) in V4_SERVERS), None)
    if base is None or any(last_name(other) == "DualStackMixIn" for other in node.bases):
        return  # dualstack.shim.servers.DualStackMixIn replaces the socket
    if any(name in ("address_family", "AF_UNIX", "AF_INET6", "server_bind_sockets") for name in names_in(node)):
        return
    if any(
        isinstance(stmt, ast.FunctionDef) and stmt.name == "server_bind" and _own_socket(stmt) for stmt in node.body
    ):
        return
    if v6_in_reach(module, node) or _set_outside(module, node.name):
        return
    module.report(
        "DST106",
        base,
        f"{node.name} inherits address_family = AF_INET from {last_name(base)}: IPv4 only",
        _HINT,
    )


_SOCKET_MAKERS = ("socket", "fromfd", "create_server", "open_listener", "open_datagram")


def _own_socket(function: ast.FunctionDef) -> bool:
    return any(isinstance(inner, ast.Call) and last_name(inner.func) in _SOCKET_MAKERS for inner in ast.walk(function))


def _set_outside(module: Module, name: str) -> bool:
    if "address_family" not in module.text:
        return False
    return any(
        isinstance(inner, ast.Attribute)
        and inner.attr == "address_family"
        and isinstance(inner.ctx, ast.Store)
        and last_name(inner.value) in (name, "server", "httpd", "srv")
        for inner in ast.walk(module.tree)
    )


@on_call("create_server")
def create_server_default(module: Module, node: ast.Call) -> None:
    """DST107: socket.create_server() without a family is AF_INET."""
    if module.names.resolve(node.func) != "socket.create_server":
        return
    if argument(node, -1, "family") is not None or any(kw.arg is None for kw in node.keywords):
        return
    host = _host_of(module, node.args[0] if node.args else None, node)
    if (host is not None and host.startswith("127.")) or v6_in_reach(module, node):
        return
    module.report(
        "DST107",
        node,
        "create_server() without family= listens on IPv4 only",
        "pass family=AF_INET6, dualstack_ipv6=has_dualstack_ipv6(), or use dualstack.open_listener(host, port)",
    )


@on_call("DatagramHandler")
def logging_handler(module: Module, node: ast.Call) -> None:
    """DST109."""
    if module.names.resolve(node.func) not in ("logging.handlers.DatagramHandler", "logging.DatagramHandler"):
        return
    host = module.text_of(argument(node, 0, "host"), node)
    if host is not None and host.startswith("127."):
        return
    module.report(
        "DST109",
        node,
        "DatagramHandler makes an AF_INET socket: an IPv6 log host is never reached",
        "subclass it with a makeSocket() that uses getaddrinfo(), or use SysLogHandler, which does",
    )


@on(ast.ClassDef)
def logging_subclass(module: Module, node: ast.ClassDef) -> None:
    """DST109, at a subclass without its own makeSocket()."""
    for base in node.bases:
        if module.names.resolve(base) == "logging.handlers.DatagramHandler" and not any(
            isinstance(stmt, ast.FunctionDef) and stmt.name in ("makeSocket", "send") for stmt in node.body
        ):
            module.report(
                "DST109",
                base,
                f"{node.name} inherits an AF_INET socket from DatagramHandler",
                "override makeSocket() with getaddrinfo()",
            )


@on_call("Listener", "Client")
def multiprocessing_connection(module: Module, node: ast.Call) -> None:
    """DST110."""
    dotted = module.names.resolve(node.func) or ""
    if not dotted.startswith(("multiprocessing.connection.", "billiard.connection.")):
        return
    family = constant_text(argument(node, 1, "family"))
    address = argument(node, 0, "address")
    if family == "AF_INET" or (family is None and isinstance(address, ast.Tuple)):
        module.report(
            "DST110",
            node,
            "multiprocessing connections know AF_INET and AF_UNIX only",
            "use AF_UNIX or AF_PIPE on one host, or a plain socket between hosts",
            strict=True,
        )


@on_call("bind")
def free_port(module: Module, node: ast.Call) -> None:
    """DST111: the usual search for a free port looks at one family."""
    address = node.args[0] if node.args else None
    if not isinstance(address, ast.Tuple) or len(address.elts) != 2:
        return
    host, port = module.text_of(address.elts[0], node), address.elts[1]
    if not (isinstance(port, ast.Constant) and port.value == 0) or host not in (
        "",
        "127.0.0.1",
        "0.0.0.0",
        "localhost",
    ):
        return
    facts = module.facts_at(node)
    if "getsockname" not in facts.identifiers or "AF_INET6" in facts.identifiers:
        return
    families = [call for call in facts.calls.get("socket", ()) if not call.args or is_af_inet(module, call.args[0])]
    if not families or v6_in_reach(module, node):
        return
    module.report(
        "DST111",
        node,
        "a port that is free on IPv4 may be taken on IPv6",
        'bind port 0 on the socket that will be used, or dualstack.open_listener("::", 0), which finds one for both',
        strict=True,
    )
