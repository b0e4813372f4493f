"""recvmsg and sendmsg over a scripted Winsock: structures by size and offset, calls by their bytes."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

import pytest

from dualstack.platforms import wsamsg
from dualstack.platforms.udp import RULES
from dualstack.platforms.wsamsg import WSABUF, WSAMSG, calls, ignore_resets, pack_sockaddr, unpack_sockaddr

LAYOUT = RULES["win32"].layout
PEER4 = struct.pack("<HH4s8x", 2, socket.htons(53), bytes((192, 0, 2, 1)))
PEER6 = struct.pack("<HHI16sI", 23, socket.htons(53), 0, bytes.fromhex("fe80" + "00" * 13 + "01"), 7)


@pytest.mark.skipif(sys.maxsize < 2**32, reason="offsets of 64-bit Windows; runs on 64-bit systems")
def test_layout_x64():
    # Compiled from mswsock.h and ws2def.h for x86_64-windows-gnu.
    assert ctypes.sizeof(WSABUF) == 16
    assert (WSABUF.len.offset, WSABUF.len.size, WSABUF.buf.offset) == (0, 4, 8)
    assert ctypes.sizeof(WSAMSG) == 56
    offsets = {name: (getattr(WSAMSG, name).offset, getattr(WSAMSG, name).size) for name, *_ in WSAMSG._fields_}
    assert offsets == {
        "name": (0, 8),
        "namelen": (8, 4),
        "lpBuffers": (16, 8),
        "dwBufferCount": (24, 4),
        "Control": (32, 16),
        "dwFlags": (48, 4),
    }


def test_guids_lie_in_memory_as_windows_writes_them():
    from uuid import UUID

    assert UUID("f689d7c8-6f1f-436b-8a53-e54fe351c322").bytes_le == wsamsg._WSARECVMSG
    assert UUID("a441e712-754f-43ca-84a7-0dee44cf606d").bytes_le == wsamsg._WSASENDMSG


@pytest.mark.parametrize(
    ("family", "address", "raw"),
    [
        pytest.param(socket.AF_INET, ("192.0.2.1", 53), PEER4, id="ipv4"),
        pytest.param(socket.AF_INET6, ("fe80::1", 53, 0, 7), PEER6, id="ipv6-scope"),
    ],
)
def test_sockaddr(family, address, raw):
    assert pack_sockaddr(family, address) == raw
    assert unpack_sockaddr(raw) == address


def test_flow_info_is_in_network_order_on_the_wire_and_in_host_order_in_python():
    packed = pack_sockaddr(socket.AF_INET6, ("::1", 1, 0x12345, 0))
    assert packed[4:8] == b"\x00\x01\x23\x45"
    assert unpack_sockaddr(packed) == ("::1", 1, 0x12345, 0)
    assert pack_sockaddr(socket.AF_INET6, ("::1", 1)) == pack_sockaddr(socket.AF_INET6, ("::1", 1, 0, 0))


@pytest.mark.parametrize("raw", [b"", b"\0", PEER4[:10], PEER6[:20], struct.pack("<H14x", 99)])
def test_sockaddr_that_is_none(raw):
    assert unpack_sockaddr(raw) is None


class _Sock:
    family = socket.AF_INET6

    def fileno(self):
        return 42


class _Winsock:
    """Answers calls as WSARecvMsg and WSASendMsg do, and keeps what it was given."""

    def __init__(self, data=b"", control=b"", peer=PEER4, flags=0, error=None):
        self.data, self.control, self.peer, self.flags, self.error = data, control, peer, flags, error
        self.calls = []

    def _write(self, address, data):
        ctypes.memmove(address, data, len(data))

    def receive(self, handle, message):
        self.calls.append((handle, message.dwFlags, message.namelen, message.Control.len))
        left = self.data
        for index in range(message.dwBufferCount):
            buffer = message.lpBuffers[index]
            self._write(buffer.buf, left[: buffer.len])
            left = left[buffer.len :]
        self._write(message.name, self.peer)
        message.namelen = len(self.peer)
        self._write(message.Control.buf, self.control)
        message.Control.len = len(self.control)
        message.dwFlags = self.flags
        if self.error is not None:
            raise self.error
        return len(self.data) - len(left)

    def send(self, handle, message, flags):
        buffer = message.lpBuffers[0]
        name = ctypes.string_at(message.name, message.namelen) if message.name else b""
        control = ctypes.string_at(message.Control.buf, message.Control.len) if message.Control.buf else b""
        self.calls.append((handle, name, ctypes.string_at(buffer.buf, buffer.len), control, flags))
        return buffer.len

    def ioctl(self, handle, code, given, answer):
        self.calls.append((handle, code, given, answer))
        if self.error is not None:
            raise self.error


def _error(code):
    error = OSError(code, "scripted")
    error.winerror = code  # only Windows itself sets it
    return error


def test_recvmsg():
    control = LAYOUT.pack([(0, 19, bytes((192, 0, 2, 7, 3, 0, 0, 0)))])
    winsock = _Winsock(b"hello", control)
    recvmsg, _, _ = calls(_Sock(), winsock)
    assert recvmsg(100, 200) == (b"hello", [(0, 19, bytes((192, 0, 2, 7, 3, 0, 0, 0)))], 0, ("192.0.2.1", 53))
    assert winsock.calls == [(42, 0, 128, 200)]


def test_recvmsg_of_nothing_is_a_datagram_too():
    recvmsg, _, _ = calls(_Sock(), _Winsock(b""))
    assert recvmsg(0) == (b"", [], 0, ("192.0.2.1", 53))


def test_a_message_too_long_comes_back_cut_not_as_an_error():
    recvmsg, recvmsg_into, _ = calls(_Sock(), _Winsock(b"0123456789", error=_error(10040)))
    assert recvmsg(4) == (b"0123", [], 0x100, ("192.0.2.1", 53))
    first, second = bytearray(2), bytearray(3)
    assert recvmsg_into([first, second]) == (5, [], 0x100, ("192.0.2.1", 53))
    assert first + second == b"01234"


def test_other_errors_stay_errors():
    recvmsg, _, _ = calls(_Sock(), _Winsock(error=_error(10035)))
    with pytest.raises(OSError, match="scripted"):
        recvmsg(4)


def test_recvmsg_into_fills_buffers_in_order():
    _, recvmsg_into, _ = calls(_Sock(), _Winsock(b"abcdef", peer=PEER6))
    first, second = bytearray(4), bytearray(8)
    assert recvmsg_into([first, second], 64) == (6, [], 0, ("fe80::1", 53, 0, 7))
    assert (bytes(first), bytes(second[:2])) == (b"abcd", b"ef")


def test_sendmsg():
    winsock = _Winsock()
    _, _, sendmsg = calls(_Sock(), winsock)
    message = (41, 19, bytes(16) + bytes(4))
    assert sendmsg([b"ab", bytearray(b"cd")], [message], 0, ("fe80::1", 53, 0, 7)) == 4
    assert sendmsg([b""]) == 0
    assert winsock.calls == [(42, PEER6, b"abcd", LAYOUT.pack([message]), 0), (42, b"", b"", b"", 0)]


def test_resets_are_switched_off_where_the_system_can():
    winsock = _Winsock()
    ignore_resets(_Sock(), winsock)
    assert winsock.calls == [(42, 0x9800000C, bytes(4), None), (42, 0x9800000F, bytes(4), None)]
    ignore_resets(_Sock(), _Winsock(error=_error(10045)))


@pytest.mark.skipif(sys.platform == "win32", reason="says what happens elsewhere; the real one runs under Wine in ci/")
def test_there_is_no_winsock_elsewhere():
    winsock = wsamsg.Winsock()
    for call in (
        lambda: winsock.ioctl(1, 2, b"", None),
        lambda: winsock.receive(1, WSAMSG()),
        lambda: winsock.send(1, WSAMSG(), 0),
    ):
        with pytest.raises(OSError, match="on Windows only"):
            call()
