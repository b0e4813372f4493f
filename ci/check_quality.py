#!/usr/bin/env python3
"""Reproduce the figures of docs/check-quality.md: recall, false alarms, speed, memory, robustness.

    python ci/check_quality.py                # everything; fetches about 150 MB through pip, by pinned hash
    python ci/check_quality.py --misses       # and name what was missed or wrongly flagged
    python ci/check_quality.py --others 100   # print findings nobody labelled, for reading by hand
    python ci/check_quality.py --only speed   # one part: sample, speed or robustness

ci/check-sample/cases.jsonl holds facts only (package, version, hash, path, line, label). The texts belong to
their authors: they go to build/ and are never committed. Files are checked against their sha256.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "ci" / "check-sample" / "cases.jsonl"
SAMPLE = ROOT / "build" / "check-sample"
SPEED = ROOT / "build" / "check-speed"
ROBUST = ROOT / "build" / "check-robustness"
LINES = 100_000


def load_cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CASES.read_text("utf-8").splitlines() if line.strip()]


# -- the sample ------------------------------------------------------------------------------------------


def fetch(cases: list[dict[str, Any]], archives: list[Path], python: str) -> dict[int, Path]:
    """The file of every case below build/check-sample, fetched where it is not there yet."""
    files: dict[tuple[str, str], Path] = {}
    places: dict[int, Path] = {}
    for case in cases:
        key = (case["artifact"], case["path"])
        files.setdefault(key, SAMPLE / str(case["id"]) / case["path"])
        places[case["id"]] = files[key]
    missing = collections.defaultdict(list)
    for case in cases:
        path = files[case["artifact"], case["path"]]
        if not (path.is_file() and _digest(path.read_bytes()) == case["file_sha256"]):
            missing[case["artifact"]].append(case)
    have = {path.name: path for folder in archives for path in folder.rglob("*") if path.is_file()}
    for number, (artifact, wanted) in enumerate(sorted(missing.items()), 1):
        print(f"\rfetching {number} of {len(missing)}: {artifact:60.60}", end="", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            archive = have.get(artifact) or _download(wanted[0], Path(folder), python)
            for case in wanted:
                data = _member(archive, case["path"])
                if _digest(data) != case["file_sha256"]:
                    raise SystemExit(f"{artifact}: {case['path']} is not the recorded text")
                path = files[case["artifact"], case["path"]]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    if missing:
        print(file=sys.stderr)
    return places


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _download(case: dict[str, Any], folder: Path, python: str) -> Path:
    """One archive through pip; only the recorded hash is accepted.

    pip runs the setup.py of source archives to learn their metadata, and some of these are too old for
    Python 3.12; ``--python`` names an older one.
    """
    name = case["artifact"]
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{case['package']}=={case['version']} --hash=sha256:{case['artifact_sha256']}\n")
    command = [
        python,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--ignore-requires-python",
        "--require-hashes",
        "-d",
        str(folder),
        "-r",
        str(requirement),
    ]
    wheel = re.match(r".*-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<system>[^-]+)\.whl$", name)
    if wheel:
        command.append("--only-binary=:all:")
        if wheel["system"] != "any":
            python = wheel["python"].split(".")[0]
            command += ["--implementation", python[:2], "--python-version", python[2:], "--abi", wheel["abi"]]
            for system in wheel["system"].split("."):
                command += ["--platform", system]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not (folder / name).exists():
        raise SystemExit(f"cannot fetch {name}: {done.stderr.strip().splitlines()[-1:]}")
    return folder / name


def _member(archive: Path, path: str) -> bytes:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as opened:
            return opened.read(path)
    with tarfile.open(archive) as tar:
        handle = tar.extractfile(path)
        if handle is None:
            raise SystemExit(f"{archive.name}: no {path}")
        return handle.read()


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dualstack.check", "--isolated", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


def sample(args: argparse.Namespace) -> bool:
    cases = load_cases()
    places = fetch(cases, args.archives, args.python)
    done = check("--no-cache", "--no-gitignore", "--format", "json", str(SAMPLE.relative_to(ROOT)))
    findings = json.loads(done.stdout)
    at: dict[str, dict[int, set[str]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for finding in findings:
        lines = at[str((ROOT / finding["path"]).resolve())]
        for line in range(finding["line"], finding["end_line"] + 1):
            lines[line].add(finding["code"])

    def hit(case: dict[str, Any]) -> bool:
        lines = at[str(places[case["id"]].resolve())]
        return any(line in lines for line in [*range(case["line"], case["end_line"] + 1), *case.get("alt_lines", [])])

    defects = [case for case in cases if case["label"] == "defect"]
    right = [case for case in cases if case["label"] == "ok"]
    found, alarms = sum(map(hit, defects)), sum(map(hit, right))
    print(f"recall                    {found}/{len(defects)} = {found / len(defects):.3f}   (at least 0.85)")
    print(f"false on right lines      {alarms}/{len(right)} = {alarms / len(right):.3f}   (at most 0.10)")
    print(f"findings in all files     {len(findings)}")
    if args.misses:
        for case in defects:
            if not hit(case):
                print("  missed", _named(case, places))
        for case in right:
            if hit(case):
                print("  false ", _named(case, places))
    if args.others:
        _others(findings, cases, places, args.others)
    return found / len(defects) >= 0.85 and alarms / len(right) <= 0.10


def _named(case: dict[str, Any], places: dict[int, Path]) -> str:
    return f"{case['id']} {case['category']} {places[case['id']].relative_to(ROOT)}:{case['line']}"


def _others(findings: list[dict[str, Any]], cases: list[dict[str, Any]], places: dict[int, Path], count: int) -> None:
    labelled = {
        (str(places[case["id"]].relative_to(ROOT)), line)
        for case in cases
        for line in range(case["line"], case["end_line"] + 1)
    }
    others = [finding for finding in findings if (finding["path"], finding["line"]) not in labelled]
    random.Random(1).shuffle(others)
    for finding in sorted(others[:count], key=lambda f: (f["path"], f["line"])):
        print(f"\n{finding['path']}:{finding['line']}: {finding['code']} {finding['message']}")
        lines = (ROOT / finding["path"]).read_text("utf-8", "replace").split("\n")
        for number in range(max(1, finding["line"] - 3), min(len(lines), finding["line"] + 3) + 1):
            print(f"  {'>' if number == finding['line'] else ' '} {lines[number - 1][:140]}")


# -- speed -----------------------------------------------------------------------------------------------


def corpus() -> int:
    """100,000 lines of the running Python's standard library below build/check-speed."""
    SPEED.mkdir(parents=True, exist_ok=True)
    for old in SPEED.glob("*.py"):
        old.unlink()
    top = Path(sysconfig.get_paths()["stdlib"])
    lines = 0
    for path in sorted(top.rglob("*.py")):
        relative = path.relative_to(top)
        if "site-packages" in relative.parts or "lib2to3" in relative.parts:
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        (SPEED / "_".join(relative.parts)).write_text(text, "utf-8")
        lines += text.count("\n")
        if lines >= LINES:
            break
    return lines


