"""What importing dualstack pulls in, by name: the structural half of the import-time promise.

benchmarks/import_time.py measures it; this fails the moment somebody adds a dear import to the path of
``from dualstack import open_listener, connect, Endpoint``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import dualstack

DEAR = {
    "asyncio",
    "concurrent.futures",
    "contextlib",
    "ctypes",
    "dataclasses",
    "inspect",
    "ipaddress",
    "logging",
    "pathlib",
    "queue",
    "random",
    "re",
    "ssl",
    "struct",
    "subprocess",
    "tempfile",
    "threading",
    "trio",
    "typing",
    "urllib.parse",
    "weakref",
}
# Built in or a few lines long; everything else beyond what `import socket` loads needs a reason here.
CHEAP = {"__future__", "errno", "_socket", "time", "itertools", "_operator", "_struct", "_weakref"}


def modules_after(statement: str, root: Path) -> set[str]:
    """Run *statement* in a bare interpreter and return the modules that were loaded by it.

    -S and -E: site customisation and virtual environments load modules of their own.
    """
    program = (
        "import sys; before = set(sys.modules)\n"
        f"sys.path.insert(0, {str(root)!r})\n"
        f"{statement}\n"
        "after = sorted(set(sys.modules) - before)\n"
        "import json; print(json.dumps(after))"
    )
    done = subprocess.run([sys.executable, "-S", "-E", "-c", program], capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stdout)
    return set(loaded)


@pytest.fixture(scope="module")
def with_socket(root: Path) -> set[str]:
    return modules_after("import socket", root)


def test_import_dualstack_loads_nothing_else(root: Path) -> None:
    assert modules_after("import dualstack", root) <= {"dualstack", "__future__"}


def test_errors_cost_no_socket_module(root: Path) -> None:
    loaded = modules_after("from dualstack import AddressError, ConnectError", root)
    assert loaded <= {"dualstack", "dualstack.errors", "__future__", "_socket", "errno"}


@pytest.mark.parametrize("names", ["open_listener", "connect", "Endpoint", "open_listener, connect, Endpoint"])
def test_the_verbs_cost_little_more_than_socket(names: str, root: Path, with_socket: set[str]) -> None:
    missing = [name for name in names.split(", ") if name not in dualstack.__all__]
    if missing:
        pytest.skip(f"not public yet: {', '.join(missing)}")
    loaded = modules_after(f"from dualstack import {names}", root) - with_socket
    extra = {name for name in loaded if name.split(".")[0] != "dualstack"}
    assert extra & DEAR == set()
    assert extra <= CHEAP
