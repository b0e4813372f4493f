"""The hosts that every scenario of this folder runs on: this machine, and the scripted ones of dualstack.testing.

A scenario uses public verbs only and asks ``capabilities()`` what the host can do; what it then asserts is the same
everywhere. So it runs unchanged on Linux, under Wine, on the runners of the workflow, and on each scripted host, whose
platform module (windows.py, darwin.py) is the real one.
"""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest

import dualstack
from dualstack import doors, testing
from dualstack.net.capabilities import _forget

# Name -> how to make it; a dash-separated name begins with the system it stands for in docs/platforms.md.
HOSTS = {
    "linux": testing.linux,
    "linux-bindv6only": lambda: testing.linux(bindv6only=True),
    "linux-no-ipv6-module": lambda: testing.linux(ipv6=False),
    "linux-disable_ipv6": lambda: testing.linux(disable_ipv6=True),
    "linux-ipv6-only": lambda: testing.linux(addresses={"lo": ("127.0.0.1", "::1"), "eth0": ("2001:db8::100",)}),
    "linux-no-unix": lambda: testing.linux(unix=False),
    "linux-unix-without-datagrams": lambda: testing.linux(unix_datagrams=False),
    "macos": testing.macos,
    "freebsd": testing.freebsd,
    "openbsd": testing.openbsd,
    "windows": testing.windows,
    "windows-unix": lambda: testing.windows(unix=True),
}


class Host:
    """What a scenario may know about where it runs."""

    def __init__(self, world: testing.World | None, folder: str) -> None:
        self.world = world
        self.can = dualstack.capabilities()
        #: Loopback addresses, in the order of the destinations of localhost.
        self.loopback = [
            host for host, there in (("::1", self.can.ipv6_loopback), ("127.0.0.1", self.can.ipv4_loopback)) if there
        ]
        #: Where socket files may be made.
        self.folder = folder

    def exists(self, path: str) -> bool:
        """Whether there is a file, on whichever file system the verbs act."""
        try:
            doors.current.lstat(os.fsencode(path))
        except OSError:
            return False
        return True


@pytest.fixture(params=["this-machine", *HOSTS])
def host(request):
    """One host; at the end of the test everything opened on it is closed."""
    _forget()
    if request.param == "this-machine":
        folder = tempfile.mkdtemp(prefix="ds", dir="/tmp" if os.path.isdir("/tmp") else None)
        yield Host(None, folder)
        left = os.listdir(folder)
        shutil.rmtree(folder)
        assert left == []
    else:
        with testing.World(HOSTS[request.param]()) as world:
            yield Host(world, "/run")
    _forget()
