"""connect in the fake world: who is tried when, to the millisecond; what is left open; what the errors say."""

from __future__ import annotations

import errno
import os
import socket
import time

import pytest

import dualstack
from dualstack import (
    AddressError,
    ConnectError,
    History,
    IPv4Endpoint,
    IPv6Endpoint,
    ResolveError,
    SocketOptions,
    UnixEndpoint,
    connect,
    doors,
)
from dualstack.net.lookup import pool
from dualstack.testing import World, blackholes, connects, fails, linux, refuses, self_connects, windows
from dualstack.testing.faults import FAULTS, sweep

IPv4, IPv6 = socket.AF_INET, socket.AF_INET6
NEVER = float("inf")
SIX, SIX2, FOUR, FOUR2 = "2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"
GOOD, DEAD = connects(0.0625), blackholes()


@pytest.fixture(autouse=True)
def fresh_history():
    dualstack.history.clear()
    yield
    dualstack.history.clear()


class Log:
    """A trace that keeps (kind, host or family, time)."""

    def __init__(self) -> None:
        self.events = []

    def __call__(self, event) -> None:
        about = event.endpoint.host if event.endpoint is not None else {IPv4: 4, IPv6: 6}.get(event.family)
        self.events.append((event.kind, about, event.time))

    def started(self) -> dict[str, float]:
        return {about: time for kind, about, time in self.events if kind == "attempt-started"}


def script(world: World, plan: dict) -> None:
    for host, outcome in plan.items():
        world.destination(host, 443, outcome)


