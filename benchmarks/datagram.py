"""Echo of small datagrams on loopback: recv + reply against bare sockets and a hand-written packet-information loop.

    python benchmarks/datagram.py [--count N] [--rounds N] [--memory N]

All contestants run in one process, interleaved; figures are medians of microseconds per echo, and ratios of medians.
The client is a connected plain socket in the same thread, so each echo is four system calls: two of the client, two of
the server. "server only" subtracts the client, measured alone against a peer that is not there to answer.

bare        recvfrom + sendto: answers from the wrong address on a host with several
by hand     recvmsg + sendmsg with in6_pktinfo, the code one would write for one system and one family
ours        DatagramSocket.recv + reply

Then the same under asyncio: aio.open_datagram against asyncio.create_datagram_endpoint, which knows neither source
nor interface. The client sends windows of 1, 4 and 32 datagrams from another process. Two more rows say where the
difference comes from: the same endpoint behind a queue, so that it can be awaited; and a callback that uses packet
information by hand, recvmsg and sendmsg, and cannot be awaited.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout

import dualstack
from dualstack.platforms import current

PAYLOAD = b"x" * 64
SIZE = 2048  # bytes; a common buffer size for DNS-like protocols


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    return sock


def bare() -> tuple[int, Callable[[], None], Callable[[], None]]:
    sock = _bound()
    recvfrom, sendto = sock.recvfrom, sock.sendto

    def step() -> None:
        data, peer = recvfrom(SIZE)
        sendto(data, peer)

    return sock.getsockname()[1], step, sock.close


def by_hand() -> tuple[int, Callable[[], None], Callable[[], None]]:
    sock = _bound()
    asked, info = current.constants["IPV6_RECVPKTINFO"], current.constants["IPV6_PKTINFO"]
    sock.setsockopt(socket.IPPROTO_IPV6, asked, 1)
    space = socket.CMSG_SPACE(20)
    recvmsg, sendmsg = sock.recvmsg, sock.sendmsg

    def step() -> None:
        data, control, flags, peer = recvmsg(SIZE, space)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise OSError("truncated")
        source = []
        for level, kind, value in control:
            if level == socket.IPPROTO_IPV6 and kind == info:
                source = [(level, kind, value[:16] + b"\0\0\0\0")]
        sendmsg([data], source, 0, peer)

    return sock.getsockname()[1], step, sock.close


def ours() -> tuple[int, Callable[[], None], Callable[[], None]]:
    opened = dualstack.open_datagram("::")

    def step() -> None:
        datagram = opened.recv()
        opened.reply(datagram, datagram.data)

    return opened.port, step, opened.close


def ours_read() -> tuple[int, Callable[[], None], Callable[[], None]]:
    opened = dualstack.open_datagram("::")

    def step() -> None:
        datagram = opened.recv()
        _ = datagram.peer, datagram.local
        opened.reply(datagram, datagram.data)

    return opened.port, step, opened.close


def measure(host: str, make: Callable[..., tuple[int, Callable[[], None], Callable[[], None]]], count: int) -> float:
    port, step, close = make()
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((host, port))
    client.settimeout(None)
    send, recv = client.send, client.recv
    for _ in range(200):
        send(PAYLOAD)
        step()
        recv(SIZE)
    started = time.perf_counter()
    for _ in range(count):
        send(PAYLOAD)
        step()
        recv(SIZE)
    elapsed = time.perf_counter() - started
    client.close()
    close()
    return elapsed / count * 1e6


def client_alone(host: str, count: int) -> float:
    """The client's half of an echo: send to a socket, and receive what is already there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as other:
        one.bind((host, 0))
        other.bind((host, 0))
        one.connect(other.getsockname())
        other.connect(one.getsockname())
        send, recv = one.send, other.recv
        started = time.perf_counter()
        for _ in range(count):
            send(PAYLOAD)
            recv(SIZE)
        return (time.perf_counter() - started) / count * 1e6


def table(count: int, rounds: int) -> None:
    contestants = {"bare": bare, "by hand": by_hand, "ours": ours, "ours, addresses read": ours_read}
    for host in ("::1", "127.0.0.1"):
        times: dict[str, list[float]] = {name: [] for name in contestants}
        alone = []
        for _ in range(rounds):
            for name, make in contestants.items():
                times[name].append(measure(host, make, count))
            alone.append(client_alone(host, count))
        middle = {name: statistics.median(values) for name, values in times.items()}
        client = statistics.median(alone)
        print(f"\n{host}: {count} echoes x {rounds} rounds; the client alone {client:.2f} us")
        print(f"{'':22}{'us/echo':>9}{'of bare':>9}{'of hand':>9}{'server only: of bare':>23}{'of hand':>9}")
        for name, value in middle.items():
            server = value - client
            print(
                f"{name:22}{value:9.2f}{middle['bare'] / value:9.2f}{middle['by hand'] / value:9.2f}"
                f"{(middle['bare'] - client) / server:23.2f}{(middle['by hand'] - client) / server:9.2f}"
            )


# ---------------------------------------------------------------------- asyncio


