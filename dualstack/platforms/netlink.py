"""The netlink protocol as far as rtnetlink needs it: requests, answers, attributes (netlink(7)).

``dump`` asks one question at a time and hands each received block to a reader, which says when the closing
message was among it. A reader must look at the flags of every message: NLM_F_DUMP_INTR says that the tables
changed while they were walked, and that entries may be missing or doubled.

This floor is below the doors, so the raw AF_NETLINK sockets are made here; nobody but the kernel is ever asked.
The socket is not kept between calls: it belongs to the network namespace and the process that made it, and
setns(2) and fork(2) happen. Making one costs 7 microseconds.
"""

from __future__ import annotations

import sys
from _socket import socket as Socket
from errno import EPROTO
from os import strerror
from struct import Struct
from struct import error as StructError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = (
    "DONE",
    "DUMP",
    "DUMP_INTERRUPTED",
    "HEADER",
    "ask",
    "attribute",
    "attributes",
    "closes",
    "dump",
    "name_bytes",
    "open_netlink",
    "request",
    "text",
)

AF_NETLINK = 16
_SOCK_RAW_CLOEXEC = 3 | 0o2000000
_SOL_NETLINK = 270
_NETLINK_GET_STRICT_CHK = 12
#: The kernel fills at most 32 KiB per recv (netlink_recvmsg), so nothing is ever cut off.
RECEIVE_BYTES = 65536

# linux/netlink.h
ERROR = 2
DONE = 3
DUMP = 0x300
DUMP_INTERRUPTED = 0x10
_REQUEST = 0x1
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER

HEADER = Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = Struct("=HH")  # nlattr: length, type
_CODE = Struct("=i")
_CLOSED = Struct("=HH").pack(DONE, 2)  # NLM_F_MULTI and nothing else: not interrupted
_NO_ERROR = _CODE.pack(0)

# Interface names are bytes; decoded as socket.if_nameindex() decodes them, so that os.fsencode gives them back.
ENCODING = sys.getfilesystemencoding()
SURROGATES = "surrogateescape"


def text(raw: bytes) -> str:
    """Decode a name, which ends with a NUL."""
    return raw[:-1].decode(ENCODING, SURROGATES)


def name_bytes(name: str) -> bytes:
    """Encode a name as the kernel knows it, without the NUL."""
    return name.encode(ENCODING, SURROGATES)


def request(kind: int, flags: int, body: bytes) -> bytes:
    """Build a request message; the sequence number is always 1, as a socket here asks one thing at a time."""
    return HEADER.pack(HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """Build an attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def attributes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Walk the attributes in *data*: yield type, start and end of each value; stop at a malformed one."""
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < 4 or start + length > end:
            return
        yield kind & _TYPE_MASK, start + 4, start + length
        start += (length + 3) & ~3


def closes(data: bytes, position: int, kind: int) -> bool:
    """Whether the message at *position* ends a dump; OSError if it reports that the kernel failed.

    The closing message of a dump carries an errno too, 0 on older kernels that leave the number out.
    """
    if kind not in (DONE, ERROR):
        return False
    code = -_CODE.unpack_from(data, position + 16)[0] if position + 20 <= len(data) else 0
    if code > 0:
        raise OSError(code, f"rtnetlink: {strerror(code)}")
    return True


def open_netlink(*, strict: bool = False) -> Socket:
    """Make a NETLINK_ROUTE socket; *strict* makes the kernel filter dumps (Linux 4.20), who reads filters again.

    A plain ``_socket.socket``: the Python layers of ``socket.socket`` and of a class of ours would cost 4 of the
    30 microseconds that a whole call takes.
    """
    sock = Socket(AF_NETLINK, _SOCK_RAW_CLOEXEC, 0)
    if strict:
        try:
            sock.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        except OSError:
            pass  # an older kernel
    return sock


def dump(sock: Socket, message: bytes, read: Callable[[bytes], bool]) -> None:
    """Send *message* and give every block received to *read*, until it returns True at the closing message.

    A socket runs one dump at a time, and the kernel refuses the next with EBUSY: it is read to the end, or closed.
    """
    sock.send(message)
    receive = sock.recv
    try:
        while True:
            data = receive(RECEIVE_BYTES)
            # The closing message has a block of its own in most dumps; nothing in it means all is well.
            if (data[4:8] == _CLOSED and data[16:] == _NO_ERROR) or read(data):
                return
    except StructError as error:
        raise OSError(EPROTO, f"rtnetlink: a message that ends too early ({error})") from error


def ask(sock: Socket, message: bytes) -> bytes:
    """Send *message* and return the one message that answers it; OSError with the kernel's errno."""
    sock.send(message)
    data = sock.recv(RECEIVE_BYTES)
    if len(data) < HEADER.size or closes(data, 0, HEADER.unpack_from(data)[1]):
        raise OSError(EPROTO, "rtnetlink: an empty answer")
    return data
