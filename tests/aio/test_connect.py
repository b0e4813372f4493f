"""One suite of real loopback scenarios for every driver of the race: selectors, asyncio, uvloop, Proactor-like, trio.

The network is real. A black hole on loopback is a listener whose accept queue is full: Linux drops further SYNs, the
others refuse, so that those scenarios run on Linux only. The resolver is scripted through the doors, in the real
resolver threads. Times are only compared with what they must not undercut, or with a delay that is far longer than
everything else.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import dualstack
from dualstack import ConnectError, ResolveError, doors
from dualstack.aio import racing
from dualstack.net.lookup import pool

IPv4, IPv6 = socket.AF_INET, socket.AF_INET6
NEVER = float("inf")
LONG = 2.0  # an attempt delay that no scenario here waits out
CERTIFICATE = Path(__file__).resolve().parent.parent / "data" / "localhost.pem"

silent = pytest.mark.skipif(
    sys.platform != "linux", reason="a full accept queue is a black hole on Linux only; runs there"
)
unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this Python has no AF_UNIX; runs on POSIX")


class Names(doors.Doors):
    """The real world, except that names resolve as scripted: {name: {family: (delay, addresses)}}."""

    def __init__(self) -> None:
        self.script: dict[str, dict[int, tuple[float, list[str]]]] = {}
        self.over = threading.Event()

    def getaddrinfo(self, host, port, family, type, proto, flags):
        delay, addresses = self.script.get(host, {}).get(family, (0.0, []))
        if delay:
            self.over.wait(None if delay == NEVER else delay)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(family, type, proto, "", (a, 0, 0, 0) if family == IPv6 else (a, 0)) for a in addresses]


def bound_in_both() -> tuple[dict[int, socket.socket], int]:
    """Two sockets bound to one loopback port; to find it free in one family says nothing about the other."""
    while True:
        four, six = socket.socket(IPv4), socket.socket(IPv6)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        four.bind(("127.0.0.1", 0))
        port = four.getsockname()[1]
        try:
            six.bind(("::1", port))
        except OSError:
            four.close()
            six.close()
        else:
            return {IPv4: four, IPv6: six}, port


class Net:
    """What the scenarios need: one port number with chosen behaviour in each family."""

    def __init__(self, door: Names, fill: Callable[[socket.socket], list[socket.socket]]) -> None:
        self.door = door
        self.fill = fill
        self.bound, self.port = bound_in_both()  # what does not listen refuses
        self.open: list[socket.socket] = list(self.bound.values())

    def listen(self, family: int, *, full: bool = False) -> socket.socket:
        sock = self.bound.pop(family)
        sock.listen(0 if full else 100)
        if full:
            self.open += self.fill(sock)
        return sock

    def name(self, name: str = "name.example", *, after6: float = 0.0, after4: float = 0.0) -> str:
        self.door.script[name] = {IPv6: (after6, ["::1"]), IPv4: (after4, ["127.0.0.1"])}
        return name

    def close(self) -> None:
        self.door.over.set()
        for sock in self.open:
            sock.close()


def _sync(**keywords):
    return dualstack.connect(**keywords)


def _asyncio(factory=None, completing=False):
    def connect(**keywords):
        async def main():
            loop = asyncio.get_running_loop()
            if factory is not None:
                loop.set_task_factory(factory)
            sock = await dualstack.aio.connect(**keywords)
            assert {task.get_coro().__name__ for task in asyncio.all_tasks()} == {"main"}
            return sock

        return asyncio.run(main())

    def force(**keywords):
        before = racing.ReadinessDriver
        import dualstack.aio.connecting as module

        module.ReadinessDriver = racing.CompletingDriver
        try:
            return connect(**keywords)
        finally:
            module.ReadinessDriver = before

    return force if completing else connect


def _selector_loop(**keywords):
    loop = asyncio.SelectorEventLoop()
    try:
        return loop.run_until_complete(dualstack.aio.connect(**keywords))
    finally:
        loop.close()


def _uvloop(**keywords):
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(dualstack.aio.connect(**keywords))
    finally:
        loop.close()


def _trio(**keywords):
    import trio

    return trio.run(lambda: dualstack.aio.connect(**keywords))


WINDOWS = sys.platform == "win32"
PROACTOR = _asyncio() if WINDOWS else _asyncio(completing=True)
DRIVERS = [
    pytest.param(_sync, id="selectors"),
    pytest.param(PROACTOR, id="completing"),
    pytest.param(_selector_loop if WINDOWS else _asyncio(), id="asyncio-selector" if WINDOWS else "asyncio"),
    pytest.param(
        _asyncio(getattr(asyncio, "eager_task_factory", None)),
        id="asyncio-eager",
        marks=[
            pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12; runs there"),
            pytest.mark.skipif(WINDOWS, reason="a second Proactor loop there; runs on Linux and macOS"),
        ],
    ),
    pytest.param(_uvloop, id="uvloop"),
    pytest.param(_trio, id="trio", marks=pytest.mark.wine_skip("afd-poll")),
]


@pytest.fixture(params=DRIVERS)
def connect(request):
    # Here, before a test has started a server thread that would wait for ever.
    for driver, package in ((_uvloop, "uvloop"), (_trio, "trio")):
        if request.param is driver:
            pytest.importorskip(package, reason=f"{package} is not installed; it runs where the test extra has it")
    return request.param


@pytest.fixture
def connect_tls(connect):
    if connect is PROACTOR:
        pytest.skip("the Proactor loop has no TLS on bare sockets; open_connection is tested below")
    return connect


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Let the loops open what they keep for the life of the process, such as the pipe of libuv's signals."""
    try:
        import uvloop
    except ImportError:
        return
    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.fixture
