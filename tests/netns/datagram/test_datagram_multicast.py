"""Groups of both families on a host with two networks: join, leave, sources, all interfaces, and following them."""

from __future__ import annotations

import contextlib
import errno
import socket

import pytest

import dualstack

PORT = 5301
GROUPS = {"ipv4": "239.1.2.3", "ipv6": "ff02::1:2:3"}
UNICAST = {"ipv4": {"a0": "10.1.0.1", "b0": "10.2.0.1"}, "ipv6": {"a0": "fd01::1", "b0": "fd02::1"}}


@pytest.fixture(params=[None, False], ids=["dual", "two-sockets"])
def sockets(request, networks):
    """(hearing socket on the client's side, sending socket on the server's side)"""
    server, client = networks
    with contextlib.ExitStack() as stack:
        with client:
            hearing = stack.enter_context(dualstack.open_datagram("::", PORT, dual=request.param))
        with server:
            sending = stack.enter_context(dualstack.open_datagram("::", dual=request.param))
        yield hearing, sending


def heard(networks, sockets, group, nics=("a0", "b0")):
    """Send to the group through each interface of the server; the client's interfaces that heard it."""
    server, client = networks
    hearing, sending = sockets
    end = "fd01::101" if ":" in group else "10.1.0.101"
    with server:
        for nic in nics:
            sending.send(nic.encode(), (group, PORT), interface=nic)
            # Something that arrives in any case, behind it: then nothing has to be waited for.
            sending.send(b"end " + nic.encode(), (end, PORT))
    found = []
    with client:
        for _ in nics:
            while not (datagram := hearing.recv(5)).data.startswith(b"end"):
                assert datagram.local.host.partition("%")[0] == group
                found.append((datagram.interface, datagram.data.decode()))
    return found


@pytest.mark.parametrize("family", GROUPS)
def test_join_on_one_interface_then_the_other(networks, sockets, family):
    _, client = networks
    hearing, _ = sockets
    group = GROUPS[family]
    assert heard(networks, sockets, group) == []
    with client:
        hearing.join(group, "a1")
        hearing.join(group, "a1")  # again: it is joined, not an error
    assert heard(networks, sockets, group) == [("a1", "a0")]
    with client:
        hearing.join(group, dualstack.interfaces()["b1"].index)
    assert heard(networks, sockets, group) == [("a1", "a0"), ("b1", "b0")]
    with client:
        hearing.leave(group, "a1")
    assert heard(networks, sockets, group) == [("b1", "b0")]
    with client:
        hearing.leave(group, "b1")
        with pytest.raises(OSError, match="was not joined") as caught:
            hearing.leave(group, "b1")
    assert caught.value.errno == errno.EADDRNOTAVAIL
    assert heard(networks, sockets, group) == []


@pytest.mark.parametrize("family", GROUPS)
def test_all_interfaces(networks, sockets, family):
    _, client = networks
    hearing, _ = sockets
    group = GROUPS[family]
    with client:
        hearing.join(group, "all")
    assert heard(networks, sockets, group) == [("a1", "a0"), ("b1", "b0")]
    with client:
        hearing.leave(group, "b1")
    assert heard(networks, sockets, group) == [("a1", "a0")]
    with client:
        hearing.leave(group, "all")
    assert heard(networks, sockets, group) == []


@pytest.mark.parametrize("family", GROUPS)
def test_one_source_only(networks, sockets, family):
    server, client = networks
    hearing, sending = sockets
    group = GROUPS[family]
    right = UNICAST[family]["a0"]
    other = right[:-1] + "2"
    with client:
        hearing.join(group, "a1", source=right)
    with server:
        for source in (other, right, other):
            sending.send(source.encode(), (group, PORT), interface="a0", source=source)
        sending.send(b"end", ("fd01::101" if ":" in group else "10.1.0.101", PORT))
    got = []
    while (datagram := hearing.recv(5)).data != b"end":
        got.append(datagram.data.decode())
    assert got == [right]
    with client:
        hearing.leave(group, "a1", source=right)
        with pytest.raises(ValueError, match="another family"):
            hearing.join(group, "a1", source="::1" if family == "ipv4" else "127.0.0.1")


@pytest.mark.parametrize("family", GROUPS)
def test_an_answer_to_a_group_comes_from_where_it_was_heard(networks, sockets, family):
    server, client = networks
    hearing, sending = sockets
    group = GROUPS[family]
    with client:
        hearing.join(group, "all")
    for nic in ("a0", "b0"):
        with server:
            sending.send(b"?", (group, PORT), interface=nic)
        with client:
            datagram = hearing.recv(5)
            hearing.reply(datagram, b"!")
        with server:
            answer = sending.recv(5)
            assert (answer.interface, answer.peer.port) == (nic, PORT)
            assert not answer.peer.is_multicast


