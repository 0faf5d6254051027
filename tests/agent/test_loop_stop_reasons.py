"""How a turn goes on after each stop reason of the model, and why it ends."""

from __future__ import annotations

import asyncio

import pytest
from agent_room import AllowAll, assert_whole, calls, dumped, fold, load_tools, log, results, text_of, until

from pegboard import Decision, PromptDecision, ResultPatch, StepDecision, hookimpl, tool
from pegboard.errors import ModelError, PegboardError
from pegboard.messages import EndReason, ImageBlock, ThinkingBlock, ToolResult
from pegboard.testing import HostFixture, Options, call

pytestmark = pytest.mark.anyio

CUT = {"text": "I write", "call": [{"name": "alone", "input": {"name": "x" * 40}, "cut": True}]}


async def ended(host, *turns, prompt="Go."):
    load_tools(host)
    host.model.script(*turns)
    result = await host.prompt(prompt)
    assert_whole(host)
    assert host.records("turn_end")[-1].reason == result.reason
    return result


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "something_new"])
async def test_an_answer_without_calls_ends_the_turn(reason):
    async with HostFixture() as host:
        result = await ended(host, {"text": "Done.", "stop_reason": reason})
        assert (result.reason, result.text, result.steps) == (EndReason.COMPLETED, "Done.", 1)
        assert result.detail == ("" if reason == "end_turn" else reason)


async def test_tool_use_goes_on():
    async with HostFixture() as host:
        result = await ended(host, call("look", name="a"), "Done.")
        assert (result.reason, result.steps) == (EndReason.COMPLETED, 2)


async def test_calls_run_whatever_the_stop_reason_says():
    async with HostFixture() as host:
        odd = {"call": [{"name": "look", "input": {"name": "a"}}], "stop_reason": "end_turn"}
        result = await ended(host, odd, "Done.")
        assert (result.reason, log) == (EndReason.COMPLETED, ["a+", "a-"])


async def test_pause_turn_sends_the_same_conversation_back():
    async with HostFixture() as host:
        result = await ended(host, {"text": "One, ", "stop_reason": "pause_turn"}, "two.")
        assert (result.reason, result.steps) == (EndReason.COMPLETED, 2)
        assert [message.role for message in host.messages] == ["user", "assistant"]
        assert text_of(host.messages[1]) == "One, two."
        assert result.text == "One, two."


async def test_reasoning_after_a_pause_does_not_make_a_message_that_cannot_be_sent():
    async with HostFixture() as host:
        thinks = {"thinking": "Hm.", "call": [{"name": "look", "input": {"name": "a"}}]}
        result = await ended(host, {"text": "One, ", "stop_reason": "pause_turn"}, thinks, "Done.")
        assert (result.reason, result.text, log) == (EndReason.COMPLETED, "Done.", ["a+", "a-"])


async def test_a_refusal_ends_the_turn_as_an_error():
    async with HostFixture() as host:
        result = await ended(host, {"text": "No.", "stop_reason": "refusal"})
        assert (result.reason, result.detail) == (EndReason.ERROR, "the model refused to answer")
        with pytest.raises(PegboardError, match="nothing to go on with: the model refused to answer"):
            await host.prompt(None)
        assert not host.session.broken_off


async def test_a_stream_that_ends_without_a_stop_reason_is_an_error_that_says_so():
    class Stops:
        @hookimpl
        async def model_call(self, request, call_next):
            async for event in call_next(request):
                if event.type == "model_done":
                    return
                yield event

    async with HostFixture() as host:
        host.load(Stops)
        result = await ended(host, {"text": "Now.", "call": [{"name": "look", "input": {"name": "a"}}]})
        assert (result.reason, log) == (EndReason.ERROR, [])
        assert result.detail == "the answer broke off: its stream ended without a stop reason"


async def test_a_model_that_would_be_asked_again_in_more_time_than_there_is_ends_the_turn_at_its_limit():
    slow = {"retry": {"base_delay": 1000.0, "max_delay": 1000.0}}
    async with HostFixture(options=Options(max_time=60), settings=slow) as host:
        host.builtin("retry")
        result = await ended(host, {"error": {"status": 529}}, "Too late.")
        assert result.reason == EndReason.WALL_TIME
        assert "and this turn has" in result.detail


