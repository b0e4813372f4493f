"""struct ifaddrs broken by one byte; see ci/mutants.py."""

TARGET = "dualstack/platforms/getifaddrs.py"
TESTS = ("tests/platforms/test_bsd.py",)
MUTANTS = (
    ("no padding behind the flags", 'IFADDRS = Struct("=QQI4xQQQQ")', 'IFADDRS = Struct("=QQIQQQQ4x")'),
    ("a byte too many", 'IFADDRS = Struct("=QQI4xQQQQ")', 'IFADDRS = Struct("=QQI4xQQQQx")'),
    ("netmask and address change places", "flags, address, netmask, other", "flags, netmask, address, other"),
    ("the mtu is a byte late", '_MTU = Struct("=8xI4x")', '_MTU = Struct("=9xI3x")'),
    ("the speed is where the mtu is", "read(data + 16, rate.size)", "read(data + 8, rate.size)"),
)
