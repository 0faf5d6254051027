"""A model's text while it comes: what is complete is printed once, and only the rest is drawn anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions
from rich.markdown import CodeBlock, Heading, ImageItem, Markdown, MarkdownElement
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from pegboard.output import readable

LONG = 16
"""Lines of a code block or items of a list after which the first of them are printed before its end is there."""


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # Without HTML: what a model writes between < and > is to be read, and would else be left out.
    return MarkdownIt("commonmark", {"html": False}).enable("strikethrough").enable("table")


@lru_cache(maxsize=1)
def _empty() -> dict[str, Any]:
    return vars(Markdown("", hyperlinks=False))


class _LeftHeading(Heading):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        yield self.text


class _Code(CodeBlock):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        code = str(self.text).rstrip("\n")
        syntax = Syntax(code, self.lexer_name, theme="ansi_dark", word_wrap=True, background_color="default")
        yield Padding(syntax, (0, 0, 0, 2))


class _Image(ImageItem):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        yield Text(f"[picture: {self.text or self.destination}]", end="")


class Readable(Markdown):
    """Markdown as it is read in a terminal: headings to the left, code without a box, links with their address."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _LeftHeading,
        "fence": _Code,
        "code_block": _Code,
        "image": _Image,
    }

    def __init__(self, markup: str) -> None:
        vars(self).update(_empty())  # rich would make a parser of its own, each time, and read the text with it
        self.markup = markup
        self.parsed = _parser().parse(markup)


class MarkdownStream:
    """Takes pieces of Markdown; `take` and `end` return what is complete, `rest` is what is not yet.

    `inside` says that the rest goes on with the block of which the first part is printed already.
    """

    def __init__(self) -> None:
        self._parser = _parser()
        self.rest = ""
        self.inside = False

    def take(self, piece: str) -> str:
        """Add a piece and return the Markdown that nothing can change any more; empty if there is none."""
        self.rest += piece
        return self._complete() if "\n" in piece else ""

    def end(self) -> str:
        """Return what is left."""
        rest, self.rest, self.inside = self.rest, "", False
        return rest

    def _complete(self) -> str:
        lines = self.rest.split("\n")
        last = lines.pop()  # it may go on
        tops = [token for token in self._parser.parse("\n".join(lines)) if token.level == 0 and token.map]
        if not tops:
            return ""
        block = tops[-1]
        assert block.map is not None
        cut = block.map[0]
        self.inside = False
        head = "\n".join(lines[:cut])
        kept = lines[cut:]
        if block.type == "fence" and len(kept) > LONG and not _is_closed(kept, block.markup):
            shown = kept[:-2]
            head = "\n".join(filter(None, [head, *shown, block.markup]))
            kept = [kept[0], *kept[-2:]]
            self.inside = True
        elif block.type in ("bullet_list_open", "ordered_list_open") and len(kept) > LONG:
            start, number = self._last_item(kept)
            head = "\n".join([*lines[:cut], *kept[:start]])
            kept = kept[start:]
            if start and block.type == "ordered_list_open":
                # Counted on from the items above, whatever number stands there: many write 1. before each.
                kept[0] = re.sub(r"\d+", str(number), kept[0], count=1)
            self.inside = start > 0
        if not head.strip():
            return ""
        self.rest = "\n".join([*kept, last])
        return head + "\n"

    def _last_item(self, lines: list[str]) -> tuple[int, int]:
        """Return the line at which the last item of a list begins, and its number."""
        tokens = self._parser.parse("\n".join(lines))
        items = [one.map[0] for one in tokens if one.type == "list_item_open" and one.level == 1 and one.map]
        first = int(tokens[0].attrGet("start") or 1) if tokens else 1
        return (items[-1], first + len(items) - 1) if items else (0, first)


def _is_closed(lines: list[str], fence: str) -> bool:
    return len(lines) > 1 and lines[-1].strip().startswith(fence) and not lines[-1].strip().strip(fence[0])


def clean(text: str) -> str:
    """Return a model's text without anything that a terminal would obey."""
    return readable(text)
