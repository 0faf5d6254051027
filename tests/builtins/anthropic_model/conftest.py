"""A Services stand-in, a loopback Messages API and a plugin that is set up against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pegboard.context import Ctx
from pegboard.flags import FlagView
from pegboard.messages import Message, TextBlock
from pegboard.messages_server import MessagesServer
from pegboard.requests import Purpose, Request, ToolSpec
from pegboard_builtins import anthropic_model
from pegboard_builtins.anthropic_model.clients import Clients
from pegboard_builtins.anthropic_model.settings import SERVICE, AnthropicSettings

MODEL = "anthropic:claude-opus-4-5"


class Services:
    """As much of a session as a model plugin sees."""

    session_id = "00000000-0000-4000-8000-000000000001"
    agent_id = ""
    parents = ()
    cancelled = False
    interactive = False
    mode = "default"

    def __init__(self, folder: Path, settings: AnthropicSettings) -> None:
        self.cwd = self.project = folder
        self.flags = FlagView({})
        self.model_name = MODEL
        self.settings = settings
        self.opened: dict[str, Any] = {}

    def settings_of(self, plugin: str) -> AnthropicSettings:
        return self.settings

    async def service(self, name: str) -> Any:
        return self.opened[name]

    def time_left(self) -> None:
        return None


class Plugin:
    """The plugin as a session would use it."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.ctx = Ctx(services, "anthropic_model")  # type: ignore[arg-type]

    def stream(self, request: Request) -> AsyncIterator[Any]:
        def nobody(request: Request) -> AsyncIterator[Any]:
            raise AssertionError("the request was for us")

        return anthropic_model.model_call(request, nobody, self.ctx)

    async def collect(self, request: Request) -> list[Any]:
        return [event async for event in self.stream(request)]

    def ask(self, request: Request) -> list[Any]:
        """Run a whole request in a loop of its own and return its events."""

        async def run() -> list[Any]:
            async with self.open():
                return await self.collect(request)

        return asyncio.run(run())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Plugin]:
        async with AsyncExitStack() as stack:
            self.services.opened[SERVICE] = await stack.enter_async_context(Clients.open())
            yield self


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[MessagesServer]:
    with MessagesServer() as running:
        yield running


@pytest.fixture
def plugin(server: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugin:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    return Plugin(Services(tmp_path, AnthropicSettings()))


@pytest.fixture
def request_for() -> Callable[..., Request]:
    return build_request


def build_request(*messages: Message | str, tools: tuple[str, ...] = (), **facts: Any) -> Request:
    """Build a request; strings become messages of the user and the model by turns."""
    given = [
        Message(role="assistant" if index % 2 else "user", content=(TextBlock(text=message),))
        if isinstance(message, str)
        else message
        for index, message in enumerate(messages or ("Hello.",))
    ]
    specs = tuple(
        ToolSpec(name=name, description=f"Does {name}.", input_schema={"type": "object", "properties": {}})
        for name in tools
    )
    facts = {"model": MODEL, "system": (), "max_tokens": 1000, "purpose": Purpose.TURN, **facts}
    return Request(tools=specs, messages=given, **facts)
