"""Every HTTP client library behind one face, so that one scenario is played with each.

A scenario is ``async def scenario(client)`` that awaits ``client.get(url, timeout=...)``; for the synchronous libraries
nothing in it really waits, so it is driven to its end by hand.
"""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace

import pytest

WHERE = "is not installed; runs in the tox environment clients"


class Kind:
    """One library: how a client of ours is made, how it gets a URL, and its names for what goes wrong."""

    name: str
    needs: tuple[str, ...]
    sync = True
    errors: SimpleNamespace

    def __init__(self):
        for library in self.needs:
            pytest.importorskip(library, reason=f"{library} {WHERE}")

    def make(self, ca=None, **options):
        """A client that trusts the certificates in the file *ca*, and *options* for ours."""
        raise NotImplementedError

    async def get(self, client, url, timeout):
        raise NotImplementedError

    async def close(self, client):
        client.close()

    def run(self, scenario, **options):
        return finish(self._play(scenario, options))

    async def _play(self, scenario, options):
        made = self.make(**options)
        try:
            return await scenario(Client(self, made))
        finally:
            await self.close(made)


class Client:
    """What a scenario gets."""

    def __init__(self, kind, made):
        self.kind, self.made = kind, made

    async def get(self, url, timeout=20):
        return await self.kind.get(self.made, url, timeout)


class Answer(SimpleNamespace):
    """status, text"""


def finish(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a synchronous client waited for an event loop")


class Urllib3(Kind):
    name, needs = "urllib3", ("urllib3",)

    def make(self, ca=None, **options):
        from urllib3 import exceptions

        from dualstack.shim.urllib3 import PoolManager

        self.errors = SimpleNamespace(
            refused=exceptions.NewConnectionError,
            timeout=exceptions.ConnectTimeoutError,
            name=exceptions.NameResolutionError,
            no_host=exceptions.LocationParseError,
            no_socket=exceptions.LocationValueError,
            redirect=exceptions.LocationValueError,
            tls=exceptions.SSLError,
        )
        return PoolManager(**({"ca_certs": str(ca)} if ca else {}), **options)

    async def get(self, client, url, timeout):
        from urllib3.exceptions import MaxRetryError

        try:
            response = client.request("GET", url, timeout=timeout, retries=self.retries())
        except MaxRetryError as error:
            raise error.reason from error.reason.__cause__
        return Answer(status=response.status, text=response.data.decode())

    def retries(self):
        import urllib3

        return urllib3.Retry(connect=0, read=0, redirect=3)

    async def close(self, client):
        client.clear()


class Requests(Kind):
    name, needs = "requests", ("requests",)

    def make(self, ca=None, **options):
        import requests

        from dualstack.shim.requests import session

        self.errors = SimpleNamespace(
            refused=requests.exceptions.ConnectionError,
            timeout=requests.exceptions.ConnectTimeout,
            name=requests.exceptions.ConnectionError,
            no_host=requests.exceptions.InvalidURL,
            no_socket=requests.exceptions.InvalidURL,
            redirect=requests.exceptions.InvalidSchema,
            tls=requests.exceptions.SSLError,
        )
        made = session(**options)
        made.trust_env = False
        made.verify = str(ca) if ca else True
        return made

    async def get(self, client, url, timeout):
        response = client.get(url, timeout=timeout)
        return Answer(status=response.status_code, text=response.text)


class Httpx(Kind):
    name, needs = "httpx", ("httpx",)

    def names(self):
        import httpx

        self.errors = SimpleNamespace(
            refused=httpx.ConnectError,
            timeout=httpx.ConnectTimeout,
            name=httpx.ConnectError,
            no_host=httpx.ConnectError,
            no_socket=httpx.UnsupportedProtocol,
            redirect=httpx.UnsupportedProtocol,
            tls=httpx.ConnectError,
        )

    def make(self, ca=None, **options):
        import httpx

        from dualstack.shim.httpx import DualStackTransport

        self.names()
        verify = ssl.create_default_context(cafile=str(ca)) if ca else True
        return httpx.Client(transport=DualStackTransport(verify=verify, **options), follow_redirects=True)

    async def get(self, client, url, timeout):
        response = client.get(url, timeout=timeout)
        return Answer(status=response.status_code, text=response.text)


class HttpxAsyncio(Httpx):
    name, needs, sync = "httpx-asyncio", ("httpx",), False

    def make(self, ca=None, **options):
        import httpx

        from dualstack.shim.httpx import AsyncDualStackTransport

        self.names()
        verify = ssl.create_default_context(cafile=str(ca)) if ca else True
        return httpx.AsyncClient(transport=AsyncDualStackTransport(verify=verify, **options), follow_redirects=True)

    async def get(self, client, url, timeout):
        response = await client.get(url, timeout=timeout)
        return Answer(status=response.status_code, text=response.text)

    async def close(self, client):
        await client.aclose()

    def run(self, scenario, **options):
        return asyncio.run(self._play(scenario, options))


class HttpxTrio(HttpxAsyncio):
    name, needs = "httpx-trio", ("httpx", "trio")

    def run(self, scenario, **options):
        import trio

        return trio.run(self._play, scenario, options)


class Aiohttp(Kind):
    name, needs, sync = "aiohttp", ("aiohttp",), False

    def make(self, ca=None, **options):
        import aiohttp

        from dualstack.shim.aiohttp import DualStackConnector

        self.errors = SimpleNamespace(
            refused=aiohttp.ClientConnectorError,
            timeout=aiohttp.ConnectionTimeoutError,
            name=aiohttp.ClientConnectorDNSError,
            no_host=aiohttp.InvalidURL,
            no_socket=aiohttp.InvalidURL,
            redirect=aiohttp.NonHttpUrlRedirectClientError,
            tls=aiohttp.ClientConnectorCertificateError,
        )
        if ca:
            options["ssl"] = ssl.create_default_context(cafile=str(ca))
        return aiohttp.ClientSession(connector=DualStackConnector(**options))

    async def get(self, client, url, timeout):
        import aiohttp

        seconds = aiohttp.ClientTimeout(total=20, sock_connect=timeout)
        async with client.get(url, timeout=seconds) as response:
            return Answer(status=response.status, text=await response.text())

    async def close(self, client):
        await client.close()

    def run(self, scenario, **options):
        return asyncio.run(self._play(scenario, options))


class AiohttpUvloop(Aiohttp):
    name, needs = "aiohttp-uvloop", ("aiohttp", "uvloop")

    def run(self, scenario, **options):
        import uvloop

        return uvloop.run(self._play(scenario, options))


class HttpxUvloop(HttpxAsyncio):
    name, needs = "httpx-uvloop", ("httpx", "uvloop")

    def run(self, scenario, **options):
        import uvloop

        return uvloop.run(self._play(scenario, options))


KINDS = (Urllib3, Requests, Httpx, HttpxAsyncio, HttpxTrio, HttpxUvloop, Aiohttp, AiohttpUvloop)
