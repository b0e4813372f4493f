"""What kind of address and port an IP endpoint has: the questions guards, filters and logs ask.

Answers come from our own dated copy of the IANA registries (``special.py``), never from the running Python. All look
through the IPv4-mapped form, which is the same address on the wire: ``::ffff:127.0.0.1`` is loopback. ``is_global``
looks through every embedding: NAT64 of a private address is not public. The others do not, because they are asked by
code that trusts; a guard that refuses by kind reads ``special.classify``. The tables load on the first question.
"""

from __future__ import annotations

__all__ = ("AddressKind",)


class AddressKind:
    """The classifying half of an IP endpoint."""

    __slots__ = ()

    port: int

    @property
    def packed(self) -> bytes:
        """The address as 4 or 16 bytes in network order."""
        raise NotImplementedError

    @property
    def is_loopback(self) -> bool:
        """127.0.0.0/8, also mapped (``::ffff:127.0.0.1``), or ::1."""
        from .special import is_loopback

        return is_loopback(self.packed)

    @property
    def is_unspecified(self) -> bool:
        """0.0.0.0, also mapped, or ``::``."""
        from .special import is_unspecified

        return is_unspecified(self.packed)

    @property
    def is_link_local(self) -> bool:
        """Unicast 169.254.0.0/16, also mapped, or fe80::/10."""
        from .special import is_link_local

        return is_link_local(self.packed)

    @property
    def is_multicast(self) -> bool:
        """224.0.0.0/4, also mapped, or ff00::/8."""
        from .special import is_multicast

        return is_multicast(self.packed)

    @property
    def is_private(self) -> bool:
        """Private use (RFC 1918), also mapped, or unique local (RFC 4193)."""
        from .special import is_private

        return is_private(self.packed)

    @property
    def is_global(self) -> bool:
        """Globally reachable by the IANA registries: the outer block and every embedded IPv4 address are."""
        from .special import is_global

        return is_global(self.packed)

    @property
    def port_range(self) -> str:
        """``"SYSTEM"`` (0-1023), ``"USER"`` (1024-49151) or ``"DYNAMIC"`` (49152-65535), RFC 6335 section 6."""
        return "SYSTEM" if self.port < 1024 else "USER" if self.port < 49152 else "DYNAMIC"

    @property
    def service(self) -> str | None:
        """The IANA name of the port where it is one of the well-known few, else None; no file is read."""
        from .services import NAMES

        return NAMES.get(self.port)