# name: (answers, plan of destinations, keywords, attempts begun at, end: (host, time) or (class, time))
SCENARIOS = [
    pytest.param({}, {SIX: GOOD, FOUR: GOOD}, {}, {SIX: 0}, (SIX, 0.0625), id="all-well"),
    pytest.param({}, {SIX: DEAD, FOUR: GOOD}, {}, {SIX: 0, FOUR: 0.25}, (FOUR, 0.3125), id="ipv6-blackholed"),
    pytest.param({}, {SIX: refuses(), FOUR: GOOD}, {}, {SIX: 0, FOUR: 0}, (FOUR, 0.0625), id="ipv6-refused"),
    pytest.param(
        {}, {SIX: fails(errno.ENETUNREACH), FOUR: GOOD}, {}, {SIX: 0, FOUR: 0}, (FOUR, 0.0625), id="ipv6-unreachable"
    ),
    pytest.param(
        {}, {SIX: fails(errno.EINVAL), FOUR: GOOD}, {}, {SIX: 0, FOUR: 0}, (FOUR, 0.0625), id="ipv6-blackhole-route"
    ),
    pytest.param(
        {}, {SIX: fails(errno.EACCES), FOUR: GOOD}, {}, {SIX: 0, FOUR: 0}, (FOUR, 0.0625), id="ipv6-prohibited"
    ),
    pytest.param(
        {},
        {SIX: connects(0.125), FOUR: GOOD},
        {},
        {SIX: 0},
        (SIX, 0.125),
        id="ipv6-100-ms-late",
    ),
    pytest.param(
        {},
        {SIX: connects(0.4375), FOUR: DEAD},
        {},
        {SIX: 0, FOUR: 0.25},
        (SIX, 0.4375),
        id="slow-but-the-only-good-one",
    ),
    pytest.param(
        {}, {SIX: connects(0.4375), FOUR: GOOD}, {}, {SIX: 0, FOUR: 0.25}, (FOUR, 0.3125), id="ipv6-400-ms-late"
    ),
    pytest.param(
        {"listed": [SIX, SIX2, FOUR]},
        {SIX: DEAD, SIX2: DEAD, FOUR: GOOD},
        {},
        {SIX: 0, FOUR: 0.25},
        (FOUR, 0.3125),
        id="two-dead-ipv6-cost-one-delay",
    ),
    pytest.param(
        {"listed": [SIX, SIX2, FOUR, FOUR2]},
        {SIX: DEAD, SIX2: DEAD, FOUR: DEAD, FOUR2: GOOD},
        {},
        {SIX: 0, FOUR: 0.25, SIX2: 0.5, FOUR2: 0.75},
        (FOUR2, 0.8125),
        id="dead-in-both-families",
    ),
    pytest.param(
        {"after6": 2.0}, {SIX: GOOD, FOUR: GOOD}, {}, {FOUR: 0.0625}, (FOUR, 0.125), id="AAAA-two-seconds-late"
    ),
    pytest.param({"after6": NEVER}, {SIX: GOOD, FOUR: GOOD}, {}, {FOUR: 0.0625}, (FOUR, 0.125), id="AAAA-dropped"),
    pytest.param(
        {"after6": 0.03125}, {SIX: GOOD, FOUR: GOOD}, {}, {SIX: 0.03125}, (SIX, 0.09375), id="AAAA-within-the-delay"
    ),
    pytest.param({"after4": 2.0}, {SIX: GOOD, FOUR: GOOD}, {}, {SIX: 0}, (SIX, 0.0625), id="A-two-seconds-late"),
    pytest.param(
        {"after4": 0.125},
        {SIX: DEAD, FOUR: GOOD},
        {},
        {SIX: 0, FOUR: 0.25},
        (FOUR, 0.3125),
        id="A-joins-the-running-race",
    ),
    pytest.param(
        {"after4": 2.0}, {SIX: refuses(), FOUR: GOOD}, {}, {SIX: 0, FOUR: 2.0}, (FOUR, 2.0625), id="A-is-waited-for"
    ),
    pytest.param(
        {"error6": socket.gaierror(socket.EAI_FAIL, "SERVFAIL")},
        {FOUR: GOOD},
        {},
        {FOUR: 0},
        (FOUR, 0.0625),
        id="AAAA-servfail",
    ),
    pytest.param(
        {}, {SIX: DEAD, FOUR: DEAD}, {"timeout": 1.0}, {SIX: 0, FOUR: 0.25}, (TimeoutError, 1.0), id="everything-dead"
    ),
    pytest.param(
        {"after": NEVER}, {SIX: GOOD, FOUR: GOOD}, {"timeout": 0.5}, {}, (TimeoutError, 0.5), id="resolver-hung"
    ),
    pytest.param(
        {},
        {SIX: refuses(0.125), FOUR: refuses(0.125)},
        {},
        {SIX: 0, FOUR: 0.125},
        (ConnectionRefusedError, 0.25),
        id="all-refused",
    ),
    pytest.param(
        {},
        {SIX: DEAD, FOUR: GOOD},
        {"attempt_delay": None, "timeout": 8.0},
        {SIX: 0, FOUR: 4.0},
        (FOUR, 4.0625),
        id="one-at-a-time-shares-the-timeout",
    ),
    pytest.param({}, {SIX: DEAD, FOUR: GOOD}, {"family": IPv4}, {FOUR: 0}, (FOUR, 0.0625), id="family-forced"),
    pytest.param(
        {}, {SIX: DEAD, FOUR: GOOD}, {"attempt_delay": 0.125}, {SIX: 0, FOUR: 0.125}, (FOUR, 0.1875), id="other-delay"
    ),
]


@pytest.mark.parametrize(("answer", "plan", "keywords", "began", "end"), SCENARIOS)
def test_scenario(world, answer, plan, keywords, began, end):
    """The table of RFC 8305 with exact times; the ledger of the world is checked when the test ends."""
    answer = dict(answer)
    world.answer("name.example", answer.pop("listed", [SIX, FOUR]), **answer)
    script(world, plan)
    log = Log()
    settings = {"resolution_delay": 0.0625, "trace": log, **keywords}
    if isinstance(end[0], str):
        with connect("name.example", 443, **settings) as sock:
            assert (sock.getpeername()[0], world.now) == end
            assert sock.gettimeout() is None
        assert log.events[-1][0] in ("attempt-won", "attempt-dropped")
    else:
        with pytest.raises(end[0]) as caught:
            connect("name.example", 443, **settings)
        assert world.now == end[1]
        assert isinstance(caught.value, ConnectError)
        assert [a.endpoint.host for a in caught.value.attempts] == list(began)
        assert [a.started for a in caught.value.attempts] == list(began.values())
    assert log.started() == began


def test_defaults_of_the_rfc(world):
    world.answer("name.example", [SIX, FOUR], after6=NEVER)
    script(world, {FOUR: connects()})
    connect("name.example", 443).close()
    assert world.now == 0.05
    world.answer("other.example", [SIX, FOUR])
    script(world, {SIX: DEAD})
    connect("other.example", 443).close()
    assert world.now == 0.05 + 0.25


