"""Listener.serve and threads, over real sockets: what needs a second thread cannot be had in the fake world."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dualstack

LOCALHOST = Path(__file__).resolve().parents[1] / "data" / "localhost.pem"
WAIT = 20.0  # seconds until a test gives up; nothing here takes a tenth of it


def descriptors() -> int | None:
    """How many descriptors are open, where the system tells."""
    if sys.platform == "win32":
        return None  # under Wine /dev/fd is there, and counts what Wine itself has open
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return None


@pytest.fixture(autouse=True)
def ledger() -> Iterator[None]:
    """No thread and no descriptor outlives a test, without help of the garbage collector."""
    gc.collect()
    gc.disable()
    before = descriptors()
    threads = threading.active_count()
    yield
    try:
        assert threading.active_count() == threads
        assert descriptors() == before
    finally:
        gc.enable()


class Serving:
    """A listener served in a thread of its own."""

    def __init__(self, handler: Callable[[Any, Any], object], *, tls: ssl.SSLContext | None = None, **how: Any) -> None:
        self.listener = dualstack.open_listener("localhost", 0, tls=tls)
        self.error: BaseException | None = None

        def run() -> None:
            try:
                self.listener.serve(handler, **how)
            except BaseException as error:  # noqa: BLE001  # raised again in the test
                self.error = error

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def connect(self) -> socket.socket:
        endpoint = self.listener.connect_endpoint()
        return socket.create_connection((endpoint.host, endpoint.port), timeout=WAIT)  # type: ignore[attr-defined]

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *exc: object) -> None:
        self.listener.close()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()
        if exc[0] is None and self.error is not None:
            raise self.error


def echo(connection: socket.socket, peer: object) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


def test_close_wakes_every_waiting_accept() -> None:
    listener = dualstack.open_listener("localhost", 0)
    started = threading.Barrier(5)
    outcomes: list[object] = []

    def wait() -> None:
        started.wait(WAIT)
        try:
            outcomes.append(listener.accept(timeout=WAIT))
        except OSError as error:
            outcomes.append(error.errno)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait(WAIT)
    listener.close()
    for thread in threads:
        thread.join(WAIT)
    assert outcomes == [errno.EBADF] * 4


def test_each_connection_goes_to_one_of_many_accepting_threads() -> None:
    listener = dualstack.open_listener("localhost", 0)
    taken: list[bytes] = []

    def take() -> None:
        for connection, _ in listener:
            with connection:
                taken.append(connection.recv(10))
                connection.sendall(b"done")

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    sent = [b"%03d" % number for number in range(60)]
    for message in sent:
        endpoint = listener.connect_endpoint()
        with socket.create_connection((endpoint.host, endpoint.port), timeout=WAIT) as client:  # type: ignore[attr-defined]
            client.sendall(message)
            assert client.recv(10) == b"done"
    listener.close()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(taken) == sent


def test_serve_runs_the_handler_for_each_connection() -> None:
    with Serving(echo) as serving:
        clients = [serving.connect() for _ in range(10)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
        assert [client.recv(10) for client in clients] == [b"%d" % number for number in range(10)]
        for client in clients:
            client.close()


def test_at_most_so_many_handlers_at_once() -> None:
    running = 0
    most = 0
    lock = threading.Lock()
    go = threading.Event()

    def handler(connection: socket.socket, peer: object) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 2:
                go.set()
        connection.recv(1)
        with lock:
            running -= 1

    with Serving(handler, workers=2) as serving:
        clients = [serving.connect() for _ in range(6)]
        assert go.wait(WAIT)
        for client in clients:
            client.sendall(b"x")
            assert client.recv(1) == b""  # the connection is closed when the handler returns
            client.close()
    assert most == 2


def test_a_handler_that_raises_is_logged_and_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    def handler(connection: socket.socket, peer: object) -> None:
        if connection.recv(10) == b"raise":
            raise ZeroDivisionError("of the handler")
        connection.sendall(b"fine")

    with Serving(handler) as serving:
        for message, answer in ((b"raise", b""), (b"x", b"fine")):
            with serving.connect() as client:
                client.sendall(message)
                assert client.recv(10) == answer
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "handler for " in record.getMessage()
    assert record.exc_info is not None
    assert "of the handler" in str(record.exc_info[1])


def test_close_drains_and_then_shuts_down() -> None:
    reading = threading.Barrier(3)
    ended: list[bytes] = []

    def handler(connection: socket.socket, peer: object) -> None:
        reading.wait(WAIT)
        try:
            ended.append(connection.recv(10))
        except OSError as error:  # Windows: a receive under way does not see the end, it is cancelled
            assert getattr(error, "winerror", 0) == 995
            ended.append(b"")

    with Serving(handler) as serving:
        patient, silent = serving.connect(), serving.connect()
        reading.wait(WAIT)
        closing = threading.Thread(target=serving.listener.close, kwargs={"drain": 0.5})
        closing.start()
        patient.sendall(b"last words")
        closing.join(WAIT)
        assert not closing.is_alive()
        serving.thread.join(WAIT)
        # One finished by itself; the other was shut down after the drain, and its read saw the end.
        assert sorted(ended) == [b"", b"last words"]
        patient.close()
        silent.close()


def test_a_handler_may_close_its_own_listener() -> None:
    def handler(connection: socket.socket, peer: object) -> None:
        serving.listener.close(drain=WAIT)

    with Serving(handler) as serving:
        with serving.connect() as client:
            assert client.recv(1) == b""
        serving.thread.join(WAIT)
        assert not serving.thread.is_alive()


def test_serve_twice_is_a_mistake() -> None:
    with Serving(echo) as serving, serving.connect() as client:  # it is serving
        client.sendall(b"x")
        client.recv(1)
        with pytest.raises(RuntimeError, match="served already"):
            serving.listener.serve(echo)


def test_without_a_thread_one_client_is_lost_and_not_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = [RuntimeError("can't start new thread")]
    start = threading.Thread.start

    def starved(thread: threading.Thread) -> None:
        if thread.name.startswith("dualstack ") and left:
            raise left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starved)
    with Serving(echo, workers=1) as serving:
        with serving.connect() as unlucky:
            assert unlucky.recv(1) == b""
        with serving.connect() as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
    (record,) = caplog.records
    assert "can't start new thread" in record.getMessage()


def test_serve_needs_a_function() -> None:
    with dualstack.open_listener("localhost", 0) as listener, pytest.raises(TypeError, match="handler is a function"):
        listener.serve(None)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("workers", [0, -1])
def test_serve_needs_a_worker(workers: int) -> None:
    with dualstack.open_listener("localhost", 0) as listener, pytest.raises(ValueError, match="at least one worker"):
        listener.serve(echo, workers=workers)


# ---------------------------------------------------------------------- TLS


@pytest.fixture
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(LOCALHOST)
    client = ssl.create_default_context(cafile=str(LOCALHOST))
    return server, client


def test_tls_talks(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = contexts
    with (
        Serving(echo, tls=server) as serving,
        serving.connect() as raw,
        client.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"hello")
        assert secure.recv(10) == b"hello"


def test_a_silent_client_blocks_neither_accept_nor_the_others(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    server, client = contexts
    with Serving(echo, tls=server, handshake_timeout=0.2) as serving, serving.connect() as silent:
        with serving.connect() as raw, client.wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(b"hello")
            assert secure.recv(10) == b"hello"
        assert silent.recv(10) == b""  # its handshake timed out, and its connection was closed
    assert len(caplog.records) == 1


def test_a_client_that_speaks_no_tls_harms_nobody(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    server, _ = contexts
    with Serving(echo, tls=server) as serving, serving.connect() as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while True:
            try:
                if not plain.recv(100):  # an alert, perhaps, then the end
                    break
            except ConnectionResetError:
                break
    (record,) = caplog.records
    assert record.getMessage().startswith("no TLS with ")
    assert record.exc_info is None  # every scanner does this: no traceback for each


# ---------------------------------------------------------------------- nothing lost

# A program that has imported no more than it needs, and then runs out of descriptors: to say so takes the logging
# module, and its file cannot be opened.
SHORTAGE = """
import os, resource, socket, sys
import dualstack

