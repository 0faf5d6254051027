"""From what files say to the handlers that count: each entry is parsed alone; then switches, consent, copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pegboard.errors import did_you_mean
from pegboard.messages import whole
from pegboard.settings import SettingsLayer, Source
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.conditions import tool_of
from pegboard_builtins.wire_hooks.events import EVENTS, SHORT, EventRow, event_named
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType, PluginFolder, Posture
from pegboard_builtins.wire_hooks.placed import Placed
from pegboard_builtins.wire_hooks.settings import KEYS


class Standing(StrEnum):
    """Whether a handler counts, and if not, why."""

    ACTIVE = "active"
    UNTRUSTED = "untrusted"
    DISABLED = "disabled"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that is not as it should be: what, where, how to mend it."""

    text: str
    where: Source
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.where.file}:{self.where.line}" if self.where.line else self.where.file
        stop = "" if self.text.endswith((".", "?", "!")) else "."
        return f"{place}: {self.text}" + (f"{stop} {self.mend}" if self.mend else "")


@dataclass(frozen=True, slots=True)
class Entry:
    """A handler with its standing; `why` says what stands against it."""

    handler: Handler
    standing: Standing = Standing.ACTIVE
    why: str = ""


@dataclass(frozen=True, slots=True)
class HookFile:
    """What one file says: its hooks as they stand in it, and the contract's switches.

    `trusted` says whether its switches count; its handlers are held against consent one by one.
    """

    layer: SettingsLayer
    path: str
    hooks: Any = None
    switches: Mapping[str, Any] = field(default_factory=dict)
    plugin: PluginFolder | None = None
    trusted: bool = True
    problems: tuple[Problem, ...] = ()
    broken: bool = False
    by: str = ""
    """What the ids of its hooks end with; empty for its layer's or plugin's name."""
    once: bool = False
    """Whether `once` counts in it: in skills alone (hook-contract C82)."""


