"""Strategy one: old tool results make way for handles, with which the model can have them back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from pegboard.messages import Block, Message, TextBlock, ToolResultBlock, ToolUseBlock
from pegboard.typed import dataclass


@dataclass(frozen=True, slots=True)
class Cleared:
    """A conversation after clearing: `handles` has the text that each handle stands for."""

    messages: tuple[Message, ...]
    handles: dict[str, str]


def clear_results(messages: Sequence[Message], *, keep: int, min_characters: int) -> Cleared:
    """Replace tool results older than the newest *keep* and longer than *min_characters* by handles.

    Results in the last message stay, since the model has not read them yet. Messages that do not change are the
    same objects as before.
    """
    names = {block.id: block.name for block in _blocks(messages) if isinstance(block, ToolUseBlock)}
    old = _old_results(messages, keep)
    handles: dict[str, str] = {}
    changed: list[Message] = []
    for message in messages:
        if message.role == "user" and not old.isdisjoint(map(id, message.content)):
            content = tuple(
                _shorter(block, names, handles, min_characters)
                if isinstance(block, ToolResultBlock) and id(block) in old
                else block
                for block in message.content
            )
            if any(new is not was for new, was in zip(content, message.content, strict=True)):
                message = replace(message, content=content)
        changed.append(message)
    return Cleared(tuple(changed), handles)


def text_of(result: ToolResultBlock) -> str:
    """Return what a result says; a picture or document is named only."""
    if isinstance(result.content, str):
        return result.content
    return "\n".join(part.text if isinstance(part, TextBlock) else f"[{part.type}]" for part in result.content)


def handle_of(result: ToolResultBlock, text: str) -> str:
    """Return a short name for a result's text; the same call and text always get the same one."""
    return "r-" + hashlib.sha256(f"{result.tool_use_id}\0{text}".encode()).hexdigest()[:8]


def _old_results(messages: Sequence[Message], keep: int) -> set[int]:
    # by identity: two calls may well have equal results
    results = [id(block) for block in _blocks(messages[:-1]) if isinstance(block, ToolResultBlock)]
    unread = sum(isinstance(block, ToolResultBlock) for block in messages[-1].content)
    return set(results[: max(0, len(results) - max(0, keep - unread))])


def _shorter(
    result: ToolResultBlock, names: dict[str, str], handles: dict[str, str], min_characters: int
) -> ToolResultBlock:
    text = text_of(result)
    if len(text) <= min_characters:
        return result
    handle = handle_of(result, text)
    handles[handle] = text
    name = names.get(result.tool_use_id, "a tool")
    note = f'[output of {name} cleared: {len(text):,} characters; recall it with Recall("{handle}")]'
    return result.model_copy(update={"content": note})


def _blocks(messages: Sequence[Message]) -> list[Block]:
    return [block for message in messages for block in message.content]
