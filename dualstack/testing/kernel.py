"""The socket layer of the fake world: descriptors, binding, queues of connections, datagrams."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

from ..core.endpoint import AF_UNIX
from .clock import Clock
from .files import Files, Node
from .hosts import Host
from .network import Outcome
from .packet_info import chosen_source, told
from .ports import OpenSocket, as_seen, clash, error, is_multicast

__all__ = ("Kernel",)

FIRST_EPHEMERAL, LAST_EPHEMERAL = 49152, 65535  # RFC 6335 dynamic range
# Far above what any process has open, so that a fake descriptor handed to a real call is EBADF, never a mix-up.
_FIRST_FD = 1_000_000
_ANY: dict[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


class Kernel:
    """All sockets of one host."""

    def __init__(self, host: Host, clock: Clock) -> None:
        self.host = host
        self.clock = clock
        self.files: Files = Files(0 if host.root else 1000, host.platform.has_proc_fd)
        self.table: dict[int, OpenSocket] = {}
        self.bound: dict[int, list[OpenSocket]] = {}  # by port
        self.unix: dict[Node | bytes, OpenSocket] = {}  # by file, or by abstract name
        self.script: dict[tuple[str, int | None], list[Outcome]] = {}
        self.ephemeral: Iterator[int] = self._ports()
        self._next_fd = _FIRST_FD

    def _ports(self) -> Iterator[int]:
        while True:
            yield from range(FIRST_EPHEMERAL, LAST_EPHEMERAL + 1)

    # ------------------------------------------------------------------ descriptors

    def open(self, family: int, type: int, proto: int, ours: bool, origin: str) -> tuple[int, OpenSocket]:
        host = self.host
        known = {socket.AF_INET: host.ipv4, socket.AF_INET6: host.ipv6, AF_UNIX: host.unix}
        if not known.get(family, False):
            raise error(errno.EAFNOSUPPORT)
        if family == AF_UNIX and type == socket.SOCK_DGRAM and not host.unix_datagrams:
            raise error(errno.EPROTONOSUPPORT)
        opened = OpenSocket(family, type, proto, ours, origin)
        if family == socket.AF_INET6:
            opened.options["IPV6_V6ONLY"] = int(host.bindv6only)
        return self.install(opened), opened

    def install(self, opened: OpenSocket) -> int:
        """Give it a descriptor; the lowest free number is reused, as POSIX has it."""
        if opened.ours and sum(held.ours for held in self.table.values()) >= self.host.fd_limit:
            raise error(errno.EMFILE)
        fd = _FIRST_FD
        while fd in self.table:
            fd += 1
        self.table[fd] = opened
        return fd

    def find(self, fd: int) -> OpenSocket:
        try:
            return self.table[fd]
        except KeyError:
            raise error(errno.EBADF) from None

    def close(self, fd: int) -> None:
        opened = self.table.pop(fd, None)
        if opened is None:
            raise error(errno.EBADF)
        self.release(opened)

    def release(self, opened: OpenSocket) -> None:
        for client in (*opened.queue, *opened.waiting):  # never accepted: the other side is reset
            if client.peer is not None:
                client.peer.reset = True
            client.reset = True
            self._unbind(client)
        opened.queue.clear()
        opened.waiting.clear()
        if opened.peer is not None:
            opened.peer.ended = True
        opened.state = "closed"
        self._unbind(opened)

    def _unbind(self, opened: OpenSocket) -> None:
        if opened.family == AF_UNIX:
            for key in [key for key, held in self.unix.items() if held is opened]:
                del self.unix[key]
                if isinstance(key, Node):
                    self.files.held.remove(key)
        elif opened.local is not None:
            held = self.bound.get(opened.local[1], [])
            if opened in held:
                held.remove(opened)

    # ------------------------------------------------------------------ binding

    def bind(self, opened: OpenSocket, address: Any) -> None:
        if opened.local is not None:
            raise error(errno.EINVAL)
        if opened.family == AF_UNIX:
            self._bind_unix(opened, address)
            return
        local = self.address(opened, address)
        self._may_bind(opened, local)
        self._claim(opened, local)

    def _may_bind(self, opened: OpenSocket, local: Any) -> None:
        host, port = local[0], local[1]
        scope = local[3] if len(local) == 4 else 0
        if host.startswith("fe80:") and not scope:
            raise error(errno.EINVAL)
        if host.startswith("::ffff:"):
            if opened.v6only:
                raise error(errno.EINVAL)
            host = host[7:]
        if host not in _ANY.values() and not is_multicast(host) and not self.host.has(host, scope):
            raise error(errno.EADDRNOTAVAIL)
        if 0 < port < self.host.privileged_below and not self.host.root:
            raise error(errno.EACCES)

    def _claim(self, opened: OpenSocket, local: Any) -> None:
        if local[1]:
            opened.local = local
            code = self._clash(opened)
            if code:
                opened.local = None
                raise error(code)
        else:
            for _ in range(LAST_EPHEMERAL - FIRST_EPHEMERAL + 1):
                opened.local = (local[0], next(self.ephemeral, 0), *local[2:])
                if opened.local[1] and not self._clash(opened):
                    break
            else:
                opened.local = None
                raise error(errno.EADDRINUSE)
        self.bound.setdefault(opened.local[1], []).append(opened)

    def _clash(self, opened: OpenSocket, *, to_listen: bool = False) -> int:
        others = self.bound.get(opened.local[1], ())
        return clash(opened, others, windows=self.host.windows_reuse, to_listen=to_listen)

    def _bind_unix(self, opened: OpenSocket, address: Any) -> None:
        name = os.fsencode(address)
        if name.startswith(b"\0") or not name:
            if not self.host.platform.has_abstract_unix:
                raise error(errno.EINVAL)
            name = name or b"\0%05x" % len(self.unix)
            if name in self.unix:
                raise error(errno.EADDRINUSE)
            self.unix[name] = opened
            opened.local = name
            return
        if b"\0" in name:
            raise ValueError("embedded null byte")
        if len(name) > self.host.platform.sun_path_limit:
            raise OSError("AF_UNIX path too long")  # what the socket module says, without an errno
        node = self.files.make_socket(name, opened)
        self.unix[node] = opened
        opened.local = os.fsdecode(name)

    def listen(self, opened: OpenSocket, backlog: int) -> None:
        if opened.type not in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET if hasattr(socket, "SOCK_SEQPACKET") else 5):
            raise error(errno.EOPNOTSUPP)
        if opened.state not in ("new", "listening"):
            raise error(errno.EINVAL)
        if opened.local is None:
            if opened.family == AF_UNIX or self.host.windows_reuse:
                raise error(errno.EINVAL)
            self._claim(opened, self.address(opened, (_ANY[opened.family], 0)))
        if opened.family != AF_UNIX:
            code = self._clash(opened, to_listen=True)
            if code:
                raise error(code)
        opened.state = "listening"
        opened.backlog = max(backlog, 0)

    # ------------------------------------------------------------------ addresses

    def address(self, opened: OpenSocket, address: Any) -> Any:
        """Read a sockaddr as the socket module would: canonical host, checked port, four fields for IPv6."""
        if opened.family == AF_UNIX:
            return address
        if not isinstance(address, tuple) or len(address) < 2:
            raise TypeError(f"AF_INET address must be tuple, not {type(address).__name__}")
        host, port = address[0], address[1]
        if not isinstance(port, int):
            raise TypeError("'str' object cannot be interpreted as an integer")
        if not 0 <= port <= 65535:
            raise OverflowError("port must be 0-65535.")
        host = (host or _ANY[opened.family]).partition("%")[0]  # a zone in the text is dropped, as by CPython
        try:
            packed = socket.inet_pton(opened.family, host)
        except OSError:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
        host = socket.inet_ntop(opened.family, packed)
        if opened.family == socket.AF_INET:
            return host, port
        flowinfo, scope = (*address[2:4], 0, 0)[:2]
        return host, port, flowinfo, scope

    # ------------------------------------------------------------------ connecting

    def connect(self, opened: OpenSocket, address: Any) -> Outcome:
        """Begin connecting; the outcome says when and how it ends. Immediate failures are raised."""
        if opened.state == "connecting":
            raise error(errno.EALREADY)
        if opened.state != "new":
            raise error(errno.EISCONN if opened.state == "connected" else errno.EINVAL)
        if opened.family == AF_UNIX:
            return self._connect_unix(opened, address)
        remote = self.address(opened, address)
        host, port = remote[0], remote[1]
        mapped = host.startswith("::ffff:")
        if mapped:
            if opened.v6only:
                raise error(errno.ENETUNREACH)
            host = host[7:]
        if host in _ANY.values():
            if not self.host.connects_to_wildcard:
                raise error(errno.EADDRNOTAVAIL)
            host = "::1" if host == "::" and self.host.has("::1") else "127.0.0.1"
            remote = (f"::ffff:{host}" if opened.family == socket.AF_INET6 and host != "::1" else host, *remote[1:])
        if host.startswith("fe80:") and not remote[3]:
            raise error(errno.EINVAL)
        if opened.type != socket.SOCK_STREAM:
            self._autobind(opened, host, mapped)
            opened.remote, opened.state = remote, "connected"
            return Outcome(0, None)
        outcome = self._scripted(host, port)
        if outcome is None and not self.host.has(host, remote[3] if len(remote) == 4 else 0):
            if self.host.source_for(host) is None:
                # Linux: with addresses of the family and no route it is unreachable, without any there is no source.
                missing = ":" in host and not any(":" in one for held in self.host.addresses.values() for one in held)
                raise error(errno.EADDRNOTAVAIL if missing or host == "::1" else errno.ENETUNREACH)
            raise AssertionError(f"no script says what {host} port {port} does; see World.destination")
        if outcome is not None and outcome.code and outcome.after is None:
            raise error(outcome.code)
        if outcome is not None and outcome.to_itself and opened.local is None:
            self._claim(opened, remote)  # the local port happens to be the one connected to
        self._autobind(opened, host, mapped)
        opened.remote = remote
        if outcome is not None:
            opened.state = "connecting"
            if outcome.after is None:
                self.finish(opened, outcome.code)
            elif outcome.after != float("inf"):
                self.clock.after(outcome.after, lambda: self.finish(opened, outcome.code))
            return outcome
        listener = self._listener(host, port)
        if listener is None:
            opened.remote = None
            raise error(errno.ECONNREFUSED)
        return self.join(opened, listener)

    def _scripted(self, host: str, port: int) -> Outcome | None:
        for key in ((host, port), (host, None)):
            outcomes = self.script.get(key)
            if outcomes:
                return outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        return None

    def _autobind(self, opened: OpenSocket, destination: str, mapped: bool) -> None:
        if opened.local is not None and opened.local[0] not in _ANY.values():
            return
        source = self.host.source_for(destination)
        if source is None:
            if (destination, None) not in self.script and not any(key[0] == destination for key in self.script):
                raise error(errno.ENETUNREACH)
            source = "2001:db8::100" if ":" in destination else "192.0.2.100"
        host = f"::ffff:{source}" if mapped else source
        if opened.local is None:
            self._claim(opened, self.address(opened, (host, 0)))
        else:
            opened.local = (host, *opened.local[1:])

    def _listener(self, host: str, port: int) -> OpenSocket | None:
        family = "6" if ":" in host else "4"
        for other in self.bound.get(port, ()):
            if other.state == "listening" and other.covers().get(family, "").partition("%")[0] in (
                host,
                "::" if family == "6" else "0.0.0.0",
            ):
                return other
        return None

    def _connect_unix(self, opened: OpenSocket, address: Any) -> Outcome:
        name = os.fsencode(address)
        if name.startswith(b"\0"):
            listener = self.unix.get(name)
        else:
            listener = self.unix.get(self.files.find(name, follow=True))
        if listener is not None and listener.type != opened.type:
            raise error(errno.EPROTOTYPE)
        if listener is not None and opened.type == socket.SOCK_DGRAM:
            opened.remote, opened.state, opened.peer = listener.local, "connected", listener
            return Outcome(0, None)
        if listener is None or listener.state != "listening":
            raise error(errno.ECONNREFUSED)
        if len(listener.queue) > listener.backlog:
            raise error(errno.EAGAIN)
        opened.remote = listener.local
        return self.join(opened, listener)

    def join(self, client: OpenSocket, listener: OpenSocket) -> Outcome:
        """Bring a client to a listener: into its queue, or, where that is full, to wait as a dropped SYN does."""
        client.state = "connecting"
        if len(listener.queue) > listener.backlog:
            listener.waiting.append(client)
            return Outcome(0, float("inf"))
        server = OpenSocket(listener.family, listener.type, listener.proto, listener.ours, listener.origin)
        server.options = {name: value for name, value in listener.options.items() if name != "SO_ACCEPTCONN"}
        server.state = "connected"
        server.local, server.remote = listener.local, client.local
        if listener.family != AF_UNIX:
            server.remote = as_seen(client.local, listener.family)
            server.local = as_seen(client.remote, listener.family)
            self.bound.setdefault(server.local[1], []).append(server)
        server.peer, client.peer = client, server
        listener.queue.append(server)
        self.finish(client, 0)
        return Outcome(0, None)

    def finish(self, opened: OpenSocket, code: int) -> None:
        """End a connection attempt, unless the socket is closed by now."""
        if opened.state == "connecting":
            opened.state = "failed" if code else "connected"
            opened.error = code

    def accept(self, listener: OpenSocket) -> tuple[int, OpenSocket]:
        """Take one connection off the queue; the caller has seen that there is one."""
        fd = self.install(listener.queue[0])
        server = listener.queue.popleft()
        if listener.waiting:
            self.join(listener.waiting.popleft(), listener)
        return fd, server

    # ------------------------------------------------------------------ datagrams

    def _send_unix(self, opened: OpenSocket, data: bytes, address: Any) -> None:
        other = opened.peer
        if address is not None:
            name = os.fsencode(address)
            other = self.unix.get(name if name.startswith(b"\0") else self.files.find(name, follow=True))
        elif other is None:
            raise error(errno.ENOTCONN)
        if other is None or other.state == "closed":
            raise error(errno.ECONNREFUSED)
        other.datagrams.append((data, opened.local, []))

    def send_datagram(self, opened: OpenSocket, data: bytes, address: Any, control: Any = ()) -> None:
        if opened.family == AF_UNIX:
            self._send_unix(opened, data, address)
            return
        remote = self.address(opened, address) if address is not None else opened.remote
        if remote is None:
            raise error(errno.EDESTADDRREQ)
        host = remote[0][7:] if remote[0].startswith("::ffff:") else remote[0]
        source = chosen_source(self.host, control)
        local = opened.local
        self._autobind(opened, host, remote[0] != host)
        sender = opened.local
        if source is not None:
            sender = (f"::ffff:{source}" if remote[0] != host else source, *opened.local[1:])
        if local is not None:
            opened.local = local  # unlike connect, sending from a wildcard binds it to nothing
        family = "6" if ":" in host else "4"
        for other in self.bound.get(remote[1], ()):
            if other.type == opened.type and other.covers().get(family) in (host, "::", "0.0.0.0"):
                other.datagrams.append((data, as_seen(sender, other.family), told(self.host, other, host)))
                return
