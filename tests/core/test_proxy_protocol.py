"""The PROXY protocol: the specification's examples and limits as tables, every split point, round trips, garbage."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack import Endpoint
from dualstack.core.endpoint import IPv4Endpoint, IPv6Endpoint
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.core.proxy_protocol import (
    LONGEST,
    LONGEST_LINE,
    ProxyHeader,
    ProxyProtocolError,
    crc32c,
    decode,
    encode_v1,
    encode_v2,
)

STREAM, DGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
REST = b"GET / HTTP/1.1\r\n\r\n"
ONE, OTHER = b"\xc0\xa8\x00\x01", b"\xc0\xa8\x00\x0b"
PORTS = b"\xdc\x04\x01\xbb"
IPV4 = SIGNATURE + b"\x21\x11\x00\x0c" + ONE + OTHER + PORTS


def refused(data: bytes) -> ProxyProtocolError:
    with pytest.raises(ProxyProtocolError) as caught:
        decode(data)
    return caught.value


def ends(header: ProxyHeader | None) -> tuple[str, str] | None:
    assert header is not None
    return None if header.source is None else (str(header.source), str(header.destination))


# ---------------------------------------------------------------------- version 1

LINES = {
    # The example of the specification.
    b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443": ("192.168.0.1:56324", "192.168.0.11:443"),
    b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535": ("255.255.255.255:65535", "255.255.255.255:65535"),
    b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0": ("0.0.0.0:0", "0.0.0.0:0"),
    b"PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 1 2": ("[2001:db8::1]:1", "[2001:db8::2]:2"),
    b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2": ("[::ffff:192.0.2.1]:1", "[::1]:2"),
    b"PROXY TCP6 fe80::1 ff02::1 1 2": ("[fe80::1]:1", "[ff02::1]:2"),  # a zone has no place in it
    b"PROXY UNKNOWN": None,
    b"PROXY UNKNOWN ": None,
    b"PROXY UNKNOWN what ever \xff\0 comes": None,
    b"PROXY UNKNOWN " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2 + [b"65535"] * 2): None,
}


@pytest.mark.parametrize("line", LINES, ids=repr)
def test_lines(line: bytes) -> None:
    header = decode(line + b"\r\n" + REST)
    assert ends(header) == LINES[line]
    assert (header.version, header.type, header.size) == (1, STREAM, len(line) + 2)


def test_the_longest_line_of_the_specification() -> None:
    line = b"PROXY UNKNOWN " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2 + [b"65535"] * 2) + b"\r\n"
    assert len(line) == LONGEST_LINE == 107
    assert decode(line).size == 107
    assert decode(line[:-1]) is None


# text -> (position, words of the reason)
BAD_LINES = {
    b"GET / HTTP/1.1\r\n": (0, "neither"),
    b"\x16\x03\x01\x02\x00\x01\x00": (0, "neither"),
    b"PROXYTCP4": (5, "neither"),
    b"proxy TCP4 ": (0, "neither"),
    b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n": (6, "TCP4, TCP6 or UNKNOWN"),
    b"PROXY TCP 1.2.3.4 5.6.7.8 1 2\r\n": (6, "TCP4, TCP6 or UNKNOWN"),
    b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n": (6, "TCP4, TCP6 or UNKNOWN"),
    b"PROXY UNKNOWNS\r\n": (6, "TCP4, TCP6 or UNKNOWN"),
    b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n": (6, "TCP4, TCP6 or UNKNOWN"),
    b"PROXY \r\n": (6, "TCP4, TCP6 or UNKNOWN"),
    b"PROXY TCP4\r\n": (10, "two addresses and two ports"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n": (28, "two addresses and two ports"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n": (30, "two addresses and two ports"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n": (30, "two addresses and two ports"),
    b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n": (19, "missing"),
    b"PROXY TCP4 1.2.3.4\t5.6.7.8 1 2\r\n": (18, "not a digit"),
    b"PROXY TCP4 0177.0.0.1 5.6.7.8 1 2\r\n": (11, "leading zero"),
    b"PROXY TCP4 1.2.3.4 0x7f.0.0.1 1 2\r\n": (19, "hexadecimal"),
    b"PROXY TCP4 1.2.3.4 5.6.7 1 2\r\n": (24, "short"),
    b"PROXY TCP4 1.2.3.4 5.6.7.256 1 2\r\n": (25, "above 255"),
    b"PROXY TCP4 1.2.3.4 example.com 1 2\r\n": (19, "not a digit"),
    b"PROXY TCP4 ::1 ::2 1 2\r\n": (11, "an IPv4 address expected"),
    b"PROXY TCP6 1.2.3.4 ::2 1 2\r\n": (11, "an IPv6 address expected"),
    b"PROXY TCP6 ::1 1.2.3.4 1 2\r\n": (15, "an IPv6 address expected"),
    b"PROXY TCP6 [::1] ::2 1 2\r\n": (11, "not a hexadecimal digit"),
    b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n": (18, "not a hexadecimal digit"),
    b"PROXY TCP6 1:2:3:4:5:6:7 ::2 1 2\r\n": (24, "eight groups"),
    b"PROXY TCP6 ::1::2 ::2 1 2\r\n": (15, "second '::'"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n": (27, "a decimal number up to 65535"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 065535\r\n": (29, "a decimal number up to 65535"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n": (27, "a leading zero"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 00\r\n": (29, "a leading zero"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n": (27, "a decimal number up to 65535"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 +2\r\n": (29, "a decimal number up to 65535"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 http\r\n": (29, "a decimal number up to 65535"),
    b"PROXY TCP4 1.2.3.\xff 5.6.7.8 1 2\r\n": (17, "not ASCII"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n": (30, "a line ends with CR LF"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\r\n": (30, "a line ends with CR LF"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX": (31, "a line ends with CR LF"),
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n": (31, "a line ends with CR LF"),
    b"PROXY UNKNOWN\n": (13, "a line ends with CR LF"),
    b"PROXY UNKNOWN \rx\r\n": (15, "a line ends with CR LF"),
    b"PROXY UNKNOWN " + b"x" * 93: (107, "in the first 107 bytes"),
    b"PROXY UNKNOWN " + b"x" * 93 + b"\r\n": (107, "in the first 107 bytes"),
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n": (107, "in the first 107 bytes"),
    b"PROXY " + b"\0" * 101: (107, "in the first 107 bytes"),
}


@pytest.mark.parametrize("line", BAD_LINES, ids=repr)
def test_bad_lines(line: bytes) -> None:
    error = refused(line)
    position, words = BAD_LINES[line]
    assert (error.position, words in error.reason) == (position, True), error


def test_the_message_names_the_byte() -> None:
    assert str(refused(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n")) == (
        "not a PROXY header: a line ends with CR LF (at byte 30)"
    )


# ---------------------------------------------------------------------- version 2


def block(family: int, body: bytes, *, command: int = 0x21, length: int | None = None) -> bytes:
    return SIGNATURE + bytes((command, family)) + (len(body) if length is None else length).to_bytes(2, "big") + body


SIX = bytes(range(16)) + bytes(range(16, 32))
ENDS6 = ("[1:203:405:607:809:a0b:c0d:e0f]:56324", "[1011:1213:1415:1617:1819:1a1b:1c1d:1e1f]:443")
UNIX = b"/run/a.sock".ljust(108, b"\0") + b"\0name".ljust(108, b"\0")
BLOCKS = {
    "tcp4": (IPV4, ("192.168.0.1:56324", "192.168.0.11:443"), STREAM),
    "udp4": (block(0x12, ONE + OTHER + PORTS), ("192.168.0.1:56324", "192.168.0.11:443"), DGRAM),
    "tcp6": (block(0x21, SIX + PORTS), ENDS6, STREAM),
    "udp6": (block(0x22, SIX + PORTS), ENDS6, DGRAM),
    "unix": (block(0x31, UNIX), ("unix:/run/a.sock", "unix:@name"), STREAM),
    "unix-datagram": (block(0x32, UNIX), ("unix:/run/a.sock", "unix:@name"), DGRAM),
    "unix-nobody": (block(0x31, bytes(216)), ("unix:", "unix:"), STREAM),
    "unix-full": (
        block(0x31, b"/" + b"a" * 107 + b"\0" + b"b" * 107),
        ("unix:/" + "a" * 107, "unix:@" + "b" * 107),
        STREAM,
    ),
    "unix-rubbish-behind-the-path": (
        block(0x31, b"/a\0zz".ljust(108, b"z") + bytes(108)),
        ("unix:/a", "unix:"),
        STREAM,
    ),
    "local": (block(0, b"", command=0x20), None, STREAM),
    "local-with-addresses": (block(0x11, ONE + OTHER + PORTS, command=0x20), None, STREAM),
    "local-of-a-family-that-is-none": (block(0xFF, b"any", command=0x20), None, STREAM),
    "unspecified": (block(0, b""), None, STREAM),
    "unspecified-with-bytes": (block(0, b"any thing"), None, STREAM),
    "family-without-transport": (block(0x10, ONE + OTHER + PORTS), None, STREAM),
    "transport-without-family": (block(0x01, b""), None, STREAM),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(name: str) -> None:
    data, expected, type = BLOCKS[name]
    header = decode(data + REST)
    assert ends(header) == expected
    assert (header.version, header.type, header.size, header.tlvs) == (2, type, len(data), ())


@pytest.mark.parametrize(
    ("data", "position", "words"),
    [
        pytest.param(SIGNATURE[:11] + b"\n\r", 11 + 1, "version 0", id="version-0"),
        pytest.param(SIGNATURE[:5] + b"X", 5, "neither", id="signature"),
        pytest.param(SIGNATURE + b"\x11", 12, "version 1", id="version-1"),
        pytest.param(SIGNATURE + b"\x31", 12, "version 3", id="version-3"),
        pytest.param(SIGNATURE + b"\x22", 12, "command 2", id="command-2"),
        pytest.param(SIGNATURE + b"\x2f", 12, "command 15", id="command-15"),
        pytest.param(block(0x41, bytes(300)), 13, "address family 4", id="family-4"),
        pytest.param(block(0x13, bytes(300)), 13, "transport protocol 3", id="transport-3"),
        pytest.param(block(0x11, b"", length=11), 14, "11 bytes are too few", id="too-short-for-ipv4"),
        pytest.param(block(0x21, b"", length=35), 14, "35 bytes are too few", id="too-short-for-ipv6"),
        pytest.param(block(0x31, b"", length=215), 14, "215 bytes are too few", id="too-short-for-unix"),
        pytest.param(block(0x11, ONE + OTHER + PORTS + b"\x01"), 28, "overruns", id="vector-of-one-byte"),
        pytest.param(block(0x11, ONE + OTHER + PORTS + b"\x01\0"), 28, "overruns", id="vector-of-two-bytes"),
        pytest.param(block(0x11, ONE + OTHER + PORTS + b"\x01\0\x01"), 28, "overruns", id="vector-without-its-value"),
        pytest.param(block(0x11, ONE + OTHER + PORTS + b"\x01\0\0\x02\xff\xff"), 31, "overruns", id="second-vector"),
        pytest.param(block(0x11, ONE + OTHER + PORTS + b"\x03\0\x03abc"), 31, "has 4 bytes, this 3", id="crc-of-3"),
        pytest.param(block(0x11, ONE + OTHER + PORTS + b"\x03\0\x04abcd"), 31, "does not fit", id="crc-wrong"),
    ],
)
def test_bad_blocks(data: bytes, position: int, words: str) -> None:
    if position == 12 and "version 0" in words:
        data = SIGNATURE + b"\x01"
    error = refused(data)
    assert (error.position, words in error.reason) == (position, True), error


def test_vectors_are_kept_without_padding_and_checksum() -> None:
    tlvs = ((0x02, b"example.com"), (0x05, bytes(128)), (0xE0, b""))
    padding = b"\x04\0\x03abc"
    source = IPv4Endpoint("192.0.2.1", 1)
    plain = encode_v2(source, source, tlvs=tlvs)
    padded = plain[:14] + (len(plain) - 16 + len(padding)).to_bytes(2, "big") + plain[16:28] + padding + plain[28:]
    assert decode(padded).tlvs == tlvs
    assert decode(encode_v2(source, source, tlvs=tlvs, crc=True)).tlvs == tlvs


def test_one_checksum_is_enough() -> None:
    """Each costs a walk over the whole header, and there is room for thousands."""
    crc = b"\x03\0\4" + bytes(4)
    body = ONE + OTHER + PORTS + crc * 2
    data = bytearray(block(0x11, body))
    data[31:35] = crc32c(bytes(data)).to_bytes(4, "big")
    error = refused(bytes(data))
    assert (error.position, error.reason) == (35, "a second CRC32c")


def test_crc32c_of_the_rfc() -> None:
    """RFC 3720 B.4, whose polynomial SCTP has taken over, and the usual check value."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_every_flipped_bit_is_seen_by_the_checksum() -> None:
    good = encode_v2(IPv4Endpoint("192.0.2.1", 1), IPv4Endpoint("192.0.2.2", 2), tlvs=[(5, b"id")], crc=True)
    assert decode(good) is not None
    for bit in range(16 * 8, len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            told = decode(bad)
        except ProxyProtocolError:
            continue
        # What hides the vector itself: its type becomes another one's.
        assert bit // 8 in range(28, len(good)) and told.tlvs != ((5, b"id"),)


def test_the_longest_block() -> None:
    data = block(0x11, ONE + OTHER + PORTS + b"\xe0" + (65535 - 12 - 3).to_bytes(2, "big") + bytes(65535 - 15))
    assert len(data) == LONGEST
    assert decode(data[:-1]) is None
    assert decode(data).size == LONGEST


# ---------------------------------------------------------------------- split anywhere

HEADERS = {
    **{repr(line): line + b"\r\n" for line in LINES},
    **{name: data for name, (data, _, _) in BLOCKS.items()},
    "tlv": encode_v2(IPv4Endpoint("192.0.2.1", 1), IPv4Endpoint("192.0.2.1", 1), tlvs=[(1, b"h2")], crc=True),
}


@pytest.mark.parametrize("name", HEADERS)
def test_every_split_needs_more_until_the_last_byte(name: str) -> None:
    data = HEADERS[name]
    for size in range(len(data)):
        assert decode(data[:size]) is None, size
    whole = decode(data)
    assert whole is not None and whole.size == len(data)
    assert decode(data + data) == whole  # what stands behind it changes nothing


@pytest.mark.parametrize("data", [*BAD_LINES, IPV4[:12] + b"\x51" + IPV4[13:]], ids=repr)
def test_an_error_comes_once_it_is_certain_and_stays(data: bytes) -> None:
    seen: ProxyProtocolError | None = None
    for size in range(len(data) + 1):
        try:
            told = decode(data[:size])
        except ProxyProtocolError as error:
            if seen is None:
                assert error.position <= size
            else:
                assert (error.position, error.reason) == (seen.position, seen.reason)
            seen = error
        else:
            assert told is None and seen is None
    assert seen is not None


# ---------------------------------------------------------------------- round trips and garbage

ports = st.integers(0, 65535)
four = st.builds(lambda ip, port: IPv4Endpoint(str(ip), port), st.ip_addresses(v=4), ports)
six = st.builds(lambda ip, port: IPv6Endpoint(str(ip), port), st.ip_addresses(v=6), ports)
paths = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=100)
names = st.binary(min_size=1, max_size=100).filter(lambda name: name[-1:] != b"\0")
unix = st.one_of(st.builds(UnixEndpoint, paths), st.builds(lambda name: UnixEndpoint(b"\0" + name), names))
tlvs = st.lists(
    st.tuples(st.integers(0, 255).filter(lambda kind: kind not in (3, 4)), st.binary(max_size=40)), max_size=4
)


