"""Read hosts, ports, zones and names from text: strictly, totally, in linear time.

Problem: the same text means different addresses to different readers. ``010.8.8.8`` is 8.8.8.8 to glibc and
10.8.8.8 to others, ``127.1`` is loopback, ``int(" 8_0")`` is a port, ``65616`` wraps to port 80 in getaddrinfo,
``127.0.0.1\\0evil`` is cut at the NUL. Each has been a vulnerability somewhere.

Naive way: hand the text to inet_aton, getaddrinfo or int() and believe the answer.

Our rule: one spelling per value. IPv4 is four decimal octets without leading zeros; IPv6 is what inet_pton takes
(RFC 4291); a port is one to five ASCII digits up to 65535; a name whose last label is a number is a broken IPv4
address and never reaches a resolver (as WHATWG URL does). What can be read two ways is refused at the character.

How it is fast: the functions named ``*_packed`` and ``port_number`` decide, with dictionary and string methods that
run in C, and answer None for no. The ``explain_*`` functions are called only after a no: they walk the text again,
slowly, to find the position and the reason. Length caps come before any work, so a megabyte costs a look at its
length.

Left out: IDNA (it needs tables; net/resolve.py does it) and URLs (parsers for those exist).
"""

from __future__ import annotations

from ..errors import AddressError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = (
    "MAX_SCOPE_ID",
    "OCTETS",
    "check_host_name",
    "check_port",
    "check_service",
    "check_zone",
    "explain_ip",
    "ipv4_packed",
    "ipv4_text",
    "ipv6_packed",
    "ipv6_text",
    "looks_like_ipv4",
    "needs_zone",
    "port_number",
)

MAX_NAME = 253  # characters of a domain name without the final dot (RFC 1035 2.3.4: 255 octets on the wire)
MAX_LABEL = 63  # RFC 1035 2.3.4
MAX_ZONE = 15  # bytes of an interface name: IFNAMSIZ - 1 on Linux, macOS and the BSDs
MAX_SCOPE_ID = 2**32 - 1  # sin6_scope_id is 32 bits wide (RFC 3493 3.3)
_MAX_IPV6 = 45  # "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"

OCTETS = {str(number): number for number in range(256)}  # the 256 texts an octet has; a leading zero is none of them
_HEX_AND_COLON = "0123456789abcdefABCDEF:"
_HEX = "0123456789abcdefABCDEF"
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"

# Runs of zero groups in ":g:g:g:g:g:g:g:g:", longest first; one zero group alone is never compressed (RFC 5952 4.2.2).
_ZERO_RUNS = tuple(":" + "0:" * length for length in range(8, 1, -1))
_GROUPS = ":%x:%x:%x:%x:%x:%x:%x:%x:"


# ---------------------------------------------------------------------- IPv4


def ipv4_packed(text: str) -> bytes | None:
    """Turn dotted decimal into four bytes, or None when it is not exactly that."""
    try:
        a, b, c, d = text.split(".", 4)
        return bytes((OCTETS[a], OCTETS[b], OCTETS[c], OCTETS[d]))
    except (KeyError, ValueError):
        return None


def ipv4_text(packed: bytes) -> str:
    """Turn four bytes into dotted decimal."""
    return "%d.%d.%d.%d" % tuple(packed)


def looks_like_ipv4(name: str) -> bool:
    """Whether a resolver might take *name* for a number: its last label is decimal, octal or hexadecimal.

    True for ``127.1``, ``0x7f.1``, ``2130706433``, ``1.2.3.4.5``: inet_aton and getaddrinfo read those as addresses,
    everybody else as names, so they are neither here.
    """
    last = name.rstrip(".").rpartition(".")[2]
    if last.isdecimal():
        return True
    return last[:2] in ("0x", "0X") and not last[2:].strip(_HEX)


