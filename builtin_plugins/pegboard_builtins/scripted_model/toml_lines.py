"""On which line of a TOML file each key stands, arrays of tables included; tomli tells no positions."""

from __future__ import annotations

import re

Place = tuple[str | int, ...]
"""A way into the parsed file, as pydantic has it: ("turn", 2, "call", 0, "name")."""

_HEADER = re.compile(r"\s*(?P<open>\[\[?)\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r'\s*(?P<name>(?:"(?:[^"\\]|\\.)*"|\'[^\']*\'|[A-Za-z0-9_-]+)(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=')
_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)')
_LONG_QUOTES = ('"""', "'''")


def lines_of(text: str) -> dict[Place, int]:
    """Return the line (from 1) of every table and key that has a line of its own.

    What stands inside an inline table has none; `line_of` then finds the key that holds it.
    """
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    closing = ""  # the quotes that will end the long string that we are in
    for number, line in enumerate(text.split("\n"), 1):
        if closing:
            closing = "" if line.count(closing) % 2 else closing
            continue
        if header := _HEADER.fullmatch(line.rstrip("\r")):
            table = _enter(_parts(header["name"]), counts, repeated=header["open"] == "[[")
            found.setdefault(table, number)
            found.setdefault(tuple(_parts(header["name"])), number)  # the array itself begins with its first entry
        elif key := _KEY.match(line):
            found.setdefault(table + tuple(_parts(key["name"])), number)
        closing = next((quotes for quotes in _LONG_QUOTES if line.count(quotes) % 2), "")
    return found


def line_of(lines: dict[Place, int], place: Place) -> int | None:
    """Return the line of *place*, or of the nearest thing around it that has one."""
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return None


def _enter(parts: list[str], counts: dict[Place, int], *, repeated: bool) -> Place:
    """Return where a header leads: each array of tables on the way stands for its latest entry."""
    here: Place = ()
    for depth, part in enumerate(parts, 1):
        here = (*here, part)
        if repeated and depth == len(parts):
            counts[here] = counts.get(here, -1) + 1
        if here in counts:
            here = (*here, counts[here])
    return here


def _parts(name: str) -> list[str]:
    return [a or b or c for a, b, c in _PART.findall(name)]
