"""Forwarding connections between real sockets: ends, resets, readers that do not read, thousands at once."""

from __future__ import annotations

import errno
import logging
import os
import re
import selectors
import socket
import struct
import sys
import threading
import time

import pytest

from dualstack import Endpoint
from dualstack.errors import AddressError, ListenError
from dualstack.net.forward import open_forwarder
from dualstack.net.forward_connection import BUFFER

HAS_UNIX = hasattr(socket, "AF_UNIX")
needs_unix = pytest.mark.skipif(not HAS_UNIX, reason="this Python has no AF_UNIX; runs on POSIX")
unix = pytest.param("unix", marks=needs_unix)
ABORT = struct.pack("ii" if os.name == "posix" else "HH", 1, 0)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    sock.close()


def only(forwarder) -> object:
    """The one connection there is, as soon as it is there; for looking inside."""
    deadline = time.monotonic() + 20
    while True:
        for connection in list(forwarder._streams[0].connections):
            if len(connection._socks) == 2:
                return connection
        assert time.monotonic() < deadline
        time.sleep(0)


def until(ready) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0)


def refuses(address) -> bool:
    try:
        socket.create_connection(address).close()
    except OSError:
        return True
    return False


# ---------------------------------------------------------------------- bytes and ends


@pytest.mark.parametrize("target_kind", ["ipv4", "ipv6", "name", unix])
@pytest.mark.parametrize("kind", ["127.0.0.1:0", "[::1]:0", unix])
def test_a_client_that_ends_still_gets_its_answer(forward, target, helpers, folder, kind, target_kind) -> None:
    """Every combination; the answer can only come once the target has seen the end of the question."""
    to = target(helpers.backwards, target_kind)
    forwarder = forward(f"unix:{folder}/front" if kind == "unix" else kind, to)
    data = os.urandom(3_000_000)
    with helpers.connect(forwarder.endpoints[0]) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert helpers.read_all(client) == data[::-1]


def test_a_target_that_ends_first_still_hears_the_client(forward, target, helpers) -> None:
    heard = []

    def speaks_first(connection) -> None:
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        heard.append(helpers.read_all(connection))

    forwarder = forward("127.0.0.1:0", target(speaks_first))
    with helpers.connect(forwarder.endpoints[0]) as client:
        assert helpers.read_all(client) == b"bye"
        client.sendall(b"x" * 1_000_000)
    until(lambda: heard)
    assert heard == [b"x" * 1_000_000]


def test_several_addresses_at_once(forward, target, helpers, folder) -> None:
    addresses = ["127.0.0.1:0", "[::1]:0", *([f"unix:{folder}/front"] if HAS_UNIX else [])]
    forwarder = forward(addresses, target(helpers.backwards))
    assert len(forwarder.endpoints) == len(addresses)
    clients = [helpers.connect(endpoint) for endpoint in forwarder.endpoints]
    until(lambda: forwarder.connections == len(clients))
    for client in clients:
        with client:
            client.sendall(b"abc")
            client.shutdown(socket.SHUT_WR)
            assert helpers.read_all(client) == b"cba"
    until(lambda: forwarder.connections == 0)


def test_both_sides_send_at_once(forward, target, helpers) -> None:
    """More than all buffers hold, in both directions at the same time: nobody waits for the other to read first."""
    size = 20_000_000

    def echo(connection) -> None:
        while data := connection.recv(1 << 18):
            connection.sendall(data)

    forwarder = forward("127.0.0.1:0", target(echo))
    with helpers.connect(forwarder.endpoints[0]) as client:

        def send() -> None:
            client.sendall(b"z" * size)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert len(helpers.read_all(client)) == size
        sender.join()


@pytest.mark.skipif(os.name != "posix", reason="a descriptor is handed over as a number; runs on POSIX")
def test_a_socket_that_was_opened_by_somebody_else(forward, target, helpers, folder) -> None:
    inherited, written = helpers.listen("ipv4", folder)
    forwarder = forward(f"fd://{inherited.detach()}", target(helpers.backwards))
    assert str(forwarder.endpoints[0]) == written
    with helpers.connect(forwarder.endpoints[0]) as client:
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        assert helpers.read_all(client) == b"cba"


# ---------------------------------------------------------------------- resets


