"""A network in three namespaces, for connecting through what real networks do: lost SYNs, late answers, silent DNS.

    client --- relay --- server

Run as a script (root, Linux) it makes the network, runs client programs in it and prints one JSON line per run:

    python tests/netns/lab.py --clients dualstack,dualstack-asyncio --runs 3 [SCENARIO ...]

The relay is a program that copies Ethernet frames between two interfaces and drops or delays SYNs and SYN-ACKs by
address; it does what netem would, which many kernels lack. The server owns every address and a DNS server scripted by
name. Everything is children of this process in namespaces of their own, so nothing is left when it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import heapq
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable

PORT = 7000
DEADLINE = 2.0  # seconds, of the scenarios that must fail
CAP = 6.0  # seconds after which a client is called hopeless
V4, V6 = "198.51.100.", "2001:db8:99::"
CLIENT, SERVER = "1", "2"
# The good address shares the fewest leading bits with the client's, so that rule 9 of the system's sort puts it last.
GOOD, DEAD, REFUSED, SLOW100, SLOW400, FULL = "130", ("20", "21", "22", "23", "24"), "30", "40", "50", "60"
OWNED = (GOOD, *DEAD, REFUSED, SLOW100, SLOW400, FULL)
DROP = {*(V4 + a for a in DEAD), *(V6 + a for a in DEAD)}
DELAY = {prefix + SLOW100: 0.1 for prefix in (V4, V6)} | {prefix + SLOW400: 0.4 for prefix in (V4, V6)}
NEVER = -1.0
UNREACHABLE, NO_ROUTE, PROHIBITED, ULA = "2001:db8:98::10", "2001:db8:97::10", "2001:db8:96::10", "fd99::10"


class Scenario:
    """Addresses of a name, how DNS answers, and what RFC 8305 makes of it: seconds, and the address that wins."""

    def __init__(
        self,
        v6: list[str],
        v4: list[str],
        ideal: float,
        wins: str,
        *,
        aaaa: float = 0.0,
        a: float = 0.0,
        rcode6: int = 0,
    ) -> None:
        self.v6 = [a if ":" in a else V6 + a for a in v6]
        self.v4 = [V4 + a for a in v4]
        self.ideal, self.wins = ideal, wins
        self.delays = {28: aaaa, 1: a}
        self.rcode6 = rcode6


four, six = V4 + GOOD, V6 + GOOD
SCENARIOS = {
    "all well": Scenario([GOOD], [GOOD], 0.0, six),
    "IPv6 blackholed": Scenario([DEAD[0]], [GOOD], 0.25, four),
    "2 dead IPv6": Scenario([*DEAD[:2]], [GOOD], 0.25, four),
    "5 dead IPv6": Scenario([*DEAD], [GOOD], 0.25, four),
    "dead in both": Scenario([*DEAD[:2]], [DEAD[0], GOOD], 0.75, four),
    "IPv6 refused": Scenario([REFUSED], [GOOD], 0.0, four),
    "IPv6 unreachable": Scenario([UNREACHABLE], [GOOD], 0.0, four),
    "IPv6 without route": Scenario([NO_ROUTE], [GOOD], 0.0, four),
    "IPv6 prohibited": Scenario([PROHIBITED], [GOOD], 0.0, four),
    "IPv6 100 ms late": Scenario([SLOW100], [GOOD], 0.1, V6 + SLOW100),
    "IPv6 400 ms late": Scenario([SLOW400], [GOOD], 0.25, four),
    "both 100 ms late": Scenario([SLOW100], [SLOW100], 0.1, V6 + SLOW100),
    "both 400 ms late": Scenario([SLOW400], [SLOW400], 0.4, V6 + SLOW400),
    "IPv6 queue full": Scenario([FULL], [GOOD], 0.25, four),
    "AAAA 2 s late": Scenario([GOOD], [GOOD], 0.05, four, aaaa=2.0),
    "AAAA dropped": Scenario([GOOD], [GOOD], 0.05, four, aaaa=NEVER),
    "A 2 s late": Scenario([GOOD], [GOOD], 0.0, six, a=2.0),
    "AAAA SERVFAIL": Scenario([], [GOOD], 0.0, four, rcode6=2),
    "unique-local IPv6": Scenario([ULA], [GOOD], 0.0, four),
    "everything dead": Scenario([*DEAD[:2]], [*DEAD[:2]], DEADLINE, ""),
}


def name_of(scenario: str) -> str:
    return scenario.lower().replace(" ", "-") + ".test"


# ---------------------------------------------------------------------- relay


def checksums_in_software(interface: str) -> None:
    """Make the kernel fill in TCP checksums: a frame read from one interface leaves by another as it is."""
    ethtool_stxcsum, siocethtool = 0x17, 0x8946
    value = bytearray(struct.pack("II", ethtool_stxcsum, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        address = (struct.pack("P", _address(value)),)
        fcntl.ioctl(sock, siocethtool, struct.pack("16s", interface.encode()) + address[0] + bytes(8))


_kept: list[object] = []


def _address(buffer: bytearray) -> int:
    import ctypes

    array = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    _kept.append(array)
    return ctypes.addressof(array)


def verdict(frame: bytes) -> float:
    """Seconds to hold a frame back; NEVER drops it."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == 6:
        start = 14 + (frame[14] & 15) * 4
        source, target = (socket.inet_ntop(socket.AF_INET, frame[at : at + 4]) for at in (26, 30))
    elif kind == b"\x86\xdd" and frame[20] == 6:
        start = 54
        source, target = (socket.inet_ntop(socket.AF_INET6, frame[at : at + 16]) for at in (22, 38))
    else:
        return 0.0
    flags = frame[start + 13]
    if flags & 0x12 == 0x02 and target in DROP:
        return NEVER
    return DELAY.get(source, 0.0) if flags & 0x12 == 0x12 else 0.0


