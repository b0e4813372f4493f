"""HOST:PORT inside a text that is put together: finding it, and judging whether it is one.

Says nothing about where the text goes; see ``sinks`` for that.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from .module import Module
from .syntax import constant_text, last_name, words
from .templates import template

__all__ = ("Join", "find_join", "is_hostish", "is_portish", "judge")

_HOST_WORDS = {
    "host", "hostname", "addr", "address", "ip", "ipaddr", "ipaddress", "server", "netloc", "peer",
    "peername", "bind", "endpoint", "domain", "interface", "node", "remote", "hostaddr", "proxy", "target",
    "gateway", "broker", "dst", "src", "dest", "destination", "fqdn", "ipv4", "iface", "authority",
    "nodename", "listen", "hosts", "servername", "laddr", "raddr", "machine", "vip", "leader",
    "bindaddr", "dstaddr", "srcaddr", "listener", "inet", "master", "coordinator", "rhost", "lhost",
}  # fmt: skip
_NOT_HOST_LAST = {
    "id", "version", "type", "count", "index", "key", "class", "path", "file", "len", "num", "size", "time",
    "port", "kind", "user", "username", "password", "idx", "line", "state", "status", "family", "group",
    "alias", "title", "dir", "url", "uri", "urls", "uris", "mask", "netmask", "prefix", "module", "session",
    "mac", "hash", "hashes",
}  # fmt: skip
_PORT_WORDS = {
    "port",
    "ports",
    "portno",
    "portnum",
    "rport",
    "lport",
    "dport",
    "sport",
    "tcpport",
    "udpport",
    "httpport",
    "portnumber",
    "prt",
    "tport",
}
_BRACKET_CALL = re.compile(
    r"bracket|wrap|ipv?6|v6|quote|escape|url_?host|format_?(?:\w*host|ip|addr)|authority|host_?for|netloc|to_?url|enclose|normali[sz]e_?(?:host|ip|addr)|uri_?host|host_?(?:url|uri)",
    re.I,
)


class Join(NamedTuple):
    """``HOST:PORT`` inside a text: the operands and the literal text around them."""

    node: ast.AST
    host: ast.expr
    port: ast.expr | str  # a literal port is its digits; the host itself when one tuple fills both places
    before: str
    after: str

    @property
    def scheme(self) -> str | None:
        """The text in front of :// when the join is the authority of a URL ("" for ``%s://%s:%d``)."""
        head, mark, rest = self.before.rpartition("://")
        if not mark or "/" in rest:
            return None
        return re.split(r"[^A-Za-z0-9+.-]", head)[-1] if head else ""


def is_hostish(node: ast.AST | None) -> bool:
    """The expression is named like a host or an address."""
    name = last_name(node)
    low = name.lower()
    found = words(name)
    if not found & _HOST_WORDS and not low.endswith(("host", "hostname", "_addr", "ipaddr", "_ip", "addr", "hostip")):
        return False
    last = re.split(r"_|(?<=[a-z])(?=[A-Z])", name.strip("_"))[-1].lower()
    return last not in _NOT_HOST_LAST and not (last == "name" and not found & {"host", "server", "node"})


def is_portish(node: ast.AST | str | None) -> bool:
    """The expression is named like a port, or is the text of one."""
    if isinstance(node, str):
        return node.isdigit() and len(node) > 1
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    name = last_name(node)
    return bool(words(name) & _PORT_WORDS) or name.lower().endswith("port") or name.lower().startswith("port")