def test_groups_others_joined_are_not_ours(networks, sockets):
    # Linux would deliver to every socket bound to the wildcard what any process has joined (ip(7), IP_MULTICAST_ALL).
    _, client = networks
    with client, dualstack.open_datagram("::", PORT + 1) as other:
        for group in GROUPS.values():
            other.join(group, "a1")
            assert heard(networks, sockets, group) == []


def test_loop_ttl_and_interface(networks):
    server, client = networks
    with contextlib.ExitStack() as stack:
        with client:
            hearing = stack.enter_context(dualstack.open_datagram("::", PORT))
            for group in GROUPS.values():
                hearing.join(group, "all")
        with server:
            sending = stack.enter_context(dualstack.open_datagram("::", multicast_ttl=9, multicast_interface="b0"))
            for group in GROUPS.values():
                sending.send(b"x", (group, PORT))  # ff02:: finds its zone in multicast_interface
                with client:
                    datagram = hearing.recv(5)
                    assert (datagram.interface, datagram.hop_limit) == ("b1", 9)
            sending.multicast_ttl = 3
            sending.multicast_interface = "a0"
            for group in GROUPS.values():
                sending.send(b"x", (group, PORT))
                with client:
                    datagram = hearing.recv(5)
                    assert (datagram.interface, datagram.hop_limit) == ("a1", 3)
            assert (sending.multicast_ttl, sending.multicast_interface) == (3, "a0")
            with pytest.raises(OSError, match="nope9"):
                sending.multicast_interface = "nope9"
        with client:
            for loop in (True, False):
                hearing.multicast_loop = loop
                for group in GROUPS.values():
                    hearing.send(b"mine", (group, PORT), interface="a1")
                    if loop:
                        assert hearing.recv(5).data == b"mine"
            with pytest.raises(TimeoutError):
                hearing.recv(0)


@pytest.mark.parametrize(
    ("group", "interface", "error", "text"),
    [
        pytest.param("10.1.0.1", "a1", dualstack.AddressError, "not a multicast group", id="unicast"),
        pytest.param(
            "ff02::1:2:3", None, dualstack.AddressError, "needs its interface", id="link-scope-without-interface"
        ),
        pytest.param("239.1.2.3", "nope9", OSError, "no interface named 'nope9'", id="no-such-interface"),
        pytest.param("239.1.2.3", 999, OSError, "interface 999, which does not exist", id="no-such-index"),
        pytest.param("ff02::1:2:3%nope9", None, OSError, "nope9", id="no-such-zone"),
        pytest.param("ff05::1", 999, OSError, "interface 999, which does not exist", id="no-such-index-ipv6"),
    ],
)
def test_what_cannot_be_joined(networks, group, interface, error, text):
    _, client = networks
    with client, dualstack.open_datagram("::", PORT) as hearing, pytest.raises(error, match=text):
        hearing.join(group, interface)


def test_a_family_the_socket_or_the_interface_does_not_have(networks):
    _, client = networks
    with client:
        with dualstack.open_datagram("0.0.0.0", PORT) as hearing:
            with pytest.raises(OSError, match="this socket has no IPv6") as caught:
                hearing.join("ff02::1", "a1")
            assert caught.value.errno == errno.EAFNOSUPPORT
        with dualstack.open_datagram("::", PORT, v6only=True) as hearing, pytest.raises(OSError, match="has no IPv4"):
            hearing.join("239.1.2.3", "a1")
        with dualstack.open_datagram("::", PORT) as hearing, pytest.raises(ValueError, match="only interface='all'"):
            hearing.join("239.1.2.3", "a1", follow=True)
        client.run("ip", "link", "set", "b1", "mtu", "1000")  # below 1280 there is no IPv6 (RFC 8200 section 5)
        try:
            with dualstack.open_datagram("::", PORT) as hearing:
                with pytest.raises(OSError, match=r"cannot join ff02::1 on b1.*has it an IPv6 address"):
                    hearing.join("ff02::1", "b1")
                hearing.join("ff02::1", "all")
                hearing.leave("ff02::1", "a1")
                with pytest.raises(OSError, match="was not joined"):
                    hearing.leave("ff02::1", "b1")
        finally:
            client.run("ip", "link", "set", "b1", "mtu", "1500")
            client.address("b1", "fd02::101/64", "fd09::102/64")
            client.run("ip", "route", "replace", "fd09::2/128", "dev", "b1", "src", "fd09::102")
            client.run("ip", "route", "replace", "fd07::1/128", "via", "fd02::1")


