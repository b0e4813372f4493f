"""core.text: each spelling has one reading or a position; the tables of bad spellings that were vulnerabilities."""

from __future__ import annotations

import ipaddress

import pytest

from dualstack.core import text
from dualstack.errors import AddressError


def refused(call, *args) -> AddressError:
    with pytest.raises(AddressError) as caught:
        call(*args)
    return caught.value


# ---------------------------------------------------------------------- IPv4

GOOD_IPV4 = {
    "0.0.0.0": b"\0\0\0\0",
    "127.0.0.1": b"\x7f\0\0\x01",
    "255.255.255.255": b"\xff\xff\xff\xff",
    "1.2.3.4": b"\1\2\3\4",
    "99.100.249.250": b"\x63\x64\xf9\xfa",
}
# text -> (position, words of the reason); each of them is an address to some resolver or library
BAD_IPV4 = {
    "": (0, "missing"),
    "0177.0.0.1": (0, "leading zero"),  # octal to inet_aton, CVE-2021-29921
    "010.8.8.8": (0, "leading zero"),
    "127.0.0.01": (8, "leading zero"),
    "0300.0250.0.1": (0, "leading zero"),
    "00.0.0.0": (0, "leading zero"),
    "127.1": (5, "short"),
    "127.0.1": (7, "short"),
    "1": (1, "short"),
    "0": (1, "short"),
    "2130706433": (0, "above 255"),
    "017700000001": (0, "leading zero"),
    "0x7f.1": (0, "hexadecimal"),
    "0x7f.0.0.1": (0, "hexadecimal"),
    "0x7f000001": (0, "hexadecimal"),
    "127.0.0.0x1": (8, "hexadecimal"),
    "256.0.0.1": (0, "above 255"),
    "1.2.3.256": (6, "above 255"),
    "1.2.3.4.5": (7, "more than four"),
    "1.2.3.4.": (7, "more than four"),
    "1.2.3": (5, "short"),
    "1.2.3.": (6, "missing"),
    ".1.2.3": (0, "missing"),
    "1..2.3": (2, "missing"),
    "127.0.0.1 ": (9, "not a digit"),
    " 127.0.0.1": (0, "not a digit"),
    "127.0.0.1\n": (9, "not a digit"),  # inet_aton takes it
    "127.0.0.1 foo": (9, "not a digit"),  # so did getaddrinfo, CVE-2016-10739
    "127.0.0.1\0": (9, "NUL"),
    "127.0.0.1\0evil": (9, "NUL"),
    "+1.2.3.4": (0, "not a digit"),
    "-1.2.3.4": (0, "not a digit"),
    "1.2.3.4/8": (7, "not a digit"),
    "1_0.2.3.4": (1, "not a digit"),
    "1.2.3.4%eth0": (7, "not a digit"),  # a zone belongs to IPv6
    "\uff11.2.3.4": (0, "not a digit"),  # full-width one
    "1.2.3.\u0664": (6, "not a digit"),  # Arabic four
    "1.2.3.\u00b2": (6, "not a digit"),  # superscript two
    "\u2460.2.3.4": (0, "not a digit"),  # circled one
}


@pytest.mark.parametrize(("spelling", "packed"), GOOD_IPV4.items())
def test_ipv4(spelling: str, packed: bytes) -> None:
    assert text.ipv4_packed(spelling) == packed
    assert text.ipv4_text(packed) == spelling


@pytest.mark.parametrize(("spelling", "expected"), BAD_IPV4.items())
def test_bad_ipv4(spelling: str, expected: tuple[int, str]) -> None:
    assert text.ipv4_packed(spelling) is None
    error = refused(text.explain_ip, spelling, spelling, 0)
    assert (error.position, error.text) == (expected[0], spelling)
    assert expected[1] in error.reason


def test_every_octet_has_one_spelling() -> None:
    for number in range(256):
        assert text.ipv4_packed(f"{number}.0.0.{number}") == bytes((number, 0, 0, number))
        if number < 100:
            assert text.ipv4_packed(f"0{number}.0.0.0") is None


