"""The rules of a session: every layer's lists together, each rule with its origin, compiled once per settings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pegboard.settings import FROM_THE_FOLDER, LayerFile, SettingsLayer, SettingsView, Source
from pegboard.typed import dataclass
from pegboard_builtins.permissions.claude_files import ClaudeFile, claude_paths, read_claude_file
from pegboard_builtins.permissions.grammar import Pattern, RuleError, parse, unknown_tool
from pegboard_builtins.permissions.index import CommandIndex, PathIndex
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.settings import LISTS, MODES, TABLE, TIGHTENING


@dataclass(frozen=True)
class ToolRules:
    """The rules that are about one tool, in their order."""

    deny: tuple[Rule, ...]
    ask: tuple[Rule, ...]
    allow: tuple[Rule, ...]
    whole: tuple[Rule, ...] = field(init=False)
    """The allow rules without a spec: each allows every call."""
    _indexes: dict[str, CommandIndex] = field(default_factory=dict, init=False)
    _paths: dict[str, PathIndex] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "whole", tuple(rule for rule in self.allow if rule.pattern.spec is None))

    def index(self, name: str) -> CommandIndex:
        """Return the rules of a list by their first words; worked out once."""
        made = self._indexes.get(name)
        if made is None:
            made = self._indexes[name] = CommandIndex(getattr(self, name))
        return made

    def paths(self, name: str) -> PathIndex:
        """Return the rules of a list by their paths; worked out once."""
        made = self._paths.get(name)
        if made is None:
            made = self._paths[name] = PathIndex(getattr(self, name))
        return made


@dataclass
class RuleSet:
    """All rules that count. `problems` are for `pegboard doctor` and one notice per session."""

    deny: tuple[Rule, ...] = ()
    ask: tuple[Rule, ...] = ()
    allow: tuple[Rule, ...] = ()
    mode: str = ""
    workspace: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    _by_tool: dict[str, ToolRules] = field(default_factory=dict)
    _with: tuple[tuple[str, ...], RuleSet] | None = field(default=None, init=False)
    """What was granted last, and these rules with it."""

    def of(self, tool: str) -> ToolRules:
        """Return the rules about a tool; worked out once."""
        rules = self._by_tool.get(tool)
        if rules is None:
            rules = self._by_tool[tool] = ToolRules(
                *(
                    tuple(rule for rule in rules if rule.pattern.names(tool))
                    for rules in (self.deny, self.ask, self.allow)
                )
            )
        return rules


_compiled: WeakKeyDictionary[SettingsView, dict[tuple[Path, Path], RuleSet]] = WeakKeyDictionary()


def rules_for(view: SettingsView, project: Path, workspace: Path) -> RuleSet:
    """Return the rules of a project for whoever works in *workspace*, compiled once per settings snapshot.

    That is the project itself, or a worktree: there the project's rules hold as they do in the project. Outside of the
    worktree, in the project too, those that deny or ask hold and those that allow do not.
    """
    per_project = _compiled.get(view)
    if per_project is None:
        per_project = _compiled[view] = {}
    rules = per_project.get((project, workspace))
    if rules is None:
        rules = per_project[project, workspace] = compile_rules(view, project, workspace)
    return rules


def with_granted(rules: RuleSet, granted: Sequence[str], project: Path, folders: Sequence[str] = ()) -> RuleSet:
    """Return the rules with those that were granted for this session or this prompt, which can only allow.

    *folders* are those that belong to the workspace for this session.
    """
    if not granted and not folders:
        return rules
    texts = (*granted, "", *folders)
    if rules._with is None or rules._with[0] != texts:
        source = Source(SettingsLayer.SESSION, "granted for this session")
        more = [Rule(pattern, source, project) for pattern in map(_pattern_of, granted) if pattern is not None]
        changed = replace(
            rules,
            allow=(*rules.allow, *more),
            workspace=(*rules.workspace, *folders),
            readable=(*rules.readable, *folders),
            _by_tool={},
        )
        rules._with = (texts, changed)
    return rules._with[1]


def _pattern_of(text: str) -> Pattern | None:
    try:
        return parse(text, allows=True)
    except RuleError:
        return None  # whoever grants nonsense grants nothing


def compile_rules(view: SettingsView, project: Path, workspace: Path | None = None) -> RuleSet:
    """Read every layer and the .claude files. An untrusted folder only adds to deny and ask."""
    building = _Building(view, project, workspace or project)
    for file in view.files:
        building.add_layer(file)
    if building.reads_claude_files():
        for path, layer in claude_paths(project):
            read = read_claude_file(path, layer)
            if read is not None:
                building.add_claude_file(read, layer)
    return building.done()


class _Building:
    def __init__(self, view: SettingsView, project: Path, workspace: Path) -> None:
        self.view = view
        self.project = project
        self.workspace = workspace
        self.lists: dict[str, list[Rule]] = {key: [] for key in LISTS}
        self.mode = ""
        self.folders: list[str] = []
        self.problems: list[str] = []

    def reads_claude_files(self) -> bool:
        counting = [said.value for said in self.view.said(TABLE, "claude") if said.counts]
        return not counting or counting[-1] is not False

    def add_layer(self, file: LayerFile) -> None:
        table = file.values.get(TABLE)
        if not isinstance(table, dict):
            return
        trusted = self._trusted(file.layer)
        for key in LISTS:
            if key not in table or (key not in TIGHTENING and not trusted):
                continue
            source = file.source((TABLE, key))
            for value in self._texts(table[key], key, source):
                self._add(key, value, _source_of(value, source, file.text))
        if trusted:
            self._add_folder(file, table.get("projects"))
            self._set_mode(table.get("mode"), file.source((TABLE, "mode")))
            source = file.source((TABLE, "additional_directories"))
            self.folders += self._texts(table.get("additional_directories", []), "additional_directories", source)

    def _add_folder(self, file: LayerFile, folders: Any) -> None:
        """Add what a file says about this very project."""
        own = folders.get(str(self.project)) if isinstance(folders, dict) else None
        if not isinstance(own, dict):
            return
        for key in LISTS:
            source = file.source((TABLE, "projects", str(self.project), key))
            for value in self._texts(own.get(key, []), key, source):
                self._add(key, value, _source_of(value, source, file.text), in_project=True)

    def add_claude_file(self, read: ClaudeFile, layer: SettingsLayer) -> None:
        self.problems += read.problems
        trusted = self._trusted(layer)
        for key in LISTS:
            if key in TIGHTENING or trusted:
                for entry in getattr(read, key):
                    self._add(key, entry.value, entry.source)
        if trusted:
            self.folders += [entry.value for entry in read.directories]
            # Our own settings win over the other host's.
            if read.mode is not None and not self._said_by_us():
                self._set_mode(read.mode.value, read.mode.source)

    def done(self) -> RuleSet:
        workspace = {os.path.realpath(self.workspace)}
        workspace |= {os.path.realpath(self.project / os.path.expanduser(folder)) for folder in self.folders}
        readable = {*workspace, os.path.realpath(tempfile.gettempdir())}
        return RuleSet(
            deny=tuple(self.lists["deny"]),
            ask=tuple(self.lists["ask"]),
            allow=tuple(self.lists["allow"]),
            mode="" if self._session_says() else self.mode,
            workspace=tuple(sorted(workspace)),
            readable=tuple(sorted(readable)),
            problems=tuple(dict.fromkeys(self.problems)),
        )

    def _trusted(self, layer: SettingsLayer) -> bool:
        return self.view.trusted or layer not in FROM_THE_FOLDER

    def _said_by_us(self) -> bool:
        return any(said.counts and said.value for said in self.view.said(TABLE, "mode"))

    def _session_says(self) -> bool:
        """Whether `[session] mode` was said, for example by --mode: that one counts then."""
        return any(said.counts for said in self.view.said("session", "mode"))

    def _set_mode(self, value: Any, source: Source) -> None:
        if value in MODES:
            self.mode = value
        elif value:
            self.problems.append(f"{source}: there is no permission mode {value!r}; there are {', '.join(MODES)}")

    def _texts(self, values: Any, key: str, source: Source) -> list[str]:
        if isinstance(values, str):
            return [values]
        if not isinstance(values, list | tuple):
            self.problems.append(f"{source}: permissions.{key} is no list of rules")
            return []
        for value in values:
            if not isinstance(value, str):
                self.problems.append(f"{source}: permissions.{key}: {value!r} is no text; the others still count")
        return [value for value in values if isinstance(value, str)]

    def _add(self, key: str, text: str, source: Source, *, in_project: bool = False) -> None:
        roots = [self.workspace]
        if key in TIGHTENING and self.workspace != self.project:
            roots.append(self.project)
        if source.layer is SettingsLayer.USER and not in_project:
            roots = [Path.home()]
        try:
            pattern = parse(text, allows=key == "allow")
            rules = [Rule(pattern, source, root) for root in roots]
            rules[0].path  # noqa: B018  a pattern that is no pattern must be found now, not when it is needed
        except (RuleError, ValueError) as wrong:
            self.problems.append(f"{source}: {wrong}; it does not count")
            return
        odd = unknown_tool(pattern)
        if odd:
            self.problems.append(f"{source}: {odd}")
        self.lists[key] += rules


def _source_of(value: str, source: Source, text: str) -> Source:
    """Return the source of one entry of a list: the line on which it stands, where the list has several."""
    if not text or source.line is None:
        return source
    for number, line in enumerate(text.splitlines()[source.line - 1 :], source.line):
        if value in line:
            return Source(source.layer, source.file, number)
    return source
