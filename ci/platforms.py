"""Write docs/platforms.md from the results of the tests: python ci/platforms.py [REPORT.xml ...]

    python ci/platforms.py --check                 the page fits this table and the tests; needs no results
    python ci/platforms.py --check REPORT.xml ...  also: no cell is weaker in these results than the page says

A table of every feature and system, each cell with how it is known:

    run              a test of the feature passed on that system
    run under Wine   it passed on a Windows CPython under Wine 10 (ci/wine.sh)
    scripted host    the system's own platform module passed it on the fake kernel of dualstack.testing
    layout-tested    the system's structures and constants were compared with its headers, byte for byte
    documentation    written by the system's documentation; nothing has shown it yet
    -                the system has no such thing; an UnsupportedError says so

Reads the JUnit reports of a run (by default .tox/junit/*.xml, as ci/test.py leaves them); the environment's name says
the system: py313-linux, py313-wine-all, py312-windows, netns. A run with failures makes no page;
without any report only the table of what Wine lacks is written anew, which the tests' marks say alone.

The first form of --check is part of the docs environment. It compares what does not depend on a run: the rows, the
systems, which kinds of proof a cell can have at all, the tests that each row names, the table of what Wine lacks. Its
answer is the same on every machine and day. The second form notices a feature that lost its proof.

What belongs to a feature is the table FEATURES; what Wine does otherwise than Windows, and which tests are skipped
for it, comes from tests/wine_deviations.py and the marks in the tests.
"""

from __future__ import annotations

import ast
import re
import runpy
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "platforms.md"
SYSTEMS = ("Linux", "macOS", "Windows", "FreeBSD", "OpenBSD")
RUN, WINE, SCRIPTED, LAYOUT, DOCUMENTATION, ABSENT = (
    "run",
    "run under Wine",
    "scripted host",
    "layout-tested",
    "documentation",
    "-",
)
DEVIATIONS = "## Where Wine is not Windows"
STRENGTH = {DOCUMENTATION: 0, LAYOUT: 1, SCRIPTED: 2, WINE: 3, RUN: 4}


class Feature:
    """One row: which tests show it, on which systems its layouts are tested, where it does not exist."""

    def __init__(self, name: str, *tests: str, layouts: dict[str, str] | None = None, absent: str = "") -> None:
        self.name = name
        #: Beginnings of "tests/net/test_listen.py::test_name".
        self.tests = tests
        #: System -> beginning of the test that compares its layouts.
        self.layouts = layouts or {}
        self.absent = absent.split()


BSD, IPHLPAPI = "tests/platforms/test_bsd.py", "tests/platforms/test_iphlpapi.py"
WSAMSG, WINSOCK = "tests/platforms/test_wsamsg.py", "tests/platforms/test_winsock.py"
FEATURES = (
    Feature("addresses: reading, printing, comparing", "tests/core/test_address.py", "tests/core/test_endpoint.py"),
    Feature("both families on one port", "tests/conformance/test_listeners.py::test_every_family"),
    Feature(
        "one dual-stack socket",
        "tests/net/test_listen.py",
        "tests/windows/test_listen.py::test_both_families_by_one",
        "tests/conformance/test_listeners.py::test_every_family_there_is_on_one_port",
        absent="OpenBSD",
    ),
    Feature(
        "a port for one listener alone",
        "tests/conformance/test_listeners.py::test_a_taken_port",
        "tests/windows/test_listen.py::test_nobody_takes_it",
    ),
    Feature(
        "several processes on one port (reuse_port)",
        "tests/conformance/test_listeners.py::test_sharing_a_port",
        absent="macOS Windows OpenBSD",
    ),
    Feature("resolving", "tests/net/test_resolve.py", "tests/conformance/test_connections.py::test_localhost"),
    Feature("connecting by RFC 8305", "tests/net/test_connect.py", "tests/conformance/test_connections.py"),
    Feature("listening under asyncio", "tests/aio/test_listen.py"),
    Feature("connecting under asyncio", "tests/aio/test_connect.py", "tests/windows/test_loops.py"),
    Feature("trio", "tests/aio/test_listen.py::test_both_families_reach_one_listener[trio]"),
    Feature("datagrams, answered from the address asked", "tests/conformance/test_datagrams.py"),
    Feature(
        "packet information",
        "tests/net/test_datagram.py",
        layouts={"Windows": WSAMSG, "macOS": "tests/core/test_ancillary.py", "FreeBSD": "tests/core/test_ancillary.py"},
    ),
    Feature("multicast", "tests/netns/datagram"),
    Feature(
        "Unix stream sockets",
        "tests/conformance/test_unix.py::test_a_live",
        "tests/unix/test_bind.py",
        layouts={"Windows": WINSOCK},
    ),
    Feature("Unix datagrams", "tests/conformance/test_unix.py::test_datagrams", absent="Windows"),
    Feature("abstract Unix names", "tests/unix/test_bind.py", absent="macOS Windows FreeBSD OpenBSD"),
    Feature("descriptors through Unix sockets", "tests/unix/test_passing.py", absent="Windows"),
    Feature("socket activation (systemd, fd)", "tests/unix/test_activation.py", absent="Windows"),
    Feature(
        "interfaces and their addresses",
        "tests/windows/test_interfaces.py",
        "tests/net/test_interfaces.py",
        "tests/netns/interfaces",
        "tests/conformance/test_listeners.py::test_an_interface[this-machine",
        layouts={"Windows": IPHLPAPI, "macOS": BSD, "FreeBSD": BSD},
        absent="OpenBSD",
    ),
    Feature(
        "routes and source addresses",
        "tests/windows/test_interfaces.py::test_the_default_gateway",
        "tests/netns/interfaces",
        layouts={"Windows": IPHLPAPI, "macOS": BSD, "FreeBSD": BSD},
        absent="OpenBSD",
    ),
    Feature("netifaces drop-in", "tests/shim/test_netifaces.py", absent="OpenBSD"),
    Feature("noticing that interfaces changed", "tests/net/test_watch.py", "tests/aio/test_watch.py", absent="OpenBSD"),
    Feature("forwarding between families", "tests/forward/test_streams.py"),
    Feature("drop-in for the socket module", "tests/shim/test_socket_connect.py"),
    Feature("other people's HTTP clients", "tests/clients/test_clients.py"),
    Feature("other people's servers", "tests/shim/test_servers.py"),
    Feature("capabilities()", "tests/net/test_capabilities.py"),
    Feature("command line and demo", "tests/cli/test_demo.py", "tests/cli/test_main.py"),
)


