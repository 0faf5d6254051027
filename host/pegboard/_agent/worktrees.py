"""A session in a checkout of its own: it is asked for before the session starts, and given back when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pegboard.decisions import Answer
from pegboard.errors import PegboardError
from pegboard.records import Event, Record, WorkspaceRecord, WorktreeLeft, WorktreeWanted


class Session(Protocol):
    """What is known here of a session."""

    worktree: str
    workspace: Path
    cwd: Path
    kept: str

    async def fire(self, event: Event) -> Sequence[tuple[str, Answer]]: ...
    def write(self, record: Record) -> None: ...
    def notice(self, plugin: str, text: str, level: str = "info") -> None: ...


async def enter(session: Session, origin: Path) -> None:
    """Let a session work in a checkout of *origin*. Raises PegboardError where nobody makes one."""
    name = session.worktree
    answers = await session.fire(WorktreeWanted(worktree=name, folder=str(origin)))
    for plugin, answer in answers:
        if answer.block:
            raise PegboardError(f"there is no worktree {name!r}: {answer.reason or plugin + ' refuses to make it'}")
    found = [answer.path for _, answer in answers if answer.path]
    if not found:
        raise PegboardError(f"there is no worktree {name!r}: no plugin that takes part here makes one")
    session.workspace = session.cwd = Path(found[0])
    session.write(WorkspaceRecord(name=name, folder=found[0]))


async def leave(session: Session) -> None:
    """Give back the worktree that a session worked in."""
    answers = await session.fire(WorktreeLeft(worktree=session.worktree, folder=str(session.workspace)))
    session.kept = next((answer.reason for _, answer in answers if answer.reason), "")
    if session.kept:
        session.notice("", f"the worktree {session.worktree} was kept: {session.kept}", "warning")