def _explain_ipv4(text: str, host: str, offset: int) -> NoReturn:
    octets = host[:64].split(".")
    at = offset
    for octet in octets[:4]:
        if not octet:
            raise AddressError(text, at, "an octet of the IPv4 address is missing")
        digits = len(octet) - len(octet.lstrip("0123456789"))
        if digits < len(octet):
            if octet[:2] in ("0x", "0X"):
                raise AddressError(text, at, "hexadecimal IPv4 address; write four decimal octets")
            raise AddressError(text, at + digits, "not a digit in an IPv4 address")
        if octet[0] == "0" and octet != "0":
            raise AddressError(text, at, "leading zero in an IPv4 octet: octal to some, decimal to others")
        if octet not in OCTETS:
            raise AddressError(text, at, "IPv4 octet above 255")
        at += len(octet) + 1
    if len(octets) < 4:
        raise AddressError(text, offset + len(host), "short IPv4 address; write all four octets")
    raise AddressError(text, at - 1, "more than four octets in an IPv4 address")


# ---------------------------------------------------------------------- IPv6


def ipv6_packed(text: str) -> bytes | None:
    """Turn IPv6 text without a zone into sixteen bytes, or None; takes exactly what inet_pton takes."""
    if len(text) > _MAX_IPV6:
        return None
    if text.strip(_HEX_AND_COLON):  # strip leaves nothing only if every character is one of these
        return _mixed_packed(text) if "." in text else None
    head, gap, tail = text.partition("::")
    try:
        high = low = count = 0
        if head or not gap:
            for group in head.split(":"):
                if len(group) > 4:
                    return None
                high = high << 16 | int(group, 16)
                count += 1
        if not gap:
            return high.to_bytes(16, "big") if count == 8 else None
        shift = 128 - 16 * count
        if tail:
            for group in tail.split(":"):
                if len(group) > 4:
                    return None
                low = low << 16 | int(group, 16)
                count += 1
    except ValueError:  # an empty group: a third colon, or one colon alone at an end
        return None
    if count > 7:  # "::" stands for at least one group (inet_pton; RFC 4291 2.2)
        return None
    return (high << shift | low).to_bytes(16, "big")


def _mixed_packed(text: str) -> bytes | None:
    # The last four bytes in dotted decimal (RFC 4291 2.2 form 3): read them, put two groups in their place.
    head, _, dotted = text.rpartition(":")
    last = ipv4_packed(dotted)
    if last is None:
        return None
    return ipv6_packed(f"{head}:{last[0]:02x}{last[1]:02x}:{last[2]:02x}{last[3]:02x}")


def ipv6_text(packed: bytes) -> str:
    """Turn sixteen bytes into the canonical text of RFC 5952, the same on every Python.

    IPv4-mapped addresses come in mixed notation (``::ffff:192.0.2.1``), all others in hexadecimal only.
    """
    if packed.startswith(_MAPPED):
        return "::ffff:%d.%d.%d.%d" % tuple(packed[12:])
    number = int.from_bytes(packed, "big")
    text = _GROUPS % (
        number >> 112,
        number >> 96 & 0xFFFF,
        number >> 80 & 0xFFFF,
        number >> 64 & 0xFFFF,
        number >> 48 & 0xFFFF,
        number >> 32 & 0xFFFF,
        number >> 16 & 0xFFFF,
        number & 0xFFFF,
    )
    if ":0:0:" in text:
        for zeros in _ZERO_RUNS:
            head, found, tail = text.partition(zeros)
            if found:
                return f"{head[1:]}::{tail[:-1]}"
    return text[1:-1]


def needs_zone(packed: bytes) -> bool:
    """Whether a zone means anything for this IPv6 address: link-local unicast, or multicast of scope 1 or 2."""
    first, second = packed[0], packed[1]
    if first == 0xFE:
        return second & 0xC0 == 0x80  # fe80::/10
    return first == 0xFF and second & 0x0F in (1, 2)  # interface-local, link-local (RFC 4291 2.7)


