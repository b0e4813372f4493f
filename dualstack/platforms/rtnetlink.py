"""Linux's interfaces and addresses from two rtnetlink dumps, without any text parsing (rtnetlink(7)).

**Problem.** Name, index, MAC, MTU, state and alternative names are in the answer to RTM_GETLINK; addresses with
prefix, broadcast, peer, state and lifetimes are in that to RTM_GETADDR. getifaddrs(3) asks for both and throws
half away (lifetimes, address state, MTU). A dump is not a snapshot: the kernel walks its tables over several
``recv`` calls and continues where it believes it was, so an entry added or removed meanwhile makes it skip or
repeat others. It says so with NLM_F_DUMP_INTR on some message, the closing one included, and most readers never
look: they lose addresses that were there all the time.

**Our rule.** Every message's flags are looked at. An interrupted dump is given up where the interruption shows, which
costs closing the socket, and begun again, at most ``DUMP_ATTEMPTS`` times in one call, so that a call stays bounded on
a host that never rests; the last one is read to its end, and what it gave is returned without duplicates and
marked ``consistent=False``. One interface is asked for with the filters that the
kernel itself applies (NETLINK_GET_STRICT_CHK, Linux 4.20); older kernels ignore them and dump everything, so the
answer is filtered again here.

**Speed.** Messages are kept as they came, after a look at what says that they are whole, and turned into values when
somebody looks; nothing is asked of the kernel then, so the snapshot stays one. Links are read by learned layouts
(``netlink_layout.py``), which set name and index, and the other fields when one of them is read. As a link message is
four times as long as the value, long tables of links are read as they arrive. ``netlink_addresses.py`` reads the
addresses of one interface. Interfaces that appear between the two
dumps are not in it, nor are their addresses.
"""

from __future__ import annotations

from errno import ENODEV, EPROTO
from struct import Struct
from struct import error as StructError

from ..core.interface import OPERATIONAL_STATES, Interface, Origin
from ..core.interfaces import Interfaces
from .netlink import (
    DONE,
    DUMP,
    DUMP_INTERRUPTED,
    ENCODING,
    SURROGATES,
    ask,
    attribute,
    attributes,
    closes,
    dump,
    name_bytes,
    open_netlink,
    request,
    text,
)
from .netlink_addresses import read_addresses
from .netlink_layout import Layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.interface_address import InterfaceAddress
    from .netlink_layout import Layout

__all__ = ("DUMP_ATTEMPTS", "Reader", "dump_interfaces", "query_interface")

#: So often one dump is tried in one call. With 3,000 addresses under constant change every second dump is
#: interrupted; the call must stay below ten times its quiet time.
DUMP_ATTEMPTS = 8

#: Blocks of 32 KiB with link messages that are kept for when somebody looks: 230 links.
MOST_KEPT = 8

# linux/rtnetlink.h, if_link.h, if_addr.h
RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 20, 22
_IFLA_ADDRESS, _IFLA_BROADCAST, _IFLA_IFNAME, _IFLA_MTU, _IFLA_OPERSTATE = 1, 2, 3, 4, 16
_IFLA_IFALIAS, _IFLA_EXT_MASK, _IFLA_PROP_LIST, _IFLA_ALT_IFNAME = 20, 29, 52, 53
_SKIP_STATISTICS = 1 << 3  # RTEXT_FILTER_SKIP_STATS: 370 bytes less per link

_LINK = Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ADDRESS = Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_U32 = Struct("=I")
_HEAD = Struct("=IHH8xB").unpack_from  # length, type, flags, family of the body
_ADDRESS_HEAD = Struct("=IH14xI").unpack_from  # length, type, index
_TWO_WORDS = Struct("=II").unpack_from  # length; type and flags
(_PLAIN_LINK,) = _U32.unpack(Struct("=HH").pack(RTM_NEWLINK, 2))
# Type and flags of an address message: NLM_F_MULTI, without and with NLM_F_DUMP_INTR, which is all the kernel sets in
# an answer that is not filtered; and the start of the closing message, 20 bytes, NLMSG_DONE.
_PLAIN = Struct("=HH").pack(RTM_NEWADDR, 2)
_INTERRUPTED = Struct("=HH").pack(RTM_NEWADDR, 2 | DUMP_INTERRUPTED)
_CLOSING = Struct("=IH").pack(20, DONE)
_STATES = dict(enumerate(OPERATIONAL_STATES))

