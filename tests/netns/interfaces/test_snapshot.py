"""dualstack.interfaces() on real kernels of one kind: every field, odd names, and tables that change while read."""

from __future__ import annotations

import json

import pytest

VETH = "ip link set lo up; ip link add e0 type veth peer name e1; ip link set e0 up; ip link set e1 up"

SHOW = """
import json
from dualstack import interfaces
print(json.dumps(interfaces().to_dict()))
"""


def by_name(snapshot):
    assert snapshot["consistent"] is True
    return {nic["name"]: nic for nic in snapshot["interfaces"]}


def test_every_field(inside) -> None:
    setup = (
        f"{VETH}; ip link set e0 mtu 1400 address 02:00:5e:10:00:01 alias 'to the office';"
        "ip link property add dev e0 altname enp1s0 altname office;"
        "ip addr add 192.0.2.1/24 brd + dev e0 valid_lft 1000 preferred_lft 500;"
        "ip addr add 192.0.2.2/24 dev e0 label e0:1; ip addr add 192.0.2.9 peer 198.51.100.9/32 dev e0;"
        "ip addr add 2001:db8::1/64 dev e0 nodad; ip addr add 2001:db8::2/64 dev e0 nodad preferred_lft 0"
    )
    nic = by_name(inside(setup, SHOW))["e0"]
    assert nic["mac"] == "02:00:5e:10:00:01"
    assert nic["mtu"] == 1400
    assert nic["display_name"] == "to the office"
    assert nic["alternative_names"] == ["enp1s0", "office"]
    assert nic["is_up"] and nic["is_running"] and not nic["is_loopback"] and not nic["is_point_to_point"]
    assert nic["operational_state"] == "up"
    assert nic["speed"] == 10_000_000_000
    found = {address["host"]: address for address in nic["addresses"]}
    leased = found["192.0.2.1"]
    assert (leased["prefix_length"], leased["netmask"], leased["broadcast"]) == (24, "255.255.255.0", "192.0.2.255")
    assert 990 <= leased["valid_lifetime"] <= 1000 and 490 <= leased["preferred_lifetime"] <= 500
    assert (found["192.0.2.2"]["label"], found["192.0.2.2"]["broadcast"]) == ("e0:1", None)
    assert (found["192.0.2.9"]["peer"], found["192.0.2.9"]["prefix_length"]) == ("198.51.100.9", 32)
    assert found["2001:db8::1"]["valid_lifetime"] is None and not found["2001:db8::1"]["is_deprecated"]
    assert found["2001:db8::2"]["is_deprecated"] and found["2001:db8::2"]["preferred_lifetime"] == 0
    (link_local,) = [host for host in found if host.startswith("fe80::")]
    assert link_local.endswith("%e0") and found[link_local]["scope_id"] == nic["index"]


def test_address_states(inside) -> None:
    """Two ends of a link with one address: the second finds out that it is taken."""
    setup = (
        f"{VETH}; ip addr add 2001:db8::7/64 dev e0 nodad; ip addr add 2001:db8::7/64 dev e1; ip link set e1 up;"
        "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do"
        " ip -6 addr show dev e1 | grep -q dadfailed && break; sleep 0.1; done"
    )
    found = {a["host"]: a for a in by_name(inside(setup, SHOW))["e1"]["addresses"]}
    assert found["2001:db8::7"]["is_duplicated"]


NAMES = [
    pytest.param("exactly15chars_", id="15-characters"),
    pytest.param("we!rd-$@^&*=", id="odd-ascii"),
    pytest.param("grüße", id="utf-8"),
    pytest.param("bad\udcff\udcfe", id="not-utf-8"),
]


