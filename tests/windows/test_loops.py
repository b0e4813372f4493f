"""Connecting under both event loops of asyncio on Windows: the Proactor loop, and the selector loop."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

import dualstack
from dualstack import aio


def _proactor(main):
    asyncio.run(main())


def _selector(main):
    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(main())
        assert not asyncio.all_tasks(loop)
    finally:
        loop.close()


@pytest.fixture(params=[_proactor, _selector])
def run(request):
    return request.param


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_connect(run, host):
    async def main():
        loop = asyncio.get_running_loop()
        async with await aio.open_listener("::", 0) as listener:
            client = await aio.connect(host, listener.port, timeout=5)
            with client:
                assert client.gettimeout() == 0
                connection, peer = await listener.accept(5)
                with connection:
                    assert peer == dualstack.Endpoint.local(client)
                    await loop.sock_sendall(client, b"ping")
                    assert await loop.sock_recv(connection, 10) == b"ping"

    run(main)


def test_refused(run):
    with dualstack.open_listener("localhost", 0) as listener:
        port = listener.port

    async def main():
        with pytest.raises(dualstack.ConnectError) as caught:
            await aio.connect("localhost", port, timeout=5)
        assert caught.value.errno == errno.ECONNREFUSED
        assert len(caught.value.attempts) == 2

    run(main)


def test_the_time_is_up(run):
    async def main():
        # A neighbour that does not answer (RFC 3849); without such a network there is no route at all.
        with pytest.raises(dualstack.ConnectError) as caught:
            await aio.connect("2001:db8::99", 80, timeout=0.2)
        assert isinstance(caught.value, TimeoutError) or caught.value.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)

    run(main)


def test_cancelled(run):
    async def main():
        task = asyncio.ensure_future(aio.connect("2001:db8::99", 80, timeout=30))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, dualstack.ConnectError)):
            await task

    run(main)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams(run, host):
    async def main():
        async with await aio.open_datagram("localhost", 0) as server:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.connect((host, server.port))
                client.send(b"question")
                asked = await server.recv(5)
                assert (asked.data, asked.peer.host) == (b"question", host)
                await server.reply(asked, b"answer")
                assert client.recv(10) == b"answer"

    run(main)