# In the order in which rtnl_fill_ifinfo() writes them.
_LINKS = Layouts(
    "=16x4xiI4x",
    [
        (_IFLA_IFNAME, "z"),
        (_IFLA_OPERSTATE, "B"),
        (_IFLA_MTU, "I"),
        (_IFLA_IFALIAS, "s"),
        (_IFLA_ADDRESS, "s"),
        (_IFLA_BROADCAST, "s"),
        (_IFLA_PROP_LIST, "s"),
    ],
    runs=True,
)


_NO_LAYOUT: Layout = (_HEAD, (), _HEAD, 0, 0, memoryview(b""))


class _Interrupted(Exception):
    """The tables changed while they were dumped, and there is an attempt left."""


class Reader(Origin):
    """Collects the answers to one link dump and one address dump; ``read_`` methods take received blocks.

    Then it is what the interfaces of the snapshot get the rest from. It holds no interface any more then, so there is
    no cycle.
    """

    __slots__ = ("_dealt", "blocks", "consistent", "hasty", "links", "nics")

    def __init__(self) -> None:
        self.links: list[bytes] = []  # link messages not read yet, after those in ``nics``
        self.nics: list[Interface] = []
        self.blocks: list[bytes] = []  # address messages
        self.consistent: bool = True
        self.hasty: bool = False  # whether to end with _Interrupted at the first interrupted message
        self._dealt: dict[int, list[bytes] | None] | None = None

    # ------------------------------------------------------------------ links

    def read_links(self, data: bytes) -> bool:
        """Take one block of link messages; True when the closing one was among them."""
        position, size = 0, len(data)
        while position < size:
            length, kind_and_flags = _TWO_WORDS(data, position)
            if kind_and_flags != _PLAIN_LINK or length < 32:
                break
            position += length
        if position == size:
            self.links.append(data)
            if len(self.links) > MOST_KEPT:
                self._read_kept()
            return False
        self._read_kept()
        return self._read_links(data, self.nics)

    def _read_kept(self) -> None:
        for data in self.links:
            self._read_links(data, self.nics)
        self.links.clear()

    def made(self, kept: list[bytes]) -> list[Interface]:
        """Read kept link messages, when somebody looks; the interfaces belong to the caller."""
        nics: list[Interface] = []
        try:
            for data in kept:
                self._read_links(data, nics)
        except StructError as error:
            raise OSError(EPROTO, f"rtnetlink: a message that ends too early ({error})") from error
        return nics

    def _read_links(self, data: bytes, nics: list[Interface]) -> bool:
        position, size = 0, len(data)
        view = memoryview(data).cast("I")
        add, new = nics.append, object.__new__
        # The layout of the message before is tried first: neighbours in a dump nearly always have the same.
        tried = _NO_LAYOUT
        check, words, values, first, last, run = tried
        reach = size + 1
        while position < size:
            here = position >> 2
            if (
                position + reach <= size
                and view[here + first : here + last : 2] == run
                and check(data, position) == words
            ):
                raw = values(data, position)
                position += reach
            else:
                head = _HEAD(data, position)
                layout = _LINKS.known.get(head)
                if layout is not None and layout is not tried and position + head[0] <= size:
                    tried, reach = layout, head[0]
                    check, words, values, first, last, run = layout
                    continue
                if self._other(data, position, head, RTM_NEWLINK):
                    return True
                if head[1] != RTM_NEWLINK:
                    position += head[0]
                    continue
                raw = _walk_link(data, position, head)
                position += head[0]
            # Without a call: of what a link costs, that would be a fifth.
            nic = new(Interface)
            nic._index = raw[0]
            nic._name = raw[2].decode(ENCODING, SURROGATES)
            nic._raw = raw
            nic._addresses = None
            nic._source = self
            add(nic)
        return False

    def fill(self, nic: Interface) -> None:
        # Two threads may both get here, and set equal values.
        _, nic._flags, _, state, nic._mtu, alias, nic._mac, nic._link_broadcast, others = nic._raw
        nic._operational_state = _STATES.get(state, "unknown")
        nic._display_name = text(alias) if alias else None
        nic._alternative_names = _alternative_names(others) if others else ()
        nic._speed = None

    # ------------------------------------------------------------------ addresses

    def begin_again(self, have_links: bool) -> None:
        """Forget the addresses, and the links unless all of them are there."""
        self.blocks.clear()
        self.consistent = True
        if not have_links:
            self.nics.clear()
            self.links.clear()

    def read_addresses(self, data: bytes) -> bool:
        """Keep one block of address messages; True when the closing message was among them.

        A block that starts with an address, does not end with a closing message, and holds the words of an
        interrupted address nowhere, is whole. Whatever looks otherwise is walked, as the same bytes may stand
        for something else.
        """
        self.blocks.append(data)
        if data[4:8] == _PLAIN and data[-20:-14] != _CLOSING and _INTERRUPTED not in data:
            return False
        position, size = 0, len(data)
        while position < size:
            head = _HEAD(data, position)
            if self._other(data, position, head, RTM_NEWADDR):
                return True
            position += head[0]
        return False

    def addresses(self, name: str, index: int) -> tuple[InterfaceAddress, ...] | None:
        # The blocks first: they are dropped after the other is set, so who finds it unset has them all.
        blocks, dealt = self.blocks, self._dealt
        if dealt is None:
            dealt = self._dealt = _deal(blocks)
            self.blocks = []
        messages = dealt.get(index, ())
        if messages is None:
            return None
        found = read_addresses(name, index, messages)
        # One that went and came back while a block was written is in it twice, without an interruption.
        if len({address.packed for address in found}) < len(found):
            found = tuple({address.key: address for address in found}.values())
        return found

    def forget(self, index: int) -> None:
        if self._dealt is not None:
            self._dealt[index] = None

    def speed(self, name: str) -> int | None:
        from .ethtool import link_speed

        return link_speed(name)

    # ------------------------------------------------------------------ both

    def _other(self, data: bytes, position: int, head: tuple[int, ...], expected: int) -> bool:
        """Look at the flags of a message without layout; whether it is the closing one."""
        length, kind, flags, _ = head
        if length < 16 or length % 4 or position + length > len(data):
            raise StructError("its length is wrong")
        if flags & DUMP_INTERRUPTED:
            self.consistent = False
            if self.hasty:
                raise _Interrupted
        return kind != expected and closes(data, position, kind)

    def result(self) -> Interfaces:
        """Give the snapshot; without duplicates if a dump was interrupted."""
        if not self.nics and self.consistent:
            kept, self.links = self.links, []
            return Interfaces.later(self.made, kept)
        self._read_kept()
        nics, self.nics = self.nics, []
        if self.consistent:
            return Interfaces(nics)
        return Interfaces({nic.index: nic for nic in nics}.values(), consistent=False)


