"""aio.open_datagram on every loop: the same answers as the synchronous socket, and nothing lost or left."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import threading

import pytest

import dualstack
from dualstack import aio, doors
from dualstack.aio.backend import current
from dualstack.aio.datagram_waiting import ThreadWaiting

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix datagrams; runs on the others")
readers = pytest.mark.skipif(
    sys.platform == "win32", reason="looks into the reader, which the Proactor loop has not; runs on the others"
)


def client(host, port):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    sock.connect((host, port))
    return sock


async def both(*runs):
    """Run coroutine functions side by side."""
    async with current().children() as children:
        for one in runs:
            children.start(one, release=lambda: None)


@pytest.mark.parametrize("dual", [None, False], ids=["dual", "two-sockets"])
def test_answers_leave_from_the_address_that_was_asked(run, dual):
    hosts = ("127.0.0.1", "::1", *(("127.0.0.2",) if sys.platform == "linux" else ()))

    async def main():
        async with await aio.open_datagram("::", dual=dual) as sock:
            for host in hosts:
                with client(host, sock.port) as asking:
                    asking.send(b"?")
                    datagram = await sock.recv(5)
                    assert (datagram.local.host, datagram.peer.port) == (host, asking.getsockname()[1])
                    assert await sock.reply(datagram, b"!") == 1
                    assert asking.recv(1) == b"!"

    run(main)


def test_many_waiting_tasks_get_one_each(run):
    async def main():
        async with await aio.open_datagram("::") as sock:
            got = []

            async def take():
                got.append((await sock.recv()).data)

            async def send():
                await current().checkpoint()
                with client("::1", sock.port) as asking:
                    for number in range(6):
                        asking.send(bytes((number,)))

            await both(take, take, take, send, take, take, take)
            assert sorted(got) == [bytes((number,)) for number in range(6)]

    run(main)


def test_a_row_of_datagrams_in_order(run):
    async def main():
        async with await aio.open_datagram("::1") as sock:
            with client("::1", sock.port) as asking:
                for number in range(100):
                    asking.send(bytes((number,)))
                assert [(await sock.recv(5)).data[0] for _ in range(50)] == list(range(50))
                assert [one.data[0] for one in await sock.recv_many(40, 5)] == list(range(50, 90))
                buffer = bytearray(3)
                # A row may have been taken already when the caller's buffer comes; it is not overtaken.
                rest = []
                while len(rest) < 10:
                    rest.append((await sock.recv(5)).data[0])
                assert rest == list(range(90, 100))
                asking.send(b"0123456789")
                datagram = await sock.recv_into(buffer, 5)
                assert (bytes(datagram.data), datagram.truncated, datagram.size) == (b"012", True, 10)
            with pytest.raises(ValueError, match="at least 1"):
                await sock.recv_many(0)

    run(main)


def test_truncation_and_strictness(run):
    async def main():
        async with await aio.open_datagram("::1", strict=True) as sock:
            with client("::1", sock.port) as asking:
                for _ in range(3):
                    asking.send(b"0123456789")
                with pytest.raises(dualstack.TruncatedError):
                    await sock.recv(5, max_size=4)
                assert (await sock.recv(5, max_size=4, strict=False)).size == 10
                assert (await sock.recv(5, max_size=10)).data == b"0123456789"

    run(main)


def test_timeout(run):
    async def main():
        async with await aio.open_datagram("::1") as sock:
            for timeout in (0, 0.01):
                with pytest.raises(TimeoutError, match="no datagram within"):
                    await sock.recv(timeout)
            with client("::1", sock.port) as asking:
                asking.send(b"x")
                assert (await sock.recv(0)).data == b"x"  # what is there is there

    run(main)


def test_iteration_ends_with_the_socket(run):
    async def main():
        async with await aio.open_datagram("::1") as sock:
            with client("::1", sock.port) as asking:
                for number in range(3):
                    asking.send(bytes((number,)))
            got = []
            async for datagram in sock:
                got.append(datagram.data)
                if len(got) == 3:
                    sock.close()
            assert got == [b"\0", b"\1", b"\2"]

    run(main)


@pytest.mark.parametrize("thread", [False, True], ids=["task", "thread"])
def test_close_wakes_every_waiter(run, thread):
    async def main():
        sock = await aio.open_datagram("::", dual=False)
        errors = []

        async def wait():
            with pytest.raises(OSError, match="closed") as caught:
                await sock.recv()
            errors.append(caught.value.errno)

        async def end():
            for _ in range(5):
                await current().checkpoint()
            if thread:
                closing = threading.Thread(target=sock.close)
                closing.start()
                closing.join()
            else:
                sock.close()

        await both(wait, wait, end)
        assert errors == [errno.EBADF] * 2
        assert sock.closed
        for _ in range(2000):  # under a Proactor loop the thread that waited closes them on its way out
            if all(real.fileno() == -1 for real in sock.sockets):
                break
            await current().sleep(0.005)
        assert all(real.fileno() == -1 for real in sock.sockets)
        with pytest.raises(OSError, match="closed"):
            await sock.recv()
        with pytest.raises(OSError, match="closed"):
            await sock.send(b"x", "127.0.0.1:9")
        sock.close()

    run(main)


def test_connected(run):
    async def main():
        async with (
            await aio.open_datagram("::") as server,
            await aio.open_datagram(remote=("localhost", server.port)) as sock,
        ):
            assert await sock.send(b"?") == 1
            await server.reply(await server.recv(5), b"!")
            answer = await sock.recv(5)
            assert (answer.data, answer.peer) == (b"!", sock.remote)

    run(main)


@pytest.mark.wine_skip("udp-icmp")
def test_an_icmp_error_names_the_peer(run):
    async def main():
        async with await aio.open_datagram("127.0.0.1") as gone:
            port = gone.port
        async with await aio.open_datagram(remote=("127.0.0.1", port)) as sock:
            await sock.send(b"?")
            with pytest.raises(ConnectionRefusedError, match=f"127.0.0.1:{port}: nothing listens there"):
                await sock.recv(5)

    run(main)


@unix
def test_unix_datagrams_and_no_room_to_send(run, unix_path):
    async def main():
        async with (
            await aio.open_datagram(f"unix:{unix_path}") as server,
            await aio.open_datagram(remote=f"unix:{unix_path}") as sock,
        ):
            with pytest.raises(TimeoutError, match="no room to send"):
                while True:  # until the receiver's queue is full
                    await sock.send(b"x", timeout=0)
            with pytest.raises(TimeoutError, match="no room to send"):
                await sock.send(b"x", timeout=0.01)
            done = []

            async def send():
                done.append(await sock.send(b"last", timeout=20))

            async def drain():
                data = b""
                while data != b"last":
                    data = (await server.recv(20)).data

            await both(send, drain)
            assert done == [4]
        assert not os.path.exists(unix_path)

    run(main)


def test_cancelling_a_waiter_loses_no_datagram(asyncio_run):
    async def main():
        sock = await aio.open_datagram("::1")
        with client("::1", sock.port) as asking:
            for number in range(100):
                waiter = asyncio.ensure_future(sock.recv())
                for _ in range(number % 4):
                    await asyncio.sleep(0)
                asking.send(bytes((number,)))
                for _ in range(number % 3):
                    await asyncio.sleep(0)
                waiter.cancel()
                try:
                    got = await waiter
                except asyncio.CancelledError:
                    got = await sock.recv(5)
                assert got.data == bytes((number,))
        sock.close()

    asyncio_run(main)


@readers
def test_the_next_waiter_takes_over_from_a_cancelled_one(asyncio_run):
    async def main():
        async with await aio.open_datagram("::1") as sock:
            first = asyncio.ensure_future(sock.recv())
            second = asyncio.ensure_future(sock.recv(20))
            await asyncio.sleep(0)
            with client("::1", sock.port) as asking:
                asking.send(b"x")
                asyncio.get_running_loop().call_soon(sock._waiting._readable)  # as the loop does
                first.cancel()
                assert (await second).data == b"x"
            with pytest.raises(asyncio.CancelledError):
                await first

    asyncio_run(main)


@readers
def test_a_reader_without_waiters_takes_itself_out(asyncio_run):
    async def main():
        async with await aio.open_datagram("::1") as sock:
            with pytest.raises(TimeoutError):
                await sock.recv(0.001)
            with client("::1", sock.port) as asking:
                for number in range(3):
                    asking.send(bytes((number,)))
                for _ in range(3):
                    await asyncio.sleep(0)
                assert not sock._waiting.registered
                assert [(await sock.recv(5)).data[0] for _ in range(3)] == [0, 1, 2]

    asyncio_run(main)


@unix
def test_descriptors_in_datagrams_nobody_fetched_are_closed(asyncio_run, unix_path):
    async def main():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, open(os.devnull) as something:
            sock = await aio.open_datagram(f"unix:{unix_path}")
            sender.connect(unix_path)
            waiter = asyncio.ensure_future(sock.recv())
            await asyncio.sleep(0)
            before = set(os.listdir("/dev/fd"))
            for _ in range(3):
                socket.send_fds(sender, [b"here"], [something.fileno()])
            assert (await waiter).data == b"here"
            sock.close()
            assert set(os.listdir("/dev/fd")) <= before

    asyncio_run(main)


def test_the_loop_may_be_closed_first():
    loop = asyncio.SelectorEventLoop()
    sock = loop.run_until_complete(aio_socket())
    waiter = loop.create_task(sock.recv())
    loop.run_until_complete(asyncio.sleep(0))
    waiter.cancel()
    loop.run_until_complete(asyncio.gather(waiter, return_exceptions=True))
    loop.close()
    sock.close()
    assert sock.sockets[0].fileno() == -1


async def aio_socket():
    return await aio.open_datagram("::1")


@pytest.mark.parametrize("how", ["close", "thread", "loop-closed"])
def test_the_thread_that_waits_for_a_proactor_loop(how):
    # The Proactor loop itself runs under Windows only; what stands in for readiness there runs on every loop.
    async def main():
        sock = await aio.open_datagram("::1")
        sock._waiting = ThreadWaiting(sock._sock, asyncio.get_running_loop())
        sock._taken, sock._reader = sock._waiting.taken, None
        with client("::1", sock.port) as asking:
            for number in range(20):
                waiters = [asyncio.ensure_future(sock.recv(20)) for _ in range(2)]
                await asyncio.sleep(0)
                asking.send(bytes((number,)))
                asking.send(bytes((number,)))
                assert [(await waiter).data[0] for waiter in waiters] == [number] * 2
            with pytest.raises(TimeoutError):
                await sock.recv(0.01)
            waiter = asyncio.ensure_future(sock.recv())
            await asyncio.sleep(0)
            if how == "loop-closed":
                waiter.cancel()
                return sock
            if how == "close":
                sock.close()
            else:
                await asyncio.to_thread(sock.close)
            with pytest.raises(OSError, match="closed"):
                await waiter
            return sock

    sock = asyncio.run(main())
    sock.close()
    assert sock.closed


def test_attributes_are_those_of_the_socket(asyncio_run):
    async def main():
        async with await aio.open_datagram("127.0.0.1", multicast_ttl=3, multicast_loop=False) as sock:
            assert (sock.multicast_ttl, sock.multicast_loop, sock.multicast_interface) == (3, False, None)
            sock.multicast_ttl = 4
            sock.multicast_loop = True
            assert (sock.multicast_ttl, sock.multicast_loop) == (4, True)
            assert sock.source_selection == "fixed"
            assert sock.remote is None
            assert repr(sock) == f"<AsyncDatagramSocket 127.0.0.1:{sock.port}>"
            with pytest.raises(OSError, match="hears no groups"):
                sock.join("224.0.0.251", "lo" if sys.platform == "linux" else 1)
            with pytest.raises(OSError, match="was not joined"):
                sock.leave("224.0.0.251", 1)

    asyncio_run(main)


class _Names(doors.Doors):
    """The real world with one more name in it."""

    def getaddrinfo(self, host, port, family, type, proto, flags):
        if host != "service.example":
            raise AssertionError(f"nobody asked for {host}")
        found = {socket.AF_INET: ("127.0.0.1", port), socket.AF_INET6: ("::1", port, 0, 0)}
        return [(one, type, proto, "", found[one]) for one in found if family in (0, one)]


def test_names_are_resolved_on_the_way(run):
    async def main():
        async with (
            await aio.open_datagram("service.example") as server,
            await aio.open_datagram(remote=("service.example", server.port)) as sock,
        ):
            assert {endpoint.host for endpoint in server.endpoints} == {"127.0.0.1", "::1"}
            await sock.send(b"?")
            await server.reply(await server.recv(5), b"!")
            assert (await sock.recv(5)).peer == sock.remote

    with doors.using(_Names()):
        run(main)


def test_a_cancelled_waiter_is_told_why(asyncio_run):
    """anyio and others know their own cancellations by the message."""

    async def main():
        told = []

        async def wait(sock):
            try:
                await sock.recv()
            except asyncio.CancelledError as error:
                told.append(error.args)

        async with await aio.open_datagram("::1") as sock:
            for words in (("these words",), ()):
                task = asyncio.create_task(wait(sock))
                await asyncio.sleep(0)
                task.cancel(*words)
                await task
        assert told == [("these words",), ()]

    asyncio_run(main)
