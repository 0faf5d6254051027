"""The end of a session, as its hooks are told of it."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from pegboard.records import Event, SessionEnd


class Session(Protocol):
    """What is known here of a session."""

    async def fire(self, event: Event) -> Any: ...
    def notice(self, plugin: str, text: str, level: str = "info") -> None: ...


async def tell_end(session: Session, reason: str, budget: float) -> None:
    """Tell of the end, in *budget* seconds for all hooks together: whoever waits for us must not wait for them."""
    try:
        async with asyncio.timeout(budget):
            await session.fire(SessionEnd(reason=reason))
    except TimeoutError:
        session.notice(
            "", f"hooks of the session's end took longer than {budget:g} s together; they were cut off", "warning"
        )
