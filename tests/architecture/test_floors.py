"""The floors of the house: imports only go down, and dangerous things happen at one place.

    cli -> shim -> aio -> net -> doors -> platforms -> core -> errors

``check`` stands alone; ``testing`` may use everything below the command line. Imports inside functions and
under TYPE_CHECKING count as well: a type is a dependency too.
"""

from __future__ import annotations

import ast

import pytest

import dualstack

FLOORS = {
    "errors": 0,
    "check": 0,
    "core": 1,
    "platforms": 2,
    "doors": 3,
    "net": 4,
    "aio": 5,
    "shim": 6,
    "testing": 7,
    "__init__": 7,  # the public names: for users, and for the command line, which is one
    "cli": 8,
    "__main__": 9,
}

# Where the decisions are made: no socket call, no clock, no question which system this is.
IMPURE = {
    "asyncio",
    "os",
    "platform",
    "select",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
}

# Only doors.py does these for the verbs; platforms/ may, because it is below the doors and asks the system.
DOORS_ONLY = {
    "getenv": "the environment",
    "getaddrinfo": "the resolver",
    "gethostbyaddr": "the resolver",
    "gethostbyname": "the resolver",
    "gethostbyname_ex": "the resolver",
    "getnameinfo": "the resolver",
    "socket.socket": "sockets",
    "socket.create_connection": "sockets",
    "socket.create_server": "sockets",
    "socket.fromfd": "sockets",
    "socket.socketpair": "sockets",
    "open": "files",
    "os.chmod": "files",
    "os.link": "files",
    "os.lstat": "files",
    "os.mkdir": "files",
    "os.open": "files",
    "os.remove": "files",
    "os.rename": "files",
    "os.replace": "files",
    "os.rmdir": "files",
    "os.stat": "files",
    "os.unlink": "files",
    "time.monotonic": "the clock",
    "time.time": "the clock",
}
THROUGH_DOORS = {"core", "net", "aio", "errors"}

# The streams of httpcore are anyio's, on every event loop: what it gets from us must be one.
LOOPS_OF_OTHERS = {("shim/httpcore.py", "anyio")}


def target_unit(name: str) -> str | None:
    """The floor an import of *name* lands on, or None outside the package."""
    parts = name.split(".")
    if parts[0] != "dualstack":
        return None
    if len(parts) == 1:
        return "__init__"
    if parts[1] in FLOORS:
        return parts[1]
    home = dualstack._HOME.get(parts[1])
    return home.split(".")[0] if home else "__init__"


def test_every_module_has_a_floor(source) -> None:
    assert source.unit in FLOORS, f"give {source.name} a floor in FLOORS, and in DESIGN.md"


def test_imports_go_down(source) -> None:
    unit = source.unit
    up = []
    for line, name in source.imports():
        target = target_unit(name)
        if target is None or target == unit:
            continue
        alone = unit == "check"  # the checker also runs where the library cannot
        if alone or FLOORS[target] >= FLOORS[unit]:
            up.append(f"{source.name}:{line} imports {name}")
    assert up == []


def test_core_is_pure(source) -> None:
    if source.unit not in {"core", "errors"}:
        return
    taken = source.imports(types=False)  # the type of a socket in a signature calls nothing
    impure = [f"{source.name}:{n} imports {m}" for n, m in taken if m.split(".")[0] in IMPURE]
    assert impure == []


def test_only_platforms_asks_which_system_this_is(source) -> None:
    if source.unit in {"platforms", "check"}:
        return
    asked = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in {("sys", "platform"), ("os", "name")}:
                asked.append(f"{source.name}:{node.lineno} reads {node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            taken = {(node.module, alias.name) for alias in node.names}
            if taken & {("sys", "platform"), ("os", "name")}:
                asked.append(f"{source.name}:{node.lineno} imports the name of the system")
    assert asked == []


def test_only_aio_imports_an_event_loop(source) -> None:
    if source.unit in {"aio", "check"}:
        return
    loops = {"asyncio", "trio", "anyio", "uvloop"}
    loops -= {name for module, name in LOOPS_OF_OTHERS if module == source.name}
    found = [f"{source.name}:{n} imports {m}" for n, m in source.imports() if m.split(".")[0] in loops]
    assert found == []


def test_only_doors_touches_the_outside(source) -> None:
    if source.unit not in THROUGH_DOORS:
        return
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            module, _, name = called.rpartition(".")
            # `settings.open` is a method of ours; `open`, `os.open` and `socket.getaddrinfo` are the system's.
            bare = name if module in {"", "os", "io", "socket", "_socket", "time"} else called
            what = DOORS_ONLY.get(called) or DOORS_ONLY.get(bare)
            if what:
                found.append(f"{source.name}:{node.lineno} calls {called}: {what}")
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
            found.append(f"{source.name}:{node.lineno} reads os.environ: the environment")
    assert found == []


@pytest.mark.parametrize(
    ("unit", "name", "target"),
    [
        pytest.param("net", "dualstack.core.endpoint.Endpoint", "core", id="module"),
        pytest.param("net", "dualstack.errors", "errors", id="unit"),
        pytest.param("cli", "dualstack.AddressError", "errors", id="public-name"),
        pytest.param("cli", "dualstack", "__init__", id="package"),
        pytest.param("net", "socket.socket", None, id="outside"),
    ],
)
def test_where_an_import_lands(unit: str, name: str, target: str | None) -> None:
    assert target_unit(name) == target
