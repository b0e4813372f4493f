"""Broken networks side by side: seconds until connected, for us and for every peer that is installed, in one run.

    sudo python benchmarks/scenarios.py [--runs 3] [--clients dualstack,asyncio,...] [SCENARIO ...]

The network is tests/netns/lab.py: three namespaces, a relay that loses and delays SYNs, a DNS server that is scripted.
Every run is a process of its own that has connected once before it is timed. Prints a Markdown table of medians; the
last column of each row is what RFC 8305 makes of the scenario. A dash: nothing after six seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from compare import machine

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "tests" / "netns" / "lab.py"
NEEDS = {"aiohappyeyeballs": "aiohappyeyeballs", "anyio": "anyio", "trio": "trio", "dualstack-trio": "trio"}
ALL = "dualstack,dualstack-asyncio,dualstack-trio,create_connection,asyncio,aiohappyeyeballs,anyio,trio"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clients", default=ALL)
    parser.add_argument("scenarios", nargs="*")
    arguments = parser.parse_args()
    clients = [
        name
        for name in arguments.clients.split(",")
        if name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None
    ]
    command = [sys.executable, str(LAB), "--clients", ",".join(clients), "--runs", str(arguments.runs)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    results: dict[str, dict[str, list[dict[str, object]]]] = {}
    with subprocess.Popen([*command, *arguments.scenarios], env=environ, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            run = json.loads(line)
            results.setdefault(run["scenario"], {}).setdefault(run["client"], []).append(run)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if process.returncode:
        raise SystemExit(process.returncode)
    machine()
    print()
    print(f"| scenario | {' | '.join(clients)} | RFC 8305 |")
    print(f"|---|{'---|' * len(clients)}---|")
    for scenario, runs in results.items():
        cells = [cell(runs.get(client, [])) for client in clients]
        ideal = next(iter(runs.values()))[0]["ideal"]
        print(f"| {scenario} | {' | '.join(cells)} | {ideal:.3f} |")


def cell(runs: list[dict[str, object]]) -> str:
    """The median of what connected, an error with its time, or a dash."""
    times = [float(str(run["seconds"])) for run in runs]
    if not times:
        return ""
    if all(str(run["error"]).startswith("nothing") for run in runs):
        return "-"
    errors = {str(run["error"]) for run in runs if run["error"]}
    return f"{median(times):.3f}" + (f" ({', '.join(sorted(errors))})" if errors else "")


if __name__ == "__main__":
    main()
