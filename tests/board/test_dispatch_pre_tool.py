"""pre_tool in three phases: rewrite in order, freeze and hash, decide together on the final bytes."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from dispatch_stage import Stage, a_call, plugin, says

from pegboard.decisions import Decision, ResultPatch, Verdict
from pegboard.flags import flag
from pegboard.hookspecs import hookimpl
from pegboard.messages import Outcome, OutcomeKind, ToolCall, ToolResult, input_hash
from pegboard.records import Quarantined
from pegboard.testing import HostFixture, call
from pegboard.tools import tool

pytestmark = pytest.mark.anyio

ALLOW, ASK, DEFER, DENY = Decision.allow("a"), Decision.ask("b"), Decision.defer("c"), Decision.deny("d")


def appends(text: str, **options: Any) -> Any:
    """Return a rewriter that appends to the command."""

    def pre_tool(call: ToolCall) -> Decision:
        return Decision.replace({"command": call.input["command"] + text})

    return plugin("pre_tool", pre_tool, rewrites=True, **options)


def command(call: ToolCall) -> str:
    return str(call.input["command"])


async def test_one_that_fails_or_waits_in_the_middle_keeps_nobody_from_being_called() -> None:
    called: list[str] = []

    def of(name: str, answer: Any = None, error: BaseException | None = None) -> Any:
        def pre_tool(call: ToolCall) -> Any:
            called.append(name)
            if error is not None:
                raise error
            return answer

        return plugin("pre_tool", pre_tool)

    def later(name: str, answer: Any, seconds: float | None = None) -> Any:
        async def pre_tool(call: ToolCall, ctx: Any) -> Any:
            called.append(name)
            if seconds is not None:
                await asyncio.sleep(seconds)
            return answer

        return plugin("pre_tool", pre_tool)

    everybody = [
        ("a", later("a", None)),
        ("b", of("b", error=StopIteration("not the end"))),
        ("c", later("c", DENY, 0.001)),
        ("d", of("d", ALLOW)),
        ("e", later("e", ASK)),
        ("f", later("f", None, 0.0)),
        ("g", of("g", error=SystemExit(3))),
        ("h", later("h", Decision.note("psst"))),
    ]
    with Stage(everybody) as stage:
        outcome = await stage.pre_tool()
    assert sorted(called) == list("abcdefgh")
    assert (outcome.verdict, outcome.by, outcome.contexts) == (Verdict.DENY, "c", [("h", "psst")])
    assert len(stage.hooks[-1].ns) == len(everybody)
    rows = stage.rows()
    assert set(rows) == set("bcdegh")
    assert "StopIteration" in rows["b"].error
    assert "SystemExit" in rows["g"].error
    assert [rows[name].verdict for name in "cde"] == ["deny", "allow", "ask"]


# --- the reduce ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "verdict", "by"),
    [
        pytest.param([None, None], None, "", id="nobody minds"),
        pytest.param([Decision.note("psst"), None], None, "", id="context alone is no opinion"),
        pytest.param([ALLOW, None], Verdict.ALLOW, "p0", id="allow beats none"),
        pytest.param([ALLOW, ASK], Verdict.ASK, "p1", id="ask beats allow"),
        pytest.param([ASK, DEFER, ALLOW], Verdict.DEFER, "p1", id="defer beats ask"),
        pytest.param([DEFER, DENY, ASK], Verdict.DENY, "p1", id="deny beats defer"),
        pytest.param([DENY, ALLOW, ALLOW], Verdict.DENY, "p0", id="a later allow cannot undo a deny"),
        pytest.param([DENY, DENY], Verdict.DENY, "p0", id="ties go to the first"),
        pytest.param([ASK, ASK, ASK], Verdict.ASK, "p0", id="ties among asks too"),
    ],
)
async def test_the_strictest_verdict_wins(answers: list[Any], verdict: Verdict | None, by: str) -> None:
    with Stage([(f"p{place}", says(answer)) for place, answer in enumerate(answers)]) as stage:
        outcome = await stage.pre_tool()
    assert (outcome.verdict, outcome.by) == (verdict, by)
    assert (stage.hooks[-1].outcome, stage.hooks[-1].winner) == (str(verdict or "none"), by)


async def test_all_reasons_are_kept_and_the_winners_counts() -> None:
    with Stage(
        [("a", says(Decision.ask("hm"))), ("b", says(Decision.deny("no"))), ("c", says(Decision.deny("never")))]
    ) as stage:
        outcome = await stage.pre_tool()
    assert (outcome.reason, outcome.by) == ("no", "b")
    assert {name: (row.reason, row.effect) for name, row in stage.rows().items()} == {
        "a": ("hm", "kept"),
        "b": ("no", "won"),
        "c": ("never", "kept"),
    }


async def test_contexts_are_all_kept_in_order_and_a_stop_holds() -> None:
    stopping = Decision(context="two", stop=True, reason="enough")
    with Stage(
        [("a", says(Decision.note("one"))), ("b", says(stopping)), ("c", says(Decision.note("three")))]
    ) as stage:
        outcome = await stage.pre_tool()
    assert outcome.contexts == [("a", "one"), ("b", "two"), ("c", "three")]
    assert (outcome.stop, outcome.stop_reason) == (True, "enough")


async def test_a_defer_is_dropped_with_a_warning_where_the_session_cannot_defer() -> None:
    plugins = [("a", says(DEFER)), ("b", says(ASK))]
    with Stage(plugins) as stage:
        outcome = await stage.pre_tool(can_defer=False)
    assert (outcome.verdict, outcome.by) == (Verdict.ASK, "b")
    assert stage.rows()["a"].effect == "dropped: this session cannot defer"
    assert [level for who, _, level in stage.notes.notices if who == "a"] == ["warning"]


async def test_the_answer_of_a_substitute_comes_with_the_allow_that_won() -> None:
    with Stage([("a", says(Decision.substitute("42")))]) as stage:
        assert (await stage.pre_tool()).result == "42"
    with Stage([("a", says(Decision.substitute("42"))), ("b", says(ASK))]) as stage:
        assert (await stage.pre_tool()).result is None


# --- rewriting -----------------------------------------------------------------------------------------


async def test_rewriters_run_in_order_before_all_that_decide_and_each_sees_the_last_output() -> None:
    seen: list[str] = []
    watcher = plugin("pre_tool", lambda call: seen.append(command(call)))
    with Stage([("a", watcher), ("c", appends("c")), ("b", appends("b", after="c"))]) as stage:
        outcome = await stage.pre_tool({"command": ""})
    assert seen == ["cb"]
    assert outcome.call.input == {"command": "cb"}
    assert outcome.call.input_hash == input_hash({"command": "cb"})
    rows = stage.rows()
    assert rows["c"].after == rows["b"].before == input_hash({"command": "c"})
    assert (stage.hooks[-1].before, stage.hooks[-1].after) == (input_hash({"command": ""}), rows["b"].after)


async def test_a_rewriters_allow_holds_for_the_input_that_it_left_and_no_other() -> None:
    allows = plugin("pre_tool", lambda call: Decision.allow(updated_input={"command": "safe"}), rewrites=True)
    with Stage([("a", allows)]) as stage:
        assert (await stage.pre_tool()).verdict is Verdict.ALLOW
    with Stage([("a", allows), ("b", appends(" && evil"))]) as stage:
        outcome = await stage.pre_tool()
    assert outcome.verdict is None
    assert command(outcome.call) == "safe && evil"
    assert stage.rows()["a"].effect == "dropped: the input was changed after this allow"


@pytest.mark.parametrize("decision", [ASK, DEFER, DENY])
async def test_a_rewriters_stricter_verdict_counts_whatever_is_rewritten_later(decision: Decision) -> None:
    with Stage([("a", says(decision, rewrites=True)), ("b", appends("x"))]) as stage:
        assert (await stage.pre_tool()).verdict is decision.verdict


async def test_a_rewrite_that_does_not_fit_the_schema_is_refused_and_keeps_what_was_there() -> None:
    bad = says(Decision.allow(updated_input={"command": 7}), rewrites=True)
    problems = lambda call: "" if isinstance(call.input["command"], str) else "command: not a string"  # noqa: E731
    with Stage([("a", bad)], problems=problems) as stage:
        outcome = await stage.pre_tool()
    assert outcome.verdict is Verdict.DENY
    assert "does not fit: command: not a string" in outcome.reason
    assert outcome.call.input == {"command": "ls"}


async def test_an_input_from_who_is_not_marked_as_rewriting_is_dropped_and_so_is_its_allow() -> None:
    for verdict, left in ((Verdict.ALLOW, None), (Verdict.DENY, Verdict.DENY), (None, None)):
        with Stage([("a", says(Decision(verdict=verdict, reason="r", updated_input={"command": "x"})))]) as stage:
            outcome = await stage.pre_tool()
        assert outcome.call.input == {"command": "ls"}
        assert outcome.verdict is left
        assert "dropped" in stage.rows()["a"].effect or left is Verdict.DENY


# --- freezing ------------------------------------------------------------------------------------------


def sabotage(call: ToolCall) -> None:
    call.input["command"] = "rm -rf /"
    call.input.setdefault("nested", []).append(1)


async def sabotage_later(call: ToolCall) -> None:
    await asyncio.sleep(0)
    sabotage(call)


@pytest.mark.parametrize("function", [sabotage, sabotage_later], ids=["def", "async def"])
@pytest.mark.parametrize("options", [{}, {"rewrites": True}, {"blocking": True}], ids=["decider", "rewriter", "thread"])
async def test_an_input_that_is_changed_in_place_stays_as_it_was(function: Any, options: Any) -> None:
    if function is sabotage_later and "blocking" in options:
        pytest.skip("a coroutine is not for threads")
    with Stage([("a", plugin("pre_tool", function, **options)), ("b", says(ALLOW))]) as stage:
        outcome = await stage.pre_tool({"command": "ls", "nested": [{"deep": 1}]})
    assert outcome.call.input == {"command": "ls", "nested": [{"deep": 1}]}
    assert outcome.call.input_hash == input_hash(outcome.call.input)
    assert outcome.verdict is Verdict.ALLOW
    assert any("in place" in text for _, text, _ in stage.notes.notices)


async def test_who_changes_the_input_in_place_cannot_hide_it_from_those_behind_him() -> None:
    def disguise(call: ToolCall) -> None:
        call.input["command"] = "ls"

    guard = plugin("pre_tool", lambda call: DENY if "rm" in command(call) else None, guard=True)
    for first in (plugin("pre_tool", disguise), plugin("pre_tool", disguise, rewrites=True)):
        with Stage([("a", first), ("b", guard)]) as stage:
            outcome = await stage.pre_tool({"command": "rm -rf /"})
        assert (outcome.verdict, outcome.by) == (Verdict.DENY, "b")
        assert len(stage.hooks[-1].ns) == 2


# --- failing -------------------------------------------------------------------------------------------


def raises() -> None:
    raise RuntimeError("oh no")


async def raises_later() -> None:
    await asyncio.sleep(0)
    raise RuntimeError("oh no")


def exits() -> None:
    raise SystemExit(0)


async def exits_later() -> None:
    raise SystemExit(0)


async def cancels_itself() -> None:
    raise asyncio.CancelledError


def answers_wrong() -> Any:
    return True


async def answers_wrong_later() -> Any:
    return "allow"


def returns_a_coroutine() -> Any:
    return raises_later()


BREAKAGES = [
    raises,
    raises_later,
    exits,
    exits_later,
    cancels_itself,
    answers_wrong,
    answers_wrong_later,
    returns_a_coroutine,
]


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_a_guard_that_breaks_refuses_in_its_name(breakage: Any) -> None:
    with Stage([("zzz", plugin("pre_tool", breakage, guard=True)), ("a", says(ALLOW))]) as stage:
        outcome = await stage.pre_tool()
    assert (outcome.verdict, outcome.by) == (Verdict.DENY, "zzz")
    assert "zzz (a guard) failed" in outcome.reason
    assert stage.rows()["zzz"].error
    assert [level for who, _, level in stage.notes.notices if who == "zzz"] == ["error"]


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_who_is_no_guard_and_breaks_is_left_out_loudly(breakage: Any) -> None:
    with Stage([("zzz", plugin("pre_tool", breakage)), ("a", says(ALLOW))]) as stage:
        outcome = await stage.pre_tool()
    assert (outcome.verdict, outcome.by) == (Verdict.ALLOW, "a")
    assert stage.rows()["zzz"].effect == "left out"
    assert stage.told("zzz")


async def test_a_guard_that_rewrites_and_breaks_refuses_as_well() -> None:
    with Stage([("g", plugin("pre_tool", raises, guard=True, rewrites=True)), ("h", appends("x"))]) as stage:
        outcome = await stage.pre_tool()
    assert (outcome.verdict, outcome.by) == (Verdict.DENY, "g")


# --- deadlines -----------------------------------------------------------------------------------------


async def sleeps() -> None:
    await asyncio.sleep(60)


def blocks() -> None:
    time.sleep(1.5)


def spins() -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        pass


@pytest.mark.parametrize("guard", [False, True], ids=["open", "guard"])
@pytest.mark.parametrize(
    ("function", "options"),
    [
        pytest.param(sleeps, {}, id="async def"),
        pytest.param(blocks, {"blocking": True}, id="blocking"),
        pytest.param(spins, {}, id="def, by the watchdog"),
    ],
)
async def test_who_takes_too_long_has_failed(function: Any, options: Any, guard: bool) -> None:
    late = plugin("pre_tool", function, timeout=0.05, guard=guard, **options)
    with Stage([("late", late), ("b", says(ALLOW))]) as stage:
        started = time.monotonic()
        outcome = await stage.pre_tool()
        assert time.monotonic() - started < 10
    assert outcome.verdict is (Verdict.DENY if guard else Verdict.ALLOW)
    assert "did not answer 'pre_tool' within 0.05 s" in stage.rows()["late"].error


def holds_the_loop_in_c() -> Decision:
    time.sleep(0.3)
    return ALLOW


async def waits_then_holds_the_loop() -> Decision:
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251  (that is the point)
    return ALLOW


@pytest.mark.parametrize("function", [holds_the_loop_in_c, waits_then_holds_the_loop], ids=["def", "async def"])
@pytest.mark.parametrize("beside", [0, 1], ids=["alone", "beside one that waits"])
async def test_an_answer_that_comes_too_late_does_not_count_although_no_timer_could_fire(
    function: Any, beside: int
) -> None:
    async def waits() -> None:
        await asyncio.sleep(0.01)

    others = [("a", plugin("pre_tool", waits))] * beside
    with Stage([*others, ("late", plugin("pre_tool", function, timeout=0.05, guard=True))]) as stage:
        outcome = await stage.pre_tool()
    assert outcome.verdict is Verdict.DENY
    assert "did not answer" in stage.rows()["late"].error


async def test_the_journal_has_the_input_that_a_rewriter_left() -> None:
    rewriter = says(Decision.replace({"command": "ls"}), rewrites=True)
    with Stage([("a", rewriter)]) as stage:
        await stage.pre_tool()
        assert stage.rows()["a"].answer == '{"command":"ls"}'


async def test_failures_are_counted_for_each_implementation_not_for_the_plugin() -> None:
    class Mixed:
        @hookimpl
        def pre_tool(self) -> None:
            return None

        @hookimpl
        def post_tool(self) -> None:
            raise RuntimeError("always")

    with Stage([("mixed", Mixed())]) as stage:
        for _ in range(3):
            call = a_call()
            await stage.pre_tool()
            outcome = Outcome(kind=OutcomeKind.OK, result=ToolResult(content="x"))
            await stage.dispatcher.post_tool(call, outcome)
        assert "mixed" in stage.dispatcher.quarantined


async def test_the_watchdog_names_who_held_the_loop_and_hits_nobody_else() -> None:
    with Stage([("a", plugin("pre_tool", spins, timeout=0.05)), ("b", says(ALLOW))]) as stage:
        for _ in range(2):
            await stage.pre_tool()
        assert stage.watchdog.named == ["a.pre_tool"] * 2
        for _ in range(300):
            assert (await stage.pre_tool()).by == "b"
            await asyncio.sleep(0.001)
            if "a" in stage.dispatcher.quarantined or stage.hooks[-1].rows[0].error:
                break


async def test_what_cannot_be_ended_is_left_behind_counted_and_its_answer_ignored() -> None:
    release = threading.Event()

    def stuck() -> Decision:
        release.wait(30)
        return DENY

    with Stage([("a", plugin("pre_tool", stuck, timeout=0.02, blocking=True))]) as stage:
        outcome = await stage.pre_tool()
        for _ in range(100):
            await asyncio.sleep(0.05)
            if stage.dispatcher.abandoned:
                break
        release.set()
        await asyncio.sleep(0.05)
    assert outcome.verdict is None
    assert stage.dispatcher.abandoned == ["a.pre_tool"]


async def test_a_guard_that_eats_its_cancellation_stays_failed_while_others_are_waited_for() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return

    async def slow() -> Decision:
        await asyncio.sleep(0.3)
        return ALLOW

    stubborn_guard = plugin("pre_tool", stubborn, guard=True, timeout=0.02)
    with Stage([("a", stubborn_guard), ("b", plugin("pre_tool", slow))]) as stage:
        outcome = await stage.pre_tool()
    assert (outcome.verdict, outcome.by) == (Verdict.DENY, "a")


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_timeout_may_depend_on_the_event(kind: str) -> None:
    asked: list[str] = []

    def limit(call: ToolCall) -> float | None:
        asked.append(call.name)
        return 0.05 if call.name == "Slow" else None

    async def later(call: ToolCall) -> Decision:
        await asyncio.sleep(60 if call.name == "Slow" else 0)
        return ALLOW

    def now(call: ToolCall) -> Decision:
        spins() if call.name == "Slow" else None
        return ALLOW

    with Stage([("a", plugin("pre_tool", now if kind == "def" else later, timeout=limit))]) as stage:
        assert (await stage.pre_tool(name="Fast")).verdict is Verdict.ALLOW
        assert (await stage.pre_tool(name="Slow")).verdict is None
    assert asked == ["Fast", "Slow"]
    assert "did not answer" in stage.rows()["a"].error


@pytest.mark.parametrize("limit", [lambda call: 1 / 0, lambda call: "soon"], ids=["raises", "gives no number"])
async def test_a_timeout_function_that_breaks_is_a_failure_of_its_plugin(limit: Any) -> None:
    for guard, verdict in ((True, Verdict.DENY), (False, Verdict.ALLOW)):
        broken = plugin("pre_tool", lambda: None, timeout=limit, guard=guard)
        with Stage([("a", broken), ("b", says(ALLOW))]) as stage:
            assert (await stage.pre_tool()).verdict is verdict


async def test_deciders_wait_side_by_side() -> None:
    arrived = 0
    together = asyncio.Event()

    async def waits_for_all() -> Decision:
        nonlocal arrived
        arrived += 1
        if arrived == 3:
            together.set()
        await together.wait()
        return ALLOW

    with Stage([(name, plugin("pre_tool", waits_for_all)) for name in "abc"]) as stage:
        assert (await stage.pre_tool()).by == "a"


async def test_a_dispatch_that_is_cancelled_cancels_what_it_started() -> None:
    cancelled = asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with Stage([("a", plugin("pre_tool", waits))]) as stage:
        task = asyncio.create_task(stage.pre_tool())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert cancelled.is_set()


# --- quarantine ----------------------------------------------------------------------------------------


async def test_three_failures_in_a_row_quarantine_with_one_notice_and_the_way_back() -> None:
    with Stage([("bad", plugin("pre_tool", raises)), ("b", says(ALLOW))]) as stage:
        for _ in range(5):
            assert (await stage.pre_tool()).verdict is Verdict.ALLOW
    assert [len(record.ns) for record in stage.hooks] == [2, 2, 2, 1, 1]
    assert [record.plugin for record in stage.notes.records if isinstance(record, Quarantined)] == ["bad"]
    told = [text for text in stage.told("bad") if "until the session ends" in text]
    assert len(told) == 1
    assert "pegboard plugins info bad" in told[0]


async def test_a_success_in_between_begins_the_count_again() -> None:
    answers = iter("xx.xx.xx.xx")

    def sometimes() -> None:
        if next(answers) == "x":
            raise RuntimeError

    with Stage([("a", plugin("pre_tool", sometimes))]) as stage:
        for _ in range(11):
            await stage.pre_tool()
        assert not stage.dispatcher.quarantined


async def test_a_guard_is_never_quarantined_and_stays_closed() -> None:
    with Stage([("g", plugin("pre_tool", raises, guard=True)), ("b", says(ALLOW))]) as stage:
        for _ in range(6):
            assert (await stage.pre_tool()).verdict is Verdict.DENY
    assert not stage.dispatcher.quarantined


async def test_no_part_of_a_plugin_with_a_guard_is_quarantined() -> None:
    class Mixed:
        @hookimpl(guard=True)
        def pre_tool(self) -> Decision:
            return DENY

        @hookimpl
        def post_tool(self) -> None:
            raise RuntimeError

    with Stage([("m", Mixed())]) as stage:
        done = Outcome(kind=OutcomeKind.OK, result=ToolResult(content="x"))
        for _ in range(5):
            await stage.dispatcher.post_tool(a_call(), done)
        assert (await stage.pre_tool()).verdict is Verdict.DENY


# --- who is asked --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matcher", "names"),
    [
        pytest.param(None, ["Bash", "BashOutput", "Edit"], id="none: all"),
        pytest.param("*", ["Bash", "BashOutput", "Edit"], id="star: all"),
        pytest.param("", ["Bash", "BashOutput", "Edit"], id="empty: all"),
        pytest.param("Bash", ["Bash"], id="one name, exactly"),
        pytest.param("Edit|Bash", ["Bash", "Edit"], id="several"),
        pytest.param("Edit, Write", ["Edit"], id="with commas"),
        pytest.param("^Bash.*", ["Bash", "BashOutput"], id="a regular expression"),
        pytest.param("bash", [], id="case counts"),
    ],
)
async def test_a_matcher_says_for_which_tools(matcher: str | None, names: list[str]) -> None:
    for rewrites in (False, True):
        with Stage([("a", says(DENY, matcher=matcher, rewrites=rewrites)), ("b", says(None))]) as stage:
            hit = [name for name in ("Bash", "BashOutput", "Edit") if (await stage.pre_tool(name=name)).verdict]
        assert hit == names
        assert [not record.skipped for record in stage.hooks] == [n in names for n in ("Bash", "BashOutput", "Edit")]


async def test_a_flag_says_whether_one_takes_part() -> None:
    plugins = [("a", says(DENY, flag="strict")), ("b", says(ALLOW))]
    for on, verdict in ((True, Verdict.DENY), (False, Verdict.ALLOW)):
        with Stage(plugins, flags=[flag("strict", on)]) as stage:
            assert (await stage.pre_tool()).verdict is verdict
            assert len(stage.hooks[-1].ns) == 1 + on


async def test_an_implementation_takes_any_of_the_arguments_and_none() -> None:
    got: dict[str, Any] = {}
    plugins = [
        ("none", plugin("pre_tool", lambda: got.update(none=()))),
        ("one", plugin("pre_tool", lambda ctx: got.update(one=ctx.plugin))),
        ("two", plugin("pre_tool", lambda ctx, call: got.update(two=(ctx.plugin, call.name)))),
        ("all", plugin("pre_tool", lambda call, batch, ctx: got.update(all=(call.name, len(batch.calls), ctx.plugin)))),
        ("more", plugin("pre_tool", lambda call, extra=5: got.update(more=extra))),
    ]
    with Stage(plugins) as stage:
        await stage.pre_tool()
    assert got == {"none": (), "one": "one", "two": ("two", "Bash"), "all": ("Bash", 1, "all"), "more": 5}


async def test_one_record_per_dispatch_has_a_time_for_each_and_rows_for_who_spoke() -> None:
    with Stage([("a", says(None)), ("b", says(ASK)), ("c", plugin("pre_tool", sleeps_a_little))]) as stage:
        await stage.pre_tool()
    (record,) = stage.hooks
    assert len(record.ns) == 3
    assert record.ns[2] > 5_000_000
    assert [row.plugin for row in record.rows] == ["b"]


async def sleeps_a_little() -> None:
    await asyncio.sleep(0.01)


# --- a retry, through a whole session ------------------------------------------------------------------


async def test_a_retry_is_another_attempt_with_the_same_frozen_input_and_one_result() -> None:
    ran: list[str] = []
    seen: list[tuple[int, str, str]] = []

    @tool(read_only=True)
    def flaky(path: str) -> str:
        """Work the second time."""
        ran.append(path)
        if len(ran) == 1:
            raise OSError("busy")
        return "fine"

    @hookimpl
    def post_tool(call: ToolCall, outcome: Outcome) -> ResultPatch | None:
        seen.append((outcome.attempt, outcome.kind, call.input_hash))
        return ResultPatch(retry=True)  # again and again; once is what it gets

    async with HostFixture() as host:
        host.load(flaky)
        host.load(post_tool)
        host.load(plugin("pre_tool", lambda call: Decision.replace({"path": "final"}), rewrites=True), "rewriter")
        host.model.script(call("flaky", path="first"), "done")
        await host.prompt("go")
        assert ran == ["final", "final"]
        final = input_hash({"path": "final"})
        assert seen == [(1, "error", final), (2, "ok", final)]
        assert len(host.calls_of("pre_tool")) == 1
        results = [b.content for m in host.messages for b in m.content if b.type == "tool_result"]
        assert results == ["fine"]
