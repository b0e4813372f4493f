"""Forwarding in the fake world: exact times, names that change, black holes, and no descriptors."""

from __future__ import annotations

import errno

import pytest

from dualstack import testing
from dualstack.core.proxy_protocol import encode_v1
from dualstack.core.relay import BROKEN, ENDED
from dualstack.net.forward import open_forwarder
from dualstack.platforms.words import os_error

TO = "192.0.2.9"


class Story:
    """One forwarder on port 80 of a fake host, and clients that come and speak at given times."""

    def __init__(self, world, **options) -> None:
        self.world = world
        self.options = options
        self.ends: dict[str, object] = {}
        self.looks: list[tuple[float, object]] = []
        self.seen: list[object] = []

    def look(self, when: float, at) -> None:
        """Look at the streams at a time."""
        self.looks.append((when, at))

    def client(self, when: float, name: str, *says: tuple[float, bytes]) -> None:
        """A client that connects at *when*, says things later, and notes when it saw the end."""

        def come() -> None:
            client = self.world.client("127.0.0.1", 80, source="198.51.100.7", source_port=40000 + len(self.ends))
            client.settimeout(0)
            self.ends[name] = client
            for later, data in says:
                self.world.at(later, lambda data=data: client.send(data))

        self.world.at(when, come)

    def run(self, until: float, to: str = f"{TO}:81") -> dict[str, bool]:
        """Forward until then; says of each client whether its connection had ended by itself."""
        with open_forwarder("127.0.0.1:80", to, **self.options) as forwarder:
            ended = {}

            def stop() -> None:
                for name, client in self.ends.items():
                    try:
                        ended[name] = client.recv(10) == b""
                    except BlockingIOError:
                        ended[name] = False
                forwarder.close()

            for when, at in self.looks:
                self.world.at(when, lambda at=at: self.seen.append(at(forwarder._streams[0])))
            self.world.at(until, stop)
            forwarder.run()
        for client in self.ends.values():
            client.close()
        return ended


@pytest.fixture
def told(caplog):
    """The lines of the log so far."""
    return lambda: [record.getMessage() for record in caplog.records if record.name == "dualstack"]


# ---------------------------------------------------------------------- idle


@pytest.mark.parametrize(("until", "ended"), [(9.9, False), (10.1, True)])
def test_an_idle_connection_is_closed_on_time(world, until, ended) -> None:
    world.destination(TO, 81, testing.connects())
    story = Story(world, idle=10.0)
    story.client(0.0, "quiet")
    assert story.run(until) == {"quiet": ended}


def test_each_byte_gives_it_more_time(world) -> None:
    world.destination(TO, 81, testing.connects())
    story = Story(world, idle=10.0)
    story.client(0.0, "quiet")
    story.client(0.0, "speaks", (9.0, b"a"), (18.0, b"b"))
    story.client(0.0, "late", (9.0, b"a"))
    assert story.run(27.9) == {"quiet": True, "speaks": False, "late": True}


def test_without_idle_it_stays_for_ever(world) -> None:
    world.destination(TO, 81, testing.connects())
    story = Story(world)
    story.client(0.0, "quiet")
    assert story.run(1e6) == {"quiet": False}


# ---------------------------------------------------------------------- the target


@pytest.mark.parametrize(("until", "ended"), [(4.9, False), (5.1, True)])
def test_a_silent_target_costs_the_connect_timeout(world, told, until, ended) -> None:
    world.destination(TO, 81, testing.blackholes())
    story = Story(world, connect_timeout=5.0)
    story.client(0.0, "waits")
    assert story.run(until) == {"waits": ended}
    assert (told() != []) == ended
    if ended:
        assert f"cannot connect to {TO}:81 within 5 s" in told()[0]


def test_a_silent_target_holds_up_nobody_else(world) -> None:
    """Names race: IPv6 is a black hole, and the client of another moment is served meanwhile."""
    world.answer("app.example", ["2001:db8::9", TO], after=1.0)
    world.destination("2001:db8::9", 81, testing.blackholes())
    world.destination(TO, 81, testing.connects(after=0.125))
    story = Story(world)
    for number in range(5):
        story.client(number / 8, f"client {number}")
    # The answer is there after a second, IPv6 has its head start of 0.25 s, IPv4 takes 0.125 s.
    story.look(1.374, lambda streams: sum(len(one._socks) == 2 for one in streams.connections))
    story.look(1.376, lambda streams: sum(len(one._socks) == 2 for one in streams.connections))
    story.run(2.0, "app.example:81")
    assert story.seen == [0, 5]
    assert world.calls.count("getaddrinfo") == 2  # five clients within a second asked one question for each family


