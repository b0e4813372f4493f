"""shim.socket.create_connection: the arguments and exceptions of the standard library, the race of dualstack."""

from __future__ import annotations

import errno
import inspect
import pickle
import socket as stdlib
import sys

import pytest

import dualstack
from dualstack import ConnectError
from dualstack.shim import socket, socket_connect
from dualstack.testing import World, blackholes, connects, fails, linux, refuses
from dualstack.testing.faults import sweep

SIX, FOUR = "2001:db8::1", "192.0.2.1"
GOOD, DEAD = connects(0.0625), blackholes()


@pytest.fixture(autouse=True)
def fresh_history():
    dualstack.history.clear()
    yield
    dualstack.history.clear()


@pytest.fixture
def server():
    with stdlib.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def named(world, plan):
    world.answer("name.example", plan)
    for host, outcome in plan.items():
        world.destination(host, 443, outcome)
    return "name.example", 443


# ---------------------------------------------------------------------- the race


@pytest.mark.parametrize(
    ("plan", "keywords", "end"),
    [
        pytest.param({SIX: GOOD, FOUR: GOOD}, {}, (SIX, 0.0625), id="all-well"),
        pytest.param({SIX: DEAD, FOUR: GOOD}, {}, (FOUR, 0.3125), id="ipv6-blackholed"),
        pytest.param({SIX: DEAD, FOUR: GOOD}, {"timeout": 0.5}, (FOUR, 0.3125), id="less-than-two-timeouts"),
        pytest.param({SIX: refuses(), FOUR: GOOD}, {}, (FOUR, 0.0625), id="ipv6-refused"),
        pytest.param({SIX: DEAD, FOUR: DEAD}, {"timeout": 1.0}, (TimeoutError, 1.0), id="all-dead"),
        pytest.param({SIX: refuses(), FOUR: refuses()}, {}, (ConnectionRefusedError, 0.0), id="all-refused"),
        pytest.param(
            {SIX: fails(errno.ENETUNREACH), FOUR: refuses()}, {}, (ConnectionRefusedError, 0.0), id="one-refused"
        ),
        pytest.param(
            {SIX: fails(errno.ENETUNREACH), FOUR: fails(errno.ETIMEDOUT, 0.5)}, {}, (TimeoutError, 0.5), id="one-silent"
        ),
        pytest.param({FOUR: fails(errno.EPERM)}, {}, (PermissionError, 0.0), id="firewall"),
        pytest.param({FOUR: fails(errno.ECONNRESET, 0.125)}, {}, (ConnectionResetError, 0.125), id="reset"),
        pytest.param({FOUR: fails(errno.ECONNABORTED)}, {}, (ConnectionAbortedError, 0.0), id="aborted"),
        pytest.param({SIX: fails(errno.ENETUNREACH)}, {}, (OSError, 0.0), id="no-route"),
    ],
)
def test_race(world, plan, keywords, end):
    address = named(world, plan)
    if isinstance(end[0], str):
        with socket.create_connection(address, **keywords) as sock:
            assert (sock.getpeername()[0], world.now) == end
            assert sock.gettimeout() == keywords.get("timeout")
        return
    with pytest.raises(end[0]) as caught:
        socket.create_connection(address, **keywords)
    assert world.now == end[1]
    assert isinstance(caught.value, ConnectError)
    # What OSError itself would be for that errno: code of the standard library catches by class.
    assert isinstance(caught.value, type(OSError(caught.value.errno, "")))
    assert {attempt.endpoint.host for attempt in caught.value.attempts} == set(plan)
    assert pickle.loads(pickle.dumps(caught.value)).errno == caught.value.errno


def test_the_look_up_is_within_the_timeout(world):
    world.answer("name.example", [FOUR], after=float("inf"))
    with pytest.raises(TimeoutError, match=r"name\.example"):
        socket.create_connection(("name.example", 443), 0.5)
    assert world.now == 0.5


def test_all_errors(world):
    address = named(world, {SIX: refuses(), FOUR: DEAD})
    expected = OSError if sys.version_info < (3, 11) else ExceptionGroup  # noqa: F821 - from 3.11
    with pytest.raises(expected) as caught:
        socket.create_connection(address, 1.0, all_errors=True)
    if sys.version_info < (3, 11):
        assert len(caught.value.attempts) == 2
        return
    assert caught.value.message == "create_connection failed"
    assert [type(error) for error in caught.value.exceptions] == [ConnectionRefusedError, TimeoutError]
    assert "192.0.2.1:443" in str(caught.value.__cause__)


def test_all_errors_of_a_name_without_addresses(world):
    with pytest.raises(socket.gaierror):
        socket.create_connection(("nobody.example", 443), all_errors=True)


# ---------------------------------------------------------------------- the arguments


def test_the_signature_is_that_of_the_standard_library():
    ours = inspect.signature(socket.create_connection)
    theirs = inspect.signature(stdlib.create_connection)
    extra = {"all_errors"} if sys.version_info < (3, 11) else set()
    assert [p for p in ours.parameters if p not in extra] == list(theirs.parameters)
    for name, parameter in theirs.parameters.items():
        assert ours.parameters[name].default is parameter.default
        assert ours.parameters[name].kind is parameter.kind


