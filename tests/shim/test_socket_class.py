"""shim.socket.socket: it is a socket, its IPv4 peers have IPv4 addresses, and answers reach them."""

from __future__ import annotations

import abc
import contextlib
import copy
import os
import pickle
import socket as stdlib
import ssl

import pytest

import dualstack
from dualstack.shim import socket

pytestmark = pytest.mark.skipif(
    not dualstack.capabilities().dual_stack, reason="needs one socket for both families; runs on every other host"
)


@pytest.fixture
def dual():
    """A listening socket for both families."""
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as sock:
        yield sock


@pytest.fixture
def udp():
    """A datagram socket for both families."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("", 0))
        sock.settimeout(5)
        yield sock


def client_of(sock, host):
    """A datagram client at *host*, and where it seems to come from."""
    client = stdlib.socket(stdlib.AF_INET6 if ":" in host else stdlib.AF_INET, stdlib.SOCK_DGRAM)
    client.settimeout(5)
    client.connect((host, sock.getsockname()[1]))
    return client


# ---------------------------------------------------------------------- peers


def test_an_ipv4_client_has_an_ipv4_address(dual):
    with stdlib.create_connection(("127.0.0.1", dual.getsockname()[1])) as client:
        connection, peer = dual.accept()
        with connection:
            assert peer == client.getsockname()
            host, port = peer
            assert (host, port) == ("127.0.0.1", client.getsockname()[1])
            assert connection.getpeername() == peer
            assert type(connection) is socket.socket
            assert connection.family is stdlib.AddressFamily.AF_INET6
            # The own address is what bind would take.
            assert connection.getsockname()[0] == "::ffff:127.0.0.1"
            assert "raddr=('127.0.0.1'" in repr(connection)


def test_an_ipv6_client_keeps_its_four_values(dual):
    with stdlib.create_connection(("::1", dual.getsockname()[1])) as client:
        connection, peer = dual.accept()
        with connection:
            assert peer == client.getsockname() == connection.getpeername()
            assert len(peer) == 4


def test_an_ipv4_socket_is_as_ever():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        connection, peer = server.accept()
        with connection:
            assert peer == client.getsockname() == connection.getpeername()
            assert connection.getsockname() == client.getpeername()


RECEIVE = {
    "recvfrom": lambda sock: sock.recvfrom(100),
    "recvfrom-flags": lambda sock: sock.recvfrom(100, 0),
    "recvfrom_into": lambda sock: sock.recvfrom_into(bytearray(100)),
    "recvfrom_into-keywords": lambda sock: sock.recvfrom_into(buffer=bytearray(100), nbytes=50, flags=0),
    "recvmsg": lambda sock: sock.recvmsg(100),
    "recvmsg-all": lambda sock: sock.recvmsg(100, 100, 0),
    "recvmsg_into": lambda sock: sock.recvmsg_into([bytearray(100)]),
}
SEND = {
    "sendto": lambda sock, peer: sock.sendto(b"answer", peer),
    "sendto-flags": lambda sock, peer: sock.sendto(b"answer", 0, peer),
    "sendmsg": lambda sock, peer: sock.sendmsg([b"ans", b"wer"], [], 0, peer),
    "connect": lambda sock, peer: (sock.connect(peer), sock.send(b"answer")),
    "connect_ex": lambda sock, peer: (sock.connect_ex(peer), sock.send(b"answer")),
    "connect-sendmsg": lambda sock, peer: (sock.connect(peer), sock.sendmsg([b"answer"])),
}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("receive", RECEIVE.values(), ids=RECEIVE)
def test_datagrams_name_who_sent_them(udp, host, receive):
    with client_of(udp, host) as client:
        client.send(b"question")
        assert receive(udp)[-1] == client.getsockname()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("send", SEND.values(), ids=SEND)
def test_an_answer_reaches_who_asked(udp, host, send):
    with client_of(udp, host) as client:
        client.send(b"question")
        _, peer = udp.recvfrom(100)
        send(udp, peer)
        assert client.recv(100) == b"answer"


def test_connecting_a_dual_socket_to_an_ipv4_address():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.connect(server.getsockname())
        assert sock.getpeername() == server.getsockname()


def test_errors_are_those_of_the_standard_library(udp):
    with pytest.raises(TypeError) as ours:
        udp.sendto(b"x")
    with stdlib.socket(stdlib.AF_INET6, stdlib.SOCK_DGRAM) as plain, pytest.raises(TypeError) as theirs:
        plain.sendto(b"x")
    assert str(ours.value) == str(theirs.value)
    with pytest.raises(ValueError, match="negative buffersize"):
        udp.recvfrom(-1)
    with pytest.raises(OSError):
        udp.getpeername()


# ---------------------------------------------------------------------- what kind of thing it is


def test_it_is_a_socket():
    with socket.socket() as sock, stdlib.socket() as plain:
        assert isinstance(sock, stdlib.socket)
        assert isinstance(sock, socket.SocketType)
        assert isinstance(sock, socket.socket)
        # A socket from a library is one too: who asks means "is it a socket".
        assert isinstance(plain, socket.socket)
        assert not isinstance(5, socket.socket)
    assert issubclass(ssl.SSLSocket, socket.socket)
    assert issubclass(stdlib.socket, socket.socket)
    assert not issubclass(int, socket.socket)
    assert socket.SocketType is stdlib.SocketType


class Counted(socket.socket):
    """A subclass as programs write them, with attributes and an __init__ of its own."""

    def __init__(self, *args, **keywords):
        super().__init__(*args, **keywords)
        self.sent = 0

    def send(self, data, *args):
        self.sent += len(data)
        return super().send(data, *args)


def test_a_subclass_asks_for_itself():
    with socket.socket() as sock, stdlib.socket() as plain, Counted() as counted:
        assert isinstance(counted, Counted)
        assert not isinstance(sock, Counted)
        assert not isinstance(plain, Counted)
    assert not issubclass(socket.socket, Counted)


def test_a_subclass_works(dual):
    with Counted(socket.AF_INET) as sock:
        sock.connect(("127.0.0.1", dual.getsockname()[1]))
        connection, _ = dual.accept()
        with connection:
            assert sock.send(b"four") == 4 == sock.sent
            assert connection.recv(4) == b"four"
            with sock.dup() as second:
                assert type(second) is Counted
                assert second.getpeername() == sock.getpeername()


def test_what_a_subclass_accepts_is_a_plain_socket_of_the_shim():
    with Counted() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                assert type(connection) is socket.socket


def test_a_subclass_may_be_abstract_too():
    class Named(abc.ABC):
        @abc.abstractmethod
        def name(self): ...

    class Both(socket.socket, Named):
        def name(self):
            return "both"

    with Both() as sock:
        assert sock.name() == "both"
        assert isinstance(sock, Named)


def test_no_attributes_can_be_set_as_ever():
    with socket.socket() as sock, pytest.raises(AttributeError):
        sock.colour = "green"


def test_from_a_descriptor():
    first, second = socket.socketpair()
    with first, second:
        fileno = os.dup(first.fileno()) if hasattr(stdlib, "AF_UNIX") else first.dup().detach()
        with socket.socket(fileno=fileno) as third:
            assert third.fileno() == fileno
            assert (third.family, third.type, third.proto) == (first.family, first.type, first.proto)
            third.sendall(b"hello")
            assert second.recv(10) == b"hello"
    assert type(first) is type(second) is socket.socket


def test_detach_and_adopt_again(dual):
    fileno = dual.detach()
    assert dual.fileno() == -1
    with socket.socket(fileno=fileno) as again:
        assert again.fileno() == fileno


def test_fromfd():
    with socket.socket() as sock, socket.fromfd(sock.fileno(), sock.family, sock.type) as second:
        assert type(second) is socket.socket
        assert second.fileno() != sock.fileno()


def test_makefile(dual):
    with socket.create_connection(("127.0.0.1", dual.getsockname()[1])) as client:
        connection, _ = dual.accept()
        with connection, connection.makefile("rwb") as file, client.makefile("r", encoding="ascii") as lines:
            file.write(b"one\ntwo\n")
            file.flush()
            assert (lines.readline(), lines.readline()) == ("one\n", "two\n")
            connection.close()
            assert connection.fileno() != -1, "closed once the file is, as ever"
        assert connection.fileno() == -1


@pytest.mark.parametrize("timeout", [None, 5.0, 0.0])
def test_the_timeout_of_an_accepted_socket(timeout):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        server.settimeout(5)
        socket.setdefaulttimeout(timeout)
        try:
            connection, _ = server.accept()
        finally:
            socket.setdefaulttimeout(None)
        with connection:
            assert connection.gettimeout() == timeout


def test_what_is_not_picklable_stays_so():
    with socket.socket() as sock:
        for refused in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot pickle 'socket' object"):
                refused(sock)
    assert pickle.loads(pickle.dumps(socket.socket)) is socket.socket


def test_nothing_is_lost_when_an_accepted_socket_cannot_be_made(dual, monkeypatch):
    with stdlib.create_connection(("127.0.0.1", dual.getsockname()[1])) as client:
        real = stdlib.socket.__init__

        def broken(self, family=-1, type=-1, proto=-1, fileno=None):
            if fileno is not None:
                raise MemoryError
            real(self, family, type, proto, fileno)

        with monkeypatch.context() as patched:
            patched.setattr(stdlib.socket, "__init__", broken)
            with pytest.raises(MemoryError):
                dual.accept()
        client.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""
