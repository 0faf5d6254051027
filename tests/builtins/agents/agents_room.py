"""What tests of sub-agents share: scripted turns for them, their journals, tools that wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pegboard._agent.journal import read_records
from pegboard.context import Ctx
from pegboard.hookspecs import hookimpl
from pegboard.messages import Origin, ToolResult, ToolResultBlock
from pegboard.records import AgentEnded, AgentStarted, Record
from pegboard.testing import HostFixture, call, turn_table
from pegboard.tools import Claims, tool

SPEND = {"input_tokens": 100, "output_tokens": 10, "cost_usd": 0.5}


def sub(*turns: Any) -> list[dict[str, Any]]:
    """Return turns of the model for each sub-agent."""
    return [{**turn_table(turn), "purpose": "subagent"} for turn in turns]


def start(prompt: str = "Look around.", **given: Any) -> Any:
    """Script a call of the tool Agent."""
    return call("Agent", description="look around", prompt=prompt, **given)


def results(host: HostFixture) -> list[ToolResultBlock]:
    """Return what the model of the main thread read of its calls."""
    return [block for message in host.messages for block in message.content if isinstance(block, ToolResultBlock)]


def started(host: HostFixture) -> list[AgentStarted]:
    return [one for one in host.records() if isinstance(one, AgentStarted)]


def ended(host: HostFixture) -> list[AgentEnded]:
    return [one for one in host.records() if isinstance(one, AgentEnded)]


def inside(host: HostFixture, place: int = 0) -> list[Record]:
    """Return the records of a sub-agent's own journal."""
    return list(read_records(Path(started(host)[place].journal)))


async def until(there: Callable[[], object]) -> None:
    """Wait until something is there."""
    async with asyncio.timeout(60):
        while not there():
            await asyncio.sleep(0.01)


class Tools:
    """Tools that change nothing, fetch from the web, count, or wait for each other."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.seen: list[Ctx] = []
        self.waiting = 0
        self.together = asyncio.Event()
        self.hanging = 0

    @hookimpl
    def register(self, registry: Any) -> None:
        @tool(claims=lambda given, cwd: Claims())
        def change(what: str, ctx: Ctx) -> str:
            """Change something."""
            self.changed.append(what)
            self.seen.append(ctx)
            return f"changed {what}"

        @tool(read_only=True)
        def fetch() -> ToolResult:
            """Fetch something."""
            return ToolResult("from afar", origins=(Origin.WEB,))

        @tool(read_only=True)
        async def meet() -> str:
            """Wait until two are here."""
            self.waiting += 1
            if self.waiting >= 2:
                self.together.set()
            async with asyncio.timeout(60):
                await self.together.wait()
            return "met"

        @tool(read_only=True)
        async def hang() -> str:
            """Wait for ever."""
            self.hanging += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.hanging -= 1
            return "never"

        registry.add_tool(change, fetch, meet, hang)
