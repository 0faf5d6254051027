"""What declared hooks come to, in the host's words: one function per hook that they hang from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pegboard.context import Ctx, NoServiceError
from pegboard.decisions import (
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    ResultPatch,
    Skip,
    StepDecision,
    StepVerb,
    Verdict,
)
from pegboard.hookspecs import Ask, State
from pegboard.messages import Outcome, OutcomeKind, ToolCall
from pegboard.records import (
    DirectoryAdded,
    Event,
    JudgeTold,
    PersonAsked,
    PreModelSwitch,
    SessionStart,
    SkillsChanged,
    TaskCompleted,
    UserPromptExpansion,
)
from pegboard.requests import CompactionJob, CompactionResult
from pegboard_builtins.wire_hooks import payloads
from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.firing import Fired, Told
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.inputs import SessionEndInput
from pegboard_builtins.wire_hooks.merge import Heard, Together, first, last
from pegboard_builtins.wire_hooks.rendering import as_model_text, same_shape
from pegboard_builtins.wire_hooks.session import HookSession

END_BUDGET = "CLAUDE_CODE_SESSIONEND_HOOKS_TIMEOUT_MS"
END_SECONDS_AT_MOST = 60.0
PLUGIN = "wire_hooks"


# --- prompts -------------------------------------------------------------------------------------------


async def prompt_submit(session: HookSession, prompt: str) -> PromptDecision | None:
    """UserPromptSubmit: refuse, replace, add context, name the session, or keep the prompt and stop."""
    late = session.take_waiting()
    if "UserPromptSubmit" not in session.events():
        return PromptDecision(context=late) if late else None
    fired = await session.fire(payloads.user_prompt_submit(prompt, session.ctx))
    together = fired.together
    if together.blocked:
        session.waiting = [late, *session.waiting] if late else session.waiting
        hide, _ = first(fired.heard, "suppressOriginalPrompt")
        return PromptDecision.refuse(together.reason, hide_prompt=bool(hide))
    title, _ = first(fired.heard, "sessionTitle")
    updated, _ = last(fired.heard, "updatedPrompt")
    stopped = f"Operation stopped by hook: {together.stop_reason}" if together.stop else ""
    answer = PromptDecision(
        context=_joined([late, *_contexts(session, fired), stopped]),
        title=title or "",
        updated_prompt=updated or None,
        stop=together.stop,
        reason=together.stop_reason if together.stop else "",
    )
    return answer if answer != PromptDecision() else None


# --- tools ---------------------------------------------------------------------------------------------


async def pre_tool(session: HookSession, call: ToolCall) -> Decision | None:
    """PreToolUse. `continue: false` stops the tool, too, where the contract's program lets it run."""
    fired = await session.fire(payloads.pre_tool_use(call, session.always()), call.id)
    together = fired.together
    if not together.spoken:
        return None
    _tell_of_conflicts(session, fired)
    context = _joined(_contexts(session, fired))
    rule = together.winner.id if together.winner is not None else ""
    if together.stop:
        reason = together.stop_reason or together.reason or "a hook stopped the turn"
        return Decision(verdict=Verdict.DENY, reason=reason, stop=True, context=context, rule=rule)
    stops = together.verdict is Verdict.DENY and _ends_the_turn(fired, together.winner)
    reason = together.reason
    if together.verdict is Verdict.ASK and not reason:
        reason = f"a hook ({rule}) wants this {call.name} call to be confirmed"
    answer = Decision(
        verdict=_bound(fired, together.verdict),
        reason=reason,
        updated_input=_known(session, call, together),
        context=context,
        stop=stops,
        rule=rule,
    )
    return answer if answer != Decision() else None


def _known(session: HookSession, call: ToolCall, together: Together) -> dict[str, Any] | None:
    """Return the new input without keys that the tool does not have: they are dropped, as the contract drops them."""
    updated, tool = together.updated, session.ctx.tools.get(call.name)
    if updated is None or tool is None or tool.spec.input_schema.get("additionalProperties") is not False:
        return updated
    unknown = updated.keys() - tool.spec.input_schema.get("properties", {}).keys()
    if unknown and together.updated_by is not None:
        names = ", ".join(sorted(unknown))
        session.tell(
            f"the hook {together.updated_by.id} gave {call.name} an input with {names}, which it does not have"
        )
    return {key: value for key, value in updated.items() if key not in unknown}