def test_a_reset_of_the_client_reaches_the_target(forward, target, helpers) -> None:
    seen = []

    def watch(connection) -> None:
        connection.sendall(b"hello")
        try:
            seen.append(helpers.read_all(connection))
        except OSError as error:
            seen.append(type(error))

    forwarder = forward("127.0.0.1:0", target(watch))
    client = helpers.connect(forwarder.endpoints[0])
    assert client.recv(5) == b"hello"
    reset(client)
    until(lambda: seen)
    assert seen == [ConnectionResetError]
    until(lambda: forwarder.connections == 0)


def test_a_reset_of_the_target_reaches_the_client(forward, target, helpers) -> None:
    def cut(connection) -> None:
        connection.recv(1)
        reset(connection)

    forwarder = forward("127.0.0.1:0", target(cut))
    with helpers.connect(forwarder.endpoints[0]) as client:
        client.sendall(b"?")
        with pytest.raises(ConnectionResetError):
            helpers.read_all(client)


def test_an_answer_that_came_before_the_target_closed_is_delivered(forward, target, helpers) -> None:
    """The target answers and closes while the client goes on sending: what it sent is thrown away, not the answer."""
    answer = b"413 too large" * 1000

    def refuse(connection) -> None:
        connection.recv(1)
        connection.sendall(answer)

    forwarder = forward("127.0.0.1:0", target(refuse))
    with helpers.connect(forwarder.endpoints[0]) as client:
        client.setblocking(False)
        sent = 0
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_WRITE)
            while sent < 4_000_000 and selector.select(20):
                try:
                    sent += client.send(b"u" * 65536)
                except (BrokenPipeError, ConnectionResetError):
                    break
        client.settimeout(20)
        got = b""
        try:
            while part := client.recv(65536):
                got += part
        except ConnectionResetError:  # the target had unread bytes, so its close was one: it is passed on
            pass
        assert answer.startswith(got) and (got == answer or sys.platform != "linux")


# ---------------------------------------------------------------------- readers that do not read


