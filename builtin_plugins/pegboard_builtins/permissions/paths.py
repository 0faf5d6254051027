"""Paths as rules name them: patterns as in .gitignore, and whether a path lies inside a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pegboard.typed import dataclass


@dataclass(frozen=True)
class Place:
    """A path that a call names: as it is written, made absolute, and where its symbolic links lead."""

    written: str
    real: str


def place_of(path: str, cwd: str | Path) -> Place:
    """Return where *path* lies, `~` and symbolic links followed. It need not exist."""
    text = os.path.expanduser(path) if path.startswith("~") else path
    # Joined as text, not normalised: `link/..` is where the link leads, and only realpath knows that.
    absolute = os.path.join(cwd, text)
    return Place(os.path.normpath(absolute), os.path.realpath(absolute))


def places_inside(places: Iterable[Place], most: int) -> Iterator[Place]:
    """Yield what lies in those of the places that are folders, at most so many."""
    found = 0
    for place in places:
        for folder, folders, files in os.walk(place.real) if os.path.isdir(place.real) else ():
            below = folder[len(place.real) :]
            for name in (*folders, *files):
                yield Place(f"{place.written}{below}/{name}", f"{folder}/{name}")
                found += 1
                if found >= most:
                    return


def is_inside(path: str, folders: Iterable[str]) -> bool:
    """Whether *path* is one of the folders or lies below one; both absolute and normalised."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def both_shapes(folders: Iterable[str]) -> tuple[str, ...]:
    """Return folders as they are written and as their links lead, each once."""
    return tuple(dict.fromkeys(shape for folder in folders for shape in (folder, os.path.realpath(folder))))


class PathPattern:
    """A pattern as in .gitignore, from one of four roots.

    `//abs` begins at the root of the file system, `~/` at the home, `/x` at *root* (the folder of the settings),
    anything else at whichever base the question names. Without a slash it holds at any depth. A pattern that holds
    for a folder holds for all that is in it.
    """

    __slots__ = ("_regex", "_roots", "fixed_base", "source")

    def __init__(self, spec: str, root: Path) -> None:
        self.fixed_base: str | None = None
        if spec.startswith("//"):
            self.fixed_base, pattern = "/", spec[1:]
        elif spec == "~" or spec.startswith("~/"):
            self.fixed_base, pattern = os.path.expanduser("~"), "/" + spec[2:]
        elif spec.startswith("/"):
            self.fixed_base, pattern = str(root), spec
        else:
            pattern = spec.removeprefix("./")
            if spec.startswith("./"):
                pattern = "/" + pattern
        self.source = _regex_of(pattern)
        self._regex = re.compile(self.source, re.DOTALL)
        self._roots = () if self.fixed_base is None else both_shapes((self.fixed_base,))

    def holds(self, place: Place, bases: Iterable[str]) -> bool:
        """Whether the place matches in any of its two shapes, seen from any base: for rules that restrict.

        Of a base, too, both shapes are wanted: see `both_shapes`.
        """
        written, real = place.written, place.real
        for base in self._roots or bases:
            if self._below(written, base) or (real != written and self._below(real, base)):
                return True
        return False

    def covers(self, place: Place, base: str) -> bool:
        """Whether the place itself, links followed, matches, seen from a *base* without links: for rules that allow."""
        return self._below(place.real, self._roots[-1] if self._roots else base)

    def _below(self, path: str, base: str) -> bool:
        prefix = base.rstrip("/") + "/"
        if path == base:
            return self._regex.fullmatch("") is not None
        return path.startswith(prefix) and self._regex.fullmatch(path[len(prefix) :]) is not None


def _regex_of(pattern: str) -> str:
    """Translate a .gitignore pattern; the answer matches paths relative to its base."""
    anchored = "/" in pattern.rstrip("/")
    body = pattern.strip("/")
    parts = [] if anchored else ["(?:.*/)?"]
    at = 0
    while at < len(body):
        if body.startswith("**/", at) and (at == 0 or body[at - 1] == "/"):
            parts.append("(?:.*/)?")
            at += 3
        elif body.startswith("/**", at) and at + 3 == len(body):
            parts.append("(?:/.*)?")
            at += 3
        elif body.startswith("**", at):
            parts.append(".*")
            at += 2
        else:
            part, at = _piece(body, at)
            parts.append(part)
    return "".join(parts) + "(?:/.*)?" if body else ".*"


def _piece(body: str, at: int) -> tuple[str, int]:
    character = body[at]
    if character == "*":
        return "[^/]*", at + 1
    if character == "?":
        return "[^/]", at + 1
    if character == "\\" and at + 1 < len(body):
        return re.escape(body[at + 1]), at + 2
    end = body.find("]", at + 2) if character == "[" else -1
    if end > 0:
        inside = body[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
        inside = "^" + inside[1:] if inside.startswith("!") else inside
        return f"(?!/)[{inside}]", end + 1
    return re.escape(character), at + 1
