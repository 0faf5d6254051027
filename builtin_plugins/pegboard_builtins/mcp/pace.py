"""How fast messages of a server are taken, so that one that floods is slowed down and nobody else is."""

from __future__ import annotations

import asyncio
import time

MESSAGES = (2_000.0, 200.0)
"""How many messages are taken at once, and how many a second after that."""
BYTES = (64_000_000.0, 8_000_000.0)
"""The same of bytes."""


class Pace:
    """Two buckets that run empty with what arrives and fill up with time.

    Whoever sends more than they hold waits: its pipe is not read meanwhile. A server that only talks much gets all
    through, late; one that never stops answers no call in time, which its breaker counts.
    """

    def __init__(self) -> None:
        self._messages, self._bytes = MESSAGES[0], BYTES[0]
        self._then = time.monotonic()

    async def take(self, size: int) -> None:
        """Wait until one more message of *size* bytes may be read."""
        now = time.monotonic()
        passed, self._then = now - self._then, now
        self._messages = min(MESSAGES[0], self._messages + passed * MESSAGES[1]) - 1
        self._bytes = min(BYTES[0], self._bytes + passed * BYTES[1]) - size
        wait = max(-self._messages / MESSAGES[1], -self._bytes / BYTES[1])
        if wait > 0:
            await asyncio.sleep(wait)
