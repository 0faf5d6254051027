"""Tools of MCP servers, over stdio and streamable HTTP; and the host's own tools as such a server.

Nothing of this is imported where nobody has declared a server, and the official package (the extra `mcp`) only once
one is started.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pegboard.context import Ailment, Ctx, HostView, Registry, ToolSource, Wanted
from pegboard.declares import Declares
from pegboard.egress import Surface
from pegboard.hookspecs import hookimpl
from pegboard.tools import Tool
from pegboard_builtins.mcp.settings import PROJECT_FILE, TABLE, McpSettings

if TYPE_CHECKING:
    from pegboard_builtins.mcp.desk import Desk

declares = Declares(permissions=["invoke", "context", "secret"])

SERVICE = "mcp"


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[mcp]`, the verbs, what wants consent, and the source of the servers' tools."""
    registry.settings(McpSettings, tightening=("disabled",))

    def wanted(project: Path) -> Iterable[Wanted]:
        folders = registry.all_settings().plugin_folders
        if not (project / PROJECT_FILE).exists() and not any(folder.has("servers") for folder in folders):
            return []
        from pegboard_builtins.mcp.declared import declared, wanted_of

        servers = declared(registry.all_settings(), project).servers
        return [wanted_of(one) for one in servers.values() if one.wants_consent]

    def servers_are_well_declared() -> list[Ailment]:
        from pegboard_builtins.mcp.declared import ailments

        return ailments(registry.host)

    registry.add_consent(wanted)
    registry.add_health_check("MCP servers", servers_are_well_declared)
    registry.add_service(SERVICE, lambda: _opened(registry.host))
    registry.add_tool_source(ToolSource(_tools, where=(PROJECT_FILE, "folders:servers")))
    registry.add_surface(Surface(TABLE, "What clients of `pegboard mcp serve` are told."))
    registry.add_command(TABLE, "pegboard_builtins.mcp.verbs:app")


async def _tools(ctx: Ctx) -> Sequence[Tool]:
    desk: Desk = await ctx.service(SERVICE)
    return await desk.tools(ctx)


@asynccontextmanager
async def _opened(host: HostView) -> AsyncIterator[Desk]:
    from pegboard_builtins.mcp.desk import Desk

    desk = Desk(host)
    try:
        yield desk
    finally:
        await desk.close()
