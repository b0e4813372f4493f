"""Sockets that somebody else opened: by a service manager (systemd, launchd), by a parent process, by number.

Problem: an adopted descriptor looks like any other number. Programs take the family from what they expect
(``fromfd(fd, AF_UNIX)`` on a TCP socket gives an object that lies about itself), call listen again (refused under some
security policies), leave the descriptor inheritable, unlink the socket file although the service manager will never
make it again, and read LISTEN_FDS in a grandchild that nobody passed anything to.

Our rule: family and type come from the kernel, listen is called only on a stream that is bound and says it does not
listen, the descriptor becomes non-inheritable, and nobody here unlinks anything. The environment is read once per
process, checked as sd_listen_fds(3) does (core/activation.py), and removed, so that children do not see it; what was
passed is kept, so that ``systemd:web`` and ``systemd:api`` can be opened one after the other, each descriptor once.
"""

from __future__ import annotations

from _thread import allocate_lock
from errno import EBADF, EINVAL, ENOENT, ENOTSOCK
from socket import SO_ACCEPTCONN, SO_TYPE, SOCK_DGRAM, SOL_SOCKET, SOMAXCONN

from .. import doors, platforms
from ..core.activation import Passed, passed
from ..core.endpoint import Endpoint
from ..errors import ListenError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

    from ..doors import Doors

__all__ = ("adopt",)

_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

_lock = allocate_lock()  # the environment is consumed once, whichever thread comes first


def adopt(spec: str, *, backlog: int | None = None, datagrams: bool = False) -> list[tuple[Socket, Endpoint]]:
    """Take over listeners that are open already: ``"systemd:"``, ``"systemd:name"``, ``"launchd:name"``, ``"fd://3"``.

    Gives each with its real endpoint, listening and non-inheritable. Closing the socket closes the descriptor; its
    file, if it has one, belongs to whoever made it. ``systemd:`` takes every listener passed that was not taken
    before, ``systemd:name`` those of that name; datagram sockets among them are left alone. With *datagrams* it is
    the other way round: bound datagram sockets are taken, and listeners are left for the next. ``launchd:`` is macOS's
    (launch_activate_socket) and was never run there.

    Raises ListenError that says what the environment had or what the descriptor is; nothing is taken then.
    """
    door = doors.current
    scheme, _, name = spec.partition(":")
    with _lock:
        if scheme == "fd":
            number = name.removeprefix("//")
            if not (number.isascii() and number.isdigit()):
                raise ListenError(EINVAL, f"{spec}: a descriptor is written fd://3")
            return _take(door, spec, [int(number)], backlog, datagrams, choose=False)
        if scheme == "launchd":
            try:
                numbers = platforms.current.launchd_sockets(name)
            except OSError as error:
                raise ListenError(error.errno or ENOENT, f"{spec}: {error}", ((spec, error),)) from error
            return _take(door, spec, numbers, backlog, datagrams, choose=False)
        if scheme != "systemd":
            raise ListenError(EINVAL, f"{spec}: not systemd:, systemd:name, launchd:name or fd://N")
        inherited = _inherited(door)
        wanted = [number for number, label in inherited.passed.descriptors if name in ("", label)]
        free = [number for number in wanted if number not in inherited.taken]
        if not free:
            raise ListenError(ENOENT, f"{spec}: {inherited.why_not(name, bool(wanted))}")
        taken = _take(door, spec, free, backlog, datagrams, choose=True)
        inherited.taken.update(sock.fileno() for sock, _ in taken)
        return taken


class _Inherited:
    """What the environment had for one process, and which of it was taken."""

    __slots__ = ("passed", "pid", "seen", "taken")

    def __init__(self, pid: int, passed: Passed, seen: str) -> None:
        self.pid = pid
        self.passed = passed
        self.seen = seen
        self.taken: set[int] = set()

    def why_not(self, name: str, known: bool) -> str:
        if not self.passed.descriptors:
            return f"{self.passed.reason} (the environment had {self.seen})"
        if known:
            return f"taken already in this process (the environment had {self.seen})"
        names = ", ".join(sorted({label for _, label in self.passed.descriptors}))
        return f"no socket of that name was passed, only {names} (the environment had {self.seen})"


