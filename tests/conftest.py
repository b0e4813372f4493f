"""Fixtures for all tests: the fake world, a held port free on both families, a short Unix path, a TLS pair."""

from __future__ import annotations

import gc
import pathlib
import runpy
import signal
import socket
import ssl
import sys

# Else its plugin imports it when a run without it ends; after trio (anyio's plugin imports that) it warns then.
import hypothesis
import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest_plugins = ["dualstack.testing.fixtures"]

# How long an example takes says something about the machine, not about the property; benchmarks/ measures.
hypothesis.settings.register_profile(
    "dualstack", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("dualstack")

CERTIFICATE = pathlib.Path(__file__).parent / "data" / "localhost.pem"


DEVIATIONS = runpy.run_path(str(pathlib.Path(__file__).with_name("wine_deviations.py")))["DEVIATIONS"]


def under_wine() -> bool:
    """Whether this Windows is Wine; for choosing what to skip, never for what the library does."""
    if sys.platform != "win32":
        return False
    from ctypes import WinDLL

    return hasattr(WinDLL("ntdll"), "wine_get_version")


def pytest_configure() -> None:
    """Let Ctrl-C reach the children, also where we are in the background of a script, which has SIGINT ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    """Say what a host lacks that this run is not about: why so much fails there, or is not even collected."""
    lines = []
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError as error:
        lines.append(
            f"This host has no ::1 ({error.strerror}): tests over real IPv6 sockets will fail here. In a container:"
            " --sysctl net.ipv6.conf.all.disable_ipv6=0"
        )
    if not hasattr(socket, "AF_UNIX"):
        lines.append(
            "This Python has no AF_UNIX: tests/unix is not collected; tests/windows/test_unix.py takes its place"
        )
    return lines


def pytest_collection_modifyitems(items) -> None:
    """Skip under Wine what it does otherwise than Windows; each name is a row of wine_deviations.py."""
    wine = under_wine()
    for item in items:
        for mark in item.iter_markers("wine_skip"):
            (name,) = mark.args
            if name not in DEVIATIONS:
                raise pytest.UsageError(f"{item.nodeid}: wine_deviations.py has no row {name!r}")
            if wine:
                item.add_marker(pytest.mark.skip(reason=f"Wine deviation {name}: {DEVIATIONS[name][0]}"))


@pytest.fixture
def refused_at_once() -> None:
    """For a test of which a closed port on loopback is refused at once."""
    if sys.platform == "win32" and not under_wine():
        pytest.skip("Windows asks a closed port again for two seconds; runs elsewhere, also under Wine")


@pytest.fixture
def fill() -> Iterator[Callable[[socket.socket], list[socket.socket]]]:
    """A function that fills the accept queue of a listener with backlog 0, which PyPy makes 1."""
    opened = []

    def fill(listener: socket.socket) -> list[socket.socket]:
        for _ in range(2 if sys.implementation.name == "pypy" else 1):
            sock = socket.socket(listener.family, listener.type)
            opened.append(sock)
            sock.connect(listener.getsockname())
        return opened

    yield fill
    for sock in opened:
        sock.close()


@pytest.fixture
def uncollected() -> Iterator[Callable[[], int]]:
    """The garbage collector off, and a function to ask at the end: how many objects only it could have freed."""
    if sys.implementation.name != "cpython":
        pytest.skip("nothing is freed without the collector there; runs on CPython")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("without the GIL, what two threads have shared is freed later; runs with it")
    while gc.collect():  # a finalizer may leave more for the next round
        pass
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.enable()


@pytest.fixture
def tls_pair():
    """A server's and a client's SSLContext that trust each other, for localhost, 127.0.0.1 and ::1."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    client = ssl.create_default_context(cafile=str(CERTIFICATE))
    return server, client


@pytest.fixture(scope="module", autouse=True)
def _unseen() -> None:
    """Take what is alive before a file of tests out of the collector's sight: all tests, and the reports so far.

    Many tests collect garbage to show that nothing needed it; with thousands of tests and reports to look at each such
    collection took a tenth of a second, and most of the run.
    """
    gc.collect()
    if hasattr(gc, "freeze"):  # not on PyPy
        gc.freeze()
