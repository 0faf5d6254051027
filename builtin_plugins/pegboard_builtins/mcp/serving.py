"""The host's tools for other agents: a server whose every call goes the way of all calls here.

Hooks, permissions and the journal see them. Nobody can be asked, so what a person would have been asked is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from pegboard import __version__
from pegboard.context import Ctx
from pegboard.errors import PegboardError
from pegboard.messages import ImageBlock, TextBlock, ToolResult
from pegboard.tools import TOOL_SEARCH, Claims, Tool
from pegboard_builtins.mcp.connection import NoMcpError, quiet

if TYPE_CHECKING:
    import mcp_types

SURFACE = "mcp"
NOT_OFFERED = frozenset({TOOL_SEARCH, "AskUserQuestion", "TodoWrite"})
"""Tools that mean something only inside a conversation of this host."""
INSTRUCTIONS = (
    "Tools of a coding agent's host, working in one project's folder. Every call passes that host's hooks and "
    "permission rules; nobody can be asked, so what would need a person's yes is refused."
)


class Queue:
    """Calls that would get in each other's way run one after another, all others together."""

    def __init__(self) -> None:
        self._running: list[Claims] = []
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self, claims: Claims) -> AsyncIterator[None]:
        """Wait until nothing runs that these claims conflict with."""
        async with self._changed:
            await self._changed.wait_for(lambda: not any(claims.conflicts(other) for other in self._running))
            self._running.append(claims)
        try:
            yield
        finally:
            async with self._changed:
                self._running.remove(claims)
                self._changed.notify_all()


def offered(tools: Callable[[], Any], patterns: tuple[str, ...], *, read_only: bool) -> dict[str, Tool]:
    """Return the tools that a client is shown."""
    return {
        name: tool
        for name, tool in tools().items()
        if name not in NOT_OFFERED
        and not name.startswith("mcp__")
        and (tool.read_only or not read_only)
        and (not patterns or any(fnmatchcase(name, pattern) for pattern in patterns))
    }


async def serve(ctx: Ctx, patterns: tuple[str, ...], *, read_only: bool) -> None:
    """Serve on standard input and output until the other side hangs up. Raises NoMcpError."""
    try:
        from mcp.server.stdio import stdio_server
    except ImportError:
        raise NoMcpError from None
    quiet()
    server = server_of(ctx, patterns, read_only=read_only)
    async with stdio_server() as (from_it, to_it):
        await server.run(from_it, to_it, server.create_initialization_options())


def server_of(ctx: Ctx, patterns: tuple[str, ...] = (), *, read_only: bool = False) -> Any:
    """Return the package's server that offers the session's tools."""
    import mcp_types as types
    from mcp.server.lowlevel import Server

    queue = Queue()
    shown = offered(lambda: ctx.tools, patterns, read_only=read_only)

    async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=name,
                    description=str(ctx.emit(SURFACE, tool.description)),
                    input_schema=tool.input_schema,
                    annotations=types.ToolAnnotations(read_only_hint=tool.read_only, idempotent_hint=tool.repeatable),
                )
                for name, tool in shown.items()
            ]
        )

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = shown.get(params.name)
        if tool is None:
            return _said(types, f"There is no tool {params.name!r} here.", error=True)
        given = params.arguments or {}
        try:
            claims = tool.claims_of(given, ctx.cwd)
        except Exception:  # an input that it does not understand is refused with words by the call itself
            claims = Claims.alone()
        try:
            async with queue.turn(claims):
                result = await ctx.invoke(params.name, given)
            return types.CallToolResult(content=_content(types, ctx, result), is_error=result.is_error)
        except PegboardError as error:
            return _said(types, str(error), error=True)

    return Server(
        "pegboard",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _said(types: Any, text: str, *, error: bool) -> mcp_types.CallToolResult:
    said: mcp_types.CallToolResult = types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=error
    )
    return said


def _content(types: Any, ctx: Ctx, result: ToolResult) -> list[Any]:
    """Return a result's blocks, passed through the filters of the way out."""
    parts = (TextBlock(text=result.content),) if isinstance(result.content, str) else result.content
    content: list[Any] = []
    for part in parts:
        if isinstance(part, TextBlock):
            content.append(types.TextContent(type="text", text=str(ctx.emit(SURFACE, part.text))))
        elif isinstance(part, ImageBlock) and part.source.get("type") == "base64":
            source = part.source
            content.append(types.ImageContent(type="image", data=source["data"], mime_type=source["media_type"]))
        else:
            content.append(types.TextContent(type="text", text=f"[{part.type}: not shown]"))
    return content
