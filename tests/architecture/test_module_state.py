"""State of a module that changes after import: each piece is here with what makes it safe in threads.

Free-threaded Pythons have no lock around everything. So a module-level name that some function rebinds (``global``),
and a module-level container that some function changes, must be in STATE, either with the lock that every change
holds, or with the reason why none is needed: it is replaced as a whole and any thread's value is as good as another's,
or only one thread is there to change it. A new one fails here until somebody has thought about it, an old one that
went likewise.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

#: module: name -> "lock NAME", or why there is none.
STATE = {
    "core/order.py: _default": "replaced as a whole by an equal value",
    "core/proxy_protocol.py: _table": "replaced as a whole by an equal value",
    "doors.py: current": "only tests and programs that enter a world change it, before they start threads",
    "net/capabilities.py: _cache": "replaced as a whole; two threads that probe at once find the same",
    "net/connect.py: _connect_unix": "filled with the same function by whoever comes first; the first entry counts",
    "net/connect.py: _read_unix": "filled with the same function by whoever comes first; the first entry counts",
    "net/etc.py: _known": "one entry per file, replaced as a whole by what the file says",
    "net/lookup.py: _current": "replaced as a whole; a second pool serves whoever has it, and its threads end",
    "platforms/constants.py: _native": "replaced as a whole by an equal value",
    "platforms/windows_interfaces.py: _library": "replaced as a whole; the same DLL",
    "platforms/winsock.py: _loaded": "replaced as a whole; the same DLL",
    "shim/shapes.py: _fresh": "one entry per descriptor, put and taken by the thread that accepts it",
    "shim/shapes.py: _served": "one entry per listener; set operations are atomic, and it only ever says yes",
}
CONTAINERS = {"bytearray", "defaultdict", "deque", "dict", "list", "set"}
CHANGES = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "setdefault", "sort", "update",
}  # fmt: skip
# They run in one thread, or are not part of a program that has several of its own.
LEFT_OUT = ("check/", "cli/", "testing/")


def is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in CONTAINERS
    return isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)


def bare(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def changed(node: ast.AST) -> set[str]:
    """The names whose containers this one statement or expression changes."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
        return {bare(node.func.value) or ""}
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        targets = node.targets
    elif isinstance(node, ast.AugAssign):
        targets = [node.target]
    return {bare(target.value) or "" for target in targets if isinstance(target, ast.Subscript)}


class Module(ast.NodeVisitor):
    """The state of one module: name -> the locks that each change of it holds."""

    def __init__(self, tree: ast.Module) -> None:
        self.containers: set[str] = set()
        self.state: dict[str, list[set[str]]] = {}
        self._locks: list[str] = []
        self._globals: list[set[str]] = []
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and is_container(node.value):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self.containers.add(bare(target) or "")
        self.visit(tree)

    def _note(self, names: set[str]) -> None:
        for name in names:
            self.state.setdefault(name, []).append(set(self._locks))

    def visit_With(self, node: ast.With) -> None:
        held = [name for item in node.items if (name := bare(item.context_expr))]
        self._locks += held
        self.generic_visit(node)
        del self._locks[len(self._locks) - len(held) :]

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        inner = {name for one in ast.walk(node) if isinstance(one, ast.Global) for name in one.names}
        outer, self._locks = self._locks, []  # a function runs later, when the lock around it is gone
        self._globals.append(inner)
        self.generic_visit(node)
        self._globals.pop()
        self._locks = outer

    visit_AsyncFunctionDef = visit_FunctionDef

    def generic_visit(self, node: ast.AST) -> None:
        if self._globals:
            self._note(changed(node) & self.containers)
            stored = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del) else set()
            self._note(stored & self._globals[-1])
        super().generic_visit(node)


def states(source: Path) -> dict[str, list[set[str]]]:
    found = {}
    for path in sorted(source.rglob("*.py")):
        module = path.relative_to(source).as_posix()
        if not module.startswith(LEFT_OUT):
            for name, locks in Module(ast.parse(path.read_text("utf-8"))).state.items():
                found[f"{module}: {name}"] = locks
    return found


def test_module_state_is_known_and_safe(root: Path) -> None:
    found = states(root / "dualstack")
    assert sorted(found) == sorted(STATE)
    for name, why in STATE.items():
        if why.startswith("lock "):
            lock = why.removeprefix("lock ")
            assert all(lock in held for held in found[name]), f"{name} is changed without {lock}"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param("x = 1\ndef f():\n    global x\n    x = 2\n", {"x": [set()]}, id="rebound"),
        pytest.param("x = {}\ndef f():\n    x[1] = 2\n", {"x": [set()]}, id="an-item"),
        pytest.param("x: dict = {}\ndef f():\n    del x[1]\n", {"x": [set()]}, id="an-item-gone"),
        pytest.param("x = set()\nasync def f():\n    x.add(1)\n", {"x": [set()]}, id="a-method"),
        pytest.param("x = []\ndef f():\n    with lock:\n        x.append(1)\n", {"x": [{"lock"}]}, id="locked"),
        pytest.param(
            "x = []\ndef f():\n    with lock:\n        def g():\n            x.append(1)\n", {"x": [set()]}, id="later"
        ),
        pytest.param("x = {1: 2}\ndef f():\n    return x[1]\n", {}, id="a-constant"),
        pytest.param("x = []\nx.append(1)\n", {}, id="at-import"),
        pytest.param("def f():\n    x = []\n    x.append(1)\n", {}, id="local"),
    ],
)
def test_what_counts_as_state(text: str, state: dict[str, list[set[str]]]) -> None:
    assert Module(ast.parse(text)).state == state
