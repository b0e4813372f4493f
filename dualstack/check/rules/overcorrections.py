"""DST901 to DST904: ported too far, or in appearance only. (DST905 is in the remarks.)"""

from __future__ import annotations

import ast

from dualstack.check.module import Module
from dualstack.check.registry import on, on_call, on_name
from dualstack.check.syntax import argument, constant_text, last_name

__all__ = ()

_OPTION_NAMES = {"IPV6_V6ONLY", "dualstack_ipv6", "has_dualstack_ipv6", "ipv6_v6only", "v6only"}


@on_call("bind")
def v6only_assumed(module: Module, node: ast.Call) -> None:
    """DST901: bind("::") without saying what IPV6_V6ONLY shall be."""
    address = node.args[0] if node.args else None
    host = constant_text(address.elts[0]) if isinstance(address, ast.Tuple) and address.elts else None
    if host != "::":
        return
    owner = module.enclosing_class(node) or module.function(node)
    names = module.facts(owner).identifiers if not isinstance(owner, ast.Module) else set()
    if names & _OPTION_NAMES or "IPV6_V6ONLY" in module.facts_at(node).identifiers:
        return
    module.report(
        "DST901",
        node,
        '"::" takes IPv4 clients on Linux and macOS, not on Windows and OpenBSD: IPV6_V6ONLY is not set here',
        'set IPV6_V6ONLY before bind, or use dualstack.open_listener("::", port)',
        strict=True,
    )


@on_call("create_server", "start_server")
def asyncio_v6_only(module: Module, node: ast.Call) -> None:
    """DST901: asyncio turns IPV6_V6ONLY on by itself."""
    dotted = module.names.resolve(node.func)
    if dotted == "socket.create_server":
        address = node.args[0] if node.args else None
        host = address.elts[0] if isinstance(address, ast.Tuple) and address.elts else None
        if constant_text(host) == "::" and not any(kw.arg == "dualstack_ipv6" for kw in node.keywords):
            _only_v6(module, node, "create_server() sets IPV6_V6ONLY unless dualstack_ipv6=True")
        return
    if constant_text(argument(node, 1, "host")) == "::":
        _only_v6(module, node, 'asyncio sets IPV6_V6ONLY, so host="::" serves IPv6 only')


def _only_v6(module: Module, node: ast.Call, message: str) -> None:
    module.report(
        "DST901",
        node,
        message,
        "pass host=None for both families, or a socket of dualstack.open_listener()",
        strict=True,
    )


@on(ast.Constant)
def localhost_name(module: Module, node: ast.Constant) -> None:
    """DST902: the name localhost towards a server that listens on 127.0.0.1 only, in the same file."""
    if node.value != "localhost" or "127.0.0.1" not in module.text:
        return
    for _, parent in module.ancestors(node):
        if isinstance(parent, ast.keyword) and parent.arg == "server_hostname":
            return  # the name in a certificate; nothing is looked up
        if isinstance(parent, ast.Call):
            if last_name(parent.func) in (
                "connect",
                "create_connection",
                "open_connection",
                "bind",
                "get",
                "Client",
                "HTTPConnection",
            ):
                module.report(
                    "DST902",
                    node,
                    "localhost may mean ::1 first, where a server on 127.0.0.1 does not listen",
                    "use one of the two on both sides, or listen on both (dualstack.open_listener('localhost', port))",
                    strict=True,
                )
            return
        if isinstance(parent, ast.stmt):
            return


@on_name("has_ipv6")
def compiled_is_not_configured(module: Module, node: ast.expr) -> None:
    """DST903: socket.has_ipv6 says how Python was compiled."""
    dotted = module.names.resolve(node)
    if dotted != "socket.has_ipv6":
        return
    for child, parent in module.ancestors(node):
        if isinstance(parent, ast.Try):
            return  # tried as well
        if isinstance(parent, (ast.If, ast.IfExp)) and child is parent.test:
            if any(
                isinstance(inner, ast.Try)
                for stmt in (parent.body if isinstance(parent, ast.If) else [])
                for inner in ast.walk(stmt)
            ):
                return
            module.report(
                "DST903",
                node,
                "has_ipv6 is true on every modern build, also where the host has no IPv6",
                "try to bind ::1 once, or ask dualstack.capabilities()",
                strict=True,
            )
            return


@on(ast.JoinedStr)
def always_bracketed(module: Module, node: ast.JoinedStr) -> None:
    """DST904: f"[{host}]:{port}" for a host that may be a name or an IPv4 address."""
    before = ""
    for index, part in enumerate(node.values):
        text = constant_text(part)
        if text is not None:
            before = text
            continue
        following = constant_text(node.values[index + 1]) if index + 1 < len(node.values) else ""
        if (
            (
                before.endswith(("//[", "@["))
                and following
                and following.startswith("]:")
                and isinstance(part, ast.FormattedValue)
            )
            and not _decided(module, node)
            and not _says_six(part.value)
        ):
            module.report(
                "DST904",
                node,
                "brackets around a name or an IPv4 address make no valid URL",
                "put them only when ':' is in the host, or use Endpoint.url(scheme)",
                strict=True,
            )
        before = ""


def _says_six(value: ast.expr) -> bool:
    return "6" in last_name(value)


def _decided(module: Module, node: ast.AST) -> bool:
    if module.facts_at(node).weak_v6:
        return True
    return any(isinstance(parent, (ast.If, ast.IfExp)) for _, parent in module.ancestors(node))
