"""Run CPython's own tests of the socket module on ours: python ci/cpython_socket.py [--json] [--jobs N] [-v]

``test.test_socket`` of the Python that runs this, with ``dualstack.shim.socket`` in place of ``socket``: put into
sys.modules before the tests are imported, so that the test module, its helpers and everything they import afterwards
get it. Selected is everything but the families that the shim leaves alone (NOT_OURS); what cannot hold is in EXCLUDED.

Both tables keep themselves honest: a row whose tests do not exist in a Python that should have them fails the run, and
so does a row of EXCLUDED whose test passes. A test that fails is run again alone, because many of these are about time
and this machine may be busy; if it fails again it is run with the standard library's socket as well. What fails there
too is a fault of this machine or Python and is counted apart; everything else fails the run.

Exit status: 0 all well, 1 something failed, 3 this Python has no ``test.test_socket`` (distributions put it into a
package of its own, such as Debian's libpython3-testsuite). No test goes outside this machine. Standard library only.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import unittest
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MODULE = "test.test_socket"
SECONDS = 240  # for one share of the tests; alone on a slow machine it takes a tenth
NO_TESTS = 3
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

#: (Beginning or part of the names of test classes, the first Python that has such, why they are not selected.)
NOT_OURS = (
    ("CAN|ISOTP|J1939", (3, 10), "CAN: the shim passes such sockets on untouched, and few kernels have the modules"),
    ("RDS", (3, 10), "RDS: passed on untouched; needs a kernel module"),
    ("QIPCRTR", (3, 10), "Qualcomm IPC router: passed on untouched; needs such hardware"),
    ("VSOCK", (3, 10), "virtual machine sockets: passed on untouched; the tests wait for a hypervisor that answers"),
    ("Bluetooth", (3, 10), "Bluetooth: passed on untouched; needs such hardware"),
    ("HyperV", (3, 12), "Hyper-V sockets: passed on untouched; needs such a host"),
    ("TIPC", (3, 10), "TIPC: passed on untouched; needs a kernel module"),
    ("CryptoAPI", (3, 10), "the kernel's cryptography: passed on untouched, and no network"),
    ("UDPLITE", (3, 10), "the tests of UDP with another protocol number; here those of UDP are run"),
    ("SCTP", (3, 10), "the tests of TCP with another protocol number; needs a kernel module"),
)


class Excluded(NamedTuple):
    """A test that cannot pass with the shim, and when."""

    test: str  # Class.method
    since: tuple[int, int]  # the first Python that has it
    when: Callable[[], bool]  # where it cannot pass; elsewhere it must
    reason: str


def one_localhost() -> bool:
    """Whether the resolver of this machine knows only one of the two addresses of localhost."""
    return len(socket.getaddrinfo("localhost", 80, 0, socket.SOCK_STREAM)) < 2


EXCLUDED = (
    Excluded(
        "NetworkConnectionNoServer.test_create_connection_all_errors",
        (3, 11),
        one_localhost,
        "counts an error per address of getaddrinfo('localhost'); the hosts file here has one of the two, and"
        " create_connection tries both, because localhost means both (RFC 6761 6.3)",
    ),
)


# ---------------------------------------------------------------------- in a child: the tests


def tests_of(suite: Any) -> Iterator[unittest.TestCase]:
    """The test cases of a suite of suites."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from tests_of(part)
        else:
            yield part


def short(test: unittest.TestCase) -> str:
    """``Class.method`` of a test."""
    return test.id().removeprefix(f"{MODULE}.")


