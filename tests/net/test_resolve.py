"""resolve: what is answered without asking, what is asked how, in which order it comes, and what goes wrong."""

from __future__ import annotations

import builtins
import socket
import threading
import time

import pytest

import dualstack
from dualstack import AddressError, Endpoint, IPv4Endpoint, IPv6Endpoint, ResolveError, UnixEndpoint, doors, resolve
from dualstack.core.endpoint import AF_UNIX
from dualstack.net import lookup as lookup_module
from dualstack.net.lookup import LIMIT, Pool, pool
from dualstack.testing import World, linux
from dualstack.testing.faults import FAULTS, sweep

IPv4, IPv6 = socket.AF_INET, socket.AF_INET6
NEVER = float("inf")


def hosts(endpoints) -> list[str]:
    return [e.host for e in endpoints]


# ---------------------------------------------------------------------- without asking


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        pytest.param("192.0.2.1", 80, ["192.0.2.1:80"], id="ipv4"),
        pytest.param("2001:DB8::1", 80, ["[2001:db8::1]:80"], id="ipv6"),
        pytest.param("[2001:db8::1]:443", None, ["[2001:db8::1]:443"], id="ipv6-with-port"),
        pytest.param("192.0.2.1:http", None, ["192.0.2.1:80"], id="well-known-service"),
        pytest.param("192.0.2.1", "https", ["192.0.2.1:443"], id="service-argument"),
        pytest.param("fe80::1%eth0", 80, ["[fe80::1%eth0]:80"], id="zone-name"),
        pytest.param("fe80::1%2", 80, ["[fe80::1%2]:80"], id="zone-index"),
        pytest.param("localhost", 80, ["[::1]:80", "127.0.0.1:80"], id="localhost"),
        pytest.param("LocalHost.", 80, ["[::1]:80", "127.0.0.1:80"], id="localhost-any-case-and-dot"),
        pytest.param("db.localhost", 80, ["[::1]:80", "127.0.0.1:80"], id="below-localhost"),
        pytest.param("tcp4://localhost:80", None, ["127.0.0.1:80"], id="scheme-picks-the-family"),
        pytest.param("*", 80, ["[::1]:80", "127.0.0.1:80"], id="wildcard"),
        pytest.param(
            "%eth0", 80, ["[fe80::100%eth0]:80", "[2001:db8::100]:80", "192.0.2.100:80"], id="interface-best-first"
        ),
        pytest.param("unix:/run/x.sock", None, ["unix:/run/x.sock"], id="unix"),
        pytest.param(IPv4Endpoint("192.0.2.1", 1), None, ["192.0.2.1:1"], id="endpoint"),
        pytest.param(dualstack.parse("[::1]:80"), None, ["[::1]:80"], id="address"),
    ],
)
def test_needs_no_resolver(world, host, port, expected):
    assert [str(e) for e in resolve(host, port)] == expected
    assert "getaddrinfo" not in world.calls and "start_daemon" not in world.calls


def test_passive_wildcard_is_what_to_bind(world):
    assert hosts(resolve("*", 80, passive=True)) == ["::", "0.0.0.0"]
    assert hosts(resolve(None, 80, passive=True, family=IPv4)) == ["0.0.0.0"]


@pytest.mark.parametrize(("family", "expected"), [(IPv4, ["127.0.0.1"]), (IPv6, ["::1"])])
def test_family_picks(world, family, expected):
    assert hosts(resolve("localhost", 80, family=family)) == expected


def test_scope_id_of_a_zone_name(world):
    (endpoint,) = resolve("fe80::1%eth0", 80)
    assert endpoint.sockaddr == ("fe80::1", 80, 0, 2)


def test_hosts_file_names_ask_nobody(world):
    world.texts["/etc/hosts"] = "192.0.2.7 build\n2001:db8::7 build\n192.0.2.8 old\n"
    assert hosts(resolve("Build", 80)) == ["2001:db8::7", "192.0.2.7"]
    assert hosts(resolve("old", 80)) == ["192.0.2.8"]
    assert world.resolver.questions == []


def test_hosts_file_answers_are_ranked():
    with World(linux(addresses={"lo": ("127.0.0.1", "::1"), "eth0": ("192.0.2.100", "fe80::1")})) as world:
        world.texts["/etc/hosts"] = "2001:db8::7 build\n192.0.2.7 build\n"
        assert hosts(resolve("build", 80)) == ["192.0.2.7", "2001:db8::7"]


