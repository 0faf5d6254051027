"""The floor: the least that an agent loop can do.

A bare asyncio loop with flat dispatch: the history is a list that grows, arguments are validated by a model, and
four lines are appended to a JSONL file per turn (request, answer, end of the answer, result), with the same encoder
that the host uses. It has no deadlines, no permissions, no hashes, no recovery and no streaming.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

Hook = Callable[[Any, Any, Any], Any]


class Arguments(BaseModel):
    """What the floor's one tool takes: the same as the tool that the host is measured with."""

    path: str
    lines: int = 1


@dataclass(slots=True)
class FloorCall:
    """A tool call, as the floor's model asks for it."""

    id: str
    name: str
    input: dict[str, Any]


async def look(path: str, lines: int = 1) -> str:
    """Do nothing."""
    return path


TOOLS: dict[str, Callable[..., Awaitable[str]]] = {"look": look}


async def ask(messages: list[dict[str, Any]], turns: int) -> FloorCall | None:
    """Answer at once: a call per turn, each with another input, then nothing."""
    turn = len(messages) // 2
    return FloorCall(f"call_{turn}", "look", {"path": f"file_{turn}.py", "lines": 2}) if turn < turns else None


async def run_turns(
    path: Path, turns: int, hooks: Sequence[Hook] = (), stamp: Callable[[], None] | None = None
) -> None:
    """Run a conversation of *turns* calls, with *hooks* before and after each; *stamp* is called in each turn."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        while True:
            os.write(file, to_json({"type": "request", "messages": len(messages)}) + b"\n")
            call = await ask(messages, turns)
            if call is None:
                return
            said = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}
            answer = {"role": "assistant", "content": [said]}
            messages.append(answer)
            os.write(file, to_json({"type": "assistant", "message": answer}) + b"\n")
            os.write(file, to_json({"type": "response", "stop_reason": "tool_use"}) + b"\n")
            for hook in hooks:
                hook(call, messages, None)
            arguments = Arguments.model_validate(call.input)
            result = await TOOLS[call.name](path=arguments.path, lines=arguments.lines)
            if stamp is not None:
                stamp()
            for hook in hooks:
                hook(call, result, None)
            block = {"type": "tool_result", "tool_use_id": call.id, "content": result}
            back = {"role": "user", "content": [block]}
            messages.append(back)
            os.write(file, to_json({"type": "user", "message": back}) + b"\n")
    finally:
        os.close(file)
