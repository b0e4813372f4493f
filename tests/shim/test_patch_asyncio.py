"""asyncio under the patch: racing by default, one port for both families, and whoever names a family is left alone."""

from __future__ import annotations

import asyncio
import inspect
import socket
import sys
import weakref
from unittest import mock

import pytest

import dualstack
from dualstack import doors, shim

V4, V6 = socket.AF_INET, socket.AF_INET6

able = dualstack.capabilities()
pytestmark = [
    pytest.mark.skipif(not able.ipv6_loopback, reason="no ::1 here; tests/netns has hosts without, others have it"),
    pytest.mark.skipif(sys.implementation.name != "cpython", reason="listening is patched on CPython; runs there"),
]


async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the names that the transport has for both ends."""
    writer.write(repr((writer.get_extra_info("peername"), writer.get_extra_info("sockname"))).encode())
    writer.close()


async def ask(host: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


def serve(*args, asked: list[str], **keywords) -> tuple[list[int], list[str]]:
    """Start a server with these arguments; its ports, and what clients of *asked* are told ("refused" included)."""

    async def main() -> tuple[list[int], list[str]]:
        server = await asyncio.start_server(told, *args, **keywords)
        async with server:
            ports = sorted({sock.getsockname()[1] for sock in server.sockets})
            answers = []
            for host in asked:
                try:
                    answers.append(await ask(host, ports[0]))
                except ConnectionRefusedError:
                    answers.append("refused")
            return ports, answers

    return asyncio.run(main())


BOTH = ["127.0.0.1", "::1"]


@pytest.fixture
def patched():
    with shim.patch(netifaces=False) as patch:
        yield patch


def test_the_ipv6_wildcard_is_both(patched) -> None:
    (port,), (four, six) = serve("::", 0, asked=BOTH)
    assert eval(four)[0][0] == "127.0.0.1" and eval(four)[1] == ("127.0.0.1", port)
    assert eval(six)[0][0] == "::1" and eval(six)[1] == ("::1", port, 0, 0)


def test_with_a_port_that_is_given(patched) -> None:
    with dualstack.open_listener("::", 0) as listener:
        port = listener.port
    ports, (four, six) = serve("::", port, asked=BOTH)
    assert ports == [port]
    assert "refused" not in (four, six)


def test_without_ipv4_it_is_what_it_was(patched) -> None:
    """Somebody has the IPv4 half: the server listens on IPv6 alone, as without the patch."""
    with dualstack.open_listener("0.0.0.0", 0) as other:
        ports, (six,) = serve("::", other.port, asked=["::1"])
        assert ports == [other.port]
        assert eval(six)[0][0] == "::1"


def test_a_port_that_is_busy_on_ipv4_is_chosen_anew(patched, monkeypatch) -> None:
    from dualstack.shim import patch_asyncio

    with dualstack.open_listener("0.0.0.0", 0) as other:
        real, chosen = patch_asyncio._free_port, []

        def first_busy() -> int | None:
            chosen.append(real() if chosen else other.port)
            return chosen[-1]

        monkeypatch.setattr(patch_asyncio, "_free_port", first_busy)
        ports, answers = serve("::", 0, asked=BOTH)
    assert len(chosen) > 1
    assert ports == [chosen[-1]]
    assert "refused" not in answers


def test_no_ipv6_at_all(patched) -> None:
    class Without(doors.Doors):
        def socket(self, family, type, proto=0, fileno=None):
            if family == V6:
                raise OSError(97, "Address family not supported by protocol")
            return super().socket(family, type, proto, fileno)

    with doors.using(Without()):
        ports, (six,) = serve("::", 0, asked=["::1"])  # the loop's own sockets are the system's
    assert len(ports) == 1
    assert eval(six)[0][0] == "::1"


def test_the_ipv4_wildcard_is_both_and_looks_like_ipv4(patched) -> None:
    (port,), answers = serve("0.0.0.0", 0, asked=BOTH)
    for host, answer in zip(BOTH, answers, strict=True):
        peer, own = eval(answer)
        assert (peer[0], len(peer), own) == (host, 2, (host, port))


@pytest.mark.parametrize("host", [None, "", ["127.0.0.1", "::1"]])
def test_every_family_asked_for_is_left_alone(patched, host) -> None:
    async def main() -> list[tuple[object, ...]]:
        async with await asyncio.start_server(told, host, 0) as server:
            return sorted(sock.getsockname() for sock in server.sockets)

    assert sorted(map(len, asyncio.run(main()))) == [2, 4]


@pytest.mark.parametrize("family", [V4, V6])
def test_a_family_that_is_named_is_obeyed(patched, family: int) -> None:
    host = "0.0.0.0" if family == V4 else "::"
    _, answers = serve(host, 0, family=family, asked=BOTH)
    assert [answer == "refused" for answer in answers] == [family == V6, family == V4]


def test_an_address_is_obeyed(patched) -> None:
    _, answers = serve("127.0.0.1", 0, asked=BOTH)
    assert answers[1] == "refused"


def test_a_socket_of_the_program(patched) -> None:
    sock = socket.socket()
    sock.bind(("", 0))
    _, answers = serve(sock=sock, asked=BOTH)
    assert [eval(answer)[0][0] for answer in answers] == BOTH


# ---------------------------------------------------------------------- connecting


def delays(*args, **keywords) -> list[object]:
    """What the loop's own create_connection is given as happy_eyeballs_delay, before it fails."""
    seen: list[object] = []

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*args, **keywords)

    async def original(self, factory, host=None, port=None, *, happy_eyeballs_delay="none", **more):
        seen.append(happy_eyeballs_delay)
        raise ConnectionRefusedError

    with mock.patch("asyncio.base_events.BaseEventLoop.create_connection", original), shim.patch(listen=False):
        asyncio.run(main())
    return seen