def test_hosts_file_is_read_again_when_it_changes(world):
    world.answer("build", ["192.0.2.9"])
    world.texts["/etc/hosts"] = "192.0.2.7 build\n"
    assert hosts(resolve("build", 80)) == ["192.0.2.7"]
    assert hosts(resolve("build", 80)) == ["192.0.2.7"]
    assert world.calls.count("read_file") == 1
    world.texts["/etc/hosts"] = "192.0.2.8 build\n"
    assert hosts(resolve("build", 80)) == ["192.0.2.8"]
    del world.texts["/etc/hosts"]
    assert hosts(resolve("build", 80)) == ["192.0.2.9"]


def test_hosts_file_of_the_other_family_is_left_to_the_resolver(world):
    world.texts["/etc/hosts"] = "192.0.2.7 build\n"
    world.answer("build", ["2001:db8::9"])
    assert hosts(resolve("build", 80, family=IPv6)) == ["2001:db8::9"]


def test_hosts_file_after_dns_is_left_to_the_resolver(world):
    world.texts["/etc/nsswitch.conf"] = "hosts: dns files\n"
    world.texts["/etc/hosts"] = "192.0.2.7 build\n"
    world.answer("build", ["192.0.2.9"])
    assert hosts(resolve("build", 80)) == ["192.0.2.9"]


def test_unreadable_hosts_file_is_no_hosts_file(world):
    world.texts["/etc/hosts"] = "192.0.2.7 build\n"
    world.answer("build", ["192.0.2.9"])
    world.fail("read_file", 13)
    assert hosts(resolve("build", 80)) == ["192.0.2.9"]


# ---------------------------------------------------------------------- asking


def test_both_families_are_asked_apart_and_the_port_is_ours(world):
    world.answer("name.example", ["192.0.2.1", "2001:db8::1"], after=0.125)
    assert [str(e) for e in resolve("name.example", 80)] == ["[2001:db8::1]:80", "192.0.2.1:80"]
    assert world.resolver.questions == [("name.example", None, IPv6), ("name.example", None, IPv4)]
    assert world.now == 0.125  # side by side, not one after the other


def test_one_family_asks_once(world):
    world.answer("name.example", ["192.0.2.1", "2001:db8::1"])
    assert hosts(resolve("name.example", 80, family=IPv4)) == ["192.0.2.1"]
    assert world.resolver.questions == [("name.example", None, IPv4)]


def test_answers_are_ranked_by_rfc_6724():
    addresses = {"lo": ("127.0.0.1", "::1"), "eth0": ("192.0.2.100", "fd00::100")}
    with World(linux(addresses=addresses)) as world:
        world.answer("name.example", ["2001:db8::1", "192.0.2.1"])
        assert hosts(resolve("name.example", 80)) == ["192.0.2.1", "2001:db8::1"]


def test_the_administrators_policy_counts(world):
    world.answer("name.example", ["2001:db8::1", "192.0.2.1"])
    assert hosts(resolve("name.example", 80)) == ["2001:db8::1", "192.0.2.1"]
    world.texts["/etc/gai.conf"] = "precedence ::ffff:0:0/96 100\n"
    world.clock.sleep(1.0)  # it is looked at once a second
    assert hosts(resolve("name.example", 80)) == ["192.0.2.1", "2001:db8::1"]


def test_duplicates_vanish_in_order(world):
    world.answer("name.example", ["192.0.2.2", "192.0.2.1", "192.0.2.2", "192.0.2.1"])
    assert hosts(resolve("name.example", 80)) == ["192.0.2.2", "192.0.2.1"]


def test_mapped_answers_come_unmapped(world):
    world.answer("name.example", ["::ffff:192.0.2.1"])
    assert resolve("name.example", 80) == [IPv4Endpoint("192.0.2.1", 80)]


def test_scope_ids_of_answers_survive(world):
    world.answer("name.example", ["fe80::7%eth0"])
    (endpoint,) = resolve("name.example", 80)
    assert endpoint.sockaddr == ("fe80::7", 80, 0, 2)


def test_a_failed_family_is_left_out(world):
    world.answer("name.example", ["192.0.2.1"], error6=socket.gaierror(socket.EAI_AGAIN, "Temporary failure"))
    assert hosts(resolve("name.example", 80)) == ["192.0.2.1"]