async def test_max_tokens_is_asked_to_go_on_three_times_in_a_row():
    async with HostFixture() as host:
        cut = {"text": "and on", "stop_reason": "max_tokens"}
        result = await ended(host, cut, cut, "the end.")
        assert (result.reason, result.steps) == (EndReason.COMPLETED, 3)
        assert result.text == "and onand onthe end."
        assert "Go on exactly where it stopped" in text_of(host.messages[2])
    async with HostFixture() as host:
        result = await ended(host, *[cut] * 9)
        assert (result.reason, result.steps) == (EndReason.ERROR, 4)  # half an answer is not a finished one
        assert result.detail == "the answer reached its token limit 4 times in a row"


async def test_a_call_that_was_cut_is_never_run_and_the_model_is_told():
    async with HostFixture() as host:
        host.load(AllowAll)
        result = await ended(host, CUT, "Done.")
        assert (result.reason, log, calls(host.messages)) == (EndReason.COMPLETED, [], [])
        assert "inside the call of alone; that call did not run" in text_of(host.messages[2])
        assert result.text == "Done."


async def test_calls_before_a_cut_one_run():
    both = {"call": [{"name": "look", "input": {"name": "a"}}, {"name": "alone", "input": {"name": "b"}, "cut": True}]}
    async with HostFixture() as host:
        result = await ended(host, both, "Done.")
        assert (result.reason, log) == (EndReason.COMPLETED, ["a+", "a-"])
        assert "did not run" in text_of(host.messages[2])


async def test_an_answer_of_thinking_alone_ends_the_turn_and_is_not_sent_back():
    async with HostFixture() as host:
        result = await ended(host, {"thinking": "Hm."})
        assert (result.reason, result.text) == (EndReason.COMPLETED, "")
        assert [message.role for message in host.messages] == ["user"]
        host.model.script("Done.")
        assert (await host.prompt("And?")).text == "Done."
        assert_whole(host)


async def test_thinking_before_a_call_is_sent_back_untouched():
    async with HostFixture() as host:
        turn = {"thinking": "Hm.", "text": "I look.", "call": [{"name": "look", "input": {"name": "a"}}]}
        await ended(host, turn, "Done.")
        first = host.messages[1].content[0]
        assert isinstance(first, ThinkingBlock)
        assert (first.thinking, first.signature) == ("Hm.", "scripted")


@pytest.mark.parametrize("how", ["an error", "a stop reason"])
async def test_an_overflow_compacts_and_goes_on(how):
    overflow = (
        {"error": {"overflow": True}}
        if how == "an error"
        else {"text": "Hm", "stop_reason": "model_context_window_exceeded"}
    )
    async with HostFixture() as host:
        load_tools(host)
        host.model.script(call("look", name="n" * 9000), call("look", name="m" * 9000), overflow, "Done.")
        result = await host.prompt("Go.")
        assert (result.reason, result.text) == (EndReason.COMPLETED, "Done.")
        assert [record.trigger for record in host.records("compaction")] == ["overflow"]
        assert_whole(host)


async def test_an_overflow_that_cannot_be_helped_is_an_error():
    async with HostFixture() as host:
        result = await ended(host, {"error": {"overflow": True}})
        assert result.reason is EndReason.ERROR
        assert "too long" in result.detail
        assert "cannot be made shorter: ask for less at once, or take a model with a larger window" in result.detail


# --- why a turn ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "said"),
    [
        pytest.param("scriptd:a.toml", "Did you mean 'scripted:a.toml'?", id="a slip"),
        pytest.param("opus", "Say it as PREFIX:NAME.", id="no prefix"),
    ],
)
async def test_a_model_that_nobody_answers_for_is_an_error_that_says_how_to_name_one(model, said):
    async with HostFixture(options=Options(model=model)) as host:
        result = await ended(host, "Hello.")
        assert result.reason is EndReason.ERROR
        assert said in result.detail


async def test_a_prefix_alone_is_no_model():
    async with HostFixture(options=Options(model="scripted:")) as host:
        with pytest.raises(ModelError, match="'scripted:' lacks the model's name: say PREFIX:NAME"):
            await ended(host, "Hello.")


