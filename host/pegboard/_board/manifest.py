"""A plugin's manifest: everything that the board must know of it before one of its functions is called, as plain data.

What is not plain (a service, a health check, a function that says how long a hook may take) is only counted or named:
whoever wants to call it wakes the plugin first (see asleep.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from pydantic_core import from_json, to_json

from pegboard._board.contribution import Contribution
from pegboard.context import Command
from pegboard.egress import Surface
from pegboard.flags import Flag
from pegboard.hookspecs import NO_OPTIONS, ImplOptions
from pegboard.requests import ModelInfo, Section
from pegboard.tools import Tool
from pegboard.typed import fields_of

ASKED = "asked"
"""Stands for a function of the plugin's."""
SEVERAL = ("before", "after", "where", "fields")
"""What of a hook's options is several texts."""
NO_FLAG = Flag("x", default=False)


class NoManifestError(Exception):
    """A plugin cannot be known without importing it; the text says why."""


Hooks = Mapping[str, tuple[ImplOptions, bool]]
"""What a plugin implements: what was said of each function, and whether it is an `async def`."""


def manifest_of(contribution: Contribution, hooks: Hooks) -> dict[str, Any]:
    """Return what a plugin registered. Raises NoManifestError."""
    if contribution.by_import:
        raise NoManifestError(contribution.by_import)
    if contribution.filters or contribution.flag_sources or contribution.live_checks:
        raise NoManifestError("it filters ways out or votes on flags, which each session needs from its start")
    manifest = facts_of(contribution, hooks)
    for one, facts in zip(contribution.tools, manifest.get("tools", ()), strict=True):
        facts["schema"] = one.input_schema
    for name, facts in manifest.get("tables", {}).items():
        model = contribution.tables[name]
        has_another = hasattr(model, "settings_schema")  # which may be long, and is wanted by few
        facts["schema"] = None if has_another else model.model_json_schema()
    try:
        again = from_json(to_json(manifest))
    except ValueError as wrong:
        raise NoManifestError(f"what it registers is no plain data: {wrong}") from None
    if again != manifest or to_json(again) != to_json(manifest):
        raise NoManifestError("what it registers does not survive being written down")
    found: dict[str, Any] = again
    return found


def is_as_known(known: Mapping[str, Any], contribution: Contribution, hooks: Hooks) -> bool:
    """Whether a plugin registered what its manifest says; schemas are left out, because they take longest to make."""
    facts = facts_of(contribution, hooks)
    return all(_without_schemas(known.get(key)) == facts.get(key) for key in {*facts, *known} - {"import_ms"})


def know_schemas(contribution: Contribution, known: Mapping[str, Any]) -> None:
    """Give the tools of a plugin that was woken the schemas of its manifest: to make them would import pydantic."""
    for one, facts in zip(contribution.tools, known.get("tools", ()), strict=True):
        if type(one) is Tool:
            vars(one).setdefault("input_schema", facts["schema"])


def _without_schemas(known: Any) -> Any:
    if isinstance(known, list):
        return [_without_schemas(one) for one in known]
    if isinstance(known, dict):
        return {key: _without_schemas(one) for key, one in known.items() if key != "schema"}
    return known


def facts_of(contribution: Contribution, hooks: Hooks) -> dict[str, Any]:
    """Return a manifest but for its schemas, which take longest to make."""
    manifest: dict[str, Any] = {
        "hooks": {hook: _of_hook(options, contribution, is_async) for hook, (options, is_async) in hooks.items()},
        "declares": {
            one.name: list(value) if isinstance(value := getattr(contribution.declares, one.name), tuple) else value
            for one in fields(contribution.declares)
            if getattr(contribution.declares, one.name)
        },
        "tools": [_of_tool(one) for one in contribution.tools],
        "tool_sources": [list(one.where) for one in contribution.tool_sources],
        "models": [one.model_dump() for one in contribution.models],
        "commands": [_of_word(one) for one in contribution.commands],
        "flags": [_of_flag(one) for one in contribution.flags],
        "gate": [contribution.gate_flag, contribution.gate_ramp],
        "services": list(contribution.services),
        "views": [one.name for one in contribution.views],
        "sections": [one.model_dump(mode="json") for one in contribution.sections],
        "checks": [one.name for one in contribution.checks],
        "surfaces": [_of_word(one) for one in contribution.surfaces],
        "consents": len(contribution.consents),
        "prompts": len(contribution.prompts),
        "folders": [str(folder) for folder in contribution.folders],
        "tables": {name: _of_table(contribution, name) for name in contribution.tables},
    }
    return {key: value for key, value in manifest.items() if value}


