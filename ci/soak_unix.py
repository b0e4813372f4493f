"""The long counts of the Unix sockets: python3 ci/soak_unix.py [--short]

Four runs, each with processes or threads that work against it, each printing what it counted and failing on the first
thing that must never happen:

* races: two processes start on one dead socket file; exactly one must win and be reachable (10,000);
* watch: a thread looks at the file all the time; it must never see a mode wider than asked for (3,000 binds);
* compete: bind, connect and close, counted when it succeeds, while another process does the same on the same path, and
  a third puts files of its own there; no live socket removed, no foreign file unlinked, no descriptor left (100,000);
* kill: a holder is killed with SIGKILL; the next start on its path succeeds within a second (100).

POSIX only. tests/unix/test_soak.py runs all four shortened.
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout

from dualstack import doors, platforms
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.net.unix import bind_unix

LONG = {"races": 10_000, "watch": 3_000, "compete": 100_000, "kill": 100}
SHORT = {"races": 300, "watch": 300, "compete": 300, "kill": 3}


class Worker:
    """A forked process that does what one byte at a time tells it, answers with one byte, and ends at the end."""

    pipes: ClassVar[list[socket.socket]] = []  # our ends; a later child must not hold those of an earlier one open

    def __init__(self, work) -> None:
        self.pipe, there = socket.socketpair()
        self.pipes.append(self.pipe)
        self.pid = os.fork()
        if self.pid == 0:
            for pipe in self.pipes:
                pipe.close()
            status = 1
            try:
                work(there)
                status = 0
            finally:
                os._exit(status)
        there.close()

    def tell(self, byte: bytes) -> None:
        self.pipe.sendall(byte)

    def ask(self) -> bytes:
        return self.pipe.recv(1)

    def count(self) -> int:
        """End it, and read how often it did what it does; ``close`` comes next."""
        self.pipe.shutdown(socket.SHUT_WR)
        return int(b"".join(iter(lambda: self.pipe.recv(100), b"")) or -1)

    def close(self) -> int:
        self.pipes.remove(self.pipe)
        self.pipe.close()
        return os.waitpid(self.pid, 0)[1]


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def leave_stale(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)


def races(count: int, folder: str) -> dict[str, int]:
    """Two starters on one stale path, *count* times: one wins, it answers, the other says EADDRINUSE."""
    path = f"{folder}/s"

    def starter(pipe: socket.socket) -> None:
        while pipe.recv(1):
            try:
                bound = bind_unix(UnixEndpoint(path), backlog=8)
            except OSError as error:
                pipe.sendall(b"l" if error.errno == errno.EADDRINUSE else b"?")
                continue
            pipe.sendall(b"w")
            pipe.recv(1)  # until the parent has connected
            bound.socket.setblocking(False)
            try:
                bound.socket.accept()[0].close()
                answer = b"y"
            except BlockingIOError:
                answer = b"n"
            bound.socket.close()  # without unlink: the next round finds a stale file again
            pipe.sendall(answer)

    workers = [Worker(starter), Worker(starter)]
    seen = {"rounds": 0, "two winners": 0, "no winner": 0, "unreachable": 0, "unexpected": 0}
    leave_stale(path)
    for number in range(count):
        for worker in workers if number % 2 else reversed(workers):
            worker.tell(b"g")
        answers = [worker.ask() for worker in workers]
        winners = [worker for worker, answer in zip(workers, answers, strict=True) if answer == b"w"]
        seen["unexpected"] += sum(answer not in (b"w", b"l") for answer in answers)
        seen["two winners"] += len(winners) > 1
        seen["no winner"] += not winners
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
            except OSError:
                seen["unreachable"] += 1
        for worker in winners:
            worker.tell(b"c")
        reached = sum(worker.ask() == b"y" for worker in winners)
        seen["unreachable"] += reached != 1
        seen["rounds"] += 1
    seen["unexpected"] += sum(worker.close() != 0 for worker in workers)
    os.unlink(path)
    return seen


def watch(count: int, folder: str, *, mode: int = 0o600, in_place: bool | None = None) -> dict[str, int]:
    """Bind *count* times under umask 0 while a thread looks for a mode wider than *mode*."""
    path = f"{folder}/s"
    looks = wide = 0
    stop = False
    looked = threading.Event()

    def look() -> None:
        nonlocal looks, wide
        while not stop:
            try:
                found = os.lstat(path).st_mode & 0o777
            except FileNotFoundError:
                continue
            looks += 1
            wide += bool(found & ~mode)
            looked.set()

    before_mask = os.umask(0)
    before = platforms.current.mode_before_bind
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds; the watcher must come in between any two calls
    if in_place is not None:
        platforms.current.mode_before_bind = in_place
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(count):
            bound = bind_unix(UnixEndpoint(path), backlog=1, mode=mode)
            looked.clear()
            looked.wait()  # on a busy machine it may not have had its turn yet
            bound.unlink()
            bound.socket.close()
    finally:
        stop = True
        watcher.join()
        sys.setswitchinterval(interval)
        platforms.current.mode_before_bind = before
        os.umask(before_mask)
    return {"binds": count, "looks at the file": looks, "too open": wide}


def compete(count: int, folder: str) -> dict[str, int]:
    """Bind, connect, close on a path that two other processes want as well."""
    path = f"{folder}/s"

    def rival(pipe: socket.socket) -> None:
        """A second server on the same path, which checks that it stays reachable while it lives."""
        pipe.setblocking(False)
        removed = served = 0
        while True:
            try:
                if not pipe.recv(1):
                    break
            except BlockingIOError:
                pass
            try:
                bound = bind_unix(UnixEndpoint(path), backlog=8)
            except OSError:
                continue
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect(path)
                except OSError:
                    removed += 1
            if removed == 0:
                bound.socket.accept()[0].close()
                served += 1
            if os.urandom(1)[0] & 1:  # every other time it dies without cleaning up
                bound.unlink()
            bound.socket.close()
        pipe.setblocking(True)
        pipe.sendall(b"%d" % served)
        if removed:
            raise SystemExit(1)

    def vandal(pipe: socket.socket) -> None:
        """Somebody who lays regular files at the path, and only removes his own."""
        pipe.setblocking(False)
        gone = laid = 0
        while True:
            try:
                if not pipe.recv(1):
                    break
            except BlockingIOError:
                pass
            try:
                fileno = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                time.sleep(0.0002)
                continue
            os.close(fileno)
            laid += 1
            time.sleep(0.0002)
            try:
                os.unlink(path)
            except FileNotFoundError:
                gone += 1
            time.sleep(0.002)  # else hardly anybody else comes to bind
        pipe.setblocking(True)
        pipe.sendall(b"%d" % laid)
        if gone:
            raise SystemExit(1)

    others = [Worker(rival), Worker(vandal)]
    before = open_descriptors()
    seen = {"ours": 0, "refused": 0, "live socket removed": 0, "foreign file unlinked": 0, "unexpected": 0}
    while seen["ours"] < count:  # own successful binds; what was refused comes on top
        try:
            bound = bind_unix(UnixEndpoint(path), backlog=8)
        except OSError as error:
            seen["refused"] += 1
            seen["unexpected"] += error.errno != errno.EADDRINUSE
            continue
        seen["ours"] += 1
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
                bound.socket.accept()[0].close()
            except OSError:
                seen["live socket removed"] += 1
        bound.unlink()
        bound.socket.close()
    seen["descriptors left"] = open_descriptors() - before
    seen["of the rival"], seen["foreign files"] = (other.count() for other in others)
    seen["live socket removed"] += others[0].close() != 0
    seen["foreign file unlinked"] += others[1].close() != 0
    seen["strange files left"] = len(set(os.listdir(folder)) - {"s"})
    if os.path.lexists(path):
        os.unlink(path)
    return seen


def kill(count: int, folder: str) -> dict[str, int]:
    """A holder dies of SIGKILL; how often the next start takes more than a second, or fails.

    A second of its own: work and pauses. What a busy machine makes it wait for a processor is not its doing.
    """
    path = f"{folder}/s"
    pauses = 0.0

    class Pausing(doors.Doors):
        def sleep(self, seconds: float) -> None:
            nonlocal pauses
            pauses += seconds
            super().sleep(seconds)

    def hold(pipe: socket.socket) -> None:
        bind_unix(UnixEndpoint(path), backlog=8)
        pipe.sendall(b"h")
        signal.pause()

    seen = {"kills": 0, "late": 0, "failed": 0}
    for _ in range(count):
        holder = Worker(hold)
        holder.ask()
        os.kill(holder.pid, signal.SIGKILL)
        holder.close()
        start, pauses = time.thread_time(), 0.0
        try:
            with doors.using(Pausing()):
                bound = bind_unix(UnixEndpoint(path), backlog=8)
        except OSError:
            seen["failed"] += 1
        else:
            bound.socket.close()
        seen["late"] += time.thread_time() - start + pauses > 1.0
        seen["kills"] += 1
    os.unlink(path)
    return seen


HARMLESS = {"rounds", "binds", "looks at the file", "ours", "of the rival", "foreign files", "refused", "kills"}
RUNS = {"races": races, "watch": watch, "compete": compete, "kill": kill}


def harm(seen: dict[str, int]) -> dict[str, int]:
    """What was counted that must never happen."""
    return {name: number for name, number in seen.items() if number and name not in HARMLESS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="the counts of the default test run")
    parser.add_argument("runs", nargs="*", default=[], help=f"which of {', '.join(RUNS)}; all by default")
    arguments = parser.parse_args()
    failed = False
    for name in arguments.runs or RUNS:
        folder = tempfile.mkdtemp(prefix="ds", dir="/tmp")
        start = time.monotonic()
        seen = RUNS[name]((SHORT if arguments.short else LONG)[name], folder)
        bad = harm(seen)
        print(f"{name}: {seen} in {time.monotonic() - start:.1f} s{'  FAILED' if bad else ''}", flush=True)
        failed = failed or bool(bad)
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
