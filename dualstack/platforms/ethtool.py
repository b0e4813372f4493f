"""Link speed on Linux, asked of the driver (ETHTOOL_GSET, linux/ethtool.h, linux/sockios.h); needs no privilege."""

from __future__ import annotations

import sys
from _socket import AF_INET, SOCK_DGRAM
from _socket import socket as Socket
from array import array
from importlib import import_module
from struct import Struct

from .netlink import name_bytes

__all__ = ("link_speed",)

_SIOCETHTOOL = 0x8946
_GET_SETTINGS = 1  # ETHTOOL_GSET: old, and answered by every driver that answers anything
_COMMAND_BYTES = 44  # struct ethtool_cmd
_SPEED = Struct("=12xH14xH")  # Mb/s in two halves, at 12 and 28
_REQUEST = Struct("=16sQ16x")  # ifreq: name, pointer to the command
_UNKNOWN = (0, 0xFFFF, 0xFFFFFFFF)


def link_speed(name: str) -> int | None:
    """Bits per second of a link, or None where the driver does not know: virtual, wireless, down."""
    # By name: the type checker of Windows knows that there is no fcntl.
    ioctl = import_module("fcntl").ioctl
    try:
        command = array("B", _GET_SETTINGS.to_bytes(4, sys.byteorder) + bytes(_COMMAND_BYTES - 4))
        sock = Socket(AF_INET, SOCK_DGRAM, 0)
        try:
            # The kernel writes through the pointer into *command*, which lives until the return.
            ioctl(sock.fileno(), _SIOCETHTOOL, _REQUEST.pack(name_bytes(name), command.buffer_info()[0]))
        finally:
            sock.close()
    except OSError:  # EOPNOTSUPP, ENODEV
        return None
    low, high = _SPEED.unpack_from(command)
    megabits = high << 16 | low
    return None if megabits in _UNKNOWN else megabits * 1_000_000
