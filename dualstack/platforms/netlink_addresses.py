"""Address messages of rtnetlink as InterfaceAddress values (RTM_NEWADDR; linux/if_addr.h).

Works on bytes alone, and only when somebody looks at the addresses of an interface: see ``rtnetlink.py``.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop
from struct import Struct

from ..core.interface_address import InterfaceAddress
from ..core.text import ipv6_text
from .netlink import ENCODING, SURROGATES, attributes, name_bytes
from .netlink_layout import Layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("read_addresses",)

_ADDRESS, _LOCAL, _LABEL, _BROADCAST, _CACHEINFO, _FLAGS = 1, 2, 3, 4, 6, 8  # IFA_*

_HEAD = Struct("=IHH8xB").unpack_from  # nlmsghdr and ifa_family: length, type, flags, family
_BODY = Struct("=16xBBBxI").unpack_from  # ifaddrmsg: family, prefix length, flags, index
_U32 = Struct("=I").unpack_from
_LIFETIMES = Struct("=II").unpack  # the start of ifa_cacheinfo: preferred, valid
_FOREVER = 0xFFFFFFFF
_ALWAYS = b"\xff" * 8

# In the order of inet_fill_ifaddr() and inet6_fill_ifaddr(). An IPv6 address with a peer has IFA_LOCAL besides;
# that is rare, and walked.
_IPV4 = Layouts(
    "=16xxB6x",
    [(_ADDRESS, "4s"), (_LOCAL, "4s"), (_BROADCAST, "s"), (_LABEL, "z"), (_FLAGS, "I"), (_CACHEINFO, "8s")],
)
_IPV6 = Layouts("=16xxB6x", [(_ADDRESS, "16s"), (_CACHEINFO, "8s"), (_FLAGS, "I")], without=_LOCAL)


def read_addresses(name: str, index: int, messages: Sequence[bytes]) -> tuple[InterfaceAddress, ...]:
    """Read the address messages of the interface *name*, which has *index*, in the kernel's order."""
    found: list[InterfaceAddress] = []
    add, new = found.append, object.__new__
    label_of_name = name_bytes(name)
    ipv6, ipv4 = _IPV6.known.get, _IPV4.known.get
    for data in messages:
        head = _HEAD(data)
        layout = ipv6(head)
        if layout is not None and layout[0](data) == layout[1]:
            # Without a call: of what an address costs, that would be a sixth.
            address = new(InterfaceAddress)
            address._prefix_length, packed, lifetimes, address._flags = layout[2](data)
            if b"\0\1" <= packed < b"\xfe\x80":
                address._host = inet_ntop(AF_INET6, packed)
                address._scope_id = 0
            else:
                address._host, address._scope_id = _special_host(packed, name, index)
            address._family = AF_INET6
            address._packed = packed
            address._interface = name
            address._index = index  # not the number in the message: equal, and another object
            address._broadcast = address._peer = address._label = None
            if lifetimes == _ALWAYS:
                address._preferred = address._valid = None
            else:
                address._preferred, address._valid = _lifetimes(lifetimes)
            add(address)
            continue
        layout = ipv4(head)
        if layout is not None and layout[0](data) == layout[1]:
            address = new(InterfaceAddress)
            values = layout[2](data)
            address._prefix_length, remote, packed, broadcast, label, address._flags, lifetimes = values
            address._host = inet_ntop(AF_INET, packed)
            address._scope_id = 0
            address._family = AF_INET
            address._packed = packed
            address._interface = name
            address._index = index
            address._broadcast = inet_ntop(AF_INET, broadcast) if broadcast else None
            address._peer = inet_ntop(AF_INET, remote) if remote != packed else None
            address._label = label.decode(ENCODING, SURROGATES) if label != label_of_name and label else None
            if lifetimes == _ALWAYS:
                address._preferred = address._valid = None
            else:
                address._preferred, address._valid = _lifetimes(lifetimes)
            add(address)
            continue
        walked = _walk(data, head, name, label_of_name)
        if walked is not None:
            add(walked)
    return tuple(found)


def _walk(data: bytes, head: tuple[int, ...], name: str, label_of_name: bytes) -> InterfaceAddress | None:
    """Read one message attribute by attribute, and learn its layout; None for families that are not IP."""
    family, prefix_length, flags, index = _BODY(data)
    if family not in (AF_INET, AF_INET6):
        return None
    remote = local = broadcast = label = b""
    preferred = valid = None
    for kind, at, end in attributes(data, 24, len(data)):
        if kind == _ADDRESS:
            remote = data[at:end]
        elif kind == _LOCAL:
            local = data[at:end]
        elif kind == _BROADCAST:
            broadcast = data[at:end]
        elif kind == _LABEL:
            label = data[at : end - 1]
        elif kind == _FLAGS:
            (flags,) = _U32(data, at)
        elif kind == _CACHEINFO:
            preferred, valid = _lifetimes(data[at : at + 8])
    packed = local or remote
    host, scope_id = inet_ntop(family, packed), 0
    if family == AF_INET6:
        host, scope_id = _special_host(packed, name, index)
    (_IPV4 if family == AF_INET else _IPV6).learn(head, data, 0)
    return InterfaceAddress(
        family,
        packed,
        host,
        prefix_length,
        name,
        index,
        scope_id,
        flags,
        inet_ntop(family, broadcast) if broadcast else None,
        # IFA_LOCAL is ours and IFA_ADDRESS the other end, which is ourselves where there is no other end.
        inet_ntop(family, remote) if remote and remote != packed else None,
        label.decode(ENCODING, SURROGATES) if label and label != label_of_name else None,
        valid,
        preferred,
    )


def _lifetimes(raw: bytes) -> tuple[int | None, int | None]:
    preferred, valid = _LIFETIMES(raw)
    return None if preferred == _FOREVER else preferred, None if valid == _FOREVER else valid


def _special_host(packed: bytes, name: str, index: int) -> tuple[str, int]:
    """Text and scope id: the zone of a link-local address; ``::192.0.2.1`` of glibc as RFC 5952 has it."""
    if packed[0] == 0xFE and packed[1] & 0xC0 == 0x80:
        return f"{inet_ntop(AF_INET6, packed)}%{name}", index
    return ipv6_text(packed), 0
