"""The servers of ``socketserver``, ``http.server`` and ``xmlrpc.server`` on every address ``open_listener`` takes.

    from dualstack.shim.servers import ThreadingHTTPServer
    with ThreadingHTTPServer(("::", 8080), Handler) as server:      # IPv4 and IPv6, any system
        server.serve_forever()

Problem: the classes of the standard library have ``address_family = AF_INET``, one socket, and an IPv6 client of a
changed subclass breaks ``host, port = self.client_address``. ``HTTPServer`` also asks DNS for its own name when it
binds, which takes seconds where nobody answers.

Our rule: the classes keep their names, arguments and methods (``serve_forever``, ``shutdown``, ``handle_request``,
``process_request``, ``verify_request``, ...), so handlers and subclasses work unchanged. Below them is a Listener:
*server_address* is ``(host, port)`` as ever, or whatever ``open_listener`` takes, or a list of either.
``client_address`` is an endpoint that unpacks and indexes as ``(host, port)`` for IPv4, IPv6 and Unix clients alike.
``DualStackMixIn`` does the same for one's own subclasses of ``TCPServer``: name it first among the bases.

Left out: ``fileno`` for a selector of one's own; there may be several sockets, see ``server.listener.sockets``.
"""

from __future__ import annotations

import http.server
import os
import socketserver
import threading
import xmlrpc.server

from ..core.address import from_host
from ..core.endpoint import Endpoint, IPEndpoint
from ..core.endpoint_unix import UnixEndpoint
from ..net.datagram import open_datagram
from ..net.listen import open_listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from socket import socket as Socket
    from typing import Any

    from ..net.datagram_socket import DatagramSocket
    from ..net.listener import Listener
    from ..net.packet import Datagram

__all__ = (
    "DualStackMixIn",
    "HTTPServer",
    "SimpleXMLRPCServer",
    "TCPServer",
    "ThreadingHTTPServer",
    "ThreadingTCPServer",
    "UDPServer",
    "UnixHTTPServer",
)

_USUAL_QUEUE = 5  # socketserver.TCPServer.request_queue_size, which nobody chose; ours is the system's maximum


class UnixClient(UnixEndpoint):
    """A client over a Unix socket, for handlers that take ``client_address`` apart: its text, and port 0."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return iter((str(self), 0))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        return (str(self), 0)[index]


class _Stoppable(socketserver.BaseServer):
    """``serve_forever`` and ``shutdown`` for servers that wait by themselves."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        super().__init__(*args, **keywords)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until ``shutdown``, which is noticed within *poll_interval* seconds."""
        self._idle.clear()
        try:
            self._serve(poll_interval)
        finally:
            self._stop.clear()
            self._idle.set()

    def _serve(self, poll_interval: float) -> None:
        while not self._stop.is_set():
            if self._wait(poll_interval):
                self._handle_request_noblock()  # type: ignore[attr-defined]  # BaseServer's, missing in typeshed
            self.service_actions()

    def shutdown(self) -> None:
        """Stop ``serve_forever``, which must run in another thread, and wait until it has."""
        self._stop.set()
        self._idle.wait()

    def handle_request(self) -> None:
        """Handle one request, or call ``handle_timeout`` after ``timeout`` seconds without one."""
        if self._wait(self.timeout):
            self._handle_request_noblock()  # type: ignore[attr-defined]  # see serve_forever
        else:
            self.handle_timeout()

    def _wait(self, seconds: float | None) -> bool:
        """Wait for something that ``get_request`` will return; False when there was nothing."""
        raise NotImplementedError


class DualStackMixIn(_Stoppable):
    """Put this before a subclass of ``socketserver.TCPServer``, and it listens as ``open_listener`` does.

    Class attributes: ``tls``, an SSLContext; ``listen_options``, keywords for ``open_listener`` (``mode``, ``v6only``,
    ...). The ``listener`` is there once the server is bound; ``server_address`` is then its first ``(host, port)``, or
    the path of a Unix socket.
    """

    tls: ssl.SSLContext | None = None
    listen_options: dict[str, Any] = {}  # noqa: RUF012 - read, never changed: the style of the classes it is mixed into
    listener: Listener
    socket: Socket
    server_address: Any
    server_name: str
    server_port: int
    _waiting: tuple[Socket, Endpoint] | None = None

    def server_bind(self) -> None:
        """Open the listener; binding and listening are one act, so that it is all of it or nothing."""
        self.socket.close()  # the AF_INET socket that TCPServer.__init__ made
        host, port = _host_and_port(self.server_address)
        chosen = getattr(self, "request_queue_size", _USUAL_QUEUE)
        options = {"backlog": None if chosen == _USUAL_QUEUE else chosen, "tls": self.tls, **self.listen_options}
        self.listener = open_listener(host, port, **options)
        self.socket = self.listener.sockets[0]
        first = self.listener.endpoints[0]
        self.server_address = _plain(first)
        # HTTPServer asks DNS for the first; the name is decoration, and waiting for it is not.
        self.server_name = first.host if isinstance(first, IPEndpoint) else str(first)
        self.server_port = first.port if isinstance(first, IPEndpoint) else 0
        setup_environ = getattr(self, "setup_environ", None)
        if setup_environ is not None:  # wsgiref.simple_server.WSGIServer
            setup_environ()

    def server_activate(self) -> None:
        """Nothing: the listener listens."""

    def _wait(self, seconds: float | None) -> bool:
        try:
            self._waiting = self.listener.accept(seconds)
        except TimeoutError:
            return False
        return True

    def get_request(self) -> tuple[Socket, Any]:
        """Return the connection that was waited for, with its peer."""
        waiting, self._waiting = self._waiting, None
        connection, peer = waiting if waiting is not None else self.listener.accept()
        return connection, _client(peer)

    def server_close(self) -> None:
        """Close the listener, then what the server class closes (threads of a ThreadingMixIn, for one)."""
        listener = getattr(self, "listener", None)
        if listener is not None:
            listener.close()
        super().server_close()

    def fileno(self) -> int:
        """The first socket's descriptor; there may be more of them in ``listener.sockets``."""
        return self.socket.fileno()


