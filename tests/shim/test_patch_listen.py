"""Listeners of IPv4-only programs under the patch: real sockets, clients of both families, and every way to fail.

How the port changes hands differs per system; ``way`` runs each test in all three ways on every system that can.
"""

from __future__ import annotations

import errno
import http.client
import http.server
import os
import socket
import socketserver
import ssl
import sys
import threading
import wsgiref.simple_server
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dualstack
from dualstack import doors, platforms, shim

V4, V6 = socket.AF_INET, socket.AF_INET6
CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"

able = dualstack.capabilities()
pytestmark = [
    pytest.mark.skipif(not able.ipv6_loopback, reason="no ::1 here; tests/netns has hosts without, others have it"),
    pytest.mark.skipif(sys.implementation.name != "cpython", reason="listening is patched on CPython; runs there"),
]

WAYS = {
    # name: (binds_beside, keeps_descriptors)
    "beside": (True, True),  # Linux
    "released": (False, True),  # macOS, BSD
    "handles": (False, False),  # Windows
}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch) -> str:
    beside, keeps = WAYS[request.param]
    here = platforms.current
    if (beside and not here.binds_beside) or (keeps and not here.keeps_descriptors):
        pytest.skip(f"the way {request.param} is for another system, which runs it")
    monkeypatch.setattr(here, "binds_beside", beside)
    monkeypatch.setattr(here, "keeps_descriptors", keeps)
    return request.param


@pytest.fixture
def patched(way: str) -> Iterator[shim.Patch]:
    with shim.patch(connect=False, netifaces=False) as patch:
        yield patch


def descriptors() -> int:
    has_list = sys.platform != "win32" and os.path.isdir("/proc/self/fd")
    return len(os.listdir("/proc/self/fd")) if has_list else 0


@pytest.fixture(autouse=True)
def nothing_left():
    before = descriptors()
    yield
    assert descriptors() == before


