"""Servers of other people, told to listen on 0.0.0.0, under ``python -m dualstack run``: curl over IPv4 and IPv6.

They are installed in the tox environment ``servers`` (extra ``servers``); elsewhere these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

import dualstack

ROOT = Path(__file__).resolve().parents[2]
able = dualstack.capabilities()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="needs curl; .ci/run installs it"),
    pytest.mark.skipif(not able.ipv6_loopback, reason="no ::1 here; others have it"),
]

FLASK = """
import sys
from flask import Flask, request
app = Flask(__name__)

@app.route("/")
def hello():
    return f"hello {request.remote_addr}"

if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(sys.argv[1]))
"""
PLAIN = """
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"hello {environ['REMOTE_ADDR']}".encode()]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"hello {scope['client'][0]}".encode()})
"""
TORNADO = """
import asyncio, sys, tornado.web

class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write(f"hello {self.request.remote_ip}")

async def main():
    tornado.web.Application([("/", Hello)]).listen(int(sys.argv[1]), *sys.argv[2:])
    await asyncio.Event().wait()

asyncio.run(main())
"""
PROGRAMS = {"shop.py": FLASK, "plain.py": PLAIN, "whirl.py": TORNADO}

# name: (the package it needs, its command line)
SERVERS = {
    "flask-script": ("flask", ["shop.py", "{port}"]),
    "flask-run": ("flask", ["-m", "flask", "--app", "shop", "run", "--host", "0.0.0.0", "--port", "{port}"]),
    "flask-debug": (
        "flask",
        ["-m", "flask", "--app", "shop", "run", "--debug", "--no-reload", "--host=0.0.0.0", "--port={port}"],
    ),
    "waitress": ("waitress", ["-m", "waitress", "--listen=0.0.0.0:{port}", "plain:wsgi"]),
    "waitress-both-by-itself": ("waitress", ["-m", "waitress", "--listen=*:{port}", "plain:wsgi"]),
    "tornado": ("tornado", ["whirl.py", "{port}", "0.0.0.0"]),
    "tornado-both-by-itself": ("tornado", ["whirl.py", "{port}"]),
    "gunicorn": ("gunicorn", ["-m", "gunicorn", "--no-control-socket", "-b", "0.0.0.0:{port}", "plain:wsgi"]),
    "gunicorn-workers": (
        "gunicorn",
        ["-m", "gunicorn", "--no-control-socket", "-k", "gthread", "-w", "2", "-b", "0.0.0.0:{port}", "plain:wsgi"],
    ),
    "uvicorn": (
        "uvicorn",
        ["-m", "uvicorn", "--loop", "asyncio", "--host", "0.0.0.0", "--port", "{port}", "plain:asgi"],
    ),
    "uvicorn-ipv6": (
        "uvicorn",
        ["-m", "uvicorn", "--loop", "asyncio", "--host", "::", "--port", "{port}", "plain:asgi"],
    ),
}


@contextmanager
def serving(folder: Path, port: int, words: list[str]):
    command = [sys.executable, "-m", "dualstack", "run", "--listen", *(word.format(port=port) for word in words)]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            # Reset: we came between the two listens of a server that serves both families by itself (docs/run.md).
            except (ConnectionRefusedError, ConnectionResetError):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
        yield
    finally:
        process.terminate()  # a master of workers ends them
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


@pytest.mark.parametrize("name", SERVERS)
def test_curl(tmp_path: Path, name: str) -> None:
    package, words = SERVERS[name]
    if find_spec(package) is None:
        pytest.skip(f"needs {package}; the tox environment servers has it")
    if package == "gunicorn" and not hasattr(os, "fork"):
        pytest.skip("gunicorn needs fork; runs on POSIX")
    for file, text in PROGRAMS.items():
        (tmp_path / file).write_text(text)
    with dualstack.open_listener("::", 0) as listener:
        port = listener.port
    with serving(tmp_path, port, words):
        for way, host in (("-6", "::1"), ("-4", "127.0.0.1")):
            done = subprocess.run(
                ["curl", way, "-sS", "--noproxy", "*", "--max-time", "20", f"http://localhost:{port}/"],
                capture_output=True,
                text=True,
                check=False,
            )
            log = (tmp_path / "log").read_text()
            assert (done.stdout, done.stderr) == (f"hello {host}", ""), log
            assert "Traceback" not in log
