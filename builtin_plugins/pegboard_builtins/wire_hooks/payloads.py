"""From a hook of the host to an event on the wire: one function per event, each giving its input.

What is told with every tool call is put together as values, in the order of its model; all else is made by its model.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pegboard.context import Ctx
from pegboard.hookspecs import Ask, State
from pegboard.messages import Outcome, ToolCall, ToolResult
from pegboard.records import (
    ConfigChange,
    CwdChanged,
    DirectoryAdded,
    Elicitation,
    ElicitationResult,
    Event,
    FileChanged,
    InstructionsLoaded,
    MessageDisplay,
    Notification,
    PermissionDenied,
    PostCompact,
    PostModelSwitch,
    PreModelSwitch,
    SessionEnd,
    SessionStart,
    Setup,
    StopFailure,
    SubagentStart,
    TaskCompleted,
    TaskCreated,
    UserPromptExpansion,
    WorktreeCreate,
    WorktreeRemove,
)
from pegboard.requests import CompactionJob, CompactionTrigger
from pegboard_builtins.wire_hooks import inputs
from pegboard_builtins.wire_hooks.commands import follow

WITHOUT_PROMPT = frozenset({"startup", "resume", "fork"})
ERROR_LIMIT = 10_000


def _of_call(event: str, call: ToolCall, always: dict[str, Any], facts: dict[str, Any]) -> inputs.Given:
    """Return an event about a call: what its model would send, without making one for each call.

    `test_wire_schemas` holds the two against each other.
    """
    name = call.name
    told = {**always, "hook_event_name": event, "tool_name": name, "tool_input": call.input, **facts}
    if name.startswith("mcp__"):
        told["mcp_server"] = _server(call)
    return inputs.Given(told)


class Always:
    """What every event of a session has, in values: put together again when any of it has changed."""

    __slots__ = ("_ctx", "_now", "_told")

    def __init__(self, ctx: Ctx) -> None:
        self._ctx = ctx
        self._now: tuple[object, ...] = ()
        self._told: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        """Return it, without what is None. It is read only."""
        ctx = self._ctx
        now = (ctx.cwd, ctx.prompt_id, ctx.mode, ctx.flags.snapshot)
        if now != self._now:
            self._now, self._told = now, {name: value for name, value in working(ctx).items() if value is not None}
        return self._told


def common(ctx: Ctx, *, mode: bool = True, prompt: bool = True, effort: str | None = None) -> dict[str, Any]:
    """Return what every event has; *mode* and *prompt* say whether this one tells of those."""
    return {
        # A sub-agent belongs to the session that a person runs: the contract tells of that one.
        "session_id": ctx.parents[0] if ctx.parents else ctx.session_id,
        "transcript_path": str(ctx.transcript),
        "cwd": str(ctx.cwd),
        "prompt_id": (ctx.prompt_id or None) if prompt else None,
        "permission_mode": ctx.mode if mode else None,
        "effort": {"level": effort} if effort else None,
        "agent_id": ctx.agent_id or None,
        "agent_type": ctx.agent_type or None,
        # Only where somebody has set a flag: else a payload has just what the contract knows.
        "flags_snapshot": ctx.flags.snapshot_id if ctx.flags.snapshot.voted else None,
    }


def working(ctx: Ctx) -> dict[str, Any]:
    """Return what events have that are about the model's work: the effort, too, where one is set."""
    return common(ctx, effort=ctx.all_settings.model.effort)


def user_prompt_submit(prompt: str, ctx: Ctx) -> inputs.Input:
    """A prompt was sent."""
    return inputs.UserPromptSubmitInput(**common(ctx), prompt=prompt)


def pre_tool_use(call: ToolCall, always: dict[str, Any]) -> inputs.Given:
    """A tool is about to run."""
    return _of_call("PreToolUse", call, always, {"tool_use_id": call.id})


def permission_request(ask: Ask, ctx: Ctx) -> inputs.Input:
    """Somebody must be asked; there is no `tool_use_id` in it (hook-contract C72)."""
    call = ask.call
    return inputs.PermissionRequestInput(
        **working(ctx), tool_name=call.name, tool_input=call.input, permission_suggestions=suggestions(call, ctx)
    )


