"""``bind(("", port))`` and ``listen()`` of an AF_INET socket, for both families.

Problem: most servers say ``("", port)`` or ``("0.0.0.0", port)`` and mean "everybody"; IPv6 clients stay out. Whether a
bound socket is going to listen is known at ``listen`` only, and by then it holds the port.

Our rule: ``bind`` does what it did, so that errors and the number behind port 0 are those the program knows; it is
remembered. ``listen`` of such a socket opens a dual-stack one on the same port (net/listen.py), with the options of the
old one (carry.py), and puts it in its place (shapes.py). Where that fails for whatever reason the program keeps the
socket it had, and is none the wiser.

How the port changes hands: Linux lets the new socket be bound beside the old one while neither listens, so the old one
is kept until the new one listens. Elsewhere the old one is closed first, and bound again when the new one cannot be;
for some microseconds the port is free.

What stays as it is, because the program asked for something else: AF_INET6 sockets, any address that is not the
wildcard, a port on which the same program has an AF_INET6 socket, a socket that was bound in another process (its
siblings will listen on the same one), asyncio with ``family=``, and whoever uses dualstack. A program may also bind
``0.0.0.0``, listen, and only then bind ``::`` to the same port, as tornado does: then the first socket goes back to
IPv4, and both are what the program meant. Once it has had clients it can do so with SO_REUSEADDR only.
"""

from __future__ import annotations

import _socket
import os
import socket
import sys
from contextvars import ContextVar
from errno import EACCES, EADDRINUSE
from functools import wraps

from .. import doors, platforms
from ..core.endpoint import IPv6Endpoint
from ..core.plan import Bind, Failed
from ..net.attempt import IP_BIND_ADDRESS_NO_PORT
from ..net.listen import Opener
from .carry import Uncarried, carry, reuse, set_reuse, settings_of
from .points import Feature
from .shapes import POINTS, ByIdentity, family_of, forget_all, has_served, mark, marks, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket as Socket
    from typing import Any

    from ..net.opened import Opened
    from .carry import Setting
    from .points import Make, Spell

__all__ = ("LISTEN", "SOCKETS", "Change", "datagrams", "explicit", "make_dual")

_C = _socket.socket
_WILDCARDS = ("", "0.0.0.0", b"", b"0.0.0.0")
_AF_INET, _AF_INET6 = int(socket.AF_INET), int(socket.AF_INET6)
_STREAM, _DGRAM = int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM)
_TCP, _UDP = int(socket.IPPROTO_TCP), int(socket.IPPROTO_UDP)
_PORT_ROUNDS = 32  # as in core/plan.py

#: True while the program is making sockets of a family it has named (asyncio with ``family=``).
explicit: ContextVar[bool] = ContextVar("dualstack_explicit", default=False)
#: The address that a program binds to, while port 0 is bound to a number of our choice.
asked: ContextVar[Any] = ContextVar("dualstack_asked", default=None)

_bound = ByIdentity()  # IPv4 stream sockets bound to the wildcard: the process that did it
_six = ByIdentity()  # IPv6 sockets of this program: (type, port)
_changed = ByIdentity()  # sockets that were made dual-stack: (type, port, options, arguments of listen)
#: Whether a datagram socket may be changed, asked with the module that binds it; patch_datagram.py fills it.
datagrams: list[Callable[[Socket, str], bool]] = []


def _bind(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    def bind(self: Any, address: Any, /) -> None:
        if not spell.alive:
            spell.over()(self, address)
            return
        everybody = _is_for_everybody(self, address, sys._getframe(1).f_globals.get("__name__", ""))
        if not (everybody and address[1] == 0 and _bind_free_port(original, self, address)):
            try:
                original(self, address)
            except OSError as error:
                if error.errno != EADDRINUSE or family_of(self) != _AF_INET6 or not _step_back(self, address):
                    raise
                original(self, address)
        if not everybody:
            if family_of(self) == _AF_INET6 and id(self) not in marks.entries:
                _six.put(self, (int(self.type), self.getsockname()[1]))
        elif self.type == _STREAM:
            _bound.put(self, doors.current.getpid())
        else:
            change = make_dual(self)
            if change is not None:
                change.done(self, ())

    return bind


def _is_for_everybody(sock: Socket, address: Any, caller: str) -> bool:
    """Whether this is an IPv4 socket that a program binds to the wildcard without having meant IPv4."""
    if family_of(sock) != _AF_INET or not isinstance(address, tuple) or len(address) != 2:
        return False
    if address[0] not in _WILDCARDS or sock.proto not in (0, _TCP, _UDP) or explicit.get():
        return False
    if caller == "dualstack" or caller.startswith("dualstack."):
        return False
    if sock.type == _STREAM:
        return LISTEN.active
    return sock.type == _DGRAM and any(may(sock, caller) for may in datagrams)


def _bind_free_port(original: Any, sock: Socket, address: Any) -> bool:
    """Bind to a port that is free in both families; False when that did not work, and nothing was done.

    What the system chooses for an IPv4 socket may be busy on IPv6: with thousands of busy ports, often.
    """
    if sock.getsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) if platforms.current.delays_port else False:
        return False  # the program wants to have no port yet
    for _ in range(_PORT_ROUNDS):
        try:
            port = _Replacement(socket.SocketKind(sock.type), [], False).rehearse()
        except Uncarried:
            return False
        token = asked.set(address)
        try:
            original(sock, (address[0], port))
            return True
        except OSError as error:
            if error.errno not in (EADDRINUSE, EACCES):  # Windows says either where somebody was faster
                return False
        finally:
            asked.reset(token)
    return False


