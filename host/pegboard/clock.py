"""A clock for tests: the time is what the test says, and goes on only when the test lets it.

    with Clock("2026-03-01T09:00:00Z", modules=["acme_words"]) as clock:
        ...
        clock.advance(hours=1)

It holds for `time.time` and `time.time_ns`, and for `datetime` and `date` in the modules that it is told of and in
those below them. Deadlines and event loops go by `time.monotonic`, which stays the real one.
"""

from __future__ import annotations

import datetime as library
import sys
import time
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Self

REAL = library.datetime
REAL_DATE = library.date
EPOCH = REAL(1970, 1, 1, tzinfo=library.UTC)


class _Like(type):
    """So that a real date is an instance of its stand-in."""

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, cls.__mro__[1])


class Clock:
    """Holds the time still from `with` on. *at* is ISO 8601, UTC unless it says otherwise.

    *modules* have `datetime` and `date` by this clock, too: those that are imported by then, with all below them.
    """

    def __init__(self, at: str = "2026-01-01T00:00:00+00:00", *, modules: Iterable[str] = ()) -> None:
        self.now = _utc(REAL.fromisoformat(at))
        self._modules = tuple(modules)
        self._undo: list[Callable[[], None]] = []

    def advance(self, seconds: float = 0.0, **more: float) -> None:
        """Let time go on: by seconds, or by what a timedelta takes (`hours=2`)."""
        self.now += library.timedelta(seconds=seconds, **more)

    def set(self, at: str) -> None:
        """Make it another time."""
        self.now = _utc(REAL.fromisoformat(at))

    def time(self) -> float:
        """Return seconds since the epoch."""
        return (self.now - EPOCH).total_seconds()

    def __enter__(self) -> Self:
        moment, day = self._moment(), self._day()
        self._put(time, "time", self.time)
        self._put(time, "time_ns", lambda: round(self.time() * 1e9))
        for module in self._told():
            for name, value in list(vars(module).items()):
                if value is REAL:
                    self._put(module, name, moment)
                elif value is REAL_DATE:
                    self._put(module, name, day)
        return self

    def __exit__(self, *exc: object) -> None:
        while self._undo:
            self._undo.pop()()

    def _put(self, module: ModuleType, name: str, value: Any) -> None:
        old = getattr(module, name)
        setattr(module, name, value)
        self._undo.append(lambda: setattr(module, name, old))

    def _told(self) -> list[ModuleType]:
        return [
            module
            for name, module in list(sys.modules.items())
            if any(name == one or name.startswith(f"{one}.") for one in self._modules)
        ]

    def _moment(self) -> type[library.datetime]:
        clock = self

        class Moment(REAL, metaclass=_Like):
            """`datetime`, by this clock."""

            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return clock.now.astimezone(tz) if tz is not None else clock.now.astimezone().replace(tzinfo=None)

            @classmethod
            def utcnow(cls) -> Any:
                return clock.now.replace(tzinfo=None)

            @classmethod
            def today(cls) -> Any:
                return cls.now()

        return Moment

    def _day(self) -> type[library.date]:
        clock = self

        class Day(REAL_DATE, metaclass=_Like):
            """`date`, by this clock."""

            @classmethod
            def today(cls) -> Any:
                return clock.now.astimezone().date()

        return Day


def _utc(moment: library.datetime) -> library.datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=library.UTC)
