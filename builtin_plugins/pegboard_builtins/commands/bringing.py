"""Hooks that a file's head brings along: they hold from when it is used until the session ends (hook-contract 2.2)."""

from __future__ import annotations

from collections.abc import Callable

from pegboard.context import Ctx
from pegboard.errors import PegboardError
from pegboard.frontmatter import NestedError
from pegboard.output import visible
from pegboard.records import HooksBrought
from pegboard_builtins.commands.places import Found, Shelf

IN_USE = "hooks_of"
"""The key of our state: the names of the files whose hooks hold."""


async def bring(one: Found, ctx: Ctx) -> None:
    """Let a file's hooks hold from now on."""
    try:
        hooks = one.content.head.hooks()
    except NestedError as error:
        where = f"{visible(str(one.path))}:{error.line}"
        ctx.notice(f"{where}: the hooks of {one.name} do not count: {error.problem}", level="warning")
        return
    if not hooks:
        return
    kind = "skill" if one.is_skill else "command"
    folder = str(one.place.folder.root) if one.place.folder is not None else ""
    await ctx.fire(HooksBrought(by=f"{kind}:{one.name}", hooks=hooks, file=str(one.path), folder=folder))
    names = ctx.state.get(IN_USE, [])
    if one.name not in names:
        ctx.state[IN_USE] = [*names, one.name]


async def bring_again(shelved: Shelf, ctx: Ctx, counts: Callable[[Found, Ctx], bool]) -> None:
    """Let the hooks of a resumed session hold that held when it ended, of those files that still count."""
    for name in ctx.state.get(IN_USE, ()):
        one = shelved.named(name)
        try:
            if one is not None and counts(one, ctx):
                await bring(one, ctx)
                continue
            why = "is gone" if one is None else "has changed, and nobody consented to that"
        except PegboardError as error:
            why = f"cannot be read ({error})"
        ctx.notice(f"hooks that {name} brought no longer hold, because it {why}", level="warning")
