"""The live conversation is the fold of its journal, whatever happened in the session."""

from __future__ import annotations

import asyncio

from agent_room import AllowAll, assert_whole, dumped, fold, load_tools, results
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pegboard import PromptDecision, ResultPatch, StepDecision, hookimpl
from pegboard._agent.fold import Conversation
from pegboard.messages import Origin, TextBlock, ToolResultBlock, ToolUseBlock
from pegboard.testing import HostFixture, call

CALLS = st.sampled_from(
    [
        call("look", name="a"),
        call("look", name="b", seconds=0.002),
        call("change", name="a", seconds=0.001),
        call("alone", name="x"),
        call("fails"),
        call("lok"),
        call("look", nome="x"),
    ]
)
TURNS = st.one_of(
    st.lists(CALLS, min_size=1, max_size=4).map(lambda made: ["I work.", *made]),
    st.lists(CALLS, min_size=1, max_size=2).map(
        lambda made: {"thinking": "Hm.", "call": [{"name": one.name, "input": one.input} for one in made]}
    ),
    st.just({"text": "One, ", "stop_reason": "pause_turn"}),
    st.just({"text": "cut", "stop_reason": "max_tokens"}),
    st.just({"thinking": "only thoughts"}),
    st.just({"text": "broken", "error": {"broken": True, "retryable": False}}),
    st.just({"call": [{"name": "look", "input": {}}], "error": {"broken": True, "retryable": False}}),
    st.just("Done."),
)
ACTIONS = st.sampled_from(["prompt", "prompt", "compact", "reopen", "steer", "interrupt"])


class Context:
    """Puts words everywhere, and holds on to its last answers."""

    @hookimpl
    def prompt_submit(self, prompt):
        return PromptDecision(context="beside the prompt")

    @hookimpl
    def post_tool(self, call, outcome):
        return ResultPatch(context=f"beside {call.name}") if call.name != "look" else None

    @hookimpl
    def next_step(self, state):
        return StepDecision(inject="between steps") if state.step % 2 else None


async def play(folder, turns, actions):
    async with HostFixture(folder=folder) as host:
        load_tools(host)
        host.load(AllowAll)
        host.load(Context)
        host.model.script(*turns, *["Done."] * 60)
        session = await host.open()
        for action in actions:
            if action == "compact":
                await session.compact()
            elif action == "reopen":
                host._stale = True
                session = await host.open()
            elif action == "steer":
                await session.steer("And this.")
            elif action == "interrupt":
                running = asyncio.create_task(session.run("Wait for it."))
                await asyncio.sleep(0.003)
                await session.interrupt()
                await running
            else:
                await session.run("Go on.")
            replay = fold(session.path)
            assert dumped(replay.conversation.view()) == dumped(session.messages())
            assert replay.conversation.characters == session._conversation.characters
            if host.messages:
                assert_whole(host)
        live = [record.hash for record in host.records("request")]
        await session.run("The last.")
        expected = host.records("request")[len(live)].hash
        path, messages = session.path, dumped(session.messages())
        host._stale = True
        session = await host.open()
        assert dumped(session.messages()) == messages
        return path, expected


def test_the_live_conversation_is_the_fold_of_the_journal(tmp_path, full):
    number = 0

    @given(st.lists(TURNS, max_size=8), st.lists(ACTIONS, min_size=1, max_size=5))
    @settings(deadline=None, max_examples=300 if full else 40, database=None, suppress_health_check=list(HealthCheck))
    def holds(turns, actions):
        nonlocal number
        number += 1
        asyncio.run(play(tmp_path / str(number), turns, actions))

    holds()


def test_a_resumed_session_sends_the_request_that_the_living_one_would_have_sent(tmp_path):
    """The hash covers every byte of system, tools, messages and parameters."""

    async def hashes(folder, reopen):
        async with HostFixture(folder=folder) as host:
            load_tools(host)
            host.load(AllowAll)
            host.load(Context)
            host.model.script_name = "the-same"
            host.model.script([call("look", name="a"), call("alone", name="b")], "Done.", *["More."] * 9)
            for prompt in ("Go.", "And?", "And then?"):
                if reopen:
                    host._stale = True
                await host.prompt(prompt)
            return [record.hash for record in host.records("request")], list(host.project.parent.parts)

    (living, _), (resumed, _) = [asyncio.run(hashes(tmp_path / "host", reopen)) for reopen in (False, True)]
    assert living == resumed


def test_results_stand_in_source_order_before_everything_else():
    talk = Conversation()
    talk.add_user(TextBlock(text="Go."))
    for name in "abc":
        talk.add_assistant("r1", ToolUseBlock(id=name, name="look", input={}))
    talk.end_request("r1")
    talk.add_user(ToolResultBlock(tool_use_id="c", content="3"))
    talk.add_user(TextBlock(text="context", origins=(Origin.HOOK,)))
    talk.add_user(ToolResultBlock(tool_use_id="a", content="1"))
    assert [block.id for block in talk.open_calls] == ["b"]
    talk.add_user(ToolResultBlock(tool_use_id="b", content="2"))
    talk.add_user(ToolResultBlock(tool_use_id="b", content="a second one does not count"))
    talk.add_user(TextBlock(text="steering"))
    last = talk.view()[-1]
    assert [getattr(block, "content", None) or block.text for block in last.content] == [
        "1",
        "2",
        "3",
        "context",
        "steering",
    ]
    assert list(results(talk.view())) == ["a", "b", "c"]


def test_an_answer_counts_once_its_request_has_ended():
    talk = Conversation()
    talk.add_user(TextBlock(text="Go."))
    talk.add_assistant("r1", TextBlock(text="half"))
    assert (len(talk.view()), talk.unfinished_requests) == (1, ["r1"])
    talk.drop_request("r1")
    talk.add_assistant("r2", TextBlock(text="whole"))
    talk.end_request("r2")
    assert [message.text for message in talk.view()] == ["Go.", "whole"]
