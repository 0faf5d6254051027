"""Changes the list of names in its file: added and removed line by line, written whole, for its owner's eyes alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pegboard_builtins.undercover.engine import objection
from pegboard_builtins.undercover.engine.letters import skeleton
from pegboard_builtins.undercover.sources import ListError


def file_of(source: str) -> Path:
    """Return the file of a source. Raises ListError for one that is no file."""
    kind, _, where = source.partition(":")
    if kind != "file":
        raise ListError('only a list in a file can be changed here; [undercover] names is not "file:PATH"')
    return Path(where).expanduser()


def add(path: Path, names: Iterable[str], group: str) -> int:
    """Add names under a heading and return how many are new. Raises ListError; then nothing is changed."""
    lines = _lines(path)
    there = {skeleton(line) for line in lines if line and not line.startswith(("#", "["))}
    fresh: dict[bytes, str] = {}
    for number, name in enumerate(names, 1):
        problem = objection(name)
        if problem:
            raise ListError(f"name {number}: {problem}")
        if skeleton(name) not in there:
            fresh.setdefault(skeleton(name), name.strip())
    heading = f"[{group}]"
    if group and heading not in lines:
        lines += [heading]
    at = _end_of(lines, heading if group else "")
    _write(path, [*lines[:at], *fresh.values(), *lines[at:]])
    return len(fresh)


def remove(path: Path, names: Iterable[str]) -> int:
    """Take names out, however they are spelled, and return how many there were."""
    lines = _lines(path)
    gone = {skeleton(name) for name in names}
    kept = [line for line in lines if not line or line.startswith(("#", "[")) or skeleton(line) not in gone]
    _write(path, kept)
    return len(lines) - len(kept)


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ListError(f"the list of names cannot be read: {path}: {type(error).__name__}") from None


def _end_of(lines: list[str], heading: str) -> int:
    """Return where the names under a heading end; of those before all headings for an empty one."""
    start = lines.index(heading) + 1 if heading else 0
    for at in range(start, len(lines)):
        if lines[at].startswith("["):
            return at
    return len(lines)


def _write(path: Path, lines: list[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".names-")  # 0600 from the first byte on
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        raise ListError(f"the list of names cannot be written: {path}: {error.strerror}") from None
