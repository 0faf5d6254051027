"""Hooks that teams own already, on the field's wire contract: shell, HTTP, Python, prompt, agent and MCP tool.

Everything but `presence` is imported when a project declares a hook: a session without one pays nothing for this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from pegboard.context import Ailment, Ctx, Registry, Wanted
from pegboard.decisions import (
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    ResultPatch,
    Skip,
    StepDecision,
)
from pegboard.declares import Declares
from pegboard.errors import SettingsError
from pegboard.flags import flag
from pegboard.hookspecs import Ask, State, hookimpl
from pegboard.messages import Outcome, ToolCall
from pegboard.records import Event, HooksBrought
from pegboard.requests import CompactionJob, CompactionResult
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.presence import Stamp, declares_anything, stamp
from pegboard_builtins.wire_hooks.settings import TABLE, HookSettings

if TYPE_CHECKING:
    from pegboard_builtins.wire_hooks.session import HookSession

declares = Declares(permissions=["rewrite", "approve", "context", "model", "invoke"])

MODELS = flag(
    "hooks.ask_models",
    True,
    kind="ops",
    help="Hooks of the types prompt and agent ask a model; each event that they match costs a request or more.",
)
LAST_RESORT = 24 * 3600.0
"""Seconds: every handler has its own deadline, which is kept with the handler; this one is never reached."""

SAME_MOMENT = 0.05
"""Seconds in which the files are not looked at again: seven hooks ask at the start of one turn."""

STEPS = frozenset({"Stop", "SubagentStop", "PostToolBatch"})
"""The events that are fired where the host asks what comes next."""

LAST = frozenset({"SessionEnd", "WorktreeRemove"})
"""Events after which nothing comes; a session's worktree is taken away when the session is over."""

BROUGHT = "HooksBrought"
"""The event by which a skill's own hooks come, whatever else is declared."""

COMMANDS = {
    "events": "events",
    "list": "listing",
    "order": "order",
    "fire": "fire",
    "schema": "schema",
    "test": "test",
    "replay": "replay",
    "check": "check",
    "selftest": "selftest",
    "explain": "explain",
    "add": "add",
    "enable": "enable",
    "disable": "disable",
}
"""The verbs of `pegboard hooks`, each with its module in `verbs`."""


@dataclass(slots=True)
class _Kept:
    """What is known of a session: its hooks, None where nothing is declared; what the files were when it looked.

    `broken` says why what is declared could not be read, by a fault of ours: no guard may be gone because of one.
    """

    stamp: Stamp | None
    looked: float
    session: HookSession | None
    broken: str = ""


