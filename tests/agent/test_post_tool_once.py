"""post_tool fires exactly once per attempt, whatever becomes of the call."""

from __future__ import annotations

import asyncio

import pytest
from agent_room import AllowAll, Watch, assert_whole, load_tools, log, results, until

from pegboard import Decision, ResultPatch, hookimpl
from pegboard.messages import EndReason
from pegboard.testing import HostFixture, call
from pegboard.tools import tool

pytestmark = pytest.mark.anyio


class Deny:
    @hookimpl
    def pre_tool(self, call):
        return Decision.deny("not today") if call.name == "alone" else None


class Substitute:
    @hookimpl
    def pre_tool(self, call):
        return Decision.substitute("instead") if call.name == "alone" else None


class Rewriter:
    @hookimpl(rewrites=True)
    def pre_tool(self, call):
        return Decision.replace({"wrong": 1}) if call.name == "alone" else None


class Crash:
    @hookimpl(guard=True)
    def pre_tool(self, call):
        raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("made", "plugins", "kind"),
    [
        pytest.param(call("look", name="a"), [], "ok", id="ok"),
        pytest.param(call("fails"), [], "error", id="a tool error"),
        pytest.param(call("crashes"), [], "error", id="a crash"),
        pytest.param(call("exits"), [], "error", id="SystemExit"),
        pytest.param(call("slow"), [], "timeout", id="a timeout of a coroutine"),
        pytest.param(call("slow_thread"), [], "timeout", id="a timeout of a thread"),
        pytest.param(call("alone", name="a"), [], "denied", id="nobody to ask"),
        pytest.param(call("alone", name="a"), [Deny], "denied", id="denied by a hook"),
        pytest.param(call("alone", name="a"), [Crash], "denied", id="denied by a broken guard"),
        pytest.param(
            call("alone", name="a"), [Rewriter], "denied", id="denied for a rewritten input that does not fit"
        ),
        pytest.param(call("alone", name="a"), [AllowAll], "ok", id="allowed"),
        pytest.param(call("alone", name="a"), [Substitute], "substituted", id="substituted"),
        pytest.param(call("look", nome="a"), [], "error", id="invalid input"),
        pytest.param(call("lok", name="a"), [], "error", id="unknown tool"),
    ],
)
@pytest.mark.parametrize("beside", [0, 2], ids=["single", "in a batch"])
async def test_post_tool_fires_once(made, plugins, kind, beside):
    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        for plugin in (watch, *plugins):
            host.load(plugin)
        host.model.script([made, *[call("look", name=str(n)) for n in range(beside)]], "Done.")
        result = await host.prompt("Go.")
        assert result.reason is EndReason.COMPLETED
        first = next(iter(results(host.messages)))
        assert [seen for seen in watch.seen if seen[0] == first] == [(first, kind, 1)]
        assert len(watch.seen) == 1 + beside
        ran = kind in ("ok", "timeout") or made.name in ("fails", "crashes", "exits")
        assert [o.started for o, seen in zip(watch.outcomes, watch.seen, strict=True) if seen[0] == first] == [ran]
        assert_whole(host)


async def test_calls_after_a_stop_are_skipped_and_post_tool_fires_for_each():
    class Stop:
        @hookimpl
        def pre_tool(self, call):
            return Decision(stop=True, reason="enough") if call.input.get("name") == "b" else None

    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        host.load(AllowAll)
        host.load(Stop)
        host.model.script([call("alone", name=name) for name in "abcd"], "Done.")
        result = await host.prompt("Go.")
        assert (result.reason, result.detail) == (EndReason.STOPPED, "enough")
        assert watch.kinds == ["ok", "ok", "cancelled", "cancelled"]
        assert [outcome.started for outcome in watch.outcomes] == [True, True, False, False]
        assert len({seen[0] for seen in watch.seen}) == 4
        assert_whole(host)


async def test_a_retry_is_one_more_attempt_and_the_call_has_one_result():
    class Again:
        @hookimpl
        def post_tool(self, call, outcome):
            return ResultPatch(retry=True)  # asks each time; it gets one

    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        host.load(Again)
        host.model.script(call("fails"), call("look", name="a"), "Done.")
        await host.prompt("Go.")
        assert [(kind, attempt) for _, kind, attempt in watch.seen] == [
            ("error", 1),
            ("error", 2),
            ("ok", 1),
            ("ok", 2),
        ]
        facts = [record.tool for record in host.records("user") if record.tool]
        assert [fact.attempts for fact in facts] == [2, 2]
        assert len(host.records("tool_attempt")) == 2
        assert_whole(host)


async def test_what_never_ran_is_not_retried():
    class Again:
        @hookimpl
        def post_tool(self, call, outcome):
            return ResultPatch(retry=True)

    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        host.load(Again)
        host.load(Deny)
        host.model.script(call("alone", name="a"), call("lok"), "Done.")
        await host.prompt("Go.")
        assert watch.kinds == ["denied", "error"]
        assert_whole(host)


