"""open_listener on hosts of every kind, in the fake world: what opens, what the error says, that nothing is left."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dualstack
from dualstack import AddressError, ListenError, ResolveError, UnsupportedError
from dualstack.testing import Host, World, linux, macos, openbsd, sweep, windows

V4, V6 = socket.AF_INET, socket.AF_INET6
INUSE, NOTAVAIL, NOFAMILY = errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT


def opened(listener: Any) -> list[str]:
    """What is open: ``"dual [::]:80"``, ``"v6 [::1]:80"``, ``"0.0.0.0:80"``; read from the sockets, not believed."""
    found = []
    for sock, endpoint in zip(listener.sockets, listener.endpoints, strict=True):
        kind = ""
        if sock.family == V6:
            kind = "v6 " if sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) else "dual "
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        assert not sock.get_inheritable()
        assert sock.getsockname() == endpoint.sockaddr
        found.append(f"{kind}{endpoint}")
    return found


def served(world: World, listener: Any, port: int) -> set[str]:
    """Which families of clients get in."""
    found = set()
    for host, family in (("127.0.0.1", "4"), ("::1", "6")):
        try:
            client = world.client(host, port)
        except OSError:  # refused, or no such address here
            continue
        connection, peer = listener.accept(timeout=0)
        assert peer.host == host  # an IPv4 client of a dual socket reads 127.0.0.1
        connection.close()
        client.close()
        found.add(family)
    return found


DUAL, SIX, FOUR = "dual [::]:80", "v6 [::]:80", "0.0.0.0:80"
BOTH_LOOPBACKS = ["v6 [::1]:80", "127.0.0.1:80"]

HOSTS: dict[str, Callable[[], Host]] = {
    "linux": linux,
    "bindv6only": lambda: linux(bindv6only=True),
    "no-ipv6": lambda: linux(ipv6=False),
    "disable-ipv6": lambda: linux(disable_ipv6=True),
    "no-::1": lambda: linux(addresses={"lo": ("127.0.0.1",), "eth0": ("192.0.2.100", "2001:db8::100")}),
    "v6-only": lambda: linux(addresses={"lo": ("::1",), "eth0": ("2001:db8::100",)}),
    "lo-down": lambda: linux(addresses={"eth0": ("192.0.2.100", "2001:db8::100")}),
    "openbsd": openbsd,
    "windows": windows,
    "macos": macos,
}

# (host argument, keywords) -> host -> what is open, or the errno. "*" is every host that is not named.
TABLE: dict[str, tuple[Any, dict[str, Any], dict[str, list[str] | int]]] = {
    "::": ("::", {}, {"*": [DUAL], "no-ipv6": [FOUR], "openbsd": [SIX, FOUR]}),
    "None": (None, {}, {"*": [DUAL], "no-ipv6": [FOUR], "openbsd": [SIX, FOUR]}),
    "empty": ("", {}, {"*": [DUAL], "no-ipv6": [FOUR], "openbsd": [SIX, FOUR]}),
    "star": ("*", {}, {"*": [DUAL], "no-ipv6": [FOUR], "openbsd": [SIX, FOUR]}),
    "0.0.0.0": ("0.0.0.0", {}, {"*": [FOUR]}),
    "::-v6only": ("::", {"v6only": True}, {"*": [SIX], "no-ipv6": NOFAMILY}),
    "::-insist": ("::", {"v6only": False}, {"*": [DUAL], "no-ipv6": NOFAMILY, "openbsd": [SIX, FOUR]}),
    "localhost": (
        "localhost",
        {},
        {
            "*": BOTH_LOOPBACKS,
            "no-ipv6": ["127.0.0.1:80"],
            "disable-ipv6": ["127.0.0.1:80"],
            "no-::1": ["127.0.0.1:80"],
            "v6-only": ["v6 [::1]:80"],
            "lo-down": NOTAVAIL,
        },
    ),
    "::1": (
        "::1",
        {},
        {"*": ["v6 [::1]:80"], "no-ipv6": NOFAMILY, "disable-ipv6": NOTAVAIL, "no-::1": NOTAVAIL, "lo-down": NOTAVAIL},
    ),
    "127.0.0.1": ("127.0.0.1", {}, {"*": ["127.0.0.1:80"], "v6-only": NOTAVAIL, "lo-down": NOTAVAIL}),
    "both-wildcards": (
        ["0.0.0.0", "::"],
        {},
        {"*": [FOUR, SIX], "no-ipv6": [FOUR]},
    ),
    # A written ::1 is never given up, not even to a wildcard that may do without IPv6.
    "wildcard-and-loopback": (
        ["::", "127.0.0.1", "::1"],
        {},
        {"*": [DUAL], "no-ipv6": NOFAMILY, "openbsd": [SIX, FOUR]},
    ),
    "tcp4": ("tcp4://*", {}, {"*": [FOUR]}),
    "tcp6": ("tcp6://*", {}, {"*": [SIX], "no-ipv6": NOFAMILY}),
    "mapped-literal": ("::ffff:127.0.0.1", {}, {"*": ["127.0.0.1:80"], "v6-only": NOTAVAIL, "lo-down": NOTAVAIL}),
}


@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize("row", TABLE)
def test_what_is_opened(row: str, kind: str) -> None:
    host, keywords, expected_by_host = TABLE[row]
    expected = expected_by_host.get(kind, expected_by_host["*"])
    if row == "wildcard-and-loopback" and kind in ("v6-only", "lo-down"):
        expected = [DUAL]  # the wildcard serves what comes; the loopbacks need not be there
    with World(HOSTS[kind]()) as world:
        if isinstance(expected, int):
            with pytest.raises(ListenError) as caught:
                dualstack.open_listener(host, 80, **keywords)
            assert caught.value.errno == expected
            assert caught.value.errors
            assert world.open_things() == []
        else:
            with dualstack.open_listener(host, 80, **keywords) as listener:
                assert opened(listener) == expected
                families = served(world, listener, 80)
            wide = any(text.startswith(("dual", "v6 [::]")) for text in expected)
            if kind not in ("v6-only", "lo-down"):
                assert ("4" in families) == any(not text.startswith("v6") for text in expected)
            if wide or "v6 [::1]:80" in expected:
                assert "6" in families or kind in ("disable-ipv6", "no-::1", "lo-down")


@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize("row", TABLE)
def test_one_port_for_all_families(row: str, kind: str) -> None:
    host, keywords, _ = TABLE[row]
    with World(HOSTS[kind]()):
        try:
            listener = dualstack.open_listener(host, 0, **keywords)
        except ListenError:
            return
        with listener:
            assert {endpoint.port for endpoint in listener.endpoints} == {listener.port}
            assert {sock.getsockname()[1] for sock in listener.sockets} == {listener.port}
            assert listener.port != 0


def test_every_address_of_an_interface() -> None:
    with World() as world, dualstack.open_listener("%eth0", 80) as listener:
        assert set(opened(listener)) == {"192.0.2.100:80", "v6 [2001:db8::100]:80", "v6 [fe80::100%eth0]:80"}
        assert listener.sockets[opened(listener).index("v6 [fe80::100%eth0]:80")].getsockname()[3] == 2
        with pytest.raises(ConnectionRefusedError):
            world.client("127.0.0.1", 80)
    with World(), dualstack.open_listener("tcp4://%eth0", 80) as listener:
        assert opened(listener) == ["192.0.2.100:80"]


def test_a_zone_name_becomes_an_index() -> None:
    with World() as world:
        with dualstack.open_listener("fe80::100%eth0", 80) as listener:
            assert listener.sockets[0].getsockname() == ("fe80::100", 80, 0, 2)
        with pytest.raises(ListenError, match=r"cannot listen on \[fe80::100%wlan7\]:80: no interface named 'wlan7'"):
            dualstack.open_listener("fe80::100%wlan7", 80)
        assert world.open_things() == []


def test_a_name_means_all_its_local_addresses() -> None:
    with World() as world:
        world.answer("me.example", ["192.0.2.100", "2001:db8::100", "198.51.100.9"])
        with dualstack.open_listener("me.example", 80) as listener:
            assert set(opened(listener)) == {"192.0.2.100:80", "v6 [2001:db8::100]:80"}
        world.answer("other.example", ["198.51.100.9"])
        with pytest.raises(ListenError, match=r"198\.51\.100\.9:80.*no interface of this host has that address"):
            dualstack.open_listener("other.example", 80)
        with pytest.raises(ResolveError):
            dualstack.open_listener("nowhere.example", 80)


def test_localhost_asks_no_resolver() -> None:
    """macOS would answer fe80::1%lo0 as well, and bring a firewall prompt with it."""
    with World(macos()) as world, dualstack.open_listener("LocalHost.", 80) as listener:
        assert opened(listener) == BOTH_LOOPBACKS
        assert world.resolver.questions == []


@pytest.mark.skipif(os.name != "posix", reason="the scripted host has POSIX paths, and os.path here has not")
def test_a_mix_of_everything_is_one_listener() -> None:
    with World() as world:
        with dualstack.open_listener(["127.0.0.1:80", "[::1]:81", "unix:/run/x", "unix:@name"]) as listener:
            assert opened(listener) == ["127.0.0.1:80", "v6 [::1]:81", "unix:/run/x", "unix:@name"]
            assert listener.port == 80
            peers = set()
            world.client("127.0.0.1", 80)
            world.client("::1", 81)
            world.unix_client("/run/x")
            world.unix_client(b"\0name")
            for _ in range(4):
                connection, peer = listener.accept(timeout=0)
                peers.add(str(peer))
                connection.close()
            assert peers == {"127.0.0.1:40000", "[::1]:40000", "unix:"}
            assert world.lstat(b"/run/x").st_mode & 0o777 == 0o600
        assert "/run/x" not in world.files.left()


@pytest.mark.skipif(os.name != "posix", reason="the scripted host has POSIX paths, and os.path here has not")
def test_the_port_of_a_list_is_for_those_that_bring_none() -> None:
    with World(), dualstack.open_listener(["127.0.0.1", "[::1]:81", "localhost:http", "unix:/run/x"], 82) as listener:
        assert opened(listener) == ["127.0.0.1:82", "v6 [::1]:81", "v6 [::1]:80", "127.0.0.1:80", "unix:/run/x"]


# ---------------------------------------------------------------------- two listeners


#: What a second listener on the port gets while the first is open; measured on Linux.
SECOND = [
    ("::", "::", INUSE),
    ("::", "0.0.0.0", INUSE),
    ("0.0.0.0", "::", INUSE),
    ("0.0.0.0", "0.0.0.0", INUSE),
    (None, "::", INUSE),
    ("::", "127.0.0.1", INUSE),
    ("::", "::1", INUSE),
    ("127.0.0.1", "::", INUSE),
    ("127.0.0.1", "0.0.0.0", INUSE),
    ("tcp6://*", "0.0.0.0", 0),
    ("0.0.0.0", "tcp6://*", 0),
    ("127.0.0.1", "::1", 0),
    ("::1", "127.0.0.1", 0),
    ("127.0.0.1", "127.0.0.2", 0),
    ("localhost", "::1", INUSE),
    ("tcp6://*", "::1", INUSE),
    ("tcp6://*", "127.0.0.1", 0),
]


@pytest.mark.parametrize("kind", ["linux", "bindv6only", "windows"])
@pytest.mark.parametrize(("first", "second", "code"), SECOND)
def test_second_listener_on_the_port(first: str | None, second: str, code: int, kind: str) -> None:
    with World(HOSTS[kind]()) as world, dualstack.open_listener(first, 80):
        before = world.open_things()
        if code:
            with pytest.raises(ListenError) as caught:
                dualstack.open_listener(second, 80)
            assert caught.value.errno == code
            assert world.open_things() == before
        else:
            dualstack.open_listener(second, 80).close()


@pytest.mark.parametrize("taken", ["0.0.0.0", "::"])
def test_both_families_or_none_where_it_takes_two_sockets(taken: str) -> None:
    """Somebody else's IPv4 listener must not leave us with IPv6 clients only, nor the other way round."""
    with World(openbsd()) as world:
        world.occupy(taken, 80)
        with pytest.raises(ListenError) as caught:
            dualstack.open_listener("::", 80)
        assert caught.value.errno == INUSE
        assert world.open_things() == []


