"""Set a SocketOptions value on a new socket; called by every verb that takes ``options=``."""

from __future__ import annotations

import errno

from .. import doors, platforms
from ..core.options import SocketOptions, plan, wants_index
from ..errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

__all__ = ("SocketOptions", "apply")

_MISSING = (errno.ENOPROTOOPT, errno.EOPNOTSUPP, getattr(errno, "WSAENOPROTOOPT", errno.ENOPROTOOPT))


def apply(
    sock: socket.socket,
    options: SocketOptions,
    *,
    stream: bool,
    dual: bool = False,
    connecting: bool = False,
) -> None:
    """Set *options* on *sock*, which is new: neither bound nor connected yet.

    *stream* is True for SOCK_STREAM, *dual* for an IPv6 socket that also carries IPv4, *connecting* for a socket
    that will be connected rather than listened on. Buffers must be set before the TCP handshake to count in its
    window scale, and the device before bind; hence the moment.

    Raises UnsupportedError for what this system does not have, PermissionError naming the option and the right it
    needs, OSError (ENOBUFS) where the kernel grants a smaller buffer than asked.
    """
    if not isinstance(options, SocketOptions):
        raise TypeError(f"options is a dualstack.SocketOptions, not {type(options).__name__}")
    platform = platforms.current
    constants = platform.constants
    family = _family(int(sock.family))
    device = options.bind_to_device
    if device is not None:
        device = _device(device, by_index=wants_index(constants))
    steps = plan(
        options,
        constants,
        platform.name,
        family=family,
        stream=stream,
        dual=dual,
        connecting=connecting,
        device=device,
    )
    for feature, level, option, value in steps:
        try:
            sock.setsockopt(level, option, value)
        except OSError as error:
            raise _explain(error, feature, getattr(options, feature), platform.name) from None
        if feature.endswith("_buffer"):
            # Linux gives back twice what it granted (socket(7)), so "less than asked" is always a cut.
            granted = sock.getsockopt(level, option)
            if granted < int(value):
                raise OSError(
                    errno.ENOBUFS,
                    f"{feature}={value!r} was cut to {granted} bytes; raise the limit of this host "
                    "(net.core.rmem_max, net.core.wmem_max) or ask for less",
                )


def _family(number: int) -> str:
    from _socket import AF_INET, AF_INET6

    return {int(AF_INET): "ipv4", int(AF_INET6): "ipv6"}.get(number, "unix")


def _device(device: str | int, *, by_index: bool) -> str | int:
    if isinstance(device, str):
        return doors.current.if_nametoindex(device) if by_index else device
    return device if by_index else doors.current.if_indextoname(device)


def _explain(error: OSError, feature: str, value: object, system: str) -> OSError:
    """Name the option in what the kernel said about it."""
    if error.errno in _MISSING:
        return UnsupportedError(f"{feature}={value!r}", system, errno=error.errno)
    rights = {"mark": "; it needs CAP_NET_ADMIN", "bind_to_device": "; it needs CAP_NET_RAW or an unbound socket"}
    hint = rights.get(feature, "") if error.errno in (errno.EPERM, errno.EACCES) else ""
    return type(error)(error.errno, f"{feature}={value!r}: {error.strerror}{hint}")