@pytest.mark.parametrize(
    ("keywords", "delay"),
    [
        pytest.param({}, 0.25, id="default"),
        pytest.param({"family": 0}, 0.25, id="any-family"),
        pytest.param({"family": V4}, "none", id="family"),
        pytest.param({"happy_eyeballs_delay": None}, None, id="explicitly-none"),
        pytest.param({"happy_eyeballs_delay": 2.0}, 2.0, id="explicit"),
        pytest.param({"interleave": 2}, "none", id="interleave"),
    ],
)
def test_the_delay(keywords: dict[str, object], delay: object) -> None:
    assert delays("localhost", 1, **keywords) == [delay]


def test_connecting_really(patched) -> None:
    (_,), (answer,) = serve("127.0.0.1", 0, asked=["localhost"])
    assert eval(answer)[0][0] == "127.0.0.1"


def test_a_connection_without_a_host_is_left_alone(patched) -> None:
    async def main() -> bytes:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        theirs.send(b"x")
        theirs.close()
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
        return data

    assert asyncio.run(main()) == b"x"


# ---------------------------------------------------------------------- loops


def test_loops_made_before_and_after() -> None:
    before = asyncio.new_event_loop()

    async def both() -> list[int]:
        async with await asyncio.start_server(told, "::", 0) as server:
            return sorted(int(sock.family) for sock in server.sockets)

    try:
        with shim.patch():
            after = asyncio.new_event_loop()
            try:
                assert before.run_until_complete(both()) == [V4, V6]
                assert after.run_until_complete(both()) == [V4, V6]
            finally:
                after.close()
        assert before.run_until_complete(both()) == [V6]
    finally:
        before.close()


def test_a_method_taken_before_the_end_of_the_patch_goes_on_as_the_original() -> None:
    loop = asyncio.new_event_loop()
    try:
        with shim.patch():
            method = loop.create_server
            assert inspect.iscoroutinefunction(method)
        server = loop.run_until_complete(method(asyncio.Protocol, "::", 0))
        assert [int(sock.family) for sock in server.sockets] == [V6]
        server.close()
        loop.run_until_complete(server.wait_closed())
    finally:
        loop.close()


def test_asyncio_imported_after_the_patch(tmp_path) -> None:
    """In a process of its own, where nobody has imported it."""
    import subprocess
    from pathlib import Path

    program = """
import sys
from dualstack import shim
assert "asyncio" not in sys.modules
with shim.patch():
    import asyncio.base_events as events
    assert hasattr(events.BaseEventLoop.create_server, "__wrapped__")
    assert events.__spec__.loader is events.__loader__
    assert type(events.__loader__).__name__ != "_Loader"
assert not hasattr(events.BaseEventLoop.create_server, "__wrapped__")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------------- the proactor of Windows, acted by a stand-in


def test_a_proactor_gets_the_true_family() -> None:
    """AcceptEx takes a socket of the listener's family; the stand-in does what IocpProactor does with it."""
    from dualstack.shim import patch_asyncio
    from dualstack.shim.points import Point

    class Proactor:
        def __init__(self) -> None:
            self.registered: weakref.WeakSet[object] = weakref.WeakSet()

        def _get_accept_socket(self, family):
            return socket.socket(family)

        def accept(self, listener):
            self.registered.add(listener)
            return self._get_accept_socket(listener.family), listener.fileno(), len(self.registered)

    names = {name: make for _, _, name, make in patch_asyncio.ASYNCIO_LISTEN._rows if name != "create_server"}
    made = [Point(Proactor, name, make) for name, make in names.items()]
    for point in made:
        point.install()
    try:
        with shim.patch(connect=False), socket.socket() as sock, socket.create_server(("127.0.0.1", 0)) as plain:
            sock.bind(("", 0))
            sock.listen()
            proactor = Proactor()
            import _socket

            for count, listener, family in ((1, sock, V6), (1, sock, V6), (2, plain, V4)):
                connection, number, registered = proactor.accept(listener)
                with connection:
                    assert _socket.socket.family.__get__(connection) == family
                    assert connection.family == V4
                assert (number, registered) == (listener.fileno(), count)
    finally:
        for point in made:
            point.remove()
    assert list(names) == ["accept", "_get_accept_socket"]


# ---------------------------------------------------------------------- other loops


@pytest.mark.parametrize("host", ["::", "0.0.0.0", None])
def test_a_loop_of_its_own_is_left_alone(patched, host: str | None) -> None:
    """uvloop listens in C and does not pass by us: it serves what it serves without the patch."""
    uvloop = pytest.importorskip("uvloop", reason="needs uvloop; Linux and macOS have it in tox")

    async def main() -> tuple[list[int], bytes]:
        server = await asyncio.get_running_loop().create_server(Greeting, host, 0)
        async with server:
            sock = server.sockets[-1]
            peer = "::1" if sock.family == V6 else "127.0.0.1"
            reader, writer = await asyncio.open_connection(peer, sock.getsockname()[1])
            data = await reader.read()
            writer.close()
            return sorted(int(one.family) for one in server.sockets), data

    class Greeting(asyncio.Protocol):
        def connection_made(self, transport) -> None:
            transport.write(b"hello")
            transport.close()

    loop = uvloop.new_event_loop()
    try:
        families, data = loop.run_until_complete(main())
    finally:
        loop.close()
    assert families == {"::": [V6], "0.0.0.0": [V4], None: [V4, V6]}[host]
    assert data == b"hello"
