"""JSON Schemas (2020-12) of what goes over the wire and of what settings say, made from the models and the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pegboard_builtins.wire_hooks.events import EVENTS, SHORT, SPELLED, EventRow
from pegboard_builtins.wire_hooks.handlers import HandlerType, Posture
from pegboard_builtins.wire_hooks.outputs import BESIDE, NO_EFFECT, Output
from pegboard_builtins.wire_hooks.settings import SPELLINGS, HookSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NULLABLE = ("custom_instructions",)
"""Fields of events that are sent as null; all others are absent instead."""
TEXT = {"type": "string"}
YES_NO = {"type": "boolean"}


def files() -> dict[str, dict[str, Any]]:
    """Return every schema of the hook contract by the name of its file."""
    made = {"hooks.json": contract_file(), "hooks-table.json": hooks_table()}
    for row in EVENTS.values():
        made[f"events/{row.name}.input.json"] = input_schema(row)
        made[f"events/{row.name}.output.json"] = output_schema(row)
    return made


# --- events --------------------------------------------------------------------------------------------


def input_schema(row: EventRow) -> dict[str, Any]:
    """Return the schema of what hooks of an event are sent; fields may be added to it."""
    made = _open(_plain(row.input.model_json_schema(ref_template="#/$defs/{model}")))
    made["required"] = [name for name, field in row.input.model_fields.items() if _is_always_there(name, field)]
    for name, said in made["properties"].items():
        if name not in NULLABLE:
            made["properties"][name] = _without_null(said)
    return {"$schema": DIALECT, **made, "title": f"{row.name}: what a hook is sent"}


def _is_always_there(name: str, field: Any) -> bool:
    return name == "hook_event_name" or field.is_required()


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that lets further fields through: hosts add some, and hooks must not mind."""
    found = {key: value for key, value in schema.items() if key != "additionalProperties"}
    if "$defs" in found:
        found["$defs"] = {name: _open(inner) for name, inner in found["$defs"].items()}
    return found


def _without_null(said: dict[str, Any]) -> dict[str, Any]:
    options = said.get("anyOf")
    if not options or {"type": "null"} not in options:
        return said
    left = [one for one in options if one != {"type": "null"}]
    rest = {key: value for key, value in said.items() if key not in ("anyOf", "default")}
    return {**rest, **left[0]} if len(left) == 1 else {**rest, "anyOf": left}


def output_schema(row: EventRow) -> dict[str, Any]:
    """Return the schema of what hooks of an event may answer.

    It is stricter than the host: what nobody reads at this event is not in it, so that an editor or a test finds it.
    """
    schema = _plain(Output.model_json_schema(by_alias=True))
    properties = {name: said for name, said in schema["properties"].items() if name != "hookSpecificOutput"}
    if not (row.decides or row.name == "PreModelSwitch"):
        properties.pop("decision")
        properties.pop("reason")
    else:
        properties["decision"] = _without_null(properties["decision"])
    made: dict[str, Any] = {
        "$schema": DIALECT,
        "title": f"{row.name}: what a hook may answer",
        "description": f"Exit code 2: {row.exit_2}.",
        "type": "object",
        "properties": {**properties, **_async()},
        "additionalProperties": False,
    }
    if row.specific is not None:
        inner = _plain(row.specific.model_json_schema(ref_template="#/$defs/{model}"))
        made["$defs"] = {name: _closed(one) for name, one in inner.pop("$defs", {}).items()}
        made["properties"]["hookSpecificOutput"] = _closed(inner)
        if not made["$defs"]:
            del made["$defs"]
    return made


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "additionalProperties": False}


def _async() -> dict[str, Any]:
    facts: dict[str, Any] = {
        "async": {**YES_NO, "description": "Nobody should wait for the rest of this program."},
        "asyncTimeout": {"type": "number", "description": "Milliseconds that it may take then."},
        **{name: {"description": "Published hooks say it; it has no effect here."} for name in NO_EFFECT},
    }
    assert set(facts) == BESIDE
    return facts


# --- settings ------------------------------------------------------------------------------------------

