"""Both frames together: the retry around the real SDK, against a server that fails in every way that passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pegboard.context import Ctx
from pegboard.errors import ContextOverflowError
from pegboard.messages import ToolUseBlock
from pegboard.messages_server import Answer, Broken, Failure, MessagesServer, Scripted
from pegboard.requests import BlockDone, ModelNotice, Request
from pegboard_builtins import anthropic_model
from pegboard_builtins.anthropic_model.clients import Clients
from pegboard_builtins.anthropic_model.settings import SERVICE, AnthropicSettings

RequestFor = Callable[..., Request]


def run(frame: Any, request: Request) -> list[Any]:
    """Ask through retry and anthropic_model; return the events that count: those after the last restart."""
    frame.services.settings["anthropic_model"] = AnthropicSettings()
    ctx = Ctx(frame.services, "anthropic_model")

    def nobody(request: Request) -> Any:
        raise AssertionError(f"nobody answers for {request.model}")

    async def ask() -> list[Any]:
        async with Clients.open() as clients:
            frame.services.opened[SERVICE] = clients
            events: list[Any] = []
            async for event in frame.stream(request, lambda r: anthropic_model.model_call(r, nobody, ctx)):
                if isinstance(event, ModelNotice) and event.restart:
                    events.clear()
                events.append(event)
            return events

    return asyncio.run(ask())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    with MessagesServer() as running:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


CALL = Answer(text="Clean.", calls=[("Bash", {"command": "rm -r build"})])


@pytest.mark.parametrize(
    "failures",
    [
        pytest.param([Failure.rate_limited(0), Failure.overloaded(), Failure(status=500)], id="statuses"),
        pytest.param([Failure.overloaded(after=6), Failure(status=500, after=3)], id="errors in the middle"),
        pytest.param([Broken(after=n, answer=CALL) for n in (-1, 0, 5, 9)], id="breaks"),
        pytest.param([Broken(after=9, mid_json=True, answer=CALL)], id="a break inside a call"),
        pytest.param([Broken(after=9, clean=True, answer=CALL)], id="an early end inside a call"),
    ],
)
def test_what_passes_is_retried_and_a_call_arrives_once(
    frame: Any, server: MessagesServer, request_for: RequestFor, failures: list[Scripted]
) -> None:
    server.script(*failures, CALL)
    events = run(frame, request_for("anthropic:claude-opus-4-5"))
    calls = [e.block for e in events if isinstance(e, BlockDone) and isinstance(e.block, ToolUseBlock)]
    assert [call.input for call in calls] == [{"command": "rm -r build"}]
    assert len(server.requests) == len(failures) + 1
    assert all(request.body == server.requests[0].body for request in server.requests)
    assert not server.refused


def test_a_context_overflow_is_not_retried(frame: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.script(Failure.overflow())
    with pytest.raises(ContextOverflowError):
        run(frame, request_for("anthropic:claude-opus-4-5"))
    assert len(server.requests) == 1


def test_a_fallback_model_is_asked_in_the_same_words(
    frame: Any, server: MessagesServer, request_for: RequestFor
) -> None:
    frame.set(attempts=1, fallback=["anthropic:claude-haiku-4-5"])
    server.script(Failure.overloaded())
    events = run(frame, request_for("anthropic:claude-opus-4-5"))
    assert [request.body["model"] for request in server.requests] == ["claude-opus-4-5", "claude-haiku-4-5"]
    assert "falling back from anthropic:claude-opus-4-5 to anthropic:claude-haiku-4-5" in events[0].text
    assert events[1].model == "claude-haiku-4-5"
