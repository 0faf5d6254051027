"""Handlers that ask a model or call a tool, through a real session's chokepoints (hook-contract C76 to C79)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_run_desk import RunDesk, handler

from pegboard.context import Ctx
from pegboard.hookspecs import hookimpl
from pegboard.messages import ToolResult
from pegboard.testing import HostFixture, call
from pegboard.tools import tool
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.job import RawResult
from pegboard_builtins.wire_hooks.runners.asking import substituted, verdict_in, with_arguments

anyio = pytest.mark.anyio
OK = '{"ok": true}'
NO = '{"ok": false, "reason": "use rg"}'


@tool(name="mcp__orc__check", read_only=True)
async def check(text: str, whole: str = "", missing: Annotated[str, ""] = "-") -> ToolResult:
    """Say back what was given."""
    return ToolResult(content=json.dumps([text, whole, missing]), is_error=text == "fail")


@tool(name="mcp__orc__look_up", read_only=True)
async def look_up() -> ToolResult:
    """Be called `look.up` by a server."""
    return ToolResult(content="found")


class Session:
    """A session with the file tools and one MCP tool, and handlers that are run in it."""

    def __init__(self, host: HostFixture, desk: RunDesk) -> None:
        self.host = host
        self.desk = desk

    async def run(self, entry: Handler, *turns: Any, **facts: Any) -> RawResult:
        if turns:
            self.host.model.script(*turns)
        session = await self.host.open()
        ctx: Ctx = session.ctx("wire_hooks")
        seconds = facts.pop("seconds", 20.0)
        return await self.desk.run(entry, self.desk.job(facts, ctx=ctx, seconds=seconds))

    @property
    def purposes(self) -> list[str]:
        return [record.purpose for record in self.host.records("request")]


@pytest.fixture
async def session(desk: RunDesk, tmp_path: Path) -> AsyncIterator[Session]:
    (desk.folder / "notes.txt").write_text("the tests are green\n")
    async with HostFixture(folder=tmp_path) as host:
        host.builtin("file_tools", "wire_hooks")
        host.load(check)
        host.load(look_up)
        yield Session(host, desk)


def prompt(text: str = "Is this fine? $ARGUMENTS", **facts: Any) -> Handler:
    return handler(HandlerType.PROMPT, prompt=text, **facts)


def agent(text: str = "Are the tests green?", **facts: Any) -> Handler:
    return handler(HandlerType.AGENT, prompt=text, **facts)


def mcp(**given: Any) -> Handler:
    return handler(HandlerType.MCP_TOOL, server="orc", tool="check", input=given)


def hook(turn: Any, **more: Any) -> dict[str, Any]:
    """Return a turn that answers a hook's request."""
    if isinstance(turn, str):
        return {"text": turn, "purpose": "hook", **more}
    return {"call": [{"name": one.name, "input": one.input} for one in turn], "purpose": "hook", **more}


# --- prompts ---------------------------------------------------------------------------------------------


@anyio
async def test_c77_a_prompt_is_one_request_with_the_event_and_its_own_purpose(session: Session):
    expect = {"contains": 'Is this fine? {"hook_event_name":"PreToolUse"', "system_contains": "hook", "messages": 1}
    result = await session.run(prompt(), hook(NO, expect=expect))
    assert result.answer == {"ok": False, "reason": "use rg", "impossible": False}
    assert (result.exit, result.error) == (0, "")
    assert session.purposes == ["hook"]


@anyio
@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        pytest.param(OK, {"ok": True, "reason": "", "impossible": False}, id="plain"),
        pytest.param(f"```json\n{NO}\n```", {"ok": False, "reason": "use rg", "impossible": False}, id="fenced"),
        pytest.param(f"I think: {OK} Good.", {"ok": True, "reason": "", "impossible": False}, id="within words"),
        pytest.param(
            '{"ok":false,"impossible":true,"reason":"r"}',
            {"ok": False, "reason": "r", "impossible": True},
            id="c78 impossible",
        ),
        pytest.param('{"ok": false}', {"ok": False, "reason": "", "impossible": False}, id="no reason"),
    ],
)
async def test_c78_a_verdict_is_found_in_the_answer(session: Session, text: str, verdict: dict[str, Any]):
    assert (await session.run(prompt(), hook(text))).answer == verdict


