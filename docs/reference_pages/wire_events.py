"""The page of the wire events: the table of events, with the fields that each sends and reads."""

from __future__ import annotations

from typing import Any

from reference_pages.markdown import code, page, table


def wire_events_page() -> str:
    """Return the page of the events that declared hooks are fired on."""
    from pegboard_builtins.wire_hooks.events import EVENTS
    from pegboard_builtins.wire_hooks.inputs import Input

    intro = (
        "The events of the hook contract, on which the hooks of settings files are fired. Each hook is sent one line\n"
        "of JSON; what it may answer is JSON, too, or an exit code. `pegboard hooks events` shows the same beside the\n"
        "hooks that are declared here, `pegboard hooks schema EVENT` prints a JSON Schema.\n"
        "[Deviations](../explanation/deviations.md) lists where Pegboard differs from the contract."
    )
    rows = list(EVENTS.values())
    index = [(f"[{row.name}](#{row.name.lower()})", row.fires or f"*never: needs {row.missing}*") for row in rows]
    parts = [table(("event", "fires when"), index), "## Fields of every event", _fields(Input), _answers()]
    for row in rows:
        parts += _event(row)
    return page("Wire events", "`pegboard_builtins.wire_hooks.events`", intro, parts)


def _answers() -> str:
    from pegboard_builtins.wire_hooks.outputs import Output

    hidden = ("hookSpecificOutput", "decision", "reason")
    return "## Fields of every answer\n\n" + _fields(Output, without=hidden, mark_optional=False)


def _event(row: Any) -> list[str]:
    from pegboard_builtins.wire_hooks.events import SHORT
    from pegboard_builtins.wire_hooks.handlers import HandlerType
    from pegboard_builtins.wire_hooks.inputs import Input

    short = [name for name, event in SHORT.items() if event == row.name]
    seconds = {
        f"{row.seconds_of(kind):g} s ({kind})" for kind in (HandlerType.PROMPT, HandlerType.AGENT) if kind in row.types
    }
    limits = "; ".join([f"{row.seconds:g} s", *sorted(seconds)])
    facts = [
        ("also written", ", ".join(map(code, [row.snake, *short]))),
        ("fires when", row.fires or f"never here: it needs {row.missing}"),
        ("matched on", code(row.matches) or "nothing: matchers are ignored"),
        ("handler types", ", ".join(code(str(kind)) for kind in sorted(row.types))),
        ("timeout", limits),
        ("exit code 2", str(row.exit_2)),
        ('`decision: "block"`', "counts" if row.decides else "does not count"),
        ("plain text on stdout", "is context for the model" if row.text else "is not read"),
        ("`continue: false`", "ends the turn" if row.stops else "does not count"),
        ("`systemMessage`", "is shown" if row.speaks else "is not shown"),
    ]
    parts = [f"## {row.name}", table(("", ""), facts)]
    own = _fields(row.input, without=tuple(Input.model_fields))
    if own:
        parts += ["What it sends beside the fields of every event:", own]
    if row.specific is not None:
        parts += ["What `hookSpecificOutput` may hold:", _fields(row.specific, mark_optional=False)]
    return parts


def _fields(model: Any, *, without: tuple[str, ...] = (), mark_optional: bool = True) -> str:
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        if name in without:
            continue
        key = field.alias or name
        may = mark_optional and not field.is_required() and field.default is None
        rows.append(
            (
                code(key) + (" (not always)" if may else ""),
                _type(schema["properties"][key], schema),
                field.description or "",
            )
        )
    return table(("field", "type", "what it says"), rows)


def _type(said: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in said:
        inner = schema["$defs"][said["$ref"].rpartition("/")[2]]
        return "object: " + ", ".join(code(name) for name in inner.get("properties", {}))
    if "const" in said:
        return code(said["const"])
    if "enum" in said:
        return " or ".join(map(code, said["enum"]))
    options = [_type(one, schema) for one in said.get("anyOf", ()) if one.get("type") != "null"]
    if options:
        return " or ".join(options)
    if said.get("type") == "array":
        return f"list of {_type(said.get('items', {}), schema)}"
    names = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    return names.get(said.get("type", ""), said.get("type", "anything"))
