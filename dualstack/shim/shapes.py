"""Sockets that carry both families and look like IPv4 to the program that holds them.

Problem: a program made an AF_INET socket, keeps the object, and unpacks ``host, port = sock.getsockname()``. Its
descriptor is to become an AF_INET6 one, because only that hears both families.

What breaks in the naive way: to replace the descriptor alone. A socket object reads addresses into a buffer of the size
of its own family, so an AF_INET object over an AF_INET6 descriptor returns the memory behind the buffer as an address.

Our rule: the object is initialised again with the new descriptor and AF_INET6, in place, so that everything below
Python's ``socket`` class (C code, other event loops, unbound methods of ``_socket.socket``) sees a true AF_INET6
socket. What the program sees is put on top while the patch lasts, for marked objects only: ``family`` says AF_INET,
addresses are ``(host, port)``, with IPv4 unmapped and IPv6 as its text. An object that is made for the same connection
(``accept``, ``dup``, TLS, a pickle from another process) says AF_INET of an AF_INET6 descriptor, and is marked too.
When the patch ends, the marks end with it, and such a socket says what it is: AF_INET6.

This file works on the real ``socket.socket``: it is about the class that programs hold.
"""

from __future__ import annotations

import _socket
import os
import socket
import weakref
from functools import wraps

from .. import platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket as Socket
    from typing import Any

    from .points import Make, Spell

__all__ = ("ByIdentity", "POINTS", "family_of", "forget_all", "has_served", "mark", "marks", "put", "shape")

_C = _socket.socket
_AF_INET, _AF_INET6 = int(socket.AF_INET), int(socket.AF_INET6)
_family_of = _C.family.__get__  # the member itself, below any property


def family_of(sock: Socket) -> int:
    """The family that the object has inside, whatever it says."""
    family: int = _family_of(sock)
    return family


