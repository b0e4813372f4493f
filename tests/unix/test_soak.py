"""The four long runs of ci/soak_unix.py, shortened; and proof that the watcher sees what it is there to see."""

from __future__ import annotations

import importlib.util
import os
import socket
import time
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("soak_unix", Path(__file__).parents[2] / "ci" / "soak_unix.py")
soak = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(soak)


def test_two_starters_on_one_stale_path(way, folder):
    seen = soak.races(soak.SHORT["races"] // 2, folder)
    assert soak.harm(seen) == {}
    assert seen["rounds"] == soak.SHORT["races"] // 2


@pytest.mark.parametrize("mode", [0o600, 0o620], ids=oct)
def test_nobody_sees_the_file_too_open(way, folder, mode):
    seen = soak.watch(soak.SHORT["watch"], folder, mode=mode, in_place=way == "in place")
    assert soak.harm(seen) == {}
    assert seen["looks at the file"] >= soak.SHORT["watch"]


def test_the_watcher_would_see_a_chmod_after_bind(folder, monkeypatch):
    class Chmodded:
        def __init__(self, path):
            self.path = path
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(path)
            time.sleep(0.001)  # the window, held open until the watcher must have had a turn
            os.chmod(path, 0o600)

        def unlink(self):
            os.unlink(self.path)

    monkeypatch.setattr(soak, "bind_unix", lambda endpoint, **_: Chmodded(endpoint.path))
    assert soak.watch(soak.SHORT["watch"], folder)["too open"] > 0


def test_competing_processes(way, folder):
    seen = soak.compete(soak.SHORT["compete"], folder)
    assert soak.harm(seen) == {}
    assert seen["ours"] == soak.SHORT["compete"]
    assert seen["of the rival"] > 0 and seen["foreign files"] > 0  # they did compete


def test_the_holder_was_killed(way, folder):
    assert soak.harm(soak.kill(soak.SHORT["kill"], folder)) == {}
