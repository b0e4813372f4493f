"""Unix sockets through Winsock: on Windows 10 1803 and later they work, under Wine they are an UnsupportedError."""

from __future__ import annotations

import os
import tempfile

import pytest

import dualstack


@pytest.fixture
def path():
    folder = tempfile.mkdtemp(prefix="ds")
    yield os.path.join(folder, "s")
    assert os.listdir(folder) == []
    os.rmdir(folder)


@pytest.mark.wine_skip("af-unix")
def test_round_trip(path):
    with (
        dualstack.open_listener(f"unix:{path}") as listener,
        dualstack.connect(f"unix:{path}", timeout=5) as client,
    ):
        connection, _ = listener.accept(5)
        with connection:
            client.sendall(b"ping")
            assert connection.recv(10) == b"ping"


def test_there_or_an_error_that_says_what_is_missing(path):
    if dualstack.capabilities().unix_stream:
        dualstack.open_listener(f"unix:{path}").close()
    else:
        with pytest.raises((dualstack.UnsupportedError, dualstack.ListenError)) as caught:
            dualstack.open_listener(f"unix:{path}")
        assert "Unix socket" in str(caught.value)


@pytest.mark.parametrize("verb", [dualstack.open_datagram, dualstack.open_listener])
def test_abstract_names_are_for_linux(verb):
    with pytest.raises(OSError):
        verb("unix:@name")
