"""Which worktrees there are and who uses them: made when one is wanted, kept while there is something to lose."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
from pathlib import Path

from pegboard.context import Ctx
from pegboard.decisions import Answer
from pegboard.errors import PegboardError
from pegboard.output import visible
from pegboard.records import WorktreeCreate, WorktreeRemove, WorktreeWanted
from pegboard_builtins.worktrees.checkouts import Checkout, Git, GitError
from pegboard_builtins.worktrees.settings import WorktreeSettings

NAME = re.compile(r"(?!.*\.lock$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_-]{1,64})*")
"""A part of a path, and of a branch's name."""
MADE = "made"
"""In the state: the folder of the session's worktree, and who made it ("git", or the plugin that answered)."""


class Keeper:
    """Makes worktrees under *root* and takes them away again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._in_use: dict[str, int] = {}
        """By session, its worktree's folder, opened and locked while it works there: two may share one."""

    async def make(self, event: WorktreeWanted, ctx: Ctx) -> Answer:
        """Return the worktree that is wanted, or why there is none."""
        try:
            return Answer(path=str(await self._made(event, ctx)))
        except (PegboardError, OSError) as error:
            return Answer(block=True, reason=str(error))

    async def _made(self, event: WorktreeWanted, ctx: Ctx) -> Path:
        folder, by = ctx.state.get(MADE, ["", ""])
        if folder and by != "git":  # the session is resumed: it goes on in the one that a hook made for it
            if not Path(folder).is_dir():
                raise GitError(f"{folder}, which {by} made, does not exist any more")
            return Path(folder)
        if not NAME.fullmatch(event.worktree):
            said = visible(event.worktree[:80])
            raise GitError(f"{said!r} is no name for one: it takes letters, digits, '_', '-' and single dots")
        if not folder:
            answers = await ctx.fire(WorktreeCreate(worktree=event.worktree))
            for plugin, answer in answers:
                if answer.block:
                    raise GitError(answer.reason or f"{plugin} refuses to make it")
                if answer.path:
                    ctx.state[MADE] = [answer.path, plugin]
                    return _usable(answer.path, plugin)
        place = self._place_of(Path(event.folder), event.worktree)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        checkout, self._in_use[ctx.session_id] = await asyncio.to_thread(
            _held, _git(Path(event.folder), ctx), place, event.worktree
        )
        ctx.state[MADE] = [str(place), "git"]
        _tell(checkout, ctx)
        return checkout.within

    async def leave(self, ctx: Ctx) -> Answer | None:
        """Take it away where nothing is lost; else say what is in it, and where."""
        try:
            return await self._left(ctx)
        finally:
            handle = self._in_use.pop(ctx.session_id, None)
            if handle is not None:
                os.close(handle)

    async def _left(self, ctx: Ctx) -> Answer | None:
        folder, by = ctx.state.get(MADE, ["", ""])
        place = Path(folder)
        if not folder or not place.is_dir():
            return None
        if by == "git" and not self._alone(ctx.session_id):
            return Answer(reason=f"{folder}: another session works in it")
        try:
            has = await asyncio.to_thread(lambda: _git(place, ctx).content())
        except GitError as error:
            return Answer(reason=f"{folder}: {error}")
        if has:
            return Answer(reason=f"{folder}: {has}")
        await ctx.fire(WorktreeRemove(path=folder))
        if by != "git":
            return Answer(reason=f"{folder}: no hook has taken it away") if place.is_dir() else None
        try:
            await asyncio.to_thread(lambda: _git(ctx.project, ctx).remove(place))
        except GitError as error:
            return Answer(reason=f"{folder}: {error}")
        del ctx.state[MADE]
        return None

    def _place_of(self, origin: Path, name: str) -> Path:
        """Return where a worktree lies: outside of the project, so that nothing there takes it for a part of it."""
        real = os.path.realpath(origin)
        return self._root / f"{Path(real).name}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:12]}" / name

    def _alone(self, session_id: str) -> bool:
        """Whether no other session works there; none begins to until this one lets go."""
        handle = self._in_use.get(session_id)
        if handle is None:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _git(folder: Path, ctx: Ctx) -> Git:
    settings = ctx.settings if isinstance(ctx.settings, WorktreeSettings) else WorktreeSettings()
    return Git(folder, filters=settings.filters)


def _held(git: Git, place: Path, name: str) -> tuple[Checkout, int]:
    """Return a worktree that nobody takes away, and the handle by which it is held."""
    while True:
        checkout = git.add(place, name)
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_SH)  # waits for one who is taking it away
        try:
            if os.path.samestat(os.fstat(handle), os.stat(place)):
                return checkout, handle
        except FileNotFoundError:
            pass
        os.close(handle)


def _usable(path: str, plugin: str) -> Path:
    """Return the folder that a hook names. Raises GitError: it must be one that everybody reads in one way."""
    said = f"{plugin} names {visible(path[:300])!r}"
    if not os.path.isabs(path) or any(part in (".", "..") for part in path.split("/")):
        raise GitError(f"{said}: it takes an absolute path without '.' and '..'")
    if not os.path.isdir(path):
        raise GitError(f"{said}: there is no such folder")
    return Path(path)


def _tell(checkout: Checkout, ctx: Ctx) -> None:
    how = "gone on with" if checkout.existed else "made"
    ctx.notice(f"the worktree {checkout.folder} was {how}, on the branch {checkout.branch}")
    if checkout.left_behind and not ctx.agent_id:
        ctx.notice(
            f"what is not committed in {ctx.project} is in the worktree as it was last committed "
            f"({checkout.left_behind} changed)",
            level="warning",
        )