def in_one_family(*pair: Endpoint) -> list[Endpoint]:
    """IPv4 where both are."""
    plain = [one.unmapped() for one in pair]
    return plain if plain[0].family == plain[1].family else [one.mapped() for one in plain]


@given(st.one_of(st.tuples(four, four), st.tuples(six, six), st.tuples(four, six)), st.binary(max_size=8))
def test_version_1_comes_back(pair: tuple[Endpoint, Endpoint], rest: bytes) -> None:
    source, destination = in_one_family(*pair)
    data = encode_v1(*pair)
    assert len(data) <= LONGEST_LINE
    assert decode(data + rest) == ProxyHeader(source, destination, version=1, size=len(data))


@given(
    st.one_of(st.tuples(four, four), st.tuples(six, six), st.tuples(six, four), st.tuples(unix, unix)),
    st.sampled_from((STREAM, DGRAM)),
    tlvs,
    st.booleans(),
    st.binary(max_size=8),
)
def test_version_2_comes_back(pair, type: int, vectors, crc: bool, rest: bytes) -> None:
    source, destination = in_one_family(*pair)
    data = encode_v2(*pair, type=type, tlvs=vectors, crc=crc)
    assert decode(data + rest) == ProxyHeader(source, destination, type=type, tlvs=tuple(vectors), size=len(data))


