"""What a forwarder listens for and what it sends to: connections or datagrams, from the addresses as written.

``host:port`` and ``unix:/path`` do not say which; ``tcp://``, ``udp://``, ``unixgram:`` and inherited sockets do. An
address that does not say takes it from the other side, and where neither says, connections are meant. So
``:53 udp://:53 --to 192.0.2.53:53`` forwards both, each to its own kind. What cannot be forwarded is refused with the
reason: a stream does not say where a datagram ends, so there is no way from one to the other.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Plan", "kind_of", "plan")

STREAM, DATAGRAM = "connections", "datagrams"

_STREAMS = ("tcp://", "tcp4://", "tcp6://", "fd:", "systemd:", "launchd:")
_DATAGRAMS = ("udp://", "udp4://", "udp6://", "unixgram:")


class Plan:
    """The addresses for connections, those for datagrams, and the target as each kind spells it."""

    __slots__ = ("datagrams", "streams", "to")

    def __init__(self, streams: list[str], datagrams: list[str], to: str) -> None:
        self.streams: list[str] = streams
        self.datagrams: list[str] = datagrams
        self.to: str = to


def kind_of(address: str) -> str | None:
    """STREAM or DATAGRAM where the address says so, else None."""
    if address.startswith(_DATAGRAMS):
        return DATAGRAM
    if address.startswith(_STREAMS):
        return STREAM
    if address.startswith("unixpacket:"):
        raise ValueError(f"{address} keeps messages apart, which no other socket does; forward unix: or unixgram:")
    return None


def plan(listen: Sequence[str], to: str) -> Plan:
    """Sort the addresses; ValueError for what cannot be forwarded."""
    if not listen:
        raise ValueError("an empty list of addresses: nothing to forward")
    if to.startswith(("fd:", "systemd:", "launchd:")):
        raise ValueError(f"{to} is a listening socket, and none to connect to")
    wanted = kind_of(to)
    sorted_: dict[str, list[str]] = {STREAM: [], DATAGRAM: []}
    for address in listen:
        kind = kind_of(address) or wanted or STREAM
        if wanted is not None and kind != wanted:
            raise ValueError(
                f"{address} has {kind} and {to} takes {wanted}: a stream does not say where a datagram ends, so one "
                "cannot be forwarded to the other"
            )
        sorted_[kind].append(_plain(address))
    return Plan(sorted_[STREAM], sorted_[DATAGRAM], _plain(to))


def _plain(address: str) -> str:
    """The address without the scheme that only this module knows."""
    return "unix:" + address[9:] if address.startswith("unixgram:") else address