def test_order_is_that_of_rfc_6724_when_both_answers_are_there():
    """A host with only a unique-local IPv6 address starts with IPv4."""
    addresses = {"lo": ("127.0.0.1", "::1"), "eth0": ("192.0.2.100", "fd00::100")}
    with World(linux(addresses=addresses)) as world:
        world.answer("name.example", [SIX, FOUR], after=0.125)
        script(world, {SIX: DEAD, FOUR: GOOD})
        with connect("name.example", 443) as sock:
            assert (sock.getpeername()[0], world.now) == (FOUR, 0.1875)


def test_unique_local_destination_waits_for_ipv4_to_decide():
    addresses = {"lo": ("127.0.0.1", "::1"), "eth0": ("192.0.2.100", "fd00::100")}
    with World(linux(addresses=addresses)) as world:
        world.answer("name.example", ["fd00::1", FOUR], after4=0.03125)
        script(world, {"fd00::1": DEAD, FOUR: GOOD})
        with connect("name.example", 443) as sock:
            assert (sock.getpeername()[0], world.now) == (FOUR, 0.09375)


def test_a_host_without_ipv6_does_not_wait_for_AAAA():
    with World(linux(addresses={"lo": ("127.0.0.1",), "eth0": ("192.0.2.100",)})) as world:
        world.answer("name.example", [SIX, FOUR], after6=NEVER)
        script(world, {FOUR: GOOD})
        connect("name.example", 443).close()
        assert world.now == 0.0625


def test_scope_id_reaches_the_kernel(world):
    world.answer("router.example", ["fe80::7%eth0"])
    script(world, {"fe80::7": GOOD})
    with connect("router.example", 443) as sock:
        assert sock.getpeername() == ("fe80::7", 443, 0, 2)


def test_hosts_file_names_race_without_the_resolver(world):
    world.texts["/etc/hosts"] = f"{FOUR} build\n{SIX} build\n"
    script(world, {SIX: DEAD, FOUR: GOOD})
    with connect("build", 443) as sock:
        assert (sock.getpeername()[0], world.now) == (FOUR, 0.3125)
    assert "start_daemon" not in world.calls


def test_timeout_zero_is_over_at_once(world):
    world.answer("name.example", [SIX])
    with pytest.raises(TimeoutError):
        connect("name.example", 443, timeout=0)
    with pytest.raises(TimeoutError):
        connect(SIX, 443, timeout=0)


# ---------------------------------------------------------------------- one address


def test_a_literal_is_one_socket_and_one_connect(world):
    script(world, {FOUR: connects()})
    with connect(FOUR, 443) as sock:
        assert sock.getpeername() == (FOUR, 443)
    assert world.calls[:3] == ["socket", "connect", "getsockname"]
    assert "selector" not in world.calls


@pytest.mark.parametrize(
    ("outcome", "cls", "code", "said"),
    [
        pytest.param(refuses(0.125), ConnectionRefusedError, errno.ECONNREFUSED, "refused after 0.125 s", id="refused"),
        pytest.param(DEAD, TimeoutError, errno.ETIMEDOUT, "no answer for 1.000 s", id="deadline"),
        pytest.param(fails(errno.ETIMEDOUT, 0.5), TimeoutError, errno.ETIMEDOUT, "after 0.500 s", id="system-gave-up"),
        pytest.param(fails(errno.EHOSTUNREACH), ConnectError, errno.EHOSTUNREACH, "o route to host", id="no-route"),
    ],
)
@pytest.mark.parametrize("trace", [None, lambda event: None], ids=["direct", "race"])
def test_a_literal_that_fails(world, outcome, cls, code, said, trace):
    script(world, {FOUR: outcome})
    with pytest.raises(cls, match=said) as caught:
        connect(FOUR, 443, timeout=1.0, trace=trace)
    assert caught.value.errno == code
    assert str(caught.value).startswith(f"cannot connect to {FOUR}:443")
    (attempt,) = caught.value.attempts
    assert attempt.endpoint == IPv4Endpoint(FOUR, 443) and attempt.started == 0.0


@pytest.mark.parametrize("host", ["::", "0.0.0.0", "*", None])
@pytest.mark.parametrize("system", [linux, windows])
def test_unspecified_means_loopback_on_every_system(host, system):
    with World(system()) as world:
        world.occupy("127.0.0.1", 8080)
        with connect(host, 8080) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"


