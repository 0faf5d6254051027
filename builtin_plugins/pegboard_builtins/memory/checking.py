"""What is wrong with a project's files."""

from __future__ import annotations

from typing import Any

from pegboard_builtins.memory.events import FORGOTTEN, MERGED
from pegboard_builtins.memory.project import Project


def checked(project: Project) -> dict[str, Any]:
    """Read the whole log, and make an index that differs from it anew. `ok` where nothing was ever lost."""
    project.settle()
    numbers, forgotten, kept = [], set(), 0
    for event, _ in project.log.scan():
        numbers.append(event.number)
        kept += event.kind not in (FORGOTTEN, MERGED)
        if event.kind == FORGOTTEN:
            forgotten |= set(event.meta.get("numbers", ()))
    expected = range(numbers[0], project.log.last + 1) if numbers else range(0)
    missing = sorted(set(expected) - set(numbers) - forgotten)
    damaged = [{key: one[key] for key in ("segment", "offset", "length", "reason")} for one in project.log.damaged()]
    wrong = project.index.sound()
    if wrong or project.index.count() != kept:
        # It is derived: what else there is to know of it is that it is right now.
        wrong = f"made anew ({wrong or 'it had other events than the log'})"
        project.reindex()
    torn = sorted(path.name for path in project.log.folder.glob("*.torn"))
    return {
        "ok": not (missing or damaged or torn),
        "events": kept,
        "forgotten": len(forgotten),
        "missing": missing,
        "damaged": damaged,
        "torn": torn,
        "index": wrong or "ok",
        "repairs": list(project.log.repairs),
    }
