"""`flags.toml`: flags that a folder or a user declares, and targeting rules for those of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date
from pathlib import Path
from typing import Any

from pegboard.errors import SettingsError, did_you_mean
from pegboard.flags import Flag, FlagLayer, nearest_flag
from pegboard.settings import SettingsLayer, find_line, read_file
from pegboard.typed import dataclass

FILE = "flags.toml"
TEXTS = frozenset({"help", "owner", "kind", "stage", "default_variant"})
SWITCHES = frozenset({"locked", "live", "remote", "disabled", "undecided"})
KEYS = TEXTS | SWITCHES | {"default", "safe", "min", "max", "choices", "expires", "variants", "metadata", "targeting"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A targeting rule for a flag that somebody else declares."""

    flag: str
    layer: FlagLayer
    logic: Any
    file: str
    line: int | None


@dataclass(slots=True)
class Declared:
    """What the flags files say. `held` are the flags of a folder that is not trusted, each with file and line."""

    flags: list[Flag] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    held: dict[str, tuple[str, int | None]] = field(default_factory=dict)


def read_declared(project: Path, config_dir: Path, *, trusted: bool) -> Declared:
    """Read the user's and the folder's flags file. Raises SettingsError with file and line."""
    declared = Declared()
    _read(config_dir / FILE, FlagLayer.USER, declared, counts=True)
    _read(project / ".pegboard" / FILE, FlagLayer.PROJECT, declared, counts=trusted)
    return declared


def _read(path: Path, layer: FlagLayer, declared: Declared, *, counts: bool) -> None:
    found = read_file(path, SettingsLayer(layer.value)) if path.exists() else None
    if found is None:
        return
    for name, facts in entries(found.values, found.text, path).items():
        line = line_of(found.text, name)
        if not counts:
            declared.held[name] = (str(path), line)
        elif "default" in facts:
            declared.flags.append(flag_of(name, facts, path, found.text, line))
        else:
            declared.rules.append(rule_of(name, facts, layer, path, found.text, line))


def entries(values: Mapping[str, Any], text: str, path: Path) -> dict[str, dict[str, Any]]:
    """Return the tables under `[flags]` by the flags' names. Raises SettingsError for anything else."""
    for key in values:
        if key != "flags":
            problem = f'a flags file has tables [flags."NAME"] only, not {key!r}.{did_you_mean(key, ["flags"])}'
            raise SettingsError(problem, file=path, line=find_line(text, (key,)))
    found: dict[str, dict[str, Any]] = {}
    _collect(values.get("flags", {}), "", found, path, text)
    return found


def line_of(text: str, name: str, *keys: str) -> int | None:
    """Return the line of a flag, or of a key of it: `[flags."a.b"]` or `[flags.a.b]`."""
    return find_line(text, ("flags", name, *keys)) or find_line(text, ("flags", *name.split("."), *keys))


def held_back(project: Path, *, trusted: bool) -> list[str]:
    """Return what a folder that is not trusted declares, in words."""
    declared = Declared()
    if not trusted:
        _read(project / ".pegboard" / FILE, FlagLayer.PROJECT, declared, counts=False)
    why = "is not declared: this folder is not trusted"
    return [f"{name} ({file}:{line}) {why}" for name, (file, line) in declared.held.items()]


def _collect(node: Any, prefix: str, found: dict[str, dict[str, Any]], path: Path, text: str) -> None:
    """Take what looks like a flag; a table of tables is the beginning of a name: [flags.tools.limit]."""
    if not isinstance(node, dict):
        where = find_line(text, ("flags", prefix))
        raise SettingsError(f"flags.{prefix} is a table: default, owner, kind, ...", file=path, line=where)
    for name, facts in node.items():
        whole = f"{prefix}.{name}" if prefix else name
        inside = isinstance(facts, dict) and facts and all(isinstance(one, dict) for one in facts.values())
        if inside and not KEYS & set(facts):
            _collect(facts, whole, found, path, text)
        elif isinstance(facts, dict):
            found[whole] = facts
        else:
            problem = f'a flag is a table: [flags."{whole}"] with default = {facts!r}'
            raise SettingsError(problem, file=path, line=find_line(text, ("flags", name)))


def flag_of(name: str, facts: Mapping[str, Any], path: Path, text: str, line: int | None) -> Flag:
    """Build a flag. Raises SettingsError with file and line."""
    for key, value in facts.items():
        where = line_of(text, name, key) or line
        if key not in KEYS:
            close = nearest_flag(key, KEYS)
            hint = f" Did you mean {close!r}?" if close else ""
            raise SettingsError(f"flag {name!r}: there is no key {key!r}.{hint}", file=path, line=where)
        problem = misfit(key, value)
        if problem:
            raise SettingsError(f"flag {name!r}: {key} {problem}, not {value!r}", file=path, line=where)
    given = {key: value for key, value in facts.items() if key != "targeting"}
    if "targeting" in facts:
        given["targeting"] = logic_of(name, facts["targeting"], path, line)
    given["choices"] = tuple(given.get("choices", ()))
    return Flag(name=name, file=str(path), line=line, **given)


def misfit(key: str, value: Any) -> str:
    """Return what is wrong with the type of a key; empty if nothing is."""
    if key in TEXTS and not isinstance(value, str):
        return "is a text"
    if key in SWITCHES and not isinstance(value, bool):
        return "is true or false"
    if key in ("min", "max") and (isinstance(value, bool) or not isinstance(value, int | float)):
        return "is a number"
    if key == "expires" and (type(value) is not date):
        return "is a date such as 2027-01-31"
    if key in ("variants", "metadata") and not isinstance(value, dict):
        return "is a table"
    if key == "choices" and not isinstance(value, list):
        return "is a list"
    return ""


def rule_of(name: str, facts: Mapping[str, Any], layer: FlagLayer, path: Path, text: str, line: int | None) -> Rule:
    """Build a rule for somebody else's flag: `targeting` alone. Raises SettingsError."""
    others = [key for key in facts if key != "targeting"]
    if others or "targeting" not in facts:
        problem = (
            f"flag {name!r} has no default. A flag that is declared here needs one; "
            f"one that a plugin declares may have `targeting` here and nothing else"
        )
        raise SettingsError(problem, file=path, line=line)
    return Rule(name, layer, logic_of(name, facts["targeting"], path, line), str(path), line)


def logic_of(name: str, said: Any, path: Path, line: int | None) -> Any:
    """Return JSON-logic from a JSON text, or from the table that TOML made of it. Raises SettingsError."""
    if isinstance(said, dict) and set(said) == {"json"}:
        said = said["json"]
    if not isinstance(said, str):
        return said
    import json

    try:
        return json.loads(said)
    except ValueError as wrong:
        raise SettingsError(f"flag {name!r}: targeting is no JSON: {wrong}", file=path, line=line) from None