def net(fill):
    """A scripted resolver and a port; afterwards no descriptor and no resolver thread is left."""
    dualstack.history.clear()
    before = descriptors()
    door = Names()
    with doors.using(door):
        made = Net(door, fill)
        try:
            yield made
            made.close()
            while pool().threads:  # they end with the answer; the suite's timeout bounds this
                time.sleep(0)
        finally:
            made.close()
    dualstack.history.clear()
    assert descriptors() == before


def test_literal(connect, net):
    for family, host in ((IPv4, "127.0.0.1"), (IPv6, "::1")):
        server = net.listen(family)
        with connect(host=host, port=net.port) as sock:
            assert sock.getpeername()[:2] == (host, net.port)
            assert type(sock) is socket.socket and not sock.get_inheritable()
            server.accept()[0].close()


def test_blocking_mode(connect, net):
    net.listen(IPv4)
    for timeout in (None, 5):
        with connect(host="127.0.0.1", port=net.port, timeout=timeout) as sock:
            assert sock.gettimeout() == (None if connect is _sync else 0.0)


def test_literal_refused(connect, net):
    net.listen(IPv4).close()
    with pytest.raises(ConnectionRefusedError) as caught:
        connect(host="127.0.0.1", port=net.port)
    assert isinstance(caught.value, ConnectError) and len(caught.value.attempts) == 1
    assert str(caught.value).startswith(f"cannot connect to 127.0.0.1:{net.port}\n")


@silent
def test_literal_silent(connect, net):
    net.listen(IPv4, full=True)
    with pytest.raises(TimeoutError, match=r"within 0\.05 s") as caught:
        connect(host="127.0.0.1", port=net.port, timeout=0.05)
    assert isinstance(caught.value, ConnectError)


def test_first_of_two_good_ones(connect, net):
    net.listen(IPv6)
    net.listen(IPv4)
    with connect(host="localhost", port=net.port, attempt_delay=LONG) as sock:
        assert sock.family == IPv6


