"""Every way in which a message can end arrives as our events, through the real SDK."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from pegboard.messages import RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock, Usage
from pegboard.messages_server import Answer, MessagesServer, signature_of
from pegboard.requests import (
    BlockDone,
    ModelDone,
    ModelStarted,
    Request,
    TextDelta,
    ThinkingDelta,
    ToolInputDelta,
    ToolUseCut,
)

RequestFor = Callable[..., Request]


def blocks(events: list[Any]) -> list[Any]:
    return [event.block for event in events if isinstance(event, BlockDone)]


@pytest.mark.parametrize(
    "reason",
    ["end_turn", "max_tokens", "stop_sequence", "pause_turn", "refusal", "model_context_window_exceeded"],
)
def test_a_text_keeps_its_stop_reason(
    plugin: Any, server: MessagesServer, request_for: RequestFor, reason: str
) -> None:
    stop = "END" if reason == "stop_sequence" else None
    server.script(Answer(text="As far as it goes.", stop_reason=reason, stop_sequence=stop))
    events = plugin.ask(request_for())
    assert isinstance(events[0], ModelStarted)
    assert blocks(events) == [TextBlock(text="As far as it goes.")]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "As far as it goes."
    assert (events[-1].stop_reason, events[-1].stop_sequence) == (reason, stop)


def test_tool_calls_arrive_whole_and_in_order(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.script(
        Answer(text="Look.", calls=[("Bash", {"command": "ls", "n": None}), ("Now", {}), ("Bash", {"x": [1]})])
    )
    events = plugin.ask(request_for(tools=("Bash", "Now")))
    calls = [block for block in blocks(events) if isinstance(block, ToolUseBlock)]
    assert [(call.name, call.input) for call in calls] == [
        ("Bash", {"command": "ls", "n": None}),
        ("Now", {}),
        ("Bash", {"x": [1]}),
    ]
    first = "".join(e.json_text for e in events if isinstance(e, ToolInputDelta) and e.id == calls[0].id)
    assert first == '{"command": "ls", "n": null}'
    assert events[-1].stop_reason == "tool_use"


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
@pytest.mark.parametrize("given", [{"command": "rm -r build"}, {}], ids=["cut in its input", "cut before its input"])
def test_a_cut_tool_call_is_never_a_tool_call(
    plugin: Any, server: MessagesServer, request_for: RequestFor, reason: str, given: dict[str, Any]
) -> None:
    server.script(Answer(text="Now.", calls=[("Read", {"path": "a"}), ("Bash", given)], stop_reason=reason))
    events = plugin.ask(request_for(tools=("Bash", "Read")))
    assert [block.name for block in blocks(events) if isinstance(block, ToolUseBlock)] == ["Read"]
    (cut,) = [event for event in events if isinstance(event, ToolUseCut)]
    assert cut.name == "Bash"
    assert events[-1].stop_reason == reason


def test_thinking_arrives_with_its_signature(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.script(Answer(redacted_thinking="sealed", thinking="First this, then that.", text="Done."))
    events = plugin.ask(request_for())
    assert blocks(events) == [
        RedactedThinkingBlock(data="sealed"),
        ThinkingBlock(thinking="First this, then that.", signature=signature_of("First this, then that.")),
        TextBlock(text="Done."),
    ]
    assert "".join(e.text for e in events if isinstance(e, ThinkingDelta)) == "First this, then that."


def test_a_blank_text_is_no_block(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.script(Answer(text="\n\n", calls=[("Now", {})]))
    assert [block.type for block in blocks(plugin.ask(request_for(tools=("Now",))))] == ["tool_use"]


def test_usage_has_the_cache_and_the_list_price(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    used = Usage(input_tokens=1000, output_tokens=200, cache_read_input_tokens=10_000, cache_creation_input_tokens=400)
    server.script(Answer(text="a", usage=used), Answer(text="a", usage=used), Answer(text="a", usage=used))
    known = plugin.ask(request_for())[-1].usage
    assert known.model_copy(update={"cost_usd": None}) == used
    assert known.cost_usd == pytest.approx((1000 * 5 + 200 * 25 + 10_000 * 0.5 + 400 * 6.25) / 1e6)
    assert plugin.ask(request_for(model="anthropic:claude-of-tomorrow"))[-1].usage == used
    assert plugin.ask(request_for(params={"speed": "fast"}))[-1].usage.cost_usd is None


def test_prices_of_the_settings_go_first(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    prices = {"claude-opus-4-5": {"input": 1, "output": 0, "cache_read": 0, "cache_write": 0}}
    plugin.services.settings = type(plugin.services.settings)(prices=prices)
    server.script(Answer(text="a", usage=Usage(input_tokens=2_000_000)))
    assert plugin.ask(request_for())[-1].usage.cost_usd == 2.0


def test_a_count_is_exact_and_sends_no_message(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.counts = 4321
    events = plugin.ask(
        request_for(tools=("Bash",), system=("Be brief.",), params={"count_tokens": True, "service_tier": "auto"})
    )
    assert events == [ModelDone(stop_reason="end_turn", usage=Usage(input_tokens=4321))]
    assert [request.path for request in server.requests] == ["/v1/messages/count_tokens"]
    assert not server.refused


def test_a_model_of_another_prefix_is_left_to_the_next(plugin: Any, request_for: RequestFor) -> None:
    from pegboard_builtins import anthropic_model

    asked: list[Request] = []

    async def theirs() -> Any:
        yield ModelDone(stop_reason="end_turn")

    def call_next(request: Request) -> Any:
        asked.append(request)
        return theirs()

    request = request_for(model="scripted:a.toml")
    assert anthropic_model.model_call(request, call_next, plugin.ctx) is not None
    assert asked == [request]


def test_a_stream_that_is_closed_in_the_middle_leaves_no_connection(
    plugin: Any, server: MessagesServer, request_for: RequestFor
) -> None:
    async def run() -> None:
        async with plugin.open():
            stream = plugin.stream(request_for())
            await anext(stream)
            assert server.connections == 1
            await stream.aclose()
            await _until(lambda: server.connections == 0)

    server.script(Answer(text="slow and long " * 20, delay=0.05))
    asyncio.run(run())


def test_a_cancelled_request_leaves_no_connection(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    async def run() -> None:
        async with plugin.open():
            task = asyncio.create_task(plugin.collect(request_for()))
            await _until(lambda: len(server.requests) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await _until(lambda: server.connections == 0)

    server.script(Answer(text="slow and long " * 20, delay=0.3))
    asyncio.run(run())


def test_requests_share_a_connection_which_closes_with_the_service(
    plugin: Any, server: MessagesServer, request_for: RequestFor
) -> None:
    async def run() -> None:
        async with plugin.open():
            for _ in range(3):
                await plugin.collect(request_for())
            assert server.connections == 1
        await _until(lambda: server.connections == 0)

    asyncio.run(run())
    assert len(server.requests) == 3


async def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)