def speed(args: argparse.Namespace) -> bool:
    import resource  # Unix only, like this part: the peak memory of a child

    lines = corpus()
    with tempfile.TemporaryDirectory() as folder:
        target = str(SPEED.relative_to(ROOT))
        cold = min(_timed("--no-cache", "-j1", "--statistics", "--no-gitignore", target) for _ in range(3))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        _timed("--cache-dir", folder, "-j1", "--statistics", "--no-gitignore", target)
        warm = min(_timed("--cache-dir", folder, "-j1", "--statistics", "--no-gitignore", target) for _ in range(3))
    print(f"{lines} lines, one core   {cold:.2f} s of processor time   (at most 4 s)")
    print(f"peak memory               {peak:.0f} MB   (under 300 MB)")
    print(f"second run                {warm:.2f} s, {cold / warm:.0f} times faster   (at least 10)")
    return cold <= 4 and peak < 300 and cold / warm >= 10


def _timed(*arguments: str) -> float:
    """Processor seconds of a run, start of the interpreter included: what one idle core would take."""
    before = os.times()
    check(*arguments)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


# -- robustness ------------------------------------------------------------------------------------------


def robustness(args: argparse.Namespace) -> bool:
    """The whole standard library with its test files, broken ones included, ends with exit code 1 or 2."""
    top = sysconfig.get_paths()["stdlib"]
    done = check("--no-cache", "--strict", "--statistics", "--exclude", "site-packages", top)
    print(f"standard library          exit code {done.returncode}, nothing on stderr: {not done.stderr.strip()}")
    for line in done.stdout.splitlines():
        print("   ", line)
    return (
        done.returncode in (1, 2) and "Traceback" not in done.stderr and "a mistake in the checker" not in done.stdout
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--archives", type=Path, action="append", default=[], help="folder with archives fetched earlier"
    )
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="the Python whose pip fetches (3.11 or older for old archives)",
    )
    parser.add_argument("--misses", action="store_true", help="name what was missed or wrongly flagged")
    parser.add_argument("--others", type=int, default=0, metavar="N", help="print N findings nobody labelled")
    parser.add_argument("--only", choices=("sample", "speed", "robustness"))
    args = parser.parse_args()
    parts = {"sample": sample, "speed": speed, "robustness": robustness}
    good = [part(args) for name, part in parts.items() if args.only in (None, name)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