def _deal(blocks: list[bytes]) -> dict[int, list[bytes] | None]:
    """Sort address messages by the index of their interface, in the kernel's order."""
    dealt: dict[int, list[bytes] | None] = {}
    before, add = -1, [b""].append  # replaced before its first use: no index is -1
    for data in blocks:
        position, end = 0, len(data) - 24
        while position <= end:
            length, kind, index = _ADDRESS_HEAD(data, position)
            if kind == RTM_NEWADDR:
                if index != before:  # neighbours in a dump mostly belong to one interface
                    messages = dealt.get(index)
                    if messages is None:
                        messages = dealt[index] = []
                    before, add = index, messages.append
                add(data[position : position + length])
            position += length if length > 16 else 16
    return dealt


def _walk_link(data: bytes, start: int, head: tuple[int, ...]) -> tuple[Any, ...]:
    """Read one link message attribute by attribute, and learn its layout."""
    _, _, index, flags, _ = _LINK.unpack_from(data, start + 16)
    name = mac = broadcast = alias = others = b""
    state = mtu = 0
    for kind, at, end in attributes(data, start + 32, start + head[0]):
        if kind == _IFLA_IFNAME:
            name = data[at : end - 1]
        elif kind == _IFLA_OPERSTATE:
            state = data[at]
        elif kind == _IFLA_MTU:
            (mtu,) = _U32.unpack_from(data, at)
        elif kind == _IFLA_IFALIAS:
            alias = data[at:end]
        elif kind == _IFLA_ADDRESS:
            mac = data[at:end]
        elif kind == _IFLA_BROADCAST:
            broadcast = data[at:end]
        elif kind == _IFLA_PROP_LIST:
            others = data[at:end]
    if not head[2] & DUMP_INTERRUPTED:  # such a message must not pass for one that fits
        _LINKS.learn(head, data, start)
    return index, flags, name, state, mtu, alias, mac, broadcast, others


