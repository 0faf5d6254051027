"""What a person sees of a session, filtered like everything that leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from pegboard._agent.chokepoints import Done
from pegboard._agent.egress import WITHHELD, Egress, TextStream
from pegboard._dataclass import dataclass
from pegboard.errors import EgressClosedError
from pegboard.messages import TextBlock, ThinkingBlock, ToolCall
from pegboard.requests import BlockDone, ModelStarted, StreamEvent, TextDelta, ThinkingDelta

SURFACES = {"thinking": "thinking", "title": "title"}
"""What is not shown on the surface `text`."""
SURFACE_OF_PIECES = {"delta": "text", "thinking_delta": "thinking"}
PLAIN_FACTS = frozenset({"id", "outcome", "ms", "is_error", "level"})
"""Facts that hold nobody's words."""


@dataclass(frozen=True)
class Shown:
    """For a person to see: text, title, thinking, tool, result, notice, context or question; `data` has facts.

    A `delta` is a piece of a text that follows as a whole, a `thinking_delta` one of what the model thinks, and
    `output` a piece of what the running call `id` prints. `steer` are words of the person that the model gets now;
    after `restart` the pieces so far are void.
    A `result` of an edit has the hunks of its `patch`, where things are shown as they come.
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
        self._pieces: dict[str, TextStream] = {}
        self._outputs: dict[str, TextStream] = {}
        self.on = show is not None
        self.streams = stream and self.on
        """Whether what comes in pieces is shown at all."""
        self.holds_text = False
        """Whether the model's text is shown by who holds it, once the message is whole."""

    def tell(self, kind: str, text: str, **data: Any) -> None:
        """Show something, as far as the filters let it out."""
        if self._show is None:
            return
        if not self._egress.open:
            text = self._egress.text(SURFACES.get(kind, "text"), text)
            data = self._facts(data)
        self._show(Shown(kind, text, data))

    def _facts(self, data: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(self._egress.emit("facts", data)) if data else data
        except EgressClosedError:
            return {name: value if name in PLAIN_FACTS else WITHHELD for name, value in data.items()}

    def event(self, event: StreamEvent) -> None:
        """Show what a model yields."""
        kind = type(event)
        if kind is BlockDone:
            block = event.block  # type: ignore[union-attr]
            if type(block) is TextBlock and not self.holds_text:
                self._last_piece("delta")
                self.tell("text", block.text)
            elif type(block) is ThinkingBlock:
                self._last_piece("thinking_delta")
                self.tell("thinking", block.thinking)
        elif kind is TextDelta:
            if self._stream and not self.holds_text:
                self._piece("delta", event.text)  # type: ignore[union-attr]
        elif kind is ThinkingDelta:
            if self._stream:
                self._piece("thinking_delta", event.text)  # type: ignore[union-attr]
        elif kind is ModelStarted:
            self._pieces.clear()

    def restart(self) -> None:
        """Forget what came of an answer that begins again; who has shown pieces of it is told."""
        self._pieces.clear()
        if self._show is not None and self.streams:
            self._show(Shown("restart"))

    def _piece(self, kind: str, text: str, *, last: bool = False) -> None:
        """Show some more of a text; what may still become something that must not leave is held back."""
        if self._show is None:
            return
        if not self._egress.open:
            try:
                if kind not in self._pieces:
                    self._pieces[kind] = self._egress.stream(SURFACE_OF_PIECES[kind])
                text = self._pieces[kind].end() if last else self._pieces[kind].take(text)
            except EgressClosedError:
                return  # the whole text, which follows, says so
        if text:
            self._show(Shown(kind, text))

    def _last_piece(self, kind: str) -> None:
        if kind in self._pieces:
            self._piece(kind, "", last=True)
            self._pieces.pop(kind, None)

    def progress(self, call_id: str, text: str) -> None:
        """Show some more of what a call prints, as far as it may leave."""
        if self._show is None:
            return
        if not self._egress.open:
            try:
                if call_id not in self._outputs:
                    self._outputs[call_id] = self._egress.stream("text")
                text = self._outputs[call_id].take(text)
            except EgressClosedError:
                return  # the result, which follows, says so
        if text:
            self._show(Shown("output", text, {"id": call_id}))

    def call(self, call: ToolCall) -> None:
        """Show that a tool is about to be called."""
        if self.on:
            self.tell("tool", call.name, id=call.id, input=call.input)

    def result(self, done: Done) -> None:
        """Show what became of a call."""
        outcome = done.outcome
        if not self.on or outcome is None:
            return
        self._outputs.pop(done.call.id, None)
        content = outcome.result.content
        facts = outcome.result.data
        patch = facts.get("structuredPatch") if self.streams and isinstance(facts, dict) else None
        self.tell(
            "result",
            content if isinstance(content, str) else "[picture or document]",
            id=done.call.id,
            name=done.call.name,
            outcome=str(outcome.kind),
            ms=outcome.duration_ms,
            is_error=outcome.result.is_error,
            **({"patch": patch} if patch else {}),
        )