@anyio
@pytest.mark.parametrize("text", ["Looks good to me.", '{"ok": "yes"}', "[true]", '{"decision": "block"}', "{"])
async def test_an_answer_that_is_no_verdict_decides_nothing_and_is_reported(session: Session, text: str):
    result = await session.run(prompt(), hook(text))
    assert (result.exit, result.answer) == (None, None)
    assert "no verdict" in result.error


@anyio
async def test_a_model_that_fails_decides_nothing_and_is_reported(session: Session):
    result = await session.run(prompt(), {"purpose": "hook", "error": {"status": 500, "message": "boom"}})
    assert result.exit is None
    assert "boom" in result.error


@anyio
async def test_a_model_that_is_slow_is_late(session: Session):
    result = await session.run(prompt(), hook(OK, delay=30), seconds=0.2)
    assert (result.exit, result.timed_out) == (None, True)


@anyio
async def test_a_model_of_its_own_gets_the_sessions_prefix(session: Session):
    result = await session.run(prompt(model="no-such-script"), hook(OK))
    assert "no-such-script" in result.error
    assert session.host.records("request")[0].model == "scripted:no-such-script"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (r"\$1 and $ARGUMENTS", '$1 and {"a":1}'),
        ("Check it.", 'Check it.\n\nARGUMENTS: {"a":1}'),
        (r"\$ARGUMENTS", '$ARGUMENTS\n\nARGUMENTS: {"a":1}'),
        ("$ARGUMENTS $ARGUMENTS $5", '{"a":1} {"a":1} $5'),
    ],
)
def test_c79_the_event_stands_where_the_prompt_wants_it(text: str, asked: str):
    assert with_arguments(text, b'{"a":1}\n') == asked


def test_c79_an_event_that_holds_the_placeholder_is_not_filled_again():
    assert with_arguments("$ARGUMENTS", b'"$ARGUMENTS"') == '"$ARGUMENTS"'


@given(st.text(max_size=80))
def test_no_answer_is_too_odd_to_look_for_a_verdict_in(text: str):
    found = verdict_in(text)
    assert found is None or isinstance(found["ok"], bool)


# --- agents ----------------------------------------------------------------------------------------------


@anyio
async def test_an_agent_looks_with_tools_and_gives_its_verdict_by_a_call(session: Session):
    path = str(session.desk.folder / "notes.txt")
    result = await session.run(
        agent(),
        hook([call("Read", file_path=path)], expect={"tools": ["Read", "StructuredOutput"]}),
        hook(
            [call("StructuredOutput", ok=False, reason="they are red")],
            expect={"tool_result": {"name": "Read", "contains": "the tests are green"}},
        ),
    )
    assert result.answer == {"ok": False, "reason": "they are red", "impossible": False}
    assert session.purposes == ["hook", "hook"]


@anyio
async def test_an_agent_has_no_tool_that_changes_anything(session: Session):
    result = await session.run(
        agent(),
        hook([call("Write", file_path=str(session.desk.folder / "x"), content="y")]),
        hook(
            [call("StructuredOutput", ok=True)],
            expect={"tool_result": {"name": "Write", "contains": "there is no Write here", "is_error": True}},
        ),
    )
    assert result.answer is not None
    assert not (session.desk.folder / "x").exists()


@anyio
async def test_an_agent_that_only_talks_decides_nothing(session: Session):
    result = await session.run(agent(), hook("It is fine."))
    assert result.exit is None
    assert "StructuredOutput" in result.error


