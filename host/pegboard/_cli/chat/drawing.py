"""How each thing of a conversation looks: prompts, thoughts, calls and their results, diffs, notices, ends."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pegboard._cli.chat.paint import glyph
from pegboard._cli.chat.streaming import Readable
from pegboard.messages import Message, Origin, TextBlock
from pegboard.output import exact, readable

RESULT_LINES = 8
DIFF_LINES = 40
THOUGHT_LINES = 10
PROMPT_LINES = 30
LONGEST_OF_RESULT = 400
LONGEST_LINE = 2_000
"""Characters of one line that are drawn; nobody reads more of it in a terminal."""
MAIN_INPUTS = ("command", "file_path", "notebook_path", "pattern", "path", "url", "query", "description", "prompt")
OUTCOME_STYLES = {"ok": "green", "substituted": "yellow", "denied": "yellow", "cancelled": "yellow"}


_BREAKS = re.compile(r"[\n\t]")


class Beside:
    """Something with a sign in a column of its own to the left."""

    def __init__(self, sign: str, style: str, body: Any) -> None:
        self._sign, self._style, self._body = sign, style, body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        body = self._body
        if isinstance(body, Text) and not _BREAKS.search(body.plain) and body.cell_len + 2 <= options.max_width:
            yield Text.assemble((self._sign, self._style), " ", body)  # a table takes four times as long
            return
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold", ratio=1)
        grid.expand = True
        grid.add_row(Text(self._sign, style=self._style), body)
        yield grid


def prompt(text: str) -> Any:
    """Return words of the person."""
    return Beside(glyph("pointer"), "bold cyan", Text(bounded(readable(text), PROMPT_LINES), style="bold"))


def command(text: str) -> Any:
    """Return a command that the person typed."""
    return Beside(glyph("pointer"), "dim", Text(bounded(text, 3), style="dim"))


def thought(text: str) -> Any:
    """Return what the model thinks."""
    return Beside(glyph("thought"), "dim", Text(bounded(readable(text.strip()), THOUGHT_LINES), style="dim italic"))


def call(name: str, given: Mapping[str, Any], cwd: Path, style: str = "cyan") -> Any:
    """Return a tool's name with what matters most of its input."""
    line = Text(readable(name), style="bold")
    said = brief(given, cwd)
    if said:
        line.append("  ")
        line.append(said, style="not bold")
    return Beside(glyph("call"), style, line)


def brief(given: Mapping[str, Any], cwd: Path, lines: int = 3) -> str:
    """Return the main part of a call's input in a few lines."""
    for name in MAIN_INPUTS:
        value = given.get(name)
        if isinstance(value, str) and value:
            text = short_path(value, cwd) if name.endswith("path") else value
            return bounded(readable(text), lines)
    text = json.dumps(dict(given), ensure_ascii=False, default=str) if given else ""
    return bounded(readable(text), lines)[:300]


def short_path(path: str, cwd: Path) -> str:
    """Return a path as it is seen from the working folder, where it lies below."""
    try:
        return os.path.relpath(path, cwd) if Path(path).is_relative_to(cwd) else path
    except ValueError:
        return path


