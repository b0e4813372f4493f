"""Run every check of this project: python3 ci/test.py

Needs a Python 3.10 or newer and, the first time, a package index that pip can reach. It makes a virtual
environment with tox under .tox/, looks for interpreters (PATH, pyenv, PyPy), runs the tests on each of them,
then in namespaces, on a Windows Python under Wine and from the sdist, then lint, types and docs. What cannot run
here is named with its reason.

The last line is the verdict, ``N passed, N failed``: tests are counted from the JUnit reports of each
environment, and an environment that checks without tests (lint, types, docs) counts as one. The exit status
is 0 only when nothing failed.

Standard library only, and no syntax newer than 3.8: an old ``python3`` can still start it, and the
environment is made with the newest interpreter found.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".tox"
VENV = WORK / ".ci-venv"
VERSIONS = ((3, 10), (3, 11), (3, 12), (3, 13), (3, 14))
SYSTEM = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")
TOX = "tox>=4.26"
WINE = "py313-wine"
ORACLE = "netifaces-oracle"
NO_CFFI = "py313t-windows"
WINE_DIED = 75  # what ci/wine.sh returns then
WINE_SECONDS = 300  # about two minutes on two slow cores with a near mirror; nothing once it is there

_DESCRIBE = (
    "import sys, sysconfig; print(sys.implementation.name, sys.version_info[0], sys.version_info[1],"
    " int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))), sys.executable)"
)

# The compiler that builds extensions for an interpreter, and the header it needs.
_BUILDS = (
    "import os, sysconfig; print((os.environ.get('CC') or sysconfig.get_config_var('CC') or 'cc').split()[0]);"
    " print(os.path.join(sysconfig.get_path('include'), 'Python.h'))"
)


def describe(executable: str) -> tuple[str, str] | None:
    """Return the tox factor of *executable* (``py313``, ``py314t``, ``pypy310``) and its real path.

    None for what does not run: a pyenv shim of a version that is not selected exits with an error.
    """
    try:
        done = subprocess.run(
            [executable, "-I", "-c", _DESCRIBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        name, major, minor, free_threaded, path = done.stdout.strip().split(" ", 4)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    prefix = {"cpython": "py", "pypy": "pypy"}.get(name)
    if prefix is None:
        return None
    return f"{prefix}{major}{minor}{'t' if free_threaded == '1' else ''}", path


def candidates() -> list[str]:
    """Every file that may be an interpreter, most specific first."""
    names = [f"python{major}.{minor}{t}" for major, minor in VERSIONS for t in ("", "t")]
    names += ["python3", "python", "pypy3"] + [f"pypy{major}.{minor}" for major, minor in VERSIONS]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser(os.path.join("~", ".pyenv"))
    found = []
    for pattern in ("bin/python", "python.exe"):  # POSIX, pyenv-win
        found += sorted(glob.glob(os.path.join(pyenv, "versions", "*", *pattern.split("/"))), reverse=True)
    found += [path for path in map(shutil.which, names) if path]
    if sys.platform == "win32" and shutil.which("py"):
        listing = subprocess.run(["py", "-0p"], capture_output=True, text=True, check=False).stdout
        found += [line.split(None, 2)[-1].lstrip("* ") for line in listing.splitlines() if line.strip()]
    return [*found, sys.executable]


def interpreters() -> tuple[dict[str, str], list[str]]:
    """Return factor -> path of those the project supports, and the factors found that it does not."""
    supported: dict[str, str] = {}
    others: set[str] = set()
    for executable in dict.fromkeys(candidates()):
        described = describe(executable)
        if described is None:
            continue
        factor, path = described
        version = factor.rstrip("t").lstrip("py")
        if (int(version[0]), int(version[1:])) in VERSIONS:
            supported.setdefault(factor, path)
        else:
            others.add(factor)
    return supported, sorted(others)


def namespaces() -> str | None:
    """Say why network namespaces cannot be made here, or None if they can."""
    if sys.platform != "linux":
        return "network namespaces exist on Linux only"
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in ("ip", "unshare") if not shutil.which(tool)]
    if missing:
        return "missing " + ", ".join(missing)
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() or "unshare -n failed" if tried.returncode else None


def oracle(found: dict[str, str]) -> str | None:
    """Say why the netifaces extension cannot be built and compared with here, or None if it can."""
    reason = namespaces()
    if reason:
        return reason
    python = next((found[factor] for factor in ("py313", "py312", "py311", "py310") if factor in found), None)
    if python is None:
        return "needs a Python 3.10 to 3.13 that netifaces builds for"
    try:
        asked = subprocess.run([python, "-I", "-c", _BUILDS], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{python} does not run: {error}"
    compiler, header = asked.stdout.splitlines()
    if not shutil.which(compiler):
        return f"no C compiler: {compiler} is not on PATH (Debian: apt-get install gcc libc6-dev)"
    if not os.path.exists(header):
        return f"no {header} to build against (Debian: apt-get install python3-dev)"
    return None


class Wine:
    """The Windows Python under Wine, made in the background: it waits for the network while the tests compute."""

    def __init__(self, python: Path) -> None:
        self._started = time.monotonic()
        self._log = WORK / "wine-set-up.log"
        with self._log.open("w", encoding="utf-8") as said:
            self._child = subprocess.Popen(
                [str(ROOT / "ci" / "wine.sh"), "--set-up"],
                env={**os.environ, "PYTHON": str(python)},
                stderr=said,
                start_new_session=True,  # what it has started can be ended with it
            )

    def missing(self) -> str | None:
        """Wait, but not beyond five minutes after the start; say why there is no Wine, or None if there is."""
        try:
            status = self._child.wait(max(0.0, self._started + WINE_SECONDS - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            return f"could not be set up within {WINE_SECONDS} seconds; ci/wine.sh --set-up goes on from here"
        said = self._log.read_text(encoding="utf-8").strip().splitlines()
        return (said[-1] if said else "ci/wine.sh failed") if status else None


def plan(found: dict[str, str], others: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Decide which tox environments run, and why the others do not."""
    run: list[str] = []
    skipped: list[tuple[str, str]] = []
    for major, minor in VERSIONS:
        factor = f"py{major}{minor}"
        if factor in found:
            run.append(f"{factor}-{SYSTEM}")
        else:
            skipped.append((f"{factor}-{SYSTEM}", f"no Python {major}.{minor} on PATH or under pyenv"))
    run += [f"{factor}-{SYSTEM}" for factor in sorted(found) if f"{factor}-{SYSTEM}" not in run]
    if NO_CFFI in run:
        run.remove(NO_CFFI)
        skipped.append((NO_CFFI, "trio needs cffi there, which refuses to be built for it; py314t-windows runs"))
    if not any(factor.startswith("pypy") for factor in found):
        old = [factor for factor in others if factor.startswith("pypy")]
        reason = f"{old[0]} is older than 3.10" if old else "no pypy3 on PATH or under pyenv"
        skipped.append(("pypy", f"{reason}; tox run -e debian fetches one"))
    skipped += [(f"py*-{name}", f"runs on {name} only") for name in ("linux", "macos", "windows") if name != SYSTEM]
    reason = namespaces()
    if reason:
        skipped.append(("netns", reason))
    else:
        run.append("netns")
    reason = oracle(found)
    if reason:
        skipped.append((ORACLE, reason))
    else:
        run.append(ORACLE)
    if SYSTEM == "linux":
        run.append("servers")
    else:
        skipped.append(("servers", "runs on linux only"))
    if os.environ.get("DUALSTACK_WINE") == "0":
        skipped.append((WINE, "turned off by DUALSTACK_WINE=0"))
    elif SYSTEM == "linux" and "py313" in found:
        run.append(WINE)
        skipped.append((f"{WINE}-all", f"{WINE} leaves out what asks the system nothing; tox run -e {WINE}-all has it"))
    else:
        skipped.append((WINE, "needs Linux and a Python 3.13 for tox"))
    return [*run, "clients", "sdist", "lint", "types", "docs"], skipped


