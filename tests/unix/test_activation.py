"""Adopting sockets, in real processes that were given them as a service manager gives them."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import textwrap

import pytest

from dualstack import doors, platforms
from dualstack.core.endpoint import Endpoint
from dualstack.doors import Doors
from dualstack.errors import ListenError, UnsupportedError
from dualstack.net.activation import adopt

PROLOGUE = """
import os, socket
from dualstack.errors import ListenError
from dualstack.net.activation import adopt
def show(spec, **kw):
    try:
        for sock, endpoint in adopt(spec, **kw):
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            print(sock.fileno(), sock.family.name, sock.type.name, listens, sock.get_inheritable(), endpoint)
            kept.append(sock)
    except ListenError as error:
        print(type(error).__name__, error)
kept = []
"""


def run(code: str, sockets=(), *, pid: str = "$$", extra: str = "", prepare=None) -> list[str]:
    """Run *code* in a process whose descriptors from 3 on are *sockets*, and return the lines it prints."""
    high = [os.dup(sock.fileno()) for sock in sockets]

    def place() -> None:
        for index, fileno in enumerate(high):
            os.dup2(fileno, 3 + index, inheritable=True)
        if prepare:
            prepare()

    shell = f'LISTEN_PID={pid} LISTEN_FDS={len(high)} {extra} exec "$0" -c "$1"'
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", shell, sys.executable, PROLOGUE + textwrap.dedent(code)],
            close_fds=False,
            preexec_fn=place,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        for fileno in high:
            os.close(fileno)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def listening(folder):
    """One TCP and one Unix listener, as open sockets."""
    path = f"{folder}/s"
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        unix.bind(path)
        unix.listen()
        yield tcp, unix, tcp.getsockname()[1], path
    os.unlink(path)


def test_all_sockets_with_their_real_family_and_endpoint(listening):
    tcp, unix, port, path = listening
    lines = run('show("systemd:"); print("LISTEN_PID" in os.environ, "LISTEN_FDS" in os.environ)', [tcp, unix])
    assert lines == [
        f"3 AF_INET SOCK_STREAM 1 False 127.0.0.1:{port}",
        f"4 AF_UNIX SOCK_STREAM 1 False unix:{path}",
        "False False",
    ]


def test_by_name_each_once(listening):
    tcp, unix, port, path = listening
    code = """
    show("systemd:api"); show("systemd:web"); show("systemd:web"); show("systemd:other"); show("systemd:")
    """
    lines = run(code, [tcp, unix], extra="LISTEN_FDNAMES=web:api")
    assert lines[:2] == [
        f"4 AF_UNIX SOCK_STREAM 1 False unix:{path}",
        f"3 AF_INET SOCK_STREAM 1 False 127.0.0.1:{port}",
    ]
    assert "systemd:web: taken already in this process" in lines[2]
    assert "systemd:other: no socket of that name was passed, only api, web" in lines[3]
    assert "LISTEN_FDNAMES=web:api" in lines[3]
    assert "systemd:: taken already" in lines[4]


def test_two_sockets_of_one_name(listening):
    tcp, unix, *_ = listening
    lines = run('show("systemd:web")', [tcp, unix], extra="LISTEN_FDNAMES=web:web")
    assert [line.split()[0] for line in lines] == ["3", "4"]


def test_another_process_gets_nothing_and_keeps_its_environment(listening):
    lines = run('show("systemd:"); print(os.environ["LISTEN_FDS"])', listening[:2], pid="1")
    assert "LISTEN_PID is 1 and this process is" in lines[0]
    assert "LISTEN_FDS=2" in lines[0]
    assert lines[1] == "2"


def test_a_forked_child_gets_nothing(listening):
    code = """
    show("systemd:")
    import sys; sys.stdout.flush()
    if os.fork() == 0:
        show("systemd:"); sys.stdout.flush(); os._exit(0)
    os.wait()
    """
    assert "of which this one is a child" in run(code, listening[:2])[2]


def test_without_an_environment_the_message_says_so():
    lines = run('del os.environ["LISTEN_PID"]; del os.environ["LISTEN_FDS"]; show("systemd:web")')
    assert len(lines) == 1
    assert "systemd:web: LISTEN_PID is not set: no service manager passed sockets to this process" in lines[0]
    assert "(the environment had none of LISTEN_*)" in lines[0]


def test_datagram_sockets_are_left_alone(listening):
    tcp, *_ = listening
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        code = """
        show("systemd:"); show("systemd:")
        print(socket.socket(fileno=3).getsockname()[1])
        """
        lines = run(code, [udp, tcp])
    assert lines[0].startswith("4 AF_INET SOCK_STREAM 1")
    assert "descriptor 3 is a datagram socket, which cannot listen" in lines[1]
    assert lines[2] == str(port)


def test_a_descriptor_that_is_no_socket_takes_nothing(listening):
    tcp, *_ = listening
    with open(os.devnull) as file:
        code = """
        show("systemd:")
        os.dup2(4, 9); import socket as s
        show("systemd:"); show("fd://77"); show("fd://9")
        """
        tcp_first = run(code, [tcp, file])
    assert "descriptor 4 is not a socket" in tcp_first[0]
    assert "descriptor 4 is not a socket" in tcp_first[1]  # descriptor 3 was not taken either
    assert "descriptor 77 is not open" in tcp_first[2]
    assert "descriptor 9 is not a socket" in tcp_first[3]


def test_the_pidfd_id_is_compared_where_there_is_one(listening):
    own = platforms.current.pidfd_id()
    if own is None:
        pytest.skip("this Python or kernel has no pidfds; runs on Linux 6.9 and later")
    assert "a reused process id" in run('show("systemd:")', listening[:2], extra=f"LISTEN_PIDFDID={own + 1}")[0]
    # The shell that knows its pidfd's number is a python that becomes the real one.
    code = """
    if os.environ.pop("LISTEN_PIDFDID", None) is None:
        import sys
        os.environ["LISTEN_PIDFDID"] = str(os.fstat(os.pidfd_open(os.getpid())).st_ino)
    show("systemd:")
    """
    assert len(run(code, listening[:2])) == 2


# ---------------------------------------------------------------------- by number, in this process


def test_fd_is_adopted_with_what_the_kernel_says():
    with socket.socket(socket.AF_INET6) as sock:
        sock.bind(("::1", 0))
        sock.listen()
        fileno = os.dup(sock.fileno())
        os.set_inheritable(fileno, True)
        ((adopted, endpoint),) = adopt(f"fd://{fileno}")
        with adopted:
            assert adopted.fileno() == fileno
            assert adopted.family == socket.AF_INET6
            assert not adopted.get_inheritable()
            assert endpoint == Endpoint.local(sock)


def test_a_bound_stream_socket_that_does_not_listen_is_made_to(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        ((adopted, _),) = adopt(f"fd://{sock.fileno()}", backlog=3)
        assert adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        adopted.detach()
    os.unlink(path)


class Counting(Doors):
    """A world whose sockets may not be listened on, as under some security policies."""

    def adopt(self, fileno):
        class NoListen(socket.socket):
            def listen(self, *args):
                raise PermissionError(errno.EACCES, "Permission denied")

        return NoListen(fileno=fileno)


def test_a_listening_socket_is_not_listened_on_again():
    with socket.socket() as sock, doors.using(Counting()):
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        ((adopted, endpoint),) = adopt(f"fd://{sock.fileno()}")
        assert (adopted.detach(), endpoint.sockaddr) == (sock.fileno(), sock.getsockname())


def test_an_unknown_accept_state_counts_as_listening(monkeypatch):
    class Untold(Counting):
        def adopt(self, fileno):
            class NoOption(socket.socket):
                def getsockopt(self, level, option, *rest):
                    if option == socket.SO_ACCEPTCONN:
                        raise OSError(errno.ENOPROTOOPT, "Protocol not available")
                    return super().getsockopt(level, option, *rest)

                def listen(self, *args):
                    raise AssertionError("listened on twice")

            return NoOption(fileno=fileno)

    with socket.socket() as sock, doors.using(Untold()):
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        ((adopted, endpoint),) = adopt(f"fd://{sock.fileno()}")
        assert (adopted.detach(), endpoint.sockaddr) == (sock.fileno(), sock.getsockname())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(socket.socket, "is not bound to any address", id="unbound-tcp"),
        pytest.param(lambda: socket.socket(socket.AF_UNIX), "is not bound to any address", id="unbound-unix"),
        pytest.param(lambda: socket.socket(type=socket.SOCK_DGRAM), "which cannot listen", id="datagram"),
    ],
)
def test_what_cannot_listen_is_refused_and_stays_open(make, says):
    with make() as sock:
        with pytest.raises(ListenError, match=says):
            adopt(f"fd://{sock.fileno()}")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)


def test_a_connection_is_refused():
    left, right = socket.socketpair()
    with left, right, pytest.raises(ListenError, match="is a connection to unix:, not a listening socket"):
        adopt(f"fd://{left.fileno()}")


@pytest.mark.parametrize("spec", ["fd://", "fd:// 3", "fd://+3", "fd://3x", "fd://-1", "file:3"])
def test_what_is_no_number_is_refused(spec):
    with pytest.raises(ListenError) as caught:
        adopt(spec)
    assert caught.value.errno == errno.EINVAL


def test_launchd_is_darwins():
    with pytest.raises(ListenError, match="launchd activation is not available on") as caught:
        adopt("launchd:Listeners")
    assert isinstance(caught.value.errors[0][1], UnsupportedError)


def test_open_listener_takes_what_was_passed(listening):
    tcp, unix, port, path = listening
    code = """
    import dualstack
    with dualstack.open_listener("systemd:web") as listener:
        print(*listener.endpoints, listener.port)
    with dualstack.open_listener(["systemd:api", "127.0.0.1:0"]) as listener:
        print(*listener.endpoints[1:])
    print(os.path.exists(os.environ["KEPT"]))
    try:
        dualstack.open_listener("launchd:web")
    except dualstack.ListenError as error:
        print(error)
    """
    lines = run(code, [tcp, unix], extra=f"LISTEN_FDNAMES=web:api KEPT={path}")
    assert lines[0] == f"127.0.0.1:{port} {port}"
    assert lines[1] == f"unix:{path}"
    assert lines[2] == "True"  # whoever made the file removes it
    assert "launchd activation is not available on" in lines[3]


# --------------------------------------------------------------------- datagram sockets


@pytest.fixture
def bound(folder):
    """A UDP socket, a Unix datagram socket and a listener, as open sockets."""
    path = f"{folder}/d"
    with (
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix,
        socket.socket() as tcp,
    ):
        udp.bind(("127.0.0.1", 0))
        unix.bind(path)
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        yield udp, unix, tcp, path
    os.unlink(path)  # still there: it belongs to whoever made it


DATAGRAMS = """
import asyncio, dualstack, dualstack.aio
def show(spec, **more):
    try:
        opened = dualstack.open_datagram(spec, **more)
    except (dualstack.ListenError, ValueError) as error:
        print(type(error).__name__, error)
        return
    kept.append(opened)
    for sock in opened.sockets:
        print(sock.fileno(), sock.family.name, sock.type.name, sock.get_inheritable(), *opened.endpoints)
