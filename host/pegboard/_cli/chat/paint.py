"""Rich things become text for a terminal: as wide as it is, in the colours that it has, and harmless."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.theme import Theme

from pegboard.output import visible

THEME = Theme(
    {
        "markdown.code": "cyan",
        "markdown.code_block": "none",
        "markdown.h1": "bold underline",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.h4": "italic",
        "markdown.item.bullet": "bold",
        "markdown.link": "none",
        "markdown.link_url": "dim",
        "markdown.block_quote": "italic",
        "markdown.table.border": "dim",
    },
    inherit=True,
)
NARROWEST = 20
_COLOURS = re.compile("\x1b\\[[0-9;]*m")


class Harmless:
    """What a renderable gives, without anything in it that a terminal would obey."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._inner, options):
            if segment.control:
                continue
            text = segment.text
            style = segment.style.update_link(None) if segment.style and segment.style.link else segment.style
            if text != "\n" and not text.isprintable():
                text = "\n".join(map(visible, text.split("\n")))
            yield Segment(text, style)


class Paint:
    """Renders for the terminal of this process."""

    def __init__(self, *, plain: bool = False) -> None:
        self._console = Console(
            file=io.StringIO(),
            force_terminal=not plain,
            color_system=None if plain else "auto",
            theme=THEME,
            highlight=False,
            markup=False,
            emoji=False,
        )

    @property
    def colours(self) -> bool:
        """Whether anything may be coloured."""
        return not self._console.no_color and self._console.color_system is not None

    def ansi(self, renderable: Any, width: int) -> str:
        """Return it with ANSI colours, without blank lines before and after it."""
        self._console.width = max(width, NARROWEST)
        with self._console.capture() as captured:
            self._console.print(Harmless(renderable))
        lines = [line.rstrip(" ") for line in captured.get().split("\n")]
        said = [place for place, line in enumerate(lines) if _COLOURS.sub("", line).strip()]
        return "\n".join(lines[said[0] : said[-1] + 1]) if said else ""


@lru_cache(maxsize=1)
def fancy() -> bool:
    """Whether the terminal can show more than ASCII."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" and os.environ.get("TERM") != "dumb"


def glyph(name: str) -> str:
    """Return a sign, or what stands for it in ASCII."""
    return _GLYPHS[name][0 if fancy() else 1]


_GLYPHS = {
    "call": ("●", "*"),
    "branch": ("⎿", "|"),
    "pointer": ("❯", ">"),
    "dot": ("·", "-"),
    "more": ("…", "..."),
    "queued": ("↳", "+"),
    "thought": ("✻", "~"),
    "line": ("─", "-"),
    "tree": ("│", "|"),
}
