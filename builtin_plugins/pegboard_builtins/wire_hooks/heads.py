"""Hooks in the heads of skills, commands and agents: `hooks check` looks at them before they are used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pegboard.errors import PegboardError
from pegboard.frontmatter import Markdown, NestedError, read_markdown
from pegboard.plugin_folders import Place, places_of
from pegboard.settings import SettingsLayer, SettingsView, Source
from pegboard_builtins.wire_hooks.load import Brought, Entry, HookTable, Problem
from pegboard_builtins.wire_hooks.sources import plugin_at

KINDS = ("skills", "commands", "agents")
MOST = 500
"""Files of one place that are looked at."""


def table_of_heads(settings: HookTable, project: Path, config_dir: Path, view: SettingsView) -> HookTable:
    """Return the hooks of all heads, for which the switches of the settings count too.

    Those of a plugin folder's agents do not count, so they are left out.
    """
    claude = settings.switches.get("claude", True) is not False
    none = HookTable(switches=settings.switches)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for place in places_of(KINDS, project, config_dir, view.plugin_folders, claude=claude):
        if place.kind == "agents" and place.folder is not None:
            continue
        for path in _files(place):
            made, wrong = _hooks_of(path, place, view, none)
            entries += made
            problems += wrong
    return HookTable(entries=tuple(entries), problems=tuple(problems))


def _hooks_of(
    path: Path, place: Place, view: SettingsView, none: HookTable
) -> tuple[Iterable[Entry], Iterable[Problem]]:
    try:
        content = read_markdown(path)
    except PegboardError:  # whoever reads these files tells of it
        return (), ()
    try:
        hooks = content.head.hooks()
    except NestedError as wrong:
        said = f"its hooks do not count: {wrong.problem}"
        return (), [Problem(said, Source(SettingsLayer.SESSION, str(path), wrong.line))]
    if not hooks:
        return (), ()
    plugin = plugin_at(str(place.folder.root), view) if place.folder is not None else None
    by = f"{place.kind.removesuffix('s')}:{_name(path, place, content)}"
    brought = Brought(by, hooks, str(path), plugin, once=place.kind != "agents")
    entries, problems = brought.beside(none, in_agent=place.kind == "agents")
    where = Source(SettingsLayer.SESSION, str(path), content.head.lines["hooks"])
    return [replace(one, handler=replace(one.handler, where=where)) for one in entries], problems


def _name(path: Path, place: Place, content: Markdown) -> str:
    own = path.parent.name if place.kind == "skills" else path.stem
    name = content.head.text("name").strip() if place.kind == "agents" else own
    return f"{place.folder.name}:{name or own}" if place.folder is not None else name or own


def _files(place: Place) -> Iterator[Path]:
    found: list[Path] = []
    if place.root.is_file():
        found = [place.root]
    for folder, folders, names in os.walk(place.root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        found += [Path(folder) / name for name in sorted(names) if _counts(name, place)]
        if len(found) >= MOST:
            break
    yield from found[:MOST]


def _counts(name: str, place: Place) -> bool:
    return name == "SKILL.md" if place.kind == "skills" else name.endswith(".md")
