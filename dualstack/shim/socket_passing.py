"""``send_fds`` and ``recv_fds`` of the socket module that do what their arguments say.

The standard library's take *flags* and *address* and drop them (https://github.com/python/cpython/issues/107898), and
descriptors arrive inheritable, so that they leak into every program started meanwhile.
"""

from __future__ import annotations

import socket as _stdlib
from array import array

from .. import doors
from ..net.passing import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

__all__ = ("recv_fds", "send_fds")


def send_fds(sock: Any, buffers: Iterable[Any], fds: Sequence[int], flags: int = 0, address: Any = None) -> int:
    """Send the data of *buffers* with the descriptors *fds* over a Unix socket; returns the number of bytes sent.

    *flags* and *address* are those of ``sendmsg``. The receiver gets duplicates; close yours when you are done.
    """
    control = [(_stdlib.SOL_SOCKET, vars(_stdlib)["SCM_RIGHTS"], array("i", fds))]
    size: int = sock.sendmsg(buffers, control, flags, *(() if address is None else (address,)))
    return size


def recv_fds(sock: Any, bufsize: int, maxfds: int, flags: int = 0) -> tuple[bytes, list[int], int, Any]:
    """Receive up to *bufsize* bytes and *maxfds* descriptors; returns data, descriptors, flags and address.

    *flags* are those of ``recvmsg``. The descriptors are yours to close, and no program started meanwhile inherits
    them. When more were sent than asked for, or none are free here, MSG_CTRUNC is in the flags returned and the ones
    that did not fit are closed.
    """
    data, fds, told, address = receive(sock, bufsize, maxfds, flags)
    for fileno in fds[maxfds:]:
        doors.current.close_file(fileno)
    if len(fds) > maxfds:
        told |= vars(_stdlib)["MSG_CTRUNC"]
    return data, fds[:maxfds], told, address
