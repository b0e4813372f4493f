"""The network of the fake world: connecting, serving, names, files, and how hosts differ."""

from __future__ import annotations

import errno
import selectors
import socket
import stat
from collections.abc import Callable

import pytest

from dualstack.core.endpoint import AF_UNIX
from dualstack.testing import (
    Host,
    Stuck,
    World,
    blackholes,
    connects,
    fails,
    linux,
    macos,
    openbsd,
    refuses,
    self_connects,
    windows,
)

STREAM = socket.SOCK_STREAM
V4, V6 = socket.AF_INET, socket.AF_INET6


def listener(world: World, family: int, host: str, port: int = 0, v6only: int | None = None) -> socket.socket:
    sock = world.socket(family, STREAM)
    if v6only is not None:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    sock.bind((host, port))
    sock.listen()
    return sock


# ---------------------------------------------------------------------- connecting


def connected(world: World, family: int, address: tuple[str, int], timeout: float | None = None) -> socket.socket:
    sock = world.socket(family, STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def test_scripted_outcomes_and_their_times() -> None:
    with World() as world:
        world.destination("192.0.2.1", 80, [refuses(after=0.125), connects(after=0.25)])
        with pytest.raises(ConnectionRefusedError):
            connected(world, V4, ("192.0.2.1", 80))
        assert world.now == 0.125
        for _ in range(2):  # the last outcome stays
            with connected(world, V4, ("192.0.2.1", 80)) as sock:
                assert sock.getpeername() == ("192.0.2.1", 80)
        assert world.now == 0.625


def test_blackhole_ends_by_timeout_only() -> None:
    with World() as world:
        world.destination("192.0.2.1", None, blackholes())
        with pytest.raises(TimeoutError):
            connected(world, V4, ("192.0.2.1", 80), timeout=3.0)
        assert world.now == 3.0
        with pytest.raises(Stuck):
            connected(world, V4, ("192.0.2.1", 81))


def test_immediate_errors_come_out_of_connect_itself() -> None:
    with World() as world:
        world.destination("192.0.2.1", 80, fails(errno.EHOSTUNREACH))
        sock = world.socket(V4, STREAM)
        sock.setblocking(False)
        assert sock.connect_ex(("192.0.2.1", 80)) == errno.EHOSTUNREACH
        sock.close()
        assert world.now == 0.0


@pytest.mark.parametrize(("host", "pending"), [(linux, errno.EINPROGRESS), (windows, errno.EWOULDBLOCK)])
def test_non_blocking_connect_then_so_error(host: Callable[[], Host], pending: int) -> None:
    with World(host()) as world, world.selector() as selector:
        world.destination("2001:db8::1", 80, refuses(after=0.5))
        sock = world.socket(V6, STREAM)
        sock.setblocking(False)
        assert sock.connect_ex(("2001:db8::1", 80)) == pending
        selector.register(sock, selectors.EVENT_WRITE)
        assert selector.select(0.25) == []
        assert len(selector.select(1.0)) == 1
        assert world.now == 0.5
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0  # reading it clears it
        selector.unregister(sock)
        sock.close()


def test_a_closed_attempt_does_not_come_back() -> None:
    with World() as world:
        world.destination("192.0.2.1", 80, connects(after=1.0))
        sock = world.socket(V4, STREAM)
        sock.setblocking(False)
        sock.connect_ex(("192.0.2.1", 80))
        sock.close()
        world.sleep(2.0)


def test_self_connect() -> None:
    with World() as world:
        world.destination("127.0.0.1", 50000, self_connects())
        with connected(world, V4, ("127.0.0.1", 50000)) as sock:
            assert sock.getsockname() == sock.getpeername()


def test_an_unscripted_destination_is_a_mistake_of_the_test() -> None:
    with World() as world, pytest.raises(AssertionError, match=r"no script says what 192\.0\.2\.1 port 80 does"):
        connected(world, V4, ("192.0.2.1", 80))


def test_no_route_and_no_address() -> None:
    only_lo = linux(addresses={"lo": ("127.0.0.1", "::1")})
    for host, address, code in (
        (linux(disable_ipv6=True), "2001:db8::1", errno.EADDRNOTAVAIL),
        (linux(disable_ipv6=True), "::1", errno.EADDRNOTAVAIL),
        (only_lo, "2001:db8::1", errno.ENETUNREACH),
    ):
        with World(host) as world:
            with pytest.raises(OSError) as caught:
                connected(world, V6, (address, 80))
            assert caught.value.errno == code


def test_link_local_needs_a_scope() -> None:
    with World() as world:
        sock = world.socket(V6, STREAM)
        for call in (sock.connect, sock.bind):
            with pytest.raises(OSError) as caught:
                call(("fe80::100", 80))
            assert caught.value.errno == errno.EINVAL
        sock.bind(("fe80::100", 80, 0, 2))
        sock.close()


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
def test_connecting_to_a_wildcard(wildcard: str) -> None:
    family = V6 if ":" in wildcard else V4
    with World() as world, listener(world, family, wildcard, 80) as server:
        connected(world, family, (wildcard, 80)).close()
        server.accept()[0].close()
    with World(windows()) as world, listener(world, family, wildcard, 80):
        with pytest.raises(OSError) as caught:
            connected(world, family, (wildcard, 80))
        assert caught.value.errno == errno.EADDRNOTAVAIL


def test_udp_connect_tells_the_source_address() -> None:
    with World() as world:
        for family, to, source in (
            (V4, "198.51.100.1", "192.0.2.100"),
            (V4, "127.0.0.1", "127.0.0.1"),
            (V6, "2606:4700::1", "2001:db8::100"),
            (V6, "::1", "::1"),
        ):
            with world.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((to, 53))
                assert sock.getsockname()[0] == source


# ---------------------------------------------------------------------- serving


def test_data_flows_and_ends() -> None:
    with World() as world, listener(world, V4, "127.0.0.1", 80) as server:
        client = world.client("127.0.0.1", 80, source="127.0.0.9")
        conn, peer = server.accept()
        assert peer == ("127.0.0.9", 40000)
        client.sendall(b"one\ntwo\n")
        with conn.makefile("rb") as lines:
            assert lines.readline() == b"one\n"
        conn.sendall(b"back")
        assert client.recv(100) == b"back"
        client.close()
        buffer = bytearray(10)
        assert conn.recv_into(buffer) == 0  # "two" went into the file's buffer, then the end
        with pytest.raises(BrokenPipeError):
            conn.send(b"too late")
        conn.close()


def test_ipv4_client_of_a_dual_socket_is_mapped() -> None:
    with World() as world, listener(world, V6, "::", 80, v6only=0) as server:
        world.client("192.0.2.100", 80, source="198.51.100.7")
        conn, peer = server.accept()
        assert peer == ("::ffff:198.51.100.7", 40000, 0, 0)
        assert conn.getsockname() == ("::ffff:192.0.2.100", 80, 0, 0)
        conn.close()


def test_accept_waits_and_times_out() -> None:
    with World() as world, listener(world, V4, "127.0.0.1", 80) as server:
        server.settimeout(1.0)
        with pytest.raises(TimeoutError):
            server.accept()
        world.at(1.5, lambda: world.client("127.0.0.1", 80))
        server.accept()[0].close()
        assert world.now == 1.5
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_accept_as_the_socket_module_does_it() -> None:
    """socket.accept is _accept plus wrapping the descriptor; callers that skip the wrapping are served too."""
    with World() as world, listener(world, V4, "127.0.0.1", 80) as server:
        world.client("127.0.0.1", 80)
        fd, _ = server._accept()  # type: ignore[attr-defined]  # private, and used in hot loops
        conn = world.socket(V4, STREAM, 0, fd)
        assert conn.fileno() == fd
        conn.close()


def test_full_queue_makes_tcp_wait_and_unix_fail() -> None:
    with World() as world:
        server = world.socket(V4, STREAM)
        server.bind(("127.0.0.1", 80))
        server.listen(0)
        first = connected(world, V4, ("127.0.0.1", 80))
        second = world.socket(V4, STREAM)
        second.setblocking(False)
        assert second.connect_ex(("127.0.0.1", 80)) == errno.EINPROGRESS
        server.accept()[0].close()
        assert second.getpeername() == ("127.0.0.1", 80)
        for sock in (first, second, server):
            sock.close()
        local = world.socket(AF_UNIX, STREAM)
        local.bind("/run/x")
        local.listen(0)
        world.unix_client("/run/x")
        with pytest.raises(BlockingIOError):
            world.unix_client("/run/x")
        world.files.unlink(b"/run/x")
        local.close()


def test_closing_a_listener_resets_who_waited() -> None:
    with World() as world:
        server = listener(world, V4, "127.0.0.1", 80)
        client = world.client("127.0.0.1", 80)
        server.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_descriptors_run_out() -> None:
    with World(linux(fd_limit=2)) as world:
        first = world.socket(V4, STREAM)
        with pytest.raises(OSError) as caught:
            world.socketpair()  # one would fit
        assert caught.value.errno == errno.EMFILE
        first.close()


def test_the_lowest_free_descriptor_is_reused() -> None:
    """Code that keeps a number after closing meets a stranger, as it does on a real system."""
    with World() as world:
        first = world.socket(V4, STREAM)
        number = first.fileno()
        first.close()
        with world.socket(V6, STREAM) as second:
            assert second.fileno() == number


def test_datagrams_to_our_own_sockets() -> None:
    with World() as world, world.socket(V6, socket.SOCK_DGRAM) as server, world.socket(V4, socket.SOCK_DGRAM) as one:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 53))
        one.bind(("127.0.0.1", 5000))
        one.sendto(b"question", ("127.0.0.1", 53))
        data, sender = server.recvfrom(100)
        assert (data, sender) == (b"question", ("::ffff:127.0.0.1", 5000, 0, 0))
        server.sendto(b"answer", sender)
        assert one.recv(100) == b"answer"


