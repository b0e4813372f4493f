"""World: the fake implementation of the doors, with a ledger of everything opened through it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .. import doors, platforms
from ..core.endpoint import AF_UNIX
from .clock import Clock, FakeEvent
from .faults import Faults
from .files import Files
from .hosts import Host, linux
from .kernel import Kernel
from .network import Outcome
from .ports import OpenSocket, error
from .resolver import Resolver
from .sockets import FakeSelector, FakeSocket

__all__ = ("Leak", "World")

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_HERE = os.path.dirname(os.path.abspath(__file__))


class Leak(AssertionError):  # a verdict on the code under test, not an error of the taxonomy
    """Something the code under test opened is still open; the message lists it with the line that opened it."""


def _origin() -> str:
    """The innermost line outside this package of fakes that asked for something."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_HERE) or frame.f_code.co_filename == doors.__file__
    ):
        frame = frame.f_back
    return f"{os.path.relpath(frame.f_code.co_filename, os.path.dirname(_PACKAGE))}:{frame.f_lineno}"


class World(doors.Doors):
    """A host with a scripted network, resolver and clock; use it in a ``with`` block.

    Inside the block it is ``doors.current`` and its system is ``platforms.current``. Leaving the block raises Leak
    when a socket, selector, daemon thread or socket file is left, and when a socket was closed while a selector
    still watched it. A look-up that was told never to answer is no leak: its thread ends with the world.

    What people get wrong: nothing may wait on a real lock for something of this world. Waiting goes through a
    selector, a socket or ``sleep`` of the doors; anything else is Stuck.
    """

    def __init__(self, host: Host | None = None) -> None:
        self.host: Host = host or linux()
        self.clock: Clock = Clock()
        self.faults: Faults = Faults()
        self.kernel: Kernel = Kernel(self.host, self.clock)
        self.resolver: Resolver = Resolver(self.host, self.clock)
        self.files: Files = self.kernel.files
        #: Environment variables the verbs see.
        self.env: dict[str, str] = {}
        #: Configuration files by path: ``world.texts["/etc/hosts"] = "192.0.2.1 name"``.
        self.texts: dict[str, str] = {}
        #: What ``getpid`` answers; change it to be a forked child.
        self.pid = 1000
        #: The working directory, for relative paths.
        self.cwd = b"/home"
        self.inherited: object | None = None
        self._private = 0
        self._selectors: list[FakeSelector] = []
        self._misdeeds: list[str] = []
        self._before: tuple[doors.Doors, platforms.Platform] | None = None

    # ------------------------------------------------------------------ scripting, for tests

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        return self.clock.now

    @property
    def calls(self) -> list[str]:
        """The counted calls made so far, in order; fault injection counts the same."""
        return self.faults.calls

    def at(self, when: float, action: Callable[[], Any]) -> None:
        """Do *action* when the clock reaches *when*: what another thread or another host does meanwhile."""
        self.clock.at(when, action)

    def fail(self, call: int | str, exception: BaseException | int, *, nth: int = 1) -> None:
        """Let call number *call* fail, or the *nth* of that name from now (``fail("bind", errno.EADDRINUSE)``)."""
        self.faults.fail(call, exception, nth=nth)

    def destination(self, host: str, port: int | None, outcome: Outcome | list[Outcome]) -> None:
        """Say what connecting to *host* does; a list is used up one by one, its last entry stays. Port None: any."""
        self.kernel.script[host, port] = list(outcome) if isinstance(outcome, list) else [outcome]

    def answer(
        self,
        name: str,
        addresses: Iterable[str] = (),
        *,
        after: float = 0.0,
        after4: float | None = None,
        after6: float | None = None,
        error: BaseException | None = None,
        error4: BaseException | None = None,
        error6: BaseException | None = None,
    ) -> None:
        """Say what *name* resolves to, how long each family takes (``float("inf")``: never), and what fails.

        A family without addresses and without an error of its own is answered "no such name", after its delay.
        """
        listed = list(addresses)
        nothing = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        for family, delay, failure in ((socket.AF_INET, after4, error4), (socket.AF_INET6, after6, error6)):
            held = [text for text in listed if (":" in text) == (family == socket.AF_INET6)]
            wait = after if delay is None else delay
            failure = failure or error or (None if held else nothing)
            self.resolver.answer(name, family, held, wait, failure)

    def client(self, host: str, port: int, *, source: str | None = None, source_port: int = 40000) -> FakeSocket:
        """Connect to a listener of this host from outside; the other end of what ``accept`` will return.

        *source* is where the client seems to come from; the default is the loopback address of the family.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if not self.host.has(host):
            raise error(errno.ENETUNREACH)
        listener = self.kernel._listener(host, port)
        if listener is None:
            raise error(errno.ECONNREFUSED)
        remote = OpenSocket(family, socket.SOCK_STREAM, 0, False, _origin())
        local = source or ("::1" if family == socket.AF_INET6 else "127.0.0.1")
        remote.local = self.kernel.address(remote, (local, source_port))
        remote.remote = self.kernel.address(remote, (host, port))
        self.kernel.join(remote, listener)
        return FakeSocket.make(self, self.kernel.install(remote), remote)

    def unix_client(self, path: str | bytes) -> FakeSocket:
        """Connect to a Unix listener of this host from another process."""
        fd, remote = self.kernel.open(AF_UNIX, socket.SOCK_STREAM, 0, False, _origin())
        made = FakeSocket.make(self, fd, remote)
        made.connect(path)
        return made

    def unix_holder(self, path: str | bytes) -> FakeSocket:
        """Let another process listen on a Unix path or an abstract name; close the result to make it stale."""
        fd, other = self.kernel.open(AF_UNIX, socket.SOCK_STREAM, 0, False, _origin())
        self.kernel.bind(other, path)
        self.kernel.listen(other, 128)
        return FakeSocket.make(self, fd, other)

    def occupy(self, host: str, port: int, *, listening: bool = True, v6only: bool = True) -> FakeSocket:
        """Let another process hold a TCP port; close the result to set it free."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        fd, other = self.kernel.open(family, socket.SOCK_STREAM, 0, False, _origin())
        if family == socket.AF_INET6:
            other.options["IPV6_V6ONLY"] = int(v6only)
        root, self.host.root = self.host.root, True
        try:
            self.kernel.bind(other, (host, port))
        finally:
            self.host.root = root
        if listening:
            self.kernel.listen(other, 128)
        return FakeSocket.make(self, fd, other)

    # ------------------------------------------------------------------ the ledger

    def open_things(self) -> list[str]:
        """What the code under test has open now, one line each."""
        lines = [
            f"socket {fd} ({opened.state}, {opened.local}) of {opened.origin}"
            for fd, opened in self.kernel.table.items()
            if opened.ours
        ]
        lines += [f"selector of {held.origin}" for held in self._selectors if not held.closed]
        lines += [f"open file {os.fsdecode(path)}" for _, path in self.files.open.values()]
        lines += [f"file {path}" for path in self.files.left()]
        lines += [
            f"thread {task.name!r}"
            for task in self.clock.tasks
            if not task.done and not (task.waits_in or "").startswith("getaddrinfo")
        ]
        return lines

    def check(self) -> None:
        """Raise Leak when anything is open, and what a daemon thread died of."""
        for task in self.clock.tasks:
            if task.error is not None:
                raise task.error
        found = self._misdeeds + self.open_things()
        if found:
            raise Leak("left behind: " + "; ".join(found))

    def __enter__(self) -> World:
        self._before = doors.current, platforms.current
        doors.current, platforms.current = self, self.host.platform
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        if self._before is not None:
            doors.current, platforms.current = self._before
        try:
            if kind is None:
                self.check()
        finally:
            self.clock.close()

    # ------------------------------------------------------------------ doors: sockets

    def socket(self, family: int, type: int, proto: int = 0, fileno: int | None = None) -> FakeSocket:
        self.faults.count("socket")
        if fileno is not None:
            return FakeSocket.make(self, fileno, self.kernel.find(fileno))
        return FakeSocket.make(self, *self.kernel.open(family, type, proto, True, _origin()))

    def adopt(self, fileno: int) -> FakeSocket:
        self.faults.count("adopt")
        return FakeSocket.make(self, fileno, self.kernel.find(fileno))

    def accept(self, listener: Any, family: int, type: int, proto: int) -> tuple[FakeSocket, Any]:
        if listener.getblocking():
            raise AssertionError("Doors.accept is for non-blocking listeners")
        fd, peer = listener._accept()
        return FakeSocket.make(self, fd, self.kernel.find(fd)), peer

    def socketpair(self) -> tuple[FakeSocket, FakeSocket]:
        self.faults.count("socketpair")
        ends = [OpenSocket(AF_UNIX, socket.SOCK_STREAM, 0, True, _origin()) for _ in range(2)]
        ends[0].peer, ends[1].peer = ends[1], ends[0]
        made = []
        for end in ends:
            end.state = "connected"
            try:
                made.append(FakeSocket.make(self, self.kernel.install(end), end))
            except OSError:  # both or none
                for first in made:
                    first.close()
                raise
        return made[0], made[1]

    def selector(self) -> FakeSelector:
        return self._selector("selector")

    def poller(self) -> FakeSelector:
        return self._selector("poller")

    def _selector(self, call: str) -> FakeSelector:
        self.faults.count(call)
        made = FakeSelector(self, _origin())
        self._selectors.append(made)
        return made

    def wait_readable(self, sock: Any, seconds: float) -> bool:
        self.faults.count("wait_readable")
        opened = self.kernel.find(sock.fileno())
        return self.clock.wait(lambda: opened.readable or opened.state == "closed", seconds, "wait_readable")

    def close_socket(self, fd: int, opened: OpenSocket) -> None:
        """Close a descriptor; noting when a selector still watches it, which on a real one is a trap.

        epoll forgets it silently, kqueue too, and the next socket gets the same number while the selector's table
        still maps it to the old one.
        """
        if opened.ours and any(held.holds(fd) and not held.closed for held in self._selectors):
            self._misdeeds.append(f"socket {fd} of {opened.origin} was closed before it was unregistered")
        self.kernel.close(fd)
        if opened.ours:
            self.faults.count("close")

    def set_inheritable(self, fileno: int, inheritable: bool) -> None:
        self.faults.count("set_inheritable")
        self.kernel.find(fileno).options["inheritable"] = inheritable

    def close_fd(self, fileno: int) -> None:
        self.close_socket(fileno, self.kernel.find(fileno))

    # ------------------------------------------------------------------ doors: resolver

    def getaddrinfo(self, host: Any, port: Any, family: int, type: int, proto: int, flags: int) -> list[Any]:
        self.faults.count("getaddrinfo")
        return self.resolver.getaddrinfo(host, port, family, type, proto, flags)

    def getservbyname(self, service: str, protocol: str) -> int:
        self.faults.count("getservbyname")
        return self.resolver.getservbyname(service)

    def file_stamp(self, path: bytes) -> tuple[int, ...] | None:
        text = self.texts.get(os.fsdecode(path))
        return None if text is None else (hash(text),)

    def read_file(self, path: bytes) -> bytes:
        self.faults.count("read_file")
        return self.texts[os.fsdecode(path)].encode()

    def if_nametoindex(self, name: str) -> int:
        self.faults.count("if_nametoindex")
        index = self.host.index_of(name)
        if not index:
            raise OSError(errno.ENODEV, f"no interface named {name!r}")
        return index

    def if_indextoname(self, index: int) -> str:
        self.faults.count("if_indextoname")
        names = list(self.host.addresses)
        if not 1 <= index <= len(names):
            raise error(errno.ENXIO)
        return names[index - 1]

    # ------------------------------------------------------------------ doors: files

    def unix_socket(self, type: int) -> FakeSocket:
        made = self.host.platform.unix_socket(self.socket, type)
        if not isinstance(made, FakeSocket):
            raise TypeError("the scripted platform made a real socket")
        return made

    def getcwd(self) -> bytes:
        return self.cwd

    def lstat(self, path: bytes) -> os.stat_result:
        self.faults.count("lstat")
        return self.files.stat(self.files.find(path, follow=False))

    def fstat(self, fileno: int) -> os.stat_result:
        self.faults.count("fstat")
        return self.files.stat(self.files.file(fileno))

    def unlink(self, path: bytes) -> None:
        self.faults.count("unlink")
        self.files.unlink(path)

    def link(self, source: bytes, target: bytes) -> None:
        self.faults.count("link")
        self.files.link(source, target)

    def rename(self, source: bytes, target: bytes) -> None:
        self.faults.count("rename")
        self.files.rename(source, target)

    def symlink(self, source: bytes, target: bytes) -> None:
        self.faults.count("symlink")
        self.files.symlink(source, target)

    def private_dir(self, parent: bytes) -> bytes:
        self.faults.count("private_dir")
        self._private += 1
        path = os.path.join(parent, b".ds%012x" % self._private)
        self.files.mkdir(path, 0o700)
        return path

    def rmdir(self, path: bytes) -> None:
        self.faults.count("rmdir")
        self.files.rmdir(path)

    def open_file(self, path: bytes, flags: int, mode: int = 0o600) -> int:
        self.faults.count("open_file")
        return self.files.open_file(path, flags, mode)

    def close_file(self, fileno: int) -> None:
        self.files.close_file(fileno)

    def try_lock(self, fileno: int) -> bool:
        self.faults.count("try_lock")
        return self.files.try_lock(fileno)

    def chmod(self, path: bytes, mode: int) -> None:
        self.faults.count("chmod")
        self.files.chmod(self.files.find(path, follow=True), mode)

    def fchmod(self, fileno: int, mode: int) -> None:
        self.faults.count("fchmod")
        # On an unbound socket it sets what the file will be born with; on a bound one it changes nothing to see.
        self.kernel.find(fileno).options["fchmod"] = mode

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        self.faults.count("chown")
        if not self.host.root:
            raise error(errno.EPERM)
        self.files.chown(self.files.find(path, follow=True), uid, gid)

    def geteuid(self) -> int | None:
        return self.files.uid if self.host.platform.has_file_modes else None

    def uid_of(self, name: str) -> int:
        return {"root": 0, "user": 1000}[name]

    def gid_of(self, name: str) -> int:
        return {"root": 0, "user": 1000}[name]

    # ------------------------------------------------------------------ doors: environment, time, threads

    def environ(self, name: str) -> str | None:
        return self.env.get(name)

    def unset_environ(self, name: str) -> None:
        self.env.pop(name, None)

    def getpid(self) -> int:
        return self.pid

    def monotonic(self) -> float:
        return self.clock.now

    def sleep(self, seconds: float) -> None:
        self.faults.count("sleep")
        self.clock.sleep(seconds)

    def event(self) -> FakeEvent:
        self.faults.count("event")
        return FakeEvent(self.clock)

    def start_daemon(self, target: Callable[[], None], name: str) -> None:
        self.faults.count("start_daemon")
        self.clock.start(target, name)