def find_join(node: ast.AST) -> Join | None:
    """The first ``HOST:PORT`` in a put-together text, or None. Says nothing about whether it is wrong."""
    parts = template(node)
    if parts is None:
        return None
    for index, part in enumerate(parts):
        if isinstance(part, str):
            continue
        after = parts[index + 1] if index + 1 < len(parts) else ""
        if not isinstance(after, str) or not after.startswith(":"):
            continue
        before = "".join(p if isinstance(p, str) else "" for p in parts[max(0, index - 1) : index])
        if index >= 2 and isinstance(parts[index - 1], str) and not before.endswith(("://", "@")):
            pass
        port: ast.expr | str
        literal = re.match(r":(\d{2,5})(?!\d)", after)
        if literal:
            port, rest = literal[1], after[literal.end() :]
        elif after == ":" and index + 2 < len(parts) and not isinstance(parts[index + 2], str):
            follower = parts[index + 2]
            port = follower if isinstance(follower, ast.expr) else ""
            tail = parts[index + 3] if index + 3 < len(parts) else ""
            rest = tail if isinstance(tail, str) else "/"
        else:
            continue
        if rest.startswith(("@", ":")) and not rest.startswith(": "):
            continue  # user:password@, or one more colon: not a host and a port
        if rest[:1] in ("-", ".", "_") and (rest[1:2].strip() or (not literal and index + 4 < len(parts))):
            continue  # a longer name that holds both: host:port.service.local, host:port-worker
        full = "".join(p if isinstance(p, str) else "\0" for p in parts[:index])
        if full and not _opens(full):
            continue
        return Join(node, part, port, full.replace("\0", ""), rest)
    return None


def _opens(before: str) -> bool:
    """Whether a host may start after this text."""
    return before[-1] in " =,@\"'(;|<>\t\n" or before.endswith("//") or bool(re.search(r"://[^/]*@$", before))


def judge(module: Module, join: Join) -> bool:
    """Whether the operands are a host and a port at all, and the host may be an IPv6 literal."""
    host = join.host
    if constant_text(host) is not None or module.text_of(host, join.node) is not None:
        return False
    if isinstance(host, ast.Constant) or _known_to_fit(module, join):
        return False
    url = join.scheme is not None
    if join.port is host:  # "%s:%d" % address
        if isinstance(host, ast.Name) and _constant_pair(module, host.id):
            return False
        if last_name(host) in ("getsockname", "getpeername", "server_address"):
            return True
        return is_hostish(host) or {"host", "port"} <= words(last_name(host)) or "hostport" in words(last_name(host))
    if is_hostish(host):
        if _elements_of_one(host, join.port):
            return True
        return is_portish(join.port) or (url and not isinstance(join.port, str))
    return (
        url and is_portish(join.port) and not (isinstance(host, ast.Name) and host.id in ("scheme", "user", "username"))
    )


def _elements_of_one(host: ast.expr, port: ast.expr | str) -> bool:
    """addr[0] and addr[1] of one address."""
    if isinstance(port, ast.Call) and last_name(port.func) in ("str", "int") and port.args:
        port = port.args[0]
    return (
        isinstance(host, ast.Subscript)
        and isinstance(port, ast.Subscript)
        and [getattr(part.slice, "value", None) for part in (host, port)] == [0, 1]
        and ast.dump(host.value) == ast.dump(port.value)
    )


def _constant_pair(module: Module, name: str) -> bool:
    """GROUP = ("239.255.255.250", 1900): the host is written down, and needs no brackets."""
    values = module.module_values(name)
    return bool(values) and all(
        isinstance(value, ast.Tuple) and value.elts and ":" not in (constant_text(value.elts[0]) or ":")
        for value in values
    )


def _known_to_fit(module: Module, join: Join) -> bool:
    """The host went through a function that brackets it, or comes from a text that kept its brackets."""
    host = join.host
    called = host
    if isinstance(called, ast.Call) and _BRACKET_CALL.search(last_name(called.func)):
        return True
    if isinstance(host, ast.IfExp):
        return True  # a decision about the host right here
    name = host.id if isinstance(host, ast.Name) else ""
    if last_name(host) == "netloc":
        return True
    if not name:
        return False
    stores = module.facts_at(join.node).stores.get(name, ()) if join.node in module.parents else ()
    for store in stores:
        value = store.value
        if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice) and store.kind == "assign":
            return True  # cut out of a text by position: it keeps what was there
        for inner in ast.walk(value) if value is not None else ():
            if isinstance(inner, ast.Attribute) and inner.attr == "netloc" and store.kind == "assign":
                return True
            if isinstance(inner, ast.Call):
                called_name = last_name(inner.func)
                if _BRACKET_CALL.search(called_name):
                    return True
                if called_name in ("_splitport", "splitport"):
                    return True
                if called_name in ("split", "rsplit", "partition", "rpartition") and any(
                    constant_text(arg) == ":" for arg in inner.args
                ):
                    return True
    return False
