"""All hooks but pre_tool: each by its own mode, and with its own policy when something breaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dispatch_stage import Stage, a_call, plugin, says

from pegboard.context import Ctx
from pegboard.decisions import (
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    ResultPatch,
    Skip,
    StepDecision,
    StepVerb,
)
from pegboard.errors import ModelError, UnknownModelError
from pegboard.hookspecs import Ask, State, hookimpl
from pegboard.messages import Message, Outcome, OutcomeKind, TextBlock, ToolCall, ToolResult
from pegboard.records import Notice, Notification, Quarantined
from pegboard.requests import (
    BlockDone,
    CallNext,
    CompactionJob,
    CompactionResult,
    CompactionTrigger,
    ModelDone,
    ModelStarted,
    Purpose,
    Request,
    RequestDraft,
    RequestPatch,
    Section,
    StreamEvent,
    TextDelta,
)
from pegboard.testing import HostFixture, call
from pegboard.tools import tool

pytestmark = pytest.mark.anyio


def raises() -> None:
    raise RuntimeError("oh no")


# --- prompt_submit -------------------------------------------------------------------------------------


def prompts(answer: PromptDecision | None, **options: Any) -> Any:
    return says(answer, "prompt_submit", **options)


async def test_a_prompt_is_rewritten_in_order_and_then_decided_upon() -> None:
    def add(text: str) -> Any:
        def prompt_submit(prompt: str) -> PromptDecision:
            return PromptDecision(updated_prompt=prompt + text)

        return plugin("prompt_submit", prompt_submit, rewrites=True)

    seen: list[str] = []
    watcher = plugin("prompt_submit", lambda prompt: seen.append(prompt))
    with Stage([("a", watcher), ("b", add("b")), ("c", add("c"))]) as stage:
        outcome = await stage.dispatcher.prompt_submit("x")
    assert (outcome.prompt, outcome.blocked, seen) == ("xbc", False, ["xbc"])


async def test_one_refusal_refuses_and_the_first_is_named() -> None:
    refusals = [
        ("a", prompts(PromptDecision(context="beside"))),
        ("b", prompts(PromptDecision.refuse("no", hide_prompt=True))),
        ("c", prompts(PromptDecision.refuse("never"))),
    ]
    with Stage(refusals) as stage:
        outcome = await stage.dispatcher.prompt_submit("x")
    assert (outcome.blocked, outcome.by, outcome.reason, outcome.hide_prompt) == (True, "b", "no", True)
    assert {name: row.effect for name, row in stage.rows().items()} == {"a": "context", "b": "won", "c": "kept"}
    assert outcome.contexts == [("a", "beside")]


async def test_a_new_prompt_from_who_is_not_marked_as_rewriting_is_dropped() -> None:
    with Stage([("a", prompts(PromptDecision(updated_prompt="mine")))]) as stage:
        assert (await stage.dispatcher.prompt_submit("x")).prompt == "x"
    assert "not marked" in stage.rows()["a"].effect


@pytest.mark.parametrize("rewrites", [False, True])
@pytest.mark.parametrize("guard", [False, True])
async def test_a_broken_guard_refuses_the_prompt_and_nobody_else_does(guard: bool, rewrites: bool) -> None:
    with Stage([("a", plugin("prompt_submit", raises, guard=guard, rewrites=rewrites))]) as stage:
        outcome = await stage.dispatcher.prompt_submit("x")
    assert outcome.blocked is guard
    assert stage.told("a")


# --- prepare_request -----------------------------------------------------------------------------------


async def test_patches_apply_in_order_and_each_sees_the_last_draft() -> None:
    drafts: list[RequestDraft] = []

    def last(draft: RequestDraft) -> RequestPatch:
        drafts.append(draft)
        return RequestPatch(sections=(Section(name="base", text=""),), tools=("Read", "Fly"), params={"a": 2})

    first = says(RequestPatch(sections=(Section(name="more", text="m"),), params={"a": 1, "b": 1}), "prepare_request")
    given = RequestDraft(
        purpose=Purpose.TURN, model="m", sections=(Section(name="base", text="x"),), tools=("Bash", "Read")
    )
    plugins = [("a", first), ("b", plugin("prepare_request", raises)), ("c", plugin("prepare_request", last))]
    with Stage(plugins) as stage:
        draft = await stage.dispatcher.prepare_request(given)
    assert [(section.name, section.owner) for section in drafts[0].sections] == [("base", ""), ("more", "a")]
    assert [section.name for section in draft.sections] == ["more"]
    assert (draft.tools, draft.params) == (("Read",), {"a": 2, "b": 1})
    assert stage.rows()["b"].effect == "left out"


# --- model_call ----------------------------------------------------------------------------------------

DONE = ModelDone(stop_reason="end_turn")


def request() -> Request:
    return Request(purpose=Purpose.TURN, model="fake:x", system=(), tools=(), messages=[], max_tokens=10)


async def model(request: Request) -> AsyncIterator[StreamEvent]:
    yield ModelStarted(model=request.model)
    yield BlockDone(block=TextBlock(text="hello"))
    yield DONE


async def failing(request: Request) -> AsyncIterator[StreamEvent]:
    yield ModelStarted(model=request.model)
    raise ModelError("overloaded", status=529, retryable=True)


def innermost(function: Any = model) -> tuple[str, Any]:
    return "model", plugin("model_call", lambda request, call_next, ctx: function(request), after="*")


def frame(function: Any, **options: Any) -> Any:
    return plugin("model_call", function, **options)


async def events_of(stage: Stage) -> list[str]:
    return [event.type async for event in stage.dispatcher.model_call(request())]


WHOLE = ["model_started", "block_done", "model_done"]


async def test_the_first_in_order_is_the_outermost_frame() -> None:
    def wrapping(name: str) -> Any:
        async def model_call(request: Request, call_next: CallNext) -> AsyncIterator[StreamEvent]:
            yield TextDelta(text=f"<{name}")
            async for event in call_next(request):
                yield event
            yield TextDelta(text=f"{name}>")

        return frame(model_call)

    with Stage([innermost(), ("b", wrapping("b")), ("a", wrapping("a"))]) as stage:
        events = [event async for event in stage.dispatcher.model_call(request())]
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["<a", "<b", "b>", "a>"]


async def passes_on(request: Request, call_next: CallNext) -> AsyncIterator[StreamEvent]:
    async for event in call_next(request):
        yield event


def hands_on(request: Request, call_next: CallNext) -> AsyncIterator[StreamEvent]:
    return call_next(request)


async def is_a_coroutine(request: Request, call_next: CallNext) -> AsyncIterator[StreamEvent]:
    return call_next(request)


def answers_a_list(request: Request) -> Any:
    return [DONE]


async def fails_before_it_yields(request: Request) -> AsyncIterator[StreamEvent]:
    raise RuntimeError("oh no")
    yield


async def exits_before_it_yields(request: Request) -> AsyncIterator[StreamEvent]:
    raise SystemExit(1)
    yield


async def fails_after_the_model(request: Request, call_next: CallNext) -> AsyncIterator[StreamEvent]:
    async for event in call_next(request):
        yield event
        raise RuntimeError("oh no")


@pytest.mark.parametrize("function", [lambda: None, passes_on, hands_on], ids=["None", "wraps", "hands on"])
@pytest.mark.parametrize("guard", [False, True], ids=["open", "guard"])
async def test_a_frame_that_changes_nothing_changes_nothing(function: Any, guard: bool) -> None:
    with Stage([("a", frame(function, guard=guard)), innermost()]) as stage:
        assert await events_of(stage) == WHOLE
    assert not stage.notes.notices


@pytest.mark.parametrize(
    "function", [raises, is_a_coroutine, answers_a_list, fails_before_it_yields, exits_before_it_yields]
)
async def test_a_frame_that_breaks_before_it_yields_is_skipped_and_a_guards_refuses(function: Any) -> None:
    with Stage([("a", frame(function)), innermost()]) as stage:
        assert await events_of(stage) == WHOLE
    assert stage.hooks[-1].outcome == "skipped"
    assert stage.told("a")
    stage = Stage([("a", frame(function, guard=True)), innermost()])
    with stage, pytest.raises(ModelError, match=r"a \(a guard\) failed, so the request is refused"):
        await events_of(stage)
    assert stage.hooks[-1].outcome == "refused"


async def test_a_frame_that_breaks_after_it_yielded_is_an_error_and_is_named() -> None:
    for guard, said in ((False, "'a' broke while the model answered"), (True, r"a \(a guard\) failed")):
        stage = Stage([("a", frame(fails_after_the_model, guard=guard)), innermost()])
        with stage, pytest.raises(ModelError, match=said):
            await events_of(stage)
        assert stage.told("a")


@pytest.mark.parametrize("function", [passes_on, hands_on])
@pytest.mark.parametrize("guard", [False, True], ids=["open", "guard"])
async def test_the_models_own_error_is_no_failure_of_the_frames_around_it(function: Any, guard: bool) -> None:
    stage = Stage([("a", frame(function, guard=guard)), innermost(failing)])
    with stage, pytest.raises(ModelError, match="overloaded") as caught:
        await events_of(stage)
    assert (caught.value.status, caught.value.retryable) == (529, True)
    assert not stage.notes.notices


async def test_a_frame_may_ask_again_and_may_answer_itself() -> None:
    tries: list[str] = []

    async def flaky(request: Request) -> AsyncIterator[StreamEvent]:
        tries.append(request.model)
        async for event in (failing if len(tries) == 1 else model)(request):
            yield event

    async def again(request: Request, call_next: CallNext) -> AsyncIterator[StreamEvent]:
        try:
            events = [event async for event in call_next(request)]
        except ModelError:
            events = [event async for event in call_next(request)]
        for event in events:
            yield event

    with Stage([("a", frame(again)), innermost(flaky)]) as stage:
        assert await events_of(stage) == WHOLE
        assert tries == ["fake:x"] * 2
    with Stage([("a", frame(lambda request: model(request))), innermost(failing)]) as stage:
        assert await events_of(stage) == WHOLE


async def test_without_a_model_the_error_says_which_there_are() -> None:
    with Stage([("a", frame(hands_on))]) as stage, pytest.raises(UnknownModelError, match="fake:NAME"):
        await events_of(stage)


async def test_closing_the_stream_early_closes_the_model() -> None:
    closed: list[bool] = []

    async def endless(request: Request) -> AsyncIterator[StreamEvent]:
        try:
            while True:
                yield TextDelta(text="x")
        finally:
            closed.append(True)

    for function in (passes_on, hands_on):
        with Stage([("a", frame(function)), innermost(endless)]) as stage:
            stream: Any = stage.dispatcher.model_call(request())
            await anext(stream)
            await stream.aclose()
    assert closed == [True, True]


# --- resolve_ask ---------------------------------------------------------------------------------------


async def test_the_first_answer_counts_and_who_fails_is_passed_over() -> None:
    def never() -> Resolution:
        raise AssertionError("asked too late")

    plugins = [
        ("a", says(None, "resolve_ask")),
        ("b", plugin("resolve_ask", raises)),
        ("c", says(Resolution(allow=True, reason="yes"), "resolve_ask")),
        ("d", plugin("resolve_ask", never)),
    ]
    with Stage(plugins) as stage:
        answer, by = await stage.dispatcher.resolve_ask(Ask(a_call(), "why"))
    assert answer is not None
    assert (answer.allow, by) == (True, "c")
    assert len(stage.hooks[-1].ns) == 3
    assert stage.hooks[-1].winner == "c"
    with Stage(plugins[:2]) as stage:
        assert await stage.dispatcher.resolve_ask(Ask(a_call(), "why")) == (None, "")


# --- post_tool -----------------------------------------------------------------------------------------

OK = Outcome(kind=OutcomeKind.OK, result=ToolResult(content="raw", data={"n": 1}))


def patches(**facts: Any) -> Any:
    return says(ResultPatch(**facts), "post_tool")


async def test_results_are_patched_in_order_and_each_sees_the_last() -> None:
    seen: list[tuple[Any, Any]] = []

    def look(outcome: Outcome) -> None:
        seen.append((outcome.result.content, outcome.result.data))

    async def look_later(outcome: Outcome) -> None:
        await asyncio.sleep(0)
        look(outcome)

    plugins = [
        ("a", plugin("post_tool", look)),
        ("b", patches(output="one", context="beside")),
        ("c", plugin("post_tool", look_later)),
        ("d", patches(data={"n": 2})),
        ("e", plugin("post_tool", look)),
        ("f", patches(output="two", context="too")),
    ]
    with Stage(plugins) as stage:
        after = await stage.dispatcher.post_tool(a_call(), OK)
    assert seen == [("raw", {"n": 1}), ("one", {"n": 1}), ("one", {"n": 2})]
    assert (after.outcome.result.content, after.outcome.kind) == ("two", OutcomeKind.OK)
    assert after.contexts == [("b", "beside"), ("f", "too")]
    assert len(stage.hooks[-1].ns) == 6
    assert stage.rows()["f"].effect == "rewrote, context"


async def test_who_changes_a_finished_calls_input_in_place_is_named_and_those_behind_an_answer_see_what_ran() -> None:
    seen: list[Any] = []

    def disguise(call: ToolCall) -> ResultPatch:
        call.input["command"] = "ls"
        return ResultPatch(context="all is well")

    plugins = [("a", plugin("post_tool", disguise)), ("b", plugin("post_tool", lambda call: seen.append(call.input)))]
    with Stage(plugins) as stage:
        await stage.dispatcher.post_tool(a_call({"command": "rm -rf /"}), OK)
    assert seen == [{"command": "rm -rf /"}]
    assert [text for _, text, _ in stage.notes.notices] == [
        "a hook changed the input of Bash in place, which does not count (a)"
    ]


async def test_a_hidden_output_is_gone_for_those_behind_and_for_the_model() -> None:
    seen: list[Any] = []
    plugins = [
        ("a", patches(hide=True, reason="a key is in it")),
        ("b", plugin("post_tool", lambda outcome: seen.append(outcome.result))),
    ]
    with Stage(plugins) as stage:
        after = await stage.dispatcher.post_tool(a_call(), OK)
    assert after.hidden
    assert after.outcome.result.content == "[the output was withheld by a: a key is in it]"
    assert seen[0].data is None
    assert "raw" not in str(seen)


async def test_retry_and_stop_are_passed_on() -> None:
    with Stage([("a", patches(retry=True)), ("b", patches(stop=True, reason="enough"))]) as stage:
        after = await stage.dispatcher.post_tool(a_call(), OK)
    assert (after.retry, after.stop, after.stop_reason) == (True, True, "enough")


@pytest.mark.parametrize("breakage", [raises, lambda: "text"], ids=["raises", "answers wrong"])
async def test_a_broken_redactor_withholds_the_output_and_nobody_else_does(breakage: Any) -> None:
    for guard in (True, False):
        with Stage([("a", plugin("post_tool", breakage, guard=guard)), ("b", patches(context="c"))]) as stage:
            after = await stage.dispatcher.post_tool(a_call(), OK)
        assert after.hidden is guard
        assert (after.outcome.result.content == "raw") is not guard
        assert after.contexts == [("b", "c")]


async def test_a_patch_in_between_begins_the_count_of_failures_again() -> None:
    answers = iter("xx.xx.xx.")

    def sometimes() -> ResultPatch:
        if next(answers) == "x":
            raise RuntimeError
        return ResultPatch(context="fine")

    with Stage([("a", plugin("post_tool", sometimes))]) as stage:
        for _ in range(9):
            await stage.dispatcher.post_tool(a_call(), OK)
        assert not stage.dispatcher.quarantined


async def test_post_tool_has_matchers_and_deadlines_too() -> None:
    async def sleeps() -> None:
        await asyncio.sleep(60)

    plugins = [
        ("a", plugin("post_tool", sleeps, timeout=0.02)),
        ("b", says(ResultPatch(output="x"), "post_tool", matcher="Edit")),
    ]
    with Stage(plugins) as stage:
        assert (await stage.dispatcher.post_tool(a_call(), OK)).outcome.result.content == "raw"
        assert "did not answer" in stage.rows()["a"].error
        assert (await stage.dispatcher.post_tool(a_call(name="Edit"), OK)).outcome.result.content == "x"


# --- next_step -----------------------------------------------------------------------------------------

STOP, COMPACT, GO = StepDecision.stop("s"), StepDecision.compact("c"), StepDecision.keep_going("go on")
STATE = State(step=1, ending=True, stop_reason="end_turn", text="")


@pytest.mark.parametrize(
    ("answers", "verb", "by"),
    [
        pytest.param([None], None, "", id="nobody minds"),
        pytest.param([StepDecision(inject="psst")], None, "", id="an inject alone"),
        pytest.param([GO, None], StepVerb.KEEP_GOING, "p0", id="keep going"),
        pytest.param([GO, COMPACT], StepVerb.COMPACT, "p1", id="compact beats keep going"),
        pytest.param([COMPACT, STOP, GO], StepVerb.STOP, "p1", id="stop beats all"),
        pytest.param([STOP, STOP], StepVerb.STOP, "p0", id="ties go to the first"),
        pytest.param([RuntimeError, GO], StepVerb.KEEP_GOING, "p1", id="who fails is left out"),
    ],
)
async def test_the_strictest_step_wins(answers: list[Any], verb: StepVerb | None, by: str) -> None:
    plugins = [
        (f"p{place}", plugin("next_step", raises) if answer is RuntimeError else says(answer, "next_step"))
        for place, answer in enumerate(answers)
    ]
    with Stage(plugins) as stage:
        outcome = await stage.dispatcher.next_step(STATE)
    assert (outcome.verb, outcome.by) == (verb, by)


async def test_every_inject_is_kept_in_order() -> None:
    injects = [StepDecision(inject="one"), STOP, StepDecision.keep_going("two")]
    with Stage([(f"p{place}", says(answer, "next_step")) for place, answer in enumerate(injects)]) as stage:
        assert (await stage.dispatcher.next_step(STATE)).injects == [("p0", "one"), ("p2", "two")]


def broken(ctx: Any) -> bool:
    raise RuntimeError("no idea")


def exits(ctx: Any) -> bool:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("silent", "asks"),
    [
        pytest.param([], False, id="nobody is there"),
        pytest.param([lambda ctx: True, lambda ctx: True], False, id="all have nothing to say"),
        pytest.param([lambda ctx: True, lambda ctx: False], True, id="one has something to say"),
        pytest.param([lambda ctx: True, None], True, id="one does not say"),
        pytest.param([broken], True, id="who fails is asked"),
        pytest.param([exits], True, id="who exits is asked"),
    ],
)
def test_a_step_is_asked_about_unless_all_say_that_they_have_nothing_to_say(silent: list[Any], asks: bool) -> None:
    plugins = [(f"p{place}", says(None, "next_step", unless=unless)) for place, unless in enumerate(silent)]
    with Stage(plugins) as stage:
        assert (stage.dispatcher.step_decider() is not None) is asks


# --- compact -------------------------------------------------------------------------------------------


def message(text: str) -> Message:
    return Message(role="user", content=(TextBlock(text=text),))


def job(trigger: CompactionTrigger = CompactionTrigger.AUTO) -> CompactionJob:
    return CompactionJob(trigger=trigger, messages=(message("long"),), tokens=9, target_tokens=3, window=10)


def result(strategy: str) -> CompactionResult:
    return CompactionResult(messages=(message("s"),), strategy=strategy)


def accept(given: CompactionResult) -> str:
    return "it is bad" if given.strategy == "bad" else ""


async def test_the_first_valid_result_wins_and_failures_and_bad_ones_are_passed_over() -> None:
    plugins = [
        ("a", says(None, "compact")),
        ("b", plugin("compact", raises)),
        ("c", says(result("bad"), "compact")),
        ("d", says(result("good"), "compact")),
        ("e", plugin("compact", raises)),
    ]
    with Stage(plugins) as stage:
        answer, by = await stage.dispatcher.compact(job(), accept)
    assert isinstance(answer, CompactionResult)
    assert (answer.strategy, by) == ("good", "d")
    assert stage.rows()["c"].effect == "dropped: it is bad"
    assert "e" not in stage.rows()
    with Stage(plugins[:3]) as stage:
        assert await stage.dispatcher.compact(job(), accept) == (None, "host")
        assert await stage.dispatcher.compact(job(), accept, lambda: result("cut")) == (result("cut"), "host")


async def test_a_skip_ends_the_job_unless_the_window_has_overflowed() -> None:
    plugins = [("a", says(Skip(reason="later"), "compact")), ("b", says(result("good"), "compact"))]
    with Stage(plugins) as stage:
        assert await stage.dispatcher.compact(job(), accept) == (Skip(reason="later"), "a")
        answer, by = await stage.dispatcher.compact(job(CompactionTrigger.OVERFLOW), accept)
        assert (getattr(answer, "strategy", ""), by) == ("good", "b")
        assert stage.rows()["a"].effect == "dropped: the window has overflowed"


async def test_default_is_what_the_next_would_answer() -> None:
    async def wraps(job: CompactionJob) -> CompactionResult | None:
        assert job.default is not None
        inner = await job.default()
        return None if inner is None else inner.model_copy(update={"strategy": f"({inner.strategy})"})

    plugins = [("a", plugin("compact", wraps)), ("b", plugin("compact", wraps)), ("c", says(result("c"), "compact"))]
    with Stage(plugins) as stage:
        answer, by = await stage.dispatcher.compact(job(), accept)
        assert (getattr(answer, "strategy", ""), by) == ("((c))", "a")
    with Stage(plugins[:1]) as stage:
        answer, by = await stage.dispatcher.compact(job(), accept, lambda: result("cut"))
        assert (getattr(answer, "strategy", ""), by) == ("(cut)", "a"), "the last one's default is the host's own way"


# --- lifecycle -----------------------------------------------------------------------------------------


async def test_lifecycle_answers_are_collected_in_order_and_failures_left_out() -> None:
    async def slow() -> Answer:
        await asyncio.sleep(0.01)
        return Answer(context="slow")

    plugins = [
        ("a", plugin("lifecycle", slow)),
        ("b", plugin("lifecycle", raises)),
        ("c", says(None, "lifecycle")),
        ("d", says(Answer(block=True, reason="no"), "lifecycle")),
    ]
    with Stage(plugins) as stage:
        given = await stage.dispatcher.lifecycle(Notification(message="x", notification_type="idle"))
    assert [(who, answer.context or answer.reason) for who, answer in given] == [("a", "slow"), ("d", "no")]
    assert stage.rows()["d"].verdict == "block"


# --- event ---------------------------------------------------------------------------------------------

RECORD = Notice(level="info", text="x")


async def test_observers_see_records_and_nothing_of_it_is_journaled() -> None:
    seen: list[Any] = []
    with Stage([("a", plugin("event", lambda record: seen.append(record)))]) as stage:
        await stage.dispatcher.event(RECORD)
    assert seen == [RECORD]
    assert stage.notes.records == []


@pytest.mark.parametrize("guard", [False, True], ids=["open", "guard"])
async def test_an_observer_that_keeps_failing_is_muted_and_its_other_hooks_go_on(guard: bool) -> None:
    calls = 0

    class Both:
        @hookimpl(guard=guard)
        def pre_tool(self) -> Decision:
            return Decision.deny("no")

        @hookimpl(guard=guard)
        def event(self) -> None:
            nonlocal calls
            calls += 1
            raise RuntimeError("oh no")

    with Stage([("a", Both())]) as stage:
        for _ in range(6):
            await stage.dispatcher.event(RECORD)
        assert calls == 3
        assert (await stage.pre_tool()).by == "a"
    assert not [record for record in stage.notes.records if isinstance(record, Quarantined)]
    assert len([text for text in stage.told("a") if "muted until the session ends" in text]) == 1


async def test_a_failing_observer_beside_a_guard_does_not_hang_the_session() -> None:
    class Both:
        @hookimpl(guard=True)
        def pre_tool(self) -> None: ...

        @hookimpl
        def event(self) -> None:
            raise RuntimeError("oh no")

    @tool(read_only=True)
    def look() -> str:
        """Look."""
        return "seen"

    started = time.monotonic()
    async with HostFixture() as host:
        host.load(Both)
        host.load(look)
        host.model.script(call("look"), "done")
        assert (await asyncio.wait_for(host.prompt("go"), 20)).text == "done"
        assert len(host.records()) < 100
    assert time.monotonic() - started < 20


# --- the plan ------------------------------------------------------------------------------------------


async def test_a_ctx_is_each_plugins_own() -> None:
    names: list[str] = []

    def note(ctx: Ctx) -> None:
        names.append(ctx.plugin)

    with Stage([(name, plugin("next_step", note)) for name in ("b", "a")]) as stage:
        await stage.dispatcher.next_step(STATE)
    assert names == ["a", "b"]


def test_a_plans_id_depends_on_the_set_alone() -> None:
    def ids(names: str) -> str:
        with Stage([(name, says(None)) for name in names]) as stage:
            return stage.dispatcher.plan.id

    assert ids("abc") == ids("cab")
    assert ids("abc") != ids("ab")
