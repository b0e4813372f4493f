"""The PROXY protocol, versions 1 and 2: who the client of a forwarded connection really is, told in front of its bytes.

Problem: behind a forwarder every connection comes from the forwarder. The PROXY protocol (the HAProxy project's
``proxy-protocol.txt``, 2020) puts one header before the first byte of the client: a line of text in version 1, a
binary block in version 2. Whoever may send that header may claim to be anybody.

Naive ways: ``readline()``, which reads past the header, takes a lone LF for its end, and waits for ever for a line that
never ends; ``inet_aton``, which takes ``0177.0.0.1`` for loopback; and looking whether a header is there, which lets
every client write its own.

Our rule: ``decode`` is told all bytes that have come so far and answers None (more is needed), a ``ProxyHeader`` whose
``size`` says where the client's own bytes begin, or ProxyProtocolError with the position of the first byte that cannot
be right, as early as that is certain. A version 1 line has 107 bytes at most and its addresses are read as strictly as
all others here (core/text.py). In version 2 the length rules: what it announces is one header, of the vectors (TLVs)
behind the addresses none may overrun it, and a CRC32c among them is checked (RFC 9260 appendix A).
``LOCAL``, ``UNKNOWN`` and unspecified families name nobody: the connection is the sender's own.

Left out: the meaning of the other vectors (ALPN, authority, TLS); they are kept, and can be passed on.
"""

from __future__ import annotations

import sys
from _socket import SOCK_DGRAM, SOCK_STREAM

from ..errors import AddressError
from .endpoint import Endpoint, IPEndpoint, IPv4Endpoint, ipv4_endpoint, ipv6_endpoint
from .endpoint_unix import UNNAMED, UnixEndpoint
from .text import explain_ip, ipv4_packed, ipv4_text, ipv6_packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("LONGEST", "LONGEST_LINE", "ProxyHeader", "ProxyProtocolError", "decode", "encode_v1", "encode_v2")

LONGEST_LINE = 107  # bytes of a version 1 header, its CR LF included
LONGEST = 16 + 65535  # bytes of a version 2 header

_LINE = b"PROXY "
_UNKNOWN = b"PROXY UNKNOWN\r\n"
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_UNIX_SIZE = 108  # bytes of each Unix address
_ADDRESSES = {1: 2 * 4 + 2 * 2, 2: 2 * 16 + 2 * 2, 3: 2 * _UNIX_SIZE}  # by address family
_CRC32C = 0x03
_NOOP = 0x04


class ProxyProtocolError(ValueError):
    """Bytes are no PROXY header; ``position`` is the first that cannot be right, ``reason`` one clause about it."""

    position: int
    reason: str

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(position, reason)
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return f"not a PROXY header: {self.reason} (at byte {self.position})"


class ProxyHeader:
    """What a PROXY header says. ``source`` and ``destination`` are both None when it speaks of nobody.

    ``type`` is SOCK_STREAM or SOCK_DGRAM, ``version`` 1 or 2, ``tlvs`` the vectors of version 2 as ``(type, value)``
    without padding and checksum, ``size`` the bytes it took.
    """

    __slots__ = ("destination", "size", "source", "tlvs", "type", "version")

    def __init__(
        self,
        source: Endpoint | None = None,
        destination: Endpoint | None = None,
        *,
        type: int = SOCK_STREAM,
        version: int = 2,
        tlvs: tuple[tuple[int, bytes], ...] = (),
        size: int = 0,
    ) -> None:
        self.source: Endpoint | None = source
        self.destination: Endpoint | None = destination
        self.type: int = type
        self.version: int = version
        self.tlvs: tuple[tuple[int, bytes], ...] = tlvs
        self.size: int = size

    def _key(self) -> tuple[object, ...]:
        return self.source, self.destination, self.type, self.version, self.tlvs, self.size

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, ProxyHeader) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        who = "nobody" if self.source is None else f"{self.source} to {self.destination}"
        return f"<ProxyHeader v{self.version} {who}{f' {len(self.tlvs)} TLVs' if self.tlvs else ''}>"


def decode(data: bytes | bytearray) -> ProxyHeader | None:
    """Read the header at the beginning of *data*, all that has come so far; None when more is needed.

    Nothing behind the header is looked at; ``size`` says where that begins. Raises ProxyProtocolError.
    """
    head = bytes(data[:16])
    for start, read in ((_LINE, _decode_line), (_SIGNATURE, _decode_block)):
        if head.startswith(start):
            return read(data)
        if start.startswith(head):
            return None
    at = 0
    while head[: at + 1] in (_LINE[: at + 1], _SIGNATURE[: at + 1]):
        at += 1
    raise ProxyProtocolError(at, "neither 'PROXY ' nor the signature of version 2")


# ---------------------------------------------------------------------- version 1


