"""Sockets and selectors of the fake world: real classes to the code under test, no descriptor behind them.

``FakeSocket`` is a ``socket.socket`` whose every method is answered by the world's kernel. Were one forgotten,
the real method would meet descriptor -1 and fail with EBADF, so nothing escapes to the real network.
"""

from __future__ import annotations

import errno
import selectors
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..platforms.constants import TABLES
from .packet_info import fitting
from .ports import OpenSocket, error

if TYPE_CHECKING:
    from .world import World

__all__ = ("FakeSelector", "FakeSocket")

# Option numbers by name: those of the systems a host may be, and over them those of this machine.
_OPTIONS: dict[tuple[int, int], str] = {
    (_table["SOL_SOCKET"], _table[_name]): _name
    for _table in TABLES.values()
    for _name in ("SO_EXCLUSIVEADDRUSE", "SO_REUSEADDR", "SO_REUSEPORT")
    if _name in _table
}
_OPTIONS.update({(socket.IPPROTO_IPV6, _table["IPV6_V6ONLY"]): "IPV6_V6ONLY" for _table in TABLES.values()})
for _name in ("ACCEPTCONN", "DOMAIN", "ERROR", "EXCLUSIVEADDRUSE", "PROTOCOL", "REUSEADDR", "REUSEPORT", "TYPE"):
    if hasattr(socket, f"SO_{_name}"):
        _OPTIONS[socket.SOL_SOCKET, getattr(socket, f"SO_{_name}")] = f"SO_{_name}"
_OPTIONS[socket.IPPROTO_IPV6, socket.IPV6_V6ONLY] = "IPV6_V6ONLY"


