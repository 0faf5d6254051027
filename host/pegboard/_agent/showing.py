"""What a person sees of a session, filtered like everything that leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pegboard._agent.chokepoints import Done, Egress
from pegboard.errors import EgressClosedError
from pegboard.messages import TextBlock, ToolCall
from pegboard.requests import BlockDone, StreamEvent, TextDelta


@dataclass(frozen=True, slots=True)
class Shown:
    """Something for a person to see: text, delta, thinking, tool, result, notice, context or question.

    `data` has facts by name; `final` is False for a piece of a longer text.
    """

    kind: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Screen:
    """Where a session shows things: nowhere, or to one function. *stream* shows text as it comes, too."""

    def __init__(self, show: Callable[[Shown], None] | None, egress: Egress, *, stream: bool) -> None:
        self._show = show
        self._egress = egress
        self._stream = stream
        self.on = show is not None
        self.holds_text = False
        """Whether the model's text is shown by who holds it, once the message is whole."""

    def tell(self, kind: str, text: str, **data: Any) -> None:
        """Show something, as far as the filters let it out."""
        if self._show is None:
            return
        if not self._egress.open:
            try:
                text = self._egress.emit("text", text)
            except EgressClosedError as closed:
                text = f"[{closed}]"
        self._show(Shown(kind, text, data))

    def event(self, event: StreamEvent) -> None:
        """Show what a model yields."""
        kind = type(event)
        if kind is BlockDone:
            block = event.block  # type: ignore[union-attr]
            if type(block) is TextBlock and not self.holds_text:
                self.tell("text", block.text)
        elif kind is TextDelta and self._stream and not self.holds_text:
            self.tell("delta", event.text)  # type: ignore[union-attr]

    def call(self, call: ToolCall) -> None:
        """Show that a tool is about to be called."""
        if self.on:
            self.tell("tool", call.name, id=call.id, input=call.input)

    def result(self, done: Done) -> None:
        """Show what became of a call."""
        outcome = done.outcome
        if not self.on or outcome is None:
            return
        content = outcome.result.content
        self.tell(
            "result",
            content if isinstance(content, str) else "[picture or document]",
            id=done.call.id,
            name=done.call.name,
            outcome=str(outcome.kind),
            ms=outcome.duration_ms,
            is_error=outcome.result.is_error,
        )
