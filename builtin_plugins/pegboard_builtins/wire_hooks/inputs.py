"""What a hook is sent: one model per event, its fields in the order that they have on the wire (hook-contract 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticSerializationError, to_json

from pegboard.messages import whole
from pegboard.settings import Effort as Level
from pegboard.typed import dataclass

PermissionMode = Literal["default", "plan", "acceptEdits", "auto", "dontAsk", "bypassPermissions"]


class Effort(BaseModel):
    """How much work the model puts into an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    level: Level


class Input(BaseModel):
    """What every event has. A field that is None is not sent."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    session_id: str = Field(description="The session, a UUID.")
    transcript_path: str = Field(description="Its journal, JSONL; lines of type user and assistant hold messages.")
    cwd: str = Field(description="The working folder now; it follows `cd`.")
    prompt_id: str | None = Field(default=None, description="The prompt that this belongs to; absent before the first.")
    permission_mode: PermissionMode | None = None
    effort: Effort | None = Field(
        default=None, description="Where one is set, in events about calls and about the end of a turn."
    )
    agent_id: str | None = Field(default=None, description="Only within a sub-agent.")
    agent_type: str | None = Field(
        default=None, description="The sub-agent's kind; on the main thread what `--agent` says."
    )
    flags_snapshot: str | None = Field(
        default=None, description="The id of the session's flags, where one was set (Pegboard only)."
    )
    hook_event_name: str

    def line(self) -> bytes:
        """Return the event as it goes over the wire: compact, one line, a newline at its end."""
        try:
            return to_json(self, exclude_none=True, inf_nan_mode="constants") + b"\n"
        except PydanticSerializationError:  # half a character, say: an event that is not told would be no event
            return to_json(whole(self.model_dump(exclude_none=True)), inf_nan_mode="null") + b"\n"


@dataclass(frozen=True, slots=True)
class Given:
    """An event as values, in the order that they have on the wire: it is sent with whatever fields it has."""

    facts: Mapping[str, Any]

    @property
    def hook_event_name(self) -> str:
        """The event's name on the wire."""
        return str(self.facts["hook_event_name"])

    def line(self) -> bytes:
        """Return the event as it goes over the wire."""
        facts = self.facts if type(self.facts) is dict else dict(self.facts)
        try:
            return to_json(facts, inf_nan_mode="null") + b"\n"  # as models do it: JSON has no NaN
        except PydanticSerializationError:
            return to_json(whole(facts), inf_nan_mode="null") + b"\n"


class _ToolInput(Input):
    tool_name: str
    tool_input: dict[str, Any]


class _McpServer(BaseModel):
    name: str
    source: str


class SessionStartInput(Input):
    """A session begins, is resumed, forked, or goes on after a compaction."""

    hook_event_name: Literal["SessionStart"] = "SessionStart"
    source: Literal["startup", "resume", "clear", "compact", "fork"]
    model: str | None = None
    session_title: str | None = None
    seconds_since_last_response: int | None = Field(default=None, description="Of one that is resumed or forked.")
    context_tokens: int | None = Field(default=None, description="What its context held then.")
    prompt_cache_likely_expired: bool | None = Field(default=None, description="Whether five minutes have passed.")


class SetupInput(Input):
    """`run --init` or `run --maintenance`."""

    hook_event_name: Literal["Setup"] = "Setup"
    trigger: Literal["init", "maintenance"]


class InstructionsLoadedInput(Input):
    """A memory file was loaded."""

    hook_event_name: Literal["InstructionsLoaded"] = "InstructionsLoaded"
    file_path: str
    memory_type: Literal["User", "Project", "Local", "Managed"]
    load_reason: Literal["session_start", "nested_traversal", "path_glob_match", "include", "compact"]
    globs: list[str] | None = None
    trigger_file_path: str | None = None
    parent_file_path: str | None = None


class UserPromptSubmitInput(Input):
    """A prompt that the model has not seen."""

    hook_event_name: Literal["UserPromptSubmit"] = "UserPromptSubmit"
    prompt: str


class UserPromptExpansionInput(Input):
    """A slash command or an MCP prompt became a prompt."""

    hook_event_name: Literal["UserPromptExpansion"] = "UserPromptExpansion"
    expansion_type: Literal["slash_command", "mcp_prompt"]
    command_name: str
    command_args: str
    command_source: str | None = None
    prompt: str


class MessageDisplayInput(Input):
    """Text of the model is about to be shown."""

    hook_event_name: Literal["MessageDisplay"] = "MessageDisplay"
    turn_id: str
    message_id: str
    index: int
    final: bool
    delta: str


class PreToolUseInput(_ToolInput):
    """A tool is about to run."""

    hook_event_name: Literal["PreToolUse"] = "PreToolUse"
    tool_use_id: str
    mcp_server: _McpServer | None = None


class PermissionRequestInput(_ToolInput):
    """Somebody must be asked about a call."""

    hook_event_name: Literal["PermissionRequest"] = "PermissionRequest"
    permission_suggestions: list[dict[str, Any]] | None = None


class PermissionDeniedInput(_ToolInput):
    """The classifier of auto mode refused a call."""

    hook_event_name: Literal["PermissionDenied"] = "PermissionDenied"
    tool_use_id: str
    reason: str


class PostToolUseInput(_ToolInput):
    """A tool has run. `tool_response` is its structured output."""

    hook_event_name: Literal["PostToolUse"] = "PostToolUse"
    tool_response: Any
    tool_use_id: str
    duration_ms: float | None = None
    mcp_server: _McpServer | None = None


class PostToolUseFailureInput(_ToolInput):
    """A tool has started and failed."""

    hook_event_name: Literal["PostToolUseFailure"] = "PostToolUseFailure"
    tool_use_id: str
    error: str
    is_interrupt: bool | None = None
    duration_ms: float | None = None
    mcp_server: _McpServer | None = None


