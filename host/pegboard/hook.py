"""The kit for hook programs: standard library only, one file that can be copied beside a script (Python >= 3.9).

    from pegboard import hook          # or: import pegboard_hook as hook, for a copy of this file

    @hook.on("PreToolUse", matcher="Bash")
    def no_force(event: hook.PreToolUse):
        for command in hook.shell_commands(event.command):
            if command.name == "git" and "--force" in command.args:
                return hook.deny("Push without --force.")

    hook.run()                         # does nothing when the file is imported

The same file works cold (one event on stdin, one answer on stdout, as in every host of the contract), warm
(`worker = true`: an event a line, an answer a line) and in process (`function = "file.py:no_force"`).

A function may return an answer, the contract's own object as a dict, or None, which says nothing. Saying nothing is not
allowing. stdout belongs to the kit: what a program or its children print goes to stderr. A crash is never a decision:
the exit code is 1, the traceback is on stderr, and the host's failure policy for this hook applies.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing, re, json and the like are imported when they are first needed: a hook starts often
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    Handler = TypeVar("Handler", bound=Callable[..., Any])

__all__ = [
    "Answer",
    "AnswerError",
    "Command",
    "Event",
    "PayloadError",
    "ShellSyntaxError",
    "State",
    "StateBusyError",
    "Transcript",
    "allow",
    "answer_to",
    "ask",
    "block",
    "context",
    "defer",
    "deny",
    "event_of",
    "fields",
    "inside",
    "matches",
    "notice",
    "on",
    "once",
    "pass_",
    "replace_input",
    "replace_output",
    "run",
    "shell_commands",
    "state",
    "stop",
    "transcript",
]

WORKER = "PEGBOARD_HOOK_WORKER"
"""The variable that a host sets to 1 where it keeps the program warm."""


class PayloadError(ValueError):
    """The event lacks a field that it should have, or has it in another shape."""


class AnswerError(ValueError):
    """The event offers no such answer."""


class ShellSyntaxError(ValueError):
    """A shell command ends within a quotation, a substitution or a group; a guard cannot say what it does."""


class StateBusyError(TimeoutError):
    """Another process held the state for too long."""


# --- events --------------------------------------------------------------------------------------------

_NEEDED = object()


class _Field:
    """A field of the payload. One that an event always has is never guessed: its absence is an error."""

    def __init__(self, kind: type | tuple[type, ...], default: object, key: str = "") -> None:
        self.kind = kind
        self.default = default
        self.key = key

    def __set_name__(self, owner: type, name: str) -> None:
        self.key = self.key or name

    def __get__(self, event: Event | None, owner: type | None = None) -> object:
        if event is None:
            return self
        value = event.raw.get(self.key)
        if value is None:
            if self.default is _NEEDED:
                raise PayloadError(f"this {event.name} event has no {self.key!r}; it has {', '.join(event.raw)}")
            return self.default() if isinstance(self.default, type) else self.default
        if not isinstance(value, self.kind):
            raise PayloadError(f"{self.key!r} of this {event.name} event is a {type(value).__name__}: {value!r:.80}")
        return value


def _text(default: object = _NEEDED, key: str = "") -> Any:
    return _Field(str, default, key)


def _table(default: object = _NEEDED) -> Any:
    return _Field(dict, default)


def _list(default: object = list) -> Any:
    return _Field(list, default)


def _yes_no() -> Any:
    return _Field(bool, False)


def _number(default: object = 0) -> Any:
    return _Field((int, float), default)


class Event:
    """What happened. `raw` is the payload; a field that this class does not know is an attribute all the same."""

    session_id: str = _text()
    transcript_path: str = _text("")
    cwd: str = _text()
    prompt_id: str = _text("")
    permission_mode: str = _text("")
    agent_id: str = _text("")
    agent_type: str = _text("")
    flags_snapshot: str = _text("")
    effort: dict[str, Any] = _table(dict)

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = dict(raw)
        self.name = str(self.raw.get("hook_event_name", ""))

    def __repr__(self) -> str:
        return f"<{self.name} event of session {self.raw.get('session_id', '?')}>"

    @property
    def project(self) -> str:
        """The folder in which the session started; the working folder where the host does not say."""
        return os.environ.get("CLAUDE_PROJECT_DIR") or self.cwd

    def path_of(self, path: str) -> str:
        """Return *path* as an absolute one, seen from the session's working folder."""
        return os.path.join(self.cwd, os.path.expanduser(path))

    if not TYPE_CHECKING:  # a type checker shall find what is misspelt

        def __getattr__(self, name: str) -> object:
            if not name.startswith("_") and name in self.raw:
                return self.raw[name]
            known = {*self.raw, *(word for word in dir(type(self)) if not word.startswith("_"))}
            raise AttributeError(f"a {self.name} event has no {name!r}.{_did_you_mean(name, known)}")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


class ToolEvent(Event):
    """Something about a tool call."""

    tool_name: str = _text()
    tool_input: dict[str, Any] = _table()
    tool_use_id: str = _text("")
    mcp_server: dict[str, Any] = _table(dict)

    @property
    def command(self) -> str:
        """What a shell tool is asked to run; empty for other tools."""
        return _text_in(self.tool_input, "command")

    @property
    def path(self) -> str:
        """The file or folder that a file tool is asked for, absolute; empty for other tools."""
        found = next(
            filter(None, (_text_in(self.tool_input, key) for key in ("file_path", "notebook_path", "path"))), ""
        )
        return self.path_of(found) if found else ""

    @property
    def new_text(self) -> str:
        """All text that a file tool is about to put into its file, old text not included."""
        tables = [self.tool_input]
        edits = self.tool_input.get("edits")
        tables += [edit for edit in edits if isinstance(edit, dict)] if isinstance(edits, list) else []
        texts = [_text_in(table, key) for table in tables for key in ("content", "new_string", "new_source")]
        return "\n".join(text for text in texts if text)


def _text_in(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


class PreToolUse(ToolEvent):
    """A tool is about to run."""


class PermissionRequest(ToolEvent):
    """A person is about to be asked, or the call about to be refused because nobody can be."""

    permission_suggestions: list[Any] = _list()


class PermissionDenied(ToolEvent):
    """Auto mode has refused a call."""

    reason: str = _text("")


class PostToolUse(ToolEvent):
    """A tool has run."""

    tool_response: Any = _Field(object, "")
    duration_ms: float = _number()

    @property
    def response_text(self) -> str:
        """The tool's result as text, whichever shape it has: text, a list of blocks, an object."""
        return _flat(self.tool_response)


def _flat(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_flat, value)))
    if isinstance(value, dict):
        for key in ("text", "stdout", "content", "file"):
            if value.get(key):
                return _flat(value[key])
        import json

        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