class ByIdentity:
    """What is known about socket objects, for as long as they live; equality and hashes of subclasses do not matter."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[_Reference, Any]] = {}  # ``id(sock) in entries`` is the fast question

    def put(self, sock: Socket, value: Any = None) -> None:
        """Remember *value* about *sock*."""
        self.entries[id(sock)] = (_Reference(sock, self.entries), value)

    def get(self, sock: Socket) -> Any:
        """What was remembered, or None."""
        entry = self.entries.get(id(sock))
        return entry[1] if entry is not None else None

    def pop(self, sock: Socket) -> Any:
        """The same, and forget it."""
        entry = self.entries.pop(id(sock), None)
        return entry[1] if entry is not None else None

    def items(self) -> Iterator[tuple[Socket, Any]]:
        """Those that are open."""
        for reference, value in tuple(self.entries.values()):
            sock = reference()
            if sock is not None and sock.fileno() != -1:
                yield sock, value


class _Reference(weakref.ref[Any] if TYPE_CHECKING else weakref.ref):  # type: ignore[misc]  # one class at run time
    """A weak reference that knows which entry it is."""

    __slots__ = ("entries", "key")

    def __new__(cls, sock: Socket, entries: dict[int, Any]) -> _Reference:
        made: _Reference = super().__new__(cls, sock, _gone)
        return made

    def __init__(self, sock: Socket, entries: dict[int, Any]) -> None:
        super().__init__(sock, _gone)
        self.key = id(sock)
        self.entries = entries


def _gone(reference: Any) -> None:
    entry = reference.entries.get(reference.key)
    if entry is not None and entry[0] is reference:
        del reference.entries[reference.key]


#: The sockets that look like IPv4.
marks = ByIdentity()
_marked = marks.entries
#: Descriptors that ``_accept`` of a marked listener has returned and that no object has been made for yet.
_fresh: set[int] = set()
#: Marked listeners that have had a client.
_served: set[int] = set()


def forget_all() -> None:
    """End the shapes: every socket says what it is from now on."""
    _marked.clear()
    _fresh.clear()
    _served.clear()


def mark(sock: Socket) -> None:
    """Let *sock*, which is an AF_INET6 one inside, look like IPv4."""
    _served.discard(id(sock))
    marks.put(sock)


def has_served(sock: Socket) -> bool:
    """Whether a marked listener has accepted anybody."""
    return id(sock) in _served


def shape(sockaddr: Any) -> Any:
    """An IPv6 socket address as ``(host, port)``: IPv4 unmapped, the wildcard as 0.0.0.0, a zone in the text."""
    if type(sockaddr) is not tuple or len(sockaddr) != 4:
        return sockaddr
    host, port, _flow, scope_id = sockaddr
    if host == "::":
        return "0.0.0.0", port
    if host[:7] == "::ffff:" and "." in host:
        return host[7:], port
    return f"{host}%{scope_id}" if scope_id and "%" not in host else host, port


def put(sock: Socket, new: Socket, family: int) -> None:
    """Give *sock* the descriptor of *new*, which has *family* and ends; number, time-out and inheritance stay.

    The descriptor that *sock* had is closed. On Windows, where a socket cannot get another's number, it is a new one.
    """
    timeout, kind, proto, number = sock.gettimeout(), sock.type, sock.proto, sock.fileno()
    inheritable = sock.get_inheritable()
    if platforms.current.keeps_descriptors:
        blocking = os.get_blocking(number)
        os.dup2(new.fileno(), number, inheritable)
        new.close()
        _C.detach(sock)  # else PyPy closes the number when it collects what was behind the object
        _C.__init__(sock, family, kind, proto, number)
        _C.settimeout(sock, timeout)
        os.set_blocking(number, blocking)  # a program may have told the system alone
    else:
        _socket.close(_C.detach(sock))
        _C.__init__(sock, family, kind, proto, new.detach())
        _C.settimeout(sock, timeout)
        sock.set_inheritable(inheritable)


# ---------------------------------------------------------------------- what the program sees


def _init(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    def __init__(self: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: Any = None) -> None:
        if fileno is not None and spell.alive and (_marked or _fresh):
            if fileno in _fresh:
                _fresh.discard(fileno)
                original(self, _AF_INET6, type, proto, fileno)
                marks.put(self)
                return
            if family == _AF_INET and _is_six(fileno):
                original(self, _AF_INET6, type, proto, fileno)
                marks.put(self)
                return
        original(self, family, type, proto, fileno)

    return __init__


class _Glance(_C):
    """Looks at a descriptor that belongs to somebody else, and never closes it."""

    def __del__(self) -> None:
        self.detach()


def _is_six(fileno: Any) -> bool:
    if not isinstance(fileno, int):
        return False  # Windows: the bytes of socket.share(), which know their family
    try:
        glance = _Glance(-1, socket.SOCK_STREAM, 0, fileno)
    except OSError:
        return False  # not a socket; the original says so
    try:
        return glance.family == _AF_INET6
    finally:
        glance.detach()


def _family(spell: Spell) -> Any:
    original = spell.original.fget

    @wraps(original)
    def family(self: Any) -> Any:
        return socket.AF_INET if id(self) in _marked else original(self)

    return property(family, doc=spell.original.__doc__)


def _accept(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    def _accept(self: Any) -> Any:
        fileno, sockaddr = original(self)
        if id(self) in _marked:
            _fresh.add(fileno)
            _served.add(id(self))
            return fileno, shape(sockaddr)
        return fileno, sockaddr

    return _accept


def _returns_address(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    def method(self: Any) -> Any:
        return shape(original(self)) if id(self) in _marked else original(self)

    return method


def _row(name: str, make: Make) -> tuple[str, str, str, Make]:
    return "socket", "socket", name, make


POINTS = (
    _row("__init__", _init),
    _row("family", _family),
    _row("_accept", _accept),
    _row("getsockname", _returns_address),
    _row("getpeername", _returns_address),
)
