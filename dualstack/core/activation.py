"""What a service manager passed to this process, read from four environment variables and nothing else.

The protocol is that of sd_listen_fds(3): LISTEN_FDS descriptors, numbered from 3, are for the process LISTEN_PID, with
the names LISTEN_FDNAMES. The variables are inherited by children, so a process that trusts LISTEN_FDS alone takes its
parent's sockets, or log files that happen to be descriptors 3 and 4. Our rule is that of the original: every check, and
one doubt means that nothing was passed. The doubt is kept as text, because "no sockets" at night needs a reason.

Newer service managers add LISTEN_PIDFDID, the inode number of a pidfd of the process: process ids come round again,
these numbers do not.
"""

from __future__ import annotations

__all__ = ("FIRST", "UNNAMED", "Passed", "passed")

FIRST = 3  # SD_LISTEN_FDS_START: what follows stdin, stdout and stderr
UNNAMED = "unknown"  # what sd_listen_fds_with_names calls a descriptor without a name


class Passed:
    """The descriptors for this process as ``(number, name)`` pairs; without any, ``reason`` says why."""

    __slots__ = ("descriptors", "reason")

    def __init__(self, descriptors: tuple[tuple[int, str], ...], reason: str = "") -> None:
        self.descriptors: tuple[tuple[int, str], ...] = descriptors
        self.reason: str = reason


def passed(
    listen_pid: str | None,
    listen_fds: str | None,
    listen_fdnames: str | None,
    listen_pidfdid: str | None,
    *,
    pid: int,
    pidfd_id: int | None,
    fd_limit: int,
) -> Passed:
    """Read the four variables as process *pid*.

    *pidfd_id* is the inode number of our own pidfd, None where the system has none to compare; *fd_limit* is one more
    than the highest descriptor this process can have.
    """
    if listen_pid is None:
        return Passed((), "LISTEN_PID is not set: no service manager passed sockets to this process")
    wanted = _number(listen_pid)
    if wanted is None:
        return Passed((), f"LISTEN_PID is {listen_pid!r}, not a process id")
    if wanted != pid:
        return Passed((), f"LISTEN_PID is {wanted} and this process is {pid}: the sockets are another process's")
    if listen_pidfdid is not None and pidfd_id is not None and _number(listen_pidfdid) != pidfd_id:
        return Passed((), f"LISTEN_PIDFDID is {listen_pidfdid!r} and this process is {pidfd_id}: a reused process id")
    if listen_fds is None:
        return Passed((), "LISTEN_PID is set and LISTEN_FDS is not")
    count = _number(listen_fds)
    if count is None or count == 0:
        return Passed((), f"LISTEN_FDS is {listen_fds!r}, not a number of descriptors")
    if FIRST + count > fd_limit:
        return Passed((), f"LISTEN_FDS is {count}, and this process can have {fd_limit} descriptors")
    names = listen_fdnames.split(":") if listen_fdnames is not None else []
    if len(names) != count:  # a list that does not fit names nothing: better no name than a neighbour's
        names = [UNNAMED] * count
    return Passed(tuple((FIRST + index, name) for index, name in enumerate(names)))


def _number(text: str) -> int | None:
    # int() would also take " 3", "+3", "1_0" and Arabic digits.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None
