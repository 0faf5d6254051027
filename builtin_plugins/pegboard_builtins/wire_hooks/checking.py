"""Hooks that do not do what their author meant, found before they run: each finding has a place and a mend."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Literal, get_args, get_origin

from pegboard.errors import nearest
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks import endings, fields, programs, shells, variables
from pegboard_builtins.wire_hooks.asking_others import remarks_of
from pegboard_builtins.wire_hooks.conditions import tool_of
from pegboard_builtins.wire_hooks.events import EVENTS, EventRow
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.load import COMMENT, COMMON_KEYS, KEYS_OF, NEEDED, OUR_KEYS, HookTable, Standing
from pegboard_builtins.wire_hooks.match import compiled, exact_names, matcher_test
from pegboard_builtins.wire_hooks.remarks import Remark
from pegboard_builtins.wire_hooks.runners.resolve import resolve, shebang_problem
from pegboard_builtins.wire_hooks.sources import LONGEST_ARGUMENT

VOCABULARY = frozenset(
    {"Bash", "PowerShell", "Write", "Edit", "MultiEdit", "Read", "Glob", "Grep", "WebFetch", "WebSearch", "Agent"}
    | {"Task", "AskUserQuestion", "EnterPlanMode", "ExitPlanMode", "Skill", "SlashCommand", "ToolSearch", "LSP"}
    | {"NotebookEdit", "NotebookRead", "LS", "TodoRead", "TodoWrite", "BashOutput", "KillBash", "KillShell", "Monitor"}
    | {"TaskCreate", "TaskGet", "TaskList", "TaskOutput", "TaskStop", "TaskUpdate", "SendMessage"}
    | {"CronCreate", "CronDelete", "CronList", "EnterWorktree", "ExitWorktree", "TeamCreate", "TeamDelete"}
    | {"ListMcpResourcesTool", "ReadMcpResourceTool"}
)
"""Tools of the contract: one that is not here is no mistake in a file that is shared with other hosts."""
HARMLESS_KEYS = frozenset({"description", "name", "comment", "commandWindows"})
LARGEST_SECONDS = 1000.0
"""A timeout from here on was hardly meant in seconds."""
VALUES = {
    "Notification": [
        "permission_prompt",
        "idle_prompt",
        "auth_success",
        "elicitation_dialog",
        "elicitation_url_dialog",
        "elicitation_complete",
        "elicitation_response",
        "agent_needs_input",
        "agent_completed",
    ],
    "StopFailure": [
        "rate_limit",
        "overloaded",
        "authentication_failed",
        "oauth_org_not_allowed",
        "billing_error",
        "invalid_request",
        "model_not_found",
        "server_error",
        "max_output_tokens",
        "unknown",
    ],
}
"""What a matcher may match, where the input's type does not say it."""


class Level(StrEnum):
    """How sure a finding is: `wrong` does not work, `doubt` hardly does what is meant."""

    WRONG = "wrong"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a hook does not do. `hook` is its id, empty for what belongs to no hook."""

    kind: str
    text: str
    mend: str = ""
    hook: str = ""
    file: str = ""
    line: int | None = None
    level: Level = Level.WRONG

    @property
    def where(self) -> str:
        """The file and the line."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools that a session would have now; of those that are `off`, the flag that turns each on."""

    on: frozenset[str]
    off: Mapping[str, str] = field(default_factory=dict)

    def mend(self, name: str) -> str:
        """Return how a tool that is off is turned on; empty where nothing is known of it."""
        return f"Write `{self.off[name]} = true` under [flags.values] to have {name}." if name in self.off else ""


def check(table: HookTable, project: Path, tools: Tools, environment: Mapping[str, str]) -> list[Finding]:
    """Return all findings: of the files first, then hook by hook in their order."""
    found = [
        Finding("settings", problem.text, problem.mend, file=problem.where.file, line=problem.where.line)
        for problem in table.problems
    ]
    programs_of = {entry.handler.id: programs.files_of(entry.handler, project) for entry in table.entries}
    events = _events_of(table, programs_of)
    for entry in table.entries:
        handler = entry.handler
        made = [*_entry(handler, tools)]
        if entry.standing is Standing.UNREACHABLE:
            made.append(Finding("if", entry.why, "Take `if` away, and look at the event in the hook itself."))
        if handler.type is HandlerType.COMMAND:
            made += _command(handler, project, environment)
        made += _program(handler, programs_of[handler.id], events)
        made += map(_of_program, remarks_of(handler, EVENTS[handler.event], table.switches, environment))
        found += [_placed(one, handler) for one in made]
    return list(dict.fromkeys(found))


def _placed(one: Finding, handler: Handler) -> Finding:
    file, line = (one.file, one.line) if one.file else (handler.where.file, handler.where.line)
    return Finding(one.kind, one.text, one.mend, handler.id, file, line, one.level)


# --- the entry -----------------------------------------------------------------------------------------


