"""Accepting through a Listener against a bare socket.accept() loop on the same kind of socket.

Connections are queued first and then accepted and closed in a timed batch, so that the client's share of the work is
not measured. The sides take turns; the ratio is of the medians.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from statistics import median
from time import perf_counter

from compare import machine, report

import dualstack

BATCH = 100
TURNS = 101
ABORT = struct.pack("ii", 1, 0)  # linger 0: no TIME_WAIT piles up


def batch(family: int, address: tuple[object, ...], accept: Callable[[], tuple[socket.socket, object]]) -> float:
    """Seconds for one accept and close, over a batch that is already queued."""
    clients = []
    for _ in range(BATCH):
        client = socket.socket(family)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        client.connect(address)
        clients.append(client)
    started = perf_counter()
    for _ in range(BATCH):
        accept()[0].close()
    elapsed = perf_counter() - started
    for client in clients:
        client.close()
    return elapsed / BATCH


def bare_listener(v6only: bool) -> socket.socket:
    sock = socket.socket(socket.AF_INET6)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    sock.bind(("::", 0))
    sock.listen(1024)
    return sock


def measure(title: str, listener: dualstack.Listener, bare: socket.socket, family: int, host: str) -> None:
    sides: dict[str, tuple[object, Callable[[], tuple[socket.socket, object]]]] = {
        "Listener.accept": (listener.port, listener.accept),
        "socket.accept": (bare.getsockname()[1], bare.accept),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(TURNS + 1):
        for name, (port, accept) in sides.items():
            seconds = batch(family, (host, port), accept)
            if turn:
                times[name].append(seconds)
    medians = report({name: median(values) for name, values in times.items()}, title)
    print(f"  rate against socket.accept: {medians['socket.accept'] / medians['Listener.accept']:.2f}")


def main() -> None:
    machine()
    with dualstack.open_listener("::", 0) as listener, bare_listener(False) as bare:
        measure("one dual-stack socket, IPv4 clients", listener, bare, socket.AF_INET, "127.0.0.1")
        measure("one dual-stack socket, IPv6 clients", listener, bare, socket.AF_INET6, "::1")
    with dualstack.open_listener(["0.0.0.0", "::"], 0) as listener, bare_listener(True) as bare:
        measure("two sockets on one port, IPv6 clients", listener, bare, socket.AF_INET6, "::1")


if __name__ == "__main__":
    main()