# ---------------------------------------------------------------------- names


def test_names_literals_and_services() -> None:
    with World() as world:
        world.answer("example.com", ["192.0.2.1", "2001:db8::1"])
        rows = world.getaddrinfo("Example.COM.", "https", 0, STREAM, 0, 0)
        assert [row[4] for row in rows] == [("2001:db8::1", 443, 0, 0), ("192.0.2.1", 443)]
        assert world.getaddrinfo("fe80::1%eth0", 1, 0, STREAM, 0, 0)[0][4] == ("fe80::1", 1, 0, 2)
        passive = world.getaddrinfo(None, 1, 0, STREAM, 0, socket.AI_PASSIVE)
        assert [row[4][0] for row in passive] == ["0.0.0.0", "::"]
        for name, flags in (("nowhere.example", 0), ("example.com", socket.AI_NUMERICHOST), ("fe80::1%no", 0)):
            with pytest.raises(socket.gaierror) as caught:
                world.getaddrinfo(name, 1, 0, STREAM, 0, flags)
            assert caught.value.errno == socket.EAI_NONAME
        assert world.resolver.questions[0] == ("Example.COM.", "https", 0)


def test_one_family_may_fail_while_the_other_answers() -> None:
    with World() as world:
        world.answer("a.example", ["192.0.2.1"], after6=1.0, error6=socket.gaierror(socket.EAI_AGAIN, "later"))
        assert len(world.getaddrinfo("a.example", 1, 0, STREAM, 0, 0)) == 1
        with pytest.raises(socket.gaierror, match="later"):
            world.getaddrinfo("a.example", 1, V6, STREAM, 0, 0)


