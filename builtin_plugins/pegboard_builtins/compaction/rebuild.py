"""The new message list: summary, pins, the user's own words, then the tail, as one valid conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pegboard.messages import Block, Message, Origin, TextBlock
from pegboard_builtins.compaction.tail import (
    FIRST_HEAD,
    LATEST_HEAD,
    PINS_HEAD,
    SUMMARY_HEAD,
    TAIL_HEAD,
    prompts_of,
)


def rebuild(messages: Sequence[Message], start: int, summary: str, *, pins: Sequence[str] = ()) -> tuple[Message, ...]:
    """Put *summary* in the place of the messages before *start*.

    The user's first prompt, his latest one and every pin that the tail does not hold stand beside it, verbatim.
    """
    tail = tuple(messages[start:])
    quoted = _quotes(messages, start)
    merged: tuple[Block, ...] = ()
    if tail and tail[0].role == "user":
        merged, tail = (_said_by_host(TAIL_HEAD), *tail[0].content), tail[1:]
    kept = (Message(role="user", content=(*quoted, *merged)),) if quoted or merged else ()
    head: list[Block] = [TextBlock(text=f"{SUMMARY_HEAD}\n\n{summary}", origins=_origins_of_summary(messages[:start]))]
    missing = missing_pins((*kept, *tail), pins)
    if missing:
        head.append(pinned(missing))
    return (Message(role="user", content=(*head, *quoted, *merged)), *tail)


def with_pins(messages: Sequence[Message], pins: Sequence[str]) -> tuple[Message, ...]:
    """Return *messages* with every pin that they lack, at the end of the first one."""
    missing = missing_pins(messages, pins)
    if not missing:
        return tuple(messages)
    first = messages[0]
    return (replace(first, content=(*first.content, pinned(missing))), *messages[1:])


def missing_pins(messages: Sequence[Message], pins: Sequence[str]) -> list[str]:
    """Return the pins that no text has, in order. In a tool result a pin is not safe: the next clearing may take it."""
    texts = [block.text for message in messages for block in message.content if isinstance(block, TextBlock)]
    return [pin for pin in dict.fromkeys(pins) if not any(pin in text for text in texts)]


def pinned(pins: Sequence[str]) -> TextBlock:
    """Return a block that holds *pins* verbatim."""
    return _said_by_host("\n\n".join((PINS_HEAD, *pins)))


def _quotes(messages: Sequence[Message], start: int) -> tuple[Block, ...]:
    prompts = prompts_of(messages)
    if not prompts or prompts[0].index >= start:
        return ()
    quoted: tuple[Block, ...] = (_said_by_host(FIRST_HEAD), *prompts[0].blocks)
    latest = prompts[-1]
    if latest.index < start and latest is not prompts[0]:
        quoted = (*quoted, _said_by_host(LATEST_HEAD), *latest.blocks)
    return quoted


def _origins_of_summary(messages: Sequence[Message]) -> tuple[Origin, ...]:
    """Labels only grow, so a summary has those of all that it tells; but only the user's own words are his."""
    found = {origin for message in messages for block in message.content for origin in block.origins}
    return tuple(origin for origin in Origin if origin is Origin.MODEL or (origin in found and origin != Origin.USER))


def _said_by_host(text: str) -> TextBlock:
    return TextBlock(text=text, origins=(Origin.HOST,))
