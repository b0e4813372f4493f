"""The file system of the fake world, as far as Unix sockets need one.

Every directory one names exists, unless a test says otherwise; what is made in it is kept by path. Inode numbers are
handed out again as soon as nothing holds them, because real file systems do and code that trusts a number alone is
wrong there. Times are a counter: each change is a tick later than the one before.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from ..platforms.words import os_error

__all__ = ("Files", "Node")

# Descriptors of files: apart from those of sockets, and as far from any real one.
_FIRST_FD = 2_000_000
_PROC_FD = b"/proc/self/fd"


def _takes_nanoseconds() -> bool:
    try:
        return os.stat_result((0,) * 10, {"st_ctime_ns": 1}).st_ctime_ns == 1
    except TypeError:
        return False


# PyPy before 8.0 adds seconds and a field of its own up, and takes no st_mtime_ns.
_TAKES_NANOSECONDS = _takes_nanoseconds()


class Node:
    """One file, whatever its names."""

    def __init__(self, inode: int, mode: int, uid: int, tick: int, target: bytes | None, ours: bool) -> None:
        self.inode = inode
        self.mode = mode
        self.uid = uid
        self.gid = 0
        self.made = tick
        self.changed = tick
        self.target = target
        #: Made by the code under test, not put there by the test.
        self.ours = ours
        #: The descriptor that holds the lock.
        self.locked_by: int | None = None


class Files:
    """Paths (bytes, absolute) and what stands at them."""

    def __init__(self, uid: int, has_proc: bool) -> None:
        self.uid = uid
        #: Bits taken off the mode of whatever is created.
        self.umask = 0o022
        self.nodes: dict[bytes, Node] = {}
        #: Directories that do not exist: whatever is named in one is ENOENT.
        self.missing: set[bytes] = set()
        self.open: dict[int, tuple[Node, bytes]] = {}
        #: Sockets keep their node, and its number, while they are open.
        self.held: list[Node] = []
        self._has_proc = has_proc
        self._tick = 0

    # ------------------------------------------------------------------ what tests put there

    def add_file(self, path: str, mode: int = 0o644) -> None:
        """Put a regular file there."""
        self._new(os.fsencode(path), stat.S_IFREG | mode, ours=False)

    def add_symlink(self, path: str, target: str) -> None:
        """Put a symbolic link there."""
        self._new(os.fsencode(path), stat.S_IFLNK | 0o777, os.fsencode(target), ours=False)

    def add_stale_socket(self, path: str, mode: int = 0o600, uid: int | None = None) -> None:
        """Put a socket file there whose owner was killed."""
        node = self._new(os.fsencode(path), stat.S_IFSOCK | mode, ours=False)
        node.uid = self.uid if uid is None else uid

    def left(self) -> list[str]:
        """What the code under test made and did not remove: socket files, lock files, private directories."""
        return [os.fsdecode(path) for path, node in self.nodes.items() if node.ours]

    # ------------------------------------------------------------------ paths

    def _new(self, path: bytes, mode: int, target: bytes | None = None, ours: bool = True) -> Node:
        if path in self.nodes:
            raise _error(errno.EEXIST, path)
        if os.path.dirname(path) in self.missing:
            raise _error(errno.ENOENT, path)
        used = {node.inode for node in (*self.nodes.values(), *self.held, *(held for held, _ in self.open.values()))}
        inode = next(number for number in range(1, len(used) + 2) if number not in used)
        self._tick += 1
        node = self.nodes[path] = Node(inode, mode, self.uid, self._tick, target, ours)
        return node

    def _resolve(self, path: bytes, *, follow: bool, depth: int = 0) -> bytes:
        """Replace links on the way, and the last one if *follow*; ``/proc/self/fd/N`` is a link too."""
        if depth > 20:
            raise _error(errno.ELOOP, path)
        parts = path.strip(b"/").split(b"/")
        for count in range(1, len(parts) + 1):
            here = b"/" + b"/".join(parts[:count])
            if count == len(parts) and not follow:
                break
            target: bytes | None = None
            if os.path.dirname(here) == _PROC_FD and self._has_proc:
                target = self._file(int(parts[count - 1]))[1]
            elif here in self.nodes:
                target = self.nodes[here].target
            if target is not None:
                joined = os.path.join(os.path.dirname(here), target, *parts[count:])
                return self._resolve(joined, follow=follow, depth=depth + 1)
        return b"/" + b"/".join(parts)

    def find(self, path: bytes, *, follow: bool) -> Node:
        """What stands at *path*; an ordinary directory when nothing was put there but something inside is named."""
        resolved = self._resolve(path, follow=follow)
        node = self.nodes.get(resolved)
        if node is not None:
            return node
        inside = any(other.startswith(resolved + b"/") for other in self.nodes)
        if inside or resolved == b"/" or (self._has_proc and resolved == _PROC_FD):
            return Node(0, stat.S_IFDIR | 0o755, 0, 0, None, False)
        if self._has_proc and os.path.dirname(resolved) == _PROC_FD:
            self._file(int(os.path.basename(resolved)))
            return Node(0, stat.S_IFLNK | 0o777, 0, 0, None, False)
        raise _error(errno.ENOENT, path)

    def _named(self, path: bytes) -> bytes:
        """The resolved name of something that must exist, its last part not followed."""
        resolved = self._resolve(path, follow=False)
        if resolved not in self.nodes:
            raise _error(errno.ENOENT, path)
        return resolved

    def make_socket(self, path: bytes, opened: Any) -> Node:
        """Create the file of a bound Unix socket; EADDRINUSE when anything is there."""
        resolved = self._resolve(path, follow=False)
        if resolved in self.nodes:
            raise _error(errno.EADDRINUSE, None)
        mode = opened.options.get("fchmod", 0o777) & ~self.umask
        node = self._new(resolved, stat.S_IFSOCK | mode, ours=opened.ours)
        self.held.append(node)
        return node

    # ------------------------------------------------------------------ what the doors ask for

    def stat(self, node: Node) -> os.stat_result:
        """The facts about a file."""
        times = {"st_mtime_ns": node.made * 10**9, "st_ctime_ns": node.changed * 10**9}
        if not _TAKES_NANOSECONDS:
            times = {"nsec_atime": 0, "nsec_mtime": 0, "nsec_ctime": 0}
        return os.stat_result((node.mode, node.inode, 1, 1, node.uid, node.gid, 0, 0, node.made, node.changed), times)

    def chmod(self, node: Node, mode: int) -> None:
        node.mode = stat.S_IFMT(node.mode) | mode
        self._touch(node)

    def chown(self, node: Node, uid: int, gid: int) -> None:
        node.uid = node.uid if uid < 0 else uid
        node.gid = node.gid if gid < 0 else gid
        self._touch(node)

    def _touch(self, node: Node) -> None:
        self._tick += 1
        node.changed = self._tick

    def unlink(self, path: bytes) -> None:
        del self.nodes[self._named(path)]

    def link(self, source: bytes, target: bytes) -> None:
        resolved = self._resolve(target, follow=False)
        if resolved in self.nodes:
            raise _error(errno.EEXIST, target)
        node = self.nodes[resolved] = self.find(source, follow=False)
        self._touch(node)

    def rename(self, source: bytes, target: bytes) -> None:
        node = self.nodes.pop(self._named(source))
        self.nodes[self._resolve(target, follow=False)] = node  # whatever stood there is gone
        self._touch(node)

    def symlink(self, source: bytes, target: bytes) -> None:
        self._new(self._resolve(target, follow=False), stat.S_IFLNK | 0o777, source)

    def mkdir(self, path: bytes, mode: int) -> None:
        self._new(self._resolve(path, follow=False), stat.S_IFDIR | mode)

    def rmdir(self, path: bytes) -> None:
        resolved = self._named(path)
        if any(other.startswith(resolved + b"/") for other in self.nodes):
            raise _error(errno.ENOTEMPTY, path)
        del self.nodes[resolved]

    def open_file(self, path: bytes, flags: int, mode: int) -> int:
        resolved = self._resolve(path, follow=not flags & getattr(os, "O_NOFOLLOW", 0))
        if flags & os.O_CREAT and resolved not in self.nodes:
            node = self._new(resolved, stat.S_IFREG | mode & ~self.umask)
        elif flags & getattr(os, "O_DIRECTORY", 0) and resolved not in self.nodes and resolved not in self.missing:
            node = Node(0, stat.S_IFDIR | 0o755, 0, 0, None, False)
        else:
            node = self.find(resolved, follow=False)
        if node.target is not None:
            raise _error(errno.ELOOP, path)
        fd = _FIRST_FD
        while fd in self.open:
            fd += 1
        self.open[fd] = node, resolved
        return fd

    def _file(self, fileno: int) -> tuple[Node, bytes]:
        try:
            return self.open[fileno]
        except KeyError:
            raise _error(errno.EBADF, None) from None

    def file(self, fileno: int) -> Node:
        """The file behind a descriptor."""
        return self._file(fileno)[0]

    def close_file(self, fileno: int) -> None:
        node = self.file(fileno)
        if node.locked_by == fileno:
            node.locked_by = None
        del self.open[fileno]

    def try_lock(self, fileno: int) -> bool:
        node = self.file(fileno)
        if node.locked_by is None:
            node.locked_by = fileno
        return node.locked_by == fileno


def _error(code: int, path: bytes | None) -> OSError:
    return os_error(code) if path is None else OSError(code, os.strerror(code), os.fsdecode(path))