async def test_the_step_limit():
    async with HostFixture(options=Options(max_steps=2)) as host:
        result = await ended(host, *[call("look", name=str(n)) for n in range(5)])
        assert (result.reason, result.detail, result.steps) == (EndReason.STEP_LIMIT, "2 steps", 2)
        host.model.script("Done.")


async def test_the_wall_time_cancels_what_runs():
    async with HostFixture(options=Options(max_time=0.2)) as host:
        result = await ended(host, call("look", name="a", seconds=30), "Done.")
        assert (result.reason, result.detail) == (EndReason.WALL_TIME, "0.2 s")
        assert log == ["a+", "a-"]


async def test_the_wall_time_cuts_an_answer_and_keeps_what_there_is():
    async with HostFixture(options=Options(max_time=1.7)) as host:
        result = await ended(host, {"text": "word " * 40, "chunk_delay": 0.5})
        assert (result.reason, result.steps) == (EndReason.WALL_TIME, 1)
        assert result.text == text_of(host.messages[-1])
        assert result.text.startswith("word word")


async def test_the_cost_limit_holds_for_the_session():
    dear = {"call": [{"name": "look", "input": {"name": "a"}}], "usage": {"cost_usd": 0.6}}
    async with HostFixture(options=Options(max_cost=1.0)) as host:
        result = await ended(host, dear, dear, dear)
        assert (result.reason, result.steps) == (EndReason.COST, 2)
        assert result.usage.cost_usd == pytest.approx(1.2)
        assert (await host.prompt("More.")).reason is EndReason.COST


async def test_a_hook_stops_the_turn():
    class Stop:
        @hookimpl
        def next_step(self, state):
            return StepDecision.stop("enough") if not state.ending else None

    async with HostFixture() as host:
        host.load(Stop)
        result = await ended(host, call("look", name="a"), "Done.")
        assert (result.reason, result.detail) == (EndReason.STOPPED, "Stop: enough")


async def test_post_tool_stops_the_turn():
    class Stop:
        @hookimpl
        def post_tool(self, call, outcome):
            return ResultPatch(stop=True, reason="seen enough")

    async with HostFixture() as host:
        host.load(Stop)
        result = await ended(host, call("look", name="a"), "Done.")
        assert (result.reason, result.detail) == (EndReason.STOPPED, "seen enough")


async def test_a_refused_prompt_is_no_turn():
    from pegboard import PromptDecision

    class Refuse:
        @hookimpl
        def prompt_submit(self, prompt):
            return PromptDecision.refuse("not that")

    async with HostFixture() as host:
        host.load(Refuse)
        host.model.script("Done.")
        result = await host.prompt("Do that.")
        assert (result.reason, result.detail) == (EndReason.REFUSED, "Refuse: not that")
        assert host.messages == []
        assert [
            record.type for record in host.records() if record.type in ("prompt_refused", "turn_start", "user")
        ] == ["prompt_refused"]


@pytest.mark.parametrize("prompt", ["", "  \n"])
async def test_an_empty_prompt_is_refused(prompt):
    async with HostFixture() as host:
        host.model.script("Done.")
        assert (await host.prompt(prompt)).reason is EndReason.REFUSED
        assert (await host.prompt("Go.")).reason is EndReason.COMPLETED


async def test_an_error_of_the_model_ends_the_turn_and_keeps_what_was_said():
    async with HostFixture() as host:
        broken = {"text": "Half of the", "error": {"broken": True, "message": "gone", "retryable": False}}
        result = await ended(host, broken, "(the answer that broke)", "Done.")
        assert (result.reason, result.detail) == (EndReason.ERROR, "gone")
        assert text_of(host.messages[-1]) == "Half of the"
        assert (await host.prompt("Go on.")).reason is EndReason.COMPLETED
        assert_whole(host)


async def test_an_error_after_a_call_was_streamed_leaves_no_call_behind():
    async with HostFixture() as host:
        broken = {"call": [{"name": "look", "input": {"name": "a"}}], "error": {"broken": True, "retryable": False}}
        result = await ended(host, broken)
        assert result.reason is EndReason.ERROR
        assert (calls(host.messages), log) == ([], [])