def test_a_silent_family_is_left_out_at_the_timeout(world):
    world.answer("name.example", ["192.0.2.1", "2001:db8::1"], after6=NEVER)
    assert hosts(resolve("name.example", 80, timeout=0.5)) == ["192.0.2.1"]
    assert world.now == 0.5


def test_timeout(world):
    world.answer("name.example", ["192.0.2.1"], after=NEVER)
    with pytest.raises(ResolveError, match=r"'name.example' does not resolve: no answer within 0.5 s") as caught:
        resolve("name.example", 80, timeout=0.5)
    assert world.now == 0.5
    assert caught.value.errno == socket.EAI_AGAIN
    assert (caught.value.host, caught.value.port) == ("name.example", 80)


def test_no_such_name(world):
    with pytest.raises(ResolveError, match=r"'nowhere.example' does not resolve: ") as caught:
        resolve("nowhere.example", 80)
    assert caught.value.errno == socket.EAI_NONAME
    assert isinstance(caught.value, socket.gaierror)
    assert isinstance(caught.value.__cause__, socket.gaierror)


def test_a_temporary_failure_tells_more_than_no_such_name(world):
    world.answer("name.example", [], error4=socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    with pytest.raises(ResolveError, match="Temporary failure") as caught:
        resolve("name.example", 80)
    assert caught.value.errno == socket.EAI_AGAIN


@pytest.mark.parametrize(
    "error", [UnicodeError("label too long"), OSError(24, "Too many open files")], ids=["unicode", "errno"]
)
def test_whatever_getaddrinfo_raises_is_a_resolve_error(world, error):
    world.answer("name.example", [], error=error)
    with pytest.raises(ResolveError) as caught:
        resolve("name.example", 80)
    assert isinstance(caught.value.__cause__, type(error))


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()])
def test_what_is_not_about_the_name_comes_through(world, error):
    world.answer("name.example", [], error=error)
    with pytest.raises(type(error)):
        resolve("name.example", 80)


# ---------------------------------------------------------------------- refused before any system call


@pytest.mark.parametrize(
    ("host", "port"),
    [
        pytest.param("a..b", 80, id="empty-label"),
        pytest.param("a" * 64, 80, id="label-of-64"),
        pytest.param(("a" * 60 + ".") * 5, 80, id="name-of-305"),
        pytest.param("127.0.0.1\0evil", 80, id="NUL"),
        pytest.param("name\0", 80, id="NUL-in-a-name"),
        pytest.param("name", "80\0x", id="NUL-in-a-service"),
        pytest.param("::1", 65536, id="port-65536"),
        pytest.param("::1", 65616, id="port-that-would-wrap"),
        pytest.param("::1", -1, id="port-below-zero"),
        pytest.param("::1", " 80", id="blank-in-a-port"),
        pytest.param("::1", "+80", id="sign-in-a-port"),
        pytest.param("127.1", 80, id="short-ipv4"),
        pytest.param("0x7f.0.0.1", 80, id="hexadecimal-ipv4"),
        pytest.param("2130706433", 80, id="integer-ipv4"),
        pytest.param("010.0.0.1", 80, id="octal-ipv4"),
        pytest.param("127.0.0.1 foo", 80, id="junk-behind"),
        pytest.param("\uff11\uff12\uff17.0.0.1", 80, id="full-width-digits"),
        pytest.param("127\u30020\u30020\u30021", 80, id="ideographic-stops"),
        pytest.param("fe80::1%eth0\r\nX: 1", 80, id="CRLF-in-a-zone"),
        pytest.param("2001:db8::1%eth0", 80, id="zone-on-a-global-address"),
        pytest.param("fe80::1", 80, id="link-local-without-zone"),
        pytest.param("fd://3", None, id="descriptor"),
        pytest.param("udp://name:80", None, id="udp-scheme"),
    ],
)
def test_refused(world, host, port):
    with pytest.raises(AddressError):
        resolve(host, port)
    assert world.calls == []


def test_link_local_without_zone_names_the_candidates():
    """On the real host: the suggestion comes from its interfaces."""
    with pytest.raises(AddressError, match="a link-local address needs a zone"):
        resolve("fe80::1", 80)


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        pytest.param("fe80::1%nope0", 80, socket.EAI_NONAME, id="unknown-zone"),
        pytest.param("192.0.2.1", "no-such-svc", socket.EAI_SERVICE, id="unknown-service"),
        pytest.param("tcp6://name:80", None, socket.EAI_NONAME, id="name-without-that-family"),
    ],
)
def test_cannot_be_resolved_here(world, host, port, code):
    world.answer("name", ["192.0.2.1"])
    with pytest.raises(ResolveError) as caught:
        resolve(host, port)
    assert caught.value.errno == code


