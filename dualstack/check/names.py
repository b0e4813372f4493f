"""What a name in a file means: imports, aliases and attributes resolved to dotted names.

Problem: ``socket.AF_INET`` is also written ``AF_INET``, ``V4`` (``from socket import AF_INET as V4``),
``self.sock_mod.AF_INET`` and ``gevent.socket.AF_INET``. A search for words misses the second half or drowns
in the first. Our rule: names that an import in this file explains are resolved; modules that stand in for the
standard one (gevent, eventlet, six.moves, Python 2) are mapped onto it; an attribute of an object nobody can
resolve counts by its last name when that name is unmistakable (``AF_INET`` means one thing in the world,
``socket`` does not). What is left out: re-exports through other files of the project.
"""

from __future__ import annotations

import ast

from .syntax import chain

__all__ = ("Names",)

# Modules that are another module for our purposes. Compared after import aliases are expanded.
_SAME = {
    "_socket": "socket",
    "gevent.socket": "socket",
    "gevent._socket3": "socket",
    "eventlet.green.socket": "socket",
    "trio.socket": "socket",
    "curio.socket": "socket",
    "anyio.socket": "socket",
    "SocketServer": "socketserver",
    "six.moves.socketserver": "socketserver",
    "gevent.select": "select",
    "eventlet.green.select": "select",
    "eventlet.green.SocketServer": "socketserver",
    "eventlet.green.BaseHTTPServer": "http.server",
    "BaseHTTPServer": "http.server",
    "SimpleHTTPServer": "http.server",
    "CGIHTTPServer": "http.server",
    "six.moves.BaseHTTPServer": "http.server",
    "six.moves.SimpleHTTPServer": "http.server",
    "SimpleXMLRPCServer": "xmlrpc.server",
    "DocXMLRPCServer": "xmlrpc.server",
    "six.moves.xmlrpc_server": "xmlrpc.server",
    "future.backports.socketserver": "socketserver",
    "future.backports.http.server": "http.server",
    "asyncio.base_events": "asyncio",
    "asyncio.streams": "asyncio",
    "asyncio.unix_events": "asyncio",
    "netifaces2": "netifaces",
    "netifaces_plus": "netifaces",
    "ipaddr": "ipaddress",
}


class Names:
    """The import map of one file. ``star`` holds modules imported with ``*``, ``modules`` all first names."""

    def __init__(self) -> None:
        self._map: dict[str, str] = {}
        self.star: set[str] = set()
        self.modules: set[str] = set()

    def add(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.modules.add(alias.name)
                if alias.asname:
                    self._map[alias.asname] = alias.name
                else:
                    first = alias.name.partition(".")[0]
                    self._map.setdefault(first, first)
            return
        module = ("." * node.level) + (node.module or "")
        self.modules.add(module)
        for alias in node.names:
            if alias.name == "*":
                self.star.add(module)
            else:
                dotted = f"{module}.{alias.name}" if not module.endswith(".") else module + alias.name
                self.modules.add(dotted)
                self._map[alias.asname or alias.name] = dotted

    def imported(self, name: str) -> str | None:
        """What an import binds this bare name to."""
        return self._map.get(name)

    def aliases(self) -> dict[str, str]:
        return self._map

    def uses(self, *modules: str) -> bool:
        """Whether any of these top-level or dotted modules is imported in any form."""
        for module in self.modules:
            for wanted in modules:
                if module == wanted or module.startswith(wanted + ".") or _SAME.get(module) == wanted:
                    return True
        return False

    def resolve(self, node: ast.AST) -> str | None:
        """The dotted name an expression stands for, through this file's imports; None when unknown."""
        parts = chain(node)
        if parts is None:
            return None
        head = self._map.get(parts[0])
        if head is None:
            if len(parts) == 1 and self.star:
                return f"*.{parts[0]}"
            return None
        dotted = ".".join([head, *parts[1:]])
        owner, _, last = dotted.rpartition(".")
        if owner in _SAME:
            return f"{_SAME[owner]}.{last}"
        return _SAME.get(dotted, dotted)

    def is_from(self, node: ast.AST, module: str, *, unless: tuple[str, ...] = ()) -> bool:
        """Whether the expression is an attribute of *module*, or cannot be shown to be of another one.

        For names that mean one thing everywhere (AF_INET). *unless* lists modules that reuse the name.
        """
        dotted = self.resolve(node)
        if dotted is None:
            return True
        owner = dotted.rpartition(".")[0]
        if owner in unless:
            return False
        return owner == module or owner not in ("netifaces", "psutil", "ctypes", "pyroute2.netlink")
