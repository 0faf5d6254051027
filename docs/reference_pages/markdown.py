"""How the reference pages are written: headings, tables, docstrings as prose."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

HEAD = (
    "<!-- Written by `python docs/generate.py` from {source}. Change that, not this page. -->\n\n# {title}\n\n{intro}\n"
)


def page(title: str, source: str, intro: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    body = "\n\n".join(part.strip("\n") for part in parts if part.strip())
    return HEAD.format(title=title, source=source, intro=intro.strip()) + f"\n{body}\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; nothing where there are no rows."""
    lines = [f"| {' | '.join(cell(text) for text in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines])


def cell(text: str) -> str:
    """Return a text for a cell: on one line, and without a bar that would end it."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return a text as code; nothing for nothing."""
    return f"`{text}`" if text else ""


def prose(thing: object) -> str:
    """Return a docstring with its lines joined to paragraphs; lists of `name: what` stay lists."""
    paragraphs = re.split(r"\n\s*\n", inspect.getdoc(thing) or "")
    return "\n\n".join(map(_paragraph, paragraphs))


_ENTRY = re.compile(r"([a-z_]+(?:, [a-z_]+)*): +(?=\S)")


def _paragraph(text: str) -> str:
    lines = text.split("\n")
    if len(lines) > 1 and all(_ENTRY.match(line) or line.startswith("  ") for line in lines):
        return "\n".join(_ENTRY.sub(r"- `\1`: ", line, count=1) for line in lines)
    if any(line.startswith("    ") for line in lines):
        return "\n".join(f"    {line.strip()}" for line in lines)
    return " ".join(line.strip() for line in lines)


def summary(thing: object) -> str:
    """Return the first paragraph of a docstring."""
    return prose(thing).split("\n\n")[0]
