"""Dial, which every HTTP adapter connects through: in a scripted world, without any client library."""

from __future__ import annotations

import socket
import sys
from importlib import import_module

import pytest

import dualstack
from dualstack import platforms, testing
from dualstack.errors import AddressError, ConnectError, ResolveError
from dualstack.shim.dial import NO_DELAY, Dial, cause_of, host_alone, in_one_line, source_of

SIX, FOUR = "2001:db8:1::1", "203.0.113.1"


@pytest.fixture
def world(make_world):
    world = make_world(testing.linux())
    world.answer("example.com", [FOUR, SIX])
    world.destination(SIX, 443, testing.connects())
    world.destination(FOUR, 443, testing.connects())
    return world


def test_the_guard_is_asked_at_every_connection(world):
    seen = []
    dial = Dial(allow=lambda endpoint: bool(seen.append(str(endpoint)) or True))
    for _ in range(2):
        dial.connect("example.com", 443, 5).close()
    # Before the socket is made, and about the peer once it is connected.
    assert seen == [f"[{SIX}]:443"] * 4


def test_networks_are_read_once_and_slips_are_told_at_once(world):
    networks = iter(["203.0.113.0/24"])
    dial = Dial(allow=networks)
    for _ in range(2):
        with dial.connect("example.com", 443, 5) as sock:
            assert sock.getpeername()[0] == FOUR
    with pytest.raises(ValueError, match="has host bits set"):
        Dial(allow=["203.0.113.1/24"])


def test_what_the_library_asks_for_holds_on_the_socket(world):
    options = [*NO_DELAY, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    with Dial().connect("example.com", 443, 5, None, options) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_our_options_and_those_of_the_library(world):
    dial = Dial(connecting={"options": dualstack.SocketOptions(keepalive=True)})
    with dial.connect("example.com", 443, 5, None, NO_DELAY) as sock:
        numbers = platforms.current.constants  # of the host of this world, whichever runs the test
        assert sock.getsockopt(numbers["SOL_SOCKET"], numbers["SO_KEEPALIVE"]) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    called = []
    with Dial(connecting={"options": called.append}).connect("example.com", 443, 5, None, NO_DELAY) as sock:
        assert len(called) == 1


def test_further_keywords_are_those_of_connect(world):
    events = []
    Dial(connecting={"trace": events.append, "family": socket.AF_INET}).connect("example.com", 443, 5).close()
    assert events
    with pytest.raises(TypeError, match=r"connecting takes attempt_delay, .*, not delay, tls"):
        Dial(connecting={"tls": None, "delay": 1})


def test_a_deadline_over_look_up_and_race(make_world):
    world = make_world(testing.linux())
    world.answer("slow.example", [FOUR], after=3.0)
    started = world.monotonic()
    with pytest.raises(TimeoutError) as caught:
        Dial().connect("slow.example", 443, 2)
    assert isinstance(caught.value, ConnectError)
    assert world.monotonic() - started == 2


@pytest.mark.parametrize(
    "host",
    ["", "*", "%eth0", "@name", "unix:/run/docker.sock", "unix:x", "fd:3", "systemd:http", "tcp://a", "a:80", "[a]:80"],
)
def test_the_host_of_a_url_is_a_host_and_nothing_else(host):
    with pytest.raises(AddressError):
        Dial().connect(host, 80, 5)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("example.com", "example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::1%25eth0", "fe80::1%eth0"),
    ],
)
def test_hosts_as_clients_spell_them(host, alone):
    assert host_alone(host) == alone


@pytest.mark.parametrize(
    ("source", "local"),
    [(("", 0), 0), (("", 5000), 5000), (("192.0.2.1", 0), "192.0.2.1:0"), (("2001:db8::1", 7), "[2001:db8::1]:7")],
)
def test_source_addresses(source, local):
    read = source_of(source)
    assert (read if isinstance(read, int) else str(read)) == local


@pytest.mark.parametrize(
    ("unix", "endpoint"),
    [("/run/a.sock", "unix:/run/a.sock"), ("unix:/run/a.sock", "unix:/run/a.sock"), ("unix:@name", "unix:@name")],
)
def test_unix_as_people_write_it(unix, endpoint):
    assert str(Dial(unix=unix).unix) == endpoint


def test_an_empty_path_is_a_slip():
    with pytest.raises(AddressError, match="missing"):
        Dial(unix="")


class Wrapped(Exception):
    def __init__(self, *args, reason=None):
        super().__init__(*args)
        self.reason = reason


def chained(cause):
    try:
        raise Wrapped("outer") from cause
    except Wrapped as error:
        return error


def cut_off(context):
    """As httpcore's pool does it."""
    try:
        try:
            try:
                raise context
            except OSError as error:
                raise Wrapped("mapped") from error
        except Wrapped as error:
            raise error from None
    except Wrapped as error:
        return error


def in_the_midst_of(context):
    """A failure that came while the program was dealing with another one."""
    try:
        try:
            raise context
        except OSError:
            raise Wrapped("unrelated")  # noqa: B904 - the context is the test
    except Wrapped as error:
        return error


OURS = ConnectError(111, "cannot connect to a\n  b   0.000 s  Connection refused\n  c")


@pytest.mark.parametrize(
    ("error", "found"),
    [
        pytest.param(OURS, True, id="itself"),
        pytest.param(chained(OURS), True, id="cause"),
        pytest.param(Wrapped(Wrapped("x", reason=chained(OURS))), True, id="argument-reason-cause"),
        pytest.param(chained(ValueError()), False, id="another"),
        pytest.param(cut_off(OURS), True, id="cut-off"),
        pytest.param(in_the_midst_of(OURS), False, id="in-the-midst"),
        pytest.param(chained(in_the_midst_of(OURS)), False, id="in-the-midst-below"),
        pytest.param(ResolveError(-2, "no"), True, id="name"),
    ],
)
def test_the_cause_is_found(error, found):
    assert (cause_of(error) is not None) is found


def test_a_chain_that_bites_its_tail_has_an_end():
    first, second = Wrapped(), Wrapped()
    first.__cause__, second.__cause__ = second, first
    assert cause_of(first) is None


def test_one_line():
    assert in_one_line(OURS) == "cannot connect to a; b 0.000 s Connection refused; c"


@pytest.mark.parametrize("name", ["aiohttp", "httpcore", "httpx", "requests", "urllib3"])
def test_a_missing_library_is_named(name, monkeypatch):
    for module in [m for m in sys.modules if m.startswith("dualstack.shim.")]:
        if module.rpartition(".")[2] in ("aiohttp", "httpcore", "httpx", "requests", "urllib3"):
            monkeypatch.delitem(sys.modules, module)
    for library in ("aiohttp", "httpcore", "httpx", "requests", "urllib3"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError, match=r"dualstack\.shim\.\w+ needs \w+ .*: pip install") as caught:
        import_module(f"dualstack.shim.{name}")
    assert caught.value.name in ("aiohttp", "httpcore", "urllib3")
