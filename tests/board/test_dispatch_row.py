"""Hooks that take the first argument alone are called in a row: what they come to is what it would be otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from dispatch_stage import Stage, a_call, plugin
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard._board.row import Row
from pegboard.decisions import Decision, ResultPatch
from pegboard.messages import Outcome, OutcomeKind, ToolResult

pytestmark = pytest.mark.anyio

KINDS = ["nothing", "ask", "deny", "raises", "exits", "stops iterating", "wrong"]


def hook(kind: str, *, rest: bool) -> Any:
    """Return a plugin of a kind; with the *rest* of the arguments it cannot be called in a row."""

    def one(call: Any) -> Any:
        if kind == "raises":
            raise RuntimeError("oh no")
        if kind == "exits":
            raise SystemExit(3)
        if kind == "stops iterating":
            raise StopIteration
        answers = {"nothing": None, "ask": Decision.ask("sure?"), "deny": Decision.deny("no"), "wrong": 7}
        return answers[kind]

    def all_of_them(call: Any, batch: Any, ctx: Any) -> Any:
        return one(call)

    return plugin("pre_tool", all_of_them if rest else one)


async def came_to(kinds: list[str], *, rest: bool) -> Any:
    with Stage([(f"p{place:02d}", hook(kind, rest=rest)) for place, kind in enumerate(kinds)]) as stage:
        assert (type(stage.dispatcher._deciders["pre_tool"]) is Row) is (len(kinds) > 1 and not rest)
        outcome = await stage.pre_tool({"command": "ls"})
        record = stage.hooks[-1]
        rows = [(row.plugin, row.verdict, row.effect, bool(row.error)) for row in record.rows]
        return outcome.verdict, outcome.by, outcome.reason, record.outcome, len(record.ns), rows


@settings(max_examples=60, deadline=None)
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
async def test_a_row_comes_to_what_the_same_hooks_come_to_one_by_one(kinds: list[str]) -> None:
    in_row, others = await came_to(kinds, rest=False), await came_to(kinds, rest=True)
    assert in_row == others
    assert in_row[4] == len(kinds)


async def test_each_of_a_row_sees_what_the_one_before_it_has_made_of_the_outcome() -> None:
    seen: list[str] = []

    def patches(text: str) -> Callable[..., Any]:
        def post_tool(call: Any) -> ResultPatch | None:
            seen.append(text)
            return ResultPatch(context=text) if text else None

        return post_tool

    texts = ["", "one", "", "two", ""]
    with Stage([(f"p{place}", plugin("post_tool", patches(text))) for place, text in enumerate(texts)]) as stage:
        outcome = Outcome(kind=OutcomeKind.OK, result=ToolResult(content="x"))
        after = await stage.dispatcher.post_tool(a_call(), outcome)
    assert seen == texts
    assert after.contexts == [("p1", "one"), ("p3", "two")]
    assert len(stage.hooks[-1].ns) == len(texts)


async def test_one_of_a_row_that_keeps_the_loop_is_ended_in_its_own_name() -> None:
    def quick(call: Any) -> None:
        return None

    def endless(call: Any) -> None:
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            pass

    plugins = [("a", plugin("pre_tool", quick)), ("b", plugin("pre_tool", endless, timeout=0.2))]
    with Stage([*plugins, ("c", plugin("pre_tool", quick))]) as stage:
        await stage.pre_tool()
        assert stage.watchdog.named == ["b.pre_tool"]
        assert {who: row.error[:40] for who, row in stage.rows().items()}.keys() == {"b"}
        assert len(stage.hooks[-1].ns) == 3
