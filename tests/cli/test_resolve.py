"""dualstack resolve: the order and its reasons, in a world whose resolver is scripted."""

from __future__ import annotations

import json

import pytest

from dualstack import testing
from dualstack.cli.__main__ import main


def resolve(*words: str) -> int:
    return main(["resolve", *words])


def test_the_order_has_its_reasons(capsys) -> None:
    with testing.World(testing.linux()) as world:
        world.answer("example.com", ["203.0.113.1", "2001:db8:1::1"])
        assert resolve("example.com:443", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["endpoint"] for row in rows] == ["[2001:db8:1::1]:443", "203.0.113.1:443"]
    assert [row["source"] for row in rows] == ["2001:db8::100", "192.0.2.100"]
    assert [row["reason"].partition(",")[0] for row in rows] == ["precedence 40", "precedence 35"]


def test_what_has_no_source_goes_last_and_says_so(capsys) -> None:
    with testing.World(testing.linux(disable_ipv6=True)) as world:
        world.answer("example.com", ["2001:db8:1::1", "203.0.113.1"])
        assert resolve("example.com") == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.split()[:3] == ["203.0.113.1", "from", "192.0.2.100"]
    assert last.startswith("2001:db8:1::1") and "no route" in last


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["192.0.2.100"], ["192.0.2.100"], id="literal"),
        pytest.param(["localhost:80", "-4"], ["127.0.0.1:80"], id="family"),
        pytest.param(["*:80", "--passive"], ["[::]:80", "0.0.0.0:80"], id="passive"),
        pytest.param(["unix:/run/x"], ["unix:/run/x"], id="unix"),
    ],
)
def test_without_a_resolver(capsys, words: list[str], expected: list[str]) -> None:
    with testing.World(testing.linux()):
        assert resolve(*words) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == expected


@pytest.mark.parametrize(
    ("word", "status"),
    [pytest.param("nowhere.example", 1, id="unknown"), pytest.param("127.1", 2, id="ambiguous")],
)
def test_errors(capsys, word: str, status: int) -> None:
    with testing.World(testing.linux()):
        assert resolve(word) == status
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("dualstack resolve: ")
