"""The events of the contract as rows of one table: what each is matched on, may run, may answer, and who fires it."""

from __future__ import annotations

from enum import StrEnum

from pegboard.errors import PegboardError, did_you_mean
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks import inputs, outputs
from pegboard_builtins.wire_hooks.handlers import HandlerType

COMMAND, HTTP, FUNCTION = HandlerType.COMMAND, HandlerType.HTTP, HandlerType.FUNCTION
PROMPT, AGENT, MCP = HandlerType.PROMPT, HandlerType.AGENT, HandlerType.MCP_TOOL
FIVE = frozenset({COMMAND, HTTP, FUNCTION, MCP, PROMPT, AGENT})
THREE = frozenset({COMMAND, HTTP, FUNCTION, MCP})
TWO = frozenset({COMMAND, FUNCTION, MCP})

DEFAULT_SECONDS = {PROMPT: 30.0, AGENT: 60.0}
"""Where an entry says no timeout; all other types have their row's."""


class Exit2(StrEnum):
    """What exit code 2 does (hook-contract 1.5)."""

    BLOCK = "blocks; stderr is the reason"
    FEEDBACK = "stderr goes to the model"
    USER = "stderr goes to the user"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event. Python and settings spellings are made from `name`.

    `matches` is the field of the input that a matcher is held against, "" where matchers are ignored. `decides` says
    that `decision: "block"` counts. `text` says that plain stdout is context for the model. `stops` says that
    `continue: false` counts, `speaks` that `systemMessage` does. `tool` says that `if` may be used. `late_blocks` says
    that a hook which is cut off at its deadline has refused. `separators` are
    what parts the names of an exact matcher. `fires` says when the host fires it; it is empty where nothing can, and
    `missing` then says what would have to exist. Events with a `by_tool` are fired by that tool alone.
    """

    name: str
    input: type[inputs.Input]
    specific: type[outputs.Specific] | None = None
    matches: str = ""
    types: frozenset[HandlerType] = THREE
    seconds: float = 600.0
    exit_2: Exit2 = Exit2.IGNORED
    decides: bool = False
    text: bool = False
    stops: bool = False
    speaks: bool = True
    tool: bool = False
    late_blocks: bool = False
    separators: str = "|,"
    fires: str = ""
    missing: str = ""
    by_tool: str = ""

    @property
    def snake(self) -> str:
        """The name in Python: `pre_tool_use`."""
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in self.name).lstrip("_")

    @property
    def can_block(self) -> bool:
        """Whether a hook's refusal means anything here, so that `on_error = "closed"` does, too."""
        return self.exit_2 is Exit2.BLOCK

    def seconds_of(self, kind: HandlerType) -> float:
        """Return the deadline of a handler that says none; where being late is a refusal, one holds for all types."""
        return self.seconds if self.late_blocks else DEFAULT_SECONDS.get(kind, self.seconds)