def _explain_ipv6(text: str, host: str, offset: int) -> NoReturn:
    groups = 0
    gap = -1
    at = 0
    end = len(host)
    while at < end:
        start = at
        while at < end and at - start <= _MAX_IPV6 and host[at] in _HEX:  # a megabyte of digits is not walked
            at += 1
        if at < end and host[at] == ".":
            dotted = host[start:]
            if ipv4_packed(dotted) is None:
                _explain_ipv4(text, dotted, offset + start)
            groups += 2
            at = end
        elif at < end and host[at] != ":" and at - start <= _MAX_IPV6:
            raise AddressError(text, offset + at, "not a hexadecimal digit or a colon in an IPv6 address")
        elif at == start:  # a colon with no group before it
            if at + 1 < end and host[at + 1] == ":" and gap < 0 and at == 0:
                gap, at = groups, 2
                continue
            raise AddressError(text, offset + at, "stray colon in an IPv6 address")
        else:
            if at - start > 4:
                raise AddressError(text, offset + start + 4, "an IPv6 group has at most four digits")
            groups += 1
        if groups > 8:
            raise AddressError(text, offset + start, "more than eight groups in an IPv6 address")
        if at < end:
            at += 1
            if at == end:
                raise AddressError(text, offset + at - 1, "stray colon at the end of an IPv6 address")
            if host[at] == ":":
                if gap >= 0:
                    raise AddressError(text, offset + at, "a second '::' in an IPv6 address")
                gap = groups
                at += 1
    if gap >= 0:
        raise AddressError(text, offset + end, "'::' stands for no group: all eight are written")
    raise AddressError(text, offset + end, f"an IPv6 address has eight groups, here are {groups}")


def explain_ip(text: str, host: str, offset: int) -> NoReturn:
    """Raise AddressError for *host*, which starts at *offset* of *text* and is not an IP address."""
    at = host.find("\0")
    if at >= 0:
        raise AddressError(text, offset + at, "NUL in an address")
    if not host:
        raise AddressError(text, offset, "the host is missing")
    if ":" in host:
        _explain_ipv6(text, host, offset)
    _explain_ipv4(text, host, offset)


# ---------------------------------------------------------------------- zones


def check_zone(text: str, zone: str, offset: int) -> str:
    """Return the zone in its one spelling, or raise AddressError pointing into *text*.

    A zone is the name of an interface (1 to 15 bytes, none of ``/ % : [ ]``, no blank, no control character) or its
    index in decimal, 1 to 2^32-1 (RFC 4007 11.2).
    """
    if not zone:
        raise AddressError(text, offset, "the zone after '%' is empty")
    if zone[: MAX_ZONE + 1].isdecimal():
        if not zone.isascii():  # int() reads digits of every script
            raise AddressError(text, offset, "an interface index is written in ASCII digits")
        if zone[0] == "0":
            raise AddressError(text, offset, "an interface index is at least 1 and has no leading zero")
        if len(zone) > 10 or int(zone) > MAX_SCOPE_ID:
            raise AddressError(text, offset, "interface index above 4294967295")
        return zone
    for index, char in enumerate(zone[: MAX_ZONE + 1]):
        # Names that are not UTF-8 exist; they are spelled with the surrogates U+DC80 to U+DCFF (PEP 383).
        if char in "/%:[]" or char.isspace() or not (char.isprintable() or "\udc80" <= char <= "\udcff"):
            raise AddressError(text, offset + index, "not a character of an interface name")
    if len(zone) > MAX_ZONE or len(zone.encode("utf-8", "surrogateescape")) > MAX_ZONE:
        raise AddressError(text, offset + min(len(zone), MAX_ZONE), "an interface name has at most 15 bytes")
    if zone in (".", ".."):  # the kernel refuses them: an interface has a directory in sysfs
        raise AddressError(text, offset, "not an interface name")
    return zone