@anyio
async def test_a_verdict_of_the_wrong_shape_is_asked_for_again(session: Session):
    result = await session.run(
        agent(),
        hook([call("StructuredOutput", ok="yes")]),
        hook([call("StructuredOutput", ok=True)], expect={"tool_result": {"contains": "true or false"}}),
    )
    assert result.answer == {"ok": True, "reason": "", "impossible": False}


@anyio
async def test_an_agent_that_goes_on_for_ever_is_ended_after_fifty_requests(session: Session):
    looks = [hook([call("Glob", pattern=f"*.{number}")]) for number in range(60)]
    result = await session.run(agent(), *looks)
    assert result.exit is None
    assert "50 requests" in result.error
    assert len(session.purposes) == 50


@anyio
async def test_an_agent_is_not_asked_about_what_it_does_itself(session: Session):
    """A guard for all tools: without this each look would need another look first."""
    inner: list[RawResult] = []

    class Guard:
        @hookimpl
        async def pre_tool(self, call: Any, ctx: Ctx) -> None:
            if call.name == "Glob":
                inner.append(await session.desk.run(agent(id="other"), session.desk.job(ctx=ctx)))
                inner.append(await session.desk.run(prompt(), session.desk.job(ctx=ctx)))

    session.host.load(Guard(), "guard")
    result = await session.run(agent(), hook([call("Glob", pattern="*")]), hook([call("StructuredOutput", ok=True)]))
    assert result.answer is not None
    assert [(one.exit, one.answer, bool(one.note)) for one in inner] == [(0, None, True)] * 2
    assert len(session.purposes) == 2


# --- MCP tools -------------------------------------------------------------------------------------------


@anyio
async def test_c76_a_tool_gets_the_events_values_and_its_text_is_read_as_output(session: Session):
    entry = mcp(text="${tool_input.command}", whole="${tool_input}", missing="${nope.x}")
    result = await session.run(entry, "unused", tool_input={"command": "ls"})
    assert json.loads(result.stdout) == ["ls", '{"command":"ls"}', ""]
    assert (result.exit, result.error) == (0, "")


@anyio
async def test_c76_a_tool_that_fails_or_is_not_there_decides_nothing(session: Session):
    failed = await session.run(mcp(text="fail"), "unused")
    assert failed.exit is None
    assert "the tool failed" in failed.error
    wrong = handler(HandlerType.MCP_TOOL, server="orc", tool="chekc", input={})
    unknown = await session.run(wrong)
    assert unknown.exit is None
    assert "Did you mean 'mcp__orc__check'?" in unknown.error
    server = handler(HandlerType.MCP_TOOL, server="plugin:acme:db", tool="q", input={})
    assert "mcp__plugin_acme_db__q" in (await session.run(server)).error


@anyio
@pytest.mark.parametrize("entry", [prompt(), agent(), mcp(text="x")], ids=["prompt", "agent", "mcp_tool"])
async def test_without_a_session_there_is_nobody_to_ask(desk: RunDesk, entry: Handler):
    result = await desk.run(entry)
    assert result.exit is None
    assert "session" in result.error


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("${a.b}", "1"),
        ("x ${a} y", 'x {"b":1,"c":[true,null]} y'),
        ("${a.c.0}-${a.c.9}-${a.c.x}", "true--"),
        (["${t}", {"k": "${t}"}, 5], ["é", {"k": "é"}, 5]),
        ("$t ${} ${t", "$t ${} ${t"),
        ("${a.b.c}", ""),
    ],
)
def test_a_path_is_replaced_by_what_the_event_has_there(value: Any, found: Any):
    assert substituted(value, {"a": {"b": 1, "c": [True, None]}, "t": "é"}) == found


@anyio
async def test_a_tool_is_found_under_the_name_that_the_model_has_for_it(session: Session) -> None:
    result = await session.run(handler(HandlerType.MCP_TOOL, server="orc", tool="look.up"))
    assert (result.error, result.stdout) == ("", "found")
