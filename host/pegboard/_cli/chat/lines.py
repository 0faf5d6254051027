"""Styled text as a part of the screen that nobody scrolls, clicks or types in: only its cells are written."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.containers import Container
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Char, Screen, WritePosition

Row = list[Char]

_cell = lru_cache(maxsize=4_096)(Char)
_NOTHING = Char("", "")
"""The second half of a character of two columns; it differs from all others, so that it is drawn anew."""


class Lines(Container):
    """*text* line by line: what is too long for the screen is cut, or goes on below where *wraps* says so.

    prompt_toolkit's `Window` is for text with a cursor that scrolls, and takes about four times as long.
    """

    def __init__(self, text: Callable[[], StyleAndTextTuples], *, wraps: Callable[[], bool] = lambda: False) -> None:
        self._text = text
        self._wraps = wraps
        self._rows: list[Row] = []
        self._width = 0

    def reset(self) -> None:
        """Forget nothing: nothing is kept from one frame to the next."""

    def get_children(self) -> list[Container]:
        """Return nothing: there is no other window in it."""
        return []

    def preferred_width(self, max_available_width: int) -> Dimension:
        """Take all there is."""
        return Dimension(preferred=max_available_width)

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:
        """Return how many rows the text takes; a frame asks for this first."""
        self._rows, self._width = rows_of(self._text(), width, wraps=self._wraps()), width
        return Dimension(preferred=len(self._rows))

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,
        write_position: WritePosition,
        parent_style: str,
        erase_bg: bool,
        z_index: int | None,
    ) -> None:
        """Write the first rows, as many as there is room for."""
        place = write_position
        if self._width != place.width:
            self.preferred_height(place.width, place.height)
        for y, row in enumerate(self._rows[: place.height], place.ypos):
            screen.data_buffer[y].update(enumerate(row, place.xpos))
        if parent_style:
            screen.fill_area(place, parent_style)
        screen.width = max(screen.width, place.xpos + place.width)
        screen.height = max(screen.height, place.ypos + place.height)


def rows_of(text: StyleAndTextTuples, width: int, *, wraps: bool) -> list[Row]:
    """Return the cells of a text, row by row; an empty one has one empty row."""
    row: Row = []
    rows = [row]
    full = False
    for style, said, *_ in text:
        for character in said:
            if character == "\n":
                row, full = [], False
                rows.append(row)
                continue
            cell = _cell(character, style)
            if cell.width == 0:
                if not full:
                    _join(row, cell)
            elif full or len(row) + cell.width > width:
                if not wraps or cell.width > width:
                    full = True
                    continue
                row = [cell, *[_NOTHING] * (cell.width - 1)]
                rows.append(row)
            else:
                row += (cell, *[_NOTHING] * (cell.width - 1)) if cell.width > 1 else (cell,)
    return rows


def _join(row: Row, mark: Char) -> None:
    """Put a character without a width of its own to the one before it."""
    at = len(row) - 1
    while at > 0 and row[at] is _NOTHING:
        at -= 1
    if at >= 0:
        row[at] = _cell(row[at].char + mark.char, row[at].style)
