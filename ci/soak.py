"""Every long count, one after the other: python3 ci/soak.py [--short]

Runs each ci/soak_*.py; what each of them counts stands at its head. Hours in full, minutes with --short.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    failed = []
    for script in sorted(HERE.glob("soak_*.py")):
        # The parsers count texts instead of having a short form.
        arguments = (["1000"] if script.stem == "soak_parsing" else ["--short"]) if "--short" in sys.argv[1:] else []
        print(f"== {script.name}", flush=True)
        if subprocess.run([sys.executable, str(script), *arguments], cwd=HERE.parent, check=False).returncode:
            failed.append(script.name)
    print("failed: " + ", ".join(failed) if failed else "all passed")
    return len(failed)


if __name__ == "__main__":
    raise SystemExit(main())