@pytest.mark.parametrize("address", [("127.0.0.1",), ("127.0.0.1", 1, 0, 0), 5])
def test_an_address_that_is_no_pair(address):
    with pytest.raises((TypeError, ValueError)) as ours:
        socket.create_connection(address)
    with pytest.raises((TypeError, ValueError)) as theirs:
        stdlib.create_connection(address)
    assert (type(ours.value), str(ours.value)) == (type(theirs.value), str(theirs.value))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", b"localhost", None, "LOCALHOST", "localhost."])
@pytest.mark.parametrize("port", [int, str, lambda number: str(number).encode()], ids=["int", "str", "bytes"])
def test_forms_of_host_and_port(server, host, port):
    with socket.create_connection((host, port(server))) as sock:
        assert sock.getpeername() == ("127.0.0.1", server)
        assert type(sock) is socket.socket


def test_a_service_name(world):
    world.destination(FOUR, 443, GOOD)
    with socket.create_connection((FOUR, "https")) as sock:
        assert sock.getpeername() == (FOUR, 443)


def test_a_bool_is_no_port_as_ever():
    """dualstack.connect() raises TypeError for it; the drop-in what the standard library raises."""
    with pytest.raises(OSError) as theirs:
        stdlib.create_connection(("127.0.0.1", True))
    with pytest.raises(OSError) as ours:
        socket.create_connection(("127.0.0.1", True))
    assert (type(ours.value), str(ours.value)) == (type(theirs.value), str(theirs.value))


@pytest.mark.parametrize(
    "host",
    [
        "unix:/run/docker.sock",
        "%lo",
        pytest.param(
            "[::1]",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows reads brackets itself; runs on POSIX"),
        ),
        "tcp://127.0.0.1",
        "fd://3",
        "a b",
        "x" * 64 + ".example",
    ],
)
def test_forms_that_only_dualstack_knows_stay_unknown(host):
    """A program that checks host names must not reach more through the shim than without it."""
    with pytest.raises((socket.gaierror, UnicodeError)):
        socket.create_connection((host, 80))


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        pytest.param("127.0.0.1\0.example.org", 80, "EAI_NONAME", id="nul"),
        pytest.param(b"127.0.0.1\0", 80, "EAI_NONAME", id="nul-in-bytes"),
        pytest.param("127.1", 80, "EAI_NONAME", id="short"),
        pytest.param("0177.0.0.1", 80, "EAI_NONAME", id="octal"),
        pytest.param("0x7f.0.0.1", 80, "EAI_NONAME", id="hexadecimal"),
        pytest.param("2130706433", 80, "EAI_NONAME", id="one-number"),
        pytest.param("\uff11\uff12\uff17.0.0.1", 80, "EAI_NONAME", id="full-width"),
        pytest.param("127\u30020\u30020\u30021", 80, "EAI_NONAME", id="ideographic-dots"),
        pytest.param("127.0.0.1", 65616, "EAI_SERVICE", id="port-65616"),
        pytest.param("127.0.0.1", 2**32 + 80, "EAI_SERVICE", id="port-2-to-the-32"),
        pytest.param("127.0.0.1", -1, "EAI_SERVICE", id="port-minus-1"),
        pytest.param("127.0.0.1", "65616", "EAI_SERVICE", id="port-65616-as-text"),
        pytest.param("127.0.0.1", "+80", "EAI_SERVICE", id="port-with-a-sign"),
        pytest.param("127.0.0.1", b" 80", "EAI_SERVICE", id="port-with-a-blank"),
        pytest.param("127.0.0.1", "80\0", "EAI_SERVICE", id="nul-in-the-port"),
        pytest.param("127.0.0.1", "\u0668\u0660", "EAI_SERVICE", id="arabic-digits"),
    ],
)
@pytest.mark.parametrize("call", ["getaddrinfo", "create_connection"])
def test_refused(call, host, port, code):
    with pytest.raises(socket.gaierror) as caught:
        if call == "getaddrinfo":
            socket.getaddrinfo(host, port)
        else:
            socket.create_connection((host, port), timeout=5)
    assert caught.value.errno == getattr(socket, code)


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 80), ("::1", "http"), (None, 0), ("127.0.0.1", None), ("127.0.0.1", "00080")]
)
def test_getaddrinfo_answers_as_ever(host, port):
    assert socket.getaddrinfo(host, port) == stdlib.getaddrinfo(host, port)
    assert type(socket.getaddrinfo(host, port)[0][0]) is stdlib.AddressFamily
    assert list(inspect.signature(socket.getaddrinfo).parameters) == list(
        inspect.signature(stdlib.getaddrinfo).parameters
    )


@pytest.mark.parametrize("timeout", [None, 0.5, 7])
def test_the_timeout_is_that_of_the_socket(server, timeout):
    for host in ("127.0.0.1", "localhost"):
        with socket.create_connection((host, server), timeout) as sock:
            assert sock.gettimeout() == timeout