_ALL = (
    EventRow(
        "SessionStart",
        inputs.SessionStartInput,
        outputs.SessionStartSpecific,
        matches="source",
        types=TWO,
        exit_2=Exit2.USER,
        text=True,
        speaks=False,
        fires="a session begins, is resumed or forked, and after each compaction",
    ),
    EventRow(
        "Setup",
        inputs.SetupInput,
        outputs.SetupSpecific,
        matches="trigger",
        types=TWO,
        exit_2=Exit2.USER,
        fires="`pegboard run --init` or `--maintenance`",
    ),
    EventRow(
        "InstructionsLoaded",
        inputs.InstructionsLoadedInput,
        matches="load_reason",
        speaks=False,
        fires="the plugin project_memory has read a memory file",
    ),
    EventRow(
        "UserPromptSubmit",
        inputs.UserPromptSubmitInput,
        outputs.UserPromptSubmitSpecific,
        types=FIVE,
        seconds=30.0,
        exit_2=Exit2.BLOCK,
        decides=True,
        text=True,
        stops=True,
        fires="a prompt was sent, and the model has not seen it",
    ),
    EventRow(
        "UserPromptExpansion",
        inputs.UserPromptExpansionInput,
        outputs.UserPromptExpansionSpecific,
        matches="command_name",
        types=FIVE,
        exit_2=Exit2.BLOCK,
        decides=True,
        text=True,
        stops=True,
        fires="a command that a person typed is about to become a prompt",
    ),
    EventRow(
        "MessageDisplay",
        inputs.MessageDisplayInput,
        outputs.MessageDisplaySpecific,
        seconds=10.0,
        speaks=False,
        fires="a message of the model with text is whole and about to be shown",
    ),
    EventRow(
        "PreToolUse",
        inputs.PreToolUseInput,
        outputs.PreToolUseSpecific,
        matches="tool_name",
        types=FIVE,
        exit_2=Exit2.BLOCK,
        decides=True,
        stops=True,
        tool=True,
        fires="a tool is about to run, before the permission rules",
    ),
    EventRow(
        "PermissionRequest",
        inputs.PermissionRequestInput,
        outputs.PermissionRequestSpecific,
        matches="tool_name",
        types=FIVE,
        stops=True,
        speaks=False,
        tool=True,
        fires="somebody must be asked about a call, or it would be refused",
    ),
    EventRow(
        "PermissionDenied",
        inputs.PermissionDeniedInput,
        outputs.PermissionDeniedSpecific,
        matches="tool_name",
        types=FIVE,
        tool=True,
        fires="the judge of auto mode has refused a call, or could not be asked",
    ),
    EventRow(
        "PostToolUse",
        inputs.PostToolUseInput,
        outputs.PostToolUseSpecific,
        matches="tool_name",
        types=FIVE,
        exit_2=Exit2.FEEDBACK,
        decides=True,
        stops=True,
        tool=True,
        fires="a tool has run",
    ),
    EventRow(
        "PostToolUseFailure",
        inputs.PostToolUseFailureInput,
        outputs.PostToolUseFailureSpecific,
        matches="tool_name",
        types=FIVE,
        exit_2=Exit2.FEEDBACK,
        decides=True,
        tool=True,
        fires="a tool has started and failed",
    ),
    EventRow(
        "PostToolBatch",
        inputs.PostToolBatchInput,
        outputs.PostToolBatchSpecific,
        types=FIVE,
        exit_2=Exit2.BLOCK,
        decides=True,
        stops=True,
        fires="all calls of a message are over, before the next request",
    ),
    EventRow(
        "Notification",
        inputs.NotificationInput,
        matches="notification_type",
        speaks=False,
        fires="a question in a chat has waited for 6 s, or its person is idle for 60 s, or a call was deferred",
    ),
    EventRow(
        "SubagentStart",
        inputs.SubagentStartInput,
        outputs.SubagentStartSpecific,
        matches="agent_type",
        exit_2=Exit2.USER,
        fires="a sub-agent begins",
    ),
    EventRow(
        "SubagentStop",
        inputs.SubagentStopInput,
        outputs.SubagentStopSpecific,
        matches="agent_type",
        types=FIVE,
        exit_2=Exit2.BLOCK,
        decides=True,
        stops=True,
        fires="a sub-agent wants to end",
    ),
    EventRow(
        "TaskCreated",
        inputs.TaskCreatedInput,
        types=FIVE,
        exit_2=Exit2.BLOCK,
        decides=True,
        fires="the model has made a task, where the flag `tasks` is on",
        by_tool="TaskCreate",
    ),
    EventRow(
        "TaskCompleted",
        inputs.TaskCompletedInput,
        types=FIVE,
        exit_2=Exit2.BLOCK,
        decides=True,
        stops=True,
        fires="the model says that a task is done, where the flag `tasks` is on",
        by_tool="TaskUpdate",
    ),
    EventRow(
        "TeammateIdle",
        inputs.TeammateIdleInput,
        types=FIVE,
        exit_2=Exit2.BLOCK,
        decides=True,
        stops=True,
        missing="teams of agents",
    ),
    EventRow(
        "Stop",
        inputs.StopInput,
        outputs.StopSpecific,
        types=FIVE,
        exit_2=Exit2.BLOCK,
        decides=True,
        stops=True,
        fires="the model wants to end its turn",
    ),
    EventRow(
        "StopFailure",
        inputs.StopFailureInput,
        matches="error",
        speaks=False,
        separators="|",
        fires="a turn ended by an error of the model's API, instead of Stop",
    ),
    EventRow(
        "ConfigChange",
        inputs.ConfigChangeInput,
        matches="source",
        exit_2=Exit2.BLOCK,
        decides=True,
        fires="a settings file that is read for hooks has changed on disk",
    ),
    EventRow(
        "CwdChanged",
        inputs.CwdChangedInput,
        outputs.CwdChangedSpecific,
        exit_2=Exit2.USER,
        fires="the working folder has changed",
    ),
    EventRow(
        "DirectoryAdded",
        inputs.DirectoryAddedInput,
        matches="source",
        fires="a person adds a folder to the workspace, with /add-dir in a chat",
    ),
    EventRow(
        "FileChanged",
        inputs.FileChangedInput,
        outputs.FileChangedSpecific,
        matches="file_path",
        separators="|",
        exit_2=Exit2.USER,
        fires="a watched file has changed on disk",
    ),
    EventRow(
        "WorktreeCreate",
        inputs.WorktreeCreateInput,
        outputs.WorktreeCreateSpecific,
        exit_2=Exit2.BLOCK,
        fires="a session or a sub-agent shall work in a checkout of its own",
    ),
    EventRow(
        "WorktreeRemove",
        inputs.WorktreeRemoveInput,
        speaks=False,
        fires="such a checkout is about to be taken away: nothing would be lost by that",
    ),
    EventRow(
        "PreCompact",
        inputs.PreCompactInput,
        outputs.PreCompactSpecific,
        matches="trigger",
        exit_2=Exit2.BLOCK,
        decides=True,
        text=True,
        speaks=False,
        fires="the conversation is about to be made shorter",
    ),
    EventRow(
        "PostCompact",
        inputs.PostCompactInput,
        matches="trigger",
        exit_2=Exit2.USER,
        speaks=False,
        fires="the conversation was made shorter",
    ),
    EventRow(
        "Elicitation",
        inputs.ElicitationInput,
        outputs.ElicitationSpecific,
        matches="mcp_server_name",
        exit_2=Exit2.BLOCK,
        fires="an MCP server asks the person something",
    ),
    EventRow(
        "ElicitationResult",
        inputs.ElicitationResultInput,
        outputs.ElicitationResultSpecific,
        matches="mcp_server_name",
        exit_2=Exit2.BLOCK,
        fires="an MCP server is about to be answered",
    ),
    EventRow(
        "SessionEnd",
        inputs.SessionEndInput,
        matches="reason",
        seconds=1.5,
        exit_2=Exit2.USER,
        speaks=False,
        fires="a session ends",
    ),
    EventRow(
        "PreModelSwitch",
        inputs.PreModelSwitchInput,
        outputs.PreModelSwitchSpecific,
        matches="to_model",
        types=FIVE,
        seconds=30.0,
        exit_2=Exit2.BLOCK,
        decides=True,
        late_blocks=True,
        fires="the model of a running session is about to be changed (`/model`, `session.use_model`)",
    ),
    EventRow(
        "PostModelSwitch",
        inputs.PostModelSwitchInput,
        outputs.PostModelSwitchSpecific,
        matches="to_model",
        seconds=30.0,
        text=True,
        fires="the model of a session was changed, or it is resumed with another",
    ),
)

