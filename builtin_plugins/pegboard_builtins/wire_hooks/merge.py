"""What the handlers of one event come to together: in configuration order, whoever finished first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from pegboard.decisions import STRICTNESS, Verdict
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.events import EventRow
from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.parse import Said


@dataclass(frozen=True, slots=True)
class Heard:
    """One handler and what it said."""

    handler: Handler
    said: Said


@dataclass(slots=True)
class Together:
    """The outcome of one event. `winner` is the handler whose verdict or refusal counts, the first in order.

    `contexts` and `messages` pair each text with its handler; `blocks` are all refusals in order. `updated` is the
    new input, `updated_by` whose it is; `rewriters` are all who gave one. `spoken` is False where nobody said anything.
    """

    verdict: Verdict | None = None
    winner: Handler | None = None
    reason: str = ""
    blocks: list[Heard] = field(default_factory=list)
    contexts: list[tuple[Handler, str]] = field(default_factory=list)
    texts: list[tuple[Handler, str]] = field(default_factory=list)
    messages: list[tuple[Handler, str]] = field(default_factory=list)
    updated: dict[str, Any] | None = None
    updated_by: Handler | None = None
    rewriters: list[Handler] = field(default_factory=list)
    stop: bool = False
    stop_by: Handler | None = None
    stop_reason: str = ""
    spoken: bool = False

    @property
    def blocked(self) -> bool:
        """Whether anybody refused."""
        return bool(self.blocks)


NOTHING = Together()
"""Of an event to which nobody said anything. It is read only, as every outcome is once it is there."""


def merge(row: EventRow, heard: Sequence[Heard]) -> Together:
    """Reduce: deny > defer > ask > allow > nothing, ties to the first in order; the last new input, whole."""
    together = Together()
    for one in heard:
        if one.said.silent:
            continue
        together.spoken = True
        _take_verdict(together, one)
        _take_words(row, together, one)
        _take_input(together, one)
    if together.verdict in (Verdict.DENY, Verdict.DEFER):
        together.updated = together.updated_by = None
    return together


def _take_verdict(together: Together, one: Heard) -> None:
    said = one.said
    if said.verdict is not None and (
        together.verdict is None or STRICTNESS[said.verdict] > STRICTNESS[together.verdict]
    ):
        together.verdict, together.winner, together.reason = said.verdict, one.handler, said.reason
    if said.block:
        together.blocks.append(one)
        if len(together.blocks) == 1:
            together.winner, together.reason = one.handler, said.reason
    if said.stop and not together.stop:
        together.stop, together.stop_by, together.stop_reason = True, one.handler, said.stop_reason


def _take_words(row: EventRow, together: Together, one: Heard) -> None:
    said = one.said
    if said.context:
        together.contexts.append((one.handler, said.context))
    if said.text:
        together.texts.append((one.handler, said.text))
    if said.message and row.speaks:
        together.messages.append((one.handler, said.message))


def _take_input(together: Together, one: Heard) -> None:
    """The last in configuration order counts, where the contract lets the last to finish win (C65)."""
    updated = one.said.specific.get("updatedInput")
    if isinstance(updated, dict) and updated and one.said.verdict not in (Verdict.DENY, Verdict.DEFER):
        together.updated, together.updated_by = updated, one.handler
        together.rewriters.append(one.handler)


def first(heard: Sequence[Heard], key: str) -> tuple[Any, Handler | None]:
    """Return the first handler's word on a field of `hookSpecificOutput`, and whose it is."""
    for one in heard:
        if one.said.specific.get(key) not in (None, ""):
            return one.said.specific[key], one.handler
    return None, None


def last(heard: Sequence[Heard], *keys: str) -> tuple[Any, Handler | None]:
    """Return the last handler's word on one of these fields, and whose it is."""
    for one in reversed(heard):
        for key in keys:
            if one.said.specific.get(key) is not None:
                return one.said.specific[key], one.handler
    return None, None
