"""A second reading of the address grammar: slow, of regular expressions, written apart from core/.

It shares no code with core.text, core.endpoint or core.address and knows no positions or reasons, only what is an
address and which. Where the two disagree, one of them is wrong; ``test_parsing.py`` looks for such texts.
"""

from __future__ import annotations

import re
import socket
import unicodedata

OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]|[0-9])"
IPV4 = rf"{OCTET}\.{OCTET}\.{OCTET}\.{OCTET}"
H16 = r"[0-9A-Fa-f]{1,4}"
LS32 = rf"(?:{H16}:{H16}|{IPV4})"
# The nine alternatives of RFC 3986, appendix A, in its order.
IPV6 = "|".join(
    (
        rf"(?:{H16}:){{6}}{LS32}",
        rf"::(?:{H16}:){{5}}{LS32}",
        rf"(?:{H16})?::(?:{H16}:){{4}}{LS32}",
        rf"(?:(?:{H16}:){{0,1}}{H16})?::(?:{H16}:){{3}}{LS32}",
        rf"(?:(?:{H16}:){{0,2}}{H16})?::(?:{H16}:){{2}}{LS32}",
        rf"(?:(?:{H16}:){{0,3}}{H16})?::{H16}:{LS32}",
        rf"(?:(?:{H16}:){{0,4}}{H16})?::{LS32}",
        rf"(?:(?:{H16}:){{0,5}}{H16})?::{H16}",
        rf"(?:(?:{H16}:){{0,6}}{H16})?::",
    )
)
PORT = r"[0-9]{1,5}"
SERVICE = r"(?=.{1,15}\Z)[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*"
FD_NAME = r"[!-9;-~]{1,255}"


def _full(pattern: str, text: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, text, re.DOTALL)


def ipv4(text: str) -> bytes | None:
    """Dotted decimal, or None."""
    return bytes(int(part) for part in text.split(".")) if _full(IPV4, text) else None


def ipv6(text: str) -> bytes | None:
    """IPv6 text without a zone, or None."""
    return expand(text) if _full(f"(?:{IPV6})", text) else None


def expand(text: str) -> bytes:
    """The bytes of a text that is known to be IPv6."""
    if "." in text:
        head, _, last = text.rpartition(":")
        a, b, c, d = (int(part) for part in last.split("."))
        text = f"{head}:{a * 256 + b:x}:{c * 256 + d:x}"
    if "::" in text:
        left, right = (part.split(":") if part else [] for part in text.split("::"))
        groups = left + ["0"] * (8 - len(left) - len(right)) + right
    else:
        groups = text.split(":")
    return bytes.fromhex("".join(group.rjust(4, "0") for group in groups))


def zone(text: str) -> bool:
    """An interface index or name."""
    if _full(r"[0-9]+", text):
        return bool(_full(r"[1-9][0-9]{0,9}", text)) and int(text) < 2**32
    if text in ("", ".", "..") or text.isdecimal():
        return False
    for char in text:
        escaped = 0xDC80 <= ord(char) <= 0xDCFF
        if char in "/%:[]" or char.isspace() or (unicodedata.category(char)[0] in "CZ" and not escaped):
            return False
    return len(text.encode("utf-8", "surrogateescape")) <= 15


def zoned(packed: bytes) -> bool:
    """Whether the address has a scope that needs a zone."""
    number = int.from_bytes(packed, "big")
    return number >> 118 == 0xFE80 >> 6 or (number >> 120 == 0xFF and number >> 112 & 0xF in (1, 2))


def scoped_ipv6(text: str) -> tuple[bytes, str | None] | None:
    """IPv6 text with or without a zone, or None."""
    address, mark, name = text.partition("%")
    packed = ipv6(address)
    if packed is None:
        return None
    if not mark:
        return packed, None
    return (packed, name) if zone(name) and zoned(packed) else None


def port(text: str) -> int | None:
    """A port number, or None."""
    return int(text) if _full(PORT, text) and int(text) < 65536 else None


def endpoint(text: str) -> tuple[object, ...] | None:
    """``(family, packed, zone, port)`` of a concrete IP endpoint, or None; Unix and opaque forms are not read."""
    host, colon, last = text.rpartition(":")
    number = port(last)
    if not colon or number is None:
        return None
    packed = ipv4(host)
    if packed is not None:
        return socket.AF_INET, packed, None, number
    if host[:1] == "[" and host[-1:] == "]":
        found = scoped_ipv6(host[1:-1])
        if found is not None:
            return socket.AF_INET6, found[0], found[1], number
    return None


def name(text: str) -> bool:
    """A host name: labels of letters, digits, hyphens, underscores, and marks and letters of other scripts."""
    bare = text[:-1] if text.endswith(".") else text
    if not bare or len(bare) > 253:
        return False
    labels = bare.split(".")
    for label in labels:
        if not 1 <= len(label) <= 63 or label[0] == "-":
            return False
        for char in label:
            plain = _full(r"[A-Za-z0-9_-]", char)
            if not plain and (char.isascii() or unicodedata.category(char)[0] not in "LM"):
                return False
    last = bare.rstrip(".").split(".")[-1]
    if last.isdecimal() or _full(r"0[xX][0-9A-Fa-f]*", last):
        return False
    return bare.isascii() or not unicodedata.normalize("NFKC", bare).isascii()


def address(text: str) -> tuple[object, ...] | None:
    """``(kind, host or name, port, transport, family)`` of what a person wrote, or None."""
    transport: str | None = None
    family: int | None = None
    if text.startswith(("unix:", "fd:", "systemd:")):
        return _other(text)
    scheme = _full(r"(tcp|udp)([46]?)://(.*)", text)
    if scheme:
        transport, digit, text = scheme.groups()
        family = {"4": socket.AF_INET, "6": socket.AF_INET6}.get(digit)
    elif _full(r"[^\W_]+://.*", text):
        return None
    if text.startswith("["):
        split = _full(r"\[([^\]]*)\]:([^:]*)", text)
    else:
        split = _full(r"([^:]*):([^:]*)", text)
    if not split:
        return None
    host, last = split.groups()
    number: object = port(last)
    if number is None:
        if not _full(SERVICE, last):
            return None
        number = last
    if text.startswith("["):
        found = scoped_ipv6(host)
        if found is None or family == socket.AF_INET:
            return None
        return "host", found, number, transport, family
    if host in ("", "*"):
        return "wildcard", None, number, transport, family
    if host[0] == "%":
        return ("interface", host[1:], number, transport, family) if zone(host[1:]) else None
    packed = ipv4(host)
    if packed is not None:
        return None if family == socket.AF_INET6 else ("host", packed, number, transport, family)
    return ("host", host, number, transport, family) if name(host) else None


def _other(text: str) -> tuple[object, ...] | None:
    if text.startswith("fd:"):
        digits = _full(r"fd://([0-9]{1,10})", text)
        return ("fd", int(digits[1]), None, None, None) if digits and int(digits[1]) < 2**31 else None
    if text.startswith("systemd:"):
        rest = text[8:]
        return ("systemd", rest or None, None, None, None) if not rest or _full(FD_NAME, rest) else None
    rest = text[5:]
    if not rest or "\0" in rest or _full(r"//(?!/).*", rest):
        return None
    try:
        rest.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    if rest.startswith("@"):
        raw = rest[1:].replace("%00", "\0").replace("%25", "%").encode("utf-8", "surrogateescape")
        return ("unix", b"\0" + raw, None, None, None) if len(raw) <= 107 else None
    return "unix", rest, None, None, None
