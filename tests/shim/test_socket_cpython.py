"""CPython's own tests of the socket module pass on the shim; and the script that runs them cannot be fooled."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "ci" / "cpython_socket.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("ci_cpython_socket", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    sys.platform == "win32",
    reason="the tests try recvmsg and AF_UNIX there, which the shim adds; what of them cannot pass was never written"
    " down for want of a Windows with the test package. Runs on POSIX",
)
def test_the_tests_of_cpython_pass(script):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--json"], capture_output=True, text=True, timeout=590, check=False
    )
    if done.returncode == script.NO_TESTS:
        pytest.skip(f"{done.stdout.strip()}; runs where Python was built from its sources")
    report = json.loads(done.stdout)
    assert report["failed"] == {}
    assert report["wrong tables"] == []
    assert done.returncode == 0
    classes = {name.partition(".")[0] for name in report["passed"]}
    expected = {"GeneralModuleTests", "BasicTCPTest", "BasicUDPTest", "CreateServerTest", "NetworkConnectionNoServer"}
    expected |= {"RecvmsgUDPTest", "SendmsgUnixStreamTest", "RecvmsgSCMRightsStreamTest", "SendRecvFdsTests"}
    assert expected - classes == set()


def test_a_row_that_passes_fails_the_run(script, monkeypatch):
    row = script.Excluded("A.test_b", (3, 10), lambda: True, "because")
    monkeypatch.setattr(script, "EXCLUDED", (row,))
    assert script.judge({"A.test_b": ("failed", "trace")}, (3, 13)) == ({"A.test_b": "because"}, [])
    explained, wrong = script.judge({"A.test_b": ("passed", "")}, (3, 13))
    assert explained == {} and "take it out of the table" in wrong[0]


def test_a_row_explains_nothing_where_it_does_not_hold(script, monkeypatch):
    row = script.Excluded("A.test_b", (3, 12), lambda: False, "because")
    monkeypatch.setattr(script, "EXCLUDED", (row,))
    assert script.judge({"A.test_b": ("failed", "trace")}, (3, 13)) == ({}, [])
    monkeypatch.setattr(script, "EXCLUDED", (row._replace(when=lambda: True),))
    assert script.judge({"A.test_b": ("failed", "trace")}, (3, 11)) == ({}, [])


def test_a_row_without_a_test_fails_the_run(script, monkeypatch):
    monkeypatch.setattr(script, "EXCLUDED", (script.Excluded("A.gone", (3, 12), lambda: True, "because"),))
    monkeypatch.setattr(script, "NOT_OURS", (("CAN", (3, 10), "why"), ("HyperV", (3, 12), "why")))
    tests = ["A.test_b", "BasicCANTest.test_c"]
    chosen, wrong = script.selection(tests, (3, 12))
    assert chosen == ["A.test_b"]
    assert wrong == ["NOT_OURS: no test class matches 'HyperV' any more", "EXCLUDED: there is no test A.gone any more"]
    assert script.selection(tests, (3, 11)) == (["A.test_b"], [])


def test_every_row_has_its_reason(script):
    assert all(len(reason) > 20 for _, _, reason in script.NOT_OURS)
    assert all(len(row.reason) > 20 for row in script.EXCLUDED)


def test_a_child_that_dies_has_failed_its_tests(script, monkeypatch):
    monkeypatch.setattr(
        script,
        "start",
        lambda *options: subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit('it died')"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ),
    )
    verdicts = script.run(["A.test_b", "A.test_c"], 2)
    assert [verdict for verdict, _ in verdicts.values()] == ["failed", "failed"]
    assert "it died" in verdicts["A.test_b"][1]