class Result(unittest.TestResult):
    """Keeps (verdict, text) per test; a test is what the worst of its parts is."""

    def __init__(self) -> None:
        super().__init__()
        self.verdicts: dict[str, tuple[str, str]] = {}

    def _bad(self, test: Any, error: Any) -> None:
        # An error in setUpClass or setUpModule comes as no test case, and has a name of its own.
        self.verdicts[short(test)] = FAILED, self._exc_info_to_string(error, test)  # type: ignore[attr-defined]

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.verdicts.setdefault(short(test), (PASSED, ""))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.verdicts.setdefault(short(test), (SKIPPED, reason))

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._bad(test, err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._bad(test, err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        if err is not None:
            self._bad(test, err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.verdicts[short(test)] = FAILED, "unexpected success"


def child(plain: bool, listing: bool) -> int:
    """List all tests, or run those named on standard input; the answer goes to standard output as JSON."""
    import faulthandler

    faulthandler.dump_traceback_later(SECONDS - 20, exit=True)
    # This file's folder holds a test.py, which must not be taken for the package of that name.
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != str(ROOT / "ci")]
    if not plain:
        if importlib.util.find_spec("dualstack") is None:
            sys.path.append(str(ROOT))  # a plain checkout
        import dualstack.shim

        dualstack.shim.install("socket")
    import test.support

    test.support.use_resources = ()  # nothing outside this machine, nothing that takes all its memory
    module = importlib.import_module(MODULE)
    expected = "socket" if plain else "dualstack.shim.socket"
    if module.socket.__name__ != expected:
        raise SystemExit(f"{MODULE} has {module.socket.__name__} for socket, not {expected}")
    cases = {short(case): case for case in tests_of(unittest.defaultTestLoader.loadTestsFromModule(module))}
    answer = sys.stdout
    if listing:
        json.dump(sorted(cases), answer)
        return 0
    wanted = json.load(sys.stdin)
    sys.stdout = sys.stderr  # tests print
    gc.collect()
    getattr(gc, "freeze", int)()  # newer versions collect garbage after each test, and what was imported is none
    result = Result()
    unittest.TestSuite(cases[name] for name in wanted if name in cases).run(result)
    json.dump(result.verdicts, answer)
    answer.flush()
    os._exit(0)  # threads that a failed test left behind are not waited for


# ---------------------------------------------------------------------- in the parent: who runs what, and what it means


def start(*options: str) -> subprocess.Popen[str]:
    """A child of this Python."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), "--child", *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], names: list[str]) -> dict[str, tuple[str, str]]:
    """The verdicts of a child about these tests; what it did not get to has failed."""
    try:
        out, err = process.communicate(json.dumps(names), timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    try:
        verdicts = {name: (verdict, text) for name, (verdict, text) in json.loads(out).items()}
    except ValueError:
        verdicts = {}
    missing = f"the process that ran it ended with {process.returncode}:\n{err[-3000:]}"
    return {**dict.fromkeys(names, (FAILED, missing)), **verdicts}


def run(names: list[str], jobs: int, *options: str) -> dict[str, tuple[str, str]]:
    """Run tests in several processes; most of their time they wait."""
    shares = [share for share in (names[index::jobs] for index in range(jobs)) if share]
    children = [(start(*options), share) for share in shares]
    verdicts: dict[str, tuple[str, str]] = {}
    # Each gets its names when its turn to be waited for comes, so they are written first.
    for process, share in children:
        if process.stdin is not None:
            process.stdin.write(json.dumps(share))
            process.stdin.close()
            process.stdin = None
    for process, share in children:
        verdicts.update(finish(process, share))
    return verdicts


def selection(tests: list[str], version: tuple[int, int]) -> tuple[list[str], list[str]]:
    """The tests to run, and what is wrong with the tables."""
    wrong = []
    for pattern, since, _ in NOT_OURS:
        if version >= since and not any(re.search(pattern, test.partition(".")[0]) for test in tests):
            wrong.append(f"NOT_OURS: no test class matches {pattern!r} any more")
    wrong += [
        f"EXCLUDED: there is no test {row.test} any more"
        for row in EXCLUDED
        if version >= row.since and row.test not in tests
    ]
    left_out = "|".join(pattern for pattern, _, _ in NOT_OURS)
    return [test for test in tests if not re.search(left_out, test.partition(".")[0])], wrong


def judge(verdicts: dict[str, tuple[str, str]], version: tuple[int, int]) -> tuple[dict[str, str], list[str]]:
    """What EXCLUDED explains, and which of its rows explain nothing."""
    explained, wrong = {}, []
    for row in EXCLUDED:
        if version < row.since or row.test not in verdicts or not row.when():
            continue
        if verdicts[row.test][0] == FAILED:
            explained[row.test] = row.reason
        else:
            wrong.append(f"EXCLUDED: {row.test} is {verdicts[row.test][0]} now; take it out of the table")
    return explained, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--jobs", type=int, default=6, help="processes to run the tests in; most of them wait (6)")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every test that was skipped, and why")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        return child(chosen.plain, chosen.list)
    python = f"{sys.implementation.name} {sys.version.split()[0]}"
    listing = start("--list")
    out, err = listing.communicate(timeout=SECONDS)
    if listing.returncode:
        if re.search(r"No module named 'test(\.\w+)*'", err):
            print(f"{python} has no {MODULE}: its distribution keeps the tests of Python in a package of its own")
            return NO_TESTS
        print(err, file=sys.stderr)
        return 1
    version = sys.version_info[:2]
    tests, wrong = selection(json.loads(out), version)
    verdicts = run(tests, chosen.jobs)
    explained, unneeded = judge(verdicts, version)
    wrong += unneeded
    again = [name for name, (verdict, _) in verdicts.items() if verdict == FAILED and name not in explained]
    verdicts.update(run(again, 1))
    bad = [name for name in again if verdicts[name][0] == FAILED]
    without_us = run(bad, 1, "--plain")
    elsewhere = [name for name in bad if without_us[name][0] == FAILED]
    failed = [name for name in bad if name not in elsewhere]
    report = {
        "python": python,
        "passed": sorted(name for name, (verdict, _) in verdicts.items() if verdict == PASSED),
        "skipped": {name: text for name, (verdict, text) in sorted(verdicts.items()) if verdict == SKIPPED},
        "excluded": explained,
        "passed alone": sorted(set(again) - set(bad)),
        "fails without the shim too": sorted(elsewhere),
        "failed": {name: verdicts[name][1] for name in sorted(failed)},
        "wrong tables": wrong,
    }
    if chosen.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    else:
        show(report, chosen.verbose)
    return 1 if failed or wrong or not report["passed"] else 0


def show(report: dict[str, Any], verbose: bool) -> None:
    """Print a report for a person."""
    for name, text in report["failed"].items():
        print(f"FAILED {name}\n{text}")
    for name in report["fails without the shim too"]:
        print(f"fails with the standard library's socket here too: {name}")
    for name in report["passed alone"]:
        print(f"passed only when it was run again alone: {name}")
    for name, reason in report["excluded"].items():
        print(f"excluded: {name}: {reason}")
    for count, reason in sorted((-n, reason) for reason, n in Counter(report["skipped"].values()).items()):
        print(f"skipped {-count}: {reason}")
    if verbose:
        for name, reason in report["skipped"].items():
            print(f"  {name}: {reason}")
        for pattern, _, reason in NOT_OURS:
            print(f"not selected: {pattern}: {reason}")
    for line in report["wrong tables"]:
        print(line)
    counts = ", ".join(
        f"{len(report[key])} {key}"
        for key in ("passed", "failed", "skipped", "excluded", "fails without the shim too")
        if report[key] or key in ("passed", "failed")
    )
    print(f"{report['python']}, {MODULE} on dualstack.shim.socket: {counts}")


if __name__ == "__main__":
    raise SystemExit(main())
