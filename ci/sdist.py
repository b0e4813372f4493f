"""Build the sdist, hold it against git, and run the tests from it.

A file that is in git and not in the sdist is missing for every distributor; one that is in the sdist and not
in git came from this machine only. Both are errors, and so is a test that is collected in one of the two
trees and not in the other. Arguments go to pytest.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What setuptools adds, and what only git needs.
GENERATED = ("PKG-INFO", "setup.cfg", "dualstack.egg-info/")
GIT_ONLY = (".gitignore",)


def git_files() -> set[str] | None:
    """Return the files git tracks, or None outside a checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        return None
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()}


def build(target: Path) -> Path:
    """Build the sdist into *target*, unpack it there and return the unpacked tree."""
    subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--outdir", str(target), str(ROOT)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (archive,) = target.glob("dualstack-*.tar.gz")
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(target, filter="data")
        else:  # 3.10 and 3.11 before their security releases; we built this archive ourselves
            tar.extractall(target)
    return target / archive.name[: -len(".tar.gz")]


def compare_files(tree: Path, tracked: set[str]) -> list[str]:
    """Say what differs between the sdist and git."""
    packed = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    packed = {name for name in packed if not name.startswith(GENERATED)}
    tracked = {name for name in tracked if not name.startswith(GENERATED)} - set(GIT_ONLY)
    return [f"in git, not in the sdist: {name}" for name in sorted(tracked - packed)] + [
        f"in the sdist, not in git: {name}" for name in sorted(packed - tracked)
    ]


def pytest(tree: Path, *arguments: str) -> list[str]:
    """Return the command that runs pytest against the code of *tree*."""
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tree), *arguments]


def collected(tree: Path) -> set[str]:
    """Return the ids of all tests in *tree*."""
    done = subprocess.run(pytest(tree, "--collect-only", "-q"), cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"collecting the tests of {tree} failed:\n{done.stdout}{done.stderr}")
    return {line for line in done.stdout.splitlines() if "::" in line}


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="dualstack-sdist-") as folder:
        tree = build(Path(folder))
        tracked = git_files()
        if tracked is None:
            print("not a git checkout: the sdist is tested, but not compared")
        else:
            differences = compare_files(tree, tracked)
            ours, theirs = collected(ROOT), collected(tree)
            differences += [f"test collected from git only: {test}" for test in sorted(ours - theirs)]
            differences += [f"test collected from the sdist only: {test}" for test in sorted(theirs - ours)]
            if differences:
                print(*differences, sep="\n")
                return 1
            print(f"the sdist equals git: {len(tracked)} files, {len(ours)} tests")
        sys.stdout.flush()
        return subprocess.run(pytest(tree, "-m", "not netns", *arguments), cwd=tree, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
