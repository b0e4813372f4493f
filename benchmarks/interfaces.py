"""Interface enumeration side by side: dualstack, psutil, netifaces, ifaddr, pyroute2, as far as they are installed.

    sudo python benchmarks/interfaces.py 1 10 100 1000

For each N a network namespace is made with N interfaces (ifb) of one IPv4 and two IPv6 addresses each, and a child
process there times all candidates in turn, round after round, so that a slow moment of the machine hits all of them.
Printed are medians in milliseconds and the ratio to psutil.net_if_addrs() of the same run, then the peak memory of one
call as tracemalloc sees it (what C code allocates behind its back is not counted). "and look" reads the text of every
address; "loop" is the one that netifaces' users write: interfaces(), then ifaddresses() of each. At the end come the
goals with what was measured: never slower than psutil, 1.7 times as fast from N = 100 up, less memory than psutil at
N = 4,000, the drop-in's loop 100 times as fast as netifaces' at N = 1,000, and linear: the same for each interface.

Needs root, iproute2 and ``pip install netifaces psutil ifaddr pyroute2``; what is missing is left out.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import math
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

PSUTIL = "psutil net_if_addrs"
SECONDS_EACH = 1.5  # per candidate and N; slow ones get a few rounds all the same
TURN_SECONDS = 0.005  # calls that are shorter are repeated, so that no row is about cold caches
QUADRATIC_UP_TO = 1000  # netifaces takes 12 s for one loop over 1,000 interfaces, 300 s over 4,000
SLOW_UP_TO = 1000
SLOW_SECONDS = 5.0  # what takes longer is called once to warm up and once in the rounds, and not for its memory


def candidates(count: int) -> dict[str, Callable[[], object]]:
    """Every way to list the interfaces that is installed here."""
    import dualstack
    from dualstack.shim import netifaces as drop_in

    def look() -> None:
        for nic in dualstack.interfaces():
            for address in nic.addresses:
                address.host  # noqa: B018 - reading it is what is measured

    found: dict[str, Callable[[], object]] = {"dualstack": dualstack.interfaces, "dualstack and look": look}

    def loop(module: object) -> Callable[[], object]:
        return lambda: [module.ifaddresses(name) for name in module.interfaces()]  # type: ignore[attr-defined]

    found["drop-in loop"] = loop(drop_in)
    if importlib.util.find_spec("psutil"):
        import psutil

        found[PSUTIL] = psutil.net_if_addrs
        found["psutil addrs and stats"] = lambda: (psutil.net_if_addrs(), psutil.net_if_stats())
    if importlib.util.find_spec("netifaces") and count <= QUADRATIC_UP_TO:
        import netifaces

        found["netifaces loop"] = loop(netifaces)
    if importlib.util.find_spec("ifaddr") and count <= SLOW_UP_TO:
        import ifaddr

        found["ifaddr"] = lambda: list(ifaddr.get_adapters(include_unconfigured=True))
    if importlib.util.find_spec("pyroute2") and count <= SLOW_UP_TO:
        from pyroute2 import IPRoute

        route = IPRoute()
        found["pyroute2"] = lambda: (list(route.get_links()), list(route.get_addr()))
    return found


def measure(count: int) -> dict[str, tuple[float, float]]:
    """Time all candidates, interleaved; median milliseconds and peak kilobytes of each."""
    calls = candidates(count)
    once = {}
    for name, call in calls.items():
        started = time.perf_counter()
        call()
        once[name] = time.perf_counter() - started
        if once[name] < SLOW_SECONDS:
            started = time.perf_counter()
            call()
            once[name] = time.perf_counter() - started
    rounds = max(5, min(100, int(SECONDS_EACH / max(TURN_SECONDS, sorted(once.values())[len(once) // 2]))))
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls.items())
    shuffle = random.Random(count).shuffle
    for _round in range(rounds):
        shuffle(order)  # who comes after the one that empties the caches, or leaves a thread behind, changes
        for name, call in order:
            enough = 1 if once[name] >= SLOW_SECONDS else 3
            if once[name] * len(times[name]) > 4 * SECONDS_EACH and len(times[name]) >= enough:
                continue
            started = time.perf_counter()
            for _ in range(number := max(1, int(TURN_SECONDS / once[name]))):
                call()
            times[name].append((time.perf_counter() - started) / number)
    peaks = dict.fromkeys(calls, math.nan)
    for name, call in calls.items():
        if once[name] >= SLOW_SECONDS:
            continue
        gc.collect()
        tracemalloc.start()
        kept = call()
        peaks[name] = tracemalloc.get_traced_memory()[1] / 1024
        tracemalloc.stop()
        del kept
    return {name: (statistics.median(found) * 1e3, peaks[name]) for name, found in times.items()}


def namespace(count: int) -> str:
    """The commands that make a namespace's interfaces."""
    lines = [f"link add i{i} type ifb" for i in range(count)]
    for i in range(count):
        lines.append(f"addr add 10.{i // 250}.{i % 250}.1/24 brd + dev i{i}")
        lines.append(f"addr add 2001:db8:{i:x}::1/64 dev i{i} nodad")
        lines.append(f"addr add fd00:db8:{i:x}::1/64 dev i{i} nodad")
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] == ["--inside"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    rows: dict[int, dict[str, tuple[float, float]]] = {}
    for count in [int(word) for word in sys.argv[1:]] or [1, 10, 100, 1000]:
        script = 'ip link set lo up; ip -batch -; exec "$@"'
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", script, "sh", sys.executable, __file__, "--inside", str(count)],
            input=namespace(count),
            capture_output=True,
            text=True,
            check=True,
        )
        found = rows[count] = json.loads(done.stdout)
        base = found.get(PSUTIL, (None, None))[0]
        print(f"\nN = {count}{'median ms':>25}{'psutil / it':>13}{'peak KiB':>10}")
        for name, (milliseconds, peak) in sorted(found.items(), key=lambda item: item[1][0]):
            ratio = f"{base / milliseconds:.2f}" if base else "-"
            print(f"  {name:24}{milliseconds:10.3f}{ratio:>13}{peak:10.0f}", flush=True)
    print("\ngoals")
    for line in goals(rows):
        print(f"  {line}")


def goals(rows: dict[int, dict[str, tuple[float, float]]]) -> Iterator[str]:
    """What was measured against what is aimed at, as far as it was measured."""
    for count, found in rows.items():
        if PSUTIL in found:
            ratio = found[PSUTIL][0] / found["dualstack"][0]
            yield f"N = {count}: {ratio:.2f} times as fast as psutil (goal {1.7 if count >= 100 else 1.0})"
            if count >= 4000:
                ours, theirs = found["dualstack and look"][1], found[PSUTIL][1]
                yield f"N = {count}: {ours / theirs:.2f} of psutil's memory, every address looked at (goal below 1)"
        if "netifaces loop" in found:
            ratio = found["netifaces loop"][0] / found["drop-in loop"][0]
            yield f"N = {count}: drop-in {ratio:.1f} times as fast as netifaces{' (goal 100)' if count >= 1000 else ''}"
    each = ", ".join(f"{found['drop-in loop'][0] / count * 1e3:.0f} at {count}" for count, found in rows.items())
    yield f"the drop-in's loop, microseconds for each interface: {each} (goal: level from 100 up)"


if __name__ == "__main__":
    main()
