"""Where commands and skills lie, and under which names: the user's own, those of plugin folders, the project's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pegboard.context import Wanted, shown_of
from pegboard.errors import PegboardError
from pegboard.frontmatter import Markdown, read_markdown
from pegboard.named_files import files_named
from pegboard.output import one_line, visible
from pegboard.plugin_folders import Place, places_of
from pegboard.settings import SettingsView
from pegboard.typed import dataclass
from pegboard_builtins.commands.settings import CommandSettings

PART = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
"""A part of a name; parts are joined by colons."""
SKILL = "SKILL.md"
KINDS = ("skills", "commands")
"""Of two of one name at one place, the skill has it."""
MOST, DEEPEST = 500, 5
"""How many files of one place count, and how deep they may lie."""
SHOWN = 256 * 1024
SHORT = 300
"""Characters of what a list shows of a file's words."""

HOMES = ("@/", "~/.claude/")
PROJECT_HOMES = (".pegboard/", ".claude/")
SKILL_PLACES = (*(f"{home}skills" for home in (*HOMES, *PROJECT_HOMES)), "folders:skills")
"""Where skills can lie, as `hookimpl(where=...)` has it: without one of these nobody is told of any."""
SOURCES = {"project": "projectSettings", "user": "userSettings", "pack": "plugin"}
"""The contract's words for who wrote a command."""


@dataclass(frozen=True)
class Found:
    """A command or a skill. `name` is what is typed, `shadowed` the file that has the name instead."""

    name: str
    path: Path
    place: Place
    shadowed: Path | None = None
    second: bool = False
    """Whether it is another name for what has one already: a plugin folder's file without the folder."""

    @property
    def is_skill(self) -> bool:
        """Whether the model may load it."""
        return self.place.kind == "skills"

    @property
    def source(self) -> str:
        """The contract's word for who wrote it."""
        return SOURCES[self.place.origin]

    @property
    def content(self) -> Markdown:
        """The file. Raises MarkdownError."""
        return read_markdown(self.path)

    @property
    def description(self) -> str:
        """What it is for, in a line that is safe to show: its own words, or the first line of what it says."""
        content = self.content
        text = content.head.text("description") or next((x for x in content.body.splitlines() if x.strip()), "")
        return one_line(text.lstrip("# "), SHORT)

    @property
    def hint(self) -> str:
        """Which words it takes."""
        return one_line(self.content.head.text("argument-hint"), 80)


@dataclass(frozen=True)
class Shelf:
    """All commands and skills of a project, in the order in which they have their names. `problems` is what is not."""

    found: tuple[Found, ...]
    problems: tuple[str, ...] = ()

    def named(self, name: str) -> Found | None:
        """Return what a name means; None if nothing."""
        return next((one for one in self.found if one.name == name and one.shadowed is None), None)

    @property
    def names(self) -> list[str]:
        """Every name that means something."""
        return [one.name for one in self.found if one.shadowed is None]


def shelf(project: Path, config_dir: Path, view: SettingsView, settings: CommandSettings) -> Shelf:
    """Look at all places. The user's own files have a name first, then plugin folders, then the project's.

    What lies in a plugin folder is called `folder:name`, and `name` alone where that is free. A file of the project
    whose name is taken can be called `project:name`.
    """
    problems: list[str] = []
    found: list[Found] = []
    taken: dict[str, Path] = {}
    for place in places_of(KINDS, project, config_dir, view.plugin_folders, claude=settings.claude):
        for name, path in _files(place, problems):
            found += _under_its_names(name, path, place, taken)
    return Shelf(tuple(found), tuple(problems))


def _under_its_names(name: str, path: Path, place: Place, taken: dict[str, Path]) -> Iterator[Found]:
    if place.folder is not None:
        full = f"{place.folder.name}:{name}"
        yield Found(full, path, place, taken.get(full))
        taken.setdefault(full, path)
        if name in taken:
            return
    yield Found(name, path, place, taken.get(name), second=place.folder is not None)
    if name in taken and place.origin == "project":
        spelled = f"project:{name}"
        yield Found(spelled, path, place, taken.get(spelled))
        name = spelled
    taken.setdefault(name, path)


def _files(place: Place, problems: list[str]) -> Iterator[tuple[str, Path]]:
    """Go through the files of a place in a stable order, each with its name."""
    number = 0
    for path in _skill_files(place.root) if place.kind == "skills" else _command_files(place.root):
        relative = path.relative_to(place.root) if path != place.root else Path(path.name)
        parts = relative.parts[:-1] if place.kind == "skills" else relative.with_suffix("").parts
        if place.kind == "skills" and not parts:
            parts = (place.root.name,)
        if not all(PART.fullmatch(part) for part in parts):
            problems.append(f"{visible(str(path))}: its name cannot be typed; use letters, digits, `-`, `_` and `.`")
            continue
        number += 1
        if number > MOST:
            problems.append(f"{visible(str(place.root))}: only the first {MOST} files count")
            return
        yield ":".join(parts), path


def _command_files(root: Path) -> Iterable[Path]:
    if root.is_file():
        return [root] if root.suffix == ".md" else []
    return sorted(_under(root, ".md"))


def _skill_files(root: Path) -> Iterable[Path]:
    if (root / SKILL).is_file():
        return [root / SKILL]
    try:
        return sorted(path for path in (entry / SKILL for entry in root.iterdir()) if path.is_file())
    except OSError:
        return []


def _under(root: Path, suffix: str) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = [] if depth + 1 >= DEEPEST else [name for name in folders if not name.startswith(".")]
        yield from (Path(folder) / name for name in names if name.endswith(suffix) and not name.startswith("."))


# --- consent -------------------------------------------------------------------------------------------


def wanted_of(one: Found, project: Path) -> Wanted:
    """Return what consent to a file of the project is given to: a command, or a skill with all that lies beside it."""
    kind = "skill" if one.is_skill else "command"
    files = _whole_skill(one.path.parent) if one.is_skill else [one.path]
    for line in one.content.head.below.get("hooks", ()):  # who consents to a hook consents to what it runs
        files += [path for path in files_named(line, project) if path not in files]
    texts = [text for file in files for text in (f"--- {os.path.relpath(file, project)}", shown_of(file, SHOWN))]
    return Wanted(key=f"{kind} {os.path.relpath(one.path, project)}", text="\n".join(texts))


def _whole_skill(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if len(files) > MOST:
        raise PegboardError(f"the skill {folder} has more than {MOST} files, which nobody could look at")
    return files


def wanted_here(project: Path, shelved: Shelf) -> list[Wanted]:
    """Return what of a project's commands and skills counts only with consent."""
    paths: dict[Path, Found] = {one.path: one for one in shelved.found if one.place.origin == "project"}
    return list(_those_that_can_be_read(paths.values(), project))


def _those_that_can_be_read(found: Iterable[Found], project: Path) -> Iterator[Wanted]:
    for one in found:
        try:
            yield wanted_of(one, project)
        except PegboardError:  # a link to nowhere, say: nobody can use it, `doctor` tells of it, and the rest counts
            continue
