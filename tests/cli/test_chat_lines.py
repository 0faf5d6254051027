"""Text is written to the screen as prompt_toolkit's own windows would write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.filters import to_filter
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.containers import Container, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition

from pegboard._cli.chat.lines import Lines

LAST = " class:last-line"
"""What a window says of its last row, and our styles say nothing about."""
STYLES = ["", "class:rule", "bold"]
LETTERS = st.sampled_from([*"ab \n\n", "─", "é", "a" * 9])
"""None of two columns: a window writes half of one into the last column, and counts a row too few."""
TEXTS = st.lists(st.tuples(st.sampled_from(STYLES), st.lists(LETTERS, max_size=8).map("".join)), max_size=5)


def screen_of(part: Container, width: int, height: int) -> list[list[tuple[str, str]]]:
    part.preferred_height(width, height)
    screen = Screen()
    part.write_to_screen(screen, MouseHandlers(), WritePosition(2, 1, width, height), "", False, None)
    rows = [screen.data_buffer[row] for row in range(1, 1 + height)]
    return [[(row[x].char, row[x].style.removesuffix(LAST)) for x in range(2, 2 + width)] for row in rows]


def window(text: StyleAndTextTuples, *, wraps: bool) -> Window:
    control = FormattedTextControl(lambda: text)
    return Window(control, dont_extend_height=True, wrap_lines=to_filter(wraps), always_hide_cursor=True)


@given(TEXTS, st.integers(2, 14), st.integers(1, 6), st.booleans())
def test_the_cells_are_those_of_a_window(text: StyleAndTextTuples, width: int, height: int, wraps: bool) -> None:
    own = screen_of(Lines(lambda: text, wraps=lambda: wraps), width, height)
    assert own == screen_of(window(text, wraps=wraps), width, height)


@pytest.mark.parametrize(
    ("text", "wraps", "rows"),
    [
        pytest.param("", False, 1, id="nothing is one row"),
        pytest.param("a\n", False, 2, id="a line's end begins another"),
        pytest.param("abcdefgh", False, 1, id="a long line is cut"),
        pytest.param("abcdefgh", True, 2, id="or goes on below"),
        pytest.param("語語語", True, 2, id="a wide character is not cut in two"),
    ],
)
def test_it_is_as_high_as_its_text(text: str, wraps: bool, rows: int) -> None:
    lines = Lines(lambda: [("", text)], wraps=lambda: wraps)
    assert lines.preferred_height(5, 99).preferred == rows


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        pytest.param("e\u0301x", ["e\u0301", "x", " ", " "], id="after a letter"),
        pytest.param("語\u0301x", ["語\u0301", "", "x", " "], id="after a wide one"),
        pytest.param("\u0301x", ["x", " ", " ", " "], id="before all others there is nothing to put it on"),
        pytest.param("abc語x", ["a", "b", "c", " "], id="a wide one for which there is no room is left out"),
        pytest.param("abcde\u0301", ["a", "b", "c", "d"], id="behind the end"),
    ],
)
def test_accents_and_wide_characters_stay_whole(text: str, cells: list[str]) -> None:
    assert [char for char, _ in screen_of(Lines(lambda: [("", text)]), 4, 1)[0]] == cells


def test_a_new_width_is_asked_for_anew() -> None:
    lines = Lines(lambda: [("", "abcdefgh")], wraps=lambda: True)
    lines.preferred_height(8, 9)
    screen = Screen()
    lines.write_to_screen(screen, MouseHandlers(), WritePosition(0, 0, 4, 9), "", False, None)
    assert "".join(screen.data_buffer[1][x].char for x in range(4)) == "efgh"