@pytest.mark.parametrize("beside", [0, 2], ids=["single", "in a batch"])
async def test_an_interrupted_tool_has_one_cancelled_outcome(beside):
    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        host.load(AllowAll)
        slow = [call("alone", name="a", seconds=30), *[call("alone", name=str(n)) for n in range(beside)]]
        host.model.script(slow, "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: log == ["a+"])
        await session.interrupt()
        assert (await running).reason is EndReason.INTERRUPTED
        assert watch.kinds == ["cancelled"] * (1 + beside)
        assert [outcome.started for outcome in watch.outcomes] == [True, *[False] * beside]
        assert len({seen[0] for seen in watch.seen}) == 1 + beside
        assert_whole(host)


@pytest.mark.parametrize("hook", ["pre_tool", "resolve_ask"])
async def test_an_interrupt_while_a_hook_thinks_gives_one_cancelled_outcome(hook):
    asked = asyncio.Event()

    class Thinker:
        @hookimpl(specname=hook, timeout=60)
        async def think(self, ctx):
            asked.set()
            await asyncio.sleep(30)

    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        host.load(Thinker)
        host.model.script([call("alone", name="a"), call("alone", name="b")], "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await asked.wait()
        await session.interrupt()
        assert (await running).reason is EndReason.INTERRUPTED
        assert watch.kinds == ["cancelled", "cancelled"]
        assert log == []
        assert_whole(host)


@pytest.mark.parametrize("refused", [False, True], ids=["the tool ran", "the tool was refused"])
@pytest.mark.parametrize("beside", [0, 2], ids=["single", "in a batch"])
async def test_an_interrupt_during_post_tool_does_not_fire_it_again(refused, beside):
    asked = asyncio.Event()

    class Slow:
        @hookimpl(timeout=60)
        async def post_tool(self, call, outcome):
            if not asked.is_set():
                asked.set()
                await asyncio.sleep(30)

    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch, name="a_watch")
        host.load(Deny if refused else AllowAll)
        host.load(Slow, name="b_slow")
        host.model.script([call("alone", name="a"), *[call("look", name="z")] * beside], "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await asked.wait()
        await session.interrupt()
        assert (await running).reason is EndReason.INTERRUPTED
        first, *others = watch.seen
        assert [kind for _, kind, _ in others] == ["cancelled"] * beside
        assert first[0] not in {seen[0] for seen in others}
        # what is said of the call is true: it did run, or it was refused
        said = results(host.messages)[first[0]].content
        assert "not run" not in said or refused
        assert_whole(host)


async def test_a_side_call_of_a_user_or_a_plugin_fires_post_tool_once():
    class Caller:
        @hookimpl
        async def prompt_submit(self, prompt, ctx):
            await ctx.invoke("look", {"name": "side"})

    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        host.load(Caller)
        host.model.script("Done.")
        await host.prompt("Go.")
        assert watch.kinds == ["ok"]
        await host.invoke("alone", name="mine")
        await host.invoke("nothing")
        assert watch.kinds == ["ok", "ok", "error"]


async def test_a_hook_may_call_a_tool_while_it_decides_about_one():
    class Checker:
        @hookimpl
        async def pre_tool(self, call, ctx):
            if call.name == "alone":
                seen = await ctx.invoke("look", {"name": "first"})
                return Decision.allow(str(seen.content))
            return None

    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        host.load(Checker)
        host.model.script(call("alone", name="a"), "Done.")
        await host.prompt("Go.")
        assert watch.kinds == ["ok", "ok"]
        assert log == ["first+", "first-", "a+", "a-"]
        assert_whole(host)


async def test_a_hook_that_calls_the_tool_that_it_decides_about_comes_to_an_end():
    class Circle:
        @hookimpl(timeout=60)
        async def pre_tool(self, call, ctx):
            await ctx.invoke(call.name, call.input)

    async with HostFixture() as host:
        load_tools(host)
        host.load(Circle)
        host.model.script(call("look", name="a"), "Done.")
        result = await asyncio.wait_for(host.prompt("Go."), 10)
        assert result.reason is EndReason.COMPLETED
        assert len(log) < 20
        assert_whole(host)


async def test_what_a_hook_does_to_a_calls_input_does_not_change_the_conversation() -> None:
    class Disguises:
        @hookimpl
        def register(self, registry):
            @tool(name="Note")
            def note(what: dict[str, str]) -> str:
                """Note it."""
                return "noted"

            registry.add_tool(note)

        @hookimpl
        def pre_tool(self, call):
            call.input["what"]["text"] = "before"
            return Decision.allow()

        @hookimpl
        def post_tool(self, call):
            call.input["what"]["text"] = "after"

    async with HostFixture() as host:
        host.load(Disguises(), "disguises")
        host.model.script(call("Note", what={"text": "as it was"}), "Done.")
        await host.prompt("Go.")
        (said,) = [block for message in host.messages for block in message.content if block.type == "tool_use"]
        assert said.input == {"what": {"text": "as it was"}}
