"""The invariants of a Messages request: what the API would refuse is found here, before it is sent.

It runs on every request, so it looks only at types and emptiness, and a caller who has checked a conversation once
passes `start` and pays only for what was appended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from pegboard.errors import InvalidRequestError
from pegboard.messages import (
    DocumentBlock,
    ImageBlock,
    Message,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)

THINKING = (ThinkingBlock, RedactedThinkingBlock)
USERS_OWN = (ImageBlock, DocumentBlock)
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
MOST_ANCHORS = 2
"""A request has four cache points; the end of the system prompt and the end of the tools take the other two."""


class Named(Protocol):
    """A tool definition, as far as it matters here."""

    @property
    def name(self) -> str: ...
    @property
    def deferred(self) -> bool: ...


def check_messages(messages: Sequence[Message], start: int = 0, *, ending: bool = True) -> None:
    """Raise InvalidRequestError for the first message that the API would refuse.

    Only messages from *start* on are looked at, and how they follow the one before. *ending* says whether the
    conversation is about to be sent, so that its last message must be the user's; a fold between turns, or a
    compaction after one, may end with the model's.
    """
    count = len(messages)
    if not count:
        raise InvalidRequestError("the conversation is empty")
    calls: tuple[str, ...] = ()
    users_turn = True
    if start > 0:
        before = messages[start - 1]
        if before.role == "assistant":
            calls = tuple([block.id for block in before.content if type(block) is ToolUseBlock])
        else:
            users_turn = False
    for index in range(max(start, 0), count):
        message = messages[index]
        if (message.role == "user") is not users_turn:
            raise InvalidRequestError(_out_of_turn(message.role, index), index=index)
        if not message.content:
            raise InvalidRequestError("it has no content", index=index)
        if users_turn:
            _check_user(message, calls, index)
            calls = ()
        else:
            calls = _check_assistant(message, index)
        users_turn = not users_turn
    if ending and users_turn:
        raise InvalidRequestError(
            f"the last message is the model's, with {len(calls)} calls that have no result"
            if calls
            else "the last message is the model's; a request ends with the user's",
            index=count - 1,
        )


def _out_of_turn(role: str, index: int) -> str:
    if index == 0:
        return "the first message must be the user's"
    return f"two messages of the {role} in a row; roles must alternate"


def _check_user(message: Message, calls: tuple[str, ...], index: int) -> None:
    answered: list[str] = []
    only_results = True
    for block in message.content:
        if type(block) is ToolResultBlock:
            if not only_results:
                raise InvalidRequestError("a tool_result stands after other content; results come first", index=index)
            answered.append(block.tool_use_id)
            _check_result(block, calls, index)
        else:
            only_results = False
            if type(block) is TextBlock:
                _check_text(block.text, index)
            elif type(block) not in USERS_OWN:
                raise InvalidRequestError(f"a user message cannot hold a {block.type} block", index=index)
    if len(answered) != len(calls) or len(answered) > 1:
        _check_pairs(answered, calls, index)


def _check_pairs(answered: list[str], calls: tuple[str, ...], index: int) -> None:
    """Every call has exactly one result; that each result belongs to a call has been seen already."""
    if len(set(answered)) != len(answered):
        twice = next(call for place, call in enumerate(answered) if call in answered[:place])
        raise InvalidRequestError(f"the call {twice!r} has two results", index=index)
    if len(answered) != len(calls):
        missing = next(call for call in calls if call not in answered)
        raise InvalidRequestError(f"the call {missing!r} of the message before has no result here", index=index)


def _check_result(block: ToolResultBlock, calls: tuple[str, ...], index: int) -> None:
    if block.tool_use_id not in calls:
        raise InvalidRequestError(
            f"a result for {block.tool_use_id!r}, which the message before does not call", index=index
        )
    content = block.content
    if type(content) is not str:
        for part in content:
            if type(part) is TextBlock:
                _check_text(part.text, index)
    if block.is_error and not content:
        raise InvalidRequestError(f"the failed call {block.tool_use_id!r} has an empty result", index=index)


def _check_assistant(message: Message, index: int) -> tuple[str, ...]:
    calls: list[str] = []
    thinks = False
    for block in message.content:
        if type(block) is TextBlock:
            _check_text(block.text, index)
        elif type(block) is ToolUseBlock:
            calls.append(block.id)
        elif type(block) in THINKING:
            thinks = True
            if calls:
                raise InvalidRequestError("thinking stands after a tool_use; it comes before", index=index)
        else:
            raise InvalidRequestError(f"an assistant message cannot hold a {block.type} block", index=index)
    if thinks:
        if calls and type(message.content[0]) not in THINKING:
            raise InvalidRequestError("a message with thinking and tool_use must begin with the thinking", index=index)
        if type(message.content[-1]) in THINKING:
            raise InvalidRequestError("the last block of an assistant message cannot be thinking", index=index)
    if calls:
        if not all(calls):
            raise InvalidRequestError("a tool_use without an id", index=index)
        if len(calls) > 1 and len(set(calls)) != len(calls):
            twice = next(call for call in calls if calls.count(call) > 1)
            raise InvalidRequestError(f"two calls have the id {twice!r}", index=index)
    return tuple(calls)


def _check_text(text: str, index: int) -> None:
    # isspace stops at the first visible character, where strip would copy a long text
    if not text or text.isspace():
        raise InvalidRequestError("an empty text block (the API takes white space alone for empty)", index=index)


def check_tools(tools: Sequence[Named]) -> None:
    """Raise InvalidRequestError unless names are good and unique, and the tools sorted, deferred ones behind them."""
    before = ""
    late: set[str] = set()
    for tool in tools:
        name = tool.name
        if TOOL_NAME.fullmatch(name) is None:
            raise InvalidRequestError(
                f"a tool cannot be called {name!r}: letters, digits, _ and - are allowed, 128 at most"
            )
        if tool.deferred:
            late.add(name)
        elif late:
            raise InvalidRequestError(f"the tool {name!r} stands after a deferred one")
        elif name <= before:
            problem = "is there twice" if name == before else f"stands after {before!r}; tools are sorted by name"
            raise InvalidRequestError(f"the tool {name!r} {problem}")
        else:
            before = name
    if late and len({tool.name for tool in tools}) != len(tools):
        raise InvalidRequestError("a deferred tool is there twice")


def check_anchors(anchors: Iterable[int], count: int) -> None:
    """Raise InvalidRequestError unless the cache anchors are few, ascending, and indexes into *count* messages."""
    seen = tuple(anchors)
    if len(seen) > MOST_ANCHORS:
        raise InvalidRequestError(f"{len(seen)} cache anchors in the messages; {MOST_ANCHORS} are left for them")
    before = -1
    for anchor in seen:
        if not 0 <= anchor < count:
            raise InvalidRequestError(f"a cache anchor at message {anchor} of {count}")
        if anchor <= before:
            raise InvalidRequestError(f"the cache anchors {seen} are not in ascending order, each once")
        before = anchor
