"""The events of a Messages API stream become ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from pydantic_core import from_json

from pegboard.messages import RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock, Usage
from pegboard.requests import (
    BlockDone,
    ModelDone,
    ModelNotice,
    ModelStarted,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolInputDelta,
    ToolUseCut,
)
from pegboard.typed import dataclass
from pegboard_builtins.anthropic_model.prices import cost
from pegboard_builtins.anthropic_model.settings import Price

CUTTING = ("max_tokens", "model_context_window_exceeded", "refusal")
"""Stop reasons that can end a message in the middle of a block."""


@dataclass
class _Open:
    """A content block that is being received; `parts` are its text, reasoning or JSON."""

    kind: str
    id: str = ""
    name: str = ""
    signature: str = ""
    data: str = ""
    parts: list[str] = field(default_factory=list)


class Incoming:
    """Puts one message together. `begun` is True from its first event on, `done` once all of it has come."""

    def __init__(self, model: str, prices: Mapping[str, Price], *, known_price: bool = True) -> None:
        self.begun = self.done = False
        self._model = model
        self._prices = prices
        self._known_price = known_price
        self._open: dict[int, _Open] = {}
        self._held: _Open | None = None
        self._usage: dict[str, int] = {}
        self._stop_reason = ""
        self._stop_sequence: str | None = None

    def take(self, event: Any) -> Iterator[StreamEvent]:
        """Take one event of the SDK and yield what it means. Unknown ones mean nothing, as the API asks for."""
        self.begun = True
        match event.type:
            case "message_start":
                self._count(event.message.usage)
                yield ModelStarted(model=event.message.model, message_id=event.message.id)
            case "content_block_start":
                yield from self._release()
                self._open[event.index] = _opened(event.content_block)
            case "content_block_delta":
                yield from self._delta(self._open[event.index], event.delta)
            case "content_block_stop":
                yield from self._close(self._open.pop(event.index))
            case "message_delta":
                self._count(event.usage)
                self._stop_reason = event.delta.stop_reason or "end_turn"
                self._stop_sequence = event.delta.stop_sequence
                yield from self._release()
                yield from _refusal(event.delta.stop_details)
            case "message_stop":
                self.done = True
                yield ModelDone(
                    stop_reason=self._stop_reason or "end_turn", usage=self._priced(), stop_sequence=self._stop_sequence
                )

    def cut(self) -> Iterator[ToolUseCut]:
        """Yield the calls that a broken stream left unfinished."""
        for block in [*self._open.values(), *([self._held] if self._held else ())]:
            if block.kind == "tool_use":
                yield _cut(block)

    def _delta(self, block: _Open, delta: Any) -> Iterator[StreamEvent]:
        match delta.type:
            case "text_delta":
                block.parts.append(delta.text)
                yield TextDelta(text=delta.text)
            case "thinking_delta":
                block.parts.append(delta.thinking)
                yield ThinkingDelta(text=delta.thinking)
            case "signature_delta":
                block.signature += delta.signature
            case "input_json_delta":
                block.parts.append(delta.partial_json)
                if delta.partial_json:
                    yield ToolInputDelta(id=block.id, json_text=delta.partial_json)

    def _close(self, block: _Open) -> Iterator[StreamEvent]:
        text = "".join(block.parts)
        match block.kind:
            case "text":
                if text.strip():  # the API sends empty texts now and then, and refuses to take them back
                    yield BlockDone(block=TextBlock(text=text))
            case "thinking":
                yield BlockDone(block=ThinkingBlock(thinking=text, signature=block.signature))
            case "redacted_thinking":
                yield BlockDone(block=RedactedThinkingBlock(data=block.data))
            case "tool_use" if text:
                yield from _call(block, text)
            case "tool_use":
                # No input at all: a call without arguments, or one that was cut off before its first byte.
                # Only what comes next can tell.
                self._held = block
            case _:
                yield ModelNotice(text=f"a block of the type {block.kind!r} was left out: this host cannot keep it")

    def _release(self) -> Iterator[StreamEvent]:
        block, self._held = self._held, None
        if block is not None:
            yield _cut(block) if self._stop_reason in CUTTING else _called(block, {})

    def _count(self, usage: Any) -> None:
        """Take down the counts that are there: later ones are totals, and absent ones leave the earlier."""
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            value = getattr(usage, name, None)
            if value is not None:
                self._usage[name] = value

    def _priced(self) -> Usage:
        usage = Usage(**self._usage)
        dollars = cost(self._model, usage, self._prices) if self._known_price else None
        return usage if dollars is None else usage.model_copy(update={"cost_usd": dollars})


def _opened(block: Any) -> _Open:
    match block.type:
        case "text":
            return _Open("text", parts=[block.text])
        case "thinking":
            return _Open("thinking", signature=block.signature, parts=[block.thinking])
        case "redacted_thinking":
            return _Open("redacted_thinking", data=block.data)
        case "tool_use":
            return _Open("tool_use", id=block.id, name=block.name)
        case other:
            return _Open(str(other))


def _call(block: _Open, text: str) -> Iterator[StreamEvent]:
    try:
        given = from_json(text)
    except ValueError:
        given = None
    yield _called(block, given) if isinstance(given, dict) else _cut(block)


def _called(block: _Open, given: dict[str, Any]) -> BlockDone:
    return BlockDone(block=ToolUseBlock(id=block.id, name=block.name, input=given))


def _cut(block: _Open) -> ToolUseCut:
    return ToolUseCut(id=block.id, name=block.name, partial="".join(block.parts))


def _refusal(details: Any) -> Iterator[ModelNotice]:
    """Tell a person why the model refused, where the API says so."""
    explanation = getattr(details, "explanation", None)
    if explanation:
        yield ModelNotice(text=f"the model refused: {explanation}")