def test_more_groups_than_the_kernel_takes(networks):
    _, client = networks
    client.sysctl("net.ipv4.igmp_max_memberships", 5)
    try:
        with client, dualstack.open_datagram("::", PORT) as hearing:
            with pytest.raises(OSError, match="igmp_max_memberships") as caught:
                for number in range(9):
                    hearing.join(f"239.1.2.{number}", "a1")
            assert caught.value.errno == errno.ENOBUFS
    finally:
        client.sysctl("net.ipv4.igmp_max_memberships", 20)


def test_sharing_sockets_all_hear_the_group(networks):
    server, client = networks
    with contextlib.ExitStack() as stack:
        with client:
            hearing = [stack.enter_context(dualstack.open_datagram("::", PORT, share=True)) for _ in range(3)]
            for group in GROUPS.values():
                for sock in hearing[:2]:
                    sock.join(group, "a1")
            with pytest.raises(dualstack.ListenError):
                dualstack.open_datagram("::", PORT)
        with server:
            sending = stack.enter_context(dualstack.open_datagram("::"))
            for group in GROUPS.values():
                sending.send(b"all", (group, PORT), interface="a0")
        for sock in hearing[:2]:
            assert [sock.recv(5).data for _ in GROUPS] == [b"all"] * 2
        with pytest.raises(TimeoutError):
            hearing[2].recv(0)


def test_bound_to_the_group_itself(networks):
    server, client = networks
    with contextlib.ExitStack() as stack:
        with client:
            hearing = stack.enter_context(dualstack.open_datagram("239.1.2.3", PORT))
            hearing.join("239.1.2.3", "a1")
        with server:
            sending = stack.enter_context(dualstack.open_datagram("::"))
            sending.send(b"x", ("239.1.2.3", PORT), interface="a0")
        assert hearing.recv(5).local.host == "239.1.2.3"


def test_following_interfaces_that_come_and_go(make_host, link):
    here, there = make_host("here"), make_host("there")
    with contextlib.ExitStack() as stack:
        with there:
            sending = stack.enter_context(dualstack.open_datagram("::"))
        with here:
            hearing = stack.enter_context(dualstack.open_datagram("::", PORT))
            link(here, "a1", there, "a0")
            here.address("a1", "10.1.0.101/24")
            there.address("a0", "10.1.0.1/24")
            for group in GROUPS.values():
                hearing.join(group, "all", follow=True)
        for number in (2, 3):
            link(here, f"n{number}", there, f"m{number}")
            here.address(f"n{number}", f"10.{number}.0.101/24")
            there.address(f"m{number}", f"10.{number}.0.1/24")
            for group in GROUPS.values():
                # The thread that follows needs a moment: ask until it hears us.
                for _ in range(200):
                    with there:
                        sending.send(b"?", (group, PORT), interface=f"m{number}")
                    try:
                        datagram = hearing.recv(0.05)
                    except TimeoutError:
                        continue
                    break
                with here:
                    assert datagram.interface == f"n{number}"
                    while True:
                        try:
                            hearing.recv(0)
                        except TimeoutError:
                            break
            here.run("ip", "link", "delete", f"n{number}")
        with there:
            sending.send(b"!", (GROUPS["ipv4"], PORT), interface="a0")
        with here:
            assert hearing.recv(5).interface == "a1"
    assert all(real.fileno() == -1 for real in hearing.sockets)


def test_plain_ip_mreq_of_the_standard_library_joins_where_the_route_points(networks):
    """The "before": naming no interface means one of them, and not the one the sender is on."""
    server, client = networks
    with contextlib.ExitStack() as stack:
        with client:
            plain = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            plain.bind(("", PORT))
            plain.settimeout(5)
            client.run("ip", "route", "add", "239.0.0.0/8", "dev", "a1")
            stack.callback(client.run, "ip", "route", "del", "239.0.0.0/8", "dev", "a1")
            plain.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + bytes(4))
        with server:
            sending = stack.enter_context(dualstack.open_datagram("::"))
            for nic in ("b0", "a0"):
                sending.send(nic.encode(), ("239.1.2.3", PORT), interface=nic)
        assert plain.recv(9) == b"a0"
