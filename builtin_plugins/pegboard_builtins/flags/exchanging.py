"""Flags in other programs' words: flagd's definitions, OFREP's answers, and our own JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pegboard.context import HostView
from pegboard.errors import PegboardError, did_you_mean
from pegboard.flags import NAME, Flag, FlagError, FlagVote, why_ignored
from pegboard.settings_writing import change_file, with_key
from pegboard_builtins.flags.changing import Target, with_flag
from pegboard_builtins.flags.showing import Shown, facts_of

FORMS = ("flagd", "ofrep", "json")
FLAGD_SCHEMA = "https://flagd.dev/schema/v0/flags.json"


def exported(host: HostView, form: str) -> Any:
    """Return every flag in one of the forms. Raises PegboardError."""
    if form not in FORMS:
        raise PegboardError(f"there is no format {form!r}.{did_you_mean(form, FORMS)} Formats: {', '.join(FORMS)}")
    shown = Shown(host)
    if form == "json":
        return {"flags": [facts_of(shown, name) for name in shown.flags]}
    if form == "ofrep":
        return {"flags": [_as_answer(shown, name) for name in shown.flags]}
    return to_flagd(shown.flags, {name: shown.details(name).value for name in shown.flags})


def _as_answer(shown: Shown, name: str) -> dict[str, Any]:
    one = shown.details(name)
    return {
        "key": name,
        "value": one.value,
        "reason": one.reason,
        "variant": one.variant or str(one.layer),
        "metadata": dict(shown.flags[name].metadata),
    }


def to_flagd(flags: Mapping[str, Flag], values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a definition that flagd serves: variants, default, targeting. *values* are what counts here, if given.

    A flag without variants gets `default`, and `here` where what counts here is something else.
    """
    return {"$schema": FLAGD_SCHEMA, "flags": {name: _definition(flag, values or {}) for name, flag in flags.items()}}


def _definition(flag: Flag, values: Mapping[str, Any]) -> dict[str, Any]:
    value = values.get(flag.name, flag.default)
    variants: dict[str, Any] = dict(flag.variants)
    if not variants and type(flag.default) is bool:
        variants = {"on": True, "off": False}
    elif not variants:
        variants = {"default": flag.default}
    chosen = flag.variant if value == flag.default and flag.variant in variants else ""
    chosen = chosen or next((name for name, one in variants.items() if one == value), "here")
    if chosen == "here":
        variants["here"] = value
    made: dict[str, Any] = {"state": "DISABLED" if flag.disabled else "ENABLED", "variants": variants}
    if not flag.undecided:
        made["defaultVariant"] = chosen
    if flag.targeting is not None:
        made["targeting"] = flag.targeting
    if flag.metadata:
        made["metadata"] = dict(flag.metadata)
    return made


# --- reading -------------------------------------------------------------------------------------------


