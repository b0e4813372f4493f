"""Mistakes in dualstack/core/hosts.py: finding one name in the hosts file."""

TARGET = "dualstack/core/hosts.py"
TESTS = ("tests/core/test_hosts.py",)
MUTANTS = (
    ("only the first line counts", "            at = folded.find(key, end)", "            at = -1"),
    ("an address comes twice", " and address not in found", ""),
    ("a comment names hosts", 'line.partition("#")[0].split()', "line.split()"),
    ("names have a case", "name not in [word.lower() for word in words[1:]]", "name not in words[1:]"),
    ("tabs separate nothing", 'bytes.maketrans(b"\\t\\v\\f\\r", b"    ")', 'bytes.maketrans(b"\\v\\f\\r", b"   ")'),
    ("zones are lower case", "self._data[start:end]", "self._folded[start:end]"),
    ("nothing is remembered", "if found is None:", "if True:"),
    ("what is remembered grows for ever", "if len(self._found) >= _REMEMBERED:", "if False:"),
    ("localhost is what the file says", 'if name == "localhost" or ', "if "),
)
