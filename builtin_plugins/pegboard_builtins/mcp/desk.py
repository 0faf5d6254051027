"""All servers of a host: started together when a session first wants tools, and their tools as the host knows tools."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pegboard.context import Ctx, HostView
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import SchemaTool, Tool, mcp_tool_name
from pegboard.typed import fields_of
from pegboard_builtins.mcp.connection import Connection, McpFailure
from pegboard_builtins.mcp.declared import usable
from pegboard_builtins.mcp.schemas import checker
from pegboard_builtins.mcp.settings import TABLE, McpSettings
from pegboard_builtins.mcp.words import DESCRIPTION, clean, clean_schema

if TYPE_CHECKING:
    import mcp_types as types

LATER_SECONDS = 2.0
"""How long later turns wait for lists that have changed."""
LARGEST_SCHEMA = 100_000
"""Characters of the JSON of a tool's schema."""
UNIONS = ("oneOf", "anyOf", "allOf")
"""Keys that the Messages API takes only further down in a schema; what they demand is checked here all the same."""
SLACK = 3600.0
"""Seconds that the host gives a call beyond the server's own deadline: so long a person may think about a question."""


class Desk:
    """The servers that one host may use."""

    def __init__(self, host: HostView) -> None:
        self._host = host
        self.connections: dict[str, Connection] = {}
        self._begun = False
        self._wait = fields_of(McpSettings)["wait"].default
        self._made: dict[str, tuple[tuple[types.Tool, ...], tuple[Tool, ...]]] = {}
        self._told: set[str] = set()
        self._notes: list[str] = []
        self._callers: dict[str, Ctx] = {}
        """Whose call each server works on: who is asked where it wants to know something."""

    async def tools(self, ctx: Ctx) -> Sequence[Tool]:
        """Return the tools of all servers as they are now; the first time, start the servers and wait a while."""
        if not self._begun:
            self._begin(ctx)
            waiting = [asyncio.ensure_future(self._start(one)) for one in self.connections.values()]
            seconds = self._wait
        else:
            known = self.connections.values()
            waiting = [asyncio.ensure_future(self._refresh(one)) for one in known if one.changed]
            waiting += [asyncio.ensure_future(self._start(one)) for one in known if self._should_start(one)]
            seconds = LATER_SECONDS
        if waiting:
            try:
                await asyncio.wait(waiting, timeout=seconds)
            finally:
                for task in waiting:  # the servers go on starting; only the waiting ends
                    task.cancel()
        tools = [tool for one in self.connections.values() for tool in self._tools_of(one, ctx.plugin)]
        self._tell(ctx)
        return tools

    def _begin(self, ctx: Ctx) -> None:
        self._begun = True
        settings = self._host.settings.parse(TABLE, McpSettings)
        self._wait = settings.wait
        servers, held, problems = usable(self._host)
        self.connections = {
            name: Connection(server, self._host, elicit=self._elicited) for name, server in servers.items()
        }
        for problem in problems:
            where = f" ({problem.where})" if problem.where else ""
            self._notes.append(f"{problem.text}{where}" + (f"; {problem.mend}" if problem.mend else ""))
        for name in held:
            self._notes.append(f"the MCP server {name!r} waits for your consent: pegboard trust")

    @staticmethod
    def _should_start(one: Connection) -> bool:
        return one.state in ("idle", "failed") and one.breaker.state != "open" and not one.needs_login

    async def _start(self, one: Connection) -> None:
        try:
            await one.start()
        except McpFailure:
            return  # its reason is told

    async def _refresh(self, one: Connection) -> None:
        try:
            await one.refresh()
        except McpFailure:
            return

    def _tell(self, ctx: Ctx) -> None:
        """Say once what is wrong with which server."""
        for one in self.connections.values():
            if one.reason:
                self._notes.append(f"the MCP server {one.name!r} {one.reason}")
            elif one.state == "starting":
                self._notes.append(f"the MCP server {one.name!r} is still starting; its tools come with the next turn")
        for note in self._notes:
            if note not in self._told:
                self._told.add(note)
                ctx.notice(note, level="warning")
        self._notes.clear()

    def _tools_of(self, one: Connection, plugin: str) -> tuple[Tool, ...]:
        listed = one.tools
        kept = self._made.get(one.name)
        if kept is None or kept[0] is not listed:
            kept = self._made[one.name] = (listed, tuple(self._make(one, listed, plugin)))
        return kept[1]

    def _make(self, one: Connection, listed: Sequence[types.Tool], plugin: str) -> list[Tool]:
        made: dict[str, Tool] = {}
        for tool in listed:
            if not _wanted(one, tool.name):
                continue
            name = mcp_tool_name(one.name, tool.name)
            if name in made:
                self._notes.append(f"the MCP server {one.name!r} has two tools that are {name!r} here; one is left out")
                continue
            try:
                made[name] = _tool(one, tool, name, plugin, self._callers)
            except ValueError as wrong:
                shown = clean(tool.name, 100)
                self._notes.append(f"the MCP server {one.name!r} has a tool {shown!r} that is left out: {wrong}")
        return list(made.values())

    async def _elicited(self, server: str, params: Any) -> Any:
        from pegboard_builtins.mcp.eliciting import elicited

        return await elicited(self._callers.get(server), server, params)

    async def close(self) -> None:
        """End all servers, all at once."""
        await asyncio.gather(*[one.close() for one in self.connections.values()], return_exceptions=True)


def _wanted(one: Connection, name: str) -> bool:
    settings = one.server.settings
    if settings.tools and not any(fnmatchcase(name, pattern) for pattern in settings.tools):
        return False
    return not any(fnmatchcase(name, pattern) for pattern in settings.without)


def _tool(one: Connection, tool: types.Tool, name: str, plugin: str, callers: dict[str, Ctx]) -> Tool:
    """Return a server's tool as the host knows tools. Raises ValueError for one that cannot be offered."""
    schema = clean_schema(tool.input_schema)
    if len(str(schema)) > LARGEST_SCHEMA:
        raise ValueError(f"its schema has more than {LARGEST_SCHEMA:,} characters")
    if schema.get("type") != "object":
        raise ValueError("its input is no object")
    offered = {key: value for key, value in schema.items() if key not in UNIONS}
    offered.setdefault("properties", {})
    hints = tool.annotations
    settings = one.server.settings
    read_only = settings.hints and hints is not None and hints.read_only_hint is True
    again = settings.hints and hints is not None and hints.idempotent_hint is True
    title = tool.title or (hints.title if hints is not None else None) or ""
    text = clean(tool.description or title or f"The tool {tool.name} of {one.name}.", DESCRIPTION)

    async def call(given: dict[str, Any], ctx: Ctx) -> ToolResult:
        callers[one.name] = ctx
        return await _called(one, tool.name, given, ctx)

    return SchemaTool(
        name=name,
        function=call,
        description=text,
        read_only=read_only,
        repeatable=read_only or again,
        timeout=settings.call_seconds + settings.start_seconds + SLACK,
        owner=plugin,
        schema=offered,
        check=checker(schema),
    )


async def _called(one: Connection, tool: str, given: dict[str, Any], ctx: Ctx) -> ToolResult:
    from pegboard_builtins.mcp.results import result_of

    async def progress(done: float, total: float | None, message: str | None) -> None:
        share = f"{done:g} of {total:g}" if total else f"{done:g}"
        ctx.progress(f"{share} {clean(message or '', 200)}\n")

    try:
        answer = await one.call(tool, given, progress if ctx.watched else None)
    except McpFailure as failure:
        raise ToolError(f"{failure}.") from None
    return result_of(answer)
