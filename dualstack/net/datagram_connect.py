"""Connected datagram sockets: one peer, its datagrams only, and its ICMP errors."""

from __future__ import annotations

import errno
from socket import AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SOCK_DGRAM

from .. import platforms
from ..core.endpoint import IPEndpoint, IPv4Endpoint, IPv6Endpoint
from ..errors import UnsupportedError
from .datagram_socket import DatagramSocket
from .packet import Channel
from .sending import BROADCAST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.address import Address
    from .datagram import DatagramOpener

    Resolved = Mapping[Address, Sequence[IPEndpoint]]

__all__ = ("connect_datagram",)


def connect_datagram(
    opener: DatagramOpener,
    address: Address,
    local: Sequence[Address] | None,
    resolved: Resolved,
    *,
    broadcast: bool,
    timestamps: bool,
    strict: bool,
) -> DatagramSocket:
    """Connect to the first endpoint of *address* that can be connected to; for UDP that means: that has a route."""
    if address.kind == "unix":
        return _unix(opener, address, local, strict)
    error: OSError | None = None
    tried = []
    for peer in _endpoints(opener, address, resolved):
        try:
            source = None if local is None else _source(opener, peer, local, resolved)
            return _connect(opener, peer, source, broadcast, timestamps, strict)
        except UnsupportedError:
            raise
        except OSError as failure:
            error = error or failure
            hint = BROADCAST if failure.errno == errno.EACCES and isinstance(peer, IPv4Endpoint) else ""
            tried.append(f"{peer}: {failure.strerror or failure}{hint}")
    if error is None:
        raise OSError(errno.EADDRNOTAVAIL, f"{address}: nothing to connect to")
    raise type(error)(error.errno, "cannot connect to " + "; ".join(tried)) from error


def _endpoints(opener: DatagramOpener, address: Address, resolved: Resolved) -> list[IPEndpoint]:
    """The endpoints of an address, each by itself; wildcards as they are."""
    found = [endpoint for request in opener.requests(address, resolved) for endpoint, _ in request.alternatives[0]]
    return [endpoint if not endpoint.is_unspecified else _loopback(endpoint) for endpoint in found]


def _loopback(endpoint: IPEndpoint) -> IPEndpoint:
    # Nobody listens on a wildcard address; what is meant is this host, as Linux guesses and Windows refuses to.
    if isinstance(endpoint, IPv6Endpoint):
        return IPv6Endpoint("::1", endpoint.port)
    return IPv4Endpoint("127.0.0.1", endpoint.port)


def _source(opener: DatagramOpener, peer: IPEndpoint, local: Sequence[Address], resolved: Resolved) -> IPEndpoint:
    """The address among *local* to send from, in the family of *peer*."""
    for address in local:
        for request in opener.requests(address, resolved):
            for alternative in request.alternatives:
                for endpoint, v6only in alternative:
                    if endpoint.family == peer.family:
                        return endpoint
                    if not v6only and isinstance(peer, IPv4Endpoint) and endpoint.is_unspecified:
                        return IPv4Endpoint("0.0.0.0", endpoint.port)
    raise OSError(errno.EAFNOSUPPORT, f"no address of its family in {', '.join(map(str, local))}")


def _connect(
    opener: DatagramOpener, peer: IPEndpoint, source: IPEndpoint | None, broadcast: bool, timestamps: bool, strict: bool
) -> DatagramSocket:
    sock = opener.world.socket(peer.family, SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if peer.family == AF_INET6:
            sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)
        opener.rules.prepare(sock, share=opener.share)
        if opener.options is not None:
            from .options import apply

            apply(sock, opener.options, stream=False, connecting=True)
        if source is not None:
            sock.bind(source.sockaddr)
        if broadcast:
            opener.permit_broadcast(sock)
        sock.connect(peer.sockaddr)
        channel = Channel(sock, dual=False, remote=peer, timestamps=timestamps)
        return DatagramSocket(opener.world, [channel], strict=strict, source_selection="fixed")
    except BaseException:
        sock.close()
        raise


def _unix(opener: DatagramOpener, address: Address, local: Sequence[Address] | None, strict: bool) -> DatagramSocket:
    """Connect to a Unix datagram socket; without a *local* path the peer has no address to answer to."""
    endpoint = address.endpoint
    system = platforms.current
    if not system.has_unix_datagrams or endpoint is None:
        raise UnsupportedError("Unix datagram sockets", system.name, "use UDP on loopback or a Unix stream")
    bound = None if local is None else opener.bind_unix(local[0].endpoint)
    sock = bound.socket if bound is not None else opener.world.unix_socket(SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if opener.options is not None:
            from .options import apply

            apply(sock, opener.options, stream=False, connecting=True)
        sock.connect(endpoint.sockaddr)
        channel = Channel(sock, dual=False, remote=endpoint)
        return DatagramSocket(opener.world, [channel], strict=strict, bound_unix=bound, source_selection="fixed")
    except BaseException as error:
        if bound is not None:
            bound.unlink()
        sock.close()
        if isinstance(error, OSError) and not isinstance(error, UnsupportedError):
            raise type(error)(error.errno, f"cannot connect to {endpoint}: {error.strerror}") from error
        raise
