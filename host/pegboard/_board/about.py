"""What can be said of an installed distribution without running a line of it: for consent, locks and upgrades."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from pegboard._board.discovery import GROUP, PluginRecord
from pegboard._board.installed import Metadata, distributions, folders_of, normal, points_of
from pegboard._board.reading import Read, read_plugin
from pegboard._dataclass import dataclass
from pegboard.errors import PegboardError
from pegboard.output import clipped

LONGEST = 200
"""Characters of one text of a pack's that are shown: nobody reads more, and it could hide what follows."""
MOST = 40
"""Names of one kind that are shown."""


@dataclass
class About:
    """A distribution with plugins: what it is, why it is here, and what its source says that they bring."""

    distribution: str
    version: str
    print_: str
    folder: str
    requested: bool
    needed_by: list[str]
    needs: list[str]
    plugins: dict[str, tuple[str, Read]] = field(default_factory=dict)
    files: int = 0

    @property
    def permissions(self) -> list[str]:
        """What its plugins declare that they may do, together."""
        return sorted({one for _, read in self.plugins.values() for one in read.declares.permissions})

    @property
    def tokens(self) -> int:
        """About how many tokens of each request its tools take."""
        return sum(tokens for _, read in self.plugins.values() for _, tokens in read.tools.values())

    @property
    def facts(self) -> dict[str, Any]:
        """What is kept with a consent, to be compared with what comes later."""
        return {"version": self.version, "permissions": self.permissions, "says": list(self.says())}

    def says(self) -> Iterator[str]:
        """Go through what it declares, a line for each kind; two versions are compared by these."""
        for name, (value, read) in sorted(self.plugins.items()):
            yield f"plugin {one_line(name)} = {one_line(value)}"
            tools = [
                f"{tool} ({'reads, ' if reads else ''}{_leaves(read, tool)}about {tokens} tokens)"
                for tool, (reads, tokens) in sorted(read.tools.items())
            ]
            hooks = [f"{hook} ({marks})" if marks else hook for hook, marks in sorted(read.hooks.items())]
            uses = [f"{module} ({what})" for module, what in sorted(read.uses.items())]
            said = read.declares
            for kind, words in (
                ("may", said.permissions),
                ("tools", tools),
                ("hooks", hooks),
                ("flags", sorted(read.flags)),
                ("requires", said.requires),
                ("before", said.before),
                ("after", said.after),
                ("api", [said.api] if said.api else []),
                ("imports", uses),
            ):
                if words:
                    yield f"  {kind:<9}{listed(words)}"
            if read.problem:
                yield f"  unread   {one_line(read.problem)}"
        if self.needs:
            yield f"needs {listed(self.needs)}"


def _leaves(read: Read, tool: str) -> str:
    """Return where a tool says that its input leaves to; empty where it does not say, or says nowhere."""
    surfaces = read.egress.get(tool, "")
    return f"sends to {surfaces}, " if surfaces and surfaces != "None" else ""


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return a pack's text in one line of bounded length."""
    return clipped(" ".join(text.split()), longest)


def listed(words: Sequence[str], most: int = MOST) -> str:
    """Return words with commas; those beyond *most* are counted."""
    shown = [one_line(word, 80) for word in words[:most]]
    return ", ".join(shown) + (f" and {len(words) - most} more" if len(words) > most else "")


def about(records: Sequence[PluginRecord], print_: str) -> About:
    """Return what is known of a distribution by its plugins' records."""
    first = records[0]
    files = _lines(first.folder, "RECORD")
    made = About(
        distribution=first.distribution,
        version=first.version,
        print_=print_,
        folder=first.folder,
        requested=os.path.exists(os.path.join(first.folder, "REQUESTED")),
        needed_by=needed_by(first.distribution),
        needs=[need for need in requirements(first.folder) if "extra ==" not in need],
        files=len(files),
    )
    for record in records:
        made.plugins[record.point or record.name] = (record.value, read_plugin(record.value))
    return made


def about_files(folder: Path, distribution: str) -> About:
    """Return what is known of a distribution whose files lie in a folder, not on the path."""
    found = [one for one in distributions([str(folder)]) if normal(one.name) == normal(distribution)]
    if not found:
        raise PegboardError(f"there is no distribution {distribution!r} in what was fetched for it")
    one = found[0]
    needs = [need for need in requirements(one.folder) if "extra ==" not in need]
    made = About(one.name, one.version, "", one.folder, False, [], needs, files=len(_lines(one.folder, "RECORD")))
    for point in points_of(one, GROUP).get(GROUP, ()):
        made.plugins[point.name] = (point.value, read_plugin(point.value, [str(folder)]))
    return made


def needed_by(distribution: str) -> list[str]:
    """Return the names of the installed distributions that require one, sorted."""
    wanted = normal(distribution)
    found = []
    for one in distributions(folders_of(sys.path) or ()):
        if any(normal(name_in(need)) == wanted for need in requirements(one.folder) if "extra ==" not in need):
            found.append(one.name)
    return sorted(found)


def requirements(folder: str) -> list[str]:
    """Return what a distribution requires, as its metadata has it."""
    text = Metadata(folder).read_text("METADATA") or ""
    head = text.partition("\n\n")[0]
    return [line.partition(": ")[2].strip() for line in head.splitlines() if line.startswith("Requires-Dist: ")]


def name_in(requirement: str) -> str:
    """Return the distribution that a requirement names."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    return found[0] if found else ""


def _lines(folder: str, name: str) -> list[str]:
    return (Metadata(folder).read_text(name) or "").splitlines()