def test_wrong_family_for_a_literal(world):
    for host in ("::1", "unix:/x"):
        with pytest.raises(ResolveError, match="not of the family asked for"):
            resolve(host, 80, family=IPv4)
    with pytest.raises(ResolveError, match="not of the family asked for"):
        resolve("tcp6://name", 80, family=IPv4)
    with pytest.raises(ResolveError, match="not a Unix path"):
        resolve("name", 80, family=AF_UNIX)


def test_unknown_family_number(world):
    with pytest.raises(ValueError, match="family must be"):
        resolve("name", 80, family=99)


def test_services_of_the_system(world):
    assert resolve("192.0.2.1", "ssh")[0].port == 22
    assert "getservbyname" not in world.calls  # one of the well-known few
    with pytest.raises(ResolveError, match="no udp service is named 'frobnicate'"):
        resolve("192.0.2.1", "frobnicate", type=socket.SOCK_DGRAM)


# ---------------------------------------------------------------------- international names


def fake_idna(monkeypatch, encode):
    import sys
    import types

    module = types.ModuleType("idna")
    module.encode = encode
    monkeypatch.setitem(sys.modules, "idna", module)


def test_international_name_without_the_package(world, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name == "idna":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ResolveError, match="install the package 'idna'"):
        resolve("bücher.example", 80)


def test_international_name(world, monkeypatch):
    fake_idna(monkeypatch, lambda name, uts46: b"xn--bcher-kva.example")
    world.answer("xn--bcher-kva.example", ["192.0.2.1"])
    assert hosts(resolve("bücher.example", 80)) == ["192.0.2.1"]


@pytest.mark.parametrize("encoded", [b"127.0.0.1", b"::1"])
def test_what_the_mapping_turns_into_an_address_is_refused(world, monkeypatch, encoded):
    fake_idna(monkeypatch, lambda name, uts46: encoded)
    with pytest.raises(ResolveError, match="an address in disguise"):
        resolve("bücher.example", 80)


def test_what_the_mapping_turns_into_a_short_address_is_refused(world, monkeypatch):
    fake_idna(monkeypatch, lambda name, uts46: b"127.1")
    with pytest.raises(AddressError):
        resolve("bücher.example", 80)


def test_not_a_name_by_idna(world, monkeypatch):
    def encode(name, uts46):
        raise UnicodeError("Codepoint not allowed")

    fake_idna(monkeypatch, encode)
    with pytest.raises(ResolveError, match="not a name by IDNA 2008: Codepoint not allowed"):
        resolve("bücher.example", 80)


# ---------------------------------------------------------------------- the pool


def test_same_question_is_asked_once(world):
    world.answer("name.example", ["192.0.2.1"], after=0.25)
    got = []
    first = pool().ask("name.example", IPv4, got.append)
    assert pool().ask("Name.Example", IPv4, got.append) is first
    assert pool().ask("name.example", IPv6, got.append) is not first
    world.sleep(1.0)
    assert got.count(first) == 2 and len(got) == 3
    assert len(world.resolver.questions) == 2
    assert pool().threads == 0


def test_never_more_threads_than_the_limit(world):
    for index in range(100):
        world.answer(f"host{index}.example", ["192.0.2.1"], after=NEVER)
    for index in range(100):
        with pytest.raises(ResolveError):
            resolve(f"host{index}.example", 80, family=IPv4, timeout=0.001)
    assert pool().threads == LIMIT
    assert pool().waiting == 0  # nobody waits for the others any more, so they are not asked
    with pytest.raises(ResolveError, match="no answer within 1 s"):
        resolve("another.example", 80, timeout=1)


def test_the_error_says_that_the_pool_is_full(world, monkeypatch):
    monkeypatch.setattr(lookup_module, "LIMIT", 1)
    for name in ("a.example", "b.example"):
        world.answer(name, ["192.0.2.1"], after=NEVER)
    pool().ask("a.example", IPv4, lambda lookup: None)
    pool().ask("b.example", IPv4, lambda lookup: None)
    with pytest.raises(ResolveError, match="1 look-ups wait for a thread"):
        resolve("c.example", 80, timeout=0.5)


