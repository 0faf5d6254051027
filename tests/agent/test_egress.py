"""The one way out: filters of whole texts and of texts in pieces, of facts, results, logs, and what a refusal is."""

from __future__ import annotations

import logging

import pytest

from pegboard import hookimpl, tool
from pegboard._agent.egress import Egress, covers
from pegboard.decisions import PromptDecision
from pegboard.egress import SURFACES, Surface, refuse
from pegboard.errors import EgressClosedError, PegboardError
from pegboard.host import Options
from pegboard.messages import Message, TextBlock
from pegboard.records import EgressRecord, PostCompact, SessionStart, Titled
from pegboard.requests import CompactionResult, Purpose
from pegboard.testing import HostFixture, call


class Replacing:
    """Replaces a word everywhere, also where it comes in pieces."""

    def __call__(self, surface, payload, ctx=None):
        self.seen.append((surface, ctx.session_id if ctx else None))
        if isinstance(payload, dict):
            return {name: self(surface, value, ctx) for name, value in payload.items()}
        return payload.replace("secret", "******") if isinstance(payload, str) else payload

    def __init__(self) -> None:
        self.seen = []

    def stream(self, surface):
        return Pieces()


class Pieces:
    def __init__(self) -> None:
        self.held = ""

    def take(self, piece):
        text = (self.held + piece).replace("secret", "******")
        keep = next((size for size in range(5, 0, -1) if text.endswith("secret"[:size])), 0)
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self):
        return self.held


def filtering(surface, function):
    class Plugin:
        @hookimpl
        def register(self, registry):
            registry.add_filter(surface, function)

    return Plugin()


def shown_as(host, kind):
    return [one.text for one in host.shown if one.kind == kind]


async def run_streamed(host, function, surface="text"):
    host.load(filtering(surface, function))
    name = host.model.script("the secret is a secretary")
    await host.open()
    async with host.host.session(Options(model=name, stream=True), show=host.shown.append) as session:
        return await session.run("go"), session


@pytest.mark.anyio
async def test_pieces_pass_a_stateful_filter_and_the_whole_text_passes_too():
    async with HostFixture() as host:
        result, _ = await run_streamed(host, Replacing())
        assert "".join(shown_as(host, "delta")) == "the ****** is a ******ary"
        assert shown_as(host, "text") == ["the ****** is a ******ary"]
        assert result.text == "the ****** is a ******ary"


@pytest.mark.anyio
async def test_a_filter_without_streams_is_asked_once_the_text_is_whole():
    async with HostFixture() as host:
        asked = []

        def late(surface, text):
            asked.append(text)
            return text.replace("secret", "x")

        await run_streamed(host, late)
        assert shown_as(host, "delta") == ["the x is a xary"]
        assert set(asked) == {"the secret is a secretary"}


@pytest.mark.anyio
async def test_a_filter_that_breaks_shows_nothing_of_the_text():
    async with HostFixture() as host:

        def broken(surface, text):
            raise ZeroDivisionError("oh")

        result, session = await run_streamed(host, broken)
        assert shown_as(host, "delta") == []
        assert all("secret" not in text for text in shown_as(host, "text"))
        assert "closed" in shown_as(host, "text")[0]
        assert "secret" not in result.text
        records = [record for record in session.journal if isinstance(record, EgressRecord)]
        assert {record.action for record in records} == {"closed"}


@pytest.mark.anyio
async def test_a_refusal_is_told_apart_from_a_failure():
    async with HostFixture() as host:

        def refusing(surface, text, ctx):
            raise refuse(surface, ctx.plugin, "it names something")

        _, session = await run_streamed(host, refusing)
        (record, *_) = [record for record in session.journal if isinstance(record, EgressRecord)]
        assert (record.action, record.reason) == ("refused", "it names something")


@tool(read_only=True)
def peek(path: str) -> str:
    """Look at something."""
    return f"it says secret: {path}"


@pytest.mark.anyio
async def test_inputs_and_outputs_of_tools_are_shown_through_the_filters():
    async with HostFixture() as host:
        host.load(peek)
        word = Replacing()
        host.load(filtering("*", word))
        name = host.model.script(call("peek", path="secret.txt"), "done")
        await host.open()
        async with host.host.session(Options(model=name), show=host.shown.append) as session:
            await session.run("go")
            messages = session.messages()
        (tool_call,) = [one for one in host.shown if one.kind == "tool"]
        assert tool_call.data["input"] == {"path": "******.txt"}
        assert shown_as(host, "result") == ["it says ******: ******.txt"]
        assert "secret.txt" in str(list(messages)), "the conversation itself is inside"
        assert {"text", "facts"} <= {surface for surface, _ in word.seen}
        assert {who for _, who in word.seen} == {session.session_id}


@pytest.mark.anyio
async def test_facts_are_withheld_where_their_filter_breaks():
    async with HostFixture() as host:
        host.load(peek)

        def broken(surface, facts):
            raise PegboardError("no")

        host.load(filtering("facts", broken))
        name = host.model.script(call("peek", path="secret.txt"), "done")
        await host.open()
        async with host.host.session(Options(model=name), show=host.shown.append) as session:
            await session.run("go")
        (tool_call,) = [one for one in host.shown if one.kind == "tool"]
        assert tool_call.data["input"] == "[withheld]"
        assert tool_call.data["id"], "what tells calls apart stays"


@pytest.mark.anyio
async def test_logs_of_plugins_pass_while_the_session_lasts(caplog):
    caplog.set_level(logging.INFO)
    async with HostFixture() as host:
        host.load(filtering("log", Replacing()))
        name = host.model.script("done")
        await host.open()
        async with host.host.session(Options(model=name)) as session:
            log = session.ctx("some_pack").log
            try:
                raise ValueError("secret")
            except ValueError:
                log.exception("a %s happened", "secret")
        assert caplog.messages == ["a ****** happened"]
        assert "secret" not in caplog.text
        log.warning("secret")
        assert caplog.messages[-1] == "secret", "nobody holds on to a logger of the process"