class TCPServer(DualStackMixIn, socketserver.TCPServer):
    """``socketserver.TCPServer`` on any addresses."""


class ThreadingTCPServer(socketserver.ThreadingMixIn, TCPServer):
    """``socketserver.ThreadingTCPServer`` on any addresses."""


class HTTPServer(DualStackMixIn, http.server.HTTPServer):
    """``http.server.HTTPServer`` on any addresses."""


class ThreadingHTTPServer(socketserver.ThreadingMixIn, HTTPServer):
    """``http.server.ThreadingHTTPServer`` on any addresses."""

    daemon_threads = True  # as the standard library has it


class UnixHTTPServer(ThreadingHTTPServer):
    """A ``ThreadingHTTPServer`` on a Unix socket: ``UnixHTTPServer("/run/app.sock", Handler)``.

    Takes a path (str, bytes or ``os.PathLike``) instead of an address; the file is 0600 unless ``listen_options`` says
    otherwise.
    """

    def __init__(self, path: str | bytes | os.PathLike[Any], handler: Any, bind_and_activate: bool = True) -> None:
        super().__init__(UnixEndpoint(path), handler, bind_and_activate)


class SimpleXMLRPCServer(DualStackMixIn, xmlrpc.server.SimpleXMLRPCServer):
    """``xmlrpc.server.SimpleXMLRPCServer`` on any addresses."""


class UDPServer(_Stoppable, socketserver.UDPServer):
    """``socketserver.UDPServer`` on any addresses; answers leave from the address that was asked.

    ``request`` is ``(data, socket)`` as ever, where ``socket.sendto(data, client_address)`` replies to that datagram
    and ``socket.datagram`` tells the rest (which address was asked, on which interface).
    """

    datagrams: DatagramSocket
    socket: Socket
    server_address: Any
    _waiting: Datagram | None = None

    def server_bind(self) -> None:
        """Open the datagram socket."""
        self.socket.close()  # the AF_INET socket that TCPServer.__init__ made
        host, port = _host_and_port(self.server_address)
        self.datagrams = open_datagram(host, port)
        self.socket = self.datagrams.sockets[0]
        self.server_address = _plain(self.datagrams.endpoints[0])

    def _wait(self, seconds: float | None) -> bool:
        try:
            self._waiting = self.datagrams.recv(seconds)
        except TimeoutError:
            return False
        return True

    def get_request(self) -> tuple[Any, Any]:
        """Return ``((data, socket), client_address)``."""
        waiting, self._waiting = self._waiting, None
        datagram = waiting if waiting is not None else self.datagrams.recv()
        return (datagram.data, _Answer(self.datagrams, datagram)), _client(datagram.peer)

    def server_close(self) -> None:
        """Close the datagram socket."""
        datagrams = getattr(self, "datagrams", None)
        if datagrams is not None:
            datagrams.close()
        super().server_close()


class _Answer:
    """What a datagram handler gets as its socket."""

    def __init__(self, sock: DatagramSocket, datagram: Datagram) -> None:
        self._sock = sock
        self.datagram = datagram

    def sendto(self, data: bytes, *to: Any) -> int:
        """Reply when the address is the client's, else send there; flags before the address are not supported."""
        (address,) = to
        if address == _client(self.datagram.peer):
            return self._sock.reply(self.datagram, data)
        return self._sock.send(data, address if isinstance(address, Endpoint) else tuple(address[:2]))


def _client(endpoint: Endpoint) -> Endpoint:
    return UnixClient(endpoint.sockaddr) if isinstance(endpoint, UnixEndpoint) else endpoint


def _plain(endpoint: Endpoint) -> Any:
    """A bound address as the socket module takes it, in two values: programs unpack it, and connect to it."""
    return (endpoint.host, endpoint.port) if isinstance(endpoint, IPEndpoint) else endpoint.sockaddr


def _host_and_port(address: Any) -> tuple[Any, Any]:
    """Read a server address: ``(host, port)`` as the standard library has it, or what ``open_listener`` takes.

    In a list of several, each may be of either form.
    """
    if _is_pair(address):
        return address[0], address[1]
    if isinstance(address, list):
        return [from_host(one[0], one[1]) if _is_pair(one) else one for one in address], None
    return address, None


def _is_pair(address: Any) -> bool:
    return isinstance(address, tuple) and len(address) >= 2 and not isinstance(address[1], str | os.PathLike)