@contextmanager
def client(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket(V6 if ":" in host else V4) as sock:
        sock.settimeout(10)
        sock.connect((host, port))
        yield sock


def listening(address=("", 0), kind=socket.socket) -> socket.socket:
    sock = kind(V4, socket.SOCK_STREAM)
    try:
        sock.bind(address)
        sock.listen(5)
        return sock
    except BaseException:
        sock.close()
        raise


def refused(host: str, port: int) -> bool:
    try:
        with client(host, port):
            return False
    except ConnectionRefusedError:
        return True


# ---------------------------------------------------------------------- what the program sees


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
def test_both_families_and_ipv4_shapes(patched, host: str) -> None:
    with listening((host, 0)) as sock:
        port = sock.getsockname()[1]
        assert sock.getsockname() == ("0.0.0.0", port)
        assert (sock.family, sock.type, sock.proto) == (V4, socket.SOCK_STREAM, 0)
        for peer in ("127.0.0.1", "::1"):
            with client(peer, port) as there:
                connection, (name, number) = sock.accept()
                with connection:
                    assert (name, number) == (peer, there.getsockname()[1])
                    assert type(connection) is socket.socket
                    assert connection.family == V4
                    assert connection.getpeername() == (name, number)
                    assert connection.getsockname() == (peer, port)
                    assert f"raddr=('{peer}', {number})" in repr(connection)
                    connection.sendall(b"hello")
                    assert there.recv(5) == b"hello"


def test_the_port_is_the_one_that_was_bound(patched) -> None:
    with socket.socket() as sock:
        sock.bind(("", 0))
        port, number = sock.getsockname()[1], sock.fileno()
        assert port
        sock.listen()
        assert sock.getsockname()[1] == port
        if platforms.current.keeps_descriptors:
            assert sock.fileno() == number


def test_the_object_is_the_same_and_of_its_class(patched) -> None:
    class Own(socket.socket):  # noqa: PLW1641 - sockets without a hash are the point
        def __init__(self, *args, **keywords) -> None:
            super().__init__(*args, **keywords)
            self.note = "mine"

        def __eq__(self, other: object) -> bool:
            return NotImplemented

    with listening(kind=Own) as sock, client("::1", sock.getsockname()[1]):
        assert type(sock) is Own
        assert sock.note == "mine"
        connection, peer = sock.accept()
        with connection:
            assert peer[0] == "::1"
            assert type(connection) is socket.socket


def test_a_subclass_with_an_accept_of_its_own(patched) -> None:
    class Own(socket.socket):
        def accept(self):
            fileno, address = self._accept()
            return Own(fileno=fileno), address

    with listening(kind=Own) as sock:
        for peer in ("127.0.0.1", "::1"):
            with client(peer, sock.getsockname()[1]):
                connection, address = sock.accept()
                with connection:
                    assert type(connection) is Own
                    assert (len(address), address[0], connection.family) == (2, peer, V4)
                    assert connection.getpeername() == address


def test_copies_are_shaped_too(patched) -> None:
    with listening() as sock, client("::1", sock.getsockname()[1]):
        connection, peer = sock.accept()
        with connection, connection.dup() as copy, sock.dup() as other:
            assert (copy.family, copy.getpeername()) == (V4, peer)
            assert other.getsockname() == sock.getsockname()
            with client("127.0.0.1", sock.getsockname()[1]):
                second, address = other.accept()
                second.close()
                assert address[0] == "127.0.0.1"
            with socket.fromfd(sock.fileno(), V4, socket.SOCK_STREAM) as third:
                assert third.getsockname() == sock.getsockname()


def test_what_the_system_says_below_is_true(patched) -> None:
    """C code and other event loops see an IPv6 socket, not an IPv4 one with a wrong address."""
    import _socket

    with listening() as sock:
        assert _socket.socket.family.__get__(sock) == V6
        assert _socket.socket.getsockname(sock) == ("::", sock.getsockname()[1], 0, 0)
        with socket.socket(fileno=os.dup(sock.fileno())) if sys.platform != "win32" else sock.dup() as asked:
            assert asked.getsockname()[1] == sock.getsockname()[1]
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0


@pytest.mark.parametrize("timeout", [None, 0.0, 30.0])
def test_timeouts_and_inheritance_stay(patched, timeout: float | None) -> None:
    with socket.socket() as sock:
        sock.settimeout(timeout)
        sock.set_inheritable(True)
        sock.bind(("", 0))
        sock.listen()
        assert sock.gettimeout() == timeout
        assert sock.get_inheritable()
        if sys.platform != "win32":
            assert os.get_blocking(sock.fileno()) is (timeout is None)
        if timeout == 0.0:
            with pytest.raises(BlockingIOError):
                sock.accept()
        sock.settimeout(30)
        with client("::1", sock.getsockname()[1]):
            connection, _ = sock.accept()
            with connection:
                assert connection.gettimeout() is None
                assert not connection.get_inheritable()


OPTIONS = [
    ("SOL_SOCKET", "SO_REUSEADDR", 1),
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("SOL_SOCKET", "SO_RCVBUF", 20_000),
    ("SOL_SOCKET", "SO_SNDBUF", 30_000),
    ("IPPROTO_TCP", "TCP_NODELAY", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 77),
    ("IPPROTO_IP", "IP_TOS", 0x10),
    ("IPPROTO_IP", "IP_TTL", 33),
]


@pytest.mark.parametrize(("level", "name", "value"), OPTIONS, ids=[row[1] for row in OPTIONS])
def test_options_are_carried_over(patched, level: str, name: str, value: int) -> None:
    if not hasattr(socket, name):
        pytest.skip(f"no {name} here; Linux has it")
    option = getattr(socket, level), getattr(socket, name)
    with socket.socket() as sock:
        sock.setsockopt(*option, value)
        sock.bind(("", 0))
        before = [sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR), sock.getsockopt(*option)]
        sock.listen()
        assert [sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR), sock.getsockopt(*option)] == before
        if sys.platform == "linux" or level != "IPPROTO_IP":
            assert not refused("::1", sock.getsockname()[1])
        if name == "IP_TOS" and sys.platform == "linux":
            assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == value


