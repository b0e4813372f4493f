"""The examples at work between two namespaces, asked by dig and by dnspython."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import dualstack

ROOT = Path(__file__).parents[3]
PORT = 5302
ADDRESSES = ("10.1.0.1", "10.1.0.2", "10.2.0.2", "10.7.0.1", "fd01::2", "fd02::1", "fd07::1")


@pytest.fixture(scope="module")
def dig():
    found = shutil.which("dig")
    if found is None:
        pytest.skip("needs dig (Debian: bind9-dnsutils)")
    return found


def asks(client, dig, address):
    done = subprocess.run(
        ["ip", "netns", "exec", client.name, dig, f"@{address}", "-p", str(PORT), "+tries=1", "+time=2", "+norecurse",
         "+noedns", "+short", "www.example.com", "A"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


class Upstream(threading.Thread):
    """A DNS server that knows one answer."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock = sock

    def run(self):
        for query in self.sock:
            # The question back, marked as an answer, with one A record for the name at offset 12.
            answer = query.data[:2] + b"\x84\x00" + query.data[4:6] + b"\0\1\0\0\0\0" + query.data[12:]
            self.sock.reply(query, answer + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("192.0.2.53"))


@pytest.fixture
def upstream(networks):
    server, _ = networks
    with server:
        sock = dualstack.open_datagram("127.0.0.1")
    with sock:
        thread = Upstream(sock)
        thread.start()
        yield sock.port
    thread.join(10)


@contextlib.contextmanager
def running(host, *command):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    with host.popen(sys.executable, *command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.mark.parametrize("listen", [["[::]:5302"], ["0.0.0.0:5302", "[::]:5302"]], ids=["dual", "two-sockets"])
def test_dig_gets_its_answer_from_every_address(networks, dig, upstream, listen):
    server, client = networks
    with running(
        server, str(ROOT / "examples/dns_forwarder.py"), *listen, "--upstream", f"127.0.0.1:{upstream}"
    ) as process:
        assert process.stdout.readline().startswith("listening on [::]:5302" if len(listen) == 1 else "listening on ")
        for address in ADDRESSES:
            assert asks(client, dig, address) == (0, "192.0.2.53\n")
            assert f"asked {dualstack.Endpoint.parse(f'[{address}]:1' if ':' in address else f'{address}:1')}"[:-1] in (
                process.stdout.readline()
            )


def test_before_dig_refuses_the_answer_of_plain_sockets(networks, dig):
    server, client = networks
    with server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.bind(("", PORT))
        plain.settimeout(5)

        def serve():
            query, peer = plain.recvfrom(512)
            plain.sendto(query[:2] + b"\x84\x00" + query[4:], peer)

        thread = threading.Thread(target=serve)
        thread.start()
        code, output = asks(client, dig, "10.7.0.1")
        thread.join(10)
    assert code == 9  # "no reply from server": dig's socket is connected and never saw it
    assert "timed out" in output


def test_an_upstream_that_is_down_is_servfail_at_once(networks, dig):
    server, client = networks
    with running(
        server, str(ROOT / "examples/dns_forwarder.py"), f"[::]:{PORT}", "--upstream", "127.0.0.1:1"
    ) as process:
        process.stdout.readline()
        done = subprocess.run(
            ["ip", "netns", "exec", client.name, dig, "@fd07::1", "-p", str(PORT), "+tries=1", "+time=2", "x.example"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "status: SERVFAIL" in done.stdout


def test_dnspython_checks_the_source_too(networks, upstream):
    query = pytest.importorskip("dns.query", reason="needs dnspython, which the test extra has")
    message = pytest.importorskip("dns.message", reason="needs dnspython, which the test extra has")
    server, client = networks
    with running(
        server, str(ROOT / "examples/dns_forwarder.py"), f"[::]:{PORT}", "--upstream", f"127.0.0.1:{upstream}"
    ) as process:
        process.stdout.readline()
        with client:
            for address in ADDRESSES:
                # ignore_unexpected=False: an answer from another address is an exception.
                answer = query.udp(
                    message.make_query("www.example.com", "A", use_edns=False), address, timeout=5, port=PORT
                )
                assert [str(record) for rrset in answer.answer for record in rrset] == ["192.0.2.53"]


class Responder(threading.Thread):
    """An mDNS responder made with dnspython: answers PTR questions on the link they came from, to the group."""

    def __init__(self, sock, nics):
        super().__init__(daemon=True)
        self.sock = sock
        self.nics = nics
        self.asked = []

    def run(self):
        import dns.flags
        import dns.message
        import dns.rrset

        for datagram in self.sock:
            query = dns.message.from_wire(bytes(datagram.data))
            if query.flags & dns.flags.QR:
                continue
            name = str(query.question[0].name)
            self.asked.append((self.nics[datagram.interface_index], datagram.local.host.partition("%")[0], name))
            answer = dns.message.make_response(query)
            answer.question = []
            family = "six" if ":" in datagram.local.host else "four"
            answer.answer.append(
                dns.rrset.from_text(name, 120, "IN", "PTR", f"{family}-{self.nics[datagram.interface_index]}.{name}")
            )
            group = datagram.local.host.partition("%")[0]
            self.sock.send(answer.to_wire(), (group, 5353), interface=datagram.interface_index)


def test_mdns_browse_hears_both_families_on_all_interfaces(networks):
    pytest.importorskip("dns.message", reason="needs dnspython, which the test extra has")
    server, client = networks
    with client:
        nics = {nic.index: nic.name for nic in dualstack.interfaces()}
        sock = dualstack.open_datagram("::", 5353, share=True, multicast_ttl=255)
    # A thread is in the namespace of the thread that starts it.
    with sock, client:
        for group in ("224.0.0.251", "ff02::fb"):
            sock.join(group, "all")
        responder = Responder(sock, nics)
        responder.start()
        with running(server, str(ROOT / "examples/mdns_browse.py"), "_http._tcp.local", "--seconds", "20") as process:
            lines = [process.stdout.readline() for _ in range(4)]
    responder.join(10)
    assert sorted(responder.asked) == [
        (nic, group, "_http._tcp.local.") for nic in ("a1", "b1") for group in ("224.0.0.251", "ff02::fb")
    ]
    assert sorted(line.split()[:2] for line in lines) == [
        [nic, f"{family}-{nic[0]}1._http._tcp.local"] for nic in ("a0", "b0") for family in ("four", "six")
    ]
