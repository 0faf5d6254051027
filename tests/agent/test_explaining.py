"""Who decided about a call, and which hooks could be left out: compared with sessions in which they are left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pegboard._agent.explaining import Explanation, explain
from pegboard._agent.journal import read_records
from pegboard.decisions import Decision, Verdict
from pegboard.errors import PegboardError, UnknownCallError
from pegboard.hookspecs import hookimpl
from pegboard.host import Host, Options
from pegboard.messages import TextBlock, ToolUseBlock
from pegboard.records import AskRecord, AssistantLine, HookRecord, HookRow, PlanRecord, Record
from pegboard.requests import BlockDone, ModelDone, ModelInfo, ModelStarted
from pegboard.tools import tool


@dataclass(frozen=True)
class Plan:
    """What a hook of a random set does."""

    rewrites: bool
    verdict: Verdict | None
    changes: bool
    breaks: bool = False
    guard: bool = False
    elsewhere: bool = False
    substitutes: bool = False


plans = st.builds(
    Plan,
    rewrites=st.booleans(),
    verdict=st.sampled_from([None, *Verdict]),
    changes=st.booleans(),
    breaks=st.sampled_from([False, False, False, True]),
    guard=st.booleans(),
    elsewhere=st.sampled_from([False, False, False, True]),
    substitutes=st.sampled_from([False, False, True]),
)


def plugin(plan: Plan) -> Any:
    class Hook:
        @hookimpl(rewrites=plan.rewrites, guard=plan.guard, matcher="Other" if plan.elsewhere else None)
        def pre_tool(self, call: Any) -> Decision | None:
            if plan.breaks:
                raise ValueError("broken")
            if plan.verdict is None and not plan.changes:
                return None
            stands_in = "instead" if plan.substitutes and plan.verdict is Verdict.ALLOW else None
            changed = {"n": call.input["n"] + 1} if plan.changes else None
            return Decision(verdict=plan.verdict, updated_input=changed, result=stands_in, reason="so")

    return Hook()


@tool
def poke(n: int) -> str:
    """Poke."""
    return str(n)


class Tools:
    @hookimpl
    def register(self, registry: Any) -> None:
        registry.add_tool(poke)


def call_with(hooks: Sequence[tuple[str, Plan]]) -> Explanation | None:
    """Call a tool in a session with these hooks; None if no hook was there to be asked."""

    async def run(folder: Path) -> Path:
        found = [("tools", Tools()), *((name, plugin(plan)) for name, plan in hooks)]
        quick = {"session": {"fsync": "off"}}
        async with (
            Host(
                folder,
                environment={},
                state_dir=folder,
                config_dir=folder,
                entry_points=[],
                plugins=found,
                command_line=quick,
            ) as host,
            host.session() as session,
        ):
            await session.call_user_tool("poke", {"n": 1})
            return session.path

    with TemporaryDirectory() as folder:
        records = list(read_records(asyncio.run(run(Path(folder)))))
    return explain(records, "last")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(plans, min_size=1, max_size=4))
def test_a_hook_is_removable_exactly_if_the_verdict_is_the_same_without_it(drawn: list[Plan]) -> None:
    hooks = [(f"h{place}", plan) for place, plan in enumerate(drawn)]
    told = call_with(hooks)
    assert told is not None
    (dispatch, *_) = told.dispatches
    assert {step.plugin for step in dispatch.steps} == {name for name, _ in hooks}
    for step in dispatch.steps:
        if step.before != step.after:
            assert step.removable is False
            continue
        without = call_with([(name, plan) for name, plan in hooks if name != step.plugin])
        assert without is not None
        assert step.without == (without.verdict or "none")
        same = (without.verdict or "none") == told.verdict
        if told.outcome != "substituted" or step.plugin != told.winner:
            assert step.removable is same


def test_the_winner_that_stood_in_for_the_tool_is_needed() -> None:
    stands_in = Plan(rewrites=False, verdict=Verdict.ALLOW, changes=False, substitutes=True)
    allows = Plan(rewrites=False, verdict=Verdict.ALLOW, changes=False)
    told = call_with([("a", stands_in), ("b", allows)])
    assert told is not None
    assert (told.outcome, told.winner, told.removable) == ("substituted", "a", ("b",))


def test_two_that_refuse_need_not_both_be_there() -> None:
    refuses = Plan(rewrites=False, verdict=Verdict.DENY, changes=False)
    told = call_with([("a", refuses), ("b", refuses)])
    assert told is not None
    assert (told.verdict, told.winner, told.removable) == ("deny", "a", ("a", "b"))


# --- what a journal may hold ---------------------------------------------------------------------------


def asked(*calls: str) -> Record:
    blocks = [{"type": "tool_use", "id": call, "name": "poke", "input": {"n": 1}} for call in calls]
    return AssistantLine(message={"role": "assistant", "content": blocks})


def hook(
    call: str, *rows: HookRow, ns: tuple[int, ...] = (5, 5), skipped: tuple[int, ...] = (), **facts: Any
) -> Record:
    facts = {"point": "pre_tool", "outcome": "none", "before": "x", "after": "x", **facts}
    return HookRecord(plan="p", subject=call, ns=ns, rows=rows, skipped=skipped, **facts)


PLAN = PlanRecord(plan="p", hooks={"pre_tool": ("a", "b"), "resolve_ask": ("r", "s")})


def test_durations_skip_what_a_matcher_left_out() -> None:
    told = explain([PLAN, asked("t"), hook("t", ns=(7_000_000,), skipped=(0,))], "t")
    assert [(s.plugin, s.called, s.ms) for s in told.dispatches[0].steps] == [("a", False, None), ("b", True, 7.0)]


def test_the_last_of_two_calls_with_one_id_is_meant() -> None:
    first = hook("t", HookRow(i=0, plugin="a", verdict="deny"), outcome="deny", winner="a")
    told = explain([PLAN, asked("t"), first, asked("t"), hook("t")], "t")
    assert (told.verdict, len(told.dispatches)) == ("none", 1)


def test_who_answers_a_question_cannot_be_removed() -> None:
    won = HookRow(i=1, plugin="s", verdict="allow", effect="won")
    ask = AskRecord(call="t", name="poke", input_hash="x", reason="why", allowed=True, by="s")
    answered = hook("t", won, point="resolve_ask", outcome="allow", winner="s")
    told = explain([PLAN, asked("t"), hook("t"), answered, ask], "t")
    assert told.removable == ("a", "b", "r")
    assert told.question is not None
    assert (told.question.allowed, told.question.by) == (True, "s")


def test_a_call_that_never_reached_a_hook_is_explained_too() -> None:
    told = explain([asked("t")], "t")
    assert (told.tool, told.verdict, told.dispatches, told.outcome) == ("poke", "", (), "")


def test_a_beginning_must_be_unique() -> None:
    records = [asked("toolu_1", "toolu_2")]
    assert explain(records, "toolu_2").call == "toolu_2"
    with pytest.raises(PegboardError, match="beginning of 2 calls"):
        explain(records, "toolu_")
    with pytest.raises(UnknownCallError, match="Did you mean 'toolu_1'"):
        explain(records, "tooolu_1")
    with pytest.raises(UnknownCallError):
        explain(records, "")


# --- a plugin that is quarantined on the way ----------------------------------------------------------


class Model:
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
        if turn < 5:
            yield BlockDone(block=ToolUseBlock(id=f"t{turn}", name="poke", input={"n": turn}))
        else:
            yield BlockDone(block=TextBlock(text="done"))
        yield ModelDone(stop_reason="tool_use" if turn < 5 else "end_turn")


@pytest.mark.anyio
async def test_a_quarantined_plugin_is_missing_from_later_dispatches(tmp_path: Path) -> None:
    silent = Plan(rewrites=False, verdict=None, changes=False)
    hooks = [("a", Plan(rewrites=False, verdict=None, changes=False, breaks=True)), ("b", silent)]
    found = [("model", Model()), *((name, plugin(plan)) for name, plan in hooks)]
    async with (
        Host(tmp_path, environment={}, state_dir=tmp_path, config_dir=tmp_path, entry_points=[], plugins=found) as host,
        host.session(Options(model="fake:x")) as session,
    ):
        await session.run("go")
    records = list(read_records(session.path))
    asked_of = [[step.plugin for step in explain(records, f"t{n}").dispatches[0].steps] for n in range(5)]
    assert asked_of == [["a", "b"], ["a", "b"], ["a", "b"], ["b"], ["b"]]
    assert all(step.ms is not None for n in range(5) for step in explain(records, f"t{n}").dispatches[0].steps)