@pytest.mark.skipif(not hasattr(socket, "SO_LINGER") or sys.platform != "linux", reason="the layout is Linux's")
def test_linger_is_carried_over(patched) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\5\0\0\0")
        sock.bind(("", 0))
        sock.listen()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == b"\1\0\0\0\5\0\0\0"


# ---------------------------------------------------------------------- who asked for something else


def test_explicit_addresses_stay(patched) -> None:
    with listening(("127.0.0.1", 0)) as sock:
        assert refused("::1", sock.getsockname()[1])
    with socket.socket(V6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::", 0))
        sock.listen()
        assert len(sock.getsockname()) == 4
        assert refused("127.0.0.1", sock.getsockname()[1])
    with socket.socket(V6) as sock:
        sock.bind(("::1", 0))
        sock.listen()
        assert sock.getsockname()[0] == "::1"


def test_who_uses_dualstack_gets_what_it_asks_for(patched) -> None:
    with dualstack.open_listener("0.0.0.0", 0) as listener:
        assert refused("::1", listener.port)
        with client("127.0.0.1", listener.port):
            listener.accept(10)[0].close()


def test_a_bound_socket_that_connects_is_left_alone(patched) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as sock:
        sock.bind(("", 0))
        sock.connect(server.getsockname())
        connection, peer = server.accept()
        connection.close()
        assert peer == ("127.0.0.1", sock.getsockname()[1])


@pytest.mark.parametrize("reuse", [0, 1])
def test_a_program_that_serves_both_by_itself(patched, reuse: int) -> None:
    """IPv4 first, then IPv6 on the same port, one after the other: tornado, and anybody's loop over getaddrinfo."""
    if reuse and sys.platform == "win32":
        pytest.skip("SO_REUSEADDR of Windows lets anybody have the port; runs on POSIX")
    with socket.socket() as four, socket.socket(V6) as six:
        for sock in (four, six):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        four.bind(("", 0))
        four.listen()
        port = four.getsockname()[1]
        assert not refused("::1", port)
        four.accept()[0].close()
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if not reuse:  # the port is still in the hands of that connection, and could not be bound again
            with pytest.raises(OSError) as caught:
                six.bind(("::", port))
            assert caught.value.errno == errno.EADDRINUSE
            assert not refused("::1", port)
            return
        six.bind(("::", port))
        six.listen()
        for sock, host in ((four, "127.0.0.1"), (six, "::1")):
            with client(host, port):
                connection, peer = sock.accept()
                connection.close()
                assert peer[0] == host
                assert len(peer) == (4 if sock is six else 2)


def test_a_program_that_serves_both_before_any_client(patched) -> None:
    with socket.socket() as four, socket.socket(V6) as six:
        four.bind(("", 0))
        four.listen(7)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        six.bind(("::", four.getsockname()[1]))
        six.listen()
        for sock, host in ((four, "127.0.0.1"), (six, "::1")):
            with client(host, four.getsockname()[1]):
                connection, peer = sock.accept()
                connection.close()
                assert peer[0] == host


def test_a_program_that_binds_both_before_it_listens(patched) -> None:
    with socket.socket() as four, socket.socket(V6) as six:
        for sock in (four, six):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        four.bind(("", 0))
        six.bind(("::", four.getsockname()[1]))
        four.listen()
        six.listen()
        with client("::1", four.getsockname()[1]):
            connection, peer = six.accept()
            connection.close()
            assert peer[0] == "::1"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here; runs on POSIX")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_socket_bound_by_another_process_is_left_alone(patched) -> None:
    """Its siblings are going to listen on the same socket."""
    with socket.socket() as sock:
        sock.bind(("", 0))
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                sock.listen()
                status = 0 if len(sock.getsockname()) == 2 and refused("::1", sock.getsockname()[1]) else 2
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("listens", [False, True], ids=["bound", "listening"])
def test_somebody_else_has_the_ipv6_half(patched, listens: bool) -> None:
    """The program keeps what it had: it hears IPv4."""
    import _socket

    for _ in range(32):  # the port may be busy on one family
        other = _socket.socket(V6, socket.SOCK_STREAM)  # as another process would: nobody here knows of it
        sock = socket.socket()
        try:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            other.bind(("::", 0))
            port = other.getsockname()[1]
            sock.bind(("", port))
            break
        except OSError:
            other.close()
            sock.close()
    with sock:
        if listens:
            other.listen()
        sock.listen()
        assert sock.getsockname() == ("0.0.0.0", port)
        with client("127.0.0.1", port):
            connection, peer = sock.accept()
            connection.close()
            assert peer[0] == "127.0.0.1"
        if not listens:
            other.listen()
        assert not refused("::1", port)
        other.close()


def test_errors_of_bind_are_the_same(patched) -> None:
    with listening() as sock, socket.socket() as second:
        with pytest.raises(OSError) as caught:
            second.bind(("", sock.getsockname()[1]))
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(TypeError):
            second.bind("nonsense")
        with pytest.raises(OverflowError):
            second.bind(("", 70_000))
    with pytest.raises(OSError) as caught:
        sock.listen()
    assert caught.value.errno in (errno.EBADF, getattr(errno, "WSAENOTSOCK", errno.EBADF))


# ---------------------------------------------------------------------- hosts that cannot


class Failing(doors.Doors):
    """The real world, where one call of the sockets we make fails: the *at*-th of *what*."""

    def __init__(self, what: str, at: int, number: int) -> None:
        self.what, self.at, self.number, self.count = what, at, number, 0

    def check(self, what: str) -> None:
        if what == self.what:
            self.count += 1
            if self.count == self.at:
                raise OSError(self.number, os.strerror(self.number))

    def socket(self, family, type, proto=0, fileno=None):
        self.check("socket" if family == V4 else "socket6")
        world = self

        class Checked(socket.socket):
            def setsockopt(self, *args) -> None:
                world.check("setsockopt")
                super().setsockopt(*args)

            def bind(self, address) -> None:
                world.check("bind")
                super().bind(address)

        return Checked(family, type, proto, fileno)


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRINUSE, errno.EMFILE, errno.EINVAL])
@pytest.mark.parametrize("what", ["socket", "socket6", "setsockopt", "bind"])
def test_where_it_cannot_be_done_the_program_keeps_what_it_had(patched, what: str, number: int) -> None:
    for at in range(1, 20):
        world = Failing(what, at, number)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.bind(("", 0))
            address, reuse = sock.getsockname(), sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
            with doors.using(world):
                try:
                    sock.listen()
                except OSError as error:
                    # The old port was given up, and not even IPv4 sockets can be made any more.
                    assert not platforms.current.binds_beside and what == "socket" and error.errno == number
                    continue
            assert sock.getsockname() == address
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == reuse
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            with client("127.0.0.1", address[1]):
                connection, peer = sock.accept()
                connection.close()
                assert peer[0] == "127.0.0.1" and len(peer) == 2
        if world.count < at:
            assert at > 1
            return
    pytest.fail("it never came through")