def _alternative_names(others: bytes) -> tuple[str, ...]:
    return tuple(
        text(others[at:end]) for kind, at, end in attributes(others, 0, len(others)) if kind == _IFLA_ALT_IFNAME
    )


_NO_STATISTICS = attribute(_IFLA_EXT_MASK, _U32.pack(_SKIP_STATISTICS))
_ALL_LINKS = request(RTM_GETLINK, DUMP, _LINK.pack(0, 0, 0, 0, 0) + _NO_STATISTICS)
_ALL_ADDRESSES = request(RTM_GETADDR, DUMP, _ADDRESS.pack(0, 0, 0, 0, 0))


def dump_interfaces() -> Interfaces:
    """Read all interfaces of this network namespace with all their addresses.

    Raises OSError where netlink is denied.
    """
    reader = Reader()
    have_links = False
    for left in range(DUMP_ATTEMPTS - 1, -1, -1):
        reader.hasty = left > 0
        sock = open_netlink()
        try:
            if not have_links:
                dump(sock, _ALL_LINKS, reader.read_links)
                have_links = True
            dump(sock, _ALL_ADDRESSES, reader.read_addresses)
            break
        except _Interrupted:
            reader.begin_again(have_links)
        finally:
            sock.close()
    return reader.result()


def query_interface(which: str | int) -> Interface | None:
    """Read one interface by name or index, at a cost that does not grow with the others; None if absent.

    An alternative name finds it as well, since the kernel has them (Linux 5.5).
    """
    if isinstance(which, str):
        raw = name_bytes(which)
        if not raw or len(raw) > 15 or b"\0" in raw:  # IFNAMSIZ - 1; a longer one is refused with ERANGE
            return None
        body = _LINK.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, raw + b"\0")
    else:
        body = _LINK.pack(0, 0, which, 0, 0)
    reader = Reader()
    sock = open_netlink(strict=True)
    try:
        reader.read_links(ask(sock, request(RTM_GETLINK, 0, body + _NO_STATISTICS)))
        index = reader.nics[0].index
        addresses = request(RTM_GETADDR, DUMP, _ADDRESS.pack(0, 0, 0, 0, index))
        for _ in range(DUMP_ATTEMPTS):
            reader.begin_again(True)
            dump(sock, addresses, reader.read_addresses)
            if reader.consistent:
                break
    except OSError as error:
        if error.errno == ENODEV:
            return None
        raise
    finally:
        sock.close()
    return reader.result()[0]