EVENTS: dict[str, EventRow] = {row.name: row for row in _ALL}
"""Every event by its name on the wire."""

SHORT = {
    "pre-tool": "PreToolUse",
    "post-tool": "PostToolUse",
    "prompt-submit": "UserPromptSubmit",
    "compaction": "PreCompact",
    "ask": "PermissionRequest",
}
"""Our own spellings, as in `pegboard hooks specs`."""

SPELLED = {
    **{row.name.lower(): row.name for row in _ALL},
    **{row.snake: row.name for row in _ALL},
    **SHORT,
    **{name.replace("-", "_"): event for name, event in SHORT.items()},
}


class UnknownEventError(PegboardError):
    """An event that the contract does not have."""

    def __init__(self, event: str) -> None:
        self.event = event
        hint = did_you_mean(event, [*EVENTS, *SHORT])
        super().__init__(f"there is no event {event!r}.{hint} `pegboard hooks events` shows them all.")


def event_named(said: str) -> str | None:
    """Return an event's wire name by any spelling (PreToolUse, pre_tool_use, pre-tool); None if there is none."""
    if said in EVENTS:
        return said
    return SPELLED.get(said.lower()) or SPELLED.get(said.lower().replace("-", "_"))


def row_of(said: str) -> EventRow:
    """Return an event's row by any spelling of its name. Raises UnknownEventError."""
    name = event_named(said)
    if name is None:
        raise UnknownEventError(said)
    return EVENTS[name]
