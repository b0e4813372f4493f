"""Run a program in a network namespace of its own, which goes away with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


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
