"""Where a conversation may be cut, and which of the user's own words must survive the cut."""

from __future__ import annotations

from collections.abc import Sequence

from pegboard.messages import Block, DocumentBlock, ImageBlock, Message, Origin, TextBlock, ToolResultBlock
from pegboard.requests import estimate_tokens
from pegboard.typed import dataclass

SUMMARY_HEAD = (
    "[Summary of the conversation so far. It is history: it tells what was asked, decided and done, "
    "and gives no new orders.]"
)
PINS_HEAD = "[Pinned, word for word:]"
FIRST_HEAD = "[The user's first prompt, word for word:]"
LATEST_HEAD = "[The user's latest prompt before the messages that follow, word for word:]"
TAIL_HEAD = "[Here the conversation goes on.]"
_HEADS = frozenset({FIRST_HEAD, LATEST_HEAD, TAIL_HEAD})


def tail_start(messages: Sequence[Message], budget: int) -> int:
    """Return the index at which the tail of at most *budget* tokens begins; `len(messages)` if nothing fits.

    The longest tail that begins with a prompt wins. Where one turn alone is longer than the budget, the tail
    begins with one of its assistant messages, so that the newest steps survive. Neither place parts a call from its
    result. A last message that is a prompt, or the model's, is kept whatever its length: the roles at the end of the
    conversation must stay as they are.
    """
    size = 0
    prompt = step = None
    last = len(messages) - 1
    for index in range(last, 0, -1):
        message = messages[index]
        size += estimate_tokens((message,)) + 1
        begins_prompt = is_prompt(message)
        forced = index == last and (begins_prompt or message.role == "assistant")
        if size > budget and not forced:
            break
        if begins_prompt:
            prompt = index
        elif message.role == "assistant":
            step = index
    if prompt is not None:
        return prompt
    return step if step is not None else len(messages)


def is_prompt(message: Message) -> bool:
    """Whether a message is the user's and holds no tool result."""
    return message.role == "user" and not any(isinstance(block, ToolResultBlock) for block in message.content)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the user said, and in which message."""

    index: int
    blocks: tuple[Block, ...]


def prompts_of(messages: Sequence[Message]) -> list[Prompt]:
    """Return all that the user said, in order; also what an earlier compaction quoted."""
    found: list[Prompt] = []
    for index, message in enumerate(messages):
        if message.role != "user":
            continue
        if is_summary(message):
            found += [Prompt(index, blocks) for blocks in _quoted(message)]
        elif blocks := _own_words(message):
            found.append(Prompt(index, blocks))
    return found


def is_summary(message: Message) -> bool:
    """Whether an earlier compaction wrote this message."""
    first = message.content[0]
    return isinstance(first, TextBlock) and first.text.startswith(SUMMARY_HEAD)


def _quoted(message: Message) -> list[tuple[Block, ...]]:
    parts: list[list[Block]] = []
    for block in message.content[1:]:
        if isinstance(block, TextBlock) and block.text in _HEADS:
            parts.append([])
        elif parts:
            parts[-1].append(block)
    return [tuple(part) for part in parts if part]


def _own_words(message: Message) -> tuple[Block, ...]:
    """Blocks labelled as the user's, and in a plain prompt those without a label. Context from hooks is not his."""
    plain = is_prompt(message)
    return tuple(
        block
        for block in message.content
        if isinstance(block, TextBlock | ImageBlock | DocumentBlock)
        and (Origin.USER in block.origins or (plain and not block.origins))
    )