def with_refs(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a flagd definition with every `{"$ref": NAME}` replaced by the shared rule of that name."""
    rules = definition.get("$evaluators") or {}

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            name = node.get("$ref")
            if len(node) == 1 and isinstance(name, str) and name in rules:
                return replaced(rules[name])
            return {key: replaced(value) for key, value in node.items()}
        return [replaced(one) for one in node] if isinstance(node, list) else node

    return {name: replaced(flag) for name, flag in definition.get("flags", {}).items()}


def from_flagd(definition: Mapping[str, Any]) -> list[Flag]:
    """Return the flags of a flagd definition. Raises FlagError for one that cannot be ours."""
    common = definition.get("metadata") or {}
    return [_flag_of(name, facts, common) for name, facts in with_refs(definition).items()]


def _flag_of(name: str, facts: Any, common: Mapping[str, Any]) -> Flag:
    variants = facts.get("variants") if isinstance(facts, dict) else None
    if not isinstance(variants, dict) or not variants:
        raise FlagError(name, "has no variants")
    chosen = facts.get("defaultVariant")
    chosen = str(chosen).lower() if isinstance(chosen, bool) else chosen
    undecided = not chosen
    if not undecided and chosen not in variants:
        raise FlagError(name, f"its defaultVariant {chosen!r} is none of {', '.join(variants)}")
    default = next(iter(variants.values())) if undecided else variants[chosen]
    if isinstance(default, int) and any(isinstance(value, float) for value in variants.values()):
        default = float(default)
    same = {key: float(value) if isinstance(default, float) else value for key, value in variants.items()}
    return Flag(
        name=name,
        default=default,
        variants=same,
        default_variant="" if undecided else str(chosen),
        undecided=undecided,
        disabled=facts.get("state") == "DISABLED",
        targeting=facts.get("targeting") or None,
        metadata={**common, **(facts.get("metadata") or {})},
        remote=True,
    )


def read_json(file: Path) -> dict[str, Any]:
    """Return a JSON file's object. Raises PegboardError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PegboardError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as wrong:
        raise PegboardError(f"{file} is no JSON: {wrong}") from None
    if not isinstance(found, dict) or not isinstance(found.get("flags"), dict | list):
        raise PegboardError(f'{file} has no "flags": it is neither a flagd definition nor an answer with values')
    return found


def imported(host: HostView, file: Path, target: Target) -> list[str]:
    """Take over a file and return what to say. All of it is checked before anything is written."""
    found = read_json(file)
    if isinstance(found["flags"], dict):
        return _take_definitions(host, from_flagd(found), target)
    return _take_values(host, found["flags"], target)


def _take_definitions(host: HostView, flags: list[Flag], target: Target) -> list[str]:
    declared = host.flags()
    for flag in flags:
        if not re.fullmatch(NAME, flag.name):
            raise FlagError(flag.name, "is no name of a flag")
    fresh = [flag for flag in flags if flag.name not in declared]
    path = target.path.with_name("flags.toml")

    def edited(text: str) -> str:
        for flag in fresh:
            for key, value in _as_toml(flag).items():
                text = with_key(text, ("flags", flag.name, key), value)
        return text

    if fresh:
        change_file(path, edited)
    said = [f"Declared {len(fresh)} flags: {path}"]
    left = [flag.name for flag in flags if flag.name in declared]
    return said + ([f"Declared already, and left as they are: {', '.join(left)}"] if left else [])


def _as_toml(flag: Flag) -> dict[str, Any]:
    facts: dict[str, Any] = {"default": flag.default, "variants": dict(flag.variants)}
    if flag.default_variant:
        facts["default_variant"] = flag.default_variant
    facts |= {key: True for key in ("disabled", "undecided", "remote") if getattr(flag, key)}
    if flag.targeting is not None:
        facts["targeting"] = json.dumps(flag.targeting)
    if flag.metadata:
        facts["metadata"] = dict(flag.metadata)
    return facts


def _take_values(host: HostView, answers: list[Any], target: Target) -> list[str]:
    shown = Shown(host, strict=False)
    values: dict[str, Any] = {}
    unknown: list[str] = []
    for one in answers:
        name = (one.get("key") or one.get("name")) if isinstance(one, dict) else None
        if not isinstance(name, str) or "value" not in one:
            raise PegboardError(f"{one!r} is no flag with a value")
        if name not in shown.flags:
            unknown.append(name)
            continue
        flag = shown.flags[name]
        value = flag.check(one["value"])
        if value == shown.details(name).value:
            continue
        refused = why_ignored(flag, FlagVote(name, target.layer, value))
        if refused:
            raise FlagError(name, f"nothing was taken over: {refused}")
        values[name] = value

    def edited(text: str) -> str:
        for name, value in values.items():
            text = with_flag(text, target.path, name, value)
        return text

    if values:
        change_file(target.path, edited)
    said = [f"Set {len(values)} flags: {target.path}"]
    return said + ([f"Nobody declares, so left out: {', '.join(unknown)}"] if unknown else [])
