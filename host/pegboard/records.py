"""One frozen model per journal record and per lifecycle event, and their tagged unions.

Two rules keep published hooks that read the transcript working (hook-contract C87): lines of type `user` and
`assistant` carry `message: {role, content}`, an assistant line holds one content block; and no other record may
contain an unescaped `"role":"assistant"`, so whatever could hold messages or inputs is kept as a JSON string.
"""
# Annotations are no texts here: whoever makes a record would have to compile each one again.

from typing import Annotated, Any, Literal

from pegboard.messages import Usage
from pegboard.typed import Reading, Tagged, Typed


class Record(Typed, extra="ignore"):
    """What every line has: its type, its place in the file, and its time (UTC, ISO 8601, milliseconds).

    `seq` and `timestamp` are given by the journal when it is written.
    """

    seq: int = 0
    timestamp: str = ""


# --- the session ---------------------------------------------------------------------------------------


class PluginStamp(Typed, extra="ignore"):
    """Which plugin was there: name, distribution, version, and the hash of the distribution's files (not of ours)."""

    name: str
    distribution: str = ""
    version: str = ""
    hash: str = ""


class SessionStarted(Record):
    """The first line of every journal."""

    type: Literal["session_start"] = "session_start"
    sessionId: str
    cwd: str
    project: str = ""
    model: str = ""
    version: str = ""
    source: str = "startup"
    parent: str = ""
    parent_seq: int = 0
    agent_id: str = ""
    agent_type: str = ""
    pid: int = 0


class SessionResumed(Record):
    """A session was opened again."""

    type: Literal["session_resume"] = "session_resume"
    cwd: str = ""
    model: str = ""
    version: str = ""
    pid: int = 0


class ModelChanged(Record):
    """The person has chosen another model; the next request goes to it."""

    type: Literal["model_change"] = "model_change"
    model: str


class SessionEnded(Record):
    """A session was closed in good order."""

    type: Literal["session_end"] = "session_end"
    reason: str = "other"


class PlanRecord(Record):
    """The implementations of each hook in their order, once per snapshot; hook records refer to it by `plan`.

    `lock` is the SHA-256 of the `pegboard.lock` that the packs were held to (`run --locked`); empty without one.
    """

    type: Literal["plan"] = "plan"
    plan: str
    plugins: tuple[PluginStamp, ...] = ()
    hooks: dict[str, tuple[str, ...]] = {}
    flags: str = ""
    lock: str = ""


class TurnStarted(Record):
    """A prompt was accepted."""

    type: Literal["turn_start"] = "turn_start"
    turn: int
    prompt_id: str = ""


class TurnEnded(Record):
    """A turn is over; `reason` is an EndReason."""

    type: Literal["turn_end"] = "turn_end"
    turn: int
    reason: str
    detail: str = ""
    steps: int = 0
    usage: Usage = Usage()
    duration_ms: float = 0.0


# --- the conversation ----------------------------------------------------------------------------------


class ToolFacts(Typed, extra="ignore"):
    """What is known of a finished call, beside its result."""

    id: str
    name: str
    outcome: str
    input_hash: str = ""
    duration_ms: float = 0.0
    attempts: int = 1
    started: bool = True
    exit: str = ""


class UserLine(Record):
    """Content for the model that is not the model's: a prompt, a tool result, context, a steering message.

    `kind` says which: prompt, result, context, steer, continue, synthesised.
    `origins` has one list of labels per block.
    """

    type: Literal["user"] = "user"
    message: dict[str, Any]
    kind: str = "prompt"
    origins: tuple[tuple[str, ...], ...] = ()
    tool: ToolFacts | None = None
    source: str = ""
    isMeta: bool = False


class AssistantLine(Record):
    """One content block of an assistant message; lines of one `request` make one message once it is done."""

    type: Literal["assistant"] = "assistant"
    message: dict[str, Any]
    request: str = ""