def test_the_port_is_free_again_after_close() -> None:
    with World() as world:
        for _ in range(3):
            with dualstack.open_listener("::", 80) as listener:
                world.client("127.0.0.1", 80)
                connection, _ = listener.accept(timeout=0)
            connection.close()


def test_reuse_port_shares_and_only_on_request() -> None:
    with World(), dualstack.open_listener("::", 80, reuse_port=True):
        dualstack.open_listener("::", 80, reuse_port=True).close()
        with pytest.raises(ListenError):
            dualstack.open_listener("::", 80)


@pytest.mark.parametrize("host", [windows, openbsd])
def test_sharing_a_port_where_nobody_can(host: Callable[[], Host]) -> None:
    with World(host()) as world:
        with pytest.raises(UnsupportedError, match="sharing a listening port"):
            dualstack.open_listener("::", 80, reuse_port=True)
        assert world.open_things() == []


def test_windows_is_exclusive() -> None:
    with World(windows()) as world, dualstack.open_listener("127.0.0.1", 80) as listener:
        assert listener.sockets[0]._open.options.get("SO_EXCLUSIVEADDRUSE") == 1
        assert "SO_REUSEADDR" not in listener.sockets[0]._open.options
        thief = world.socket(V4, socket.SOCK_STREAM)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(PermissionError):
            thief.bind(("127.0.0.1", 80))
        thief.close()


