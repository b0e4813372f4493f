"""The four doors to the outside: sockets, the resolver, the file system, the environment.

Everything a verb does to the world goes through ``current``, one ``Doors`` object. Nothing above this floor
creates a socket, calls getaddrinfo, removes a file, reads the environment or asks what time it is by itself.

Why: the dangerous calls are few, so they can all be listed, counted and made to fail. ``dualstack.testing.World``
is another ``Doors`` with a scripted network and a virtual clock; a test puts it in ``current`` and every verb runs
in that world, with a ledger of what was opened. Patching ``socket.socket`` by name would reach other people's code
and miss whoever imported the name before.

A verb reads ``doors.current`` once, when it starts, and keeps that object for all it opens: a listener opened in
one world is closed in the same world.
"""

from __future__ import annotations

import _socket
import errno
import os
import socket
import time
from _thread import allocate_lock, start_new_thread

from . import platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    import selectors
    from collections.abc import Callable
    from socket import socket as Socket
    from typing import Any

__all__ = ("Doors", "Event", "current", "using")


class Event:
    """A flag that one thread waits for and any thread sets. ``threading.Event`` costs an import and three locks."""

    __slots__ = ("_gate", "_lock", "_set")

    def __init__(self) -> None:
        self._set = False
        self._lock = allocate_lock()
        self._gate = allocate_lock()
        self._gate.acquire()

    def set(self) -> None:
        """Let the waiting thread go, now or as soon as it waits."""
        with self._lock:
            if not self._set:
                self._set = True
                self._gate.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set, then take it down; False when *timeout* seconds went by first."""
        # Signals interrupt the acquire, so that KeyboardInterrupt comes at once (PEP 475 goes on after others).
        taken = self._gate.acquire() if timeout is None else self._gate.acquire(timeout=min(max(timeout, 0.0), _LONG))
        if taken:
            with self._lock:
                self._set = False
        return taken


_LONG = 1e6  # seconds; a lock refuses timeouts above threading.TIMEOUT_MAX, which differs per system


class Doors:
    """The real world: each method is one system or library call, and may raise what that call raises."""

    # ------------------------------------------------------------------ sockets

    def socket(self, family: int, type: int, proto: int = 0, fileno: int | None = None) -> Socket:
        """Create a socket, or wrap the descriptor *fileno*; non-inheritable either way (PEP 446)."""
        return socket.socket(family, type, proto, fileno)

    def adopt(self, fileno: int) -> Socket:
        """Wrap a descriptor whose family and type only the kernel knows."""
        sock = socket.socket(fileno=fileno)
        return platforms.current.as_unix_socket(sock) if sock.family == 1 else sock  # AF_UNIX on every system

    def accept(self, listener: Socket, family: int, type: int, proto: int) -> tuple[Socket, Any]:
        """Take one connection of a non-blocking *listener*; BlockingIOError when none waits.

        ``socket.accept`` turns family and type into enumerations and back for each connection, which costs more than
        making the endpoint of the peer; the numbers are known here, so they are handed in.
        """
        fileno, sockaddr = listener._accept()  # type: ignore[attr-defined]  # what socket.accept itself calls
        # Of the listener's own class: Windows's Unix sockets are a subclass (platforms/winsock.py).
        return listener.__class__(family, type, proto, fileno), sockaddr

    def socketpair(self) -> tuple[Socket, Socket]:
        """Make two connected sockets; for waking a selector from another thread."""
        # Of the C class where there is one: to make its own, socket.socketpair takes each descriptor out of an object
        # first, and one is lost for good when a signal handler raises just then.
        return getattr(_socket, "socketpair", socket.socketpair)()  # not on Windows

    def selector(self) -> selectors.BaseSelector:
        """Make the best selector of this system, for many sockets or many threads."""
        import selectors  # late: since 3.14 the socket module does not load it either

        return selectors.DefaultSelector()

    def poller(self) -> selectors.BaseSelector:
        """Make a selector for a few sockets, a short time and one thread, that is no descriptor itself.

        There may be no descriptor left just then. And none can get lost: a selector of the standard library refers to
        itself, so one whose making is interrupted by a signal keeps its epoll or kqueue until the collector comes.
        """
        import selectors

        return getattr(selectors, "PollSelector", selectors.SelectSelector)()

    def wait_readable(self, sock: Socket, seconds: float) -> bool:
        """Wait for one socket, at most *seconds*, without a descriptor for the waiting itself."""
        with self.poller() as selector:
            selector.register(sock, 1)  # selectors.EVENT_READ
            return bool(selector.select(seconds))

    def close_fd(self, fileno: int) -> None:
        """Close a bare descriptor."""
        socket.close(fileno)

    def set_inheritable(self, fileno: int, inheritable: bool) -> None:
        """Say whether programs started from here get the descriptor."""
        os.set_inheritable(fileno, inheritable)

    # ------------------------------------------------------------------ resolver

    def getaddrinfo(
        self, host: str | None, port: str | int | None, family: int, type: int, proto: int, flags: int
    ) -> list[tuple[int, int, int, str, tuple[Any, ...]]]:
        """Resolve; blocks for as long as the system likes."""
        return socket.getaddrinfo(host, port, family, type, proto, flags)  # type: ignore[return-value]  # typeshed spells the sockaddr as a union of tuples

    def getservbyname(self, service: str, protocol: str) -> int:
        """Look a service name up in the services database."""
        return socket.getservbyname(service, protocol)

    def file_stamp(self, path: bytes) -> tuple[int, ...] | None:
        """Tell whether a configuration file has changed since; None when there is none to read."""
        try:
            facts = os.stat(path)
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino

    def read_file(self, path: bytes) -> bytes:
        """Read a small configuration file."""
        with open(path, "rb") as file:
            return file.read()

    def if_nametoindex(self, name: str) -> int:
        """Turn an interface name into its index; OSError when there is none."""
        try:
            return socket.if_nametoindex(name)
        except OSError as error:
            index = platforms.current.index_of(name)
            if index is not None:
                return index
            # CPython raises OSError("no interface with this name") without an errno.
            raise OSError(error.errno or errno.ENODEV, f"no interface named {name!r}") from None

    def if_indextoname(self, index: int) -> str:
        """Turn an interface index into its name; OSError when there is none."""
        name = platforms.current.name_of(index)
        return socket.if_indextoname(index) if name is None else name

    # ------------------------------------------------------------------ files (Unix sockets)

    def unix_socket(self, type: int) -> Socket:
        """Create a Unix socket, also where the socket module has no AF_UNIX but the system does (Windows)."""
        return platforms.current.unix_socket(self.socket, type)

    def getcwd(self) -> bytes:
        """The directory that relative paths start from."""
        return os.getcwdb()

    def lstat(self, path: bytes) -> os.stat_result:
        """Look at what is at *path* without following a link."""
        return os.lstat(path)

    def fstat(self, fileno: int) -> os.stat_result:
        """Look at an open descriptor."""
        return os.fstat(fileno)

    def unlink(self, path: bytes) -> None:
        """Remove a name."""
        os.unlink(path)

    def link(self, source: bytes, target: bytes) -> None:
        """Give a file a second name; FileExistsError when the name is taken, which rename does not say."""
        # Some systems follow links here; the source is a socket of ours in a directory nobody else can enter. To say
        # follow_symlinks=False makes PyPy 7.3 fail with EINVAL.
        os.link(source, target)

    def rename(self, source: bytes, target: bytes) -> None:
        """Rename a file, replacing what has the name already."""
        os.replace(source, target)

    def symlink(self, source: bytes, target: bytes) -> None:
        """Make *target* a symbolic link to the directory *source*."""
        os.symlink(source, target, target_is_directory=True)

    def private_dir(self, parent: bytes) -> bytes:
        """Make a directory in *parent* that only this user can enter, under a name nobody can guess."""
        path = os.path.join(parent, b".ds" + os.urandom(6).hex().encode())
        os.mkdir(path, 0o700)
        return path

    def rmdir(self, path: bytes) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def open_file(self, path: bytes, flags: int, mode: int = 0o600) -> int:
        """Open a file and return its descriptor, non-inheritable (PEP 446)."""
        return os.open(path, flags, mode)

    def close_file(self, fileno: int) -> None:
        """Close what open_file returned."""
        os.close(fileno)

    def try_lock(self, fileno: int) -> bool:
        """Lock an open file against every other process and thread; False when somebody else holds it."""
        return platforms.current.try_lock(fileno)

    def chmod(self, path: bytes, mode: int) -> None:
        """Set the mode of *path*, following links."""
        os.chmod(path, mode)

    def fchmod(self, fileno: int, mode: int) -> None:
        """Set the mode of an open descriptor."""
        os.chmod(fileno, mode)

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        """Set owner and group of *path*, following links; -1 leaves one as it is."""
        platforms.current.chown(path, uid, gid)

    def geteuid(self) -> int | None:
        """The user whose files these are; None where users have no number."""
        return platforms.current.geteuid()

    def uid_of(self, name: str) -> int:
        """Look a user name up; KeyError when there is none."""
        return platforms.current.uid_of(name)

    def gid_of(self, name: str) -> int:
        """Look a group name up; KeyError when there is none."""
        return platforms.current.gid_of(name)

    # ------------------------------------------------------------------ environment, time, threads

    #: What a service manager passed to this process, once it was read (net/activation.py).
    inherited: object | None = None

    def environ(self, name: str) -> str | None:
        """Read one environment variable."""
        return os.environ.get(name)

    def unset_environ(self, name: str) -> None:
        """Remove one environment variable, so that children do not see it."""
        os.environ.pop(name, None)

    def getpid(self) -> int:
        """Tell this process from its forked children."""
        return os.getpid()

    def monotonic(self) -> float:
        """Seconds on a clock that no administrator sets."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Pause this thread."""
        time.sleep(seconds)

    def event(self) -> Event:
        """Make a flag to wait for something another thread does."""
        return Event()

    def start_daemon(self, target: Callable[[], None], name: str) -> None:
        """Run *target* in a thread that does not keep the interpreter alive.

        _thread, not threading: a daemon that hangs in getaddrinfo must not be joined at exit, and the import is
        free.
        """
        start_new_thread(target, ())


#: The world the verbs act in. Tests replace it with ``using``; nobody else writes here.
current: Doors = Doors()


class using:
    """Act in another world for the length of a ``with`` block (tests)."""

    def __init__(self, world: Doors) -> None:
        self._world = world
        self._before: Doors | None = None

    def __enter__(self) -> Doors:
        global current  # this class is the one writer
        self._before, current = current, self._world
        return self._world

    def __exit__(self, *exc: object) -> None:
        global current  # noqa: PLW0603  # see __enter__
        if self._before is not None:
            current = self._before
