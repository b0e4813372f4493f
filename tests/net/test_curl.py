"""The main job, seen from outside: curl reaches one listener over IPv4, IPv6 and a Unix socket."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

import dualstack


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl; .ci/run installs it")
@pytest.mark.parametrize("way", ["-4", "-6", "--unix-socket"])
def test_curl(tmp_path: Path, way: str) -> None:
    able = dualstack.capabilities()
    needed = {"-4": able.ipv4_loopback, "-6": able.ipv6_loopback, "--unix-socket": able.unix_stream}[way]
    if not needed:
        pytest.skip(f"{needed.name}: {needed.how}; runs on hosts that have it")
    path = tmp_path / "s"
    peers = []

    def answer(conn, peer) -> None:
        peers.append(peer)
        request = b""
        while b"\r\n\r\n" not in request and (data := conn.recv(4096)):
            request += data
        conn.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    hosts = ["::", f"unix:{path}"] if able.unix_stream else ["::"]
    with dualstack.open_listener(hosts, 0) as listener:
        serving = threading.Thread(target=listener.serve, args=(answer,))
        serving.start()
        try:
            words = [way, str(path)] if way == "--unix-socket" else [way]
            url = f"http://localhost:{listener.port}/"
            done = subprocess.run(
                ["curl", "-sS", "--noproxy", "*", "--max-time", "20", *words, url],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            listener.close()
            serving.join(20)
    assert (done.stdout, done.stderr, done.returncode) == ("hello", "", 0)
    assert [str(peer).partition(":")[0].strip("[") for peer in peers] == [
        {"-4": "127.0.0.1", "-6": "", "--unix-socket": "unix"}[way]
    ]
