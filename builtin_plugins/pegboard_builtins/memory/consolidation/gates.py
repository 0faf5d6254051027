"""When consolidation may run by itself: idle long enough, enough that is new, money left, nobody at it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import StoreBusyError
from pegboard_builtins.memory.factsfolder import read_json, write_whole

UNPRICED_A_DAY = 24
"""Runs with a model a day where nobody knows what it costs."""


@dataclass
class Progress:
    """How far consolidation of a project is: the last event it looked at, and what models cost today."""

    cursor: int = 0
    at: float = 0.0
    day: str = ""
    spent_usd: float = 0.0
    asked: int = 0
    unpriced: int = 0

    @classmethod
    def read(cls, private: Path) -> Progress:
        """Return what is kept in a project's private folder."""
        said = read_json(private / "consolidated.json")
        known = {key: value for key, value in said.items() if key in cls.__dataclass_fields__}
        return cls(**known).today()

    def write(self, private: Path) -> None:
        """Keep it."""
        write_whole(private / "consolidated.json", json.dumps(asdict(self), indent=1))

    def today(self) -> Progress:
        """Begin to count anew where the day is another."""
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        if self.day != day:
            self.day, self.spent_usd, self.asked, self.unpriced = day, 0.0, 0, 0
        return self

    def spend(self, cost_usd: float | None) -> None:
        """Count one question to a model."""
        self.asked += 1
        if cost_usd is None:
            self.unpriced += 1
        else:
            self.spent_usd += cost_usd

    def broke(self, daily_usd: float) -> str:
        """Return why no model may be asked today any more; empty if one may."""
        if self.spent_usd >= daily_usd:
            return f"today's {daily_usd:g} USD are spent"
        if self.unpriced >= UNPRICED_A_DAY:
            return f"a model without a price was asked {UNPRICED_A_DAY} times today"
        return ""


@dataclass(frozen=True)
class Gates:
    """What must be true before it runs by itself."""

    on: bool = True
    idle_minutes: float = 10.0
    min_events: int = 50

    def closed(
        self, progress: Progress, *, last_number: int, last_at: float, clock: float | None = None
    ) -> tuple[str, ...]:
        """Return which gates are closed, in words; none means go."""
        moment = time.time() if clock is None else clock
        reasons = [] if self.on else ["[memory.consolidate] on is false"]
        new = last_number - progress.cursor
        if new < self.min_events:
            reasons.append(f"{max(0, new)} new events of {self.min_events}")
        idle = (moment - last_at) / 60
        if idle < self.idle_minutes:
            reasons.append(f"idle for {max(0.0, idle):.1f} of {self.idle_minutes:g} minutes")
        return tuple(reasons)


@contextmanager
def alone(private: Path) -> Iterator[bool]:
    """Give whether nobody else consolidates this project; the kernel lets go when we die."""
    try:
        handle = disk.lock(disk.private_folder(private) / "consolidate.lock")
    except StoreBusyError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)
