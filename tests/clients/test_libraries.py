"""What only one of the libraries has: retries, pickling, proxies, forks, pools of one's own."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import socket
import subprocess
import sys
import textwrap

import pytest

import dualstack
from dualstack.errors import ConnectError
from dualstack.shim.dial import cause_of
from dualstack.shim.unix_urls import unix_url

WHERE = "is not installed; runs in the tox environment clients"
unix_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this Python has no AF_UNIX; runs on POSIX")


@pytest.fixture
def urllib3():
    return pytest.importorskip("urllib3", reason=f"urllib3 {WHERE}")


@pytest.fixture
def requests():
    return pytest.importorskip("requests", reason=f"requests {WHERE}")


@pytest.fixture
def httpcore():
    return pytest.importorskip("httpcore", reason=f"httpcore {WHERE}")


@pytest.fixture
def httpx():
    return pytest.importorskip("httpx", reason=f"httpx {WHERE}")


@pytest.fixture
def aiohttp():
    return pytest.importorskip("aiohttp", reason=f"aiohttp {WHERE}")


def noting(refuse=False):
    asked = []

    def allow(endpoint):
        asked.append(str(endpoint))
        return not refuse

    return allow, asked


# ---------------------------------------------------------------------- urllib3


def test_retries_of_urllib3_connect_again(urllib3, site):
    from dualstack.shim.urllib3 import PoolManager

    allow, asked = noting()
    site.server.drops = 2
    with PoolManager(allow=allow) as manager:
        response = manager.request("GET", f"{site.url}/drop", retries=urllib3.Retry(total=2, backoff_factor=0))
        assert json.loads(response.data)["connection"] == 3
    assert asked == [f"[::1]:{site.port}"] * 6


def test_retries_of_urllib3_ask_the_guard_each_time(urllib3, site):
    from dualstack.shim.urllib3 import PoolManager

    allow, asked = noting(refuse=True)
    with PoolManager(allow=allow) as manager, pytest.raises(urllib3.exceptions.MaxRetryError) as caught:
        manager.request("GET", f"http://127.0.0.1:{site.port}/", retries=urllib3.Retry(connect=2))
    assert asked == [f"127.0.0.1:{site.port}"] * 3
    assert isinstance(caught.value.reason, urllib3.exceptions.NewConnectionError)
    assert isinstance(caught.value.reason.__cause__, ConnectError)
    assert isinstance(cause_of(caught.value), ConnectError)


def test_socket_options_and_source_address_of_urllib3(urllib3, site):
    from dualstack.shim.urllib3 import PoolManager

    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    with PoolManager(socket_options=options, source_address=("127.0.0.1", 0)) as manager:
        assert json.loads(manager.request("GET", site.url).data)["peer"] == "127.0.0.1"
        connection = manager.connection_from_url(site.url)._get_conn()
        assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        connection.close()


def test_the_default_socket_options_of_urllib3(urllib3, site):
    from dualstack.shim.urllib3 import PoolManager

    with PoolManager() as manager:
        manager.request("GET", site.url)
        connection = manager.connection_from_url(site.url)._get_conn()
        assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()


def test_a_proxy_is_what_the_guard_of_urllib3_sees(urllib3, site):
    from dualstack.shim.urllib3 import ProxyManager

    allow, asked = noting()
    with ProxyManager(site.url, allow=allow) as manager:
        answer = json.loads(manager.request("GET", "http://elsewhere.example/x").data)
    assert answer["path"] == "http://elsewhere.example/x"
    assert set(asked) == {f"[::1]:{site.port}"}


# ---------------------------------------------------------------------- requests


def test_an_adapter_is_pickled_with_what_it_was_told(requests, site):
    from dualstack.shim.requests import DualStackAdapter

    adapter = pickle.loads(pickle.dumps(DualStackAdapter(allow=dualstack.public_only, max_retries=0)))
    with requests.Session() as session:
        session.mount("http://", adapter)
        with pytest.raises(requests.ConnectionError) as caught:
            session.get(site.url)
    assert isinstance(caught.value.__cause__, ConnectError)


def test_plain_requests_beside_the_adapter(requests, site, other):
    from dualstack.shim.requests import DualStackAdapter

    allow, asked = noting()
    with requests.Session() as session:
        session.trust_env = False
        session.mount(site.url, DualStackAdapter(allow=allow))
        assert session.get(site.url).ok and session.get(other.url).ok
    assert set(asked) == {f"[::1]:{site.port}"}


def test_a_proxy_is_what_the_guard_of_requests_sees(requests, site):
    from dualstack.shim.requests import session

    allow, asked = noting()
    with session(allow=allow) as made:
        for _ in range(2):
            response = made.get("http://elsewhere.example/x", proxies={"http": site.url})
            assert response.json()["connection"] == 1
    assert response.json()["path"] == "http://elsewhere.example/x"
    assert set(asked) == {f"[::1]:{site.port}"}


def test_a_proxy_of_the_environment_does_not_hide_from_the_guard(requests, site, monkeypatch):
    from dualstack.shim.requests import session

    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, site.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with session(allow=dualstack.public_only) as made, pytest.raises(requests.ConnectionError) as caught:
        made.get("http://elsewhere.example/x")
    assert "not allowed" in str(cause_of(caught.value))
    assert site.connections == 0


@unix_sockets
def test_a_unix_socket_needs_no_proxy(requests, site, at_unix):
    from dualstack.shim.requests import session

    proxies = {"all": site.url, "http": site.url}
    with session() as made:
        assert made.get(unix_url(at_unix.path, "/x"), proxies=proxies).json()["path"] == "/x"
    with session(unix=at_unix.path) as made:
        assert made.get("http://app.internal/x", proxies=proxies).json()["path"] == "/x"
    assert site.connections == 0


@pytest.mark.parametrize("options", [{"allow": dualstack.public_only}, {"local": "127.0.0.1"}])
def test_a_socks_proxy_would_go_past_the_guard(requests, options):
    from dualstack.shim.requests import session

    with session(**options) as made, pytest.raises(requests.exceptions.InvalidProxyURL, match="SOCKS"):
        made.get("http://elsewhere.example/", proxies={"http": "socks5://127.0.0.1:1080"})


@unix_sockets
def test_cookies_and_streams_over_a_unix_socket(requests, at_unix):
    from dualstack.shim.requests import session

    with session() as made:
        made.cookies.set("a", "b")
        with made.get(unix_url(at_unix.path), stream=True) as response:
            assert json.loads(b"".join(response.iter_content(7)))["connection"] == 1
            assert response.request.headers["Cookie"] == "a=b"


def test_connect_and_read_timeouts_are_apart(requests):
    """A server that accepts and is silent: the read timeout ends it, not the longer connect timeout."""
    from dualstack.shim.requests import session

    with dualstack.open_listener("127.0.0.1", 0) as listener, session() as made:
        with pytest.raises(requests.exceptions.ReadTimeout):
            made.get(f"http://127.0.0.1:{listener.port}/", timeout=(20, 0.05))
        listener.accept(5)[0].close()


# ---------------------------------------------------------------------- fork

FORK = """
    import os, sys
    def number(text):
        return int(text.partition('"connection": ')[2].rstrip("}"))
    CLIENT
    first = get()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, str(get()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    print(first, os.read(reader, 9).decode(), get())
"""
FORKED = {
    "urllib3": """
    from dualstack.shim.urllib3 import PoolManager
    client = PoolManager(ca_certs=sys.argv[2])
    get = lambda: number(client.request("GET", sys.argv[1]).data.decode())
    """,
    "requests": """
    from dualstack.shim.requests import session
    client = session()
    client.trust_env = False
    get = lambda: number(client.get(sys.argv[1], verify=sys.argv[2]).text)
    """,
    "httpx": """
    import httpx, ssl
    from dualstack.shim.httpx import DualStackTransport
    verify = ssl.create_default_context(cafile=sys.argv[2])
    client = httpx.Client(transport=DualStackTransport(verify=verify))
    get = lambda: number(client.get(sys.argv[1]).text)
    """,
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork; runs on POSIX")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("library", FORKED)
def test_a_pool_used_after_fork(library, tls, site, secure, ca):
    """The child makes a connection of its own; the parent goes on with the one it has."""
    pytest.importorskip(library, reason=f"{library} {WHERE}")
    url = secure.url if tls else site.url
    program = textwrap.dedent(FORK).replace("CLIENT", textwrap.dedent(FORKED[library]))
    done = subprocess.run(
        [sys.executable, "-c", program, url, str(ca)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.split(), done.stderr) == (["1", "2", "1"], "")


# ---------------------------------------------------------------------- httpcore and httpx


def test_a_pool_of_httpcore(httpcore, site):
    from dualstack.shim.httpcore import DualStackBackend

    allow, asked = noting()
    with httpcore.ConnectionPool(network_backend=DualStackBackend(allow=allow)) as pool:
        assert json.loads(pool.request("GET", site.url).content)["peer"] == "::1"
        assert json.loads(pool.request("GET", site.url).content)["connection"] == 1
    assert len(asked) == 2


@unix_sockets
def test_a_unix_pool_of_httpcore(httpcore, at_unix):
    from dualstack.shim.httpcore import AsyncDualStackBackend, DualStackBackend

    with httpcore.ConnectionPool(uds=at_unix.path, network_backend=DualStackBackend()) as pool:
        assert json.loads(pool.request("GET", "http://app.internal/").content)["host"] == "app.internal"

    async def main():
        async with httpcore.AsyncConnectionPool(uds=at_unix.path, network_backend=AsyncDualStackBackend()) as pool:
            return await pool.request("GET", "http://app.internal/")

    assert json.loads(asyncio.run(main()).content)["connection"] == 2


def test_retries_of_httpcore_pause_and_connect_again(httpcore, dual_port):
    from dualstack.shim.httpcore import AsyncDualStackBackend, DualStackBackend

    allow, asked = noting(refuse=True)
    with (
        httpcore.ConnectionPool(network_backend=DualStackBackend(allow=allow), retries=1) as pool,
        pytest.raises(httpcore.ConnectError) as caught,
    ):
        pool.request("GET", f"http://127.0.0.1:{dual_port}/")
    assert isinstance(cause_of(caught.value), ConnectError)

    async def main():
        backend = AsyncDualStackBackend(allow=allow)
        async with httpcore.AsyncConnectionPool(network_backend=backend, retries=1) as pool:
            await pool.request("GET", f"http://127.0.0.1:{dual_port}/")

    with pytest.raises(httpcore.ConnectError):
        asyncio.run(main())
    assert asked == [f"127.0.0.1:{dual_port}"] * 4


def test_a_proxy_is_what_the_guard_of_httpx_sees(httpx, site):
    from dualstack.shim.httpx import DualStackTransport

    allow, asked = noting()
    with httpx.Client(transport=DualStackTransport(allow=allow, proxy=site.url)) as client:
        answer = client.get("http://elsewhere.example/x").json()
    assert answer["path"] == "http://elsewhere.example/x"
    assert set(asked) == {f"[::1]:{site.port}"}


def test_local_address_and_socket_options_of_httpx(httpx, site):
    from dualstack.shim.httpx import DualStackTransport

    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    with (
        httpx.Client(transport=DualStackTransport(local_address="127.0.0.1", socket_options=options)) as client,
        client.stream("GET", site.url) as response,
    ):
        sock = response.extensions["network_stream"].get_extra_info("socket")
        assert sock.getpeername() == ("127.0.0.1", site.port)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@unix_sockets
def test_a_host_header_of_ones_own_stays(httpx, aiohttp, at_unix):
    from dualstack.shim.aiohttp import DualStackConnector
    from dualstack.shim.httpx import DualStackTransport

    headers = {"Host": "app.internal"}
    with httpx.Client(transport=DualStackTransport()) as client:
        assert client.get(unix_url(at_unix.path), headers=headers).json()["host"] == "app.internal"

    async def main():
        async with (
            aiohttp.ClientSession(connector=DualStackConnector()) as session,
            session.get(unix_url(at_unix.path), headers=headers) as response,
        ):
            return await response.json(content_type=None)

    assert asyncio.run(main())["host"] == "app.internal"


def test_an_httpx_that_is_made_otherwise_is_told_at_once():
    pytest.importorskip("httpx", reason=f"httpx {WHERE}")
    from dualstack.shim.httpx import _install

    with pytest.raises(ImportError, match="not known here"):
        _install(object(), None)


# ---------------------------------------------------------------------- aiohttp


def test_aiohttp_arguments_that_cannot_hold_are_refused(aiohttp):
    from dualstack.shim.aiohttp import DualStackConnector

    async def main():
        DualStackConnector(happy_eyeballs_delay=0.1, ttl_dns_cache=5)

    with pytest.raises(TypeError, match="happy_eyeballs_delay, ttl_dns_cache: the race is dualstack's"):
        asyncio.run(main())


def test_arguments_of_aiohttp_mean_what_they_mean_there(aiohttp, site):
    from dualstack.shim.aiohttp import DualStackConnector

    async def main(**options):
        async with (
            aiohttp.ClientSession(connector=DualStackConnector(**options)) as session,
            session.get(site.url) as response,
        ):
            return (await response.json(content_type=None))["peer"]

    assert asyncio.run(main()) == "::1"
    assert asyncio.run(main(family=socket.AF_INET)) == "127.0.0.1"
    assert asyncio.run(main(local_addr=("127.0.0.1", 0))) == "127.0.0.1"


def test_a_proxy_is_what_the_guard_of_aiohttp_sees(aiohttp, site, dual_port):
    from dualstack.shim.aiohttp import DualStackConnector

    allow, asked = noting()

    async def main(proxy):
        async with (
            aiohttp.ClientSession(connector=DualStackConnector(allow=allow)) as session,
            session.get("http://elsewhere.example/x", proxy=proxy) as response,
        ):
            return await response.json(content_type=None)

    assert asyncio.run(main(site.url))["path"] == "http://elsewhere.example/x"
    assert set(asked) == {f"[::1]:{site.port}"}
    with pytest.raises(aiohttp.ClientProxyConnectionError):
        asyncio.run(main(f"http://127.0.0.1:{dual_port}"))


def test_a_silent_handshake_of_aiohttp_has_an_end(aiohttp):
    """sock_connect covers TLS too, as in aiohttp."""
    from dualstack.shim.aiohttp import DualStackConnector

    async def main(port):
        timeout = aiohttp.ClientTimeout(sock_connect=0.1)
        async with aiohttp.ClientSession(connector=DualStackConnector(), timeout=timeout) as session:
            await session.get(f"https://127.0.0.1:{port}/")

    with dualstack.open_listener("127.0.0.1", 0) as listener:
        with pytest.raises(aiohttp.ConnectionTimeoutError):
            asyncio.run(main(listener.port))
        listener.accept(5)[0].close()


def test_a_cancelled_request_of_aiohttp_leaves_nothing(aiohttp):
    from dualstack.shim.aiohttp import DualStackConnector

    async def main():
        begun, ended = asyncio.Event(), asyncio.Event()

        async def silent(reader, writer):
            await reader.read(1)  # of the ClientHello, which is never answered
            begun.set()
            while await reader.read(65536):
                pass
            ended.set()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with aiohttp.ClientSession(connector=DualStackConnector()) as session:
            task = asyncio.create_task(session.get(f"https://127.0.0.1:{port}/"))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(ended.wait(), 20)
        server.close()
        await server.wait_closed()
        return ended.is_set()

    assert asyncio.run(main())