async def test_no_progress_warns_then_stops():
    async with HostFixture() as host:
        same = call("look", name="same")
        result = await ended(host, *[same] * 9)
        assert (result.reason, result.steps) == (EndReason.NO_PROGRESS, 6)
        warned = [number for number, message in enumerate(host.messages) if "Try another way" in text_of(message)]
        assert warned == [6]  # beside the third result
        assert "3 times" in " ".join(host.notices)


@tool(read_only=True)
async def photograph() -> ToolResult:
    """Take a picture."""
    return ToolResult(content=(ImageBlock(source={"type": "base64", "media_type": "image/png", "data": "AAAA"}),))


async def test_a_tool_that_gives_back_a_picture_counts_for_progress_too():
    async with HostFixture() as host:
        host.load(photograph)
        result = await ended(host, *[call("photograph")] * 10)
        assert (result.reason, result.steps) == (EndReason.NO_PROGRESS, 6)


async def test_calls_that_differ_in_anything_are_progress():
    async with HostFixture() as host:
        result = await ended(host, *[call("look", name=str(n % 4)) for n in range(8)], "Done.")
        assert result.reason is EndReason.COMPLETED


# --- hooks that keep a turn going ----------------------------------------------------------------------


async def test_a_hook_keeps_the_turn_going_up_to_the_cap():
    class Nag:
        @hookimpl
        def next_step(self, state):
            return StepDecision.keep_going(f"Not yet ({state.continuations}).") if state.ending else None

    async with HostFixture(settings={"session": {"max_continuations": 3}}) as host:
        host.load(Nag)
        result = await ended(host, *["Done."] * 9)
        assert (result.reason, result.steps) == (EndReason.COMPLETED, 4)
        assert any("3 times in a row" in notice for notice in host.notices)


async def test_a_step_with_calls_resets_the_cap():
    class Nag:
        @hookimpl
        def next_step(self, state):
            return StepDecision.keep_going("Not yet.") if state.ending else None

    async with HostFixture(settings={"session": {"max_continuations": 1}}) as host:
        host.load(Nag)
        result = await ended(host, "Done.", call("look", name="a"), "Done.", "Done.", "never")
        assert (result.reason, result.steps) == (EndReason.COMPLETED, 4)


async def test_a_step_that_no_hook_is_asked_about_resets_the_cap_too():
    class Nag:
        after_call = False
        endings = []

        @hookimpl
        def prepare_request(self, draft):
            Nag.after_call = False

        @hookimpl
        def post_tool(self, call):
            Nag.after_call = True

        @hookimpl(unless=lambda ctx: Nag.after_call)
        def next_step(self, state):
            Nag.endings.append(state.ending)
            return StepDecision.keep_going("Not yet.")

    async with HostFixture(settings={"session": {"max_continuations": 1}}) as host:
        host.load(Nag)
        result = await ended(host, "Done.", call("look", name="a"), "Done.", "Done.", "never")
        assert (result.reason, result.steps, Nag.endings) == (EndReason.COMPLETED, 4, [True] * 3)


async def test_every_inject_reaches_the_model_in_order_and_a_blank_one_does_not():
    class Say:
        def __init__(self, text):
            self.text = text

        @hookimpl
        def next_step(self, state):
            return StepDecision(inject=self.text) if not state.ending else None

    async with HostFixture() as host:
        for name, text in (("a", "first"), ("b", "  "), ("c", "third")):
            host.load(Say(text), name=name)
        await ended(host, call("look", name="a"), "Done.")
        said = [block.text for block in host.messages[2].content[1:]]
        assert ["first" in said[0], "third" in said[1], len(said)] == [True, True, 2]


# --- deferral ------------------------------------------------------------------------------------------


class Later:
    """Defers until somebody has decided."""

    def __init__(self):
        self.decided = False

    @hookimpl
    def pre_tool(self, call):
        if call.name != "alone":
            return None
        return Decision.allow("decided") if self.decided else Decision.defer("ask me tomorrow")


