"""The entry points of this environment, read from the metadata folders on `sys.path`.

importlib-metadata's import and objects take ten times as long, and most environments are nothing but folders. Where
something else has a say (a zip file on the path, a finder with distributions of its own), the library looks.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

METADATA = (".dist-info", ".egg-info")
POINTS = "entry_points.txt"
CHUNK = 1 << 13


class Metadata:
    """A distribution, as far as plugins need it; the same methods as the library's."""

    __slots__ = ("folder",)

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def read_text(self, name: str) -> str | None:
        """Return a file of it; None if there is none."""
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    @property
    def name(self) -> str:
        """The distribution's name."""
        return self.heads.get("Name", "")

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self.heads.get("Version", "")

    @property
    def heads(self) -> dict[str, str]:
        """The first lines of what it says of itself; `Name` and `Version` stand there."""
        text = _read(f"{self.folder}{os.sep}METADATA") or _read(f"{self.folder}{os.sep}PKG-INFO")
        lines = text.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode(errors="replace").splitlines()
        return {name: value.strip() for name, colon, value in (line.partition(": ") for line in lines) if colon}


class Point:
    """An entry point."""

    __slots__ = ("dist", "name", "value")

    def __init__(self, name: str, value: str, dist: Metadata) -> None:
        self.name = name
        self.value = value
        self.dist = dist


def entry_points(group: str) -> Iterable[Any]:
    """Return the entry points of a group; of a distribution that stands on the path twice, the first counts."""
    folders = folders_of(sys.path)
    if folders is None:
        import importlib_metadata

        return importlib_metadata.entry_points(group=group)
    return (point for dist in distributions(folders) for point in points_of(dist, group).get(group, ()))


def folders_of(path: Iterable[str]) -> dict[str, int] | None:
    """Return the folders of a path in order, each with the time (ns) of its last change.

    None if the path has anything else on it that could hold distributions.
    """
    for finder in sys.meta_path:
        if getattr(finder, "__module__", "").partition(".")[0] in ("_frozen_importlib_external", "importlib_metadata"):
            continue
        if hasattr(finder, "find_distributions"):
            return None
    folders: dict[str, int] = {}
    for entry in path:
        where = entry or os.curdir
        try:
            facts = os.stat(where)
        except OSError:
            continue
        if not stat.S_ISDIR(facts.st_mode) or where.endswith(".egg"):
            return None
        folders.setdefault(where, facts.st_mtime_ns)
    return folders


def metadata_in(folder: str) -> list[str]:
    """Return the names of the metadata folders that lie in a folder, in the file system's order."""
    try:
        return [name for name in os.listdir(folder) if name.endswith(METADATA) or name.lower().endswith(METADATA)]
    except OSError:
        return []


def distributions(folders: Iterable[str]) -> Iterator[Metadata]:
    """Go through the distributions in these folders; of one that is there twice, the first counts."""
    return distinct({folder: metadata_in(folder) for folder in folders})


def distinct(inside: Mapping[str, list[str]]) -> Iterator[Metadata]:
    """Go through the distributions whose metadata folders have these names, by the folder that they lie in."""
    seen = set()
    for folder, names in inside.items():
        for name in names:
            distribution = normal(name.rpartition(".")[0].partition("-")[0])
            if distribution not in seen:
                seen.add(distribution)
                yield Metadata(f"{folder}{os.sep}{name}")


def points_of(distribution: Metadata, *groups: str) -> dict[str, list[Point]]:
    """Return the entry points that a distribution has in these groups, for each in which it has any."""
    text = _read(f"{distribution.folder}{os.sep}{POINTS}")
    found = {}
    for group in groups:
        if f"[{group}]".encode() in text:
            points = list(_section(text.decode(errors="replace"), f"[{group}]", distribution))
            if points:
                found[group] = points
    return found


def _read(path: str) -> bytes:
    """Return a file's bytes, nothing where there is none: with three calls of the system, because there are many."""
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        parts = [os.read(number, CHUNK)]
        while len(parts[-1]) == CHUNK:
            parts.append(os.read(number, CHUNK))
        return b"".join(parts)
    except OSError:
        return b""
    finally:
        os.close(number)


def normal(name: str) -> str:
    """Return a name as packaging compares it."""
    name = name.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name


def _section(text: str, head: str, distribution: Metadata) -> Iterator[Point]:
    here = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            here = line == head
        elif here and line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if equals:
                yield Point(name.strip(), value.strip(), distribution)
