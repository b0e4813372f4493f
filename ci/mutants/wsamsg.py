"""The structures of WSARecvMsg and WSASendMsg broken by one byte; see ci/mutants.py."""

TARGET = "dualstack/platforms/wsamsg.py"
TESTS = ("tests/platforms/test_wsamsg.py",)
_FIELDS = (
    '("name", ctypes.c_void_p),',
    '("namelen", ctypes.c_int32),',
    '("lpBuffers", ctypes.POINTER(WSABUF)),',
    '("dwBufferCount", ctypes.c_uint32),',
    '("Control", WSABUF),',
    '("dwFlags", ctypes.c_uint32),',
)
MUTANTS = (
    *((f"one byte too many after {field}", field, f'{field} ("_", ctypes.c_uint8 * 9),') for field in _FIELDS),
    ("the length of a buffer has two bytes", '(("len", ctypes.c_uint32),', '(("len", ctypes.c_uint16),'),
    (
        "the pointer comes first",
        '(("len", ctypes.c_uint32), ("buf", ctypes.c_void_p))',
        '(("buf", ctypes.c_void_p), ("len", ctypes.c_uint32))',
    ),
    ("the scope of a sockaddr_in6 is before the address", 'Struct("<HHI16sI")', 'Struct("<HHII16s")'),
    ("a sockaddr_in is a byte short", 'Struct("<HH4s8x")', 'Struct("<HH4s7x")'),
    ("another function", '"c8d789f61f6f6b438a53e54fe351c322"', '"c8d789f61f6f6b438a53e54fe351c323"'),
    ("the identifier in network order", '"12e741a44f75ca4384a70dee44cf606d"', '"a441e712754f43ca84a70dee44cf606d"'),
)
