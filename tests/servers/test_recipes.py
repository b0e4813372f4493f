"""Every recipe of docs/servers.md is run: it answers curl over three families, and ends without leaving anything.

The servers are installed in the tox environment ``servers`` (extra ``servers``); elsewhere these tests are skipped.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "servers.md"
RECIPE = re.compile(r"^## (\S+)\n(?:(?!^## ).*\n)*?```python\n((?:.*\n)*?)```$", re.M)
RECIPES = dict(RECIPE.findall(PAGE.read_text(encoding="utf-8")))
COMMAND = re.compile(r"^    (python -m dualstack exec .* python -m (\w+) .*)$", re.M)
COMMANDS = {name: line for line, name in COMMAND.findall(PAGE.read_text(encoding="utf-8"))}
WHERE = "is not installed; runs in the tox environment servers"

APPLICATION = """
async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = f"hello {(scope.get('client') or ['nobody'])[0]}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ, start_response):
    body = f"hello {environ.get('REMOTE_ADDR')}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and paths as Linux has them; runs there")


def test_every_server_has_its_recipe():
    assert set(RECIPES) == {
        "uvicorn",
        "hypercorn",
        "gunicorn",
        "aiohttp",
        "waitress",
        "cheroot",
        "tornado",
        "wsgiref",
        "http.server",
    }


def curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "--noproxy", "*", "--silent", "--show-error", "--fail", "--max-time", "30", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 7:  # CURLE_COULDNT_CONNECT
        raise ConnectionRefusedError(done.stderr)
    assert done.returncode == 0, done.stderr
    return done.stdout


def when_there(process: subprocess.Popen[bytes], *arguments: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            return curl(*arguments)
        except ConnectionRefusedError:
            assert process.poll() is None, "it ended before it listened"
            assert time.monotonic() < deadline
            time.sleep(0.05)


def stop(process: subprocess.Popen[bytes], ending: signal.Signals) -> int | str:
    process.send_signal(ending)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "killed: it did not end by itself"


@pytest.fixture
def folder(unix_path):
    """A short folder with the application in it."""
    path = os.path.dirname(unix_path)
    Path(path, "app.py").write_text(APPLICATION, encoding="utf-8")
    yield path
    for name in ("app.py", "recipe.py", "log"):
        Path(path, name).unlink(missing_ok=True)
    for name in ("__pycache__", ".gunicorn"):
        shutil.rmtree(Path(path, name), ignore_errors=True)
    assert os.listdir(path) == []


def play(command: list[str], folder: str, path: str, port: int, ending: signal.Signals) -> tuple[int | str, str]:
    """Run a server, ask it over three families, end it; returns its status and what it said."""
    if not shutil.which("curl"):
        pytest.skip("needs curl; .ci/run installs it")
    with open(Path(folder, "log"), "w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([folder, *filter(None, sys.path)]),
                "PYTHONDEVMODE": "1",
                "HOME": folder,
            },
            stdout=log,
            stderr=log,
        )
        try:
            four = when_there(process, f"http://127.0.0.1:{port}/")
            six = curl("--globoff", f"http://[::1]:{port}/")
            unix = curl("--unix-socket", path, "http://app/")
            assert (four, six) == ("hello 127.0.0.1", "hello ::1")
            assert unix.startswith("hello")
            # An exception in the midst of an answer goes into wsgiref's log, also that of the signal below. The end of
            # a connection that asks nothing shows that the answers before it are over.
            with socket.create_connection(("127.0.0.1", port), timeout=30) as nothing:
                nothing.shutdown(socket.SHUT_WR)
                assert nothing.recv(100) == b""
        finally:
            status = stop(process, ending)
            log.seek(0)
            said = log.read()
            print(said)
    assert not os.path.lexists(path)
    with socket.socket() as again:  # nobody holds the port
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
    return status, said


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("server", RECIPES)
def test_recipe(server, ending, folder, unix_path, dual_port):
    if find_spec(server.partition(".")[0]) is None:
        pytest.skip(f"{server} {WHERE}")
    recipe = Path(folder, "recipe.py")
    code = RECIPES[server].replace("8000", str(dual_port)).replace("/run/app.sock", unix_path)
    recipe.write_text(code, encoding="utf-8")
    status, said = play([sys.executable, str(recipe)], folder, unix_path, dual_port, ending)
    # gunicorn leaves sockets that it makes itself, to look at the family of ours, to the collector.
    forbidden = "Bad file descriptor|Errno" + ("" if server == "gunicorn" else "|ResourceWarning")
    # BlockingIOError is the answer of a look at a socket where nobody waits. A Ctrl-C in the microseconds after it,
    # which is just when the last answer has been given, has it as its context in the traceback.
    found = [line for line in said.splitlines() if re.search(forbidden, line)]
    assert [line for line in found if not (ending == signal.SIGINT and line.startswith("BlockingIOError: "))] == []
    # A KeyboardInterrupt that is let through is Python's own way to end on Ctrl-C.
    assert status == 0 or (ending == signal.SIGINT and status in (1, -signal.SIGINT, 130)), said


@pytest.mark.slow
@pytest.mark.parametrize("server", ["gunicorn", "hypercorn", "uvicorn"])
def test_exec(server, folder, unix_path, dual_port):
    if find_spec(server) is None:
        pytest.skip(f"{server} {WHERE}")
    line = COMMANDS[server].replace("8000", str(dual_port)).replace("/run/app.sock", unix_path)
    command = [sys.executable if word == "python" else word for word in shlex.split(line)]
    status, said = play(command, folder, unix_path, dual_port, signal.SIGTERM)
    assert "Errno" not in said
    assert status in (0, 128 + signal.SIGTERM)  # uvicorn ends by the signal itself
