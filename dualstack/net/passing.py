"""Who is at the other end of a Unix socket, and handing descriptors through it.

``peer_credentials`` asks the kernel; nothing the peer sends is believed. ``send_fds`` and ``recv_fds`` wrap SCM_RIGHTS
(unix(7)), whose traps are these: the standard library's ``socket.recv_fds`` drops its *flags*, so what arrives is
inheritable and leaks into every program started meanwhile; when the receiver has no room or no free descriptors, the
kernel delivers some of them and sets MSG_CTRUNC, and whoever does not look keeps descriptors nobody asked for; more
than 253 in one message are refused with a bare EINVAL. Ours are close-on-exec from the start, complete or an error with
nothing kept.

``share`` and ``from_share`` are Windows's way: a socket is duplicated for one process id and described by bytes.
"""

from __future__ import annotations

import socket as _socket
from array import array
from errno import EINVAL, EMSGSIZE

from .. import doors, platforms
from ..core.credentials import PeerCredentials
from ..errors import TruncatedError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

__all__ = ("MAX_FDS", "PeerCredentials", "from_share", "peer_credentials", "recv_fds", "send_fds", "share")

MAX_FDS = 253  # SCM_MAX_FD: what Linux takes in one message; others take as many or more

_SCM_RIGHTS: int | None = getattr(_socket, "SCM_RIGHTS", None)
_MSG_CMSG_CLOEXEC = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)  # Linux and the BSDs; Darwin has none
_MSG_CTRUNC = getattr(_socket, "MSG_CTRUNC", 0)


def peer_credentials(conn: _socket.socket) -> PeerCredentials:
    """Ask the kernel who connected *conn*, a connected Unix socket; the peer cannot lie about it.

    Raises OSError for a socket that is not connected, ValueError for one that is not a Unix socket,
    UnsupportedError where the system does not tell. SO_PEERCRED in unix(7) on Linux; LOCAL_PEERCRED and LOCAL_PEERPID
    on macOS (not run there); SIO_AF_UNIX_GETPEERPID, the pid alone, on Windows (not run there).
    """
    if conn.family != 1:  # AF_UNIX; Linux answers 0, -1, -1 for a TCP socket instead of an error
        raise ValueError("credentials are told for Unix sockets only")
    return PeerCredentials(platforms.current.peer_credentials(conn))


def send_fds(conn: _socket.socket, data: bytes, fds: Sequence[int]) -> None:
    """Send all of *data* with the descriptors *fds*; both arrive, or an error says why not.

    The receiver gets duplicates: close yours when you are done. At least one byte must go with them, because a stream
    drops what is not attached to data. Raises ValueError for no data, or more than MAX_FDS (253) descriptors, and
    UnsupportedError on Windows, where ``share`` is the way.
    """
    if not data:
        raise ValueError("descriptors travel with data: send at least one byte")
    if len(fds) > MAX_FDS:
        raise ValueError(f"at most {MAX_FDS} descriptors go in one message, not {len(fds)}")
    scm_rights = _supported()
    posix: Any = conn  # Windows's socket type has no sendmsg
    sent: int = posix.sendmsg([data], [(_socket.SOL_SOCKET, scm_rights, array("i", fds))] if fds else [])
    if sent < len(data):
        conn.sendall(data[sent:])  # a stream took part of it; the descriptors went with the first byte


def recv_fds(conn: _socket.socket, size: int, max_fds: int) -> tuple[bytes, list[int]]:
    """Receive up to *size* bytes and up to *max_fds* descriptors, all of them non-inheritable.

    The descriptors are yours to close. ``(b"", [])`` is the end of the stream. Raises TruncatedError, with every
    descriptor that came closed again, when more were sent than fit or this process ran out of descriptors; the data
    of that message is lost, so give up the connection.
    """
    if not 0 <= max_fds <= MAX_FDS:
        raise ValueError(f"max_fds is between 0 and {MAX_FDS}, not {max_fds}")
    data, fds, flags, _ = receive(conn, size, max_fds)
    if len(fds) <= max_fds and not flags & _MSG_CTRUNC:
        return data, fds
    for fileno in fds:
        doors.current.close_file(fileno)
    if flags & _MSG_CTRUNC:
        raise TruncatedError(EMSGSIZE, f"descriptors were lost: more than {max_fds} were sent, or none are free here")
    # The alignment of the control buffer left room for one more.
    raise TruncatedError(EMSGSIZE, f"{len(fds)} descriptors were sent, and {max_fds} asked for", len(fds))


def receive(conn: _socket.socket, size: int, max_fds: int, flags: int = 0) -> tuple[bytes, list[int], int, Any]:
    """``recvmsg`` that takes descriptors: data, descriptors, flags and peer. Nothing is left open on an exception.

    All descriptors are non-inheritable. There may be one more than *max_fds*, for the alignment of the buffer.
    """
    scm_rights = _supported()
    door = doors.current
    fds = array("i")
    posix: Any = conn  # Windows's socket type has no recvmsg
    space: Any = getattr(_socket, "CMSG_SPACE", None)
    try:
        data, control, told, peer = posix.recvmsg(size, space(max_fds * fds.itemsize), flags | _MSG_CMSG_CLOEXEC)
        _collect(control, scm_rights, fds)
        if not _MSG_CMSG_CLOEXEC:
            for fileno in fds:
                door.set_inheritable(fileno, False)
    except BaseException:
        for fileno in fds:
            door.close_file(fileno)
        raise
    return data, list(fds), told & ~_MSG_CMSG_CLOEXEC | flags & _MSG_CMSG_CLOEXEC, peer


def _collect(control: Iterable[tuple[int, int, bytes]], scm_rights: int, fds: array[int]) -> None:
    for level, kind, payload in control:
        if level == _socket.SOL_SOCKET and kind == scm_rights:
            # macOS may report a length that is no multiple of an int.
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])


def _supported() -> int:
    if _SCM_RIGHTS is None:
        raise UnsupportedError("passing descriptors", platforms.current.name, "use share(conn, pid)", errno=EINVAL)
    return _SCM_RIGHTS


def share(conn: _socket.socket, pid: int) -> bytes:
    """Duplicate *conn* for the process *pid* and describe it in bytes; that process calls ``from_share``.

    Windows only (WSADuplicateSocket); elsewhere UnsupportedError: send_fds does it. Keep *conn* open until the other
    process has it. Checked for TCP sockets under Wine, never run for Unix sockets.
    """
    do = getattr(conn, "share", None)
    if do is None:
        raise UnsupportedError("sharing a socket by process id", platforms.current.name, "use send_fds")
    data: bytes = do(pid)
    return data


def from_share(data: bytes) -> _socket.socket:
    """Open the socket that another process shared with this one."""
    do = getattr(_socket, "fromshare", None)
    if do is None:
        raise UnsupportedError("sharing a socket by process id", platforms.current.name, "use recv_fds")
    sock: _socket.socket = do(data)
    return platforms.current.as_unix_socket(sock) if sock.family == 1 else sock