def test_a_name_is_resolved_again_for_each_client(world, told) -> None:
    world.answer("app.example", [TO])
    world.destination(TO, 81, testing.refuses())
    world.destination("192.0.2.10", 81, testing.connects())
    story = Story(world)
    story.client(0.0, "before")
    world.at(1.0, lambda: world.answer("app.example", ["192.0.2.10"]))
    story.client(2.0, "after")
    assert story.run(3.0, "app.example:81") == {"before": True, "after": False}
    assert len(told()) == 1 and "app.example port 81" in told()[0]


def test_a_name_that_does_not_exist(world, told) -> None:
    world.answer("app.example", [])
    story = Story(world)
    story.client(0.0, "before")
    assert story.run(1.0, "app.example:81") == {"before": True}
    assert "'app.example' does not resolve" in told()[0]


@pytest.mark.parametrize(("times", "ended"), [(2, False), (3, True)])
def test_a_target_that_is_ourselves(world, told, times, ended) -> None:
    """The kernel may give a connection to a free local port that very port: that is no server."""
    world.destination(TO, 81, [*[testing.self_connects(after=0.1)] * times, testing.connects()])
    story = Story(world)
    story.client(0.0, "waits")
    assert story.run(3.0) == {"waits": ended}
    assert ("connected to itself" in "".join(told())) == ended


def test_closing_while_the_resolver_is_silent(world) -> None:
    world.answer("app.example", [TO], after=float("inf"))
    story = Story(world)
    story.client(0.0, "waits")
    story.run(1.0, "app.example:81")


def test_closing_while_it_connects(world) -> None:
    world.answer("app.example", [TO, "2001:db8::9"])
    for host in (TO, "2001:db8::9"):
        world.destination(host, 81, testing.blackholes())
    story = Story(world)
    story.client(0.0, "waits")
    story.run(1.0, "app.example:81")


@pytest.mark.parametrize(("until", "open_still"), [(13.9, 1), (14.1, 0)])
def test_what_is_sent_to_a_target_that_has_answered_and_gone_is_thrown_away(world, until, open_still) -> None:
    """The answer is given two seconds to arrive before the client's connection is closed with unread bytes."""
    server = world.occupy("127.0.0.1", 81)
    accepted = []

    def answer() -> None:
        accepted.append(server.accept()[0])
        accepted[0].send(b"too large")
        accepted[0].close()

    world.at(10.0, answer)
    story = Story(world)
    story.client(1.0, "busy", *((when, b"more") for when in (12.0, 12.5, 13.5)))
    story.look(10.5, lambda streams: len(streams.connections))
    story.look(13.0, lambda streams: next(iter(streams.connections))._relay.flows)
    story.look(until, lambda streams: len(streams.connections))
    story.run(15.0, "127.0.0.1:81")
    server.close()
    assert story.seen == [1, [BROKEN, ENDED], open_still]


# ---------------------------------------------------------------------- a header that does not come


@pytest.mark.parametrize(("until", "ended"), [(4.9, False), (5.1, True)])
def test_a_header_that_does_not_come(world, told, until, ended) -> None:
    world.destination(TO, 81, testing.connects())
    story = Story(world, proxy_in=["198.51.100.0/24"], connect_timeout=5.0)
    story.client(0.0, "silent")
    story.client(0.0, "slow", (3.0, b"PROXY UNK"))
    story.client(0.0, "good", (4.0, encode_v1()))
    assert story.run(until) == {"silent": ended, "slow": ended, "good": False}
    if ended:
        assert "sent no PROXY header within 5 s" in told()[0]


# ---------------------------------------------------------------------- no descriptors


def test_accept_without_descriptors_waits_and_goes_on(world, told) -> None:
    world.destination(TO, 81, testing.connects())
    for nth in (1, 2, 3):
        world.fail("accept", errno.EMFILE, nth=nth)
    story = Story(world)
    story.client(1.0, "patient")
    assert story.run(3.0) == {"patient": False}
    assert len(told()) == 1 and "waiting for it to pass" in told()[0]
    assert world.calls.count("accept") == 5  # three failures, one success, and nobody else there


def test_a_target_without_descriptors_is_a_refusal(world, told) -> None:
    world.destination(TO, 81, testing.connects())
    story = Story(world)
    story.client(1.0, "unlucky")
    world.at(0.5, lambda: world.fail("socket", errno.EMFILE))
    story.client(2.0, "lucky")
    assert story.run(3.0) == {"unlucky": True, "lucky": False}
    assert len(told()) == 1 and "Too many open files" in told()[0]


def test_windows_watches_512_sockets(make_world) -> None:
    world = make_world(testing.windows())
    with open_forwarder(["127.0.0.1:80"], f"{TO}:81") as forwarder:
        assert forwarder._streams[0]._most == 254
        forwarder._loop.room = forwarder._loop._watched + 2  # the listening socket, and one side of one connection
        world.destination(TO, 81, testing.connects())
        came = [world.client("127.0.0.1", 80, source="198.51.100.7", source_port=port) for port in (1, 2)]
        world.at(1.0, forwarder.close)
        forwarder.run()
    for client in came:
        client.settimeout(0)
        assert client.recv(1) == b""
        client.close()