@pytest.mark.skipif(os.name != "posix", reason="the scripted host has POSIX paths, and os.path here has not")
def test_unix_path(world):
    with dualstack.open_listener("unix:/run/x.sock") as listener:
        with connect("unix:/run/x.sock") as sock, listener.accept(timeout=1)[0]:
            assert sock.getpeername() == "/run/x.sock"
        connect(UnixEndpoint("/run/x.sock")).close()
    with pytest.raises(ConnectError, match=r"cannot connect to unix:/run/none\.sock") as caught:
        connect("unix:/run/none.sock")
    assert caught.value.errno == errno.ENOENT


def test_options_are_set_before_the_connect(world):
    script(world, {FOUR: connects()})
    with connect(FOUR, 443, options=SocketOptions(no_delay=True)) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert world.calls.index("setsockopt") < world.calls.index("connect")


def test_options_may_be_a_function_of_each_socket(world):
    world.answer("example.com", [SIX, FOUR])
    script(world, {SIX: DEAD, FOUR: GOOD})
    families = []

    def keep_alive(sock):
        families.append(sock.family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    with connect("example.com", 443, options=keep_alive, history=None) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert families == [socket.AF_INET6, socket.AF_INET]
    last = len(world.calls) - world.calls[::-1].index("socket")  # sockets before it asked for a source address
    assert world.calls[last:].index("setsockopt") < world.calls[last:].index("connect")


def test_a_function_for_options_that_raises_leaves_no_socket(world):
    def fail(sock):
        raise PermissionError(errno.EPERM, "not for you")

    script(world, {FOUR: connects()})
    with pytest.raises(ConnectError) as caught:
        connect(FOUR, 443, options=fail)
    assert caught.value.errno == errno.EPERM


def test_a_self_connect_is_tried_again(world):
    world.destination("127.0.0.1", 50000, [self_connects(), connects()])
    with connect("127.0.0.1", 50000) as sock:
        assert sock.getsockname() != sock.getpeername()
    world.destination("127.0.0.1", 50001, [self_connects(), connects()])
    with connect("127.0.0.1", 50001, trace=lambda event: None) as sock:
        assert sock.getsockname() != sock.getpeername()


@pytest.mark.parametrize("trace", [None, lambda event: None], ids=["direct", "race"])
def test_nothing_but_self_connects_is_a_refusal(world, trace):
    world.destination("127.0.0.1", 50000, self_connects())
    with pytest.raises(ConnectionRefusedError, match="connected to itself") as caught:
        connect("127.0.0.1", 50000, trace=trace)
    assert len(caught.value.attempts) == 1
    assert world.calls.count("connect") == 3


# ---------------------------------------------------------------------- local=, allow=


def test_local_address_picks_the_family(world):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: GOOD, FOUR: GOOD})
    with connect("name.example", 443, local="192.0.2.100") as sock:
        assert sock.getpeername()[0] == FOUR and sock.getsockname()[0] == "192.0.2.100"
    with connect("name.example", 443, local=["192.0.2.100", "2001:db8::100"]) as sock:
        assert sock.getsockname()[0] == "2001:db8::100"


def test_without_a_matching_local_address_nothing_is_tried(world):
    world.answer("name.example", [SIX])
    with pytest.raises(ConnectError, match=r"no matching local address \(local=\)") as caught:
        connect("name.example", 443, local="192.0.2.100")
    assert caught.value.errno == errno.EADDRNOTAVAIL
    assert [a.started for a in caught.value.attempts] == [None]
    assert "bind" not in world.calls and "connect" not in world.calls[-1:]


def test_local_port(world):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: DEAD, FOUR: GOOD})
    with connect("name.example", 443, local=5000) as sock:
        assert sock.getsockname()[1] == 5000


@pytest.mark.parametrize("local", ["192.0.2.100:5000", "[2001:db8::100]:5000", IPv4Endpoint("192.0.2.100", 5000)])
def test_local_address_with_port(world, local):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: GOOD, FOUR: GOOD})
    with connect("name.example", 443, local=local) as sock:
        assert sock.getsockname()[1] == 5000