class PromptRefused(Record):
    """A prompt that never reached the model."""

    type: Literal["prompt_refused"] = "prompt_refused"
    prompt: str
    by: str
    reason: str = ""


class CompactionDone(Record):
    """All earlier messages are replaced by these (`messages_json`: a JSON array as a string)."""

    type: Literal["compaction"] = "compaction"
    trigger: str
    strategy: str
    by: str
    messages_json: str
    summary: str = ""
    tokens_before: int = 0
    tokens_after: int = 0
    handles: dict[str, str] = {}


class CompactionSkipped(Record):
    """A compaction was asked for and did not happen, or one answer was dropped."""

    type: Literal["compaction_skipped"] = "compaction_skipped"
    trigger: str
    by: str = ""
    reason: str = ""


class Forked(Record):
    """The line after which a fork's own history begins."""

    type: Literal["forked"] = "forked"
    parent: str
    parent_seq: int


class Titled(Record):
    """The session has a title now; the last one counts."""

    type: Literal["title"] = "title"
    title: str


# --- the model -----------------------------------------------------------------------------------------


class RequestRecord(Record):
    """A request was sent: the fold of all earlier lines, with the newest `system` record. `hash` covers every byte."""

    type: Literal["request"] = "request"
    request: str
    purpose: str
    model: str
    hash: str
    messages: int


class SystemRecord(Record):
    """The system prompt and the tools of a session, once and whenever compaction or a fork changes them."""

    type: Literal["system"] = "system"
    system: tuple[str, ...]
    tools_json: str
    system_hash: str
    tools_hash: str


class ResponseRecord(Record):
    """A request is over. Only now do its assistant lines count as a message."""

    type: Literal["response"] = "response"
    request: str
    stop_reason: str
    usage: Usage = Usage()
    duration_ms: float = 0.0
    first_ms: float | None = None
    error: str = ""
    cut: str = ""
    text: str = ""


class Discarded(Record):
    """Assistant lines of a request that never ended (a crash, a restart of the stream): they do not count."""

    type: Literal["discarded"] = "discarded"
    request: str
    reason: str


# --- tools and hooks -----------------------------------------------------------------------------------


class ToolStarted(Record):
    """A call that may change something is about to run; without a result after it, it is an orphan."""

    type: Literal["tool_start"] = "tool_start"
    call: str
    name: str
    input: str
    input_hash: str
    claims: str = ""
    attempt: int = 1
    repeatable: bool = False
    origin: str = "model"


class ToolAttempt(Record):
    """An attempt that was not the last, or a call that no model asked for."""

    type: Literal["tool_attempt"] = "tool_attempt"
    call: str
    name: str
    outcome: str
    attempt: int = 1
    duration_ms: float = 0.0
    output: str = ""
    origin: str = "model"
    input: str = ""


class HookRow(Typed, extra="ignore"):
    """What one implementation did, where it did more than say nothing. `i` is its place in the plan.

    `before` and `after` are input hashes; `effect` says what became of the answer (won, kept, applied, dropped...);
    `answer` is the JSON of a new input.
    """

    i: int
    plugin: str
    verdict: str = ""
    reason: str = ""
    effect: str = ""
    error: str = ""
    before: str = ""
    after: str = ""
    answer: str = ""


class HookRecord(Record):
    """One dispatch of one hook.

    `ns` has a duration (nanoseconds) for each implementation of the plan but those in `skipped`; `rows` has those
    that answered or failed; `outcome` says what came of it all, and `winner` whose answer that was.
    """

    type: Literal["hook"] = "hook"
    point: str
    plan: str
    subject: str = ""
    ns: tuple[int, ...] = ()
    rows: tuple[HookRow, ...] = ()
    outcome: str = ""
    winner: str = ""
    before: str = ""
    after: str = ""
    skipped: tuple[int, ...] = ()


