"""Answers leave from the address that was asked: every address of a server with two networks, in every mode."""

from __future__ import annotations

import contextlib
import errno
import socket

import pytest

import dualstack

PORT = 5300
V4 = ("10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2", "10.9.0.1", "10.9.0.2", "10.7.0.1")
V6 = ("fd01::1", "fd01::2", "fd02::1", "fd02::2", "fd09::1", "fd09::2", "fd07::1")

MODES = {
    "dual-stack": {},
    "bindv6only": {},
    "two-sockets": {"dual": False},
    "socket-per-address": {"source_selection": "one socket per address"},
}


def _client(host):
    client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect((host, PORT))
    return client


@pytest.fixture(params=MODES)
def opened(request, networks):
    server, _ = networks
    server.sysctl("net.ipv6.bindv6only", int(request.param == "bindv6only"))
    try:
        with server:
            sock = dualstack.open_datagram("::", PORT, **MODES[request.param])
        with sock:
            yield sock
    finally:
        server.sysctl("net.ipv6.bindv6only", 0)


@pytest.mark.parametrize("host", V4 + V6)
def test_a_connected_client_gets_its_answer(opened, networks, host):
    server, client = networks
    with client, _client(host) as asking:
        asking.send(b"who are you?")
        with server:
            datagram = opened.recv(5)
            assert datagram.interface in ("a0", "b0")
        assert datagram.data == b"who are you?"
        assert (datagram.local.host, datagram.local.port) == (host, PORT)
        assert datagram.peer == dualstack.Endpoint.local(asking)
        assert (datagram.hop_limit, datagram.traffic_class, datagram.truncated) == (64, 0, False)
        assert opened.reply(datagram, b"me") == 2
        assert asking.recv(100) == b"me"  # a connected socket hears nobody but the address it asked


@pytest.mark.parametrize("host", ["10.1.0.2", "10.2.0.2", "10.9.0.2", "10.7.0.1", "fd01::2", "fd07::1"])
def test_before_plain_recvfrom_answers_from_another_address(networks, host):
    server, client = networks
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        with server:
            plain = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            plain.bind(("", PORT))
            plain.settimeout(5)
            if host == "fd01::2":
                # Which of several equal IPv6 addresses is taken is up to the kernel: make the other one the better.
                server.run("ip", "addr", "change", "fd01::2/64", "dev", "a0", "preferred_lft", "0")
                stack.callback(
                    server.run, "ip", "addr", "change", "fd01::2/64", "dev", "a0", "preferred_lft", "forever"
                )
        with client:
            open_to_all = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            open_to_all.settimeout(5)
            connected = stack.enter_context(_client(host))
        open_to_all.sendto(b"?", (host, PORT))
        data, peer = plain.recvfrom(100)
        plain.sendto(data, peer)
        assert open_to_all.recvfrom(100)[1][0] != host
        connected.send(b"?")
        data, peer = plain.recvfrom(100)
        plain.sendto(data, peer)
        connected.settimeout(0.2)
        with pytest.raises((TimeoutError, ConnectionRefusedError)):
            connected.recv(100)


def _link_local(host, nic):
    with host:
        nics = dualstack.interfaces()
        (address,) = [one for one in nics[nic].addresses if one.is_link_local]
        return address.host.partition("%")[0], nics[nic].index


@pytest.mark.parametrize("nic", ["a0", "b0"])
def test_link_local_peers_keep_their_interface(opened, networks, nic):
    server, client = networks
    address, index = _link_local(server, nic)
    _, towards = _link_local(client, nic[0] + "1")
    with client, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.connect((address, PORT, 0, towards))
        asking.send(b"here?")
        with server:
            datagram = opened.recv(5)
            assert datagram.interface == nic
        assert (datagram.local.host, datagram.local.scope_id) == (f"{address}%{index}", index)
        assert datagram.peer.scope_id == index
        opened.reply(datagram, b"here")
        assert asking.recv(100) == b"here"


@pytest.mark.parametrize("host", ["10.1.0.2", "fd01::2"])
def test_an_address_that_disappeared_is_an_error_not_another_source(networks, host):
    server, client = networks
    length = "64" if ":" in host else "24"
    with server:
        sock = dualstack.open_datagram("::", PORT)
    with sock, client, _client(host) as asking:
        asking.send(b"?")
        datagram = sock.recv(5)
        server.run("ip", "addr", "del", f"{host}/{length}", "dev", "a0")
        try:
            with pytest.raises(OSError, match=f"{host} is not an address this host can send from") as caught:
                sock.reply(datagram, b"!")
            assert caught.value.errno == errno.EADDRNOTAVAIL
        finally:
            server.address("a0", f"{host}/{length}")
        sock.reply(datagram, b"!")
        assert asking.recv(10) == b"!"


@pytest.mark.parametrize("dual", [True, False])
def test_broadcast_is_answered_from_the_interface_that_heard_it(networks, dual):
    server, client = networks
    with contextlib.ExitStack() as stack:
        with server:
            sock = stack.enter_context(dualstack.open_datagram("::", PORT, dual=dual))
        with client:
            asking = stack.enter_context(dualstack.open_datagram("0.0.0.0", broadcast=True))
        for target, via, source in (("10.2.0.255", None, "10.2.0.1"), ("255.255.255.255", "b1", "10.2.0.1")):
            with client:
                asking.send(b"anybody?", (target, PORT), interface=via, source=None if via is None else "10.2.0.101")
            datagram = sock.recv(5)
            assert datagram.local.host == target
            sock.reply(datagram, b"yes")
            answer = asking.recv(5)
            assert (answer.peer.host, answer.peer.port) == (source, PORT)


def test_broadcast_without_asking_for_it_is_refused(networks):
    _, client = networks
    with client, dualstack.open_datagram("0.0.0.0") as asking, pytest.raises(PermissionError, match="broadcast=True"):
        asking.send(b"anybody?", ("10.2.0.255", PORT))


def test_send_from_a_chosen_source_and_interface(networks):
    server, client = networks
    with contextlib.ExitStack() as stack:
        with server:
            sock = stack.enter_context(dualstack.open_datagram("::", PORT))
        with client:
            hears = stack.enter_context(dualstack.open_datagram("::"))
        for source, to in (("10.7.0.1", "10.1.0.101"), ("fd07::1", "fd02::101"), ("10.2.0.2", "10.9.0.101")):
            assert sock.send(b"x", (to, hears.port), source=source) == 1
            datagram = hears.recv(5)
            assert (datagram.peer.host, datagram.local.host) == (source, to)
        with server:
            sock.send(b"x", ("10.9.0.102", hears.port), interface="b0")
        with client:
            assert hears.recv(5).interface == "b1"
            link_local, _ = _link_local(client, "b1")
        with server:
            sock.send(b"x", (link_local, hears.port), interface="b0")
            sock.send(b"y", f"[{link_local}%b0]:{hears.port}")
        assert [hears.recv(5).data for _ in range(2)] == [b"x", b"y"]
        with server, pytest.raises(dualstack.AddressError, match="needs its interface"):
            sock.send(b"x", (link_local, hears.port))
        with server, pytest.raises(OSError, match="no interface named 'nope9'"):
            sock.send(b"x", ("10.1.0.101", hears.port), interface="nope9")
