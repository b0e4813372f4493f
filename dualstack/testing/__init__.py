"""A fake world for tests: scripted resolver and network, virtual clock, faults, and a ledger of leaks.

    from dualstack.testing import World, linux

    with World(linux(ipv6=False)) as world:
        listener = dualstack.open_listener("::", 8080)   # falls back to IPv4, without a real socket
        listener.close()

Inside the ``with`` block every dualstack verb acts in that world; leaving it fails when a socket, selector,
thread or socket file is still there. Time passes only while something waits, so ``world.now`` is exact and a
test of a 30 s timeout takes microseconds. pytest fixtures: ``pytest_plugins = ["dualstack.testing.fixtures"]``.
"""

from __future__ import annotations

from .clock import Stuck
from .faults import Faults, sweep
from .hosts import Host, freebsd, linux, macos, openbsd, windows
from .network import blackholes, connects, fails, refuses, self_connects
from .world import Leak, World

__all__ = (
    # the world and the hosts it can be
    "Host",
    "World",
    "freebsd",
    "linux",
    "macos",
    "openbsd",
    "windows",
    # what a destination does
    "blackholes",
    "connects",
    "fails",
    "refuses",
    "self_connects",
    # what can go wrong, on purpose and not
    "Faults",
    "Leak",
    "Stuck",
    "sweep",
)
