"""dualstack forward: what it prints, how it ends, and what it says to words that make no sense."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dualstack import Endpoint
from dualstack.core.proxy_protocol import decode

ROOT = Path(__file__).resolve().parents[2]
needs_unix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this Python has no AF_UNIX; runs on POSIX")
needs_signals = pytest.mark.skipif(os.name != "posix", reason="SIGTERM ends a Windows process at once; runs on POSIX")


class Forward:
    """One ``dualstack forward`` process; ``endpoints`` once it listens."""

    def __init__(self, *arguments: str, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "dualstack", "forward", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.lines = [self.line() for _ in range(count)]
        texts = [line.removeprefix("forwarding ").partition(" to ")[0] for line in self.lines]
        self.endpoints = [Endpoint.parse(text.removeprefix("udp://")) for text in texts]

    def line(self, name: str = "stdout") -> str:
        stream = getattr(self.process, name)
        return stream.readline().rstrip("\n")

    def connect(self, index: int = 0) -> socket.socket:
        endpoint = self.endpoints[index]
        client = socket.socket(endpoint.family)
        client.settimeout(20)
        client.connect(endpoint.sockaddr)
        return client

    def __enter__(self) -> Forward:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(20)
        yield sock


def address_of(server: socket.socket) -> str:
    return str(Endpoint.local(server))


@needs_unix
@needs_signals
def test_a_mix_of_addresses_and_a_clean_end(server, tmp_path) -> None:
    path = tmp_path / "s"
    to = address_of(server)
    with Forward("127.0.0.1:0", f"unix:{path}", "--to", to, "--proxy-out=v2", "--verbose", count=2) as run:
        assert run.lines[1] == f"forwarding unix:{path} to {to}"
        for index in (0, 1):
            with run.connect(index) as client:
                name = Endpoint.local(client)
                connection, _ = server.accept()
                with connection:
                    client.sendall(b"question")
                    client.shutdown(socket.SHUT_WR)
                    came = b"".join(iter(lambda c=connection: c.recv(1000), b""))
                    header = decode(came)
                    assert (header.source, came[header.size :]) == (name, b"question")
                    connection.sendall(b"answer")
                assert client.recv(100) + client.recv(100) == b"answer"
            assert run.line() == f"+ {name} to {to}"
            assert run.line().startswith(f"- {name} {len(came)} bytes to, 6 from, ")
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(30) == 0
        assert run.line("stderr") == ""
    assert not path.exists()


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_lets_connections_end(server, number) -> None:
    with Forward("127.0.0.1:0", "--to", address_of(server), "--drain", "60", count=1) as run, run.connect() as client:
        connection, _ = server.accept()
        with connection:
            run.process.send_signal(number)
            assert run.line("stderr") == "closing; one connection has 60 s left"
            client.sendall(b"still here")
            assert connection.recv(100) == b"still here"
            client.close()
            assert connection.recv(100) == b""
        assert run.process.wait(30) == 0


@needs_signals
def test_a_second_signal_ends_them(server) -> None:
    with Forward("127.0.0.1:0", "--to", address_of(server), "--drain", "60", count=1) as run, run.connect() as client:
        connection, _ = server.accept()
        with connection:
            run.process.send_signal(signal.SIGTERM)
            assert "one connection" in run.line("stderr")
            run.process.send_signal(signal.SIGTERM)
            assert client.recv(1) == b""
        assert run.process.wait(30) == 0


def test_a_target_that_is_down_is_said_on_stderr() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        to = address_of(held)
    with Forward("127.0.0.1:0", "--to", to, count=1) as run:
        with run.connect() as client:
            name = Endpoint.local(client)
            assert client.recv(1) == b""
        line = run.line("stderr")
        assert line.startswith(f"dualstack forward: {name} is closed: cannot connect to {to}; {to} 0.000 s ")
        assert "refused" in line


def test_datagrams() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        with Forward("udp://127.0.0.1:0", "--to", address_of(server), count=1) as run:
            assert run.lines[0].startswith("forwarding udp://127.0.0.1:")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(20)
                client.connect(run.endpoints[0].sockaddr)
                client.send(b"question")
                data, peer = server.recvfrom(100)
                assert data == b"question"
                server.sendto(b"answer", peer)
                assert client.recv(100) == b"answer"


def test_an_ipv4_only_server_for_ipv6_clients(tmp_path) -> None:
    """What it is for: a server that only knows 127.0.0.1, asked over ::1."""
    (tmp_path / "page.txt").write_text("the page", encoding="ascii")
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Forward("[::1]:0", "--to", f"127.0.0.1:{server.server_port}", count=1) as run:
                url = run.endpoints[0].url("http")
                with urllib.request.urlopen(f"{url}/page.txt", timeout=20) as answer:
                    assert answer.read() == b"the page"
        finally:
            server.shutdown()
            thread.join()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@pytest.mark.skipif(not shutil.which("sh") or os.name != "posix", reason="needs ulimit; runs on POSIX")
def test_with_few_descriptors_everybody_is_served_in_turn(server) -> None:
    """Fifty clients at once, and descriptors for a handful: nobody is refused, nobody is lost."""
    command = f'ulimit -n 100 && exec "{sys.executable}" -m dualstack forward 127.0.0.1:0 --to {address_of(server)}'
    with subprocess.Popen(["sh", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as process:
        clients = []
        try:
            line = process.stdout.readline().removeprefix("forwarding ").partition(" to ")[0]
            for _ in range(50):
                clients.append(socket.create_connection(Endpoint.parse(line).sockaddr))
                clients[-1].settimeout(20)
            for number in range(50):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"%d" % number)
                    # One is served at a time here, in the order of arrival.
                    assert clients[number].recv(100) == b"%d" % number
                    clients[number].close()
                    assert connection.recv(1) == b""
        finally:
            for client in clients:
                client.close()
            process.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "dualstack", "forward", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        pytest.param(["192.0.2.200:0", "--to", "h:1"], 1, "cannot listen on 192.0.2.200:0", id="not-ours"),
        pytest.param(["::1:80:90", "--to", "h:1"], 2, "at character", id="unreadable"),
        pytest.param([":0", "--to", "127.1:80"], 2, "short", id="unreadable-target"),
        pytest.param(["udp://:0", "--to", "tcp://h:1"], 2, "udp://:0 has datagrams and tcp://h:1", id="udp-to-tcp"),
        pytest.param(["udp://:0", "--to", "h:1", "--proxy-out=v1"], 2, "PROXY v1 knows TCP only", id="v1-and-udp"),
        pytest.param([":0", "--to", "h:1", "--idle=0"], 2, "idle is more than 0", id="idle"),
        pytest.param([":0", "--to", "h:1", "--max-connections=0"], 2, "max_connections is at least 1", id="none"),
        pytest.param([":0", "--to", "h:1", "--proxy-in=10.0.0.1/8"], 2, "has host bits set", id="networks"),
    ],
)
def test_one_line_says_what_is_wrong(arguments, status, says) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("dualstack forward: ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param([":0"], "the following arguments are required: --to", id="no-target"),
        pytest.param(["--to", "h:1"], "the following arguments are required: LISTEN", id="no-listener"),
        pytest.param([":0", "--to", "h:1", "--idle=soon"], "'soon' is not a number of seconds", id="idle"),
        pytest.param([":0", "--to", "h:1", "--drain=-1"], "'-1' is not a number of seconds", id="drain"),
        pytest.param([":0", "--to", "h:1", "--max-connections=many"], "'many' is not a number", id="max"),
        pytest.param([":0", "--to", "h:1", "--mode=888"], "'888' is not an octal mode", id="mode"),
        pytest.param([":0", "--to", "h:1", "--proxy-out=v3"], "invalid choice: 'v3'", id="proxy-out"),
    ],
)
def test_words_that_are_no_options(arguments, says) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr


def test_help_names_every_option() -> None:
    done = run("--help")
    assert done.returncode == 0
    for option in (
        "--idle",
        "--proxy-out",
        "--proxy-in",
        "--max-connections",
        "--connect-timeout",
        "--allow",
        "--mode",
    ):
        assert option in done.stdout
