"""The file system of the fake world against the real one: the same Unix listeners, the same outcomes."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator

import pytest

import dualstack
from dualstack import doors
from dualstack.testing import World, linux

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fake host is a Linux; compared on Linux")

KINDS = ("nothing", "stale", "live", "file", "link to live", "link to nothing", "other's place")


@pytest.fixture
def folder() -> Iterator[str]:
    path = tempfile.mkdtemp(prefix="ds", dir="/tmp")
    yield path
    shutil.rmtree(path)


def outcome(path: str, takeover: str) -> tuple[object, ...]:
    """Listen on the path and say what happened to it, through the doors alone."""
    door = doors.current
    try:
        with dualstack.open_listener(f"unix:{path}", takeover=takeover, mode=0o640) as listener:
            facts = door.lstat(os.fsencode(path))
            found: tuple[object, ...] = (
                "opened",
                facts.st_mode,
                [str(e).rpartition("/")[2] for e in listener.endpoints],
            )
    except dualstack.ListenError as error:
        found = ("refused", error.errno, str(error).replace(path, "PATH").replace(os.path.dirname(path), "FOLDER"))
    left = []
    for name in (path, f"{path}.lock", f"{path}.target"):
        try:
            left.append((name.replace(path, ""), door.lstat(os.fsencode(name)).st_mode & 0o170000))
        except FileNotFoundError:
            continue
    return *found, left


def real(kind: str, folder: str, takeover: str) -> tuple[object, ...]:
    path = f"{folder}/s"
    held: list[socket.socket] = []
    target = f"{path}.target" if kind.startswith("link") else path
    if kind in ("stale", "live", "link to live"):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(target)
        sock.listen()
        held.append(sock)
        if kind == "stale":
            sock.close()
    if kind == "file":
        with open(path, "w", encoding="ascii"):
            pass
    if kind.startswith("link"):
        os.symlink(target, path)
    if kind == "other's place":
        path = f"{folder}/missing/s"
    try:
        return outcome(path, takeover)
    finally:
        for sock in held:
            sock.close()


def fake(kind: str, takeover: str) -> tuple[object, ...]:
    path = "/run/s"
    with World(linux(root=os.geteuid() == 0)) as world:
        target = f"{path}.target" if kind.startswith("link") else path
        if kind == "stale":
            world.files.add_stale_socket(path)
        if kind in ("live", "link to live"):
            world.unix_holder(target)
        if kind == "file":
            world.files.add_file(path)
        if kind.startswith("link"):
            world.files.add_symlink(path, target)
        if kind == "other's place":
            path = "/missing/s"
            world.files.missing.add(b"/missing")
        return outcome(path, takeover)


@pytest.mark.parametrize("takeover", ["refuse", "stale", "force"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_path_fares_the_same(folder: str, kind: str, takeover: str) -> None:
    expected = real(kind, folder, takeover)
    assert fake(kind, takeover) == expected
    if kind == "live" and takeover != "force":
        assert expected[0] == "refused"


def test_a_long_path_is_reached_through_its_directory(folder: str) -> None:
    name = "x" * 100
    answers = []
    for parent in (folder, "/run"):
        path = f"{parent}/{'d' * 40}/{name}"
        if parent == folder:
            os.mkdir(os.path.dirname(path))
            answers.append(outcome(path, "stale")[0])
        else:
            with World():
                answers.append(outcome(path, "stale")[0])
    assert answers == ["opened", "opened"]
