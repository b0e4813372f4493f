"""Texts of DST8xx: what exists on Unix, or on Linux, only."""

from __future__ import annotations

from dualstack.check.model import Group, Rule

__all__ = ("GROUP",)

_ESSAY = """\
The socket module holds what the system offered when Python was built. A name that is missing is an
AttributeError at run time, on the one system the author does not have. A test for the name
(`hasattr(socket, "AF_UNIX")`), a test of the system, or a handler for the exception in reach is enough for
the checker; so is a file or folder named after the system (`unix_events.py`, `linux/`)."""

GROUP = Group(
    "DST8",
    "unix-and-linux-only",
    "Unix-only and Linux-only",
    _ESSAY,
    (
        Rule(
            "DST801",
            "af-unix-unguarded",
            "AF_UNIX without a guard",
            "Python on Windows has no socket.AF_UNIX, although Windows itself has Unix sockets since 2018.",
            """\
import socket


def dial(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(path)
    return s
""",
            """\
import socket


def dial(path):
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("Unix sockets are not available here; use --host")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(path)
    return s
""",
            """\
import dualstack


def dial(path):
    return dualstack.connect("unix:" + path)
""",
            "https://github.com/python/cpython/issues/77589",
        ),
        Rule(
            "DST802",
            "unix-stream-asyncio",
            "asyncio over a Unix socket without a guard",
            "asyncio.start_unix_server() and open_unix_connection() do not exist on Windows; the loop "
            "methods raise NotImplementedError.",
            """\
import asyncio


async def main(handler, path):
    return await asyncio.start_unix_server(handler, path)
""",
            """\
import asyncio


async def main(handler, path):
    if hasattr(asyncio, "start_unix_server"):
        return await asyncio.start_unix_server(handler, path)
    return await asyncio.start_server(handler, "localhost", 0)
""",
            """\
import dualstack.aio


async def main(path):
    return await dualstack.aio.open_listener("unix:" + path)
""",
            "https://docs.python.org/3/library/asyncio-platforms.html",
        ),
        Rule(
            "DST803",
            "add-signal-handler-unguarded",
            "loop.add_signal_handler() without a guard",
            "NotImplementedError on Windows, at start-up.",
            """\
import asyncio, signal


async def main(stop):
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
""",
            """\
import asyncio, signal


async def main(stop):
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGTERM, stop)
    except NotImplementedError:
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stop))
""",
            """\
import signal


def main(stop):
    signal.signal(signal.SIGTERM, stop)
""",
            "https://docs.python.org/3/library/asyncio-platforms.html",
            fixable=True,
        ),
        Rule(
            "DST804",
            "so-reuseport-unguarded",
            "SO_REUSEPORT without a guard",
            "Missing on Windows; reuse_port=True raises ValueError there.",
            """\
import socket


def share(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
""",
            """\
import socket


def share(sock):
    if hasattr(socket, "SO_REUSEPORT"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
""",
            """\
import dualstack


def listen(port):
    return dualstack.open_listener(None, port, reuse_port=True)
""",
            "socket(7)",
            fixable=True,
        ),
        Rule(
            "DST805",
            "tcp-keepalive-unguarded",
            "TCP_KEEPIDLE, TCP_KEEPINTVL or TCP_KEEPCNT without a guard",
            "macOS calls the idle time TCP_KEEPALIVE; Windows has the three since Windows 10 and Python 3.7.",
            """\
import socket


def keep(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
""",
            """\
import socket


def keep(sock):
    idle = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
    if idle is not None:
        sock.setsockopt(socket.IPPROTO_TCP, idle, 60)
""",
            """\
import socket


def keep(sock):
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
""",
            "tcp(7)",
            fixable=True,
        ),
        Rule(
            "DST806",
            "abstract-unix-socket",
            "Abstract Unix address",
            "An address that begins with a NUL byte is a name outside of the file system, on Linux only.",
            """\
def announce(sock):
    sock.connect("\\0service")
""",
            """\
import sys


def announce(sock, path):
    sock.connect("\\0service" if sys.platform == "linux" else path)
""",
            """\
import dualstack


def announce(path):
    return dualstack.connect("unix:" + path)
""",
            "unix(7)",
        ),
        Rule(
            "DST807",
            "linux-const",
            "Constant of one system without a guard",
            "SO_BINDTODEVICE, AF_NETLINK, AF_PACKET, SOCK_CLOEXEC, MSG_NOSIGNAL, TCP_USER_TIMEOUT... are "
            "AttributeErrors elsewhere.",
            """\
import socket


def bind_to(sock, name):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
""",
            """\
import socket


def bind_to(sock, name):
    if hasattr(socket, "SO_BINDTODEVICE"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
""",
            """\
import dualstack


def bind_to(name, port):
    return dualstack.open_listener("%" + name, port)
""",
            "https://docs.python.org/3/library/socket.html#constants",
            fixable=True,
        ),
        Rule(
            "DST808",
            "fork-server",
            "Server that forks",
            "os.fork() and socketserver.ForkingMixIn do not exist on Windows, and forking with threads is"
            " unsafe on macOS.",
            """\
import socketserver


class Server(socketserver.ForkingMixIn, Base):
    pass
""",
            """\
import socketserver


class Server(socketserver.ThreadingMixIn, Base):
    pass
""",
            """\
import dualstack


def serve(listener, handler):
    listener.serve(handler, workers=8)
""",
            "https://docs.python.org/3/library/socketserver.html",
        ),
        Rule(
            "DST809",
            "sun-path-length",
            "Socket path below a temporary directory",
            "sun_path holds 108 bytes on Linux and 104 on macOS, where $TMPDIR alone takes about 50.",
            """\
import os, socket, tempfile


def listen(sock):
    assert sock.family == getattr(socket, "AF_UNIX")
    folder = tempfile.mkdtemp()
    if sock.family == socket.AF_UNIX:
        sock.bind(os.path.join(folder, "control.sock"))
""",
            """\
import os, socket


def listen(sock, folder):
    if sock.family == getattr(socket, "AF_UNIX", None):
        sock.bind(os.path.join(folder, "s"))
""",
            """\
import dualstack


def listen(path):
    return dualstack.open_listener("unix:" + path)
""",
            "unix(7)",
            strict=True,
        ),
        Rule(
            "DST810",
            "reuseaddr-windows",
            "SO_REUSEADDR on a server without a test of the system",
            "On POSIX it only waives TIME_WAIT; on Windows it lets any process take over a port that is in use.",
            """\
import socket


def listen(sock, address):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
""",
            """\
import os, socket


def listen(sock, address):
    if os.name == "posix":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
""",
            """\
import dualstack


def listen(host, port):
    return dualstack.open_listener(host, port)
""",
            "https://learn.microsoft.com/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse",
            strict=True,
        ),
        Rule(
            "DST811",
            "select-nonsocket",
            "select() on something that is no socket",
            "Windows selects on sockets only; pipes and consoles are an OSError.",
            """\
import select, sys


def wait(sock):
    return select.select([sock, sys.stdin], [], [])
""",
            """\
import select


def wait(sock, waker):
    return select.select([sock, waker], [], [])
""",
            """\
import selectors


def wait(selector):
    return selector.select()
""",
            "https://docs.python.org/3/library/select.html#select.select",
            strict=True,
        ),
        Rule(
            "DST812",
            "fcntl-import",
            "Unix module imported at the top of a network module",
            "fcntl, termios, pwd, grp, resource, tty, pty and syslog cannot be imported on Windows, and "
            "so neither can this module.",
            """\
import fcntl
import socket


def lock(sock):
    fcntl.lockf(sock, fcntl.LOCK_EX)
""",
            """\
import socket

try:
    import fcntl
except ImportError:
    fcntl = None
""",
            """\
import socket


def lock(sock):
    import fcntl

    fcntl.lockf(sock, fcntl.LOCK_EX)
""",
            "https://docs.python.org/3/library/unix.html",
        ),
        Rule(
            "DST813",
            "socketpair-af-unix",
            "socketpair(AF_UNIX)",
            "Without arguments socketpair() works on every system, with AF_UNIX not on Windows.",
            """\
import socket


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
""",
            """\
import socket


def pair():
    return socket.socketpair()
""",
            """\
import socket


def pair():
    return socket.socketpair()
""",
            "https://docs.python.org/3/library/socket.html#socket.socketpair",
            strict=True,
        ),
        Rule(
            "DST814",
            "one-poller",
            "epoll, kqueue or poll without a guard",
            "epoll is Linux, kqueue is BSD and macOS, poll is missing on Windows.",
            """\
import select


def wait(sock):
    waiter = select.epoll()
    waiter.register(sock)
    return waiter
""",
            """\
import selectors


def wait(sock):
    waiter = selectors.DefaultSelector()
    waiter.register(sock, selectors.EVENT_READ)
    return waiter
""",
            """\
import selectors


def wait(sock):
    waiter = selectors.DefaultSelector()
    waiter.register(sock, selectors.EVENT_READ)
    return waiter
""",
            "https://docs.python.org/3/library/selectors.html",
        ),
    ),
)
