"""What every operating system must answer, with the answer of one that knows nothing.

A platform module (linux, darwin, windows, fallback) subclasses ``Platform`` and overrides what its system
can do. The bodies here are the portable answer or an honest UnsupportedError, never a guess; the
docstrings are the contract that ``tests/`` holds every subclass to.
"""

from __future__ import annotations

import errno

from ..errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from ..core.interface import Interface
    from ..core.interfaces import Interfaces
    from ..core.route import Route, SourceAddress
    from .change_source import ChangeSource
    from .udp import UdpRules

__all__ = ("Platform",)

_AF_UNIX = 1  # on every system
_NO_SUCH_TYPE = (errno.EPROTONOSUPPORT, errno.EPROTOTYPE, getattr(errno, "ESOCKTNOSUPPORT", None))


class Platform:
    """One operating system: its constants, its exceptions to the rules, its tables."""

    name = "this system"
    #: What ``sys.platform`` begins with there; chooses the tables of ``constants`` and ``udp``.
    system = ""

    #: Whether connecting to ``0.0.0.0`` or ``::`` reaches loopback (Windows answers WSAEADDRNOTAVAIL).
    connects_to_wildcard = False

    #: Whether accepted sockets inherit O_NONBLOCK from the listener (BSD, macOS, Windows) or not (Linux).
    accept_inherits_nonblocking = True

    #: Whether bind may leave the choice of the port to connect (IP_BIND_ADDRESS_NO_PORT, ip(7); Linux only).
    delays_port = False

    #: Whether a socket can get the descriptor number of another one (dup2(2)); on Windows it is a handle, and cannot.
    keeps_descriptors = True

    #: Whether a dual-stack socket may be bound to the port of an IPv4 one, both with SO_REUSEADDR and neither listening
    #: (Linux only).
    binds_beside = False

    #: Whether ``sort_destinations`` knows the administrator's address selection policy (Windows).
    sorts_destinations = False

    def sort_destinations(self, sock: socket.socket, addresses: Sequence[tuple[bytes, int]]) -> list[int]:
        """The order in which this system would try IPv6 and mapped IPv4 *addresses*, each 16 bytes with a scope id.

        As indexes, possibly not all of them; *sock* is any IPv6 socket. Empty when the system does not tell.
        """
        return []

    #: Where the resolver keeps names of its own, which sources it asks in which order, and how it sorts; None
    #: where these files do not exist or are not what the resolver goes by.
    hosts_file: bytes | None = None
    nsswitch_file: bytes | None = None
    gai_conf: bytes | None = None

    def network_namespace(self) -> int:
        """Tell this thread's network namespace from others; 0 where there is only one."""
        return 0

    @property
    def constants(self) -> Mapping[str, int]:
        """The socket constants of the system by name; what is missing does not exist there (constants.py).

        Loaded on first use.
        """
        from .constants import table

        return table(self.system)

    @property
    def udp(self) -> UdpRules:
        """What datagram sockets need on the system (udp.py); loaded on first use, as ``constants``."""
        from .udp import rules

        return rules(self.system)

    def prepare_listener(self, sock: socket.socket, *, exclusive: bool) -> None:
        """Set the address-reuse options a stream listener needs here, before bind.

        *exclusive* True: no other process may take the port while we hold it. On POSIX a bound, listening
        port is exclusive by itself, and SO_REUSEADDR only waives TIME_WAIT; on Windows SO_REUSEADDR lets
        others steal the port and must never be set.
        """

    def share_port(self, sock: socket.socket) -> None:
        """Let several processes of one user bind the same port, the system balancing between them."""
        raise UnsupportedError("sharing a listening port (reuse_port)", self.name, "bind once and hand the socket on")

    def interrupt(self, sock: socket.socket) -> None:
        """End a connection for good and wake a thread that is blocked in it; the socket stays open."""
        sock.shutdown(2)  # SHUT_RDWR

    def reset_on_close(self, sock: socket.socket) -> None:
        """Have the close of a TCP connection be a reset: what was not sent yet is dropped, and the peer is told."""
        from struct import pack

        # struct linger, two ints: on, and for no seconds (socket(7), XBD sys/socket.h).
        constants = self.constants
        sock.setsockopt(constants["SOL_SOCKET"], constants["SO_LINGER"], pack("ii", 1, 0))

    #: How many sockets one selector takes.
    most_selected: int = 2**31 - 1

    def why_denied(self, port: int) -> str:
        """Say who may bind *port*, for the message of a PermissionError; empty when there is nothing to say."""
        return ""

    #: Whether connections to one port can be given to one of several listeners (Linux only).
    can_steer = False

    def steer(self, sock: socket.socket, index: int) -> None:
        """Give every connection to the group of listeners that *sock* shares its port with to member *index*."""
        raise UnsupportedError("choosing among listeners of one port", self.name)

    # ------------------------------------------------------------------ Unix sockets

    #: Longest path in bytes that fits ``sun_path`` with its closing NUL; the smallest of all systems.
    sun_path_limit = 103
    #: Whether ``@name`` Unix addresses exist (Linux only).
    has_abstract_unix = False
    #: Whether fchmod(2) on an unbound socket sets the mode its file is created with (Linux only).
    mode_before_bind = False
    #: Whether a socket file has an owner, a group and a mode.
    has_file_modes = True
    #: Whether ``/proc/self/fd/N/name`` binds and connects to a name in the open directory N (Linux only).
    has_proc_fd = False
    #: A short directory for private links to long paths, None where links need a privilege.
    short_dir: bytes | None = b"/tmp"
    #: Whether AF_UNIX has SOCK_DGRAM.
    has_unix_datagrams = True

    def unix_socket(self, make: Callable[[int, int], socket.socket], type: int) -> socket.socket:
        """Create a Unix socket of this type with *make* (family, type), or raise UnsupportedError."""
        try:
            return make(_AF_UNIX, type)
        except OSError as error:
            # Not every system has every type; macOS has no SOCK_SEQPACKET here.
            if error.errno in _NO_SUCH_TYPE:
                what = f"a Unix socket of type {int(type)}"
                raise UnsupportedError(what, self.name, "use a stream (1)", errno=error.errno) from error
            raise

    def as_unix_socket(self, sock: socket.socket) -> socket.socket:
        """Give the object for a Unix socket that came in by its descriptor; *sock* itself where Python knows them."""
        return sock

    def is_socket_file(self, facts: os.stat_result) -> bool:
        """Whether lstat found a Unix socket."""
        return facts.st_mode & 0o170000 == 0o140000  # S_IFMT, S_IFSOCK (inode(7))

    def try_lock(self, fileno: int) -> bool:
        """Lock an open file against all others without waiting; False when it is locked. OSError: no locks here."""
        raise UnsupportedError("locking a file", self.name)

    def geteuid(self) -> int | None:
        """The effective user id, None where users have no number."""
        return None

    def uid_of(self, name: str) -> int:
        """The number of a user; KeyError when there is none of that name."""
        raise UnsupportedError("setting the owner of a socket file", self.name)

    def gid_of(self, name: str) -> int:
        """The number of a group; KeyError when there is none of that name."""
        raise UnsupportedError("setting the group of a socket file", self.name)

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        """Set owner and group, following links; -1 leaves one as it is."""
        raise UnsupportedError("setting the owner of a socket file", self.name)

    def peer_credentials(self, sock: socket.socket) -> tuple[int | None, int | None, int | None]:
        """``(pid, uid, gid)`` of the process at the other end when it connected; None for what is not told."""
        raise UnsupportedError("asking who is at the other end of a Unix socket", self.name)

    def launchd_sockets(self, name: str) -> list[int]:
        """The descriptors that launchd holds for this process under *name*."""
        raise UnsupportedError("launchd activation", self.name, 'use "systemd:" or "fd://N"')

    def pidfd_id(self) -> int | None:
        """The inode number of a pidfd of this process, None where there is none (LISTEN_PIDFDID)."""
        return None

    def fd_limit(self) -> int:
        """One more than the highest descriptor this process can have."""
        return 2**31 - 1

    def raise_fd_limit(self) -> int:
        """Let this process have as many descriptors as its user may; returns what ``fd_limit`` is then."""
        return self.fd_limit()

    # ------------------------------------------------------------------ who has it

    def holder_of(self, family: int, port: int) -> str | None:
        """Say which process holds a listening TCP *port*, as ``"name (pid 123)"``, or None if untold."""
        return None

    # ------------------------------------------------------------------ interfaces, routes, changes

    #: Whether an IPv4 address may have a name of its own, ``eth0:1`` (Linux only).
    has_address_labels = False
    #: Whether the first alternative name of an interface is a GUID (Windows only).
    has_interface_guids = False

    def interfaces(self) -> Interfaces:
        """Read all interfaces with their addresses; UnsupportedError where the system does not tell."""
        raise UnsupportedError("listing network interfaces", self.name)

    def interface(self, name: str) -> Interface | None:
        """Read one interface by name, at a cost that does not grow with the others if the system can; or None."""
        return self.interfaces().get(name)

    def index_of(self, name: str) -> int | None:
        """The index behind a *name* that if_nametoindex(3) does not know here; None when there is none."""
        return None

    def name_of(self, index: int) -> str | None:
        """The name of an interface in ``interfaces``, where if_indextoname(3) tells another one; else None."""
        return None

    def routes(self) -> list[Route]:
        """Read the default routes of all tables in the system's order, and others to address zero if it is cheap."""
        raise UnsupportedError("listing routes", self.name)

    def route_to(
        self, family: int, packed: bytes, destination: str, scope_id: int, protocol: int, port: int
    ) -> SourceAddress:
        """Say how a packet to *packed* would leave; OSError with the system's errno where it would not.

        *destination* is the same as text, for messages. *protocol* and *port* select among policy rules, where
        the system has such.
        """
        raise UnsupportedError("asking for the route to a destination", self.name)

    def watch(self, poll_interval: float | None = None) -> ChangeSource:
        """Subscribe to notices of changes; polling, where the system has none or an interval is given."""
        from .change_source import PollingSource

        return PollingSource() if poll_interval is None else PollingSource(poll_interval)
