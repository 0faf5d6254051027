"""Which handlers of a table an event is for, and of those that it is for, which run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pegboard.flags import Ramp
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.conditions import holds
from pegboard_builtins.wire_hooks.events import EventRow
from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.load import Entry, HookTable, Standing, folder_of, without_copies
from pegboard_builtins.wire_hooks.match import is_pattern, mismatch

KEPT = 1_000
"""Answers of `chosen` that are kept: of events that match on what the model says there may be no end."""
RampOf = Callable[[Handler], Ramp]


def in_full(handler: Handler) -> Ramp:
    """Let every handler count in full: for where no session's flags are known."""
    return Ramp.ENFORCE


@dataclass(frozen=True, slots=True)
class Choice:
    """One handler at one event.

    `status` is "run", "no match", or why one that matches does not run; `why` tells more. What is `held` in shadow or
    as a warning runs, and decides nothing.
    """

    handler: Handler
    status: str
    why: str = ""
    held: Ramp = Ramp.ENFORCE

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self.status == "run"

    @property
    def matches(self) -> bool:
        """Whether the event is for it."""
        return self.status != "no match"


def chosen(table: HookTable, row: EventRow, facts: Mapping[str, Any], ramp: RampOf = in_full) -> Sequence[Choice]:
    """Judge every entry of an event. It is judged once for each tool, unless more than the matchers has a say in it."""
    key = (row.name, str(facts.get(row.matches, "")))
    known: Sequence[Choice] | None = table.chosen.get(key)
    if known is not None:
        return known
    entries = table.of(row.name)
    choices = choose(entries, row, facts, ramp)
    depends = any(one.handler.condition or one.handler.flag or one.handler.ramp for one in entries)
    if not depends and len(table.chosen) < KEPT:
        table.chosen[key] = choices
    return choices


def choose(
    entries: Sequence[Entry],
    row: EventRow,
    facts: Mapping[str, Any],
    ramp: RampOf = in_full,
) -> list[Choice]:
    """Judge every entry of an event, in configuration order. *facts* is the event's input as values."""
    choices = [_judge(entry, row, facts, ramp) for entry in entries]
    running = [choice.handler for choice in choices if choice.runs]
    if len(running) < 2:
        return choices
    copies = without_copies(running)
    paired = iter(copies)
    made = []
    for choice in choices:
        if choice.runs:
            handler, copy_of = next(paired)
            if copy_of:
                choice = Choice(handler, "deduplicated", f"a copy of {copy_of}, which runs")
            else:
                choice = Choice(handler, "run", choice.why, choice.held)
        made.append(choice)
    return made


def _judge(entry: Entry, row: EventRow, facts: Mapping[str, Any], ramp: RampOf) -> Choice:
    handler = entry.handler
    if entry.standing is Standing.UNTRUSTED and is_pattern(handler):
        # A search has no time limit, and whose pattern this is has no consent yet.
        return Choice(handler, str(entry.standing), f"{entry.why} (whether its matcher fits is tried only then)")
    why = mismatch(handler, facts)
    if why:
        return Choice(handler, "no match", why)
    if handler.condition:
        if not row.tool:
            return Choice(handler, "no match", entry.why)
        if not holds(handler.condition, facts, folder_of(handler)):
            return Choice(handler, "no match", f"`if` does not hold: {handler.condition}")
    if entry.standing is not Standing.ACTIVE:
        return Choice(handler, str(entry.standing), entry.why)
    held = ramp(handler)
    if held is Ramp.OFF:
        return Choice(handler, "disabled", f"the flag {handler.flag or handler.ramp} is off")
    why = "" if held is Ramp.ENFORCE else f"the flag {handler.ramp} says {held}: it decides nothing"
    return Choice(handler, "run", why, held)
