"""Events as files for other machines: one JSON object per line, a head first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pegboard_builtins.memory.events import Event, Memory, MemoryFailure
from pegboard_builtins.memory.lines import event_of, facts_of

FORMAT = "pegboard-memory"
AT_ONCE = 500


def exported(memory: Memory, project: str, filtered: Callable[[Any], Any]) -> Iterator[str]:
    """Go through the lines of an export, a part of the log at a time; each passes the filters first."""
    yield json.dumps({"format": FORMAT, "version": 1, "project": project})
    last = memory.status()["projects"].get(project, {}).get("last", 0)
    for first in range(1, last + 1, AT_ONCE):
        for event in memory.read(project, first, min(first + AT_ONCE - 1, last)):
            yield json.dumps(filtered(facts_of(event)), ensure_ascii=False)


def imported(
    memory: Memory, project: str, lines: Iterable[str], source: str, prepared: Callable[[Event], Event]
) -> tuple[int, int]:
    """Put exported events into a project, and return how many were read and how many are new. Raises MemoryFailure.

    Their keys come along: what is imported twice is kept once.
    """
    numbered = enumerate(lines, 1)
    _, head = next(numbered, (1, ""))
    if _parsed(head, source, 1).get("format") != FORMAT:
        raise MemoryFailure(f"{source}:1: this is no export of a memory; its first line would say so")
    before = memory.status()["projects"].get(project, {}).get("events", 0)
    batch: list[Event] = []
    read = 0
    for number, line in numbered:
        if line.strip():
            batch.append(prepared(_event(_parsed(line, source, number), project, f"{source}:{number}")))
            read += 1
        if len(batch) >= AT_ONCE:
            memory.put(batch)
            batch = []
    memory.put(batch)
    return read, memory.status()["projects"].get(project, {}).get("events", 0) - before


def _parsed(line: str, source: str, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise MemoryFailure(f"{source}:{number}: this is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise MemoryFailure(f"{source}:{number}: this is no JSON object")
    return found


def _event(facts: dict[str, Any], project: str, where: str) -> Event:
    try:
        return event_of({**facts, "project": project, "n": 0})
    except ValueError as error:
        raise MemoryFailure(f"{where}: {error}") from None
