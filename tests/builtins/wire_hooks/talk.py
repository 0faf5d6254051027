"""Small words for tests of declared hooks: answers of hooks, and what the model was told."""

from __future__ import annotations

from typing import Any

from pegboard.messages import ToolResultBlock
from pegboard.testing import HostFixture


def specific(event: str, **facts: Any) -> dict[str, Any]:
    """An answer with `hookSpecificOutput`."""
    return {"hookSpecificOutput": {"hookEventName": event, **facts}}


def pre(decision: str, reason: str = "", **facts: Any) -> dict[str, Any]:
    """An answer to PreToolUse."""
    said = {"permissionDecisionReason": reason} if reason else {}
    return specific("PreToolUse", permissionDecision=decision, **said, **facts)


def told(host: HostFixture) -> str:
    """All that the model was told: texts and results of user messages."""
    parts: list[Any] = []
    for message in host.messages:
        if message.role == "user":
            for block in message.content:
                parts.append(block.content if isinstance(block, ToolResultBlock) else getattr(block, "text", ""))
    return "\n".join(map(str, parts))


def results(host: HostFixture) -> list[str]:
    """The results of all tool calls, in order."""
    blocks = [block for message in host.messages for block in message.content]
    return [str(block.content) for block in blocks if isinstance(block, ToolResultBlock)]


def outcomes(host: HostFixture) -> list[str]:
    """What became of all tool calls, in order."""
    return [record.tool.outcome for record in host.records("user") if getattr(record, "tool", None) is not None]