@pytest.mark.parametrize("kind", ["127.0.0.1:0", unix])
def test_a_client_that_does_not_read_stops_the_target(forward, target, helpers, folder, kind) -> None:
    done = threading.Event()
    total = 40_000_000  # far more than the buffers of four sockets

    def flood(connection) -> None:
        for _ in range(total // 40_000):  # in pieces: Windows takes whatever one call gives it
            connection.sendall(b"f" * 40_000)
        done.set()

    forwarder = forward(f"unix:{folder}/front" if kind == "unix" else kind, target(flood))
    with helpers.connect(forwarder.endpoints[0]) as client:
        connection = only(forwarder)
        until(lambda: connection._held[1])
        assert len(connection._held[1]) <= BUFFER
        until(lambda: connection._events == [3, 0])  # the target is not read any more
        assert not done.is_set()
        assert len(helpers.read_all(client)) == total
    assert done.wait(20)


def test_one_that_does_not_read_does_not_stop_others(forward, target, helpers) -> None:
    def flood(connection) -> None:
        connection.sendall(connection.recv(1) * 30_000_000)

    forwarder = forward("127.0.0.1:0", target(flood))
    with helpers.connect(forwarder.endpoints[0]) as lazy:
        lazy.sendall(b"a")
        connection = only(forwarder)
        until(lambda: connection._held[1])
        with helpers.connect(forwarder.endpoints[0]) as busy:
            busy.sendall(b"b")
            assert len(helpers.read_all(busy)) == 30_000_000
        assert len(helpers.read_all(lazy)) == 30_000_000


def test_a_client_that_does_not_read_and_dies(forward, target, helpers) -> None:
    failed = []

    def flood(connection) -> None:
        try:
            while True:
                connection.sendall(b"f" * 65536)
        except OSError as error:
            failed.append(error)

    forwarder = forward("127.0.0.1:0", target(flood))
    client = helpers.connect(forwarder.endpoints[0])
    connection = only(forwarder)
    until(lambda: connection._held[1])
    client.close()  # with unread bytes: a reset
    until(lambda: failed)
    until(lambda: forwarder.connections == 0)


# ---------------------------------------------------------------------- the target is down


def test_a_target_that_is_down_and_comes_back(forward, target, helpers, caplog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    forwarder = forward("127.0.0.1:0", f"127.0.0.1:{port}")
    with caplog.at_level(logging.WARNING, "dualstack"):
        for _ in range(100):
            with helpers.connect(forwarder.endpoints[0]) as client:
                assert client.recv(1) == b""  # an end, no reset
        (line,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        rf"127\.0\.0\.1:\d+ is closed: cannot connect to 127\.0\.0\.1:{port}.*Connection refused.*", line
    ), line
    with socket.create_server(("127.0.0.1", port)) as back, helpers.connect(forwarder.endpoints[0]) as client:
        connection, _ = back.accept()
        with connection:
            connection.sendall(b"here again")
        assert helpers.read_all(client) == b"here again"
    forwarder.close()
    until(lambda: len(caplog.records) == 2)
    assert caplog.records[1].getMessage().endswith("(and 98 more like it)")


@needs_unix
def test_a_unix_target_that_is_not_there(forward, helpers, folder, caplog) -> None:
    forwarder = forward("127.0.0.1:0", f"unix:{folder}/nobody")
    with helpers.connect(forwarder.endpoints[0]) as client:
        client.sendall(b"something that is never read")
        assert client.recv(1) == b""
    assert f"cannot connect to unix:{folder}/nobody; unix:{folder}/nobody" in caplog.text
    assert "No such file or directory" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux refuses a Unix connect that would have to queue")
def test_a_unix_target_with_a_full_queue_is_asked_again(forward, helpers, folder) -> None:
    path = f"{folder}/busy"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(path)
        busy.listen(0)
        filler = helpers.connect(Endpoint.parse(f"unix:{path}"))
        forwarder = forward("127.0.0.1:0", f"unix:{path}")
        with helpers.connect(forwarder.endpoints[0]) as client:
            until(lambda: forwarder.connections == 1)
            (connection,) = forwarder._streams[0].connections
            until(lambda: connection._dialing is not None and connection._dialing._retry is not None)
            busy.accept()[0].close()
            filler.close()
            with busy.accept()[0] as answering:
                answering.sendall(b"at last")
            assert helpers.read_all(client) == b"at last"
    os.unlink(path)


# ---------------------------------------------------------------------- many, too many, none


def test_two_thousand_at_once(forward, helpers) -> None:
    count = 2000
    needed = 4 * count + 200  # both ends of both connections are in this process
    resource = pytest.importorskip("resource", reason="select on Windows takes 512 sockets; runs on POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            pytest.skip(f"needs {needed} descriptors and may have {hard}; runs where ulimit -Hn is higher")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    stop, wake = socket.socketpair()
    server, to = helpers.listen("ipv4", "")
    server.setblocking(False)

    def echo_all() -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(server, selectors.EVENT_READ)
            selector.register(stop, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is stop:
                        for one in list(selector.get_map().values()):
                            if one.fileobj not in (server, stop):
                                one.fileobj.close()
                        return
                    if key.fileobj is server:
                        try:
                            selector.register(server.accept()[0], selectors.EVENT_READ)
                        except BlockingIOError:
                            pass
                    elif data := key.fileobj.recv(100):
                        key.fileobj.sendall(data)
                    else:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    thread = threading.Thread(target=echo_all)
    thread.start()
    clients = []
    try:
        forwarder = forward("127.0.0.1:0", to)
        address = forwarder.endpoints[0].sockaddr
        for number in range(count):
            clients.append(socket.create_connection(address))
            clients[-1].sendall(b"%d" % number)
        for number, client in enumerate(clients):
            client.settimeout(20)
            assert client.recv(100) == b"%d" % number
        assert forwarder.connections == count
        for client in clients:
            client.close()
        until(lambda: forwarder.connections == 0)
    finally:
        for client in clients:
            client.close()
        wake.send(b"x")
        thread.join()
        for sock in (stop, wake, server):
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_with_all_connections_taken_clients_wait(forward, target, helpers, caplog) -> None:
    forwarder = forward("127.0.0.1:0", target(helpers.backwards), max_connections=2)
    first, second, third = (helpers.connect(forwarder.endpoints[0]) for _ in range(3))
    with first, second, third:
        third.sendall(b"abc")
        third.shutdown(socket.SHUT_WR)
        until(lambda: forwarder.connections == 2)
        until(lambda: forwarder._streams[0]._watched == [])  # nobody accepts
        until(lambda: caplog.messages)
        assert caplog.messages == [
            f"2 connections are open on {forwarder.endpoints[0]}, the most there may be; others wait until one ends"
        ]
        first.close()
        assert helpers.read_all(third) == b"cba"


def test_a_port_in_use_leaves_nothing_open(helpers, folder) -> None:
    taken, written = helpers.listen("ipv4", folder)
    with taken:
        addresses = [*([f"unix:{folder}/front"] if HAS_UNIX else []), "127.0.0.1:0", written]
        with pytest.raises(ListenError) as caught:
            open_forwarder(addresses, "127.0.0.1:1")
        assert caught.value.errno == errno.EADDRINUSE
        assert written in str(caught.value)


def test_a_datagram_port_in_use_closes_the_streams(folder) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ListenError):
            open_forwarder(["127.0.0.1:0", f"udp://127.0.0.1:{port}"], "127.0.0.1:1")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("listen", ["", "{host}"])
def test_to_itself_is_refused(dual_port, host, listen) -> None:
    with pytest.raises(ValueError, match="would be forwarded to itself"):
        open_forwarder(f"{listen.format(host=host)}:{dual_port}", f"{host}:{dual_port}")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"idle": 0}, "idle is more than 0", id="idle"),
        pytest.param({"connect_timeout": -1}, "connect_timeout is more than 0", id="connect-timeout"),
        pytest.param({"max_connections": 0}, "max_connections is at least 1", id="max-connections"),
        pytest.param({"proxy_out": "v3"}, "proxy_out is", id="proxy-out"),
        pytest.param({"proxy_in": ["300.0.0.0/8"]}, "300.0.0.0/8", id="proxy-in"),
        pytest.param({"allow": ["10.0.0.1/8"]}, "has host bits set", id="allow"),
    ],
)
def test_arguments_that_make_no_sense(options, says) -> None:
    with pytest.raises(ValueError, match=says):
        open_forwarder("127.0.0.1:0", "127.0.0.1:1", **options)