def test_localhost_by_host() -> None:
    with World(macos()) as world:
        rows = world.getaddrinfo("localhost", 1, 0, STREAM, 0, 0)
        assert [row[4] for row in rows] == [("::1", 1, 0, 0), ("127.0.0.1", 1), ("fe80::1", 1, 0, 1)]


def test_interfaces_have_indexes() -> None:
    with World() as world:
        assert (world.if_nametoindex("eth0"), world.if_indextoname(1)) == (2, "lo")
        with pytest.raises(OSError, match="no interface named 'wlan7'"):
            world.if_nametoindex("wlan7")
        with pytest.raises(OSError):
            world.if_indextoname(9)


# ---------------------------------------------------------------------- hosts


def test_no_ipv6_refuses_the_family() -> None:
    with World(linux(ipv6=False)) as world, pytest.raises(OSError) as caught:
        world.socket(V6, STREAM)
    assert caught.value.errno == errno.EAFNOSUPPORT


def test_openbsd_refuses_mapped_addresses() -> None:
    with World(openbsd()) as world, world.socket(V6, STREAM) as sock:
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        with pytest.raises(OSError) as caught:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        assert caught.value.errno == errno.EINVAL


def test_windows_has_no_unix_sockets() -> None:
    with World(windows()) as world, pytest.raises(OSError) as caught:
        world.socket(AF_UNIX, STREAM)
    assert caught.value.errno == errno.EAFNOSUPPORT


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        pytest.param((), (), errno.EADDRINUSE, id="plain"),
        pytest.param((-5,), (), errno.EADDRINUSE, id="against-exclusive"),
        pytest.param((-5,), (4,), errno.EACCES, id="reuse-against-exclusive"),
        pytest.param((4,), (4,), 0, id="both-reuse-steals"),
        pytest.param((), (4,), 0, id="reuse-steals-from-plain"),
        pytest.param((), (-5,), errno.EADDRINUSE, id="exclusive-comes-late"),
    ],
)
def test_windows_address_reuse(first: tuple[int, ...], second: tuple[int, ...], code: int) -> None:
    with World(windows()) as world, world.socket(V4, STREAM) as one, world.socket(V4, STREAM) as two:
        for sock, options in ((one, first), (two, second)):
            for option in options:
                sock.setsockopt(0xFFFF, option, 1)
        one.bind(("127.0.0.1", 80))
        one.listen()
        try:
            two.bind(("127.0.0.1", 80))
            failed = 0
        except OSError as error:
            failed = error.errno or 0
        assert failed == code


