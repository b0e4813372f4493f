"""Error numbers in words and in one numbering, on every system."""

from __future__ import annotations

import errno

import pytest

from dualstack.platforms import words
from dualstack.platforms.words import os_error, socket_error


def test_known_to_the_system() -> None:
    error = os_error(errno.EINVAL)
    assert (error.errno, error.strerror) == (errno.EINVAL, "Invalid argument")


@pytest.mark.parametrize(
    ("name", "text"),
    [("WSAECONNREFUSED", "Connection refused"), ("ETIMEDOUT", "Connection timed out"), ("WSAEDISCON", "EDISCON")],
)
def test_unknown_to_the_system(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setattr(words, "strerror", lambda code: "Unknown error")
    monkeypatch.setattr(words, "errorcode", {10061: name})
    assert os_error(10061).strerror == text


def test_no_name_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "strerror", lambda code: f"Unknown error {code}")
    assert os_error(99999).strerror == "Unknown error 99999"


class Overlapped(OSError):
    winerror = 1225


def test_the_end_of_an_overlapped_operation_has_the_number_of_a_socket_call() -> None:
    assert socket_error(Overlapped(22, "refused")).errno == 10061
    plain = OSError(errno.EHOSTUNREACH, "No route to host")
    assert socket_error(plain) is plain
