"""Mistakes one could make in reading text; see ci/mutants.py."""

TARGET = "dualstack/core/text.py"
TESTS = ("tests/core/test_text.py", "tests/fuzz/test_parsing.py")
MUTANTS = (
    ("256 is an octet", "for number in range(256)}", "for number in range(257)}"),
    ("a leading zero is an octet too", "OCTETS = {str(number)", "OCTETS = {f'{number:02}'"),
    ("five octets are four", 'a, b, c, d = text.split(".", 4)', 'a, b, c, d = text.split(".")[:4]'),
    (
        "five digits are a group",
        "                if len(group) > 4:\n                    return None\n                high",
        "                if len(group) > 5:\n                    return None\n                high",
    ),
    (
        "five digits are a group after ::",
        "                if len(group) > 4:\n                    return None\n                low",
        "                if len(group) > 5:\n                    return None\n                low",
    ),
    (":: may stand for nothing", "    if count > 7:", "    if count > 8:"),
    ("seven groups are enough", "if count == 8 else None", "if count >= 7 else None"),
    ("the shortest zero run is compressed", "range(8, 1, -1)", "range(2, 9)"),
    (
        "mapped addresses print in hexadecimal",
        '    if packed.startswith(_MAPPED):\n        return "::ffff',
        '    if False:\n        return "::ffff',
    ),
    ("site-local addresses have zones", "return second & 0xC0 == 0x80  # fe80::/10", "return second & 0x80 == 0x80"),
    ("multicast flags are part of the scope", "second & 0x0F in (1, 2)", "second in (1, 2)"),
    ("zone 0 is an index", '        if zone[0] == "0":', '        if zone[0] == "0" and len(zone) > 1:'),
    ("indexes have 33 bits", "MAX_SCOPE_ID = 2**32 - 1", "MAX_SCOPE_ID = 2**33 - 1"),
    ("indexes may be Arabic digits", "if not zone.isascii():  # int()", "if False:  # int()"),
    ("zones have 16 bytes", "MAX_ZONE = 15", "MAX_ZONE = 16"),
    ("zone length counts characters", 'len(zone.encode("utf-8", "surrogateescape")) > MAX_ZONE', "False"),
    ("a zone may hold a colon", 'if char in "/%:[]" or', 'if char in "/%[]" or'),
    ("a zone may hold a line feed", "or not (char.isprintable() or", "or not (True or"),
    ("a zone may be two dots", 'if zone in (".", ".."):', 'if zone == ".":'),
    (
        "65536 is a port",
        "        if port < 65536:\n            return port\n    return -1",
        "        if port < 65537:\n            return port\n    return -1",
    ),
    ("six digits are a port", "len(text) < 6", "len(text) < 7"),
    ("full-width digits are a port", "text.isdecimal() and text.isascii():", "text.isdecimal():"),
    ("80abc is a service", 'if not service[:1].isalpha() and service[:1] != "-":', "if not service:"),
    ("16 characters are a service", "    if len(service) > 15:", "    if len(service) > 16:"),
    ("hyphens may stand anywhere in a service", 'if char == "-" and (index', "if False and (index"),
    ("254 characters are a name", "MAX_NAME = 253", "MAX_NAME = 254"),
    ("64 characters are a label", "MAX_LABEL = 63", "MAX_LABEL = 64"),
    ("127.1 is a name", "    if last.isdecimal():\n        return True", "    if False:\n        return True"),
    ("0x7f.1 is a name", 'last[:2] in ("0x", "0X")', 'last[:2] == "0X"'),
    ("a label may begin with a hyphen", '    if label[0] == "-":\n        raise', "    if False:\n        raise"),
    ("digits of other scripts are letters", "not (char.isalpha() or _is_mark", "not (char.isalnum() or _is_mark"),
    ("full-width names are names", 'if normalize("NFKC", name).isascii():', "if False:"),
    (
        "positions are those of the part",
        'raise AddressError(text, at, "IPv4 octet above 255")',
        'raise AddressError(text, at - offset, "IPv4 octet above 255")',
    ),
    (
        "a megabyte of digits is walked",
        "while at < end and at - start <= _MAX_IPV6 and host[at] in _HEX:",
        "while at < end and host[at] in _HEX:",
    ),
)
