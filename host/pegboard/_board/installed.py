"""The entry points of this environment, read from the metadata folders on `sys.path`.

importlib-metadata's import and objects take ten times as long, and most environments are nothing but folders. Where
something else has a say (a zip file on the path, a finder with distributions of its own), the library looks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Metadata(NamedTuple):
    """A distribution, as far as plugins need it; the same methods as the library's."""

    folder: str

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
        text = self.read_text("METADATA") or self.read_text("PKG-INFO") or ""
        lines = text.partition("\n\n")[0].splitlines()
        return {name: value.strip() for name, colon, value in (line.partition(": ") for line in lines) if colon}


class Point(NamedTuple):
    """An entry point."""

    name: str
    value: str
    dist: Metadata


def entry_points(group: str) -> Iterable[Any]:
    """Return the entry points of a group; of a distribution that stands on the path twice, the first counts."""
    folders = _folders(sys.path)
    if folders is None:
        import importlib_metadata

        return importlib_metadata.entry_points(group=group)
    return _points(group, folders)


def is_plain(path: Iterable[str]) -> bool:
    """Whether a path is nothing but folders, so that the library is not needed to read it."""
    return _folders(path) is not None


def _folders(path: Iterable[str]) -> list[str] | None:
    """Return the folders of a path; None if it has anything else on it that could hold distributions."""
    for finder in sys.meta_path:
        if hasattr(finder, "find_distributions") and getattr(finder, "__module__", "").partition(".")[0] not in (
            "_frozen_importlib_external",
            "importlib_metadata",
        ):
            return None
    folders = []
    for entry in path:
        where = entry or os.curdir
        if os.path.isdir(where) and not where.endswith(".egg"):
            folders.append(where)
        elif os.path.exists(where):
            return None
    return folders


def _points(group: str, folders: Iterable[str]) -> Iterator[Point]:
    seen = set()
    head = f"[{group}]"
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            stem, ending = os.path.splitext(name)
            if ending.lower() not in (".dist-info", ".egg-info"):
                continue
            distribution = _normal(stem.partition("-")[0])
            if distribution in seen:
                continue
            seen.add(distribution)
            found = Metadata(os.path.join(folder, name))
            text = found.read_text("entry_points.txt")
            if text is not None and head in text:
                yield from _section(text, head, found)


def _normal(name: str) -> str:
    """Return a name as packaging compares it."""
    for mark in "-.":
        name = name.replace(mark, "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name.lower()


def _section(text: str, head: str, distribution: Metadata) -> Iterator[Point]:
    here = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            here = line == head
        elif here and line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if equals:
                yield Point(name.strip(), value.strip(), distribution)
