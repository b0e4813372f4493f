"""The ``socket`` class of the shim: a ``socket.socket`` whose IPv4 peers have IPv4 addresses.

Problem: one IPv6 socket serves IPv4 clients too, and calls them ``("::ffff:192.0.2.7", 51413, 0, 0)``. Allow lists, log
parsers and rate limits take that for IPv6.

Our rule: **a peer is named as what it is.** What ``accept``, ``recvfrom``, ``recvfrom_into``, ``recvmsg``,
``recvmsg_into`` and ``getpeername`` of an AF_INET6 socket say about an IPv4 peer is ``("192.0.2.7", 51413)``, and
``sendto``, ``sendmsg``, ``connect`` and ``connect_ex`` of an AF_INET6 socket take that form, so that an answer reaches
who asked. IPv6 peers stay four values long.

What stays as the system says it: ``getsockname`` (it is what ``bind`` takes), ancillary data, ``bind``, and everything
about sockets of other families. Extensions in C that ask the descriptor by themselves (uvloop) see the mapped form.

``isinstance(x, socket)`` holds for every ``socket.socket``, those of ssl and other libraries included: a program that
asks means "is it a socket", and half of the sockets it meets were made elsewhere. Subclasses ask for themselves.
"""

from __future__ import annotations

import socket as _stdlib
import sys
from _socket import AF_INET6, getdefaulttimeout
from abc import ABCMeta

from .socket_address import mapped, unmapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ("adopt",)  # the class itself is public as dualstack.shim.socket.socket

_RealSocket = _stdlib.socket  # as it is now; programs put classes of their own there
if TYPE_CHECKING:
    from .socket_windows import WindowsSocket as _Base  # has every method that any of them has
elif hasattr(_RealSocket, "recvmsg") and hasattr(_stdlib, "AF_UNIX"):
    _Base = _RealSocket
else:
    from .socket_windows import WindowsSocket as _Base

# The numbers themselves: the properties of socket.socket make a member of an enumeration at each access.
_family: Callable[[Any], int] = _stdlib.SocketType.family.__get__
_type: Callable[[Any], int] = _stdlib.SocketType.type.__get__


class _OfInstances:
    """A method that the class does not show: asyncio takes it there for a sign of POSIX, and asks for sysconf."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            raise AttributeError(f"the sockets have it, {owner!r} does not show it")
        return self._function.__get__(instance, owner)


class _AnySocket(ABCMeta):
    """Of ABCMeta, so that programs may mix ``socket.socket`` with abstract classes, as they can today."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _RealSocket) if cls is socket else super().__instancecheck__(instance)

    def __subclasscheck__(cls, other: Any) -> bool:
        return issubclass(other, _RealSocket) if cls is socket else super().__subclasscheck__(other)


