"""The error of a lost race: a short table of what was tried, the errno that tells most, and the right class.

A person reads it at night: which addresses were tried, what each of them answered and after how long, and which were
never tried and why. A program reads ``errno``, the class and ``attempts``.
"""

from __future__ import annotations

import errno

from ..errors import Attempt, ConnectError, connect_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("NotTried", "explain", "report")

# The most telling first: what is wrong here, then what a host answered, then silence, then missing routes.
_TELLING = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.ECONNREFUSED,
    errno.ETIMEDOUT,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EADDRINUSE,
    errno.EADDRNOTAVAIL,
    errno.EPERM,
    errno.EACCES,
)
_SHOWN = 12  # rows of the table; a name may have a thousand addresses


class NotTried(OSError):
    """Why a candidate got no socket: not allowed, no matching local address."""


def _code(error: BaseException | None) -> int:
    if error is None:
        return errno.ETIMEDOUT
    code = getattr(error, "errno", None)
    if isinstance(code, int):
        return code
    return errno.ETIMEDOUT if isinstance(error, TimeoutError) else errno.EIO


def explain(attempt: Attempt) -> str:
    """Say in a few words how an attempt ended."""
    error = attempt.error
    took = None if attempt.started is None or attempt.ended is None else attempt.ended - attempt.started
    if error is None:
        return f"no answer for {took:.3f} s" if took is not None else "no answer"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return said if took is None else f"{said} after {took:.3f} s"


def report(
    target: str,
    attempts: Sequence[Attempt],
    *,
    timeout: float | None = None,
    timed_out: bool = False,
    notes: Sequence[str] = (),
) -> ConnectError:
    """Make the ConnectError for *target*; times in *attempts* count from the start of the call.

    *notes* are further lines, such as a look-up that failed.
    """
    tried = [attempt for attempt in attempts if not isinstance(attempt.error, NotTried)]
    codes = [_code(attempt.error) for attempt in attempts]
    if timed_out:
        codes = [errno.ETIMEDOUT]
    code = min(codes, key=_rank) if codes else errno.EHOSTUNREACH
    within = f" within {timeout:g} s" if timed_out and timeout is not None else ""
    lines = [f"cannot connect to {target}{within}"]
    if not attempts:
        late = ": no answer from the resolver" if notes else ": no time to try an address"
        lines[0] += late if timed_out else ": no address to try"
    elif not tried:
        lines[0] += ": no address may be tried"
    lines += _table(attempts)
    lines += [f"  {note}" for note in notes]
    failure = connect_error(code, "\n".join(lines), attempts, agreed=len(set(codes)) == 1)
    for attempt in attempts:
        if attempt.error is not None:
            # Its frames hold this call's variables, which hold the error: a cycle, and sockets in it.
            attempt.error.__traceback__ = None
            attempt.error.__context__ = None
    failure.__cause__ = _cause(attempts)
    return failure


def _rank(code: int) -> int:
    return _TELLING.index(code) if code in _TELLING else len(_TELLING)


def _table(attempts: Sequence[Attempt]) -> list[str]:
    shown = attempts if len(attempts) <= _SHOWN else attempts[: _SHOWN - 1]
    width = max((len(str(attempt.endpoint)) for attempt in shown), default=0)
    lines = []
    for attempt in shown:
        at = "   never" if attempt.started is None else f"{attempt.started:6.3f} s"
        lines.append(f"  {attempt.endpoint!s:<{width}}  {at}  {explain(attempt)}")
    if len(shown) < len(attempts):
        lines.append(f"  and {len(attempts) - len(shown)} more; see the attempts of this exception")
    return lines


def _cause(attempts: Sequence[Attempt]) -> BaseException | None:
    """All causes as a group where there are several and the Python has groups (3.11), else the most telling one."""
    errors = [attempt.error for attempt in attempts if attempt.error is not None]
    if not errors:
        return None
    import builtins

    group = getattr(builtins, "ExceptionGroup", None)
    if len(errors) > 1 and group is not None:
        plain = [error for error in errors if isinstance(error, Exception)]
        cause: BaseException = group("connection attempts", plain)
        return cause
    return min(errors, key=lambda error: _rank(_code(error)))