# ---------------------------------------------------------------------- ports and names


def port_number(text: str) -> int:
    """Turn one to five ASCII digits into a port, or answer -1."""
    if len(text) < 6 and text.isdecimal() and text.isascii():
        port = int(text)
        if port < 65536:
            return port
    return -1


def check_port(text: str, port: str, offset: int) -> int:
    """Return the port number, or raise AddressError pointing into *text*."""
    number = port_number(port)
    if number >= 0:
        return number
    if not port:
        raise AddressError(text, offset, "the port is missing")
    for index, char in enumerate(port[:64]):
        if char not in "0123456789":
            raise AddressError(text, offset + index, "not an ASCII digit in a port number")
    raise AddressError(text, offset, "port above 65535")


def check_service(text: str, service: str, offset: int) -> int | str:
    """Return a port number, or a service name as written (RFC 6335 5.1), or raise AddressError."""
    number = port_number(service)
    if number >= 0:
        return number
    if not service[:1].isalpha() and service[:1] != "-":
        # Raises: it meant to be a number. The registry has a few names like 3com-tsmux, but "80abc" is a slip.
        return check_port(text, service, offset)
    for index, char in enumerate(service[:16]):
        if char == "_" or char not in _NAME:
            raise AddressError(text, offset + index, "not a character of a port number or a service name")
    if len(service) > 15:
        raise AddressError(text, offset + 15, "a service name has at most 15 characters (RFC 6335)")
    for index, char in enumerate(service):
        if char == "-" and (index in (0, len(service) - 1) or service[index - 1] == "-"):
            raise AddressError(text, offset + index, "stray hyphen in a service name (RFC 6335)")
    return service


def check_host_name(text: str, name: str, offset: int) -> str:
    """Return *name* if it may be a host name, or raise AddressError pointing into *text*.

    Labels hold letters, digits, hyphens and underscores, and do not begin with a hyphen. Letters outside ASCII are
    let through for the IDNA step, unless the name turns into plain ASCII under NFKC: full-width digits and dots
    are an address in disguise.
    """
    if not name:
        raise AddressError(text, offset, "the host is missing")
    bare = name[:-1] if name[-1] == "." else name
    if len(bare) > MAX_NAME:
        raise AddressError(text, offset + MAX_NAME, f"a host name has at most {MAX_NAME} characters")
    at = offset
    for label in bare.split("."):
        if not label:
            raise AddressError(text, at, "empty label in a host name")
        if len(label) > MAX_LABEL:
            raise AddressError(text, at + MAX_LABEL, f"a label of a host name has at most {MAX_LABEL} characters")
        if label.strip(_NAME) or label[0] == "-":
            _check_label(text, label, at)
        at += len(label) + 1
    if looks_like_ipv4(bare):
        _explain_ipv4(text, bare, offset)
    if not bare.isascii():
        _check_disguise(text, bare, offset)
    return name


def _check_label(text: str, label: str, offset: int) -> None:
    if label[0] == "-":
        raise AddressError(text, offset, "a label of a host name does not begin with a hyphen")
    for index, char in enumerate(label):
        if char == "\0":
            raise AddressError(text, offset + index, "NUL in a host name")
        if char in _NAME:
            continue
        # isalpha, not isalnum: digits of other scripts and superscripts do not belong in a name.
        if char.isascii() or not (char.isalpha() or _is_mark(char)):
            raise AddressError(text, offset + index, "not a character of a host name")


def _is_mark(char: str) -> bool:
    from unicodedata import category  # only names outside ASCII pay for the tables

    return category(char)[0] == "M"  # vowel signs of Indic scripts, combining accents


def _check_disguise(text: str, name: str, offset: int) -> None:
    from unicodedata import normalize

    if normalize("NFKC", name).isascii():
        for index, char in enumerate(name):
            if not char.isascii():
                raise AddressError(text, offset + index, "an ASCII name in disguise; write it in ASCII")