def test_local_address_of_somebody_else(world):
    with pytest.raises(ConnectError) as caught:
        script(world, {FOUR: GOOD})
        connect(FOUR, 443, local="198.51.100.1")
    assert caught.value.errno == errno.EADDRNOTAVAIL
    assert "cannot connect from 198.51.100.1 (local=)" in str(caught.value)  # the address of the row is not at fault


@pytest.mark.parametrize(
    ("local", "cls"),
    [
        ("name.example", ValueError),
        ("*", ValueError),
        ("unix:/x", ValueError),
        (3.5, TypeError),
        (b"10.0.0.1", TypeError),  # not ten ports
        ("127.1", AddressError),
    ],
)
def test_local_that_is_no_address(world, local, cls):
    with pytest.raises(cls):
        connect(FOUR, 443, local=local)
    assert world.open_things() == []


@pytest.mark.parametrize("local", ["%eth0", "eth0", "eth0:5000"])
def test_local_interface(world, local):
    script(world, {FOUR: GOOD})
    with connect(FOUR, 443, local=local) as sock:
        assert sock.getsockname()[0] == "192.0.2.100"
        assert local != "eth0:5000" or sock.getsockname()[1] == 5000


def test_local_interface_picks_the_right_address():
    """On the real host: the loopback interface has an address of each family."""
    local = "%lo"
    with socket.create_server(("127.0.0.1", 0)) as server, connect(*server.getsockname(), local=local) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"


def test_allow_sees_each_endpoint_before_its_socket(world):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: GOOD, FOUR: GOOD})
    seen = []

    def allow(endpoint) -> bool:
        seen.append((endpoint.host, sum(opened.type == socket.SOCK_STREAM for opened in world.kernel.table.values())))
        return endpoint.family == IPv4

    with connect("name.example", 443, allow=allow) as sock:
        assert sock.getpeername()[0] == FOUR
    assert seen == [(SIX, 0), (FOUR, 0), (FOUR, 1)]  # the last is the peer of the connected socket


def test_public_only_keeps_out_of_the_own_network(world):
    world.answer("evil.example", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe"])
    with pytest.raises(ConnectError, match="no address may be tried") as caught:
        connect("evil.example", 80, allow=dualstack.public_only)
    assert len(caught.value.attempts) == 5
    assert caught.value.errno == errno.EACCES
    with pytest.raises(ConnectError, match="not allowed"):
        connect("0.0.0.0", 80, allow=dualstack.public_only)


def test_networks_as_allow(world):
    script(world, {FOUR: GOOD})
    connect(FOUR, 443, allow=["192.0.2.0/24"]).close()
    with pytest.raises(ConnectError, match="not allowed"):
        connect(FOUR, 443, allow=["198.51.100.0/24"])


def test_allow_that_raises_leaves_nothing(world):
    world.answer("name.example", [SIX, FOUR])
    with pytest.raises(ZeroDivisionError):
        connect("name.example", 443, allow=lambda endpoint: 1 / 0)


def test_an_async_allow_does_not_let_everybody_in(world):
    asked = []

    async def allow(endpoint):
        asked.append(endpoint)
        return False

    script(world, {FOUR: GOOD})
    for host in (FOUR, "localhost"):
        with pytest.raises(TypeError, match="answers at once"):
            connect(host, 443, allow=allow)
    assert (world.open_things(), asked) == ([], [])


def test_a_peer_that_is_not_allowed_is_closed(world):
    script(world, {FOUR: connects()})
    answers = iter([True, False])
    with pytest.raises(ConnectError, match="the peer it ended up at is not allowed"):
        connect(FOUR, 443, allow=lambda endpoint: next(answers))


# ---------------------------------------------------------------------- history


def test_a_silent_family_does_not_cost_the_delay_again(world):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: DEAD, FOUR: connects()})
    connect("name.example", 443).close()
    assert world.now == 0.25
    connect("name.example", 443).close()
    assert world.now == 0.25
    world.sleep(600)
    connect("name.example", 443).close()
    assert world.now == 600.5


def test_history_belongs_to_the_host_and_the_network(world):
    world.answer("name.example", [SIX, FOUR])
    world.answer("other.example", [SIX, FOUR])
    script(world, {SIX: DEAD, FOUR: connects()})
    connect("name.example", 443).close()
    connect("other.example", 443).close()
    assert world.now == 0.5
    world.host.addresses["eth0"] = ("192.0.2.55", "2001:db8::100")  # another lease: another network, for all we know
    connect("name.example", 443).close()
    assert world.now == 0.75


