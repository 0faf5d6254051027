"""Votes on flags: from settings files, from variables, from options, and for one session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pegboard.flags import VARIABLE_PREFIX, Flag, FlagLayer, FlagVote
from pegboard.settings import FROM_THE_FOLDER, LayerFile, SettingsView, lines_under

TABLE = ("flags", "values")
IN_FILES = (FlagLayer.USER, FlagLayer.PROJECT, FlagLayer.LOCAL, FlagLayer.MANAGED)
UNTRUSTED = "this folder is not trusted: look at it and consent with `pegboard trust`"

Excuse = Callable[[str], str]
"""Returns why a flag that is not declared now may all the same be right; empty if it is just wrong."""


def from_settings(view: SettingsView, flags: Mapping[str, Flag], excuse: Excuse) -> Iterator[FlagVote]:
    """Go through `[flags.values]` of every layer."""
    for file in view.files:
        table = file.values.get("flags")
        values = table.get("values") if isinstance(table, dict) else None
        if isinstance(values, dict):
            ignored = "" if view.trusted or file.layer not in FROM_THE_FOLDER else UNTRUSTED
            # All lines in one pass: to look for each alone takes a quarter of a second for 250 of them.
            lines = lines_under(file.text, (*file.prefix, *TABLE)) if file.text else {}
            for name, path, value in flattened(values, flags):
                yield vote_of(file, flags, name, value, lines.get(path) or line_of(lines, path), ignored, excuse)


def vote_of(
    file: LayerFile,
    flags: Mapping[str, Flag],
    name: str,
    value: Any,
    line: int | None,
    ignored: str,
    excuse: Excuse,
) -> FlagVote:
    """Return one layer's vote on one flag."""
    layer = FlagLayer(file.layer.value)
    if name not in flags and not ignored and layer in IN_FILES:
        ignored = excuse(name)
    raw = layer is FlagLayer.COMMAND_LINE
    return FlagVote(name, layer, value, file.file, line, raw=raw, ignored=ignored)


def line_of(lines: Mapping[tuple[str, ...], int], path: tuple[str, ...]) -> int | None:
    """Return the line of a key that stands inside another one's table: `a = { b = 1 }`."""
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)


def flattened(
    values: Mapping[str, Any], flags: Mapping[str, Flag], prefix: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Go through (flag, path, value): `a.b = 1` without quotes is a table in TOML, and the flag `a.b` to us."""
    for key, value in values.items():
        path = (*prefix, key)
        name = ".".join(path)
        if isinstance(value, dict) and name not in flags:
            yield from flattened(value, flags, path)
        else:
            yield name, path, value


def from_environment(environment: Mapping[str, str], flags: Mapping[str, Flag]) -> Iterator[FlagVote]:
    """Go through the variables `PEGBOARD_FLAG_...`."""
    said = {name: text for name, text in environment.items() if name.startswith(VARIABLE_PREFIX)}
    if not said:
        return
    names = {flag.variable: flag.name for flag in flags.values()}
    for variable, text in sorted(said.items()):
        yield FlagVote(names.get(variable, variable), FlagLayer.ENVIRONMENT, text, variable, raw=True)