"""


def test_datagram_sockets_are_taken_and_listeners_left(bound):
    udp, unix, tcp, path = bound
    code = (
        DATAGRAMS
        + 'show("systemd:web"); show("systemd:log"); print(adopt("systemd:")[0][0].fileno()); show("systemd:")'
    )
    lines = run(code, [udp, unix, tcp], extra="LISTEN_FDNAMES=web:log:web")
    assert lines[:3] == [
        f"3 AF_INET SOCK_DGRAM False 127.0.0.1:{udp.getsockname()[1]}",
        f"4 AF_UNIX SOCK_DGRAM False unix:{path}",
        "5",
    ]
    assert "systemd:: taken already" in lines[3]


def test_inherited_datagram_sockets_answer(bound):
    """Over IPv4 and Unix, from the sync verb and the awaited one; the file stays when they are closed."""
    udp, unix, _, path = bound
    code = (
        DATAGRAMS
        + """
with dualstack.open_datagram("fd://3") as opened:
    datagram = opened.recv(30)
    opened.reply(datagram, b"from " + str(datagram.local).encode())
async def main():
    async with await dualstack.aio.open_datagram("fd://4") as opened:
        datagram = await opened.recv(30)
        await opened.reply(datagram, b"got it")
asyncio.run(main())
print(os.path.exists(%r))
"""
        % path
    )
    with socket.socket(type=socket.SOCK_DGRAM) as client, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
        local.bind(f"{path}.client")
        client.sendto(b"who?", udp.getsockname())
        local.sendto(b"who?", path)
        assert run(code, [udp, unix]) == ["True"]
        assert client.recv(100) == b"from 127.0.0.1:%d" % udp.getsockname()[1]
        assert local.recv(100) == b"got it"
    os.unlink(f"{path}.client")


def test_what_is_no_datagram_socket_to_take(bound):
    udp, unix, tcp, _ = bound
    with socket.socket(type=socket.SOCK_DGRAM) as fresh, socket.socket(type=socket.SOCK_DGRAM) as connected:
        connected.connect(udp.getsockname())
        code = DATAGRAMS + (
            'show("fd://3"); show("fd://4"); show("fd://5"); show("fd://99"); show(["fd://6", "fd://7"]);'
            'show("fd://6", remote=("127.0.0.1", 9)); print(adopt("fd://3")[0][0].fileno())'
        )
        lines = run(code, [tcp, fresh, connected, udp, unix])
    assert "descriptor 3 is a stream socket, which open_listener takes" in lines[0]
    assert "descriptor 4 is a socket that is not bound to any address" in lines[1]
    assert f"descriptor 5 is a connection to 127.0.0.1:{udp.getsockname()[1]}, not one that anybody" in lines[2]
    assert "descriptor 99 is not open" in lines[3]
    assert lines[4] == "ValueError one Unix datagram socket at a time, and no IP addresses beside it"
    assert lines[5] == "ValueError fd://6: who made an inherited socket connects it, not remote="
    assert lines[6] == "3"  # what was refused can still be taken as what it is
