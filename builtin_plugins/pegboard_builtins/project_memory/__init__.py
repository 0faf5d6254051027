"""Project memory: CLAUDE.md and AGENTS.md become prompt sections, nested ones come when their folder is touched."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

from pegboard.context import Ctx, Registry
from pegboard.decisions import Answer, ResultPatch
from pegboard.declares import Declares
from pegboard.hookspecs import hookimpl
from pegboard.messages import Outcome, OutcomeKind, ToolCall
from pegboard.records import Event, InstructionsLoaded, SessionStart
from pegboard.requests import Layer, Purpose, RequestDraft, RequestPatch, Section, Stability
from pegboard_builtins.project_memory.files import Memory, MemorySettings, Reader, project_root

declares = Declares(permissions=["context", "rewrite"])

SECTIONS, SEEN = "sections", "seen"
"""Keys of our state: what the prompt was given, byte for byte, and which files the model has."""
FILE_TOOLS = frozenset({"Read", "Edit", "Write", "NotebookEdit"})
READ_AGAIN = frozenset({"startup", "clear", "compact"})

_patches: OrderedDict[str, tuple[Any, RequestPatch]] = OrderedDict()
"""The patch of each session beside the state that it was built from, so that a request does not build it again."""
KEPT_PATCHES = 256


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[project_memory]`."""
    registry.settings(MemorySettings)


@hookimpl(matcher="SessionStart")
async def lifecycle(event: Event, ctx: Ctx) -> Answer | None:
    """Read the files when a session begins, is cleared or was compacted; a resumed one keeps the bytes it had."""
    if isinstance(event, SessionStart) and (event.source in READ_AGAIN or SECTIONS not in ctx.state):
        reason = "compact" if event.source == "compact" else "session_start"
        await _announce(ctx, _read(ctx), reason, seconds=8.0)
    return None


@hookimpl
async def prepare_request(draft: RequestDraft, ctx: Ctx) -> RequestPatch | None:
    """Put the memory files into the prompt, with the same bytes for the whole session."""
    if draft.purpose not in (Purpose.TURN, Purpose.SUBAGENT):
        return None
    if SECTIONS not in ctx.state:
        await _announce(ctx, _read(ctx), "session_start", seconds=1.0)
    kept = ctx.state[SECTIONS]
    if not kept:
        return None
    built = _patches.get(ctx.session_id)
    if built is None or built[0] is not kept:
        built = _patches[ctx.session_id] = (kept, _patch_of(kept))
        while len(_patches) > KEPT_PATCHES:
            _patches.popitem(last=False)
    return built[1]


@hookimpl
async def post_tool(call: ToolCall, outcome: Outcome, ctx: Ctx) -> ResultPatch | None:
    """Show the memory files of a sub-folder when one of its files is touched for the first time."""
    if call.name not in FILE_TOOLS or outcome.kind is not OutcomeKind.OK:
        return None
    named = call.input.get("file_path") or call.input.get("notebook_path")
    if not isinstance(named, str) or not named:
        return None
    cwd = ctx.cwd
    touched = os.path.normpath(os.path.join(cwd, os.path.expanduser(named)))
    if f"{cwd}/".startswith(os.path.dirname(touched).rstrip("/") + "/"):
        return None  # on the way to the working folder: the session has it from its start
    reader = _reader(ctx, set(ctx.state.get(SEEN) or ()))
    known = len(reader.seen)
    memories = reader.nested_files(Path(touched), cwd)
    if len(reader.seen) > known:
        ctx.state[SEEN] = sorted(reader.seen)
    _tell(ctx, reader)
    if not memories:
        return None
    await _announce(ctx, memories, "nested_traversal", trigger=touched, seconds=2.0)
    return ResultPatch(context="\n\n".join(memory.shown for memory in memories))


def _read(ctx: Ctx) -> list[Memory]:
    """Read the session's files into the state, and tell what was left out."""
    reader = _reader(ctx, set())
    memories = reader.session_files(ctx.cwd)
    ctx.state[SECTIONS] = [{"path": str(memory.path), "text": memory.shown} for memory in memories]
    ctx.state[SEEN] = sorted(reader.seen)
    _tell(ctx, reader)
    return memories


def _reader(ctx: Ctx, seen: set[str]) -> Reader:
    settings = ctx.settings if isinstance(ctx.settings, MemorySettings) else MemorySettings()
    return Reader(settings, _root(ctx.session_id, ctx.workspace), ctx.all_settings.trusted, seen)


@lru_cache(maxsize=KEPT_PATCHES)
def _root(session_id: str, project: Path) -> Path:
    """Return the root of a session's project: looked for once, not at every call."""
    return project_root(project)


def _tell(ctx: Ctx, reader: Reader) -> None:
    for notice in reader.notices:
        ctx.notice(notice, level="warning")


def _patch_of(kept: list[dict[str, str]]) -> RequestPatch:
    return RequestPatch(
        sections=tuple(
            Section(
                name=f"project_memory:{file['path']}",
                text=file["text"],
                layer=Layer.USER,
                stability=Stability.SESSION,
                owner="project_memory",
            )
            for file in kept
        )
    )


async def _announce(ctx: Ctx, memories: list[Memory], reason: str, *, trigger: str = "", seconds: float) -> None:
    """Fire InstructionsLoaded for each file. Nobody can change what was loaded, so nobody may hold it up for long."""
    try:
        async with asyncio.timeout(seconds):
            for memory in memories:
                await ctx.fire(
                    InstructionsLoaded(
                        file_path=str(memory.path),
                        memory_type=memory.memory_type,
                        load_reason=reason,
                        trigger_file_path=trigger,
                    )
                )
                for file in memory.imports:
                    await ctx.fire(
                        InstructionsLoaded(
                            file_path=str(file.path),
                            memory_type=memory.memory_type,
                            load_reason="include",
                            parent_file_path=str(file.parent),
                            trigger_file_path=trigger,
                        )
                    )
    except TimeoutError:
        ctx.log.warning("InstructionsLoaded hooks took more than %g s; they were not waited for", seconds)