@dataclass(frozen=True, slots=True)
class HookTable:
    """All declared hooks of a project, in configuration order, and what was wrong on the way.

    `broken` says that a whole file could not be read, so that hooks may be missing.
    """

    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
    broken: bool = False
    switches: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    chosen: dict[tuple[str, str], Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What `choose` came to, by event and what is matched: see there."""

    def of(self, event: str) -> tuple[Entry, ...]:
        """Return the entries of one event, those that do not count included."""
        return tuple(entry for entry in self.entries if entry.handler.event == event)

    @property
    def active(self) -> tuple[Handler, ...]:
        """The handlers that count."""
        return tuple(entry.handler for entry in self.entries if entry.standing is Standing.ACTIVE)


FROM_THE_FOLDER = (SettingsLayer.PROJECT, SettingsLayer.LOCAL)


def load(files: Sequence[HookFile], consented: Callable[[Handler], bool] = lambda handler: True) -> HookTable:
    """Return the table of these files, lowest layer first.

    One malformed entry costs only itself, where the contract's program drops the whole file (hook-behaviour 2.1, 6).
    """
    problems: list[Problem] = [problem for file in files for problem in file.problems]
    handlers: list[Handler] = []
    taken: set[str] = set()
    for file in files:
        for handler in _Reading(file, problems).handlers():
            handlers.append(_with_own_id(handler, taken))
    switches = _switches(files)
    entries = [_judged(handler, switches, consented) for handler in handlers]
    return HookTable(
        entries=tuple(entries),
        problems=tuple(problems),
        broken=any(file.broken for file in files),
        switches=switches,
        files=tuple(dict.fromkeys(file.path for file in files if file.path)),
    )


@dataclass(frozen=True, slots=True)
class Brought:
    """Hooks that no settings file declares: an agent's own, or those of a skill that is in use (hook-contract 2.2).

    `by` is the end of their ids ("agent:careful"), `path` the file that says them.
    """

    by: str
    hooks: Mapping[str, Any]
    path: str
    plugin: PluginFolder | None = None
    once: bool = False

    def beside(self, table: HookTable, *, in_agent: bool) -> tuple[list[Entry], list[Problem]]:
        """Return them as entries for the end of a table, whose switches count for them, too; and what is wrong.

        Within a sub-agent what they say of Stop is about the end of that sub-agent, so it is SubagentStop.
        """
        problems: list[Problem] = []
        said = {
            "SubagentStop" if in_agent and event_named(key) == "Stop" else key: groups
            for key, groups in self.hooks.items()
        }
        file = HookFile(SettingsLayer.SESSION, self.path, said, plugin=self.plugin, by=self.by, once=self.once)
        taken = {entry.handler.id for entry in table.entries}
        handlers = [_with_own_id(one, taken) for one in _Reading(file, problems).handlers()]
        return [_judged(one, table.switches, lambda handler: True) for one in handlers], problems


# --- one file ------------------------------------------------------------------------------------------

COMMENT = ("//", "_", "$", "#")
"""What keys begin with that are words for people, or for editors."""
GROUP_KEYS = frozenset({"matcher", "hooks"})
COMMON_KEYS = frozenset({"type", "if", "timeout", "statusMessage", "once"})
OUR_KEYS = frozenset({"id", "on_error", "on_timeout", "sequential", "recheck", "flag", "ramp", "enabled"})
KEYS_OF = {
    HandlerType.COMMAND: frozenset(
        {"command", "args", "shell", "async", "asyncRewake", "rewakeMessage", "rewakeSummary", "worker"}
    ),
    HandlerType.HTTP: frozenset({"url", "headers", "allowedEnvVars"}),
    HandlerType.FUNCTION: frozenset({"function"}),
    HandlerType.PROMPT: frozenset({"prompt", "model", "continueOnBlock"}),
    HandlerType.AGENT: frozenset({"prompt", "model"}),
    HandlerType.MCP_TOOL: frozenset({"server", "tool", "input"}),
}
NEEDED = {
    HandlerType.COMMAND: "command",
    HandlerType.HTTP: "url",
    HandlerType.FUNCTION: "function",
    HandlerType.PROMPT: "prompt",
    HandlerType.AGENT: "prompt",
    HandlerType.MCP_TOOL: "tool",
}


A_GROUP = 'Write [ {"hooks": [ {"type": "command", "command": "..."} ]} ].'


class _WrongError(ValueError):
    """What is wrong with an entry; it is left out."""


class _Reading:
    """Reads one file; what is wrong is told and costs only itself."""

    def __init__(self, file: HookFile, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems

    def handlers(self) -> Iterator[Handler]:
        hooks = self._file.hooks
        if hooks is None:
            return
        if not isinstance(hooks, dict):
            self._tell("`hooks` is no object, so none of them counts", 1, "Write { EVENT: [ ... ] }.")
            return
        self._tell_of_twins("the hooks", hooks)
        for key, groups in hooks.items():
            event = event_named(key)
            if event is None:
                if key not in KEYS and not key.startswith(COMMENT):
                    hint = did_you_mean(key, [*EVENTS, *SHORT])
                    self._tell(f"there is no event {key!r}; what is under it does not count.{hint}", self._near(groups))
                continue
            yield from self._groups(EVENTS[event], groups)

    def _groups(self, row: EventRow, groups: Any) -> Iterator[Handler]:
        if not isinstance(groups, list):
            self._tell(f"{row.name} is no list of matcher groups, so it does not count", self._near(groups), A_GROUP)
            return
        for place, group in enumerate(groups, 1):
            if not isinstance(group, dict):
                said = f"{row.name}, group {place}: it is no object, so it does not count"
                self._tell(said, self._near(groups), A_GROUP)
                continue
            yield from self._group(row, place, group)

    def _group(self, row: EventRow, place: int, group: dict[str, Any]) -> Iterator[Handler]:
        self._tell_of_twins(f"{row.name}, group {place}", group)
        matcher = group.get("matcher")
        if "matcher" in group and not isinstance(matcher, str):
            self._tell(
                f"{row.name}, group {place}: the matcher {shown(matcher)} is no text, so its hooks do not count",
                _line(group),
                'Write "Bash", "Edit|Write", or a regular expression.',
            )
            return
        entries = group.get("hooks")
        if entries is None and ("type" in group or "function" in group):
            entries = [group]  # our short form: a group that is its own handler
        if not isinstance(entries, list):
            said = f"{row.name}, group {place}: `hooks` is no list, so it does not count"
            self._tell(said, _line(group), A_GROUP)
            return
        for number, entry in enumerate(entries, 1):
            try:
                yield self._handler(row, f"{place}.{number}", matcher, entry, group)
            except _WrongError as wrong:
                line = _line(entry) if isinstance(entry, Placed) else _line(group)
                self._tell(f"{row.name}, hook {place}.{number}: {wrong}; it does not count", line)

    def _handler(self, row: EventRow, place: str, matcher: str | None, entry: Any, group: dict[str, Any]) -> Handler:
        if not isinstance(entry, dict):
            raise _WrongError("it is no object")
        if whole([matcher, entry]) != [matcher, entry]:
            raise _WrongError("it holds half a character (an escape of D800 to DFFF without its other half)")
        self._tell_of_twins(f"{row.name}, hook {place}", entry)
        kind = _kind(entry)
        if kind not in row.types:
            can = ", ".join(sorted(row.types))
            raise _WrongError(f"{row.name} cannot run hooks of the type {kind}; it can run {can}")
        line = _line(entry) if isinstance(entry, Placed) else _line(group)
        where = Source(self._file.layer, self._file.path, line)
        own = entry.get("id")
        known = COMMON_KEYS | OUR_KEYS | KEYS_OF[kind] | (GROUP_KEYS if entry is group else frozenset())
        facts: dict[str, Any] = {
            "id": _text(own, "id") if own is not None else self._made_id(row.name, place),
            "event": row.name,
            "type": kind,
            "where": where,
            "matcher": matcher,
            "condition": _condition(entry),
            "timeout": _seconds(entry.get("timeout")),
            "status_message": _text(entry.get("statusMessage", ""), "statusMessage"),
            "once": self._file.once and _flag(entry, "once"),
            "on_error": _posture(entry.get("on_error"), "on_error") or Posture.OPEN,
            "on_timeout": _posture(entry.get("on_timeout"), "on_timeout"),
            "sequential": _flag(entry, "sequential"),
            "recheck": _flag(entry, "recheck"),
            "flag": _text(entry.get("flag", ""), "flag"),
            "ramp": _text(entry.get("ramp", ""), "ramp"),
            "enabled": entry.get("enabled", True) is not False,
            "plugin": self._file.plugin,
            "by": self._file.by,
            "unknown": tuple(sorted(key for key in entry if key not in known or self._is_lost(key, entry))),
        }
        return Handler(**facts, **_OWN[kind](entry))

    def _is_lost(self, key: str, entry: dict[str, Any]) -> bool:
        """Whether a key of the contract means nothing in this file."""
        return key == "once" and not self._file.once and entry[key] is True

    def _made_id(self, event: str, place: str) -> str:
        plugin = f"plugin:{self._file.plugin.name}" if self._file.plugin is not None else ""
        source = self._file.by or plugin or str(self._file.layer)
        return f"{event}/{place}@{source.replace(' ', '-')}"

    def _near(self, value: Any) -> int | None:
        """Return the line of something, or where that is not known the one of what holds it."""
        return _line(value) or _line(self._file.hooks)

    def _tell_of_twins(self, what: str, value: dict[str, Any]) -> None:
        if not isinstance(value, Placed):
            return
        for key in value.twice:
            self._tell(f"{what}: `{key}` stands twice, and only the last counts", value.line, "Make one of them.")

    def _tell(self, text: str, line: int | None, mend: str = "") -> None:
        self._problems.append(Problem(text, Source(self._file.layer, self._file.path, line), mend))


def _line(value: Any) -> int | None:
    if isinstance(value, Placed):
        return value.line
    if isinstance(value, list):
        return next((one.line for one in value if isinstance(one, Placed)), None)
    return None


def _kind(entry: dict[str, Any]) -> HandlerType:
    said = entry.get("type")
    if said is None and "function" in entry:
        return HandlerType.FUNCTION
    if said is None:
        raise _WrongError(f"it has no `type`: {', '.join(HandlerType)}")
    try:
        return HandlerType(str(said))
    except ValueError:
        hint = did_you_mean(str(said).lower(), [kind.value for kind in HandlerType])
        raise _WrongError(f"there is no type {said!r}.{hint}".rstrip(".")) from None


def _condition(entry: dict[str, Any]) -> str:
    condition = _text(entry.get("if", ""), "if")
    if condition.strip() and not tool_of(condition):
        raise _WrongError(f"`if` is {shown(condition)}; it must be one permission rule: Tool, or Tool(pattern)")
    return condition


def shown(value: Any) -> str:
    """Return a value as a settings file would say it: true and null, not True and None."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # a date in TOML
        return str(value)


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise _WrongError(f"`{key}` is {shown(value)}; it must be a text")
    return value


def _texts(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _WrongError(f"`{key}` is {shown(value)}; it must be a list of texts")
    return tuple(value)


def _table(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _WrongError(f"`{key}` is {shown(value)}; it must be an object")
    return dict(value)


def _flag(entry: dict[str, Any], key: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise _WrongError(f"`{key}` is {shown(value)}; it must be true or false")
    return value


LONGEST = 366 * 24 * 3600
"""Seconds that a hook has at most: who says more means no limit, and a guard that he means so is not taken away."""


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise _WrongError(f"`timeout` is {shown(value):.80}; it must be seconds, more than 0")
    return float(min(value, LONGEST))  # it may be more than any float can hold


def _posture(value: Any, key: str) -> Posture | None:
    if value is None:
        return None
    try:
        return Posture(value)
    except ValueError:
        raise _WrongError(f"`{key}` is {shown(value)}; it must be open, closed or ask") from None


def _command(entry: dict[str, Any]) -> dict[str, Any]:
    rewake = _flag(entry, "asyncRewake")
    return {
        "command": _needed(entry, HandlerType.COMMAND),
        "args": _texts(entry["args"], "args") if "args" in entry else None,
        "shell": _text(entry.get("shell", ""), "shell"),
        "asynchronous": _flag(entry, "async") or rewake,
        "rewake": rewake,
        "rewake_message": _text(entry.get("rewakeMessage", ""), "rewakeMessage"),
        "worker": _flag(entry, "worker"),
    }


def _http(entry: dict[str, Any]) -> dict[str, Any]:
    url = _needed(entry, HandlerType.HTTP)
    if not url.startswith(("http://", "https://")):
        raise _WrongError(f"`url` is {shown(url)}; it must begin with http:// or https://")
    headers = _table(entry.get("headers", {}), "headers")
    return {
        "url": url,
        "headers": {name: _text(value, f"headers.{name}") for name, value in headers.items()},
        "allowed_variables": _texts(entry.get("allowedEnvVars", []), "allowedEnvVars"),
    }


def _prompt(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "prompt": _needed(entry, HandlerType.PROMPT),
        "model": _text(entry.get("model", ""), "model"),
        "continue_on_block": _flag(entry, "continueOnBlock"),
    }


def _mcp_tool(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "server": _text(entry.get("server", ""), "server"),
        "tool": _needed(entry, HandlerType.MCP_TOOL),
        "input": _table(entry.get("input", {}), "input"),
    }


def _needed(entry: dict[str, Any], kind: HandlerType) -> str:
    key = NEEDED[kind]
    if key not in entry:
        raise _WrongError(f"it has no `{key}`, which a hook of the type {kind} needs")
    return _text(entry[key], key)


_OWN: dict[HandlerType, Callable[[dict[str, Any]], dict[str, Any]]] = {
    HandlerType.COMMAND: _command,
    HandlerType.HTTP: _http,
    HandlerType.FUNCTION: lambda entry: {"function": _needed(entry, HandlerType.FUNCTION)},
    HandlerType.PROMPT: _prompt,
    HandlerType.AGENT: _prompt,
    HandlerType.MCP_TOOL: _mcp_tool,
}


def _with_own_id(handler: Handler, taken: set[str]) -> Handler:
    """Make the id unique: what two files call by one name are two hooks."""
    name, number = handler.id, 1
    while name in taken:
        number += 1
        name = f"{handler.id}#{number}"
    taken.add(name)
    return handler if name == handler.id else replace(handler, id=name)


# --- all files together --------------------------------------------------------------------------------


OF_MANAGED_FILES = ("managed_only", "plugins_only")
"""Switches that count in no other file."""


def _switches(files: Iterable[HookFile]) -> dict[str, Any]:
    """Return the switches that count: the highest layer's word, lists joined, an empty list of URLs closing all.

    A managed file's `disable_all` turns everything off; from elsewhere it leaves the managed hooks alone.
    """
    found: dict[str, Any] = {"disabled": (), "managed_off": False}
    for file in files:
        if not file.trusted:
            continue
        for key, value in file.switches.items():
            if key in OF_MANAGED_FILES and file.layer is not SettingsLayer.MANAGED:
                continue
            if key in ("allowed_urls", "allowed_variables"):
                old = found.get(key)
                found[key] = () if not value or old == () else tuple(dict.fromkeys([*(old or ()), *value]))
            elif key == "disabled":
                found[key] = tuple(dict.fromkeys([*found[key], *value]))
            else:
                found[key] = value
            if key == "disable_all" and file.layer is SettingsLayer.MANAGED:
                found["managed_off"] = bool(value)
    return found


def _judged(handler: Handler, switches: Mapping[str, Any], consented: Callable[[Handler], bool]) -> Entry:
    managed = handler.where.layer is SettingsLayer.MANAGED
    if switches["managed_off"]:
        return Entry(handler, Standing.DISABLED, "a managed file switches all hooks off")
    if switches.get("disable_all") and not managed:
        return Entry(handler, Standing.DISABLED, "disableAllHooks")
    if switches.get("managed_only") and not managed:
        return Entry(handler, Standing.DISABLED, "only managed hooks may run")
    if switches.get("plugins_only") and not managed and handler.plugin is None:
        return Entry(handler, Standing.DISABLED, "only hooks of plugin folders and managed ones may run")
    if not handler.enabled or handler.id in switches["disabled"]:
        return Entry(handler, Standing.DISABLED, "it is switched off")
    if handler.condition and not EVENTS[handler.event].tool:
        return Entry(handler, Standing.UNREACHABLE, f"`if` is for events of tools; on {handler.event} it never runs")
    if handler.where.layer in FROM_THE_FOLDER and not consented(handler):
        return Entry(handler, Standing.UNTRUSTED, "nobody consented to it as it is now: `pegboard trust`")
    return Entry(handler)


def without_copies(handlers: Sequence[Handler]) -> list[tuple[Handler, str]]:
    """Pair each handler with the id of the one that runs in its place, "" where it runs itself.

    Of equal handlers the last runs, with its timeout and headers (hook-behaviour 2.2). But a later copy never disarms
    an earlier one: one that is waited for stays so, and the stricter posture holds.
    """
    last: dict[tuple[object, ...], Handler] = {}
    for handler in handlers:
        earlier = last.get(handler.key)
        last[handler.key] = handler if earlier is None else _armed(handler, earlier)
    return [
        (last[handler.key], "") if last[handler.key].id == handler.id else (handler, last[handler.key].id)
        for handler in handlers
    ]


STRICTER = (Posture.OPEN, Posture.ASK, Posture.CLOSED)


def _armed(handler: Handler, earlier: Handler) -> Handler:
    return replace(
        handler,
        asynchronous=handler.asynchronous and earlier.asynchronous,
        rewake=handler.rewake and earlier.asynchronous,
        on_error=max(handler.on_error, earlier.on_error, key=STRICTER.index),
    )


def folder_of(handler: Handler) -> Path | None:
    """Return the folder that a handler's file lies in, for paths that are relative to it."""
    return Path(handler.where.file).parent if handler.where.file else None
