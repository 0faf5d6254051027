"""The host's tools for other agents: every call goes the way of all calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard import Decision, hookimpl, tool
from pegboard.messages import ToolCall
from pegboard.testing import HostFixture
from pegboard.tools import Claims

pytest.importorskip("mcp")

from pegboard_builtins.mcp.serving import Queue, server_of

running: list[str] = []


@tool(claims=lambda given, cwd: Claims.write(f"thing:{given['thing']}"))
async def change(thing: str) -> str:
    """Change a thing."""
    running.append(f"+{thing}")
    await asyncio.sleep(0.05)
    running.append(f"-{thing}")
    return f"changed {thing}"


class Guard:
    """Refuses one thing, and brings the tool."""

    @hookimpl
    def register(self, registry: Any) -> None:
        registry.add_tool(change)

    @hookimpl(matcher="change", guard=True)
    def pre_tool(self, call: ToolCall) -> Decision | None:
        return Decision.deny("not that one") if call.input["thing"] == "forbidden" else None


@asynccontextmanager
async def client(host: HostFixture, *patterns: str, read_only: bool = False) -> AsyncIterator[Any]:
    from mcp import Client

    session = await host.open()
    async with Client(server_of(session.ctx("mcp"), patterns, read_only=read_only)) as connected:
        yield connected


def room(folder: Path, **permissions: Any) -> HostFixture:
    host = HostFixture(folder=folder, settings={"permissions": permissions})
    host.builtin("mcp", "permissions", "file_tools", "planning_tools")
    host.load(Guard(), "guard")
    return host


@pytest.mark.anyio
async def test_a_client_sees_tools_with_their_schemas_but_none_that_needs_this_conversation(tmp_path: Path) -> None:
    async with room(tmp_path) as host, client(host) as other:
        found = {one.name: one for one in (await other.list_tools()).tools}
        assert {"Read", "Edit", "change"} <= found.keys()
        assert found.keys().isdisjoint(["ToolSearch", "AskUserQuestion", "TodoWrite"])
        assert found["Read"].annotations.read_only_hint
        assert found["Read"].input_schema["required"] == ["file_path"]
    async with room(tmp_path / "2") as host, client(host, "R*", "change", read_only=True) as other:
        assert [one.name for one in (await other.list_tools()).tools] == ["Read"]


@pytest.mark.anyio
async def test_hooks_rules_and_the_journal_see_every_call(tmp_path: Path) -> None:
    async with room(tmp_path, allow=["change"], deny=["Read(secret/**)"]) as host:
        host.file("plan.txt", "Do it.\n")
        host.file("secret/key", "12345\n")
        async with client(host) as other:

            async def call(name: str, **given: Any) -> tuple[bool, str]:
                answer = await other.call_tool(name, given)
                return answer.is_error, answer.content[0].text

            assert "Do it." in (await call("Read", file_path=str(host.project / "plan.txt")))[1]
            refused, why = await call("Read", file_path=str(host.project / "secret" / "key"))
            assert refused
            assert "12345" not in why
            assert await call("change", thing="forbidden") == (True, "not that one")
            assert await call("change", thing="free") == (False, "changed free")
            refused, why = await call("Write", file_path=str(host.project / "new"), content="x")
            assert refused
            assert "nobody can be asked" in why
            assert not (host.project / "new").exists()
            assert (await call("Read", file_pth="x"))[0]
            assert "no tool 'Nothing'" in (await call("Nothing"))[1]
        attempts = [record for record in host.records() if record.type == "tool_attempt"]
        assert [one.origin for one in attempts] == ["hook:mcp"] * 6
        assert [str(one.outcome) for one in attempts] == ["ok", "denied", "denied", "ok", "denied", "error"]


@pytest.mark.anyio
async def test_calls_that_touch_the_same_run_one_after_another_and_others_together(tmp_path: Path) -> None:
    async with room(tmp_path, allow=["change"]) as host, client(host) as other:
        running.clear()
        await asyncio.gather(*[other.call_tool("change", {"thing": thing}) for thing in ("a", "a", "b")])
        of_a = [step for step in running if step.endswith("a")]
        assert of_a == ["+a", "-a", "+a", "-a"]
        assert running.index("+b") < running.index("-a"), "what has nothing to do with it waited"


@given(st.lists(st.sampled_from(["read a", "read b", "write a", "write b", "alone"]), min_size=1, max_size=12))
def test_no_two_calls_that_conflict_ever_run_at_once(kinds: list[str]) -> None:
    claims = {
        "read a": Claims.read("a"),
        "read b": Claims.read("b"),
        "write a": Claims.write("a"),
        "write b": Claims.write("b"),
        "alone": Claims.alone(),
    }
    now: list[str] = []

    async def work(queue: Queue, kind: str) -> None:
        async with queue.turn(claims[kind]):
            assert not any(claims[kind].conflicts(claims[other]) for other in now)
            now.append(kind)
            await asyncio.sleep(0)
            now.remove(kind)

    async def all_of_them() -> None:
        queue = Queue()
        async with asyncio.timeout(10):
            await asyncio.gather(*[work(queue, kind) for kind in kinds])

    asyncio.run(all_of_them())
