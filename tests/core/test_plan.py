"""The bind plan: (requests, what the system answers) -> (sockets opened, sockets closed, error).

A table row says what is asked for and which binds fail, and names the sockets that are open in the end. ``dual`` is a
socket of both families, ``v6`` an IPv6-only one.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.core.endpoint import Endpoint, IPv4Endpoint, IPv6Endpoint
from dualstack.core.plan import PORT_ROUNDS, Bind, CloseAll, Failed, PlanFailed, Request, bind_plan

INUSE, NOTAVAIL, NOFAMILY = errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT
EINVAL, EACCES, EMFILE = errno.EINVAL, errno.EACCES, errno.EMFILE

#: Answers a bind: None for success, or stage and errno.
System = Callable[[str], tuple[str, int] | None]


def name(bind: Bind) -> str:
    """``"dual :::80"``, ``"v6 ::1:80"``, ``"v4 0.0.0.0:80"``: what a bind asks for."""
    kind = "v4" if isinstance(bind.endpoint, IPv4Endpoint) else "v6" if bind.v6only else "dual"
    return f"{kind} {bind.endpoint.host}:{bind.endpoint.port}"


class Run:
    """Carries a plan out on a scripted system."""

    def __init__(self, requests: Sequence[Request], system: System = lambda bind: None) -> None:
        self.log: list[str] = []
        self.open: list[str] = []
        self.rounds = 1
        self.failure: PlanFailed | None = None
        self.ports = itertools.count(50_000)
        plan = bind_plan(requests)
        answer: int | Failed | None = None
        try:
            while True:
                command = next(plan) if answer is None else plan.send(answer)
                if isinstance(command, CloseAll):
                    self.log.append("close all")
                    self.open.clear()
                    self.rounds += 1
                    answer = 0
                else:
                    answer = self.bind(command, system)
        except StopIteration:
            pass
        except PlanFailed as failure:
            self.failure = failure
            self.open.clear()  # as the driver does

    def bind(self, command: Bind, system: System) -> int | Failed:
        wanted = name(command)
        self.log.append(wanted)
        refusal = system(wanted)
        if refusal is not None:
            stage, code = refusal
            return Failed(stage, OSError(code, os.strerror(code)))
        port = command.endpoint.port or next(self.ports)
        self.open.append(f"{wanted.rpartition(':')[0]}:{port}")
        return port

    @property
    def error(self) -> int | None:
        return self.failure.decisive[1].errno if self.failure else None


def both(port: int = 80, **how: bool) -> Request:
    return Request.both(port, **how)


def one(text: str) -> Request:
    endpoint = Endpoint.parse(text)
    assert isinstance(endpoint, IPv4Endpoint | IPv6Endpoint)
    return Request.one(endpoint)


def of_name(*texts: str, group: str = "localhost") -> list[Request]:
    return [Request.one(Endpoint.parse(text), optional=True, group=group) for text in texts]  # type: ignore[arg-type]


def refuses(**rules: tuple[str, int]) -> System:
    """Refuse binds by a piece of their name: ``refuses(dual=("v6only", EINVAL))``; _ stands for a colon or a dot."""

    def system(bind: str) -> tuple[str, int] | None:
        plain = bind.replace(":", "_").replace(".", "_").replace(" ", "_")
        return next((answer for piece, answer in rules.items() if piece in plain), None)

    return system


NO_DUAL = refuses(dual=("v6only", EINVAL))
NO_IPV6 = refuses(dual=("socket", NOFAMILY), v6=("socket", NOFAMILY))
NO_LOOPBACK6 = refuses(v6___1=("bind", NOTAVAIL))
NO_IPV4 = refuses(v4=("socket", NOFAMILY))


@pytest.mark.parametrize(
    ("requests", "system", "opened", "error"),
    [
        pytest.param([both()], None, ["dual :::80"], None, id="dual-works"),
        pytest.param([both()], NO_DUAL, ["v6 :::80", "v4 0.0.0.0:80"], None, id="v6only-cannot-be-switched-off"),
        pytest.param([both()], NO_IPV6, ["v4 0.0.0.0:80"], None, id="no-IPv6"),
        pytest.param(
            [both()],
            refuses(dual=("bind", NOTAVAIL), v6=("bind", NOTAVAIL)),
            ["v4 0.0.0.0:80"],
            None,
            id="IPv6-disabled-strictly",
        ),
        pytest.param(
            [both()],
            refuses(dual=("v6only", EINVAL), v4=("socket", NOFAMILY)),
            ["v6 :::80"],
            None,
            id="no-IPv4-and-no-dual",
        ),
        pytest.param([both()], lambda bind: ("socket", NOFAMILY), [], NOFAMILY, id="no-family-at-all"),
        pytest.param([both()], refuses(dual=("bind", INUSE)), [], INUSE, id="dual-port-taken"),
        pytest.param([both()], refuses(dual=("bind", EACCES)), [], EACCES, id="dual-privileged"),
        pytest.param([both()], refuses(dual=("socket", EMFILE)), [], EMFILE, id="shortage-is-no-missing-family"),
        pytest.param(
            [both()], refuses(dual=("v6only", EINVAL), v4=("bind", INUSE)), [], INUSE, id="second-of-two-taken"
        ),
        pytest.param([both(insist=True)], None, ["dual :::80"], None, id="insist-dual-works"),
        pytest.param([both(insist=True)], NO_DUAL, ["v6 :::80", "v4 0.0.0.0:80"], None, id="insist-two-sockets"),
        pytest.param([both(insist=True)], NO_IPV6, [], NOFAMILY, id="insist-no-IPv6"),
        pytest.param([one("[::1]:80")], None, ["v6 ::1:80"], None, id="literal"),
        pytest.param([one("[::1]:80")], NO_LOOPBACK6, [], NOTAVAIL, id="literal-missing"),
        pytest.param([one("[::1]:80")], NO_IPV6, [], NOFAMILY, id="literal-no-family"),
        pytest.param(
            [one("127.0.0.1:80"), one("[::1]:80")], NO_LOOPBACK6, [], NOTAVAIL, id="one-literal-of-two-missing"
        ),
        pytest.param([one("[::]:80")], None, ["v6 :::80"], None, id="IPv6-only-wildcard"),
        pytest.param([one("[::]:80")], NO_IPV6, [], NOFAMILY, id="IPv6-only-wildcard-no-IPv6"),
        pytest.param([one("0.0.0.0:80")], None, ["v4 0.0.0.0:80"], None, id="IPv4-wildcard"),
        pytest.param(of_name("[::1]:80", "127.0.0.1:80"), None, ["v6 ::1:80", "v4 127.0.0.1:80"], None, id="localhost"),
        pytest.param(
            of_name("[::1]:80", "127.0.0.1:80"), NO_LOOPBACK6, ["v4 127.0.0.1:80"], None, id="localhost-no-::1"
        ),
        pytest.param(of_name("[::1]:80", "127.0.0.1:80"), NO_IPV6, ["v4 127.0.0.1:80"], None, id="localhost-no-IPv6"),
        pytest.param(of_name("[::1]:80", "127.0.0.1:80"), NO_IPV4, ["v6 ::1:80"], None, id="localhost-no-IPv4"),
        pytest.param(
            of_name("[::1]:80", "127.0.0.1:80"), refuses(_1_80=("bind", NOTAVAIL)), [], NOTAVAIL, id="localhost-nothing"
        ),
        pytest.param(
            of_name("[::1]:80", "127.0.0.1:80"), refuses(v6=("bind", INUSE)), [], INUSE, id="localhost-taken-is-no-skip"
        ),
        pytest.param(
            [*of_name("[::1]:80"), one("127.0.0.1:80")],
            NO_LOOPBACK6,
            [],
            NOTAVAIL,
            id="a-literal-does-not-stand-in-for-a-name",
        ),
        pytest.param(
            [*of_name("[::1]:80", group="a"), *of_name("127.0.0.1:80", group="b")],
            NO_LOOPBACK6,
            [],
            NOTAVAIL,
            id="nor-another-name",
        ),
        pytest.param(
            [*of_name("127.0.0.1:80"), one("127.0.0.1:80")],
            refuses(v4=("bind", NOTAVAIL)),
            [],
            NOTAVAIL,
            id="a-literal-that-a-name-has-too-is-not-skipped",
        ),
        pytest.param(
            [one("127.0.0.1:80"), *of_name("[::1]:80", "127.0.0.1:80")],
            NO_LOOPBACK6,
            ["v4 127.0.0.1:80"],
            None,
            id="a-literal-serves-the-name-it-belongs-to",
        ),
        pytest.param(
            [one("0.0.0.0:80"), *of_name("[::1]:80", "127.0.0.1:80")],
            NO_LOOPBACK6,
            ["v4 0.0.0.0:80"],
            None,
            id="so-does-a-wildcard",
        ),
        pytest.param(
            [*of_name("[::1]:80", "127.0.0.1:80", group="a"), *of_name("127.0.0.1:80", group="b")],
            NO_LOOPBACK6,
            ["v4 127.0.0.1:80"],
            None,
            id="an-address-of-two-names-serves-both",
        ),
        pytest.param(
            [one("127.0.0.1:1"), one("127.0.0.1:2"), one("127.0.0.1:3")],
            refuses(_3=("bind", INUSE)),
            [],
            INUSE,
            id="third-of-three",
        ),
        pytest.param(
            [one("0.0.0.0:80"), both()], None, ["v4 0.0.0.0:80", "v6 :::80"], None, id="both-wildcards-v4-first"
        ),
        pytest.param(
            [both(), one("0.0.0.0:80")], None, ["v6 :::80", "v4 0.0.0.0:80"], None, id="both-wildcards-v6-first"
        ),
        pytest.param([one("0.0.0.0:80"), both()], NO_IPV6, ["v4 0.0.0.0:80"], None, id="both-wildcards-no-IPv6"),
        pytest.param([one("0.0.0.0:80"), both()], NO_IPV4, [], NOFAMILY, id="both-wildcards-no-IPv4"),
        pytest.param(
            of_name("127.0.0.1:80", "0.0.0.0:80"),
            refuses(v4=("bind", NOTAVAIL)),
            [],
            NOTAVAIL,
            id="a-wildcard-of-a-name-stands-for-its-addresses",
        ),
        pytest.param(
            [one("0.0.0.0:80"), both(), *of_name("[::1]:80")],
            NO_IPV6,
            ["v4 0.0.0.0:80"],
            None,
            id="both-wildcards-and-a-name-no-IPv6",
        ),
        pytest.param(
            [one("0.0.0.0:80"), both(), one("[::1]:80")], NO_IPV6, [], NOFAMILY, id="both-wildcards-and-a-written-IPv6"
        ),
        pytest.param(
            [one("0.0.0.0:80"), both(81)], None, ["v4 0.0.0.0:80", "dual :::81"], None, id="wildcards-of-two-ports"
        ),
        pytest.param(
            [one("0.0.0.0:80"), one("[::]:80")], None, ["v4 0.0.0.0:80", "v6 :::80"], None, id="v4-and-v6only-wildcards"
        ),
        pytest.param([both(), one("[::]:80")], None, ["dual :::80"], None, id="v6only-beside-dual"),
        pytest.param([both(), both()], None, ["dual :::80"], None, id="twice"),
        pytest.param(
            [both(), one("127.0.0.1:80"), one("[::1]:80")], None, ["dual :::80"], None, id="served-by-the-wildcard"
        ),
        pytest.param([one("127.0.0.1:80"), both()], None, ["dual :::80"], None, id="served-by-a-later-wildcard"),
        pytest.param(
            [one("0.0.0.0:80"), one("127.0.0.1:80"), one("[::1]:80")],
            None,
            ["v4 0.0.0.0:80", "v6 ::1:80"],
            None,
            id="v4-wildcard-serves-v4",
        ),
        pytest.param(
            [one("[::]:80"), one("127.0.0.1:80"), one("[::1]:80")],
            None,
            ["v6 :::80", "v4 127.0.0.1:80"],
            None,
            id="v6-wildcard-serves-v6",
        ),
        pytest.param(
            [both(80), one("127.0.0.1:81")],
            None,
            ["dual :::80", "v4 127.0.0.1:81"],
            None,
            id="another-port-is-not-served",
        ),
        pytest.param([one("127.0.0.1:80"), one("127.0.0.1:80")], None, ["v4 127.0.0.1:80"], None, id="literal-twice"),
        pytest.param([], None, [], None, id="nothing"),
    ],
)
def test_plan(requests: list[Request], system: System | None, opened: list[str], error: int | None) -> None:
    run = Run(requests, system or (lambda bind: None))
    assert (run.open, run.error) == (opened, error)


def test_all_errors_are_kept_in_order() -> None:
    run = Run([both()], NO_IPV6)
    assert run.log == ["dual :::80", "close all", "v6 :::80", "close all", "v4 0.0.0.0:80"]
    run = Run([both(insist=True)], NO_IPV6)
    assert run.failure is not None
    assert [(str(endpoint), error.errno) for endpoint, error in run.failure.errors] == [("[::]:80", NOFAMILY)] * 2
    assert run.failure.decisive == run.failure.errors[-1]
    assert str(run.failure) == str(run.failure.decisive[1])


def test_skipped_addresses_are_reported_when_nothing_is_left() -> None:
    run = Run(of_name("[::1]:80", "127.0.0.1:80"), lambda bind: ("bind", NOTAVAIL))
    assert run.failure is not None
    assert [str(endpoint) for endpoint, _ in run.failure.errors] == ["[::1]:80", "127.0.0.1:80"]


# ---------------------------------------------------------------------- port 0


def clashes(count: int) -> System:
    """A system where the port chosen for one address is busy for the next one, *count* times."""
    left = [count]

    def system(bind: str) -> tuple[str, int] | None:
        if not bind.endswith(":0") and left[0]:
            left[0] -= 1
            return "bind", INUSE
        return None

    return system


TWO = of_name("[::1]:0", "127.0.0.1:0")


@pytest.mark.parametrize("count", [0, 1, 2, PORT_ROUNDS - 1])
def test_a_clash_chooses_again(count: int) -> None:
    run = Run(TWO, clashes(count))
    port = 50_000 + count
    assert sorted(run.open) == [f"v4 127.0.0.1:{port}", f"v6 ::1:{port}"]
    assert run.rounds == count + 1
    assert run.failure is None


def test_it_gives_up_after_so_many_rounds() -> None:
    assert PORT_ROUNDS >= 32
    run = Run(TWO, clashes(PORT_ROUNDS))
    assert (run.open, run.error) == ([], INUSE)
    assert run.failure is not None
    assert len(run.failure.errors) == PORT_ROUNDS


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(TWO, id="two"),
        pytest.param([one("127.0.0.1:0"), one("127.0.0.2:0"), one("[::1]:0")], id="three"),
    ],
)
def test_the_families_take_turns_to_choose(requests: list[Request]) -> None:
    """One busy family must not be asked to guess the other's free port every time."""
    run = Run(requests, clashes(PORT_ROUNDS))
    firsts = [bind for bind in run.log if bind.endswith(":0")]
    count = len(requests)
    assert all(len(set(firsts[at : at + count])) == count for at in range(0, PORT_ROUNDS - count, count))


