"""Where agents are defined, and under which names: settings, the user's own files, plugin folders, the project's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pegboard.context import Wanted, shown_of
from pegboard.errors import PegboardError, did_you_mean
from pegboard.frontmatter import read_markdown
from pegboard.named_files import files_named
from pegboard.output import visible
from pegboard.plugin_folders import Place, places_of
from pegboard.settings import SettingsView
from pegboard.typed import dataclass
from pegboard_builtins.agents.builtin import BUILTIN
from pegboard_builtins.agents.definition import NAME, Definition, of_markdown, of_settings
from pegboard_builtins.agents.settings import AgentSettings

MOST, DEEPEST = 200, 5
"""How many files of one place count, and how deep they may lie."""
SHOWN = 256 * 1024
HOMES = ("@/", "~/.claude/")
PROJECT_HOMES = (".pegboard/", ".claude/")
AGENT_PLACES = (
    *(f"{home}agents" for home in (*HOMES, *PROJECT_HOMES)),
    "folders:agents",
    "settings:agents",
    "session:agent",
)
"""Where agents can be defined, as `hookimpl(where=...)` has it: without one of these nobody is told of more."""


@dataclass(frozen=True)
class Roster:
    """All agents of a project, in the order in which they have their names; `problems` tells of files that are none.

    Of two of one name the first has it: `shadowed` pairs each of the others with the one that comes first.
    """

    found: tuple[Definition, ...]
    shadowed: tuple[tuple[Definition, Definition], ...] = ()
    problems: tuple[tuple[str, str], ...] = ()

    def exactly(self, name: str) -> Definition | None:
        """Return the agent of this name. A model must say the whole of it, by which rules and hooks know it."""
        return next((one for one in self.found if one.name == name), None)

    def named(self, name: str) -> Definition | None:
        """Return what a person means; of a plugin folder's agent its own name is enough where no other has it."""
        exact = self.exactly(name)
        if exact is not None:
            return exact
        close = [one for one in self.found if one.name.rpartition(":")[2] == name]
        return close[0] if len(close) == 1 else None


def roster(project: Path, config_dir: Path, view: SettingsView, settings: AgentSettings) -> Roster:
    """Look at all places: settings, the user's own files, plugin folders, the project's files, what is built in."""
    found: dict[str, Definition] = {}
    shadowed: list[tuple[Definition, Definition]] = []
    problems: list[tuple[str, str]] = []
    for one in _all(project, config_dir, view, settings, problems):
        if one.name in found:
            shadowed.append((one, found[one.name]))
        else:
            found[one.name] = one
    return Roster(tuple(found.values()), tuple(shadowed), tuple(problems))


def _all(
    project: Path,
    config_dir: Path,
    view: SettingsView,
    settings: AgentSettings,
    problems: list[tuple[str, str]],
) -> Iterator[Definition]:
    for name, said in settings.define.items():
        source = str(view.origin("agents", "define"))
        if NAME.fullmatch(name):
            yield of_settings(name, said, source)
        else:
            problems.append((source, f"{visible(name)!r} is no name of an agent: {_allowed()}"))
    for place in places_of(("agents",), project, config_dir, view.plugin_folders, claude=settings.claude):
        yield from _of_place(place, problems)
    yield from BUILTIN


def _allowed() -> str:
    return "letters, digits, `-`, `_` and `.`"


def _of_place(place: Place, problems: list[tuple[str, str]]) -> Iterator[Definition]:
    for number, path in enumerate(_files(place.root)):
        where = visible(str(path))
        if number >= MOST:
            problems.append((visible(str(place.root)), f"only the first {MOST} files count"))
            return
        try:
            content = read_markdown(path)
        except PegboardError as error:
            problems.append((where, str(error).removeprefix(f"{path}: ")))
            continue
        name = content.head.text("name").strip() or path.stem
        if not NAME.fullmatch(name):
            problems.append((where, f"{visible(name)!r} is no name of an agent: {_allowed()}"))
            continue
        if place.folder is not None:
            name = f"{place.folder.name}:{name}"
        yield of_markdown(name, path, content, place.origin, place.folder)


def _files(root: Path) -> list[Path]:
    """Return the files of a place in a stable order."""
    if root.is_file():
        return [root] if root.suffix == ".md" else []
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = [] if depth + 1 >= DEEPEST else [name for name in folders if not name.startswith(".")]
        found += [Path(folder) / name for name in names if name.endswith(".md") and not name.startswith(".")]
    return sorted(found)


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the words for an agent that there is not."""
    names = list(known)
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"there is no agent {visible(name[:80])!r}.{did_you_mean(name, names)} There are: {shown}."


# --- consent -------------------------------------------------------------------------------------------


def wanted_of(one: Definition, project: Path) -> Wanted:
    """Return what consent to an agent of the project is given to."""
    assert one.path is not None
    files = [one.path, *files_named(one.hooks, project)]
    texts = [f"--- {os.path.relpath(file, project)}\n{shown_of(file, SHOWN)}" for file in files]
    return Wanted(key=f"agent {os.path.relpath(one.path, project)}", text="\n".join(texts))


def wanted_here(project: Path, found: Roster) -> list[Wanted]:
    """Return what of a project's agents counts only with consent."""
    everything = [*found.found, *(one for one, _ in found.shadowed)]
    return [wanted_of(one, project) for one in everything if one.origin == "project"]
