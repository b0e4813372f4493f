"""The API of netifaces 0.11.0 in pure Python: the same names, values, order and errors.

    from dualstack.shim import netifaces            # in code one may change
    dualstack.shim.install("netifaces")             # for code one may not: puts it into sys.modules

netifaces is a C extension that is no longer maintained and has no wheels for today's Pythons. Where it answers, this
answers the same, ``repr()`` for ``repr()``, oddities included: ``broadcast`` holds the own address where the kernel
has none, a peer on Ethernet is called broadcast, ``eth0:1`` is an interface. Where it crashes, or is wrong in a way
nobody can depend on, this is right; docs/netifaces.md lists each difference. New code is better served by
``dualstack.interfaces()`` and ``dualstack.gateways()``, which have no such oddities.

netifaces reads everything at each call, so its loops are quadratic: 12 seconds for 1,000 interfaces. Here one
interface is asked for alone. Never run on macOS; on Windows only under Wine.
"""

from __future__ import annotations

from .. import platforms as _platforms
from ..core.interface import Interface as _Interface
from ..core.interface_address import InterfaceAddress as _Address
from ..core.route import MAIN_TABLE as _MAIN_TABLE
from ..core.text import ipv4_text as _ipv4_text
from . import netifaces_families as _families
from .netifaces_families import inet6_text as _inet6_text

_CONSTANTS = _families.constants()

# No __all__: a star import takes every public name here, as it does from netifaces.
version = "0.11.0"

# The ones that are used, for readers and type checkers; the others come from the table.
AF_UNSPEC = _CONSTANTS["AF_UNSPEC"]
AF_INET = _CONSTANTS["AF_INET"]
AF_INET6 = _CONSTANTS["AF_INET6"]
AF_LINK = _CONSTANTS["AF_LINK"]
globals().update(_CONSTANTS)

#: Number of an address family -> its name, in netifaces' order; the first of two names for one number.
address_families: dict[int, str] = _families.names()

_ENTRY = dict[str, str]


def interfaces(*args: object, **keywords: object) -> list[str]:
    """Obtain the names of all interfaces: links in the system's order, then IPv4 labels (``eth0:1``).

    On Windows they are GUIDs, as in netifaces.
    """
    _no_arguments("interfaces", args, keywords)
    nics = _platforms.current.interfaces()
    names = dict.fromkeys(_name(nic) for nic in nics)
    if _platforms.current.has_address_labels:
        names.update(dict.fromkeys(one.label for nic in nics for one in nic.addresses if one.label))
    return list(names)


def ifaddresses(*args: str, **keywords: object) -> dict[int, list[_ENTRY]]:
    """Obtain the addresses of the interface with this name: ``{family: [{"addr": ..., ...}, ...]}``.

    ValueError if there is no such interface; one without any address gives ``{}``.
    """
    if keywords:
        raise TypeError("ifaddresses() takes no keyword arguments")
    if len(args) != 1:
        raise TypeError(f"function takes exactly 1 argument ({len(args)} given)")
    (name,) = args
    if not isinstance(name, str):
        raise TypeError(f"argument 1 must be str, not {'None' if name is None else type(name).__name__}")
    if "\0" in name:
        raise ValueError("embedded null character")
    nic = None if ":" in name else _platforms.current.interface(name)
    found: dict[int, list[_ENTRY]] = {}
    if nic is not None and _name(nic) == name:
        if nic.mac_bytes or _platforms.current.has_interface_guids:
            found[AF_LINK] = [_link_entry(nic)]
        for address in nic.addresses:
            if address.label is None:
                found.setdefault(address.family, []).append(_address_entry(nic, address))
        return found
    for nic in _platforms.current.interfaces():
        if _name(nic) == name and nic.mac_bytes:
            found.setdefault(AF_LINK, []).append(_link_entry(nic))
        for address in nic.addresses:
            if (address.label or _name(nic)) == name:
                found.setdefault(address.family, []).append(_address_entry(nic, address))
        if _name(nic) == name:
            return found
    if not found:
        raise ValueError("You must specify a valid interface name.")
    return found