def suggestions(call: ToolCall, ctx: Ctx) -> list[dict[str, Any]] | None:
    """Return the changes of permissions that would let such calls run from now on (hook-behaviour 3)."""
    if ctx.mode == "plan":
        return None
    if call.name in ("Write", "Edit", "NotebookEdit"):
        return [{"type": "setMode", "mode": "acceptEdits", "destination": "session"}]
    if call.name == "Bash":
        followed = follow(str(call.input.get("command", "")))
        rules = [{"toolName": "Bash", "ruleContent": f"{command} *"} for command in followed.commands]
        if not rules or followed.unclear:
            return None
    else:
        rules = [{"toolName": call.name}]
    return [{"type": "addRules", "rules": rules, "behavior": "allow", "destination": "localSettings"}]


def post_tool_use(call: ToolCall, outcome: Outcome, always: dict[str, Any]) -> inputs.Given:
    """A tool has run."""
    duration = round(outcome.duration_ms, 3)
    facts = {"tool_response": response_of(outcome.result), "tool_use_id": call.id, "duration_ms": duration}
    return _of_call("PostToolUse", call, always, facts)


def post_tool_use_failure(call: ToolCall, outcome: Outcome, ctx: Ctx) -> inputs.Input:
    """A tool has started and failed; a long error loses its middle."""
    error = outcome.result.text
    if len(error) > ERROR_LIMIT:
        half = ERROR_LIMIT // 2
        error = f"{error[:half]}\n... [{len(error) - 2 * half} characters truncated] ...\n{error[-half:]}"
    return inputs.PostToolUseFailureInput(
        **working(ctx),
        tool_name=call.name,
        tool_input=call.input,
        tool_use_id=call.id,
        error=error,
        is_interrupt=False,
        duration_ms=round(outcome.duration_ms, 3),
        mcp_server=_server(call),
    )


def post_tool_batch(state: State, ctx: Ctx) -> inputs.Input:
    """All calls of a message are over. `tool_response` is what the model reads."""
    calls = [
        inputs.BatchCall(
            tool_name=call.name, tool_input=call.input, tool_use_id=call.id, tool_response=wire_content(outcome.result)
        )
        for call, outcome in zip(state.calls, state.outcomes, strict=False)
    ]
    return inputs.PostToolBatchInput(**working(ctx), tool_calls=calls)


def stop(state: State, ctx: Ctx, background: list[dict[str, Any]]) -> inputs.Input:
    """The model wants to end."""
    return inputs.StopInput(
        **working(ctx),
        stop_hook_active=state.kept_going,
        last_assistant_message=state.text,
        background_tasks=background,
    )


def subagent_stop(state: State, ctx: Ctx, background: list[dict[str, Any]]) -> inputs.Input:
    """A sub-agent wants to end."""
    return inputs.SubagentStopInput(
        **working(ctx),
        stop_hook_active=state.kept_going,
        agent_transcript_path=str(ctx.journal.path),
        last_assistant_message=state.text,
        background_tasks=background,
    )


def pre_compact(job: CompactionJob, ctx: Ctx) -> inputs.Input:
    """The conversation is about to be made shorter."""
    manual = job.trigger is CompactionTrigger.MANUAL
    return inputs.PreCompactInput(
        **common(ctx, mode=False),
        trigger="manual" if manual else "auto",
        custom_instructions=job.instructions if manual else None,
    )


