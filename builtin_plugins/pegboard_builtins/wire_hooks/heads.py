"""Hooks in the heads of skills, commands and agents, as they are before any of those is used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from pegboard.errors import PegboardError
from pegboard.frontmatter import Markdown, NestedError, read_markdown
from pegboard.plugin_folders import Place, places_of
from pegboard.settings import SettingsLayer, SettingsView, Source
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.load import Brought, Entry, HookTable, Problem
from pegboard_builtins.wire_hooks.sources import plugin_at

KINDS = ("skills", "commands", "agents")
MOST = 500
"""Files of one place that are looked at."""


@dataclass(frozen=True, slots=True)
class Head:
    """The hooks of one file. `origin` is user, pack or project; `by` says what brings them: "skill:careful"."""

    path: Path
    by: str
    origin: str
    entries: tuple[Entry, ...]

    def consent_key(self, project: Path) -> str:
        """Return what consent to this file goes by; only a file of the project needs any."""
        return f"{self.by.partition(':')[0]} {os.path.relpath(self.path, project)}"

    @property
    def holds(self) -> str:
        """When they count."""
        kind, _, name = self.by.partition(":")
        return f"while the agent {name} runs" if kind == "agent" else f"once the {kind} {name} is used"


def table_of_heads(settings: HookTable, project: Path, config_dir: Path, view: SettingsView) -> HookTable:
    """Return the hooks of all heads, for which the switches of the settings count too."""
    heads, problems = heads_of(settings, project, config_dir, view)
    entries = tuple(entry for head in heads for entry in head.entries)
    return HookTable(entries=entries, problems=tuple(problems), switches=settings.switches)


def heads_of(
    settings: HookTable, project: Path, config_dir: Path, view: SettingsView
) -> tuple[list[Head], list[Problem]]:
    """Return every head that has hooks, and what is wrong with others.

    Those of a plugin folder's agents do not count, so they are left out.
    """
    claude = settings.switches.get("claude", True) is not False
    none = HookTable(switches=settings.switches)
    heads: list[Head] = []
    problems: list[Problem] = []
    for place in places_of(KINDS, project, config_dir, view.plugin_folders, claude=claude):
        if place.kind == "agents" and place.folder is not None:
            continue
        for path in _files(place):
            made, wrong = _head_of(path, place, view, none)
            heads += made
            problems += wrong
    return heads, problems


def _head_of(path: Path, place: Place, view: SettingsView, none: HookTable) -> tuple[Iterable[Head], Iterable[Problem]]:
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
    placed = tuple(replace(one, handler=replace(one.handler, where=where)) for one in entries)
    return [Head(path, by, place.origin, placed)], problems


def _name(path: Path, place: Place, content: Markdown) -> str:
    own = path.parent.name if place.kind == "skills" else path.stem
    if place.kind == "commands" and path != place.root:
        own = ":".join(path.relative_to(place.root).with_suffix("").parts)
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
