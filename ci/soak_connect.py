"""The long counts of connecting: python3 ci/soak_connect.py [--short] [RUN ...]

* mix: 100,000 connects, 70 % good, 10 % refused, 10 % cancelled, 5 % timed out, 5 % without an address, the garbage
  collector off. Afterwards: descriptors +0, threads +0, resident memory under +1 MiB.
* sweep: 4,000 instants of cancelling and interrupting on every driver, and 500 SIGINTs in a child process
  (tests/aio/test_connect_sweep.py).
* race: the laws of the race over every interleaving of five candidates and over 100,000 random races
  (tests/core/test_race_laws.py).

POSIX; the black hole of the mix is a full accept queue, so the mix is Linux only. tests/soak/ runs it shortened.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import dualstack.aio  # noqa: E402  # runs from a plain checkout
from dualstack import doors  # noqa: E402
from dualstack.net.lookup import pool  # noqa: E402

LONG = {"mix": 100_000, "sweep": 4_000, "race": 100_000}
SHORT = {"mix": 2_000, "sweep": 100, "race": 500}
WARM_UP = 2_000
ABORT = struct.pack("ii", 1, 0)  # linger 0: no TIME_WAIT, or the ephemeral ports run out
MEBIBYTE = 1024 * 1024


class Names(doors.Doors):
    """No name has an address, after a moment in a resolver thread."""

    def getaddrinfo(self, *arguments: object) -> list[object]:  # type: ignore[override]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Server:
    """A process that accepts on one port, and holds another whose accept queue is full."""

    def __init__(self) -> None:
        self.good = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.full = socket.create_server(("127.0.0.1", 0), backlog=0)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            self.closed_port = closed.getsockname()[1]
        self.filler = socket.create_connection(self.full.getsockname())
        self.pid = os.fork()  # noqa: DST808 - a soak on POSIX: it counts descriptors in /proc
        if self.pid == 0:
            while True:
                self.good.accept()[0].close()

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        for sock in (self.good, self.full, self.filler):
            sock.close()


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def counts() -> tuple[int, int]:
    """Descriptors and threads, once the resolver threads have ended."""
    while pool().threads:
        time.sleep(0)
    patience = time.monotonic() + 5  # a thread has ended a moment before the kernel says so
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < patience:
        time.sleep(0)
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def mix(count: int) -> str:
    server = Server()
    rng = random.Random(8305)
    good, full = (sock.getsockname()[1] for sock in (server.good, server.full))
    loop = asyncio.new_event_loop()
    told = dict.fromkeys(("good", "refused", "cancelled", "timed out", "no address"), 0)

    async def awaited(host: str, port: int, timeout: float | None) -> str:
        # An exception that leaves run_until_complete is held by its task, whose frame it holds: asyncio's own cycle.
        try:
            return end(await dualstack.aio.connect(host, port, timeout=timeout))
        except OSError as error:
            return type(error).__name__

    def end(sock: socket.socket) -> str:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        sock.close()
        return ""

    def connect(host: str, port: int, timeout: float | None = None) -> str:
        if rng.random() < 0.5:
            try:
                return end(dualstack.connect(host, port, timeout=timeout))
            except OSError as error:
                return type(error).__name__
        return loop.run_until_complete(awaited(host, port, timeout))

    async def cancel(steps: int) -> None:
        host = "localhost" if steps % 2 else "127.0.0.1"
        task = loop.create_task(dualstack.aio.connect(host, full))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    def one() -> None:
        dice = rng.random()
        host = "localhost" if dice * 1000 % 2 > 1 else "127.0.0.1"
        if dice < 0.70:
            told["good"] += connect(host, good) == ""
        elif dice < 0.80:
            told["refused"] += connect(host, server.closed_port) == "RefusedConnectError"
        elif dice < 0.90:
            loop.run_until_complete(cancel(rng.randrange(6)))
            told["cancelled"] += 1
        elif dice < 0.95:
            told["timed out"] += connect(host, full, 0.002) == "TimeoutConnectError"
        else:
            told["no address"] += connect("nowhere.example", good) == "ResolveError"

    try:
        with doors.using(Names()):
            for _ in range(min(WARM_UP, count)):
                one()
            gc.collect()
            gc.disable()
            before, memory = counts(), resident()
            told = dict.fromkeys(told, 0)
            started = time.monotonic()
            for _ in range(count):
                one()
            seconds = time.monotonic() - started
            after, grown = counts(), resident() - memory
            gc.enable()
    finally:
        loop.close()
        server.stop()
    summary = (
        f"{count} connects in {seconds:.1f} s ({', '.join(f'{n} {what}' for what, n in told.items())}): descriptors "
        f"{after[0] - before[0]:+}, threads {after[1] - before[1]:+}, memory {grown / MEBIBYTE:+.2f} MiB"
    )
    if after != before or grown >= MEBIBYTE:
        raise SystemExit("soak failed: " + summary)
    if sum(told.values()) != count:
        raise SystemExit("soak failed, some ended otherwise: " + summary)
    return summary


def pytest(path: str, **environ: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-o", "timeout=0", "-o", "faulthandler_timeout=0", path]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, check=True)
    return f"{path} with {environ}"


def sweep(count: int) -> str:
    return pytest("tests/aio/test_connect_sweep.py", DUALSTACK_SWEEP=str(count))


def race(count: int) -> str:
    candidates = "5" if count >= LONG["race"] else "3"
    settings = {"DUALSTACK_RACE_EXAMPLES": str(count), "DUALSTACK_RACE_CANDIDATES": candidates}
    return pytest("tests/core/test_race_laws.py", **settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("runs", nargs="*", default=["mix", "sweep", "race"])
    arguments = parser.parse_args()
    sizes = SHORT if arguments.short else LONG
    for name in arguments.runs:
        run = {"mix": mix, "sweep": sweep, "race": race}[name]
        print(f"{name}: {run(sizes[name])}", flush=True)


if __name__ == "__main__":
    main()