@pytest.mark.parametrize("to", ["127.0.0.1", "::1:80:90", "127.1:80", "unix:", "h:65536", ""])
def test_targets_that_are_no_address(to) -> None:
    with pytest.raises(AddressError):
        open_forwarder("127.0.0.1:0", to)


# ---------------------------------------------------------------------- the end


def test_draining_lets_connections_end(forward, target, helpers) -> None:
    forwarder = forward("127.0.0.1:0", target(helpers.backwards))
    with helpers.connect(forwarder.endpoints[0]) as client:
        only(forwarder)
        forwarder.close(drain=helpers.SECONDS)
        until(lambda: refuses(forwarder.endpoints[0].sockaddr))
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        assert helpers.read_all(client) == b"cba"


def test_a_second_close_ends_them(forward, target, helpers) -> None:
    forwarder = forward("127.0.0.1:0", target(helpers.backwards))
    with helpers.connect(forwarder.endpoints[0]) as client:
        only(forwarder)
        forwarder.close(drain=1000)
        until(lambda: forwarder._closing)
        forwarder.close()
        assert client.recv(1) == b""


def test_it_runs_once(forward, target, helpers) -> None:
    forwarder = open_forwarder("127.0.0.1:0", target(helpers.backwards))
    assert repr(forwarder) == f"<Forwarder {forwarder.endpoints[0]}>"
    forwarder.close()
    forwarder.run()  # closed before it began: there is nothing to do
    with pytest.raises(RuntimeError, match="runs once"):
        forwarder.run()
    forwarder.close(drain=5)


def test_a_connection_that_breaks_in_our_own_code_ends_no_other(forward, target, helpers, caplog, monkeypatch) -> None:
    forwarder = forward("127.0.0.1:0", target(helpers.backwards))
    with helpers.connect(forwarder.endpoints[0]) as good:
        healthy = only(forwarder)
        with helpers.connect(forwarder.endpoints[0]) as bad:
            until(lambda: forwarder.connections == 2)
            (broken,) = forwarder._streams[0].connections - {healthy}
            until(lambda: broken._events == [1, 1])
            broken._relay = None
            bad.sendall(b"x")
            assert bad.recv(1) == b""
            until(lambda: "a callback of the forwarder failed" in caplog.text)
            good.sendall(b"abc")
            good.shutdown(socket.SHUT_WR)
            assert helpers.read_all(good) == b"cba"