def test_windows_not_exclusive_sets_neither() -> None:
    with World(windows()), dualstack.open_listener("127.0.0.1", 80, exclusive=False) as listener:
        options = listener.sockets[0]._open.options
        assert not options.get("SO_EXCLUSIVEADDRUSE")
        assert not options.get("SO_REUSEADDR")


# ---------------------------------------------------------------------- port 0 among busy ports


def test_port_0_with_one_busy_family() -> None:
    """Thousands of IPv4 ports are taken; the first choice by IPv6 collides, its second does not need to be luck."""
    with World() as world:
        for port in range(49152, 49252):
            world.occupy("127.0.0.1", port)
        with dualstack.open_listener("localhost", 0) as listener:
            assert len(listener.sockets) == 2
            assert listener.port is not None
            assert listener.port >= 49252
        # Two rounds at most: the family that knows its busy ports chose in the second.
        assert world.calls.count("bind") <= 4


def test_port_0_with_both_families_busy_in_turns() -> None:
    """Whoever chooses, the other family holds that port: 31 clashes, and the last round succeeds."""
    with World() as world:
        for port in range(49152, 49152 + 31):
            world.occupy("::1" if port % 2 else "127.0.0.1", port)
        with dualstack.open_listener("localhost", 0) as listener:
            assert {endpoint.port for endpoint in listener.endpoints} == {listener.port}