def test_a_queued_question_is_asked_when_a_thread_is_free(world, monkeypatch):
    monkeypatch.setattr(lookup_module, "LIMIT", 1)
    world.answer("slow.example", ["192.0.2.1"], after=0.5)
    world.answer("fast.example", ["192.0.2.2"])
    pool().ask("slow.example", IPv4, lambda lookup: None)
    assert hosts(resolve("fast.example", 80, family=IPv4)) == ["192.0.2.2"]
    assert world.now == 0.5


def test_forgetting_keeps_what_others_wait_for(world, monkeypatch):
    monkeypatch.setattr(lookup_module, "LIMIT", 1)
    world.answer("slow.example", ["192.0.2.1"], after=0.5)
    world.answer("name.example", ["192.0.2.2"])
    kept, gone = [], []
    pool().ask("slow.example", IPv4, lambda lookup: None)
    shared = pool().ask("name.example", IPv4, kept.append)
    pool().ask("name.example", IPv4, gone.append)
    pool().forget(shared, gone.append)
    world.sleep(1.0)
    assert kept == [shared] and gone == []


def test_no_thread_to_be_had(world):
    world.fail("start_daemon", RuntimeError("can't start new thread"))
    world.answer("name.example", ["192.0.2.1"])
    with pytest.raises(RuntimeError, match="can't start new thread"):
        resolve("name.example", 80)
    assert pool().threads == 0 and pool().waiting == 0
    assert hosts(resolve("name.example", 80)) == ["192.0.2.1"]


def test_no_second_thread_to_be_had(world):
    world.answer("name.example", ["192.0.2.1", "2001:db8::1"], after=0.25)
    world.fail("start_daemon", RuntimeError("can't start new thread"), nth=2)
    assert hosts(resolve("name.example", 80)) == ["2001:db8::1", "192.0.2.1"]
    assert world.now == 0.5  # the one thread asks twice


def test_a_forked_child_has_a_pool_of_its_own(world):
    before = pool()
    assert pool() is before
    world.pid += 1
    assert pool() is not before


def scenario(world: World) -> None:
    world.answer("name.example", ["192.0.2.1", "2001:db8::1"], after=0.125)
    resolve("name.example", 80, timeout=1)


def test_every_call_failing_in_turn_leaves_nothing_behind():
    def check(world: World, outcome: BaseException | None) -> None:
        world.clock.sleep(1.0)  # an answer that nobody waits for any more ends its thread
        assert pool().threads == 0 and pool().waiting == 0
        if outcome is None:
            return
        assert isinstance(outcome, (OSError, KeyboardInterrupt, MemoryError))

    assert sweep(lambda: World(linux()), scenario, faults=FAULTS, check=check) > len(FAULTS) * 8


# ---------------------------------------------------------------------- the real resolver


def test_real_lookup_of_a_name_that_cannot_exist():
    with pytest.raises(ResolveError):
        resolve("nonexistent.invalid", 80, timeout=30)


class Hung(doors.Doors):
    """The real world with a resolver that answers when told to."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def getaddrinfo(self, *arguments):
        self.gate.wait()
        return [(IPv4, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]


def test_real_threads_share_and_go_away():
    door = Hung()
    results = []
    with doors.using(door):
        threads = [
            threading.Thread(target=lambda: results.append(resolve("name.example", 80, timeout=20))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        the_pool = pool()
        assert the_pool.threads <= 2
        door.gate.set()
        for thread in threads:
            thread.join()
    assert results == [[IPv4Endpoint("192.0.2.1", 80)]] * 8
    while the_pool.threads:  # they end after the last answer; the suite's timeout bounds this
        time.sleep(0)


def test_real_timeout_does_not_wait_for_the_hung_thread():
    door = Hung()
    with doors.using(door):
        with pytest.raises(ResolveError, match="no answer within"):
            resolve("name.example", 80, timeout=0.01)
        the_pool = pool()
        assert the_pool.threads == 2
        door.gate.set()
        while the_pool.threads:
            time.sleep(0)


def test_nothing_is_kept_alive_by_an_error(world, uncollected):
    for _ in range(3):
        try:
            resolve("nowhere.example", 80)
        except ResolveError:
            pass
    assert uncollected() == 0


def test_types():
    assert issubclass(ResolveError, OSError)
    assert isinstance(resolve("::1", 1)[0], IPv6Endpoint)
    assert isinstance(resolve("unix:/x")[0], UnixEndpoint)
    assert all(isinstance(e, Endpoint) for e in resolve("localhost", 1))
    assert isinstance(pool(), Pool)
