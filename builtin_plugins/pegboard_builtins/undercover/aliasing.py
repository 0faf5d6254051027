"""Lets a model work under stand-in names: what it gets has them, what it answers is turned back before anybody acts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from pegboard.context import Ctx
from pegboard.errors import ModelError, PegboardError
from pegboard.messages import (
    Block,
    DocumentBlock,
    Message,
    TextBlock,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from pegboard.requests import BlockDone, CallNext, ModelNotice, Request, StreamEvent, TextDelta, ToolSpec, ToolUseCut
from pegboard.typed import Typed
from pegboard_builtins.undercover.engine import StandIns, each_text
from pegboard_builtins.undercover.filtering import Undercover

Word = TypeVar("Word", bound=Typed)
LEFT_OUT = "[reasoning from before names had stand-ins, left out]"
ID = "name#"

_sessions: WeakKeyDictionary[Ctx, Aliases] = WeakKeyDictionary()


async def under_aliases(
    undercover: Undercover, request: Request, call_next: CallNext, ctx: Ctx
) -> AsyncIterator[StreamEvent]:
    """Send a request with stand-ins, and yield the answer with the names. Raises ModelError; then nothing was sent."""
    try:
        aliases = _sessions.get(ctx)
        if aliases is None:
            aliases = _sessions[ctx] = Aliases(undercover, ctx)
        hidden = aliases.request(request)
    except PegboardError:
        raise
    except Exception as error:  # without its words: they may hold what must not be sent
        raise ModelError(f"names have no stand-ins, so nothing is sent: {type(error).__name__}") from None
    answer = _Answer(aliases.stand_ins)
    stream = call_next(hidden)
    try:
        async for event in stream:
            for shown in answer.take(event):
                yield shown
    except ModelError:
        for rest in answer.rest():  # a person has waited for it, and an interrupted answer is kept
            yield rest
        raise
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


class Aliases:
    """The stand-ins of one session. What they are is kept in its state, under keyed ids: a resume goes on with them."""

    def __init__(self, undercover: Undercover, ctx: Ctx) -> None:
        def remember(id_: str, word: str) -> None:
            ctx.state[id_] = word

        known = {name: word for name, word in ctx.state.items() if name.startswith(ID)}
        self.stand_ins = StandIns(undercover.finder, undercover.key, known, remember)
        self._done: dict[int, tuple[Message, Message]] = {}

    def request(self, request: Request) -> Request:
        """Return a request with stand-ins, the very same if it holds no name."""
        hide = self.stand_ins.hide
        changed: dict[str, Any] = {
            "system": each_text(request.system, hide),
            "tools": self._tools(request.tools),
            "messages": self._messages(request.messages),
            "params": each_text(request.params, hide),
            "allowed_tools": each_text(request.allowed_tools, hide),
        }
        changed = {name: value for name, value in changed.items() if value is not getattr(request, name)}
        return replace(request, **changed, hash="") if changed else request

    def _tools(self, specs: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
        hidden = [self._tool(spec) for spec in specs]
        if all(new is old for new, old in zip(hidden, specs, strict=True)):
            return specs
        return tuple(sorted(hidden, key=lambda spec: spec.name))

    def _tool(self, spec: ToolSpec) -> ToolSpec:
        facts = {"name": spec.name, "description": spec.description, "input_schema": spec.input_schema}
        hidden = each_text(facts, self.stand_ins.hide)
        return spec if hidden is facts else ToolSpec(**hidden)

    def _messages(self, messages: Sequence[Message]) -> Sequence[Message]:
        if len(self._done) > 2 * len(messages) + 100:
            self._done.clear()  # a compaction took them away
        hidden = [self._message(message) for message in messages]
        return messages if all(new is old for new, old in zip(hidden, messages, strict=True)) else hidden

    def _message(self, message: Message) -> Message:
        """Return one message with stand-ins. What was sent once is sent again as it was."""
        known = self._done.get(id(message))
        if known is not None and known[0] is message:
            return known[1]
        blocks = tuple(self._block(block) for block in message.content)
        same = all(new is old for new, old in zip(blocks, message.content, strict=True))
        hidden = message if same else replace(message, content=blocks)
        self._done[id(message)] = message, hidden
        return hidden

    def _block(self, block: Any) -> Any:
        hide = self.stand_ins.hide
        if isinstance(block, TextBlock):
            return _with(block, text=hide(block.text))
        if isinstance(block, ToolUseBlock):
            return _with(block, name=hide(block.name), input=each_text(block.input, hide))
        if isinstance(block, ToolResultBlock):
            if isinstance(block.content, str):
                return _with(block, content=hide(block.content))
            parts = tuple(self._block(part) for part in block.content)
            same = all(new is old for new, old in zip(parts, block.content, strict=True))
            return block if same else block.model_copy(update={"content": parts})
        if isinstance(block, ToolReferenceBlock):
            return _with(block, tool_name=hide(block.tool_name))
        if isinstance(block, DocumentBlock):
            source = each_text(block.source, hide) if block.source.get("type") == "text" else block.source
            return _with(block, source=source, title=block.title and hide(block.title))
        if isinstance(block, ThinkingBlock) and self.stand_ins.needed_in(block.thinking):
            # It is signed, so it cannot be changed; what the model thought under stand-ins holds no name.
            return TextBlock(text=LEFT_OUT, origins=block.origins)
        return block


class _Answer:
    """What a model yields, with the names in the place of their stand-ins."""

    def __init__(self, stand_ins: StandIns) -> None:
        self._stand_ins = stand_ins
        self._text = stand_ins.stream()

    def take(self, event: StreamEvent) -> list[StreamEvent]:
        """Return what may be passed on of an event."""
        show = self._stand_ins.show
        if isinstance(event, TextDelta):
            text = self._text.take(event.text)
            return [event if text == event.text else TextDelta(text=text)] if text else []
        if isinstance(event, BlockDone):
            return [*self.rest(), _with(event, block=_shown(event.block, show))]
        if isinstance(event, ToolUseCut):
            return [_with(event, name=show(event.name))]
        if isinstance(event, ModelNotice) and event.restart:
            self._text = self._stand_ins.stream()
        return [event]

    def rest(self) -> list[StreamEvent]:
        """Return what was held back of a text that is over."""
        text = self._text.end()
        return [TextDelta(text=text)] if text else []


def _shown(block: Block, show: Callable[[str], str]) -> Block:
    if isinstance(block, TextBlock):
        return _with(block, text=show(block.text))
    if isinstance(block, ToolUseBlock):
        return _with(block, name=show(block.name), input=each_text(block.input, show))
    return block  # reasoning is signed as it is


def _with(word: Word, **facts: Any) -> Word:
    """Return a word with other facts, the very same if they are no others."""
    changed = {name: value for name, value in facts.items() if value is not getattr(word, name)}
    return word.model_copy(update=changed) if changed else word
