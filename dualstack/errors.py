"""Every exception dualstack raises, and what may be read from each.

One rule for all of them: who catches what the ``socket`` module raises today still catches ours. An
address that cannot be read is a ``ValueError``, a name that does not resolve is a ``socket.gaierror``,
everything the network or the system refuses is an ``OSError`` with an ``errno``.

The message is written for the person who reads it at night: what was tried, on which address, what
the system said, what to do.
"""

from __future__ import annotations

# _socket, not socket: gaierror is defined there, and `import dualstack.errors` stays at microseconds.
from _socket import gaierror
from errno import EACCES, ECONNREFUSED, ENOENT, ENOTSUP, EPERM, ETIMEDOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = (
    "AddressError",
    "Attempt",
    "ConnectError",
    "DeniedListenError",
    "ListenError",
    "RefusedConnectError",
    "ResolveError",
    "TimeoutConnectError",
    "TruncatedError",
    "UnsupportedError",
    "connect_error",
)

_SHOWN = 80  # characters of the offending text that a message repeats; input may be a megabyte


class AddressError(ValueError):
    """A text is not an address; the message points at the character.

    ``text`` is the whole input, ``position`` the index of the first character that cannot be right
    (``len(text)`` when something is missing at the end), ``reason`` one clause without the text.
    """

    text: str
    position: int
    reason: str

    def __init__(self, text: str, position: int, reason: str) -> None:
        self.text = text
        self.position = position
        self.reason = reason
        super().__init__(text, position, reason)

    def __str__(self) -> str:
        text, position = self.text, self.position
        if len(text) > _SHOWN:
            start = max(0, min(position - _SHOWN // 2, len(text) - _SHOWN))
            text = ("..." if start else "") + text[start : start + _SHOWN] + "..."
        return f"{self.reason} (at character {position} of {text!r})"


class ResolveError(gaierror):
    """A name did not resolve; ``errno`` is the EAI code of this system.

    Compare the code by name (``socket.EAI_NONAME``): Linux numbers are negative, macOS and BSD numbers
    positive, Windows uses Winsock's. ``host`` and ``port`` are what was asked for.
    """

    host: str | None
    port: int | str | None

    def __init__(self, code: int, message: str, host: str | None = None, port: int | str | None = None) -> None:
        super().__init__(code, message)
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, self.strerror, self.host, self.port)


class UnsupportedError(OSError):
    """This system cannot do it; says what is missing and what to use instead.

    ``feature`` is the thing asked for, ``platform`` where it is missing, ``instead`` what does work.
    """

    feature: str
    platform: str
    instead: str

    def __init__(self, feature: str, platform: str, instead: str = "", *, errno: int | None = None) -> None:
        text = f"{feature} is not available on {platform}"
        if instead:
            text += f"; {instead}"
        # OSError.__new__ picks a subclass only when called on OSError itself, so errno alone is safe here.
        super().__init__(errno if errno is not None else ENOTSUP, text)
        self.feature = feature
        self.platform = platform
        self.instead = instead

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unsupported, (self.feature, self.platform, self.instead, self.errno)


def _unsupported(feature: str, platform: str, instead: str, errno: int) -> UnsupportedError:
    return UnsupportedError(feature, platform, instead, errno=errno)


class TruncatedError(OSError):
    """A datagram or its control data did not fit the buffer and the caller asked not to lose any.

    ``size`` is the full size in bytes where the system tells it, else None.
    """

    size: int | None

    def __init__(self, code: int, message: str, size: int | None = None) -> None:
        super().__init__(code, message)
        self.size = size

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, self.strerror, self.size)


