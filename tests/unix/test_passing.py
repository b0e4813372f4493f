"""Credentials, and descriptors through Unix sockets: complete or an error, and nothing left open."""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
import threading
from array import array

import pytest

from dualstack import platforms
from dualstack.errors import TruncatedError, UnsupportedError
from dualstack.net import passing
from dualstack.net.passing import MAX_FDS, from_share, peer_credentials, recv_fds, send_fds, share


@pytest.fixture(params=["SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET"])
def pair(request):
    if not hasattr(socket, request.param):
        pytest.skip("this system has no such Unix sockets; runs on Linux")
    left, right = socket.socketpair(socket.AF_UNIX, getattr(socket, request.param))
    with left, right:
        yield left, right


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def close_all(fds):
    for fileno in fds:
        os.close(fileno)


@pytest.mark.parametrize("count", [0, 1, 2, MAX_FDS])
def test_all_arrive_in_order_and_not_inheritable(pair, pipe, count):
    left, right = pair
    send_fds(left, b"hello", [pipe[index % 2] for index in range(count)])
    data, fds = recv_fds(right, 100, MAX_FDS)
    assert data == b"hello"
    assert [os.fstat(fileno).st_ino for fileno in fds] == [os.fstat(pipe[index % 2]).st_ino for index in range(count)]
    assert not any(os.get_inheritable(fileno) for fileno in fds)
    close_all(fds)


def test_a_descriptor_that_arrived_works(pair, pipe):
    send_fds(pair[0], b"x", [pipe[1]])
    _, (writer,) = recv_fds(pair[1], 1, 1)
    os.write(writer, b"through")
    os.close(writer)
    assert os.read(pipe[0], 100) == b"through"


@pytest.mark.parametrize(("sent", "wanted"), [(2, 1), (3, 1), (1, 0), (9, 4), (MAX_FDS, MAX_FDS - 1)])
def test_more_than_wanted_is_an_error_and_nothing_stays_open(pair, pipe, sent, wanted):
    send_fds(pair[0], b"x", [pipe[0]] * sent)
    with pytest.raises(TruncatedError) as caught:
        recv_fds(pair[1], 10, wanted)
    assert caught.value.errno == errno.EMSGSIZE  # and the ledger of the test sees that every one was closed


def test_running_out_of_descriptors_is_an_error_and_nothing_stays_open(pair, pipe):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    send_fds(pair[0], b"x", [pipe[0]] * 4)
    fillers = [os.dup(pipe[0])]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) + 8, hard))
    try:
        while True:
            try:
                fillers.append(os.dup(pipe[0]))
            except OSError:
                break
        os.close(fillers.pop())
        os.close(fillers.pop())  # room for two of the four
        with pytest.raises(TruncatedError, match="none are free here"):
            recv_fds(pair[1], 10, 4)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        close_all(fillers)


def test_a_stop_while_receiving_leaves_nothing_open(pair, pipe, monkeypatch):
    class Stopped(array):
        def frombytes(self, payload):
            super().frombytes(payload)
            raise KeyboardInterrupt

    send_fds(pair[0], b"x", [pipe[0]])
    monkeypatch.setattr(passing, "array", Stopped)
    with pytest.raises(KeyboardInterrupt):
        recv_fds(pair[1], 10, 1)


def test_two_hundred_and_fifty_four_are_refused_before_the_kernel_does(pair, pipe):
    with pytest.raises(ValueError, match="at most 253 descriptors"):
        send_fds(pair[0], b"x", [pipe[0]] * (MAX_FDS + 1))
    with pytest.raises(ValueError, match="between 0 and 253"):
        recv_fds(pair[1], 1, MAX_FDS + 1)


def test_descriptors_without_data_are_refused(pair, pipe):
    with pytest.raises(ValueError, match="at least one byte"):
        send_fds(pair[0], b"", [pipe[0]])


