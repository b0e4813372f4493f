"""Interfaces under constant change: python3 ci/soak_interfaces.py [--short]

In a network namespace, 3,000 addresses on one interface, and another process that adds and removes one at the head of
the list all the time, for IPv4 and then for IPv6, 60 seconds each, or 5 with --short. Counted: calls, calls that missed
or doubled a stable address without saying so (``consistent`` is True), calls that said so. Measured: the processor time
of the longest call, which must be under ten times that of the median call before the change began. Processor time,
because who else wants the processors is not what is measured; the time on the clock is printed beside it.

What bounds both is counted by tests/netns/interfaces/test_snapshot.py: the dumps in one call.

Needs Linux, root, unshare and ip (iproute2).
"""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from struct import pack

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STABLE = 3000
MOST = 10.0  # times the quiet time
QUIET_SECONDS = 2.0


def churn(family: int) -> None:
    """Add and remove one address at the head of the list until killed."""
    from dualstack.platforms.netlink import attribute, open_netlink, request

    packed = bytes([10, 200, 0, 9]) if family == socket.AF_INET else bytes.fromhex("20010db8" + "ff" * 12)
    # The wider scope comes first in the kernel's list.
    body = pack("=BBBBI", family, 8 * len(packed), 0x2, 0, socket.if_nametoindex("e0"))
    body += attribute(2, packed) + attribute(1, packed)
    netlink = open_netlink()
    while True:
        for message in (request(20, 0x400 | 0x4, body), request(21, 0x4, body)):  # RTM_NEWADDR, RTM_DELADDR
            netlink.send(message)
            netlink.recv(4096)


def look(stable: set[str], seconds: float) -> dict[str, object]:
    """Call for *seconds*; count what is wrong and time each call."""
    from dualstack import interfaces

    found: dict[str, object] = {"calls": 0, "wrong": 0, "doubled": 0, "inconsistent": 0}
    times, worked = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started, started_work = time.perf_counter(), time.thread_time()
        nics = interfaces()
        worked.append(time.thread_time() - started_work)
        times.append(time.perf_counter() - started)
        hosts = [address.host for address in nics["e0"].addresses]
        found["calls"] += 1  # type: ignore[operator]  # a number
        found["inconsistent"] += not nics.consistent  # type: ignore[operator]  # a number
        found["doubled"] += len(hosts) != len(set(hosts))  # type: ignore[operator]  # a number
        found["wrong"] += nics.consistent and not stable <= set(hosts)  # type: ignore[operator]  # a number
    found["median"], found["longest"] = statistics.median(worked) * 1e3, max(worked) * 1e3
    found["clock_median"], found["clock_longest"] = statistics.median(times) * 1e3, max(times) * 1e3
    return found


def inside(family: int, seconds: float) -> dict[str, dict[str, object]]:
    """Fill the interface, look while nothing changes, then while something does."""
    if family == socket.AF_INET:
        stable = [f"10.{i // 250}.{i % 250}.1" for i in range(STABLE)]
        lines = [f"addr add {host}/32 dev e0 scope link" for host in stable]
    else:
        stable = [f"2001:db8::1:{i:x}" for i in range(STABLE)]
        lines = [f"addr add {host}/128 dev e0 nodad" for host in stable]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
    quiet = look(set(stable), QUIET_SECONDS)
    other = subprocess.Popen([sys.executable, __file__, "--churn", str(int(family))])
    try:
        return {"quiet": quiet, "changing": look(set(stable), seconds)}
    finally:
        other.kill()
        other.wait()


def missing() -> str:
    """Why namespaces cannot be made here; empty if they can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces exist on Linux only"
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "needs unshare and ip (iproute2)"
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() or "unshare -n failed" if tried.returncode else ""


def main() -> int:
    if "--churn" in sys.argv:
        churn(int(sys.argv[-1]))
    if "--inside" in sys.argv:
        family, seconds = sys.argv[-2:]
        print(json.dumps(inside(int(family), float(seconds))))
        return 0
    cannot = missing()
    if cannot:
        print(f"not run: {cannot}")
        return 0
    seconds = "5" if "--short" in sys.argv[1:] else "60"
    set_up = 'ip link add e0 type veth peer name e1; ip link set e0 up; ip link set e1 up; exec "$@"'
    failed = False
    for name, family in (("IPv4", socket.AF_INET), ("IPv6", socket.AF_INET6)):
        command = [sys.executable, __file__, "--inside", str(int(family)), seconds]
        done = subprocess.run(
            ["unshare", "-n", "sh", "-ec", set_up, "sh", *command], stdout=subprocess.PIPE, text=True, check=True
        )
        found = json.loads(done.stdout)
        quiet, changing = found["quiet"], found["changing"]
        factor = changing["longest"] / quiet["median"]
        on_the_clock = changing["clock_longest"] / quiet["clock_median"]
        bad = changing["wrong"] or changing["doubled"] or quiet["wrong"] or factor > MOST
        counts = ", ".join(f"{changing[what]} {what}" for what in ("calls", "wrong", "doubled", "inconsistent"))
        print(f"{name}: {counts}")
        print(
            f"  a quiet call {quiet['median']:.2f} ms of processor time, while it changes {changing['median']:.2f}, the"
            f" longest {changing['longest']:.2f}: {factor:.1f} times ({on_the_clock:.1f} times on the clock)"
            f"{'  FAILED' if bad else ''}",
            flush=True,
        )
        failed = failed or bool(bad)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
