"""The list that Windows sorts, broken by one byte; see ci/mutants.py."""

TARGET = "dualstack/platforms/addresssort.py"
TESTS = ("tests/net/test_address_sort.py",)
MUTANTS = (
    ("an entry is a byte longer", "_ENTRY = 2 * _POINTER", "_ENTRY = 2 * _POINTER + 1"),
    ("an entry is a pointer only", "_ENTRY = 2 * _POINTER", "_ENTRY = _POINTER"),
    ("a sockaddr is a byte longer", "_SOCKADDR_IN6 = 28", "_SOCKADDR_IN6 = 29"),
    ("a sockaddr is a byte shorter", "_SOCKADDR_IN6 = 28", "_SOCKADDR_IN6 = 27"),
    ("the entries begin at once", "head = _POINTER + count * _ENTRY", "head = count * _ENTRY"),
    ("the length is a byte later", "(given, entry + _POINTER).value", "(given, entry + _POINTER + 1).value"),
    ("the family is a byte later", "from_buffer(given, at).value", "from_buffer(given, at + 1).value"),
    ("the address is a byte later", "base + at + 8, packed", "base + at + 9, packed"),
    ("the scope is two bytes early", "(given, at + 24).value", "(given, at + 22).value"),
    ("the scope is left out", "ctypes.c_uint32.from_buffer(given, at + 24).value = scope", "pass"),
    ("the answer is read a byte later", "raw[8:24]", "raw[9:25]"),
    ("the scope of the answer is ignored", 'int.from_bytes(raw[24:28], "little")', "0"),
    ("an address nobody asked about is an order", "        if not places:\n            return []\n", ""),
)
