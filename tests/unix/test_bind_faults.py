"""bind_unix with every single call failing, in every way: nothing is left, and the next bind works."""

from __future__ import annotations

import errno
import os
import shutil
import socket

import pytest

from dualstack import doors
from dualstack.core.endpoint_unix import UnixEndpoint
from dualstack.doors import Doors
from dualstack.net.unix import bind_unix

FAULTS = [
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EPERM,
    errno.EACCES,
    errno.EADDRINUSE,
    errno.ENOENT,
    errno.EINVAL,
    errno.EROFS,
    errno.ENOSPC,
    KeyboardInterrupt,
    MemoryError,
]
COUNTED = (
    "getcwd",
    "lstat",
    "fstat",
    "unlink",
    "link",
    "symlink",
    "private_dir",
    "rmdir",
    "open_file",
    "close_file",
    "try_lock",
    "chmod",
    "fchmod",
    "chown",
    "geteuid",
    "getpid",
)


class Failing(Doors):
    """A real world in which call number *at* fails; with *after*, it does its work first."""

    def __init__(self, at: int, fault, after: bool) -> None:
        self.at, self.fault, self.after, self.calls, self.failed = at, fault, after, 0, ""

    def step(self, name, call, *arguments):
        if name in (MAKERS if self.after else {"close_file"}):
            return call(*arguments)
        self.calls += 1
        if self.calls != self.at:
            return call(*arguments)
        self.failed = name
        if self.after:
            call(*arguments)
        if isinstance(self.fault, int):
            raise OSError(self.fault, os.strerror(self.fault))
        raise self.fault

    def unix_socket(self, type):
        world = self

        class Socket(socket.socket):
            def bind(self, address):
                return world.step("bind", super().bind, address)

            def listen(self, backlog):
                return world.step("listen", super().listen, backlog)

            def connect(self, address):
                return world.step("connect", super().connect, address)

        return world.step("unix_socket", Socket, socket.AF_UNIX, type)


def counted(name):
    def method(self, *arguments):
        return self.step(name, getattr(super(Failing, self), name), *arguments)

    return method


for _name in COUNTED:
    setattr(Failing, _name, counted(_name))

# What makes a descriptor or a directory cannot fail after having made it, the caller would never learn of it; and
# close(2) frees the descriptor whatever it answers. bind and link may be interrupted after their work: then the file is
# there, and must go again.
MAKERS = {"unix_socket", "open_file", "private_dir"}
REMOVERS = {"unlink", "rmdir"}  # if these are refused, what they should remove stays


@pytest.mark.parametrize("long", [False, True], ids=["short-path", "long-path"])
@pytest.mark.parametrize("taken", [False, True], ids=["free", "stale-there"])
@pytest.mark.parametrize("after", [False, True], ids=["instead", "afterwards"])
def test_every_call_fails_once(way, folder, stale, taken, after, long):
    path = f"{folder}/{'p' * (150 if long else 1)}"
    reached = set()
    for fault in FAULTS:
        if after and fault is not KeyboardInterrupt:
            continue
        at = 0
        while True:
            at += 1
            if taken and not os.path.lexists(path):
                stale(f"{folder}/x")
                os.rename(f"{folder}/x", path)
            world = Failing(at, fault, after)
            made = None
            with doors.using(world):
                try:
                    made = bind_unix(UnixEndpoint(path), backlog=1, mode=0o660)
                except OSError as error:
                    assert isinstance(fault, int) or world.failed == "", (world.failed, error)
                except (KeyboardInterrupt, MemoryError) as error:
                    assert type(error) is fault
            world.at = -1  # from here on it works
            reached.add(world.failed)
            if made is not None:
                made.unlink()
                made.socket.close()
            # A lock file that could not be locked is not ours to remove; the next starter does.
            left = set(os.listdir(folder)) - {os.path.basename(path), os.path.basename(path) + ".lock"}
            if world.failed in REMOVERS and not after:
                shutil.rmtree(f"{folder}/{left.pop()}") if left else None
            assert not left, (world.failed, fault, left)
            if os.path.lexists(path):  # what is still there is the stale file, and the next one replaces it
                assert taken or (world.failed in REMOVERS and not after), (world.failed, fault)
            again = bind_unix(UnixEndpoint(path), backlog=1)
            again.unlink()
            again.socket.close()
            assert os.listdir(folder) == []
            if not world.failed:
                break
    assert {"bind", "listen", "lstat", "getpid"} <= reached
