"""Windows below each other: as high as they want to be, and the last ones keep their rows where there are too few."""

from __future__ import annotations

from prompt_toolkit.layout.containers import Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition

from pegboard._cli.chat.stack import Stack


def drawn(texts: list[str], height: int) -> list[str]:
    stack = Stack([Window(FormattedTextControl(text), dont_extend_height=True) for text in texts])
    stack.preferred_height(10, height)
    screen = Screen()
    stack.write_to_screen(screen, MouseHandlers(), WritePosition(0, 0, 10, height), "", False, None)
    rows = (screen.data_buffer[row] for row in range(height))
    return ["".join(row[column].char for column in range(10)).rstrip() for row in rows]


def test_each_part_is_as_high_as_its_text() -> None:
    assert drawn(["a\nb", "c", "d\ne"], 7) == ["a", "b", "c", "d", "e", "", ""]


def test_an_empty_part_takes_the_row_of_its_empty_line_and_no_more() -> None:
    assert drawn(["", "x"], 3) == ["", "x", ""]


def test_the_first_parts_give_way_where_there_are_too_few_rows() -> None:
    assert drawn(["a\nb\nc", "d", "e"], 3) == ["a", "d", "e"]
    assert drawn(["a\nb\nc", "d", "e"], 2) == ["d", "e"]
    assert drawn(["a", "b\nc"], 1) == ["b"]


def test_a_new_width_is_asked_for_anew() -> None:
    stack = Stack([Window(FormattedTextControl("aaaa bbbb"), dont_extend_height=True, wrap_lines=True)])
    assert stack.preferred_height(20, 9).preferred == 1
    screen = Screen()
    stack.write_to_screen(screen, MouseHandlers(), WritePosition(0, 0, 5, 9), "", False, None)
    assert screen.height == 2
