"""The ``socket`` class of the shim: a ``socket.socket`` that calls IPv4 peers by their address."""

from __future__ import annotations

import socket as _stdlib

__all__ = ("adopt", "socket")


class socket(_stdlib.socket):
    """``socket.socket``; what is different is in the head of this file."""

    __slots__ = ()


def adopt(sock: _stdlib.socket) -> _stdlib.socket:
    """Turn a standard socket into one of ours, in place: no descriptor changes hands, so none can get lost."""
    if type(sock) is _stdlib.socket:
        sock.__class__ = socket  # both classes have the same slots
    return sock
