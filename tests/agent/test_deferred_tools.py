"""Deferred tools: names in the prompt, definitions once they are asked for, and what was sent stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pegboard import hookimpl, tool
from pegboard.context import Ctx, ToolSource
from pegboard.hookspecs import Registry
from pegboard.messages import ToolReferenceBlock, ToolResultBlock
from pegboard.requests import Request
from pegboard.testing import HostFixture, call
from pegboard.tools import SchemaTool, Tool

BIG = {"type": "object", "properties": {"text": {"type": "string", "description": "x" * 3000}}, "required": ["text"]}


@tool(read_only=True, deferred=True)
def rare(number: int) -> str:
    """Do something that is seldom wanted."""
    return f"rare {number}"


@tool(read_only=True, deferred=True)
def rarer(word: str) -> str:
    """Paint a picture of a boat."""
    return f"rarer {word}"


@tool(read_only=True)
def usual() -> str:
    """Do what is always wanted."""
    return "usual"


class Pack:
    """Two deferred tools and one that is not."""

    @hookimpl
    def register(self, registry: Registry) -> None:
        registry.add_tool(rare, rarer, usual)


class Sent:
    """Keeps what is sent to the model."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    @hookimpl(before="*")
    def model_call(self, request: Request, call_next: Any) -> Any:
        self.requests.append(request)
        return call_next(request)

    def tools(self, place: int = -1) -> list[tuple[str, bool]]:
        return [(spec.name, spec.deferred) for spec in self.requests[place].tools]


class Source:
    """Brings tools that it can be given at any time."""

    def __init__(self, *tools: Tool, where: tuple[str, ...] = ()) -> None:
        self.tools = list(tools)
        self.where = where
        self.asked = 0
        self.error: Exception | None = None

    @hookimpl
    def register(self, registry: Registry) -> None:
        registry.add_tool_source(ToolSource(self.bring, where=self.where))

    async def bring(self, ctx: Ctx) -> list[Tool]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.tools


def foreign(name: str, schema: dict[str, Any] | None = None) -> SchemaTool:
    async def function(given: dict[str, Any]) -> str:
        return f"{name}: {given}"

    return SchemaTool(
        name=name, function=function, description="From elsewhere.", read_only=True, schema=schema or {"type": "object"}
    )


def room(folder: Path, *plugins: Any, **settings: Any) -> tuple[HostFixture, Sent]:
    sent = Sent()
    host = HostFixture(folder=folder, settings=settings)
    host.builtin("planning_tools")
    for plugin in plugins:
        host.load(plugin)
    host.load(sent)
    return host, sent


def results(host: HostFixture) -> list[ToolResultBlock]:
    return [block for message in host.messages for block in message.content if isinstance(block, ToolResultBlock)]


@pytest.mark.anyio
async def test_a_request_has_only_the_names_of_deferred_tools_until_they_are_asked_for(tmp_path: Path) -> None:
    host, sent = room(tmp_path, Pack())
    async with host:
        host.model.script(
            [call("ToolSearch", query="select:rare")], [call("rare", number=3), call("rarer", word="x")], "done"
        )
        await host.prompt("Go.")
        shown = [name for name, _ in sent.tools(0)]
        assert "rare" not in shown
        assert {"usual", "ToolSearch"} <= set(shown)
        names = sent.requests[0].system[-1]
        assert names.endswith("\nrare\nrarer")
        assert sent.tools(1) == [*sent.tools(0), ("rare", True)]
        assert sent.requests[1].system == sent.requests[0].system
        assert sent.requests[1].tools[:-1] == sent.requests[0].tools, "what was sent before has changed"
        found, asked_for, not_asked_for = results(host)
        assert found.content == (ToolReferenceBlock(tool_name="rare"),)
        assert asked_for.content == "rare 3"
        assert not_asked_for.content == "rarer x", "a call that is right needs no question first"


@pytest.mark.anyio
async def test_a_wrong_call_of_a_tool_that_was_not_asked_for_is_told_how_to_ask(tmp_path: Path) -> None:
    host, _ = room(tmp_path, Pack())
    async with host:
        host.model.script([call("rare", text="x")], [call("usual", text="x")], "done")
        await host.prompt("Go.")
        assert "ask ToolSearch for `select:rare`" in str(results(host)[0].content)
        assert "ToolSearch" not in str(results(host)[1].content)


@pytest.mark.anyio
async def test_without_anything_deferred_nothing_is_different(tmp_path: Path) -> None:
    host, sent = room(tmp_path)
    async with host:
        host.model.script([call("ToolSearch", query="boat")], "done")
        await host.prompt("Go.")
        assert "ToolSearch" not in [name for name, _ in sent.tools(0)]
        assert not any("ToolSearch" in text for text in sent.requests[0].system)
        assert "nothing is left to be asked for" in str(results(host)[0].content)


@pytest.mark.anyio
async def test_without_the_tool_that_searches_nothing_is_deferred(tmp_path: Path) -> None:
    sent = Sent()
    async with HostFixture(folder=tmp_path) as host:
        host.load(Pack())
        host.load(sent)
        host.model.script("done")
        await host.prompt("Go.")
        assert [name for name, _ in sent.tools()] == ["rare", "rarer", "usual"]