class DeclaredRow(Typed, extra="ignore"):
    """What became of one declared hook at one event. `id` names it, `where` says which file and line.

    `status` is ran, failed, timeout, broken, skipped, deduplicated, untrusted, disabled, or background. `exit` is the
    exit code of a process, None where there was none. `stdout` and `stderr` are cut when they are long; `cut` names
    the files that have all of it. `verdict`, `reason` and `effect` are as in HookRow. `problem` is what was wrong.
    """

    id: str
    kind: str
    where: str
    status: str
    ms: float = 0.0
    exit: int | None = None
    verdict: str = ""
    reason: str = ""
    effect: str = ""
    problem: str = ""
    stdout: str = ""
    stderr: str = ""
    cut: tuple[str, ...] = ()


class DeclaredHooks(Record):
    """The declared hooks of one event: in configuration order, each with what it said, and what they came to.

    `event` is the contract's name; `subject` the call's id, where there is one; `payload` is the event as it was sent
    (a JSON string), or the path of a file that has it in `payload_file`. `outcome` is what they came to together,
    `winner` whose answer that was. With `payload` and the rows' answers the outcome can be worked out again. `plugin`
    is who fired them, whose row in the hook's own record they belong to.
    """

    type: Literal["declared"] = "declared"
    event: str
    subject: str = ""
    payload: str = ""
    payload_file: str = ""
    rows: tuple[DeclaredRow, ...] = ()
    outcome: str = ""
    winner: str = ""
    reason: str = ""
    plugin: str = ""


class AgentStarted(Record):
    """A sub-agent begins: `session` is its own session, whose `journal` has everything that it does.

    `call` is the tool call that wanted it; `kind` its type, `title` what it does in a few words.
    """

    type: Literal["agent_start"] = "agent_start"
    agent: str
    kind: str
    session: str
    journal: str
    call: str = ""
    title: str = ""
    model: str = ""


class AgentEnded(Record):
    """A sub-agent is over; `usage` has all that it and its own sub-agents used, `reason` is an EndReason."""

    type: Literal["agent_end"] = "agent_end"
    agent: str
    session: str
    journal: str
    reason: str
    detail: str = ""
    steps: int = 0
    calls: int = 0
    usage: Usage = Usage()
    duration_ms: float = 0.0


class AskRecord(Record):
    """A call had to be asked about, and how that ended."""

    type: Literal["ask"] = "ask"
    call: str
    name: str
    input_hash: str
    reason: str = ""
    allowed: bool = False
    by: str = ""
    answer: str = ""
    remember: str = ""
    rules: tuple[str, ...] = ()


class Quarantined(Record):
    """A plugin failed three times in a row and is left out until the session ends."""

    type: Literal["quarantine"] = "quarantine"
    plugin: str
    hook: str
    reason: str


class EgressRecord(Record):
    """A filter changed or closed a way out; never what it held."""

    type: Literal["egress"] = "egress"
    surface: str
    by: str
    action: str
    reason: str = ""


# --- everything else -----------------------------------------------------------------------------------


class StateRecord(Record):
    """A plugin's state: `value_json` of `key` from here on, an empty string when it was taken away."""

    type: Literal["state"] = "state"
    plugin: str
    key: str
    value_json: str


class FlagReads(Record):
    """Flags that were read since the record before, each once per turn.

    `facts` has layer, variant, rule and reason of those on which somebody voted; all others are at their default.
    """

    type: Literal["flags"] = "flags"
    snapshot: str
    reads: dict[str, Any]
    facts: dict[str, tuple[str, ...]] = {}


class FlagSnapshotRecord(Record):
    """All flags of the session from here on; `facts` is as in `flags`.

    `source` says where they are from: resolved, inherited (from the process above), resumed, or changed.
    """

    type: Literal["flag_snapshot"] = "flag_snapshot"
    snapshot: str
    values: dict[str, Any] = {}
    facts: dict[str, tuple[str, ...]] = {}
    source: str = ""


