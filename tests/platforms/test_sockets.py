"""What a platform does to sockets and descriptors: resets, limits."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from dualstack import platforms
from dualstack.platforms.bsd import FreeBSD
from dualstack.platforms.contract import Platform
from dualstack.platforms.darwin import Darwin
from dualstack.platforms.linux import Linux
from dualstack.platforms.windows import Windows

ROOT = Path(__file__).resolve().parents[2]


class Options:
    """A socket that keeps what was set."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, bytes]] = []

    def setsockopt(self, *call) -> None:
        self.calls.append(call)


@pytest.mark.parametrize(
    ("platform", "call"),
    [
        pytest.param(Linux(), (1, 13, struct.pack("ii", 1, 0)), id="linux"),
        pytest.param(Windows(), (0xFFFF, 0x80, struct.pack("HH", 1, 0)), id="windows"),
    ],
)
def test_linger_as_each_system_spells_it(platform, call) -> None:
    sock = Options()
    platform.reset_on_close(sock)
    assert sock.calls == [call]


def test_a_close_that_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
        with other:
            platforms.current.reset_on_close(one)
            one.close()
            with pytest.raises(ConnectionResetError):
                other.recv(1)


@pytest.mark.parametrize(
    ("platform", "port", "words"),
    [
        pytest.param(FreeBSD(), 80, "ports below 1024 need root", id="freebsd"),
        pytest.param(FreeBSD(), 8080, None, id="freebsd-high"),
        pytest.param(Darwin(), 80, "need root, except on a wildcard address", id="macos"),
        pytest.param(Darwin(), 8080, None, id="macos-high"),
        pytest.param(Windows(), 8080, "excludedportrange", id="windows"),
    ],
)
def test_who_may_bind_a_port_is_said(platform: Platform, port: int, words: str | None) -> None:
    """Linux asks the kernel where the limit is: tests/netns."""
    said = platform.why_denied(port)
    assert words in said if words else said == ""


def test_how_many_sockets_a_selector_takes() -> None:
    assert Windows().most_selected == 512  # FD_SETSIZE of CPython's select
    assert Linux().most_selected > 2**20


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has a limit to raise")
def test_the_limit_of_descriptors_is_raised_as_far_as_the_user_may() -> None:
    code = (
        "import resource\n"
        "from dualstack import platforms\n"
        "hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)\n"
        "hard = 4096 if hard == resource.RLIM_INFINITY else hard\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "print(platforms.current.raise_fd_limit() == platforms.current.fd_limit() == hard)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
