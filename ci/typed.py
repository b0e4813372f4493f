"""Every public name has a complete type: pyright --verifytypes, on the installed package.

mypy checks what we wrote; pyright asks what a user's type checker sees. Anything under 100 % fails. The pip
package of pyright fetches its program on first use; where it cannot, this says that it did not run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def main() -> int:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--verifytypes", "dualstack", "--ignoreexternal"]
    # pyright looks for the package in the environment of the first python on PATH.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)["typeCompleteness"]
    except (ValueError, KeyError):
        print("pyright DID NOT RUN (it fetches its program from the npm registry on first use):")
        print((done.stderr or done.stdout).strip()[-2000:])
        return 0
    for symbol in report["symbols"]:
        if symbol["isExported"] and not symbol["isTypeKnown"]:
            for diagnostic in symbol["diagnostics"] or [{"message": "type unknown"}]:
                print(f"{symbol['name']}: {diagnostic['message']}")
    score = report["completenessScore"]
    counts = report["exportedSymbolCounts"]
    print(f"pyright: {counts['withKnownType']} public names typed, {100 * score:.1f} %")
    return 0 if score == 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
