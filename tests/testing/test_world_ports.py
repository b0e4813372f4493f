"""The bind rules of the fake world against the kernel's: random socket calls, the same errno from both.

SO_REUSEPORT is set on all sockets of a script or on none. Mixed, the kernel's short cut for it (it compares with the
last socket that set the option, not with all) lets in what its rules forbid, which is nothing to imitate.
"""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dualstack.testing import World, linux

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the rules are those of Linux; compared on Linux")

HOSTS = ("0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1", "::ffff:127.0.0.1", "192.0.2.77")

#: One socket: its host, V6ONLY, SO_REUSEADDR, and whether it listens.
sockets = st.tuples(st.sampled_from(HOSTS), st.booleans(), st.booleans(), st.booleans())
Script = list[tuple[str, bool, bool, bool]]


def dual_stack() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def port() -> int:
    """A port that nobody uses at the moment in either family."""
    if not dual_stack():
        pytest.skip("this host has no IPv6 loopback; .ci/run has one")
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        return int(sock.getsockname()[1])


def play(make: Any, port: int, script: Script, share: bool) -> list[str]:
    """Open one socket after the other; what bind and listen said."""
    told: list[str] = []
    held = []
    try:
        for host, v6only, reuse, listens in script:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            sock = make(family, socket.SOCK_STREAM)
            held.append(sock)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(share))
            try:
                sock.bind((host, port))
                told.append("bound")
                if listens:
                    sock.listen()
                    told.append("listens")
            except OSError as failure:
                told.append(errno.errorcode[failure.errno or 0])
    finally:
        for sock in held:
            sock.close()
    return told


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(sockets, min_size=1, max_size=4), share=st.booleans())
@example(script=[("::", False, True, True), ("0.0.0.0", False, True, True)], share=False)
@example(script=[("::", True, True, True), ("0.0.0.0", False, True, True)], share=False)
@example(script=[("127.0.0.1", False, True, False), ("127.0.0.1", False, True, True)], share=False)
@example(script=[("127.0.0.1", False, True, True), ("127.0.0.1", False, True, False)], share=False)
@example(script=[("127.0.0.1", False, False, True), ("0.0.0.0", False, False, True)], share=True)
def test_the_same_calls_get_the_same_answers(port: int, script: Script, share: bool) -> None:
    real = play(socket.socket, port, script, share)
    with World(linux(addresses={"lo": ("127.0.0.1", "::1")})) as world:
        assert play(world.socket, port, script, share) == real
