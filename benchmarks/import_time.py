"""What an import costs, each in a fresh interpreter, taking turns: dualstack against the bare socket module."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from compare import machine, report

TURNS = 41
STATEMENTS = (
    "import dualstack",
    "from dualstack import Endpoint",
    "from dualstack import open_listener, connect, Endpoint",
    "import asyncio",
    "import socket",
)
PROGRAM = """
import sys; sys.path.insert(0, {path!r})
from time import perf_counter
started = perf_counter()
{statement}
print(perf_counter() - started)
"""


def once(statement: str) -> float:
    """Seconds that *statement* takes in a new interpreter."""
    program = PROGRAM.format(path=sys.path[0], statement=statement)
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    machine()
    times: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for turn in range(TURNS + 1):
        for statement in STATEMENTS:
            seconds = once(statement)
            if turn:  # the first round writes the .pyc files
                times[statement].append(seconds)
    report({name: median(values) for name, values in times.items()}, "in a fresh interpreter", 1e-3, "ms")


if __name__ == "__main__":
    main()
