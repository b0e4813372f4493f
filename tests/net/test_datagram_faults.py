"""Opening and using datagram sockets while each system call fails in turn: errors with a shape, nothing left open."""

from __future__ import annotations

import errno
import socket

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
    "wine": lambda: testing.windows(ignores_source=True),
}


@pytest.mark.parametrize(
    ("host", "endpoints", "how"),
    [
        pytest.param("linux", ["[::]"], "packet information", id="linux"),
        pytest.param("bindv6only", ["[::]"], "packet information", id="bindv6only"),
        pytest.param("no-ipv6", ["0.0.0.0"], "packet information", id="no-ipv6"),
        pytest.param("macos", ["[::]", "0.0.0.0"], "packet information", id="macos-two-sockets"),
        pytest.param("openbsd", ["[::]", "0.0.0.0"], "packet information", id="openbsd-two-sockets"),
        pytest.param("windows", ["[::]"], "packet information", id="windows"),
        # The probe finds out that the source it is told is ignored.
        pytest.param(
            "wine",
            ["127.0.0.1", "192.0.2.100", "[2001:db8::100]", "[::1]", "[fe80::100%eth0]"],
            "one socket per address",
            id="wine-per-address",
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


# ---------------------------------------------------------------------- which address was asked

LONGER = {
    "lo": ("127.0.0.1", "::1"),
    "eth0": ("192.0.2.100", "192.0.2.101", "2001:db8::100", "2001:db8::101"),
}
ASKED = ["127.0.0.1", "::1", "192.0.2.100", "192.0.2.101", "2001:db8::100", "2001:db8::101"]
SYSTEMS = {
    "linux": testing.linux,
    "bindv6only": lambda **more: testing.linux(bindv6only=True, **more),
    "macos": testing.macos,
    "freebsd": testing.freebsd,
    "openbsd": testing.openbsd,
    "windows": testing.windows,
    "wine": lambda **more: testing.windows(ignores_source=True, **more),
}


def _client(world, asked):
    """A client on another address than the one it will ask, which routing would answer from."""
    family = socket.AF_INET6 if ":" in asked else socket.AF_INET
    made = world.socket(family, socket.SOCK_DGRAM)
    made.bind((next(one for one in ASKED[2:] if (":" in one) == (":" in asked) and one != asked), 0))
    return made


@pytest.mark.parametrize("address", ASKED)
@pytest.mark.parametrize("system", SYSTEMS)
def test_answers_leave_from_the_address_that_was_asked(system, address):
    """Every system's own messages and layouts, on a host with two addresses of each family on one interface."""
    world = testing.World(SYSTEMS[system](addresses=LONGER))
    with world, dualstack.open_datagram("::", 5353) as sock, _client(world, address) as asking:
        asking.sendto(b"?", (address, 5353))
        datagram = sock.recv(1)
        assert datagram.local.host == address
        if sock.source_selection == "packet information":  # what goes wrong without it
            channel = datagram._channel
            channel.sock.sendto(b"before", datagram._received[3])
            assert asking.recvfrom(16)[1][0] != address
        sock.reply(datagram, b"!")
        data, sender = asking.recvfrom(16)
        assert (data, sender[:2]) == (b"!", (address, 5353))


@pytest.mark.parametrize("address", ["192.0.2.101", "2001:db8::101"])
@pytest.mark.parametrize("system", ["linux", "macos", "windows"])
def test_an_address_that_has_gone_is_an_error_and_nothing_is_sent(system, address):
    world = testing.World(SYSTEMS[system](addresses=LONGER))
    with world, dualstack.open_datagram("::", 5353) as sock, _client(world, address) as asking:
        asking.sendto(b"?", (address, 5353))
        datagram = sock.recv(1)
        world.host.addresses = {"lo": LONGER["lo"], "eth0": tuple(one for one in LONGER["eth0"] if one != address)}
        with pytest.raises(OSError, match=f"{address} is not an address this host can send from") as caught:
            sock.reply(datagram, b"!")
        assert caught.value.errno == errno.EADDRNOTAVAIL
        asking.settimeout(0)
        with pytest.raises(BlockingIOError):
            asking.recvfrom(16)


@pytest.mark.parametrize("system", ["linux", "macos", "freebsd", "windows"])
def test_control_data_that_was_cut_is_an_error_for_its_datagram_only(system):
    world = testing.World(SYSTEMS[system](addresses=LONGER))
    with world, dualstack.open_datagram("192.0.2.101", 5353) as sock, _client(world, "192.0.2.101") as asking:
        channel = sock._channels[0]
        room, channel.control_room = channel.control_room, 1
        asking.sendto(b"cut", ("192.0.2.101", 5353))
        with pytest.raises(dualstack.TruncatedError, match="its local address is unknown"):
            sock.recv(1)
        channel.control_room = room
        asking.sendto(b"whole", ("192.0.2.101", 5353))
        assert sock.recv(1).data == b"whole"


def test_what_does_not_fit_is_truncated():
    world = testing.World(testing.linux())
    with world, dualstack.open_datagram("127.0.0.1") as sock:
        sock._channels[0].room = 4
        sock.send(b"too long", ("127.0.0.1", sock.port))
        datagram = sock.recv(1)
        assert (datagram.data, datagram.truncated) == (b"too ", True)
