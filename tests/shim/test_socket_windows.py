"""What socket.socket lacks on Windows, on a Winsock scripted over this machine's sockets; and the real one there."""

from __future__ import annotations

import ctypes
import functools
import os
import runpy
import socket as stdlib
import sys
import threading
from pathlib import Path

import pytest

from dualstack.errors import UnsupportedError
from dualstack.platforms import winsock, wsamsg
from dualstack.shim import socket_windows
from dualstack.shim.socket_windows import WindowsSocket

_WINSOCK = runpy.run_path(str(Path(__file__).parents[1] / "platforms" / "test_winsock.py"))


class Messages:
    """WSARecvMsg and WSASendMsg over sockets of this machine: what they do with bytes and addresses, no more."""

    def _borrow(self, handle):
        return stdlib.socket(fileno=handle)

    def receive(self, handle, message):
        sock = self._borrow(handle)
        try:
            data, peer = sock.recvfrom(65536)
        finally:
            sock.detach()
        room = 0
        for index in range(message.dwBufferCount):
            buffer = message.lpBuffers[index]
            part = data[room : room + buffer.len]
            ctypes.memmove(buffer.buf, part, len(part))
            room += buffer.len
        raw = wsamsg.pack_sockaddr(stdlib.AF_INET6 if ":" in peer[0] else stdlib.AF_INET, peer)
        ctypes.memmove(message.name, raw, len(raw))
        message.namelen = len(raw)
        message.Control.len = 0
        message.dwFlags = 0
        if len(data) > room:
            error = OSError(10040, "WSAEMSGSIZE")
            error.winerror = 10040
            raise error
        return len(data)

    def send(self, handle, message, flags):
        data = ctypes.string_at(message.lpBuffers[0].buf, message.lpBuffers[0].len)
        name = ctypes.string_at(message.name, message.namelen) if message.name else b""
        sock = self._borrow(handle)
        try:
            return sock.sendto(data, wsamsg.unpack_sockaddr(name)) if name else sock.send(data)
        finally:
            sock.detach()


@pytest.fixture
def messages(monkeypatch):
    if sys.platform == "win32":
        return  # the real ones
    monkeypatch.setattr(socket_windows, "calls", functools.partial(wsamsg.calls, winsock=Messages()))