def gateways(*args: object, **keywords: object) -> dict[object, object]:
    """Obtain the gateways: ``{"default": {family: (gateway, name)}, family: [(gateway, name, is_default)]}``."""
    _no_arguments("gateways", args, keywords)
    default: dict[int, tuple[str, str]] = {}
    found: dict[object, object] = {"default": default}
    lists: dict[int, list[tuple[str, str, bool]]] = {}
    best: dict[int, int] = {}
    for route in _platforms.current.routes():
        if route.host is None:
            continue
        family, host, name = route.family, route.host.partition("%")[0], _gateway_interface(route.interface)
        # The main table, the type of service of plain traffic, and nothing longer than the half of the address
        # space that a VPN takes to win over the default route: people rely on being told the VPN.
        counts = route.table == _MAIN_TABLE and not route.tos and route.prefix_length <= 1
        is_default = counts and (family not in best or route.metric < best[family])
        if is_default:
            best[family] = route.metric
            default[family] = (host, name)
        if family not in lists:
            found[family] = lists[family] = []
        lists[family].append((host, name, is_default))
    return found


def _no_arguments(name: str, args: tuple[object, ...], keywords: dict[str, object]) -> None:
    if keywords:
        raise TypeError(f"netifaces.{name}() takes no keyword arguments")
    if args:
        raise TypeError(f"netifaces.{name}() takes no arguments ({len(args)} given)")


def _name(nic: _Interface) -> str:
    """The name as netifaces has it: on Windows the GUID."""
    return nic.alternative_names[0] if _platforms.current.has_interface_guids else nic.name


def _gateway_interface(name: str) -> str:
    if not _platforms.current.has_interface_guids:
        return name
    nic = _platforms.current.interfaces().get(name)
    return _name(nic) if nic is not None else name


def _link_entry(nic: _Interface) -> _ENTRY:
    entry = {"addr": nic.mac_bytes.hex(":")}
    if nic.link_broadcast:
        entry[_third_key(nic)] = nic.link_broadcast.hex(":")
    return entry


def _third_key(nic: _Interface) -> str:
    return "peer" if nic.is_point_to_point or nic.is_loopback else "broadcast"


def _address_entry(nic: _Interface, address: _Address) -> _ENTRY:
    prefix_length, packed = address.prefix_length, address.packed
    if len(packed) == 4:
        mask = 0xFFFFFFFF << (32 - prefix_length) & 0xFFFFFFFF
        entry = {"addr": address.host, "netmask": ".".join(str(mask >> shift & 255) for shift in (24, 16, 8, 0))}
        if _platforms.current.has_interface_guids:  # computed there, loopback included
            entry["broadcast"] = _ipv4_text((int.from_bytes(packed, "big") | ~mask & 0xFFFFFFFF).to_bytes(4, "big"))
        elif packed[:2] != b"\xa9\xfe":  # netifaces has none for 169.254.0.0/16, whatever the system says
            entry[_third_key(nic)] = address.broadcast or address.peer or address.host
        return entry
    zone = (
        "%" + (str(address.index) if _platforms.current.has_interface_guids else nic.name) if address.scope_id else ""
    )
    entry = {"addr": _inet6_text(packed) + zone, "netmask": _mask6(prefix_length)}
    if address.peer:
        entry[_third_key(nic)] = address.peer.partition("%")[0]
    return entry


def _mask6(prefix_length: int) -> str:
    """The mask as hextets up to the prefix, ``::`` for the rest, and the length once more."""
    count = (prefix_length + 15) // 16
    bits = 0xFFFF << (16 * count - prefix_length) & 0xFFFF
    groups = ["ffff"] * (count - 1) + [f"{bits:04x}"] * (count > 0)
    return ":".join(groups) + ("::" if count < 8 else "") + f"/{prefix_length}"


del annotations  # not a name of netifaces