def lifecycle(event: Event, ctx: Ctx) -> inputs.Input | None:
    """Return the input of a lifecycle event that the contract has, too; None for one that is ours alone."""
    shared = common(ctx, mode=False)
    match event:
        case SessionStart():
            first = event.source in WITHOUT_PROMPT
            facts = common(ctx, mode=False, prompt=not first)
            model = None if first else ctx.model_name
            facts |= {"source": event.source, "model": model, "session_title": event.title or None}
            return inputs.SessionStartInput(**facts, **_rest(event))
        case SubagentStart():
            return inputs.SubagentStartInput(**shared)
        case SessionEnd():
            known = event.reason in ("clear", "resume", "logout", "prompt_input_exit")
            return inputs.SessionEndInput(**shared, reason=event.reason if known else "other")
        case Setup():
            facts = common(ctx, mode=False, prompt=False)
            return inputs.SetupInput(**facts, trigger=event.trigger)
        case StopFailure():
            return inputs.StopFailureInput(
                **shared, error=event.error, last_assistant_message=f"API Error: {event.error_details}"
            )
        case Notification():
            return inputs.NotificationInput(
                **shared,
                # Published hooks compare it with these very words.
                message=event.message.replace("Pegboard ", "Claude ", 1),
                title=event.title or None,
                notification_type=event.notification_type,
            )
        case InstructionsLoaded():
            return inputs.InstructionsLoadedInput(
                **shared,
                file_path=event.file_path,
                memory_type=event.memory_type,
                load_reason=event.load_reason,
                trigger_file_path=event.trigger_file_path or None,
                parent_file_path=event.parent_file_path or None,
            )
        case UserPromptExpansion():
            return inputs.UserPromptExpansionInput(
                **common(ctx),
                expansion_type=event.expansion_type,
                command_name=event.command_name,
                command_args=event.command_args,
                command_source=event.command_source or None,
                prompt=event.prompt,
            )
        case PermissionDenied():
            return inputs.PermissionDeniedInput(
                **working(ctx),
                tool_name=event.tool_name,
                tool_input=event.tool_input,
                tool_use_id=event.tool_use_id,
                reason=event.reason,
            )
        case MessageDisplay():
            return inputs.MessageDisplayInput(
                **shared, turn_id=ctx.prompt_id, message_id=event.message_id, index=0, final=True, delta=event.text
            )
        case CwdChanged():
            return inputs.CwdChangedInput(**shared, old_cwd=event.old_cwd, new_cwd=event.new_cwd)
        case DirectoryAdded():
            return inputs.DirectoryAddedInput(**shared, directory=event.directory, source=event.source)
        case ConfigChange():
            return inputs.ConfigChangeInput(**shared, source=event.source, file_path=event.file_path)
        case FileChanged():
            return inputs.FileChangedInput(**shared, file_path=event.file_path, event=event.event)
        case TaskCreated() | TaskCompleted():
            task = inputs.TaskCreatedInput if isinstance(event, TaskCreated) else inputs.TaskCompletedInput
            return task(
                **shared,
                task_id=event.task_id,
                task_subject=event.subject,
                task_description=event.description or None,
            )
        case Elicitation():
            return inputs.ElicitationInput(
                **shared,
                mcp_server_name=event.server,
                message=event.message,
                mode=event.mode,
                url=event.url or None,
                elicitation_id=event.elicitation_id or None,
                requested_schema=event.requested_schema,
            )
        case ElicitationResult():
            return inputs.ElicitationResultInput(
                **shared,
                mcp_server_name=event.server,
                mode=event.mode,
                elicitation_id=event.elicitation_id or None,
                action=event.action,
                content=event.content,
            )
        case WorktreeCreate():
            return inputs.WorktreeCreateInput(**common(ctx, mode=False, prompt=bool(ctx.agent_id)), name=event.worktree)
        case WorktreeRemove():
            return inputs.WorktreeRemoveInput(**shared, worktree_path=event.path)
        case PostCompact():
            trigger = "manual" if event.trigger == CompactionTrigger.MANUAL else "auto"
            return inputs.PostCompactInput(**shared, trigger=trigger, compact_summary=event.compact_summary)
        case PreModelSwitch() | PostModelSwitch():
            switch = inputs.PreModelSwitchInput if isinstance(event, PreModelSwitch) else inputs.PostModelSwitchInput
            return switch(
                **shared,
                from_model=event.from_model,
                to_model=event.to_model,
                source=event.source,
                context_tokens=event.context_tokens,
            )
        case _:
            return None


CACHED = 300
"""Seconds for which a provider keeps what it has read, unless somebody pays for more."""


def _rest(event: SessionStart) -> dict[str, Any]:
    """Return how long a session that goes on has rested, and how much it holds."""
    if not event.answered:
        return {}
    seconds = int(max((datetime.now(UTC) - datetime.fromisoformat(event.answered)).total_seconds(), 0))
    return {
        "seconds_since_last_response": seconds,
        "context_tokens": event.tokens,
        "prompt_cache_likely_expired": seconds > CACHED,
    }


# --- results -------------------------------------------------------------------------------------------


def response_of(result: ToolResult) -> Any:
    """Return a tool's structured output; what the model reads where it has none."""
    return wire_content(result) if result.data is None else result.data


def wire_content(result: ToolResult) -> Any:
    """Return what the model reads: a text, or content blocks."""
    if isinstance(result.content, str):
        return result.content
    return [block.model_dump(mode="json", exclude_none=True) for block in result.content]


def _server(call: ToolCall) -> Any:
    if not call.name.startswith("mcp__"):
        return None
    return {"name": call.name.split("__")[1], "source": "dynamic"}
