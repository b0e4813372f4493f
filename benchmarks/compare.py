"""Side by side: both sides in one process, taking turns, so that whatever else the machine does hits both.

    compare([("dualstack", ours), ("socket", theirs)], number=20_000)

prints the median time of one call for each, and its ratio to the last row, which is the yardstick. A single figure is
worth little on a busy machine; the ratio of medians over many short turns is.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a plain checkout

Row = tuple[str, Callable[[], object]]


def compare(rows: Sequence[Row], *, number: int, turns: int = 31, title: str = "") -> dict[str, float]:
    """Time *number* calls of each row in *turns* rounds; print and return the median seconds of one call."""
    times: dict[str, list[float]] = {name: [] for name, _ in rows}
    for turn in range(turns + 1):
        for name, call in rows:
            started = perf_counter()
            for _ in range(number):
                call()
            elapsed = perf_counter() - started
            if turn:  # the first round warms caches up
                times[name].append(elapsed / number)
    return report({name: median(values) for name, values in times.items()}, title)


def report(medians: dict[str, float], title: str = "", unit: float = 1e-6, symbol: str = "us") -> dict[str, float]:
    """Print medians and their ratio to the last one."""
    yardstick = list(medians.values())[-1]
    if title:
        print(title)
    for name, value in medians.items():
        print(f"  {name:<56} {value / unit:9.2f} {symbol}  {value / yardstick:6.2f} x")
    return medians


def machine() -> None:
    """Say what this ran on, for the table in docs/benchmarks.md."""
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} processors"
    )
