"""The calls of macOS and FreeBSD into their kernel, on a scripted one: which bytes go in, what is made of the answers.

How the answers are read is in test_bsd.py. Nothing here shows what a real kernel does; it shows that every line runs,
that the bytes asked are those of the headers, and that errors and closed sockets come out right.
"""

from __future__ import annotations

import errno
import os
import socket
from struct import pack
from types import SimpleNamespace

import pytest

from dualstack.core.interface import Interface
from dualstack.core.interface_address import DEPRECATED, DUPLICATED, PERMANENT, TEMPORARY, TENTATIVE
from dualstack.platforms import bsd_interfaces
from dualstack.platforms.bsd import FreeBSD
from dualstack.platforms.bsdroute import FREEBSD, MACOS, RTA_DST, RTA_GATEWAY, RTA_IFA, RTA_IFP, RTA_NETMASK, RTM_GET
from dualstack.platforms.darwin import Darwin

PLATFORMS = [pytest.param(Darwin(), id="macos"), pytest.param(FreeBSD(), id="freebsd")]
LINK_LOCAL = bytes.fromhex("fe80" + "00" * 13 + "07")


def message(system, kind: int, parts: dict[int, bytes], sequence: int = 0) -> bytes:
    body = b"".join(
        part.ljust(-(-len(part) // system.padding) * system.padding, b"\0") for _, part in sorted(parts.items())
    )
    size = system.route_header + len(body)
    header = pack("=HBBHHIIiii", size, 5, kind, 4, 0, 0x3, sum(parts), os.getpid(), sequence, 0)
    return header.ljust(system.route_header, b"\0") + body


def inet(text: str) -> bytes:
    return bytes([16, 2, 0, 0]) + socket.inet_aton(text) + bytes(8)


@pytest.fixture(params=PLATFORMS)
def platform(request, monkeypatch):
    monkeypatch.setattr(bsd_interfaces, "_name", {0: "", 4: "en0"}.__getitem__)
    return request.param


@pytest.fixture
def system(platform):
    return {"macOS": MACOS, "FreeBSD": FREEBSD}[platform.name]


# ---------------------------------------------------------------------- interfaces


@pytest.mark.parametrize(
    ("bits", "until", "preferred_until", "expected"),
    [
        pytest.param(0x00, 0, 0, (PERMANENT, None, None), id="for-ever"),
        pytest.param(0x80, 1600, 1100, (TEMPORARY, 600, 100), id="temporary"),
        pytest.param(0x12, 1600, 900, (TENTATIVE | DEPRECATED, 600, 0), id="over-is-zero"),
        pytest.param(0x0C, 0, 0, (DUPLICATED | TENTATIVE | PERMANENT, None, None), id="duplicated-and-detached"),
    ],
)
def test_the_state_of_an_address(platform, system, monkeypatch, bits, until, preferred_until, expected):
    asked = []

    def ioctl(sock, request, data):
        asked.append((request, data))
        value = bits.to_bytes(4, "little") if request == 0xC1206949 else pack("=qqII", until, preferred_until, 9, 9)
        return data[:16] + value.ljust(272, b"\0")

    # macOS tells the time of day at which an address ends, FreeBSD the time since boot.
    now, other = ("time", "monotonic") if system is MACOS else ("monotonic", "time")
    clock = SimpleNamespace(**{now: lambda: 1000.0, other: lambda: pytest.fail(f"{other}() is the wrong clock")})
    monkeypatch.setattr(bsd_interfaces, "time", clock)
    monkeypatch.setattr(bsd_interfaces, "import_module", {"fcntl": SimpleNamespace(ioctl=ioctl)}.__getitem__)

    def read(system, index_of, family, ask):
        return [Interface("en0", 4, 1, alternative_names=(repr(ask("en0", LINK_LOCAL, 4)),))]

    monkeypatch.setattr(bsd_interfaces, "read_interfaces", read)
    (nic,) = platform.interfaces()
    assert nic.alternative_names == (repr(expected),)
    target = b"en0".ljust(16, b"\0") + bytes([28, system.inet6]) + bytes(6) + LINK_LOCAL + pack("=I", 4)
    assert asked == [(0xC1206949, target.ljust(288, b"\0")), (0xC1206951, target.ljust(288, b"\0"))]


def test_an_address_that_has_gone_since(platform, monkeypatch):
    def gone(*_):
        raise OSError(errno.EADDRNOTAVAIL, "gone")

    monkeypatch.setattr(bsd_interfaces, "import_module", {"fcntl": SimpleNamespace(ioctl=gone)}.__getitem__)
    assert bsd_interfaces._state(MACOS, None, "en0", LINK_LOCAL, 4) == (0, None, None)


def test_names_and_numbers_of_what_has_gone():
    assert bsd_interfaces._index("no such interface") == 0
    assert (bsd_interfaces._name(0), bsd_interfaces._name(2**31 - 1)) == ("", str(2**31 - 1))


# ---------------------------------------------------------------------- routes


class Sysctl:
    """sysctl(3): gives *answers* in turn, a table or an errno each; the first call of a pair asks for the size."""

    def __init__(self, *answers: bytes | int) -> None:
        self.answers = list(answers)
        self.errno = 0

    def __call__(self, mib, count, buffer, size, new, new_size):
        assert (list(mib), count, new, new_size) == ([4, 17, 0, 0, 1, 0], 6, None, 0)
        answer = self.answers[0] if buffer is None else self.answers.pop(0)
        if isinstance(answer, int):
            if buffer is None and answer == errno.ENOMEM:  # only the table itself is too large
                size._obj.value = 8
                return 0
            self.errno = answer
            return -1
        size._obj.value = len(answer)
        if buffer is not None:
            buffer[: len(answer)] = answer
        return 0


@pytest.fixture
def sysctl(monkeypatch):
    def script(*answers):
        call = Sysctl(*answers)
        monkeypatch.setattr(bsd_interfaces.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(sysctl=call))
        monkeypatch.setattr(bsd_interfaces.ctypes, "get_errno", lambda: call.errno)
        return call

    return script


def test_the_routes(platform, system, sysctl):
    default = {RTA_DST: inet("0.0.0.0"), RTA_GATEWAY: inet("192.0.2.1"), RTA_NETMASK: bytes([0, 0])}
    # The table has grown beyond what was reserved for it, once.
    call = sysctl(errno.ENOMEM, message(system, 4, default))
    (route,) = platform.routes()
    assert (route.host, route.interface, route.index) == ("192.0.2.1", "en0", 4)
    assert call.answers == []


@pytest.mark.parametrize("answers", [(errno.EPERM,), (errno.ENOMEM,) * 5], ids=["refused", "never-large-enough"])
def test_no_routes(platform, sysctl, answers):
    sysctl(*answers)
    with pytest.raises(OSError, match="NET_RT_DUMP") as caught:
        platform.routes()
    assert caught.value.errno == answers[0]


class RoutingSocket:
    """A socket of PF_ROUTE: what is sent is kept, what is received is scripted."""

    def __init__(self, *answers: bytes | OSError) -> None:
        self.answers = list(answers)
        self.sent: list[bytes] = []
        self.error: OSError | None = None
        self.closed = False

    def __call__(self, family, kind, protocol):
        assert (family, kind, protocol) == (17, socket.SOCK_RAW, 0)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closed = True

    def settimeout(self, seconds):
        assert seconds > 0

    def setblocking(self, blocking):
        assert not blocking

    def send(self, data):
        self.sent.append(data)
        if self.error is not None:
            raise self.error

    def recv(self, size):
        assert size >= 4096
        return self.answers.pop(0)(self.sent[0])


@pytest.fixture
def routing(monkeypatch):
    def script(*answers):
        sock = RoutingSocket(*answers)
        double = SimpleNamespace(**{**vars(socket), "socket": sock})
        monkeypatch.setattr(bsd_interfaces, "socket", double)
        return sock

    return script


def answer_to(system, asked: bytes, sequence: int | None = None) -> bytes:
    parts = {
        RTA_DST: inet("0.0.0.0"),
        RTA_GATEWAY: inet("192.0.2.1"),
        RTA_IFP: bytes([20, 18]) + pack("=HBBBB", 4, 6, 0, 0, 0) + bytes(12),
        RTA_IFA: inet("192.0.2.7"),
    }
    return message(system, RTM_GET, parts, int.from_bytes(asked[20:24], "little") if sequence is None else sequence)


def test_the_route_to_a_destination(platform, system, routing):
    sock = routing(
        lambda asked: answer_to(system, asked, sequence=2**31 - 1),  # the answer to somebody else
        lambda asked: answer_to(system, asked),
    )
    found = platform.route_to(socket.AF_INET, bytes([198, 51, 100, 1]), "198.51.100.1", 0, 17, 0)
    assert (found.host, found.interface, found.gateway) == ("192.0.2.7", "en0", "192.0.2.1")
    assert sock.closed and sock.answers == []


@pytest.mark.parametrize(
    ("code", "expected"), [(errno.ESRCH, errno.EHOSTUNREACH), (errno.EACCES, errno.EACCES)], ids=["no-route", "other"]
)
def test_no_route_to_a_destination(platform, routing, code, expected):
    sock = routing()
    sock.error = OSError(code, "no")
    with pytest.raises(OSError, match=r"no packet can go to 198\.51\.100\.1") as caught:
        platform.route_to(socket.AF_INET, bytes([198, 51, 100, 1]), "198.51.100.1", 0, 17, 0)
    assert caught.value.errno == expected
    assert sock.closed


def test_a_kernel_that_does_not_answer(platform, system, routing, monkeypatch):
    now = iter([0.0, 0.0, 1.0, 3.0])
    monkeypatch.setattr(bsd_interfaces, "time", SimpleNamespace(monotonic=lambda: next(now)))
    sock = routing(*[lambda asked: answer_to(system, asked, sequence=2**31 - 1)] * 2)
    with pytest.raises(OSError, match="did not answer") as caught:
        platform.route_to(socket.AF_INET, bytes([198, 51, 100, 1]), "198.51.100.1", 0, 17, 0)
    assert caught.value.errno == errno.EHOSTUNREACH
    assert sock.closed


# ---------------------------------------------------------------------- notices


@pytest.mark.parametrize(("kind", "counts"), [(12, True), (14, True), (17, True), (RTM_GET, False), (4, False)])
def test_which_messages_are_notices(platform, system, routing, monkeypatch, kind, counts):
    sock = routing()
    taken = []
    monkeypatch.setattr(bsd_interfaces, "SocketSource", lambda *arguments: taken.append(arguments))
    platform.watch()
    given, pair, is_notice, overflow = taken[0]
    for one in pair:
        one.close()
    assert given is sock and not sock.closed
    assert overflow == errno.ENOBUFS
    assert is_notice(message(system, kind, {}), None) is counts
    assert is_notice(b"", None) is False


def test_no_descriptor_for_waking(platform, routing):
    sock = routing()

    def full():
        raise OSError(errno.EMFILE, "too many")

    bsd_interfaces.socket.socketpair = full
    with pytest.raises(OSError, match="too many"):
        platform.watch()
    assert sock.closed


def test_a_watch_that_polls_opens_nothing(platform, routing):
    sock = routing()
    platform.watch(5.0).close()
    assert sock.sent == [] and not sock.closed


# ---------------------------------------------------------------------- macOS alone


class Credentials:
    def __init__(self, groups: int) -> None:
        self.groups = groups

    def getsockopt(self, level, option, size=0):
        assert level == 0  # SOL_LOCAL
        if option == 2:  # LOCAL_PEERPID
            return 77
        assert (option, size) == (1, 76)  # LOCAL_PEERCRED, sizeof(struct xucred)
        return pack("=IIhxx16I", 0, 501, self.groups, 20, *[0] * 15)


def test_credentials_of_the_peer():
    assert Darwin().peer_credentials(Credentials(1)) == (77, 501, 20)
    assert Darwin().peer_credentials(Credentials(0)) == (77, 501, None)


@pytest.mark.parametrize("code", [0, errno.ENOENT])
def test_sockets_from_launchd(monkeypatch, code):
    import ctypes

    held = (ctypes.c_int * 2)(7, 9)
    freed: list[object] = []

    def free(array) -> None:
        freed.append(array)

    def activate(name, array, count):
        assert name == b"Listeners"
        array._obj.contents = held
        count._obj.value = 2
        return code

    library = SimpleNamespace(launch_activate_socket=activate, free=free)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library)
    if code:
        with pytest.raises(OSError, match=r"launchd.*'Listeners'") as caught:
            Darwin().launchd_sockets("Listeners")
        assert caught.value.errno == code and freed == []
    else:
        assert Darwin().launchd_sockets("Listeners") == [7, 9]
        assert len(freed) == 1