COMMON = {
    "if": {**TEXT, "description": "One permission rule, such as Bash(git *): only for calls that it names."},
    "timeout": {"type": "number", "exclusiveMinimum": 0, "description": "Seconds."},
    "statusMessage": {**TEXT, "description": "What is shown while it runs."},
    "once": {**YES_NO, "description": "Counts in skills only."},
    "id": {**TEXT, "description": "Its name, for lists, traces and `pegboard hooks disable` (Pegboard only)."},
    "on_error": {"enum": [str(one) for one in Posture], "description": "What its failure means (Pegboard only)."},
    "on_timeout": {"enum": [str(one) for one in Posture], "description": "What its being late means (Pegboard only)."},
    "sequential": {**YES_NO, "description": "It runs alone and sees what those before it changed (Pegboard only)."},
    "recheck": {**YES_NO, "description": "It is fired again if another hook changed the input (Pegboard only)."},
    "flag": {**TEXT, "description": "The flag that must be on (Pegboard only)."},
    "ramp": {**TEXT, "description": "The flag that says how far it counts (Pegboard only)."},
    "enabled": {**YES_NO, "description": "false switches it off (Pegboard only)."},
}
OWN: Mapping[HandlerType, Mapping[str, Any]] = {
    HandlerType.COMMAND: {
        "command": {**TEXT, "description": "For the shell; with `args`, the program."},
        "args": {"type": "array", "items": TEXT, "description": "Its arguments; no shell is involved then."},
        "shell": {"enum": ["bash", "powershell"], "description": "Which shell; `sh` where nothing is said."},
        "async": {**YES_NO, "description": "Nobody waits for it, and its decisions do not count."},
        "asyncRewake": {**YES_NO, "description": "Like async; exit code 2 brings its words to the model."},
        "rewakeMessage": TEXT,
        "rewakeSummary": TEXT,
        "worker": {**YES_NO, "description": "The program stays up: a JSON line per event (Pegboard only)."},
    },
    HandlerType.HTTP: {
        "url": {**TEXT, "pattern": "^https?://", "description": "Where the event is posted to."},
        "headers": {"type": "object", "additionalProperties": TEXT},
        "allowedEnvVars": {"type": "array", "items": TEXT, "description": "Variables that headers may hold."},
    },
    HandlerType.FUNCTION: {"function": {**TEXT, "description": '"file.py:name" or "package:name" (Pegboard only).'}},
    HandlerType.PROMPT: {
        "prompt": {**TEXT, "description": "The condition; $ARGUMENTS stands for the event."},
        "model": TEXT,
        "continueOnBlock": {**YES_NO, "description": "A refusal goes to the model, and the turn goes on."},
    },
    HandlerType.AGENT: {"prompt": TEXT, "model": TEXT, "continueOnBlock": YES_NO},
    HandlerType.MCP_TOOL: {"server": TEXT, "tool": TEXT, "input": {"type": "object"}},
}
REQUIRED = {
    HandlerType.COMMAND: ["type", "command"],
    HandlerType.HTTP: ["type", "url"],
    HandlerType.FUNCTION: ["function"],
    HandlerType.PROMPT: ["type", "prompt"],
    HandlerType.AGENT: ["type", "prompt"],
    HandlerType.MCP_TOOL: ["type", "tool"],
}


def contract_file() -> dict[str, Any]:
    """Return the schema of a settings file of the contract, as far as it is about hooks; the rest is left alone."""
    switches = _switches()
    return {
        "$schema": DIALECT,
        "title": "Hooks in a settings file of the contract, or a plugin's hooks/hooks.json",
        "type": "object",
        "properties": {
            "$schema": TEXT,
            "description": TEXT,
            "hooks": {"type": "object", "properties": _events(EVENTS), "additionalProperties": False},
            **{theirs: switches[ours] for theirs, ours in SPELLINGS.items()},
        },
        "$defs": definitions(),
    }


def hooks_table() -> dict[str, Any]:
    """Return the schema of our table `[hooks]`: switches, and events by every spelling of ours."""
    return {"$schema": DIALECT, "title": "[hooks] in Pegboard's settings", **table_schema()}


def table_schema() -> dict[str, Any]:
    """Return the same as a part of another schema, with its definitions."""
    named = {*EVENTS, *SHORT, *(row.snake for row in EVENTS.values())}
    return {
        "description": HookSettings.__doc__,
        "type": "object",
        "properties": {**_switches(), **_events(named)},
        "additionalProperties": False,
        "$defs": definitions(),
    }


def _switches() -> dict[str, Any]:
    said: dict[str, Any] = _plain(HookSettings.model_json_schema()["properties"])
    return {name: _without_null(one) for name, one in said.items()}


def _plain(value: Any) -> Any:
    """Return a schema without what models add by themselves: titles made of names, and defaults."""
    if isinstance(value, dict):
        return {
            key: _plain(inner)
            for key, inner in value.items()
            if not (key == "title" and isinstance(inner, str)) and key != "default"
        }
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _events(names: Iterable[str]) -> dict[str, Any]:
    found = {}
    for name in sorted(names, key=lambda one: (SPELLED.get(one, one), one)):
        row = EVENTS[SPELLED.get(name, name)] if name not in EVENTS else EVENTS[name]
        kind = "hookGroup" if row.matches else "plainHookGroup"
        fires = row.fires or f"never here: it needs {row.missing}"
        found[name] = {
            "description": f"{fires}." + (f" Matched on {row.matches}." if row.matches else ""),
            "type": "array",
            "items": {"$ref": f"#/$defs/{kind}"},
        }
    return found


def definitions() -> dict[str, Any]:
    """Return what the schemas of settings refer to: groups and handlers."""
    handlers = {f"{kind}Hook": _handler(kind) for kind in HandlerType}
    anyone: dict[str, Any] = {"anyOf": [{"$ref": f"#/$defs/{kind}Hook"} for kind in HandlerType]}
    matcher = {
        **TEXT,
        "description": "Names in a list are exact (Edit|Write); anything else is a regular expression.",
    }
    listed: dict[str, Any] = {"type": "array", "items": anyone}
    return {
        **handlers,
        "hookGroup": _group({"matcher": matcher, "hooks": listed}, anyone),
        "plainHookGroup": _group({"matcher": {**matcher, "deprecated": True}, "hooks": listed}, anyone),
    }


def _group(properties: dict[str, Any], anyone: dict[str, Any]) -> dict[str, Any]:
    """Return a matcher group; a group that is its own handler is ours."""
    group = {"type": "object", "properties": properties, "required": ["hooks"]}
    return {"anyOf": [group, {"allOf": [anyone], "not": {"required": ["hooks"]}}]}


def _handler(kind: HandlerType) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"type": {"const": str(kind)}, **COMMON, **OWN[kind]},
        "required": REQUIRED[kind],
    }