async def test_a_deferred_call_ends_the_run_and_is_decided_when_it_goes_on():
    later = Later()
    async with HostFixture() as host:
        load_tools(host)
        host.load(later)
        host.model.script(call("alone", name="a"), "Done.")
        result = await host.prompt("Go.")
        assert (result.reason, result.detail, log) == (EndReason.DEFERRED, "toolu_1_1", [])
        assert results(host.messages) == {}
        again = await host.prompt(None)  # nobody has decided yet
        assert (again.reason, again.detail) == (EndReason.DEFERRED, "toolu_1_1")
        later.decided = True
        host._stale = True  # a new process
        done = await host.prompt(None)
        assert (done.reason, done.text, log) == (EndReason.COMPLETED, "Done.", ["a+", "a-"])
        assert_whole(host)


async def test_a_new_prompt_gives_a_deferred_call_up():
    async with HostFixture() as host:
        load_tools(host)
        host.load(Later())
        host.model.script(call("alone", name="a"), "Done.")
        await host.prompt("Go.")
        assert (await host.prompt("Never mind.")).reason is EndReason.COMPLETED
        assert "[not run:" in results(host.messages)["toolu_1_1"].content
        assert log == []
        assert_whole(host)


async def test_a_defer_in_a_batch_leaves_the_other_calls_their_results():
    async with HostFixture() as host:
        load_tools(host)
        host.load(Later())
        host.model.script([call("alone", name="a"), call("look", name="b")], "Done.")
        result = await host.prompt("Go.")
        assert (result.reason, result.detail) == (EndReason.DEFERRED, "toolu_1_1")
        assert list(results(host.messages)) == ["toolu_1_2"]
        host.load(AllowAll, name="someone_decides")
        assert (await host.prompt("Never mind.")).reason is EndReason.COMPLETED
        assert "[not run:" in results(host.messages)["toolu_1_1"].content
        assert_whole(host)


# --- steering ------------------------------------------------------------------------------------------


async def test_steering_arrives_after_the_call_that_runs_and_the_rest_of_the_batch_is_skipped():
    async with HostFixture() as host:
        load_tools(host)
        host.load(AllowAll)
        batch = [call("alone", name="a", seconds=0.2), call("alone", name="b"), call("alone", name="c")]
        host.model.script(batch, "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: log == ["a+"])
        await session.steer(" ")  # nothing
        await session.steer("Do something else.")
        assert (await running).reason is EndReason.COMPLETED
        assert log == ["a+", "a-"]
        kinds = [record.tool.outcome for record in host.records("user") if record.tool]
        assert kinds == ["ok", "cancelled", "cancelled"]
        assert text_of(host.messages[2]) == "Do something else."
        assert_whole(host)


async def test_steering_during_the_last_answer_makes_the_turn_go_on():
    async with HostFixture() as host:
        load_tools(host)
        host.model.script({"text": "word " * 20, "chunk_delay": 0.05}, "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: host.records("request"))
        await session.steer("Wait.")
        result = await running
        assert (result.reason, result.text, result.steps) == (EndReason.COMPLETED, "Done.", 2)
        assert dumped(fold(session.path).conversation.view()) == dumped(host.messages)


async def test_words_that_a_hook_has_written_are_not_the_users_alone_be_they_a_prompt_or_steering():
    class Rewrites:
        @hookimpl(rewrites=True)
        def prompt_submit(self, prompt):
            said = {"Go.": ("Go on.", ()), "Wait.": ("Stop.", ("project",)), "Mine.": ("Mine!", ("user",))}
            text, origins = said.get(prompt, (prompt, ()))
            return PromptDecision(updated_prompt=text, origins=origins)

    async with HostFixture() as host:
        host.load(Rewrites)
        host.model.script({"text": "word " * 20, "chunk_delay": 0.05}, "-", "Done.", "-", "-")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: host.records("request"))
        await session.steer("Wait.")
        await running
        for prompt in ("Mine.", "As it is."):
            await host.prompt(prompt)
        said = {block.text: block.origins for m in host.messages if m.role == "user" for block in m.content}
    assert {text: tuple(map(str, origins)) for text, origins in said.items()} == {
        "Go on.": ("user", "hook"),
        "Stop.": ("user", "project"),
        "Mine!": ("user",),
        "As it is.": ("user",),
    }
