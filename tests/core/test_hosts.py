"""hosts(5) and nsswitch.conf(5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualstack.core.hosts import files_come_first, parse_hosts

HOSTS = b"""\
127.0.0.1\tlocalhost  # the usual
::1 localhost ip6-localhost
192.0.2.7 Build.Example build
2001:db8::7   build.example
192.0.2.7 build   # twice
fe80::1%eth0 router
300.0.2.1 broken
127.1 short
192.0.2.9
192.0.2.10 127.1 0x7f.1 a..b -x good_name
   # nothing
\xff\xfe \xff
"""


def test_parse_hosts():
    assert parse_hosts(HOSTS) == {
        "ip6-localhost": ("::1",),
        "build.example": ("192.0.2.7", "2001:db8::7"),
        "build": ("192.0.2.7",),
        "router": ("fe80::1%eth0",),
        "good_name": ("192.0.2.10",),
    }


@given(st.binary())
def test_parse_hosts_is_total(data):
    parse_hosts(data)
    files_come_first(data)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (b"", True),
        (b"passwd: nis\n", True),
        (b"hosts: files dns\n", True),
        (b"hosts:\tfiles\n", True),
        (b"hosts: mymachines files dns\n", False),
        (b"hosts: dns files\n", False),
        (b"hosts: [NOTFOUND=return] files\n", False),
        (b"# hosts: dns\nhosts : files\n", True),
        (b"hosts: # nothing\n", False),
    ],
)
def test_files_come_first(text, first):
    assert files_come_first(text) is first
