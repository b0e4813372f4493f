"""shim.socket as a module: its names are those of the standard library, and the objects behind them too."""

from __future__ import annotations

import importlib
import inspect
import json
import pickle
import socket as stdlib
import subprocess
import sys
import types

import pytest

import dualstack.shim
from dualstack import platforms
from dualstack.shim import socket
from dualstack.shim.socket_constants import missing
from dualstack.testing import World, freebsd, linux, macos, openbsd, windows

REPLACED = {"socket", "create_connection", "create_server", "getaddrinfo", "has_dualstack_ipv6"}
REPLACED |= {"send_fds", "recv_fds"} & set(dir(stdlib))


def test_every_name_is_there():
    names = {name for name in dir(stdlib) if not name.startswith("__")}
    assert names - set(dir(socket)) == set()
    assert set(stdlib.__all__) - set(socket.__all__) == set()
    assert [name for name in socket.__all__ if not hasattr(socket, name)] == []


def test_a_star_import_takes_the_same_names():
    ours, theirs = {}, {}
    exec("from dualstack.shim.socket import *", ours)
    exec("from socket import *", theirs)
    assert set(theirs) - set(ours) == set()
    assert set(ours) - set(theirs) == set(socket._added)


@pytest.mark.parametrize("name", [name for name in dir(stdlib) if not name.startswith("__")])
def test_what_is_not_replaced_is_the_same_object(name):
    ours, theirs = getattr(socket, name), getattr(stdlib, name)
    if isinstance(theirs, types.FunctionType):
        # A function of the standard library runs with the names of the shim, so it is a copy of its own.
        assert inspect.signature(ours).parameters.keys() >= inspect.signature(theirs).parameters.keys()
        assert ours.__doc__ or not theirs.__doc__
        assert (ours.__code__ is theirs.__code__) != (name in REPLACED)
        assert ours.__globals__ is vars(socket) or name in REPLACED
    else:
        assert (ours is theirs) != (name in REPLACED)


def test_exceptions_and_enumerations_are_the_real_ones():
    assert socket.timeout is TimeoutError
    assert socket.error is OSError
    assert socket.gaierror is stdlib.gaierror
    assert socket.AF_INET is stdlib.AddressFamily.AF_INET
    with socket.socket() as sock:
        assert sock.family is stdlib.AddressFamily.AF_INET
        assert sock.type is stdlib.SocketKind.SOCK_STREAM


@pytest.mark.parametrize("name", ["AF_INET6", "SOCK_DGRAM", "AI_PASSIVE", "SOL_SOCKET", "MSG_PEEK", "SocketType"])
def test_pickles_are_read_without_the_shim(name):
    assert pickle.dumps(getattr(socket, name)) == pickle.dumps(getattr(stdlib, name))


def test_addresses_are_plain_tuples():
    row = socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0]
    assert pickle.dumps(row) == pickle.dumps(stdlib.getaddrinfo("127.0.0.1", 80, type=stdlib.SOCK_STREAM)[0])
    assert type(row[4]) is tuple


def test_the_standard_library_is_left_alone():
    assert sys.modules["socket"] is stdlib
    assert stdlib.socket.__module__ == "socket"
    with stdlib.create_server(("127.0.0.1", 0)) as server:
        assert type(server) is stdlib.socket
    assert importlib.import_module("dualstack.shim.socket") is socket


# ---------------------------------------------------------------------- constants


SYSTEMS = pytest.mark.parametrize("host", [linux, macos, freebsd, openbsd, windows], ids=lambda host: host.__name__)


@SYSTEMS
def test_constants_of_the_system_are_there(host):
    with World(host()):
        table = platforms.current.constants
        found = missing({"AF_INET": None, "SOL_SOCKET": None})
    assert {name: found[name] for name in table if name not in ("AF_INET", "SOL_SOCKET")} == {
        name: number for name, number in table.items() if name not in ("AF_INET", "SOL_SOCKET")
    }
    assert "AF_INET" not in found


@SYSTEMS
def test_what_the_module_has_is_not_touched(host):
    with World(host()):
        assert missing(dict.fromkeys([*platforms.current.constants, "AF_UNIX", "CMSG_LEN", "CMSG_SPACE"])) == {}


def test_windows_gets_what_recvmsg_and_unix_sockets_need():
    with World(windows()):
        found = missing({})
    assert found["AF_UNIX"] == 1
    header = found["CMSG_LEN"](0)
    assert found["CMSG_LEN"](5) == header + 5
    assert found["CMSG_SPACE"](5) == found["CMSG_SPACE"](8) == header + 8


