"""The demo: it passes here, it says what is missing on lesser hosts, and it fails when a check fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dualstack import testing
from dualstack.cli import demo
from dualstack.cli.style import Style
from dualstack.net.capabilities import capabilities

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it from a plain checkout, in an empty environment, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-S", "-E", "-W", "error", "-m", "dualstack", "demo", *arguments],
        cwd=ROOT,
        env={"SYSTEMROOT": r"C:\Windows", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_for_people() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "checks passed." in done.stdout
    assert "\033[" not in done.stdout
    assert "::ffff:" not in done.stdout.split("What this host can do")[0]


def test_for_programs() -> None:
    done = run("--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["ok"] is True
    able = capabilities()
    wanted = {"IPv4": able.ipv4_loopback, "IPv6": able.ipv6_loopback, "Unix": able.unix_stream}
    assert {c["kind"]: c["ok"] for c in report["clients"]} == {k: True if v else None for k, v in wanted.items()}
    assert report["capabilities"].keys() == {c.name for c in able}


def test_a_host_without_ipv6_is_no_failure() -> None:
    with testing.World(testing.linux(ipv6=False, unix=False)):
        clients, listening = demo._clients()
    assert [(c["kind"], c["ok"]) for c in clients] == [("IPv4", True), ("IPv6", None), ("Unix", None)]
    assert "EAFNOSUPPORT" in clients[1]["why"]
    assert [text.rpartition(":")[0] for text in listening] == ["0.0.0.0"]


def test_two_sockets_on_one_port_serve_both() -> None:
    with testing.World(testing.openbsd(unix=False)):
        clients, listening = demo._clients()
    assert [c["ok"] for c in clients] == [True, True, None]
    assert len({text.rpartition(":")[2] for text in listening}) == 1
    assert len(listening) == 2


@pytest.mark.parametrize(
    "why", [pytest.param(b"x" * demo._SIZE, id="changed"), pytest.param(ConnectionResetError("cut"), id="cut")]
)
def test_a_failed_check_fails_the_demo(why, monkeypatch, capsys) -> None:
    calls = []

    def receive(sock, size: int) -> bytes:
        calls.append(sock)
        if len(calls) == 2 and isinstance(why, bytes):
            return why
        if isinstance(why, OSError):
            raise why
        return b"y" * size

    monkeypatch.setattr(demo, "_receive", receive)
    report = demo._report()
    assert report["ok"] is False
    text = demo._render(report, Style())
    assert "Not everything above held" in text
    assert "cut" in text or "the data came back changed" in text