_kept: WeakKeyDictionary[Ctx, _Kept] = WeakKeyDictionary()
_by_id: WeakValueDictionary[str, HookSession] = WeakValueDictionary()
"""Sessions with hooks, for their sub-agents."""


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[hooks]`, say what wants consent, offer the runners and the verbs."""
    try:
        registry.settings(HookSettings, table=TABLE)
    except SettingsError as error:
        # Guards that are switched off by a typing error would be worse than one that leaves the typing error out.
        wrong: str | None = str(error)
    else:
        wrong = None

    def hooks_are_well_formed() -> list[Ailment]:
        from pegboard_builtins.wire_hooks.health import ailments_of

        project = registry.host.project
        return ailments_of(registry.all_settings(), project, wrong, lambda one: registry.consented(project, one))

    def wanted(project: Path) -> Iterable[Wanted]:
        if not declares_anything(registry.all_settings(), project):
            return []
        from pegboard_builtins.wire_hooks import sources

        return sources.wanted(registry.all_settings(), project)

    def runners() -> AbstractAsyncContextManager[Any]:
        from pegboard_builtins.wire_hooks.runners import open_runners

        return open_runners()

    registry.add_health_check("declared hooks", hooks_are_well_formed)
    registry.add_consent(wanted)
    registry.add_service("wire_hooks", runners)
    for name, module in COMMANDS.items():
        registry.add_command(f"hooks {name}", f"pegboard_builtins.wire_hooks.verbs.{module}:run")
    registry.add_command("hooks", chat="pegboard_builtins.wire_hooks.chat:hooks_command")


# --- who takes part ------------------------------------------------------------------------------------


def _session(ctx: Ctx) -> HookSession | None:
    """Return the hooks of a session, None if nothing is declared.

    They are read again where a turn begins and a file has changed: what is written during a turn waits for the next.
    """
    kept = _kept.get(ctx)
    if ctx.parents:
        return kept.session if kept is not None else _below(ctx)
    if kept is None:
        kept = _kept[ctx] = _Kept(None, 0.0, None)
    clock = time.monotonic()
    if kept.stamp is not None and not ctx.begins_turn:
        return kept.session
    if kept.stamp is not None and clock - kept.looked < SAME_MOMENT:
        return kept.session
    kept.looked = clock
    now = stamp(ctx.all_settings, ctx.project)
    if kept.stamp != now:
        kept.broken = ""
        try:
            _read(ctx, kept, now)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            kept.broken, kept.stamp = "" if kept.session else problem, now
            so = "those of the last turn still hold" if kept.session else "no call runs that they might refuse"
            ctx.notice(f"declared hooks could not be read, so {so}: {problem}", level="error")
    return kept.session


def _read(ctx: Ctx, kept: _Kept, now: Stamp) -> None:
    if kept.session is not None:
        if kept.session.reload():
            kept.stamp = now
        return
    if declares_anything(ctx.all_settings, ctx.project):
        from pegboard_builtins.wire_hooks.session import HookSession

        kept.session = _by_id[ctx.session_id] = HookSession.open(ctx)
    kept.stamp = now


def _below(ctx: Ctx) -> HookSession | None:
    """Return the hooks of a sub-agent, which are those of who started it."""
    above = _by_id.get(ctx.parents[-1])
    own = above.below(ctx) if above is not None else None
    if own is None and ctx.brief is not None and ctx.brief.hooks:
        from pegboard_builtins.wire_hooks.session import HookSession

        own = HookSession.of_agent(ctx, HookSession.without_hooks(ctx).table)
    kept = _kept[ctx] = _Kept(None, 0.0, own)
    if kept.session is not None:
        _by_id[ctx.session_id] = kept.session
    return kept.session


def _wants(*events: str) -> Callable[[Ctx], bool]:
    """Return a `when` for these events."""

    def when(ctx: Ctx) -> bool:
        session = _session(ctx)
        return session is not None and not session.events().isdisjoint(events)

    return when


def _wants_calls(ctx: Ctx) -> bool:
    session = _session(ctx)
    return bool(_kept[ctx].broken) or (session is not None and "PreToolUse" in session.events())


def _wanted_lifecycle(ctx: Ctx) -> bool | str:
    session = _session(ctx)
    if session is None:
        return BROUGHT
    from pegboard_builtins.wire_hooks.session import LIFECYCLE

    # The first to begin a session and the last to end it.
    return "|".join(sorted({BROUGHT, "SessionStart", "SessionEnd"} | (session.events() & LIFECYCLE)))


@cache
def _apply() -> Any:
    """Return the module `apply`: what happens with every tool call does not look for it each time."""
    from pegboard_builtins.wire_hooks import apply

    return apply


def _bring(ctx: Ctx, event: HooksBrought) -> None:
    from pegboard_builtins.wire_hooks.session import HookSession

    session = _session(ctx)
    if session is None:
        session = _kept[ctx].session = _by_id[ctx.session_id] = HookSession.without_hooks(ctx)
    session.bring_those_of(event)


def _of(ctx: Ctx) -> HookSession:
    session = _kept[ctx].session
    assert session is not None  # `when` said so
    return session


# --- the eleven hooks that they hang from ----------------------------------------------------------------


def _has_prompts(ctx: Ctx) -> bool:
    session = _session(ctx)
    return session is not None and ("UserPromptSubmit" in session.events() or session.may_tell_later)


@hookimpl(rewrites=True, after="*", timeout=LAST_RESORT, when=_has_prompts)
async def prompt_submit(prompt: str, ctx: Ctx) -> PromptDecision | None:
    """UserPromptSubmit."""
    from pegboard_builtins.wire_hooks import apply

    return await apply.prompt_submit(_of(ctx), prompt)


@hookimpl(rewrites=True, after="*", timeout=LAST_RESORT, when=_wants_calls)
async def pre_tool(call: ToolCall, ctx: Ctx) -> Decision | None:
    """PreToolUse: once per call, after every other rewriter."""
    broken = _kept[ctx].broken
    if broken:
        return Decision.deny(f"the declared hooks could not be read ({broken}), and one of them might refuse this")
    answer: Decision | None = await _apply().pre_tool(_of(ctx), call)
    return answer


@hookimpl(timeout=LAST_RESORT, when=_wants("PermissionRequest"))
async def resolve_ask(ask: Ask, ctx: Ctx) -> Resolution | None:
    """PermissionRequest."""
    from pegboard_builtins.wire_hooks import apply

    return await apply.resolve_ask(_of(ctx), ask)


@hookimpl(timeout=LAST_RESORT, when=_wants("PostToolUse", "PostToolUseFailure"))
async def post_tool(call: ToolCall, outcome: Outcome, ctx: Ctx) -> ResultPatch | None:
    """PostToolUse and PostToolUseFailure."""
    answer: ResultPatch | None = await _apply().post_tool(_of(ctx), call, outcome)
    return answer


def _has_steps(ctx: Ctx) -> bool:
    session = _session(ctx)
    if session is None:
        return False
    return session.may_tell_later or not session.events().isdisjoint(STEPS)


def _is_silent(ctx: Ctx) -> bool:
    session = _of(ctx)
    return not session.waiting and session.events().isdisjoint(STEPS)


@hookimpl(timeout=LAST_RESORT, when=_has_steps, unless=_is_silent)
async def next_step(state: State, ctx: Ctx) -> StepDecision | None:
    """PostToolBatch and Stop (SubagentStop); and what background hooks want the model to know."""
    answer: StepDecision | None = await _apply().next_step(_of(ctx), state)
    return answer


@hookimpl(before="*", timeout=LAST_RESORT, when=_wants("PreCompact"))
async def compact(job: CompactionJob, ctx: Ctx) -> CompactionResult | Skip | None:
    """PreCompact: it may keep a compaction from happening, or add to what the summary must keep."""
    from pegboard_builtins.wire_hooks import apply

    return await apply.compact(_of(ctx), job)


@hookimpl(timeout=LAST_RESORT, when=_wanted_lifecycle)
async def lifecycle(event: Event, ctx: Ctx) -> Answer | None:
    """All events of the contract that are told and not decided."""
    if isinstance(event, HooksBrought):
        _bring(ctx, event)
        return None
    from pegboard_builtins.wire_hooks import apply

    if ctx not in _kept and _session(ctx) is None:
        return None
    try:
        return await apply.lifecycle(_of(ctx), event)
    finally:
        if event.name in LAST:
            await _of(ctx).close()
            del _kept[ctx]
