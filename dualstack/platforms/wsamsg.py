"""recvmsg and sendmsg on Windows, made from WSARecvMsg and WSASendMsg.

CPython has neither on Windows (https://github.com/python/cpython/issues/80398), and without them a UDP server there
cannot know which of its addresses was asked. Both functions are extension functions of Winsock: their addresses come
from WSAIoctl(SIO_GET_EXTENSION_FUNCTION_POINTER) with the GUID of each, on a socket of the same kind.

``calls(sock)`` gives three functions with the arguments and results of ``socket.recvmsg``, ``recvmsg_into`` and
``sendmsg``. They make one call without OVERLAPPED, so the socket must be non-blocking (or a caller that waits): a
call that would block raises BlockingIOError. A datagram that does not fit, which Windows reports as the error
WSAEMSGSIZE, comes back cut with MSG_TRUNC, as on every other system.

Run under Wine 10 (x64). The structures are asserted by size and offset for x64 and x86 against the headers. Never run
on a real Windows.
"""

from __future__ import annotations

import ctypes
import sys
from struct import Struct, calcsize

from ..core.ancillary import ControlMessage
from .constants import WINDOWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ..core.ancillary import ControlLayout

    Calls = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]

__all__ = ("WSABUF", "WSAMSG", "Winsock", "calls", "ignore_resets", "pack_sockaddr", "unpack_sockaddr")

_AF_INET, _AF_INET6 = WINDOWS["AF_INET"], WINDOWS["AF_INET6"]
_SOCKADDR_IN = Struct("<HH4s8x")  # the family in host order, which is little-endian on every Windows
_SOCKADDR_IN6 = Struct("<HHI16sI")
_STORAGE = 128  # SOCKADDR_STORAGE

_SIO_GET_EXTENSION_FUNCTION_POINTER = 0xC8000006
_SIO_UDP_CONNRESET = 0x9800000C
_SIO_UDP_NETRESET = 0x9800000F
# WSAID_WSARECVMSG {F689D7C8-6F1F-436B-8A53-E54FE351C322} and WSAID_WSASENDMSG {A441E712-754F-43CA-84A7-0DEE44CF606D}
# of mswsock.h, as a GUID lies in memory.
_WSARECVMSG = bytes.fromhex("c8d789f61f6f6b438a53e54fe351c322")
_WSASENDMSG = bytes.fromhex("12e741a44f75ca4384a70dee44cf606d")
_WSAEMSGSIZE = 10040


class WSABUF(ctypes.Structure):
    """A buffer; ``buf`` is an address."""

    _fields_ = (("len", ctypes.c_uint32), ("buf", ctypes.c_void_p))


