"""HTTP clients with and without our adapters: a request over a kept connection, and one with a new connection.

    python benchmarks/http_clients.py [--turns 300] [--batch 5] [CLIENT ...]

Needs the libraries (pip install requests httpx aiohttp); what is missing is left out. The server and each side are
processes of their own: the server answers from a constant, so that the clients are what is measured, and a program has
one kind of client, for which the interpreter specialises its code. The sides take turns, in another order each round.
Broken networks are in scenarios.py:

    sudo python benchmarks/scenarios.py --clients requests,dualstack-requests "IPv6 blackholed"
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from time import perf_counter

from compare import machine

SERVER = r"""
import asyncio
class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        close = b"onnection: close" in data
        kept = b"close" if close else b"keep-alive"
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: " + kept + b"\r\n\r\nok")
        if close:
            self.transport.close()
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
KEPT: dict[str, str] = {}
NEW = {"Connection": "close"}


@contextmanager
def requests_client(ours: bool) -> Iterator[Callable[[str, dict[str, str]], object]]:
    """requests, plain or with the adapter."""
    import requests

    from dualstack.shim.requests import session

    with session() if ours else requests.Session() as client:
        client.trust_env = False  # looking for proxies in the environment is half of a request
        yield lambda url, headers: client.get(url, headers=headers).content


@contextmanager
def httpx_client(ours: bool) -> Iterator[Callable[[str, dict[str, str]], object]]:
    """httpx, plain or with the transport."""
    import httpx

    from dualstack.shim.httpx import DualStackTransport

    with httpx.Client(transport=DualStackTransport()) if ours else httpx.Client(trust_env=False) as client:
        yield lambda url, headers: client.get(url, headers=headers).content


@contextmanager
def aiohttp_client(ours: bool) -> Iterator[Callable[[str, dict[str, str]], object]]:
    """aiohttp, plain or with the connector."""
    import aiohttp

    from dualstack.shim.aiohttp import DualStackConnector

    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=DualStackConnector() if ours else None)

    async def get(url: str, headers: dict[str, str]) -> bytes:
        async with client.get(url, headers=headers) as response:
            return await response.read()

    loop = asyncio.new_event_loop()
    client = loop.run_until_complete(make())
    try:
        yield lambda url, headers: loop.run_until_complete(get(url, headers))
    finally:
        loop.run_until_complete(client.close())
        loop.close()


CLIENTS = {"requests": requests_client, "httpx": httpx_client, "aiohttp": aiohttp_client}


def work(client: str, ours: bool, url: str, headers: dict[str, str], batch: int) -> None:
    """One side: for each line that comes in, a batch of requests and a line of seconds."""
    with CLIENTS[client](ours) as get:
        for _ in range(200):
            get(url, headers)
        print(flush=True)
        for _ in sys.stdin:
            times = []
            for _ in range(batch):
                started = perf_counter()
                get(url, headers)
                times.append(perf_counter() - started)
            print(*times, flush=True)


def measure(client: str, url: str, how: str, turns: int, batch: int) -> None:
    """Let both sides take turns, and print a row."""
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    with ExitStack() as stack:
        sides = {}
        for side in times:
            command = [sys.executable, __file__, "--work", side, how, url, "--batch", str(batch), client]
            pipe = subprocess.PIPE
            sides[side] = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
            sides[side].stdout.readline()  # it is warm
        for turn in range(turns):
            for side in sorted(sides, reverse=bool(turn % 2)):
                sides[side].stdin.write("\n")
                sides[side].stdin.flush()
                times[side] += map(float, sides[side].stdout.readline().split())
    ours, plain = median(times["ours"]), median(times["plain"])
    print(
        f"| {client}, {how} connection | {1e6 * ours:.1f} us | {1e6 * plain:.1f} us | {plain / ours:.3f} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--batch", type=int, default=5)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("clients", nargs="*", default=list(CLIENTS))
    arguments = parser.parse_args()
    if arguments.work:
        side, how, url = arguments.work
        work(arguments.clients[0], side == "ours", url, NEW if how == "new" else KEPT, arguments.batch)
        return
    machine()
    print("\n| what | with ours | plain | rate |\n| --- | --- | --- | --- |")
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
            for client in arguments.clients:
                if importlib.util.find_spec(client):
                    for how in ("kept", "new"):
                        measure(client, url, how, arguments.turns, arguments.batch)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