@pytest.mark.parametrize("name", NAMES)
def test_names(inside, name: str) -> None:
    raw = "".join(f"\\{byte:03o}" for byte in name.encode("utf-8", "surrogateescape"))
    program = """
import json, os, socket
from dualstack import interfaces
nics = interfaces()
nic = max(nics, key=lambda nic: nic.index)
print(json.dumps([nic.name, nics[nic.name] is nic, socket.if_nametoindex(nic.name) == nic.index,
                  nic.addresses[0].host]))
"""
    setup = f'name="$(printf \'{raw}\')"; ip link add "$name" type ifb; ip link set "$name" up; sleep 0.05'
    shown, found_by_name, same_index, host = inside(setup, program)
    assert (shown, found_by_name, same_index) == (name, True, True)
    assert host.startswith("fe80::") and host.endswith("%" + name)


def test_interfaces_without_addresses(inside) -> None:
    nics = by_name(inside("ip tuntap add t0 mode tun; ip link add i0 type ifb", SHOW))
    assert nics["t0"]["mac"] is None and nics["t0"]["addresses"] == []
    assert nics["i0"]["mac"] is not None and nics["i0"]["addresses"] == []
    assert not nics["i0"]["is_up"] and nics["i0"]["operational_state"] == "down"


def test_thousands_of_addresses_on_one_interface(inside) -> None:
    """More than one receive buffer of messages; ten thousand work as well, but take long to add."""
    lines = [f"addr add 10.{i // 250}.{i % 250}.1/32 dev e0" for i in range(1000)]
    lines += [f"addr add 2001:db8::{i:x}/128 dev e0 nodad" for i in range(1000)]
    nic = by_name(inside(VETH, SHOW, batch="\n".join(lines)))["e0"]
    hosts = [address["host"] for address in nic["addresses"]]
    assert len(hosts) == len(set(hosts)) == 2001  # and the link-local one


CHURN = """
import socket
from struct import pack
from dualstack.platforms.netlink import attribute, open_netlink, request
# Wider in scope than the others of the interface, so the kernel puts it before them in its list.
packed = bytes([10, 200, 0, 9])
body = pack("=BBBBI", socket.AF_INET, 32, 0, 0, socket.if_nametoindex("e0"))
body += attribute(2, packed) + attribute(1, packed)
netlink = open_netlink()
for _ in range(10**9):
    for message in (request(20, 0x400 | 0x4, body), request(21, 0x4, body)):
        netlink.send(message)
        netlink.recv(4096)
"""


@pytest.mark.slow
def test_a_table_that_changes_while_it_is_read(inside) -> None:
    """3,000 addresses, another process adds and removes one at the head: none missing or doubled, or it is said.

    Also bounded: what is said to be inconsistent took no more than all attempts.
    """
    stable = [f"10.{i // 250}.{i % 250}.1" for i in range(3000)]
    program = f"""
import json, subprocess, sys, time
from dualstack import interfaces
from dualstack.platforms import netlink, rtnetlink
stable = {stable!r}
dumps = 0
def counting(sock, message, read):
    global dumps
    dumps += 1
    netlink.dump(sock, message, read)
rtnetlink.dump = counting
churn = subprocess.Popen([sys.executable, "-c", {CHURN!r}])
wrong = inconsistent = runs = most = doubled = 0
try:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        dumps = 0
        nics = interfaces()
        most = max(most, dumps)
        hosts = [address.host for address in nics["e0"].addresses]
        runs += 1
        doubled += len(hosts) != len(set(hosts))
        if not nics.consistent:
            inconsistent += 1
        elif not set(stable) <= set(hosts):
            wrong += 1
finally:
    churn.kill()
    churn.wait()
print(json.dumps([runs, wrong, doubled, inconsistent, most]))
"""
    batch = "\n".join(f"addr add {host}/32 dev e0 scope link" for host in stable)
    runs, wrong, doubled, inconsistent, most = inside(VETH, program, batch=batch)
    assert runs > 10
    assert (wrong, doubled) == (0, 0)
    assert inconsistent < runs
    assert 2 < most <= 9  # the links, and the addresses up to DUMP_ATTEMPTS times: retries were needed and bounded


