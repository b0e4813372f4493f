"""Run a program in a network namespace of its own, which goes away with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def cannot() -> str:
    """Why namespaces cannot be made here; empty if they can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces exist on Linux only"
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "needs unshare and ip (iproute2)"
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return "needs root; the tox environment netns runs as root" if tried.returncode else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder; skip it, with the reason, where namespaces cannot be made."""
    here = Path(__file__).parent
    mine = [item for item in items if here in item.path.parents]
    reason = cannot() if mine else ""
    for item in mine:
        item.add_marker(pytest.mark.netns)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def inside():
    """Run *program* (Python) after the shell commands *setup* and then those of *batch* for ip; the JSON it prints."""

    def run(setup: str, program: str, batch: str = "", timeout: float = 60) -> Any:
        script = f'{setup}\nip -batch -\nexec "$@"'
        done = subprocess.run(
            ["unshare", "-n", "sh", "-ec", script, "sh", sys.executable, "-W", "error", "-c", program],
            cwd=ROOT,
            input=batch,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
