"""open_listener on real hosts that lack something, and the fake world held against them answer by answer."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dualstack.testing import Host, World, linux

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
UP = "ip link set lo up"
IPV6 = "/proc/sys/net/ipv6"


def inside(setup: str, *command: str, timeout: float = 60) -> str:
    """Run Python in a new namespace after the shell commands *setup*; what it printed."""
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", f'{setup}\nexec "$@"', "sh", sys.executable, "-W", "error", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def listening() -> ModuleType:
    spec = importlib.util.spec_from_file_location("netns_listening", HERE / "listening.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def only_lo(*addresses: str, **settings: Any) -> Host:
    return linux(addresses={"lo": addresses}, **settings)


# name -> (how a namespace gets so, the same host in the fake world, some answers said out loud)
HOSTS: dict[str, tuple[str, Host, dict[str, Any]]] = {
    "plain": (
        UP,
        only_lo("127.0.0.1", "::1"),
        {"::": ["[::]:8080"], "localhost": ["[::1]:8080 v6only", "127.0.0.1:8080"], "::1": ["[::1]:8080 v6only"]},
    ),
    "bindv6only": (
        f"{UP}; echo 1 > {IPV6}/bindv6only",
        only_lo("127.0.0.1", "::1", bindv6only=True),
        {"::": ["[::]:8080"], "::-v6only": ["[::]:8080 v6only"]},
    ),
    "disable-ipv6": (
        f"{UP}; echo 1 > {IPV6}/conf/all/disable_ipv6",
        only_lo("127.0.0.1", "::1", disable_ipv6=True),
        {"::": ["[::]:8080"], "localhost": ["127.0.0.1:8080"], "::1": errno.EADDRNOTAVAIL},
    ),
    "no-::1": (
        f"{UP}; ip -6 address flush dev lo",
        only_lo("127.0.0.1"),
        {"localhost": ["127.0.0.1:8080"], "::1": errno.EADDRNOTAVAIL},
    ),
    "v6-only": (
        f"{UP}; ip -4 address flush dev lo",
        only_lo("::1"),
        {"localhost": ["[::1]:8080 v6only"], "127.0.0.1": errno.EADDRNOTAVAIL},
    ),
    "no-ipv6": (
        UP,
        only_lo("127.0.0.1", "::1", ipv6=False),
        {"::": ["0.0.0.0:8080"], "::-v6only": errno.EAFNOSUPPORT, "::1": errno.EAFNOSUPPORT, "%lo": ["127.0.0.1:8080"]},
    ),
    "no-address": (
        f"{UP}; ip address flush dev lo",
        only_lo(),
        {"localhost": errno.EADDRNOTAVAIL, "::": ["[::]:8080"]},
    ),
}


@pytest.mark.parametrize("name", HOSTS)
def test_real_host_and_fake_host_agree(listening: ModuleType, name: str) -> None:
    setup, host, said = HOSTS[name]
    if not host.ipv6 and platform.machine() not in listening.SOCKET_CALL:
        pytest.skip("a filter refuses the family, written for x86_64 and aarch64")
    arguments = [] if host.ipv6 else ["--without-ipv6"]
    real = json.loads(inside(setup, str(HERE / "listening.py"), *arguments))
    assert {question: found.pop("descriptors left") for question, found in real.items()} == dict.fromkeys(real, 0)
    for question, expected in said.items():
        assert real[question].get("errno", real[question].get("opened")) == expected
    for question in listening.QUESTIONS:
        with World(host) as world:
            fake = listening.answer(question, world.client)
        assert real[question] == fake, question


def test_loopback_down() -> None:
    """127.0.0.1 is not there while lo is down; ::1 neither, and a wildcard opens all the same."""
    program = """
import dualstack, errno
dualstack.open_listener("::", 8080).close()
for host in ("127.0.0.1", "::1", "localhost"):
    try:
        dualstack.open_listener(host, 8080).close()
        print(host, "opened")
    except dualstack.ListenError as error:
        print(host, errno.errorcode[error.errno])