# ---------------------------------------------------------------------- the end of the patch


def test_after_the_patch_sockets_say_what_they_are(way: str) -> None:
    with shim.patch(connect=False, netifaces=False):
        sock = listening()
        there = socket.create_connection(("127.0.0.1", sock.getsockname()[1]))
        connection, _ = sock.accept()
    with sock, there, connection:
        assert (sock.family, connection.family) == (V6, V6)
        assert sock.getsockname()[0] == "::"
        assert connection.getpeername()[0] == "::ffff:127.0.0.1"
        with client("::1", sock.getsockname()[1]):
            second, peer = sock.accept()
            second.close()
            assert len(peer) == 4
    with listening(("0.0.0.0", 0)) as plain:
        assert refused("::1", plain.getsockname()[1])


def test_bound_before_the_patch_stays(way: str) -> None:
    with socket.socket() as sock:
        sock.bind(("", 0))
        with shim.patch(connect=False, netifaces=False):
            sock.listen()
            assert refused("::1", sock.getsockname()[1])


def test_nothing_is_remembered_of_sockets_that_are_gone(patched) -> None:
    from dualstack.shim import patch_listen, shapes

    tables = (shapes.marks, patch_listen._bound, patch_listen._six, patch_listen._changed)
    for _ in range(3):
        sock = listening()
        with client("::1", sock.getsockname()[1]):
            connection, _ = sock.accept()
        connection.close()
        sock.close()
        del connection, sock
    assert [len(table.entries) for table in tables] == [0] * len(tables)
    assert not shapes._fresh


