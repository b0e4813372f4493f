"""What the netifaces extension tells, as our values: ``{family: [{"addr": ..., "netmask": ...}]}`` for each name.

netifaces has texts only, and some of them do not mean what their key says (docs/netifaces.md lists the oddities). The
rule here: nothing is guessed that cannot be told from the texts, and an oddity that can be recognised is undone. What
it does not know keeps the value that claims least: no MTU, state "unknown", no lifetimes, no address flags. The one
exception is that every interface counts as up, because otherwise ``addresses()`` would find nothing at all.

Pure: the texts come in, ``net/interfaces.py`` asks netifaces for them.
"""

from __future__ import annotations

from .interface import BROADCAST, LOOPBACK, POINT_TO_POINT, UP, Interface
from .interface_address import PERMANENT, InterfaceAddress
from .interfaces import Interfaces
from .text import ipv4_packed, ipv6_packed, ipv6_text, needs_zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Entries = Mapping[int, Sequence[Mapping[str, str]]]

__all__ = ("read_tables",)


def read_tables(
    tables: Iterable[tuple[str, Entries]], *, inet: int, inet6: int, link: int, index_of: Callable[[str], int]
) -> Interfaces:
    """Make a snapshot of ``(name, what ifaddresses(name) gave)`` in netifaces' order.

    *inet*, *inet6* and *link* are the numbers of the families there; *index_of* gives an interface's index, 0 for
    unknown.
    """
    found: dict[str, tuple[Entries, list[tuple[str | None, Entries]]]] = {}
    for name, entries in tables:
        real, colon, _ = name.partition(":")
        if colon and real in found:  # Linux: a label of an IPv4 address, which netifaces shows as an interface
            found[real][1].append((name, entries))
        else:
            found[name] = (entries, [(None, entries)])
    return Interfaces(
        _interface(name, entries, parts, inet, inet6, link, index_of) for name, (entries, parts) in found.items()
    )


def _interface(
    name: str,
    entries: Entries,
    parts: Sequence[tuple[str | None, Entries]],
    inet: int,
    inet6: int,
    link: int,
    index_of: Callable[[str], int],
) -> Interface:
    index = index_of(name) or _index_in_zones(entries.get(inet6, ()))
    addresses = []
    for label, part in parts:
        addresses += [_ipv4(one, inet, name, index, label) for one in part.get(inet, ())]
        addresses += [_ipv6(one, inet6, name, index) for one in part.get(inet6, ())]
    kept = tuple(address for address in addresses if address is not None)
    (own,) = list(entries.get(link, ()))[:1] or [{}]
    return Interface(
        name,
        index,
        _flags(own, entries.get(inet, ()), kept),
        None,
        _link_bytes(own.get("addr", "")),
        _link_bytes(own.get("broadcast") or own.get("peer") or ""),
        addresses=kept,
    )


def _flags(own: Mapping[str, str], entries: Sequence[Mapping[str, str]], kept: Sequence[InterfaceAddress]) -> int:
    """The kind of link, which decides whether netifaces calls the third value "peer" or "broadcast"."""
    if any(address.is_loopback for address in kept):
        return UP | LOOPBACK
    texts = [own, *entries]
    if any("peer" in one for one in texts):
        return UP | POINT_TO_POINT
    return UP | (BROADCAST if any("broadcast" in one for one in texts) else 0)


def _ipv4(one: Mapping[str, str], family: int, name: str, index: int, label: str | None) -> InterfaceAddress | None:
    host = one.get("addr", "")
    packed = ipv4_packed(host)
    if packed is None:
        return None
    mask = ipv4_packed(one.get("netmask", ""))
    length = 32 if mask is None else int.from_bytes(mask, "big").bit_count()
    # The own address stands where the system has none; on a /31 or /32 there is none, so another one is a peer.
    broadcast, peer = (None if text == host else text for text in (one.get("broadcast"), one.get("peer")))
    if broadcast is not None and length >= 31:
        broadcast, peer = None, broadcast
    return InterfaceAddress(family, packed, host, length, name, index, 0, PERMANENT, broadcast, peer, label)


def _ipv6(one: Mapping[str, str], family: int, name: str, index: int) -> InterfaceAddress | None:
    text = one.get("addr", "").partition("%")[0]
    packed = ipv6_packed(text)
    if packed is None:
        return None
    scope_id = index if needs_zone(packed) else 0
    host = ipv6_text(packed) + (f"%{name}" if needs_zone(packed) else "")
    mask, _, digits = one.get("netmask", "").partition("/")
    length = int(digits) if digits.isdecimal() else _ones(ipv6_packed(mask))
    # IPv6 has no broadcast: what is called so is a peer on Ethernet, or Windows' last address of the network.
    peer = (one.get("peer") or one.get("broadcast") or "").partition("%")[0]
    far = ipv6_packed(peer)
    if far is None or far == packed or far == _last_of_network(packed, length):
        return InterfaceAddress(family, packed, host, length, name, index, scope_id)
    return InterfaceAddress(family, packed, host, length, name, index, scope_id, PERMANENT, None, peer)


def _last_of_network(packed: bytes, length: int) -> bytes:
    return (int.from_bytes(packed, "big") | (1 << 128 - length) - 1).to_bytes(16, "big")


def _ones(mask: bytes | None) -> int:
    return 128 if mask is None else int.from_bytes(mask, "big").bit_count()


def _index_in_zones(entries: Sequence[Mapping[str, str]]) -> int:
    """The index where the zone of a link-local address is a number (Windows); 0 where it is not."""
    zones = [one.get("addr", "").partition("%")[2] for one in entries]
    return next((int(zone) for zone in zones if zone.isdecimal()), 0)


def _link_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace(":", ""))
    except ValueError:  # another form of link address
        return b""