@pytest.mark.parametrize(
    "name",
    ["1", "127.1", "0x7f.1", "0X7F", "0x", "2130706433", "1.2.3.4.5", "a.1", "a.0xff", "127.0.0.1.", "\u0661"],
)
def test_what_a_resolver_might_take_for_a_number(name: str) -> None:
    assert text.looks_like_ipv4(name)


@pytest.mark.parametrize("name", ["a", "1a", "a1", "1.a", "0xg", "x0", "1.com", "0x7f.com", "", ".", "a-1"])
def test_names_that_are_no_numbers(name: str) -> None:
    assert not text.looks_like_ipv4(name)


# ---------------------------------------------------------------------- IPv6

# spelling -> canonical text of RFC 5952
GOOD_IPV6 = {
    "::": "::",
    "::1": "::1",
    "1::": "1::",
    "0:0:0:0:0:0:0:0": "::",
    "0:0:0:0:0:0:0:1": "::1",
    "::2:3:4:5:6:7:8": "0:2:3:4:5:6:7:8",  # "::" may stand for one group, and is not written for one
    "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
    "1:2:3::5:6:7:8": "1:2:3:0:5:6:7:8",
    "2001:DB8::A": "2001:db8::a",
    "2001:0db8:0000:0000:0000:0000:0000:0001": "2001:db8::1",
    "2001:db8:0:0:1:0:0:1": "2001:db8::1:0:0:1",  # the first of two equal runs
    "2001:0:0:1:0:0:0:1": "2001:0:0:1::1",  # the longest
    "1:0:0:2:0:0:3:4": "1::2:0:0:3:4",
    "0:0:1:0:0:0:1:0": "0:0:1::1:0",
    "0:1:0:1:0:1:0:1": "0:1:0:1:0:1:0:1",
    "1:0:1:0:1:0:1:0": "1:0:1:0:1:0:1:0",
    "::ffff:1.2.3.4": "::ffff:1.2.3.4",
    "::FFFF:0102:0304": "::ffff:1.2.3.4",
    "0:0:0:0:0:ffff:1.2.3.4": "::ffff:1.2.3.4",
    "::ffff:0:0": "::ffff:0.0.0.0",
    "::1.2.3.4": "::102:304",
    "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
    "1:2:3:4:5:6:1.2.3.4": "1:2:3:4:5:6:102:304",
    "1:2:3:4:5::1.2.3.4": "1:2:3:4:5:0:102:304",
    "::ffff:0:1.2.3.4": "::ffff:0:102:304",
    "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::1": "fe80::1",
    "a:b:c:d:e:f:0:1": "a:b:c:d:e:f:0:1",
}
BAD_IPV6 = {
    ":": (0, "stray colon"),
    ":::": (2, "stray colon"),
    "::::": (2, "stray colon"),
    ":1": (0, "stray colon"),
    "1:": (1, "at the end"),
    "1:::2": (3, "stray colon"),
    "1::2::3": (5, "second '::'"),
    "::1::": (4, "second '::'"),
    ":1::2": (0, "stray colon"),
    "1::2:": (4, "at the end"),
    "1:2:3:4:5:6:7": (13, "eight groups, here are 7"),
    "1:2": (3, "eight groups, here are 2"),
    "1:2:3:4:5:6:7:8:9": (16, "more than eight"),
    "1:2:3:4:5:6:7:8::": (17, "stands for no group"),
    "::1:2:3:4:5:6:7:8": (17, "stands for no group"),
    "1:2:3:4::5:6:7:8": (16, "stands for no group"),
    "12345::": (4, "four digits"),
    "::00001": (6, "four digits"),
    "g::": (0, "not a hexadecimal"),
    "::1 ": (3, "not a hexadecimal"),
    " ::1": (0, "not a hexadecimal"),
    "::1\n": (3, "not a hexadecimal"),
    "::1\0": (3, "NUL"),
    "::1/64": (3, "not a hexadecimal"),
    "::-1": (2, "not a hexadecimal"),
    "::+1": (2, "not a hexadecimal"),
    "::0x1": (3, "not a hexadecimal"),
    "::1_0": (3, "not a hexadecimal"),
    "::\uff11": (2, "not a hexadecimal"),
    "::\u0661": (2, "not a hexadecimal"),
    "[::1]": (0, "not a hexadecimal"),
    "::1%eth0": (3, "not a hexadecimal"),
    "::1.2.3": (7, "short"),
    "::1.2.3.4.5": (9, "more than four"),
    "::1.2.3.256": (8, "above 255"),
    "::01.2.3.4": (2, "leading zero"),
    "::1.2.3.4:5": (9, "not a digit"),
    "1.2.3.4::": (7, "not a digit"),
    "::.1.2.3": (2, "missing"),
    "1:2:3:4:5:6:7:1.2.3.4": (14, "more than eight"),
    "1:2:3:4:5:1.2.3.4": (17, "eight groups, here are 7"),
}