def test_one_interface_without_reading_the_others(inside) -> None:
    program = """
import json
from dualstack import interfaces, platforms
ask = platforms.current.interface
whole = interfaces()["e0"]
print(json.dumps([ask("e0") == whole, ask("office") == whole, [ask("none"), ask("x" * 16), ask(""), ask("a\\0b")]]))
"""
    setup = f"{VETH}; ip link property add dev e0 altname office; ip addr add 192.0.2.1/24 dev e0; sleep 0.02"
    same, by_other_name, absent = inside(setup, program)
    assert same and by_other_name
    assert absent == [None] * 4


def test_two_namespaces_in_one_process(inside) -> None:
    """Nothing of one namespace is kept for the other: setns(2) between two calls."""
    program = """
import ctypes, json, os
from dualstack import interfaces
first = interfaces().names
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000) == 0  # CLONE_NEWNET
print(json.dumps([first, interfaces().names]))
"""
    first, second = inside(VETH, program)
    assert first == ["lo", "e1", "e0"] and second == ["lo"]


def test_after_fork(inside) -> None:
    program = """
import json, os
from dualstack import interfaces
before = interfaces()
child = os.fork()
if child == 0:
    os._exit(0 if interfaces().names == before.names else 1)
print(json.dumps(os.waitpid(child, 0)[1]))
"""
    assert inside(VETH, program) == 0


def test_where_netlink_is_denied(inside) -> None:
    """What getifaddrs(3) tells is told; asked here by refusing our own netlink sockets only."""
    program = """
import errno, json
from dualstack import interfaces
from dualstack.platforms import netlink
whole = interfaces()
def denied(*args):
    raise PermissionError(errno.EPERM, "denied")
netlink.Socket = denied
part = interfaces()
def facts(nics):
    return [[n.name, n.index, n.flags & 0x105B, n.mac, [[str(a), a.broadcast, a.peer] for a in n.addresses]]
            for n in nics]
print(json.dumps([facts(whole), facts(part)]))
"""
    setup = f"{VETH}; ip addr add 192.0.2.1/24 brd + dev e0; ip addr add 2001:db8::1/64 dev e0 nodad; sleep 0.05"
    whole, part = inside(setup, program)
    assert part == whole


def test_routes_and_changes_where_netlink_is_denied(inside) -> None:
    """Routes are told to be missing; changes are found by looking again and again."""
    program = """
import errno, json, socket, subprocess, types
import dualstack
from dualstack.platforms import change_source, netlink, netlink_watch
def denied(*args):
    raise PermissionError(errno.EACCES, "denied")
netlink.Socket = denied
netlink_watch.socket = types.SimpleNamespace(socket=denied, SOCK_RAW=socket.SOCK_RAW)
change_source.PollingSource.__init__.__defaults__ = (0.01,)
try:
    dualstack.gateways()
except dualstack.UnsupportedError as error:
    told = [error.errno == errno.EACCES, str(error)]
with dualstack.watch_interfaces() as watcher:
    subprocess.run("ip addr add 192.0.2.1/24 dev e0".split(), check=True)
    for change in watcher:
        if change.subject == "address":
            break
print(json.dumps([told, str(change)]))
"""
    told, change = inside(VETH, program)
    assert told == [True, "listing routes is not available on this Linux; a filter denies netlink to this process"]
    assert change == "added address 192.0.2.1/24 on e0"


def test_as_json_on_the_command_line(inside) -> None:
    program = """
import json, subprocess, sys
command = [sys.executable, "-m", "dualstack", "interfaces", "--json", "up", "ipv4"]
done = subprocess.run(command, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
print(json.dumps(json.loads(done.stdout)))
"""
    found = inside(f"{VETH}; ip addr add 192.0.2.1/24 dev e0", program)
    assert json.dumps(found).count("192.0.2.1") == 1
