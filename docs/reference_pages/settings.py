"""The page of the settings: every table that the host and the built-in plugins own."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reference_pages.markdown import code, page, prose, table

ROOT = Path(__file__).resolve().parent.parent.parent


def settings_page() -> str:
    """Return the page of the settings: the host's tables and those of every built-in plugin."""
    from pegboard.settings import HOST_TABLES, LOWERING, SettingsLayer

    layers = [
        (str(SettingsLayer.DEFAULT), "what this page says"),
        (str(SettingsLayer.USER), "`~/.config/pegboard/settings.toml`, or the folder that `PEGBOARD_CONFIG_DIR` names"),
        (str(SettingsLayer.PROJECT), "`[tool.pegboard]` in `pyproject.toml`, then `.pegboard/settings.toml`"),
        (str(SettingsLayer.LOCAL), "`.pegboard/settings.local.toml`"),
        (str(SettingsLayer.SESSION), "what was set for one session"),
        (str(SettingsLayer.ENVIRONMENT), "`PEGBOARD_TABLE__KEY`, such as `PEGBOARD_SESSION__MAX_STEPS=50`"),
        (str(SettingsLayer.COMMAND_LINE), "options such as `--allow`"),
        (str(SettingsLayer.MANAGED), "`/etc/pegboard/settings.toml`"),
    ]
    assert len(layers) == len(SettingsLayer)
    intro = (
        "Settings are TOML. A plugin owns the table of its name unless it declares another; a key that nobody owns is\n"
        "an error with the nearest name. `pegboard settings show --origin` says what counts here, and which file and\n"
        "line said so; `pegboard settings schema` prints the JSON Schema of it all."
    )
    parts = ["## Layers", "Lowest first; a higher layer wins.", table(("layer", "where it is said"), layers)]
    parts.append(
        "The files of a folder that is not trusted count only where they tighten: the keys that are marked here.\n"
        "[Trust](../explanation/trust.md) has the reasons."
    )
    parts.append("## The host's tables")
    for name, model in HOST_TABLES.items():
        lower = LOWERING if name == "session" else ()
        parts += _settings_table(name, model, dict.fromkeys(lower, "may lower it"))
    parts.append("## The tables of the built-in plugins")
    for plugin, name, model, tightening in _built_in_tables():
        parts += _settings_table(name, model, dict.fromkeys(tightening, "counts"), plugin=plugin)
    return page("Settings", "the settings models", intro, parts)


def _built_in_tables() -> Iterator[tuple[str, str, Any, frozenset[str]]]:
    """Go through (plugin, table, model, keys that count without trust) of the built-ins, as they register them."""
    from pegboard.settings import SettingsView

    told: dict[str, frozenset[str]] = {}

    class Listening(SettingsView):
        def declare(self, name: str, model: Any, *, tightening: Iterable[str] = ()) -> None:
            told[name] = frozenset(tightening)
            super().declare(name, model, tightening=tightening)

    with host_of_built_ins(Listening()) as host:
        for plugin, contribution in sorted(host.board.contributions.items()):
            for name, model in sorted(contribution.tables.items()):
                yield plugin, name, model, told[name]


@contextmanager
def host_of_built_ins(settings: Any = None) -> Iterator[Any]:
    """Open a host with the built-ins alone, and nothing of this machine: no settings, environment or other packs."""
    import tomli
    from importlib_metadata import EntryPoint

    from pegboard.host import Host
    from pegboard.settings import SettingsView

    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = [EntryPoint(name, value, "pegboard") for name, value in project["entry-points"]["pegboard"].items()]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        yield Host(
            place,
            settings=settings or SettingsView(),
            state_dir=place,
            config_dir=place,
            environment={},
            entry_points=points,
        ).open()


def _settings_table(name: str, model: Any, untrusted: dict[str, str], *, plugin: str = "") -> Iterator[str]:
    schema = model.model_json_schema()
    yield f"### [{name}]"
    text = re.sub(r"^`\[\w+\]`: *", "", prose(model))
    text = f"{text[:1].upper()}{text[1:]}"
    yield f"Of the plugin `{plugin}`. {text}" if plugin else text
    rows = []
    for key, field in model.model_fields.items():
        facts = schema["properties"][field.alias or key]
        default = field.get_default(call_default_factory=True)
        row = [code(key), _toml_type(facts, schema), code(_toml(default)), field.description or ""]
        rows.append([*row, untrusted.get(key, "")] if untrusted else row)
    more = ["from an untrusted folder"] if untrusted else []
    yield table(("key", "type", "default", "what it says", *more), rows)


def _toml(value: Any) -> str:
    """Return a default in TOML's words; nothing where there is none."""
    if value is None:
        return ""
    if hasattr(value, "model_dump"):  # a table in the table
        value = value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{}" if not value else json.dumps(value)
    return json.dumps(getattr(value, "value", value), ensure_ascii=False)


def _toml_type(facts: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return a JSON Schema's type and limits for a person."""
    if "$ref" in facts:
        return _toml_type(schema["$defs"][facts["$ref"].rpartition("/")[2]], schema)
    options = [option for option in facts.get("anyOf", ()) if option.get("type") != "null"]
    if options:
        return " or ".join(_toml_type({**option}, schema) for option in options)
    choices = re.fullmatch(r"\^\(([\w|]+)\)\$", facts.get("pattern", ""))
    if choices:
        return "one of " + ", ".join(code(word) for word in choices[1].split("|") if word)
    kind = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}.get(
        facts.get("type", ""), ""
    )
    if facts.get("type") == "array":
        kind = f"list of {_plural(_toml_type(facts.get('items', {}), schema))}"
    elif facts.get("type") == "object":
        inner = facts.get("additionalProperties")
        kind = f"table of {_plural(_toml_type(inner, schema))}" if isinstance(inner, dict) else "table"
    limits = [
        f"{sign} {facts[name]:g}"
        for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if name in facts
    ]
    if facts.get("type") == "array" and "maxItems" in facts:
        limits.append(f"at most {facts['maxItems']}")
    return ", ".join([kind or "anything", *limits])


def _plural(kind: str) -> str:
    return {"text": "texts", "table": "tables", "whole number": "whole numbers", "number": "numbers"}.get(kind, kind)