def test_two_sockets_in_place_of_a_dual_one_share_a_port_and_take_turns() -> None:
    left = [3]

    def system(bind: str) -> tuple[str, int] | None:
        if bind.startswith("dual"):
            return "v6only", EINVAL
        if not bind.endswith(":0") and left[0]:
            left[0] -= 1
            return "bind", INUSE
        return None

    run = Run([both(0)], system)
    assert sorted(run.open) == ["v4 0.0.0.0:50003", "v6 :::50003"]
    assert [bind for bind in run.log if bind.endswith(":0")][1:] == ["v6 :::0", "v4 0.0.0.0:0"] * 2


def test_a_missing_address_does_not_choose_the_port() -> None:
    run = Run(TWO, NO_LOOPBACK6)
    assert run.open == ["v4 127.0.0.1:50000"]


def test_one_socket_alone_does_not_try_again() -> None:
    """EADDRINUSE for port 0 itself means that no port is left."""
    run = Run([one("127.0.0.1:0")], lambda bind: ("bind", INUSE))
    assert (run.rounds, run.error) == (1, INUSE)


def test_fixed_ports_are_bound_before_port_0_is_chosen() -> None:
    """Else the system might choose the very port that is asked for."""
    run = Run([one("127.0.0.1:0"), one("127.0.0.1:50000")])
    assert run.log == ["v4 127.0.0.1:50000", "v4 127.0.0.1:0"]


