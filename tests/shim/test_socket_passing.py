"""shim.socket.send_fds and recv_fds: flags and address are heeded, and no descriptor is left over."""

from __future__ import annotations

import errno
import inspect
import os
import socket as stdlib

import pytest

from dualstack.shim import socket

if not hasattr(stdlib, "recv_fds"):
    pytest.skip("descriptors are passed by share() on Windows; runs on POSIX", allow_module_level=True)


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def open_descriptors():
    return set(os.listdir("/dev/fd"))


def close_all(fds):
    for fileno in fds:
        os.close(fileno)


@pytest.mark.parametrize("name", ["send_fds", "recv_fds"])
def test_the_signature_is_that_of_the_standard_library(name):
    ours, theirs = (inspect.signature(getattr(module, name)) for module in (socket, stdlib))
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


def test_there_and_back(pair, pipe):
    assert socket.send_fds(pair[0], [b"he", b"llo"], pipe) == 5
    data, fds, flags, address = socket.recv_fds(pair[1], 100, 10)
    assert (data, len(fds)) == (b"hello", 2)
    assert [os.fstat(fileno).st_ino for fileno in fds] == [os.fstat(fileno).st_ino for fileno in pipe]
    assert flags == 0
    assert address in ("", None)
    close_all(fds)


def test_they_are_not_inherited(pair, pipe):
    socket.send_fds(pair[0], [b"x"], pipe)
    _, fds, _, _ = socket.recv_fds(pair[1], 1, 2)
    assert not any(map(os.get_inheritable, fds))
    close_all(fds)


def test_flags_of_receiving(pair, pipe):
    pair[1].settimeout(5)
    if hasattr(socket, "MSG_DONTWAIT"):
        pair[1].setblocking(True)
        with pytest.raises(BlockingIOError):
            socket.recv_fds(pair[1], 1, 1, socket.MSG_DONTWAIT)
    socket.send_fds(pair[0], [b"look"], pipe[:1])
    data, fds, _, _ = socket.recv_fds(pair[1], 2, 1, socket.MSG_PEEK)
    close_all(fds)
    assert data == b"lo"
    data, fds, _, _ = socket.recv_fds(pair[1], 10, 1)
    close_all(fds)
    assert (data, len(fds)) == (b"look", 1), "it was only looked at"


def test_flags_and_address_of_sending(unix_path, pipe):
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(unix_path)
        receiver.settimeout(5)
        assert socket.send_fds(sender, [b"by address"], pipe[:1], 0, unix_path) == 10
        data, fds, _, _ = socket.recv_fds(receiver, 100, 1)
        close_all(fds)
        assert (data, len(fds)) == (b"by address", 1)
        with pytest.raises(OSError) as caught:
            socket.send_fds(sender, [b"x"], pipe, getattr(socket, "MSG_DONTWAIT", 0))
        assert caught.value.errno in (errno.ENOTCONN, errno.EDESTADDRREQ)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="counts what is in /dev/fd; runs on Linux and macOS")
@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_more_than_were_asked_for(pair, pipe, wanted):
    before = open_descriptors()
    socket.send_fds(pair[0], [b"x"], [pipe[0]] * 4)
    data, fds, flags, _ = socket.recv_fds(pair[1], 1, wanted)
    assert (data, len(fds)) == (b"x", wanted)
    assert flags & socket.MSG_CTRUNC
    close_all(fds)
    assert open_descriptors() == before


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="counts what is in /dev/fd; runs on Linux and macOS")
def test_nothing_is_left_open_by_an_exception(pair, pipe, monkeypatch):
    """A signal handler that raises just then, say."""
    from dualstack.net import passing

    class Interrupted(socket.socket):
        def recvmsg(self, *arguments):
            data, control, flags, peer = super().recvmsg(*arguments)
            return data, [*control, (socket.SOL_SOCKET, socket.SCM_RIGHTS, None)], flags, peer

    before = open_descriptors()
    socket.send_fds(pair[0], [b"x"], pipe)
    with Interrupted(fileno=os.dup(pair[1].fileno())) as receiver, pytest.raises(TypeError):
        passing.receive(receiver, 1, 2)
    assert open_descriptors() == before
