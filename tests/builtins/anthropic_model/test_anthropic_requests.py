"""What is sent: cache points, thinking as it came, tools and parameters; and that the API would take it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.messages import Message, RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock
from pegboard.messages_server import Answer, MessagesServer, problem, signature_of
from pegboard.requests import BlockDone, Purpose, Request, ToolSpec
from pegboard_builtins.anthropic_model import outgoing
from pegboard_builtins.anthropic_model.outgoing import Wires, to_count

RequestFor = Callable[..., Request]


def to_send(request: Request, wires: Wires | None = None) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(outgoing.to_send(request, wires or Wires()))
    assert body.pop("stream") is True
    return body


def cache_points(body: dict[str, Any]) -> list[str]:
    found = [f"tools.{i}" for i, tool in enumerate(body.get("tools", ())) if "cache_control" in tool]
    found += [f"system.{i}" for i, block in enumerate(body.get("system", ())) if "cache_control" in block]
    for i, message in enumerate(body["messages"]):
        found += [f"messages.{i}.{j}" for j, block in enumerate(message["content"]) if "cache_control" in block]
    return found


def test_the_cache_points_are_last_tool_last_system_and_the_anchors(
    plugin: Any, server: MessagesServer, request_for: RequestFor
) -> None:
    plugin.ask(request_for("a", "b", "c", tools=("A", "B"), system=("one", "two"), anchors=(0, 2)))
    assert cache_points(server.requests[0].body) == ["tools.1", "system.1", "messages.0.0", "messages.2.0"]
    assert not server.refused


@pytest.mark.parametrize(
    ("facts", "points"),
    [
        pytest.param({"anchors": ()}, [], id="none asked for"),
        pytest.param({"anchors": (-1,)}, ["messages.4.0"], id="counted from the end"),
        pytest.param({"anchors": (99,)}, [], id="no such message"),
        pytest.param({"system": ("", " "), "anchors": ()}, [], id="blank system texts are not sent"),
        pytest.param(
            {"tools": ("A",), "system": ("s",), "anchors": (0, 1, 2, 4)},
            ["tools.0", "system.0", "messages.2.0", "messages.4.0"],
            id="never more than four, the last ones count",
        ),
    ],
)
def test_cache_points_keep_within_what_the_api_allows(
    request_for: RequestFor, facts: dict[str, Any], points: list[str]
) -> None:
    body = to_send(request_for("a", "b", "c", "d", "e", **facts))
    assert cache_points(body) == points
    assert problem(body) == ""


def test_thinking_goes_back_untouched(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.script(
        Answer(redacted_thinking="sealed", thinking="I should look.", text="Look.", calls=[("Bash", {"command": "ls"})])
    )
    tools = ("Bash",)
    events = plugin.ask(request_for("Go.", tools=tools))
    answer = tuple(event.block for event in events if isinstance(event, BlockDone))
    assert isinstance(answer[-1], ToolUseBlock)
    result = ToolResultBlock(tool_use_id=answer[-1].id, content="a.py")
    go = Message(role="user", content=(TextBlock(text="Go."),))
    plugin.ask(
        request_for(go, Message(role="assistant", content=answer), Message(role="user", content=(result,)), tools=tools)
    )
    assert server.refused == []
    sent = server.requests[1].body["messages"][1]["content"]
    assert sent[0] == {"type": "redacted_thinking", "data": "sealed"}
    assert sent[1] == {"type": "thinking", "thinking": "I should look.", "signature": signature_of("I should look.")}


def test_thinking_without_a_signature_is_not_sent(request_for: RequestFor) -> None:
    alone = Message(role="assistant", content=(ThinkingBlock(thinking="cut off"),))
    beside = Message(role="assistant", content=(ThinkingBlock(thinking="cut off"), TextBlock(text="kept")))
    user = Message(role="user", content=(TextBlock(text="a"),))
    messages = to_send(request_for(user, alone, user, beside, user, anchors=(1, 4)))["messages"]
    assert [len(message["content"]) for message in messages] == [1, 1, 1, 1]
    assert [message["role"] for message in messages] == ["user", "user", "assistant", "user"]
    assert "cache_control" in messages[-1]["content"][0]


@pytest.mark.parametrize(
    ("model", "allowed", "params", "choice"),
    [
        pytest.param("claude-opus-4-5", None, {}, None, id="all may be called"),
        pytest.param("claude-opus-4-5", (), {}, {"type": "none"}, id="none may be called"),
        pytest.param("claude-opus-5-5", (), {}, {"type": "none"}, id="none, with a later model"),
        pytest.param("claude-opus-4-5", ("B",), {}, None, id="one of several is not forced"),
        pytest.param("claude-opus-4-5", ("A", "B"), {}, None, id="two of several cannot be said"),
        pytest.param("claude-opus-4-5", ("A",), {"tool_choice": {"type": "auto"}}, {"type": "auto"}, id="said already"),
    ],
)
def test_a_subset_of_tools_is_said_without_touching_their_definitions(
    request_for: RequestFor, model: str, allowed: tuple[str, ...] | None, params: dict[str, Any], choice: Any
) -> None:
    facts = {"model": f"anthropic:{model}", "tools": ("A", "B", "C")}
    body = to_send(request_for(allowed_tools=allowed, params=params, **facts))
    assert body.get("tool_choice") == choice
    assert body["tools"] == to_send(request_for(**facts))["tools"]
    assert problem(body) == ""


def test_known_parameters_are_passed_on_and_others_are_named(
    plugin: Any, server: MessagesServer, request_for: RequestFor, caplog: pytest.LogCaptureFixture
) -> None:
    plugin.services.settings = plugin.services.settings.model_copy(update={"betas": ("one",)})
    params = {
        "stop_sequences": ["END"],
        "output_config": {"effort": "low"},
        "no_replay": True,
        "betas": ["two", "one"],
        "stop_sequence": "END",
    }
    with caplog.at_level(logging.WARNING):
        plugin.ask(request_for(params=params))
    received = server.requests[0]
    assert received.body["stop_sequences"] == ["END"]
    assert received.body["output_config"] == {"effort": "low"}
    assert received.body.keys().isdisjoint({"no_replay", "betas", "stop_sequence"})
    assert received.headers["anthropic-beta"] == "one,two"
    assert "'stop_sequences'" in caplog.text


def test_equal_requests_have_equal_bytes(request_for: RequestFor) -> None:
    facts: dict[str, Any] = {"tools": ("A", "B"), "system": ("s",), "anchors": (0,)}
    once, again = (outgoing.to_send(request_for("a", "b", "c", **facts), Wires()) for _ in range(2))
    assert once == again


def test_a_message_is_put_into_the_api_s_words_once(request_for: RequestFor, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Message] = []
    wire = Message.wire
    monkeypatch.setattr(Message, "wire", lambda message: made.append(message) or wire(message))
    wires, messages = Wires(), list(request_for(*(f"{n}" for n in range(200))).messages)
    for length in range(1, 201):
        outgoing.to_send(request_for(*messages[:length], anchors=(length - 1,)), wires)
    # Twice: as the anchor that it was at the end, and without one ever after.
    assert len(made) == 200 + 199
    assert len(wires) == 199


def test_messages_that_nobody_holds_any_more_are_forgotten(request_for: RequestFor) -> None:
    wires = Wires()
    kept = request_for("a", "b").messages
    outgoing.to_send(request_for(*kept, Message(role="user", content=(TextBlock(text="c"),))), wires)
    assert len(wires) == len(kept)


texts = st.text(min_size=1).filter(str.strip)
inputs = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.none()), max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    messages = [Message(role="user", content=(TextBlock(text=draw(texts)),))]
    for turn in range(draw(st.integers(0, 4))):
        thought = draw(texts)
        content: list[Any] = []
        if draw(st.booleans()):
            content.append(
                ThinkingBlock(thinking=thought, signature=draw(st.sampled_from(["", signature_of(thought)])))
            )
        if draw(st.booleans()):
            content.append(RedactedThinkingBlock(data="sealed"))
        calls = [ToolUseBlock(id=f"t{turn}_{n}", name="A", input=draw(inputs)) for n in range(draw(st.integers(1, 3)))]
        messages.append(Message(role="assistant", content=(*content, *calls)))
        results = [ToolResultBlock(tool_use_id=call.id, content=draw(st.text())) for call in calls]
        messages.append(Message(role="user", content=tuple(results)))
    return messages


@given(
    messages=conversations(),
    anchors=st.lists(st.integers(-10, 10), max_size=6),
    tools=st.integers(1, 3),
    allowed=st.none() | st.sets(st.sampled_from("ABC")),
    system=st.lists(st.text(), max_size=3),
    others=st.lists(st.integers(-10, 10), max_size=6),
    cut=st.integers(0, 9),
)
def test_a_valid_conversation_is_never_sent_in_a_way_that_the_api_refuses(
    messages: list[Message],
    anchors: list[int],
    tools: int,
    allowed: set[str] | None,
    system: list[str],
    others: list[int],
    cut: int,
) -> None:
    request = Request(
        purpose=Purpose.TURN,
        model="anthropic:claude-opus-4-5",
        system=tuple(system),
        tools=tuple(ToolSpec(name=n, description="", input_schema={"type": "object"}) for n in "ABC"[:tools]),
        messages=messages,
        max_tokens=100,
        anchors=tuple(anchors),
        allowed_tools=None if allowed is None else tuple(sorted(allowed)),
    )
    wires = Wires()
    body = to_send(request, wires)
    assert problem(body) == ""
    assert problem(to_count(request), counting=True) == ""
    # Neither what was sent before nor where its anchors were changes a byte.
    for again in (replace(request, anchors=tuple(others), messages=messages[:cut] or messages), request):
        assert outgoing.to_send(again, wires) == outgoing.to_send(again, Wires())
    inputs_sent = [b["input"] for m in body["messages"] for b in m["content"] if b["type"] == "tool_use"]
    assert inputs_sent == [b.input for m in messages for b in m.content if isinstance(b, ToolUseBlock)]


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({}, None),
        ({"effort": "high"}, {"effort": "high"}),
        ({"effort": "high", "output_config": {"format": {"type": "json_schema"}}},
         {"effort": "high", "format": {"type": "json_schema"}}),
        ({"effort": "high", "output_config": {"effort": "low"}}, {"effort": "low"}),
    ],
)  # fmt: skip
def test_an_effort_is_said_in_the_providers_words_which_come_first(
    request_for: RequestFor, params: dict[str, Any], sent: Any
) -> None:
    body = to_send(request_for(params=params))
    assert body.get("output_config") == sent
    assert "effort" not in body
