"""SIO_ADDRESS_LIST_SORT: the layout, with a scripted WSAIoctl, and what resolve makes of the answer."""

from __future__ import annotations

import ctypes
import socket
import struct

import pytest

from dualstack import resolve
from dualstack.platforms.addresssort import sort_addresses
from dualstack.platforms.linux import Linux
from dualstack.testing import Host, World, linux

P = ctypes.sizeof(ctypes.c_void_p)


def packed(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, text)


def scripted(choose):
    """A WSAIoctl that reads the list as Winsock would, orders it with *choose*, and writes its answer likewise."""
    seen = []

    def call(fileno, given, answer) -> int:
        start, given, answer = ctypes.addressof(answer), memoryview(given), memoryview(answer).cast("B")
        count = struct.unpack_from("<i", given)[0]
        rows = []
        for index in range(count):
            pointer, length = struct.unpack_from("Pi", given, P + index * 2 * P)
            rows.append(ctypes.string_at(pointer, length))
        seen.extend(rows)
        chosen = [rows[index] for index in choose(rows)]
        struct.pack_into("<i", answer, 0, len(chosen))
        at = P + len(chosen) * 2 * P
        for index, row in enumerate(chosen):
            answer[at : at + len(row)] = row
            struct.pack_into("Pi", answer, P + index * 2 * P, start + at, len(row))
            at += len(row)
        return 0

    call.seen = seen
    return call


def test_layout():
    call = scripted(lambda rows: [1, 0])
    assert sort_addresses(3, [(packed("fe80::1"), 7), (packed("::ffff:192.0.2.1"), 0)], call) == [1, 0]
    family, port, flow, address, scope = struct.unpack("<HHI16sI", call.seen[0])
    assert (family, port, flow, address, scope) == (23, 0, 0, packed("fe80::1"), 7)
    assert all(len(row) == 28 for row in call.seen)


@pytest.mark.parametrize(
    ("choose", "order"),
    [(lambda rows: [2, 1, 0], [2, 1, 0]), (lambda rows: [1], [1]), (lambda rows: [], [])],
    ids=["all", "some", "none"],
)
def test_order(choose, order):
    addresses = [(packed("2001:db8::1"), 0), (packed("::ffff:192.0.2.1"), 0), (packed("2001:db8::1"), 0)]
    found = sort_addresses(3, addresses, scripted(choose))
    assert sorted(found) == sorted(order) or found == order == [1]


def test_failure_and_nonsense():
    addresses = [(packed("2001:db8::1"), 0)]
    assert sort_addresses(3, addresses, lambda fileno, given, answer: -1) == []

    def strange(fileno, given, answer) -> int:
        struct.pack_into("<i", memoryview(answer), 0, 1)  # a null pointer behind it
        return 0

    assert sort_addresses(3, addresses, strange) == []

    def foreign(fileno, given, answer) -> int:
        scripted(lambda rows: [0])(fileno, given, answer)
        memoryview(answer).cast("B")[P + 2 * P + 8] = 0xFF  # an address nobody asked about
        return 0

    assert sort_addresses(3, addresses, foreign) == []


class Sorting(Linux):
    """A system that sorts by itself, by a rule no RFC has."""

    sorts_destinations = True
    answer: tuple[int, ...] = ()

    def sort_destinations(self, sock, addresses):
        assert sock.family == socket.AF_INET6
        return list(self.answer)


@pytest.mark.parametrize(
    ("answer", "hosts"),
    [
        pytest.param((2, 0, 1), ["192.0.2.1", "2001:db8::1", "2001:db8::2"], id="all"),
        pytest.param((2,), ["192.0.2.1", "2001:db8::1", "2001:db8::2"], id="what-is-left-out-goes-last"),
        pytest.param((), ["2001:db8::1", "2001:db8::2", "192.0.2.1"], id="not-told"),
    ],
)
def test_resolve_goes_by_the_system(answer, hosts):
    platform = Sorting()
    platform.answer = answer
    host: Host = linux()
    host.platform = platform
    with World(host) as world:
        world.answer("name.example", ["2001:db8::1", "2001:db8::2", "192.0.2.1"])
        assert [endpoint.host for endpoint in resolve("name.example", 80)] == hosts
