"""Takes events out of every file there is, and then looks for them in every file there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pegboard_builtins.memory.events import FORGOTTEN, MERGED, Event, Forgotten, MemoryFailure
from pegboard_builtins.memory.index import key_hash
from pegboard_builtins.memory.project import Project

SHORT = 8
"""Texts with fewer characters are not looked for afterwards: they stand in other events, too."""


def forget(
    project: Project,
    spool: Path,
    *,
    numbers: Iterable[int] = (),
    session: str = "",
    match: str = "",
    dry_run: bool = False,
) -> Forgotten:
    """Forget what is meant: see Memory. Lines that nobody can read go too, because they may hold what is meant."""
    wanted = set(numbers)
    if not (wanted or session or match):
        raise MemoryFailure("say what to forget: numbers, a session, or words that the texts have")
    project.settle()
    gone = [event for event, _ in project.log.scan() if _meant(event, wanted, session, match)]
    if dry_run:
        return Forgotten(tuple(event.number for event in gone))
    if gone:
        _note(project, gone)
    purged = project.take_out([event.number for event in gone])
    _forget_facts(project.folder, [event.number for event in gone])
    files, searched, found, left = _look_for(gone, match, [project.folder, spool])
    return Forgotten(tuple(event.number for event in gone), files, searched, found, tuple(purged), tuple(left))


def _meant(event: Event, numbers: set[int], session: str, match: str) -> bool:
    if event.kind in (FORGOTTEN, MERGED):
        return False
    return (
        event.number in numbers
        or bool(session and event.session == session)
        or bool(match and (match in event.text or match in json.dumps(dict(event.meta), ensure_ascii=False)))
    )


def _note(project: Project, gone: Sequence[Event]) -> None:
    """Leave an event that says which numbers are gone, and as hashes the keys that must not come back.

    It comes before anything is taken out, so that its number is a new one.
    """
    keys = [f"{key_hash(event.key) + (1 << 63):016x}" for event in gone]
    facts = {"numbers": [event.number for event in gone], "keys": keys}
    text = f"{len(gone)} events were forgotten"
    project.put([Event(project.identity, text, kind=FORGOTTEN, origin="user", meta=facts)])


def _forget_facts(folder: Path, numbers: Sequence[int]) -> None:
    """Take away the facts that stand on what is gone, and their texts in the runs that can be reverted."""
    from pegboard_builtins.memory.factsfolder import FactsFolder
    from pegboard_builtins.memory.patches import Patches

    if numbers and (folder / "facts").is_dir():
        Patches(FactsFolder(folder / "facts", folder)).forget(numbers)


def _look_for(gone: Sequence[Event], match: str, folders: Sequence[Path]) -> tuple[int, int, int, list[str]]:
    """Look for what was forgotten, byte for byte: how many files and bytes that were, what is left of it, and where."""
    needles = {match} if match else {event.text for event in gone if len(event.text) >= SHORT}
    spellings = {one.encode() for one in needles} | {
        json.dumps(one, ensure_ascii=False)[1:-1].encode() for one in needles
    }
    pattern = re.compile(b"|".join(map(re.escape, sorted(spellings)))) if spellings else None
    files = searched = found = 0
    left = []
    for path in [path for folder in folders for path in sorted(folder.rglob("*"))]:
        if not path.is_file() or path.is_symlink():
            continue
        data = path.read_bytes()
        files, searched = files + 1, searched + len(data)
        here = sum(len(one[0]) for one in pattern.finditer(data)) if pattern else 0
        if here:
            found += here
            left.append(str(path))
    return files, searched, found, left
