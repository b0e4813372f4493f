"""One listening socket made of two, for systems where one cannot serve both families (OpenBSD).

Problem: ``create_server(..., dualstack_ipv6=True)`` returns one ``socket.socket``, and there a socket serves IPv6 or
IPv4. The standard library raises ValueError; programs then serve IPv4 alone.

Our rule: two sockets on one port, and an object that answers for them where a listening socket is used: ``accept``
(with the timeout set on it), ``listen``, ``close``, ``setsockopt``, ``getsockname`` (of the IPv6 one), and ``fileno``,
which is the descriptor of a selector that watches both: it is readable when a connection waits, so ``select``,
``selectors`` and asyncio's ``sock=`` work.

Honest about the rest: what needs *the* descriptor (``dup``, ``detach``, ``share``, TLS around the listener) is an
UnsupportedError that points to ``sockets``, the two real ones. Never run on OpenBSD: the tests run it on a scripted
host without mapped addresses, and on two real sockets of Linux.
"""

from __future__ import annotations

from _socket import getdefaulttimeout
from errno import EAGAIN, EBADF

from .. import doors, platforms
from ..errors import UnsupportedError
from .socket_class import adopt, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from selectors import BaseSelector
    from typing import Any, NoReturn

__all__ = ("TwoSockets",)

_READ = 1  # selectors.EVENT_READ
_IPV6_LEVEL = 41  # IPPROTO_IPV6: options of this level are none of an IPv4 socket


class TwoSockets(socket):
    """A listening socket for both families where the system needs two; ``sockets`` has them, IPv6 first."""

    sockets: tuple[Any, ...]
    _selector: BaseSelector
    _timeout: float | None
    _turn: int
    _closed: bool  # this and the next are socket.socket's own: closed, and how many files of makefile are open
    _io_refs: int

    @classmethod
    def of(cls, socks: Sequence[Any]) -> TwoSockets:
        """Take over listening sockets; on any exception they are closed."""
        made = cls.__new__(cls)  # without __init__, which would ask the system for a third
        made.sockets = tuple(map(adopt, socks))
        made._closed = False
        made._io_refs = 0
        made._turn = 0
        made._timeout = getdefaulttimeout()
        try:
            made._selector = doors.current.selector()
            for sock in made.sockets:
                sock.setblocking(False)
                made._selector.register(sock, _READ)
        except BaseException:
            made.close()
            raise
        return made

    def accept(self) -> tuple[Any, Any]:
        """Take a connection of either family; waits as the timeout of this object says."""
        door = doors.current
        deadline = None if self._timeout is None else door.monotonic() + self._timeout
        while True:
            for _ in self.sockets:
                self._turn = (self._turn + 1) % len(self.sockets)  # neither family waits for ever
                try:
                    connection, address = self.sockets[self._turn].accept()
                except BlockingIOError:
                    continue
                connection.settimeout(getdefaulttimeout())  # BSD hands O_NONBLOCK down
                return connection, address
            if not self.sockets:
                raise OSError(EBADF, "Bad file descriptor")
            if self._timeout == 0:
                raise BlockingIOError(EAGAIN, "no connection waits")
            left = None if deadline is None else deadline - door.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("timed out")
            self._selector.select(left)

    # ------------------------------------------------------------------ what it is

    @property
    def family(self) -> Any:
        """The family of the first socket: AF_INET6."""
        return self._first().family

    @property
    def type(self) -> Any:
        """The type of both."""
        return self._first().type

    @property
    def proto(self) -> int:
        """The protocol of both."""
        proto: int = self._first().proto
        return proto

    @property
    def timeout(self) -> float | None:
        """The timeout of ``accept`` in seconds; None waits for ever."""
        return self._timeout

    def fileno(self) -> int:
        """A descriptor that is readable when a connection waits on either socket; -1 once closed."""
        if not self.sockets:
            return -1
        fileno = getattr(self._selector, "fileno", None)
        if fileno is None:
            self._refuse("one descriptor for two sockets")
        number: int = fileno()
        return number

    def getsockname(self) -> Any:
        """The address of the first socket; the other has the same port."""
        return self._first().getsockname()

    def getpeername(self) -> Any:
        """OSError: a listening socket has no peer."""
        return self._first().getpeername()

    def getsockopt(self, *arguments: Any) -> Any:
        """An option of the first socket."""
        return self._first().getsockopt(*arguments)

    def setsockopt(self, level: int, *arguments: Any) -> None:
        """Set an option of both sockets; of the IPv6 one alone if it is of that level."""
        for sock in self.sockets[: 1 if level == _IPV6_LEVEL else None]:
            sock.setsockopt(level, *arguments)

    def gettimeout(self) -> float | None:
        """The timeout of ``accept``."""
        return self._timeout

    def settimeout(self, value: float | None) -> None:
        """Set the timeout of ``accept``: seconds, 0 or None."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = value

    def setblocking(self, flag: bool) -> None:
        """Wait for ever, or not at all."""
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        """Whether ``accept`` waits."""
        return self._timeout != 0

    def get_inheritable(self) -> bool:
        """Whether programs started from here get the sockets."""
        inheritable: bool = self._first().get_inheritable()
        return inheritable

    def set_inheritable(self, inheritable: bool) -> None:
        """Say whether programs started from here get both sockets."""
        for sock in self.sockets:
            sock.set_inheritable(inheritable)

    def listen(self, *backlog: int) -> None:
        """Set the length of both queues."""
        for sock in self.sockets:
            sock.listen(*backlog)

    def shutdown(self, how: int) -> None:
        """Shut both sockets down."""
        for sock in self.sockets:
            sock.shutdown(how)

    def _real_close(self, _ss: Any = None) -> None:
        sockets, self.sockets = self.sockets, ()
        selector = getattr(self, "_selector", None)
        try:
            if selector is not None:
                selector.close()
        finally:
            for sock in sockets:
                sock.close()

    # ------------------------------------------------------------------ what two sockets cannot be

    def detach(self) -> int:
        """UnsupportedError: there are two descriptors."""
        self._refuse("detaching one descriptor from two sockets")

    def dup(self) -> Any:
        """UnsupportedError: there are two descriptors."""
        self._refuse("duplicating two sockets as one")

    def share(self, process_id: int) -> bytes:
        """UnsupportedError: there are two descriptors."""
        self._refuse("sharing two sockets as one")

    def _refuse(self, what: str) -> NoReturn:
        raise UnsupportedError(what, platforms.current.name, "use its .sockets: here one socket serves one family")

    def _first(self) -> Any:
        if not self.sockets:
            raise OSError(EBADF, "Bad file descriptor")
        return self.sockets[0]

    def __repr__(self) -> str:
        return f"<TwoSockets {'closed' if not self.sockets else ', '.join(map(repr, self.sockets))}>"
