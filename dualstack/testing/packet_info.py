"""Packet information of the fake world: what a datagram says of where it was sent to, and from where it is to be sent.

Numbers and layouts are those of the host's system (platforms/udp.py), so that a scripted Windows or OpenBSD writes its
own messages. A socket gets what it has asked for by its options, in the room it has left for it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from sys import byteorder

from ..core.ancillary import ControlMessage
from .hosts import Host
from .ports import OpenSocket, error

__all__ = ("chosen_source", "fitting", "told")

_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"


def told(host: Host, receiver: OpenSocket, destination: str) -> list[ControlMessage]:
    """The messages *receiver* gets with a datagram that was sent to *destination*."""
    rules = host.platform.udp
    constants = rules.constants
    six = ":" in destination
    packed = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, destination)
    index = next((nr for nr, held in enumerate(host.addresses.values(), 1) if destination in held), 1)
    number = index.to_bytes(4, byteorder)

    def asked(level: int, name: str) -> bool:
        return bool(receiver.options.get(f"{level}/{constants.get(name)}"))

    messages: list[ControlMessage] = []
    if receiver.family == socket.AF_INET6 and asked(41, rules.wanted6[0]):
        messages.append((41, constants["IPV6_PKTINFO"], (packed if six else _MAPPED + packed) + number))
    if not six and asked(0, rules.wanted4[0]):
        kind = rules.wanted4[0]
        if kind != "IP_PKTINFO":
            data = packed  # IP_RECVDSTADDR
        elif rules.layout.pktinfo.startswith("addr"):
            data = packed + number
        else:
            data = number + packed + packed
        messages.append((0, constants[kind], data))
    return messages


def fitting(host: Host, messages: list[ControlMessage], room: int) -> tuple[list[ControlMessage], int]:
    """What of *messages* fits *room* bytes, and MSG_CTRUNC when that is not all; without any room nothing is missed."""
    rules = host.platform.udp
    if not room:
        return [], 0
    sizes = [len(data) for _, _, data in messages]
    if rules.layout.space(*sizes) <= room:
        return messages, 0
    return [], rules.constants.get("MSG_CTRUNC", 0x8)


def chosen_source(host: Host, messages: Iterable[ControlMessage]) -> str | None:
    """The address that *messages* choose as the source, None when they leave it open; OSError when it is not there."""
    facts = host.platform.udp.layout.decode(messages)
    packed = next((one for one in (facts.source, facts.local) if one and any(one)), None)
    if packed is None or host.ignores_source:
        return None
    text = socket.inet_ntop(socket.AF_INET6 if len(packed) == 16 else socket.AF_INET, packed)
    if not host.has(text):
        if not host.platform.name.startswith("Linux"):
            raise error(errno.EADDRNOTAVAIL)
        raise error(errno.EINVAL if len(packed) == 16 else errno.ENETUNREACH)
    return text