def _flood(port: int, count: int, window: int, ready: multiprocessing.synchronize.Event) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.connect(("::1", port))
        client.settimeout(5)
        ready.set()
        for _ in range(0, count, window):
            for _ in range(window):
                client.send(PAYLOAD)
            for _ in range(window):
                client.recv(SIZE)
        client.send(b"stop")


class _Echo(asyncio.DatagramProtocol):
    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data == b"stop":
            self.done.set_result(None)
        else:
            self.transport.sendto(data, addr)  # type: ignore[attr-defined]  # it is a DatagramTransport


async def _stdlib(count: int, window: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Echo(done), sock=_bound())
    port = transport.get_extra_info("sockname")[1]
    return await _timed(port, count, window, done, transport.close)


class _Queued(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.queue.put_nowait((data, addr))


async def _awaited(count: int, window: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Queued, sock=_bound())

    async def serve() -> None:
        while True:
            data, addr = await protocol.queue.get()
            if data == b"stop":
                return
            transport.sendto(data, addr)

    port = transport.get_extra_info("sockname")[1]
    return await _timed(port, count, window, asyncio.ensure_future(serve()), transport.close)


async def _callback(count: int, window: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    sock = _bound()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_IPV6, current.constants["IPV6_RECVPKTINFO"], 1)
    info, space = current.constants["IPV6_PKTINFO"], socket.CMSG_SPACE(20)

    def readable() -> None:
        data, control, flags, peer = sock.recvmsg(SIZE, space)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise OSError("truncated")
        if data == b"stop":
            done.set_result(None)
            return
        source = [(level, kind, value[:16] + b"\0\0\0\0") for level, kind, value in control if kind == info]
        sock.sendmsg([data], source, 0, peer)

    def close() -> None:
        loop.remove_reader(sock)
        sock.close()

    loop.add_reader(sock, readable)
    return await _timed(sock.getsockname()[1], count, window, done, close)


async def _aio(count: int, window: int) -> tuple[float, float]:
    import dualstack.aio

    opened = await dualstack.aio.open_datagram("::")

    async def serve() -> None:
        while True:
            datagram = await opened.recv()
            if datagram.data == b"stop":
                return
            await opened.reply(datagram, datagram.data)

    return await _timed(opened.port, count, window, asyncio.ensure_future(serve()), opened.close)


async def _timed(
    port: int, count: int, window: int, done: asyncio.Future[None], close: Callable[[], object]
) -> tuple[float, float]:
    """Elapsed and processor time of this process, in microseconds per echo."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_flood, args=(port, count, window, ready))
    process.start()
    await asyncio.to_thread(ready.wait)
    started, busy = time.perf_counter(), time.process_time()
    await done
    elapsed, busy = time.perf_counter() - started, time.process_time() - busy
    close()
    await asyncio.to_thread(process.join)
    return elapsed / count * 1e6, busy / count * 1e6


def asyncio_table(count: int, rounds: int) -> None:
    """Compare the two; the processor time of the server stands whatever else the machine does."""
    contestants = {
        "create_datagram_endpoint": _stdlib,
        "the same behind a queue": _awaited,
        "recvmsg in a callback": _callback,
        "aio.open_datagram": _aio,
    }
    for window in (1, 4, 32):
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, run in contestants.items():
                times[name].append(asyncio.run(run(count, window)))
        print(f"\nasyncio, windows of {window}: {count} echoes x {rounds} rounds, client in another process")
        base = [statistics.median(column) for column in zip(*times["create_datagram_endpoint"], strict=True)]
        for name, values in times.items():
            elapsed, busy = (statistics.median(column) for column in zip(*values, strict=True))
            print(
                f"{name:26}{elapsed:9.2f} us/echo   rate {base[0] / elapsed:.2f}"
                f"   server's processor {busy:6.2f} us   rate {base[1] / busy:.2f}"
            )


# ---------------------------------------------------------------------- memory


def memory(count: int) -> None:
    """Echo *count* datagrams and look at memory and descriptors on the way (Linux)."""
    port, step, close = ours()
    client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    client.connect(("::1", port))
    gc.disable()
    print(f"\n{count} echoes with the garbage collector off:")
    for done in range(count + 1):
        if done % (count // 10) == 0:
            with open("/proc/self/statm") as statm:
                resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
            print(f"{done:>10}  resident {resident} KiB  descriptors {len(os.listdir('/proc/self/fd'))}")
        client.send(PAYLOAD)
        step()
        client.recv(SIZE)
    gc.enable()
    client.close()
    close()


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--memory", type=int, default=0, help="echo this many datagrams and watch memory")
    parser.add_argument("--no-asyncio", action="store_true")
    arguments = parser.parse_args()
    print(f"{sys.implementation.name} {sys.version.split()[0]} on {sys.platform}")
    table(arguments.count, arguments.rounds)
    if not arguments.no_asyncio:
        asyncio_table(arguments.count, arguments.rounds)
    if arguments.memory:
        memory(arguments.memory)


if __name__ == "__main__":
    main()
