"""How long to wait before the next attempt."""

from __future__ import annotations

import random

JITTER = 0.25
"""Waiting times differ by up to this share, so that many sessions do not all come back at the same moment."""


def delay_before(attempt: int, *, base: float, ceiling: float, retry_after: float | None, jitter: float = 0.0) -> float:
    """Return the seconds to wait before *attempt* (2 is the first repetition).

    The doubling backoff stops at *ceiling*. A Retry-After is a minimum, and so is the backoff under a small one.
    *jitter* is between -1 and 1.
    """
    doubled = base * 2.0 ** min(attempt - 2, 60)
    backoff = min(ceiling, doubled) * (1.0 + JITTER * jitter)
    return max(backoff, retry_after or 0.0)


def long(seconds: float) -> str:
    """Say how long a wait is, in a unit that a person can take in."""
    for unit, size in (("years", 31_557_600), ("days", 86_400), ("hours", 3_600)):
        if seconds >= 3 * size:
            return f"{seconds / size:,.0f} {unit}" if seconds < 1e6 * size else "for ever"
    return f"{seconds:g} s"


def any_jitter() -> float:
    """Return a jitter by chance."""
    return random.uniform(-1.0, 1.0)
