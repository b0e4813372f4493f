"""Hosts the fake world can be: what each system and each kernel setting does differently.

A ``Host`` is data: the world asks it at each place where systems differ. The functions make the usual ones;
every field may be given by keyword, so ``linux(bindv6only=True, root=False)`` reads as what it is.

Linux rules and errnos were measured on Linux. Those of Windows, macOS and OpenBSD come from their documentation
and from sources of programs that run there, not from running them.
"""

from __future__ import annotations

import socket
from typing import Any

from ..core.endpoint import AF_UNIX
from ..core.interface import Interface
from ..core.interface_address import InterfaceAddress
from ..core.interfaces import Interfaces
from ..errors import UnsupportedError
from ..platforms.bsd import FreeBSD
from ..platforms.contract import Platform
from ..platforms.darwin import Darwin
from ..platforms.linux import Linux
from ..platforms.posix import Posix
from ..platforms.windows import Windows

__all__ = ("Host", "freebsd", "linux", "macos", "openbsd", "windows")

_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40  # IFF_ flags, the same everywhere


class _Scripted(Platform):
    """What a platform module would ask the real system, answered by the host of the fake world."""

    host: Host

    def network_namespace(self) -> int:
        return 0

    def holder_of(self, family: int, port: int) -> str | None:
        return self.host.holders.get(port)

    def why_denied(self, port: int) -> str:
        return f"ports below {self.host.privileged_below} need root" if port < self.host.privileged_below else ""

    def geteuid(self) -> int | None:
        return 0 if self.host.root else 1000

    def interfaces(self) -> Interfaces:
        return Interfaces(
            Interface(
                nic,
                index,
                _UP | _RUNNING | (_LOOPBACK if any(map(_is_loopback, held)) else 0),
                mtu=1500,
                addresses=tuple(self._address(nic, index, text) for text in held),
            )
            for index, (nic, held) in enumerate(self.host.addresses.items(), 1)
        )

    def _address(self, nic: str, index: int, text: str) -> InterfaceAddress:
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        scoped = text.startswith("fe80:")
        return InterfaceAddress(
            family,
            socket.inet_pton(family, text),
            f"{text}%{nic}" if scoped else text,
            64 if ":" in text else 24,
            nic,
            index,
            scope_id=index if scoped else 0,
        )


class _Linux(_Scripted, Linux):
    pass


class _Darwin(_Scripted, Darwin):
    connects_to_wildcard = True


class _FreeBSD(_Scripted, FreeBSD):
    connects_to_wildcard = True


class _OpenBSD(_Scripted, Posix):
    name = "OpenBSD"
    system = "openbsd"
    connects_to_wildcard = True


class _Windows(_Scripted, Windows):
    def unix_socket(self, make: Any, type: int) -> Any:
        if not self.host.unix:
            raise UnsupportedError("a Unix socket", self.name, "use 127.0.0.1 or ::1")
        return make(AF_UNIX, type)