@pytest.mark.anyio
async def test_summaries_and_side_requests_pass(anyio_backend):
    seen = []

    class Listening:
        @hookimpl
        def lifecycle(self, event):
            if isinstance(event, PostCompact):
                seen.append(event.compact_summary)

        @hookimpl
        def model_call(self, request, call_next):
            if request.purpose is Purpose.TITLE:
                seen.append(str(request.messages))
            return call_next(request)

    async with HostFixture() as host:
        host.load(Listening())
        host.load(filtering("*", Replacing()))
        name = host.model.script("a title")
        await host.open()
        async with host.host.session(Options(model=name)) as session:
            await session.ask_model("x", "the secret", purpose=Purpose.TITLE, model=None, system="", max_tokens=10)
    assert len(seen) == 1
    assert "secret" not in seen[0]


def test_patterns_cover_what_is_below_them():
    assert covers("hook", "hook.http")
    assert covers("*", "anything")
    assert not covers("hook", "hooks")
    assert not covers("hook.http", "hook")


def test_no_filter_means_that_nothing_is_asked():
    egress = Egress((), lambda record: None)
    assert egress.open
    text = "a text"
    assert egress.text("text", text) is text
    messages = [object()]
    assert egress.messages("model.title", messages) is messages


def test_every_way_out_of_the_host_is_declared_once():
    names = [surface.name for surface in SURFACES]
    assert len(names) == len(set(names))
    assert all(surface.help.endswith(".") for surface in SURFACES)


@pytest.mark.anyio
async def test_whatever_a_session_has_goes_by_a_declared_way_out_and_no_declared_one_is_empty():
    seen = set()

    def see(surface, payload):
        seen.add(surface.partition(".")[0])
        return payload

    class Talking:
        @hookimpl
        def prompt_submit(self, prompt, ctx):
            ctx.log.warning("a prompt")
            return PromptDecision(title="What it is about")

        @hookimpl
        def compact(self, job):
            short = Message(role="user", content=(TextBlock(text="In short."),))
            return CompactionResult(messages=(short,), strategy="last", summary="a summary")

    hooks = {"prompt-submit": [{"hooks": [{"type": "command", "command": "cat"}]}]}
    async with HostFixture(settings={"hooks": hooks}) as host:
        host.builtin("wire_hooks")
        host.load(Talking())
        host.load(filtering("*", see))
        host.builtin("agents")
        agent = call("Agent", description="look", prompt="Look.")
        turns = {"thinking": "Hm.", "text": "Yes. " * 50}, agent, "No.", "Again."
        name = host.model.script(*turns, {"text": "Found.", "purpose": "subagent"})
        await host.open()
        async with host.host.session(Options(model=name, stream=True), show=host.shown.append) as session:
            await session.run("go")
            await session.run("go on " * 50)
            await session.run("and now")
            assert await session.compact()
            await session.ask_model("x", "hm", purpose=Purpose.TITLE, model=None, system="", max_tokens=10)
    printed = {"trace", "export", "error"}  # verbs do that, and their tests look at it
    assert seen == {one.name for one in SURFACES if not one.reserved} - printed


@pytest.mark.anyio
async def test_a_plugin_takes_over_a_way_out_that_is_reserved_for_it():
    class Remembering:
        @hookimpl
        def register(self, registry):
            registry.add_surface(Surface("memory", "Facts about people."), Surface("text", "Not ours."))

    async with HostFixture() as host:
        host.load(Remembering(), name="remembering")
        host.model.script("x")
        await host.open()
        owner, surface = host.host.board.surfaces["memory"]
        assert owner == "remembering"
        assert not surface.reserved
        assert host.host.board.surfaces["text"][0] == "host"


@pytest.mark.anyio
async def test_a_title_is_kept_shown_and_given_to_hooks_of_a_session_that_goes_on():
    heard = []

    class Naming:
        @hookimpl
        def prompt_submit(self, prompt):
            return PromptDecision(title="The secret plan")

        @hookimpl
        def lifecycle(self, event):
            if isinstance(event, SessionStart):
                heard.append((event.source, event.title))

    async with HostFixture() as host:
        host.load(Naming())
        host.load(filtering("title", Replacing()))
        name = host.model.script("Yes.", "Yes.")
        await host.open()
        async with host.host.session(Options(model=name), show=host.shown.append) as session:
            await session.run("go")
            await session.run("go on")
            assert [one.title for one in session.journal if isinstance(one, Titled)] == ["The secret plan"]
        async with host.host.resume(session.session_id, Options(model=name)) as again:
            assert again.session_id == session.session_id
    assert shown_as(host, "title") == ["The ****** plan"]
    assert heard[1:] == [("startup", ""), ("resume", "The secret plan")]


@pytest.mark.anyio
async def test_plugins_declare_ways_out_of_their_own():
    class Plugin:
        @hookimpl
        def register(self, registry):
            registry.add_surface(Surface("pigeon", "Letters by pigeon."))
            self.host = registry.host

    plugin = Plugin()
    async with HostFixture() as host:
        host.load(plugin, name="pigeons")
        await host.open()
        assert plugin.host.surfaces()["pigeon"] == ("pigeons", Surface("pigeon", "Letters by pigeon."))
        assert plugin.host.surfaces()["text"][0] == "host"


def test_a_refusal_is_an_egress_error():
    error = refuse("commit", "undercover", "no")
    assert isinstance(error, EgressClosedError)
    assert error.refused
