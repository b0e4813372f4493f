"""capabilities(): every answer was acted out, and it is the answer of this process, world and namespace."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

from dualstack import doors, platforms, testing
from dualstack.net import capabilities as module
from dualstack.net.capabilities import Capabilities, Capability, capabilities, probe

Rule = Callable[[int, str, Any], int]


class Host(doors.Doors):
    """This host, with rules that make single calls fail: rule(family, call, argument) -> errno or 0."""

    def __init__(self, rule: Rule = lambda family, call, argument: 0, pid: int | None = None) -> None:
        self.rule = rule
        self.pid = pid
        self.made: list[socket.socket] = []

    def getpid(self) -> int:
        return self.pid if self.pid is not None else super().getpid()

    def socket(self, family: int, type: int, proto: int = 0, fileno: int | None = None) -> socket.socket:
        self.check(family, "socket", type)
        host = self

        class Ruled(socket.socket):
            def bind(self, address: Any) -> None:
                host.check(family, "bind", address[0] if isinstance(address, tuple) else address)
                super().bind(address)

            def connect(self, address: Any) -> None:
                host.check(family, "connect", address)
                super().connect(address)

            def setsockopt(self, level: int, option: int, value: Any) -> None:  # type: ignore[override]
                host.check(family, "setsockopt", (option, value))
                super().setsockopt(level, option, value)

        sock = Ruled(family, type, proto, fileno)
        self.made.append(sock)
        return sock

    def check(self, family: int, call: str, argument: Any) -> None:
        code = self.rule(family, call, argument)
        if code < 0:
            raise OSError("connect(): bad family")  # CPython's own refusal carries no errno
        if code:
            raise OSError(code, os.strerror(code))


@pytest.fixture(autouse=True)
def _nothing_known():
    module._forget()
    yield
    module._forget()


def off(*wanted: tuple[int | None, str, Any], code: int) -> Rule:
    def rule(family: int, call: str, argument: Any) -> int:
        for f, c, a in wanted:
            if (f is None or f == family) and c == call and (a is None or a == argument):
                return code
        return 0

    return rule


INET, INET6, UNIX = socket.AF_INET, socket.AF_INET6, 1

MISSING = [
    pytest.param(
        off((INET6, "socket", None), code=errno.EAFNOSUPPORT),
        {"ipv6", "ipv6_loopback", "dual_stack", "ipv6_packet_info"},
        "EAFNOSUPPORT",
        id="no-ipv6-sockets-at-all",
    ),
    pytest.param(
        off((INET6, "bind", "::1"), code=errno.EADDRNOTAVAIL),
        {"ipv6_loopback"},
        "binding ::1: EADDRNOTAVAIL",
        id="ipv6-disabled-by-sysctl",
    ),
    pytest.param(
        off((INET6, "setsockopt", (socket.IPV6_V6ONLY, 0)), code=errno.EINVAL),
        {"dual_stack"},
        "IPV6_V6ONLY off: EINVAL",
        id="v6only-cannot-be-cleared",
    ),
    pytest.param(
        off((INET6, "bind", "::ffff:127.0.0.1"), code=errno.EINVAL),
        {"dual_stack"},
        "binding ::ffff:127.0.0.1",
        id="v6only-cleared-in-words-only",
    ),
    pytest.param(
        off((INET, "socket", None), code=errno.EAFNOSUPPORT),
        {"ipv4", "ipv4_loopback", "ipv4_packet_info"},
        "EAFNOSUPPORT",
        id="no-ipv4",
    ),
    pytest.param(
        off((UNIX, "socket", None), code=errno.EAFNOSUPPORT),
        {"unix_stream", "unix_datagram", "unix_seqpacket", "unix_abstract"},
        "EAFNOSUPPORT",
        id="no-unix",
    ),
    pytest.param(
        off((UNIX, "connect", None), (UNIX, "bind", None), code=-1),
        {"unix_stream", "unix_datagram", "unix_seqpacket", "unix_abstract"},
        "bad family",
        id="windows-python-without-unix",
    ),
    pytest.param(
        off((UNIX, "socket", socket.SOCK_SEQPACKET), code=errno.EPROTONOSUPPORT),
        {"unix_seqpacket"},
        "EPROTONOSUPPORT",
        id="no-seqpacket",
    ),
    pytest.param(off((UNIX, "bind", ""), code=errno.ENOENT), {"unix_abstract"}, "ENOENT", id="no-abstract"),
]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="takes from Linux what other hosts lack")
@pytest.mark.parametrize(("rule", "missing", "said"), MISSING)
def test_what_is_missing_is_found_out(rule: Rule, missing: set[str], said: str) -> None:
    with doors.using(Host()):
        here = {capability.name for capability in capabilities() if not capability}
    host = Host(rule)
    with doors.using(host):
        found = capabilities()
    assert {capability.name for capability in found if not capability} == missing | here
    for name in missing - here:
        assert said in getattr(found, name).how
    assert [sock for sock in host.made if sock.fileno() != -1] == []


def test_no_127_0_0_1_falls_back_to_the_wildcard() -> None:
    rule = off((INET, "bind", "127.0.0.1"), (INET6, "bind", "::ffff:127.0.0.1"), code=errno.EADDRNOTAVAIL)
    with doors.using(Host(rule)):
        if not probe("ipv6"):
            pytest.skip("this host has no IPv6; runs on any that has")
        assert probe("dual_stack").how == "bound :: with IPV6_V6ONLY off (there is no 127.0.0.1 to try)"


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM], ids=errno.errorcode.get)
def test_a_shortage_is_raised_and_not_kept(code: int) -> None:
    failing = True

    def rule(family: int, call: str, argument: Any) -> int:
        return code if failing and call == "socket" else 0

    with doors.using(Host(rule)):
        with pytest.raises(OSError) as caught:
            probe("ipv4")
        assert caught.value.errno == code
        failing = False
        assert probe("ipv4")


def test_answers_are_kept() -> None:
    host = Host()
    with doors.using(host):
        first = capabilities()
        sockets = len(host.made)
        assert capabilities() == first
        assert len(host.made) == sockets
        assert capabilities(refresh=True) == first
        assert len(host.made) == 2 * sockets


def test_a_forked_child_asks_again() -> None:
    host = Host(pid=100)
    with doors.using(host):
        capabilities()
        sockets = len(host.made)
        host.pid = 101
        capabilities()
        assert len(host.made) == 2 * sockets


def test_another_namespace_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host()
    with doors.using(host):
        monkeypatch.setattr(platforms.current, "network_namespace", lambda: 1, raising=False)
        capabilities()
        sockets = len(host.made)
        monkeypatch.setattr(platforms.current, "network_namespace", lambda: 2, raising=False)
        capabilities()
        assert len(host.made) == 2 * sockets


def test_another_world_is_asked_again() -> None:
    with doors.using(Host(off((INET6, "socket", None), code=errno.EAFNOSUPPORT))):
        assert not probe("ipv6")
    with doors.using(Host(off((INET, "socket", None), code=errno.EAFNOSUPPORT))):
        assert not probe("ipv4")


def test_values() -> None:
    found = capabilities()
    assert [c.name for c in found] == list(module._PROBES)
    assert len(found) == len(module._PROBES)
    assert all(getattr(found, c.name) is c for c in found)
    assert pickle.loads(pickle.dumps(found)) == found
    assert len({found, pickle.loads(pickle.dumps(found))}) == 1
    assert str(found).startswith("<Capabilities ")
    yes, no = Capability("x", True, "tried"), Capability("x", False, "tried")
    assert yes and not no and yes != no and repr(no) == "Capability('x', False, 'tried')"
    assert repr(Capabilities((no,))) == "<Capabilities -x>"
    with pytest.raises(AttributeError):
        yes.available = False
    with pytest.raises(AttributeError):
        found.ipv4 = yes  # type: ignore[misc,assignment]  # the refusal is the test


ALL_UNIX = {"unix_stream", "unix_datagram", "unix_seqpacket", "unix_abstract"}


@pytest.mark.parametrize(
    ("host", "missing"),
    [
        pytest.param(testing.linux(), set(), id="linux"),
        pytest.param(
            testing.linux(ipv6=False), {"ipv6", "ipv6_loopback", "dual_stack", "ipv6_packet_info"}, id="no-ipv6-module"
        ),
        pytest.param(testing.linux(disable_ipv6=True), {"ipv6_loopback"}, id="disable_ipv6"),
        pytest.param(testing.linux(addresses={"lo": ("::1",)}), {"ipv4_loopback"}, id="ipv6-only"),
        pytest.param(testing.linux(bindv6only=True), set(), id="bindv6only"),
        pytest.param(testing.openbsd(), {"dual_stack", "unix_abstract", "reuse_port"}, id="openbsd"),
        pytest.param(testing.macos(), {"unix_abstract", "reuse_port"}, id="macos"),
        pytest.param(testing.windows(), ALL_UNIX | {"reuse_port"}, id="windows"),
        pytest.param(
            testing.windows(ignores_source=True), ALL_UNIX | {"reuse_port", "source_selection"}, id="windows-as-wine"
        ),
    ],
)
def test_scripted_hosts(host: testing.Host, missing: set[str]) -> None:
    with testing.World(host):
        assert {capability.name for capability in capabilities() if not capability} == missing
