"""Whether a datagram can be sent from a chosen address of this host: found out by doing it over loopback.

A system may take the control message that names the source and ignore it, as the Winsock of Wine does; the answer
would leave from the wrong address without a word. Where that is known to happen (``UdpRules.probe``) it is tried once:
send from 127.0.0.2 and look where it comes from. What cannot be tried, for want of a loopback interface for one, is
taken to work: then the system says so itself when it does not.
"""

from __future__ import annotations

from socket import AF_INET, SOCK_DGRAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

    from ..doors import Doors
    from ..platforms.udp import UdpRules

__all__ = ("probe_source",)

_SOURCE = "127.0.0.2"
_SECONDS = 0.2  # loopback delivers at once or never


def probe_source(world: Doors, rules: UdpRules) -> tuple[bool, str]:
    """Whether packet information chooses the source, and how that is known."""
    if not rules.has_messages:
        return False, "this system has no packet information"
    if not rules.probe:
        return True, "this system refuses a source it cannot use"
    receiver: Socket | None = None
    sender: Socket | None = None
    try:
        receiver = world.socket(AF_INET, SOCK_DGRAM)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(_SECONDS)
        # dualstack: v4-only because only IPv4 has a second loopback address on every host
        sender = world.socket(AF_INET, SOCK_DGRAM)
        sender.bind(("0.0.0.0", 0))
        calls = rules.calls(sender)
        if calls is None:
            return False, "this system has no recvmsg and sendmsg"
        control = rules.layout.source(six=False, address=b"\x7f\0\0\x02", interface=0)
        calls[2]((b"dualstack",), control, 0, receiver.getsockname())
        seen = receiver.recvfrom(16)[1][0]
        return seen == _SOURCE, f"sent a datagram from {_SOURCE}, it came from {seen}"
    except OSError as error:
        return True, f"not tried: {error.strerror or error}"
    finally:
        for sock in (receiver, sender):
            if sock is not None:
                sock.close()