class ShadowRecord(Record):
    """What something in shadow, or under a warning, would have answered; it decided nothing.

    `by` is the hook's plugin, handler or rule, `flag` the ramp that holds it back, `subject` the call's id (or the
    event's name), `verdict` what the answer says: a verdict, or rewrite, context, block, stop and the like.
    """

    type: Literal["shadow"] = "shadow"
    point: str
    subject: str
    by: str
    flag: str
    mode: str
    verdict: str
    reason: str = ""


class LifecycleRecord(Record):
    """A lifecycle event, as it was fired."""

    type: Literal["lifecycle"] = "lifecycle"
    event: str
    facts: str = ""


class Notice(Record):
    """Something a person should know. `level` is info, warning or error."""

    type: Literal["notice"] = "notice"
    level: str
    text: str
    plugin: str = ""


class Spilled(Record):
    """An output was too long: all of it is in `path`."""

    type: Literal["spill"] = "spill"
    call: str
    path: str
    characters: int


class CwdRecord(Record):
    """The session's working folder changed."""

    type: Literal["cwd"] = "cwd"
    old: str
    new: str


class WorkspaceRecord(Record):
    """The session works in a checkout of its own from here on: in `folder` of the worktree that is called `name`."""

    type: Literal["workspace"] = "workspace"
    name: str
    folder: str


class Damaged(Record):
    """What recovery cut or skipped: `kept` is the file that holds the bytes."""

    type: Literal["damaged"] = "damaged"
    where: str
    bytes: int
    kept: str = ""


AnyRecord = Annotated[
    SessionStarted
    | SessionResumed
    | ModelChanged
    | SessionEnded
    | PlanRecord
    | TurnStarted
    | TurnEnded
    | UserLine
    | AssistantLine
    | PromptRefused
    | CompactionDone
    | CompactionSkipped
    | Forked
    | Titled
    | RequestRecord
    | SystemRecord
    | ResponseRecord
    | Discarded
    | ToolStarted
    | ToolAttempt
    | HookRecord
    | DeclaredHooks
    | AgentStarted
    | AgentEnded
    | AskRecord
    | Quarantined
    | EgressRecord
    | StateRecord
    | FlagReads
    | FlagSnapshotRecord
    | ShadowRecord
    | LifecycleRecord
    | Notice
    | Spilled
    | CwdRecord
    | WorkspaceRecord
    | Damaged,
    Tagged("type"),
]

_READING = Reading(AnyRecord)


def parse_record(line: bytes | str) -> Record:
    """Build the record of one journal line. Raises pydantic's ValidationError for anything else."""
    record: Record = _READING.of_json(line)
    return record


# --- lifecycle events ----------------------------------------------------------------------------------


class Event(Typed):
    """A moment of a session's life, handed to `lifecycle`. `name` is the contract's spelling.

    Only events that something fires are declared here; a plugin that brings a new subject brings its events.
    """

    name: str = ""


class SessionStart(Event):
    """A session begins: `source` is startup, resume, clear, compact or fork.

    Of one that is resumed or forked: `title` is what it was called, `answered` when the model spoke last (UTC, ISO
    8601), and `tokens` what its context held then.
    """

    name: Literal["SessionStart"] = "SessionStart"
    source: str = "startup"
    model: str = ""
    title: str = ""
    answered: str = ""
    tokens: int = 0


class SessionEnd(Event):
    """A session ends."""

    name: Literal["SessionEnd"] = "SessionEnd"
    reason: str = "other"


class SubagentStart(Event):
    """A sub-agent begins; fired in its own session, in the place of SessionStart. Context goes to the sub-agent.

    That it wants to end is asked in its `next_step`, as it is for the main thread.
    """

    name: Literal["SubagentStart"] = "SubagentStart"
    agent_type: str


class Setup(Event):
    """`run --init` or `run --maintenance`: `trigger` says which."""

    name: Literal["Setup"] = "Setup"
    trigger: str


class TurnEnd(Event):
    """A turn has ended without an API error (after Stop hooks had their say in `next_step`)."""

    name: Literal["TurnEnd"] = "TurnEnd"
    reason: str
    text: str = ""


