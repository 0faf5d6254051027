"""Tables as text for people, and as JSON for programs."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from os import cpu_count

from bench.measure import Row, Table, load_average

HEADS = ("what", "figure", "beside", "its figure", "ratio", "reach", "reached")
LEFT = (0, 2)
"""Columns with words; the others have numbers and end at one line."""


def as_text(table: Table) -> str:
    """Return a table as lines of text."""
    cells = [HEADS, *(_cells(row) for row in table.rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(HEADS))]
    lines = [f"## {table.title}", ""]
    for number, line in enumerate(cells):
        padded = (
            text.ljust(width) if place in LEFT else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
    notes = [*(f"{row.name}: {row.note}" for row in table.rows if row.note), *table.notes]
    return "\n".join([*lines, *([""] if notes else []), *(f"* {note}" for note in notes)])


def as_json(tables: Iterable[Table]) -> str:
    """Return all tables as one JSON document, with the middle half of each figure's values."""
    found = {
        "machine": machine(),
        "tables": [
            {
                "title": table.title,
                "notes": table.notes,
                "rows": [
                    {**asdict(row), "ratio": row.ratio, "reach_here": _here(row), "reached": row.reached}
                    for row in table.rows
                ],
            }
            for table in tables
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False)


def machine() -> dict[str, str]:
    """Return what figures depend on."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "processors": str(cpu_count()),
        "load": load_average(),
    }


def verdict(tables: Iterable[Table]) -> str:
    """Return one line: how many aims are reached, and which are not."""
    aims = [row for table in tables for row in table.rows if row.reach is not None]
    missed = [row.name for row in aims if row.reached is False]
    unknown = [row.name for row in aims if row.reached is None]
    words = [f"{sum(row.reached is True for row in aims)} of {len(aims)} aims reached"]
    words += [f"not reached: {'; '.join(missed)}"] if missed else []
    words += [f"not measured: {'; '.join(unknown)}"] if unknown else []
    return ". ".join(words) + "."


def _cells(row: Row) -> tuple[str, ...]:
    reached = {True: "yes", False: "NO", None: ""}[row.reached]
    if row.reach is not None and row.figure is None:
        reached = "not measured"
    return (
        row.name,
        "-" if row.figure is None else _figure(row.figure, row.unit),
        row.beside,
        "" if row.floor is None else _figure(row.floor, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        "" if row.reach is None else _reach(row),
        reached,
    )


def _here(row: Row) -> float | None:
    return None if row.reach is None else row.reach.here(row.floor)


def _figure(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 1000 or value == int(value) else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}".rstrip()


def _reach(row: Row) -> str:
    assert row.reach is not None
    if row.reach.of == "ratio":
        return f"<= {row.reach.at_most:g}x"
    here = row.reach.here(row.floor)
    slower = f" ({here:.3g} here)" if here > row.reach.at_most else ""
    return f"<= {row.reach.at_most:g} {row.unit}".rstrip() + slower