def _entry(handler: Handler, tools: Tools) -> Iterator[Finding]:
    row = EVENTS[handler.event]
    if not handler.label.strip():
        mend = "Write what it is to run, or take the entry away."
        yield Finding("empty", f"its `{NEEDED[handler.type]}` is empty, so it does nothing", mend)
    yield from _keys(handler)
    yield from _matcher(handler, row, tools)
    yield from _condition(handler, tools.on)
    if not row.fires:
        yield Finding("event", f"nothing here fires {row.name}: it needs {row.missing}", level=Level.DOUBT)
    if row.by_tool and row.by_tool not in tools.on:
        what = f"nothing here fires {row.name}: the tool {row.by_tool} is off"
        yield Finding("event", what, tools.mend(row.by_tool), level=Level.DOUBT)
    if handler.timeout is not None and handler.timeout >= LARGEST_SECONDS:
        mend = f"Write {handler.timeout / 1000:g} if milliseconds were meant."
        yield Finding("timeout", f"`timeout` is in seconds: {handler.timeout:g} of them are {_long(handler)}", mend)


def _long(handler: Handler) -> str:
    minutes = (handler.timeout or 0) / 60
    return f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{minutes:.0f} minutes"


def _keys(handler: Handler) -> Iterator[Finding]:
    known = COMMON_KEYS | OUR_KEYS | KEYS_OF[handler.type]
    for key in handler.unknown:
        if key == "once":
            yield Finding("once", "`once` counts in skills and commands only; here it is ignored", level=Level.DOUBT)
            continue
        close = nearest(key, known)
        other = [str(kind) for kind, keys in KEYS_OF.items() if key in keys]
        if other:
            yield Finding("key", f"`{key}` belongs to hooks of the type {' or '.join(other)}; here nobody reads it")
        elif key not in HARMLESS_KEYS and not key.startswith(COMMENT) and close:
            yield Finding("key", f"nobody reads `{key}`", f"Write `{close}` if that was meant.")


def _matcher(handler: Handler, row: EventRow, tools: Tools) -> Iterator[Finding]:
    matcher = handler.matcher
    if matcher in (None, "", "*"):
        return
    assert matcher is not None
    if not row.matches:
        yield Finding(
            "matcher", f"{row.name} has no matcher; {matcher!r} is ignored, and the hook always runs", level=Level.DOUBT
        )
        return
    names = exact_names(matcher, row.separators)
    if names is None:
        yield from _pattern(matcher, row, tools.on)
        return
    known = values_of(row, tools.on)
    if known is None:
        return
    strange = [name for name in sorted(names) if name and name not in known]
    for name in strange:
        yield from _strange(name, row, known, tools.mend(name), alone=len(strange) == len(names))


def _strange(name: str, row: EventRow, known: frozenset[str], turn_on: str, *, alone: bool) -> Iterator[Finding]:
    if row.tool and name.startswith("mcp__"):
        if name.count("__") < 2:
            yield Finding(
                "matcher",
                f"{name!r} is a whole name, and no tool has it",
                f'Write "{name}__.*" for all tools of the server.',
            )
        return
    if row.tool and name in VOCABULARY:
        if alone:
            said = f"there is no tool {name!r} here, so it never matches"
            yield Finding("matcher", said, turn_on, level=Level.DOUBT)
        return
    close = nearest(name, known) or next((one for one in known if one.lower() == name.lower()), None)
    mend = f"Names are exact; write {close!r}." if close else f"It can be {', '.join(sorted(known))}."
    what = "tool" if row.tool else row.matches
    yield Finding("matcher", f"there is no {what} {name!r}" + (", so the hook never runs" if alone else ""), mend)


def _pattern(matcher: str, row: EventRow, tools: frozenset[str]) -> Iterator[Finding]:
    try:
        compiled(matcher)
    except re.error as wrong:
        yield Finding(
            "matcher",
            f"{matcher!r} is no regular expression ({wrong}), so the hook never runs",
            'Escape what is meant literally, or list names: "Bash|Edit".',
        )
        return
    known = values_of(row, tools | VOCABULARY)
    if known is None or "mcp__" in matcher:
        return
    test = matcher_test(matcher, row.separators)
    if not any(map(test, known)):
        mend = (
            'A matcher is a list of names ("Edit|Write"), or one regular expression for the name; what is said of '
            "paths and commands goes into `if`."
        )
        yield Finding("matcher", f"{matcher!r} matches no known {'tool' if row.tool else row.matches}", mend)


SECOND_RULE = re.compile(r"\)\s*(?:\|\||&&|[|,;]|or|and)\s*[A-Za-z_]\w*\(")


