"""`pegboard run --settings`: a settings file for one run, ours in TOML or the hook contract's in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegboard.errors import SettingsError
from pegboard.settings import LayerFile, SettingsLayer, read_file

OPTION = "--settings"
SWITCHES = {
    "disableAllHooks": "disable_all",
    "allowedHttpHookUrls": "allowed_urls",
    "httpHookAllowedEnvVars": "allowed_variables",
}
"""What stands at the top of the contract's files and in our table of hooks."""
PERMISSIONS = {
    "allow": "allow",
    "ask": "ask",
    "deny": "deny",
    "defaultMode": "mode",
    "additionalDirectories": "additional_directories",
}
READ = ("hooks", "permissions", *SWITCHES)
IGNORED = ("$schema",)


@dataclass(frozen=True, slots=True)
class GivenSettings:
    """A settings file as the layer of the command line; `unread` are the keys of it that mean nothing here."""

    file: LayerFile
    unread: tuple[str, ...] = ()


def given_settings(said: str) -> GivenSettings:
    """Return what `--settings` says: a JSON object, or a file of JSON or TOML. Raises SettingsError."""
    if said.lstrip().startswith("{"):
        return _of_json(said, OPTION)
    path = Path(said).expanduser().resolve()
    if path.suffix == ".toml":
        file = read_file(path, SettingsLayer.COMMAND_LINE)
        if file is None:
            raise SettingsError("there is no such file", file=path)
        return GivenSettings(file)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as wrong:
        problem = getattr(wrong, "strerror", None) or str(wrong)
        raise SettingsError(f"cannot be read: {problem}; {OPTION} takes a file, or a JSON object", file=path) from None
    return _of_json(text, str(path))


def _of_json(text: str, name: str) -> GivenSettings:
    try:
        said = json.loads(text)
    except json.JSONDecodeError as wrong:
        problem = f"is no JSON: {wrong.msg}; comments and trailing commas are none"
        raise SettingsError(problem, file=name, line=wrong.lineno) from None
    if not isinstance(said, dict):
        raise SettingsError("is no JSON object", file=name)
    tables: dict[str, Any] = {}
    hooks = {**_object(said, "hooks", name), **{ours: said[key] for key, ours in SWITCHES.items() if key in said}}
    permissions = _object(said, "permissions", name)
    if hooks:
        tables["hooks"] = hooks
    if permissions:
        tables["permissions"] = {ours: permissions[key] for key, ours in PERMISSIONS.items() if key in permissions}
    unread = [key for key in said if key not in READ and key not in IGNORED]
    unread += [f"permissions.{key}" for key in permissions if key not in PERMISSIONS]
    return GivenSettings(LayerFile(SettingsLayer.COMMAND_LINE, tables, name, text), tuple(unread))


def _object(said: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    value = said.get(key, {})
    if not isinstance(value, dict):
        raise SettingsError(f"its {key!r} is no object", file=name)
    return value
