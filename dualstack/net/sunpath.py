"""Socket paths that do not fit: how long ``sun_path`` is, and a way round it.

Problem: bind(2) and connect(2) take at most 107 bytes on Linux and Windows and 103 on macOS and the BSDs, while every
other file call takes 1024 to 4096. Test directories and macOS's own TMPDIR go over it.

Naive way: chdir to the directory and use the bare name. The working directory belongs to the whole process, so every
other thread opens its files in the wrong place meanwhile.

Our rule: give the long thing a short name for the length of one call. On Linux that is ``/proc/self/fd/N``, an open
descriptor of it (O_PATH, so that it need not be readable); elsewhere a symbolic link in a private directory under /tmp.
connect gets a short name of the socket itself, bind one of the directory. On Windows, where links need a privilege, the
path is refused with its length and the limit.

What the user sees is always the path he gave: the short form is in the kernel's tables (``ss -x``) and in
``getsockname``, and nowhere in ours.
"""

from __future__ import annotations

import os
from errno import EAGAIN, ECONNREFUSED, ENAMETOOLONG, ENOENT, ETIMEDOUT, EWOULDBLOCK

from .. import platforms
from ..errors import AddressError
from ..platforms.words import os_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

    from ..core.endpoint import Endpoint
    from ..core.endpoint_unix import UnixEndpoint
    from ..doors import Doors

__all__ = (
    "FIRST_PAUSE",
    "LONGEST_PAUSE",
    "O_PATH",
    "QUEUE_FULL",
    "ShortPath",
    "absolute",
    "connect",
    "connect_ex",
    "refusal",
)

O_PATH = getattr(os, "O_PATH", 0o10000000)  # Linux only, as is the code that uses it; PyPy lacks the name
QUEUE_FULL = (EAGAIN, EWOULDBLOCK)  # what a Unix connect answers then on Linux; BSD and Windows refuse
FIRST_PAUSE = 0.001  # seconds before a full queue is asked again, doubled each time
LONGEST_PAUSE = 0.05


def absolute(door: Doors, endpoint: UnixEndpoint) -> bytes:
    """Where the file of *endpoint* is, whatever chdir happens later."""
    path = os.fsencode(endpoint.path or "")
    return path if os.path.isabs(path) else os.path.join(door.getcwd(), path)


class ShortPath:
    """A short name of an existing file or directory, for the length of a ``with`` block.

    ``with ShortPath(door, endpoint, path, extra) as where:`` gives *path* itself when *extra* more bytes fit behind it.
    Raises AddressError when they do not and this system has no way round.
    """

    __slots__ = ("_directory", "_door", "_endpoint", "_extra", "_fileno", "_path")

    def __init__(self, door: Doors, endpoint: Endpoint, path: bytes, extra: int = 0) -> None:
        self._door = door
        self._endpoint = endpoint
        self._path = path
        self._extra = extra
        self._fileno = -1
        self._directory = b""

    def __enter__(self) -> bytes:
        system = platforms.current
        limit = system.sun_path_limit
        if len(self._path) + self._extra <= limit:
            return self._path
        try:
            if system.has_proc_fd and (alias := self._by_descriptor()):
                return alias
            if system.short_dir is not None:
                return self._by_link(system.short_dir)
        except BaseException:
            self._release()
            raise
        size = len(self._path) + self._extra
        reason = f"the path of a Unix socket has at most {limit} bytes on {system.name}, this has {size}"
        raise AddressError(str(self._endpoint), len("unix:"), reason)

    def __exit__(self, *exc: object) -> None:
        self._release()

    def _by_descriptor(self) -> bytes | None:
        self._fileno = self._door.open_file(self._path, O_PATH)
        alias = b"/proc/self/fd/%d" % self._fileno
        try:
            self._door.lstat(alias)
        except OSError:  # /proc is not mounted here (a chroot)
            return None
        return alias

    def _by_link(self, short_dir: bytes) -> bytes:
        self._directory = self._door.private_dir(short_dir)
        alias = self._directory + b"/d"
        self._door.symlink(self._path, alias)
        return alias

    def _release(self) -> None:
        fileno, self._fileno = self._fileno, -1
        if fileno >= 0:
            self._door.close_file(fileno)
        directory, self._directory = self._directory, b""
        if directory:
            for remove, path in ((self._door.unlink, directory + b"/d"), (self._door.rmdir, directory)):
                try:
                    remove(path)
                except OSError:  # somebody cleaned /tmp: nothing of ours is left
                    pass


def connect_ex(door: Doors, sock: Socket, endpoint: Endpoint) -> int:
    """``sock.connect_ex`` to a path of any length, or to an abstract name; the errno, 0 when connected."""
    try:
        return sock.connect_ex(endpoint.sockaddr)
    except OSError as error:
        # "AF_UNIX path too long" has no errno: it comes from Python, before any system call.
        if error.errno not in (None, ENAMETOOLONG):
            raise
    try:
        with ShortPath(door, endpoint, os.fsencode(endpoint.sockaddr)) as where:
            return sock.connect_ex(where)
    except OSError as error:  # from making the short name: no such file, no such directory
        return error.errno or ENOENT


def refusal(door: Doors, endpoint: Endpoint, code: int) -> OSError:
    """The exception for the errno of a connect: the kernel refuses for a file or a directory as for a dead socket."""
    error = os_error(code)
    if code == ECONNREFUSED and endpoint.sockaddr[:1] not in ("\0", b"\0"):
        from ..core import takeover as rules
        from .unix import kind_of  # which imports this module

        kind = kind_of(door, os.fsencode(endpoint.sockaddr))
        if kind not in (rules.SOCKET, rules.MISSING, "a symbolic link"):  # connect follows links
            return type(error)(code, f"{error.strerror}: {kind} is there, not a socket")
    return error


def connect(door: Doors, sock: Socket, endpoint: Endpoint, deadline: float | None) -> None:
    """Connect and wait while the queue of the listener is full; TimeoutError at *deadline*, in monotonic seconds.

    A Unix connect is done at once or, with a full queue, blocks: then a signal whose handler returns makes CPython
    report success for a socket that is not connected, and a socket with a timeout fails at once with EAGAIN. So the
    socket does not block, and the queue is asked again.
    """
    sock.setblocking(False)
    try:
        code = sock.connect_ex(endpoint.sockaddr)  # as connect_ex() below begins; a call less for the usual end
    except OSError:
        code = connect_ex(door, sock, endpoint)
    pause = FIRST_PAUSE
    while code:
        if code not in QUEUE_FULL:
            raise refusal(door, endpoint, code)
        if deadline is not None:
            left = deadline - door.monotonic()
            if left <= 0:
                raise TimeoutError(ETIMEDOUT, "the queue of the listener stayed full")
            pause = min(pause, left)
        door.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        code = connect_ex(door, sock, endpoint)
