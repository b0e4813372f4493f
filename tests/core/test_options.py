"""SocketOptions: values, and the plan of every system without any of them."""

from __future__ import annotations

import copy
import pickle

import pytest

from dualstack.core.options import SocketOptions, plan, wants_index
from dualstack.errors import UnsupportedError
from dualstack.platforms.constants import DARWIN, FREEBSD, LINUX, NETBSD, OPENBSD, TABLES, WINDOWS


def _calls(options, constants, **kind):
    kind = {"family": "ipv6", "stream": True, **kind}
    return [step[1:] for step in plan(options, constants, "a system", **kind)]


@pytest.mark.parametrize(
    ("options", "constants", "kind", "calls"),
    [
        pytest.param({"no_delay": True}, LINUX, {}, [(6, 1, 1)], id="no_delay"),
        pytest.param({"no_delay": False}, WINDOWS, {}, [(6, 1, 0)], id="no_delay-off"),
        pytest.param({"keepalive": False}, LINUX, {}, [(1, 9, 0)], id="keepalive-off"),
        pytest.param({"keepalive": True}, OPENBSD, {}, [(0xFFFF, 8, 1)], id="keepalive-openbsd"),
        pytest.param({"keepalive_idle": 60}, LINUX, {}, [(1, 9, 1), (6, 4, 60)], id="keepalive-idle-linux"),
        pytest.param(
            {"keepalive_idle": 60, "keepalive_interval": 5, "keepalive_count": 3},
            DARWIN,
            {},
            [(0xFFFF, 8, 1), (6, 0x10, 60), (6, 0x101, 5), (6, 0x102, 3)],
            id="keepalive-macos",
        ),
        pytest.param(
            {"keepalive_idle": 60, "keepalive_interval": 5, "keepalive_count": 3},
            WINDOWS,
            {},
            [(0xFFFF, 8, 1), (6, 3, 60), (6, 17, 5), (6, 16, 3)],
            id="keepalive-windows",
        ),
        pytest.param({"traffic_class": 46}, LINUX, {"family": "ipv4"}, [(0, 1, 46)], id="tos-linux-ipv4"),
        pytest.param({"traffic_class": 46}, LINUX, {}, [(41, 67, 46)], id="tos-linux-ipv6"),
        pytest.param({"traffic_class": 46}, LINUX, {"dual": True}, [(41, 67, 46), (0, 1, 46)], id="tos-linux-dual"),
        pytest.param({"traffic_class": 0}, FREEBSD, {"family": "ipv4"}, [(0, 3, 0)], id="tos-freebsd-ipv4"),
        pytest.param({"traffic_class": 46}, NETBSD, {}, [(41, 61, 46)], id="tos-netbsd-ipv6"),
        pytest.param({"traffic_class": 46}, DARWIN, {}, [(41, 36, 46)], id="tos-macos-ipv6"),
        pytest.param({"hop_limit": 1}, WINDOWS, {"dual": True}, [(41, 4, 1), (0, 4, 1)], id="hops-windows-dual"),
        pytest.param({"hop_limit": 255}, LINUX, {"family": "ipv4"}, [(0, 2, 255)], id="ttl-linux"),
        pytest.param(
            {"receive_buffer": 9, "send_buffer": 8},
            WINDOWS,
            {},
            [(0xFFFF, 0x1002, 9), (0xFFFF, 0x1001, 8)],
            id="buffers",
        ),
        pytest.param(
            {"receive_buffer": 9, "no_delay": True, "keepalive_idle": 5},
            LINUX,
            {"family": "unix"},
            [(1, 8, 9)],
            id="unix-has-the-rest-by-itself",
        ),
        pytest.param({"bind_to_device": "eth0"}, LINUX, {}, [(1, 25, b"eth0\0")], id="device-linux"),
        pytest.param({"bind_to_device": "\udcff"}, LINUX, {}, [(1, 25, b"\xff\0")], id="device-name-not-utf8"),
        pytest.param({"bind_to_device": 3}, DARWIN, {"device": 3}, [(41, 125, 3)], id="device-macos-ipv6"),
        pytest.param(
            {"bind_to_device": "en0"}, DARWIN, {"device": 3, "family": "ipv4"}, [(0, 25, 3)], id="device-macos-ipv4"
        ),
        pytest.param(
            {"bind_to_device": "Ethernet"},
            WINDOWS,
            {"device": 3, "connecting": True, "dual": True},
            [(41, 31, 3), (0, 31, b"\0\0\0\x03")],
            id="device-windows-two-byte-orders",
        ),
        pytest.param({"mark": 7}, LINUX, {}, [(1, 36, 7)], id="mark"),
        pytest.param({"mark": 0xFFFFFFFF}, LINUX, {}, [(1, 36, -1)], id="mark-with-the-top-bit"),
        pytest.param({}, {}, {}, [], id="nothing-asked-nothing-needed"),
    ],
)
def test_plan(options, constants, kind, calls):
    assert _calls(SocketOptions(**options), constants, **kind) == calls


