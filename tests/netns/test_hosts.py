"""The demo and capabilities() on hosts that lack something, real ones: each is a network namespace of its own.

The namespace belongs to one process and goes with it, so nothing is left to remove.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [sys.executable, "-W", "error", "-m", "dualstack"]
UP = "ip link set lo up"
SYSCTL = "/proc/sys/net/ipv6"


def inside(setup: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run ``dualstack ARGUMENTS --json`` in a new namespace after the shell commands *setup*."""
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", f'{setup}\nexec "$@"', "sh", *PYTHON, *arguments, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


HOSTS = [
    pytest.param(UP, set(), id="plain"),
    pytest.param("true", {"ipv4_loopback", "ipv6_loopback"}, id="loopback-down"),
    pytest.param(f"{UP}; echo 1 > {SYSCTL}/conf/all/disable_ipv6", {"ipv6_loopback"}, id="ipv6-disabled"),
    pytest.param(f"{UP}; echo 1 > {SYSCTL}/bindv6only", set(), id="bindv6only"),
    pytest.param(f"{UP}; ip -4 address flush dev lo", {"ipv4_loopback"}, id="ipv6-only"),
    pytest.param(f"{UP}; ip -6 address flush dev lo", {"ipv6_loopback"}, id="no-::1"),
]


@pytest.mark.parametrize(("setup", "missing"), HOSTS)
def test_capabilities(setup: str, missing: set[str]) -> None:
    status, found = inside(setup, "capabilities")
    assert status == 0
    assert {name for name, one in found.items() if not one["available"]} == missing
    for name in missing:
        assert ("ENETUNREACH" if setup == "true" and "4" in name else "EADDRNOTAVAIL") in found[name]["how"]


@pytest.mark.parametrize(("setup", "missing"), HOSTS)
def test_demo(setup: str, missing: set[str]) -> None:
    status, report = inside(setup, "demo")
    assert status == 0 and report["ok"] is True
    expected = {"IPv4": "ipv4_loopback", "IPv6": "ipv6_loopback", "Unix": "unix_stream"}
    assert {client["kind"]: client["ok"] for client in report["clients"]} == {
        kind: None if capability in missing else True for kind, capability in expected.items()
    }