def test_a_listening_socket_that_breaks_ends_it_with_its_error(world) -> None:
    world.fail("accept", errno.EINVAL)
    story = Story(world)
    story.client(1.0, "last")
    with pytest.raises(OSError) as caught:
        story.run(3.0)
    assert caught.value.errno == errno.EINVAL
    for client in story.ends.values():
        client.close()


def test_whatever_fails_while_it_opens_leaves_nothing_open(make_world) -> None:
    def open_and_close(world) -> None:
        open_forwarder(["127.0.0.1:80", "udp://127.0.0.1:53"], "192.0.2.9:81").close()

    assert testing.sweep(lambda: testing.World(testing.linux()), open_and_close) > 100


# ---------------------------------------------------------------------- datagrams


def test_a_session_ends_when_it_was_quiet(world) -> None:
    forwarder = open_forwarder("udp://127.0.0.1:53", f"{TO}:53", idle=5.0)
    client = world.socket(2, 2)
    client.bind(("127.0.0.1", 4000))
    seen = {}
    for when in (0.0, 4.0, 8.0):
        world.at(when, lambda: client.sendto(b"question", ("127.0.0.1", 53)))
    for when in (12.9, 13.1):
        world.at(when, lambda when=when: seen.update({when: forwarder.connections}))
    world.at(20.0, forwarder.close)
    forwarder.run()
    client.close()
    assert seen == {12.9: 1, 13.1: 0}


@pytest.mark.parametrize("fault", [OSError(errno.ENOMEM, "no memory"), MemoryError()], ids=["error", "fault"])
def test_receiving_that_fails_is_tried_again_after_a_pause(world, fault) -> None:
    forwarder = open_forwarder("udp://127.0.0.1:53", f"{TO}:53")
    client = world.socket(2, 2)
    client.bind(("127.0.0.1", 4000))
    world.at(1.0, lambda: world.fail("recv", fault))
    world.at(1.0, lambda: client.sendto(b"question", ("127.0.0.1", 53)))
    seen = {}
    for when in (1.4, 1.6):
        world.at(when, lambda when=when: seen.update({when: forwarder.connections}))
    world.at(3.0, forwarder.close)
    forwarder.run()
    client.close()
    assert seen == {1.4: 0, 1.6: 1}


def test_datagrams_wait_for_a_name(world) -> None:
    world.answer("dns.example", [TO], after=1.0)
    forwarder = open_forwarder("udp://127.0.0.1:53", "dns.example:53")
    client = world.socket(2, 2)
    client.bind(("127.0.0.1", 4000))
    for number in range(30):
        world.at(0.0, lambda number=number: client.sendto(b"%d" % number, ("127.0.0.1", 53)))
    sent = []
    real = world.kernel.send_datagram
    world.kernel.send_datagram = lambda opened, data, *to: (sent.append((world.now, data)), real(opened, data, *to))
    world.at(5.0, forwarder.close)
    forwarder.run()
    client.close()
    assert [data for when, data in sent if when == 1.0] == [b"%d" % number for number in range(16)]


def test_whatever_fails_while_it_runs_leaves_nothing_open() -> None:
    """Each call into the world fails once with each error, a few connections under way; the ledger is empty after."""
    outcomes = set()

    def scenario(world) -> None:
        world.answer("app.example", ["2001:db8::9", TO], after=0.5)
        world.destination("2001:db8::9", 81, testing.blackholes())
        world.destination(TO, 81, testing.connects(after=0.125))
        came = []

        def come(number: int) -> None:
            client = world.client("127.0.0.1", 80, source="198.51.100.7", source_port=40000 + number)
            came.append(client)
            client.send(encode_v1() + b"hello")

        for number in range(2):
            world.at(float(number), lambda number=number: come(number))
        world.at(3.0, lambda: came and came[0].close())
        try:
            with open_forwarder("127.0.0.1:80", "app.example:81", proxy_in=["::/0", "0.0.0.0/0"], idle=9) as forwarder:
                for when in (4.0, 5.0, 6.0):  # whoever loses one wake-up gets the next
                    world.at(when, forwarder.close)
                forwarder.run()
        finally:
            for client in came:
                client.close()

    def check(world, outcome) -> None:
        outcomes.add(type(outcome))

    faults = [*map(os_error, (errno.EMFILE, errno.ENOBUFS, errno.EINVAL)), KeyboardInterrupt(), MemoryError()]
    hit = testing.sweep(lambda: testing.World(testing.linux()), scenario, faults=faults, check=check)
    assert hit > 200
    assert type(None) in outcomes and KeyboardInterrupt in outcomes