@pytest.mark.parametrize(
    ("options", "constants", "kind", "feature"),
    [
        pytest.param({"keepalive_idle": 60}, OPENBSD, {}, "keepalive_idle", id="keepalive-openbsd"),
        pytest.param({"traffic_class": 46}, WINDOWS, {}, "traffic_class", id="tos-windows-would-be-a-lie"),
        pytest.param(
            {"traffic_class": 46}, DARWIN, {"dual": True}, "traffic_class on a dual-stack", id="tos-macos-dual"
        ),
        pytest.param({"hop_limit": 1}, FREEBSD, {"dual": True}, "hop_limit on a dual-stack", id="hops-freebsd-dual"),
        pytest.param({"mark": 1}, DARWIN, {}, "mark", id="mark-macos"),
        pytest.param({"bind_to_device": "em0"}, FREEBSD, {"device": 1}, "bind_to_device", id="device-freebsd"),
        pytest.param(
            {"bind_to_device": 1}, WINDOWS, {"device": 1}, "bind_to_device for receiving", id="device-windows"
        ),
        pytest.param({"no_delay": True}, LINUX, {"stream": False}, "no_delay on a datagram", id="no_delay-datagram"),
        pytest.param(
            {"keepalive_count": 2}, LINUX, {"stream": False}, "keepalive on a datagram", id="keepalive-datagram"
        ),
        pytest.param({"mark": 1}, LINUX, {"family": "unix"}, "mark on a Unix socket", id="mark-unix"),
        pytest.param({"hop_limit": 1}, LINUX, {"family": "unix"}, "hop_limit on a Unix socket", id="hops-unix"),
        pytest.param(
            {"no_delay": True},
            LINUX,
            {"family": "unix", "stream": False},
            "no_delay on a datagram",
            id="no_delay-unix-dgram",
        ),
        pytest.param({"receive_buffer": 1}, {}, {}, "receive_buffer", id="unknown-system"),
    ],
)
def test_what_a_system_lacks_is_said(options, constants, kind, feature):
    with pytest.raises(UnsupportedError) as caught:
        _calls(SocketOptions(**options), constants, **kind)
    assert caught.value.feature.startswith(feature)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param({"hop_limit": 0}, ValueError, id="hop-limit-0"),
        pytest.param({"hop_limit": 256}, ValueError, id="hop-limit-256"),
        pytest.param({"traffic_class": -1}, ValueError, id="traffic-class-negative"),
        pytest.param({"traffic_class": "ef"}, TypeError, id="traffic-class-text"),
        pytest.param({"keepalive_idle": 1.5}, TypeError, id="idle-fraction"),
        pytest.param({"keepalive_idle": True}, TypeError, id="idle-bool"),
        pytest.param({"keepalive": False, "keepalive_idle": 1}, ValueError, id="keepalive-contradiction"),
        pytest.param({"no_delay": 1}, TypeError, id="no-delay-int"),
        pytest.param({"receive_buffer": 0}, ValueError, id="buffer-0"),
        pytest.param({"receive_buffer": 2**31}, ValueError, id="buffer-over-int"),
        pytest.param({"mark": 2**32}, ValueError, id="mark-33-bit"),
        pytest.param({"bind_to_device": ""}, ValueError, id="device-empty-would-unbind"),
        pytest.param({"bind_to_device": 0}, ValueError, id="device-0-would-unbind"),
        pytest.param({"bind_to_device": -1}, ValueError, id="device-negative"),
        pytest.param({"bind_to_device": "a\0b"}, ValueError, id="device-nul"),
        pytest.param({"bind_to_device": b"eth0"}, TypeError, id="device-bytes"),
        pytest.param({"ttl": 3}, TypeError, id="no-such-option"),
    ],
)
def test_wrong_values_fail_where_they_are_written(options, error):
    with pytest.raises(error):
        SocketOptions(**options)


def test_it_is_a_value():
    options = SocketOptions(keepalive_idle=60, bind_to_device="eth0")
    assert options == SocketOptions(bind_to_device="eth0", keepalive=True, keepalive_idle=60)
    assert hash(options) == hash(options.replace())
    assert options != options.replace(mark=3)
    assert options.replace(bind_to_device=None) == SocketOptions(keepalive_idle=60)
    assert pickle.loads(pickle.dumps(options)) == options
    assert copy.copy(options) == options
    assert repr(options) == "SocketOptions(keepalive=True, keepalive_idle=60, bind_to_device='eth0')"
    assert options
    assert not SocketOptions()
    with pytest.raises(AttributeError):
        options.mark = 1
    with pytest.raises(AttributeError):
        del options.mark


def test_a_name_is_looked_up_only_where_an_index_is_wanted():
    assert [system for system, table in TABLES.items() if not wants_index(table)] == ["linux"]
    with pytest.raises(TypeError, match="by name"):
        _calls(SocketOptions(bind_to_device=3), LINUX)
    with pytest.raises(TypeError, match="by index"):
        _calls(SocketOptions(bind_to_device="en0"), DARWIN)