class Results:
    """What the reports say: (system and how) -> names of the tests that passed, and the numbers of each report."""

    def __init__(self, reports: list[Path]) -> None:
        self.passed: dict[str, set[str]] = defaultdict(set)
        self.numbers: list[tuple[str, int, int, int]] = []
        for report in reports:
            self._read(report)

    def _read(self, report: Path) -> None:
        counts = {"passed": 0, "failed": 0, "skipped": 0}
        where = _where(report.stem)
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            tags = {child.tag for child in case}
            outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
            counts[outcome] += 1
            if outcome == "passed":
                name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '')}"
                self.passed[_scripted(name) or where].add(name)
                self.passed["anywhere"].add(name)
        self.numbers.append((report.stem, counts["passed"], counts["failed"], counts["skipped"]))

    def has(self, where: str, *beginnings: str) -> bool:
        """Whether any test beginning so passed there."""
        return any(name.startswith(one) for name in self.passed[where] for one in beginnings)


def _where(environment: str) -> str:
    for part in environment.split("-"):
        if part in ("wine", "linux", "macos", "windows", "freebsd", "openbsd"):
            return part
    return "linux"  # netns, sdist


def _scripted(name: str) -> str | None:
    """The scripted host a conformance test ran on, as ``scripted macos``; None for this machine and other tests."""
    if not name.startswith("tests/conformance/"):
        return None
    found = re.search(r"\[(linux|macos|freebsd|openbsd|windows)", name)
    return f"scripted {found[1]}" if found else None


def cell(feature: Feature, system: str, results: Results) -> str:
    """How the feature is known to work on the system."""
    if system in feature.absent:
        return ABSENT
    if results.has(system.lower(), *feature.tests):
        return RUN
    if system == "Windows" and results.has("wine", *feature.tests):
        return WINE
    known = []
    if results.has(f"scripted {system.lower()}", *feature.tests):
        known.append(SCRIPTED)
    if system in feature.layouts and results.has("anywhere", feature.layouts[system]):
        known.append(LAYOUT)
    return ", ".join(known) or DOCUMENTATION


@cache
def skips() -> dict[str, list[str]]:
    """Deviation -> the tests that are skipped under Wine for it, read from the marks."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        owners = {
            id(inner): node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for outer in node.decorator_list
            for inner in ast.walk(outer)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "wine_skip":
                name = ast.literal_eval(node.args[0])
                where = f"{path.relative_to(ROOT).as_posix()}" + (f"::{owners[id(node)]}" if id(node) in owners else "")
                if where not in found[name]:
                    found[name].append(where)
    return found


HEAD = """\
# Platforms: what is known, and how

Written from the results of the tests by `python ci/platforms.py`; do not change it by hand. {reports}.

* **run**: a test of the feature passed on that system.
* **run under Wine**: it passed on a real CPython for Windows under Wine 10 (`ci/wine.sh`). The interpreter and its C
  runtime are Microsoft's kind, the sockets and interfaces are Linux's; the second table says where that shows.
* **scripted host**: the system's own module passed it on the fake kernel of `dualstack.testing`.
* **layout-tested**: its structures and constants agree with the system's headers, byte for byte; never run.
* **documentation**: written by the system's documentation; nothing has shown it yet.
* **-**: the system has no such thing, and an `UnsupportedError` says so.

