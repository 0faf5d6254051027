"""Looks for names in files, in what is staged, in a commit's message, in a range of commits; says where, never what."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pegboard.typed import dataclass
from pegboard_builtins.undercover.destinations import git
from pegboard_builtins.undercover.engine import Hit, mask_value
from pegboard_builtins.undercover.sources import Finder

LARGEST = 20_000_000
_SCISSORS = re.compile(r"^. -+ >8 -+$")
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")
_SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".tox", ".mypy_cache"})


class ScanError(Exception):
    """Something could not be looked at; so nobody may say that it is clean."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A name was found. `where` is a file, a commit or a part of it, with any name in it masked."""

    where: str
    line: int
    column: int
    id: str
    how: str


def in_text(finder: Finder, text: str, where: str, *, first_line: int = 1) -> Iterator[Spot]:
    """Go through the names of a text."""
    for hit in finder.find(text):
        before = text[: hit.start]
        line = before.count("\n")
        yield Spot(where, first_line + line, hit.start - (before.rfind("\n") + 1) + 1, hit.name.id, hit.how)


def in_paths(finder: Finder, paths: Iterable[Path], mask: str) -> Iterator[Spot]:
    """Go through the names in files and folders, their own names too. Raises ScanError."""
    for path in paths:
        if not path.exists():
            raise ScanError(f"there is no {path}")
        for file in _files_below(path) if path.is_dir() else [path]:
            shown = shown_path(finder, str(file), mask)
            yield from in_text(finder, str(file), f"the path of {shown}")
            yield from in_text(finder, _read(file), shown)


def shown_path(finder: Finder, path: str, mask: str) -> str:
    """Return a path as it may be printed."""
    return str(mask_value(finder, path, mask))


def _files_below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(names):
            file = Path(root, name)
            if file.is_file():
                yield file


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise ScanError(f"{path.name} is larger than {LARGEST // 1_000_000} MB")
        return path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise ScanError(f"a file cannot be read: {error.strerror}") from None


def in_message(finder: Finder, path: Path) -> Iterator[Spot]:
    """Go through the names of a commit message as git hands it to its hooks: without comments, down to the scissors."""
    lines = []
    for line in _read(path).splitlines():
        if _SCISSORS.match(line):
            break
        lines.append("" if line.startswith("#") else line)
    yield from in_text(finder, "\n".join(lines), "the message")


# --- git -----------------------------------------------------------------------------------------------


def in_staged(finder: Finder, folder: Path, mask: str) -> Iterator[Spot]:
    """Go through the names in what is staged: added lines, and the names of files. Raises GitError."""
    yield from in_diff(finder, git(folder, "diff", "--cached", "-U0", "--no-color", "--no-ext-diff"), mask)


def in_range(finder: Finder, folder: Path, revisions: Iterable[str], mask: str) -> Iterator[Spot]:
    """Go through the names in commits: messages, authors, added lines, names of files. Raises GitError."""
    for commit in git(folder, "rev-list", "--reverse", *revisions, "--").split():
        yield from in_commit(finder, folder, commit, mask)


def in_commit(finder: Finder, folder: Path, commit: str, mask: str) -> Iterator[Spot]:
    """Go through the names in one commit."""
    short = commit[:10]
    yield from in_text(finder, git(folder, "log", "-1", "--format=%B", commit), f"{short}: the message")
    people = git(folder, "log", "-1", "--format=%an <%ae>%n%cn <%ce>", commit)
    yield from in_text(finder, people, f"{short}: author and committer")
    diff = git(folder, "show", "--format=", "-U0", "--no-color", "--no-ext-diff", "-m", "--first-parent", commit)
    for spot in in_diff(finder, diff, mask):
        yield Spot(f"{short}: {spot.where}", spot.line, spot.column, spot.id, spot.how)


def in_diff(finder: Finder, diff: str, mask: str) -> Iterator[Spot]:
    """Go through the names in the added lines of a diff, and in the names of its files."""
    file, number = "", 0
    added: list[str] = []
    first = 0

    def flush() -> Iterator[Spot]:
        if added:
            yield from in_text(finder, "\n".join(added), file, first_line=first)
            added.clear()

    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            yield from flush()
            file = "a file"
        elif line.startswith("+++ ") and not added:
            path = line[4:].removeprefix("b/").rstrip("\t")
            file = shown_path(finder, path, mask)
            if path != "/dev/null":
                yield from in_text(finder, path, f"the path of {file}")
        elif (hunk := _HUNK.match(line)) is not None:
            yield from flush()
            number = int(hunk[1])
            first = number
        elif line.startswith("+"):
            added.append(line[1:])
        elif line.startswith(("rename to ", "copy to ")):
            path = line.partition(" to ")[2]
            yield from in_text(finder, path, f"the path of {shown_path(finder, path, mask)}")
    yield from flush()


def ids_in(spots: Iterable[Spot | Hit]) -> str:
    """Return the ids of what was found, each once."""
    return ", ".join(sorted({spot.id if isinstance(spot, Spot) else spot.name.id for spot in spots}))