class PostToolUseFailure(ToolEvent):
    """A tool that had started has failed."""

    error: str = _text("")
    is_interrupt: bool = _yes_no()
    duration_ms: float = _number()


class PostToolBatch(Event):
    """All calls of one answer of the model have their results."""

    tool_calls: list[dict[str, Any]] = _list()


class UserPromptSubmit(Event):
    """The user's words, before the model sees them."""

    prompt: str = _text()


class UserPromptExpansion(UserPromptSubmit):
    """A command of the user becomes a prompt."""

    expansion_type: str = _text("")
    command_name: str = _text()
    command_args: str = _text("")
    command_source: str = _text("")


class SessionStart(Event):
    """A session begins or goes on; `source` says startup, resume, clear, compact or fork."""

    source: str = _text()
    model: str = _text("")
    session_title: str = _text("")
    seconds_since_last_response: float | None = _number(None)  # these two of a session that goes on
    context_tokens: float | None = _number(None)
    prompt_cache_likely_expired: bool = _yes_no()


class SessionEnd(Event):
    """A session has ended."""

    reason: str = _text()


class Setup(Event):
    """The host was asked to set up or maintain the project."""

    trigger: str = _text()


class Stop(Event):
    """The agent wants to end its turn. `stop_hook_active`: it already goes on because a hook said so."""

    stop_hook_active: bool = _yes_no()
    last_assistant_message: str = _text("")
    background_tasks: list[Any] = _list()
    session_crons: list[Any] = _list()


class SubagentStop(Stop):
    """A sub-agent wants to end."""

    agent_transcript_path: str = _text("")


class StopFailure(Event):
    """A turn ended because the model could not be reached."""

    error: str = _text("")
    error_details: str = _text("")
    last_assistant_message: str = _text("")


class SubagentStart(Event):
    """A sub-agent begins."""


class PreCompact(Event):
    """The conversation is about to be compacted; `trigger` says manual or auto."""

    trigger: str = _text()
    custom_instructions: str = _text("")


class PostCompact(Event):
    """The conversation was compacted."""

    trigger: str = _text()
    compact_summary: str = _text("")


class Notification(Event):
    """The host tells the user something."""

    message: str = _text("")
    title: str = _text("")
    notification_type: str = _text("")


class InstructionsLoaded(Event):
    """A memory file was read."""

    file_path: str = _text()
    memory_type: str = _text("")
    load_reason: str = _text("")
    globs: list[Any] = _list()
    trigger_file_path: str = _text("")
    parent_file_path: str = _text("")


class ConfigChange(Event):
    """A settings file has changed."""

    source: str = _text()
    file_path: str = _text("")


class CwdChanged(Event):
    """The session has another working folder."""

    old_cwd: str = _text()
    new_cwd: str = _text()


class FileChanged(Event):
    """A watched file has changed; `event` says change, add or unlink."""

    file_path: str = _text()
    event: str = _text("")


class MessageDisplay(Event):
    """Text of the model is about to be shown."""

    delta: str = _text("")
    final: bool = _yes_no()
    index: int = _number()
    message_id: str = _text("")
    turn_id: str = _text("")


class TaskCreated(Event):
    """A task was written down."""

    task_id: str = _text()
    task_subject: str = _text("")
    task_description: str = _text("")
    teammate_name: str = _text("")
    team_name: str = _text("")


class TaskCompleted(TaskCreated):
    """A task was ticked off."""


class TeammateIdle(Event):
    """A teammate has nothing to do."""

    teammate_name: str = _text("")
    team_name: str = _text("")


class DirectoryAdded(Event):
    """The session may work in another folder, too."""

    directory: str = _text()
    source: str = _text("")


class WorktreeCreate(Event):
    """A worktree is needed."""

    worktree_name: str = _text(key="name")


class WorktreeRemove(Event):
    """A worktree is no longer needed."""

    worktree_path: str = _text()


class Elicitation(Event):
    """An MCP server asks the user for something."""

    mcp_server_name: str = _text()
    message: str = _text("")
    mode: str = _text("")
    url: str = _text("")
    elicitation_id: str = _text("")
    requested_schema: dict[str, Any] = _table(dict)


class ElicitationResult(Event):
    """What the user answered to an MCP server."""

    mcp_server_name: str = _text()
    action: str = _text("")
    mode: str = _text("")
    elicitation_id: str = _text("")
    content: dict[str, Any] = _table(dict)


class PreModelSwitch(Event):
    """Another model is about to be used."""

    from_model: str = _text("")
    to_model: str = _text()
    requested_model: str = _text("")
    source: str = _text("")
    context_tokens: float = _number()


class PostModelSwitch(PreModelSwitch):
    """Another model is used."""


def event_of(raw: Mapping[str, Any]) -> Event:
    """Return the typed event of a payload; a plain `Event` for a name that this kit does not know."""
    name = raw.get("hook_event_name")
    if not isinstance(name, str) or not name:
        raise PayloadError(f"no 'hook_event_name' in the payload; it has {', '.join(map(str, raw)) or 'nothing'}")
    return _CLASSES.get(name, Event)(raw)


def _all_below(kind: type[Event]) -> dict[str, type[Event]]:
    found = {}
    for below in kind.__subclasses__():
        found[below.__name__] = below
        found.update(_all_below(below))
    return found


_CLASSES = {name: kind for name, kind in _all_below(Event).items() if name != "ToolEvent"}

# --- answers -------------------------------------------------------------------------------------------

_OFFERS: dict[str, tuple[str, str, str]] = {
    # event: where the verdict is said, which verdicts there are, what else the answer may have
    "SessionStart": ("", "", "context initialUserMessage sessionTitle watchPaths reloadSkills"),
    "Setup": ("", "", "context notice"),
    "InstructionsLoaded": ("", "", ""),
    "UserPromptSubmit": (
        "block",
        "deny",
        "context notice stop sessionTitle suppressOriginalPrompt updatedPrompt",
    ),
    "UserPromptExpansion": ("block", "deny", "context notice stop"),
    "MessageDisplay": ("", "", "displayContent"),
    "PreToolUse": ("permission", "allow ask defer deny", "context input notice stop"),
    "PermissionRequest": ("behavior", "allow deny", "input updatedPermissions interrupt"),
    "PermissionDenied": ("", "", "notice retry"),
    "PostToolUse": ("block", "deny", "context output notice stop updatedMCPToolOutput classifierContext"),
    "PostToolUseFailure": ("block", "deny", "context notice"),
    "PostToolBatch": ("block", "deny", "context notice stop"),
    "Notification": ("", "", ""),
    "SubagentStart": ("", "", "context notice"),
    "SubagentStop": ("block", "deny", "context notice stop"),
    "TaskCreated": ("block", "deny", "notice"),
    "TaskCompleted": ("block", "deny", "notice stop"),
    "TeammateIdle": ("block", "deny", "notice stop"),
    "Stop": ("block", "deny", "context notice stop"),
    "StopFailure": ("", "", ""),
    "ConfigChange": ("block", "deny", "notice"),
    "CwdChanged": ("", "", "notice watchPaths"),
    "DirectoryAdded": ("", "", "notice"),
    "FileChanged": ("", "", "notice watchPaths"),
    "WorktreeCreate": ("", "", "worktreePath"),
    "WorktreeRemove": ("", "", ""),
    "PreCompact": ("block", "deny", "context"),
    "PostCompact": ("", "", ""),
    "Elicitation": ("", "", "action content"),
    "ElicitationResult": ("", "", "action content"),
    "SessionEnd": ("", "", ""),
    "PreModelSwitch": ("permission", "allow ask deny", "notice"),
    "PostModelSwitch": ("", "", "context notice"),
}
_WORDS = ("context", "input", "output", "notice", "stop")
_STRICTNESS = ("", "allow", "ask", "defer", "deny")


