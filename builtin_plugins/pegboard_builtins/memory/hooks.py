"""The hooks of memory: what is said and done goes into its log, and what it knows comes into prompts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pegboard.context import Ctx
from pegboard.decisions import Answer, Decision, PromptDecision
from pegboard.hookspecs import hookimpl
from pegboard.messages import ToolCall
from pegboard.records import Event, LifecycleRecord, Record, SessionEnd, SessionStart
from pegboard.requests import Layer, Purpose, RequestDraft, RequestPatch, Section, Stability
from pegboard_builtins.memory.names import BLOCK, PLUGIN, SERVICE, TOOL, TYPES
from pegboard_builtins.memory.settings import MemorySettings

if TYPE_CHECKING:
    from pegboard_builtins.memory.living import SessionMemory

SOON = 0.05
"""Seconds that the end of a session waits for the daemon; then what is left goes to the spool."""
END_PATIENCE = 1.2
"""Seconds that it waits for all of it. What is not kept by then is taken from its journal later."""
CHANGING = frozenset({"str_replace", "insert", "delete", "rename"})

_sessions: WeakKeyDictionary[Ctx, SessionMemory] = WeakKeyDictionary()
_patches: WeakKeyDictionary[Ctx, RequestPatch] = WeakKeyDictionary()
_tasks: set[asyncio.Task[None]] = set()


def session_of(ctx: Ctx) -> SessionMemory:
    """Return the memory of a session."""
    found = _sessions.get(ctx)
    if found is None:
        from pegboard_builtins.memory.living import SessionMemory

        settings = ctx.settings if isinstance(ctx.settings, MemorySettings) else MemorySettings()
        found = _sessions[ctx] = SessionMemory(ctx, settings, lambda: ctx.service(SERVICE))
    return found


def _is_on(ctx: Ctx) -> bool:
    """Sub-agents are not remembered: their prompts are no person's words, and what they did is in the result."""
    settings = ctx.settings
    return (not isinstance(settings, MemorySettings) or settings.on) and not ctx.parents and not ctx.agent_id


def _recalls(ctx: Ctx) -> bool:
    settings = ctx.settings
    return _is_on(ctx) and (not isinstance(settings, MemorySettings) or settings.recall.on)


@hookimpl(matcher=f"{TYPES}|lifecycle", when=_is_on)
def event(record: Record, ctx: Ctx) -> None:
    """Queue what is to be remembered of a record."""
    memory = session_of(ctx)
    if isinstance(record, LifecycleRecord):
        if record.event == "SessionEnd":
            memory.ended.set()
        return
    memory.observe(record)


@hookimpl(matcher="SessionStart|SessionEnd", when=_is_on)
async def lifecycle(event: Event, ctx: Ctx) -> Answer | None:
    """Go on with what a resumed session knows; choose anew after a compaction; keep the rest before the end."""
    memory = session_of(ctx)
    if isinstance(event, SessionStart):
        if event.source in ("compact", "clear"):
            _forget_block(memory)
        elif event.source != "startup":
            await memory.take_up()
            memory.block = (ctx.state.get(BLOCK) or {}).get("text", "")
    elif isinstance(event, SessionEnd) and memory.busy and await memory.drain(SOON, END_PATIENCE):
        await memory.mark()
    return None


def _forget_block(memory: SessionMemory) -> None:
    memory.block = None
    memory.shown.clear()
    _patches.pop(memory.ctx, None)
    memory.ctx.state.pop(BLOCK, None)


@hookimpl(when=_recalls)
async def prompt_submit(prompt: str, ctx: Ctx) -> PromptDecision | None:
    """Put beside a prompt what is known of its subject and was not said in this session."""
    memory = session_of(ctx)
    await _ensure_block(memory)
    if not memory.swept:
        memory.swept = True
        task = asyncio.create_task(memory.sweep(), name="pegboard-memory-sweep")
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
    text = await memory.prompt_block(prompt)
    return PromptDecision(context=text) if text else None


@hookimpl(when=_recalls)
async def prepare_request(draft: RequestDraft, ctx: Ctx) -> RequestPatch | None:
    """Put what is known into the prompt, with the same bytes for the whole session."""
    if draft.purpose is not Purpose.TURN:
        return None
    memory = session_of(ctx)
    if memory.block is None:
        await _ensure_block(memory)
    if not memory.block:
        return None
    patch = _patches.get(ctx)
    if patch is None:
        section = Section(name=PLUGIN, text=memory.block, layer=Layer.USER, stability=Stability.SESSION, owner=PLUGIN)
        patch = _patches[ctx] = RequestPatch(sections=(section,))
    return patch


async def _ensure_block(memory: SessionMemory) -> None:
    """Choose once what a session is told from its beginning, and keep it in the journal."""
    if memory.block is not None:
        return
    text, ids = await memory.session_block()
    memory.block = text
    if text:
        memory.ctx.state[BLOCK] = {"text": text, "ids": ids}


@hookimpl(matcher=TOOL, when=_is_on)
def pre_tool(call: ToolCall, ctx: Ctx) -> Decision | None:
    """Let the model use its memory without asking: everything it does there stays inside and can be taken back.

    But once it has read words of the web, changing what is there is a person's to allow.
    """
    if call.input.get("command") in CHANGING and session_of(ctx).heard().of_web:
        return Decision.ask(
            "the model has read words of the web in this session, and wants to change what is remembered"
        )
    return Decision.allow("it stays in the folder of facts, and can be reverted")