class StopFailure(Event):
    """A turn ended by an API error. `error` is the contract's kind (rate_limit, overloaded, ...)."""

    name: Literal["StopFailure"] = "StopFailure"
    error: str
    error_details: str = ""


class Notification(Event):
    """A person's attention is wanted; `notification_type` says why, in the contract's words.

    A call was deferred and waits for a decision (agent_needs_input); in a chat a question has waited for 6 seconds
    (permission_prompt, elicitation_dialog, elicitation_url_dialog), or the person, for 60 (idle_prompt).
    """

    name: Literal["Notification"] = "Notification"
    message: str
    notification_type: str
    title: str = ""


class PermissionDenied(Event):
    """A call was refused by a judgement, and nobody was asked (auto mode); fired by who judged.

    An answer's `retry` tells the model that it may try again; the call stays refused.
    """

    name: Literal["PermissionDenied"] = "PermissionDenied"
    tool_name: str
    tool_input: dict[str, Any]
    tool_use_id: str
    reason: str


class UserPromptExpansion(Event):
    """A command that a person typed becomes a prompt; fired by who expands it. `prompt` is what was typed.

    `command_source` says where it is written: projectSettings, userSettings or plugin. A block refuses the prompt.
    """

    name: Literal["UserPromptExpansion"] = "UserPromptExpansion"
    expansion_type: Literal["slash_command", "mcp_prompt"] = "slash_command"
    command_name: str
    command_args: str = ""
    command_source: str = ""
    prompt: str


class Elicitation(Event):
    """An MCP server asks the person something, in a form or at a URL; fired by who is connected to it.

    An answer's `action` (accept, decline, cancel) and `content` answer in the person's place; a block declines.
    """

    name: Literal["Elicitation"] = "Elicitation"
    server: str
    message: str
    mode: Literal["form", "url"] = "form"
    url: str = ""
    elicitation_id: str = ""
    requested_schema: dict[str, Any] | None = None


class ElicitationResult(Event):
    """What an MCP server is about to be answered; an answer's `action` and `content` are sent instead.

    A block declines.
    """

    name: Literal["ElicitationResult"] = "ElicitationResult"
    server: str
    action: Literal["accept", "decline", "cancel"]
    mode: Literal["form", "url"] = "form"
    elicitation_id: str = ""
    content: dict[str, Any] | None = None


class TaskCreated(Event):
    """The model has put a task on its list; fired by the tool that keeps it. A block takes it off again."""

    name: Literal["TaskCreated"] = "TaskCreated"
    task_id: str
    subject: str
    description: str = ""


class TaskCompleted(Event):
    """The model says that a task is done; a block leaves it as it was."""

    name: Literal["TaskCompleted"] = "TaskCompleted"
    task_id: str
    subject: str
    description: str = ""


class PersonAsked(Event):
    """A plugin passes on what somebody asks the person, in a form or at a URL; who talks with a person answers.

    `by` says who asks. An answer's `action` (accept, decline, cancel) and `content` are what the person says; without
    any there is nobody to ask.
    """

    name: Literal["PersonAsked"] = "PersonAsked"
    by: str
    message: str
    mode: Literal["form", "url"] = "form"
    url: str = ""
    requested_schema: dict[str, Any] | None = None


class RulesGranted(Event):
    """A person has sent a command that brings permission rules along: they allow such calls for this prompt.

    Rules that deny or ask still win. `by` says what brings them.
    """

    name: Literal["RulesGranted"] = "RulesGranted"
    rules: tuple[str, ...]
    by: str


class DirectoryAdded(Event):
    """A person lets one more folder belong to the workspace, until the session ends (`/add-dir` in a chat).

    `directory` is absolute and exists. Whoever judges paths takes it for a part of the project from now on.
    """

    name: Literal["DirectoryAdded"] = "DirectoryAdded"
    directory: str
    source: Literal["slash_command", "register_repo_root"] = "slash_command"


