"""May the file at a Unix socket path be removed so that we can bind? The decision alone, without any I/O.

Problem: a server that died without cleaning up leaves its socket file, and bind(2) then answers EADDRINUSE
for ever. The naive way, used by most servers and by asyncio, is to unlink whatever is there and bind again. That
takes the path away from a server that is alive: it keeps running, nobody can reach it, and no error is shown to
anyone. With ``os.stat`` instead of ``os.lstat`` it even replaces a symbolic link.

Our rule: bind first. Only when the path is taken, look at it in this order, and give up at the first doubt:

1. what is there (lstat): anything but a socket stays, and the message names it;
2. whose it is: another user's socket stays;
3. whether we hold the lock beside it: without the lock two starters may both see a dead socket, and the slower one
   would remove the faster one's new file;
4. whether a socket is still bound to it: a probe asks the kernel.

The probe is a *datagram* connect. To a path on which any socket is bound it answers success or, when that is a
stream, EPROTOTYPE; it answers ECONNREFUSED only when nothing is bound there any more. A stream connect cannot
tell a dead socket from one that is bound and about to listen (both refuse), and when it succeeds the live server has
to accept a connection that nobody wanted. Where the system has stream sockets only (Windows) a stream connect has to
do, and the lock covers the time between bind and listen for programs that use this library.

Left out: removing a live socket without being told to. ``takeover="force"`` skips the probe, nothing else.
"""

from __future__ import annotations

from errno import EAGAIN, ECONNREFUSED, ENOENT, EPROTOTYPE, EWOULDBLOCK

__all__ = ("FORCE", "KEEP", "MISSING", "POLICIES", "PROBE", "REFUSE", "REMOVE", "RETRY", "SOCKET", "STALE", "decide")

# What the caller allows.
REFUSE, STALE, FORCE = "refuse", "stale", "force"
POLICIES = (REFUSE, STALE, FORCE)

# What lstat found; any other text names the thing in the message ("a regular file", "a symbolic link").
SOCKET, MISSING = "a socket", "nothing"

# What to do next.
KEEP = "keep"  # leave it, report EADDRINUSE with the reason
REMOVE = "remove"  # unlink it and bind once more
RETRY = "retry"  # it is gone: bind once more
PROBE = "probe"  # connect to it and ask again with the answer


def decide(takeover: str, kind: str, *, owned: bool, locked: bool, probe: int | None = None) -> tuple[str, str]:
    """Say what to do about a taken path: ``(action, reason)``, the reason for people.

    *kind* is what lstat found, *owned* whether the file belongs to a user whose files we may remove, *locked*
    whether we hold the lock of this path, *probe* the errno of the probe: 0 connected, None not asked yet.
    """
    if kind == MISSING:
        return RETRY, "it was removed meanwhile"
    if kind != SOCKET:
        return KEEP, f"{kind} is there, not a socket; remove it yourself if it may go"
    if takeover == REFUSE:
        return KEEP, "a socket is there already, and takeover='refuse' removes none"
    if not owned:
        return KEEP, "the socket there belongs to another user"
    if not locked:
        return KEEP, "a socket is there, and the lock file beside it could not be locked"
    if takeover == FORCE:
        return REMOVE, "takeover='force'"
    if probe is None:
        return PROBE, ""
    if probe == ENOENT:
        return RETRY, "it was removed meanwhile"
    if probe == ECONNREFUSED:
        return REMOVE, "no process has it open any more"
    if probe in (0, EPROTOTYPE):
        return KEEP, "a running process has it open"
    if probe in (EAGAIN, EWOULDBLOCK):
        return KEEP, "a running process has it open, with a full backlog"
    # EACCES, EPERM (a datagram socket connected elsewhere), ENOBUFS, whatever else: when in doubt it is alive.
    return KEEP, f"whether a process still has it open could not be found out (errno {probe})"