def make_environment(found: dict[str, str]) -> Path:
    """Return a Python that has tox, making its virtual environment when there is none yet."""
    python = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    have = python.exists() and subprocess.run([str(python), "-m", "tox", "--version"], capture_output=True, check=False)
    if have and have.returncode == 0:
        return python
    plain = [f for f in found if f.startswith("py3") and not f.endswith("t")]
    newest = max(plain, key=lambda factor: int(factor[3:]), default=None)
    if newest is None:
        sys.exit("ci/test.py: no Python 3.10 or newer on PATH or under pyenv, so nothing can run")
    print(f"making {VENV.relative_to(ROOT)} with tox, from {found[newest]}", flush=True)
    steps = (
        [found[newest], "-m", "venv", "--clear", str(VENV)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", TOX],
    )
    for step in steps:
        if subprocess.run(step, check=False).returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            sys.exit(
                f"ci/test.py: {' '.join(step[1:4])} failed (see above). The first run needs the venv module"
                " (Debian: apt-get install python3-venv) and a package index that pip can reach."
            )
    return python


def count(report: Path) -> dict[str, int]:
    """Count the tests of one JUnit report; a test that errs in set-up or tear-down has failed."""
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            totals["failed"] += 1
        elif "skipped" in kinds:
            totals["skipped"] += 1
        else:
            totals["passed"] += 1
    return totals


def verdict(env: str, result: dict[str, object] | None, junit: Path) -> dict[str, int]:
    """Count one environment: its tests where it has a report, else 1 passed or 1 failed."""
    # What was planned and then skipped by tox did not pass.
    ok = bool(result and result.get("success") and not result.get("skipped"))
    report = junit / f"{env}.xml"
    try:
        totals = count(report) if report.exists() else {"passed": int(ok), "failed": 0, "skipped": 0}
    except ElementTree.ParseError:  # the run died while writing it
        totals = {"passed": 0, "failed": 0, "skipped": 0}
    if not ok and not totals["failed"]:
        totals["failed"] = 1  # broke outside the tests: installing, collecting, comparing
    return totals


def tox(python: Path, envs: list[str], found: dict[str, str], jobs: int) -> dict[str, dict[str, object]]:
    """Run the tox environments *envs*, *jobs* at a time; return what tox says of each."""
    results = WORK / "ci-result.json"
    results.unlink(missing_ok=True)
    command = [str(python), "-m", "tox", "run-parallel", "--parallel-no-spinner", "--parallel", str(jobs)]
    command += ["-e", ",".join(envs), "--result-json", str(results), "--discover", *found.values()]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TOX")}
    subprocess.run(command, cwd=str(ROOT), env=environment, check=False)
    try:
        told: dict[str, dict[str, object]] = json.loads(results.read_text(encoding="utf-8"))["testenvs"]
    except (OSError, ValueError, KeyError):
        return {}  # tox itself failed; what it was to run counts as failed
    return {env: told[env] for env in envs if env in told}  # it names those that it did not run as well


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-e", dest="envs", metavar="ENV", action="append", help="run only this environment")
    parser.add_argument("--jobs", type=int, default=2, help="environments at a time (default 2)")
    parser.add_argument("--list", action="store_true", help="say what would run, and stop")
    args = parser.parse_args()

    started = time.monotonic()
    # ip and nft live in sbin, which is not on everybody's PATH.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    found, others = interpreters()
    run, skipped = plan(found, others)
    if args.envs:
        run, skipped = args.envs, []
    print("run:     ", *run)
    for name, reason in skipped:
        print(f"skipped:  {name}: {reason}")
    sys.stdout.flush()
    if args.list:
        return 0

    python = make_environment(found)
    shutil.rmtree(WORK / "junit", ignore_errors=True)
    results: dict[str, dict[str, object]] = {}
    if WINE in run and not args.envs:
        # Wine is set up while the interpreters are at work; its tests share the processors with what comes last.
        wine, last = Wine(python), run.index(WINE)
        results.update(tox(python, run[:last], found, args.jobs))
        reason = wine.missing()
        if reason:
            run.remove(WINE)
            skipped.append((WINE, f"DID NOT RUN: {reason}"))
        results.update(tox(python, run[last:], found, args.jobs))
        if any(step.get("retcode") == WINE_DIED for step in results.get(WINE, {}).get("test", ())):
            run.remove(WINE)
            skipped.append((WINE, "DID NOT RUN to its end: Wine's own server died twice (see above)"))
    else:
        results.update(tox(python, run, found, args.jobs))

    sums = {"passed": 0, "failed": 0, "skipped": 0}
    print(f"\n{'environment':<18} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for env in run:
        result = results.get(env, {}).get("result")
        totals = verdict(env, result, WORK / "junit")
        seconds = f"{result['duration']:8.0f}" if result else "       -"
        print(f"{env:<18} {totals['passed']:>7} {totals['failed']:>7} {totals['skipped']:>8} {seconds}")
        for key, value in totals.items():
            sums[key] += value
    for name, reason in skipped:
        print(f"not run: {name}: {reason}")
    print(f"{sums['skipped']} skipped; {time.monotonic() - started:.0f} s in all")
    print(f"{sums['passed']} passed, {sums['failed']} failed", flush=True)
    return 1 if sums["failed"] or not sums["passed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