def _bound(fired: Fired, verdict: Verdict | None) -> Verdict | None:
    """Drop an allow of somebody who saw another input than the one that will run."""
    together = fired.together
    if verdict is not Verdict.ALLOW or together.updated is None:
        return verdict
    allowing = [one.handler for one in fired.heard if one.said.verdict is Verdict.ALLOW]
    return verdict if together.updated_by in allowing or any(one.sequential for one in allowing[-1:]) else None


def _ends_the_turn(fired: Fired, winner: Handler | None) -> bool:
    """Whether the one that refused is a prompt hook that says nothing of going on (hook-contract 2.10)."""
    return (
        winner is not None
        and winner.type is HandlerType.PROMPT
        and not winner.continue_on_block
        and fired.row.name in ("PreToolUse", "PostToolUse")
    )


def _tell_of_conflicts(session: HookSession, fired: Fired) -> None:
    rewriters = fired.together.rewriters
    if len(rewriters) > 1:
        names = ", ".join(one.id for one in rewriters)
        session.tell(f"several hooks changed the input of one call ({names}); the last in order counts")


async def resolve_ask(session: HookSession, ask: Ask) -> Resolution | None:
    """PermissionRequest, decided by the lattice and not by who answers first.

    A declared hook's own "ask" is for a person: where there is none it stays a refusal (hook-behaviour 2.1, 3).
    """
    if ask.by == PLUGIN and not session.ctx.interactive:
        return None
    fired = await session.fire(payloads.permission_request(ask, session.ctx), ask.call.id)
    if fired.together.stop:
        by = fired.together.stop_by
        reason = fired.together.stop_reason or f"the hook {by.id if by is not None else ''} stopped the turn"
        return Resolution(allow=False, reason=reason, interrupt=True)
    said = [(one, one.said.specific["decision"]) for one in fired.heard if "decision" in one.said.specific]
    denied = [decision for _, decision in said if decision["behavior"] == "deny"]
    if denied:
        reason = denied[0].get("message") or "Permission denied by hook"
        return Resolution(allow=False, reason=reason, interrupt=any(d.get("interrupt") for d in denied))
    if not said:
        return None
    updated = next((d["updatedInput"] for _, d in reversed(said) if d.get("updatedInput")), None)
    rules = tuple(rule for _, d in said for change in d.get("updatedPermissions", ()) for rule in _rules(change))
    return Resolution(
        allow=True,
        reason=f"allowed by the hook {said[0][0].handler.id}",
        updated_input=updated,
        remember="session" if rules else "once",
        rules=rules,
    )


EDITS = "Edit(./**)"
"""What the mode acceptEdits comes to, as a rule: a hook does not change the session's mode, which is the user's."""


def _rules(change: dict[str, Any]) -> list[str]:
    """Return the rules that such calls may run by from now on (hook-contract C69); only those that allow count."""
    if change.get("type") == "setMode":
        return [EDITS] if change.get("mode") == "acceptEdits" else []
    if change.get("type") != "addRules" or change.get("behavior") != "allow":
        return []
    given = [rule for rule in change.get("rules", ()) if isinstance(rule, dict) and rule.get("toolName")]
    return [f"{r['toolName']}({r['ruleContent']})" if r.get("ruleContent") else str(r["toolName"]) for r in given]


async def post_tool(session: HookSession, call: ToolCall, outcome: Outcome) -> ResultPatch | None:
    """PostToolUse after success, PostToolUseFailure after a tool that started and failed; neither for the rest."""
    if outcome.kind in (OutcomeKind.OK, OutcomeKind.SUBSTITUTED):
        if "PostToolUse" not in session.events():
            return None
        event: Told = payloads.post_tool_use(call, outcome, session.always())
    elif outcome.started and outcome.kind in (OutcomeKind.ERROR, OutcomeKind.TIMEOUT):
        if "PostToolUseFailure" not in session.events():
            return None
        event = payloads.post_tool_use_failure(call, outcome, session.ctx)
    else:
        return None
    fired = await session.fire(event, call.id)
    together = fired.together
    if not together.spoken:
        return None
    name = f"{fired.row.name}:{call.name}"
    texts = [f"{name} hook blocking error from {_source(one)}: {one.said.reason}" for one in together.blocks]
    texts += _contexts(session, fired)
    for one in fired.heard:
        if one.said.specific.get("classifierContext"):
            await session.ctx.fire(JudgeTold(text=one.said.specific["classifierContext"], by=one.handler.id))
    stops = together.stop or any(_ends_the_turn(fired, one.handler) for one in together.blocks)
    if together.stop:
        texts.append(f"{name} hook stopped continuation: {together.stop_reason}")
    answer = ResultPatch(
        context=_joined(texts),
        stop=stops,
        reason=(together.stop_reason or together.reason) if stops else "",
        **_updated_output(session, call, outcome, fired),
    )
    return answer if answer != ResultPatch() else None


