"""Paths around the length of sun_path: what fits, how the rest is reached, and what the user sees."""

from __future__ import annotations

import errno
import os
import shutil
import socket

import pytest

from dualstack import doors, platforms
from dualstack.core.endpoint import Endpoint
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.doors import Doors
from dualstack.errors import AddressError
from dualstack.net.sunpath import ShortPath, absolute
from dualstack.net.unix import bind_unix

LIMIT = platforms.current.sun_path_limit


def bytes_long(folder: str, size: int, letter: str = "x") -> str:
    """A path in *folder* of exactly *size* bytes."""
    width = len(os.fsencode(letter))
    room = size - len(folder) - 1
    return f"{folder}/{letter * (room // width)}{'y' * (room % width)}"


@pytest.fixture(params=["descriptor", "link"])
def round_about(request, monkeypatch):
    """Both ways round: Linux's, and the one of every other POSIX system."""
    if request.param == "descriptor" and not platforms.current.has_proc_fd:
        pytest.skip("/proc/self/fd is Linux's, and runs there")
    monkeypatch.setattr(platforms.current, "has_proc_fd", request.param == "descriptor", raising=False)
    return request.param


def reaches(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client, ShortPath(Doors(), UnixEndpoint(path), os.fsencode(path)) as where:
        client.connect(where)
        return True


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u20ac"], ids=["one-byte", "two-bytes", "three-bytes"])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, 200, 250])
def test_bind_connect_unlink_at_every_length(way, round_about, folder, size, letter):
    path = bytes_long(folder, size, letter)
    assert len(os.fsencode(path)) == size
    bound = bind_unix(UnixEndpoint(path), backlog=5)
    assert str(bound.endpoint) == f"unix:{path}"
    assert reaches(path)
    with pytest.raises(OSError, match="running process"):
        bind_unix(UnixEndpoint(path), backlog=5)
    bound.unlink()
    bound.socket.close()
    assert os.listdir(folder) == []


def test_a_path_that_fits_is_used_as_it_is(folder):
    path = bytes_long(folder, LIMIT).encode()
    with ShortPath(Doors(), UnixEndpoint(path), path) as where:
        assert where is path


@pytest.mark.parametrize("size", [103, 104], ids=["fits-on-macos", "does-not"])
def test_the_limit_is_the_platforms(monkeypatch, folder, size):
    monkeypatch.setattr(platforms.current, "sun_path_limit", 103)
    path = bytes_long(folder, size).encode()
    os.mkdir(path)
    with ShortPath(Doors(), UnixEndpoint(path), path) as where:
        assert (where == path) is (size == 103)
    os.rmdir(path)


def test_a_stale_socket_at_a_long_path_is_replaced(way, round_about, folder):
    path = bytes_long(folder, 150)
    first = bind_unix(UnixEndpoint(path), backlog=1)
    first.socket.close()
    second = bind_unix(UnixEndpoint(path), backlog=1)
    assert reaches(path)
    second.unlink()
    second.socket.close()


def test_deep_directories(way, round_about, folder):
    parent = folder + "/d" * 100
    os.makedirs(parent)
    path = f"{parent}/{'n' * 60}"
    bound = bind_unix(UnixEndpoint(path), backlog=1)
    assert reaches(path)
    bound.unlink()
    bound.socket.close()
    shutil.rmtree(f"{folder}/d")


def test_no_way_round_names_path_length_and_limit(monkeypatch, folder):
    monkeypatch.setattr(platforms.current, "has_proc_fd", False)
    monkeypatch.setattr(platforms.current, "short_dir", None)
    path = bytes_long(folder, LIMIT + 1)
    with pytest.raises(AddressError) as caught:
        bind_unix(UnixEndpoint(path), backlog=1)
    assert caught.value.text == f"unix:{path}"
    assert f"at most {LIMIT} bytes" in caught.value.reason
    assert f"this has {LIMIT + 1}" in caught.value.reason


def test_a_name_that_is_longer_than_any_short_form_of_its_directory(way, round_about, folder):
    path = f"{folder}/{'n' * 255}"
    bound = bind_unix(UnixEndpoint(path), backlog=1)
    assert reaches(path)
    bound.unlink()
    bound.socket.close()


def test_a_name_the_file_system_refuses_is_its_error(way, round_about, folder):
    with pytest.raises(OSError) as caught:
        bind_unix(UnixEndpoint(f"{folder}/{'n' * 256}"), backlog=1)
    assert caught.value.errno == errno.ENAMETOOLONG


def test_a_linux_without_proc_takes_the_link(monkeypatch, folder):
    class NoProc(Doors):
        def lstat(self, path):
            if path.startswith(b"/proc"):
                raise FileNotFoundError(2, "No such file or directory")
            return super().lstat(path)

    path = bytes_long(folder, 150).encode()
    os.mkdir(path)
    with ShortPath(NoProc(), UnixEndpoint(path), path) as where:
        assert where.startswith(b"/tmp/.ds")
        assert os.path.samefile(where, path)
    os.rmdir(path)


def test_a_stop_in_the_middle_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr(platforms.current, "has_proc_fd", False)
    made = []

    class Stopped(Doors):
        def private_dir(self, parent):
            made.append(super().private_dir(parent))
            return made[-1]

        def symlink(self, source, target):
            super().symlink(source, target)
            raise KeyboardInterrupt

    with doors.using(Stopped()), pytest.raises(KeyboardInterrupt):
        bind_unix(UnixEndpoint(bytes_long(folder, 150)), backlog=1)
    assert [os.path.lexists(path) for path in made] == [False]


@pytest.mark.parametrize("name", ["\u00e9t\u00e9", "\udcff\udc80", "a b", "x@y", "unix:x"])
def test_odd_names_are_shown_as_given(folder, name):
    path = f"{folder}/{name}"
    bound = bind_unix(UnixEndpoint(path), backlog=1)
    assert os.listdir(os.fsencode(folder)) == [os.fsencode(name)]
    assert bound.endpoint == UnixEndpoint(path) == Endpoint.parse(str(bound.endpoint))
    assert Endpoint.local(bound.socket) == bound.endpoint
    bound.unlink()
    bound.socket.close()


@pytest.mark.parametrize("at", [0, 3, -1], ids=["start", "middle", "end"])
@pytest.mark.parametrize("kind", [str, os.fsencode], ids=["str", "bytes"])
def test_nul_in_a_path_is_refused_before_there_is_a_file(folder, at, kind):
    path = [*f"{folder}/sock", ""]
    path[at] = "\0" if at else "/\0"  # a leading NUL alone would be an abstract name
    with pytest.raises(ValueError, match="NUL in a socket path"):
        UnixEndpoint(kind("".join(path)))


def test_pathlike_and_bytes(folder):
    import pathlib

    for given in (pathlib.Path(folder) / "p", os.fsencode(f"{folder}/p")):
        bound = bind_unix(UnixEndpoint(given), backlog=1)
        assert os.listdir(folder) == ["p"]
        bound.unlink()
        bound.socket.close()


def test_absolute_is_where_the_file_is(monkeypatch, folder):
    monkeypatch.chdir(folder)
    assert absolute(Doors(), UnixEndpoint("s")) == os.fsencode(f"{os.path.realpath(folder)}/s")
    assert absolute(Doors(), UnixEndpoint("/a/b")) == b"/a/b"