class ListenError(OSError):
    """A listener could not be opened, and nothing of it is left open.

    ``errors`` is a tuple of ``(endpoint, exception)`` in the order tried, also for the addresses that were
    skipped on the way; ``errno`` is that of the failure that decided. Where the system forbids it (a port below 1024,
    a directory of somebody else) the exception is also a ``PermissionError``, and where the directory of a Unix socket
    is missing a ``FileNotFoundError``, as what ``bind`` raises.
    """

    errors: tuple[tuple[object, BaseException], ...]

    def __new__(cls, code: int, message: str, errors: Sequence[tuple[object, BaseException]] = ()) -> ListenError:
        kind: Any = cls
        if cls is ListenError:
            kind = {EACCES: DeniedListenError, EPERM: DeniedListenError, ENOENT: NoFileListenError}.get(code, cls)
        made: ListenError = super().__new__(kind, code, message)
        return made

    def __init__(self, code: int, message: str, errors: Sequence[tuple[object, BaseException]] = ()) -> None:
        super().__init__(code, message)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, self.strerror, self.errors)


class DeniedListenError(ListenError, PermissionError):
    """The system forbids it; what ``ListenError`` makes of EACCES and EPERM."""


class NoFileListenError(ListenError, FileNotFoundError):
    """A Unix path whose directory is not there; what ``ListenError`` makes of ENOENT."""


class Attempt:
    """One connection attempt as it went: where to, when, and how it ended.

    ``started`` and ``ended`` are seconds since the call began, on the monotonic clock; ``started`` is None
    for a candidate that was never tried (refused by ``allow``, no matching local address). ``error`` is the
    exception that ended it, None for an attempt that was still under way when the verdict fell.
    """

    __slots__ = ("endpoint", "ended", "error", "started")

    endpoint: object
    started: float | None
    ended: float | None
    error: BaseException | None

    def __init__(
        self, endpoint: object, started: float | None, ended: float | None, error: BaseException | None
    ) -> None:
        self.endpoint = endpoint
        self.started = started
        self.ended = ended
        self.error = error

    def __repr__(self) -> str:
        return f"Attempt({self.endpoint!s}, started={self.started!r}, ended={self.ended!r}, error={self.error!r})"

    def _key(self) -> tuple[object, ...]:
        return self.endpoint, self.started, self.ended, repr(self.error)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Attempt) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return Attempt, (self.endpoint, self.started, self.ended, self.error)


class ConnectError(OSError):
    """No address could be connected to; ``attempts`` says what happened to each and after how long.

    When every attempt was refused the exception is also a ``ConnectionRefusedError``; when the deadline
    ended the operation, or every attempt timed out, a ``TimeoutError``; when the system forbade every one, a
    ``PermissionError``; and for a Unix path without a file a ``FileNotFoundError``: what ``socket.connect`` raises.
    ``errno`` is that of the most telling cause.
    """

    attempts: tuple[Attempt, ...]

    def __init__(self, code: int, message: str, attempts: Sequence[Attempt] = ()) -> None:
        super().__init__(code, message)
        self.attempts = tuple(attempts)

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, self.strerror, self.attempts)


class RefusedConnectError(ConnectError, ConnectionRefusedError):
    """Every address refused the connection: hosts answered, nothing listens there."""


class TimeoutConnectError(ConnectError, TimeoutError):
    """The deadline ended the operation, or every attempt timed out."""


class DeniedConnectError(ConnectError, PermissionError):
    """The system forbade every attempt: a firewall, a prohibited route, the mode of a Unix socket."""


class NoFileConnectError(ConnectError, FileNotFoundError):
    """There is no file at the Unix path."""


def connect_error(code: int, message: str, attempts: Sequence[Attempt] = (), *, agreed: bool = False) -> ConnectError:
    """Make a ConnectError, of the class that *code* has in Python when all attempts *agreed* on it."""
    kinds = {
        ECONNREFUSED: RefusedConnectError,
        ETIMEDOUT: TimeoutConnectError,
        EACCES: DeniedConnectError,
        EPERM: DeniedConnectError,
        ENOENT: NoFileConnectError,
    }
    cls = kinds.get(code, ConnectError) if agreed else ConnectError
    return cls(code, message, attempts)
