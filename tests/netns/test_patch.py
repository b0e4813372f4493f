"""The patch on hosts that lack something: what can be served is served, and the program keeps what it had."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
os.environ["PATH"] += os.pathsep + os.pathsep.join(("/usr/sbin", "/sbin"))


def cannot() -> str:
    """Why namespaces cannot be made here; empty if they can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces exist on Linux only"
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "needs unshare and ip; .ci/run installs them"
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True, check=False)
    return "needs root; the tox environment netns runs as root" if tried.returncode else ""


pytestmark = [pytest.mark.netns, pytest.mark.skipif(bool(cannot()), reason=cannot() or "can")]

UP = "ip link set lo up"
IPV6 = "/proc/sys/net/ipv6"
PROGRAM = """
import asyncio, json, os, socket, sys
import dualstack.shim, dualstack.shim.patching
sys.path.insert(0, "tests/netns")
if "without" in sys.argv:
    import listening
    listening.refuse_ipv6()

def reached(sock):
    port, found = sock.getsockname()[1], []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as client:
                client.settimeout(5)
                client.connect((host, port))
                connection, peer = sock.accept()
                connection.close()
                found.append(peer[0] if len(peer) == 2 else list(peer))
        except OSError:
            pass
    return found

async def served(host):
    got = []
    async def told(reader, writer):
        got.append(writer.get_extra_info("peername")[0])
        writer.close()
    server = await asyncio.start_server(told, host, 0)
    for peer in ("127.0.0.1", "::1"):
        try:
            reader, writer = await asyncio.open_connection(peer, server.sockets[0].getsockname()[1])
            await reader.read()
            writer.close()
        except OSError:
            pass
    server.close()
    return got

def asynchronous(host):
    try:
        return asyncio.run(served(host))
    except (OSError, IndexError):  # before Python 3.12 a server without a socket was no error
        return "nothing"

before = len(os.listdir("/proc/self/fd"))
answers = {}
with dualstack.shim.patch(datagram=True):
    with socket.socket() as sock:
        sock.bind(("", 8080))
        sock.listen()
        answers["stream"] = reached(sock)
        answers["name"] = sock.getsockname()[0]
    with socket.create_server(("", 0)) as sock:
        answers["any port"] = reached(sock)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 8080))
        answers["datagram"] = sock.getsockname()[0]
    answers["asyncio ::"] = asynchronous("::")
    answers["asyncio 0.0.0.0"] = asynchronous("0.0.0.0")
answers["left"] = len(os.listdir("/proc/self/fd")) - before
print(json.dumps(answers))
"""

BOTH, FOUR, SIX = ["127.0.0.1", "::1"], ["127.0.0.1"], ["::1"]
ALL = {"stream": BOTH, "any port": BOTH, "asyncio ::": BOTH, "asyncio 0.0.0.0": BOTH}
HOSTS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "plain": (UP, [], ALL),
    "bindv6only": (f"{UP}; echo 1 > {IPV6}/bindv6only", [], ALL),
    "disable_ipv6": (
        f"echo 1 > {IPV6}/conf/all/disable_ipv6; echo 1 > {IPV6}/conf/default/disable_ipv6; {UP}",
        [],
        {"stream": FOUR, "any port": FOUR, "asyncio ::": FOUR, "asyncio 0.0.0.0": FOUR},
    ),
    "no-ipv6": (
        UP,
        ["without"],
        {"stream": FOUR, "any port": FOUR, "asyncio ::": "nothing", "asyncio 0.0.0.0": FOUR},
    ),
    "v6-only": (
        f"{UP}; ip -4 address flush dev lo",
        [],
        {"stream": SIX, "any port": SIX, "asyncio ::": SIX, "asyncio 0.0.0.0": SIX},
    ),
}


@pytest.mark.parametrize("name", HOSTS)
def test_hosts(name: str) -> None:
    setup, arguments, expected = HOSTS[name]
    if arguments and platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("a filter refuses the family, written for x86_64 and aarch64")
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *arguments]
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", f'{setup}\nexec "$@"', "sh", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    answers = json.loads(done.stdout)
    assert answers == {**expected, "name": "0.0.0.0", "datagram": "0.0.0.0", "left": 0}
