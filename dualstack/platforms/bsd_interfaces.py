"""macOS' and FreeBSD's interfaces, routes and change notices: the calls whose answers are read elsewhere.

``getifaddrs.py`` and ``bsdroute.py`` read them. Never run on either system; the numbers come from their headers
(netinet6/in6_var.h, net/route.h, sys/sysctl.h).
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from errno import EHOSTUNREACH, ENOBUFS, ENOMEM, ESRCH
from importlib import import_module
from itertools import count
from struct import Struct, pack

from ..core.interface_address import DEPRECATED, DUPLICATED, PERMANENT, TEMPORARY, TENTATIVE
from ..core.interfaces import Interfaces
from . import bsdroute
from .change_source import ChangeSource, SocketSource
from .getifaddrs import read_interfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.route import Route, SourceAddress
    from .bsdroute import System

__all__ = ("ask_route", "open_source", "read_all", "read_routes")

_PF_ROUTE = 17
_CTL_NET = 4
_NET_RT_DUMP = 1
_ATTEMPTS = 5  # the table may grow between asking for its size and for itself
_SECONDS = 2.0  # a kernel answers at once; this bounds a lost answer
# _IOWR('i', 73 and 81, struct in6_ifreq), whose size is 288
_SIOCGIFAFLAG_IN6 = 0xC1206949
_SIOCGIFALIFETIME_IN6 = 0xC1206951
_REQUEST_BYTES = 288
_LIFETIME = Struct("=16xqqII")  # in6_addrlifetime: expires, preferred until (0: never), and the two as configured
_STATE = (  # IN6_IFF_* -> our flag
    (0x02, TENTATIVE),
    (0x04, DUPLICATED),
    (0x08, TENTATIVE),  # detached: its router has gone, it cannot be used
    (0x10, DEPRECATED),
    (0x80, TEMPORARY),
)
# Two threads asking at once must not take each other's answers.
_sequence = count(1)
# RTM_ADD, _DELETE, _CHANGE, _NEWADDR, _DELADDR, _IFINFO, and FreeBSD's _IFANNOUNCE
_NOTICES = {1, 2, 3, 12, 13, 14, 17}


def _name(index: int) -> str:
    try:
        return socket.if_indextoname(index) if index else ""
    except OSError:
        return str(index)


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def read_all(system: System) -> Interfaces:
    """Read all interfaces with their addresses."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:

        def ask(name: str, packed: bytes, scope_id: int) -> tuple[int, int | None, int | None]:
            return _state(system, sock, name, packed, scope_id)

        return Interfaces(read_interfaces(system, _index, socket.AF_INET6, ask))


def _state(
    system: System, sock: socket.socket, name: str, packed: bytes, scope_id: int
) -> tuple[int, int | None, int | None]:
    """Ask for flags and lifetimes of one IPv6 address."""
    target = bytes([28, system.inet6]) + pack("=HI16sI", 0, 0, packed, scope_id)
    asked = (os.fsencode(name)[:15].ljust(16, b"\0") + target).ljust(_REQUEST_BYTES, b"\0")
    # By name: the type checker of Windows knows that there is no fcntl.
    ioctl = import_module("fcntl").ioctl
    try:
        answer = ioctl(sock, _SIOCGIFAFLAG_IN6, asked)
        bits = int.from_bytes(answer[16:20], "little")
        until, preferred_until, _, _ = _LIFETIME.unpack_from(ioctl(sock, _SIOCGIFALIFETIME_IN6, asked))
    except OSError:  # gone since
        return 0, None, None
    now = time.time() if system.has_wall_clock_lifetimes else time.monotonic()
    flags = 0
    for bit, ours in _STATE:
        if bits & bit:
            flags |= ours
    valid = max(0, int(until - now)) if until else None
    preferred = max(0, int(preferred_until - now)) if preferred_until else None
    return flags if valid is not None else flags | PERMANENT, valid, preferred


def read_routes(system: System) -> list[Route]:
    """Read the default routes of both families."""
    # All routes: NET_RT_FLAGS with RTF_GATEWAY would be shorter and miss defaults without a gateway (VPNs).
    mib = (ctypes.c_int * 6)(_CTL_NET, _PF_ROUTE, 0, 0, _NET_RT_DUMP, 0)
    library = ctypes.CDLL(None, use_errno=True)
    sysctl = library.sysctl
    sysctl.restype = ctypes.c_int
    sysctl.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_size_t,
    )
    code = ENOMEM
    for _ in range(_ATTEMPTS):
        size = ctypes.c_size_t()
        if sysctl(mib, 6, None, ctypes.byref(size), None, 0):
            code = ctypes.get_errno()
            break
        buffer = ctypes.create_string_buffer(size.value + 4096)
        size.value = len(buffer)
        if not sysctl(mib, 6, buffer, ctypes.byref(size), None, 0):
            return bsdroute.decode_routes(buffer.raw[: size.value], system, _name, socket.AF_INET6)
        code = ctypes.get_errno()
        if code != ENOMEM:
            break
    raise OSError(code, f"sysctl NET_RT_DUMP: {os.strerror(code)}")


def ask_route(system: System, packed: bytes, destination: str, scope_id: int) -> SourceAddress:
    """Ask how a packet to *packed* would leave."""
    sequence = next(_sequence)
    with socket.socket(_PF_ROUTE, socket.SOCK_RAW, 0) as sock:
        sock.settimeout(_SECONDS)
        try:
            sock.send(bsdroute.request_route(packed, scope_id, system, sequence))
        except OSError as error:
            code = EHOSTUNREACH if error.errno == ESRCH else error.errno or 0
            raise OSError(code, f"no packet can go to {destination}: {os.strerror(code)}") from None
        return _await_reply(sock, system, sequence, destination)


def _await_reply(sock: socket.socket, system: System, sequence: int, destination: str) -> SourceAddress:
    """The answer among all that the routing socket tells everybody."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        try:
            data = sock.recv(4096)
        except TimeoutError:
            break
        found = bsdroute.decode_reply(data, system, sequence, os.getpid(), destination, _name, socket.AF_INET6)
        if found is not None:
            return found
    raise OSError(EHOSTUNREACH, f"no packet can go to {destination}: the system did not answer")


def open_source(system: System) -> ChangeSource:
    """Listen to the routing socket; on macOS a full queue loses messages without saying so."""
    sock = socket.socket(_PF_ROUTE, socket.SOCK_RAW, 0)
    try:
        sock.setblocking(False)
        pair = socket.socketpair()
    except BaseException:
        sock.close()
        raise

    def counts(data: bytes, sender: object) -> bool:
        return any(kind in _NOTICES for kind, _ in bsdroute.messages(data, system))

    return SocketSource(sock, pair, counts, ENOBUFS)