def _condition(handler: Handler, tools: frozenset[str]) -> Iterator[Finding]:
    condition = handler.condition
    if not condition:
        return
    if SECOND_RULE.search(condition):
        mend = "Write a hook for each; those that say the same otherwise run only once."
        yield Finding("if", f"`if` is one rule, and {condition!r} looks like several: it never holds", mend)
        return
    tool = tool_of(condition)
    if tool not in tools | VOCABULARY and not tool.startswith("mcp__"):
        close = nearest(tool, tools) or next((one for one in tools if one.lower() == tool.lower()), None)
        mend = f"Names are exact; write {close!r}." if close else ""
        yield Finding("if", f"`if` names {tool!r}, and there is no such tool: it never holds", mend)


def values_of(row: EventRow, tools: frozenset[str]) -> frozenset[str] | None:
    """Return what a matcher of an event may match; None where that can be anything."""
    if row.tool:
        return tools
    if row.name in VALUES:
        return frozenset(VALUES[row.name])
    annotation = row.input.model_fields[row.matches].annotation
    return frozenset(get_args(annotation)) if get_origin(annotation) is Literal else None


# --- the command ---------------------------------------------------------------------------------------


def broken(handler: Handler, project: Path, environment: Mapping[str, str]) -> str:
    """Return why a command handler cannot start, then "; " and the mend; empty where nothing speaks against it."""
    variables = {
        **(environment or os.environ),
        "CLAUDE_PROJECT_DIR": str(project),
        "PEGBOARD_PROJECT_DIR": str(project),
    }
    if handler.plugin is not None:
        for owner in ("CLAUDE", "PEGBOARD"):
            variables[f"{owner}_PLUGIN_ROOT"] = str(handler.plugin.root)
            variables[f"{owner}_PLUGIN_DATA"] = str(handler.plugin.data)
    words = (handler.command, *handler.args) if handler.args is not None else ()
    filled = [re.sub(r"\$\{(\w+)\}", lambda found: variables.get(found[1], found[0]), word) for word in words]
    found = resolve(handler, folder=project, environment=variables, argv=filled)
    if found.problem or found.script is None or found.script != found.program:
        return found.problem
    return shebang_problem(found.script, variables.get("PATH", os.defpath))


def _command(handler: Handler, project: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    if any(len(text.encode(errors="replace")) >= LONGEST_ARGUMENT for text in (handler.command, *(handler.args or ()))):
        what = f"it is longer than {LONGEST_ARGUMENT >> 10} KB, and no system starts a program with such an argument"
        yield Finding("broken", what, "Put it into a file, and name that.")
        return
    problem = broken(handler, project, environment)
    if problem and "carriage return" not in problem:  # that is told of the program, with its own line
        text, _, mend = problem.partition("; ")
        yield Finding("broken", text, f"{mend[:1].upper()}{mend[1:]}." if mend else "")
    yield from map(
        _of_program, variables.invented_variables(" ".join((handler.command, *(handler.args or ()))), environment)
    )
    if handler.args is None:
        yield from map(_of_program, shells.shell_command(handler.command, bash=handler.shell == "bash"))
        yield from _relative(handler, project)


def _relative(handler: Handler, project: Path) -> Iterator[Finding]:
    """A path that is looked for where the session stands: it is gone after the agent's first `cd`."""
    for place, word in enumerate(programs.started(handler.command)):
        is_path = "/" in word or place > 0
        if is_path and not word.startswith(("/", "~", "$", "-")) and os.path.isfile(project / word):
            mend = f'Write "$CLAUDE_PROJECT_DIR"/{word.removeprefix("./")}.'
            said = f"{word} is looked for in the session's folder: after a `cd` it is not found"
            yield Finding("relative path", said, mend, level=Level.DOUBT)


# --- the program ---------------------------------------------------------------------------------------


def _events_of(table: HookTable, programs_of: Mapping[str, list[Path]]) -> dict[Path, set[str]]:
    """Return for which events each program is run."""
    events: dict[Path, set[str]] = {}
    for entry in table.entries:
        for path in programs_of[entry.handler.id]:
            events.setdefault(path, set()).add(entry.handler.event)
    return events


def _program(handler: Handler, paths: list[Path], events: Mapping[Path, set[str]]) -> Iterator[Finding]:
    for path in paths:
        try:
            text = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        for one in programs.read(text, path, EVENTS[handler.event], handler, events[path]):
            made = _of_program(one)
            yield Finding(made.kind, made.text, made.mend, file=str(path), line=one.line, level=made.level)
    if handler.type is HandlerType.COMMAND and handler.args is None and len(handler.command) < LONGEST_ARGUMENT:
        row = EVENTS[handler.event]
        yield from map(_of_program, fields.words(handler.command, row))
        yield from map(_of_program, endings.endings(handler.command, row, whole=False))
        yield from map(_of_program, endings.only_says(handler.command, row))
        yield from map(_of_program, endings.unheard(handler.command, row, handler))


def _of_program(one: Remark) -> Finding:
    return Finding(one.kind, one.text, one.mend, level=Level.WRONG if one.sure else Level.DOUBT)