class WSAMSG(ctypes.Structure):
    """A message: peer, buffers, control data, flags."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_int32),
        ("lpBuffers", ctypes.POINTER(WSABUF)),
        ("dwBufferCount", ctypes.c_uint32),
        ("Control", WSABUF),
        ("dwFlags", ctypes.c_uint32),
    )


class Winsock:
    """The few functions of ws2_32 used here, each raising OSError as the socket module would; tests script it."""

    def __init__(self) -> None:
        self._receive: Any = None
        self._send: Any = None

    if sys.platform == "win32":

        def _fail(self) -> OSError:
            code = ctypes.get_last_error()
            return OSError(0, ctypes.FormatError(code).strip(), None, code)

        def ioctl(self, handle: int, code: int, given: bytes, answer: Any) -> None:
            """WSAIoctl; *answer* is a ctypes object or None."""
            function = ctypes.WinDLL("ws2_32", use_last_error=True).WSAIoctl
            size = ctypes.c_uint32()
            function.restype = ctypes.c_int
            function.argtypes = (
                ctypes.c_size_t,
                ctypes.c_uint32,
                ctypes.c_char_p,
                ctypes.c_uint32,
                ctypes.c_void_p,
                ctypes.c_uint32,
                ctypes.POINTER(ctypes.c_uint32),
                ctypes.c_void_p,
                ctypes.c_void_p,
            )
            room = 0 if answer is None else ctypes.sizeof(answer)
            pointer = None if answer is None else ctypes.byref(answer)
            if function(handle, code, given, len(given), pointer, room, ctypes.byref(size), None, None):
                raise self._fail()

        def _extension(self, handle: int, guid: bytes, *arguments: Any) -> Any:
            pointer = ctypes.c_void_p()
            self.ioctl(handle, _SIO_GET_EXTENSION_FUNCTION_POINTER, guid, pointer)
            if not pointer.value:
                raise OSError(0, "Winsock has no such extension function", None, 10045)  # WSAEOPNOTSUPP
            return ctypes.WINFUNCTYPE(ctypes.c_int, *arguments, use_last_error=True)(pointer.value)

        def receive(self, handle: int, message: WSAMSG) -> int:
            """WSARecvMsg; the number of bytes received."""
            if self._receive is None:
                dword = ctypes.POINTER(ctypes.c_uint32)
                self._receive = self._extension(
                    handle,
                    _WSARECVMSG,
                    ctypes.c_size_t,
                    ctypes.POINTER(WSAMSG),
                    dword,
                    ctypes.c_void_p,
                    ctypes.c_void_p,
                )
            size = ctypes.c_uint32()
            if self._receive(handle, ctypes.byref(message), ctypes.byref(size), None, None):
                raise self._fail()
            return size.value

        def send(self, handle: int, message: WSAMSG, flags: int) -> int:
            """WSASendMsg; the number of bytes sent."""
            if self._send is None:
                dword = ctypes.POINTER(ctypes.c_uint32)
                self._send = self._extension(
                    handle,
                    _WSASENDMSG,
                    ctypes.c_size_t,
                    ctypes.POINTER(WSAMSG),
                    ctypes.c_uint32,
                    dword,
                    ctypes.c_void_p,
                    ctypes.c_void_p,
                )
            size = ctypes.c_uint32()
            if self._send(handle, ctypes.byref(message), flags, ctypes.byref(size), None, None):
                raise self._fail()
            return size.value

    else:

        def ioctl(self, handle: int, code: int, given: bytes, answer: Any) -> None:
            raise OSError("ws2_32 is on Windows only")

        def receive(self, handle: int, message: WSAMSG) -> int:
            raise OSError("ws2_32 is on Windows only")

        def send(self, handle: int, message: WSAMSG, flags: int) -> int:
            raise OSError("ws2_32 is on Windows only")


_winsock = Winsock()


def pack_sockaddr(family: int, address: tuple[Any, ...]) -> bytes:
    """A socket address as Winsock reads it."""
    from socket import AF_INET, AF_INET6, htons, inet_pton

    port = htons(address[1])
    if family == AF_INET:
        return _SOCKADDR_IN.pack(_AF_INET, port, inet_pton(AF_INET, address[0]))
    flowinfo, scope_id = (*address[2:], 0, 0)[:2]
    flow = int.from_bytes(flowinfo.to_bytes(4, "big"), "little")
    return _SOCKADDR_IN6.pack(_AF_INET6, port, flow, inet_pton(AF_INET6, address[0]), scope_id)


def unpack_sockaddr(raw: bytes) -> Any:
    """What ``recvfrom`` would say for a socket address that Winsock wrote; None for an empty one."""
    from socket import AF_INET, AF_INET6, inet_ntop, ntohs

    family = int.from_bytes(raw[:2], "little")
    if family == _AF_INET and len(raw) >= _SOCKADDR_IN.size:
        _, port, packed = _SOCKADDR_IN.unpack_from(raw)
        return inet_ntop(AF_INET, packed), ntohs(port)
    if family == _AF_INET6 and len(raw) >= _SOCKADDR_IN6.size:
        _, port, flow, packed, scope_id = _SOCKADDR_IN6.unpack_from(raw)
        return inet_ntop(AF_INET6, packed), ntohs(port), int.from_bytes(flow.to_bytes(4, "little"), "big"), scope_id
    return None


def calls(sock: socket.socket, winsock: Winsock = _winsock, layout: ControlLayout | None = None) -> Calls:
    """``recvmsg``, ``recvmsg_into`` and ``sendmsg`` of *sock*."""
    if layout is None:
        from .udp import RULES

        layout = RULES["win32"].layout
    control_layout = layout

    def receive(buffers: Any, count: int, total: int, room: int, flags: int) -> Any:
        # addressof, not cast: what cast returns and what it was given refer to each other, and only the collector would
        # free them. The buffers live as long as this function.
        name = ctypes.create_string_buffer(_STORAGE)
        control = ctypes.create_string_buffer(room or 1)
        message = WSAMSG(
            ctypes.addressof(name),
            _STORAGE,
            buffers,
            count,
            WSABUF(room, ctypes.addressof(control)),
            flags,
        )
        try:
            size = winsock.receive(sock.fileno(), message)
        except OSError as error:
            if getattr(error, "winerror", None) != _WSAEMSGSIZE:
                raise
            size = total
            message.dwFlags |= WINDOWS["MSG_TRUNC"]
        messages = control_layout.unpack(control.raw[: message.Control.len])
        return size, messages, message.dwFlags, unpack_sockaddr(name.raw[: message.namelen])

    def recvmsg(bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[ControlMessage], int, Any]:
        data = ctypes.create_string_buffer(bufsize or 1)
        buffers = (WSABUF * 1)(WSABUF(bufsize, ctypes.addressof(data)))
        size, messages, told, peer = receive(buffers, 1, bufsize, ancbufsize, flags)
        return ctypes.string_at(data, size), messages, told, peer

    def recvmsg_into(
        into: Sequence[Any], ancbufsize: int = 0, flags: int = 0
    ) -> tuple[int, list[ControlMessage], int, Any]:
        views = [memoryview(buffer).cast("B") for buffer in into]
        holders = [(ctypes.c_char * len(view)).from_buffer(view) for view in views]
        buffers = (WSABUF * len(views))(
            *(WSABUF(len(view), ctypes.addressof(held)) for view, held in zip(views, holders, strict=True))
        )
        result: tuple[int, list[ControlMessage], int, Any] = receive(
            buffers, len(views), sum(map(len, views)), ancbufsize, flags
        )
        return result

    def sendmsg(
        parts: Iterable[Any], ancdata: Sequence[ControlMessage] = (), flags: int = 0, address: Any = None
    ) -> int:
        data = b"".join(parts)
        held = ctypes.create_string_buffer(data, len(data) or 1)
        buffers = (WSABUF * 1)(WSABUF(len(data), ctypes.addressof(held)))
        packed = control_layout.pack(ancdata)
        control = ctypes.create_string_buffer(packed, len(packed) or 1)
        raw = b"" if address is None else pack_sockaddr(int(sock.family), address)
        name = ctypes.create_string_buffer(raw, len(raw) or 1)
        message = WSAMSG(
            ctypes.addressof(name) if raw else None,
            len(raw),
            buffers,
            1,
            WSABUF(len(packed), ctypes.addressof(control) if packed else None),
            0,
        )
        return winsock.send(sock.fileno(), message, flags)

    return recvmsg, recvmsg_into, sendmsg


def ignore_resets(sock: socket.socket, winsock: Winsock = _winsock) -> None:
    """Stop an unconnected UDP socket from failing with WSAECONNRESET because some peer answered by ICMP.

    Without it one client that has gone makes the server's next receive fail (Microsoft KB 263823). NETRESET is the
    same for "time to live expired".
    """
    for code in (_SIO_UDP_CONNRESET, _SIO_UDP_NETRESET):
        try:
            winsock.ioctl(sock.fileno(), code, b"\0" * calcsize("=I"), None)  # BOOL FALSE
        except OSError:
            pass  # not there on every Windows and not under Wine: receiving skips the error as well
