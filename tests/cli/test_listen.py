"""dualstack listen: any mix of addresses, each peer printed, a clean end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """One ``dualstack listen`` process; ``endpoints`` once it listens."""

    def __init__(self, *arguments: str, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "dualstack", "listen", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.endpoints = [self.line().removeprefix("listening on ") for _ in range(count)]

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.communicate()


def echo(family: int, address: object, data: bytes = b"hello") -> bytes:
    with socket.socket(family) as client:
        client.settimeout(10)
        client.connect(address)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(100), b""))


needs_unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this Python has no AF_UNIX; runs on POSIX")


@needs_unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_mix_of_addresses(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "s"
    with Server("127.0.0.1:0", f"unix:{path}", count=2) as server:
        host, _, port = server.endpoints[0].rpartition(":")
        assert echo(socket.AF_INET, (host, int(port))) == b"hello"
        assert server.line().startswith("+ 127.0.0.1:")
        assert server.line().endswith(" 5 bytes")
        assert echo(socket.AF_UNIX, str(path)) == b"hello"
        assert server.line() == "+ unix:"
        assert server.line() == "- unix: 5 bytes"
        server.process.send_signal(number)
        assert server.process.wait(30) == 0
    assert not os.path.exists(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process at once; runs elsewhere")
def test_sigterm_ends_what_a_script_has_in_the_background() -> None:
    """A shell without job control starts ``command &`` with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server = Server("127.0.0.1:0", count=1)
    finally:
        signal.signal(signal.SIGINT, before)
    with server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0


def test_host_and_port_as_two_words() -> None:
    with Server("localhost", "0", count=1) as server:
        host, _, port = server.endpoints[0].rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        assert echo(family, (host.strip("[]"), int(port))) == b"hello"


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        pytest.param(["192.0.2.200:0"], 1, "192.0.2.200", id="not-ours"),
        pytest.param(["::1:80:90"], 2, "at character", id="unreadable"),
        pytest.param(["8080"], 2, "a port alone is written :8080", id="a-port-alone"),
        pytest.param(["192.0.2.200", "https"], 1, "192.0.2.200:443", id="a-service-as-the-second-word"),
    ],
)
def test_what_cannot_be_listened_on(arguments: list[str], status: int, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "dualstack", "listen", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == status
    assert text in done.stderr and done.stderr.count("\n") == 1
