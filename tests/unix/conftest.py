"""A short directory for sockets, both ways of making a socket file, a ledger of descriptors and files, all drivers."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import sys
import tempfile
from importlib.util import find_spec

import pytest

import dualstack
import dualstack.aio
from dualstack import platforms
from dualstack.core.endpoint_unix import UnixEndpoint

if not hasattr(socket, "AF_UNIX"):
    collect_ignore_glob = ["test_*.py"]  # Windows: tests/windows runs the Winsock layer instead


def open_descriptors() -> set[str]:
    """The descriptors this process has open; what listdir itself opens is gone by then."""
    return {name for name in os.listdir("/dev/fd") if os.path.lexists(f"/dev/fd/{name}")}


@pytest.fixture
def folder():
    """A directory with a short name, as os.PathLike users write it; empty again at the end of the test."""
    path = tempfile.mkdtemp(prefix="ds", dir="/tmp")
    yield path
    left = sorted(os.listdir(path))
    shutil.rmtree(path)
    assert left == [], f"left behind: {left}"


@pytest.fixture
def path(folder):
    """A socket path in the directory; the test removes what it leaves there."""
    return f"{folder}/s"


@pytest.fixture(autouse=True)
def ledger():
    """Every descriptor opened in a test is closed in it, without the help of the garbage collector."""
    gc.collect()
    gc.disable()
    before = open_descriptors()
    yield
    after = open_descriptors()
    gc.enable()
    assert after == before


@pytest.fixture(params=["in place", "aside"])
def way(request, monkeypatch):
    """Both ways of making the file: Linux's, and the one of every other POSIX system."""
    if request.param == "in place" and not platforms.current.mode_before_bind:
        pytest.skip("fchmod before bind works on Linux only, and runs there")
    monkeypatch.setattr(platforms.current, "mode_before_bind", request.param == "in place", raising=False)
    return request.param


@pytest.fixture
def umask():
    """Set the umask of the test run, and put it back."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.fixture
def stale():
    """Leave a socket file behind as a killed server does."""

    def leave(path: str, type: int = socket.SOCK_STREAM) -> os.stat_result:
        with socket.socket(socket.AF_UNIX, type) as sock:
            sock.bind(path)
        return os.lstat(path)

    return leave


@pytest.fixture
def endpoint(path):
    return UnixEndpoint(path)


needs_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="needs root to make files of other users; ci/ runs as root"
)


# --------------------------------------------------------------------- one scenario on every driver


class Sync:
    """The synchronous verbs behind the awaitable names, so that one scenario serves all."""

    name = "sync"

    async def open_listener(self, *args, **kwargs):
        return _Awaitable(dualstack.open_listener(*args, **kwargs))

    async def connect(self, *args, **kwargs):
        return dualstack.connect(*args, **kwargs)


class _Awaitable:
    def __init__(self, listener) -> None:
        self.listener = listener
        self.endpoints = listener.endpoints
        self.sockets = listener.sockets

    @property
    def refused(self):
        return self.listener.refused

    async def accept(self, timeout=None):
        return self.listener.accept(timeout)

    def close(self) -> None:
        self.listener.close()


def _alone(scenario):
    try:
        scenario.send(None)  # nothing in it really waits
    except StopIteration:
        return
    raise AssertionError("a synchronous scenario has waited")


def _asyncio(scenario):
    asyncio.run(scenario)


def _eager(scenario):
    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await scenario

    asyncio.run(main())


def _uvloop(scenario):
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(scenario)
    finally:
        loop.close()


def _trio(scenario):
    import trio

    async def main():
        await scenario

    trio.run(main)


DRIVERS = [
    pytest.param(Sync(), _alone, id="sync"),
    pytest.param(dualstack.aio, _asyncio, id="asyncio"),
    pytest.param(
        dualstack.aio,
        _uvloop,
        id="uvloop",
        marks=pytest.mark.skipif(not find_spec("uvloop"), reason="needs uvloop; runs where the test extra has it"),
    ),
    pytest.param(dualstack.aio, _trio, id="trio"),
]
if sys.version_info >= (3, 12):
    DRIVERS.append(pytest.param(dualstack.aio, _eager, id="asyncio-eager"))


@pytest.fixture(scope="module", autouse=True)
def warm():
    """The first loop of uvloop opens descriptors that stay for the life of the process."""
    try:
        import uvloop
    except ImportError:
        return
    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def pytest_generate_tests(metafunc):
    if "verbs" in metafunc.fixturenames:
        metafunc.parametrize(("verbs", "run"), DRIVERS)
