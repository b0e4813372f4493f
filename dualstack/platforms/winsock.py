"""Unix sockets on Windows, for a Python whose ``socket`` module has none: the calls of ws2_32.dll that take an address.

Problem: Windows has AF_UNIX since 2018 (stream sockets with a path), CPython's Windows builds do not know it: the
``socket`` type makes, reads, writes and closes such a socket like any other, and refuses every call with an address in
it ("bad family").

Naive way: a wrapper object with a dozen methods. It is not a ``socket.socket``, so selectors, asyncio, ssl and the
caller's isinstance checks refuse it.

Our rule: ``UnixSocket`` *is* a ``socket.socket``, made around a handle, and overrides what takes or gives an address:
``bind``, ``connect``, ``connect_ex``, ``accept``, ``getsockname``, ``getpeername``. Everything else (``recv_into``,
``sendall``, ``makefile``, ``settimeout``, ``shutdown``, ``detach``, ``share`` ...) is inherited, and works with
selectors, with asyncio's transports and, through ``tls_class``, with ssl. Whether the system can do it is found out by
doing it: error 10047 becomes an UnsupportedError.

Left out: datagrams, passing of handles, abstract names and socketpair, which Windows does not have.

Never run on a real Windows: Wine 10 answers 10047 and runs the loading, the signatures and that error; the tests run
every method on a scripted ws2_32 that reads and writes the same bytes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import sys
from time import monotonic

from ..errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ("SIGNATURES", "UnixSocket", "Winsock", "current", "pack_path", "tls_class", "unpack_path")

AF_UNIX = 1
SOCK_STREAM = 1
_SIZE = 110  # sizeof(SOCKADDR_UN): a u16 family and 108 bytes of path (afunix.h)
_INVALID = ctypes.c_size_t(-1).value  # INVALID_SOCKET; a SOCKET is as wide as a pointer
_OVERLAPPED_NOT_INHERITED = 0x01 | 0x80  # WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT
_SIO_AF_UNIX_GETPEERPID = 0x58000100  # _WSAIOR(IOC_VENDOR, 256) (afunix.h)
_WSAEWOULDBLOCK = 10035
_WSAEAFNOSUPPORT = 10047
_WSAEINVAL = 10022  # getsockname of a socket that is not bound
# A SOCKET is a handle and no file descriptor; where there are no handles (in tests) it is one.
_set_inheritable: Callable[[int, bool], None] = getattr(os, "set_handle_inheritable", os.set_inheritable)

# name: (result, arguments). On 64-bit Windows an undeclared SOCKET argument would be cut to 32 bits.
SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "WSASocketW": (
        ctypes.c_size_t,
        (ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32),
    ),
    "closesocket": (ctypes.c_int, (ctypes.c_size_t,)),
    "bind": (ctypes.c_int, (ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int)),
    "connect": (ctypes.c_int, (ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int)),
    "accept": (ctypes.c_size_t, (ctypes.c_size_t, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))),
    "getsockname": (ctypes.c_int, (ctypes.c_size_t, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))),
    "getpeername": (ctypes.c_int, (ctypes.c_size_t, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))),
    "WSAIoctl": (
        ctypes.c_int,
        (
            ctypes.c_size_t,
            ctypes.c_uint32,
            ctypes.c_void_p,
            ctypes.c_uint32,
            ctypes.c_void_p,
            ctypes.c_uint32,
            ctypes.POINTER(ctypes.c_uint32),
            ctypes.c_void_p,
            ctypes.c_void_p,
        ),
    ),
}


def pack_path(path: str | bytes) -> bytes:
    """Make the bytes of a SOCKADDR_UN: family, path, NUL; OSError for a path that does not fit."""
    raw = os.fsencode(path)
    if len(raw) > _SIZE - 3:
        raise OSError(errno.ENAMETOOLONG, f"a Unix socket path has at most {_SIZE - 3} bytes, this has {len(raw)}")
    if b"\0" in raw:
        raise ValueError("NUL in a socket path")
    return AF_UNIX.to_bytes(2, sys.byteorder) + raw + b"\0"


def unpack_path(raw: bytes) -> str:
    """Read the path of a SOCKADDR_UN; ``""`` for a socket that is not bound."""
    return os.fsdecode(raw[2:].split(b"\0", 1)[0])


class Winsock:
    """ws2_32.dll with its signatures, or in tests a double that has functions of the same names and arguments."""

    def __init__(self, dll: Any, last_error: Callable[[], int], os_error: Callable[[int], OSError]) -> None:
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(dll, name)
            function.restype, function.argtypes = result, arguments
        self._dll = dll
        self._last_error = last_error
        self._os_error = os_error

    def failure(self) -> OSError:
        """The exception for the error of the call before."""
        return self._os_error(self._last_error())

    def socket(self) -> int:
        """Make a stream socket; UnsupportedError where the system has no AF_UNIX."""
        handle: int = self._dll.WSASocketW(AF_UNIX, SOCK_STREAM, 0, None, 0, _OVERLAPPED_NOT_INHERITED)
        if handle == _INVALID:
            code = self._last_error()
            if code == _WSAEAFNOSUPPORT:
                raise UnsupportedError(
                    "a Unix socket", "this Windows", "it needs Windows 10 1803; use TCP on loopback", errno=code
                )
            raise self._os_error(code)
        return handle

    def close(self, handle: int) -> None:
        """Close a handle that no object owns yet."""
        self._dll.closesocket(handle)

    def bind(self, handle: int, path: str | bytes) -> None:
        """Bind to a path, which must not exist."""
        raw = pack_path(path)
        if self._dll.bind(handle, raw, len(raw)) != 0:
            raise self.failure()

    def connect(self, handle: int, path: str | bytes) -> int:
        """Connect to a path; the Winsock error, 0 when connected."""
        raw = pack_path(path)
        if self._dll.connect(handle, raw, len(raw)) != 0:
            return self._last_error()
        return 0

    def accept(self, handle: int) -> tuple[int, str]:
        """Take a connection: its handle and the path of its peer."""
        buffer, size = ctypes.create_string_buffer(_SIZE), ctypes.c_int(_SIZE)
        connection: int = self._dll.accept(handle, buffer, ctypes.byref(size))
        if connection == _INVALID:
            raise self.failure()
        return connection, unpack_path(buffer.raw[: size.value])

    def name(self, call: str, handle: int) -> str:
        """The path of this end (``getsockname``) or the other (``getpeername``)."""
        buffer, size = ctypes.create_string_buffer(_SIZE), ctypes.c_int(_SIZE)
        if getattr(self._dll, call)(handle, buffer, ctypes.byref(size)) != 0:
            code = self._last_error()
            if call == "getsockname" and code == _WSAEINVAL:
                return ""
            raise self._os_error(code)
        return unpack_path(buffer.raw[: size.value])

    def peer_pid(self, handle: int) -> int:
        """The process at the other end."""
        pid, size = ctypes.c_uint32(), ctypes.c_uint32()
        code = self._dll.WSAIoctl(
            handle, _SIO_AF_UNIX_GETPEERPID, None, 0, ctypes.byref(pid), 4, ctypes.byref(size), None, None
        )
        if code != 0:
            raise self.failure()
        return pid.value

    def os_error(self, code: int) -> OSError:
        """The exception for a Winsock error."""
        return self._os_error(code)


_loaded: Winsock | None = None


def current() -> Winsock:
    """The Winsock of this process, loaded on first use; UnsupportedError off Windows."""
    global _loaded  # noqa: PLW0603 - loaded once; tests put their double here
    if _loaded is None:
        if sys.platform != "win32":
            raise UnsupportedError("Winsock", sys.platform)
        _loaded = Winsock(
            ctypes.WinDLL("ws2_32", use_last_error=True),
            ctypes.get_last_error,
            # With four arguments OSError sets winerror, and errno and the subclass from it.
            lambda code: OSError(0, ctypes.FormatError(code), None, code),
        )
    return _loaded


class _Names:
    """getsockname and getpeername by Winsock, for any class derived from ``socket.socket``."""

    def getsockname(self: Any) -> str:
        return current().name("getsockname", self.fileno())

    def getpeername(self: Any) -> str:
        return current().name("getpeername", self.fileno())


class UnixSocket(_Names, socket.socket):
    """A Unix stream socket that is a ``socket.socket`` in every way programs use."""

    __slots__ = ()

    def __init__(
        self, family: int = AF_UNIX, type: int = SOCK_STREAM, proto: int = 0, fileno: int | None = None
    ) -> None:
        if fileno is not None:
            super().__init__(AF_UNIX, SOCK_STREAM, 0, fileno)
            return
        winsock = current()
        handle = winsock.socket()
        try:
            super().__init__(AF_UNIX, SOCK_STREAM, 0, handle)
        except BaseException:
            winsock.close(handle)
            raise

    def bind(self, address: Any) -> None:
        """Bind to a path."""
        current().bind(self.fileno(), address)

    def connect(self, address: Any) -> None:
        """Connect to a path; with a timeout, within it."""
        code = self.connect_ex(address)
        if code:
            if code == errno.ETIMEDOUT:
                raise TimeoutError("timed out")
            raise current().os_error(code)

    def connect_ex(self, address: Any) -> int:
        """Connect to a path and return the error; with a timeout, ETIMEDOUT when it has passed."""
        winsock = current()
        code = winsock.connect(self.fileno(), address)
        timeout = self.gettimeout()
        if code != _WSAEWOULDBLOCK or not timeout:
            return code
        # Winsock tells success by writability and failure by the exception set.
        _, writable, failed = select.select([], [self], [self], timeout)
        if not writable and not failed:
            return errno.ETIMEDOUT
        return self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _accept(self) -> tuple[int, str]:
        # What socket.accept and our doors call.
        winsock = current()
        timeout = self.gettimeout()
        deadline = monotonic() + timeout if timeout else None
        while True:
            try:
                handle, peer = winsock.accept(self.fileno())
                break
            except BlockingIOError:
                if deadline is None:
                    raise
                if not select.select([self], [], [], max(0.0, deadline - monotonic()))[0]:
                    raise TimeoutError("timed out") from None
        try:
            # Handles from accept may be inheritable whatever the listener is; CPython's own accept clears it too.
            _set_inheritable(handle, False)
        except BaseException:
            winsock.close(handle)
            raise
        return handle, peer

    def accept(self) -> tuple[UnixSocket, str]:
        """Take a connection; it is a UnixSocket too."""
        handle, peer = self._accept()
        try:
            connection = UnixSocket(fileno=handle)
        except BaseException:
            current().close(handle)
            raise
        if socket.getdefaulttimeout() is None and self.gettimeout():
            connection.setblocking(True)
        return connection, peer


def tls_class(base: type[Any]) -> type[Any]:
    """A subclass of ``ssl.SSLSocket`` for ``SSLContext.sslsocket_class``: wrapping asks the socket for its peer."""
    return type("UnixSSLSocket", (_Names, base), {})
