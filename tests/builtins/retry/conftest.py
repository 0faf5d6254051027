"""A Services stand-in, and a frame around a model that plays a list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pegboard.context import Ctx
from pegboard.messages import Message, TextBlock
from pegboard.requests import BlockDone, ModelDone, Purpose, Request, TextDelta
from pegboard_builtins import retry
from pegboard_builtins.retry.settings import RetrySettings

FAST = {"base_delay": 0.001, "max_delay": 0.01}


class Services:
    """As much of a session as a model plugin sees."""

    session_id = "00000000-0000-4000-8000-000000000001"
    agent_id = ""
    model_name = "play:one"
    cancelled = False
    left: float | None = None

    def __init__(self, folder: Path) -> None:
        self.cwd = folder
        self.settings: dict[str, Any] = {"retry": RetrySettings(**FAST)}
        self.opened: dict[str, Any] = {}

    def settings_of(self, plugin: str) -> Any:
        return self.settings[plugin]

    async def service(self, name: str) -> Any:
        return self.opened[name]

    def time_left(self) -> float | None:
        return self.left


class Play:
    """A model that plays one entry per request: an exception, at once or after some events, or a text.

    `open` counts its generators that are not closed.
    """

    def __init__(self, *entries: Any) -> None:
        self.entries = list(entries)
        self.requests: list[Request] = []
        self.open = 0

    async def __call__(self, request: Request) -> AsyncIterator[Any]:
        self.requests.append(request)
        self.open += 1
        try:
            entry = self.entries.pop(0)
            for part in entry if isinstance(entry, list) else [entry]:
                await asyncio.sleep(0)
                if isinstance(part, BaseException):
                    raise part
                if isinstance(part, str):
                    yield TextDelta(text=part)
                    yield BlockDone(block=TextBlock(text=part))
                    part = ModelDone(stop_reason="end_turn")
                yield part
        finally:
            self.open -= 1


class Frame:
    """The plugin's frame as a session would use it."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.ctx = Ctx(services, "retry")  # type: ignore[arg-type]
        self.play = Play

    def set(self, **facts: Any) -> None:
        self.services.settings["retry"] = RetrySettings(**{**FAST, **facts})

    def stream(self, request: Request, call_next: Any) -> AsyncIterator[Any]:
        return retry.model_call(request, call_next, self.ctx)

    def ask(self, request: Request, call_next: Any) -> list[Any]:
        """Return the events of a whole request."""

        async def run() -> list[Any]:
            return [event async for event in self.stream(request, call_next)]

        return asyncio.run(run())


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    return Frame(Services(tmp_path))


@pytest.fixture
def request_for() -> Any:
    def build(model: str = "play:one", **facts: Any) -> Request:
        hello = Message(role="user", content=(TextBlock(text="Hello."),))
        facts = {"messages": [hello], "system": (), "tools": (), "max_tokens": 100, "hash": "h", **facts}
        return Request(purpose=Purpose.TURN, model=model, **facts)

    return build
