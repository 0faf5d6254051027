"""Making a conversation shorter: the hook is asked, its answer checked; what remains is cut by rule."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import to_json

from pegboard._agent.validate import check_messages
from pegboard.errors import InvalidRequestError
from pegboard.messages import Message, Origin, TextBlock, ToolResultBlock
from pegboard.requests import CompactionResult, estimate_tokens

KEPT_OF_A_RESULT = 2_000
"""Characters of an old tool result that the cut by rule leaves: half of it head, half of it tail."""


def objection(result: CompactionResult, before: Sequence[Message], pins: Sequence[str]) -> str:
    """Return what speaks against a result; empty if it may take the place of *before*."""
    if not result.messages:
        return "it has no messages"
    try:
        check_messages(result.messages, ending=False)
    except InvalidRequestError as error:
        return f"it is no valid conversation: {error}"
    if before and before[-1].role == "user" and result.messages[-1].role != "user":
        return "it ends with the model's words; the next request must end with the user's"
    was, now = estimate_tokens(before), estimate_tokens(result.messages)
    if now >= was:
        return f"it is not shorter ({now:,} tokens instead of {was:,})"
    if pins:
        text = "\n".join(_texts(result.messages))
        for pin in pins:
            if pin not in text:
                return f"it lost a pinned text: {pin[:60]!r}"
    return ""


def _texts(messages: Sequence[Message]) -> list[str]:
    return [block.text for message in messages for block in message.content if isinstance(block, TextBlock)]


def cut_by_rule(messages: Sequence[Message], target: int, pins: Sequence[str]) -> CompactionResult | None:
    """Shorten without asking anybody: old tool results first, then the oldest messages.

    The newest exchange and the pins stay. Returns None if nothing can be taken away.
    """
    shortened = list(messages)
    last_user = max((place for place, message in enumerate(messages) if message.role == "user"), default=0)
    for place, message in enumerate(messages):
        if estimate_tokens(shortened) <= target:
            break
        if message.role == "user" and place != last_user:
            shortened[place] = _with_short_results(message)
    start = 0
    for place in _clean_starts(shortened):
        if estimate_tokens(shortened[start:]) <= target:
            break
        start = place
    kept = shortened[start:]
    if estimate_tokens(kept) > target and kept:
        kept = [_with_short_results(message) if message.role == "user" else message for message in kept]
    lost = [pin for pin in pins if pin not in "\n".join(_texts(kept))]
    if start or lost:
        note = f"[The {start} oldest messages were cut away because the conversation had grown too long.]"
        first = _short("\n".join(_texts(messages[:1])))
        head = (note, f"[It began with:]\n{first}", *lost) if start and first.strip() else (note, *lost)
        blocks = tuple(TextBlock(text=text, origins=(Origin.HOST,)) for text in head)
        if kept[0].role == "user":
            kept[0] = Message(role="user", content=(*blocks, *kept[0].content))
        else:
            kept.insert(0, Message(role="user", content=blocks))
    result = CompactionResult(messages=tuple(kept), strategy="cut by rule", summary="")
    return None if objection(result, messages, pins) else result


def _clean_starts(messages: Sequence[Message]) -> list[int]:
    """Return the places where a conversation may begin: where no tool call is parted from its result."""
    return [
        place
        for place, message in enumerate(messages)
        if place > 0
        and (message.role == "assistant" or not any(isinstance(b, ToolResultBlock) for b in message.content))
    ]


def _with_short_results(message: Message) -> Message:
    content = tuple(
        block.model_copy(update={"content": _short(block.content)})
        if isinstance(block, ToolResultBlock) and isinstance(block.content, str)
        else block
        for block in message.content
    )
    return Message(role=message.role, content=content)


def _short(text: str) -> str:
    if len(text) <= KEPT_OF_A_RESULT + 100:
        return text
    half = KEPT_OF_A_RESULT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters cut away ...]\n{text[-half:]}"


def as_json(messages: Sequence[Message]) -> str:
    """Return messages as the journal keeps them: with the origins of each block beside it."""
    return to_json(
        [{"message": message, "origins": [block.origins for block in message.content]} for message in messages]
    ).decode()
