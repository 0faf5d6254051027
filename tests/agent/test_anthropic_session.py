"""A whole session through the real SDK, against a loopback Messages API that refuses what the real one refuses."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from agent_room import assert_whole, load_tools, results

from pegboard import hookimpl, tool
from pegboard.messages import EndReason, Usage
from pegboard.testing import Answer, Broken, Failure, HostFixture, MessagesServer, Options

pytestmark = pytest.mark.anyio

LOOK = ("look", {"name": "a"})


@pytest.fixture
def server():
    with MessagesServer() as running:
        yield running
        assert running.refused == []


@pytest.fixture
async def host(server, monkeypatch):
    options = Options(model="anthropic:claude-opus-4-5", stream=True)
    quick = {"retry": {"base_delay": 0.01, "max_delay": 0.02}}
    async with HostFixture(options=options, settings=quick) as fixture:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        fixture.builtin("anthropic_model", "retry")
        load_tools(fixture)
        yield fixture


async def test_a_session_with_tools_streams_and_ends(server, host):
    server.script(Answer(text="I look.", calls=[LOOK, ("fails", {})]), Answer(text="There it is."))
    result = await host.prompt("Look.")
    assert (result.reason, result.text, result.steps) == (EndReason.COMPLETED, "There it is.", 2)
    assert [shown.kind for shown in host.shown if shown.kind in ("tool", "result")] == [
        "tool",
        "tool",
        "result",
        "result",
    ]
    assert "".join(shown.text for shown in host.shown if shown.kind == "delta") == "I look.There it is."
    first, second = [request.body for request in server.requests]
    assert second["messages"][: len(first["messages"])][0]["content"][0]["text"] == "Look."
    told = second["messages"][-1]["content"]
    assert [(block["type"], block.get("is_error", False)) for block in told] == [
        ("tool_result", False),
        ("tool_result", True),
    ]
    assert_whole(host)


async def test_thinking_makes_the_round_trip_untouched(server, host):
    server.script(
        Answer(thinking="Hm.", redacted_thinking="secret", text="I look.", calls=[LOOK]), Answer(text="Done.")
    )
    await host.prompt("Look.")
    sent = server.requests[1].body["messages"][1]["content"]
    assert [block["type"] for block in sent] == ["redacted_thinking", "thinking", "text", "tool_use"]
    assert sent[1]["signature"]


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(Failure.overloaded(), id="529"),
        pytest.param(Failure.overloaded(after=3), id="529 in the stream"),
        pytest.param(Failure.rate_limited(0.01), id="429"),
        pytest.param(Broken(after=4), id="a broken stream"),
        pytest.param(Broken(after=5, mid_json=True), id="a stream broken in an event"),
        pytest.param(Broken(after=4, clean=True), id="a stream without an end"),
        pytest.param(Broken(after=-1), id="no answer"),
        pytest.param(Broken(after=7, answer=Answer(text="I look.", calls=[LOOK])), id="broken in a call"),
    ],
)
async def test_a_request_that_fails_is_tried_again_and_leaves_no_trace(server, host, trouble):
    server.script(trouble, Answer(text="I look.", calls=[LOOK]), Answer(text="Done."))
    result = await host.prompt("Look.")
    assert (result.reason, result.text) == (EndReason.COMPLETED, "Done.")
    assert len(server.requests) == 3
    assert server.requests[0].body == server.requests[1].body
    assert len(results(host.messages)) == 1
    assert_whole(host)


async def test_an_overflow_is_compacted_and_the_turn_goes_on(server, host):
    long = ("look", {"name": "n" * 9000})
    server.script(Answer(calls=[long]), Answer(calls=[long]), Failure.overflow(), Answer(text="Done."))
    result = await host.prompt("Look.")
    assert (result.reason, result.text) == (EndReason.COMPLETED, "Done.")
    assert [record.trigger for record in host.records("compaction")] == ["overflow"]
    assert len(json.dumps(server.requests[3].body)) < len(json.dumps(server.requests[2].body))
    assert_whole(host)


async def test_an_error_that_is_not_worth_a_retry_ends_the_turn(server, host):
    server.script(Failure(status=401), Answer(text="Done."))
    result = await host.prompt("Look.")
    assert result.reason is EndReason.ERROR
    assert len(server.requests) == 1
    assert (await host.prompt("Again.")).reason is EndReason.COMPLETED
    assert_whole(host)


async def test_tokens_and_dollars_are_summed(server, host):
    usage = Usage(input_tokens=1_000, output_tokens=100, cache_read_input_tokens=500, cache_creation_input_tokens=200)
    server.script(Answer(calls=[LOOK], usage=usage), Answer(text="Done.", usage=usage))
    result = await host.prompt("Look.")
    assert (result.usage.input_tokens, result.usage.output_tokens) == (2_000, 200)
    assert result.usage.cost_usd is not None
    assert result.usage.cost_usd > 0
    assert host.session.fill()[0] >= 1_800


async def test_the_cache_points_move_with_the_conversation_and_what_was_sent_stays_as_it_was(server, host):
    server.script(*[Answer(text="Step.", calls=[LOOK]) for _ in range(4)], Answer(text="Done."))
    await host.prompt("Look.")

    def bare(value):
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items() if key != "cache_control"}
        return [bare(item) for item in value] if isinstance(value, list) else value

    for before, after in pairwise(server.requests):
        assert bare(after.body["messages"])[: len(before.body["messages"])] == bare(before.body["messages"])
        assert after.body["system"] == before.body["system"]
        assert after.body["tools"] == before.body["tools"]
    for request in server.requests:
        body = json.dumps(request.body)
        assert 3 <= body.count("cache_control") <= 4
        assert "cache_control" in request.body["messages"][-1]["content"][-1]
        assert "cache_control" in request.body["system"][-1]
        assert "cache_control" in request.body["tools"][-1]
        # the point of the request before is there again, so that it is read and not written anew
    marked = [
        [place for place, message in enumerate(request.body["messages"]) if "cache_control" in json.dumps(message)]
        for request in server.requests
    ]
    assert all(old[-1] in new for old, new in pairwise(marked))


async def test_a_deferred_tool_is_put_where_it_was_asked_for_and_what_was_sent_stays_as_it_was(server, host):
    @tool(read_only=True, deferred=True)
    def rare() -> str:
        """Do what is seldom wanted."""
        return "rare"

    class Pack:
        @hookimpl
        def register(self, registry):
            registry.add_tool(rare)

    host.load(Pack())
    host.builtin("planning_tools")
    server.script(
        Answer(calls=[("ToolSearch", {"query": "select:rare"})]),
        Answer(calls=[("rare", {})]),
        Answer(text="Done."),
        Answer(text="Short.", usage={"input_tokens": 5000}),
        Answer(text="After the compaction."),
    )
    await host.prompt("Go.")
    first, second, _ = [request.body for request in server.requests]
    assert second["tools"][:-1] == first["tools"], "what was sent before has changed"
    assert second["tools"][-1]["name"] == "rare"
    assert second["tools"][-1]["defer_loading"] is True
    assert second["messages"][-1]["content"][0]["content"] == [{"type": "tool_reference", "tool_name": "rare"}]
    await host.prompt("word " * 2000)
    assert await host.session.compact()
    await host.prompt("Go on.")
    last = server.requests[-1].body
    assert [one.get("defer_loading") for one in last["tools"] if one["name"] == "rare"] == [None]
    assert "tool_reference" not in json.dumps(last["messages"])