def _updated_output(session: HookSession, call: ToolCall, outcome: Outcome, fired: Fired) -> dict[str, Any]:
    """Return the output that takes the tool's place; one of another shape does not count (hook-contract C70)."""
    mcp = call.name.startswith("mcp__")
    keys = ("updatedToolOutput", "updatedMCPToolOutput") if mcp else ("updatedToolOutput",)
    updated, by = last(fired.heard, *keys)
    if by is None:
        return {}
    if not mcp and not same_shape(payloads.response_of(outcome.result), updated):
        session.tell(f"the output that the hook {by.id} gave for {call.name} has another shape; it does not count")
        return {}
    text = session.cut(as_model_text(updated))
    return {"output": text, "data": updated} if isinstance(updated, dict) else {"output": text}


# --- steps ---------------------------------------------------------------------------------------------


async def next_step(session: HookSession, state: State) -> StepDecision | None:
    """PostToolBatch after a batch, Stop when the model ends."""
    late = session.take_waiting()
    answer = await (_stop(session, state) if state.ending else _batch(session, state))
    if not late:
        return answer
    if answer is None:
        return StepDecision(inject=late)
    return answer.model_copy(update={"inject": _joined([late, answer.inject])})


async def _batch(session: HookSession, state: State) -> StepDecision | None:
    if "PostToolBatch" not in session.events():
        return None
    fired = await session.fire(payloads.post_tool_batch(state, session.ctx))
    together = fired.together
    if together.stop or together.blocked:
        reason = together.stop_reason if together.stop else together.reason
        told = _joined([*_contexts(session, fired), f"PostToolBatch hook stopped continuation: {reason}"])
        return StepDecision(verb=StepVerb.STOP, reason=reason, inject=told)
    context = _joined(_contexts(session, fired))
    return StepDecision(inject=context) if context else None


async def _background_tasks(ctx: Ctx) -> list[dict[str, Any]]:
    """Ask whoever runs things in the background, if anybody does."""
    try:
        runner = await ctx.service("background_tasks")
    except NoServiceError:
        return []
    return list(runner.tasks(ctx.session_id))


async def _stop(session: HookSession, state: State) -> StepDecision | None:
    """Stop on the main thread, SubagentStop in a sub-agent."""
    name, payload = ("SubagentStop", payloads.subagent_stop) if session.ctx.agent_id else ("Stop", payloads.stop)
    if name not in session.events():
        return None
    fired = await session.fire(payload(state, session.ctx, await _background_tasks(session.ctx)))
    together = fired.together
    if together.stop:
        return StepDecision.stop(together.stop_reason or f"a {name} hook ended the turn")
    refusals = [one for one in together.blocks if not _is_impossible(one)]
    texts = [f"Stop hook feedback:\n{one.said.reason}" for one in refusals] + _contexts(session, fired)
    if not texts:
        return None
    return StepDecision.keep_going(_joined(texts), reason=together.reason)


def _is_impossible(one: Heard) -> bool:
    """Whether a prompt hook said that what it wants cannot be had, so that the turn may end (hook-contract C78)."""
    return bool(one.said.specific.get("impossible"))


# --- compaction ----------------------------------------------------------------------------------------


async def compact(session: HookSession, job: CompactionJob) -> CompactionResult | Skip | None:
    """PreCompact: keep it from happening, or tell the summary what to keep."""
    fired = await session.fire(payloads.pre_compact(job, session.ctx))
    together = fired.together
    if together.blocked:
        return Skip(reason=f"Compaction blocked by PreCompact hook: {together.reason}")
    words = [text for _, text in [*together.texts, *together.contexts]]
    if not words or job.default is None:
        return None
    answer: CompactionResult | Skip | None = await job.default(
        replace(job, instructions=_joined([job.instructions, *words]))
    )
    return answer


# --- lifecycle -----------------------------------------------------------------------------------------

OF_THE_MAIN_THREAD = frozenset({"SessionStart", "SessionEnd"})
"""Events of the contract that are not told of a sub-agent, which has a session of its own only here."""