@pytest.fixture
def udp(messages):
    with (
        WindowsSocket(stdlib.AF_INET, stdlib.SOCK_DGRAM) as server,
        WindowsSocket(stdlib.AF_INET, stdlib.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        client.bind(("127.0.0.1", 0))
        yield server, client


@pytest.fixture
def tcp(messages):
    with WindowsSocket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with stdlib.create_connection(listener.getsockname()) as client:
            fileno, _ = listener._accept()
            with WindowsSocket(fileno=fileno) as server:
                yield server, client


# ---------------------------------------------------------------------- messages


def test_datagrams_both_ways(udp):
    server, client = udp
    assert client.sendmsg([b"ques", b"tion"], [], 0, server.getsockname()) == 8
    assert server.recvmsg(100, 100) == (b"question", [], 0, client.getsockname())
    server.sendmsg([b"answer"], [], 0, client.getsockname())
    first, second = bytearray(2), bytearray(10)
    assert client.recvmsg_into([first, second]) == (6, [], 0, server.getsockname())
    assert bytes(first + second[:4]) == b"answer"


def test_a_datagram_that_does_not_fit(udp):
    server, client = udp
    client.sendmsg([b"0123456789"], [], 0, server.getsockname())
    data, _, flags, _ = server.recvmsg(4)
    assert data == b"0123"
    assert flags & wsamsg.WINDOWS["MSG_TRUNC"]


def test_a_connected_socket_needs_no_address(udp):
    server, client = udp
    client.connect(server.getsockname())
    assert client.sendmsg([b"x"]) == 1
    assert server.recvmsg(10)[0] == b"x"


def test_the_timeout_is_kept(udp):
    server, _ = udp
    server.settimeout(0.01)
    with pytest.raises(TimeoutError, match="timed out"):
        server.recvmsg(10)
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recvmsg(10)
    with pytest.raises(BlockingIOError):
        server.recvmsg_into([bytearray(10)])


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_it_waits(udp, timeout):
    server, client = udp
    server.settimeout(timeout)
    found = []
    thread = threading.Thread(target=lambda: found.append(server.recvmsg(10)[0]))
    thread.start()
    client.sendto(b"late", server.getsockname())
    thread.join(30)
    assert found == [b"late"]


def test_a_stream_has_messages_too(tcp):
    server, client = tcp
    client.sendall(b"abcdefgh")
    first, second = bytearray(3), bytearray(100)
    assert server.recvmsg_into([first, second]) == (8, [], 0, None)
    assert (bytes(first), bytes(second[:5])) == (b"abc", b"defgh")
    assert server.sendmsg([b"12", bytearray(b"34")]) == 4
    assert client.recv(10) == b"1234"
    client.sendall(b"end")
    assert server.recvmsg(2) == (b"en", [], 0, None)


def test_what_a_stream_cannot_carry(tcp):
    with pytest.raises(UnsupportedError, match=r"share\(pid\)"):
        tcp[0].sendmsg([b"x"], [(1, 1, b"fd")])


@pytest.mark.parametrize(
    "call", [lambda s: s.recvmsg(-1), lambda s: s.recvmsg(1, -1), lambda s: s.recvmsg_into([], -1)]
)
def test_negative_sizes(udp, call):
    with pytest.raises(ValueError, match="negative"):
        call(udp[0])


# ---------------------------------------------------------------------- Unix sockets


@pytest.fixture
def scripted(monkeypatch):
    script = _WINSOCK["ScriptedWs2"]()
    loaded = winsock.Winsock(script, lambda: script.code, _WINSOCK["os_error"])
    monkeypatch.setattr(winsock, "_loaded", loaded)
    return script


def test_unix_sockets(scripted, unix_path):
    with WindowsSocket(1) as listener, WindowsSocket(1, stdlib.SOCK_STREAM) as client:
        assert (listener.family, listener.type) == (1, stdlib.SOCK_STREAM)
        listener.bind(unix_path)
        listener.listen()
        assert listener.getsockname() == unix_path
        client.connect(unix_path)
        assert client.getpeername() == ""
        fileno, peer = listener._accept()
        with WindowsSocket(1, stdlib.SOCK_STREAM, 0, fileno) as server:
            assert peer == ""
            client.sendall(b"hello")
            assert server.recv(10) == b"hello"
    assert [name for name, _ in scripted.log] == ["bind", "connect"]
    os.unlink(unix_path)


def test_connecting_to_nothing(scripted, unix_path):
    with WindowsSocket(1) as client:
        assert client.connect_ex(unix_path) != 0
        with pytest.raises(OSError):
            client.connect(unix_path)


def test_only_streams(scripted):
    with pytest.raises(UnsupportedError, match="not a stream"):
        WindowsSocket(1, stdlib.SOCK_DGRAM)


def test_an_old_windows_says_so(scripted):
    scripted.family_error = 10047
    with pytest.raises(UnsupportedError, match="Windows 10 1803"):
        WindowsSocket(1)


def test_other_families_are_as_ever(scripted):
    with WindowsSocket(stdlib.AF_INET) as sock, WindowsSocket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert sock.connect_ex(listener.getsockname()) == 0
        assert sock.getpeername() == listener.getsockname()
    assert scripted.log == []


# ---------------------------------------------------------------------- the real one


@pytest.mark.skipif(sys.platform != "win32", reason="the class of the shim has this below it on Windows only")
def test_the_shim_has_it_on_windows():
    from dualstack.shim import socket

    assert issubclass(socket.socket, WindowsSocket)
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        server.bind(("::", 0))
        server.settimeout(10)
        client.connect(("127.0.0.1", server.getsockname()[1]))
        client.sendmsg([b"hello"])
        data, control, _, peer = server.recvmsg(100, socket.CMSG_SPACE(20))
        assert (data, peer) == (b"hello", client.getsockname())
        assert control
        server.sendmsg([b"answer"], [], 0, peer)
        assert client.recv(10) == b"answer"