class FakeSocket(socket.socket):
    """One socket object over a descriptor of the fake kernel."""

    _world: World
    _fd: int
    _open: OpenSocket
    _timeout: float | None

    @classmethod
    def make(cls, world: World, fd: int, opened: OpenSocket) -> FakeSocket:
        made = cls.__new__(cls)  # without __init__, which would ask the real kernel for a socket
        made._closed = False
        made._io_refs = 0  # type: ignore[attr-defined]  # makefile() counts its users in it; typeshed hides it
        made._world, made._fd, made._open, made._timeout = world, fd, opened, None
        return made

    def _call(self, name: str) -> OpenSocket:
        """Count one system call, and find the socket it is about."""
        if self._fd < 0:
            raise error(errno.EBADF)
        if self._open.ours:
            self._world.faults.count(name)
        return self._open

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        if ready():
            return
        if self._timeout == 0:
            raise error(errno.EAGAIN)
        if not self._world.clock.wait(lambda: self._open.state == "closed" or ready(), self._timeout, what):
            raise TimeoutError("timed out")
        if self._open.state == "closed":
            raise error(errno.EBADF)

    def __repr__(self) -> str:
        opened = self._open
        return f"<FakeSocket {self._fd} {opened.state} local={opened.local} remote={opened.remote}>"

    # ------------------------------------------------------------------ identity

    @property
    def family(self) -> Any:
        try:
            return socket.AddressFamily(self._open.family)
        except ValueError:  # AF_UNIX where Python has no name for it
            return self._open.family

    @property
    def type(self) -> Any:
        return socket.SocketKind(self._open.type)

    @property
    def proto(self) -> int:
        return self._open.proto

    @property
    def timeout(self) -> float | None:
        return self._timeout

    def fileno(self) -> int:
        return self._fd

    def get_inheritable(self) -> bool:
        return bool(self._open.options.get("inheritable"))

    def set_inheritable(self, inheritable: bool) -> None:
        self._open.options["inheritable"] = inheritable

    def settimeout(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._call("setblocking")
        self._timeout = value

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._call("setblocking")
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0

    def dup(self) -> FakeSocket:
        raise NotImplementedError("the fake world has one descriptor per socket")

    def _real_close(self, _ss: Any = None) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._world.close_socket(fd, self._open)

    def detach(self) -> int:
        fd, self._fd = self._fd, -1
        self._closed = True
        return fd

    # ------------------------------------------------------------------ options and names

    def setsockopt(self, level: int, option: int, value: Any, *length: Any) -> None:
        opened = self._call("setsockopt")
        name = _OPTIONS.get((level, option), f"{level}/{option}")
        host = self._world.host
        if name == "IPV6_V6ONLY":
            if opened.family != socket.AF_INET6:
                raise error(errno.ENOPROTOOPT)
            if opened.local is not None or (not value and not host.mapped):
                raise error(errno.EINVAL)
        if name in ("SO_REUSEADDR", "SO_EXCLUSIVEADDRUSE") and host.windows_reuse and value:
            other = {"SO_REUSEADDR": "SO_EXCLUSIVEADDRUSE"}.get(name, "SO_REUSEADDR")
            if opened.options.get(other):
                raise error(errno.EINVAL)
        opened.options[name] = value

    def getsockopt(self, level: int, option: int, buflen: int = 0) -> Any:
        opened = self._call("getsockopt")
        name = _OPTIONS.get((level, option), f"{level}/{option}")
        if name == "SO_ERROR":
            code, opened.error = opened.error, 0
            return code
        known = {
            "SO_TYPE": opened.type,
            "SO_DOMAIN": opened.family,
            "SO_PROTOCOL": opened.proto,
            "SO_ACCEPTCONN": int(opened.state == "listening"),
        }
        return known.get(name, opened.options.get(name, bytes(buflen) if buflen else 0))

    def getsockname(self) -> Any:
        opened = self._call("getsockname")
        if opened.local is not None:
            return opened.local
        if opened.family == socket.AF_INET:
            return "0.0.0.0", 0
        return ("::", 0, 0, 0) if opened.family == socket.AF_INET6 else ""

    def getpeername(self) -> Any:
        opened = self._call("getpeername")
        if opened.state != "connected":
            raise error(errno.ENOTCONN)
        return "" if opened.remote is None else opened.remote

    # ------------------------------------------------------------------ listening

    def bind(self, address: Any) -> None:
        opened = self._call("bind")
        self._world.kernel.bind(opened, address)

    def listen(self, backlog: int = 128) -> None:
        opened = self._call("listen")
        self._world.kernel.listen(opened, backlog)

    def _accept(self) -> tuple[int, Any]:
        opened = self._call("accept")
        if opened.state != "listening":
            raise error(errno.EINVAL)
        self._wait(lambda: opened.readable, "accept")
        fd, server = self._world.kernel.accept(opened)
        return fd, "" if server.remote is None else server.remote

    def accept(self) -> tuple[FakeSocket, Any]:
        fd, peer = self._accept()
        return FakeSocket.make(self._world, fd, self._world.kernel.find(fd)), peer

    # ------------------------------------------------------------------ connecting

    def connect(self, address: Any) -> None:
        opened = self._call("connect")
        self._world.kernel.connect(opened, address)
        if opened.state != "connecting" and opened.state != "failed":
            return
        if self._timeout == 0:
            raise error(errno.EWOULDBLOCK if self._world.host.windows_reuse else errno.EINPROGRESS)
        self._wait(lambda: opened.state != "connecting", "connect")
        if opened.state == "failed":
            code, opened.error = opened.error, 0
            raise error(code)

    def connect_ex(self, address: Any) -> int:
        try:
            self.connect(address)
        except TimeoutError as failure:  # of this socket, without an errno, or ETIMEDOUT of the network
            return failure.errno or self._would_block()
        except OSError as failure:
            if failure.errno is None:
                raise
            return failure.errno
        return 0

    def _would_block(self) -> int:
        return 10035 if self._world.host.windows_reuse else errno.EWOULDBLOCK  # WSAEWOULDBLOCK

    # ------------------------------------------------------------------ data

    def send(self, data: Any, flags: int = 0) -> int:
        opened = self._call("send")
        data = bytes(data)
        if opened.type == socket.SOCK_DGRAM:
            self._world.kernel.send_datagram(opened, data, None)
            return len(data)
        if opened.state != "connected":
            raise error(errno.ENOTCONN)
        if opened.peer is not None:
            if opened.peer.state == "closed":
                raise error(errno.EPIPE)
            opened.peer.received += data
        return len(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.send(data, flags)

    def sendto(self, data: Any, *rest: Any) -> int:
        return self._send_datagram(bytes(data), rest[-1])

    def _send_datagram(self, data: bytes, address: Any, control: Any = ()) -> int:
        opened = self._call("sendto")
        self._world.kernel.send_datagram(opened, data, address, control)
        return len(data)

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        return self.recvfrom(bufsize, flags)[0]

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        data, _, _, sender = self.recvmsg(bufsize, 0, flags)
        return data, sender

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, Any]:
        opened, host = self._call("recv"), self._world.host
        if opened.type == socket.SOCK_STREAM and opened.state not in ("connected", "failed"):
            raise error(errno.ENOTCONN)
        self._wait(lambda: opened.readable, "recv")
        if opened.datagrams:
            data, sender, messages = opened.datagrams.popleft()
            control, lost = fitting(host, messages, ancbufsize)
            cut = host.platform.udp.constants.get("MSG_TRUNC", 0x20) if len(data) > bufsize else 0
            return data[:bufsize], control, lost | cut, sender
        if opened.reset:
            raise error(errno.ECONNRESET)
        if opened.state == "failed":
            code, opened.error = opened.error, 0
            raise error(code or errno.ENOTCONN)
        taken = bytes(opened.received[:bufsize])
        if not flags & getattr(socket, "MSG_PEEK", 0):
            del opened.received[:bufsize]
        return taken, [], 0, None

    def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0) -> tuple[int, list[Any], int, Any]:
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        data, control, flags, sender = self.recvmsg(sum(map(len, views)), ancbufsize, flags)
        rest = data
        for view in views:
            part, rest = rest[: len(view)], rest[len(view) :]
            view[: len(part)] = part
        return len(data), control, flags, sender

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        data = b"".join(buffers)
        if self._open.type == socket.SOCK_DGRAM:
            return self._send_datagram(data, address, ancdata)
        return self.send(data, flags)

    def shutdown(self, how: int) -> None:
        opened = self._call("shutdown")
        if opened.state == "listening":
            return
        if opened.state != "connected":
            raise error(errno.ENOTCONN)
        if how in (socket.SHUT_WR, socket.SHUT_RDWR) and opened.peer is not None:
            opened.peer.ended = True
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            opened.ended = True


