"""Which fields of calls plugins have rewritten, as the journal has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from pegboard._agent.journal import read_records
from pegboard._agent.views import tool_uses
from pegboard.records import AssistantLine, HookRecord, Record

NEWEST = 10
"""Sessions that are looked through."""


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that only one of the two has, or whose value is another, sorted."""
    both = before.keys() & after.keys()
    return tuple(sorted((before.keys() ^ after.keys()) | {key for key in both if before[key] != after[key]}))


def rewritten(record: HookRecord, given: Any) -> dict[int, tuple[str, ...]]:
    """Return the fields that each rewriter of one dispatch has changed, by its place in the plan.

    *given* is the input that the first of them saw.
    """
    found = {}
    for row in record.rows:
        if row.answer and "rewrote" in row.effect:
            after = from_json(row.answer)
            if isinstance(given, Mapping) and isinstance(after, Mapping):
                found[row.i] = changed(given, after)
            given = after
    return found


def observed(records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Go through (plugin, `Tool.field`) of what was rewritten in a session."""
    calls: dict[str, tuple[str, Any]] = {}
    for record in records:
        if isinstance(record, AssistantLine):
            calls |= {call: (tool, given) for call, tool, given in tool_uses(record)}
        elif isinstance(record, HookRecord) and record.point == "pre_tool" and record.subject in calls:
            tool, given = calls[record.subject]
            names = {row.i: row.plugin for row in record.rows}
            for place, fields in rewritten(record, given).items():
                yield from ((names[place], f"{tool}.{field}") for field in fields)


def seen_in(journals: Sequence[Path]) -> dict[str, set[str]]:
    """Return what each plugin was seen to rewrite in the newest of these sessions, as `Tool.field`."""
    found: dict[str, set[str]] = {}
    for journal in sorted(journals, key=lambda path: path.stat().st_mtime)[-NEWEST:]:
        for plugin, what in observed(read_records(journal)):
            found.setdefault(plugin, set()).add(what)
    return found
