"""What has had its time: a project's oldest segments, dropped when they are too old or too much, and noted first."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import FORGOTTEN, Event
from pegboard_builtins.memory.project import Project
from pegboard_builtins.memory.segments import segments_in

NOTE = "housekeeping.json"
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a project may be kept, and how long."""

    quota: int
    retention_days: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that had its time: its first number, its size, and why."""

    first: int
    bytes: int
    because: Literal["old", "quota"]


def due(folder: Path, limits: Limits, *, clock: float | None = None) -> list[Segment]:
    """Return a project's oldest segments, while they are too old, or all together too large. Only looks at the files.

    A segment is as old as what was kept in it last. The newest one may be too old, but never too much.
    """
    oldest = (time.time() if clock is None else clock) - limits.retention_days * DAY
    found = [(first, path.stat()) for first, path in segments_in(folder / "log")]
    total, gone = sum(facts.st_size for _, facts in found), []
    for place, (first, facts) in enumerate(found):
        newest = place + 1 == len(found)
        old = facts.st_mtime < oldest and facts.st_size > 0
        if not old and (newest or total <= limits.quota):
            break
        gone.append(Segment(first, facts.st_size, "old" if old else "quota"))
        total -= facts.st_size
    return gone


def drop(project: Project, gone: Sequence[Segment]) -> Iterator[None]:
    """Drop segments, oldest first, a little at a time; whoever goes through it may do other things in between.

    The log tells of it before anything is gone, and keeps the hashes of keys that were forgotten. A crash leaves
    segments that the index does not know, which are dropped the next time.
    """
    firsts, last = [one.first for one in gone], last_of(project, gone)
    if last == project.log.last:
        project.log.seal()
    project.put([_farewell(project, firsts, last, sorted({one.because for one in gone}))])
    project.settle()
    for first in firsts:
        yield from project.drop_segment(first)
    _note(project.folder, gone, last - firsts[0] + 1)


def last_of(project: Project, gone: Sequence[Segment]) -> int:
    """Return the last number in these segments."""
    following = [first for first in project.log.segments() if first > gone[-1].first]
    return following[0] - 1 if following else project.log.last


def _farewell(project: Project, firsts: Sequence[int], last: int, because: Sequence[str]) -> Event:
    """Return the event that tells of a drop, with what events of its kind in there had told."""
    told = [event.meta for first in firsts for event in project.log.in_segment(first) if event.kind == FORGOTTEN]
    facts: dict[str, Any] = {name: [one for meta in told for one in meta.get(name, ())] for name in ("numbers", "keys")}
    text = f"#{firsts[0]} to #{last} had their time"
    return Event(project.identity, text, FORGOTTEN, "user", meta={**facts, "last": last, "because": because})


def _note(folder: Path, gone: Sequence[Segment], events: int) -> None:
    events += dropped(folder).get("events", 0)
    said = {"at": round(time.time(), 3), "because": gone[-1].because, "events": events}
    disk.write_whole(folder / NOTE, json.dumps(said).encode())


def dropped(folder: Path) -> dict[str, Any]:
    """Return what was dropped of a project up to now: how many events, and when and why the last; empty if none."""
    try:
        said = json.loads((folder / NOTE).read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