@pytest.mark.parametrize("name", ["IP_PKTINFO", "IPV6_RECVPKTINFO", "IPV6_V6ONLY", "SO_REUSEADDR", "MSG_TRUNC"])
def test_constants_programs_ask_for(name):
    if name not in platforms.current.constants:
        pytest.skip(f"{platforms.current.name} has no {name}; Linux has")
    assert getattr(socket, name) == platforms.current.constants[name]


# ---------------------------------------------------------------------- in place of the real one


def run(program: str) -> object:
    """Run *program* in a fresh interpreter with our sys.path; what it leaves in ``out``."""
    lines = ["import json, sys", f"sys.path[:] = {sys.path!r}", "out = {}", program, "print(json.dumps(out))"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_install():
    found = run("""
import socket as before
import dualstack.shim
module = dualstack.shim.install("socket")
import socket
from dualstack.shim import socket as ours
out["same"] = socket is ours is module is sys.modules["socket"] and socket is not before
import asyncio, concurrent.futures, http.client, http.server, ssl, threading, urllib.request
out["ssl"] = issubclass(ssl.SSLSocket, ours.socket)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args): pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
thread = threading.Thread(target=server.serve_forever)
thread.start()
out["type"] = type(server.socket).__module__
with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/") as answer:
    out["http"] = answer.read().decode()
server.shutdown()
thread.join()
server.server_close()

async def main():
    async def serve(reader, writer):
        writer.write(await reader.read(10))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname()[:2])
    writer.write(b"ping")
    out["asyncio"] = (await reader.read(10)).decode()
    writer.close()
    await writer.wait_closed()
    listener.close()
    await listener.wait_closed()
asyncio.run(main())
""")
    assert found == {
        "same": True,
        "ssl": True,
        "type": "dualstack.shim.socket",
        "http": "ok",
        "asyncio": "ping",
    }


def test_the_library_itself_works_under_install():
    """Its modules that are imported afterwards find the drop-in where they look for socket."""
    found = run("""
import dualstack.shim
dualstack.shim.install("socket")
import dualstack, dualstack.aio, asyncio
with dualstack.open_listener("::", 0) as listener, dualstack.connect("127.0.0.1", listener.port) as client:
    connection, peer = listener.accept(10)
    out["stream"] = str(peer) == "%s:%s" % client.getsockname()
    connection.close()
with dualstack.open_datagram("::", 0) as server, dualstack.open_datagram(remote=("127.0.0.1", server.port)) as client:
    client.send(b"ping")
    datagram = server.recv(10)
    out["datagram"] = [datagram.data.decode(), datagram.peer.host]
    server.reply(datagram, b"pong")
    out["reply"] = client.recv(10).data.decode()
async def main():
    async with await dualstack.aio.open_listener("127.0.0.1", 0) as listener:
        sock = await dualstack.aio.connect("127.0.0.1", listener.port)
        connection, peer = await listener.accept()
        out["aio"] = peer.host
        sock.close()
        connection.close()
asyncio.run(main())
""")
    assert found == {"stream": True, "datagram": ["ping", "127.0.0.1"], "reply": "pong", "aio": "127.0.0.1"}


def test_install_leaves_sockets_of_others_to_multiprocessing():
    found = run("""
import socket as before
import dualstack.shim
dualstack.shim.install("socket")
import multiprocessing.reduction as reduction, socket
for name, module in (("theirs", before), ("ours", socket)):
    with module.socket() as sock:
        out[name] = len(reduction.ForkingPickler.dumps(sock)) > 0
from multiprocessing import resource_sharer
resource_sharer.stop(5)
""")
    assert found == {"theirs": True, "ours": True}


def test_importing_it_loads_nothing_dear():
    found = run("""
import socket
before = set(sys.modules)
from dualstack.shim import socket
out["loaded"] = sorted(set(sys.modules) - before)
""")
    extra = {name for name in found["loaded"] if not name.startswith("dualstack")}
    dear = {"asyncio", "ctypes", "ipaddress", "multiprocessing", "re", "ssl", "threading", "typing"}
    if sys.platform == "win32":
        dear.remove("ctypes")  # what Python lacks there is called through it
    assert extra & dear == set()


def test_install_of_what_there_is_not():
    with pytest.raises(ValueError, match="no drop-in for 'sockets'; there is netifaces, socket"):
        dualstack.shim.install("sockets")
