"""Worktrees: a session or a sub-agent works in a checkout of its own, which is taken away if nothing is lost by that.

A WorktreeCreate hook takes git's place, as the contract says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from pegboard.context import Ctx, Registry
from pegboard.decisions import Answer
from pegboard.hookspecs import hookimpl
from pegboard.records import Event, WorktreeWanted
from pegboard_builtins.worktrees.settings import WorktreeSettings

if TYPE_CHECKING:
    from pegboard_builtins.worktrees.keeping import Keeper

SERVICE = "worktrees"
SECONDS = 1800.0
"""A large repository, or a hook that installs what the project needs (it has 600 s of its own)."""


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[worktrees]`, add what knows which worktrees are in use."""
    registry.settings(WorktreeSettings)
    registry.add_service(SERVICE, _service(registry))


def _service(registry: Registry) -> Callable[[], AbstractAsyncContextManager[Keeper]]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Keeper]:
        from pegboard_builtins.worktrees.keeping import Keeper

        yield Keeper(registry.host.state_dir / "worktrees")

    return opened


@hookimpl(matcher="WorktreeWanted|WorktreeLeft", timeout=SECONDS)
async def lifecycle(event: Event, ctx: Ctx) -> Answer | None:
    """Make the worktree that a session shall have; take it away at its end."""
    keeper: Keeper = await ctx.service(SERVICE)
    if isinstance(event, WorktreeWanted):
        return await keeper.make(event, ctx)
    return await keeper.leave(ctx)
