"""watch_interfaces() on a real kernel: what happened is told, also when the kernel dropped events."""

from __future__ import annotations

VETH = "ip link set lo up; ip link add e0 type veth peer name e1; ip link set e0 up; ip link set e1 up; sleep 0.1"
COLLECT = """
import json, subprocess, sys, threading
import dualstack

def ip(*words):
    subprocess.run(["ip", *words], check=True)

def collect(watcher, until):
    found = []
    for change in watcher:
        found.append(f"{change.action} {change.subject} {change.interface}")
        if until(change):
            return found
"""


def test_addresses_routes_and_links(inside) -> None:
    program = (
        COLLECT
        + """
with dualstack.watch_interfaces() as watcher:
    ip("addr", "add", "192.0.2.1/24", "dev", "e0")
    first = collect(watcher, lambda change: change.subject == "address")
    ip("route", "add", "default", "via", "192.0.2.254")
    second = collect(watcher, lambda change: change.subject == "route")
    ip("link", "add", "new", "type", "ifb")
    third = collect(watcher, lambda change: change.action == "added")
    ip("addr", "del", "192.0.2.1/24", "dev", "e0")
    fourth = collect(watcher, lambda change: change.subject == "address")
print(json.dumps([first, second, third, fourth]))
"""
    )
    first, second, third, fourth = inside(VETH, program)
    assert first[-1] == "added address e0"
    assert second[-1] == "added route e0"
    assert "added interface new" in third
    assert fourth[0] == "removed route e0" and fourth[-1] == "removed address e0"


def test_nothing_falls_between_subscribing_and_the_first_snapshot(inside) -> None:
    """A change made after the subscription and before the snapshot is in the snapshot, and not told again."""
    program = (
        COLLECT
        + """
from dualstack import platforms
real = platforms.current
watch = real.watch
def watch_then_change(poll_interval=None):
    source = watch(poll_interval)
    ip("addr", "add", "192.0.2.1/24", "dev", "e0")
    return source
real.watch = watch_then_change
with dualstack.watch_interfaces() as watcher:
    hosts = [address.host for address in watcher.interfaces["e0"].addresses]
    ip("addr", "add", "192.0.2.2/24", "dev", "e0")
    found = collect(watcher, lambda change: change.subject == "address")
print(json.dumps(["192.0.2.1" in hosts, found]))
"""
    )
    there, found = inside(VETH, program)
    assert there
    assert found.count("added address e0") == 1


def test_a_hundred_renames(inside) -> None:
    program = (
        COLLECT
        + """
with dualstack.watch_interfaces() as watcher:
    lines = []
    before = "e0"
    for number in range(100):
        lines.append(f"link set {before} name n{number}")
        before = f"n{number}"
    threading.Thread(target=lambda: subprocess.run(["ip", "-batch", "-"], input="\\n".join(lines), text=True)).start()
    found = collect(watcher, lambda change: change.interface == "n99")
    names = watcher.interfaces.names
print(json.dumps([sorted(set(found) - {"changed interface n99"}), names, len(found)]))
"""
    )
    others, names, count = inside(f"{VETH}; ip link set e0 down; ip link set e1 down; sleep 0.1", program)
    assert all(one.startswith("changed") for one in others)
    assert "n99" in names and count <= 200


def test_a_queue_that_overflows_is_told_and_nothing_is_missing(inside) -> None:
    batch = "\n".join(f"addr add 10.{i // 250}.{i % 250}.1/32 dev e0" for i in range(2000))
    program = (
        COLLECT
        + f"""
from dualstack.platforms import netlink_watch
netlink_watch._QUEUE_BYTES = 4096
with dualstack.watch_interfaces() as watcher:
    subprocess.run(["ip", "-batch", "-"], input={batch!r}, text=True, check=True)
    found = []
    for change in watcher:
        found.append(change)
        if len(watcher.interfaces["e0"].addresses) >= 2000 and not watcher._pending:
            break
print(json.dumps([found[0].action, sum(change.action == "added" for change in found)]))
"""
    )
    first, added = inside(VETH, program)
    assert first == "resync"
    assert added == 2000


def test_under_asyncio_and_trio(inside) -> None:
    program = (
        COLLECT
        + """
import asyncio
import dualstack.aio
async def main():
    async with dualstack.aio.watch_interfaces() as watcher:
        ip("addr", "add", "192.0.2.1/24", "dev", "e0")
        async for change in watcher:
            ip("addr", "del", "192.0.2.1/24", "dev", "e0")
            async for gone in watcher:
                return [change.action, gone.action]
found = [asyncio.run(main())]
try:
    import trio
except ImportError:
    found += found
else:
    found.append(trio.run(main))
print(json.dumps([found, threading.active_count()]))
"""
    )
    found, threads = inside(VETH, program)
    assert found == [["added", "removed"]] * 2 and threads == 1
