"""pytest fixtures; load them with ``pytest_plugins = ["dualstack.testing.fixtures"]`` in the top conftest.py.

def test_falls_back_to_ipv4(make_world):
    world = make_world(linux(ipv6=False))
    with dualstack.open_listener("::", 8080) as listener: ...
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator

import pytest

from .hosts import Host
from .world import World

__all__ = ("dual_port", "make_world", "unix_path", "world")


@pytest.fixture
def make_world() -> Iterator[Callable[[Host], World]]:
    """Enter a fake world on a host of your choice; its ledger is checked when the test ends."""
    entered: list[World] = []

    def make(host: Host) -> World:
        made = World(host)
        made.__enter__()
        entered.append(made)
        return made

    yield make
    try:
        for made in reversed(entered):
            made.__exit__(None)
    finally:
        for made in reversed(entered):
            made.clock.close()


@pytest.fixture
def world(make_world: Callable[[Host], World]) -> World:
    """A fake Linux host with both families, as the world of this test."""
    from .hosts import linux

    return make_world(linux())


@pytest.fixture
def dual_port() -> Iterator[int]:
    """A TCP port that is free on 127.0.0.1 and ::1 of the real host, and held against everybody else's bind(0).

    Held, not guessed and released: sockets with SO_REUSEADDR are bound to it, unlistening, on both families while
    the test runs. On Linux a listener that sets SO_REUSEADDR, as ours do, may bind beside them; elsewhere they are
    released first, which leaves the usual small window.
    """
    for _ in range(100):
        held: list[socket.socket] = []
        try:
            first = _hold(socket.AF_INET, "127.0.0.1", 0)
            held.append(first)
            port: int = first.getsockname()[1]
            try:
                held.append(_hold(socket.AF_INET6, "::1", port))
            except OSError as failure:
                if not _no_ipv6(failure):
                    continue  # taken on the other family: try another port
            if not _reuse_is_safe():
                for sock in held:
                    sock.close()
            yield port
            return
        finally:
            for sock in held:
                sock.close()
    raise OSError("no port is free on both families")


def _hold(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if _reuse_is_safe():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _no_ipv6(failure: OSError) -> bool:
    import errno

    return failure.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def _reuse_is_safe() -> bool:
    from .. import platforms

    return platforms.current.name == "Linux"


@pytest.fixture
def unix_path() -> Iterator[str]:
    """A path for a Unix socket that is short enough for every system, in a directory of its own.

    pytest's tmp_path is often longer than the 103 bytes a socket path may have on macOS.
    """
    directory = tempfile.mkdtemp(prefix="ds", dir="/tmp" if os.path.isdir("/tmp") else None)
    try:
        yield os.path.join(directory, "s")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