@pytest.mark.parametrize(("spelling", "canonical"), GOOD_IPV6.items())
def test_ipv6(spelling: str, canonical: str) -> None:
    packed = text.ipv6_packed(spelling)
    assert packed == ipaddress.IPv6Address(spelling).packed
    assert text.ipv6_text(packed) == canonical
    assert text.ipv6_packed(canonical) == packed


@pytest.mark.parametrize(("spelling", "expected"), BAD_IPV6.items())
def test_bad_ipv6(spelling: str, expected: tuple[int, str]) -> None:
    assert text.ipv6_packed(spelling) is None
    error = refused(text.explain_ip, spelling, spelling, 0)
    assert expected[1] in error.reason
    assert error.position == expected[0]


def test_every_pattern_of_zero_groups_is_compressed_by_the_rule() -> None:
    """All 256 patterns of zero and non-zero groups, against the rule of RFC 5952 said slowly."""
    for pattern in range(256):
        groups = ["0" if pattern >> i & 1 else f"{i + 1}" for i in range(8)]
        packed = ipaddress.IPv6Address(":".join(groups)).packed
        runs = [(length, -start) for start in range(8) for length in range(2, 9 - start)]
        zero = [run for run in runs if set(groups[-run[1] : -run[1] + run[0]]) == {"0"}]
        expected = ":".join(groups)
        if zero:
            length, start = max(zero)[0], -max(zero)[1]
            expected = ":".join(groups[:start]) + "::" + ":".join(groups[start + length :])
        assert text.ipv6_text(packed) == expected


@pytest.mark.parametrize(
    ("address", "zoned"),
    [
        ("fe80::", True),
        ("febf:ffff::", True),
        ("fe7f::", False),
        ("fec0::", False),
        ("ff01::1", True),
        ("ff02::1", True),
        ("ff12::1", True),  # the transient flag does not change the scope
        ("ff05::1", False),
        ("ff0e::1", False),
        ("ff00::1", False),
        ("fd00::1", False),
        ("::1", False),
        ("2001:db8::1", False),
    ],
)
def test_which_addresses_have_zones(address: str, zoned: bool) -> None:
    assert text.needs_zone(ipaddress.IPv6Address(address).packed) is zoned


# ---------------------------------------------------------------------- zones