def result(name: str, text: str, facts: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """Return what became of a call: its diff, or the beginning and the end of its output."""
    outcome = str(facts.get("outcome", ""))
    patch = facts.get("patch")
    if isinstance(patch, list) and patch:
        return branch(diff_of_hunks(patch))
    if outcome == "ok" and name == "Read":
        return branch(Text(f"{_lines(text):,} lines", style="dim"))
    if outcome == "ok" and name == "Write" and isinstance(given.get("content"), str):
        return branch(_new_file(str(given["content"])))
    style = "dim" if outcome in ("ok", "substituted") else "yellow" if outcome in OUTCOME_STYLES else "red"
    head = "" if outcome in ("ok", "error") else f"{outcome}: "
    return branch(Text(head + ends(readable(text.strip("\n")), RESULT_LINES), style=style))


def branch(body: Any) -> Any:
    """Return something that hangs below a call."""
    return Padding(Beside(glyph("branch"), "dim", body), (0, 0, 0, 2))


def _new_file(content: str) -> Any:
    lines = content.split("\n")
    lines = lines[:-1] if lines and not lines[-1] else lines
    shown = [Text(f"+{_cut(readable(line))}", style="green") for line in lines[:RESULT_LINES]]
    return Group(*shown, *_more(len(lines) - RESULT_LINES, "lines"))


def diff_of_hunks(hunks: Sequence[Mapping[str, Any]]) -> Any:
    """Return a patch with line numbers."""
    rows: list[Text] = []
    for hunk in hunks:
        rows += [Text(glyph("more"), style="dim")] if rows else []
        rows += _hunk(hunk)
    return _limited(rows)


def _hunk(hunk: Mapping[str, Any]) -> Iterable[Text]:
    old, new = int(hunk.get("oldStart", 1)), int(hunk.get("newStart", 1))
    for line in hunk.get("lines", ()):
        mark, text = line[:1], _cut(readable(str(line[1:])))
        number = old if mark == "-" else new
        old += mark in ("-", " ")
        new += mark in ("+", " ")
        yield _diff_line(f"{number:>4} " if mark in "+- " else "     ", mark, text)


def unified(diff: str) -> Any:
    """Return a unified diff in colours; all of it, because somebody is asked about it."""
    return Group(*(_unified_line(line) for line in diff.rstrip("\n").split("\n")))


def _unified_line(line: str) -> Text:
    style = ""
    if line.startswith(("---", "+++")):
        style = "bold"
    elif line.startswith("@@"):
        style = "cyan"
    elif line[:1] in "+-" and line:
        style = "green" if line[0] == "+" else "red"
    return shown_exactly(line, style)


def _diff_line(number: str, mark: str, text: str) -> Text:
    style = {"+": "green", "-": "red"}.get(mark, "")
    line = Text(number, style="dim")
    line.append(f"{mark} {text}", style=style)
    return line


def _limited(rows: list[Text]) -> Any:
    return Group(*rows[:DIFF_LINES], *_more(len(rows) - DIFF_LINES, "lines of the diff"))


def _more(count: int, what: str) -> list[Text]:
    return [Text(f"{glyph('more')} {count:,} more {what}", style="dim")] if count > 0 else []


def shown_exactly(text: str, style: str = "") -> Text:
    """Return a text in which each character can be seen, those that stand for others reversed."""
    line = Text(style=style)
    for piece, stands_for_another in exact(text):
        line.append(piece, style="reverse" if stands_for_another else "")
    return line


def notice(text: str, level: str, who: str = "") -> Any:
    """Return something that the host or a plugin tells."""
    style = {"error": "red", "warning": "yellow"}.get(level, "dim")
    return Beside("!" if level != "info" else glyph("dot"), style, Text(f"{who}: {text}" if who else text, style=style))


def bounded(text: str, lines: int) -> str:
    """Return the first lines of a text, and how many more there are."""
    found = text.split("\n")
    shown = [_cut(line) for line in found[:lines]]
    if len(found) > lines:
        shown.append(f"{glyph('more')} {len(found) - lines:,} more lines")
    return "\n".join(shown)


def ends(text: str, lines: int) -> str:
    """Return the beginning and the end of a text."""
    found = [_cut(line, LONGEST_OF_RESULT) for line in text.split("\n")]
    if len(found) <= lines + 1:
        return "\n".join(found)
    half = lines // 2
    left_out = f"{glyph('more')} {len(found) - 2 * half:,} more lines"
    return "\n".join([*found[:half], left_out, *found[-half:]])


def _cut(line: str, most: int = LONGEST_LINE) -> str:
    return line if len(line) <= most else f"{line[:most]} {glyph('more')} {len(line) - most:,} more characters"


def _lines(text: str) -> int:
    return text.count("\n") + bool(text)


def indented(body: Any) -> Any:
    """Return something two columns to the right."""
    return Padding(body, (0, 0, 0, 2))


PAST = 6
"""Messages of a conversation that is gone on with which are shown."""


def past(messages: Sequence[Message], shown: Callable[[str], str]) -> Iterable[Any]:
    """Go through the end of a conversation: what the person and the model said, without what tools did."""
    said: list[Any] = []
    for message in messages:
        for block in message.content:
            if not isinstance(block, TextBlock) or not block.text.strip():
                continue
            if message.role == "assistant":
                said.append(Readable(shown(block.text)))
            elif Origin.USER in block.origins:
                said.append(prompt(shown(block.text)))
    left_out = len(said) - PAST
    if left_out > 0:
        yield Text(f"{glyph('more')} {left_out} earlier messages", style="dim")
    yield from said[-PAST:]
