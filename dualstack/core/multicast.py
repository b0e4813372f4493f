"""Multicast requests as bytes: what to pass to ``setsockopt`` to join, leave and choose the interface.

Problem: IPv4 names the interface by one of its addresses (``ip_mreq``), which fails for interfaces without an address
and picks an arbitrary one where two share it; IPv6 by its index. Source-specific joins have another structure again,
padded otherwise on macOS. Rule: interfaces are indices in both families, everywhere.

* IPv4: ``ip_mreqn`` {group, address, index} on Linux, macOS, FreeBSD and OpenBSD; on Windows and NetBSD ``ip_mreq``
  with the index written as the address 0.0.0.n (RFC 1724 section 3.3; Microsoft's IP_ADD_MEMBERSHIP page).
* IPv6: ``ipv6_mreq`` {group, index} (RFC 3493 section 5.2).
* Source-specific, both families: ``group_source_req`` {index, group, source} (RFC 3678 section 5.1).

Pure: numbers come from platforms/constants.py.
"""

from __future__ import annotations

from struct import Struct
from sys import byteorder

from ..errors import AddressError
from .ancillary import is_multicast
from .endpoint import Endpoint, IPEndpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Request", "hops", "link_scope", "loop", "membership", "read_group", "send_interface")

#: Level, option and value of one ``setsockopt`` call.
Request = tuple[int, int, "int | bytes"]

_STORAGE = 128  # bytes of a sockaddr_storage, on every system
_SOCKADDR_IN = Struct("=2sH4s")
_SOCKADDR_IN6 = Struct("=2sHI16sI")


def read_group(group: str | Endpoint) -> IPEndpoint:
    """The endpoint (port 0) of a multicast group given as text or endpoint; AddressError for anything else."""
    if isinstance(group, Endpoint):
        endpoint: Endpoint = group.unmapped()
    else:
        if not isinstance(group, str):
            raise TypeError(f"a group is text or an endpoint, not {type(group).__name__}")
        endpoint = Endpoint.parse(f"[{group}]:0" if ":" in group else f"{group}:0").unmapped()
    if not isinstance(endpoint, IPEndpoint) or not is_multicast(endpoint.packed):
        raise AddressError(str(group), 0, "not a multicast group (224.0.0.0/4 or ff00::/8)")
    return endpoint


def link_scope(packed: bytes) -> bool:
    """Whether an IPv6 group means something on one link only: interface-local ff01 or link-local ff02 scope."""
    return len(packed) == 16 and packed[1] & 0x0F in (1, 2)


def _uses_index_address(constants: Mapping[str, int]) -> bool:
    # Windows, and NetBSD, which alone of the BSDs has neither ip_mreqn nor source-specific joins.
    return "SO_EXCLUSIVEADDRUSE" in constants or (
        constants.get("IP_RECVIF") == 20 and "MCAST_JOIN_SOURCE_GROUP" not in constants
    )


def _mreqn(constants: Mapping[str, int], group: bytes, index: int) -> bytes:
    if _uses_index_address(constants):
        return group + index.to_bytes(4, "big")
    return group + b"\0\0\0\0" + index.to_bytes(4, byteorder)


def membership(
    constants: Mapping[str, int], group: bytes, index: int, source: bytes | None = None, *, join: bool
) -> Request:
    """The call that joins or leaves *group* on the interface *index* (0: the system's choice).

    Raises LookupError where the system has no source-specific joins (NetBSD, OpenBSD).
    """
    four = len(group) == 4
    if source is not None:
        option = constants["MCAST_JOIN_SOURCE_GROUP" if join else "MCAST_LEAVE_SOURCE_GROUP"]
        # "I" and the alignment of sockaddr_storage: 8 everywhere but on macOS, which packs the structure to 4.
        pad = 0 if "IPV6_BOUND_IF" in constants else 4
        value = index.to_bytes(4, byteorder) + bytes(pad) + _storage(constants, group) + _storage(constants, source)
        return (0 if four else 41), option, value
    if four:
        return 0, constants["IP_ADD_MEMBERSHIP" if join else "IP_DROP_MEMBERSHIP"], _mreqn(constants, group, index)
    value = group + index.to_bytes(4, byteorder)
    return 41, constants["IPV6_JOIN_GROUP" if join else "IPV6_LEAVE_GROUP"], value


def _storage(constants: Mapping[str, int], address: bytes) -> bytes:
    four = len(address) == 4
    family, size = (constants["AF_INET"], 16) if four else (constants["AF_INET6"], 28)
    # The BSDs and macOS begin a sockaddr with its length, the others with a 16-bit family.
    head = bytes((size, family)) if "IP_RECVDSTADDR" in constants else family.to_bytes(2, byteorder)
    packed = _SOCKADDR_IN.pack(head, 0, address) if four else _SOCKADDR_IN6.pack(head, 0, 0, address, 0)
    return packed.ljust(_STORAGE, b"\0")


def send_interface(constants: Mapping[str, int], index: int, *, four: bool) -> Request:
    """The call that sends multicast through the interface *index*; 0 gives the choice back to the system."""
    if not four:
        return 41, constants["IPV6_MULTICAST_IF"], index
    if _uses_index_address(constants):
        return 0, constants["IP_MULTICAST_IF"], index.to_bytes(4, "big")
    return 0, constants["IP_MULTICAST_IF"], _mreqn(constants, b"\0\0\0\0", index)


def _small(constants: Mapping[str, int], value: int) -> int | bytes:
    # OpenBSD and NetBSD take these two as u_char only; macOS and FreeBSD as either; Linux and Windows as int.
    return bytes((value,)) if "IP_RECVDSTADDR" in constants else value


def hops(constants: Mapping[str, int], value: int, *, four: bool) -> Request:
    """The call that sets how many routers a multicast datagram may cross, plus one."""
    if four:
        return 0, constants["IP_MULTICAST_TTL"], _small(constants, value)
    return 41, constants["IPV6_MULTICAST_HOPS"], value


def loop(constants: Mapping[str, int], value: bool, *, four: bool) -> Request:
    """The call that says whether this host's own receivers hear what we send."""
    if four:
        return 0, constants["IP_MULTICAST_LOOP"], _small(constants, int(value))
    return 41, constants["IPV6_MULTICAST_LOOP"], int(value)
