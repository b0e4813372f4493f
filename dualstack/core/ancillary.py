"""Control messages of datagrams: which address was asked, and from which one to answer.

Problem: a UDP server bound to a wildcard address on a host with several addresses answers from whichever address the
route prefers. The client asked another one, and if it is connected it never sees the answer. ``recvfrom`` does not say
which address the datagram was sent to, and ``sendto`` cannot choose the source.

The naive way is one socket per address; it misses addresses that come later and costs a descriptor each. What kernels
offer instead is packet information: control messages beside the datagram (RFC 3542 section 6 for IPv6, each system its
own for IPv4). They differ per system in number, layout and in which of them arrive:

* Linux and macOS: ``in_pktinfo`` is {ifindex, spec_dst, addr}; ``addr`` is the destination in the header, ``spec_dst``
  a local address that may be used to answer, which is not the same for multicast and broadcast.
* Windows and NetBSD: {addr, ifindex}. FreeBSD, OpenBSD: IP_RECVDSTADDR, the bare address, and IP_RECVIF beside it.
* A dual-stack socket reports IPv4 as an IPv4-mapped ``in6_pktinfo``, as ``in_pktinfo``, or as both at once.

Rules: where both messages arrive they must agree, else the local address is unknown; unknown is None and never a
guess. An answer names its source with interface index 0, so that routing stays free to choose the way back, except
where the address means nothing without its interface (link-local). A datagram to a group or a broadcast address is
answered from the address of the interface it came in on.

Left out: header options, path MTU and flow labels, which no portable program reads.

Pure: layouts are data made by platforms/udp.py, messages are ``(level, type, bytes)`` as ``recvmsg`` gives them.
"""

from __future__ import annotations

from struct import Struct
from sys import byteorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ("ControlLayout", "ControlMessage", "Facts", "is_multicast", "is_v4_mapped", "needs_interface")

#: Level, type and data, as ``socket.recvmsg`` returns them and ``sendmsg`` takes them.
ControlMessage = tuple[int, int, bytes]

_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"
_ANY4 = b"\0\0\0\0"
_ANY6 = b"\0" * 16


def is_v4_mapped(packed: bytes) -> bool:
    """Whether 16 bytes are ``::ffff:a.b.c.d``."""
    return len(packed) == 16 and packed.startswith(_MAPPED)


def is_multicast(packed: bytes) -> bool:
    """224.0.0.0/4 or ff00::/8, unmapped."""
    return 224 <= packed[0] <= 239 if len(packed) == 4 else packed[0] == 0xFF


def needs_interface(packed: bytes) -> bool:
    """Whether an address means something on one link only: fe80::/10 or 169.254.0.0/16, unmapped."""
    if len(packed) == 4:
        return packed.startswith(b"\xa9\xfe")
    return packed[0] == 0xFE and packed[1] & 0xC0 == 0x80


class Facts:
    """What the control messages of one datagram say; every field None or 0 where they do not say it."""

    __slots__ = ("local", "source", "interface", "hop_limit", "traffic_class", "timestamp")

    local: bytes | None  # 4 or 16 bytes, never IPv4-mapped: the destination in the header
    source: bytes | None  # an address to answer from, where the system names one
    interface: int  # index; 0 for unknown
    hop_limit: int | None
    traffic_class: int | None
    timestamp: float | None  # seconds since the epoch, when the kernel received it

    def __init__(self) -> None:
        self.local = self.source = self.hop_limit = self.traffic_class = self.timestamp = None
        self.interface = 0


