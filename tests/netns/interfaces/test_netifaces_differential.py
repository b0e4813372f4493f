"""The drop-in against the real netifaces 0.11.0, repr() for repr(), in many kinds of network namespace.

Runs where the ``netifaces`` extension is installed: the tox environment netifaces-oracle builds it with a compiler.
Where netifaces crashes or is wrong the right answer is tested in test_netifaces_differences.py, which needs no oracle.
"""

from __future__ import annotations

import importlib.util

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("netifaces") is None,
    reason="the netifaces extension is not installed; the tox environment netifaces-oracle has it",
)

COMPARE = """
import json, netifaces as real
from dualstack.shim import netifaces as ours

different = []
def compare(what, theirs, mine):
    if repr(theirs) != repr(mine):
        different.append([what, repr(theirs), repr(mine)])

names = real.interfaces()
compare("interfaces()", names, ours.interfaces())
for name in names[:1200]:
    compare(name, real.ifaddresses(name), ours.ifaddresses(name))
compare("gateways()", real.gateways(), ours.gateways())
print(json.dumps([len(names), different]))
"""

UP = "ip link set lo up"
VETH = f"{UP}; ip link add e0 type veth peer name e1; ip link set e0 up; ip link set e1 up"
QUIET = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"  # else link-local addresses change while we look


def many(count: int) -> str:
    lines = [f"link add i{i} type ifb" for i in range(count)]
    for i in range(count):
        lines.append(f"addr add 10.{i // 250}.{i % 250}.1/24 brd + dev i{i}")
        lines.append(f"addr add 2001:db8:{i:x}::1/64 dev i{i} nodad")
    return f"{UP}; ip -batch - <<'END'\n" + "\n".join(lines) + "\nEND"


def masks() -> str:
    lines = [f"addr add 2001:db8:{i:x}::1/{i} dev e0 nodad" for i in range(129)]
    lines += [f"addr add 10.{i}.0.1/{i} dev e0" for i in range(1, 33)]
    return f"{VETH}; ip -batch - <<'END'\n" + "\n".join(lines) + "\nEND"


def crowd(count: int) -> str:
    lines = [f"addr add 10.{i // 250}.{i % 250}.1/32 dev e0" for i in range(count)]
    lines += [f"addr add 2001:db8::{i:x}/128 dev e0 nodad" for i in range(count)]
    return f"{VETH}; ip -batch - <<'END'\n" + "\n".join(lines) + "\nEND"


KINDS = [
    pytest.param("true", id="loopback-down"),
    pytest.param(UP, id="loopback-only"),
    pytest.param(f"{VETH}; ip addr add 192.0.2.1/24 brd + dev e0; ip addr add 2001:db8::1/64 dev e0 nodad", id="usual"),
    pytest.param(many(1), id="one"),
    pytest.param(many(10), id="ten"),
    pytest.param(many(100), id="hundred"),
    pytest.param(crowd(1000), id="thousand-addresses-of-each-family"),
    pytest.param(masks(), id="every-prefix-length"),
    pytest.param(f"{VETH}; ip addr add 10.1.1.1/24 dev e0", id="F2-no-broadcast"),
    pytest.param(f"{VETH}; ip addr add 10.1.2.1/32 dev e0; ip addr add 10.1.3.0/31 dev e0", id="F3-host-and-pair"),
    pytest.param(f"{VETH}; ip addr add 10.1.4.1 peer 10.1.4.2/32 dev e0", id="F4-ipv4-peer-on-ethernet"),
    pytest.param(f"{VETH}; ip addr add fd00:2::1 peer fd00:2::2/128 dev e0 nodad", id="F5-ipv6-peer-on-ethernet"),
    pytest.param(
        f"{VETH}; ip addr add 10.1.5.1/24 brd + dev e0; ip addr add 10.1.6.1/24 brd + dev e0 label e0:1;"
        "ip addr add 10.1.7.1/24 dev e1 label e1:x; ip addr add 10.1.8.1/24 dev e0 label e0:1",
        id="F6-labels",
    ),
    pytest.param(f"{VETH}; ip addr add 169.254.7.7/16 brd + dev e0", id="F7-ipv4-link-local"),
    pytest.param(
        f"{VETH}; ip addr add ::10.1.2.3/96 dev e0 nodad; ip addr add ::ffff:10.1.2.3/96 dev e0 nodad;"
        "ip addr add fec0::1/64 dev e0 nodad; ip addr add fe80::77/64 dev e0 nodad",
        id="odd-ipv6-texts",
    ),
    pytest.param(
        f"{VETH}; ip tuntap add t0 mode tun; ip addr add 10.2.0.1 peer 10.2.0.2/32 dev t0; ip link set t0 up;"
        "ip addr add fd00:3::1/64 dev t0 nodad; ip tuntap add t1 mode tap",
        id="tun-and-tap",
    ),
    pytest.param(
        f"{UP}; ip link add 'we!rd-$@^&*=' type ifb; ip link add exactly15chars_ type ifb;"
        "ip link add grüße type ifb;"
        "ip link add x type ifb; ip addr add 10.3.0.1/24 brd + dev grüße; ip link property add dev x altname other",
        id="names",
    ),
    pytest.param(
        f"{VETH}; ip addr add 10.4.0.1/24 dev e0; ip route add default via 10.4.0.254;"
        "ip addr add 2001:db8::1/64 dev e0 nodad; ip -6 route add default via fe80::1 dev e0",
        id="gateways",
    ),
    pytest.param(
        f"{VETH}; ip addr add 10.4.0.1/24 dev e0; ip route add default via 10.4.0.2 metric 200;"
        "ip route add default via 10.4.0.3 metric 100; ip addr add 2001:db8::1/64 dev e0 nodad;"
        "ip -6 route add default via 2001:db8::2 metric 20; ip -6 route add default via 2001:db8::3 metric 10",
        id="F18-metrics",
    ),
    pytest.param(
        f"{VETH}; ip addr add 10.4.0.1/24 dev e0; ip route add default via 10.4.0.2;"
        "ip route add 0.0.0.0/1 via 10.4.0.9;"
        "ip route add 128.0.0.0/1 via 10.4.0.9",
        id="F13-vpn-halves",
    ),
    pytest.param(
        f"{VETH}; ip route add default dev e0; ip route add blackhole default metric 500", id="F16-no-gateway"
    ),
    pytest.param(
        f"{VETH}; ip addr add 10.4.0.1/24 dev e0; ip nexthop add id 1 via 10.4.0.2 dev e0; ip route add default nhid 1",
        id="F17-nexthop-object",
    ),
    pytest.param(
        f"{VETH}; ip addr add 10.4.0.1/24 dev e0; ip route add default via 10.4.0.2;"
        "ip route add default via 10.4.0.3 metric 9",
        id="descending-metrics",
    ),
    pytest.param(f"{VETH}; ip link set e1 down; ip link set e0 down; ip addr add 10.5.0.1/24 dev e0", id="down"),
    pytest.param(
        f"{VETH}; ip addr add 10.7.0.1/24 dev e0; ip link add g0 type gre local 10.7.0.1 remote 10.7.0.2 || true;"
        "ip link add s0 type sit local 10.7.0.1 || true",
        id="tunnels-whose-link-address-is-an-ip-address",
    ),
]


