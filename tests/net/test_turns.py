"""Addresses tried in turn are the race: the cheap way and the machine agree, in every scripted network."""

from __future__ import annotations

import errno
import itertools
import socket

import pytest

import dualstack
from dualstack import ConnectError, History, connect
from dualstack.net import turns
from dualstack.testing import World, blackholes, connects, fails, linux, refuses, self_connects

SIX, FOUR, SIX2 = "2001:db8::1", "192.0.2.1", "2001:db8::2"
HOSTS = "\n".join(f"{address} name.example" for address in (SIX, FOUR, SIX2))
DELAY = 0.25

OUTCOMES = {
    "connects": lambda: connects(0.0625),
    "connects as the delay ends": lambda: connects(DELAY),
    "connects after the delay": lambda: connects(0.375),
    "is refused": lambda: refuses(0.0625),
    "is refused after the delay": lambda: refuses(0.375),
    "has no route": lambda: fails(errno.ENETUNREACH),
    "times out": lambda: fails(errno.ETIMEDOUT, 0.125),
    "is silent": blackholes,
}
SETTINGS = [
    {"timeout": 8.0},
    {"timeout": 0.3125},
    {"timeout": 0.25},
    {"timeout": 0.125},
    {"timeout": 0},
    {"timeout": 8.0, "attempt_delay": None},
    {"timeout": 8.0, "allow": ["192.0.2.0/24", "2001:db8::2/128"]},
    {"timeout": 8.0, "local": "192.0.2.100"},
]


def told(outcomes, keywords, *, machine: bool):
    """Everything a caller can see of one connect: its end, the time, the attempts, what was remembered."""
    history = History()
    with World(linux()) as world:
        world.texts["/etc/hosts"] = HOSTS
        for address, outcome in zip((SIX, FOUR, SIX2), outcomes, strict=True):
            world.destination(address, 443, OUTCOMES[outcome]())
        if machine:
            keywords = {**keywords, "trace": lambda event: None}
        end = attempts = None
        try:
            with connect("name.example", 443, history=history, **keywords) as sock:
                end = sock.getpeername()[0], sock.gettimeout()
        except ConnectError as error:
            end = type(error), str(error), error.errno, str(error.__cause__)
            attempts = [(a.endpoint, a.started, a.ended, repr(a.error)) for a in error.attempts]
        return end, world.now, attempts, history._known


@pytest.mark.parametrize("keywords", SETTINGS, ids=str)
def test_the_cheap_way_is_the_race(keywords):
    for outcomes in itertools.product(OUTCOMES, repeat=3):
        in_turn = told(outcomes, keywords, machine=False)
        assert in_turn == told(outcomes, keywords, machine=True), outcomes


def test_the_machine_is_left_alone_when_it_is_not_needed(monkeypatch):
    monkeypatch.setattr(turns, "_race", None)
    with World(linux()) as world:
        world.texts["/etc/hosts"] = HOSTS
        for address, outcome in ((SIX, refuses()), (FOUR, connects(DELAY))):
            world.destination(address, 443, outcome)
        with connect("name.example", 443) as sock:
            assert sock.getpeername()[0] == FOUR
        assert not {"poller", "selector", "event", "start_daemon"} & set(world.calls)


def test_a_history_the_machine_would_not_make_is_refused():
    from dualstack.errors import Attempt
    from dualstack.net.attempt import Ways
    from dualstack.net.conductor import Settings
    from dualstack.net.names import Question
    from dualstack.net.selecting import Selecting

    endpoints = [dualstack.IPv6Endpoint(SIX, 443), dualstack.IPv4Endpoint(FOUR, 443)]
    with World(linux()) as world:
        settings = Settings("here", 0.0)
        driver = Selecting(Ways(world), Question("here", 443, endpoints), settings)
        under_way = world.socket(socket.AF_INET, socket.SOCK_STREAM)
        with under_way, pytest.raises(RuntimeError, match="the race wanted"):
            driver.run([Attempt(endpoints[1], 0.0, None, None)], under_way)


def test_a_silent_family_that_is_known_goes_to_the_machine():
    history = History()
    with World(linux()) as world:
        world.texts["/etc/hosts"] = HOSTS
        for address, outcome in ((SIX, blackholes()), (SIX2, blackholes()), (FOUR, connects(0.0625))):
            world.destination(address, 443, outcome)
        connect("name.example", 443, history=history).close()
        assert world.now == DELAY + 0.0625
        connect("name.example", 443, history=history).close()
        assert world.now == DELAY + 2 * 0.0625  # IPv4 first, this time


def test_an_address_that_is_ourselves_is_tried_again():
    with World(linux()) as world:
        world.texts["/etc/hosts"] = HOSTS
        world.destination(SIX, 443, [self_connects(), self_connects(), connects(0.0625)])
        with connect("name.example", 443) as sock:
            assert sock.getpeername()[0] == SIX
        world.destination(SIX, 443, self_connects())
        world.destination(FOUR, 443, refuses())
        world.destination(SIX2, 443, refuses())
        with pytest.raises(ConnectionRefusedError, match="connected to itself"):
            connect("name.example", 443)


def test_the_default_timeout_of_the_socket_module_is_not_ours():
    socket.setdefaulttimeout(5)
    try:
        server = socket.create_server(("127.0.0.1", 0))
        with server, connect("localhost", server.getsockname()[1]) as sock:
            assert sock.gettimeout() is None
    finally:
        socket.setdefaulttimeout(None)