class ControlLayout:
    """How one system writes its control messages.

    *constants* are its numbers. *header* is the ``struct`` format of its ``cmsghdr``, *align* the unit data and
    messages are padded to. *pktinfo* is the field order of ``in_pktinfo``: ``"index spec addr"``, ``"addr index"``,
    or ``""`` where IPv4 uses IP_RECVDSTADDR instead.
    """

    __slots__ = (
        "_header",
        "_align",
        "pktinfo",
        "_in_pktinfo",
        "_in6_pktinfo",
        "_ttl",
        "_tos",
        "_hop_limit",
        "_traffic_class",
        "_dstaddr",
        "_recvif",
        "_timestamp",
        "_nanoseconds",
        "_sendsrcaddr",
        "_socket_level",
        "mapped_as_v6",
    )

    def __init__(
        self, constants: Mapping[str, int], *, header: str, align: int, pktinfo: str, mapped_as_v6: bool = False
    ) -> None:
        get = constants.get
        self._header = Struct(header)
        self._align = align
        self.pktinfo: str = pktinfo
        self._in_pktinfo = get("IP_PKTINFO") if pktinfo else None
        self._in6_pktinfo = get("IPV6_PKTINFO")
        # Linux answers with the option that sets the field, the BSDs with the one that asks, Windows with either.
        self._ttl = (get("IP_TTL"), get("IP_RECVTTL"))
        self._tos = (get("IP_TOS"), get("IP_RECVTOS"))
        self._hop_limit = get("IPV6_HOPLIMIT")
        self._traffic_class = (get("IPV6_TCLASS"), get("IPV6_RECVTCLASS"))
        self._dstaddr = get("IP_RECVDSTADDR")
        self._recvif = get("IP_RECVIF")
        self._sendsrcaddr = get("IP_SENDSRCADDR")
        self._nanoseconds = "SCM_TIMESTAMPNS" in constants
        self._timestamp = get("SCM_TIMESTAMPNS", get("SCM_TIMESTAMP"))
        self._socket_level = get("SOL_SOCKET")
        #: Whether a dual-stack socket takes the IPv4 source as a mapped ``in6_pktinfo`` (Linux).
        self.mapped_as_v6: bool = mapped_as_v6

    # ------------------------------------------------------------------ received

    def decode(self, messages: Iterable[ControlMessage]) -> Facts:
        """Read what *messages* say; unknown types and data that is too short say nothing."""
        facts = Facts()
        four: bytes | None = None
        six: bytes | None = None
        for level, kind, data in messages:
            size = len(data)
            if level == 41:
                if kind == self._in6_pktinfo and size >= 20:
                    six = data[:16]
                    facts.interface = facts.interface or int.from_bytes(data[16:20], byteorder)
                elif kind == self._hop_limit:
                    facts.hop_limit = _integer(data)
                elif kind in self._traffic_class:
                    facts.traffic_class = _integer(data)
            elif level == 0:
                if kind == self._in_pktinfo and size >= 8:
                    if self.pktinfo == "addr index":
                        four, index = data[:4], data[4:8]
                    elif size >= 12:
                        index, facts.source, four = data[:4], data[4:8], data[8:12]
                    else:
                        continue
                    facts.interface = int.from_bytes(index, byteorder) or facts.interface
                elif kind == self._dstaddr and size >= 4:
                    four = data[:4]
                elif kind == self._recvif and size >= 4:
                    facts.interface = int.from_bytes(data[2:4], byteorder)  # sdl_index of a sockaddr_dl
                elif kind in self._ttl:
                    facts.hop_limit = _integer(data)
                elif kind in self._tos:
                    facts.traffic_class = _integer(data)
            elif level == self._socket_level and kind == self._timestamp:
                facts.timestamp = self._time(data)
        facts.local = _agree(four, six)
        return facts

    def _time(self, data: bytes) -> float | None:
        # timespec on Linux; timeval on macOS and the BSDs, whose tv_usec is 4 bytes followed by padding on macOS and
        # 8 bytes on the others. The value is below 10**9, so its low 4 bytes say it all.
        if len(data) < 12:
            return None
        low = data[8:12] if byteorder == "little" else data[-4:]
        part = int.from_bytes(low, byteorder)
        return int.from_bytes(data[:8], byteorder) + part / (1e9 if self._nanoseconds else 1e6)

    # ------------------------------------------------------------------ to send

    def source(self, *, six: bool, address: bytes | None, interface: int) -> tuple[ControlMessage, ...]:
        """The messages that make a datagram leave from *address*, through *interface* where it is not 0.

        *six* says that the socket is AF_INET6. *address* is 4 or 16 bytes, unmapped; all zero leaves it to routing,
        and so does None where the destination has the family of the socket. Raises LookupError where the system has
        no message for it.
        """
        if not interface and (address is None or not any(address)):
            return ()
        index = interface.to_bytes(4, byteorder)
        if six and (address is None or len(address) == 16 or self.mapped_as_v6):
            if self._in6_pktinfo is None:
                raise LookupError("IPV6_PKTINFO")
            packed = _ANY6 if address is None else address if len(address) == 16 else _MAPPED + address
            return ((41, self._in6_pktinfo, packed + index),)
        packed = _ANY4 if address is None else address
        if self._in_pktinfo is not None:
            data = packed + index if self.pktinfo == "addr index" else index + packed + _ANY4
            return ((0, self._in_pktinfo, data),)
        if self._sendsrcaddr is None or interface:
            # IP_SENDSRCADDR carries no interface.
            raise LookupError("IP_PKTINFO")
        return ((0, self._sendsrcaddr, packed),)

    def answer(self, facts: Facts, *, six: bool) -> tuple[ControlMessage, ...]:
        """The messages of an answer to a datagram with these *facts*: from the address that was asked."""
        local = facts.local
        if local is None:
            return ()
        # IP_SENDSRCADDR of the BSDs carries an address and no interface.
        carries = six or self._in_pktinfo is not None
        if is_multicast(local) or (facts.source is not None and facts.source != local):
            # A group or broadcast address is nobody's source: answer from the interface that heard it.
            address = facts.source or (_ANY4 if len(local) == 4 else None)
            return self.source(six=six, address=address, interface=facts.interface if carries else 0)
        return self.source(
            six=six, address=local, interface=facts.interface if carries and needs_interface(local) else 0
        )

    def names_local(self, message: ControlMessage) -> bool:
        """Whether *message* is the one that says which address was asked."""
        level, kind, _ = message
        return kind == self._in6_pktinfo if level == 41 else level == 0 and kind in (self._in_pktinfo, self._dstaddr)

    # ------------------------------------------------------------------ raw buffers (Windows)

    def _padded(self, size: int) -> int:
        return -(-size // self._align) * self._align

    def space(self, *sizes: int) -> int:
        """Bytes a control buffer needs for messages of these data sizes (CMSG_SPACE of each)."""
        return sum(self._padded(self._header.size) + self._padded(size) for size in sizes)

    def pack(self, messages: Sequence[ControlMessage]) -> bytes:
        """Write *messages* as the system reads them from a control buffer."""
        start = self._padded(self._header.size)
        out = bytearray()
        for level, kind, data in messages:
            header = self._header.pack(start + len(data), level, kind)
            out += header.ljust(start, b"\0") + data.ljust(self._padded(len(data)), b"\0")
        return bytes(out)

    def unpack(self, buffer: bytes) -> list[ControlMessage]:
        """Read a control buffer; stops at the first message that does not fit, as CMSG_NXTHDR does."""
        start, messages, at = self._padded(self._header.size), [], 0
        while at + start <= len(buffer):
            length, level, kind = self._header.unpack_from(buffer, at)
            if length < start or at + length > len(buffer):
                break
            messages.append((level, kind, buffer[at + start : at + length]))
            at += self._padded(length)
        return messages


def _integer(data: bytes) -> int | None:
    # An int on Linux for the hop limits and both Windows fields, one byte for IP_TOS and everything of the BSDs.
    return int.from_bytes(data[:4], byteorder) if data else None


def _agree(four: bytes | None, six: bytes | None) -> bytes | None:
    if six is None:
        return four
    if is_v4_mapped(six):
        six = six[12:]
    return six if four is None or four == six else None
