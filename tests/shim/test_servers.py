"""The server classes on real sockets: unmodified handlers, clients of every family."""

from __future__ import annotations

import http.client
import http.server
import socket
import socketserver
import threading
import urllib.request
import wsgiref.simple_server
import xmlrpc.client
from contextlib import contextmanager

import pytest

import dualstack
from dualstack.shim import servers

BOTH = ("127.0.0.1", "::1")


@contextmanager
def running(server):
    """Serve in a thread for the length of the block; stopping must end it."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(10)
        assert not thread.is_alive()
        server.server_close()
        assert all(sock.fileno() == -1 for sock in getattr(server, "listener", server).sockets)


class Echo(socketserver.StreamRequestHandler):
    """Written for IPv4: two values in an address."""

    def handle(self):
        host, port = self.client_address
        assert self.client_address[0] == host and self.client_address[1] == port
        self.wfile.write(self.rfile.readline() + f"{host} {port}".encode())


def ask(address, data=b"hello\n", family=None):
    family = family or (socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    with socket.socket(family) as client:
        client.settimeout(5)
        client.connect(address)
        client.sendall(data)
        with client.makefile("rb") as answer:
            return client.getsockname(), answer.read()


@pytest.mark.parametrize("kind", [servers.TCPServer, servers.ThreadingTCPServer])
def test_both_families_one_port(kind):
    with running(kind(("::", 0), Echo)) as server:
        _, port = server.server_address
        for host in BOTH:
            local, answer = ask((host, port))
            assert answer == b"hello\n" + f"{host} {local[1]}".encode()


@pytest.mark.wine_skip("af-unix")
def test_several_addresses_and_a_unix_path(unix_path):
    with running(servers.TCPServer(["127.0.0.1:0", f"unix:{unix_path}"], Echo)) as server:
        assert ask(server.server_address)[1].startswith(b"hello\n127.0.0.1 ")
        assert ask(str(unix_path), family=socket.AF_UNIX)[1] == b"hello\nunix: 0"


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.address_string().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        super().address_string()  # what the log would print


@pytest.mark.wine_skip("af-unix")
def test_a_list_of_pairs(unix_path):
    """What the standard library takes for one address, several times."""
    with running(servers.TCPServer([("127.0.0.1", 0), ("::1", 0, 0, 0), f"unix:{unix_path}"], Echo)) as server:
        ports = {(e.host, e.port) for e in server.listener.endpoints if hasattr(e, "port")}
        assert {host for host, _ in ports} == set(BOTH)
        for host, port in ports:
            client, answer = ask((host, port))
            assert answer == f"hello\n{host} {client[1]}".encode()
        assert [str(e) for e in server.listener.endpoints][-1] == f"unix:{unix_path}"


@pytest.mark.parametrize("kind", [servers.HTTPServer, servers.ThreadingHTTPServer])
def test_http(kind):
    with running(kind(("::", 0), Hello)) as server:
        assert (server.server_name, server.server_port) == ("::", server.listener.port)
        for url in server.listener.urls("http"):
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.read().decode() in BOTH


@pytest.mark.wine_skip("af-unix")
def test_http_over_unix(unix_path):
    with running(servers.UnixHTTPServer(unix_path, Hello)):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(unix_path))
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"unix:"
        connection.close()


def test_http_over_tls(tls_pair):
    class Secure(servers.ThreadingHTTPServer):
        tls = tls_pair[0]

    with running(Secure(("localhost", 0), Hello)) as server:
        port = server.listener.port
        with urllib.request.urlopen(f"https://localhost:{port}/", timeout=5, context=tls_pair[1]) as answer:
            assert answer.status == 200


def test_xmlrpc():
    server = servers.SimpleXMLRPCServer(("::", 0), logRequests=False)
    server.register_function(pow)
    with running(server):
        for url in server.listener.urls("http"):
            with xmlrpc.client.ServerProxy(url) as proxy:
                assert proxy.pow(2, 5) == 32


def test_wsgiref():
    class Server(servers.DualStackMixIn, wsgiref.simple_server.WSGIServer):
        pass

    class Quiet(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, *args):
            pass

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{environ['REMOTE_ADDR']} {environ['SERVER_PORT']}".encode()]

    server = wsgiref.simple_server.make_server("::", 0, app, server_class=Server, handler_class=Quiet)
    with running(server):
        for url in server.listener.urls("http"):
            with urllib.request.urlopen(url, timeout=5) as answer:
                host, port = answer.read().decode().split()
                assert host in BOTH and int(port) == server.listener.port


class Upper(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read().upper())


def test_udp_answers_from_the_address_asked():
    with servers.UDPServer(("::", 0), Upper) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            hosts = ["127.0.0.1", "::1"]
            if dualstack.capabilities().ipv4_packet_info and hasattr(socket, "SO_BINDTODEVICE"):
                hosts.append("127.0.0.2")  # Linux: the whole block is local
            for host in hosts:
                with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(5)
                    client.connect((host, server.server_address[1]))
                    client.send(b"hello")
                    assert client.recv(100) == b"HELLO"
        finally:
            server.shutdown()
            thread.join(10)


def test_handle_request_and_its_timeout():
    class Counting(servers.TCPServer):
        timeout = 0.01
        timeouts = 0

        def handle_timeout(self):
            self.timeouts += 1

    with Counting(("127.0.0.1", 0), Echo) as server:
        server.handle_request()
        assert server.timeouts == 1
        with socket.create_connection(server.server_address) as client:
            client.sendall(b"x\n")
            server.handle_request()
            assert client.recv(100).startswith(b"x\n127.0.0.1 ")
        assert server.timeouts == 1


def test_a_taken_port_leaves_nothing_open():
    with (
        dualstack.open_listener("127.0.0.1", 0) as taken,
        pytest.raises(dualstack.ListenError, match="cannot listen on"),
    ):
        servers.TCPServer(("127.0.0.1", taken.port), Echo)


def test_without_binding_nothing_is_opened():
    server = servers.TCPServer(("::", 0), Echo, bind_and_activate=False)
    assert not hasattr(server, "listener")
    server.server_close()


def test_mix_in_for_ones_own_class():
    class Own(socketserver.TCPServer):
        request_queue_size = 7
        allow_reuse_address = True

        def verify_request(self, request, client_address):
            return client_address[0] != "::1"

    class Dual(servers.DualStackMixIn, Own):
        listen_options = {"v6only": False}  # noqa: RUF012 - a class attribute, as socketserver has them

    with running(Dual(("*", 0), Echo)) as server:
        port = server.server_address[1]
        assert ask(("127.0.0.1", port))[1]
        try:
            assert ask(("::1", port))[1] == b""
        except ConnectionResetError:
            pass  # refused by verify_request with data unread