The workflow of the public repository runs the tests on macOS, Windows, FreeBSD and OpenBSD; its results are there.
"""


def page(results: Results) -> str:
    """The whole of docs/platforms.md."""
    numbers = "; ".join(f"{name}: {p} passed, {f} failed, {s} skipped" for name, p, f, s in results.numbers)
    lines = [HEAD.format(reports="Reports: " + (numbers or "none")), ""]
    lines += [f"| feature | {' | '.join(SYSTEMS)} |", "| --- " * (len(SYSTEMS) + 1) + "|"]
    for feature in FEATURES:
        cells = [cell(feature, system, results) for system in SYSTEMS]
        lines.append(f"| {feature.name} | {' | '.join(cells)} |")
    lines += ["", DEVIATIONS, ""]
    lines += ["| name | under Wine 10 | on Windows | tests skipped there |", "| --- | --- | --- | --- |"]
    deviations = runpy.run_path(str(ROOT / "tests" / "wine_deviations.py"))["DEVIATIONS"]
    skipped = skips()
    for name, (wine, windows) in deviations.items():
        tests = ", ".join(f"`{test}`" for test in skipped.get(name, ())) or "none: nothing depends on it"
        lines.append(f"| {name} | {wine} | {windows} | {tests} |")
    return "\n".join(lines) + "\n"


def cells(text: str) -> dict[tuple[str, str], str]:
    """The first table of a page: (feature, system) -> cell."""
    found = {}
    for line in text.partition("## ")[0].splitlines():
        parts = [part.strip() for part in line.strip("|").split("|")]
        if line.startswith("|") and len(parts) == len(SYSTEMS) + 1 and not parts[0].startswith(("---", "feature")):
            found.update({(parts[0], system): part for system, part in zip(SYSTEMS, parts[1:], strict=True)})
    return found


def strength(text: str) -> int:
    """The best way in which a cell is known."""
    return max((STRENGTH[one] for one in text.split(", ") if one in STRENGTH), default=5)


@cache
def tests() -> set[str]:
    """Every test function there is, as ``tests/net/test_listen.py::test_name``."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(f"{file}::{node.name}")
    return found


def possible(feature: Feature, system: str) -> set[str]:
    """The kinds of proof that a cell can have, whatever the results."""
    if system in feature.absent:
        return {ABSENT}
    kinds = {RUN, DOCUMENTATION}
    if system == "Windows":
        kinds.add(WINE)
    if any(test.startswith("tests/conformance/") for test in feature.tests):
        kinds.add(SCRIPTED)
    if system in feature.layouts:
        kinds.add(LAYOUT)
    return kinds


def stale(text: str) -> list[str]:
    """What a page says otherwise than this file and the tests do, without any results."""
    there = tests()
    wrong = [
        f"{feature.name}: there is no test {beginning}"
        for feature in FEATURES
        for beginning in (*feature.tests, *feature.layouts.values())
        if not any(name.startswith(beginning.partition("[")[0]) for name in there)
    ]
    rows = cells(text)
    names = list(dict.fromkeys(name for name, _ in rows))
    if names != [feature.name for feature in FEATURES]:
        wrong.append("its rows are not those of FEATURES")
    for feature in FEATURES:
        for system in SYSTEMS:
            known = rows.get((feature.name, system))
            if known is not None and not set(known.split(", ")) <= possible(feature, system):
                wrong.append(f"{feature.name} on {system} cannot be {known!r}")
    counts = re.findall(r": (\d+) passed, (\d+) failed", text.partition("\n\n*")[0])
    if not counts or any(passed == "0" or failed != "0" for passed, failed in counts):
        wrong.append("it was not written from a run without failures")
    if text.partition(DEVIATIONS)[2] != page(Results([])).partition(DEVIATIONS)[2]:
        wrong.append("what Wine lacks, or what is skipped for it, has changed")
    return wrong


def weaker(text: str, results: Results) -> list[str]:
    """The cells that are known less well by *results* than the page says."""
    new = cells(page(results))
    return [
        f"{feature} on {system} is {before}, by these reports {new.get((feature, system), 'gone')}"
        for (feature, system), before in cells(text).items()
        if strength(new.get((feature, system), DOCUMENTATION)) < strength(before)
    ]


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    given = [Path(one) for one in arguments if not one.startswith("--")]
    reports = given if check else given or sorted((ROOT / ".tox" / "junit").glob("*.xml"))
    results = Results(reports)
    if not check and not reports:
        first = PAGE.read_text("utf-8").partition(DEVIATIONS)[0]
        PAGE.write_text(first + DEVIATIONS + page(results).partition(DEVIATIONS)[2], encoding="utf-8")
        print("no reports: only the table of what Wine lacks is written anew")
        return 0
    if not check:
        failed = [name for name, _, failures, _ in results.numbers if failures]
        if failed:
            print("no page is made from runs with failures:", ", ".join(failed))
            return 1
        PAGE.write_text(page(results), encoding="utf-8")
        return 0
    text = PAGE.read_text("utf-8")
    wrong = stale(text) + (weaker(text, results) if reports else [])
    for one in wrong:
        print("docs/platforms.md:", one)
    if wrong:
        print(
            "write it again from a whole run: python ci/platforms.py (ci/test.py and tox run -e py313-wine-all first)"
        )
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
