"""Binding a Unix socket: without stealing a live one, without a too-open moment, and removing only our own file.

**Stale or live.** core/takeover.py decides what happens to a path that is taken; here is what it needs: the lock
beside the path (lockfile.py) from before bind until after listen, lstat, and the probe. Between the decision and
unlink the file is looked at once more: its inode *and* its change time, because a file system hands the number of a
removed file to the next one.

**No window.** Naive way: bind, then chmod. A watching thread sees the wide mode nearly every time, and chmod by path
can be redirected by whoever may write in the directory. The other naive way, umask, belongs to the whole process. Our
rule:

* Linux: fchmod on the socket *before* bind sets the mode the file is born with, less the umask. If the umask took bits
  away, or owner and group are to change, the file is opened up through an ``O_PATH`` descriptor that was checked to be
  our socket: no path is looked up twice. With a new owner or group it is born for its first owner alone.
* elsewhere (and on a Linux without /proc): bind under a private name in a private 0700 directory beside the path, set
  owner and mode, listen, and link(2) it into place, which fails if somebody was faster. There the file never exists
  without a listener; the price is that ``getsockname`` keeps the private name. Never run on macOS; on Linux the tests
  run it.
* Windows: a socket file has no mode; the access list of its directory decides. Never run on a real Windows.

**Removal.** ``BoundUnix.unlink()`` removes the path only if it is still the file we made, only in the process that made
it (a forked child closes its copy too), only once, and is called *before* close: as long as the socket is open its
inode number cannot be given to another file. The time it was made is compared as well, for those who call it late.

Left out: abstract names have no file, so none of this applies to them; who may connect is asked at accept
(peer_credentials), not at bind.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from errno import EADDRINUSE, EEXIST, EINVAL, ENOENT
from socket import SOCK_DGRAM, SOCK_STREAM

from .. import doors, platforms
from ..core import takeover as rules
from ..errors import AddressError, UnsupportedError
from .lockfile import LockFile
from .sunpath import O_PATH, ShortPath, absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket as Socket

    from ..core.endpoint_unix import UnixEndpoint
    from ..doors import Doors

    _File = tuple[int, int, int]

__all__ = ("BoundUnix", "bind_unix", "kind_of", "probe_unix")

_O_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)  # everywhere but on Windows
_KINDS = {  # S_IFMT part of st_mode (inode(7)); Python's stat module is not on the import path for seven numbers
    0o100000: "a regular file",
    0o120000: "a symbolic link",
    0o040000: "a directory",
    0o010000: "a FIFO",
    0o020000: "a character device",
    0o060000: "a block device",
}
_TAKEN = "another process took the path meanwhile"


class BoundUnix:
    """A bound socket and the file it made: ``socket``, ``endpoint`` (as asked for), and ``unlink()``."""

    __slots__ = ("_door", "_file", "_lock", "_path", "_pid", "endpoint", "socket")

    socket: Socket
    endpoint: UnixEndpoint

    def __init__(self, door: Doors, socket: Socket, endpoint: UnixEndpoint, path: bytes, file: _File | None):
        self.socket = socket
        self.endpoint = endpoint
        self._door = door
        self._path = path
        self._file = file  # what bind made; None: nothing to remove (any more)
        self._pid = door.getpid()
        self._lock = allocate_lock()

    def unlink(self) -> None:
        """Remove the file this socket made, if it is still there; call it before the socket is closed.

        Does nothing the second time, in a forked child, when another file has taken the name, and for abstract names.
        Never raises OSError: a directory that became read-only keeps its file.
        """
        with self._lock:
            file, self._file = self._file, None
        if file is not None and self._pid == self._door.getpid():
            _remove(self._door, self._path, file)

    def rename(self, endpoint: UnixEndpoint) -> None:
        """Give our file the name of *endpoint*, replacing the socket there in one step: at no moment is there none.

        It must be on the same file system. Raises OSError EADDRINUSE when something else than a socket is there.
        """
        path = absolute(self._door, endpoint)
        kind = _kind(_look(self._door, path))
        if kind not in (rules.SOCKET, rules.MISSING):
            raise OSError(EADDRINUSE, f"{endpoint}: {kind} is there, not a socket")
        with self._lock:
            self._door.rename(self._path, path)
            self._path = path
        self.endpoint = endpoint


def bind_unix(
    endpoint: UnixEndpoint,
    *,
    type: int = SOCK_STREAM,
    backlog: int | None = None,
    mode: int = 0o600,
    owner: int | str | None = None,
    group: int | str | None = None,
    takeover: str = rules.STALE,
) -> BoundUnix:
    """Bind a Unix socket and, with a *backlog*, listen on it; a live socket at the path is never removed.

    *mode*, *owner* and *group* are those of the file, with no moment at which it is more open. *takeover* is
    ``"stale"`` (a socket file that no process has open is replaced), ``"refuse"`` (nothing is replaced) or ``"force"``
    (a live socket is replaced as well; other kinds of files and other users' sockets still are not).

    Raises OSError EADDRINUSE that says what is at the path and why it stays (which path, the caller says); AddressError
    for an address nobody can bind (empty, too long); ValueError for an unknown owner or group; UnsupportedError for
    what this system's Unix sockets do not have. unix(7).
    """
    door = doors.current
    if takeover not in rules.POLICIES:
        raise ValueError(f"takeover is one of {', '.join(rules.POLICIES)}, not {takeover!r}")
    if not 0 <= mode <= 0o777:
        raise ValueError(f"mode is between 0 and 0o777, not {mode:#o}")
    if endpoint.is_unnamed:
        # Linux would take the empty path as a wish for a random abstract name that nobody can find out.
        raise AddressError(str(endpoint), len("unix:"), "a path or an abstract name is missing")
    if endpoint.is_abstract:
        return _bind_abstract(door, endpoint, type, backlog)
    uid = _number(door.uid_of, owner, "owner: there is no user")
    gid = _number(door.gid_of, group, "group: there is no group")
    if not platforms.current.has_file_modes and (mode != 0o600 or (uid, gid) != (-1, -1)):
        raise UnsupportedError(
            "the mode or owner of a socket file", platforms.current.name, "set the access list of its directory"
        )
    path = absolute(door, endpoint)
    maker = _Maker(door, endpoint, path, type, backlog, mode, uid, gid, takeover)
    try:
        return maker.make()
    except FileNotFoundError as error:
        directory = os.path.dirname(path)
        if _look(door, directory) is not None:
            raise
        reason = f"{error.strerror}; there is no directory {os.fsdecode(directory)}"
        raise FileNotFoundError(ENOENT, reason) from error


def _number(look_up: Callable[[str], int], wanted: int | str | None, missing: str) -> int:
    """A user or group as the number that chown(2) takes; -1 leaves it as it is."""
    if not isinstance(wanted, str):
        return -1 if wanted is None else wanted
    try:
        return look_up(wanted)
    except KeyError:
        raise ValueError(f"{missing} {wanted!r} on this host") from None


def _bind_abstract(door: Doors, endpoint: UnixEndpoint, type: int, backlog: int | None) -> BoundUnix:
    if not platforms.current.has_abstract_unix:
        raise UnsupportedError(f"the abstract name {endpoint}", platforms.current.name, "use a path")
    sock = door.unix_socket(type)
    try:
        sock.bind(endpoint.sockaddr)
        if backlog is not None:
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return BoundUnix(door, sock, endpoint, b"", None)


class _Maker:
    """One bind_unix call on a path."""

    def __init__(
        self,
        door: Doors,
        endpoint: UnixEndpoint,
        path: bytes,
        type: int,
        backlog: int | None,
        mode: int,
        uid: int,
        gid: int,
        takeover: str,
    ) -> None:
        self.door = door
        self.endpoint = endpoint
        self.path = path
        self.type = type
        self.backlog = backlog
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.given = (uid, gid) != (-1, -1)
        self.takeover = takeover
        self.lock = LockFile(door, path)
        self.sock: Socket | None = None
        self.file: _File | None = None  # known from when the file exists

    def make(self) -> BoundUnix:
        """Bind and listen under the lock; interrupted at any point, nothing of it stays."""
        try:
            self._make_locked()
            sock, file = self.sock, self.file
            if sock is None:
                raise RuntimeError("no socket was made")
            return BoundUnix(self.door, sock, self.endpoint, self.path, file)
        except BaseException:
            self._undo()
            raise

    def _make_locked(self) -> None:
        if self.takeover != rules.REFUSE:
            self.lock.acquire()
        try:
            if self._in_place():
                parent, name = os.path.split(self.path)
                with ShortPath(self.door, self.endpoint, parent, len(name) + 1) as short:
                    where = os.path.join(short, name)
                    if len(where) <= platforms.current.sun_path_limit:
                        self._make_in_place(where)
                        return
            self._make_aside()  # also for a name that alone is too long: a link can have it
        except BaseException:
            self._undo()
            raise
        finally:
            self.lock.release()

    def _undo(self) -> None:
        sock, self.sock = self.sock, None
        if sock is None:
            return
        if self.file is not None:
            _remove(self.door, self.path, self.file)
        elif _is_bound(sock):
            self._take_back()
        sock.close()

    def _in_place(self) -> bool:
        """Whether a file made at the path itself can be given its mode without a window."""
        system = platforms.current
        if not system.has_file_modes:
            return True
        if not system.mode_before_bind:
            return False
        # For its owner alone it is born right under any usual umask; _open_up needs /proc.
        return (not self.given and self.mode & 0o077 == 0) or _look(self.door, b"/proc/self/fd") is not None

    # ------------------------------------------------------------------ two ways to make the file

    def _make_in_place(self, where: bytes) -> None:
        """Bind at the path itself; the file is born with a mode no wider than asked for."""
        door, modes = self.door, platforms.current.has_file_modes
        self.sock = sock = door.unix_socket(self.type)
        if modes:
            door.fchmod(sock.fileno(), self.mode & 0o700 if self.given else self.mode)
        self._claim(lambda: sock.bind(where))
        facts = door.lstat(self.path)
        self.file = _file(facts)
        if modes and (self.given or facts.st_mode & 0o777 != self.mode):
            self._open_up(facts)
        if self.backlog is not None:
            sock.listen(self.backlog)

    def _open_up(self, facts: os.stat_result) -> None:
        """Give the file we just made its owner, group and mode, whatever the umask and whoever swaps names."""
        door = self.door
        fileno = door.open_file(self.path, O_PATH | _O_NOFOLLOW)
        try:
            again = door.fstat(fileno)
            if (again.st_dev, again.st_ino) != (facts.st_dev, facts.st_ino) or not _is_socket(again):
                raise OSError(EADDRINUSE, "another file took its place while it was being set up")
            through = b"/proc/self/fd/%d" % fileno
            self._give(through)
            door.chmod(through, self.mode)
        finally:
            door.close_file(fileno)

    def _give(self, path: bytes) -> None:
        """Set owner and group, if any are asked for."""
        if not self.given:
            return
        try:
            self.door.chown(path, self.uid, self.gid)
        except PermissionError as error:
            reason = f"{error.strerror}: only root gives a file to another user, or to a group it is not in"
            raise PermissionError(error.errno, reason) from error

    def _take_back(self) -> None:
        """Remove what bind made when we were stopped before looking at it."""
        try:
            facts = self.door.lstat(self.path)
        except OSError:
            return
        if _is_socket(facts) and self._owned(facts):
            _remove(self.door, self.path, _file(facts))

    def _make_aside(self) -> None:
        """Bind in a private directory beside the path, finish there, and link the result into place."""
        door = self.door
        private = door.private_dir(os.path.dirname(self.path))
        aside = private + b"/s"
        try:
            self.sock = sock = door.unix_socket(self.type)
            with ShortPath(door, self.endpoint, private, len(b"/s")) as short:
                sock.bind(short + b"/s")
            self._give(aside)
            door.chmod(aside, self.mode)
            if self.backlog is not None:
                sock.listen(self.backlog)
            self.file = _file(door.lstat(aside))
            self._claim(lambda: door.link(aside, self.path))
        finally:
            try:
                _forget(door.unlink, aside)
            finally:
                _forget(door.rmdir, private)

    # ------------------------------------------------------------------ the path is taken

    def _claim(self, place: Callable[[], object]) -> None:
        """Put the socket at the path; once more if what is there may go, and only once."""
        try:
            place()
        except OSError as error:
            if error.errno not in (EADDRINUSE, EEXIST):
                raise
            self._make_room()
        else:
            return
        try:
            place()
        except OSError as error:
            if error.errno not in (EADDRINUSE, EEXIST):
                raise
            raise OSError(EADDRINUSE, _TAKEN) from error

    def _make_room(self) -> None:
        """Remove what is at the path, or raise the EADDRINUSE that says why it stays."""
        door = self.door
        facts = _look(door, self.path)
        kind = _kind(facts)
        owned = facts is not None and self._owned(facts)
        action, reason = rules.decide(self.takeover, kind, owned=owned, locked=self.lock.held)
        if action == rules.PROBE:
            probe = probe_unix(door, self.endpoint, self.path)
            action, reason = rules.decide(self.takeover, kind, owned=owned, locked=self.lock.held, probe=probe)
        if action == rules.KEEP:
            raise OSError(EADDRINUSE, reason)
        if action == rules.REMOVE and facts is not None:
            again = _look(door, self.path)
            if again is None:
                return
            if _identity(again) != _identity(facts):
                raise OSError(EADDRINUSE, _TAKEN)
            door.unlink(self.path)

    def _owned(self, facts: os.stat_result) -> bool:
        # After a crash of "root binds for www-data" the file is www-data's, and the next start is root's.
        euid = self.door.geteuid()
        return euid is None or facts.st_uid == euid or facts.st_uid == self.uid


def probe_unix(door: Doors, endpoint: UnixEndpoint, path: bytes) -> int:
    """Ask the kernel whether a socket is bound to the file at *path*: the errno of a connect, 0 when it succeeds."""
    sock = door.unix_socket(SOCK_DGRAM if platforms.current.has_unix_datagrams else SOCK_STREAM)
    try:
        sock.setblocking(False)
        with ShortPath(door, endpoint, path) as where:
            sock.connect(where)
    except OSError as error:
        return error.errno or EINVAL
    finally:
        sock.close()
    return 0


def _look(door: Doors, path: bytes) -> os.stat_result | None:
    try:
        return door.lstat(path)
    except FileNotFoundError:
        return None


def _is_bound(sock: Socket) -> bool:
    try:
        return bool(sock.getsockname())
    except OSError:  # Winsock answers WSAEINVAL for an unbound socket
        return False


def _is_socket(facts: os.stat_result) -> bool:
    return platforms.current.is_socket_file(facts)


def _kind(facts: os.stat_result | None) -> str:
    if facts is None:
        return rules.MISSING
    return rules.SOCKET if _is_socket(facts) else _KINDS.get(facts.st_mode & 0o170000, "something else")


def kind_of(door: Doors, path: bytes) -> str:
    """What is at *path*, in words."""
    try:
        return _kind(_look(door, path))
    except OSError:  # not to be seen
        return rules.MISSING


def _identity(facts: os.stat_result) -> _File:
    # Until unlink: any change at all counts.
    return facts.st_dev, facts.st_ino, facts.st_ctime_ns


def _file(facts: os.stat_result) -> _File:
    # For the life of a listener: a chmod by the administrator leaves it ours, and connecting changes no time.
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns


def _remove(door: Doors, path: bytes, file: _File) -> None:
    """Unlink *path* if it still is *file*; quietly leave what cannot be removed."""
    try:
        facts = door.lstat(path)
        if _file(facts) == file:
            door.unlink(path)
    except OSError:
        pass


def _forget(remove: Callable[[bytes], None], path: bytes) -> None:
    try:
        remove(path)
    except OSError:  # never made, or cleaned by somebody else
        pass
