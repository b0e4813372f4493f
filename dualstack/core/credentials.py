"""PeerCredentials: who is at the other end of a Unix socket, as the kernel told."""

from __future__ import annotations

__all__ = ("PeerCredentials",)


class PeerCredentials(tuple[int | None, int | None, int | None]):
    """``(pid, uid, gid)`` of the process at the other end when it connected; None where the system does not tell.

    The pid may meanwhile belong to another process: compare ``uid``, show ``pid``.
    """

    __slots__ = ()

    @property
    def pid(self) -> int | None:
        """Process id. Linux, macOS, Windows."""
        return self[0]

    @property
    def uid(self) -> int | None:
        """Effective user id. Linux, macOS; None on Windows."""
        return self[1]

    @property
    def gid(self) -> int | None:
        """Effective group id. Linux, macOS; None on Windows."""
        return self[2]

    def __repr__(self) -> str:
        return f"PeerCredentials(pid={self[0]}, uid={self[1]}, gid={self[2]})"
