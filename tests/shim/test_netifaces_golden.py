"""The drop-in's whole answer on each system against a golden file, from the bytes that system writes into memory.

``tests/data/netifaces/README.md`` says where the files come from. Linux's was written by netifaces 0.11.0 itself; those
of the other systems follow its source, and are the same as far as docs/netifaces.md does not say otherwise.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dualstack import platforms
from dualstack.core.interfaces import Interfaces
from dualstack.core.route import Route
from dualstack.platforms.contract import Platform

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "netifaces"


def load(path: str) -> ModuleType:
    """Load a file by its path: the tests that build the layouts, and a drop-in of its own for each system."""
    name = path.replace("/", ".").removesuffix(".py")
    package = name if path.startswith("dualstack/") else Path(path).stem
    spec = importlib.util.spec_from_file_location(package, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answers(monkeypatch: pytest.MonkeyPatch, system: str, nics: Interfaces, routes: list[Route]) -> list[str]:
    """Everything the drop-in says on a host of that *system*, in the words of the golden file."""

    class Host(Platform):
        name = system
        has_address_labels = system == "Linux"
        has_interface_guids = system == "Windows"

        def interfaces(self) -> Interfaces:
            return nics

        def routes(self) -> list[Route]:
            return routes

    monkeypatch.setattr(platforms, "current", Host())
    netifaces = load("dualstack/shim/netifaces.py")  # its constants are those of the system it is loaded on
    names = netifaces.interfaces()
    said = [f"interfaces() == {names!r}"]
    said += [f"ifaddresses({name!r}) == {netifaces.ifaddresses(name)!r}" for name in names]
    return [*said, f"gateways() == {netifaces.gateways()!r}", f"address_families == {netifaces.address_families!r}"]


def golden(name: str) -> list[str]:
    return (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.skipif(
    sys.byteorder != "little" or not sys.platform.startswith("linux"),
    reason="netlink messages of a little-endian Linux; runs there",
)
def test_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    from dualstack.platforms import netlink_routes, rtnetlink

    blocks: dict[str, list[bytes]] = {"links": [], "addresses": [], "routes": []}
    for line in (DATA / "linux.hex").read_text(encoding="ascii").splitlines():
        what, _, digits = line.partition(" ")
        blocks[what].append(bytes.fromhex(digits))
    reader = rtnetlink.Reader()
    assert [reader.read_links(block) for block in blocks["links"]][-1]
    assert [reader.read_addresses(block) for block in blocks["addresses"]][-1]
    nics = reader.result()
    monkeypatch.setattr(netlink_routes, "if_indextoname", lambda index: nics.by_index(index).name)
    routes = netlink_routes._Reader()
    assert [routes.read(block) for block in blocks["routes"]][-1]
    assert answers(monkeypatch, "Linux", nics, [route for route, _ in routes.found]) == golden("linux")


@pytest.mark.parametrize("name", ["macOS", "FreeBSD"])
def test_macos_and_freebsd(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    built = load("tests/platforms/test_bsd.py")
    system = built.MACOS if name == "macOS" else built.FREEBSD
    inet, link, memory = built.inet, built.link, built.Memory()
    data = built.pack("=8xII", 1500, 0) + built.pack("=" + system.baudrate, 10**9)

    def inet6(text: str, scope_id: int = 0) -> bytes:
        return built.inet6(system, built.ip6(text), scope_id)

    mask64 = bytes([16, 0] + [0] * 6) + b"\xff" * 8  # cut behind the last byte that is not 0
    mask128 = bytes([28, system.inet6] + [0] * 6) + b"\xff" * 16 + bytes(4)
    nobody = inet("0.0.0.0")
    first = memory.entries(
        (b"lo0", 0x8049, link(1, b"lo0"), b"", b"", data),
        (b"lo0", 0x8049, inet("127.0.0.1"), bytes([5, 0, 0, 0, 0xFF]), inet("127.0.0.1"), b""),
        (b"lo0", 0x8049, inet6("::1"), mask128, b"", b""),
        (b"lo0", 0x8049, inet6("fe80:1::1"), mask64, b"", b""),  # the scope id in the second group
        (b"en0", 0x8863, link(4, b"en0", bytes.fromhex("02005e100001")), b"", b"", data),
        (b"en0", 0x8863, inet6("fe80:4::7", 4), mask64, b"", b""),
        (b"en0", 0x8863, inet("192.0.2.7"), bytes([7, 2, 0, 0, 255, 255, 255]), inet("192.0.2.255"), b""),
        (b"en0", 0x8863, inet("169.254.7.7"), bytes([6, 2, 0, 0, 255, 255]), inet("169.254.255.255"), b""),
        (b"en0", 0x8863, inet6("2001:db8::7"), mask64, b"", b""),
        (b"gif0", 0x8010, link(2, b"gif0"), b"", b"", data),
        (b"utun3", 0x8051, link(5, b"utun3"), b"", b"", data),
        (b"utun3", 0x8051, inet("10.0.0.1"), bytes([8, 2, 0, 0, 255, 255, 255, 255]), inet("10.0.0.2"), b""),
    )
    nics = Interfaces(
        built.decode(first, memory.read, system, lambda _: 0, 30 if name == "macOS" else 28, built.state_of)
    )
    nothing, scoped = bytes([0, 0]), built.GATEWAY | 0x1000000
    parts = (built.RTA_DST, built.RTA_GATEWAY, built.RTA_NETMASK)
    table = b"".join(
        built.message(system, 4, 4, flags, dict(zip(parts, (target, gateway, mask), strict=True)))
        for flags, target, gateway, mask in [
            (built.GATEWAY, nobody, inet("192.0.2.1"), nothing),
            (scoped if name == "macOS" else 0x1, nobody, inet("192.0.2.2"), nothing),
            (built.GATEWAY, inet6("::"), inet6("fe80:4::1"), nothing),
        ]
    )
    routes = built.decode_routes(table, system, built.name_of, 30 if name == "macOS" else 28)
    assert answers(monkeypatch, name, nics, routes) == golden(name.lower())


@pytest.mark.parametrize("width", [pytest.param(8, id="64-bit"), pytest.param(4, id="32-bit")])
def test_windows(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    built = load("tests/platforms/test_iphlpapi.py")
    buffer = built.Buffer(width)
    ethernet = buffer.structure("Adapter")
    loopback = buffer.structure(
        "Adapter",
        AdapterName=buffer.put(b"{11111111-89AB-CDEF-0123-456789ABCDEF}\0"),
        FriendlyName=buffer.put(built.wide("Loopback Pseudo-Interface 1")),
        IfType=24,
        OperStatus=1,
        IfIndex=1,
        Ipv6IfIndex=1,
        FirstUnicastAddress=buffer.unicast(bytes(15) + b"\1", 128, Next=buffer.unicast(bytes([127, 0, 0, 1]), 8)),
    )
    plain = buffer.unicast(bytes([192, 0, 2, 7]), 24, Next=buffer.unicast(bytes([169, 254, 7, 7]), 16))
    buffer.change(
        ethernet,
        "Adapter",
        IfIndex=12,
        Ipv6IfIndex=12,
        Next=loopback,
        AdapterName=buffer.put(b"{01234567-89AB-CDEF-0123-456789ABCDEF}\0"),
        FriendlyName=buffer.put(built.wide("Ethernet \u00fc")),
        PhysicalAddress=(built.ctypes.c_uint8 * 8)(2, 0, 0x5E, 0x10, 0, 1),
        PhysicalAddressLength=6,
        IfType=6,
        OperStatus=1,
        Ipv4Metric=25,
        Ipv6Metric=35,
        FirstUnicastAddress=buffer.unicast(bytes.fromhex("fe80" + "00" * 13 + "07"), 64, 12, Next=plain),
    )
    adapters = built.decode_adapters(bytes(buffer.data), buffer.base, width)
    by_index = {nic.index: (nic.name, metric4, metric6) for nic, metric4, metric6 in adapters}
    rows = [
        built.row(bytes(4), 0, bytes([192, 0, 2, 1]), 12, 10),
        built.row(bytes(4), 0, bytes([192, 0, 2, 2]), 12, 5),
        built.row(bytes(16), 0, bytes.fromhex("fe80" + "00" * 13 + "01"), 12, 256),
    ]
    routes = built.decode_routes(len(rows).to_bytes(4, "little") + bytes(4) + b"".join(rows), by_index)
    nics = Interfaces([nic for nic, _, _ in adapters])
    assert answers(monkeypatch, "Windows", nics, routes) == golden("windows")
