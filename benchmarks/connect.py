"""Connecting to loopback side by side: what the race, the checks and the errors cost when nothing is wrong.

Synchronous, to a literal and to names of the hosts file; asyncio and trio, to a literal, beside aiohappyeyeballs and
trio's own. Then the resolver's promises: a hung look-up, 10,000 requests, the exit of the interpreter.

The names need a hosts file that has them: as root on Linux the script runs that part again in a mount namespace of its
own, with HOSTS as /etc/hosts.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from statistics import median
from time import perf_counter

from compare import machine, report

import dualstack
import dualstack.aio
import dualstack.doors

ROUNDS = 150
BATCH = 10


HOSTS = """\
127.0.0.1 localhost one.example
::1 localhost
::1 two.example
127.0.0.1 two.example
"""


def turns(server: socket.socket, rows: dict[str, Callable[[], socket.socket]]) -> dict[str, float]:
    """Median seconds of connect and close; the sides take turns, in another order each round."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    names = list(rows)
    for turn in range(ROUNDS):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            connect = rows[name]
            for _ in range(BATCH):
                started = perf_counter()
                connect().close()
                times[name].append(perf_counter() - started)
                server.accept()[0].close()
    return {name: median(values) for name, values in times.items()}


def synchronous(server: socket.socket) -> None:
    port = server.getsockname()[1]

    def bare() -> socket.socket:
        sock = socket.socket()
        sock.connect(("127.0.0.1", port))
        return sock

    rows = {
        "dualstack.connect": lambda: dualstack.connect("127.0.0.1", port),
        "dualstack.connect(timeout=5)": lambda: dualstack.connect("127.0.0.1", port, timeout=5),
        "socket.create_connection": lambda: socket.create_connection(("127.0.0.1", port)),
        "socket.create_connection(timeout=5)": lambda: socket.create_connection(("127.0.0.1", port), timeout=5),
        "socket() and connect()": bare,
    }
    report(turns(server, rows), "synchronous, to a literal")


def names() -> None:
    """Connect to names of the hosts file, in the namespace that has HOSTS."""
    machine()
    for both in (True, False):
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as four, socket.socket(socket.AF_INET6) as six:
            port = four.getsockname()[1]
            six.bind(("::1", port))
            if both:
                six.listen(4096)
                one_name("one.example", four, "")
            for name in ("two.example", "localhost"):
                one_name(name, six if both else four, ", both listen" if both else ", only 127.0.0.1 listens")


def one_name(name: str, server: socket.socket, who: str) -> None:
    port = server.getsockname()[1]
    rows = {
        "dualstack.connect": lambda: dualstack.connect(name, port),
        "socket.create_connection": lambda: socket.create_connection((name, port)),
    }
    report(turns(server, rows), f"{name} of the hosts file{who}")


def names_in_a_namespace() -> None:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        print("\nnames of the hosts file: need root on Linux and unshare")
        return
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
        hosts.write(HOSTS)
        hosts.flush()
        script = 'mount --bind "$1" /etc/hosts && exec "$2" "$3" --names'
        arguments = ["sh", hosts.name, sys.executable, __file__]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run(["unshare", "--mount", "sh", "-c", script, *arguments], env=environ, check=True)


def under_asyncio(server: socket.socket) -> None:
    port = server.getsockname()[1]
    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def bare() -> socket.socket:
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", port))
            return sock

        rows = {"dualstack.aio.connect": lambda: dualstack.aio.connect("127.0.0.1", port)}
        if importlib.util.find_spec("aiohappyeyeballs") is not None:
            from aiohappyeyeballs import start_connection

            rows["aiohappyeyeballs.start_connection"] = lambda: start_connection(infos, happy_eyeballs_delay=0.25)
        rows["loop.sock_connect"] = bare
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(ROUNDS):
            for name, connect in rows.items():
                for _ in range(BATCH):
                    started = perf_counter()
                    (await connect()).close()
                    times[name].append(perf_counter() - started)
                    server.accept()[0].close()
        report({name: median(values) for name, values in times.items()}, "asyncio, to a literal")

    asyncio.run(main())


def under_trio(server: socket.socket) -> None:
    if importlib.util.find_spec("trio") is None:
        print("trio is not installed")
        return
    import trio

    port = server.getsockname()[1]

    async def theirs() -> None:
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()

    async def ours() -> None:
        (await dualstack.aio.connect("127.0.0.1", port)).close()

    async def main() -> None:
        rows = {"dualstack.aio.connect": ours, "trio.open_tcp_stream": theirs}
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(ROUNDS):
            for name, connect in rows.items():
                for _ in range(BATCH):
                    started = perf_counter()
                    await connect()
                    times[name].append(perf_counter() - started)
                    server.accept()[0].close()
        report({name: median(values) for name, values in times.items()}, "trio, to a literal")

    trio.run(main)


class Hung(dualstack.doors.Doors):
    """A resolver that takes half a minute."""

    def __init__(self) -> None:
        self.asked = 0
        self.over = threading.Event()

    def getaddrinfo(self, *arguments: object) -> list[object]:  # type: ignore[override]
        self.asked += 1
        self.over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "hung")


def resolver() -> None:
    door = Hung()
    with dualstack.doors.using(door):
        started = perf_counter()
        try:
            dualstack.connect("hung.example", 80, timeout=0.2)
        except TimeoutError:
            print(f"resolver hung: connect(timeout=0.2) returned after {perf_counter() - started:.4f} s")
        most, requests = 0, 10_000

        async def many() -> None:
            nonlocal most

            async def one(index: int) -> None:
                try:
                    await dualstack.aio.connect(f"host{index}.example", 80, timeout=0.5)
                except TimeoutError:
                    pass

            tasks = [asyncio.ensure_future(one(index)) for index in range(requests)]
            while not all(task.done() for task in tasks):
                most = max(most, threading.active_count(), _threads())
                await asyncio.sleep(0.05)

        asyncio.run(many())
        print(f"{requests} requests to a hung resolver: at most {most} threads, this one included")
        door.over.set()
    program = (
        "import time, dualstack, dualstack.doors\n"
        "class Hung(dualstack.doors.Doors):\n"
        "    def getaddrinfo(self, *a): time.sleep(30)\n"
        "with dualstack.doors.using(Hung()):\n"
        "    try: dualstack.connect('x.example', 80, timeout=0.2)\n"
        "    except TimeoutError: print(time.time(), flush=True)\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    print(f"the interpreter was gone {time.time() - float(done.stdout):.4f} s after that connect returned")


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 0


def main() -> None:
    if "--names" in sys.argv[1:]:
        names()
        return
    machine()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        synchronous(server)
        under_asyncio(server)
        under_trio(server)
    names_in_a_namespace()
    resolver()


if __name__ == "__main__":
    main()