class HooksBrought(Event):
    """A skill that brings declared hooks along has come into use: they hold from now until the session ends.

    `by` says what brings them ("skill:fmt"), `hooks` is what it says in the contract's form, `file` where it says so;
    `folder` is the plugin folder that it lies in. Told again when a session is resumed.
    """

    name: Literal["HooksBrought"] = "HooksBrought"
    by: str
    hooks: dict[str, Any]
    file: str
    folder: str = ""


class PreModelSwitch(Event):
    """The model of a running session is about to be changed; an answer's `block` refuses that, with its `reason`.

    `source` says who wants it: a person's `command`, a `picker`, or a program (`sdk`). What a command's own file or a
    fallback asks of another model for a while is no change.
    """

    name: Literal["PreModelSwitch"] = "PreModelSwitch"
    from_model: str
    to_model: str
    source: str
    context_tokens: int = 0


class PostModelSwitch(Event):
    """The model of a session was changed; `source` is `resume`, too, where one is opened again with another."""

    name: Literal["PostModelSwitch"] = "PostModelSwitch"
    from_model: str
    to_model: str
    source: str
    context_tokens: int = 0


class SkillsChanged(Event):
    """Something has put skills in place since the session began: who lists them looks again."""

    name: Literal["SkillsChanged"] = "SkillsChanged"


class JudgeTold(Event):
    """A hook has words for the model that judges calls in the mode auto. Nothing in them is consent.

    `by` is whose words they are.
    """

    name: Literal["JudgeTold"] = "JudgeTold"
    text: str
    by: str


class InstructionsLoaded(Event):
    """A memory file was loaded."""

    name: Literal["InstructionsLoaded"] = "InstructionsLoaded"
    file_path: str
    memory_type: str
    load_reason: str
    parent_file_path: str = ""
    trigger_file_path: str = ""


class MessageDisplay(Event):
    """Text of the model is about to be shown; an answer's `display` is shown instead. `message_id` is the request's.

    Fired only where a matcher names it: text waits for the answers, and is then shown whole, not as it comes.
    """

    name: Literal["MessageDisplay"] = "MessageDisplay"
    turn: int
    message_id: str
    text: str


class ConfigChange(Event):
    """A settings file has changed on disk; an answer that blocks keeps what was. Fired by who reads the file.

    `source` is user_settings, project_settings, local_settings or policy_settings.
    """

    name: Literal["ConfigChange"] = "ConfigChange"
    source: str
    file_path: str


class FileChanged(Event):
    """A watched file has changed on disk: `event` is change, add or unlink. Fired by who watches it."""

    name: Literal["FileChanged"] = "FileChanged"
    file_path: str
    event: str


class CwdChanged(Event):
    """The session's working folder changed."""

    name: Literal["CwdChanged"] = "CwdChanged"
    old_cwd: str
    new_cwd: str


class WorktreeWanted(Event):
    """A session shall work in a checkout of its own, called `worktree`, of the project that `folder` lies in.

    Whoever can make one answers with its `path`, or blocks and says why not. Fired before the session's start.
    """

    name: Literal["WorktreeWanted"] = "WorktreeWanted"
    worktree: str
    folder: str


class WorktreeLeft(Event):
    """A session that works in a worktree ends. Whoever made it takes it away, where nothing is lost by that.

    A `reason` in the answer says what was kept, and where.
    """

    name: Literal["WorktreeLeft"] = "WorktreeLeft"
    worktree: str
    folder: str


class WorktreeCreate(Event):
    """A worktree is to be made: an answer's `path` is one, made another way than with git; a block fails it."""

    name: Literal["WorktreeCreate"] = "WorktreeCreate"
    worktree: str


class WorktreeRemove(Event):
    """A worktree, the folder `path`, is about to be taken away. Nobody can object."""

    name: Literal["WorktreeRemove"] = "WorktreeRemove"
    path: str


class PostCompact(Event):
    """A compaction has happened."""

    name: Literal["PostCompact"] = "PostCompact"
    trigger: str
    compact_summary: str = ""