def _decode_line(data: bytes | bytearray) -> ProxyHeader | None:
    line = bytes(data[:LONGEST_LINE])
    at = line.find(b"\n")
    end = line.find(b"\r")
    if at >= 0 and not 0 <= end == at - 1:
        raise ProxyProtocolError(min(at, end + 1 if end >= 0 else at), "a line ends with CR LF")
    if at < 0:
        if 0 <= end < len(line) - 1:
            raise ProxyProtocolError(end + 1, "a line ends with CR LF")
        if len(line) == LONGEST_LINE:
            raise ProxyProtocolError(LONGEST_LINE, f"no CR LF in the first {LONGEST_LINE} bytes")
        return None
    if line.startswith(b"PROXY UNKNOWN") and line[13] in b" \r":
        return ProxyHeader(version=1, size=at + 1)  # whatever else is in the line is to be ignored
    try:
        fields = line[:end].decode("ascii").split(" ")[1:]
    except UnicodeDecodeError as error:
        raise ProxyProtocolError(error.start, "not ASCII") from None
    family = fields[0]
    if family not in ("TCP4", "TCP6"):
        raise ProxyProtocolError(len(_LINE), "TCP4, TCP6 or UNKNOWN expected")
    starts = [len(_LINE)]
    for field in fields:
        starts.append(starts[-1] + len(field) + 1)
    hosts = [_host(text, at, six=family == "TCP6") for text, at in zip(fields[1:3], starts[1:], strict=False)]
    ports = [_port(text, at) for text, at in zip(fields[3:5], starts[3:], strict=False)]
    if len(fields) != 5:
        where = end if len(fields) < 5 else starts[5] - 1
        raise ProxyProtocolError(where, "two addresses and two ports expected, each behind one blank")
    source, destination = (_ip(packed, port) for packed, port in zip(hosts, ports, strict=True))
    return ProxyHeader(source, destination, version=1, size=at + 1)


def _host(text: str, offset: int, *, six: bool) -> bytes:
    packed = ipv6_packed(text) if six else ipv4_packed(text)
    if packed is not None:
        return packed
    if (":" in text) != six:
        raise ProxyProtocolError(offset, f"an IPv{6 if six else 4} address expected")
    try:
        explain_ip(text, text, 0)
    except AddressError as error:
        found = error
    raise ProxyProtocolError(offset + found.position, found.reason)


def _port(text: str, offset: int) -> int:
    if not text.isdecimal() or len(text) > 5 or int(text) > 65535:
        raise ProxyProtocolError(offset, "a port is a decimal number up to 65535")
    if text[0] == "0" and len(text) > 1:
        raise ProxyProtocolError(offset, "a port with a leading zero")
    return int(text)


def _ip(packed: bytes, port: int) -> Endpoint:
    return ipv4_endpoint(ipv4_text(packed), port) if len(packed) == 4 else ipv6_endpoint(packed, port)


def encode_v1(source: Endpoint | None = None, destination: Endpoint | None = None) -> bytes:
    """The line for a TCP connection from *source* to *destination*; ``UNKNOWN`` where it cannot say (Unix, None).

    IPv4-mapped addresses are written as IPv4 unless the other one is IPv6; zones are left out, as they mean nothing on
    another host. Raises ValueError for an IP address and a Unix one.
    """
    pair = _pair(source, destination)
    if pair is None:
        return _UNKNOWN
    one, other = pair
    if not isinstance(one, IPEndpoint) or not isinstance(other, IPEndpoint):
        return _UNKNOWN
    hosts = " ".join(end.host.partition("%")[0] for end in (one, other))
    return f"PROXY TCP{4 if isinstance(one, IPv4Endpoint) else 6} {hosts} {one.port} {other.port}\r\n".encode("ascii")


def _pair(source: Endpoint | None, destination: Endpoint | None) -> tuple[Endpoint, Endpoint] | None:
    """Both ends in one family, as IPv4 where both are; None when they are not known."""
    if source is None or destination is None:
        return None
    one, other = source.unmapped(), destination.unmapped()
    if one.family != other.family:
        one, other = one.mapped(), other.mapped()
    if one.family != other.family:
        raise ValueError(f"{source} and {destination} are of different families, which no PROXY header can say")
    return one, other


# ---------------------------------------------------------------------- version 2


def _decode_block(data: bytes | bytearray) -> ProxyHeader | None:
    if len(data) > 12:
        if data[12] >> 4 != 2:
            raise ProxyProtocolError(12, f"version {data[12] >> 4}, not 2")
        if data[12] & 15 > 1:
            raise ProxyProtocolError(12, f"command {data[12] & 15}, neither LOCAL nor PROXY")
    if len(data) < 16:
        return None
    family, protocol, length = data[13] >> 4, data[13] & 15, int.from_bytes(data[14:16], "big")
    local = data[12] & 15 == 0
    if not local:  # of LOCAL the family is to be ignored
        if family > 3:
            raise ProxyProtocolError(13, f"address family {family}, not 0 to 3")
        if protocol > 2:
            raise ProxyProtocolError(13, f"transport protocol {protocol}, not 0 to 2")
        if length < _ADDRESSES.get(family, 0):
            raise ProxyProtocolError(14, f"{length} bytes are too few for the addresses of family {family}")
    size = 16 + length
    if len(data) < size:
        return None
    if local or not family or not protocol:
        return ProxyHeader(size=size)
    block = bytes(data[:size])
    tlvs = _read_tlvs(block, 16 + _ADDRESSES[family])
    if family == 3:
        source: Endpoint = _unix(block, 16)
        destination: Endpoint = _unix(block, 16 + _UNIX_SIZE)
    else:
        width = 4 if family == 1 else 16
        ends = 16 + 2 * width
        ports = int.from_bytes(block[ends : ends + 2], "big"), int.from_bytes(block[ends + 2 : ends + 4], "big")
        source = _ip(block[16 : 16 + width], ports[0])
        destination = _ip(block[16 + width : ends], ports[1])
    return ProxyHeader(source, destination, type=SOCK_STREAM if protocol == 1 else SOCK_DGRAM, tlvs=tlvs, size=size)