@pytest.mark.parametrize(("given", "expected"), [({}, 7.0), ({"timeout": None}, None), ({"timeout": 3}, 3.0)])
def test_the_default_timeout(server, given, expected):
    socket.setdefaulttimeout(7)
    try:
        assert stdlib.getdefaulttimeout() == 7
        for host in ("127.0.0.1", "localhost"):
            with socket.create_connection((host, server), **given) as sock:
                assert sock.gettimeout() == expected
    finally:
        socket.setdefaulttimeout(None)


def test_the_sentinel_is_that_of_the_standard_library(server):
    assert socket._GLOBAL_DEFAULT_TIMEOUT is stdlib._GLOBAL_DEFAULT_TIMEOUT
    with socket.create_connection(("127.0.0.1", server), stdlib._GLOBAL_DEFAULT_TIMEOUT) as sock:
        assert sock.gettimeout() is None


def test_timeout_zero_ends_at_once_as_ever(server):
    with pytest.raises(BlockingIOError):
        socket.create_connection(("127.0.0.1", server), 0)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_is_none(server, timeout):
    with pytest.raises(ValueError, match="Timeout value out of range"):
        socket.create_connection(("127.0.0.1", server), timeout)


def test_source_address(server, dual_port):
    with socket.create_connection(("localhost", server), source_address=("127.0.0.1", 0)) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
    with socket.create_connection(("localhost", server), source_address=("localhost", 0)) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
    with socket.create_connection(("127.0.0.1", server), source_address=("", dual_port)) as sock:
        assert sock.getsockname()[1] == dual_port
    with socket.create_connection(("127.0.0.1", server), source_address=("", 0)) as sock:
        assert sock.getsockname()[1] != 0


def test_a_source_address_of_the_other_family(server):
    with pytest.raises(OSError, match="no matching local address"):
        socket.create_connection(("127.0.0.1", server), source_address=("::1", 0))


# ---------------------------------------------------------------------- programs that replaced something


def test_a_class_in_place_of_socket_is_asked_for_each_connection(server, monkeypatch):
    made = []

    class Proxied(socket.socket):
        def connect(self, address):
            made.append(address)
            super().connect(address)

    monkeypatch.setattr(socket, "socket", Proxied)
    with socket.create_connection(("localhost", server), 5) as sock:
        assert type(sock) is Proxied and sock.gettimeout() == 5
    assert made[-1] == ("127.0.0.1", server)


def test_a_class_in_place_of_the_real_socket_is_asked_too(server, monkeypatch):
    class Blocked(stdlib.socket):
        def connect(self, address):
            raise PermissionError(errno.EPERM, "no network in this test run")

    monkeypatch.setattr(stdlib, "socket", Blocked)
    with pytest.raises(PermissionError, match="no network in this test run"):
        socket.create_connection(("127.0.0.1", server))


def test_errors_of_a_class_in_place_of_socket(monkeypatch):
    class Silent(socket.socket):
        def connect(self, address):
            raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "socket", Silent)
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        socket.create_connection(("localhost", 1))
    if sys.version_info >= (3, 11):
        with pytest.raises(ExceptionGroup) as caught:  # noqa: F821 - from 3.11
            socket.create_connection(("localhost", 1), all_errors=True)
        assert {str(error) for error in caught.value.exceptions} == {"timed out"}


def test_the_answers_of_a_getaddrinfo_of_ones_own_race(world, monkeypatch):
    world.destination(SIX, 443, DEAD)
    world.destination(FOUR, 443, GOOD)

    def pinned(host, port, family=0, type=0, proto=0, flags=0):
        return [
            (socket.AF_INET6, type, 6, "", (SIX, port, 0, 0)),
            (socket.AF_INET, type, 6, "", (FOUR, port)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", pinned)
    with socket.create_connection(("pinned.example", 443)) as sock:
        assert (sock.getpeername()[0], world.now) == (FOUR, 0.25 + 0.0625)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments: [])
    with pytest.raises(OSError, match="getaddrinfo returns an empty list"):
        socket.create_connection(("pinned.example", 443))


@pytest.mark.parametrize("keywords", [{}, {"timeout": 5.0}, {"timeout": 5.0, "source_address": ("192.0.2.100", 0)}])
def test_nothing_is_left_whatever_fails(keywords):
    def scenario(world):
        world.answer("name.example", [SIX, FOUR])
        world.destination(SIX, 443, DEAD)
        world.destination(FOUR, 443, GOOD)
        for host in ("name.example", FOUR):
            socket.create_connection((host, 443), **keywords).close()

    assert sweep(lambda: World(linux()), scenario) > 20


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_timeout_no_clock_can_count(server, host):
    with pytest.raises(OverflowError):
        socket.create_connection((host, server), float("inf"))


def test_no_ipv6_and_a_closed_port_is_a_refusal():
    """What a program that waits for a server in a container catches."""
    with World(linux(ipv6=False)), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("localhost", 8080))


def test_every_class_it_raises_pickles():
    for cls in socket_connect._CLASSES.values():
        error = cls(errno.EPERM, "text", ())
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), copy.errno, str(copy)) == (cls, errno.EPERM, "text")
