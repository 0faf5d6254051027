"""Which files of a folder fit a pattern."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from fnmatch import translate
from itertools import pairwise
from pathlib import Path

from pegboard.errors import ToolError
from pegboard.typed import dataclass
from pegboard_builtins.file_tools.ignored import above

MAGIC = frozenset("*?[{")
MAX_CHOICES = 200
SKIPPED = ".git"


@dataclass(frozen=True)
class Pattern:
    """A glob pattern, piece by piece: a name's regular expression, or None for `**`."""

    pieces: tuple[re.Pattern[str] | None, ...]

    def open_places(self, places: frozenset[int]) -> frozenset[int]:
        """Add the places that are reached when a `**` stands for no folder at all."""
        reached = set(places)
        for place in sorted(places):
            while place < len(self.pieces) - 1 and self.pieces[place] is None:
                place += 1
                reached.add(place)
        return frozenset(reached)

    def after_folder(self, places: frozenset[int], name: str) -> frozenset[int]:
        """Return the places at which the pattern may stand inside the folder *name*."""
        inside = set()
        for place in places:
            piece = self.pieces[place]
            if piece is None:
                inside.add(place)
            elif place + 1 < len(self.pieces) and piece.match(name):
                inside.add(place + 1)
        return self.open_places(frozenset(inside))

    def ends_with(self, places: frozenset[int], name: str) -> bool:
        """Whether the pattern ends with the file *name*."""
        last = len(self.pieces) - 1
        piece = self.pieces[last]
        return last in places and (piece is None or piece.match(name) is not None)

    def start(self) -> frozenset[int]:
        """Return the places at which it may stand in the root."""
        return self.open_places(frozenset({0}))


def choices(pattern: str) -> list[str]:
    """Return what `{a,b}` stands for; braces without a comma or a partner are themselves."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        text = waiting.pop()
        span = _first_braces(text)
        if span is None:
            done.append(text)
        else:
            start, commas, end = span
            bounds = [start, *commas, end]
            parts = [text[a + 1 : b] for a, b in pairwise(bounds)]
            waiting += [text[:start] + part + text[end + 1 :] for part in parts]
        if len(done) + len(waiting) > MAX_CHOICES:
            raise ToolError(f"the pattern {pattern!r} stands for more than {MAX_CHOICES} patterns. Ask for fewer.")
    return sorted(set(done))


def _first_braces(text: str) -> tuple[int, list[int], int] | None:
    for start in (i for i, char in enumerate(text) if char == "{"):
        depth, commas = 0, []
        for at in range(start, len(text)):
            if text[at] == "{":
                depth += 1
            elif text[at] == "," and depth == 1:
                commas.append(at)
            elif text[at] == "}":
                depth -= 1
                if depth == 0:
                    if commas:
                        return start, commas, at
                    break
    return None


def compile_pattern(pattern: str) -> Pattern:
    """Compile one pattern without braces. `*` and `?` match no "/", `**` any number of folders.

    Raises ToolError for "..", which would lead out of the folder.
    """
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    if ".." in names:
        raise ToolError(f'".." can only be at the beginning of a pattern, not as in {pattern!r}. Use `path`.')
    pieces: list[re.Pattern[str] | None] = []
    for name in names:
        if name == "**":
            if not pieces or pieces[-1] is not None:
                pieces.append(None)
        else:
            # fnmatch makes atomic groups of stars, so no name can keep it busy for long.
            pieces.append(re.compile(translate(name.replace("[^", "[!").replace("**", "*"))))
    return Pattern(tuple(pieces or [None]))


def rooted(pattern: str, base: Path) -> tuple[Path, str]:
    """Move the folders that a pattern names plainly into *base*: ("src/*.py", /p) becomes (/p/src, "*.py")."""
    pattern = os.path.expanduser(pattern)
    folders, names = [], pattern.split("/")
    while len(names) > 1 and MAGIC.isdisjoint(names[0]):
        folders.append(names.pop(0))
    prefix = "/".join(folders) + ("/" if folders == [""] else "")
    return Path(os.path.normpath(base / prefix)), "/".join(names)


def files_below(root: Path, patterns: list[Pattern], stop: threading.Event, *, ignored: bool = True) -> Iterator[str]:
    """Yield the paths, relative to *root*, of the regular files that fit one of *patterns*, in no certain order.

    Symbolic links and `.git` are left out, and so are folders that cannot be read; and what `.gitignore` leaves out,
    unless *ignored* files are wanted, too.
    """
    outer = None if ignored else above(root)
    waiting = [("", [(pattern, pattern.start()) for pattern in patterns], outer)]
    while waiting and not stop.is_set():
        folder, states, rules = waiting.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError:
            continue
        if rules is not None:
            rules = rules.entering(root / folder, {entry.name for entry in entries})
        for entry in entries:
            name = entry.name
            if name == SKIPPED:
                continue
            if entry.is_dir(follow_symlinks=False):
                inside = [(pattern, pattern.after_folder(places, name)) for pattern, places in states]
                if any(places for _, places in inside) and not (rules and rules.ignores(name, is_folder=True)):
                    waiting.append((f"{folder}{name}/", [state for state in inside if state[1]], rules))
            elif (
                entry.is_file(follow_symlinks=False)
                and any(p.ends_with(places, name) for p, places in states)
                and not (rules and rules.ignores(name, is_folder=False))
            ):
                yield folder + name


def newest_first(root: Path, names: list[str]) -> list[str]:
    """Sort by time of change, the newest first, then by name; what has vanished comes last."""

    def age(name: str) -> tuple[int, str]:
        try:
            return -os.stat(os.path.join(root, name), follow_symlinks=False).st_mtime_ns, name
        except OSError:
            return 1, name

    return sorted(names, key=age)
