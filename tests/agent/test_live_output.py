"""What a person sees while a turn runs: pieces of a tool's output, words that arrive, another model, another mode."""

from __future__ import annotations

import asyncio
import threading

import pytest
from agent_room import AllowAll, load_tools, until
from test_egress import Replacing, filtering

from pegboard import PromptDecision, hookimpl, tool
from pegboard.errors import ModelError
from pegboard.host import Options
from pegboard.messages import EndReason
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio


@tool(read_only=True)
async def prints(ctx, name: str) -> str:
    """Print two pieces with a pause between them."""
    ctx.progress(f"{name} sec")
    await asyncio.sleep(0.01)
    ctx.progress("ret\n")
    return f"{name} secret"


@tool(read_only=True)
def prints_in_a_thread(ctx, name: str) -> str:
    """Print from a thread."""
    ctx.progress(f"{name} from {threading.current_thread().name}")
    return "done"


def output(host, call_id):
    return "".join(one.text for one in host.shown if one.kind == "output" and one.data["id"] == call_id)


async def test_what_a_tool_prints_is_shown_as_it_comes_under_its_own_call():
    async with HostFixture(options=Options(stream=True)) as host:
        host.load(prints)
        host.model.script([call("prints", name="a"), call("prints", name="b")], "Done.")
        await host.prompt("Go.")
        ids = {one.data["input"]["name"]: one.data["id"] for one in host.shown if one.kind == "tool"}
        assert {name: output(host, id_) for name, id_ in ids.items()} == {"a": "a secret\n", "b": "b secret\n"}


async def test_a_tool_in_a_thread_may_print_too():
    async with HostFixture(options=Options(stream=True)) as host:
        host.load(prints_in_a_thread)
        host.model.script(call("prints_in_a_thread", name="a"), "Done.")
        await host.prompt("Go.")
        assert any(one.text.startswith("a from pegboard-tool-") for one in host.shown if one.kind == "output")


async def test_nothing_is_shown_in_pieces_where_nobody_looks_on():
    async with HostFixture() as host:
        host.load(prints)
        host.model.script(call("prints", name="a"), "Done.")
        await host.prompt("Go.")
        assert [one for one in host.shown if one.kind == "output"] == []


async def test_output_in_pieces_passes_the_filters_of_what_a_person_is_shown():
    async with HostFixture(options=Options(stream=True)) as host:
        host.load(filtering("text", Replacing()))
        host.load(prints)
        host.model.script(call("prints", name="a"), "Done.")
        await host.prompt("Go.")
        shown = "".join(one.text for one in host.shown if one.kind == "output")
        assert shown == "a ******\n"


async def test_an_edit_shows_its_hunks(tmp_path):
    async with HostFixture(options=Options(stream=True)) as host:
        host.builtin("file_tools")
        host.load(AllowAll)
        path = host.file("a.txt", "one\ntwo\n")
        edit = call("Edit", file_path=str(path), old_string="two", new_string="2")
        host.model.script(call("Read", file_path=str(path)), edit, "Done.")
        await host.prompt("Go.")
        patches = [one.data["patch"] for one in host.shown if one.kind == "result" and "patch" in one.data]
        assert [hunk["lines"] for hunk in patches[0]] == [[" one", "-two", "+2"]]


class NoMagic:
    @hookimpl
    def prompt_submit(self, prompt):
        if "magic" in prompt:
            return PromptDecision.refuse("no magic here")
        return PromptDecision(context=f"about {prompt}") if prompt != "Go." else None


async def test_words_during_a_turn_pass_the_hooks_of_a_prompt():
    async with HostFixture(options=Options(stream=True)) as host:
        load_tools(host)
        host.load(AllowAll)
        host.load(NoMagic)
        host.model.script(call("alone", name="a", seconds=0.2), "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: host.records("tool_start"))
        assert await session.steer("magic") is False
        assert await session.steer("plain words") is True
        assert (await running).reason is EndReason.COMPLETED
        assert [one.text for one in host.shown if one.kind == "steer"] == ["plain words"]
        assert [record.prompt for record in host.records("prompt_refused")] == ["magic"]
        texts = [str(record.message["content"]) for record in host.records("user")]
        assert any("about plain words" in text for text in texts)
        assert not any("magic" in text for text in texts)


class SlowLook:
    """Looks at words until the call that runs is over."""

    def __init__(self):
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()

    @hookimpl
    async def prompt_submit(self, prompt):
        if prompt != "Go.":
            self.begun.set()
            await self.goes_on.wait()


async def test_words_sent_during_a_call_arrive_after_it_though_hooks_still_look_at_them():
    async with HostFixture() as host:
        load_tools(host)
        host.load(AllowAll)
        host.load(look := SlowLook())
        host.model.script(
            call("alone", name="a", seconds=0.2), {"text": "Done.", "expect": {"contains": "rather this"}}
        )
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: host.records("tool_start"))
        sent = asyncio.create_task(session.steer("rather this"))
        await look.begun.wait()
        await until(lambda: [one for one in host.records("user") if one.tool])
        look.goes_on.set()
        assert await sent
        assert (await running).reason is EndReason.COMPLETED
        assert session.take_back() == []


async def test_words_that_no_turn_took_are_given_back():
    async with HostFixture() as host:
        host.model.script("Done.")
        session = await host.open()
        await session.steer("too late")
        assert session.take_back() == ["too late"]
        assert session.take_back() == []
        await session.run("Go.")
        assert [record.kind for record in host.records("user")] == ["prompt"]


async def test_another_model_answers_from_the_next_request_on_and_after_a_resume():
    async with HostFixture() as host:
        first = host.model.script("One.")
        session = await host.open()
        await session.run("Go.")
        (host.project / "other.toml").write_text('[[turn]]\ntext = "skipped"\n[[turn]]\ntext = "Two."\n')
        await session.use_model("scripted:other.toml")
        assert (await session.run("Again.")).text == "Two."
        assert [record.model for record in host.records("request")] == [first, "scripted:other.toml"]
        await session.close()
        async with host.host.resume(session.session_id) as again:
            assert again.model_name == "scripted:other.toml"


@pytest.mark.parametrize("name", ["nobody:x", "scripted", "scripted:", ""])
async def test_a_model_that_nobody_answers_for_is_refused_and_the_old_one_stays(name):
    async with HostFixture() as host:
        host.model.script("One.")
        session = await host.open()
        before = session.model_name
        with pytest.raises(ModelError, match="PREFIX:NAME"):
            await session.use_model(name)
        assert session.model_name == before
