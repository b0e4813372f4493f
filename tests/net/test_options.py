"""Options on real sockets: set, then read back from the kernel; and what is said when the kernel refuses."""

from __future__ import annotations

import errno
import pickle
import socket
import sys

import pytest

import dualstack
from dualstack.errors import UnsupportedError
from dualstack.net.options import SocketOptions, apply
from dualstack.platforms.constants import TABLES, table

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux numbers; runs on Linux")


def test_the_name_is_public():
    assert dualstack.SocketOptions is SocketOptions


def test_no_delay_and_keepalive_reach_the_kernel():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        apply(sock, SocketOptions(no_delay=True, keepalive_idle=77, keepalive_count=4), stream=True)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, table(sys.platform)["TCP_KEEPIDLE"]) == 77
        assert sock.getsockopt(socket.IPPROTO_TCP, table(sys.platform)["TCP_KEEPCNT"]) == 4


@linux
def test_both_families_of_a_dual_stack_socket():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        apply(sock, SocketOptions(traffic_class=0xB8, hop_limit=9), stream=False, dual=True)
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 0xB8
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) == 9
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 9


@linux
def test_device_by_name_and_by_index():
    for device in ("lo", socket.if_nametoindex("lo")):
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            apply(sock, SocketOptions(bind_to_device=device), stream=True)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"


@linux
def test_device_that_does_not_exist_is_named():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock, pytest.raises(OSError, match="nope0") as caught:
        apply(sock, SocketOptions(bind_to_device="nope0"), stream=True)
    assert caught.value.errno == errno.ENODEV


@linux
def test_a_buffer_the_kernel_cuts_is_an_error():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        apply(sock, SocketOptions(receive_buffer=65536), stream=False)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 65536
        with pytest.raises(OSError, match="rmem_max") as caught:
            apply(sock, SocketOptions(receive_buffer=2**30), stream=False)
    assert caught.value.errno == errno.ENOBUFS


class _Refusing:
    """A socket whose kernel says one thing to every option."""

    family = socket.AF_INET

    def __init__(self, code):
        self.code = code

    def setsockopt(self, *args):
        raise OSError(self.code, "no")


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        pytest.param(errno.EPERM, PermissionError, "CAP_NET_ADMIN", id="right-missing"),
        pytest.param(errno.ENOPROTOOPT, UnsupportedError, "mark=5 is not available", id="old-kernel"),
        pytest.param(errno.EINVAL, OSError, "mark=5: no", id="anything-else"),
    ],
)
@linux
def test_a_refusal_names_the_option(code, kind, text):
    with pytest.raises(kind, match=text) as caught:
        apply(_Refusing(code), SocketOptions(mark=5), stream=True)
    assert caught.value.errno == code
    assert pickle.loads(pickle.dumps(caught.value)).errno == code


@pytest.mark.parametrize("system", [s for s in TABLES if sys.platform.startswith(s)])
def test_tables_agree_with_this_python(system):
    # The one check of the numbers that every machine can make: CPython compiled them here from the real headers.
    wrong = {
        name: (number, getattr(socket, name))
        for name, number in TABLES[system].items()
        if hasattr(socket, name) and int(getattr(socket, name)) != number
    }
    assert wrong == {}
