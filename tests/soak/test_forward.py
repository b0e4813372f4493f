"""The soak of forwarding, shortened: nothing is left after answers, resets, hang-ups and bad headers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="it counts descriptors in /proc; runs on Linux")
def test_forward():
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "ci" / "soak_forward.py"), "--short"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "descriptors +0, threads +0" in done.stdout
