"""What the drop-in answers where netifaces crashes or is wrong, one test per case, each in a namespace of its own.

Needs no netifaces. docs/netifaces.md has the same list in words.
"""

from __future__ import annotations

import pytest

VETH = (
    "ip link set lo up; ip link add e0 type veth peer name e1; ip link set e0 up; ip link set e1 up;"
    "ip addr add 10.0.0.5/24 dev e0; ip addr add 2001:db8::5/64 dev e0 nodad"
)
GATEWAYS = """
import json
from dualstack.shim import netifaces
found = netifaces.gateways()
print(json.dumps([list(found["default"].items()), found.get(netifaces.AF_INET, []), found.get(netifaces.AF_INET6, [])]))
"""

ROUTES = [
    pytest.param(
        "ip route add default via 10.0.0.1 metric 100; ip route add default via 10.0.0.3 table 100",
        [[2, ["10.0.0.1", "e0"]]],
        {"10.0.0.1"},
        id="F8-a-default-in-another-table-does-not-hide-the-main-one",
    ),
    pytest.param(
        "ip -6 route add default via 2001:db8::1 metric 100;"
        "ip -6 route add default via 2001:db8::3 table 1000 metric 1",
        [[10, ["2001:db8::1", "e0"]]],
        {"2001:db8::1"},
        id="F8-ipv6-table-above-255",
    ),
    pytest.param(
        "ip route add default nexthop via 10.0.0.1 nexthop via 10.0.0.2 weight 3",
        [[2, ["10.0.0.1", "e0"]]],
        {"10.0.0.1"},
        id="F9-several-next-hops",
    ),
    pytest.param(
        "ip -6 route add default nexthop via 2001:db8::1 dev e0 nexthop via fe80::2 dev e1",
        [[10, ["2001:db8::1", "e0"]]],
        {"2001:db8::1"},
        id="F9-several-next-hops-ipv6",
    ),
    pytest.param(
        "ip -4 route add default via inet6 2001:db8::a dev e0",
        [[2, ["2001:db8::a", "e0"]]],
        {"2001:db8::a"},
        id="F10-an-ipv4-default-by-an-ipv6-gateway",
    ),
    pytest.param(
        "ip route add 0.0.0.0/8 via 10.0.0.9; ip route add default via 10.0.0.1",
        [[2, ["10.0.0.1", "e0"]]],
        {"10.0.0.1"},
        id="F11-a-longer-prefix-of-zeros-is-no-default",
    ),
    pytest.param(
        "ip -6 route add ::/96 via 2001:db8::9; ip -6 route add default via 2001:db8::1",
        [[10, ["2001:db8::1", "e0"]]],
        {"2001:db8::1"},
        id="F12-the-same-in-ipv6",
    ),
    pytest.param(
        "ip route add default via 10.0.0.1 metric 4294967290; ip route add default via 10.0.0.2 metric 5",
        [[2, ["10.0.0.2", "e0"]]],
        {"10.0.0.2"},
        id="F14-metrics-are-unsigned",
    ),
    pytest.param(
        "ip route add default via 10.0.0.9 tos 0x10; ip route add default via 10.0.0.1",
        [[2, ["10.0.0.1", "e0"]]],
        {"10.0.0.1"},
        id="F15-a-default-for-one-type-of-service",
    ),
]


@pytest.mark.parametrize(("setup", "default", "marked"), ROUTES)
def test_gateways(inside, setup: str, default: list[object], marked: set[str]) -> None:
    found, ipv4, ipv6 = inside(f"{VETH}; {setup}", GATEWAYS)
    assert found == default
    assert {gateway for gateway, _, is_default in ipv4 + ipv6 if is_default} == marked
    assert len(ipv4) + len(ipv6) >= len(marked)


def test_every_next_hop_is_listed(inside) -> None:
    """F9: netifaces has no entry at all for these."""
    _, ipv4, _ = inside(f"{VETH}; ip route add default nexthop via 10.0.0.1 nexthop via 10.0.0.2", GATEWAYS)
    assert ipv4 == [["10.0.0.1", "e0", True], ["10.0.0.2", "e0", False]]


def test_a_name_that_is_not_utf8(inside) -> None:
    """F1: netifaces.interfaces() crashes the interpreter here."""
    program = """
import json, os, socket
from dualstack.shim import netifaces
name = os.fsdecode(b"bad\\xff\\xfe")
print(json.dumps([name in netifaces.interfaces(), socket.if_nametoindex(name) > 0, list(netifaces.ifaddresses(name))]))
"""
    listed, exists, families = inside("ip link add \"$(printf 'bad\\377\\376')\" type ifb", program)
    assert listed and exists
    assert families == [17]


def test_a_loop_over_all_interfaces_is_linear(inside) -> None:
    """F21: what is read does not grow with the number of interfaces; counted in received messages, not in time."""
    program = """
import json, sys
from dualstack.platforms import netlink
from dualstack.shim import netifaces
received = []
class Counting(netlink.Socket):
    def recv(self, size):
        data = super().recv(size)
        received.append(len(data))
        return data
netlink.Socket = Counting
netifaces.ifaddresses("i7")
print(json.dumps(sum(received)))
"""
    sizes = []
    for count in (10, 200):
        lines = "\n".join(f"link add i{i} type ifb" for i in range(count))
        sizes.append(inside(f"ip -batch - <<'END'\n{lines}\nEND", program))
    assert sizes[0] == sizes[1]