def test_port_0_gives_up_with_every_clash_told() -> None:
    with World() as world:
        for port in range(49152, 49152 + 200):
            world.occupy("127.0.0.1" if port % 2 else "::1", port)
        with pytest.raises(ListenError) as caught:
            dualstack.open_listener("localhost", 0)
        assert caught.value.errno == INUSE
        assert len(caught.value.errors) == 32
        assert world.open_things() == []


def test_no_port_left_at_all() -> None:
    with World() as world:
        world.kernel.ephemeral = iter(())
        with pytest.raises(ListenError) as caught:
            dualstack.open_listener("::", 0)
        assert caught.value.errno == INUSE
        assert world.calls.count("bind") == 1  # trying again would not help


# ---------------------------------------------------------------------- errors for the person who reads them


@pytest.mark.parametrize(
    ("host", "arguments", "message"),
    [
        pytest.param(
            linux,
            ("::1", 80),
            r"cannot listen on \[::1\]:80: Address already in use; the port is held by nginx \(pid 7\)",
            id="in-use",
        ),
        pytest.param(
            lambda: linux(root=False),
            ("::", 80),
            r"cannot listen on \[::\]:80: Permission denied; ports below 1024 need root",
            id="privileged",
        ),
        pytest.param(
            linux,
            ("192.0.2.77", 8080),
            r"192\.0\.2\.77:8080: .*; no interface of this host has that address",
            id="foreign",
        ),
        pytest.param(
            lambda: linux(ipv6=False),
            ("::1", 8080),
            r"cannot listen on \[::1\]:8080: Address family not supported",
            id="no-family",
        ),
        pytest.param(
            linux,
            ("%wlan7", 80),
            r"cannot listen on %wlan7:80: this host has no interface of that name",
            id="no-interface",
        ),
        pytest.param(
            lambda: linux(addresses={"lo": ()}), ("%lo", 80), "the interface has no usable address", id="bare-interface"
        ),
        pytest.param(
            lambda: linux(addresses={"eth0": ("192.0.2.100",)}),
            ("tcp6://%eth0", 80),
            r"cannot listen on tcp6://%eth0:80: the interface has no usable address",
            id="interface-without-the-family",
        ),
    ],
)
def test_messages(host: Callable[[], Host], arguments: tuple[Any, ...], message: str) -> None:
    with World(host()) as world:
        if arguments == ("::1", 80) and world.host.ipv6:
            world.occupy("::1", 80)
            world.host.holders[80] = "nginx (pid 7)"
        with pytest.raises(ListenError, match=message) as caught:
            dualstack.open_listener(*arguments)
        assert isinstance(caught.value, OSError)
        assert world.open_things() == []


