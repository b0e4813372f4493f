"""macOS: its socket constants and its exceptions to the rules.

Never run on a macOS machine: numbers and layouts come from compiling Apple's headers, behaviour from reading sources.
"""

from __future__ import annotations

from .bsd import Bsd

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

__all__ = ("Darwin",)

_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2
# struct xucred: version, uid, number of groups (short, padded), then 16 groups; the first group is the effective one.
_XUCRED = "=IIhxx16I"


class Darwin(Bsd):
    """macOS."""

    name = "macOS"
    system = "darwin"

    def why_denied(self, port: int) -> str:
        said = super().why_denied(port)
        return said and f"{said}, except on a wildcard address since macOS 10.14"

    # ------------------------------------------------------------------ Unix sockets

    def peer_credentials(self, sock: socket.socket) -> tuple[int | None, int | None, int | None]:
        from struct import calcsize, unpack

        raw = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, calcsize(_XUCRED))
        _version, uid, count, *groups = unpack(_XUCRED, raw)
        pid = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
        return pid, uid, groups[0] if count > 0 else None

    def launchd_sockets(self, name: str) -> list[int]:
        # launch_activate_socket(3) allocates the array of descriptors; who called it frees it.
        from ctypes import CDLL, POINTER, byref, c_char_p, c_int, c_size_t, c_void_p, get_errno
        from os import fsencode, strerror

        system = CDLL(None, use_errno=True)
        activate, free = system.launch_activate_socket, system.free
        activate.argtypes, activate.restype = (c_char_p, POINTER(POINTER(c_int)), POINTER(c_size_t)), c_int
        free.argtypes, free.restype = (c_void_p,), None
        array, count = POINTER(c_int)(), c_size_t()
        code = activate(fsencode(name), byref(array), byref(count))
        if code:  # ENOENT: no such name in the job's plist; ESRCH: not started by launchd; EALREADY: taken before
            raise OSError(code if code > 0 else get_errno(), f"launchd: {strerror(code)} (socket {name!r})")
        try:
            return [array[index] for index in range(count.value)]
        finally:
            free(array)
