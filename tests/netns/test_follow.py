"""A listener that follows an interface, in a network namespace of its own: addresses come and go under it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


PRELUDE = """
import gc, os, socket, subprocess, threading, time, warnings
import dualstack
gc.disable()

def ip(*words):
    subprocess.run(["ip", *words], check=True)

def until(true, what):
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)

def hosts(listener):
    return sorted(endpoint.host for endpoint in listener.endpoints)

def fds():
    return len(os.listdir("/proc/self/fd"))

ip("link", "set", "lo", "up")
ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
with open("/proc/sys/net/ipv6/conf/v0/disable_ipv6", "w") as file:
    file.write("1")
ip("link", "set", "v0", "up")
ip("link", "set", "v1", "up")
before = fds()
"""

SCENARIOS = {
    "none-at-first": """
with dualstack.open_listener("%v0", 0, follow=True) as listener:
    assert listener.endpoints == () and listener.port is None
    got = []
    waiter = threading.Thread(target=lambda: got.append(listener.accept(10)))
    waiter.start()
    ip("addr", "add", "10.7.0.1/24", "dev", "v0")
    until(lambda: hosts(listener) == ["10.7.0.1"], "the new address is not served")
    with socket.create_connection(("10.7.0.1", listener.port), timeout=5) as client:
        waiter.join()
        connection, peer = got[0]
        assert tuple(peer) == client.getsockname()
        connection.close()
""",
    "come-and-go-on-one-port": """
ip("addr", "add", "10.7.0.1/24", "dev", "v0")
with dualstack.open_listener("%v0", 0, follow=True) as listener:
    port = listener.port
    assert port and hosts(listener) == ["10.7.0.1"]
    ip("addr", "add", "10.7.0.2/24", "dev", "v0")
    until(lambda: hosts(listener) == ["10.7.0.1", "10.7.0.2"], "the second address is not served")
    assert {endpoint.port for endpoint in listener.endpoints} == {port}
    gone = [sock for sock in listener.sockets if sock.getsockname()[0] == "10.7.0.1"]
    ip("addr", "del", "10.7.0.1/24", "dev", "v0")  # takes the secondary one with it
    until(lambda: hosts(listener) == [], "the address went and its socket did not")
    until(lambda: gone[0].fileno() == -1, "dropped and not closed")
    ip("addr", "add", "10.7.0.3/24", "dev", "v0")
    until(lambda: hosts(listener) == ["10.7.0.3"], "the third address is not served")
    assert listener.port == port
    with socket.create_connection(("10.7.0.3", listener.port), timeout=5):
        listener.accept(5)[0].close()
""",
    "other-addresses-stay": """
with dualstack.open_listener(["127.0.0.1", "%v0"], 0, follow=True) as listener:
    assert hosts(listener) == ["127.0.0.1"]
    ip("addr", "add", "10.7.0.1/24", "dev", "v0")
    until(lambda: hosts(listener) == ["10.7.0.1", "127.0.0.1"], "the new address is not served")
    assert len({endpoint.port for endpoint in listener.endpoints}) == 1
    ip("link", "del", "v0")
    until(lambda: hosts(listener) == ["127.0.0.1"], "the interface went and its socket did not")
    with socket.create_connection(("127.0.0.1", listener.port), timeout=5):
        listener.accept(5)[0].close()
""",
    "out-of-descriptors": """
import logging, resource
told = []
class Keep(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())
logging.getLogger("dualstack").addHandler(Keep())
ip("addr", "add", "10.7.0.1/24", "dev", "v0")
batch = subprocess.Popen(["ip", "-batch", "-"], stdin=subprocess.PIPE)  # started while there are descriptors
before = fds()
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
with dualstack.open_listener("%v0", 0, follow=True) as listener:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    held = []
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass
    batch.stdin.write(b"addr add 10.7.0.2/24 dev v0\\n")
    batch.stdin.flush()
    until(lambda: told, "nothing was logged")
    assert hosts(listener) == ["10.7.0.1"]
    for number in held:
        os.close(number)
    until(lambda: hosts(listener) == ["10.7.0.1", "10.7.0.2"], "the address that came meanwhile is not served")
    batch.communicate(b"addr add 10.7.0.3/24 dev v0\\n")
    until(lambda: len(listener.endpoints) == 3, "it has stopped following")
    assert told == ["cannot follow the interfaces: Too many open files; trying again"]
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
before -= 1  # the pipe to ip
""",
    "many-addresses-at-once": """
with dualstack.open_listener("%v0", 0, follow=True) as listener:
    looks = []
    kept = dualstack.net.follow.Follower.update
    dualstack.net.follow.Follower.update = lambda self: (looks.append(1), kept(self))
    lines = "".join(f"addr add 10.7.{number}.1/24 dev v0\\n" for number in range(200))
    subprocess.run(["ip", "-batch", "-"], input=lines.encode(), check=True)
    until(lambda: len(listener.endpoints) == 200, "not all of them are served")
    assert len(looks) <= 20, looks  # one for each burst, not for each address
""",
    "a-busy-port-is-told-once-and-tried-again": """
import logging
told = []
class Keep(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())
logging.getLogger("dualstack").addHandler(Keep())
ip("addr", "add", "10.7.0.1/24", "dev", "v0")
rival = socket.create_server(("10.7.0.1", 0))
with rival, dualstack.open_listener("%v0", rival.getsockname()[1], follow=True) as listener:
    until(lambda: len(told) == 1, "nothing was logged")
    assert "in use" in told[0] and listener.endpoints == ()
    ip("addr", "add", "10.8.0.1/24", "dev", "v0")
    until(lambda: hosts(listener) == ["10.8.0.1"], "the other address is not served")
    rival.close()
    ip("addr", "add", "10.9.0.1/24", "dev", "v0")
    until(lambda: len(listener.endpoints) == 3, "the free port is not taken at the next change")
    assert len(told) == 1
""",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_follow(name: str) -> None:
    body = (
        PRELUDE
        + SCENARIOS[name]
        + "\nassert fds() == before, os.listdir('/proc/self/fd')\nassert threading.active_count() == 1\n"
    )
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-W", "error", "-X", "dev", "-c", body],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
