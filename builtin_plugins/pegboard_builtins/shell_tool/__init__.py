"""The shell tools: Bash, and BashOutput and KillShell for what it runs in the background."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pegboard.context import Ctx, Registry
from pegboard.flags import flag
from pegboard.hookspecs import hookimpl
from pegboard.records import Event, SessionEnd
from pegboard_builtins.shell_tool import bash, shells
from pegboard_builtins.shell_tool.background import SHELLS, BackgroundShells
from pegboard_builtins.shell_tool.settings import ShellSettings

BACKGROUND = flag(
    "shell.background", True, live=True, safe=False, kind="ops", help="Commands may run in the background."
)


@hookimpl
def register(registry: Registry) -> None:
    """Add the three tools, and say to who asks what runs in the background."""
    registry.add_tool(bash.bash, shells.bash_output, shells.kill_shell)
    settings = registry.settings(ShellSettings)
    registry.add_health_check("sandbox", lambda: _sandbox_health(settings))
    registry.add_service("background_tasks", background_tasks)


def _sandbox_health(settings: ShellSettings) -> str | None:
    from pegboard_builtins.shell_tool.sandbox import health

    return health(settings)


@asynccontextmanager
async def background_tasks() -> AsyncIterator[BackgroundShells]:
    """The service `background_tasks`: `tasks(session_id)` returns what Stop hooks are told."""
    yield SHELLS


@hookimpl(matcher="SessionEnd")
async def lifecycle(event: Event, ctx: Ctx) -> None:
    """End what still runs in the background when the session ends."""
    if isinstance(event, SessionEnd):
        await SHELLS.end_session(ctx.session_id)
