"""Where Wine 10 is not Windows: what a test may not expect there, by name.

``@pytest.mark.wine_skip("reuse-steal")`` skips a test under Wine, and nowhere else; tests/conftest.py takes the reason
from here and refuses a name that is not here. So a search for a name finds every test that loses by it, and
docs/platforms.md, which ci/platforms.py makes, shows the table beside the results.

Measured with CPython 3.13.2 for win_amd64 under Wine 10.0 of Debian 13. What Windows does is from its documentation;
the tests with these marks say it once they run on a Windows machine.
"""

from __future__ import annotations

#: Name -> (what Wine does, what Windows does).
DEVIATIONS: dict[str, tuple[str, str]] = {
    "af-unix": ("socket(AF_UNIX) is 10047, WSAEAFNOSUPPORT", "stream sockets since Windows 10 1803"),
    "afd-poll": ("SIO_BASE_HANDLE is 10045, so that trio cannot wait for a socket", "trio runs"),
    "reuse-steal": (
        "a second bind with SO_REUSEADDR on both sockets is 10013",
        "it succeeds, and either socket may get the connections",
    ),
    "udp-addresses": (
        "two UDP sockets on one port of 127.0.0.1 and another IPv4 address: 10048",
        "each address has its own ports",
    ),
    "udp-source": ("WSASendMsg takes a source address and ignores it", "it is the source of the datagram"),
    "unspecified-connect": ("connecting to 0.0.0.0 or :: reaches loopback, as on Linux", "10049, WSAEADDRNOTAVAIL"),
    "inet-pton": (
        "inet_pton takes leading zeros in the IPv4 part of an IPv6 address",
        "refused, as by every other system",
    ),
    "dad-state": ("DadState is always 4, and deprecated addresses are not shown", "the real states"),
    "lifetimes": ("60000 seconds for every address", "the real lifetimes, 0xFFFFFFFF for no end"),
    "origins": ("prefix and suffix origin are made up", "the real origins; 4 and 5 say a temporary address"),
    "ipv6-ifindex": ("Ipv6IfIndex is 0 on every adapter", "the index; 0 only without IPv6"),
    "names": ("FriendlyName and Description are Linux names", '"Ethernet", and the name of the device'),
    "nameinfo-scope": ("getnameinfo writes fe80::1%lo", "a numeric zone, fe80::1%1"),
    "adapter-id": ("{0000000N-0000-0000-0000-4E6574446576}", "a GUID of its own for each adapter"),
    "best-route6": ("GetBestRoute2 and IPv6 in GetBestInterfaceEx are 50, ERROR_NOT_SUPPORTED", "they work"),
    "notify-ip": ("the Notify...Change2 functions return 0 with a NULL handle and report nothing", "they report"),
    "unicast-if6": ("IPV6_UNICAST_IF is 10022", "it works"),
    "v6-options": ("IPV6_TCLASS is 10042", "it works on recent versions"),
    "double-pktinfo": (
        "a dual-stack socket gives an IPv4 datagram both kinds of packet information",
        "not known: one or both, in any order",
    ),
    "udp-icmp": ("ICMP errors do not reach UDP sockets", "10054, WSAECONNRESET, at the next receive"),
    "localhost": ("answered from the hosts file", "::1 first, answered by the resolver itself"),
    "addrconfig": ("gaierror(-9) where no address of the family is there", "a code of Winsock"),
    "ll-no-scope": ("connecting to fe80:: without a scope is 10022", "the system chooses the interface"),
}
