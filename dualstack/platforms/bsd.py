"""What macOS and FreeBSD have in common: interfaces, routes and change notices of the BSD kind.

Never run on either. NetBSD and OpenBSD differ in more than numbers (``struct ifaddrs``, routing messages) and are not
covered: there, asking is an UnsupportedError.
"""

from __future__ import annotations

from .posix import Posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.interfaces import Interfaces
    from ..core.route import Route, SourceAddress
    from .bsdroute import System
    from .change_source import ChangeSource

__all__ = ("Bsd", "FreeBSD")


class Bsd(Posix):
    """macOS or FreeBSD."""

    def _system(self) -> System:
        from .bsdroute import MACOS

        return MACOS

    # All lazily: connecting and listening do without.

    def interfaces(self) -> Interfaces:
        from .bsd_interfaces import read_all

        return read_all(self._system())

    def routes(self) -> list[Route]:
        from .bsd_interfaces import read_routes

        return read_routes(self._system())

    def route_to(
        self, family: int, packed: bytes, destination: str, scope_id: int, protocol: int, port: int
    ) -> SourceAddress:
        from .bsd_interfaces import ask_route

        return ask_route(self._system(), packed, destination, scope_id)

    def watch(self, poll_interval: float | None = None) -> ChangeSource:
        if poll_interval is not None:
            return super().watch(poll_interval)
        from .bsd_interfaces import open_source

        return open_source(self._system())


class FreeBSD(Bsd):
    """FreeBSD."""

    name = "FreeBSD"

    def _system(self) -> System:
        from .bsdroute import FREEBSD

        return FREEBSD