class FakeSelector(selectors.BaseSelector):
    """A selector over fake sockets; waiting in it is what makes time pass."""

    def __init__(self, world: World, origin: str) -> None:
        self._world = world
        self._keys: dict[int, selectors.SelectorKey] = {}
        self.origin = origin
        self.closed: bool = False

    def _fd(self, fileobj: Any) -> int:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if fd < 0:
            for key in self._keys.values():  # closed before it was unregistered
                if key.fileobj is fileobj:
                    return key.fd
            raise ValueError(f"Invalid file descriptor: {fd}")
        return int(fd)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self._world.faults.count("register")
        fd = self._fd(fileobj)
        self._world.kernel.find(fd)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        try:
            return self._keys.pop(self._fd(fileobj))
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self.unregister(fileobj)
        return self.register(fileobj, events, data)

    def _ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        found = []
        for key in self._keys.values():
            opened = self._world.kernel.table.get(key.fd)
            if opened is None:
                continue
            events = selectors.EVENT_READ if opened.readable else 0
            events |= selectors.EVENT_WRITE if opened.writable else 0
            if events & key.events:
                found.append((key, events & key.events))
        return found

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._world.faults.count("select")
        self._world.clock.wait(lambda: bool(self._ready()), timeout, "select")
        return self._ready()

    def holds(self, fd: int) -> bool:
        """Whether *fd* is registered here."""
        return fd in self._keys

    def close(self) -> None:
        self._keys.clear()
        self.closed = True

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {key.fileobj: key for key in self._keys.values()}
