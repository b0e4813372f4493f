"""What a patch costs: connecting, accepting and asking a socket for its address, with it and without it.

The sides are two processes that take turns: to patch and unpatch one process hundreds of times would cost CPython its
caches of attribute lookups, and show nothing about a program that is patched once. Accepting is measured over queued
connections, so that the client's share is not in it.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

from compare import machine, report

from dualstack import shim

BATCH = 100
TURNS = 101
ABORT = struct.pack("ii", 1, 0)  # linger 0: no TIME_WAIT piles up
SIDES = ("patched", "unpatched")


def listening() -> socket.socket:
    sock = socket.socket()  # dualstack: v4-only because such programs are what the patch is for
    sock.bind(("", 0))
    sock.listen(1024)
    return sock


def clients(port: int, host: str = "127.0.0.1") -> list[socket.socket]:
    made = []
    for _ in range(BATCH):
        client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        client.connect((host, port))
        made.append(client)
    return made


def close(socks: list[socket.socket]) -> None:
    for sock in socks:
        sock.close()


def accepting() -> float:
    """Seconds for one accept and close on a wildcard listener of the program."""
    with listening() as sock:
        made = clients(sock.getsockname()[1])
        started = perf_counter()
        for _ in range(BATCH):
            sock.accept()[0].close()
        elapsed = perf_counter() - started
        close(made)
    return elapsed / BATCH


def accepting_elsewhere() -> float:
    """The same on a listener that the patch does not change."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as sock:
        made = clients(sock.getsockname()[1])
        started = perf_counter()
        for _ in range(BATCH):
            sock.accept()[0].close()
        elapsed = perf_counter() - started
        close(made)
    return elapsed / BATCH


def connecting(host: str) -> Callable[[], float]:
    """Seconds for one create_connection and close."""

    def measure() -> float:
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as sock:
            port = sock.getsockname()[1]
            started = perf_counter()
            for _ in range(BATCH):
                client = socket.create_connection((host, port))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                client.close()
            return (perf_counter() - started) / BATCH

    return measure


def naming() -> float:
    """Seconds for getpeername of a connection that the patch does not change."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        started = perf_counter()
        for _ in range(BATCH * 10):
            ours.getpeername()
        return (perf_counter() - started) / BATCH / 10


def binding() -> float:
    """Seconds to make, bind to port 0, listen and close."""
    started = perf_counter()
    for _ in range(BATCH):
        listening().close()
    return (perf_counter() - started) / BATCH


MEASURES = {
    "accept and close, wildcard listener": accepting,
    "accept and close, listener of 127.0.0.1": accepting_elsewhere,
    "create_connection to 127.0.0.1": connecting("127.0.0.1"),
    "create_connection to localhost": connecting("localhost"),
    "getpeername": naming,
    "bind to port 0, listen, close": binding,
}


def work(side: str) -> None:
    """Measure what each line of standard input names."""
    if side == "patched":
        shim.patch()
    for line in sys.stdin:
        print(MEASURES[line.rstrip("\n")](), flush=True)


def main() -> None:
    machine()
    workers = {
        side: subprocess.Popen(
            [sys.executable, __file__, side], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        for side in SIDES
    }
    times: dict[tuple[str, str], list[float]] = {(name, side): [] for name in MEASURES for side in SIDES}
    for turn in range(TURNS + 1):
        for name in MEASURES:
            for side, worker in workers.items():
                print(name, file=worker.stdin, flush=True)
                seconds = float(worker.stdout.readline())
                if turn:
                    times[name, side].append(seconds)
    for worker in workers.values():
        worker.communicate()
    for name in MEASURES:
        report({side: median(times[name, side]) for side in SIDES}, name)


if __name__ == "__main__":
    if sys.argv[1:]:
        work(sys.argv[1])
    else:
        main()