@pytest.mark.anyio
async def test_settings_defer_tools_by_pattern(tmp_path: Path) -> None:
    host, sent = room(tmp_path, Pack(), session={"defer": ["us*"]})
    async with host:
        host.model.script("done")
        await host.prompt("Go.")
        assert sent.requests[0].system[-1].endswith("\nrare\nrarer\nusual")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("boat", ["rarer"], id="a word of the description"),
        pytest.param("rare", ["rare", "rarer"], id="the name counts for more than a part of it"),
        pytest.param("+boat rare", ["rarer"], id="a word that must occur"),
        pytest.param("select:RARER, rare,none", ["rarer", "rare"], id="by name, in that order"),
        pytest.param("aeroplane", [], id="nothing"),
    ],
)
async def test_tools_are_found_by_name_and_by_words(tmp_path: Path, query: str, found: list[str]) -> None:
    host, _ = room(tmp_path, Pack())
    async with host:
        outcome = await host.invoke("ToolSearch", query=query)
        assert outcome.result.data["matches"] == found
        assert outcome.result.data["total_deferred_tools"] == 2


@pytest.mark.anyio
async def test_what_was_asked_for_is_there_after_resume_and_in_a_fork(tmp_path: Path) -> None:
    host, sent = room(tmp_path, Pack())
    async with host:
        host.model.script([call("ToolSearch", query="select:rarer,rare")], "done", "done again", "and again")
        await host.prompt("Go.")
        before = sent.requests[-1]
        host.load(object(), "another")  # closes the session and resumes it
        await host.prompt("Go on.")
        assert sent.requests[-1].tools == before.tools
        assert sent.requests[-1].system == before.system
        assert [record.type for record in host.records()].count("system") == 2, "the request's tools were written anew"
        fork = host.host.store.fork(host.session.path)
        async with host.host.resume(fork.stem, host.session.options) as session:
            await session.run("Go elsewhere.")
        assert sent.requests[-1].tools == before.tools


@pytest.mark.anyio
async def test_after_a_compaction_what_was_asked_for_is_a_tool_like_all_others(tmp_path: Path) -> None:
    host, sent = room(tmp_path, Pack())
    async with host:
        host.model.script([call("ToolSearch", query="select:rare")], "word " * 3000, "done")
        await host.prompt("Go.")
        assert await host.session.compact()
        await host.prompt("Go on.")
        assert ("rare", False) in sent.tools()
        assert sent.requests[-1].system[-1].endswith("\nrarer")


@pytest.mark.anyio
async def test_tools_of_a_source_come_and_go_between_turns(tmp_path: Path) -> None:
    source = Source(foreign("first"))
    host, sent = room(tmp_path, source)
    async with host:
        host.model.script([call("first", a=1)], "done", [call("second")], "done", "done")
        await host.prompt("Go.")
        assert str(results(host)[0].content) == "first: {'a': 1}"
        source.tools = [foreign("first"), foreign("second"), foreign("TodoWrite")]
        await host.prompt("Go on.")
        assert results(host)[-1].content == "second: {}"
        assert any("'TodoWrite' is left out" in note for note in host.notices)
        source.error = RuntimeError("no more")
        await host.prompt("And on.")
        assert {"first", "second"} <= {name for name, _ in sent.tools()}, "a source that fails loses what it had"
        assert any("no more" in note for note in host.notices)
        assert source.asked == 3


@pytest.mark.anyio
async def test_where_a_sources_tools_would_fill_the_window_they_are_deferred(tmp_path: Path) -> None:
    source = Source(*[foreign(f"big_{number}", BIG) for number in range(40)])
    host, sent = room(tmp_path, source, model={"context_window": 100_000})
    async with host:
        host.model.script("done", [call("ToolSearch", query="select:late")], [call("late")], "done")
        await host.prompt("Go.")
        assert not [name for name, _ in sent.tools() if name.startswith("big_")]
        assert sent.requests[0].system[-1].endswith("\nbig_9")
        source.tools.append(foreign("late"))
        source.tools.remove(source.tools[0])
        await host.prompt("Go on.")
        said = [block.text for message in host.messages for block in message.content if block.type == "text"]
        news = next(text for text in said if "can be asked for" in text)
        assert "\nlate\n" in news
        assert "not there any more:\nbig_0" in news
        assert sent.requests[-1].system == sent.requests[0].system
        assert results(host)[-1].content == "late: {}"


@pytest.mark.anyio
async def test_a_source_that_names_paths_is_asked_only_where_one_of_them_is(tmp_path: Path) -> None:
    source = Source(foreign("first"), where=("servers.json",))
    host, _ = room(tmp_path, source)
    async with host:
        host.model.script("done", "done")
        await host.prompt("Go.")
        assert source.asked == 0
        host.file("servers.json", "{}")
        host.load(object(), "another")
        await host.prompt("Go on.")
        assert source.asked == 1


@pytest.mark.anyio
async def test_an_interrupt_does_not_wait_for_a_source(tmp_path: Path) -> None:
    import asyncio

    class Slow(Source):
        async def bring(self, ctx: Ctx) -> list[Tool]:
            self.asked += 1
            await asyncio.sleep(3600)
            return []

    source = Slow()
    host, _ = room(tmp_path, source)
    async with host:
        host.model.script("done")
        session = await host.open()
        turn = asyncio.ensure_future(session.run("Go."))
        while not source.asked:
            await asyncio.sleep(0.01)
        await session.interrupt()
        assert (await turn).reason == "interrupted"


def test_an_input_that_a_schema_refuses_is_told_with_its_problems() -> None:
    from pegboard.errors import ToolInputError

    strict = SchemaTool(name="x", function=print, description="x", schema={}, check=lambda given: ["a: is missing"])
    with pytest.raises(ToolInputError, match="a: is missing"):
        strict.arguments({})
