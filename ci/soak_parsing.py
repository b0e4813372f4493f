"""The long counts of the parsers: python3 ci/soak_parsing.py [CASES]

Runs every law of tests/fuzz with CASES random texts each (100,000 unless told; about three minutes per 10,000 on
one core), against the reference parser, inet_pton, ipaddress and getaddrinfo. A text on which two readers disagree is
printed in its shortest form: make it an @example of its law, or a row of tests/core, when it is understood.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    cases = sys.argv[1] if len(sys.argv) > 1 else "100000"
    command = [sys.executable, "-m", "pytest", "-q", "-o", "timeout=0", "-o", "faulthandler_timeout=0", "tests/fuzz"]
    return subprocess.call(command, cwd=ROOT, env={**os.environ, "DUALSTACK_FUZZ": cases})


if __name__ == "__main__":
    sys.exit(main())
