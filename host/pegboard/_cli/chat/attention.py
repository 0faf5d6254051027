"""Tells hooks that a person's attention is wanted: a question that waits, or a chat in which nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pegboard.records import Event, Notification

QUESTION = 6.0
"""Seconds that a question waits before hooks are told (hook-contract 1.2)."""
IDLE = 60.0
"""Seconds after the last answer (the same place)."""

_telling: set[asyncio.Future[Any]] = set()


def told_later(seconds: float, fire: Callable[[Event], Awaitable[Any]], event: Notification) -> asyncio.TimerHandle:
    """Fire a notification after some seconds, unless the timer is cancelled; hooks that have begun are let finish."""

    def tell() -> None:
        task = asyncio.ensure_future(fire(event))
        _telling.add(task)
        task.add_done_callback(_telling.discard)

    return asyncio.get_running_loop().call_later(seconds, tell)


@contextmanager
def told_if_unanswered(
    fire: Callable[[Event], Awaitable[Any]], message: str, kind: str = "permission_prompt"
) -> Iterator[None]:
    """Tell hooks if the question within has no answer for some seconds."""
    timer = told_later(QUESTION, fire, Notification(message=message, notification_type=kind))
    try:
        yield
    finally:
        timer.cancel()