class Answer:
    """What a function answers. Made by the functions below; `+` puts two together, and the stricter verdict counts."""

    __slots__ = ("context", "fields", "new_input", "new_output", "notice", "reason", "stop", "verdict")

    def __init__(
        self,
        verdict: str = "",
        reason: str = "",
        *,
        context: str = "",
        new_input: Mapping[str, Any] | None = None,
        new_output: Any = None,
        notice: str = "",
        stop: str = "",
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.verdict = verdict
        self.reason = reason
        self.context = context
        self.new_input = None if new_input is None else dict(new_input)
        self.new_output = new_output
        self.notice = notice
        self.stop = stop
        self.fields = dict(fields or {})

    def __repr__(self) -> str:
        said = [
            f"{name}={getattr(self, name)!r}" for name in self.__slots__ if getattr(self, name) not in ("", None, {})
        ]
        return f"Answer({', '.join(said)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Answer):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Answer) -> Answer:
        """Return both in one: the stricter verdict, the first among equals, and all that both have beside it."""
        winner = max((self, other), key=lambda answer: _STRICTNESS.index(answer.verdict))
        return Answer(
            winner.verdict,
            winner.reason,
            context="\n".join(filter(None, (self.context, other.context))),
            new_input=self.new_input if other.new_input is None else other.new_input,
            new_output=self.new_output if other.new_output is None else other.new_output,
            notice="\n".join(filter(None, (self.notice, other.notice))),
            stop=self.stop or other.stop,
            fields={**self.fields, **other.fields},
        )

    def output(self, event_name: str) -> dict[str, Any]:
        """Return the contract's object, `{}` for nothing to say; what the event has no place for is an AnswerError.

        A refusal is never lost: where the event can be refused, what it has no place for is left out, with a line on
        stderr.
        """
        if event_name not in _OFFERS:
            raise AnswerError(f"no event {event_name!r} is known.{_did_you_mean(event_name, _OFFERS)}")
        style, verdicts, others = _OFFERS[event_name]
        wrong = [f"{word!r}" for word in self._words() if word not in [*verdicts.split(), *others.split()]]
        if style == "behavior" and self.verdict != "allow" and self.new_input is not None and self.verdict != "deny":
            wrong.append("a new input without allow()")
        if wrong:
            offered = ", ".join([*verdicts.split(), *others.split()]).replace("deny", "deny (block)") or "nothing"
            problem = f"{event_name} has no place for {', '.join(wrong)}; it offers {offered}"
            if self.verdict != "deny" or "deny" not in verdicts:
                raise AnswerError(problem)
            print(f"left out of a refusal: {problem}", file=sys.stderr)
        return self._wire(event_name, style, others.split())

    def _words(self) -> list[str]:
        said = {"context": self.context, "notice": self.notice, "stop": self.stop}
        words = [self.verdict, *(word for word, text in said.items() if text), *self.fields]
        words += ["input"] if self.new_input is not None else []
        words += ["output"] if self.new_output is not None else []
        return [word for word in words if word]

    def _wire(self, event_name: str, style: str, others: list[str]) -> dict[str, Any]:
        top: dict[str, Any] = {}
        inner: dict[str, Any] = {key: value for key, value in self.fields.items() if key in others}
        reason = self.reason or ("Refused by a hook, which gave no reason." if self.verdict == "deny" else "")
        new_input = self.new_input if "input" in others and self.verdict != "deny" else None
        if self.verdict and style == "block":
            top = {"decision": "block", "reason": reason}
        elif self.verdict and style == "permission":
            inner["permissionDecision"] = self.verdict
            inner.update({"permissionDecisionReason": reason} if reason else {})
        elif self.verdict:
            inner = {"decision": {"behavior": self.verdict, **inner}}
            if self.verdict == "deny":
                inner["decision"]["message"] = reason
            elif new_input is not None:
                inner["decision"]["updatedInput"] = new_input
        if new_input is not None and style == "permission":
            inner["updatedInput"] = new_input
        if self.new_output is not None and "output" in others:
            inner["updatedToolOutput"] = self.new_output
        if self.context and "context" in others:
            inner["additionalContext"] = self.context
        if self.notice and "notice" in others:
            top["systemMessage"] = self.notice
        if self.stop and "stop" in others:
            top.update({"continue": False, "stopReason": self.stop})
        return {**top, **({"hookSpecificOutput": {"hookEventName": event_name, **inner}} if inner else {})}


def pass_() -> Answer:
    """Say nothing: the host decides as if this hook were not there. This is not `allow`."""
    return Answer()


def allow(reason: str = "") -> Answer:
    """Let the call run without asking anybody. Rules that deny or ask still count."""
    return Answer("allow", reason)


def ask(reason: str = "") -> Answer:
    """Let a person decide; where nobody can be asked the call is refused."""
    return Answer("ask", reason)


def deny(reason: str) -> Answer:
    """Refuse. The model reads *reason*, so say what to do instead."""
    return Answer("deny", reason)


def block(reason: str) -> Answer:
    """Refuse, in the word of the events that are not about permission: a prompt, a compaction, the end of a turn.

    On Stop the agent goes on with *reason* as its instruction; after a tool the model reads it beside the result.
    """
    return Answer("deny", reason)


def defer(reason: str = "") -> Answer:
    """Leave the call undecided and end the run, so that it can be resumed with a decision."""
    return Answer("defer", reason)


def context(text: str) -> Answer:
    """Tell the model something. Before a compaction: what the summary must keep."""
    return Answer(context=text)


def replace_input(new: Mapping[str, Any]) -> Answer:
    """Run the tool with *new*, the whole of it, in place of its input. Add `allow()` to approve it, too."""
    return Answer(new_input=new)


def replace_output(new: Any) -> Answer:
    """Give the model *new* in place of the tool's result; it must have the result's shape."""
    return Answer(new_output=new)


def notice(text: str) -> Answer:
    """Tell the user something; the model does not read it."""
    return Answer(notice=text)


def stop(reason: str) -> Answer:
    """End the agent's turn after this hook."""
    return Answer(stop=reason)


def fields(**named: Any) -> Answer:
    """Give the event's own fields under the contract's names: `fields(watchPaths=[".envrc"])`."""
    return Answer(fields=named)


# --- registering and running ---------------------------------------------------------------------------

_MATCHED = {
    "SessionStart": "source",
    "Setup": "trigger",
    "InstructionsLoaded": "load_reason",
    "UserPromptExpansion": "command_name",
    "PreToolUse": "tool_name",
    "PermissionRequest": "tool_name",
    "PermissionDenied": "tool_name",
    "PostToolUse": "tool_name",
    "PostToolUseFailure": "tool_name",
    "Notification": "notification_type",
    "SubagentStart": "agent_type",
    "SubagentStop": "agent_type",
    "StopFailure": "error",
    "ConfigChange": "source",
    "DirectoryAdded": "source",
    "FileChanged": "file_path",
    "PreCompact": "trigger",
    "PostCompact": "trigger",
    "Elicitation": "mcp_server_name",
    "ElicitationResult": "mcp_server_name",
    "SessionEnd": "reason",
    "PreModelSwitch": "to_model",
    "PostModelSwitch": "to_model",
}
"""What a matcher is compared with; the other events have nothing to match."""
_LIST_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- ,|")

_registered: list[tuple[str, str, Callable[..., Any]]] = []


def on(*events: str, matcher: str = "") -> Callable[[Handler], Handler]:
    """Register a function for *events* (the contract's names) where *matcher* fits: `Bash`, `Edit|Write`, a regex.

    The function itself stays as it is, so that it can be named in `function = "file.py:name"` too, where the settings'
    own matcher counts.
    """
    if not events or callable(events[0]):
        raise ValueError('name the events: @hook.on("PreToolUse")')
    for event in events:
        if event not in _OFFERS:
            raise ValueError(f"there is no event {event!r}.{_did_you_mean(event, _OFFERS)}")
        if matcher and event not in _MATCHED:
            raise ValueError(f"{event} has nothing that the matcher {matcher!r} could be compared with")
    _fits(matcher, "")  # a regex that does not compile is an error here, not at the first event

    def register(function: Handler) -> Handler:
        _registered.extend((event, matcher, function) for event in events)
        if getattr(function, "__globals__", {}).get("__name__") == "__main__":
            sys.stdout = sys.stderr  # this is a program: from here on stdout is the kit's, also where it is unbuffered
        return function

    return register


def _fits(matcher: str, value: str) -> bool:
    if matcher in ("", "*"):
        return True
    if _LIST_OF_NAMES.issuperset(matcher):
        return value in [name.strip() for name in matcher.replace(",", "|").split("|")]
    import re

    try:
        return re.search(matcher, value) is not None
    except re.error as wrong:
        raise ValueError(f"the matcher {matcher!r} is no regular expression: {wrong}") from None


def _is_for(event: Event, name: str, matcher: str) -> bool:
    if name != event.name:
        return False
    value = str(event.raw.get(_MATCHED.get(name, ""), ""))
    return _fits(matcher, os.path.basename(value) if name == "FileChanged" else value)


def answer_to(raw: Mapping[str, Any], functions: Iterable[Callable[..., Any]] | None = None) -> dict[str, Any]:
    """Return what the registered functions (or *functions*) answer to a payload, in this process; `{}` for nothing.

    All that match are called, in the order of their registration, and see the event as it came. The strictest verdict
    counts. An allow counts for the input that it saw: where another function replaces that, the allow is left out.
    """
    event = event_of(raw)
    if functions is None:
        functions = [function for name, matcher, function in _registered if _is_for(event, name, matcher)]
    answers = [answer for answer in (_settled(function(event)) for function in functions) if answer is not None]
    objects = [answer for answer in answers if not hasattr(answer, "output")]
    for wrong in objects:
        if not isinstance(wrong, dict):
            raise TypeError(f"a hook answers an Answer, a dict or None, not {wrong!r:.80}; say hook.context(text)")
    if not objects:
        return _merged(answers).output(event.name)
    outputs = [answer if isinstance(answer, dict) else answer.output(event.name) for answer in answers]
    if len(outputs) > 1:
        print("several answers, one of them a plain dict: only the strictest counts", file=sys.stderr)
    return max(outputs, key=lambda output: _STRICTNESS.index(_verdict_in(output)))


def _settled(result: Any) -> Any:
    if not hasattr(result, "__await__"):
        return result
    import asyncio

    async def wait() -> Any:
        return await result

    return asyncio.run(wait())


def _merged(answers: list[Answer]) -> Answer:
    replaced = [answer.new_input for answer in answers if answer.new_input is not None]
    total = Answer()
    for answer in answers:
        if answer.verdict == "allow" and replaced and answer.new_input != replaced[-1]:
            answer = answer + Answer()
            answer.verdict = answer.reason = ""
        total = total + answer
    return total


def _verdict_in(output: Mapping[str, Any]) -> str:
    inner = output.get("hookSpecificOutput")
    inner = inner if isinstance(inner, dict) else {}
    decision = inner.get("decision")
    said = inner.get("permissionDecision") or (decision.get("behavior") if isinstance(decision, dict) else None)
    said = said or {"block": "deny", "approve": "allow"}.get(str(output.get("decision")), "")
    return said if said in _STRICTNESS else ""


def run() -> None:
    """Serve the host that started this program, cold or warm, and end the program. In an imported file: do nothing."""
    if sys._getframe(1).f_globals.get("__name__") != "__main__":
        return
    events, answers = _take_stdin_and_stdout()
    if os.environ.get(WORKER) == "1":
        _serve(events, answers)
        sys.exit(0)
    output, crash = _safely(_first_event(events))
    if crash:
        sys.stderr.write(crash)
        sys.exit(1)
    if output:
        _write(answers, output)
    sys.exit(0)


def _take_stdin_and_stdout() -> tuple[int, int]:
    """Keep both for the kit: prints go to stderr, and a child can neither swallow an event nor spoil an answer."""
    if os.isatty(0):
        print("this is a hook program: it waits for an event, one line of JSON", file=sys.stderr)
    events, answers = os.dup(0), os.dup(1)  # not inherited by children
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        os.dup2(null, 1)
    os.close(null)
    if sys.__stdout__ is not None:
        sys.__stdout__.flush()  # what was printed before the first registration and is still in the buffer
    return events, answers


def _first_event(events: int) -> bytes:
    """Read until the event is whole: the end of stdin, or of a line where the host forgets to close it."""
    data = b""
    while True:
        chunk = os.read(events, 1 << 16)
        data += chunk
        if not chunk or (chunk.endswith(b"\n") and _is_json(data)):
            return data


def _is_json(data: bytes) -> bool:
    import json

    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _serve(events: int, answers: int) -> None:
    with open(events, "rb") as lines:
        for line in lines:
            if line.strip():
                output, crash = _safely(line, follow=True)
                _write(answers, {"exit": 1, "stderr": crash} if crash else output)


def _safely(data: bytes, *, follow: bool = False) -> tuple[dict[str, Any], str]:
    """Return (answer, ""), or ({}, what went wrong): its first line says all, the traceback follows."""
    import json

    try:
        if not data.strip():
            raise PayloadError("no event came on stdin")
        raw = json.loads(data)
        if not isinstance(raw, dict):
            raise PayloadError(f"the event on stdin is no JSON object but {raw!r:.40}")
        if follow:
            _go_to(raw.get("cwd"))
        output = answer_to(raw)
        json.dumps(output)
    except SystemExit as left:
        if left.code in (None, 0):
            return {}, ""
        return {}, _story(f"sys.exit({left.code!r}) in a hook function; answer deny(...) to refuse")
    except KeyboardInterrupt:
        raise
    except BaseException as wrong:
        return {}, _story(f"{type(wrong).__name__}: {wrong}")
    return output, ""


def _go_to(cwd: object) -> None:
    """Stand where a cold program would be started."""
    if isinstance(cwd, str):
        try:
            os.chdir(cwd)
        except OSError:
            pass


def _story(first: str) -> str:
    import traceback

    return f"{os.path.basename(sys.argv[0] or 'hook')}: {first}\n{traceback.format_exc()}"


def _write(answers: int, output: Mapping[str, Any]) -> None:
    import json

    rest = json.dumps(output, separators=(",", ":")).encode() + b"\n"
    try:
        while rest:
            rest = rest[os.write(answers, rest) :]
    except BrokenPipeError:  # the host no longer waits
        pass


# --- paths ---------------------------------------------------------------------------------------------


def inside(path: str, folder: str) -> bool:
    """Whether *path*, which need not exist, is *folder* or lies in it once links and `..` are followed.

    Letter case counts as it does on that file system. What is true now may be false when the tool runs: somebody may
    put a link there in between. Relative paths are seen from the process's folder, so use `event.path`.
    """
    here, there = os.path.realpath(os.path.expanduser(path)), os.path.realpath(os.path.expanduser(folder))
    while True:
        if here == there or _same_file(here, there):
            return True
        above = os.path.dirname(here)
        if above == here:
            return False
        here = above


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def matches(path: str, patterns: Iterable[str], root: str) -> str:
    """Return the first of *patterns* that *path* fits, by its own name or by that of what it links to; else "".

    As in .gitignore, a pattern without a slash fits a file or folder of that name at any depth (`.env`, `*.pem`),
    one with a slash is seen from *root* (`config/prod/`), `**` is any depth, and a folder stands for all that is in it.
    `/etc` and `~/.ssh` are absolute. Case never counts: `.ENV` is `.env` to half of all file systems. A hard link has
    no name but its own, so one that was made before is not seen.
    """
    roots = {os.path.normpath(root), os.path.realpath(root)}
    names = [name.casefold().replace(os.sep, "/") for name in _names_of(path, root)]
    tops = [top.casefold().replace(os.sep, "/").rstrip("/") + "/" for top in roots]
    for pattern in patterns:
        wanted = _glob(os.path.expanduser(pattern).replace(os.sep, "/"))
        for name in names:
            below = next((name[len(top) :] for top in tops if name.startswith(top)), None)
            if os.path.isabs(os.path.expanduser(pattern)):
                subject = name
            elif below is not None:
                subject = "/" + below
            elif "/" not in pattern.rstrip("/"):
                subject = name
            else:
                continue
            if wanted.match(subject):
                return pattern
    return ""


def _names_of(path: str, root: str) -> Iterator[str]:
    """Go through the path as written and, link by link, what it leads to."""
    here = os.path.normpath(os.path.join(root, os.path.expanduser(path)))
    yield here
    here = os.path.join(root, os.path.expanduser(path))
    for _ in range(40):
        here = os.path.join(os.path.realpath(os.path.dirname(here)), os.path.basename(here))
        yield os.path.normpath(here)
        if not os.path.islink(here):
            return
        here = os.path.join(os.path.dirname(here), os.readlink(here))
    yield os.path.realpath(here)


def _glob(pattern: str) -> Any:
    import re

    pattern = pattern.casefold().rstrip("/")
    pattern = pattern[2:] if pattern.startswith("./") else pattern
    if not pattern.startswith("/"):
        pattern = ("/" if "/" in pattern else "**/") + pattern
    made, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            made, at = made + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            made, at = made + ".*", at + 2
        elif pattern[at] in "*?":
            made, at = made + ("[^/]*" if pattern[at] == "*" else "[^/]"), at + 1
        elif pattern[at] == "[" and pattern.find("]", at + 2) > 0:
            end = pattern.index("]", at + 2)
            inner = pattern[at + 1 : end].replace("\\", "\\\\")
            made, at = made + "[" + ("^" + inner[1:] if inner[0] in "!^" else inner) + "]", end + 1
        else:
            made, at = made + re.escape(pattern[at]), at + 1
    return re.compile("/?" + made + "(?:/.*)?$" if made.startswith("(") else made + "(?:/.*)?$", re.DOTALL)


# --- shell ---------------------------------------------------------------------------------------------


class Word(str):
    """A word of a command, its quotes taken off. `sure` is False where a shell would still expand something in it."""

    sure = True
    quoted = False


class Command:
    """A simple command. `name` is the program without its folder, `args` what follows.

    `redirects` are (operator, target) pairs, `assignments` the `VAR=x` words in front. `is_sure` says whether the
    program's name could be read off: in `$X -rf /` nobody knows it. `reads_pipe`: it is fed by another command.
    """

    def __init__(self, words: list[Word], redirects: list[tuple[str, Word]], *, reads_pipe: bool = False) -> None:
        at = 0
        while at < len(words) and _is_assignment(words[at]):
            at += 1
        self.assignments = tuple(words[:at])
        self.words = tuple(words[at:])
        self.redirects = tuple(redirects)
        self.reads_pipe = reads_pipe

    def __repr__(self) -> str:
        return f"<Command {' '.join(self.words)!r}>"

    @property
    def name(self) -> str:
        return self.words[0].rpartition("/")[2] if self.words else ""

    @property
    def args(self) -> tuple[Word, ...]:
        return self.words[1:]

    @property
    def is_sure(self) -> bool:
        return not self.words or self.words[0].sure

    def has(self, *options: str) -> bool:
        """Whether one of *options* is among the arguments, a short one also in a bundle: `-f` in `-rf`."""
        for arg in self.args:
            if arg == "--":
                return False
            if arg.partition("=")[0] in options:
                return True
            if arg[:1] == "-" and arg[:2] != "--" and any(len(o) == 2 and o[1] in arg[1:] for o in options):
                return True
        return False


def shell_commands(text: str) -> list[Command]:
    """Return the simple commands of a shell command: of lists, pipelines, groups, substitutions and here-documents.

    What runs another command is followed by it: `sudo rm x` gives `sudo` and `rm`, `sh -c "a; b"` gives `sh`, `a` and
    `b`, and so do env, xargs, timeout, find -exec, eval and their like. Nothing is expanded: aliases, functions,
    variables and what a script or another language does cannot be seen. Raises ShellSyntaxError where the text ends
    within something.
    """
    reader = _Shell(text, 0)
    reader.read("")
    return reader.found


_RESERVED = frozenset(
    ["if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "!", "{", "}", "time", "coproc"]
)
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "fish"})
_RUNS_ANOTHER = {  # name: (short options that take a value, own operands before the command)
    "sudo": ("ugUhpCrtTDRa", 0),
    "doas": ("uCa", 0),
    "env": ("uCS", 0),
    "nice": ("n", 0),
    "ionice": ("cnpPu", 0),
    "timeout": ("ks", 1),
    "nohup": ("", 0),
    "setsid": ("", 0),
    "stdbuf": ("ioe", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "exec": ("a", 0),
    "time": ("fo", 0),
    "xargs": ("adEILnPs", 0),
    "parallel": ("jNnaIdS", 0),
    "watch": ("nq", 0),
    "chroot": ("", 1),
    "flock": ("wE", 1),
    "strace": ("aeEoOpPsSuXbI", 0),
    "busybox": ("", 0),
}
_LONG_WITH_VALUE = (
    " --user --group --host --prompt --chdir --chroot --unset --split-string --kill-after --signal --adjustment "
    "--class --classdata --input --output --error --arg-file --delimiter --max-lines --max-args --max-procs "
    "--max-chars --jobs --interval --userspec --groups --wait --timeout --format "
)


def _is_assignment(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.rstrip("+").isidentifier()


class _Shell:
    """Reads a shell command once, from left to right."""

    def __init__(self, text: str, depth: int) -> None:
        if depth > 25 or len(text) > 65_536 or "\0" in text:
            raise ShellSyntaxError("the command is too long, too deep or holds a NUL character")
        self.text = text
        self.depth = depth
        self.at = 0
        self.found: list[Command] = []
        self.documents: list[tuple[str, bool, bool, list[tuple[str, Word]]]] = []

    def read(self, closer: str) -> None:
        """Read commands up to *closer*, which is `)` or the end."""
        self.depth += 1
        if self.depth > 25:
            raise ShellSyntaxError("the command is nested too deeply")
        words: list[Word] = []
        redirects: list[tuple[str, Word]] = []
        piped, cases = False, 0

        def end_command(operator: str) -> None:
            nonlocal words, redirects, piped, cases
            cases += sum(word == "case" for word in words[:1]) - sum(word == "esac" for word in words[:1])
            self.finish(words, redirects, piped)
            words, redirects, piped = [], [], operator in ("|", "|&")

        while self.at < len(self.text):
            character = self.text[self.at]
            if character in " \t\r" or self.text.startswith("\\\n", self.at):
                self.at += 2 if character == "\\" else 1
            elif character == "#":
                self.at = self.line_end()
            elif character == "\n":
                waiting = bool(self.documents)
                end_command("\n") if not waiting else None
                self.at += 1
                if waiting:
                    self.read_documents()
                    end_command("\n")
            elif character in ";&|":
                if self.text.startswith("&>", self.at):
                    self.read_redirect(redirects)
                    continue
                operator = next(
                    o for o in (";;&", ";;", ";&", "&&", "||", "|&", character) if self.text.startswith(o, self.at)
                )
                end_command(operator)
                self.at += len(operator)
            elif character in "<>" and self.text[self.at + 1 : self.at + 2] != "(":
                self.read_redirect(redirects)
            elif character == "(":
                self.at += 1
                if self.text.startswith(")", self.at):  # f() { ...; }
                    self.at += 1
                    words = []
                else:
                    words = []
                    self.read(")")
            elif character == ")":
                self.at += 1
                if closer == ")" and not (cases and words and words[0] != "esac"):
                    end_command(")")
                    self.depth -= 1
                    return
                if not cases:
                    raise ShellSyntaxError("a ')' without its '('")
                words, piped = [], False  # the pattern of a case
            else:
                word = self.read_word()
                if word.isdigit() and self.text[self.at : self.at + 1] in ("<", ">"):
                    continue  # the number of a redirected stream
                if len(words) == 2 and words[0] == "case" and word == "in":
                    cases, words = cases + 1, []
                    continue
                words.append(word)
        end_command("")
        if self.documents:
            self.read_documents()
        if closer:
            raise ShellSyntaxError(f"a {closer!r} is missing")
        self.depth -= 1

    def finish(self, words: list[Word], redirects: list[tuple[str, Word]], piped: bool) -> None:
        while words and not words[0].quoted and (words[0] in _RESERVED or words[0] == "function"):
            words = words[2 if words[0] == "function" else 1 :]
        if words and not words[0].quoted and words[0] in ("for", "select", "case"):
            words = []  # no command; the substitutions in it were read with its words
        if words or redirects:
            self.add(Command(words, redirects, reads_pipe=piped))

    def add(self, command: Command) -> None:
        """Keep a command and what it runs."""
        self.found.append(command)
        words = command.words
        if not words:
            return
        for rest in _run_by(command.name, words):
            if rest:
                self.add(Command(list(rest), [], reads_pipe=command.reads_pipe))
        script = _script_of(command)
        if script is not None:
            inner = _Shell(script, self.depth + 1)
            inner.read("")
            self.found += inner.found

    # --- words and redirections ---

    def line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def read_redirect(self, redirects: list[tuple[str, Word]]) -> None:
        known = ("&>>", "&>", "<<<", "<<-", "<<", "<&", "<>", ">>", ">&", ">|", "<", ">")
        operator = next(o for o in known if self.text.startswith(o, self.at))
        self.at += len(operator)
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1
        start = self.at
        target = self.read_word()
        if start == self.at:
            raise ShellSyntaxError(f"nothing after {operator!r}")
        if operator in ("<<", "<<-"):
            self.documents.append((str(target), target.quoted, operator == "<<-", redirects))
        else:
            redirects.append((operator, target))

    def read_documents(self) -> None:
        waiting, self.documents = self.documents, []
        for delimiter, quoted, tabs, redirects in waiting:
            lines = []
            while True:
                if self.at >= len(self.text):
                    raise ShellSyntaxError(f"a here-document without its {delimiter!r}")
                end = self.line_end()
                line = self.text[self.at : end]
                self.at = end + 1
                line = line.lstrip("\t") if tabs else line
                if line == delimiter:
                    break
                lines.append(line)
            body = "\n".join(lines)
            if not quoted:
                self.read_inside(body)
            redirects.append(("<<", Word(body)))

    def read_inside(self, text: str) -> None:
        """Read the substitutions in a text that is expanded like a double-quoted one."""
        inner = _Shell(text, self.depth + 1)
        while inner.at < len(text):
            if text[inner.at] == "\\":
                inner.at += 2
            elif text[inner.at] in "$`":
                inner.read_expansion()
            else:
                inner.at += 1
        self.found += inner.found

    def read_word(self) -> Word:
        made: list[str] = []
        sure, start = True, self.at
        while self.at < len(self.text):
            character = self.text[self.at]
            if self.text.startswith(("<(", ">("), self.at):
                begin = self.at
                self.at += 2
                self.read(")")
                made.append(self.text[begin : self.at])
                sure = False
            elif character in " \t\r\n;&|()<>":
                break
            elif character == "\\":
                goes_on = self.text.startswith("\\\n", self.at)
                made.append("" if goes_on else self.text[self.at + 1 : self.at + 2] or "\\")
                self.at += 2
            elif character == "'":
                made.append(self.read_single(self.at + 1))
            elif self.text.startswith("$'", self.at):
                made.append(self.read_ansi())
            elif character == '"' or self.text.startswith('$"', self.at):
                self.at += 1 if character == '"' else 2
                sure = self.read_double(made) and sure
            elif character in "$`":
                begin = self.at
                sure = not self.read_expansion() and sure
                made.append(self.text[begin : self.at])
            else:
                opens_list = character == "{" and self.text[self.at + 1 : self.at + 2].strip() not in ("", "}")
                sure = sure and character not in "*?[" and not opens_list
                made.append(character)
                self.at += 1
        word = Word("".join(made))
        word.sure = sure or word in ("[", "[[")
        word.quoted = any(mark in self.text[start : self.at] for mark in "'\"\\")
        return word

    def read_single(self, start: int) -> str:
        end = self.text.find("'", start)
        if end < 0:
            raise ShellSyntaxError("a quotation mark is missing")
        self.at = end + 1
        return self.text[start:end]

    def read_ansi(self) -> str:
        end = self.at + 2
        while end < len(self.text) and self.text[end] != "'":
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise ShellSyntaxError("a quotation mark is missing")
        raw, self.at = self.text[self.at + 2 : end], end + 1
        import re

        named = {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "E": "\x1b", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}

        def one(found: re.Match[str]) -> str:
            if found[1] or found[2]:
                return chr(int(found[1] or found[2], 16) % 0x110000)
            return chr(int(found[3], 8) & 0xFF) if found[3] else named.get(found[4], found[4])

        return re.sub(r"\\(?:x([0-9a-fA-F]{1,2})|[uU]([0-9a-fA-F]{1,8})|([0-7]{1,3})|(.))", one, raw, flags=re.DOTALL)

    def read_double(self, made: list[str]) -> bool:
        """Read up to the closing quotation mark; answer whether all of it was sure."""
        sure = True
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return sure
            if character == "\\":
                following = self.text[self.at + 1 : self.at + 2]
                made.append("" if following == "\n" else following if following in '$`"\\' else "\\" + following)
                self.at += 2
            elif character in "$`":
                begin = self.at
                sure = not self.read_expansion() and sure
                made.append(self.text[begin : self.at])
            else:
                made.append(character)
                self.at += 1
        raise ShellSyntaxError("a quotation mark is missing")

    def read_expansion(self) -> bool:
        """Read what begins with `$` or a backtick, and the commands in it; False for a `$` that is only itself."""
        if self.text[self.at] == "`":
            end = self.at + 1
            while end < len(self.text) and self.text[end] != "`":
                end += 2 if self.text[end] == "\\" else 1
            if end >= len(self.text):
                raise ShellSyntaxError("a backtick is missing")
            inside_it = self.text[self.at + 1 : end]
            for mark in "$`\\":
                inside_it = inside_it.replace("\\" + mark, mark)
            inner = _Shell(inside_it, self.depth + 1)
            inner.read("")
            self.found += inner.found
            self.at = end + 1
        elif self.text.startswith("$(", self.at):  # arithmetic is read as a list of words: too much, never too little
            self.at += 2
            self.read(")")
        elif self.text.startswith("${", self.at):
            self.read_braces()
        else:
            following = self.text[self.at + 1 : self.at + 2]
            if not (following.isalnum() or (following and following in "_@*#?$!-")):
                self.at += 1
                return False
            self.at += 2
            while (
                self.text[self.at - 1].isidentifier() and self.text[self.at : self.at + 1].replace("_", "a").isalnum()
            ):
                self.at += 1
        return True

    def read_braces(self) -> None:
        self.at += 2
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "}":
                self.at += 1
                return
            if character == "\\":
                self.at += 2
            elif character == "'":
                self.read_single(self.at + 1)
            elif character == '"':
                self.at += 1
                self.read_double([])
            elif character in "$`":
                self.read_expansion()
            else:
                self.at += 1
        raise ShellSyntaxError("a '}' is missing")


def _run_by(name: str, words: tuple[Word, ...]) -> Iterator[tuple[Word, ...]]:
    """Go through the commands that a command runs, as words."""
    if name == "find":
        for at, word in enumerate(words):
            if word in ("-exec", "-execdir", "-ok", "-okdir"):
                rest = words[at + 1 :]
                end = next((place for place, other in enumerate(rest) if other in (";", "+")), len(rest))
                yield rest[:end]
            elif word == "-delete":
                yield (Word("rm"), *words[1:2])
    if name not in _RUNS_ANOTHER:
        return
    with_value, operands = _RUNS_ANOTHER[name]
    at = 1
    while at < len(words):
        word = words[at]
        if word == "--":
            at += 1
            break
        if name == "command" and word[:1] == "-" and set(word) & set("vV"):
            return  # asks for a command, runs none
        if word[:1] == "-" and len(word) > 1:
            last_takes = word[-1] in with_value and word[:2] != "--" and not set(word[1:-1]) & set(with_value)
            at += 2 if last_takes or f" {word} " in _LONG_WITH_VALUE else 1
        elif name in ("env", "sudo") and _is_assignment(word):
            at += 1
        else:
            break
    while name in ("env", "sudo") and at < len(words) and _is_assignment(words[at]):
        at += 1
    yield words[at + operands :]


def _script_of(command: Command) -> str | None:
    """Return the script that a command was given as text: `sh -c TEXT`, `eval WORDS`, `sh <<EOF`; else None."""
    name, args = command.name, command.args
    if name == "eval":
        return " ".join(args)
    if name == "trap" and args:
        return args[0]
    if name == "env":
        for at, arg in enumerate(args):
            if arg in ("-S", "--split-string"):
                return " ".join(args[at + 1 :])
            if arg.startswith(("-S", "--split-string=")):
                return " ".join([arg[2:] if arg.startswith("-S") else arg.partition("=")[2], *args[at + 1 :]])
    if name not in _SHELLS and name not in ("su", "runuser", "script", "flock"):
        return None
    takes_script, skip = False, False
    for arg in args:
        if skip:
            skip = False
        elif arg[:1] in ("-", "+") and len(arg) > 1:
            takes_script = takes_script or arg == "--command" or (arg[:2] != "--" and "c" in arg)
            skip = arg[:2] != "--" and arg[-1] in "oO"
        elif takes_script:
            return arg
        elif name in _SHELLS:
            return None  # a script in a file
    given = [str(target) for operator, target in command.redirects if operator in ("<<", "<<<")]
    return given[-1] if given and name in _SHELLS else None


# --- the transcript ------------------------------------------------------------------------------------


class Transcript:
    """The conversation so far, from the file that the event names. The file lags: the last lines may be missing."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through the lines that are JSON objects; torn and foreign ones are left out, a missing file is empty."""
        import json

        try:
            file = open(self.path, encoding="utf-8", errors="replace")  # noqa: SIM115
        except OSError:
            return
        with file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry

    def blocks(self, role: str = "") -> Iterator[dict[str, Any]]:
        """Go through the content blocks of all messages (of *role*: user or assistant); text is a block, too."""
        for entry in self:
            message = entry.get("message")
            if not isinstance(message, dict) or (role and message.get("role") != role):
                continue
            content = message.get("content")
            if isinstance(content, str):
                yield {"type": "text", "text": content}
            elif isinstance(content, list):
                yield from (block for block in content if isinstance(block, dict))

    def texts(self, role: str = "") -> list[str]:
        """Return all texts of *role*, in order."""
        return [str(block.get("text", "")) for block in self.blocks(role) if block.get("type") == "text"]

    def tool_calls(self, name: str = "") -> list[dict[str, Any]]:
        """Return the model's calls (of the tool *name*): `name`, `input`, `id`."""
        calls = (block for block in self.blocks("assistant") if block.get("type") == "tool_use")
        return [block for block in calls if not name or block.get("name") == name]


def transcript(event: Event) -> Transcript:
    """Return the transcript of the event's session."""
    return Transcript(event.transcript_path)


# --- state ---------------------------------------------------------------------------------------------

STALE_AFTER = 30 * 24 * 3600.0
"""Seconds after which the state of a session that nobody touched is taken away."""


class State(dict):  # type: ignore[type-arg]
    """A dict that is read when its `with` block begins and written when that ends well; nobody else has it meanwhile.

    It is JSON in a file of its own, below the user's state folder, for one session and one name. If the block raises,
    nothing is written.
    """

    def __init__(self, session_id: str, name: str, *, folder: str = "", wait: float = 5.0) -> None:
        super().__init__()
        self.folder = os.path.join(folder or _state_folder(), _file_name(session_id))
        self.path = os.path.join(self.folder, f"{_file_name(name)}.json")
        self._wait = wait
        self._lock: Any = None

    def __enter__(self) -> State:
        self._lock = self._locked()
        try:
            self._clean_up()
            self.clear()
            self.update(self._read())
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        try:
            if kind is None:
                self._save()
        finally:
            self._release()

    def _locked(self) -> Any:
        """Return the lock file, locked. A folder that a clean-up takes away meanwhile is made again."""
        import time

        end = time.monotonic() + self._wait
        pause = 0.001
        while True:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            try:
                lock = open(f"{self.path[:-5]}.lock", "a+b")  # noqa: SIM115
            except FileNotFoundError:
                continue
            if _try_lock(lock) and _is_still_there(lock):
                return lock
            lock.close()
            if time.monotonic() > end:
                raise StateBusyError(f"somebody has held {self.path} for more than {self._wait:g} s")
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()  # which gives the lock back
            self._lock = None

    def _read(self) -> dict[str, Any]:
        import json

        try:
            with open(self.path, encoding="utf-8") as file:
                found = json.load(file)
            if isinstance(found, dict):
                return found
        except FileNotFoundError:
            return {}
        except ValueError:
            pass
        os.replace(self.path, f"{self.path}.broken")
        print(f"the state in {self.path} could not be read; it is kept as {self.path}.broken", file=sys.stderr)
        return {}

    def _save(self) -> None:
        import json

        data = json.dumps(dict(self)).encode()
        fresh = f"{self.path}.{os.getpid()}.new"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(data)
            os.replace(fresh, self.path)
        except BaseException:
            try:
                os.unlink(fresh)
            except OSError:
                pass
            raise

    def _clean_up(self) -> None:
        """Once a day take away the folders of sessions that nobody has touched for long."""
        import time

        top = os.path.dirname(self.folder)
        mark = os.path.join(top, ".cleaned")
        now = time.time()
        try:
            if now - os.stat(mark).st_mtime < 24 * 3600:
                return
        except OSError:
            pass
        with open(mark, "w"):
            pass
        os.utime(mark)
        for entry in os.scandir(top):
            if entry.is_dir(follow_symlinks=False) and entry.path != self.folder:
                _remove_if_stale(entry.path, now - STALE_AFTER)


def state(event: Event, name: str) -> State:
    """Return what hooks keep under *name* for the event's session: `with hook.state(event, "calls") as kept: ...`."""
    return State(event.session_id, name)


def once(event: Event, name: str) -> bool:
    """Whether this is the first time in the session that *name* is asked for."""
    with state(event, "once") as kept:
        first = name not in kept
        kept[name] = True
    return first


def _state_folder() -> str:
    given = os.environ.get("PEGBOARD_STATE_DIR")
    home = given or os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "pegboard")
    return os.path.join(home, "hook-state")


def _file_name(text: str) -> str:
    """Return a name that is safe as a file's: the text itself, or its hash where it has other characters."""
    if (
        text
        and len(text) < 100
        and all(character.isascii() and (character.isalnum() or character in "-_") for character in text)
    ):
        return text
    import hashlib

    return "x-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _try_lock(file: Any) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_still_there(file: Any) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except OSError:
        return False


def _remove_if_stale(folder: str, before: float) -> None:
    """Take a session's folder away, unless a file in it is younger than *before* or locked."""
    try:
        files = [entry.path for entry in os.scandir(folder)]
        if any(os.stat(path).st_mtime > before for path in [folder, *files]):
            return
        locks = [open(path, "a+b") for path in files if path.endswith(".lock")]  # noqa: SIM115
        try:
            if all(_try_lock(lock) for lock in locks):
                for path in files:
                    os.unlink(path)
                os.rmdir(folder)
        finally:
            for lock in locks:
                lock.close()
    except OSError:
        pass