def test_a_fixed_port_that_is_taken_is_not_tried_again() -> None:
    run = Run([one("127.0.0.1:0"), one("127.0.0.1:80")], refuses(_80=("bind", INUSE)))
    assert (run.rounds, run.error) == (1, INUSE)


# ---------------------------------------------------------------------- laws

endpoints = st.sampled_from(["127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::]", "[2001:db8::1]"])
asked = st.one_of(
    st.builds(both, st.sampled_from([0, 80]), insist=st.booleans()),
    st.builds(lambda host, port: one(f"{host}:{port}"), endpoints, st.sampled_from([0, 80])),
    st.builds(lambda host, port: of_name(f"{host}:{port}")[0], endpoints, st.sampled_from([0, 80])),
)
refusals = st.sampled_from(
    [None, None, ("bind", INUSE), ("bind", NOTAVAIL), ("socket", NOFAMILY), ("v6only", EINVAL), ("bind", EACCES)]
)


@given(st.lists(asked, max_size=5), st.lists(refusals, max_size=40))
def test_any_system_leads_to_everything_or_an_error(
    requests: list[Request], answers: list[tuple[str, int] | None]
) -> None:
    """Whatever is refused, the plan ends, and success means what was asked for is served, on one port."""
    script = iter(answers)

    def system(bind: str) -> tuple[str, int] | None:
        refusal = next(script, None)
        return None if refusal is not None and refusal[0] == "v6only" and bind.startswith("v4") else refusal

    run = Run(requests, system)
    assert run.rounds <= PORT_ROUNDS + 4 * len(requests) + 1
    if run.failure is not None:
        assert run.failure.decisive in run.failure.errors
        return
    assert len(set(run.open)) == len(run.open)
    chosen = {bind.rpartition(":")[2] for bind in run.open} - {"80"}
    assert len(chosen) <= 1
    covered: set[tuple[str, str]] = set()  # (family or host, port)
    for bind in run.open:
        kind, _, rest = bind.partition(" ")
        host, _, port = rest.rpartition(":")
        wild = {"dual": ("4", "6"), "v6": ("6",), "v4": ("4",)}[kind] if host in ("::", "0.0.0.0") else ()
        covered |= {(family, port) for family in wild} | {(host, port)}
    for request in requests:
        port = str(request.endpoint.port or next(iter(chosen), ""))
        family = "4" if isinstance(request.endpoint, IPv4Endpoint) else "6"
        if request.wants_both:
            assert {("4", port), ("6", port)} & covered
        elif not request.optional or len(requests) == 1:
            # Beside the wildcard of both families an address is part of it, and goes with IPv6 where there is none.
            part = any(wide.wants_both and wide.endpoint.port == request.endpoint.port for wide in requests)
            assert {(family, port), (request.endpoint.host, port)} & covered or (part and ("4", port) in covered)
    names = [request for request in requests if request.optional]
    if names and not any(request.wants_both for request in requests):  # all of one name here: one must be served
        assert any(
            {("4" if isinstance(name.endpoint, IPv4Endpoint) else "6", port), (name.endpoint.host, port)} & covered
            for name in names
            for port in (str(name.endpoint.port or next(iter(chosen), "")),)
        )


@given(st.lists(asked, min_size=1, max_size=5))
def test_a_system_that_can_do_everything_is_asked_once(requests: list[Request]) -> None:
    run = Run(requests)
    assert run.rounds == 1
    assert run.failure is None
    assert len(run.log) == len(run.open) <= len(requests)


def test_texts_for_people() -> None:
    assert repr(Bind(IPv6Endpoint("::1", 80), True, 0)) == "Bind([::1]:80 v6only)"
    assert repr(Bind(IPv4Endpoint("127.0.0.1", 80), False, 0)) == "Bind(127.0.0.1:80)"
    assert repr(CloseAll()) == "CloseAll()"
    assert "optional=True" in repr(TWO[0])
