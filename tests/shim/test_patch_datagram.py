"""UDP programs under ``patch(datagram=True)``: both families in, answers to where they came from."""

from __future__ import annotations

import asyncio
import errno
import socket
import socketserver
import sys
import threading

import pytest

import dualstack
from dualstack import platforms, shim

V4, V6, DGRAM = socket.AF_INET, socket.AF_INET6, socket.SOCK_DGRAM

able = dualstack.capabilities()
pytestmark = [
    pytest.mark.skipif(not able.ipv6_loopback, reason="no ::1 here; others have it"),
    pytest.mark.skipif(not platforms.current.udp.dual, reason="no dual-stack UDP here; Linux and Windows have it"),
    pytest.mark.skipif(sys.implementation.name != "cpython", reason="listening is patched on CPython; runs there"),
]
BOTH = ["127.0.0.1", "::1"]


@pytest.fixture
def patched():
    with shim.patch(connect=False, listen=False, datagram=True, netifaces=False) as patch:
        yield patch


def asking(host: str, port: int) -> socket.socket:
    sock = socket.socket(V6 if ":" in host else V4, DGRAM)
    sock.settimeout(10)
    sock.connect((host, port))
    return sock


def bound(address=("", 0)) -> socket.socket:
    sock = socket.socket(V4, DGRAM)
    sock.settimeout(10)
    sock.bind(address)
    return sock


def hears(sock: socket.socket, host: str) -> bool:
    with asking(host, sock.getsockname()[1]) as there:
        try:
            there.send(host.encode())
            there.send(host.encode())  # the second says whether the first found nobody
        except ConnectionRefusedError:
            return False
        sock.settimeout(0.0)
        heard = set()
        try:
            while True:
                heard.add(sock.recv(100))
        except BlockingIOError:
            return host.encode() in heard


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
@pytest.mark.parametrize("peer", BOTH)
def test_questions_and_answers(patched, host: str, peer: str) -> None:
    with bound((host, 0)) as sock:
        port = sock.getsockname()[1]
        assert (sock.getsockname(), sock.family) == (("0.0.0.0", port), V4)
        with asking(peer, port) as there:
            there.send(b"who")
            data, address = sock.recvfrom(100)
            assert (data, address) == (b"who", (peer, there.getsockname()[1]))
            assert sock.sendto(b"you", address) == 3
            assert there.recv(100) == b"you"
            there.send(b"who")
            buffer = bytearray(10)
            assert sock.recvfrom_into(buffer) == (3, address)
            assert sock.sendto(b"you", 0, address) == 3
            assert there.recv(100) == b"you"


@pytest.mark.skipif(not hasattr(socket.socket, "recvmsg"), reason="Windows has no recvmsg; POSIX has")
@pytest.mark.parametrize("peer", BOTH)
def test_messages(patched, peer: str) -> None:
    with bound() as sock, asking(peer, sock.getsockname()[1]) as there:
        there.send(b"one")
        data, ancillary, flags, address = sock.recvmsg(100)
        assert (data, ancillary, flags, address) == (b"one", [], 0, (peer, there.getsockname()[1]))
        assert sock.sendmsg([b"an", b"swer"], [], 0, address) == 6
        assert there.recv(100) == b"answer"
        there.send(b"two")
        buffer = bytearray(10)
        assert sock.recvmsg_into([buffer])[3] == address


@pytest.mark.parametrize("peer", BOTH)
def test_connected(patched, peer: str) -> None:
    with bound() as sock, asking(peer, sock.getsockname()[1]) as there:
        there.send(b"hello")
        _, address = sock.recvfrom(100)
        sock.connect(address)
        assert sock.getpeername() == address
        sock.send(b"back")
        assert there.recv(100) == b"back"
        assert sock.connect_ex(address) == 0


def test_names_and_broadcast_mean_ipv4(patched) -> None:
    with bound() as sock, bound(("127.0.0.1", 0)) as there:
        sock.sendto(b"name", ("localhost", there.getsockname()[1]))
        data, address = there.recvfrom(100)
        assert (data, address) == (b"name", ("127.0.0.1", sock.getsockname()[1]))
        with pytest.raises(OSError) as caught:  # without SO_BROADCAST, or without a network
            sock.sendto(b"all", ("<broadcast>", 9))
        assert caught.value.errno in (errno.EACCES, errno.ENETUNREACH)
        with pytest.raises(TypeError):
            sock.sendto(b"x", "nonsense")
        with pytest.raises(socket.gaierror):
            sock.sendto(b"x", ("no.such.host.invalid", 9))


def test_port_and_options_stay(patched) -> None:
    with socket.socket(V4, DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.settimeout(3)
        sock.bind(("", 0))
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert sock.gettimeout() == 3
        with pytest.raises(OSError), socket.socket(V4, DGRAM) as second:
            second.bind(("", sock.getsockname()[1]))


def test_who_asked_for_something_else(patched) -> None:
    with bound(("127.0.0.1", 0)) as sock:
        assert len(sock.getsockname()) == 2
        assert not hears(sock, "::1")
    with socket.socket(V4, DGRAM) as sock:  # a group that was joined before bind cannot be carried over
        join = socket.inet_aton("239.255.1.2") + socket.inet_aton("127.0.0.1")
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join)
        sock.bind(("", 0))
        assert hears(sock, "127.0.0.1")
        assert not hears(sock, "::1")
    with dualstack.open_datagram("0.0.0.0", 0) as theirs:
        assert not hears(theirs.sockets[0], "::1")


@pytest.mark.skipif(sys.platform != "linux", reason="packet information of Linux")
def test_packet_information_means_ipv4(patched) -> None:
    with socket.socket(V4, DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        sock.bind(("", 0))
        assert not hears(sock, "::1")


def test_streams_are_left_alone(patched) -> None:
    with socket.create_server(("", 0)) as sock, socket.socket(V6) as there, pytest.raises(ConnectionRefusedError):
        there.connect(("::1", sock.getsockname()[1]))


def test_off_by_default() -> None:
    with shim.patch(), bound() as sock:
        assert not hears(sock, "::1")
        assert hears(sock, "127.0.0.1")


def test_a_program_that_serves_both_by_itself(patched) -> None:
    with bound() as four, socket.socket(V6, DGRAM) as six:
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        six.bind(("::", four.getsockname()[1]))
        assert hears(four, "127.0.0.1")
        assert hears(six, "::1")


def test_udp_server(patched) -> None:
    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            host, port = self.client_address
            sock.sendto(f"{host} {port} {data.decode()}".encode(), self.client_address)

    with socketserver.UDPServer(("", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            for host in BOTH:
                with asking(host, server.server_address[1]) as there:
                    there.send(b"hi")
                    assert there.recv(100).decode() == f"{host} {there.getsockname()[1]} hi"
        finally:
            server.shutdown()
            thread.join(30)


@pytest.mark.skipif(sys.platform == "win32", reason="the proactor's sockets are left alone; runs on POSIX")
def test_asyncio_datagrams(patched) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport) -> None:
            self.transport = transport

        def datagram_received(self, data, address) -> None:
            host, port = address
            self.transport.sendto(f"{host} {port}".encode(), address)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("0.0.0.0", 0))
        try:
            for host in BOTH:
                with asking(host, transport.get_extra_info("sockname")[1]) as there:
                    there.setblocking(False)
                    await loop.sock_sendall(there, b"?")
                    answer = await asyncio.wait_for(loop.sock_recv(there, 100), 10)
                    assert answer.decode() == f"{host} {there.getsockname()[1]}"
        finally:
            transport.close()

    asyncio.run(main())