with dualstack.open_listener("localhost", 0) as listener, socket.socket(listener.sockets[0].family) as client:
    client.connect(listener.endpoints[0].sockaddr)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    taken = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    assert "logging" not in sys.modules
    try:
        listener.accept(timeout=0)
    except TimeoutError as error:
        print(error)
    for number in taken:
        os.close(number)
    connection, peer = listener.accept(timeout=20)
    connection.close()
    print(peer.is_loopback)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of descriptors to set; runs on POSIX")
def test_a_shortage_is_sat_out_before_anything_was_loaded_to_say_so() -> None:
    root = Path(dualstack.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{SHORTAGE}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, peer = done.stdout.splitlines()
    assert "accept fails: [Errno 24]" in said
    assert peer == "True"
    assert done.stderr.startswith("accept on ") and done.stderr.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork; Linux and macOS run it")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # fork with threads: there are none here
def test_a_forked_child_keeps_the_port_until_it_closes_its_copy() -> None:
    """What PEP 446 does not cover: fork copies every descriptor. The listener must be closed in the child as well."""
    listener = dualstack.open_listener("localhost", 0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                ours.close()
                theirs.recv(1)
                listener.close()
                theirs.sendall(b"x")
                code = 0
            finally:
                os._exit(code)
        port = listener.port
        listener.close()
        with pytest.raises(dualstack.ListenError):
            dualstack.open_listener("localhost", port)
        ours.sendall(b"x")
        assert ours.recv(1) == b"x"
        dualstack.open_listener("localhost", port).close()
        assert os.waitpid(child, 0)[1] == 0


def test_children_do_not_inherit_it() -> None:
    import subprocess

    with dualstack.open_listener(["localhost", "::"], 0) as listener:
        numbers = [sock.fileno() for sock in listener.sockets]
        code = "import os, sys\nfor n in sys.argv[1:]:\n try: print(os.fstat(int(n)))\n except OSError: pass"
        command = [sys.executable, "-c", code, *map(str, numbers)]
        assert subprocess.run(command, capture_output=True, text=True, check=True, close_fds=False).stdout == ""


def test_opening_and_closing_a_thousand_times() -> None:
    """The ledger of this file counts descriptors and threads afterwards, with the garbage collector off."""
    for number in range(1000):
        with dualstack.open_listener("::" if number % 2 else "localhost", 0) as listener:
            if number % 10 == 0:
                with pytest.raises(TimeoutError):
                    listener.accept(timeout=0)


def test_a_thousand_connections_through_one_listener() -> None:
    with dualstack.open_listener("localhost", 0) as listener:
        for number in range(1000):
            host = "::1" if number % 2 and len(listener.sockets) == 2 else listener.connect_endpoint().host  # type: ignore[attr-defined]
            with socket.create_connection((host, listener.port), timeout=WAIT):
                connection, peer = listener.accept(timeout=WAIT)
                assert peer.host in ("127.0.0.1", "::1")
                connection.close()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no interval timer; Linux and macOS run it")
def test_a_signal_handler_may_close_at_any_instant() -> None:
    """The handler runs in the thread that is in accept, wherever that is: no deadlock, and nothing is left open."""
    before = signal.getsignal(signal.SIGALRM)
    try:
        for step in range(60):
            listener = dualstack.open_listener("localhost", 0)
            signal.signal(signal.SIGALRM, lambda *_, listener=listener: listener.close())
            # Again and again: a signal that comes just before the system call blocks is only seen after it (CPython).
            signal.setitimer(signal.ITIMER_REAL, (step + 1) * 10e-6, 0.02)
            with pytest.raises(OSError) as caught:
                listener.accept()
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert caught.value.errno == errno.EBADF
            assert [sock.fileno() for sock in listener.sockets] == [-1, -1][: len(listener.sockets)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
