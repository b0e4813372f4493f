"""What windows.py does to a listening socket, on the scripted Windows host; tests/windows makes the real calls."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import dualstack
from dualstack import UnsupportedError, testing
from dualstack.platforms.windows import Windows


def options(listener) -> list[dict[str, int]]:
    return [sock._open.options for sock in listener.sockets]


@pytest.mark.parametrize("exclusive", [True, False])
def test_exclusive_use_and_never_reuse(exclusive: bool) -> None:
    with (
        testing.World(testing.windows()),
        dualstack.open_listener(["0.0.0.0", "::"], 80, exclusive=exclusive) as listener,
    ):
        for told in options(listener):
            assert told.get("SO_EXCLUSIVEADDRUSE", 0) == exclusive
            assert "SO_REUSEADDR" not in told
            assert "SO_REUSEPORT" not in told


def test_v6only_is_set_on_each_ipv6_socket() -> None:
    with testing.World(testing.windows()):
        with dualstack.open_listener("::", 80) as both:
            assert [told["IPV6_V6ONLY"] for told in options(both)] == [0]  # the default there is 1
        with dualstack.open_listener("::", 80, v6only=True) as six:
            assert [told["IPV6_V6ONLY"] for told in options(six)] == [1]


def test_ports_are_not_shared() -> None:
    with testing.World(testing.windows()) as world:
        with pytest.raises(UnsupportedError, match="on Windows"):
            dualstack.open_listener("::", 80, reuse_port=True)
        assert world.open_things() == []


def test_a_reset_is_asked_for_with_two_short_numbers() -> None:
    """LINGER of winsock2.h: two u_shorts, where POSIX has two ints."""
    told = []
    Windows().reset_on_close(SimpleNamespace(setsockopt=lambda *arguments: told.append(arguments)))
    assert told == [(0xFFFF, 0x0080, b"\1\0\0\0")]


@pytest.mark.parametrize(
    ("tag", "expected"), [(0x80000023, True), (0xA000000C, False)], ids=["socket", "symbolic-link"]
)
def test_a_socket_file_is_told_by_its_reparse_tag(tag: int, expected: bool) -> None:
    assert Windows().is_socket_file(SimpleNamespace(st_reparse_tag=tag)) is expected
    assert Windows().is_socket_file(SimpleNamespace()) is False
