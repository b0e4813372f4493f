"""What windows.py does to a listening socket, on the scripted Windows host; tests/windows makes the real calls."""

from __future__ import annotations

import pytest

import dualstack
from dualstack import UnsupportedError, testing


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