def relay() -> None:
    sides = []
    for interface in ("left", "right"):
        checksums_in_software(interface)
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        sock.bind((interface, 0))
        sides.append(sock)
    print("ready", flush=True)
    held: list[tuple[float, int, int, bytes]] = []
    serial = 0
    while True:
        now = time.monotonic()
        while held and held[0][0] <= now:
            _, _, side, frame = heapq.heappop(held)
            sides[side].send(frame)
        for sock in select.select(sides, [], [], max(0.0, held[0][0] - now) if held else None)[0]:
            frame, address = sock.recvfrom(65536)
            if address[2] == 4:  # PACKET_OUTGOING: our own
                continue
            wait = verdict(frame)
            if wait >= 0:
                serial += 1
                heapq.heappush(held, (time.monotonic() + wait, serial, 1 - sides.index(sock), frame))


# ---------------------------------------------------------------------- server


def dns_reply(query: bytes) -> tuple[float, bytes]:
    """The scripted answer to a query, and after how long."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    question = query[12 : at + 5]
    found = next((s for n, s in SCENARIOS.items() if name_of(n) == ".".join(labels).lower()), None)
    rcode, answers = 3, []
    delay = 0.0
    if found is not None:
        rcode = found.rcode6 if kind == 28 else 0
        addresses = {1: found.v4, 28: found.v6}.get(kind, [])
        family = socket.AF_INET6 if kind == 28 else socket.AF_INET
        answers = [] if rcode else [socket.inet_pton(family, address) for address in addresses]
        delay = found.delays.get(kind, 0.0)
    header = query[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(answers), 0, 0)
    rows = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 1, len(data)) + data for data in answers)
    return delay, header + question + rows


def server() -> None:
    listeners = []
    for prefix, family in ((V4, socket.AF_INET), (V6, socket.AF_INET6)):
        for last in (GOOD, SLOW100, SLOW400, FULL):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((prefix + last, PORT))
            sock.listen(0 if last == FULL else 100)
            if last == FULL:
                filler = socket.create_connection((prefix + last, PORT))
                listeners.append(filler)
            else:
                threading.Thread(target=accept_all, args=(sock,), daemon=True).start()
            listeners.append(sock)
    ula = socket.create_server((ULA, PORT), family=socket.AF_INET6)
    threading.Thread(target=accept_all, args=(ula,), daemon=True).start()
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind((V4 + SERVER, 53))
    print("ready", flush=True)
    while True:
        query, client = dns.recvfrom(4096)
        delay, reply = dns_reply(query)
        if delay > 0:
            threading.Timer(delay, dns.sendto, (reply, client)).start()
        elif delay == 0:
            dns.sendto(reply, client)


def accept_all(sock: socket.socket) -> None:
    while True:
        connection, _ = sock.accept()
        if connection.recv(4096):  # nothing until the client has closed: it pays for TIME_WAIT
            here = connection.getsockname()[0].encode()  # an HTTP client: tell it the address it reached
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(here) + here)
        connection.close()


# ---------------------------------------------------------------------- clients

Client = Callable[[str, float], str]  # name, timeout -> the address connected to


def peer(sock: socket.socket) -> str:
    with sock:
        return str(sock.getpeername()[0])


def client_dualstack(name: str, timeout: float) -> str:
    import dualstack

    return peer(dualstack.connect(name, PORT, timeout=timeout, history=None))


def _dualstack_async(name: str, timeout: float) -> object:
    import dualstack.aio

    return dualstack.aio.connect(name, PORT, timeout=timeout, history=None)


def client_dualstack_asyncio(name: str, timeout: float) -> str:

    return peer(asyncio.run(_dualstack_async(name, timeout)))  # type: ignore[arg-type]


def client_dualstack_trio(name: str, timeout: float) -> str:
    import trio

    return peer(trio.run(_dualstack_async, name, timeout))  # type: ignore[arg-type]


def client_create_connection(name: str, timeout: float) -> str:
    return peer(socket.create_connection((name, PORT), timeout=timeout))


def client_asyncio(name: str, timeout: float) -> str:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        made = loop.create_connection(asyncio.Protocol, name, PORT, happy_eyeballs_delay=0.25)
        transport, _ = await asyncio.wait_for(made, timeout)
        found = str(transport.get_extra_info("peername")[0])
        transport.close()
        return found

    return asyncio.run(main())


def client_aiohappyeyeballs(name: str, timeout: float) -> str:
    from aiohappyeyeballs import start_connection

    async def main() -> str:
        async def connect() -> socket.socket:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(name, PORT, type=socket.SOCK_STREAM)
            return await start_connection(found, happy_eyeballs_delay=0.25)

        return peer(await asyncio.wait_for(connect(), timeout))

    return asyncio.run(main())


def client_anyio(name: str, timeout: float) -> str:
    import anyio

    async def main() -> str:
        with anyio.fail_after(timeout):
            async with await anyio.connect_tcp(name, PORT) as stream:
                return str(stream.extra(anyio.abc.SocketAttribute.remote_address)[0])

    return anyio.run(main)


def client_trio(name: str, timeout: float) -> str:
    import trio

    async def main() -> str:
        with trio.fail_after(timeout):
            async with await trio.open_tcp_stream(name, PORT) as stream:
                return str(stream.socket.getpeername()[0])

    return trio.run(main)


def client_requests(name: str, timeout: float) -> str:
    import requests

    return requests.get(f"http://{name}:{PORT}/", timeout=timeout).text


def client_dualstack_requests(name: str, timeout: float) -> str:
    from dualstack.shim.requests import session

    with session(connecting={"history": None}) as made:
        return str(made.get(f"http://{name}:{PORT}/", timeout=timeout).text)


def client_httpx(name: str, timeout: float) -> str:
    import httpx

    return httpx.get(f"http://{name}:{PORT}/", timeout=timeout).text


def client_dualstack_httpx(name: str, timeout: float) -> str:
    import httpx

    from dualstack.shim.httpx import DualStackTransport

    with httpx.Client(transport=DualStackTransport(connecting={"history": None})) as client:
        return client.get(f"http://{name}:{PORT}/", timeout=timeout).text


def client_dualstack_httpx_trio(name: str, timeout: float) -> str:
    import httpx
    import trio

    from dualstack.shim.httpx import AsyncDualStackTransport

    async def main() -> str:
        async with httpx.AsyncClient(transport=AsyncDualStackTransport(connecting={"history": None})) as client:
            return (await client.get(f"http://{name}:{PORT}/", timeout=timeout)).text

    return trio.run(main)


def _aiohttp(name: str, timeout: float, connector: Callable[[], object]) -> str:
    import aiohttp

    async def main() -> str:
        limit = aiohttp.ClientTimeout(sock_connect=timeout)
        async with (
            aiohttp.ClientSession(connector=connector(), timeout=limit) as session,
            session.get(f"http://{name}:{PORT}/") as response,
        ):
            return await response.text()

    return asyncio.run(main())


def client_aiohttp(name: str, timeout: float) -> str:
    import aiohttp

    return _aiohttp(name, timeout, aiohttp.TCPConnector)


def client_dualstack_aiohttp(name: str, timeout: float) -> str:
    from dualstack.shim.aiohttp import DualStackConnector

    return _aiohttp(name, timeout, lambda: DualStackConnector(connecting={"history": None}))


CLIENTS: dict[str, Client] = {
    "dualstack": client_dualstack,
    "dualstack-asyncio": client_dualstack_asyncio,
    "dualstack-trio": client_dualstack_trio,
    "create_connection": client_create_connection,
    "asyncio": client_asyncio,
    "aiohappyeyeballs": client_aiohappyeyeballs,
    "anyio": client_anyio,
    "trio": client_trio,
    "requests": client_requests,
    "dualstack-requests": client_dualstack_requests,
    "httpx": client_httpx,
    "dualstack-httpx": client_dualstack_httpx,
    "dualstack-httpx-trio": client_dualstack_httpx_trio,
    "aiohttp": client_aiohttp,
    "dualstack-aiohttp": client_dualstack_aiohttp,
}


def measure(client: str, scenario: str) -> None:
    """One run in this process; prints its result and ends the process without waiting for hung threads."""
    ideal = SCENARIOS[scenario].ideal
    timeout = DEADLINE if not SCENARIOS[scenario].wins else CAP
    run = CLIENTS[client]
    run(name_of("all well"), CAP)  # imports and loops are warm afterwards
    started = time.monotonic()

    def late(*_: object) -> None:
        report("", f"nothing after {CAP} s")

    def report(address: str, error: str) -> None:
        took = time.monotonic() - started
        result = {"client": client, "scenario": scenario, "seconds": round(took, 6), "ideal": ideal}
        print(json.dumps({**result, "address": address, "error": error}), flush=True)
        os._exit(0)

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, CAP + 0.5)
    try:
        address, error = run(name_of(scenario), timeout), ""
    except BaseException as failure:  # noqa: BLE001  # whatever these libraries raise is a result here
        address, error = "", type(failure).__name__
    report(address, error)


# ---------------------------------------------------------------------- the network


def sh(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True)


class Child:
    """One program of this file in a network namespace of its own."""

    def __init__(self, role: str) -> None:
        command = ["unshare", "-n", sys.executable, __file__, "--role", role]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.expect("made")

    def expect(self, word: str) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if line != word:
            raise RuntimeError(f"expected {word!r}, got {line!r}")

    def tell(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.expect("ready")

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


def play(role: str) -> None:
    """The life of a child: say that the namespace is there, wait for its interfaces, set them up, work."""
    print("made", flush=True)
    sys.stdin.readline()
    sh("ip link set lo up")
    if role == "relay":
        sh("ip link set left up promisc on", "ip link set right up promisc on")
        relay()
    else:
        checksums_in_software("far")
        sh("ip link set far up", f"ip addr add {V4}{SERVER}/24 dev far", f"ip addr add {V6}{SERVER}/64 dev far nodad")
        for last in OWNED:
            sh(f"ip addr add {V4}{last}/24 dev far", f"ip addr add {V6}{last}/64 dev far nodad")
        sh(f"ip addr add {ULA}/64 dev far nodad")
        server()


def lab(arguments: argparse.Namespace) -> None:
    """In the client's namespaces (network and mount): build the rest, run, report."""
    children = [Child("relay"), Child("server")]
    try:
        relay_pid, server_pid = (child.process.pid for child in children)
        sh(
            "ip link set lo up",
            f"ip link add near type veth peer name left netns {relay_pid}",
            f"ip link add tmp type veth peer name far netns {server_pid}",
            f"ip link set tmp netns {relay_pid} name right",
            "ip link set near up",
        )
        checksums_in_software("near")
        for child in children:
            child.tell()
        sh(
            f"ip addr add {V4}{CLIENT}/24 dev near",
            f"ip addr add {V6}{CLIENT}/64 dev near nodad",
            "ip addr add fd99::1/64 dev near nodad",
            f"ip route add default via {V4}{SERVER}",
            f"ip -6 route add default via {V6}{SERVER}",
            "ip -6 route add unreachable 2001:db8:98::/64",
            "ip -6 route add throw 2001:db8:97::/64",
            "ip -6 route add prohibit 2001:db8:96::/64",
            "ip -6 rule add to 2001:db8:97::/64 unreachable",
        )
        with tempfile.TemporaryDirectory() as folder:
            for target, text in (
                ("/etc/resolv.conf", f"nameserver {V4}{SERVER}\n"),
                ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
                ("/etc/nsswitch.conf", "hosts: files dns\n"),
            ):
                source = os.path.join(folder, os.path.basename(target))
                with open(source, "w", encoding="ascii") as file:
                    file.write(text)
                sh(f"mount --bind {source} {target}")
            warm()
            for _ in range(arguments.runs):
                for scenario in arguments.scenarios or SCENARIOS:
                    for client in arguments.clients.split(","):
                        command = [sys.executable, __file__, "--measure", client, scenario]
                        subprocess.run(command, check=True)
    finally:
        for child in children:
            child.stop()


def warm() -> None:
    """Let ARP and neighbour discovery learn every address, so that no run pays for it."""
    for prefix in (V4, V6):
        for last in (GOOD, *DEAD, REFUSED, SLOW100, SLOW400, FULL):
            family = socket.AF_INET6 if ":" in prefix else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.settimeout(0.6)
                try:
                    sock.connect((prefix + last, PORT + 1))  # refused or dropped; the neighbour is known either way
                except OSError:
                    pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--role")
    parser.add_argument("--measure", nargs=2)
    parser.add_argument("--inside", action="store_true")
    parser.add_argument("--clients", default="dualstack")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("scenarios", nargs="*")
    arguments = parser.parse_args()
    if arguments.role:
        play(arguments.role)
    elif arguments.measure:
        measure(*arguments.measure)
    elif arguments.inside:
        lab(arguments)
    else:
        os.execvp("unshare", ["unshare", "-n", "-m", sys.executable, __file__, "--inside", *sys.argv[1:]])


if __name__ == "__main__":
    main()