def test_a_closed_descriptor_is_the_systems_error(pair):
    with pytest.raises(OSError) as caught:
        send_fds(pair[0], b"x", [2**20])
    assert caught.value.errno == errno.EBADF


def test_more_data_than_one_send_takes_arrives_whole(pipe):
    left, right = socket.socketpair()
    with left, right:
        big = bytes(range(256)) * 4096
        left.settimeout(20)
        sender = threading.Thread(target=send_fds, args=(left, big, [pipe[0]]))
        sender.start()
        data, fds = recv_fds(right, 1000, 1)
        while len(data) < len(big):
            more, none = recv_fds(right, 65536, 1)
            assert none == []
            data += more
        sender.join()
        assert data == big
        close_all(fds)


def test_the_end_of_the_stream():
    left, right = socket.socketpair()
    with right:
        left.close()
        assert recv_fds(right, 10, 1) == (b"", [])


def test_credentials_of_this_process():
    left, right = socket.socketpair()
    with left, right:
        who = peer_credentials(left)
        assert who == (os.getpid(), os.geteuid(), os.getegid())
        assert (who.pid, who.uid, who.gid) == tuple(who)
        assert repr(who) == f"PeerCredentials(pid={os.getpid()}, uid={os.geteuid()}, gid={os.getegid()})"


def test_credentials_of_a_client_of_another_user(path):
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user; ci/ runs as root")
    os.chmod(os.path.dirname(path), 0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen()
        child = os.fork()
        if child == 0:
            os.setgid(34)
            os.setuid(12)
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            client.recv(1)
            os._exit(0)
        conn, _ = listener.accept()
        with conn:
            assert peer_credentials(conn) == (child, 12, 34)
        os.waitpid(child, 0)
    os.unlink(path)


def test_credentials_of_nobody_are_an_error():
    with socket.socket(socket.AF_UNIX) as alone, pytest.raises(OSError) as caught:
        peer_credentials(alone)
    assert caught.value.errno == errno.ENOTCONN


def test_credentials_of_a_tcp_socket_are_refused():
    with socket.socket() as tcp, pytest.raises(ValueError, match="Unix sockets only"):
        peer_credentials(tcp)


def test_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(platforms, "current", platforms.Platform())
    left, right = socket.socketpair()
    with left, right, pytest.raises(UnsupportedError, match="at the other end"):
        peer_credentials(left)


class DarwinPair:
    """Answers of macOS as bytes, laid out by its headers; never seen on a real one."""

    family = socket.AF_UNIX

    def getsockopt(self, level, option, size=None):
        assert level == 0  # SOL_LOCAL
        if option == 2:  # LOCAL_PEERPID
            return 4711
        assert (option, size) == (1, 76)  # LOCAL_PEERCRED, struct xucred
        return struct.pack("=IIhxx16I", 0, 501, 2, 20, 12, *[0] * 14)


def test_darwin_credentials_from_its_layout(monkeypatch):
    from dualstack.platforms.darwin import Darwin

    monkeypatch.setattr(platforms, "current", Darwin())
    assert peer_credentials(DarwinPair()) == (4711, 501, 20)


@pytest.mark.skipif(hasattr(socket, "fromshare"), reason="Windows shares sockets; here is what the others answer")
def test_sharing_is_windows():
    left, right = socket.socketpair()
    with left, right:
        with pytest.raises(UnsupportedError, match="use send_fds"):
            share(left, os.getpid())
        with pytest.raises(UnsupportedError, match="use recv_fds"):
            from_share(b"")


def test_passing_is_not_windows(monkeypatch, pipe):
    monkeypatch.setattr(passing, "_SCM_RIGHTS", None)
    left, right = socket.socketpair()
    with left, right:
        with pytest.raises(UnsupportedError, match="use share"):
            send_fds(left, b"x", [pipe[0]])
        with pytest.raises(UnsupportedError, match="use share"):
            recv_fds(left, 1, 1)