class BatchCall(BaseModel):
    """One call of a batch. `tool_response` is what the model reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    tool_name: str
    tool_input: dict[str, Any]
    tool_use_id: str
    tool_response: Any


class PostToolBatchInput(Input):
    """All calls of a message are over."""

    hook_event_name: Literal["PostToolBatch"] = "PostToolBatch"
    tool_calls: list[BatchCall]


class NotificationInput(Input):
    """A person's attention is wanted."""

    hook_event_name: Literal["Notification"] = "Notification"
    message: str
    title: str | None = None
    notification_type: str


class SubagentStartInput(Input):
    """A sub-agent begins."""

    hook_event_name: Literal["SubagentStart"] = "SubagentStart"


class StopInput(Input):
    """The model wants to end its turn."""

    hook_event_name: Literal["Stop"] = "Stop"
    stop_hook_active: bool
    last_assistant_message: str
    background_tasks: list[dict[str, Any]] = []
    session_crons: list[dict[str, Any]] = []


class SubagentStopInput(Input):
    """A sub-agent wants to end."""

    hook_event_name: Literal["SubagentStop"] = "SubagentStop"
    stop_hook_active: bool
    agent_transcript_path: str
    last_assistant_message: str
    background_tasks: list[dict[str, Any]] = []
    session_crons: list[dict[str, Any]] = []


class StopFailureInput(Input):
    """A turn ended by an error of the model's API."""

    hook_event_name: Literal["StopFailure"] = "StopFailure"
    error: str
    error_details: str | None = None
    last_assistant_message: str


class _Task(Input):
    task_id: str
    task_subject: str
    task_description: str | None = None
    teammate_name: str | None = None
    team_name: str | None = None


class TaskCreatedInput(_Task):
    """A task was made."""

    hook_event_name: Literal["TaskCreated"] = "TaskCreated"


class TaskCompletedInput(_Task):
    """A task was done."""

    hook_event_name: Literal["TaskCompleted"] = "TaskCompleted"


class TeammateIdleInput(Input):
    """A teammate has nothing to do."""

    hook_event_name: Literal["TeammateIdle"] = "TeammateIdle"
    teammate_name: str
    team_name: str | None = None


class ConfigChangeInput(Input):
    """A settings file has changed on disk."""

    hook_event_name: Literal["ConfigChange"] = "ConfigChange"
    source: Literal["user_settings", "project_settings", "local_settings", "policy_settings", "skills"]
    file_path: str | None = None


class CwdChangedInput(Input):
    """The working folder has changed."""

    hook_event_name: Literal["CwdChanged"] = "CwdChanged"
    old_cwd: str
    new_cwd: str


class DirectoryAddedInput(Input):
    """A folder was added to the workspace."""

    hook_event_name: Literal["DirectoryAdded"] = "DirectoryAdded"
    directory: str
    source: Literal["slash_command", "register_repo_root"]


class FileChangedInput(Input):
    """A watched file has changed on disk."""

    hook_event_name: Literal["FileChanged"] = "FileChanged"
    file_path: str
    event: Literal["change", "add", "unlink"]


class WorktreeCreateInput(Input):
    """A worktree is wanted; the hook makes it."""

    hook_event_name: Literal["WorktreeCreate"] = "WorktreeCreate"
    name: str


class WorktreeRemoveInput(Input):
    """A worktree is not wanted any more."""

    hook_event_name: Literal["WorktreeRemove"] = "WorktreeRemove"
    worktree_path: str


class PreCompactInput(Input):
    """The conversation is about to be made shorter."""

    hook_event_name: Literal["PreCompact"] = "PreCompact"
    trigger: Literal["manual", "auto"]
    custom_instructions: str | None = Field(default=None, description="What the person said; null for auto.")

    def line(self) -> bytes:
        """Return the line; `custom_instructions` is sent as null, too (hook-behaviour 2.1, 12)."""
        facts = self.model_dump(mode="json", exclude_none=True)
        facts["custom_instructions"] = self.custom_instructions
        return to_json(facts) + b"\n"


class PostCompactInput(Input):
    """The conversation was made shorter."""

    hook_event_name: Literal["PostCompact"] = "PostCompact"
    trigger: Literal["manual", "auto"]
    compact_summary: str


class ElicitationInput(Input):
    """An MCP server asks the person something."""

    hook_event_name: Literal["Elicitation"] = "Elicitation"
    mcp_server_name: str
    message: str
    mode: Literal["form", "url"] | None = None
    url: str | None = None
    elicitation_id: str | None = None
    requested_schema: dict[str, Any] | None = None


class ElicitationResultInput(Input):
    """The person has answered an MCP server."""

    hook_event_name: Literal["ElicitationResult"] = "ElicitationResult"
    mcp_server_name: str
    mode: Literal["form", "url"] | None = None
    elicitation_id: str | None = None
    action: Literal["accept", "decline", "cancel"]
    content: dict[str, Any] | None = None


class SessionEndInput(Input):
    """A session ends."""

    hook_event_name: Literal["SessionEnd"] = "SessionEnd"
    reason: Literal["clear", "resume", "logout", "prompt_input_exit", "other"]


class _ModelSwitch(Input):
    from_model: str
    to_model: str
    requested_model: str | None = None
    source: str
    context_tokens: int = 0


class PreModelSwitchInput(_ModelSwitch):
    """The model is about to be changed."""

    hook_event_name: Literal["PreModelSwitch"] = "PreModelSwitch"


class PostModelSwitchInput(_ModelSwitch):
    """The model was changed."""

    hook_event_name: Literal["PostModelSwitch"] = "PostModelSwitch"