async def lifecycle(session: HookSession, event: Event) -> Answer | None:
    """Fire what the contract has too; the rest is ours alone."""
    if isinstance(event, SessionStart) and event.source != "compact":
        session.tell_of_the_table()
        session.watch_files()
    if event.name not in session.events() or (session.ctx.agent_id and event.name in OF_THE_MAIN_THREAD):
        return None
    told = payloads.lifecycle(event, session.ctx)
    if told is None:
        return None
    if isinstance(told, SessionEndInput):
        await _end(session, told)
        return None
    fired = await session.fire(told)
    paths, _ = last(fired.heard, "watchPaths")
    if paths is not None and session.watch is not None:
        session.watch.watch(paths)
    if first(fired.heard, "reloadSkills")[0]:
        await session.ctx.fire(SkillsChanged())
    if isinstance(event, PreModelSwitch):
        return await _switch(session, fired, event)
    return _told(session, fired, event)


async def _switch(session: HookSession, fired: Fired, event: PreModelSwitch) -> Answer | None:
    """Refuse another model where a hook does, or where it wants a person to be asked who does not agree."""
    together = fired.together
    reason = together.reason
    if together.verdict is Verdict.ASK:
        by = together.winner.id if together.winner is not None else "a hook"
        words = f"From {event.from_model} to {event.to_model}? {reason}".rstrip()
        answers = await session.ctx.fire(PersonAsked(by=by, message=words))
        if any(answer.action == "accept" for _, answer in answers):
            return None
        reason = reason or f"{by} wants a person to agree, and nobody did"
    elif together.verdict is not Verdict.DENY and not together.blocked:
        return None
    return Answer(block=True, reason=reason)


def _told(session: HookSession, fired: Fired, event: Event) -> Answer | None:
    together = fired.together
    prompt, _ = first(fired.heard, "initialUserMessage")
    display, _ = last(fired.heard, "displayContent")
    retry, _ = first(fired.heard, "retry")
    action, _ = first(fired.heard, "action")
    content, _ = first(fired.heard, "content")
    path, _ = first(fired.heard, "worktreePath")
    name = f"SessionStart:{event.source}" if isinstance(event, SessionStart) else ""
    # What a hook has to say of a new folder is for the model (hook-contract 1.5), for the person as well.
    told = [text for _, text in together.messages] if isinstance(event, DirectoryAdded) else []
    # It would end the turn, which has not begun, or a teammate: no prompt is sent, and the task stays open.
    stops = together.stop and isinstance(event, UserPromptExpansion | TaskCompleted)
    answer = Answer(
        context=_joined([*_contexts(session, fired, name), *told]),
        block=together.blocked or stops,
        reason=(together.stop_reason if stops else "") or together.reason,
        display=display,
        retry=bool(retry),
        prompt=prompt or "",
        title=title_of(fired.heard, event),
        action=action or "",
        content=content if action == "accept" else None,
        path=path or "",
    )
    return answer if answer != Answer() else None


def title_of(heard: Sequence[Heard], event: Event) -> str:
    """Return what hooks call a session as it starts; after a compaction it keeps its name (hook-contract 1.5)."""
    if not isinstance(event, SessionStart) or event.source not in ("startup", "resume", "fork"):
        return ""
    return first(heard, "sessionTitle")[0] or ""


async def _end(session: HookSession, told: SessionEndInput) -> None:
    """Fire SessionEnd under one budget for all: 1.5 s, or what a settings file's hook asks for (hook-contract C59)."""
    asked = [h.timeout for h in session.table.active if h.event == "SessionEnd" and h.timeout and h.plugin is None]
    seconds = min(max([EVENTS["SessionEnd"].seconds, *asked]), END_SECONDS_AT_MOST)
    override = os.environ.get(END_BUDGET, "")
    if override.isdigit():
        seconds = int(override) / 1000
    session.table = replace(session.table, entries=tuple(_within(entry, seconds) for entry in session.table.entries))
    await session.fire(told)


def _within(entry: Any, seconds: float) -> Any:
    if entry.handler.event != "SessionEnd":
        return entry
    limit = min(entry.handler.timeout or seconds, seconds)
    return replace(entry, handler=replace(entry.handler, timeout=limit))


# --- words ---------------------------------------------------------------------------------------------


def _contexts(session: HookSession, fired: Fired, name: str = "") -> list[str]:
    """Return what the model is to read, each text with the name of its event, cut where it is long (C51)."""
    event = fired.row.name
    plain = [f"{name or event} hook success: {session.cut(text)}" for _, text in fired.together.texts]
    return plain + [f"{event} hook additional context: {session.cut(text)}" for _, text in fired.together.contexts]


def _source(one: Heard) -> str:
    return f'command: "{one.handler.label}"' if one.handler.type is HandlerType.COMMAND else f'"{one.handler.label}"'


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(text for text in texts if text)
