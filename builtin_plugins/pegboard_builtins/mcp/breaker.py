"""A circuit breaker: whoever has failed several times in a row is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 3
"""How many failures in a row open it."""
FIRST_PAUSE, LONGEST_PAUSE = 15.0, 600.0
"""Seconds that it stays open: the first time, and at most; each time twice as long."""


class Breaker:
    """Closed while all is well; open after failures; after the pause one try decides (half open)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.failures = 0
        self._opened_at: float | None = None
        self._pause = FIRST_PAUSE

    @property
    def state(self) -> str:
        """`closed`, `open` or `half open`."""
        if self._opened_at is None:
            return "closed"
        return "half open" if self.left <= 0 else "open"

    @property
    def left(self) -> float:
        """Seconds until somebody may try again."""
        return 0.0 if self._opened_at is None else self._opened_at + self._pause - self._clock()

    def succeeded(self) -> None:
        """All is well."""
        self.failures, self._opened_at, self._pause = 0, None, FIRST_PAUSE

    def failed(self) -> None:
        """It failed once more."""
        self.failures += 1
        if self.state == "half open":
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
            self._opened_at = self._clock()
        elif self._opened_at is None and self.failures >= FAILURES:
            self._opened_at = self._clock()
