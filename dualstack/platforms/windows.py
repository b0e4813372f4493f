"""Windows: its socket constants and its exceptions to the rules.

Checked under Wine, which has no AF_UNIX; the Unix-socket part was never run on a real Windows.
"""

from __future__ import annotations

import sys

from ..errors import UnsupportedError
from .contract import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    import socket
    from collections.abc import Callable, Sequence

    from ..core.interfaces import Interfaces
    from ..core.route import Route, SourceAddress
    from .change_source import ChangeSource

__all__ = ("Windows",)

_SOL_SOCKET = 0xFFFF
_SO_EXCLUSIVEADDRUSE = -5  # ~SO_REUSEADDR (winsock2.h)
_IO_REPARSE_TAG_AF_UNIX = 0x80000023  # ntifs.h
_SOCK_STREAM = 1


class Windows(Platform):
    """Windows 10 and later."""

    name = "Windows"
    system = "win32"

    def prepare_listener(self, sock: socket.socket, *, exclusive: bool) -> None:
        # Never SO_REUSEADDR: here it lets any process of any user bind our port beside us and take the connections.
        # Without either option a second plain bind fails, and one with SO_REUSEADDR still gets in; hence this.
        # https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse
        if exclusive:
            sock.setsockopt(_SOL_SOCKET, _SO_EXCLUSIVEADDRUSE, 1)

    def why_denied(self, port: int) -> str:
        # WSAEACCES, where other systems say EADDRINUSE: https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2
        return (
            "another program may hold the port for itself alone, or Windows has reserved it"
            " (netsh int ipv4 show excludedportrange protocol=tcp)"
        )

    keeps_descriptors = False
    # FD_SETSIZE of CPython's select module; the C library's own is 64.
    most_selected = 512

    def reset_on_close(self, sock: socket.socket) -> None:
        from struct import pack

        # LINGER has two u_shorts (winsock2.h).
        sock.setsockopt(_SOL_SOCKET, self.constants["SO_LINGER"], pack("HH", 1, 0))

    sorts_destinations = True

    def sort_destinations(self, sock: socket.socket, addresses: Sequence[tuple[bytes, int]]) -> list[int]:
        from .addresssort import sort_addresses

        return sort_addresses(sock.fileno(), addresses)

    # ------------------------------------------------------------------ Unix sockets

    sun_path_limit = 107  # UNIX_PATH_MAX is 108 (afunix.h)
    has_file_modes = False
    short_dir: bytes | None = None
    has_unix_datagrams = False  # stream sockets are all there is

    def is_socket_file(self, facts: os.stat_result) -> bool:
        # A socket is an NTFS reparse point; S_ISSOCK never holds.
        return getattr(facts, "st_reparse_tag", 0) == _IO_REPARSE_TAG_AF_UNIX

    def unix_socket(self, make: Callable[[int, int], socket.socket], type: int) -> socket.socket:
        import _socket as socket  # not what others may have put into its place, which knows the family

        if type != _SOCK_STREAM:
            raise UnsupportedError("a Unix socket that is not a stream", self.name, "use a stream, or UDP on loopback")
        if hasattr(socket, "AF_UNIX"):  # a Python that knows the family after all
            return make(socket.AF_UNIX, type)  # pyright: ignore[reportAttributeAccessIssue] - just asked
        from .winsock import UnixSocket

        return UnixSocket()

    def as_unix_socket(self, sock: socket.socket) -> socket.socket:
        import _socket as socket

        if hasattr(socket, "AF_UNIX"):
            return sock
        from .winsock import UnixSocket

        return UnixSocket(fileno=sock.detach())

    def peer_credentials(self, sock: socket.socket) -> tuple[int | None, int | None, int | None]:
        from . import winsock

        return winsock.current().peer_pid(sock.fileno()), None, None

    # msvcrt and WinDLL exist on Windows only, and the type checker knows.
    if sys.platform == "win32":

        def interrupt(self, sock: socket.socket) -> None:
            # shutdown says what later calls get; a receive under way goes on until the other end does something.
            # Cancelled, it raises OSError with winerror 995, ERROR_OPERATION_ABORTED.
            from ctypes import WinDLL, c_int, c_void_p

            super().interrupt(sock)
            cancel = WinDLL("kernel32").CancelIoEx
            cancel.argtypes, cancel.restype = (c_void_p, c_void_p), c_int
            cancel(sock.fileno(), None)  # 0 when nothing was under way

        def try_lock(self, fileno: int) -> bool:
            from msvcrt import LK_NBLCK, locking

            try:
                locking(fileno, LK_NBLCK, 1)
            except PermissionError:  # EACCES: locked by somebody else
                return False
            return True

    # ------------------------------------------------------------------ interfaces, routes, changes

    has_interface_guids = True

    def interfaces(self) -> Interfaces:
        from .windows_interfaces import read_interfaces

        return read_interfaces()

    # The C functions know names such as "ethernet_32769" alone; people see "Ethernet", programs also the GUID.

    def index_of(self, name: str) -> int | None:
        nic = self.interfaces().get(name)
        return None if nic is None else nic.index

    def name_of(self, index: int) -> str | None:
        return next((nic.name for nic in self.interfaces() if nic.index == index), None)

    def routes(self) -> list[Route]:
        from .windows_interfaces import read_routes

        return read_routes()

    def route_to(
        self, family: int, packed: bytes, destination: str, scope_id: int, protocol: int, port: int
    ) -> SourceAddress:
        from .windows_interfaces import best_route

        return best_route(packed, destination, scope_id)

    def watch(self, poll_interval: float | None = None) -> ChangeSource:
        if poll_interval is not None:
            return super().watch(poll_interval)
        from .windows_interfaces import open_source

        return open_source()
