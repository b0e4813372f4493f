"""Network namespaces for datagram tests: a server and a client with two links between them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from itertools import count

import pytest

_CLONE_NEWNET = 0x40000000  # sched.h
_numbers = count()


class Host:
    """One network namespace; ``with host:`` makes this thread's new sockets belong to it."""

    def __init__(self, name):
        self.name = f"dst{os.getpid()}-{next(_numbers)}-{name}"
        self.run("ip", "netns", "add", self.name, inside=False)
        # Addresses are usable at once, and no router is asked for more of them.
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.router_solicitations", 0)
        self.sysctl("net.ipv4.conf.all.rp_filter", 0)
        self.sysctl("net.ipv4.conf.default.rp_filter", 0)
        self.run("ip", "link", "set", "lo", "up")
        self._before = []

    def run(self, *command, inside=True):
        prefix = ("ip", "netns", "exec", self.name) if inside else ()
        done = subprocess.run((*prefix, *command), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def sysctl(self, name, value):
        self.run("sysctl", "-qw", f"{name}={value}")

    def address(self, nic, *addresses):
        for address in addresses:
            self.run("ip", "addr", "add", address, "dev", nic, *(("nodad",) if ":" in address else ()))

    def popen(self, *command, **how):
        return subprocess.Popen(("ip", "netns", "exec", self.name, *command), **how)

    def __enter__(self):
        self._before.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        with open(f"/run/netns/{self.name}") as there:
            _setns(there.fileno())
        return self

    def __exit__(self, *exc):
        before = self._before.pop()
        try:
            _setns(before)
        finally:
            os.close(before)

    def delete(self):
        self.run("ip", "netns", "delete", self.name, inside=False)


def _setns(fd):
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns is there from Python 3.12
    if libc.setns(fd, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def link(one, nic, other, peer):
    """A cable between two namespaces."""
    one.run("ip", "link", "add", nic, "type", "veth", "peer", "name", peer, "netns", other.name)
    one.run("ip", "link", "set", nic, "up")
    other.run("ip", "link", "set", peer, "up")


@pytest.fixture(name="link")
def _link():
    return link


@pytest.fixture
def make_host():
    with contextlib.ExitStack() as stack:

        def make(name):
            host = Host(name)
            stack.callback(host.delete)
            return host

        yield make


@pytest.fixture(scope="module")
def networks():
    """(server, client): networks 1 and 2 of their own, and 9 on both links at once."""
    with contextlib.ExitStack() as stack:
        hosts = []
        for name in ("srv", "cli"):
            hosts.append(Host(name))
            stack.callback(hosts[-1].delete)
        server, client = hosts
        link(server, "a0", client, "a1")
        link(server, "b0", client, "b1")
        server.address("a0", "10.1.0.1/24", "10.1.0.2/24", "fd01::1/64", "fd01::2/64", "10.9.0.1/24", "fd09::1/64")
        server.address("b0", "10.2.0.1/24", "10.2.0.2/24", "fd02::1/64", "fd02::2/64", "10.9.0.2/24", "fd09::2/64")
        server.address("lo", "10.7.0.1/32", "fd07::1/128")
        client.address("a1", "10.1.0.101/24", "fd01::101/64", "10.9.0.101/24", "fd09::101/64")
        client.address("b1", "10.2.0.101/24", "fd02::101/64", "10.9.0.102/24", "fd09::102/64")
        client.run("ip", "route", "add", "10.7.0.1/32", "via", "10.2.0.1")
        client.run("ip", "route", "add", "fd07::1/128", "via", "fd02::1")
        # IPv6 neighbours answer only for addresses of the very interface, so each end needs to know the right link.
        client.run("ip", "route", "add", "fd09::2/128", "dev", "b1", "src", "fd09::102")
        server.run("ip", "route", "add", "fd09::102/128", "dev", "b0")
        yield server, client
