"""Which addresses are for connections and which for datagrams, and what cannot be forwarded."""

from __future__ import annotations

import pytest

from dualstack.core.forward_plan import plan

STREAM = [
    "[::]:80",
    ":80",
    "localhost:80",
    "unix:/run/x",
    "tcp://:80",
    "tcp6://[::]:80",
    "fd://3",
    "systemd:",
    "launchd:x",
]
DATAGRAM = ["udp://:53", "udp4://:53", "udp6://[::1]:53", "unixgram:/run/x"]


@pytest.mark.parametrize("address", STREAM)
def test_connections(address: str) -> None:
    found = plan([address], "192.0.2.1:80")
    assert (found.streams, found.datagrams, found.to) == ([address], [], "192.0.2.1:80")


@pytest.mark.parametrize("address", DATAGRAM)
def test_datagrams(address: str) -> None:
    found = plan([address], "192.0.2.1:53")
    assert (found.streams, found.datagrams) == ([], [address.replace("unixgram:", "unix:")])


@pytest.mark.parametrize(
    ("listen", "to", "streams", "datagrams", "target"),
    [
        pytest.param([":53", "udp://:53"], "h:53", [":53"], ["udp://:53"], "h:53", id="each-to-its-own-kind"),
        pytest.param([":53"], "udp://h:53", [], [":53"], "udp://h:53", id="told-by-the-target"),
        pytest.param(["unix:/a"], "unixgram:/b", [], ["unix:/a"], "unix:/b", id="unix-datagrams"),
        pytest.param(["udp://:53"], "unix:/b", [], ["udp://:53"], "unix:/b", id="told-by-the-listener"),
        pytest.param([":1", "unix:/a"], "tcp://h:1", [":1", "unix:/a"], [], "tcp://h:1", id="several"),
    ],
)
def test_the_other_side_tells(listen, to, streams, datagrams, target) -> None:
    found = plan(listen, to)
    assert (found.streams, found.datagrams, found.to) == (streams, datagrams, target)


@pytest.mark.parametrize(
    ("listen", "to", "says"),
    [
        pytest.param(
            ["udp://:53"], "tcp://h:53", "udp://:53 has datagrams and tcp://h:53 takes connections", id="udp-tcp"
        ),
        pytest.param(
            ["tcp://:53"], "udp://h:53", "tcp://:53 has connections and udp://h:53 takes datagrams", id="tcp-udp"
        ),
        pytest.param(["fd://3"], "unixgram:/x", "fd://3 has connections", id="inherited"),
        pytest.param(["unixpacket:/a"], "unix:/b", "keeps messages apart", id="unixpacket"),
        pytest.param([":1"], "unixpacket:/b", "keeps messages apart", id="to-unixpacket"),
        pytest.param([":1"], "fd://3", "none to connect to", id="to-fd"),
        pytest.param([], "h:1", "nothing to forward", id="nothing"),
    ],
)
def test_refused(listen, to, says) -> None:
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        plan(listen, to)
