"""The timeline of a journal, whole, torn and odd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pegboard._agent.journal import read_records
from pegboard._agent.views import describe, timeline
from pegboard.decisions import Decision, ResultPatch
from pegboard.hookspecs import hookimpl
from pegboard.host import Host, Options
from pegboard.messages import TextBlock, ToolUseBlock, Usage
from pegboard.records import (
    AssistantLine,
    Discarded,
    PromptRefused,
    Record,
    RequestRecord,
    ResponseRecord,
    ToolStarted,
    parse_record,
)
from pegboard.requests import BlockDone, ModelDone, ModelInfo, ModelStarted
from pegboard.tools import tool


@tool
def poke(n: int) -> str:
    """Poke."""
    return "x" * n


class Talk:
    """A model that calls three times, a hook that allows, and one that wants one more try."""

    @hookimpl
    def register(self, registry: Any) -> None:
        registry.add_model(ModelInfo(prefix="fake"))
        registry.add_tool(poke)

    @hookimpl(after="*")
    def model_call(self, request: Any) -> Any:
        return self.answer(request)

    async def answer(self, request: Any) -> Any:
        turn = len(request.messages) // 2
        yield ModelStarted(model="fake")
        if turn < 3:
            size = 40_000 if turn == 2 else turn
            yield BlockDone(block=ToolUseBlock(id=f"t{turn}", name="poke", input={"n": size}))
        else:
            yield BlockDone(block=TextBlock(text="done"))
        usage = Usage(input_tokens=10, cache_read_input_tokens=90, output_tokens=5)
        yield ModelDone(stop_reason="tool_use" if turn < 3 else "end_turn", usage=usage)

    @hookimpl
    def pre_tool(self, call: Any) -> Decision:
        return Decision.allow("fine")

    @hookimpl
    def post_tool(self, call: Any, outcome: Any) -> ResultPatch | None:
        return ResultPatch(retry=True) if call.id == "t1" and outcome.attempt == 1 else None

    @hookimpl
    def lifecycle(self, event: Any) -> None:
        return None


@pytest.fixture
async def records(tmp_path: Path) -> list[Record]:
    found = [("talk", Talk())]
    async with (
        Host(tmp_path, environment={}, state_dir=tmp_path, config_dir=tmp_path, entry_points=[], plugins=found) as host,
        host.session(Options(model="fake:x")) as session,
    ):
        await session.run("go\non")
    return list(read_records(session.path))


pytestmark = pytest.mark.anyio


async def test_everything_of_a_call_stands_below_it(records: list[Record]) -> None:
    rows = timeline(records)
    place = next(i for i, row in enumerate(rows) if row.kind == "tool" and row.id == "t1")
    below = []
    for row in rows[place + 1 :]:
        if row.level == 0:
            break
        below.append((row.kind, row.name, row.decision))
    assert below == [
        ("hook", "pre_tool", "allow"),
        ("hook", "post_tool", "ok"),
        ("attempt", "attempt 1", "ok"),
        ("hook", "post_tool", "ok"),
    ]
    (allowed,) = rows[place + 1].answers
    assert (allowed.plugin, allowed.verdict, allowed.effect) == ("talk", "allow", "won")


async def test_a_model_call_has_tokens_duration_and_stop_reason(records: list[Record]) -> None:
    first = next(row for row in timeline(records) if row.kind == "model")
    assert (first.name, first.decision, first.detail) == ("fake:x", "tool_use", "100 in, 5 out")
    assert first.usage["cache_read_input_tokens"] == 90
    assert first.ms is not None


async def test_a_long_output_is_quoted_briefly_and_its_file_named(records: list[Record]) -> None:
    rows = timeline(records)
    assert any(row.kind == "spill" and row.id == "t2" for row in rows)
    assert all(len(row.detail) < 500 for row in rows)


async def test_a_prompt_is_one_line(records: list[Record]) -> None:
    assert [row.detail for row in timeline(records) if row.kind == "prompt"] == ["go on"]


async def test_every_beginning_of_a_journal_has_a_timeline(records: list[Record]) -> None:
    whole = timeline(records)
    for length in range(len(records)):
        rows = timeline(records[:length])
        assert [row.seq for row in rows] == [row.seq for row in whole if row.seq <= length][: len(rows)]
        assert all(row.level in (0, 1) for row in rows)


async def test_every_subset_of_the_records_has_a_timeline(records: list[Record]) -> None:
    for left_out in range(len(records)):
        timeline(records[:left_out] + records[left_out + 1 :])


async def test_every_record_is_described_in_a_short_line(records: list[Record]) -> None:
    for record in records:
        kind, text = describe(record)
        assert kind
        assert "\n" not in text
        assert len(text) <= 200


def test_what_was_cut_off_is_unfinished() -> None:
    asked = AssistantLine(message={"content": [{"type": "tool_use", "id": "t", "name": "poke", "input": {}}]})
    started = ToolStarted(call="t", name="poke", input="{}", input_hash="h")
    request = RequestRecord(request="r1", purpose="turn", model="m", hash="h", messages=1)
    rows = timeline([request, asked, started])
    assert [(row.kind, row.decision) for row in rows] == [("model", "unfinished"), ("tool", "unfinished")]


def test_an_answer_that_did_not_count_says_why() -> None:
    request = RequestRecord(request="r1", purpose="turn", model="m", hash="h", messages=1)
    (row,) = timeline([request, Discarded(request="r1", reason="the stream broke")])
    assert (row.decision, row.detail) == ("discarded", "the stream broke")
    gone = Discarded(request="r1", reason="the stream broke")
    rows = timeline([request, gone, ResponseRecord(request="r1", stop_reason="end_turn")])
    assert [(row.name, row.decision) for row in rows] == [("m", "discarded"), ("m", "end_turn")]


def test_an_error_of_the_model_is_in_its_line() -> None:
    request = RequestRecord(
        request="r1", purpose="turn", model="m", hash="h", messages=1, timestamp="2026-01-01T00:00:00.000Z"
    )
    answer = ResponseRecord(request="r1", stop_reason="error", error="529", timestamp="2026-01-01T00:00:01.500Z")
    (row,) = timeline([request, answer])
    assert (row.ms, row.decision, row.detail) == (1500.0, "error", "0 in, 0 out; 529")


def test_a_refused_prompt_names_who_refused() -> None:
    (row,) = timeline([PromptRefused(prompt="do evil", by="guard", reason="no")])
    assert (row.decision, row.by, row.detail) == ("block", "guard", "do evil -> no")


def test_messages_of_odd_shape_are_read(records_of: list[Record]) -> None:
    assert [row.detail for row in timeline(records_of) if row.kind == "prompt"] == ["plain", "[image] and text"]


@pytest.fixture
def records_of() -> list[Record]:
    lines = (
        '{"seq":1,"type":"user","message":{"role":"user","content":"plain"}}',
        '{"seq":2,"type":"user","message":{"content":[{"type":"image"},{"type":"text","text":"and text"}]}}',
        '{"seq":3,"type":"assistant","message":{"role":"assistant","content":"plain"}}',
    )
    return [parse_record(line) for line in lines]
