"""What Linux, macOS and the BSDs have in common: numbered users, file modes, file locks."""

from __future__ import annotations

import sys

from .contract import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

__all__ = ("Posix",)


class Posix(Platform):
    """A POSIX system; by itself it stands for FreeBSD, NetBSD, OpenBSD and others, where it was never run."""

    name = "this POSIX system"
    system: str = sys.platform

    def prepare_listener(self, sock: socket.socket, *, exclusive: bool) -> None:
        # Waives TIME_WAIT after a restart; a live listener on the port still refuses us (socket(7), setsockopt(2)).
        constants = self.constants
        if "SO_REUSEADDR" in constants:
            sock.setsockopt(constants["SOL_SOCKET"], constants["SO_REUSEADDR"], 1)

    def share_port(self, sock: socket.socket) -> None:
        # SO_REUSEPORT of the BSDs and macOS lets several bind and gives every connection to one of them; FreeBSD 12
        # has the balancing form under another name (setsockopt(2)).
        constants = self.constants
        if "SO_REUSEPORT_LB" not in constants:
            super().share_port(sock)
        sock.setsockopt(constants["SOL_SOCKET"], constants["SO_REUSEPORT_LB"], 1)

    def why_denied(self, port: int) -> str:
        return "ports below 1024 need root" if 0 < port < 1024 else ""

    # The modules below do not exist on Windows, and the type checker knows.
    if sys.platform != "win32":

        def try_lock(self, fileno: int) -> bool:
            # flock, not fcntl locks: those vanish as soon as any descriptor of the file is closed in this process,
            # and do not keep two threads of one process apart (flock(2), fcntl(2)).
            from fcntl import LOCK_EX, LOCK_NB, flock

            try:
                flock(fileno, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                return False
            return True

        def geteuid(self) -> int | None:
            from os import geteuid

            return geteuid()

        def uid_of(self, name: str) -> int:
            from pwd import getpwnam

            return getpwnam(name).pw_uid

        def gid_of(self, name: str) -> int:
            from grp import getgrnam

            return getgrnam(name).gr_gid

        def chown(self, path: bytes, uid: int, gid: int) -> None:
            from os import chown

            chown(path, uid, gid)

        def fd_limit(self) -> int:
            from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit

            soft = getrlimit(RLIMIT_NOFILE)[0]
            return 2**31 - 1 if soft == RLIM_INFINITY else soft

        def raise_fd_limit(self) -> int:
            from resource import RLIMIT_NOFILE, getrlimit, setrlimit

            hard = getrlimit(RLIMIT_NOFILE)[1]
            try:
                setrlimit(RLIMIT_NOFILE, (hard, hard))
            except (OSError, ValueError):  # macOS: not above OPEN_MAX, though "unlimited" is what it says
                pass
            return self.fd_limit()
