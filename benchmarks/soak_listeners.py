"""Open and close a dual listener many times: descriptors, threads and memory afterwards against before.

    python benchmarks/soak_listeners.py [COUNT]        100,000 unless told

Runs twice: with the garbage collector on, and with it off, because nothing may need it. Linux only: it reads /proc.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from time import perf_counter

from compare import machine

import dualstack


def resident() -> int:
    """Resident memory in bytes (proc_pid_statm(5))."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def facts() -> tuple[int, int, int]:
    return len(os.listdir("/proc/self/fd")), threading.active_count(), resident()


def soak(count: int) -> bool:
    for _ in range(2000):  # pools and caches fill up first
        dualstack.open_listener("::", 0).close()
    before = facts()
    started = perf_counter()
    for _ in range(count):
        with dualstack.open_listener("::", 0) as listener:
            if not listener.port:
                raise SystemExit(f"a listener without its port: {listener}")
    elapsed = perf_counter() - started
    grown = [after - was for after, was in zip(facts(), before, strict=True)]
    print(
        f"  collector {'on ' if gc.isenabled() else 'off'}: {count} listeners, {count / elapsed:.0f} a second,"
        f" descriptors {grown[0]:+}, threads {grown[1]:+}, resident memory {grown[2] / 1024:+.0f} KiB"
    )
    return grown[0] == 0 and grown[1] == 0 and grown[2] < 1024 * 1024


def main() -> int:
    machine()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    kept = soak(count)
    gc.disable()
    return 0 if soak(count) and kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
