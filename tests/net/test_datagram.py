"""open_datagram on real sockets of loopback: what comes in, what goes out, what is said when it does not."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import selectors
import socket
import sys
import threading

import pytest

import dualstack
from dualstack import doors, platforms

linux = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.0/8 as a whole is local on Linux only; runs there")
unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix datagrams; runs on the others")


def client(host, port):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    sock.connect((host, port))
    return sock


@pytest.fixture(params=[None, False], ids=["dual", "two-sockets"])
def opened(request):
    with dualstack.open_datagram("::", dual=request.param) as sock:
        yield sock


# ---------------------------------------------------------------------- opening


@pytest.mark.parametrize(
    ("host", "families", "arguments"),
    [
        pytest.param("::", "46", {}, id="both"),
        pytest.param(None, "46", {}, id="none"),
        pytest.param("", "46", {}, id="empty"),
        pytest.param("*", "46", {}, id="star"),
        pytest.param("*:0", "46", {}, id="port-in-text"),
        pytest.param("::", "6", {"v6only": True}, id="v6only"),
        pytest.param("::", "46", {"v6only": False}, id="insisting"),
        pytest.param("::", "46", {"dual": True}, id="one-dual-socket"),
        pytest.param("0.0.0.0", "4", {}, id="ipv4"),
        pytest.param("127.0.0.1", "4", {}, id="literal-ipv4"),
        pytest.param("::1", "6", {}, id="literal-ipv6"),
        pytest.param("[::1]:0", "6", {}, id="literal-with-port"),
        pytest.param("localhost", "46", {}, id="localhost"),
        pytest.param(["127.0.0.1", "::1"], "46", {}, id="list"),
        pytest.param(["0.0.0.0", "::"], "46", {}, id="both-wildcards"),
        pytest.param("udp4://*:0", "4", {}, id="transport-in-text"),
        pytest.param(dualstack.IPv6Endpoint("::1", 0), "6", {}, id="endpoint"),
    ],
)
def test_what_a_host_opens(host, families, arguments):
    with dualstack.open_datagram(host, **arguments) as sock:
        assert sock.port > 0
        assert {endpoint.port for endpoint in sock.endpoints} == {sock.port}
        for family, address in (("4", "127.0.0.1"), ("6", "::1")):
            with client(address, sock.port) as asking:
                if family not in families:
                    asking.send(b"?")
                    with pytest.raises(TimeoutError):
                        sock.recv(0)
                    continue
                asking.send(b"question")
                datagram = sock.recv(5)
                assert (datagram.data, datagram.peer.host) == (b"question", address)
                assert sock.reply(datagram, b"answer") == 6
                assert asking.recv(10) == b"answer"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param({"host": "tcp://[::]:0"}, ValueError, id="stream-address"),
        pytest.param({"host": []}, ValueError, id="empty-list"),
        pytest.param({"host": "1.2.3"}, dualstack.AddressError, id="short-ipv4"),
        pytest.param({"host": "fd://2147483647"}, dualstack.ListenError, id="descriptor-that-is-not-open"),
        pytest.param({"host": "systemd:"}, dualstack.ListenError, id="nothing-inherited"),
        pytest.param({"host": "fd://3", "remote": "127.0.0.1:9"}, ValueError, id="inherited-and-connected"),
        pytest.param({"host": "%nope9"}, dualstack.ListenError, id="no-such-interface"),
        pytest.param({"host": "192.0.2.250"}, dualstack.ListenError, id="foreign-address"),
        pytest.param({"source_selection": "magic"}, ValueError, id="source-selection"),
        pytest.param({"multicast_ttl": 256}, ValueError, id="multicast-ttl"),
        pytest.param({"options": dualstack.SocketOptions(no_delay=True)}, dualstack.UnsupportedError, id="tcp-option"),
        pytest.param({"remote": "127.0.0.1"}, dualstack.AddressError, id="remote-without-port"),
        pytest.param({"remote": "127.0.0.1:9", "host": "::1"}, OSError, id="remote-of-another-family"),
        pytest.param({"remote": "%lo:9"}, ValueError, id="remote-interface"),
        pytest.param({"remote": ["127.0.0.1:9", "127.0.0.2:9"]}, TypeError, id="several-remotes"),
        pytest.param({"remote": ("::1", 9, 0, 0)}, TypeError, id="remote-of-four-parts"),
    ],
)
def test_what_cannot_be_opened(arguments, error):
    with pytest.raises(error):
        dualstack.open_datagram(**arguments)


def test_a_port_in_use_is_an_error_that_names_the_address():
    with dualstack.open_datagram("::") as sock, pytest.raises(dualstack.ListenError) as caught:
        dualstack.open_datagram("::", sock.port)
    assert caught.value.errno == errno.EADDRINUSE
    assert f"[::]:{sock.port}" in str(caught.value)


def test_reuse_by_another_socket_does_not_let_it_in():
    # One side alone never suffices: our socket has not agreed to share.
    with dualstack.open_datagram("127.0.0.1") as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match=r".") as caught:
            thief.bind(("127.0.0.1", sock.port))
    assert caught.value.errno in (errno.EADDRINUSE, errno.EACCES)  # EACCES: Windows, for our exclusive use


def test_share_lets_several_sockets_hear_one_port():
    with (
        dualstack.open_datagram("0.0.0.0", share=True) as one,
        dualstack.open_datagram("0.0.0.0", one.port, share=True) as two,
    ):
        assert one.port == two.port
        with pytest.raises(dualstack.ListenError) as caught:
            dualstack.open_datagram("0.0.0.0", one.port)
    assert caught.value.errno in (errno.EADDRINUSE, errno.EACCES)


@pytest.mark.wine_skip("udp-source")
def test_no_option_but_those_asked_for():
    with dualstack.open_datagram("::") as sock:
        (real,) = sock.sockets
        assert not real.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert not real.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        assert not real.get_inheritable()
    with dualstack.open_datagram("::", broadcast=True, options=dualstack.SocketOptions(hop_limit=9)) as sock:
        (real,) = sock.sockets
        assert real.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        assert real.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) == 9


# ---------------------------------------------------------------------- receiving


def test_everything_a_datagram_tells(opened):
    with client("127.0.0.1", opened.port) as asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x88)
        asking.send(b"hello")
        datagram = opened.recv(5)
        assert datagram.data == b"hello"
        assert datagram.peer == dualstack.IPv4Endpoint("127.0.0.1", asking.getsockname()[1])
        assert datagram.local == dualstack.IPv4Endpoint("127.0.0.1", opened.port)
        assert datagram.interface == dualstack.interfaces().by_index(datagram.interface_index).name
        assert (datagram.truncated, datagram.size, datagram.timestamp) == (False, 5, None)
        assert (datagram.hop_limit, datagram.traffic_class) == (7, 0x88)
        assert repr(datagram) == (
            f"<Datagram b'hello' (5 bytes) from {datagram.peer} to {datagram.local} on {datagram.interface}>"
        )


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.255.1.1", "::1"])
def test_answers_leave_from_the_address_that_was_asked(opened, host):
    with client(host, opened.port) as asking:
        for _ in range(2):  # the second time from memory
            asking.send(b"?")
            datagram = opened.recv(5)
            assert datagram.local.host == host
            opened.reply(datagram, b"!")
            assert asking.recv(1) == b"!"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such control message; runs on the others")
def test_timestamps_on_request():
    with dualstack.open_datagram("::", timestamps=True) as sock, client("::1", sock.port) as asking:
        stamps = []
        for _ in range(2):
            asking.send(b"?")
            datagram = sock.recv(5)
            stamps.append(datagram.timestamp)
            sock.reply(datagram, b"!")
            assert asking.recv(1) == b"!"
        assert 0 <= stamps[1] - stamps[0] < 60
        assert stamps[0] > 1_600_000_000


@pytest.mark.parametrize("size", [0, 1, 1500, 65_507])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_size_arrives_whole(opened, host, size):
    data = os.urandom(size)
    with client(host, opened.port) as asking:
        asking.send(data)
        datagram = opened.recv(5)
        assert (datagram.data, datagram.truncated, datagram.size) == (data, False, size)
        assert opened.reply(datagram, data) == size
        assert asking.recv(65_536) == data


@pytest.mark.parametrize("size", [65_508, 100_000])
def test_too_long_to_send(opened, size):
    with pytest.raises(OSError, match=f"{size} bytes do not fit one datagram to 127.0.0.1:9") as caught:
        opened.send(bytes(size), ("127.0.0.1", 9))
    assert caught.value.errno == errno.EMSGSIZE


def test_truncation_is_flagged_or_an_error(opened):
    with client("::1", opened.port) as asking:
        for _ in range(4):
            asking.send(b"0123456789")
        datagram = opened.recv(5, max_size=4)
        assert (datagram.data, datagram.truncated, datagram.size) == (b"0123", True, 10)
        with pytest.raises(dualstack.TruncatedError) as caught:
            opened.recv(5, max_size=4, strict=True)
        assert (caught.value.size, caught.value.errno) == (10, errno.EMSGSIZE)
        buffer = bytearray(4)
        datagram = opened.recv_into(buffer, 5)
        assert (bytes(datagram.data), datagram.truncated, datagram.size, buffer) == (b"0123", True, 10, b"0123")
        with pytest.raises(dualstack.TruncatedError):
            opened.recv_into(buffer, 5, strict=True)


def test_a_size_below_nothing_is_refused(opened):
    with dualstack.open_datagram(remote=("127.0.0.1", opened.port)) as peer:
        peer.send(b"abc")
        with pytest.raises(ValueError, match="max_size is 0 or more bytes"):
            opened.recv(5, max_size=-1)


def test_strict_for_the_whole_socket():
    with dualstack.open_datagram("::", strict=True) as sock, client("::1", sock.port) as asking:
        asking.send(b"0123456789")
        with pytest.raises(dualstack.TruncatedError):
            sock.recv(5, max_size=9)
        asking.send(b"0123456789")
        assert sock.recv(5, max_size=9, strict=False).truncated


def test_recv_into_gives_a_view_of_the_callers_memory(opened):
    buffer = bytearray(b"." * 10)
    with client("127.0.0.1", opened.port) as asking:
        asking.send(b"abc")
        datagram = opened.recv_into(buffer, 5)
        assert datagram.data.obj is buffer
        assert (bytes(datagram.data), buffer, datagram.size) == (b"abc", b"abc.......", 3)
        opened.reply(datagram, datagram.data)
        assert asking.recv(10) == b"abc"


def test_recv_many_takes_what_is_there(opened):
    with client("::1", opened.port) as six, client("127.0.0.1", opened.port) as four:
        for number in range(4):
            (six if number % 2 else four).send(bytes((number,)))
        got = opened.recv_many(3, 5)
        got += opened.recv_many(9, 5)
        assert sorted(datagram.data[0] for datagram in got) == [0, 1, 2, 3]
        with pytest.raises(TimeoutError):
            opened.recv_many(9, 0)
        with pytest.raises(ValueError, match="at least 1"):
            opened.recv_many(0)


def test_no_socket_starves_the_other():
    with (
        dualstack.open_datagram("::", dual=False) as sock,
        client("::1", sock.port) as six,
        client("127.0.0.1", sock.port) as four,
    ):
        for _ in range(10):
            six.send(b"6")
            four.send(b"4")
        assert {sock.recv(5).data for _ in range(2)} == {b"4", b"6"}


def test_timeout(opened):
    with pytest.raises(TimeoutError, match="no datagram within 0 s"):
        opened.recv(0)
    with pytest.raises(TimeoutError, match=r"no datagram within 0\.01 s"):
        opened.recv(0.01)


def test_control_data_that_was_cut_is_an_error(opened):
    with client("::1", opened.port) as asking:
        for channel in opened._channels:
            channel.control_room = 16  # a header and nothing else
        asking.send(b"?")
        with pytest.raises(dualstack.TruncatedError, match="its local address is unknown"):
            opened.recv(5)


def test_iteration_ends_with_the_socket():
    with dualstack.open_datagram("::") as sock, client("::1", sock.port) as asking:
        got = []
        for number in range(3):
            asking.send(bytes((number,)))
        for datagram in sock:
            got.append(datagram.data)
            if len(got) == 3:
                sock.close()
        assert got == [b"\0", b"\1", b"\2"]


@pytest.mark.wine_skip("udp-source")
def test_a_selector_may_watch_it():
    with dualstack.open_datagram("::") as sock, selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        with client("127.0.0.1", sock.port) as asking:
            asking.send(b"?")
            assert [key.fileobj for key, _ in selector.select(5)] == [sock]
    with dualstack.open_datagram("::", dual=False) as sock, pytest.raises(ValueError, match="2 sockets"):
        sock.fileno()


# ---------------------------------------------------------------------- sending


@pytest.mark.parametrize(
    ("to", "error", "text"),
    [
        pytest.param("localhost:9", dualstack.AddressError, "resolve.. finds the addresses of a name", id="name"),
        pytest.param(("nohost", 9), dualstack.AddressError, "resolve.. finds the addresses", id="name-in-tuple"),
        pytest.param("127.0.0:9", dualstack.AddressError, "at character", id="short-address"),
        pytest.param(("127.0.0.1",), TypeError, "is an Endpoint", id="half-a-tuple"),
        pytest.param(9, TypeError, "is an Endpoint", id="number"),
        pytest.param("unix:/nowhere", OSError, "an IP socket does not send to unix:/nowhere", id="unix"),
        pytest.param(None, OSError, "where to", id="nowhere"),
        pytest.param("127.0.0.1:0", OSError, "port 0", id="port-0"),
        pytest.param("[fe80::1]:9", dualstack.AddressError, "needs its interface", id="link-local-without-zone"),
    ],
)
def test_where_nothing_can_be_sent(opened, to, error, text):
    with pytest.raises(error, match=text):
        opened.send(b"x", to)


@pytest.mark.parametrize("form", ["endpoint", "text", "tuple", "mapped", "address"])
def test_ways_to_say_where(opened, form):
    with dualstack.open_datagram("127.0.0.1") as other:
        to = {
            "endpoint": dualstack.IPv4Endpoint("127.0.0.1", other.port),
            "text": f"127.0.0.1:{other.port}",
            "tuple": ("127.0.0.1", other.port),
            "mapped": f"[::ffff:127.0.0.1]:{other.port}",
            "address": dualstack.parse(f"127.0.0.1:{other.port}"),
        }[form]
        assert opened.send(memoryview(b"abc"), to) == 3
        assert other.recv(5).peer == dualstack.IPv4Endpoint("127.0.0.1", opened.port)


@pytest.mark.parametrize(
    ("interface", "error"),
    [
        (-1, OSError),
        (2**31, OSError),
        ("99999999999", OSError),
        (True, TypeError),
        (b"lo", TypeError),
        (1.5, TypeError),
    ],
    ids=repr,
)
def test_what_is_no_interface(opened, interface, error):
    with pytest.raises(error, match=r"no interface has the index|a name or an index"):
        opened.send(b"x", "127.0.0.1:9", interface=interface)
    with pytest.raises(error, match=r"no interface has the index|a name or an index"):
        opened.multicast_interface = interface
    assert opened.multicast_interface is None


def test_the_interface_for_groups_goes_back_to_the_system():
    nic = next(nic for nic in dualstack.interfaces() if nic.is_loopback)
    with dualstack.open_datagram("::1", multicast_interface=nic.name) as sock:
        (real,) = sock.sockets
        chosen = real.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF)
        assert (sock.multicast_interface, chosen) == (nic.name, nic.index)
        sock.multicast_interface = None
        chosen = real.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF)
        assert (sock.multicast_interface, chosen) == (None, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the broadcast address of loopback is one on Linux; runs there")
def test_a_broadcast_address_to_connect_to_needs_asking_for():
    with pytest.raises(PermissionError, match="broadcast=True"):
        dualstack.open_datagram(remote="127.255.255.255:9")
    dualstack.open_datagram(remote="127.255.255.255:9", broadcast=True).close()


@pytest.mark.parametrize("timeout", [float("inf"), 1e7, 1e300])
def test_a_timeout_that_no_system_call_takes(timeout):
    with dualstack.open_datagram("127.0.0.1") as sock, dualstack.open_datagram(remote=("127.0.0.1", sock.port)) as peer:
        later = threading.Timer(0.01, peer.send, (b"x",))
        later.start()
        assert sock.recv(timeout).data == b"x"
        later.join()


def test_a_family_this_socket_does_not_have():
    with dualstack.open_datagram("::1") as sock, pytest.raises(OSError, match="another address family") as caught:
        sock.send(b"x", ("127.0.0.1", 9))
    assert caught.value.errno == errno.EAFNOSUPPORT
    with dualstack.open_datagram("127.0.0.1") as sock, pytest.raises(OSError, match="another address family"):
        sock.send(b"x", ("::1", 9))


@linux
def test_a_chosen_source(opened):
    with dualstack.open_datagram("127.0.0.1") as other:
        opened.send(b"x", other.endpoints[0], source="127.0.0.9")
        assert other.recv(5).peer == dualstack.IPv4Endpoint("127.0.0.9", opened.port)
        opened.send(b"x", other.endpoints[0], source=dualstack.IPv4Endpoint("127.0.0.8", 0), interface="lo")
        assert other.recv(5).peer.host == "127.0.0.8"
        with pytest.raises(OSError, match=r"192\.0\.2\.250 is not an address this host can send from") as caught:
            opened.send(b"x", other.endpoints[0], source="192.0.2.250")
        assert caught.value.errno == errno.EADDRNOTAVAIL
        with pytest.raises(ValueError, match="another family"):
            opened.send(b"x", other.endpoints[0], source="::1")


@linux
def test_several_addresses_send_from_the_one_that_fits():
    with (
        dualstack.open_datagram(["127.0.0.1", "127.0.0.2"]) as sock,
        dualstack.open_datagram("127.0.0.3") as other,
    ):
        sock.send(b"x", other.endpoints[0], source="127.0.0.2")
        assert other.recv(5).peer.host == "127.0.0.2"
        sock.send(b"x", other.endpoints[0])
        assert other.recv(5).peer.host == "127.0.0.1"  # what routing says towards 127.0.0.3
        with pytest.raises(OSError, match="cannot send from another address"):
            sock.send(b"x", other.endpoints[0], source="127.0.0.4")


def test_how_sources_are_chosen_here():
    with dualstack.open_datagram("::") as sock:
        other = ("one socket per address", "none")
        assert sock.source_selection in (
            ("packet information",) if dualstack.capabilities().source_selection else other
        )
    with dualstack.open_datagram("::1") as sock:
        assert sock.source_selection == "fixed"


@pytest.mark.wine_skip("udp-addresses")
def test_one_socket_per_address():
    with dualstack.open_datagram("::", source_selection="one socket per address") as sock:
        assert sock.source_selection == "one socket per address"
        assert not any(endpoint.is_unspecified for endpoint in sock.endpoints)


# ---------------------------------------------------------------------- connected


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_connected(host):
    with dualstack.open_datagram("::") as server, dualstack.open_datagram(remote=(host, server.port)) as sock:
        assert sock.send(b"?") == 1
        datagram = server.recv(5)
        server.reply(datagram, b"!")
        answer = sock.recv(5)
        assert (answer.data, answer.peer, answer.local) == (b"!", sock.remote, datagram.peer)
        assert sock.reply(answer, b"thanks") == 6
        assert server.recv(5).data == b"thanks"
        with dualstack.open_datagram(host) as stranger:
            to = next(one for one in stranger.endpoints if one.family == sock.endpoints[0].family)
            stranger.send(b"spam", dualstack.Endpoint.local(sock.sockets[0]))
            assert to != sock.remote
        with pytest.raises(TimeoutError):
            sock.recv(0)
        with pytest.raises(ValueError, match="has its source already"):
            sock.send(b"x", source="127.0.0.1")
        assert "connected to" in repr(sock)


def test_connected_from_a_chosen_address_and_port():
    with dualstack.open_datagram("::") as server:
        for host, expected in (("127.0.0.1", "127.0.0.1"), ("*", "127.0.0.1"), (None, "127.0.0.1")):
            with dualstack.open_datagram(host, 0, remote=f"127.0.0.1:{server.port}") as sock:
                sock.send(b"x")
                assert server.recv(5).peer == dualstack.IPv4Endpoint(expected, sock.port)


@pytest.mark.wine_skip("udp-icmp")
def test_an_icmp_error_names_the_peer():
    with dualstack.open_datagram("127.0.0.1") as gone:
        port = gone.port
    with dualstack.open_datagram(remote=("127.0.0.1", port)) as sock:
        for receive in (lambda: sock.recv(5), lambda: sock.recv_into(bytearray(9), 5), lambda: sock.recv_many(9, 5)):
            sock.send(b"?")
            with pytest.raises(ConnectionRefusedError, match=f"127.0.0.1:{port}: nothing listens there"):
                receive()
        with pytest.raises(TimeoutError):
            sock.recv(0)


def test_icmp_errors_of_strangers_disturb_nobody(opened):
    with dualstack.open_datagram("127.0.0.1") as gone:
        port = gone.port
    for _ in range(50):
        opened.send(b"?", ("127.0.0.1", port))
    with client("127.0.0.1", opened.port) as asking:
        asking.send(b"still there?")
        assert opened.recv(5).data == b"still there?"


def test_the_wildcard_as_a_remote_is_this_host():
    with dualstack.open_datagram("::") as server:
        for host in ("::", "0.0.0.0"):
            with dualstack.open_datagram(remote=(host, server.port)) as sock:
                sock.send(b"x")
                assert server.recv(5).peer.is_loopback


# ---------------------------------------------------------------------- closing


def test_close_wakes_every_waiter():
    sock = dualstack.open_datagram("::")
    errors = []
    entered = threading.Semaphore(0)

    def wait(timeout):
        entered.release()
        try:
            sock.recv(timeout)
        except OSError as error:
            errors.append(error.errno)

    threads = [threading.Thread(target=wait, args=(timeout,)) for timeout in (None, None, 60)]
    for thread in threads:
        thread.start()
    for _ in threads:
        entered.acquire()
    sock.close()
    for thread in threads:
        thread.join(10)
    assert errors == [errno.EBADF] * 3
    assert all(real.fileno() == -1 for real in sock.sockets)


def test_after_close_everything_says_so():
    with dualstack.open_datagram("::") as sock, client("::1", sock.port) as asking:
        asking.send(b"?")
        datagram = sock.recv(5)
    sock.close()
    assert sock.closed
    assert "closed" in repr(sock)
    for call in (
        lambda: sock.recv(0),
        lambda: sock.recv_into(bytearray(1), 0),
        lambda: sock.recv_many(2, 0),
        lambda: sock.send(b"x", "127.0.0.1:9"),
        lambda: sock.reply(datagram, b"x"),
        lambda: sock.join("224.0.0.251"),
        lambda: sock.leave("224.0.0.251"),
        lambda: setattr(sock, "multicast_ttl", 1),
    ):
        with pytest.raises(OSError, match="closed") as caught:
            call()
        assert caught.value.errno == errno.EBADF
    assert datagram.peer.host == "::1"  # what was received stays readable


def test_closing_inside_a_call_of_the_same_thread():
    # As a signal handler does: the call it interrupted must end with an error, not with a foreign descriptor.
    with dualstack.open_datagram("::") as sock:
        select = sock._readable().select

        class Interrupted:
            def select(self, timeout=None):
                sock.close()
                assert sock.sockets[0].fileno() != -1
                return select(timeout)

            def close(self):
                reader.close()

        reader, sock._reader = sock._reader, Interrupted()
        with pytest.raises(OSError, match="closed"):
            sock.recv(60)
        assert sock.sockets[0].fileno() == -1


# ---------------------------------------------------------------------- Unix


@unix
def test_unix_datagrams(unix_path):
    with dualstack.open_datagram(f"unix:{unix_path}") as server:
        assert server.port == 0
        with dualstack.open_datagram(f"unix:{unix_path}c", remote=f"unix:{unix_path}") as sock:
            sock.send(b"?" * 70_000)
            datagram = server.recv(5)
            assert (len(datagram.data), datagram.truncated) == (70_000, False)
            assert datagram.peer == dualstack.UnixEndpoint(f"{unix_path}c")
            assert datagram.local == dualstack.UnixEndpoint(unix_path)
            assert (datagram.interface, datagram.hop_limit) == (None, None)
            server.reply(datagram, b"!")
            assert sock.recv(5).data == b"!"
            server.send(b"?", f"unix:{unix_path}c")
            assert sock.recv(5).peer == dualstack.UnixEndpoint(unix_path)
        with pytest.raises(OSError, match=r"unix:"):
            server.reply(datagram, b"too late")
        assert not os.path.exists(f"{unix_path}c")
        with pytest.raises(OSError, match="does not send to"):
            server.send(b"x", "127.0.0.1:9")
        with pytest.raises(dualstack.UnsupportedError):
            server.send(b"x", f"unix:{unix_path}", source="127.0.0.1")
        with pytest.raises(dualstack.ListenError):
            dualstack.open_datagram(f"unix:{unix_path}")
        assert os.stat(unix_path).st_mode & 0o777 == 0o600
    assert not os.path.exists(unix_path)
    with pytest.raises(FileNotFoundError, match="cannot connect to unix:"):
        dualstack.open_datagram(remote=f"unix:{unix_path}")
    with pytest.raises(ValueError, match="one Unix datagram socket"):
        dualstack.open_datagram([f"unix:{unix_path}", "::"])


@unix
def test_an_unnamed_unix_peer_cannot_be_answered(unix_path):
    with (
        dualstack.open_datagram(f"unix:{unix_path}") as server,
        dualstack.open_datagram(remote=f"unix:{unix_path}") as sock,
    ):
        sock.send(b"?")
        datagram = server.recv(5)
        assert datagram.peer == dualstack.UnixEndpoint("")
        with pytest.raises(OSError, match="unix:"):
            server.reply(datagram, b"!")


@unix
def test_a_unix_datagram_cut_by_the_system(unix_path):
    with (
        dualstack.open_datagram(f"unix:{unix_path}") as server,
        dualstack.open_datagram(remote=f"unix:{unix_path}") as sock,
    ):
        server._channels[0].room = 100
        sock.send(bytes(200))
        datagram = server.recv(5)
        assert (len(datagram.data), datagram.truncated, datagram.size) == (100, True, None)
        sock.send(bytes(70_000))
        datagram = server.recv_into(bytearray(10), 5)
        assert (len(datagram.data), datagram.truncated, datagram.size) == (10, True, None)
        sock.send(bytes(200))
        assert server.recv_into(bytearray(10), 5).size == 200


@unix
@pytest.mark.parametrize("count", [1, 253])
def test_descriptors_that_come_uncalled_are_closed(unix_path, count):
    with (
        dualstack.open_datagram(f"unix:{unix_path}") as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        open(os.devnull) as something,
    ):
        sender.connect(unix_path)
        before = set(os.listdir("/dev/fd"))
        socket.send_fds(sender, [b"here"], [something.fileno()] * count)
        assert server.recv(5).data == b"here"
        server._channels[0].control_room = 24
        socket.send_fds(sender, [b"here"], [something.fileno()] * count)
        with contextlib.suppress(dualstack.TruncatedError):  # an error if the one that fits is not all
            server.recv(5)
            assert count == 1
        assert set(os.listdir("/dev/fd")) <= before


class _Names(doors.Doors):
    """The real world with one more name in it."""

    def getaddrinfo(self, host, port, family, type, proto, flags):
        if host != "service.example":
            raise AssertionError(f"nobody asked for {host}")
        found = {socket.AF_INET: ("127.0.0.1", port), socket.AF_INET6: ("::1", port, 0, 0)}
        return [(one, type, proto, "", found[one]) for one in found if family in (0, one)]


def test_a_name_is_all_its_addresses_and_any_of_them_as_a_remote():
    with (
        doors.using(_Names()),
        dualstack.open_datagram("service.example") as server,
        dualstack.open_datagram(remote=("service.example", server.port)) as sock,
    ):
        assert {endpoint.host for endpoint in server.endpoints} == {"127.0.0.1", "::1"}
        sock.send(b"?")
        server.reply(server.recv(5), b"!")
        assert sock.recv(5).peer == sock.remote


@pytest.mark.skipif(not hasattr(sys, "getallocatedblocks"), reason="counts blocks of CPython; runs on CPython")
def test_memory_and_descriptors_stay_flat(opened):
    # The long count is in benchmarks/datagram.py --memory.
    with client("127.0.0.1", opened.port) as asking:

        def echo(count):
            for _ in range(count):
                asking.send(b"x" * 64)
                datagram = opened.recv(5)
                opened.reply(datagram, datagram.data)
                asking.recv(64)

        echo(200)
        gc.collect()
        gc.disable()
        try:
            blocks, descriptors = sys.getallocatedblocks(), _descriptors()
            echo(5000)
            assert sys.getallocatedblocks() - blocks < 500  # not one per datagram
            assert _descriptors() == descriptors
        finally:
            gc.enable()


def _descriptors():
    return len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0


# ---------------------------------------------------------------------- groups; the rest needs networks: tests/netns


@pytest.fixture
def loopback_for_groups(monkeypatch):
    """The interfaces that "all" means: loopback, which is there everywhere."""
    if sys.platform == "win32":
        pytest.skip("Wine joins nothing on loopback, and no real Windows was there to ask; runs elsewhere")
    index = next(nic.index for nic in dualstack.interfaces() if nic.is_loopback)
    found = [index]
    monkeypatch.setattr("dualstack.net.multicast.multicast_interfaces", lambda group: list(found))
    return found


def test_following_goes_on_when_the_interfaces_cannot_be_looked_at(loopback_for_groups, monkeypatch, caplog):
    happens = [OSError(errno.EMFILE, "too many"), "a change", None]
    seen = []

    class Watching:
        def __iter__(self):
            return self

        def __next__(self):
            now = happens.pop(0)
            seen.append(now)
            if isinstance(now, OSError):
                raise now
            if now is None:
                sock.close()
                raise StopIteration
            return now

        def close(self):
            """Nothing is open."""

    class Here(doors.Doors):
        def start_daemon(self, target, name):
            self.run = target

        def sleep(self, seconds):
            seen.append(seconds)

    monkeypatch.setattr("dualstack.net.watch.watch_interfaces", Watching)
    with doors.using(Here()) as here, dualstack.open_datagram("0.0.0.0") as sock:
        sock.join("239.1.2.3", "all", follow=True)
        monkeypatch.setattr(sock._memberships, "update", lambda: seen.append("update"))
        here.run()
    assert [str(one) for one in seen] == [
        "update",
        "[Errno 24] too many",
        "1.0",
        "update",
        "a change",
        "update",
        "None",
    ]
    assert "could not follow the interfaces" in caplog.text


def test_joining_everywhere_is_all_or_nothing(loopback_for_groups, monkeypatch):
    class Full:
        """A socket of which the second membership is one too many."""

        def __init__(self, real):
            self.real, self.calls = real, []

        def setsockopt(self, *what):
            self.calls.append(what[1])
            if len(self.calls) == 2:
                raise OSError(errno.ENOBUFS, "no more")
            self.real.setsockopt(*what)

    loopback_for_groups.append(2**31 - 1)
    with dualstack.open_datagram("0.0.0.0") as sock:
        (channel,) = sock._channels
        full = Full(channel.sock)
        monkeypatch.setattr(channel, "sock", full)
        with pytest.raises(OSError, match="no more"):
            sock.join("239.1.2.3", "all")
        monkeypatch.setattr(channel, "sock", full.real)
        constants = platforms.current.udp.constants
        assert full.calls == [constants[f"IP_{what}_MEMBERSHIP"] for what in ("ADD", "ADD", "DROP")]
        with pytest.raises(OSError, match="was not joined"):
            sock.leave("239.1.2.3", "all")
