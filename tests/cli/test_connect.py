"""dualstack connect: the pipe, the time line, the picture, and what it says when it fails."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from dualstack import Endpoint
from dualstack.cli.__main__ import main
from dualstack.cli.style import Style
from dualstack.cli.timeline import Timeline
from dualstack.core.trace import TraceEvent

ROOT = Path(__file__).resolve().parents[2]
SIX, FOUR = Endpoint.parse("[2001:db8::1]:443"), Endpoint.parse("192.0.2.1:443")


@pytest.fixture
def echo():
    """A port on 127.0.0.1 that sends back what one client sends."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    if thread.is_alive():  # nobody came; shutdown would wake it on Linux only
        socket.create_connection(server.getsockname()).close()
    thread.join()
    server.close()


def test_two_way_pipe(echo):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "dualstack", "connect", "127.0.0.1", str(echo)],
        cwd=ROOT,
        input=b"hello\n" * 10000,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == b"hello\n" * 10000
    assert done.stderr.decode().splitlines() == [f"connected to 127.0.0.1:{echo}"]


def test_explain_draws_each_attempt(echo, capsys):
    assert main(["connect", f"localhost:{echo}", "--explain"]) == 0
    scale, six, four = capsys.readouterr().out.splitlines()
    assert scale.strip().startswith("0") and scale.endswith("ms")
    assert six.startswith(f"[::1]:{echo}") and "x" in six and six.endswith("Connection refused")
    assert four.startswith(f"127.0.0.1:{echo}") and ">" in four and four.endswith("connected")


@pytest.mark.parametrize("order", ["before", "after"])
def test_explain_as_a_picture(echo, tmp_path, order):
    picture = tmp_path / "race.svg"
    words = ["--explain=svg", str(picture)]
    address = [f"127.0.0.1:{echo}"]
    assert main(["connect", *(words + address if order == "before" else address + words)]) == 0
    root = ElementTree.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert f"127.0.0.1:{echo}" in "".join(root.itertext())


def test_explain_of_a_failure_is_drawn_too(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert main(["connect", "--explain", "127.0.0.1", str(port)]) == 1
    captured = capsys.readouterr()
    assert "Connection refused" in captured.out
    assert captured.err == f"dualstack connect: cannot connect to 127.0.0.1:{port}\n"


def test_failure_prints_the_table(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert main(["connect", "127.0.0.1", str(port)]) == 1
    assert "Connection refused after" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["a", "b", "c"], ["::1:80"], ["127.0.0.1", "65536"]])
def test_misunderstood(words, capsys):
    assert main(["connect", *words]) == 2
    assert capsys.readouterr().err


def test_time_line():
    """The whole story of a race with a look-up that fails, a silent address and a winner."""
    error = OSError(0, "Name or service not known")
    events = [
        TraceEvent("lookup-started", 10.0, family=socket.AF_INET6),
        TraceEvent("lookup-started", 10.0, family=socket.AF_INET),
        TraceEvent("lookup-answered", 10.25, family=socket.AF_INET, endpoints=(FOUR,)),
        TraceEvent("attempt-started", 10.25, SIX),
        TraceEvent("lookup-answered", 10.5, family=socket.AF_INET6, error=error),
        TraceEvent("attempt-started", 10.5, FOUR),
        TraceEvent("attempt-dropped", 10.75, SIX),
        TraceEvent("attempt-won", 10.75, FOUR),
        TraceEvent("tls-started", 10.75, FOUR),
    ]
    timeline = Timeline(events, 10.0, 11.0)
    rows = [(row.label, row.begin, row.end, row.how, row.remark) for row in timeline.rows]
    assert rows == [
        ("look up IPv6 (AAAA)", 0.0, 0.5, "failed", "Name or service not known"),
        ("look up IPv4 (A)", 0.0, 0.25, "answered", "192.0.2.1"),
        ("[2001:db8::1]:443", 0.25, 0.75, "dropped", "given up"),
        ("192.0.2.1:443", 0.5, 0.75, "won", "connected"),
        ("TLS with 192.0.2.1:443", 0.75, None, "open", "no answer"),
    ]
    lines = timeline.text(Style()).splitlines()
    bars = [line[24:72] for line in lines[1:]]
    assert bars == [
        "-" * 23 + "x" + " " * 24,
        "=" * 11 + "|" + " " * 36,
        " " * 12 + "." * 24 + " " * 12,
        " " * 24 + "=" * 11 + ">" + " " * 12,
        " " * 36 + "." * 12,
    ]
    assert all(len(line) <= 120 for line in lines)
    ElementTree.fromstring(timeline.svg("a <b> & c"))


def test_the_time_line_is_about_the_network():
    """What a race needs is loaded before the clock starts: it took longer than a race on this host."""
    program = """if True:
        import sys
        from dualstack.cli import connect as command
        from dualstack.cli.__main__ import main

        before = set()
        real = command.connect

        def connect(*arguments, **keywords):
            before.update(sys.modules)
            return real(*arguments, **keywords)

        command.connect = connect
        main(["connect", "localhost:1", "--explain"])
        late = sorted(name for name in set(sys.modules) - before if name.startswith("dualstack."))
        print("loaded late:", *late, file=sys.stderr)
        """
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "refused" in done.stdout
    assert done.stderr.splitlines()[-1] == "loaded late:"
