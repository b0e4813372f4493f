"""The mix of ci/soak_connect.py, shortened: nothing is left after good, refused, cancelled and timed out connects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="its black hole is a full accept queue, as on Linux; runs there")
def test_mix():
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "ci" / "soak_connect.py"), "--short", "mix"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "descriptors +0, threads +0" in done.stdout