class socket(_Base, metaclass=_AnySocket):
    """``socket.socket(family=AF_INET, type=SOCK_STREAM, proto=0) -> socket object``

    The standard library's class; the differences are those in the documentation of ``dualstack.shim.socket``: IPv4
    peers of an AF_INET6 socket have IPv4 addresses, in and out, and what Windows lacks is there.
    """

    __slots__ = ()

    def accept(self) -> tuple[socket, Any]:
        """accept() -> (socket object, address info)

        Wait for an incoming connection. Return a new socket representing the connection, and the address of the client:
        ``(host, port)`` for an IPv4 client, also of an AF_INET6 socket.
        """
        fileno, address = self._accept()
        family = _family(self)
        try:
            sock = socket(family, _type(self), self.proto, fileno=fileno)
        except BaseException:
            _stdlib.close(fileno)
            raise
        if getdefaulttimeout() is None and self.gettimeout():
            sock.setblocking(True)  # BSD, macOS and Windows hand O_NONBLOCK down
        return sock, unmapped(address) if family == AF_INET6 else address

    def getpeername(self) -> Any:
        """getpeername() -> address info

        The address of the other end: ``(host, port)`` for an IPv4 peer, also of an AF_INET6 socket.
        """
        address = super().getpeername()
        return unmapped(address) if _family(self) == AF_INET6 else address

    def connect(self, address: Any, /) -> None:
        """connect(address)

        Connect to a remote address; an AF_INET6 socket takes ``(host, port)`` with an IPv4 literal too.
        """
        super().connect(mapped(address) if _family(self) == AF_INET6 else address)

    def connect_ex(self, address: Any, /) -> int:
        """connect_ex(address) -> errno

        Like connect(address), but the error is returned instead of raised.
        """
        code: int = super().connect_ex(mapped(address) if _family(self) == AF_INET6 else address)
        return code

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """recvfrom(buffersize[, flags]) -> (data, address info)

        Like recv(buffersize, flags), with the sender's address: ``(host, port)`` for an IPv4 one.
        """
        data, address = super().recvfrom(bufsize, flags)
        return data, unmapped(address) if _family(self) == AF_INET6 else address

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """recvfrom_into(buffer[, nbytes[, flags]]) -> (nbytes, address info)

        Like recv_into(buffer[, nbytes[, flags]]), with the sender's address: ``(host, port)`` for an IPv4 one.
        """
        size, address = super().recvfrom_into(buffer, nbytes, flags)
        return size, unmapped(address) if _family(self) == AF_INET6 else address

    def sendto(self, data: Any, /, *rest: Any) -> int:
        """sendto(data[, flags], address) -> count

        Send to an address; an AF_INET6 socket takes ``(host, port)`` with an IPv4 literal too.
        """
        if rest and _family(self) == AF_INET6:
            rest = (*rest[:-1], mapped(rest[-1]))
        size: int = super().sendto(data, *rest)
        return size

    if hasattr(_Base, "recvmsg"):

        def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /) -> tuple[bytes, list[Any], int, Any]:
            """recvmsg(bufsize[, ancbufsize[, flags]]) -> (data, ancdata, msg_flags, address)

            Receive data and control messages, with the sender's address: ``(host, port)`` for an IPv4 one.
            """
            data, messages, told, address = super().recvmsg(bufsize, ancbufsize, flags)
            return data, messages, told, unmapped(address) if _family(self) == AF_INET6 else address

        def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0, /) -> tuple[int, list[Any], int, Any]:
            """recvmsg_into(buffers[, ancbufsize[, flags]]) -> (nbytes, ancdata, msg_flags, address)

            Like recvmsg, into *buffers*, one after the other.
            """
            size, messages, told, address = super().recvmsg_into(buffers, ancbufsize, flags)
            return size, messages, told, unmapped(address) if _family(self) == AF_INET6 else address

        def sendmsg(self, buffers: Any, /, *rest: Any) -> int:
            """sendmsg(buffers[, ancdata[, flags[, address]]]) -> count

            Send data and control messages; an AF_INET6 socket takes ``(host, port)`` with an IPv4 literal too.
            """
            if len(rest) == 3 and _family(self) == AF_INET6:
                rest = (*rest[:2], mapped(rest[2]))
            size: int = super().sendmsg(buffers, *rest)
            return size

        if not hasattr(_RealSocket, "sendmsg"):
            sendmsg = _OfInstances(sendmsg)  # type: ignore[assignment]  # a descriptor in its place

    def __reduce_ex__(self, protocol: Any) -> Any:
        if type(self) is socket and "multiprocessing.reduction" in sys.modules:
            from .socket_reduction import reducer

            reduce = reducer(socket, sys._getframe(1))
            if reduce is not None:
                return reduce(self)
        return super().__reduce_ex__(protocol)


# Where users find it, and where pickles of the class look for it.
socket.__module__ = "dualstack.shim.socket"


def adopt(sock: _stdlib.socket) -> Any:
    """Turn a standard socket into one of ours, in place: no descriptor changes hands, so none can get lost."""
    if type(sock) is _RealSocket:
        sock.__class__ = socket  # the same slots, so the same layout
    return sock
