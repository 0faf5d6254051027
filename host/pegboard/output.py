"""How verbs print: JSON that is stable and sorted, tables on a terminal, plain aligned text in a pipe. Plugins too.

What a plugin's verb prints with these words passes the filters of ways out: JSON on the surface `export`, all else on
`trace`. So a verb may print what a journal holds; `print` would go past them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 10_000
"""Columns where nobody reads on a screen: nothing is cut off in a pipe."""

STYLES = {
    **dict.fromkeys(("active", "allow", "allowed", "completed", "ok"), "green"),
    **dict.fromkeys(("ask", "block", "defer", "note", "quarantined", "substituted", "untrusted"), "yellow"),
    **dict.fromkeys(("cancelled", "config_error", "denied", "deny", "error", "load_error", "timeout", "wrong"), "red"),
    **dict.fromkeys(("disabled", "found", "none", "default"), "dim"),
}
"""Cells that are one of these words are coloured on a terminal."""

gate: Callable[[Any, bool], Any] | None = None
"""What may be printed of plain data, and whether it is JSON; the command line sets it for the verbs of plugins."""

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSEEN_IN_JSON = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON lets stand in a text and a terminal would obey; a surrogate has no other way to be printed at all."""
_COLOURS = re.compile("\x1b\\[[0-9;:]*[mK]")
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by their class that nobody sees."""
_SIGNALS = re.compile("(?:\x1b\\](?:0|1|2|9|99|777);[^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\\\)|\x07)+")
"""Titles (OSC 0, 1, 2), notifications (9, 99, 777) and the bell."""
LONGEST_SIGNAL = 4_096
TAB = 4


def visible(text: str) -> str:
    """Write out what a terminal would obey instead of show: escapes, line ends, changes of direction."""
    return _UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)


def is_signal(text: str) -> bool:
    """Whether a text is nothing but titles, notifications and bells for a terminal (hook-contract 1.6)."""
    return len(text) <= LONGEST_SIGNAL and _SIGNALS.fullmatch(text) is not None


def clipped(line: str, most: int) -> str:
    """Return a line of at most so many characters; of a longer one the beginning, and three dots."""
    return line if len(line) <= most else f"{line[: most - 3]}..."


def one_line(text: str, most: int) -> str:
    """Return somebody's words in a line of at most so many characters, without anything that a terminal would obey."""
    return clipped(visible(" ".join(text.split())), most)


def readable(text: str) -> str:
    """Return a text of several lines for a terminal: its lines and tabs stay, colours go, the rest is written out.

    Of a line that was written over with carriage returns, as progress bars do, the last state stays.
    """
    lines = _COLOURS.sub("", text.replace("\r\n", "\n")).split("\n")
    return "\n".join(visible(line.rstrip("\r").rpartition("\r")[2].expandtabs(TAB)) for line in lines)


def exact(text: str) -> list[tuple[str, bool]]:
    """Return a text so that a person sees each of its characters: pieces, and whether a piece stands for one that
    cannot be seen (`<U+200B>`). Only line ends stay as they are.
    """
    pieces: list[tuple[str, bool]] = []
    for character in text:
        plain = character == "\n" or (character.isprintable() and character not in _BLANK)
        shown = character if plain else f"<U+{ord(character):04X}>"
        if pieces and plain and not pieces[-1][1]:
            pieces[-1] = (pieces[-1][0] + shown, False)
        else:
            pieces.append((shown, not plain))
    return pieces


def _passed(value: Any, *, as_json: bool = False) -> Any:
    return value if gate is None else gate(value, as_json)


def print_text(text: str) -> None:
    """Print a text as it is, its line ends and escapes too."""
    print(_passed(text))


def say(text: str, style: str = "") -> None:
    """Print a line, in colour on a terminal."""
    text = _passed(text)
    if not style or not sys.stdout.isatty():
        print(visible(text))
        return
    from rich.text import Text

    console().print(Text(visible(text), style=style), soft_wrap=True)


def console(*, stderr: bool = False) -> Console:
    """Return a console that colours only on a terminal and cuts nothing in a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    made = Console(stderr=stderr, highlight=False, soft_wrap=not stream.isatty())
    return made if stream.isatty() else Console(stderr=stderr, highlight=False, width=WIDE)


def print_json(value: Any) -> None:
    """Print one JSON document with sorted keys."""
    if gate is not None:
        value = _passed(json.loads(json.dumps(value, default=str)), as_json=True)
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    print(_UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under headings; *empty* is said where there are none."""
    cells = [[("" if cell is None else visible(str(cell))) for cell in row] for row in rows]
    if not cells:
        print(_passed(empty))
        return
    cells = _passed(cells)
    if sys.stdout.isatty():
        _rich_table(columns, cells)
        return
    widths = [max(len(row[place]) for row in [list(columns), *cells]) for place in range(len(columns))]
    for row in [list(columns), *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rich_table(columns: Sequence[str], cells: list[list[str]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=STYLES.get(cell.strip(), "")) for cell in row))
    console().print(table)