def test_history_does_not_wait_for_the_silent_family(world):
    history = History()
    world.answer("name.example", [SIX, FOUR], after6=0.5)
    script(world, {SIX: connects(), FOUR: connects()})
    history.note("name.example", IPv6, (bytes([192, 0, 2, 100]), socket.inet_pton(IPv6, "2001:db8::100")), 0.0)
    connect("name.example", 443, history=history).close()
    assert world.now == 0.0


def test_a_family_that_works_again_is_forgotten(world):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: DEAD, FOUR: connects()})
    connect("name.example", 443).close()
    script(world, {SIX: connects(), FOUR: refuses()})
    connect("name.example", 443).close()
    assert len(dualstack.history) == 0


def test_no_history(world):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: DEAD, FOUR: connects()})
    for count in (1, 2):
        connect("name.example", 443, history=None).close()
        assert world.now == 0.25 * count
    assert len(dualstack.history) == 0


def test_a_slow_family_that_failed_otherwise_is_not_silent(world):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: refuses(0.125), FOUR: connects()})
    connect("name.example", 443).close()
    assert len(dualstack.history) == 0


# ---------------------------------------------------------------------- trace, errors


def test_trace_tells_everything_in_order(world):
    world.answer("name.example", [SIX, FOUR], after=0.125)
    script(world, {SIX: DEAD, FOUR: GOOD})
    log = Log()
    connect("name.example", 443, trace=log).close()
    assert (
        log.events
        == [
            ("lookup-started", 6, 0.0),
            ("lookup-started", 4, 0.0),
            ("lookup-answered", 6, 0.125),
            ("lookup-answered", 4, 0.125),
            ("attempt-started", SIX, 0.125),
            ("attempt-started", FOUR, 0.375),
            ("attempt-dropped", SIX, 0.4375),
            ("attempt-won", FOUR, 0.4375),
        ]
        or log.events[2][0] == "lookup-answered"
    )


@pytest.mark.parametrize(
    "kind", ["lookup-started", "lookup-answered", "attempt-started", "attempt-dropped", "attempt-won"]
)
def test_a_trace_that_raises_leaves_nothing(world, kind):
    world.answer("name.example", [SIX, FOUR])
    script(world, {SIX: DEAD, FOUR: GOOD})

    def trace(event) -> None:
        if event.kind == kind:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        connect("name.example", 443, trace=trace)
    assert world.open_things() == []


def test_the_error_is_a_table_with_the_look_ups(world):
    world.answer("name.example", [SIX], after4=NEVER)
    script(world, {SIX: refuses(0.125)})
    with pytest.raises(TimeoutError) as caught:
        connect("name.example", 443, timeout=1.0)
    assert str(caught.value).splitlines() == [
        "cannot connect to name.example port 443 within 1 s",
        f"  [{SIX}]:443   0.000 s  Connection refused after 0.125 s",
        "  IPv4 addresses of name.example: no answer from the resolver",
    ]


def test_unresolvable_is_a_resolve_error(world):
    with pytest.raises(ResolveError, match=r"'nowhere\.example' does not resolve"):
        connect("nowhere.example", 443)


class Names(doors.Doors):
    def getaddrinfo(self, name, *rest):
        if name == "name.example" and rest[1] == IPv4:
            return [(IPv4, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "name.example", "nowhere.example"])
@pytest.mark.parametrize("timeout", [None, 5])
def test_an_error_keeps_nothing_alive(host, timeout, uncollected):
    """On real sockets: no cycle holds the frames of a failed call, and so nothing waits for the collector."""

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    def fail(times: int) -> None:
        with doors.using(Names()):
            for _ in range(times):
                with pytest.raises((ConnectError, ResolveError)):
                    connect(host, port, timeout=timeout)
            while pool().threads:
                time.sleep(0)

    fail(1)  # what is imported on first use leaves garbage of its own
    while uncollected():
        pass
    fail(3)
    assert uncollected() == 0


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"attempt_delay": 0.001}, "attempt_delay"),
        ({"attempt_delay": 3}, "attempt_delay"),
        ({"resolution_delay": -1}, "resolution_delay"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"server_hostname": "example.com"}, "without tls="),
    ],
)
def test_settings_out_of_bounds(world, keywords, match):
    with pytest.raises(ValueError, match=match):
        connect(FOUR, 443, **keywords)
    assert world.calls == []


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"timeout": "5"}, "timeout is a number of seconds or None, not '5'"),
        ({"tls": True}, "tls is an ssl.SSLContext"),
        ({"options": {"no_delay": True}}, "options is a SocketOptions"),
        ({"history": False}, "history is a History, or None"),
        ({"allow": True}, "allow takes a function or a collection"),
    ],
)
def test_settings_of_another_type_open_nothing(world, keywords, match):
    with pytest.raises(TypeError, match=match):
        connect("localhost", 443, **keywords)
    assert world.open_things() == []


