"""One outcome, whoever finishes first; what follows another; what a failure means; copies that disarm nothing."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard.decisions import Verdict
from pegboard.records import DeclaredHooks
from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.wire_hooks.firing import KEPT_OF_AN_OUTPUT, Place, came_to, fire, record_of
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType, Posture
from pegboard_builtins.wire_hooks.inputs import PreToolUseInput, UserPromptSubmitInput
from pegboard_builtins.wire_hooks.job import RawResult
from pegboard_builtins.wire_hooks.load import Entry, HookTable, without_copies

HERE = Source(SettingsLayer.USER, "/s.json", 1)
PLACE = Place(cwd=Path("/w"), project=Path("/w"))


def handler(name, event="PreToolUse", **facts):
    return Handler(name, event, HandlerType.COMMAND, HERE, command=name, **facts)


def pre_tool(command="echo"):
    return PreToolUseInput(
        session_id="s",
        transcript_path="/t",
        cwd="/w",
        permission_mode="default",
        tool_name="Bash",
        tool_input={"command": command},
        tool_use_id="c",
    )


class Answering:
    """Runs nothing: gives each handler its answer, after as many turns of the loop as it is told."""

    def __init__(self, answers, delays=None):
        self.answers = answers
        self.delays = delays or {}
        self.saw = []

    async def run(self, one, job):
        for _ in range(self.delays.get(one.id, 0)):
            await asyncio.sleep(0)
        self.saw.append((one.id, job.facts.get("tool_input")))
        answer = self.answers[one.id]
        answer = answer(job.facts) if callable(answer) else answer
        return answer if isinstance(answer, RawResult) else RawResult(stdout=json.dumps(answer))


def fired(handlers, answers, event=None, **facts):
    table = HookTable(entries=tuple(Entry(one) for one in handlers))
    runs = Answering(answers, **facts)

    async def runners():
        return runs

    return asyncio.run(fire(table, event or pre_tool(), PLACE, runners)), runs


def pre(decision=None, **facts):
    said = {"permissionDecision": decision, "permissionDecisionReason": f"{decision}!"} if decision else {}
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", **said, **facts}}


FAILURES = [RawResult(exit=2, stderr="no"), RawResult(exit=1), RawResult(timed_out=True), RawResult(error="x")]


def rewriting(decision, command):
    return pre(decision, updatedInput={"command": command})


ANSWERS = st.lists(
    st.one_of(
        st.sampled_from([None, "allow", "ask", "defer", "deny"]).map(pre),
        st.builds(rewriting, st.sampled_from([None, "allow"]), st.text(max_size=3)),
        st.text(max_size=4).map(lambda text: pre(additionalContext=text)),
        st.sampled_from(FAILURES),
        st.just({"continue": False, "stopReason": "s"}),
    ),
    min_size=1,
    max_size=6,
)


def without_times(facts):
    record = DeclaredHooks.model_validate(facts)
    return [row.model_copy(update={"ms": 0.0}) for row in record.rows], record.outcome, record.winner, record.reason


def spilled(text):
    return Path("/spilled")


@pytest.mark.parametrize("share", range(2))
def test_the_order_in_which_hooks_finish_changes_nothing(share, count):
    """1,000 random sets of answers, each in five random orders of completion; a tenth of them in CI."""

    @given(answers=ANSWERS, seed=st.integers(0, 2**32))
    @settings(deadline=None, max_examples=count(500), database=None)
    def check(answers, seed):
        same_in_any_order(answers, seed)

    check()


def same_in_any_order(answers, seed):
    names = [f"h{n}" for n in range(len(answers))]
    handlers = [handler(name) for name in names]
    told = dict(zip(names, answers, strict=True))
    first, _ = fired(handlers, told)
    chance = random.Random(seed)
    for _ in range(5):
        other, _ = fired(handlers, told, delays={name: chance.randrange(8) for name in names})
        assert without_times(record_of(other, "c", spilled)) == without_times(record_of(first, "c", spilled))
        assert other.together.updated == first.together.updated
        assert [text for _, text in other.together.contexts] == [text for _, text in first.together.contexts]


def test_the_journal_has_of_a_hook_that_says_nothing_no_more_than_of_others():
    silent, wordy = handler("silent"), handler("wordy")
    empty = "{" + " " * 10_000 + "}"
    told = {"silent": RawResult(), "wordy": RawResult(stdout=empty, answer={})}
    outcome, _ = fired([silent, wordy], told)
    facts = record_of(outcome, "c", spilled)
    assert (facts["outcome"], "winner" in facts, "reason" in facts) == ("none", False, False)
    record = DeclaredHooks.model_validate(facts)
    assert [(row.id, row.status, row.verdict, row.effect) for row in record.rows] == [
        ("silent", "ran", "", ""),
        ("wordy", "ran", "", ""),
    ]
    assert record.rows[0].exit == 0
    assert (len(record.rows[1].stdout), record.rows[1].cut) == (KEPT_OF_AN_OUTPUT, ("/spilled",))


@given(answers=ANSWERS)
@settings(deadline=None, max_examples=100)
def test_a_further_hook_never_turns_a_refusal_into_anything_milder(answers):
    names = [f"h{n}" for n in range(len(answers))]
    handlers = [handler(name) for name in names]
    told = dict(zip(names, answers, strict=True))
    alone, _ = fired(handlers[:1], told)
    together, _ = fired(handlers, told)
    if alone.together.verdict is Verdict.DENY:
        assert together.together.verdict is Verdict.DENY
    if alone.together.stop:
        assert together.together.stop


def test_a_sequential_hook_sees_what_those_before_it_left():
    handlers = [handler("a"), handler("b", sequential=True), handler("c", sequential=True)]
    answers = {
        "a": pre(updatedInput={"command": "one"}),
        "b": lambda facts: pre(updatedInput={"command": facts["tool_input"]["command"] + " two"}),
        "c": pre("allow"),
    }
    outcome, runs = fired(handlers, answers)
    assert [given["command"] for _, given in runs.saw] == ["echo", "one", "one two"]
    assert outcome.together.updated == {"command": "one two"}


def test_a_guard_that_says_recheck_sees_the_final_bytes_and_its_deny_stays():
    guard = lambda facts: pre("deny") if "rm" in facts["tool_input"]["command"] else {}  # noqa: E731
    handlers = [handler("guard", recheck=True), handler("change")]
    outcome, runs = fired(handlers, {"guard": guard, "change": pre(updatedInput={"command": "rm x"})})
    assert [name for name, _ in runs.saw] == ["guard", "change", "guard"]
    assert outcome.together.verdict is Verdict.DENY
    outcome, _ = fired(handlers, {"guard": guard, "change": pre(updatedInput={"command": "ls"})}, pre_tool("rm y"))
    assert outcome.together.verdict is Verdict.DENY


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(RawResult(exit=1, stderr="boom"), id="exit 1"),
        pytest.param(RawResult(exit=127, broken="there is no such script"), id="not there"),
        pytest.param(RawResult(timed_out=True), id="late"),
        pytest.param(RawResult(error="connection refused"), id="no answer"),
        pytest.param(RawResult(stdout='{"continue":"x"}'), id="the wrong shape"),
        pytest.param(RawResult(stdout='{"hookSpecificOutput":{"hookEventName":"Stop"}}'), id="another event's name"),
    ],
)
@pytest.mark.parametrize(
    ("posture", "verdict"),
    [
        pytest.param(Posture.OPEN, None, id="open"),
        pytest.param(Posture.ASK, Verdict.ASK, id="ask"),
        pytest.param(Posture.CLOSED, Verdict.DENY, id="closed"),
    ],
)
def test_a_failure_means_what_the_entry_says(raw, posture, verdict):
    outcome, _ = fired([handler("h", on_error=posture)], {"h": replace(raw)})
    assert outcome.together.verdict is verdict
    assert outcome.ran[0].said.problem


def test_a_failure_of_a_closed_hook_refuses_a_prompt_too():
    event = UserPromptSubmitInput(session_id="s", transcript_path="/t", cwd="/w", prompt="p")
    one = handler("h", "UserPromptSubmit", on_error=Posture.CLOSED)
    outcome, _ = fired([one], {"h": RawResult(exit=1)}, event)
    assert came_to(outcome)[0] == "block"


def test_a_deny_before_trailing_text_still_counts():
    deny = json.dumps(pre("deny"))
    for text in (f"{deny}\nand more", f"{deny}\n{{}}", f"{deny} trailing }}"):
        outcome, _ = fired([handler("h")], {"h": RawResult(stdout=text)})
        assert outcome.together.verdict is Verdict.DENY
    outcome, _ = fired([handler("h")], {"h": RawResult(stdout=f"{json.dumps(pre('allow'))}\nand more")})
    assert outcome.together.verdict is None


def test_a_later_copy_brings_its_timeout_but_disarms_nothing():
    sync = replace(handler("same"), timeout=5.0, on_error=Posture.CLOSED)
    behind = replace(sync, id="copy", asynchronous=True, timeout=1.0, on_error=Posture.OPEN)
    (first, copy_of), (last, none) = without_copies([sync, behind])
    assert (first.id, copy_of, none) == ("same", "copy", "")
    assert (last.timeout, last.asynchronous, last.on_error) == (1.0, False, Posture.CLOSED)