def _read_tlvs(block: bytes, at: int) -> tuple[tuple[int, bytes], ...]:
    """The vectors from *at* to the end of the header, checked; without padding and checksum."""
    found = []
    checked = False
    while at < len(block):
        value = at + 3
        end = value + int.from_bytes(block[at + 1 : value], "big")
        if value > len(block) or end > len(block):
            raise ProxyProtocolError(at, "a vector (TLV) overruns the header")
        kind = block[at]
        if kind == _CRC32C:
            if end - value != 4:
                raise ProxyProtocolError(value, f"a CRC32c has 4 bytes, this {end - value}")
            if checked:  # each costs a walk over the whole header, which has room for thousands
                raise ProxyProtocolError(at, "a second CRC32c")
            checked = True
            if crc32c(block[:value] + bytes(4) + block[end:]) != int.from_bytes(block[value:end], "big"):
                raise ProxyProtocolError(value, "the CRC32c does not fit the header")
        elif kind != _NOOP:
            found.append((kind, block[value:end]))
        at = end
    return tuple(found)


def _unix(block: bytes, at: int) -> UnixEndpoint:
    raw = block[at : at + _UNIX_SIZE]
    # A path ends at its first NUL. An abstract name begins with one and has no end of its own: padding is cut off.
    name = raw.rstrip(b"\0") if raw[0] == 0 else raw.partition(b"\0")[0]
    try:
        return UnixEndpoint(name) if name else UNNAMED
    except AddressError as error:
        raise ProxyProtocolError(at, error.reason) from None


def encode_v2(
    source: Endpoint | None = None,
    destination: Endpoint | None = None,
    *,
    type: int = SOCK_STREAM,
    tlvs: Sequence[tuple[int, bytes]] = (),
    crc: bool = False,
) -> bytes:
    """The block for a connection (SOCK_DGRAM: a datagram) from *source* to *destination*.

    Without them it says LOCAL: the connection is the sender's own. Addresses that do not fit (a Unix path over 108
    bytes, another family) become an unspecified family. Mapped addresses and zones as in ``encode_v1``. *crc* adds a
    CRC32c. Raises ValueError for an IP address and a Unix one, and for vectors that are longer than a header.
    """
    pair = _pair(source, destination)
    family, addresses = (0, b"") if pair is None else _packed(*pair)
    # The transport of an unspecified family is unspecified too; only this combination has every receiver's blessing.
    kind = family and family << 4 | (2 if type == SOCK_DGRAM else 1)
    body = addresses + b"".join(bytes((number,)) + len(value).to_bytes(2, "big") + value for number, value in tlvs)
    if crc:
        body += bytes((_CRC32C, 0, 4, 0, 0, 0, 0))
    if len(body) > 65535:
        raise ValueError(f"{len(body)} bytes of addresses and vectors; a PROXY header has room for 65535")
    header = _SIGNATURE + bytes((0x20 | (pair is not None), kind)) + len(body).to_bytes(2, "big") + body
    return header[:-4] + crc32c(header).to_bytes(4, "big") if crc else header


def _packed(one: Endpoint, other: Endpoint) -> tuple[int, bytes]:
    """The family's number in the protocol and both addresses; family 0 for what it has no place for."""
    if isinstance(one, IPEndpoint) and isinstance(other, IPEndpoint):
        family = 1 if isinstance(one, IPv4Endpoint) else 2
        return family, one.packed + other.packed + one.port.to_bytes(2, "big") + other.port.to_bytes(2, "big")
    if isinstance(one, UnixEndpoint) and isinstance(other, UnixEndpoint):
        names = [_path_bytes(end) for end in (one, other)]
        if max(map(len, names)) <= _UNIX_SIZE:
            return 3, b"".join(name.ljust(_UNIX_SIZE, b"\0") for name in names)
    return 0, b""


def _path_bytes(endpoint: UnixEndpoint) -> bytes:
    sockaddr = endpoint.sockaddr
    if isinstance(sockaddr, bytes):
        return sockaddr
    return sockaddr.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def _crc_table() -> tuple[int, ...]:
    """CRC of each byte, for the polynomial of Castagnoli in reflected form."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_table: tuple[int, ...] = ()


def crc32c(data: bytes) -> int:
    """The CRC32c of *data* (RFC 9260 appendix A)."""
    global _table  # noqa: PLW0603  # a constant that is built late to keep imports cheap; any thread may build it
    table = _table = _table or _crc_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