@silent
def test_silent_first_loses_after_the_delay(connect, net):
    net.listen(IPv6, full=True)
    net.listen(IPv4)
    started = time.monotonic()
    events = []
    # The resolution delay so long because on a busy machine the thread that answers AAAA may be the later one.
    with connect(
        host=net.name(), port=net.port, attempt_delay=0.05, resolution_delay=LONG, trace=events.append
    ) as sock:
        assert sock.family == IPv4
    begun = [event.time for event in events if event.kind == "attempt-started"]
    assert begun[0] >= started and begun[1] - begun[0] >= 0.05
    assert [event.kind for event in events[-2:]] == ["attempt-dropped", "attempt-won"]


def test_refused_first_costs_nothing(connect, net, refused_at_once):
    net.listen(IPv4)
    started = time.monotonic()
    with connect(host="localhost", port=net.port, attempt_delay=LONG) as sock:
        assert sock.family == IPv4
    assert time.monotonic() - started < LONG


def test_AAAA_never_answered(connect, net):
    net.listen(IPv6)
    net.listen(IPv4)
    started = time.monotonic()
    with connect(host=net.name(after6=NEVER), port=net.port, resolution_delay=0.02, attempt_delay=LONG) as sock:
        assert sock.family == IPv4
    assert time.monotonic() - started < LONG


def test_A_never_answered(connect, net):
    net.listen(IPv6)
    started = time.monotonic()
    with connect(host=net.name(after4=NEVER), port=net.port) as sock:
        assert sock.family == IPv6
    assert time.monotonic() - started < LONG


@silent
def test_late_A_joins_the_running_race(connect, net):
    net.listen(IPv6, full=True)
    net.listen(IPv4)
    with connect(host=net.name(after4=0.03), port=net.port, attempt_delay=0.05, timeout=20) as sock:
        assert sock.family == IPv4


def test_resolver_hung(connect, net):
    with pytest.raises(TimeoutError, match="no answer from the resolver") as caught:
        connect(host=net.name(after4=NEVER, after6=NEVER), port=1, timeout=0.05)
    assert caught.value.attempts == ()


@silent
def test_everything_dead(connect, net):
    net.listen(IPv6, full=True)
    net.listen(IPv4, full=True)
    started = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        connect(host=net.name(), port=net.port, timeout=0.1, attempt_delay=0.02)
    assert time.monotonic() - started >= 0.1
    first, second = caught.value.attempts
    assert (first.error, second.error) == (None, None)
    assert second.started - first.started >= 0.02
    assert caught.value.errno == errno.ETIMEDOUT


def test_one_at_a_time(connect, net):
    net.listen(IPv4)
    events = []
    with connect(host="localhost", port=net.port, attempt_delay=None, trace=events.append) as sock:
        assert sock.family == IPv4
    kinds = [event.kind for event in events]
    assert kinds == ["attempt-started", "attempt-failed", "attempt-started", "attempt-won"]


def test_no_such_name(connect, net):
    with pytest.raises(ResolveError, match=r"'nowhere\.example' does not resolve"):
        connect(host="nowhere.example", port=1)


def test_guard(connect, net):
    net.listen(IPv6)
    net.listen(IPv4)
    with connect(host="localhost", port=net.port, allow=["127.0.0.0/8"]) as sock:
        assert sock.family == IPv4
    with pytest.raises(ConnectError, match="no address may be tried"):
        connect(host="localhost", port=net.port, allow=dualstack.public_only)


@pytest.mark.skipif(sys.platform == "darwin", reason="127.0.0.2 is no address of a Mac; runs on Linux and Windows")
def test_local_address(connect, net):
    net.listen(IPv6)
    net.listen(IPv4)
    with connect(host="localhost", port=net.port, local="127.0.0.2") as sock:
        assert sock.getsockname()[0] == "127.0.0.2"


