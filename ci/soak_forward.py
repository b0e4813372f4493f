"""The long count of forwarding: python3 ci/soak_forward.py [--short]

100,000 connections through one forwarder, eight at a time, over TCP and a Unix socket, to a target that answers, resets
or hangs up without reading; with PROXY headers, good and bad; by clients that also reset or leave at once. The
garbage collector is off. Afterwards: descriptors +0, threads +0, resident memory under +1 MiB, every answer right.

Clients and target are processes of their own. Linux: it reads /proc. tests/soak/ runs it shortened.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import logging
import os
import random
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dualstack.core.proxy_protocol import encode_v1, encode_v2  # noqa: E402  # runs from a plain checkout
from dualstack.net.forward import open_forwarder  # noqa: E402

LONG, SHORT = 100_000, 2_000
WARM_UP = 2_000
WIDTH = 8
ABORT = struct.pack("ii", 1, 0)
MEBIBYTE = 1024 * 1024
KINDS = ("answered", "reset by the client", "reset by the target", "left at once", "hung up on", "bad header")
WEIGHTS = (70, 6, 6, 6, 6, 6)


def abort(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)  # no TIME_WAIT, or the ephemeral ports run out
    sock.close()


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def serve(listener: socket.socket) -> None:
    """The target: the first byte of a connection says what becomes of it."""

    def one(connection: socket.socket) -> None:
        try:
            first = connection.recv(1)
            if first == b"a":
                connection.sendall(hashlib.sha256(read_all(connection)).digest())
            elif first == b"r":
                abort(connection)
            connection.close()
        except OSError:
            connection.close()

    def loop() -> None:
        while True:
            one(listener.accept()[0])

    threads = [threading.Thread(target=loop) for _ in range(2 * WIDTH)]
    for thread in threads:
        thread.start()


def visit(rng: random.Random, addresses: list[tuple[int, object]]) -> str:
    """One connection; what it was, or an exclamation that it was not what it should be."""
    kind = rng.choices(KINDS, WEIGHTS)[0]
    family, address = rng.choice(addresses)
    sock = socket.socket(family)
    sock.settimeout(60)
    try:
        sock.connect(address)
        if kind == "left at once":
            return kind
        if kind == "bad header":
            sock.sendall(
                rng.choice((b"GET / HTTP/1.1\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY", b"\r\n\r\n\0\r\nQUIX"))
            )
            sock.shutdown(socket.SHUT_WR)
            return kind if read_all(sock) == b"" else "!"
        header = rng.choice((encode_v1(), encode_v2(crc=True)))
        data = rng.randbytes(rng.choice((0, 10, 1000, 100_000, 300_000)))
        if kind == "answered":
            sock.sendall(header + b"a" + data)
            sock.shutdown(socket.SHUT_WR)
            return kind if read_all(sock) == hashlib.sha256(data).digest() else "!"
        sock.sendall(header + {"reset by the target": b"r", "hung up on": b"h"}.get(kind, b"a"))
        if kind != "reset by the client":
            sock.sendall(data)
            read_all(sock)
        return kind
    except (ConnectionResetError, BrokenPipeError):
        return kind if kind != "answered" else "!"
    finally:
        abort(sock) if family == socket.AF_INET else sock.close()


def knock(pipe: socket.socket, addresses: list[tuple[int, object]]) -> None:
    """The clients: as many visits as the pipe says, eight threads, and one line about them."""
    while count := int.from_bytes(pipe.recv(4), "big"):
        told = dict.fromkeys((*KINDS, "!"), 0)
        lock = threading.Lock()

        def some(seed: int, count: int = count, told: dict[str, int] = told, lock: threading.Lock = lock) -> None:
            rng = random.Random(seed)
            for _ in range(count // WIDTH):
                what = visit(rng, addresses)
                with lock:
                    told[what] += 1

        threads = [threading.Thread(target=some, args=(seed,)) for seed in range(WIDTH)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pipe.sendall("\t".join(f"{number} {what}" for what, number in told.items()).encode())


def fork(work, *arguments: object) -> int:
    pid = os.fork()  # noqa: DST808 - a soak on Linux: it counts descriptors in /proc
    if pid == 0:
        try:
            work(*arguments)
            for thread in threading.enumerate():
                if thread is not threading.current_thread():
                    thread.join()
        finally:
            os._exit(1)
    return pid


def counts() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def settled(forwarder) -> None:
    """Wait until the last connection has ended; a lingering one takes two seconds."""
    patience = time.monotonic() + 30
    while forwarder.connections and time.monotonic() < patience:
        time.sleep(0.01)


def soak(count: int) -> str:
    logging.getLogger("dualstack").setLevel(logging.CRITICAL)  # refusals are wanted here
    folder = tempfile.mkdtemp(prefix="ds", dir="/tmp")
    children = []
    with socket.socket(socket.AF_UNIX) as target:  # noqa: DST801 - a soak on Linux
        target.bind(f"{folder}/target")
        target.listen(1024)
        children.append(fork(serve, target))
    ours, theirs = socket.socketpair()
    try:
        forwarder = open_forwarder(
            ["127.0.0.1:0", f"unix:{folder}/front"],
            f"unix:{folder}/target",
            idle=60,
            proxy_in=["127.0.0.0/8", "unix"],
            proxy_out=None,
        )
        addresses = [(int(endpoint.family), endpoint.sockaddr) for endpoint in forwarder.endpoints]
        children.append(fork(knock, theirs, addresses))
        thread = threading.Thread(target=forwarder.run)
        thread.start()

        def run(visits: int) -> list[str]:
            ours.sendall(visits.to_bytes(4, "big"))
            told = ours.recv(1000).decode().split("\t")
            settled(forwarder)
            return told

        run(min(WARM_UP, count))
        gc.collect()
        gc.disable()
        before, memory = counts(), resident()
        started = time.monotonic()
        told = run(count)
        seconds = time.monotonic() - started
        after, grown = counts(), resident() - memory
        gc.enable()
        forwarder.close()
        thread.join()
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        ours.close()
        theirs.close()
        shutil.rmtree(folder)
    summary = (
        f"{count} connections in {seconds:.1f} s ({', '.join(told)}): descriptors {after[0] - before[0]:+}, threads "
        f"{after[1] - before[1]:+}, memory {grown / MEBIBYTE:+.2f} MiB"
    )
    if after != before or grown >= MEBIBYTE or told[-1] != "0 !":
        raise SystemExit("soak failed: " + summary)
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    print(soak(SHORT if arguments.short else LONG))


if __name__ == "__main__":
    main()
