"""One open, listening (or bound) socket and what belongs to it: the parts of a Listener."""

from __future__ import annotations

from socket import AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket as Socket

    from ..core.endpoint import Endpoint

__all__ = ("Opened", "close_all", "do_all", "is_v6only")


class Opened:
    """One listening socket of a Listener, and what has to happen to its file before it is closed."""

    __slots__ = ("before_close", "endpoint", "family", "proto", "socket", "type")

    socket: Socket
    endpoint: Endpoint
    before_close: Callable[[], None] | None
    family: int
    type: int
    proto: int

    def __init__(self, socket: Socket, endpoint: Endpoint, before_close: Callable[[], None] | None = None) -> None:
        self.socket = socket
        self.endpoint = endpoint
        self.before_close = before_close
        # As plain numbers: the properties of socket.socket make an enumeration member at each access.
        self.family = int(socket.family)
        self.type = int(socket.type)
        self.proto = socket.proto

    def close(self) -> None:
        """Remove the file, then close the socket; the other order would race with the next owner of the name."""
        try:
            if self.before_close is not None:
                self.before_close()
        finally:
            self.socket.close()


def close_all(opened: Sequence[Opened]) -> None:
    """Close each, also when one of them fails to."""
    do_all([one.close for one in opened])


def do_all(steps: Sequence[Callable[[], object]]) -> None:
    """Do each, also when one of them fails; the first failure is raised when all are done."""
    failure: BaseException | None = None
    for step in steps:
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - an interrupt too must not leave the rest open; raised below
            failure = failure or error
    if failure is not None:
        raise failure


def is_v6only(sock: Socket) -> bool:
    """Whether an IPv6 socket refuses IPv4; read from the socket, never assumed."""
    return sock.family == AF_INET6 and bool(sock.getsockopt(IPPROTO_IPV6, IPV6_V6ONLY))