@pytest.mark.parametrize("setup", KINDS)
def test_same_as_netifaces(inside, setup: str) -> None:
    count, different = inside(f"{QUIET}\n{setup}\nsleep 0.05", COMPARE)
    assert different == []
    assert count >= 1


BACKEND = """
import json
from dualstack import interfaces
def facts(nics, oddities):
    return [[n.name, n.index, n.mac, n.link_broadcast.hex(), n.is_loopback, n.is_point_to_point,
             sorted([str(a), a.scope_id, a.peer, None if a.host in oddities else a.broadcast, a.label]
                    for a in n.addresses)] for n in nics]
# netifaces has no broadcast for 169.254.0.0/16 at all.
native = interfaces()
odd = {a.host for n in native for a in n.addresses if a.host.startswith("169.254.")}
print(json.dumps([facts(native, odd), facts(interfaces(backend="netifaces"), odd)]))
"""


@pytest.mark.parametrize("setup", [kind for kind in KINDS if kind.id not in ("loopback-down", "every-prefix-length")])
def test_netifaces_as_a_source_tells_the_same_as_far_as_it_goes(inside, setup: str) -> None:
    native, asked = inside(f"{QUIET}\n{setup}\nsleep 0.05", BACKEND)
    assert asked == native


def test_the_same_names_and_constants(inside) -> None:
    program = """
import json, netifaces as real
from dualstack.shim import netifaces as ours
public = lambda module: sorted(name for name in vars(module) if not name.startswith("_"))
constants = lambda module: {name: getattr(module, name) for name in public(module) if name.startswith("AF_")}
print(json.dumps([
    [public(real), public(ours)],
    [constants(real), constants(ours)],
    [list(real.address_families.items()), list(ours.address_families.items())],
    [real.version, ours.version],
]))
"""
    for theirs, mine in inside(UP, program):
        assert mine == theirs


def test_the_same_errors(inside) -> None:
    program = """
import json, netifaces as real
from dualstack.shim import netifaces as ours
def outcome(call, args, keywords):
    try:
        return repr(call(*args, **keywords))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
cases = [((), {}), ((1,), {}), ((b"lo",), {}), (("lo\\0",), {}), (("none",), {}), (("",), {}), (("x" * 99,), {}),
         (("lo", "lo"), {}), ((), {"name": "lo"}), (("lo",), {"x": 1}), (("lo:",), {}), ((None,), {}), (("other",), {})]
print(json.dumps([
    [name, str(args), outcome(getattr(real, name), args, keywords), outcome(getattr(ours, name), args, keywords)]
    for name in ("interfaces", "ifaddresses", "gateways") for args, keywords in cases
]))
"""
    setup = f"{UP}; ip link property add dev lo altname other"
    for name, args, theirs, mine in inside(setup, program):
        assert mine == theirs, (name, args)
