"""What a second type checker sees: pyright on the package for three systems, and every public name typed.

mypy --strict checks what we wrote. pyright infers more, tells ``sys.platform`` apart by other rules, and is what most
editors run; so the same files must be clean for it on Linux, macOS and Windows. ``--verifytypes`` then asks what a
user's checker sees of the installed package: anything under 100 % fails.

The pip package of pyright fetches its program from the npm registry on first use; where it cannot, this says that it
did not run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# pyright resolves imports from the folder of its settings; these name the checkout as the root, without which
# every absolute import inside the package is "could not be resolved".
SETTINGS = ROOT / "ci" / "pyright.json"
SYSTEMS = ("Linux", "Darwin", "Windows")


class DidNotRunError(Exception):
    """pyright gave no report; the text is what it said instead."""


def pyright(*arguments: str) -> dict[str, Any]:
    """Run pyright and return its report."""
    command = [sys.executable, "-m", "pyright", "--outputjson", *arguments]
    # pyright looks for packages in the environment of the first python on PATH.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise DidNotRunError((done.stderr or done.stdout).strip()[-2000:]) from None
    return report


def check_system(system: str) -> int:
    """Check the package's files as *system* would run them; return the number of errors."""
    report = pyright("--project", str(SETTINGS), "--pythonplatform", system)
    for found in report["generalDiagnostics"]:
        if found["severity"] == "error":
            place = found["range"]["start"]
            file = os.path.relpath(found["file"], ROOT)
            print(f"{file}:{place['line'] + 1}: {found['message']} ({found.get('rule', 'syntax')})")
    summary = report["summary"]
    print(f"pyright for {system}: {summary['filesAnalyzed']} files, {summary['errorCount']} errors", flush=True)
    # No file at all means that the settings no longer fit the tree: that is no success.
    return int(summary["errorCount"]) or int(not summary["filesAnalyzed"])


def check_public() -> int:
    """Ask for the types of every public name; return 0 when all are known."""
    report = pyright("--verifytypes", "dualstack", "--ignoreexternal")["typeCompleteness"]
    for symbol in report["symbols"]:
        if symbol["isExported"] and not symbol["isTypeKnown"]:
            for diagnostic in symbol["diagnostics"] or [{"message": "type unknown"}]:
                print(f"{symbol['name']}: {diagnostic['message']}")
    score = report["completenessScore"]
    print(f"pyright: {report['exportedSymbolCounts']['withKnownType']} public names typed, {100 * score:.1f} %")
    return int(score != 1)


def main() -> int:
    try:
        errors = sum(map(check_system, SYSTEMS))
        return int(bool(errors + check_public()))
    except DidNotRunError as said:
        print(f"pyright DID NOT RUN (it fetches its program from the npm registry on first use):\n{said}")
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
