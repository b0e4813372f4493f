"""Linux: its socket constants and its exceptions to the rules."""

from __future__ import annotations

import os
import sys
from errno import EACCES, EAFNOSUPPORT, ENOSYS, ENOTCONN, EPERM, EPROTONOSUPPORT

from ..errors import UnsupportedError
from .posix import Posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ..core.interface import Interface
    from ..core.interfaces import Interfaces
    from ..core.route import Route, SourceAddress
    from .change_source import ChangeSource

__all__ = ("Linux",)

_SOL_SOCKET = 1
_LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h)

_SO_ATTACH_REUSEPORT_CBPF = 51
_SO_PEERCRED = 17  # asm-generic/socket.h; 18 on alpha, mips, sparc and parisc spell it otherwise
_UCRED = "iII"
_NOBODY_YET = 0xFFFFFFFF


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


# What a seccomp filter, a security module or a kernel without netlink answers; Android lets no app ask.
_DENIED = (EACCES, EAFNOSUPPORT, ENOSYS, EPERM, EPROTONOSUPPORT)


def _without_netlink() -> Interfaces:
    """Ask libc: no lifetimes, no address state, no MTU; on musl and glibc that is netlink again, elsewhere not."""
    from _socket import AF_INET6, if_nametoindex

    from ..core.interfaces import Interfaces
    from .getifaddrs import LINUX, read_interfaces

    return Interfaces(read_interfaces(LINUX, if_nametoindex, AF_INET6))


def _explained(error: OSError, what: str) -> OSError:
    """Where netlink is denied nothing else tells routes: the UnsupportedError that says so; else *error* itself."""
    if error.errno not in _DENIED:
        return error
    return UnsupportedError(what, "this Linux", "a filter denies netlink to this process", errno=error.errno)


class Linux(Posix):
    """Linux, glibc or musl."""

    name = "Linux"
    system = "linux"
    sun_path_limit = 107
    has_abstract_unix = True
    mode_before_bind = True
    has_proc_fd = True
    connects_to_wildcard = True
    accept_inherits_nonblocking = False
    delays_port = True
    binds_beside = True
    hosts_file: bytes | None = b"/etc/hosts"
    nsswitch_file: bytes | None = b"/etc/nsswitch.conf"
    gai_conf: bytes | None = b"/etc/gai.conf"

    def network_namespace(self) -> int:
        try:
            # Of the thread: setns(2) moves one thread, not the process.
            return os.stat("/proc/thread-self/ns/net").st_ino
        except OSError:  # /proc is not mounted
            return 0

    def share_port(self, sock: socket.socket) -> None:
        constants = self.constants
        sock.setsockopt(constants["SOL_SOCKET"], constants["SO_REUSEPORT"], 1)

    def why_denied(self, port: int) -> str:
        first = _read("/proc/sys/net/ipv4/ip_unprivileged_port_start").strip()
        limit = int(first) if first.isdecimal() else 1024
        if port and port < limit:
            return f"ports below {limit} need root or CAP_NET_BIND_SERVICE (sysctl net.ipv4.ip_unprivileged_port_start)"
        return ""

    def holder_of(self, family: int, port: int) -> str | None:
        # The socket table gives the inode, the descriptors of the processes we may look into give its owner.
        wanted = f":{port:04X}"
        inodes = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in _read(table).splitlines()[1:]:
                fields = line.split()
                if len(fields) > 9 and fields[1].endswith(wanted) and fields[3] == _LISTEN:
                    inodes.add(f"socket:[{fields[9]}]")
        if not inodes:
            return None
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            try:
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    if os.readlink(f"/proc/{pid}/fd/{fd}") in inodes:
                        return f"{_read(f'/proc/{pid}/comm').strip()} (pid {pid})"
            except OSError:
                continue  # another user's process, or one that is gone
        return None

    can_steer = True

    def steer(self, sock: socket.socket, index: int) -> None:
        # A classic BPF program of one instruction, "return index" (BPF_RET | BPF_K), in a struct sock_fprog: length
        # and pointer. The members are numbered in the order in which they began to listen (socket(7)).
        from array import array
        from struct import pack

        instruction = array("B", pack("HBBI", 0x06, 0, 0, index))
        sock.setsockopt(_SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, pack("@HP", 1, instruction.buffer_info()[0]))

    # ------------------------------------------------------------------ Unix sockets

    def peer_credentials(self, sock: socket.socket) -> tuple[int | None, int | None, int | None]:
        from struct import calcsize, unpack

        # struct ucred: pid, uid, gid as of connect(2) or socketpair(2), not of now (unix(7)).
        raw = sock.getsockopt(_SOL_SOCKET, _SO_PEERCRED, calcsize(_UCRED))
        pid, uid, gid = unpack(_UCRED, raw)
        if uid == _NOBODY_YET:  # a listening or unconnected socket answers pid 0, uid and gid -1, and no error
            raise OSError(ENOTCONN, "not connected: there is nobody at the other end")
        return pid, uid, gid

    if sys.platform == "linux":  # the type checker knows that pidfds are Linux's

        def pidfd_id(self) -> int | None:
            if not hasattr(os, "pidfd_open"):
                return None  # built against old headers
            try:
                fileno = os.pidfd_open(os.getpid())
            except OSError:  # before Linux 5.3, or forbidden by a seccomp filter
                return None
            try:
                return os.fstat(fileno).st_ino
            finally:
                os.close(fileno)

    # ------------------------------------------------------------------ interfaces, routes, changes

    has_address_labels = True
    _dump: Callable[[], Interfaces] | None = None

    def interfaces(self) -> Interfaces:
        dump = self._dump
        if dump is None:
            # Lazily, as connecting and listening do without; once, as the statement alone costs 3 microseconds.
            from .rtnetlink import dump_interfaces

            dump = self._dump = dump_interfaces
        try:
            return dump()
        except OSError as error:
            if error.errno not in _DENIED:
                raise
            return _without_netlink()

    def interface(self, name: str) -> Interface | None:
        from .rtnetlink import query_interface

        try:
            return query_interface(name)
        except OSError as error:
            if error.errno not in _DENIED:
                raise
            return _without_netlink().get(name)

    def routes(self) -> list[Route]:
        from .netlink_routes import dump_routes

        try:
            return dump_routes()
        except OSError as error:
            raise _explained(error, "listing routes") from error

    def route_to(
        self, family: int, packed: bytes, destination: str, scope_id: int, protocol: int, port: int
    ) -> SourceAddress:
        from .netlink_routes import ask_route

        return ask_route(family, packed, destination, scope_id, protocol, port)

    def watch(self, poll_interval: float | None = None) -> ChangeSource:
        if poll_interval is not None:
            return super().watch(poll_interval)
        from .netlink_watch import open_source

        try:
            return open_source()
        except OSError as error:
            if error.errno not in _DENIED:
                raise
            return super().watch()
