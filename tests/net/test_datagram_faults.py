"""Opening and using datagram sockets while each system call fails in turn: errors with a shape, nothing left open."""

from __future__ import annotations

import errno

import pytest

import dualstack
from dualstack import testing
from dualstack.testing import sweep

HOSTS = {
    "linux": testing.linux,
    "bindv6only": lambda: testing.linux(bindv6only=True),
    "no-ipv6": lambda: testing.linux(ipv6=False),
    "macos": testing.macos,
    "openbsd": testing.openbsd,
    "windows": testing.windows,
}


@pytest.mark.parametrize(
    ("host", "endpoints", "how"),
    [
        pytest.param("linux", ["[::]"], "packet information", id="linux"),
        pytest.param("bindv6only", ["[::]"], "packet information", id="bindv6only"),
        pytest.param("no-ipv6", ["0.0.0.0"], "packet information", id="no-ipv6"),
        pytest.param("macos", ["[::]", "0.0.0.0"], "packet information", id="macos-two-sockets"),
        pytest.param("openbsd", ["[::]", "0.0.0.0"], "packet information", id="openbsd-two-sockets"),
        # The fake Windows ignores the source it is told, as Wine does; so the probe finds one socket per address.
        pytest.param(
            "windows",
            ["127.0.0.1", "192.0.2.100", "[2001:db8::100]", "[::1]", "[fe80::100%eth0]"],
            "one socket per address",
            id="windows-per-address",
        ),
    ],
)
def test_what_each_host_opens(host, endpoints, how):
    with testing.World(HOSTS[host]()), dualstack.open_datagram("::", 5353) as sock:
        bound = sorted(str(endpoint).rpartition(":")[0].replace("%2]", "%eth0]") for endpoint in sock.endpoints)
        assert (bound, sock.source_selection) == (sorted(endpoints), how)
        assert sock.port == 5353


def test_options_are_those_of_the_system():
    for host, share, expected in (
        ("linux", True, {"SO_REUSEADDR": 1}),
        ("linux", False, {}),
        ("windows", True, {"SO_REUSEADDR": 1}),
        ("windows", False, {"SO_EXCLUSIVEADDRUSE": 1}),
    ):
        with testing.World(HOSTS[host]()), dualstack.open_datagram("127.0.0.1", share=share) as sock:
            options = sock.sockets[0]._open.options
            assert {name: options[name] for name in options if name.startswith("SO_")} == expected


def _open_and_receive(world):
    with dualstack.open_datagram("::", options=dualstack.SocketOptions(hop_limit=3)) as sock:
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.send(b"hello", ("127.0.0.1", sock.port))
        asked = sock.recv(1)
        sock.reply(asked, b"back")
        assert sock.recv(1).data == b"back"


def _connect(world):
    with dualstack.open_datagram(remote=("localhost", 53)) as sock:
        sock.send(b"?")
        with pytest.raises(TimeoutError):
            sock.recv(1)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("scenario", [_open_and_receive, _connect])
def test_nothing_is_left_whatever_call_fails(host, scenario):
    def check(world, outcome):
        # EINTR and the like may be survived; what comes out is an OSError or what was injected, never our own bug.
        assert outcome is None or isinstance(outcome, (OSError, KeyboardInterrupt, MemoryError)), repr(outcome)

    assert sweep(lambda: testing.World(HOSTS[host]()), scenario, check=check) > 50


def test_an_error_of_all_sockets_names_the_address():
    world = testing.World(testing.linux())
    world.faults.fail("bind", errno.EACCES)
    with world, pytest.raises(dualstack.ListenError, match=r"\[::\]:53") as caught:
        dualstack.open_datagram("::", 53)
    assert caught.value.errno == errno.EACCES