@pytest.mark.parametrize("timeout", [float("inf"), 1e7, 1e300])
@pytest.mark.parametrize("host", ["127.0.0.1", "build", "name.example"])
@pytest.mark.parametrize(
    "keywords", [{}, {"trace": lambda event: None}, {"attempt_delay": None}], ids=["plain", "trace", "in turn"]
)
def test_a_timeout_that_no_system_call_takes_is_none(timeout, host, keywords):
    class Names(doors.Doors):
        def getaddrinfo(self, host, port, family, *rest):
            return [(family, 0, 0, "", ("127.0.0.1", 0) if family == socket.AF_INET else ("::1", 0, 0, 0))]

        def file_stamp(self, path):
            return (1,)

        def read_file(self, path):
            return b"::1 build\n127.0.0.1 build\n"

    with socket.create_server(("127.0.0.1", 0)) as server, doors.using(Names()):
        with connect(
            "127.0.0.1" if host == SIX else host, server.getsockname()[1], timeout=timeout, **keywords
        ) as sock:
            assert sock.gettimeout() is None
        while pool().threads:
            time.sleep(0)


def test_no_time_to_try_a_known_address_is_not_the_resolvers_fault(world):
    with pytest.raises(TimeoutError, match="within 0 s: no time to try an address"):
        connect("localhost", 443, timeout=0)


@pytest.mark.parametrize("port", [65536, 65616, -1, "80abc", "+80"])
def test_bad_ports_reach_no_system_call(world, port):
    with pytest.raises(AddressError):
        connect("::1", port)
    assert world.calls == []


# ---------------------------------------------------------------------- faults


def race(world: World) -> None:
    world.answer("name.example", [SIX, FOUR], after=0.125, after4=0.1875)
    script(world, {SIX: DEAD, FOUR: connects(0.25)})
    connect("name.example", 443, timeout=5, local=["192.0.2.100", "2001:db8::100"]).close()


def literal(world: World) -> None:
    script(world, {FOUR: GOOD})
    connect(FOUR, 443, timeout=5, options=SocketOptions(no_delay=True)).close()


def turns(world: World) -> None:
    world.texts["/etc/hosts"] = f"{SIX} name.example\n{FOUR} name.example\n"
    script(world, {SIX: refuses(), FOUR: GOOD})
    connect("name.example", 443, timeout=5, local=["192.0.2.100", "2001:db8::100"]).close()


def turns_to_race(world: World) -> None:
    world.texts["/etc/hosts"] = f"{SIX} name.example\n{FOUR} name.example\n"
    script(world, {SIX: DEAD, FOUR: connects(0.25)})
    connect("name.example", 443, timeout=5).close()


@pytest.mark.parametrize("scenario", [race, literal, turns, turns_to_race])
def test_every_call_failing_in_turn_leaves_nothing_behind(scenario):
    """Every door call of a scenario fails with each fault; the ledger is empty each time and the error is ours."""

    def check(world: World, outcome: BaseException | None) -> None:
        dualstack.history.clear()
        world.clock.sleep(10.0)
        assert pool().threads == 0
        if outcome is not None:
            assert isinstance(outcome, (OSError, KeyboardInterrupt, MemoryError)), repr(outcome)

    assert sweep(lambda: World(linux()), scenario, faults=FAULTS, check=check) >= 5 * len(FAULTS)


def test_endpoint_types(world):
    script(world, {SIX: GOOD})
    with connect(IPv6Endpoint(SIX, 443)) as sock:
        assert sock.getpeername()[:2] == (SIX, 443)
    with connect(dualstack.parse(f"[{SIX}]:443")) as sock:
        assert sock.getpeername()[:2] == (SIX, 443)
