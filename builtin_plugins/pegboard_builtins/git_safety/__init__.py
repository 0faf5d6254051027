"""Git safety: destructive git commands are refused, and a checkpoint is taken before a turn changes files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pegboard.context import Ctx, Registry
from pegboard.decisions import Decision
from pegboard.errors import PegboardError
from pegboard.flags import flag
from pegboard.hookspecs import hookimpl
from pegboard.messages import ToolCall
from pegboard.records import Event
from pegboard_builtins.git_safety.settings import GitSafetySettings

if TYPE_CHECKING:
    from pegboard_builtins.git_safety.taking import Checkpoints

CHECKPOINTS = flag(
    "git_safety.checkpoints",
    True,
    kind="ops",
    help="A checkpoint is taken before a turn changes files; in a large tree that costs time and disk.",
)
SERVICE = "checkpoints"
AFTER = "after"
TURN = "turn"
"""In the state: the turn that has its checkpoint, its number (-1 if none could be taken), and AFTER in the end."""
SECONDS = 120.0
_QUOTES = str.maketrans("", "", "\\'\"$\n{}")


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[git_safety]`, the service, the verbs, and what `doctor` asks."""
    registry.settings(GitSafetySettings, tightening=("refuse",))
    registry.add_service(SERVICE, _service(registry))
    registry.add_command(
        "checkpoints",
        "pegboard_builtins.git_safety.verbs:app",
        help="What files were before each turn: look, compare, put back.",
    )
    registry.add_health_check("checkpoints", _health)


def _health() -> str | None:
    from pegboard_builtins.git_safety.plumbing import installed

    return None if installed() else "git is not installed, so no checkpoints are taken before files are changed"


def store_in(state_dir: Path) -> Path:
    """Return where the store lies that all folders share."""
    return state_dir / "git_safety" / "store.git"


class Desk:
    """The service: the checkpoints of each folder, opened once."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._by_folder: dict[Path, Checkpoints] = {}
        self.behind: dict[str, asyncio.Task[int]] = {}
        """What is being taken after a turn, by session."""

    def of(self, folder: Path, settings: GitSafetySettings) -> Checkpoints:
        """Return those of *folder*."""
        from pegboard_builtins.git_safety.taking import Checkpoints

        if folder not in self._by_folder:
            self._by_folder[folder] = Checkpoints(store_in(self._state_dir), folder, settings)
        return self._by_folder[folder]

    async def settle(self, session_id: str) -> None:
        """Wait for what is being taken after the last turn."""
        task = self.behind.pop(session_id, None)
        if task is not None:
            await asyncio.wait([task])


def _service(registry: Registry) -> Callable[[], AbstractAsyncContextManager[Desk]]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Desk]:
        yield Desk(registry.host.state_dir)  # asked only now, so that no start has to import this to know it

    return opened


@hookimpl(guard=True, timeout=SECONDS)
async def pre_tool(call: ToolCall, ctx: Ctx) -> Decision | None:
    """Refuse what destroys; else keep what is there before it is changed for the first time in this turn."""
    settings = ctx.settings
    tool = ctx.tools.get(call.name)
    if tool is None or tool.read_only:
        return None
    command = call.input.get("command")
    if settings.refuse and call.origin != "user" and isinstance(command, str) and _may_call_git(command):
        refused = await asyncio.to_thread(_refused, command, ctx)
        if refused is not None:
            return refused
    if not settings.checkpoints or ctx.state.get(TURN, [-1])[0] == ctx.turn:
        return None
    if tool.claims_of(call.input, ctx.cwd).writes and ctx.flags["git_safety.checkpoints"]:
        ctx.state[TURN] = [ctx.turn, await _taken(ctx, "before", f"{call.name}: first change of the turn")]
    return None


def _may_call_git(command: str) -> bool:
    """Whether git can be meant at all, however it is quoted: nearly all commands need no closer look."""
    return "git" in command.translate(_QUOTES)


def _refused(command: str, ctx: Ctx) -> Decision | None:
    from pegboard_builtins.git_safety.commands import dangers
    from pegboard_builtins.git_safety.consent import asked_for, last_prompt

    for danger in dangers(command, ctx.cwd):
        if not asked_for(danger.kind, last_prompt(ctx)):
            return Decision.deny(
                f"This {danger.what}, and the user did not ask for that. Do it so that it can be undone: "
                f"{danger.instead}. If nothing else will do, ask the user."
            )
    return None


@hookimpl(matcher="TurnEnd|StopFailure|SessionEnd", timeout=SECONDS)
async def lifecycle(event: Event, ctx: Ctx) -> None:
    """Keep what a turn left behind, so that a restore can tell the agent's work from what came later.

    Nobody waits for that but the next checkpoint and the end of the session.
    """
    state = ctx.state.get(TURN, [-1, -1])
    desk: Desk = await ctx.service(SERVICE)
    if state[1] > 0 and len(state) == 2:
        ctx.state[TURN] = [*state, AFTER]
        desk.behind[ctx.session_id] = asyncio.create_task(_taken(ctx, AFTER, "end of the turn"))
    if event.name == "SessionEnd":
        await desk.settle(ctx.session_id)


async def _taken(ctx: Ctx, kind: str, reason: str) -> int:
    """Take a checkpoint and return its number; -1 if that cannot be, which the person is told once."""
    try:
        desk: Desk = await ctx.service(SERVICE)
        if kind != AFTER:
            await desk.settle(ctx.session_id)
        checkpoints = desk.of(ctx.workspace, ctx.settings)
        async with asyncio.timeout(ctx.settings.seconds):
            taken = await asyncio.to_thread(
                checkpoints.take, kind, session=ctx.session_id, turn=ctx.turn, reason=reason
            )
    except (PegboardError, OSError, TimeoutError) as error:
        said = str(error) or f"it took longer than {ctx.settings.seconds:g} s"
        if ctx.state.get("told") != type(error).__name__:
            ctx.state["told"] = type(error).__name__
            ctx.notice(f"No checkpoint was taken, so this turn cannot be undone: {said}", level="warning")
        return -1
    return taken.number