# ---------------------------------------------------------------------- servers of the standard library


@contextmanager
def running(server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


class Echo(socketserver.StreamRequestHandler):
    """Written for IPv4: two values in an address."""

    def handle(self) -> None:
        host, port = self.client_address
        self.wfile.write(f"{host} {port}".encode())


@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer"])
def test_socketserver(patched, name: str) -> None:
    server = getattr(socketserver, name)(("", 0), Echo)
    with running(server):
        for host in ("127.0.0.1", "::1"):
            with client(host, server.server_address[1]) as sock, sock.makefile() as answer:
                assert answer.read() == f"{host} {sock.getsockname()[1]}"


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        host, _ = self.client_address
        self.send_response(200)
        self.send_header("Content-Length", str(len(host)))
        self.end_headers()
        self.wfile.write(host.encode())

    def log_message(self, *args) -> None:
        pass


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_http_server(patched, tls: bool) -> None:
    server = http.server.HTTPServer(("", 0), Hello)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        assert server.socket.family == V4
        assert server.socket.getsockname() == server.server_address
    with running(server):
        for host in ("127.0.0.1", "::1"):
            port = server.server_address[1]
            if tls:
                asking = http.client.HTTPSConnection(host, port, timeout=20, context=trusting)
            else:
                asking = http.client.HTTPConnection(host, port, timeout=20)
            asking.request("GET", "/")
            assert asking.getresponse().read() == host.encode()
            asking.close()


def test_wsgiref(patched) -> None:
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["REMOTE_ADDR"].encode()]

    class Quiet(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, *args) -> None:
            pass

    server = wsgiref.simple_server.make_server("", 0, application, handler_class=Quiet)
    with running(server):
        for host in ("127.0.0.1", "::1"):
            asking = http.client.HTTPConnection(host, server.server_port, timeout=20)
            asking.request("GET", "/")
            assert asking.getresponse().read() == host.encode()
            asking.close()


def test_create_server(patched) -> None:
    with socket.create_server(("", 0)) as sock:
        for host in ("127.0.0.1", "::1"):
            with client(host, sock.getsockname()[1]):
                connection, peer = sock.accept()
                connection.close()
                assert peer[0] == host


def test_a_link_local_client_has_its_zone_in_the_text() -> None:
    from dualstack.shim.shapes import shape

    assert shape(("fe80::1", 5, 0, 3)) == ("fe80::1%3", 5)
    assert shape(("fe80::1%eth0", 5, 0, 3)) == ("fe80::1%eth0", 5)
    assert shape(("2001:db8::1", 5, 7, 0)) == ("2001:db8::1", 5)
    assert shape(("::ffff:192.0.2.1", 5, 0, 0)) == ("192.0.2.1", 5)
    assert shape(("::", 5, 0, 0)) == ("0.0.0.0", 5)
    assert shape(("192.0.2.1", 5)) == ("192.0.2.1", 5)
    assert shape("/run/x.sock") == "/run/x.sock"
    assert shape(None) is None


def test_port_zero_is_free_on_both(patched, monkeypatch) -> None:
    """The port that the system would choose for IPv4 alone may be busy on IPv6."""
    from dualstack.shim.patch_listen import _Replacement

    with dualstack.open_listener("0.0.0.0", 0) as busy:
        real, ports = _Replacement.rehearse, []

        def first_busy(self) -> int:
            ports.append(busy.port if not ports else real(self))
            return ports[-1]

        monkeypatch.setattr(_Replacement, "rehearse", first_busy)
        with socket.socket() as sock:
            sock.bind(("", 0))
            assert sock.getsockname()[1] == ports[1]
            sock.listen()
            assert not refused("::1", ports[1])


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
def test_a_program_that_wants_no_port_yet_has_none(patched) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        sock.bind(("", 0))
        assert sock.getsockname()[1] == 0
