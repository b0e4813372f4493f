"""Unix sockets through Winsock: bytes and signatures, and every method on a scripted ws2_32.dll.

The script takes the bytes that a real ws2_32 would take and answers with Winsock's codes. Behind it are the Unix
sockets of this system, and on Windows, where Wine has none, TCP connections on loopback with a table of paths: that
runs the same class on a Windows CPython, Proactor loop included. What it cannot show is what Windows itself does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import pickle
import selectors
import shutil
import socket
import ssl
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import dualstack.aio
from dualstack import doors, open_listener, platforms
from dualstack.doors import Doors
from dualstack.errors import UnsupportedError
from dualstack.net.passing import PeerCredentials, peer_credentials
from dualstack.platforms import winsock
from dualstack.platforms.windows import Windows
from dualstack.platforms.winsock import SIGNATURES, UnixSocket, Winsock, pack_path, tls_class, unpack_path

INVALID = ctypes.c_size_t(-1).value
WSA = {
    errno.EADDRINUSE: 10048,
    errno.ECONNREFUSED: 10061,
    errno.EAGAIN: 10035,
    errno.EINVAL: 10022,
    errno.ENOTCONN: 10057,
    errno.ENOENT: 10050,
    errno.EBADF: 10009,
}
ERRNO = {code: number for number, code in WSA.items()}

blocking_mode = pytest.mark.skipif(
    sys.implementation.name == "pypy",
    reason="PyPy keeps the blocking mode in the object, the double in the descriptor; runs on CPython",
)


class Function:
    """What ctypes gives for a function of a DLL: something to call that takes a signature."""

    def __init__(self, call) -> None:
        self.call = call

    def __call__(self, *arguments):
        return self.call(*arguments)


class ScriptedWs2:
    """Stream sockets by the calls and bytes of ws2_32: on POSIX Unix sockets, on Windows TCP on loopback."""

    native = hasattr(socket, "AF_UNIX")

    def __init__(self) -> None:
        self.code = 0
        self.family_error = 0
        self.log: list[tuple[str, bytes]] = []
        self.ports: dict[str, int] = {}
        self.names: dict[int, str] = {}
        for name in SIGNATURES:
            setattr(self, name, Function(getattr(self, "_" + name)))

    @contextlib.contextmanager
    def _borrow(self, handle: int):
        sock = socket.socket(socket.AF_UNIX if self.native else socket.AF_INET, socket.SOCK_STREAM, 0, handle)
        blocking = sock.gettimeout()
        try:
            yield sock
        finally:
            assert sock.gettimeout() == blocking
            sock.detach()

    def _attempt(self, call, failed=-1):
        try:
            return call()
        except BlockingIOError:
            self.code = 10035
        except OSError as error:
            self.code = getattr(error, "winerror", None) or WSA.get(error.errno, 10022)
        return failed

    def _read(self, name: str, raw: bytes, size: int) -> str:
        assert len(raw) == size <= 110
        assert raw[:2] == b"\x01\x00"
        assert raw.endswith(b"\0") and raw.count(b"\0", 2) == 1
        self.log.append((name, raw))
        return os.fsdecode(raw[2:-1])

    def _write(self, path: str, buffer, size) -> int:
        raw = b"\x01\x00" + os.fsencode(path) + b"\0"
        assert size._obj.value == 110
        ctypes.memmove(buffer, raw, len(raw))
        size._obj.value = len(raw) if path else 2
        return 0

    def _WSASocketW(self, family, type, proto, info, group, flags):
        assert (family, type, proto, info, group, flags) == (1, 1, 0, None, 0, 0x81)
        if self.family_error:
            self.code = self.family_error
            return INVALID
        return socket.socket(socket.AF_UNIX if self.native else socket.AF_INET).detach()

    def _closesocket(self, handle):
        socket.close(handle)
        return 0

    def _bind(self, handle, raw, size):
        path = self._read("bind", raw, size)

        def call():
            with self._borrow(handle) as sock:
                if self.native:
                    sock.bind(path)
                elif os.path.lexists(path):
                    raise OSError(errno.EADDRINUSE, "in use")
                else:
                    with open(path, "x"):
                        sock.bind(("127.0.0.1", 0))
                    self.ports[path] = sock.getsockname()[1]
            self.names[handle] = path
            return 0

        return self._attempt(call)

    def _connect(self, handle, raw, size):
        path = self._read("connect", raw, size)

        def call():
            with self._borrow(handle) as sock:
                if self.native:
                    sock.connect(path)
                else:
                    sock.setblocking(True)  # a Unix connect on Windows ends at once; its non-blocking form is untested
                    sock.connect(("127.0.0.1", self.ports.get(path, 1)))
            return 0

        return self._attempt(call)

    def _accept(self, handle, buffer, size):
        def call():
            with self._borrow(handle) as sock:
                connection, _ = sock.accept()
            connection.set_inheritable(True)  # as Winsock's own accept may leave it
            self._write("", buffer, size)
            return connection.detach()

        return self._attempt(call, INVALID)

    def _getsockname(self, handle, buffer, size):
        if handle not in self.names:
            self.code = 10022
            return -1
        return self._write(self.names[handle], buffer, size)

    def _getpeername(self, handle, buffer, size):
        def call():
            with self._borrow(handle) as sock:
                sock.getpeername()
            return self._write("", buffer, size)

        return self._attempt(call)

    def _WSAIoctl(self, handle, code, inbuf, insize, outbuf, outsize, returned, overlapped, routine):
        assert (code, inbuf, insize, outsize, overlapped, routine) == (0x58000100, None, 0, 4, None, None)
        outbuf._obj.value = 4711
        returned._obj.value = 4
        return 0


class ScriptedWindows(Windows):
    """Windows's rules and classes on this machine's files."""

    def unix_socket(self, make, type):
        if type != 1:
            return super().unix_socket(make, type)
        return UnixSocket()

    def as_unix_socket(self, sock):
        return UnixSocket(fileno=sock.detach())

    def is_socket_file(self, facts):
        return facts.st_mode & 0o170000 in (0o140000, 0o100000)

    def try_lock(self, fileno):
        return platforms._detect().try_lock(fileno)


def os_error(code: int) -> OSError:
    if sys.platform == "win32":
        return OSError(0, ctypes.FormatError(code), None, code)
    return OSError(ERRNO.get(code, code), f"Winsock error {code}")


@pytest.fixture
def dll(monkeypatch):
    script = ScriptedWs2()
    monkeypatch.setattr(winsock, "_loaded", Winsock(script, lambda: script.code, os_error))
    monkeypatch.setattr(platforms, "current", ScriptedWindows())
    return script


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="ds", dir=None if sys.platform == "win32" else "/tmp")
    yield path
    left = os.listdir(path)
    shutil.rmtree(path)
    assert left == []


@pytest.fixture
def path(dll, folder):
    return os.path.join(folder, "s")


@pytest.fixture
def pair(path):
    """A connected pair: (client, server)."""
    with UnixSocket() as listener, UnixSocket() as client:
        listener.bind(path)
        listener.listen()
        client.connect(path)
        server, _ = listener.accept()
        with server:
            yield client, server
    os.unlink(path)


# ---------------------------------------------------------------------- bytes and signatures


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        pytest.param("C:\\x.sock", b"\x01\x00C:\\x.sock\x00", id="plain"),
        pytest.param("\u00e9", b"\x01\x00\xc3\xa9\x00", id="utf-8"),
        pytest.param("x" * 107, b"\x01\x00" + b"x" * 107 + b"\x00", id="longest"),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="Windows is little-endian; runs on such machines")
def test_sockaddr_byte_for_byte(path, raw):
    assert pack_path(path) == raw
    assert len(raw) <= 110
    assert unpack_path(raw) == path
    assert unpack_path(raw.ljust(110, b"\0")) == path


def test_sockaddr_refuses_what_does_not_fit():
    with pytest.raises(OSError, match="at most 107 bytes, this has 108") as caught:
        pack_path("x" * 108)
    assert caught.value.errno == errno.ENAMETOOLONG
    with pytest.raises(ValueError, match="NUL"):
        pack_path("a\0b")
    assert unpack_path(b"\x01\x00") == ""


def test_every_function_has_its_signature(dll):
    word = ctypes.sizeof(ctypes.c_void_p)
    assert ctypes.sizeof(ctypes.c_size_t) == word  # SOCKET is as wide as a pointer
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(dll, name)
        assert function.restype is result
        assert function.argtypes == arguments
    assert SIGNATURES["accept"][0] is ctypes.c_size_t
    assert [ctypes.sizeof(argument) for argument in SIGNATURES["bind"][1]] == [word, word, 4]
    assert len(SIGNATURES["WSAIoctl"][1]) == 9
    assert len(SIGNATURES["WSASocketW"][1]) == 6


def test_the_probe_says_so_cleanly_and_leaks_nothing(dll):
    dll.family_error = 10047
    with pytest.raises(UnsupportedError, match="Windows 10 1803") as caught:
        doors.current.unix_socket(socket.SOCK_STREAM)
    assert caught.value.errno == 10047


def test_another_error_is_the_systems(dll):
    dll.family_error = 10022
    with pytest.raises(OSError) as caught:
        UnixSocket()
    assert not isinstance(caught.value, UnsupportedError)


@pytest.mark.skipif(sys.platform != "win32", reason="needs ws2_32.dll; runs on Windows and under Wine")
def test_the_real_dll_has_every_function_and_says_what_it_can():
    winsock._loaded = None
    real = winsock.current()
    try:
        handle = real.socket()
    except UnsupportedError as error:
        assert error.errno == 10047  # Wine
    else:
        real.close(handle)


@pytest.mark.skipif(sys.platform == "win32", reason="what the other systems answer; runs on POSIX")
def test_off_windows_there_is_none():
    with pytest.raises(UnsupportedError, match="Winsock"):
        winsock.current()


@pytest.mark.parametrize("type", [socket.SOCK_DGRAM, 5], ids=["dgram", "seqpacket"])
def test_only_streams(dll, type):
    with pytest.raises(UnsupportedError, match="not a stream"):
        doors.current.unix_socket(type)


# ---------------------------------------------------------------------- the methods programs use


def test_it_is_a_socket(pair):
    client, server = pair
    for sock in pair:
        assert isinstance(sock, socket.socket)
        assert isinstance(sock, UnixSocket)
        assert sock.family == 1
        assert sock.type == socket.SOCK_STREAM
        assert not sock.get_inheritable()
        assert "UnixSocket" in repr(sock)
        with pytest.raises(TypeError):
            pickle.dumps(sock)
    client.sendall(b"hello")
    assert server.recv(100) == b"hello"
    buffer = bytearray(10)
    server.send(b"abc")
    assert (client.recv_into(buffer), buffer[:3]) == (3, b"abc")
    with client.makefile("rw", newline="\n") as left, server.makefile("rw", newline="\n") as right:
        print("a line", file=left, flush=True)
        assert right.readline() == "a line\n"
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""


def test_names(dll, path):
    with UnixSocket() as listener, UnixSocket() as client:
        assert listener.getsockname() == ""
        listener.bind(path)
        assert listener.getsockname() == path
        listener.listen()
        with pytest.raises(OSError) as caught:
            client.getpeername()
        assert caught.value.errno in (errno.ENOTCONN, 10057)
    os.unlink(path)
    assert dll.log[0] == ("bind", pack_path(path))


@blocking_mode
def test_timeouts_and_blocking(path):
    with UnixSocket() as listener:
        listener.bind(path)
        listener.listen()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        listener.settimeout(0.01)
        with pytest.raises(TimeoutError):
            listener.accept()
        listener.settimeout(10)
        with UnixSocket() as client:
            client.settimeout(10)
            client.connect(path)
            connection, peer = listener.accept()
            with connection:
                assert peer == ""
                assert connection.gettimeout() is None
                client.settimeout(0.01)
                with pytest.raises(TimeoutError):
                    client.recv(1)
    os.unlink(path)


def test_connect_ex_and_a_dead_path(path):
    with UnixSocket() as listener:
        listener.bind(path)
    with UnixSocket() as client:
        assert client.connect_ex(path) == 10061
        with pytest.raises(ConnectionRefusedError):
            client.connect(path)
    os.unlink(path)


def test_detach_dup_and_fileno(pair):
    client, server = pair
    with client.dup() as copy:
        assert isinstance(copy, UnixSocket)
        assert copy.fileno() != client.fileno()
        copy.sendall(b"x")
        assert server.recv(1) == b"x"
    handle = client.dup().detach()
    with UnixSocket(fileno=handle) as again:
        again.sendall(b"y")
        assert server.recv(1) == b"y"


def test_a_failed_wrap_closes_the_handle(dll, path, monkeypatch):
    handle = dll.WSASocketW(1, 1, 0, None, 0, 0x81)
    closed = []
    dll.WSASocketW.call = lambda *_: handle
    dll.closesocket.call = lambda number: closed.append(number) or socket.close(number) or 0

    def refuse(self, *arguments):
        raise MemoryError

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    with pytest.raises(MemoryError):
        UnixSocket()
    monkeypatch.undo()
    assert closed == [handle]


def test_selectors(pair):
    client, server = pair
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        assert selector.select(0) == []
        client.sendall(b"x")
        assert [key.fileobj for key, _ in selector.select(10)] == [server]


CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"


def test_ssl(pair):
    client, server = pair
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(CERTIFICATE)
    theirs = ssl.create_default_context(cafile=CERTIFICATE)
    for context in (ours, theirs):
        context.sslsocket_class = tls_class(ssl.SSLSocket)
    failures = []

    def serve() -> None:
        try:
            with ours.wrap_socket(server, server_side=True) as wrapped:
                wrapped.sendall(wrapped.recv(100).upper())
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    with theirs.wrap_socket(client, server_hostname="localhost") as wrapped:
        assert wrapped.getpeername() == ""
        wrapped.sendall(b"secret")
        assert wrapped.recv(100) == b"SECRET"
    thread.join()
    assert failures == []


def test_asyncio_streams(pair):
    client, server = pair

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection(sock=client)
        other_reader, other_writer = await asyncio.open_connection(sock=server)
        writer.write(b"ping")
        got = await other_reader.readexactly(4)
        other_writer.write(got + b"-pong")
        answer = await reader.readexactly(9)
        for each in (writer, other_writer):
            each.close()
            await each.wait_closed()
        return answer

    assert asyncio.run(talk()) == b"ping-pong"  # on Windows: the Proactor loop


@blocking_mode
def test_asyncio_listener(dll, path):
    def client() -> bytes:
        with UnixSocket() as sock:
            sock.settimeout(10)
            sock.connect(path)
            sock.sendall(b"ping")
            return sock.recv(100)

    async def serve() -> bytes:
        loop = asyncio.get_running_loop()
        async with await dualstack.aio.open_listener(f"unix:{path}") as listener:
            with pytest.raises(TimeoutError):
                await listener.accept(timeout=0.01)
            answer = loop.run_in_executor(None, client)
            connection, peer = await listener.accept(timeout=10)
            with connection:
                assert str(peer) == "unix:"
                await loop.sock_sendall(connection, await loop.sock_recv(connection, 100) + b"-pong")
            return await answer

    assert asyncio.run(serve()) == b"ping-pong"  # on Windows: the Proactor loop, which cannot accept this itself


def test_credentials_are_the_process_id(pair):
    assert peer_credentials(pair[0]) == PeerCredentials((4711, None, None))


# ---------------------------------------------------------------------- through the verbs


def test_open_listener_accept_close(dll, path):
    with open_listener(f"unix:{path}") as listener:
        with UnixSocket() as client:
            client.connect(path)
            connection, peer = listener.accept(timeout=10)
            with connection:
                assert isinstance(connection, UnixSocket)
                assert str(peer) == "unix:"
                client.sendall(b"x")
                assert connection.recv(1) == b"x"
        assert listener.endpoints[0].path == path
    assert not os.path.exists(path)


def test_a_live_listener_stays_and_a_dead_one_goes(dll, path):
    with open_listener(f"unix:{path}"), pytest.raises(OSError, match="a running process has it open"):
        open_listener(f"unix:{path}")
    with UnixSocket() as dead:
        dead.bind(path)
    dll.ports.pop(path, None)
    with open_listener(f"unix:{path}"), UnixSocket() as client:
        client.connect(path)


@pytest.mark.parametrize("arguments", [{"mode": 0o660}, {"owner": 1}, {"group": 1}], ids=repr)
def test_what_windows_files_lack_is_unsupported(dll, path, arguments):
    with pytest.raises(UnsupportedError, match="access list"):
        open_listener(f"unix:{path}", **arguments)


def test_a_long_path_is_named_with_its_limit(dll, folder):
    with pytest.raises(ValueError, match="at most 107 bytes on Windows"):
        open_listener(f"unix:{folder}/{'x' * 108}")


def test_abstract_names_are_unsupported(dll):
    with pytest.raises(UnsupportedError, match="abstract name"):
        open_listener("unix:@name")


def test_an_adopted_descriptor_is_of_the_same_class(dll, path):
    with UnixSocket() as listener:
        listener.bind(path)
        listener.listen()
        with Doors().adopt(listener.dup().detach()) as again:
            assert isinstance(again, UnixSocket) or sys.platform == "win32"  # TCP behind the script there
    os.unlink(path)
