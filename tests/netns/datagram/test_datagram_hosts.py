"""Hosts with something missing or in the way: IPv6 off, loopback down, ports taken, storms of ICMP errors."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import socket

import pytest

import dualstack


def ask(sock, host):
    """Whether a client at *host* gets its answer from it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((host, sock.port))
        client.send(b"?")
        datagram = sock.recv(5)
        assert datagram.local.host == host
        sock.reply(datagram, b"!")
        return client.recv(1) == b"!"


@pytest.mark.parametrize("host", ["::", "*", None, "localhost"])
def test_without_ipv6_addresses(make_host, host):
    here = make_host("v4")
    here.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    with here, dualstack.open_datagram(host) as sock:
        assert ask(sock, "127.0.0.1")
        with pytest.raises(dualstack.ListenError):
            dualstack.open_datagram("::1")
        with pytest.raises(OSError, match="cannot connect to"):
            dualstack.open_datagram(remote="[::1]:9")


@pytest.mark.parametrize("dual", [None, False, True], ids=["auto", "two-sockets", "dual"])
def test_without_ipv4_addresses(make_host, dual):
    here = make_host("v6")
    here.run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
    with here, dualstack.open_datagram("::", dual=dual) as sock:
        assert ask(sock, "::1")


@pytest.mark.parametrize("v6only", ["0", "1"])
@pytest.mark.parametrize("dual", [None, False, True], ids=["auto", "two-sockets", "dual"])
def test_bindv6only_changes_nothing(make_host, v6only, dual):
    here = make_host("v6only")
    here.sysctl("net.ipv6.bindv6only", v6only)
    with here:
        with dualstack.open_datagram("::", dual=dual) as sock:
            assert ask(sock, "::1")
            assert ask(sock, "127.0.0.1")
        with dualstack.open_datagram("::", v6only=True) as sock:
            assert ask(sock, "::1")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect(("127.0.0.1", sock.port))
                client.send(b"?")
                with pytest.raises(ConnectionRefusedError):
                    client.recv(1)


def test_with_loopback_down(make_host):
    here = make_host("down")
    here.run("ip", "link", "set", "lo", "down")
    with here, dualstack.open_datagram("::") as sock:
        assert sock.source_selection == "packet information"  # nothing to try it with is no reason to doubt it
        with pytest.raises(OSError, match=r"192\.0\.2\.1:9: Network is unreachable"):
            sock.send(b"x", "192.0.2.1:9")
        with pytest.raises(OSError, match="cannot connect to"):
            dualstack.open_datagram(remote="192.0.2.1:9")


def test_one_port_for_both_families_while_one_of_them_is_busy(make_host):
    here = make_host("busy")
    here.sysctl("net.ipv4.ip_local_port_range", "40000 40199")
    with here, contextlib.ExitStack() as stack:
        for port in range(40000, 40150):
            taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.bind(("127.0.0.1", port))
        for _ in range(20):
            with dualstack.open_datagram("::", dual=False) as sock:
                assert len({endpoint.port for endpoint in sock.endpoints}) == 1
                assert sock.port >= 40150


@pytest.mark.parametrize("shares", [True, False], ids=["sharing-socket", "other-socket"])
def test_a_port_in_use(make_host, shares):
    here = make_host("taken")
    with here:
        for host in ("0.0.0.0", "::", "127.0.0.1"):
            with dualstack.open_datagram(host, 5399, share=shares):
                with pytest.raises(dualstack.ListenError) as caught:
                    dualstack.open_datagram(host, 5399)
                assert caught.value.errno == errno.EADDRINUSE
                if shares:
                    dualstack.open_datagram(host, 5399, share=True).close()
                else:
                    with pytest.raises(dualstack.ListenError):
                        dualstack.open_datagram(host, 5399, share=True)


def test_a_storm_of_icmp_errors(make_host):
    here = make_host("storm")
    here.sysctl("net.ipv4.icmp_ratelimit", 0)
    here.sysctl("net.ipv4.icmp_msgs_per_sec", 1_000_000)
    here.sysctl("net.ipv6.icmp.ratelimit", 0)
    with here:
        for host in ("127.0.0.1", "::1"):
            with (
                dualstack.open_datagram("::") as server,
                dualstack.open_datagram(remote=(host, 9)) as connected,
                dualstack.open_datagram(remote=(host, server.port)) as client,
            ):
                before = len(os.listdir("/proc/self/fd"))
                refused = 0
                gc.disable()
                try:
                    for number in range(2000):
                        server.send(b"x", (host, 9))
                        try:
                            connected.send(b"x")
                            connected.recv(0)
                        except ConnectionRefusedError as error:
                            refused += 1
                            assert "9: nothing listens there" in str(error)
                        if number % 100 == 0:
                            client.send(b"?")
                            assert server.recv(5).data == b"?"  # strangers' errors do not reach the server
                finally:
                    gc.enable()
                assert refused == 2000
                assert len(os.listdir("/proc/self/fd")) == before


def test_unreachable_routes_are_errors_that_name_the_peer(make_host):
    here = make_host("routes")
    for kind in ("unreachable", "prohibit", "blackhole"):
        number = {"unreachable": 1, "prohibit": 2, "blackhole": 3}[kind]
        here.run("ip", "route", "add", kind, f"198.51.100.{number}/32")
    with here, dualstack.open_datagram("::") as sock:
        for number, code in ((1, errno.EHOSTUNREACH), (2, errno.EACCES), (3, errno.EINVAL)):
            with pytest.raises(OSError, match=f"198.51.100.{number}:9") as caught:
                sock.send(b"x", (f"198.51.100.{number}", 9))
            assert caught.value.errno == code


def test_interface_as_a_host(networks):
    server, client = networks
    with server, dualstack.open_datagram("%a0", 5398) as sock:
        bound = {endpoint.host.partition("%")[0] for endpoint in sock.endpoints}
        assert {"10.1.0.1", "10.1.0.2", "fd01::1", "fd01::2"} <= bound
        assert not any(host.startswith(("10.2.", "fd02:", "10.7.")) for host in bound)
        with client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.connect(("10.1.0.2", 5398))
            asking.send(b"?")
            with server:
                sock.reply(sock.recv(5), b"!")
            assert asking.recv(1) == b"!"


def test_bind_to_device(networks):
    server, client = networks
    options = dualstack.SocketOptions(bind_to_device="b0", traffic_class=0x28, hop_limit=33)
    with server, dualstack.open_datagram("::", 5397, options=options) as sock:
        with client, dualstack.open_datagram("::") as asking:
            for host in ("10.2.0.1", "fd02::1"):
                asking.send(b"?", (host, 5397))
                datagram = sock.recv(5)
                with server:
                    assert datagram.interface == "b0"
                sock.reply(datagram, b"!")
                answer = asking.recv(5)
                assert (answer.hop_limit, answer.traffic_class) == (33, 0x28)
            asking.send(b"?", ("10.1.0.1", 5397))  # the other link: not for us
        with pytest.raises(TimeoutError):
            sock.recv(0)
