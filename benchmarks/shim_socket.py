"""The socket drop-in beside the standard library: what its create_connection, accept and datagrams cost.

All rows take turns in one process, in another order each round; the ratio of the medians is what counts. The promise is
that ``create_connection`` to a loopback literal is not slower. What a socket of the shim does more (IPv4 peers of an
IPv6 socket get IPv4 addresses) is shown by the rows below it.
"""

from __future__ import annotations

import socket as stdlib
from collections.abc import Callable
from statistics import median
from time import perf_counter

from compare import compare, machine, report

from dualstack.shim import socket as shim

ROUNDS = 300
BATCH = 10


def connections(server: stdlib.socket, rows: dict[str, Callable[[], stdlib.socket]], title: str) -> None:
    """Median seconds to connect; closing and the server's part are not timed."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    names = list(rows)
    for turn in range(ROUNDS):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            connect = rows[name]
            for _ in range(BATCH):
                started = perf_counter()
                sock = connect()
                times[name].append(perf_counter() - started)
                sock.close()
                server.accept()[0].close()
                del sock
    report({name: median(values) for name, values in times.items()}, title)


def connecting(server: stdlib.socket) -> None:
    address = server.getsockname()
    connections(
        server,
        {
            "shim.socket.create_connection": lambda: shim.create_connection(address),
            "socket.create_connection": lambda: stdlib.create_connection(address),
        },
        "to a loopback literal",
    )
    connections(
        server,
        {
            "shim.socket.create_connection(timeout=5)": lambda: shim.create_connection(address, timeout=5),
            "socket.create_connection(timeout=5)": lambda: stdlib.create_connection(address, timeout=5),
        },
        "to a loopback literal, with a timeout",
    )


def accepting() -> None:
    """accept of a dual-stack listener; the client's part is not timed."""
    both = {"family": stdlib.AF_INET6, "dualstack_ipv6": True, "backlog": 128}
    with shim.create_server(("", 0), **both) as ours, stdlib.create_server(("", 0), **both) as theirs:
        times: dict[str, list[float]] = {"shim.socket.accept": [], "socket.accept": []}
        for turn in range(ROUNDS * BATCH):
            rows = list(zip(times, (ours, theirs), strict=True))
            for name, server in rows if turn % 2 else rows[::-1]:
                with stdlib.create_connection(("127.0.0.1", server.getsockname()[1])):
                    started = perf_counter()
                    connection, _ = server.accept()
                    times[name].append(perf_counter() - started)
                    connection.close()
        report({name: median(values) for name, values in times.items()}, "accept of an IPv4 client, dual-stack")


def datagrams() -> None:
    """One question and its answer through a dual-stack socket."""
    sides = []
    for module in (shim, stdlib):
        server = module.socket(stdlib.AF_INET6, stdlib.SOCK_DGRAM)
        server.setsockopt(stdlib.IPPROTO_IPV6, stdlib.IPV6_V6ONLY, 0)
        server.bind(("", 0))
        client = stdlib.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM)
        client.connect(("127.0.0.1", server.getsockname()[1]))
        sides.append((server, client))

    def exchange(server: stdlib.socket, client: stdlib.socket) -> Callable[[], object]:
        def once() -> object:
            client.send(b"question")
            data, peer = server.recvfrom(100)
            server.sendto(data, peer)
            return client.recv(100)

        return once

    compare(
        [("shim.socket", exchange(*sides[0])), ("socket", exchange(*sides[1]))],
        number=500,
        title="a datagram and its answer, dual-stack, IPv4 client",
    )
    for server, client in sides:
        server.close()
        client.close()


def main() -> None:
    machine()
    with stdlib.create_server(("127.0.0.1", 0), backlog=4096) as server:
        connecting(server)
    accepting()
    datagrams()


if __name__ == "__main__":
    main()
