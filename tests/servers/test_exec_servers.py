"""The real gunicorn, uvicorn and hypercorn under ``exec``: over IPv4, IPv6 and Unix, replaced under load.

They are installed in the tox environment ``servers`` (extra ``servers``); elsewhere these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from importlib.util import find_spec

import pytest

APPLICATION = """
async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
    await send(head)
    await send({"type": "http.response.body", "body": b"hello"})

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""

SERVERS = [
    pytest.param("gunicorn", [], ["--no-control-socket", "application:wsgi"], id="gunicorn"),
    pytest.param("gunicorn", [], ["--no-control-socket", "-k", "gthread", "application:wsgi"], id="gunicorn-gthread"),
    pytest.param("uvicorn", ["--each"], ["--log-level", "warning", "--fd", "{fd}", "application:asgi"], id="uvicorn"),
    pytest.param("hypercorn", [], ["--bind=fd://{fd}", "application:asgi"], id="hypercorn"),
]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def request(target) -> None:
    """One request on a connection of its own; whatever is not a whole answer is an error."""
    family, address = target
    with socket.socket(family) as sock:
        sock.settimeout(30)
        sock.connect(address)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while more := sock.recv(65536):
            answer += more
    if not (answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"hello")):
        raise ValueError(f"a broken answer: {answer!r}")


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="ds", dir="/tmp")
    with open(f"{path}/application.py", "w") as file:
        file.write(textwrap.dedent(APPLICATION))
    yield path
    left = set(os.listdir(path)) - {"application.py", "__pycache__", "log"}
    shutil.rmtree(path)
    assert left == set()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="replacing without loss needs Linux for TCP, and runs there")
@pytest.mark.parametrize(("module", "options", "arguments"), SERVERS)
def test_three_families_and_a_restart_under_load(folder, module, options, arguments):
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed; runs in the tox environment servers")
    if not has_ipv6():
        pytest.skip("this host has no IPv6; runs where there is")
    path = f"{folder}/s"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dualstack", "exec", "--restart", *options, "--listen", f":{port}", f"unix:{path}"]
    with open(f"{folder}/log", "w+") as log:
        process = subprocess.Popen(
            [*command, "--", sys.executable, "-m", module, *arguments],
            env={**os.environ, "PYTHONPATH": folder},
            stdout=log,
            stderr=log,
        )
        try:
            targets = [
                (socket.AF_INET, ("127.0.0.1", port)),
                (socket.AF_INET6, ("::1", port)),
                (socket.AF_UNIX, path),
            ]
            for target in targets:  # the first ones wait in the backlog until the program is there
                deadline = time.monotonic() + 30
                while True:
                    try:
                        request(target)
                        break
                    except (ConnectionRefusedError, FileNotFoundError):  # not even exec has started
                        assert process.poll() is None and time.monotonic() < deadline
                        time.sleep(0.05)
            done, failed, stop = [0, 0, 0], [], threading.Event()

            def load(index: int) -> None:
                while not stop.is_set():
                    try:
                        request(targets[index])
                        done[index] += 1
                    except (OSError, ValueError) as error:
                        failed.append((targets[index], error))

            threads = [threading.Thread(target=load, args=(number % 3,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for _ in range(2):
                process.send_signal(signal.SIGHUP)
                time.sleep(2.5)  # overlap, drain, and the end of the old one
            stop.set()
            for thread in threads:
                thread.join()
            assert failed == []
            assert min(done) > 20
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(30)
    assert status in (0, 128 + signal.SIGTERM)  # uvicorn ends by the signal itself
    assert not os.path.lexists(path)
