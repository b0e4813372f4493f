"""Two generations of listening sockets on the same addresses, and the moment the second takes over.

Problem: a server is replaced by starting a new one and telling the old one to finish. Both share the listening sockets,
so no connection is refused. But several servers (uvicorn and hypercorn among them) close, when told to finish, what
they have accepted and not yet read a request from: under load that is one or two connections at each restart, and the
client sees a reset. From outside nothing can keep the old server from accepting on a socket that it shares.

Our rule: the new program gets new sockets on the same addresses, and the connections are turned over to them before
the old program is told anything. It sees no new connections any more, reads what it has, and then it may finish.

* Unix: the new socket is bound beside the path and renamed over it: in one step, at no moment without a socket.
* TCP on Linux: the new socket joins the old one's SO_REUSEPORT group, with a program attached (socket(7),
  SO_ATTACH_REUSEPORT_CBPF) that gives every connection to one member: first the old, then the new. SO_REUSEPORT is set
  on the first generation only when there is a second; a stranger of the same user who joins then gets nothing.
* elsewhere (TCP on macOS and the BSDs, sockets that were themselves inherited, abstract names): both generations share
  one socket, as above. No connection is refused; a server that drops what it has just accepted still does.
"""

from __future__ import annotations

import socket
from socket import SOL_SOCKET, SOMAXCONN

from .. import platforms
from ..core.endpoint import IPEndpoint
from ..core.endpoint_unix import UnixEndpoint
from ..errors import UnsupportedError
from ..net.listen import open_listener
from ..net.opened import is_v6only
from ..net.unix import bind_unix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket as Socket
    from typing import Any

    from ..core.endpoint import Endpoint
    from ..net.listener import Listener

__all__ = ("Generation",)

SO_REUSEPORT: int = getattr(socket, "SO_REUSEPORT", 0)  # not on Windows, where this command does not run


class _Member:
    """One listening socket, its name for the program, and how it takes over from its predecessor."""

    def __init__(self, socket: Socket, endpoint: Endpoint, name: str, close: Callable[[], None]) -> None:
        self.socket = socket
        self.endpoint = endpoint
        self.name = name
        self.close = close
        self.shared = False  # with whoever opened it: every generation uses the same socket
        self.steered = False
        self.take_over: Callable[[], None] = _nothing


class Generation:
    """The sockets of one run of the program, in the order of its descriptors."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings  # backlog, mode, owner and group, for the sockets of the next generation
        self.members: list[_Member] = []
        self._listeners: list[Listener] = []

    def add(self, name: str, listener: Listener, *, shared: bool = False) -> None:
        """Take over a listener whose sockets nobody accepts on here; *shared* when somebody else opened them."""
        self._listeners.append(listener)
        for sock, endpoint in zip(listener.sockets, listener.endpoints, strict=True):
            sock.setblocking(True)  # as service managers pass them
            member = _Member(sock, endpoint, name, _nothing)
            member.shared = shared
            self.members.append(member)

    def successor(self) -> Generation:
        """Open the next generation: everything still goes to this one."""
        following = Generation(self.settings)
        try:
            for member in self.members:
                following.members.append(self._next(member))
        except BaseException:
            following.close()
            raise
        return following

    def _next(self, member: _Member) -> _Member:
        endpoint = member.endpoint
        if not member.shared:
            if isinstance(endpoint, UnixEndpoint) and endpoint.path is not None:
                return self._next_unix(member, endpoint, endpoint.path)
            if isinstance(endpoint, IPEndpoint):
                try:
                    return self._next_tcp(member, endpoint)
                except UnsupportedError:
                    pass
        sock = member.socket.dup()
        following = _Member(sock, endpoint, member.name, sock.close)
        following.shared = True
        return following

    def _next_unix(self, member: _Member, endpoint: UnixEndpoint, path: str) -> _Member:
        backlog = self.settings["backlog"]
        kind = int(member.socket.type)
        settings = {**self.settings, "type": kind, "backlog": SOMAXCONN if backlog is None else backlog}
        beside = UnixEndpoint(path + ".next")
        try:
            bound = bind_unix(beside, **settings)
        except OSError as error:
            raise OSError(error.errno, f"{beside}: {error.strerror}") from error

        def close() -> None:
            try:
                bound.unlink()
            finally:
                bound.socket.close()

        following = _Member(bound.socket, endpoint, member.name, close)
        following.take_over = lambda: bound.rename(endpoint)
        return following

    def _next_tcp(self, member: _Member, endpoint: IPEndpoint) -> _Member:
        system = platforms.current
        if not system.can_steer:
            raise UnsupportedError("choosing among listeners of one port", system.name)
        # The kernel makes the group when the second member begins to listen, and looks at the option of the first then.
        member.socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        v6only = is_v6only(member.socket) if ":" in endpoint.host else None
        listener = open_listener(str(endpoint), v6only=v6only, reuse_port=True, backlog=self.settings["backlog"])
        (sock,) = listener.detach()
        try:
            sock.setblocking(True)
            system.steer(sock, 0)
        except BaseException:
            sock.close()
            raise
        following = _Member(sock, endpoint, member.name, sock.close)
        following.steered = True
        following.take_over = lambda: system.steer(sock, 1)
        return following

    def take_over(self) -> None:
        """Have every new connection come here from now on."""
        for member in self.members:
            member.take_over()

    def settle(self) -> None:
        """The predecessor is closed: whoever joins the port now gets nothing."""
        for member in self.members:
            if member.steered:
                platforms.current.steer(member.socket, 0)

    def close(self) -> None:
        """Close the sockets and remove the files that are still ours."""
        for listener in self._listeners:
            listener.close()
        for member in self.members:
            member.close()


def _nothing() -> None:
    pass