@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(lambda tail: b"PROXY TCP4 " + tail, st.binary(max_size=120)),
        st.builds(lambda tail: IPV4[:13] + tail, st.binary(max_size=300)),
    )
)
def test_garbage_is_refused_or_needs_more(data: bytes) -> None:
    try:
        header = decode(data)
    except ProxyProtocolError as error:
        assert 0 <= error.position <= len(data) and error.reason
    else:
        assert header is None or header.size <= len(data)


# ---------------------------------------------------------------------- writing

A4, B4 = Endpoint.parse("192.0.2.1:1"), Endpoint.parse("192.0.2.2:2")
A6, B6 = Endpoint.parse("[2001:db8::1]:1"), Endpoint.parse("[fe80::1%eth0]:2")
PATH, NOBODY = UnixEndpoint("/run/x"), UnixEndpoint("")


@pytest.mark.parametrize(
    ("source", "destination", "line"),
    [
        pytest.param(A4, B4, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", id="ipv4"),
        pytest.param(A6, B6, b"PROXY TCP6 2001:db8::1 fe80::1 1 2\r\n", id="ipv6-and-a-zone"),
        pytest.param(A4.mapped(), B4.mapped(), b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", id="mapped"),
        pytest.param(A4, A6, b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 1\r\n", id="ipv4-and-ipv6"),
        pytest.param(NOBODY, PATH, b"PROXY UNKNOWN\r\n", id="unix"),
        pytest.param(None, None, b"PROXY UNKNOWN\r\n", id="nobody"),
        pytest.param(A4, None, b"PROXY UNKNOWN\r\n", id="half"),
    ],
)
def test_lines_written(source, destination, line: bytes) -> None:
    assert encode_v1(source, destination) == line


@pytest.mark.parametrize(
    ("source", "destination", "type", "begins"),
    [
        pytest.param(A4, B4, STREAM, b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02", id="ipv4"),
        pytest.param(A4.mapped(), B4, DGRAM, b"\x21\x12\x00\x0c\xc0\x00\x02\x01", id="mapped-datagram"),
        pytest.param(A6, B6, STREAM, b"\x21\x21\x00\x24\x20\x01\x0d\xb8", id="ipv6"),
        pytest.param(NOBODY, PATH, STREAM, b"\x21\x31\x00\xd8" + bytes(108) + b"/run/x\0", id="unix"),
        pytest.param(NOBODY, UnixEndpoint("/" + "a" * 108), STREAM, b"\x21\x00\x00\x00", id="a-path-too-long"),
        pytest.param(None, None, STREAM, b"\x20\x00\x00\x00", id="local"),
    ],
)
def test_blocks_written(source, destination, type: int, begins: bytes) -> None:
    assert encode_v2(source, destination, type=type)[12:].startswith(begins)


@pytest.mark.parametrize("encode", [encode_v1, encode_v2])
def test_an_ip_address_and_a_path_are_refused(encode) -> None:
    with pytest.raises(ValueError, match="different families"):
        encode(A4, PATH)


def test_vectors_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="room for 65535"):
        encode_v2(A4, B4, tlvs=[(0xE0, bytes(65535))])


def test_headers_are_values() -> None:
    header = decode(IPV4)
    assert header == decode(bytearray(IPV4)) and hash(header) == hash(decode(IPV4))
    assert header != decode(b"PROXY UNKNOWN\r\n") and header != "header"
    assert repr(header) == "<ProxyHeader v2 192.168.0.1:56324 to 192.168.0.11:443>"
    assert repr(decode(b"PROXY UNKNOWN\r\n")) == "<ProxyHeader v1 nobody>"