def test_who_catches_what_bind_raises_still_catches_it() -> None:
    with World(linux(root=False)):
        with pytest.raises(PermissionError) as caught:
            dualstack.open_listener("::", 80)
        assert isinstance(caught.value, ListenError)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), again.errno, str(again)) == (type(caught.value), errno.EACCES, str(caught.value))
        assert [str(endpoint) for endpoint, _ in again.errors] == ["[::]:80"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this Python has no AF_UNIX; runs on POSIX")
def test_a_message_names_a_path_once(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "s"
    with pytest.raises(ListenError, match="No such file or directory") as caught:
        dualstack.open_listener(path)
    assert str(caught.value).count(str(path)) == 1
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param({"tls": "cert.pem"}, TypeError, "tls is an ssl.SSLContext, not str", id="a-file"),
        pytest.param({"tls": ssl.create_default_context()}, ValueError, "context of a client", id="a-client"),
        pytest.param({"options": {"no_delay": True}}, TypeError, "options is a dualstack.SocketOptions", id="a-dict"),
    ],
)
def test_what_would_fail_with_every_client_fails_at_once(arguments: Any, error: type[Exception], message: str) -> None:
    with World() as world:
        with pytest.raises(error, match=message):
            dualstack.open_listener("::", 80, **arguments)
        assert world.open_things() == []


def test_a_socket_address_is_not_a_list_of_hosts() -> None:
    with World(), pytest.raises(TypeError, match="host and port are two arguments"):
        dualstack.open_listener(("127.0.0.1", 80))
    with World(), dualstack.open_listener(("127.0.0.1:80", "[::1]:80")) as listener:
        assert opened(listener) == ["127.0.0.1:80", "v6 [::1]:80"]


