"""The lock file beside a socket path: one starter at a time between looking at the path and listening on it.

``/run/app.sock`` is guarded by ``/run/app.sock.lock``, locked with flock(2) (a byte lock on Windows) and removed again
by whoever holds it. A lock file may only be removed by its holder, and whoever gets the lock checks that the file it
locked is still the one at the path: if not, the holder before removed it and the lock protects nothing any more.

A lock that cannot be had is no error here: the caller may still bind a free path, it just must not remove anything.
On a file system without locks (ENOLCK) the file we made is removed again. The file is never followed through a link,
and another user's file is not used, so nobody can aim us at a file elsewhere.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..doors import Doors

__all__ = ("LOCK_SECONDS", "LockFile")

LOCK_SECONDS = 2.0  # seconds; the holder needs well under a millisecond, so this is a machine under heavy load
_FIRST_PAUSE = 0.001  # seconds, doubled at each try
_LONGEST_PAUSE = 0.05


class LockFile:
    """The lock of one socket path: ``acquire()`` says whether it is ours, ``release()`` removes it."""

    __slots__ = ("_door", "_fileno", "_path")

    def __init__(self, door: Doors, socket_path: bytes) -> None:
        self._door = door
        self._path = socket_path + b".lock"
        self._fileno = -1

    @property
    def held(self) -> bool:
        """Whether we hold the lock."""
        return self._fileno >= 0

    def acquire(self) -> bool:
        """Wait for the lock for at most LOCK_SECONDS; False when it cannot be had at all."""
        door = self._door
        deadline = door.monotonic() + LOCK_SECONDS
        pause = _FIRST_PAUSE
        while True:
            try:
                answer = self._try_once()
            except OSError:  # a read-only directory, a link at the path, a file system without locks
                return False
            if answer is not None:
                return answer
            if door.monotonic() >= deadline:
                return False
            door.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _try_once(self) -> bool | None:
        """True: ours. False: not usable. None: somebody has it, or removed it under us; try again."""
        door = self._door
        # O_NOFOLLOW and O_NONBLOCK: a link or a FIFO laid out at the name must neither be followed nor stop us.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        made = True
        try:
            fileno = door.open_file(self._path, flags | os.O_EXCL, 0o600)
        except FileExistsError:
            made = False
            fileno = door.open_file(self._path, flags, 0o600)
        try:
            mine = door.fstat(fileno)
            if door.geteuid() not in (None, mine.st_uid):
                return False
            try:
                locked = door.try_lock(fileno)
            except OSError:
                if made:
                    door.unlink(self._path)
                raise
            if not locked:
                return None
            try:
                there = door.lstat(self._path)
            except FileNotFoundError:
                return None
            if (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
                return None
            self._fileno, fileno = fileno, -1
            return True
        finally:
            if fileno >= 0:
                door.close_file(fileno)

    def release(self) -> None:
        """Remove the lock file and unlock; does nothing when it is not held."""
        fileno, self._fileno = self._fileno, -1
        if fileno < 0:
            return
        door = self._door
        try:
            door.unlink(self._path)
        except PermissionError:
            # Windows removes no open file. After closing, removal fails only while another starter has it open.
            door.close_file(fileno)
            fileno = -1
            try:
                door.unlink(self._path)
            except OSError:
                pass
        except OSError:  # gone already: the file system was cleaned, the lock is none any more
            pass
        finally:
            if fileno >= 0:
                door.close_file(fileno)
