"""Forwarding against socat: bytes through 50 connections in writes of 64 KiB, and connections per second.

    python benchmarks/forward.py [--turns 15] [--megabytes 6]

Both forward 127.0.0.1 to one sink, which is a process of its own; this one plays the clients. The contestants take
turns. socat runs with its own buffer of 8 KiB, and once more with one of 64 KiB; both times with ``-t 60``, because
half a second after one side has ended it cuts the other one off, which on a busy machine loses answers. On such a
machine its fifty processes also get a larger share of the processors than our one; the processor time beside the
figures (Linux) does not depend on that.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import selectors
import shutil
import socket
import subprocess
import sys
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from compare import machine

ROOT = Path(__file__).resolve().parent.parent
WRITE = memoryview(bytes(65536))
CONNECTIONS = 50
AT_ONCE = 20  # connections under way while their rate is measured
SINK_BUFFER = 262144


def sink(listener: socket.socket, ready: Event) -> None:
    """Take in what comes; say one byte at the end of each connection."""
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    buffer = bytearray(SINK_BUFFER)
    ready.set()
    while True:
        for key, _ in selector.select():
            sock = key.fileobj
            if not isinstance(sock, socket.socket):
                continue
            try:
                if sock is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif not sock.recv_into(buffer):
                    selector.unregister(sock)
                    sock.send(b"!")
                    sock.close()
            except BlockingIOError:
                pass


def throughput(port: int, each: int) -> float:
    """Megabytes per second through 50 connections, until the sink has had all."""
    left: dict[socket.socket, int] = {}
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            client = socket.create_connection(("127.0.0.1", port))
            client.setblocking(False)
            left[client] = each
            selector.register(client, selectors.EVENT_WRITE)
        started = perf_counter()
        while left:
            for key, events in selector.select():
                client = key.fileobj  # type: ignore[assignment]  # only sockets are registered
                if events & selectors.EVENT_READ:
                    if client.recv(10) != b"!":
                        raise SystemExit("a connection ended otherwise than it should")
                    selector.unregister(client)
                    client.close()
                    del left[client]
                elif left[client] > 0:
                    left[client] -= client.send(WRITE[: left[client]])
                    if left[client] <= 0:
                        client.shutdown(socket.SHUT_WR)
                        selector.modify(client, selectors.EVENT_READ)
        return CONNECTIONS * each / (perf_counter() - started) / 1e6


def rate(port: int, count: int) -> float:
    """Connections per second: opened, a byte sent, ended, a byte received, closed; 20 under way at a time."""
    begun = done = 0
    with selectors.DefaultSelector() as selector:
        started = perf_counter()
        while done < count:
            while begun < count and begun - done < AT_ONCE:
                begun += 1
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
                selector.register(client, selectors.EVENT_WRITE)
            for key, events in selector.select():
                client = key.fileobj  # type: ignore[assignment]  # only sockets are registered
                if events & selectors.EVENT_WRITE:
                    client.send(b"?")
                    client.shutdown(socket.SHUT_WR)
                    selector.modify(client, selectors.EVENT_READ)
                else:
                    if client.recv(10) != b"!":
                        raise SystemExit("a connection ended otherwise than it should")
                    selector.unregister(client)
                    client.close()
                    done += 1
        return count / (perf_counter() - started)


def busy(pid: int) -> float:
    """Processor seconds of a process and its ended children; 0 where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def start_ours(port: int) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "dualstack", "forward", "127.0.0.1:0", "--to", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline() if process.stdout is not None else ""
    return process, int(line.partition(" to ")[0].rpartition(":")[2])


def start_socat(port: int, *options: str) -> tuple[subprocess.Popen[str], int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = free.getsockname()[1]
    listen = f"TCP-LISTEN:{own},bind=127.0.0.1,fork,reuseaddr,backlog=1024"
    process = subprocess.Popen(["socat", "-t", "60", *options, listen, f"TCP:127.0.0.1:{port}"], text=True)
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", own)).close()
            return process, own
        except ConnectionRefusedError:
            sleep(0.01)
    raise SystemExit("socat does not listen")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--megabytes", type=int, default=6, help="for each of the 50 connections of a turn")
    parser.add_argument("--count", type=int, default=1000, help="connections of a turn")
    arguments = parser.parse_args()
    if shutil.which("socat") is None:
        print("nothing to compare with: socat is not installed (Debian: apt-get install socat)")
        return
    machine()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listener.getsockname()[1]
    ready = multiprocessing.Event()
    process = multiprocessing.Process(target=sink, args=(listener, ready), daemon=True)
    process.start()
    ready.wait()
    contestants = {
        "dualstack forward": start_ours(port),
        "socat": start_socat(port),
        "socat -b 65536": start_socat(port, "-b", "65536"),
    }
    try:
        bytes_: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for turn in range(arguments.turns + 1):
            for name, (child, own) in contestants.items():
                before = busy(child.pid)
                speed = throughput(own, arguments.megabytes << 20)
                sleep(0.05)  # until socat has seen its children end
                between = busy(child.pid)
                per_second = rate(own, arguments.count)
                sleep(0.05)
                after = busy(child.pid)
                if turn:
                    bytes_[name].append((speed, between - before))
                    rates[name].append((per_second, after - between))
    finally:
        for child, _ in contestants.values():
            child.terminate()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
        process.terminate()
        process.join()
        listener.close()
    total = CONNECTIONS * arguments.megabytes / 1024
    show("bytes", "MB/s", bytes_, "s of processor per GiB", total)
    show("connections", "per s", rates, "ms of processor each", arguments.count / 1000)


def show(title: str, unit: str, rows: dict[str, list[tuple[float, float]]], cost: str, share: float) -> None:
    """Print medians and what the first is to the others."""
    speeds = {name: median(speed for speed, _ in values) for name, values in rows.items()}
    costs = {name: median(used for _, used in values) / share for name, values in rows.items()}
    first = next(iter(speeds.values()))
    print(f"\n{title}")
    for name, speed in speeds.items():
        print(f"  {name:<20}{speed:9.0f} {unit:<6}{costs[name]:8.3f} {cost:<24}ours is {first / speed:.2f} of it")


if __name__ == "__main__":
    main()