@silent
def test_local_port_is_shared_by_the_attempts(connect, net):
    net.listen(IPv6, full=True)
    net.listen(IPv4)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with connect(host=net.name(), port=net.port, local=free, attempt_delay=0.02) as sock:
        assert sock.getsockname()[1] == free


@unix
def test_unix(connect, net, unix_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(unix_path)
        server.listen()
        with connect(host=f"unix:{unix_path}") as sock:
            assert sock.family == socket.AF_UNIX
            server.accept()[0].close()
    with pytest.raises(ConnectionRefusedError):
        connect(host=f"unix:{unix_path}")


@unix
def test_a_trace_does_not_change_what_a_full_unix_queue_means(connect, net, unix_path):
    """It is asked again until time is up, as without a trace."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(unix_path)
        server.listen(0)
        net.open += net.fill(server)
        seen = []
        with pytest.raises(TimeoutError) as caught:
            connect(host=f"unix:{unix_path}", timeout=0.05, trace=lambda event: seen.append(event.kind))
        assert isinstance(caught.value, ConnectError)
        assert seen == ["attempt-started", "attempt-failed"]


@silent
def test_a_trace_that_raises(connect, net):
    net.listen(IPv6, full=True)
    net.listen(IPv4)

    def trace(event) -> None:
        if event.kind == "attempt-dropped":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        connect(host=net.name(), port=net.port, attempt_delay=0.02, resolution_delay=LONG, trace=trace)


# ---------------------------------------------------------------------- TLS


def serve_tls(server: socket.socket, names: list) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.sni_callback = lambda sock, name, context: names.append(name)
    connection, _ = server.accept()
    with connection:
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.sendall(b"hello")
        except OSError:
            pass  # the client refused us, which is its test


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


@pytest.mark.parametrize(("host", "sni"), [("localhost", "localhost"), ("127.0.0.1", None), ("::1", None)])
def test_tls_verifies_the_name_as_written(connect_tls, net, host, sni):
    server = net.listen(IPv6 if host == "::1" else IPv4)
    names: list = []
    thread = threading.Thread(target=serve_tls, args=(server, names))
    thread.start()
    try:
        with connect_tls(host=host, port=net.port, tls=trusting(), timeout=20) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            sock.settimeout(20)
            assert sock.recv(5) == b"hello"
    finally:
        thread.join()
    assert names == [sni]


def test_tls_with_a_wrong_name(connect_tls, net):
    server = net.listen(IPv4)
    thread = threading.Thread(target=serve_tls, args=(server, []))
    thread.start()
    try:
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            connect_tls(host="127.0.0.1", port=net.port, tls=trusting(), server_hostname="other.example", timeout=20)
        if sys.version_info >= (3, 11):
            assert caught.value.__notes__ == [f"in the TLS handshake with 127.0.0.1:{net.port}"]
    finally:
        thread.join()


def test_tls_with_a_silent_server(connect_tls, net):
    net.listen(IPv4)
    events = []
    with pytest.raises(TimeoutError, match="the TLS handshake did not end") as caught:
        connect_tls(host="127.0.0.1", port=net.port, tls=trusting(), timeout=0.1, trace=events.append)
    assert isinstance(caught.value, ConnectError)
    assert [event.kind for event in events[-2:]] == ["tls-started", "tls-failed"]


@unix
def test_tls_over_unix_needs_a_name(connect, net, unix_path):
    if connect is PROACTOR:
        pytest.skip("refused earlier there, for the lack of TLS on bare sockets")
    with pytest.raises(ValueError, match="server_hostname"):
        connect(host=f"unix:{unix_path}", tls=trusting())


def test_tls_on_bare_sockets_of_a_proactor_loop_is_refused(net, monkeypatch):
    from dualstack.aio import backend

    async def main():
        running = backend.current()
        running.can_wait = False
        monkeypatch.setattr("dualstack.aio.connecting.current", lambda: running)
        with pytest.raises(dualstack.UnsupportedError, match="open_connection"):
            await dualstack.aio.connect("127.0.0.1", 1, tls=trusting())

    asyncio.run(main())


def test_a_loop_made_from_the_proactor_loop_is_one():
    """As qasync's is; its name does not say so."""
    from asyncio.proactor_events import BaseProactorEventLoop

    from dualstack.aio.backend import AsyncioBackend

    class Loop(BaseProactorEventLoop):
        def __init__(self):
            """No proactor is needed to ask what it is."""

        def __del__(self):
            """It was never opened."""

    assert not AsyncioBackend(Loop()).can_wait
    loop = asyncio.SelectorEventLoop()
    assert AsyncioBackend(loop).can_wait
    loop.close()


# ---------------------------------------------------------------------- streams


def test_open_connection(net):
    server = net.listen(IPv4)
    names: list = []

    async def main():
        reader, writer = await dualstack.aio.open_connection("localhost", net.port, tls=trusting(), timeout=20)
        assert await reader.read(5) == b"hello"
        writer.close()
        await writer.wait_closed()

    thread = threading.Thread(target=serve_tls, args=(server, names))
    thread.start()
    try:
        asyncio.run(main())
    finally:
        thread.join()
    assert names == ["localhost"]


def test_open_connection_plain_and_refused(net):
    server = net.listen(IPv4)

    async def main():
        _, writer = await dualstack.aio.open_connection("127.0.0.1", net.port)
        server.accept()[0].close()
        writer.close()
        await writer.wait_closed()
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await dualstack.aio.open_connection("127.0.0.1", net.port)

    asyncio.run(main())


def test_open_connection_with_a_silent_tls_server(net):
    net.listen(IPv4)

    async def main():
        with pytest.raises(OSError):
            await dualstack.aio.open_connection("127.0.0.1", net.port, tls=trusting(), timeout=0.1)

    asyncio.run(main())


# ---------------------------------------------------------------------- resolve


def test_aio_resolve(run, net):
    async def main():
        found = await dualstack.aio.resolve(net.name(), 80)
        assert [str(e) for e in found] == ["[::1]:80", "127.0.0.1:80"]
        assert [str(e) for e in await dualstack.aio.resolve("192.0.2.1", "http")] == ["192.0.2.1:80"]
        with pytest.raises(ResolveError, match=r"no answer within 0\.05 s"):
            await dualstack.aio.resolve(net.name("hung.example", after4=NEVER, after6=NEVER), 80, timeout=0.05)
        with pytest.raises(ResolveError, match="does not resolve"):
            await dualstack.aio.resolve("nowhere.example", 80)

    run(main)


def test_outside_a_loop():
    coroutine = dualstack.aio.connect("127.0.0.1", 1)
    with pytest.raises(RuntimeError, match="needs a running event loop"):
        coroutine.send(None)


def test_a_timeout_that_is_no_number_does_not_end_the_loop(run):
    """asyncio hands what call_later was given to its selector, and NaN ends the loop there."""

    async def main():
        listener = await dualstack.aio.open_listener("localhost", 0)
        sock = await dualstack.aio.open_datagram("localhost")
        async with listener, sock:
            for wait in (
                dualstack.aio.resolve("name.example", 80, timeout=float("nan")),
                dualstack.aio.connect("name.example", 80, timeout=float("nan")),
                listener.accept(float("nan")),
                sock.recv(float("nan")),
            ):
                with pytest.raises(ValueError, match="not nan"):
                    await wait

    run(main)


def test_no_time_to_resolve_is_not_blamed_on_a_full_pool(run):
    class Slow(doors.Doors):
        def start_daemon(self, target, name):
            """It has not got its turn yet."""

    async def main():
        with doors.using(Slow()), pytest.raises(ResolveError) as caught:
            await dualstack.aio.resolve("name.example", 80, timeout=0)
        assert caught.value.strerror == "'name.example' does not resolve: no answer within 0 s"

    run(main)