def _listen(spell: Spell) -> Any:
    original = spell.original

    @wraps(original)
    def listen(self: Any, /, *backlog: Any) -> None:
        bound = _bound.pop(self)
        if not spell.alive:
            spell.over()(self, *backlog)
            return
        if bound != doors.current.getpid() or family_of(self) != _AF_INET or explicit.get():
            original(self, *backlog)
            return
        change = make_dual(self)
        if change is None:
            original(self, *backlog)
            return
        try:
            original(self, *backlog)
        except OSError:  # somebody else listens on the IPv6 half by now
            change.undo(self)
            original(self, *backlog)
            return
        change.done(self, backlog)

    return listen


class Change:
    """A socket on its way to both families: what is needed to go back."""

    __slots__ = ("keep", "kind", "port", "reuse", "settings")

    def __init__(self, kind: int, port: int, reuse: int, settings: list[Setting], keep: Socket | None) -> None:
        self.kind: int = kind
        self.port: int = port
        self.reuse: int = reuse
        self.settings: list[Setting] = settings
        self.keep: Socket | None = keep  # the old socket, where it may stay bound

    def undo(self, sock: Socket) -> None:
        """Make it the IPv4 socket it was."""
        marks.pop(sock)
        if self.keep is not None:
            put(sock, self.keep, _AF_INET)
            set_reuse(sock, self.reuse)
        else:
            _bind_four(sock, self.kind, self.port, self.settings)

    def done(self, sock: Socket, backlog: tuple[Any, ...]) -> None:
        """It listens (or is bound): there is no way back but the hard one."""
        if self.keep is not None:
            self.keep.close()
        if platforms.current.binds_beside:
            set_reuse(sock, self.reuse)
        _changed.put(sock, (self.kind, self.port, self.settings, backlog))


def make_dual(sock: Socket) -> Change | None:
    """Put a dual-stack socket on the same port in the place of *sock*; None when it stays what it is."""
    kind, port = socket.SocketKind(sock.type), sock.getsockname()[1]
    if any(value == (kind, port) for _, value in _six.items()):
        return None
    beside = platforms.current.binds_beside
    was = reuse(sock)
    keep: Socket | None = None
    released = False
    settings: list[Setting] = []
    try:
        settings = settings_of(sock)
        opener = _Replacement(kind, settings, beside)
        if beside:
            set_reuse(sock, 1)
        else:
            opener.rehearse()
            released = True
            with doors.current.socket(_AF_INET, kind) as unbound:
                put(sock, unbound, _AF_INET)
        opened: list[tuple[int, Opened]] = []
        if isinstance(opener.bind(Bind(IPv6Endpoint("::", port), v6only=False, order=0), opened), Failed):
            raise Uncarried("cannot be bound")
        new = opened[0][1].socket
        try:
            if beside:
                keep = _duplicate(sock)
            put(sock, new, _AF_INET6)
        finally:
            new.close()  # its descriptor has gone over, unless something went wrong
        mark(sock)
        return Change(kind, port, was, settings, keep)
    except (OSError, Uncarried):
        if released:
            _bind_four(sock, kind, port, settings)
        elif beside:
            set_reuse(sock, was)
        return None


def _duplicate(sock: Socket) -> Socket:
    number = os.dup(sock.fileno())
    try:
        return doors.current.socket(_AF_INET, int(sock.type), sock.proto, number)
    except BaseException:
        os.close(number)
        raise


class _Replacement(Opener):
    """Opens a dual-stack socket with the options of another one."""

    def __init__(self, kind: socket.SocketKind, settings: list[Setting], beside: bool) -> None:
        super().__init__(doors.current, None, False, False, False, 0, None, None, "refuse", None)
        self.type = kind
        self._settings = settings
        self._beside = beside

    def _prepare(self, sock: Socket) -> None:
        carry(self._settings, sock)
        if self._beside:
            set_reuse(sock, 1)

    def rehearse(self) -> int:
        """Open one and close it, before anything is given up for it; the port it had."""
        opened: list[tuple[int, Opened]] = []
        if isinstance(self.bind(Bind(IPv6Endpoint("::", 0), v6only=False, order=0), opened), Failed):
            raise Uncarried("no dual-stack sockets")
        port: int = opened[0][1].socket.getsockname()[1]
        opened[0][1].close()
        return port


def _bind_four(sock: Socket, kind: int, port: int, settings: list[Setting]) -> None:
    """Make *sock* an IPv4 socket on *port* again."""
    with doors.current.socket(_AF_INET, kind) as new:
        put(sock, new, _AF_INET)
    carry([setting for setting in settings if setting[0] != socket.IPPROTO_IPV6], sock)
    _C.bind(sock, ("0.0.0.0", port))


def _step_back(sock: Socket, address: Any) -> bool:
    """Give the IPv6 half of a port back that the program binds itself; whether there was one of ours."""
    if not isinstance(address, tuple) or len(address) < 2:
        return False
    for changed, (kind, port, settings, backlog) in _changed.items():
        if (kind, port) == (int(sock.type), address[1]):
            if has_served(changed) and not reuse(changed):
                return False  # its connections keep the port from being bound again
            _changed.pop(changed)
            marks.pop(changed)
            _bind_four(changed, kind, port, settings)
            if kind == _STREAM:
                _C.listen(changed, *backlog)
            return True
    return False


def _ended() -> None:
    forget_all()
    for known in (_bound, _six, _changed):
        known.entries.clear()


def _row(name: str, make: Make) -> tuple[str, str, str, Make]:
    return "socket", "socket", name, make


#: What every patch of listening and of datagrams stands on.
SOCKETS = Feature((*POINTS, _row("bind", _bind)), ended=_ended)
LISTEN = Feature((_row("listen", _listen),), needs=(SOCKETS,))