class Host:
    """One host: its system, its addresses, its settings.

    ``addresses`` maps interface names to addresses; the index of an interface is its place in the mapping,
    counted from 1. ``ipv6=False`` refuses AF_INET6 sockets altogether, as a kernel without the module does;
    ``disable_ipv6=True`` leaves the sockets and takes every IPv6 address away, ``::1`` included, as the sysctl does.
    """

    def __init__(
        self,
        name: str,
        platform: Platform,
        *,
        addresses: dict[str, tuple[str, ...]] | None = None,
        ipv4: bool = True,
        ipv6: bool = True,
        disable_ipv6: bool = False,
        bindv6only: bool = False,
        mapped: bool = True,
        unix: bool = True,
        unix_datagrams: bool = True,
        windows_reuse: bool = False,
        connects_to_wildcard: bool = True,
        localhost: tuple[str, ...] = ("::1", "127.0.0.1"),
        whole_loopback: bool = False,
        privileged_below: int = 1024,
        root: bool = True,
        fd_limit: int = 1024,
        ignores_source: bool = False,
    ) -> None:
        self.name = name
        self.platform = platform
        if isinstance(platform, _Scripted):
            platform.host = self
        if addresses is None:
            addresses = {"lo": ("127.0.0.1", "::1"), "eth0": ("192.0.2.100", "2001:db8::100", "fe80::100")}
        #: Interface name -> addresses, without zones.
        self.addresses: dict[str, tuple[str, ...]] = addresses
        #: Whether AF_INET and AF_INET6 sockets can be created.
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        if disable_ipv6:
            self.addresses = {
                nic: tuple(address for address in held if ":" not in address) for nic, held in addresses.items()
            }
        #: Default of IPV6_V6ONLY on a new socket.
        self.bindv6only = bindv6only
        #: Whether IPV6_V6ONLY may be 0, that is, whether one socket can serve both families.
        self.mapped = mapped
        #: Whether AF_UNIX sockets can be created.
        self.unix = unix
        #: Whether they may be datagram sockets.
        self.unix_datagrams: bool = unix_datagrams and platform.has_unix_datagrams
        platform.has_unix_datagrams = self.unix_datagrams
        #: Address reuse by the rules of Windows instead of POSIX.
        self.windows_reuse = windows_reuse
        #: Whether connecting to 0.0.0.0 or :: reaches loopback.
        self.connects_to_wildcard = connects_to_wildcard
        #: What the resolver says for ``localhost``, in order. Names addresses the host may lack, as real files do.
        self.localhost = localhost
        #: Whether all of 127.0.0.0/8 is local (Linux), or only 127.0.0.1.
        self.whole_loopback = whole_loopback
        #: First port anybody may bind; below it only root may.
        self.privileged_below = privileged_below
        self.root = root
        #: Which process holds a port, by port, where the system tells.
        self.holders: dict[int, str] = {}
        #: Descriptors the process may have open at once.
        self.fd_limit = fd_limit
        #: Takes the source a datagram is to be sent from, and ignores it, as Wine does.
        self.ignores_source: bool = ignores_source

    def index_of(self, nic: str) -> int:
        """The index of an interface; 0 when there is none of that name."""
        names = list(self.addresses)
        return names.index(nic) + 1 if nic in names else 0

    def has(self, address: str, scope_id: int = 0) -> bool:
        """Whether *address* is one of this host's own."""
        if self.whole_loopback and address.startswith("127."):
            address = "127.0.0.1"  # the whole block is local once one address of it is
        return any(address in held and scope_id in (0, index) for index, held in enumerate(self.addresses.values(), 1))

    def source_for(self, destination: str) -> str | None:
        """The address a packet to *destination* leaves from; None when there is no route."""
        six = ":" in destination
        loopback = destination == "::1" or destination.startswith("127.")
        if self.has(destination):
            return destination
        for held in self.addresses.values():
            for address in held:
                if (":" in address) != six or loopback or _is_loopback(address):
                    continue
                if address.startswith("fe80:") == destination.startswith("fe80:"):
                    return address
        return None


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def linux(**changes: Any) -> Host:
    """A Linux host with one Ethernet interface and both families; any field of Host by keyword."""
    return Host("Linux", _Linux(), **{"whole_loopback": True, **changes})


def macos(**changes: Any) -> Host:
    """A Mac: ``localhost`` has a third, zoned answer, and Unix paths are shorter."""
    addresses = {"lo0": ("127.0.0.1", "::1", "fe80::1"), "en0": ("192.0.2.100", "2001:db8::100", "fe80::100")}
    settings = {"addresses": addresses, "localhost": ("::1", "127.0.0.1", "fe80::1%lo0"), **changes}
    return Host("macOS", _Darwin(), **settings)


def freebsd(**changes: Any) -> Host:
    """FreeBSD: IPV6_V6ONLY is 1 on a new socket and may be set to 0."""
    addresses = {"lo0": ("127.0.0.1", "::1", "fe80::1"), "em0": ("192.0.2.100", "2001:db8::100", "fe80::100")}
    settings = {"addresses": addresses, "bindv6only": True, **changes}
    return Host("FreeBSD", _FreeBSD(), **settings)


def openbsd(**changes: Any) -> Host:
    """OpenBSD: no IPv4-mapped addresses, IPV6_V6ONLY is always 1 and setting it to 0 is EINVAL."""
    addresses = {"lo0": ("127.0.0.1", "::1", "fe80::1"), "em0": ("192.0.2.100", "2001:db8::100", "fe80::100")}
    settings = {"addresses": addresses, "bindv6only": True, "mapped": False, **changes}
    return Host("OpenBSD", _OpenBSD(), **settings)


def windows(**changes: Any) -> Host:
    """Windows: IPV6_V6ONLY defaults to 1, exclusive use, no connecting to a wildcard, no Unix sockets."""
    settings = {
        "bindv6only": True,
        "unix": False,
        "windows_reuse": True,
        "connects_to_wildcard": False,
        "whole_loopback": True,
        "privileged_below": 0,
        **changes,
    }
    return Host("Windows", _Windows(), **settings)
