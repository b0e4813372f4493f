"""What ``socket.socket`` of Windows lacks: ``recvmsg``, ``recvmsg_into``, ``sendmsg``, and Unix stream sockets.

Windows has had all of it for years; CPython has not asked (https://github.com/python/cpython/issues/80398 and
https://github.com/python/cpython/issues/77589). The calls themselves are platforms/wsamsg.py's and
platforms/winsock.py's; here they become methods that wait as the others do: for ever, up to the timeout, or not at all.

Left out, because Windows has none of it: passing descriptors (``share`` is the way there), Unix datagrams, abstract
names, Unix socket pairs. The Unix part was never run on a real Windows; recvmsg and sendmsg run under Wine.
"""

from __future__ import annotations

import select
import socket as _stdlib
from time import monotonic

from ..errors import UnsupportedError
from ..platforms.winsock import AF_UNIX, SOCK_STREAM, UnixSocket, current
from ..platforms.wsamsg import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ("WindowsSocket",)

_family: Callable[[Any], int] = _stdlib.SocketType.family.__get__
_type: Callable[[Any], int] = _stdlib.SocketType.type.__get__


class WindowsSocket(_stdlib.socket):
    """``socket.socket`` as it would be if CPython asked Windows for everything it has."""

    __slots__ = ()

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        if family != AF_UNIX or fileno is not None:
            super().__init__(family, type, proto, fileno)
            return
        if type not in (-1, SOCK_STREAM):
            raise UnsupportedError("a Unix socket that is not a stream", "Windows", "use a stream, or UDP on loopback")
        winsock = current()
        handle = winsock.socket()
        try:
            super().__init__(AF_UNIX, SOCK_STREAM, 0, handle)
        except BaseException:
            winsock.close(handle)
            raise

    # ------------------------------------------------------------------ Unix sockets

    def bind(self, address: Any, /) -> None:
        """Bind the socket to a local address: for IP sockets a tuple, for Unix sockets a path."""
        if _family(self) == AF_UNIX:
            UnixSocket.bind(self, address)  # type: ignore[arg-type]  # it asks for fileno() and gettimeout() only
        else:
            super().bind(address)

    def connect(self, address: Any, /) -> None:
        """Connect the socket to a remote address: for IP sockets a tuple, for Unix sockets a path."""
        if _family(self) == AF_UNIX:
            UnixSocket.connect(self, address)  # type: ignore[arg-type]  # see bind
        else:
            super().connect(address)

    def connect_ex(self, address: Any, /) -> int:
        """connect_ex(address) -> errno. Like connect, but the error is returned."""
        if _family(self) == AF_UNIX:
            return UnixSocket.connect_ex(self, address)  # type: ignore[arg-type]  # see bind
        return super().connect_ex(address)

    def _accept(self) -> tuple[int, Any]:
        if _family(self) == AF_UNIX:
            return UnixSocket._accept(self)  # type: ignore[arg-type]  # see bind
        found: tuple[int, Any] = super()._accept()  # type: ignore[misc]  # what socket.accept itself calls
        return found

    def getsockname(self) -> Any:
        """Return the address of the local end."""
        return UnixSocket.getsockname(self) if _family(self) == AF_UNIX else super().getsockname()

    def getpeername(self) -> Any:
        """Return the address of the remote end."""
        return UnixSocket.getpeername(self) if _family(self) == AF_UNIX else super().getpeername()

    # ------------------------------------------------------------------ messages

    # WSARecvMsg and WSASendMsg are for datagrams; on a stream they would do what recv and send do.

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /) -> tuple[bytes, list[Any], int, Any]:
        """recvmsg(bufsize[, ancbufsize[, flags]]) -> (data, ancdata, msg_flags, address)"""
        if bufsize < 0 or ancbufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        if _type(self) == SOCK_STREAM:
            return self.recv(bufsize, flags), [], 0, None
        result: tuple[bytes, list[Any], int, Any] = self._wait(_readable, calls(self)[0], bufsize, ancbufsize, flags)
        return result

    def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0, /) -> tuple[int, list[Any], int, Any]:
        """recvmsg_into(buffers[, ancbufsize[, flags]]) -> (nbytes, ancdata, msg_flags, address)"""
        if ancbufsize < 0:
            raise ValueError("negative ancillary data buffer size")
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        if _type(self) == SOCK_STREAM:
            data = self.recv(sum(map(len, views)), flags)
            at = 0
            for view in views:
                part = data[at : at + len(view)]
                view[: len(part)] = part
                at += len(part)
            return len(data), [], 0, None
        result: tuple[int, list[Any], int, Any] = self._wait(_readable, calls(self)[1], views, ancbufsize, flags)
        return result

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None, /) -> int:
        """sendmsg(buffers[, ancdata[, flags[, address]]]) -> count"""
        parts, messages = [bytes(buffer) for buffer in buffers], list(ancdata)
        if _type(self) == SOCK_STREAM:
            if messages:
                raise UnsupportedError("control data on a stream", "Windows", "share(pid) hands a socket over")
            return self.send(b"".join(parts), flags)
        size: int = self._wait(_writable, calls(self)[2], parts, messages, flags, address)
        return size

    def _wait(self, ready: Callable[[Any, float | None], bool], call: Callable[..., Any], *arguments: Any) -> Any:
        """Do *call* the way the timeout of this socket says; a socket with one does not block underneath."""
        timeout = self.gettimeout()
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            try:
                return call(*arguments)
            except BlockingIOError:
                if timeout == 0:
                    raise
            left = None if deadline is None else max(0.0, deadline - monotonic())
            if not ready(self, left):
                raise TimeoutError("timed out")


def _readable(sock: Any, seconds: float | None) -> bool:
    """Wait until *sock* can be read; False after *seconds*."""
    return bool(select.select([sock], [], [], seconds)[0])


def _writable(sock: Any, seconds: float | None) -> bool:
    """Wait until *sock* can be written; False after *seconds*."""
    return bool(select.select([], [sock], [], seconds)[1])
