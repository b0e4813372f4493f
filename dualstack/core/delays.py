"""The delays of a race, its timeout, and their bounds; apart from the race, which most connects never need."""

from __future__ import annotations

__all__ = (
    "ATTEMPT_DELAY_SECONDS",
    "LONGEST_SECONDS",
    "RESOLUTION_DELAY_SECONDS",
    "check_delays",
    "check_timeout",
)

RESOLUTION_DELAY_SECONDS = 0.05
ATTEMPT_DELAY_SECONDS = 0.25
ATTEMPT_DELAY_FLOOR_SECONDS = 0.01  # "MUST NOT be less than 10 milliseconds"; 0.1 is the recommended minimum
ATTEMPT_DELAY_CEILING_SECONDS = 2.0
LONGEST_SECONDS = 1e6  # that one system call is asked to wait; poll and select refuse 2**31 milliseconds


def check_delays(attempt_delay: float | None, resolution_delay: float) -> None:
    """Refuse delays outside the bounds of RFC 8305 section 8 (ValueError), rather than change them quietly."""
    if attempt_delay is not None and not (
        ATTEMPT_DELAY_FLOOR_SECONDS <= attempt_delay <= ATTEMPT_DELAY_CEILING_SECONDS
    ):
        raise ValueError(
            f"attempt_delay must be {ATTEMPT_DELAY_FLOOR_SECONDS} to {ATTEMPT_DELAY_CEILING_SECONDS} seconds, "
            f"or None for one address at a time, not {attempt_delay!r}"
        )
    if not 0 <= resolution_delay <= ATTEMPT_DELAY_CEILING_SECONDS:
        raise ValueError(
            f"resolution_delay must be 0 to {ATTEMPT_DELAY_CEILING_SECONDS} seconds, not {resolution_delay!r}"
        )


def check_timeout(timeout: float | None) -> float | None:
    """Refuse what is no timeout; None for one that nobody lives to see, infinity among them."""
    try:
        if timeout is None or 0 <= timeout <= LONGEST_SECONDS:
            return timeout
        if timeout > LONGEST_SECONDS:
            return None
    except TypeError:
        raise TypeError(f"timeout is a number of seconds or None, not {timeout!r}") from None
    raise ValueError(f"timeout must be 0 or more seconds, or None, not {timeout!r}")
