"""Linux's change notices: the rtnetlink multicast groups for links, addresses and routes of both families.

The link group alone never reports an address. Only the kernel is believed: any process with CAP_NET_ADMIN may send to
a netlink socket. A full queue is reported once as ENOBUFS and the rest is dropped, so the buffer is raised as far as
allowed and ENOBUFS makes the watcher look anew; NETLINK_NO_ENOBUFS would only hide it.
"""

from __future__ import annotations

import socket
from errno import ENOBUFS

from .change_source import SocketSource
from .netlink import AF_NETLINK

__all__ = ("open_source",)

# linux/rtnetlink.h: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, _IPV4_ROUTE, RTMGRP_IPV6_IFADDR, _IPV6_ROUTE
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
_SO_RCVBUFFORCE = 33
_QUEUE_BYTES = 4 << 20  # the default of 212,992 bytes holds about 256 notices; a burst of 5,000 addresses has more


def open_source() -> SocketSource:
    """Subscribe; whatever happens after the return is noticed."""
    sock = socket.socket(AF_NETLINK, socket.SOCK_RAW, 0)
    try:
        sock.setblocking(False)
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):  # the first needs CAP_NET_ADMIN
            try:
                sock.setsockopt(socket.SOL_SOCKET, option, _QUEUE_BYTES)
                break
            except PermissionError:
                continue
        sock.bind((0, _GROUPS))
        pair = socket.socketpair()
    except BaseException:
        sock.close()
        raise
    return SocketSource(sock, pair, lambda _, sender: _is_kernel(sender), ENOBUFS)


def _is_kernel(sender: object) -> bool:
    return isinstance(sender, tuple) and sender[0] == 0  # (nl_pid, nl_groups)