def _inherited(door: Doors) -> _Inherited:
    """Read the environment the first time, and tell a forked child that none of it is its own."""
    pid = door.getpid()
    kept = door.inherited
    if isinstance(kept, _Inherited) and kept.pid == pid:
        return kept
    values = {name: door.environ(name) for name in _VARIABLES}
    found = passed(
        values["LISTEN_PID"],
        values["LISTEN_FDS"],
        values["LISTEN_FDNAMES"],
        values["LISTEN_PIDFDID"],
        pid=pid,
        pidfd_id=platforms.current.pidfd_id() if values["LISTEN_PIDFDID"] is not None else None,
        fd_limit=platforms.current.fd_limit(),
    )
    seen = ", ".join(f"{name}={value}" for name, value in values.items() if value is not None) or "none of LISTEN_*"
    if isinstance(kept, _Inherited) and kept.passed.descriptors:
        found = Passed((), f"they were passed to process {kept.pid}, of which this one is a child")
    if found.descriptors:
        for name in _VARIABLES:
            door.unset_environ(name)
    for number, _ in found.descriptors:
        try:
            door.set_inheritable(number, False)
        except OSError:  # not open: said with its number when it is taken
            pass
    door.inherited = inherited = _Inherited(pid, found, seen)
    return inherited


def _take(
    door: Doors, spec: str, numbers: list[int], backlog: int | None, datagrams: bool, *, choose: bool
) -> list[tuple[Socket, Endpoint]]:
    """Wrap the descriptors, all or none; with *choose*, leave those alone that are of the other kind."""
    taken: list[tuple[Socket, Endpoint]] = []
    others: list[str] = []
    try:
        for number in numbers:
            sock = _wrap(door, spec, number)
            try:
                if (sock.getsockopt(SOL_SOCKET, SO_TYPE) == SOCK_DGRAM) == datagrams:
                    taken.append((sock, _ready(spec, number, sock, backlog, datagrams)))
                    continue
            except BaseException:
                sock.detach()
                raise
            sock.detach()
            others.append(
                f"descriptor {number} is a stream socket, which open_listener takes"
                if datagrams
                else f"descriptor {number} is a datagram socket, which cannot listen: open_datagram takes it"
            )
        if others and not (choose and taken):
            raise ListenError(EINVAL, f"{spec}: {', '.join(others)}")
        for sock, _ in taken:
            door.set_inheritable(sock.fileno(), False)
    except BaseException:
        for sock, _ in taken:
            sock.detach()  # still the service manager's, for the next try
        raise
    return taken


def _wrap(door: Doors, spec: str, number: int) -> Socket:
    try:
        return door.adopt(number)
    except OSError as error:
        what = {EBADF: "is not open", ENOTSOCK: "is not a socket"}.get(error.errno or 0, f"cannot be used: {error}")
        raise ListenError(error.errno or EBADF, f"{spec}: descriptor {number} {what}", ((spec, error),)) from error


def _ready(spec: str, number: int, sock: Socket, backlog: int | None, datagrams: bool) -> Endpoint:
    """Check what the descriptor is, listen if that is all that is missing, and say where it is bound."""
    endpoint = Endpoint.local(sock)
    if not datagrams and _is_listening(sock):
        return endpoint
    try:
        peer = Endpoint.peer(sock)
    except OSError:
        pass
    else:
        wanted = "one that anybody may send to" if datagrams else "a listening socket"
        raise ListenError(EINVAL, f"{spec}: descriptor {number} is a connection to {peer}, not {wanted}")
    if not sock.getsockname() or getattr(endpoint, "port", None) == 0:
        # listen(2) would bind it to a random port that nobody knows.
        raise ListenError(EINVAL, f"{spec}: descriptor {number} is a socket that is not bound to any address")
    if not datagrams:
        sock.listen(SOMAXCONN if backlog is None else backlog)
    return endpoint


def _is_listening(sock: Socket) -> bool:
    try:
        return bool(sock.getsockopt(SOL_SOCKET, SO_ACCEPTCONN))
    except OSError:
        # ENOPROTOOPT on some systems: unknown, and what a service manager passes does listen. If not, accept says so.
        return True
