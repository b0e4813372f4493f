"""The same network code over IPv4, IPv6 and Unix-domain sockets, on Linux, macOS and Windows.

    with dualstack.open_listener("::", 8080) as listener:    # IPv4 and IPv6 clients, one port, any OS
        conn, peer = listener.accept()                       # peer prints 192.0.2.7:51413
    sock = dualstack.connect("example.com", 443, timeout=5)  # RFC 8305 in plain synchronous code
    for nic in dualstack.interfaces(): print(nic.name, *nic.addresses)

The names below are loaded on first use (PEP 562): ``import dualstack`` itself costs microseconds.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import aio as aio
    from .core.address import Address as Address
    from .core.address import parse as parse
    from .core.changes import Change as Change
    from .core.credentials import PeerCredentials as PeerCredentials
    from .core.endpoint import Endpoint as Endpoint
    from .core.endpoint import IPv4Endpoint as IPv4Endpoint
    from .core.endpoint import IPv6Endpoint as IPv6Endpoint
    from .core.endpoint_unix import UnixEndpoint as UnixEndpoint
    from .core.guard import anyone as anyone
    from .core.guard import public_only as public_only
    from .core.history import History as History
    from .core.interface import Interface as Interface
    from .core.interface_address import InterfaceAddress as InterfaceAddress
    from .core.interfaces import Interfaces as Interfaces
    from .core.options import SocketOptions as SocketOptions
    from .core.route import Route as Route
    from .core.route import SourceAddress as SourceAddress
    from .core.trace import TraceEvent as TraceEvent
    from .errors import AddressError as AddressError
    from .errors import ConnectError as ConnectError
    from .errors import ListenError as ListenError
    from .errors import ResolveError as ResolveError
    from .errors import TruncatedError as TruncatedError
    from .errors import UnsupportedError as UnsupportedError
    from .net.capabilities import Capabilities as Capabilities
    from .net.capabilities import Capability as Capability
    from .net.capabilities import capabilities as capabilities
    from .net.connect import connect as connect
    from .net.connect import history as history
    from .net.datagram import open_datagram as open_datagram
    from .net.datagram_socket import DatagramSocket as DatagramSocket
    from .net.interfaces import interfaces as interfaces
    from .net.listen import open_listener as open_listener
    from .net.listener import Listener as Listener
    from .net.packet import Datagram as Datagram
    from .net.passing import from_share as from_share
    from .net.passing import peer_credentials as peer_credentials
    from .net.passing import recv_fds as recv_fds
    from .net.passing import send_fds as send_fds
    from .net.passing import share as share
    from .net.resolve import resolve as resolve
    from .net.routes import default_interface as default_interface
    from .net.routes import gateways as gateways
    from .net.routes import source_for as source_for
    from .net.watch import Watcher as Watcher
    from .net.watch import watch_interfaces as watch_interfaces

__version__ = "0.1.0"

__all__ = (
    # verbs
    "aio",
    "Datagram",
    "DatagramSocket",
    "Listener",
    "connect",
    "open_datagram",
    "open_listener",
    "resolve",
    # connecting
    "History",
    "TraceEvent",
    "history",
    "anyone",
    "public_only",
    # addresses
    "Address",
    "Endpoint",
    "IPv4Endpoint",
    "IPv6Endpoint",
    "UnixEndpoint",
    "parse",
    # this host
    "Capabilities",
    "Capability",
    "capabilities",
    # Unix sockets: who is there, and handing descriptors over
    "PeerCredentials",
    "from_share",
    "peer_credentials",
    "recv_fds",
    "send_fds",
    "share",
    # settings
    "SocketOptions",
    # the interfaces of this host
    "Change",
    "Interface",
    "InterfaceAddress",
    "Interfaces",
    "Route",
    "SourceAddress",
    "default_interface",
    "gateways",
    "interfaces",
    "source_for",
    "Watcher",
    "watch_interfaces",
    # what can go wrong
    "AddressError",
    "ConnectError",
    "ListenError",
    "ResolveError",
    "TruncatedError",
    "UnsupportedError",
    "__version__",
)

# Where each public name lives; tests/architecture asserts that it agrees with __all__ and the imports above.
_HOME = {
    "aio": "aio",
    "Datagram": "net.packet",
    "DatagramSocket": "net.datagram_socket",
    "open_datagram": "net.datagram",
    "Listener": "net.listener",
    "open_listener": "net.listen",
    "resolve": "net.resolve",
    "History": "core.history",
    "TraceEvent": "core.trace",
    "connect": "net.connect",
    "history": "net.connect",
    "anyone": "core.guard",
    "public_only": "core.guard",
    "Address": "core.address",
    "parse": "core.address",
    "Endpoint": "core.endpoint",
    "IPv4Endpoint": "core.endpoint",
    "IPv6Endpoint": "core.endpoint",
    "UnixEndpoint": "core.endpoint_unix",
    "PeerCredentials": "core.credentials",
    "from_share": "net.passing",
    "peer_credentials": "net.passing",
    "recv_fds": "net.passing",
    "send_fds": "net.passing",
    "share": "net.passing",
    "SocketOptions": "core.options",
    "Interface": "core.interface",
    "InterfaceAddress": "core.interface_address",
    "Interfaces": "core.interfaces",
    "Change": "core.changes",
    "Watcher": "net.watch",
    "watch_interfaces": "net.watch",
    "Route": "core.route",
    "SourceAddress": "core.route",
    "default_interface": "net.routes",
    "gateways": "net.routes",
    "interfaces": "net.interfaces",
    "source_for": "net.routes",
    "AddressError": "errors",
    "ConnectError": "errors",
    "ListenError": "errors",
    "ResolveError": "errors",
    "TruncatedError": "errors",
    "UnsupportedError": "errors",
    "Capabilities": "net.capabilities",
    "Capability": "net.capabilities",
    "capabilities": "net.capabilities",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The bare __import__ (a non-empty fromlist returns the submodule): importlib would be one more module to load.
    value: object = __import__(f"{__name__}.{home}", None, None, (name,))
    if home != name:  # aio is a module
        value = getattr(value, name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