def test_every_failure_on_the_way_is_told() -> None:
    with World(linux(addresses={"eth0": ()})) as world:
        with pytest.raises(ListenError) as caught:
            dualstack.open_listener("localhost", 80)
        assert [str(endpoint) for endpoint, _ in caught.value.errors] == ["[::1]:80", "127.0.0.1:80"]
        assert all(isinstance(error, OSError) and error.errno == NOTAVAIL for _, error in caught.value.errors)
        assert "before that" in str(caught.value)
        assert (
            caught.value.__cause__ is caught.value.errors[0][1] or caught.value.__cause__ is caught.value.errors[1][1]
        )
        assert world.open_things() == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("host:80:90",), AddressError),
        (("::1:80",), AddressError),
        (("010.0.0.1", 80), AddressError),
        (("127.1", 80), AddressError),
        (("127.0.0.1", 65616), AddressError),
        (("127.0.0.1", -1), AddressError),
        (("127.0.0.1", "65616"), AddressError),
        (("127.0.0.1\0evil", 80), AddressError),
        (("unix:/run/x\0y",), AddressError),
        (("unix:",), AddressError),
        (("127.0.0.1",), AddressError),
        ((None,), AddressError),
        (([], 80), ValueError),
        (("udp://127.0.0.1", 80), ValueError),
        ((80,), TypeError),
        (("127.0.0.1", 80.0), TypeError),
        (("127.0.0.1", True), TypeError),
        ((b"127.0.0.1", 80), TypeError),
    ],
    ids=repr,
)
def test_bad_arguments_reach_no_system_call(arguments: tuple[Any, ...], error: type[Exception]) -> None:
    with World() as world:
        with pytest.raises(error):
            dualstack.open_listener(*arguments)
        assert world.calls == []


def test_unix_on_a_system_without() -> None:
    with World(windows()) as world:
        with pytest.raises(OSError) as caught:
            dualstack.open_listener(["127.0.0.1:80", "unix:/run/x"])
        assert isinstance(caught.value, UnsupportedError | ListenError)
        assert world.open_things() == []


def test_the_backlog_is_clamped() -> None:
    """Some kernels keep 16 bits of it and wrap: 65536 would be 0."""
    with World():
        for asked, given in (
            (None, min(socket.SOMAXCONN, 65535)),
            (0, 0),
            (-1, 0),
            (10, 10),
            (65536, 65535),
            (10**9, 65535),
        ):
            with dualstack.open_listener("::", 80, backlog=asked) as listener:
                assert listener.sockets[0]._open.backlog == given


# ---------------------------------------------------------------------- all or nothing


SCENARIOS: dict[str, tuple[Callable[[], Host], tuple[Any, ...]]] = {
    "dual": (linux, ("::", 80)),
    "two-sockets": (openbsd, ("::", 0)),
    "no-ipv6": (lambda: linux(ipv6=False), ("::", 0)),
    "localhost": (linux, ("localhost", 0)),
    "interface": (linux, ("%eth0", 0)),
    "list": (linux, (["0.0.0.0:80", "[::]:80", "127.0.0.1:81"],)),
    "with-unix": (linux, (["127.0.0.1:80", "unix:@name"],)),
    "windows": (windows, ("::", 0)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_fails_nothing_is_left_open(name: str) -> None:
    """Each system call in turn fails with each fault; the ledger of the world is checked after every run."""
    host, arguments = SCENARIOS[name]

    def check(world: World, error: BaseException | None) -> None:
        # MemoryError and KeyboardInterrupt come through as they are; every OSError is told as a ListenError.
        assert error is None or isinstance(error, ListenError | UnsupportedError | MemoryError | KeyboardInterrupt)
        # The second run works: no lock is held, nothing is remembered.
        dualstack.open_listener(*arguments).close()

    hit = sweep(lambda: World(host()), lambda world: dualstack.open_listener(*arguments).close(), check=check)
    assert hit >= 14 * 5  # every fault, at five calls at least


def test_an_error_while_closing_closes_the_rest() -> None:
    with World() as world:
        listener = dualstack.open_listener("localhost", 80)
        world.fail("close", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            listener.close()
        assert world.open_things() == []
