"""The pytest fixtures that dualstack.testing offers to other people's tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

import dualstack
from dualstack import doors, platforms
from dualstack.testing import Host, World, windows


def test_dual_port_is_ours_alone(dual_port: int) -> None:
    for host in ("localhost", "::", "127.0.0.1"):
        with dualstack.open_listener(host, dual_port) as listener:
            assert listener.port == dual_port
            with socket.create_connection(("127.0.0.1", dual_port), timeout=10):
                listener.accept(timeout=10)[0].close()
    if platforms.current.name == "Linux":  # elsewhere it cannot be held while somebody else listens on it
        with socket.socket() as stranger, pytest.raises(OSError):
            stranger.bind(("127.0.0.1", dual_port))


def test_unix_path_is_short_and_in_a_directory_of_its_own(unix_path: str) -> None:
    assert len(os.fsencode(unix_path)) <= 103
    assert os.listdir(os.path.dirname(unix_path)) == []
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("Python has no AF_UNIX here; Linux and macOS run the rest")
    with dualstack.open_listener(f"unix:{unix_path}"):
        assert os.path.exists(unix_path)


def test_world_is_the_world_of_the_test(world: World) -> None:
    assert doors.current is world
    with dualstack.open_listener("::", 80) as listener:
        assert listener.port == 80  # as any user


def test_make_world_takes_a_host(make_world: Callable[[Host], World]) -> None:
    world = make_world(windows())
    assert doors.current is world
    assert platforms.current.name == "Windows"


def test_a_leak_fails_the_test_of_a_user(tmp_path: os.PathLike[str]) -> None:
    """The whole way: a plug-in line in conftest.py, a test that leaks, and pytest's verdict."""
    folder = os.fspath(tmp_path)
    with open(os.path.join(folder, "conftest.py"), "w", encoding="utf-8") as file:
        file.write('pytest_plugins = ["dualstack.testing.fixtures"]\n')
    with open(os.path.join(folder, "test_user.py"), "w", encoding="utf-8") as file:
        file.write("import dualstack\ndef test_leak(world):\n    dualstack.open_listener('::', 80)\n")
    root = os.path.dirname(os.path.dirname(os.path.abspath(dualstack.__file__)))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, folder],
        env={**os.environ, "PYTHONPATH": root},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Leak: left behind: socket" in done.stdout
    assert "1 error" in done.stdout


def test_importing_it_needs_no_pytest() -> None:
    code = "import sys, dualstack.testing; sys.exit('pytest' in sys.modules)"
    root = os.path.dirname(os.path.dirname(os.path.abspath(dualstack.__file__)))
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