def test_windows_forbids_reuse_and_exclusive_together() -> None:
    with World(windows()) as world, world.socket(V4, STREAM) as sock:
        sock.setsockopt(0xFFFF, -5, 1)
        with pytest.raises(OSError) as caught:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        assert caught.value.errno == errno.EINVAL


def test_privileged_ports() -> None:
    with World(linux(root=False)) as world, world.socket(V4, STREAM) as sock:
        with pytest.raises(PermissionError):
            sock.bind(("127.0.0.1", 80))
        sock.bind(("127.0.0.1", 1024))


# ---------------------------------------------------------------------- files


def test_unix_sockets_and_their_files() -> None:
    with World() as world:
        server = world.socket(AF_UNIX, STREAM)
        server.bind("/run/x")
        with pytest.raises(ConnectionRefusedError):  # bound, not yet listening
            world.unix_client("/run/x")
        server.listen()
        world.unix_client("/run/x").sendall(b"hello")
        conn, peer = server.accept()
        assert (peer, conn.recv(10)) == ("", b"hello")
        conn.close()
        server.close()
        with pytest.raises(ConnectionRefusedError):  # the file is there, nobody behind it
            world.unix_client("/run/x")
        again = world.socket(AF_UNIX, STREAM)
        with pytest.raises(OSError) as caught:
            again.bind("/run/x")
        assert caught.value.errno == errno.EADDRINUSE
        world.files.unlink(b"/run/x")
        with pytest.raises(FileNotFoundError):
            world.unix_client("/run/x")
        again.bind(b"\0abstract")
        again.listen()
        world.unix_client(b"\0abstract")
        again.close()


def test_files_move_and_are_linked() -> None:
    with World() as world:
        world.files.add_stale_socket("/run/a")
        world.files.add_file("/run/b")
        node = world.lstat(b"/run/a")
        world.link(b"/run/a", b"/run/c")
        world.rename(b"/run/a", b"/run/b")
        assert world.lstat(b"/run/b").st_ino == world.lstat(b"/run/c").st_ino == node.st_ino
        assert world.lstat(b"/run/b").st_ctime_ns > node.st_ctime_ns
        with pytest.raises(FileNotFoundError):
            world.rename(b"/run/a", b"/run/d")
        with pytest.raises(FileExistsError):
            world.link(b"/run/b", b"/run/c")


def test_stale_files_and_links() -> None:
    with World() as world:
        world.files.add_stale_socket("/run/stale")
        world.files.add_file("/run/file")
        world.files.add_symlink("/run/link", "/run/stale")
        for path in ("/run/stale", "/run/file", "/run/link"):
            with pytest.raises(ConnectionRefusedError):
                world.unix_client(path)
        assert world.files.find(b"/run/link", follow=True) is world.files.find(b"/run/stale", follow=False)
        assert stat.S_ISLNK(world.lstat(b"/run/link").st_mode)
