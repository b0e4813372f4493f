"""TraceEvent: one thing that happened while connecting, as ``connect(trace=)`` tells it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .endpoint import Endpoint

    Trace = Callable[["TraceEvent"], None]

__all__ = (
    "ATTEMPT_DROPPED",
    "ATTEMPT_FAILED",
    "ATTEMPT_STARTED",
    "ATTEMPT_WON",
    "LOOKUP_ANSWERED",
    "LOOKUP_STARTED",
    "TLS_DONE",
    "TLS_FAILED",
    "TLS_STARTED",
    "TraceEvent",
)

LOOKUP_STARTED = "lookup-started"
LOOKUP_ANSWERED = "lookup-answered"
ATTEMPT_STARTED = "attempt-started"
ATTEMPT_FAILED = "attempt-failed"
ATTEMPT_WON = "attempt-won"
ATTEMPT_DROPPED = "attempt-dropped"
TLS_STARTED = "tls-started"
TLS_DONE = "tls-done"
TLS_FAILED = "tls-failed"


class TraceEvent:
    """One event of a ``connect``: what (``kind``), when (``time``, monotonic seconds), and about what.

    ``family`` is set for look-ups, ``endpoint`` for attempts and TLS, ``endpoints`` for an answered look-up (empty when
    it failed), ``error`` for what failed. A trace function is called in the middle of the race: it must be quick, and
    what it raises ends the connect.
    """

    __slots__ = ("endpoint", "endpoints", "error", "family", "kind", "time")

    def __init__(
        self,
        kind: str,
        time: float,
        endpoint: Endpoint | None = None,
        error: BaseException | None = None,
        family: int | None = None,
        endpoints: tuple[Endpoint, ...] = (),
    ) -> None:
        self.kind: str = kind
        self.time: float = time
        self.endpoint: Endpoint | None = endpoint
        self.error: BaseException | None = error
        self.family: int | None = family
        self.endpoints: tuple[Endpoint, ...] = endpoints

    def __repr__(self) -> str:
        about = self.endpoint if self.endpoint is not None else self.family
        error = f", error={self.error!r}" if self.error is not None else ""
        return f"<{self.kind} {about} at {self.time:.6f}{error}>"