GOOD_ZONES = [
    "1",
    "4294967295",
    "eth0",
    "lo",
    "en0.100",
    "br-1a2b3c",
    "wlan0_2",
    "a",
    "fifteen-bytes-x",
    "1eth",
    "eth 0".replace(" ", ""),
    "@x",
    "é",
    "ééééééé",  # 14 bytes
    "\udcff\udc80",  # a name that is not UTF-8, as surrogate escapes
]
BAD_ZONES = {
    "": (0, "empty"),
    "0": (0, "at least 1"),
    "01": (0, "leading zero"),
    "4294967296": (0, "above 4294967295"),
    "99999999999": (0, "above 4294967295"),
    "\uff111": (0, "ASCII digits"),  # int() says 11
    "\u0663": (0, "ASCII digits"),
    "9" * 5000: (0, "above 4294967295"),
    "sixteen-bytes-xy": (15, "15 bytes"),
    "éééééééé": (8, "15 bytes"),  # 16 bytes
    "eth0\r\nX-Evil: 1": (4, "not a character"),
    "eth0\n": (4, "not a character"),
    "eth 0": (3, "not a character"),
    "eth\u00a00": (3, "not a character"),
    "eth/0": (3, "not a character"),
    "eth%0": (3, "not a character"),
    "eth:0": (3, "not a character"),
    "eth]": (3, "not a character"),
    "[eth": (0, "not a character"),
    "eth\0": (3, "not a character"),
    "eth\x7f": (3, "not a character"),
    "eth\u200b": (3, "not a character"),
    "\ud800": (0, "not a character"),
    ".": (0, "not an interface name"),
    "..": (0, "not an interface name"),
}


@pytest.mark.parametrize("zone", GOOD_ZONES)
def test_zones(zone: str) -> None:
    assert text.check_zone(f"fe80::1%{zone}", zone, 8) == zone


@pytest.mark.parametrize(("zone", "expected"), BAD_ZONES.items(), ids=lambda value: repr(value)[:20])
def test_bad_zones(zone: str, expected: tuple[int, str]) -> None:
    error = refused(text.check_zone, f"fe80::1%{zone}", zone, 8)
    assert error.position == 8 + expected[0]
    assert expected[1] in error.reason


# ---------------------------------------------------------------------- ports and services

BAD_PORTS = {
    "": (0, "missing"),
    "65536": (0, "above 65535"),
    "65616": (0, "above 65535"),  # getaddrinfo wraps it to 80
    "99999": (0, "above 65535"),
    "100000": (0, "above 65535"),
    "4294967376": (0, "above 65535"),
    "80abc": (2, "not an ASCII digit"),
    "+80": (0, "not an ASCII digit"),
    "-80": (0, "not an ASCII digit"),
    "-0": (0, "not an ASCII digit"),
    " 80": (0, "not an ASCII digit"),
    "80 ": (2, "not an ASCII digit"),
    "80\n": (2, "not an ASCII digit"),
    "8_0": (1, "not an ASCII digit"),
    "80\0": (2, "not an ASCII digit"),
    "0x50": (1, "not an ASCII digit"),
    "8.0": (1, "not an ASCII digit"),
    "\uff18\uff10": (0, "not an ASCII digit"),  # full-width 80
    "\u0668\u0660": (0, "not an ASCII digit"),  # Arabic 80
    "8\u00b2": (1, "not an ASCII digit"),
}


@pytest.mark.parametrize(("port", "number"), [("0", 0), ("80", 80), ("65535", 65535), ("00080", 80), ("00000", 0)])
def test_ports(port: str, number: int) -> None:
    assert text.port_number(port) == number
    assert text.check_port(port, port, 0) == number


@pytest.mark.parametrize(("port", "expected"), BAD_PORTS.items(), ids=repr)
def test_bad_ports(port: str, expected: tuple[int, str]) -> None:
    assert text.port_number(port) == -1
    error = refused(text.check_port, f"host:{port}", port, 5)
    assert error.position == 5 + expected[0]
    assert expected[1] in error.reason


def test_a_port_of_six_digits_is_refused_even_with_zeros() -> None:
    assert text.port_number("000080") == -1


@pytest.mark.parametrize("service", ["http", "a", "HTTP", "com3-tsmux", "x" * 15, "z39-50"])
def test_services(service: str) -> None:
    assert text.check_service(service, service, 0) == service