def _of_word(one: Command | Surface) -> list[Any]:
    """Return all that a word says, in the order of its fields: a field that is new needs no line here."""
    return [getattr(one, each.name) for each in fields(one)]


def _of_hook(options: ImplOptions, contribution: Contribution, is_async: bool) -> dict[str, Any]:
    said: dict[str, Any] = {
        one.name: getattr(options, one.name)
        for one in fields(options)
        if getattr(options, one.name) != getattr(NO_OPTIONS, one.name)
    }
    for name in SEVERAL:
        if name in said:
            said[name] = list(said[name])
    if callable(said.get("timeout")):
        said["timeout"] = ASKED
    if isinstance(options.when, str):
        # With a table that nobody wrote in, which is the only time that a manifest is used, this is its default.
        said["when"] = bool(getattr(contribution.own_settings, options.when))
    elif options.when is not None:
        said["when"] = ASKED
    if options.unless is not None:
        said["unless"] = ASKED
    if is_async:
        said["async"] = True
    return said


def options_in(said: Mapping[str, Any], when: Any, unless: Any, timeout: Any) -> ImplOptions:
    """Return the options of a hook; *when*, *unless* and *timeout* stand for functions of the plugin's."""
    given: dict[str, Any] = {name: value for name, value in said.items() if name != "async"}
    for name in SEVERAL:
        if name in given:
            given[name] = tuple(given[name])
    if given.get("timeout") == ASKED:
        given["timeout"] = timeout
    if "unless" in given:
        given["unless"] = unless
    if given.get("when") == ASKED:
        given["when"] = when
    elif "when" in given:
        given["when"] = _always if given["when"] else _never
    return ImplOptions(**given)


def _always(ctx: Any) -> bool:
    return True


def _never(ctx: Any) -> bool:
    return False


def _of_tool(one: Tool) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": one.name,
        "description": one.description,
        "is_async": one.is_async,
        "wants_ctx": one.wants_ctx,
        "claims": one.claims is not None,
        "normalise": one.normalise is not None,
        "preview": one.preview is not None,
    }
    for name in ("read_only", "repeatable", "timeout", "flag", "max_output", "deferred", "needs_person"):
        if getattr(one, name):
            said[name] = getattr(one, name)
    if one.egress is not None:
        said["egress"] = list(one.egress)
    if one.where:
        said["where"] = list(one.where)
    return said


def _of_flag(one: Flag) -> dict[str, Any]:
    said = {
        each.name: getattr(one, each.name)
        for each in fields(one)
        if getattr(one, each.name) != getattr(NO_FLAG, each.name) or each.name in ("name", "default")
    }
    for name, value in said.items():
        if isinstance(value, date):
            said[name] = value.isoformat()
        elif isinstance(value, tuple):
            said[name] = list(value)
        elif isinstance(value, Mapping):
            said[name] = dict(value)
    return said


def flag_in(said: Mapping[str, Any]) -> Flag:
    """Return a flag."""
    given = dict(said)
    if "expires" in given:
        given["expires"] = date.fromisoformat(given["expires"])
    if "choices" in given:
        given["choices"] = tuple(given["choices"])
    return Flag(**given)


def _of_table(contribution: Contribution, name: str) -> dict[str, Any]:
    return {
        "tightening": sorted(contribution.tightening.get(name, ())),
        "gated": contribution.gated_of(name),
        "keys": {key: field.description or "" for key, field in fields_of(contribution.tables[name]).items()},
    }


def sections_in(manifest: Mapping[str, Any]) -> list[Section]:
    """Return the sections of a manifest."""
    return [Section.model_validate(one) for one in manifest.get("sections", ())]


def models_in(manifest: Mapping[str, Any]) -> list[ModelInfo]:
    """Return the model families of a manifest."""
    return [ModelInfo(**one) for one in manifest.get("models", ())]


def commands_in(manifest: Mapping[str, Any]) -> list[Command]:
    """Return the verbs of a manifest."""
    return [Command(*one) for one in manifest.get("commands", ())]


def surfaces_in(manifest: Mapping[str, Any]) -> list[Surface]:
    """Return the ways out of a manifest."""
    return [Surface(*one) for one in manifest.get("surfaces", ())]