"""
    told = dict(line.split() for line in inside("true", "-c", program).splitlines())
    assert told["::1"] == "EADDRNOTAVAIL"
    # Linux binds it while lo is down where it was ever configured, which it is not in a fresh namespace.
    assert told["127.0.0.1"] in ("EADDRNOTAVAIL", "opened")
    assert told["localhost"] == told["127.0.0.1"]


def test_thousands_of_busy_ports() -> None:
    """5,000 IPv4 ports taken; 300 times port 0 on both families, and no failure."""
    program = """
import gc, resource, socket
import dualstack
resource.setrlimit(resource.RLIMIT_NOFILE, (8000, 8000))
busy = []
for _ in range(5000):
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    busy.append(sock)
gc.disable()
for _ in range(300):
    with dualstack.open_listener("localhost", 0) as listener:
        ports = {sock.getsockname()[1] for sock in listener.sockets}
        assert len(listener.sockets) == 2 and ports == {listener.port}, listener
    with dualstack.open_listener(["0.0.0.0", "::"], 0) as listener:
        assert {sock.getsockname()[1] for sock in listener.sockets} == {listener.port}, listener
for sock in busy:
    sock.close()
print("fine")
"""
    assert inside(f"{UP}; ulimit -n 8000", "-c", program) == "fine\n"


def test_privileged_port_as_an_ordinary_user() -> None:
    program = """
import encodings.ascii, os, sys     # what an interpreter in a closed directory could not import later
import dualstack
import dualstack.net.listen, dualstack.net.listener, dualstack.errors, dualstack.platforms.linux
os.setgid(65534); os.setuid(65534)
try:
    dualstack.open_listener("::", 80)
except dualstack.ListenError as error:
    print(error.errno, error)
with dualstack.open_listener("::", 1024) as listener:
    print(listener.port)
"""
    first, second = inside(UP, "-c", program).splitlines()
    assert first.startswith(f"{errno.EACCES} cannot listen on [::]:80: Permission denied; ports below 1024 need root")
    assert second == "1024"


def test_the_process_that_holds_the_port_is_named() -> None:
    program = """
import os, subprocess, sys
import dualstack
with dualstack.open_listener("::1", 8080):
    code = "import dualstack\\ntry: dualstack.open_listener('::', 8080)\\nexcept dualstack.ListenError as e: print(e)"
    print(os.getpid(), subprocess.check_output([sys.executable, "-c", code], text=True))
"""
    pid, _, told = inside(UP, "-c", program).partition(" ")
    assert "cannot listen on [::]:8080: Address already in use" in told
    assert f"(pid {pid})" in told


def test_out_of_descriptors() -> None:
    """Nothing is left of a listener that could not be opened, and a full table makes accept wait, not spin or die."""
    program = """
import logging, os, resource, socket, time
import dualstack
logging.basicConfig(handlers=[logging.NullHandler()])
def used():
    return len(os.listdir("/proc/self/fd")) - 1
dualstack.open_listener("localhost", 0).close()      # everything is imported
before = used()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (before + 1, hard))   # room for one socket of two
try:
    dualstack.open_listener("localhost", 0)
except dualstack.ListenError as error:
    print(error.errno)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
assert used() == before, used()
with dualstack.open_listener("localhost", 0) as listener:
    try:
        listener.accept(timeout=0)                   # the selector and the wake-up pair are made
    except TimeoutError:
        pass
    client = socket.create_connection(("127.0.0.1", listener.port))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used(), hard))
    cpu = time.process_time()
    try:
        listener.accept(timeout=0.5)
        print("accepted")
    except OSError as error:
        print(type(error).__name__)
    print(time.process_time() - cpu < 0.25)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    listener.accept(timeout=5)[0].close()
    client.close()
print("served")
"""
    lines = inside(UP, "-c", program).splitlines()
    assert lines == [str(errno.EMFILE), "TimeoutError", "True", "served"]