@pytest.mark.parametrize(
    ("service", "position", "reason"),
    [
        ("x" * 16, 15, "15 characters"),
        ("a-" + "x" * 20, 15, "15 characters"),
        ("-http", 0, "stray hyphen"),
        ("http-", 4, "stray hyphen"),
        ("ht--tp", 3, "stray hyphen"),
        ("ht_tp", 2, "not a character"),
        ("ht.tp", 2, "not a character"),
        ("http\0", 4, "not a character"),
        ("http ", 4, "not a character"),
        ("h\u00e9", 1, "not a character"),
        ("80-90", 2, "not an ASCII digit"),  # it meant to be a number
        ("80abc", 2, "not an ASCII digit"),
        ("3com-tsmux", 1, "not an ASCII digit"),  # registered, and not worth reading 80abc as a name
        ("-", 0, "stray hyphen"),
        ("65536", 0, "above 65535"),
        ("", 0, "missing"),
    ],
)
def test_bad_services(service: str, position: int, reason: str) -> None:
    error = refused(text.check_service, f"h:{service}", service, 2)
    assert reason in error.reason
    assert error.position == 2 + position


# ---------------------------------------------------------------------- host names

GOOD_NAMES = [
    "a",
    "localhost",
    "example.com",
    "example.com.",
    "EXAMPLE.com",
    "_dmarc.example.com",
    "a_b",
    "a-b",
    "a--b",
    "xn--bcher-kva.example",
    "1a",
    "1.example",
    "3com.com",
    "0x7f.example",
    "x" * 63,
    ".".join(["x" * 63] * 3 + ["y" * 61]),  # 253
    ".".join(["x" * 63] * 3 + ["y" * 61]) + ".",
    "bücher.example",
    "भारत.example",
    "例え.テスト",
]
BAD_NAMES = {
    "": (0, "missing"),
    ".": (0, "empty label"),
    "a..b": (2, "empty label"),
    ".a": (0, "empty label"),
    "a..": (2, "empty label"),
    "x" * 64: (63, "63 characters"),
    "a." + "x" * 64: (65, "63 characters"),
    ".".join(["x" * 63] * 3 + ["y" * 62]): (253, "253 characters"),
    "x" * 100_000: (253, "253 characters"),
    "a\0b": (1, "NUL"),
    "example.com\0.evil": (11, "NUL"),
    "a b": (1, "not a character"),
    " a": (0, "not a character"),
    "a\n": (1, "not a character"),
    "a/b": (1, "not a character"),
    "a@b": (1, "not a character"),
    "a%b": (1, "not a character"),
    "a:b": (1, "not a character"),
    "[a]": (0, "not a character"),
    "a,b": (1, "not a character"),
    "-a": (0, "hyphen"),
    "b.-a": (2, "hyphen"),
    "127.1": (5, "short"),
    "0x7f.1": (0, "hexadecimal"),
    "2130706433": (0, "above 255"),
    "a.1": (0, "not a digit"),
    "a.0xff": (0, "not a digit"),
    # full-width digits, circled digits, ideographic stops: 127.0.0.1 after NFKC, which the idna codec does
    "\uff11\uff12\uff17.0.0.1": (0, "not a character"),
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460": (0, "not a character"),
    "127\u30020\u30020\u30021": (3, "not a character"),
    "\uff45xample.com": (0, "in disguise"),  # full-width e
    "exa\uff4dple.com": (3, "in disguise"),
    "\u212aelvin.example": (0, "in disguise"),  # the Kelvin sign
    "a\u00adb": (1, "not a character"),  # soft hyphen: nothing, to the idna codec
    "a\u200db": (1, "not a character"),
    "a\u0661": (1, "not a character"),
    "a\u00b2": (1, "not a character"),
    "\ud800": (0, "not a character"),
}


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names(name: str) -> None:
    assert text.check_host_name(name, name, 0) == name


@pytest.mark.parametrize(("name", "expected"), BAD_NAMES.items(), ids=lambda value: repr(value)[:30])
def test_bad_names(name: str, expected: tuple[int, str]) -> None:
    error = refused(text.check_host_name, f"tcp://{name}", name, 6)
    assert expected[1] in error.reason
    assert error.position == 6 + expected[0]
