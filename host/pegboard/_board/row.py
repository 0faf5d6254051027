"""Implementations that can be called one after another with nothing in between: most hooks are no more than that."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from pegboard._board.plan import Impl
from pegboard._board.turnout import Bound
from pegboard._board.watchdog import Watchdog


class Row(tuple[Bound, ...]):
    """Several of which each is a `def` that takes the first argument alone; `calls` are their functions."""

    calls: tuple[Callable[[Any], Any], ...]

    def call(self, given: Any, answers: list[Any], marks: list[int], dog: Watchdog, *, one_by_one: bool) -> None:
        """Call all, or *one_by_one* until one answers. Raises what one raises.

        A mark of the clock stands after each that has come back; so how many there are tells which one runs, and the
        watchdog need not be told of each.
        """
        dog.running = Calling(self, marks)
        mark = marks.append
        for function in self.calls:
            answer = function(given)
            mark(perf_counter_ns())
            if answer is not None:
                answers[len(marks) - 2] = answer
                if one_by_one:
                    return


class Calling:
    """A row that is being called, as the watchdog sees it."""

    __slots__ = ("_marks", "_row")

    def __init__(self, row: Row, marks: list[int]) -> None:
        self._row = row
        self._marks = marks

    def who(self) -> Impl | None:
        """Return the one that runs now."""
        place = len(self._marks) - 1
        return self._row[place][0] if place < len(self._row) else None


def in_row(bound: tuple[Bound, ...]) -> tuple[Bound, ...]:
    """Return them as a Row where they are one."""
    calls = [impl.brief for impl, _ in bound if impl.plain and impl.brief is not None]
    if len(bound) < 2 or len(calls) < len(bound):
        return bound
    row = Row(bound)
    row.calls = tuple(calls)
    return row
