"""A stand-in for the session around a compaction: a journal, and a model that gives the summaries it is told to."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path
from typing import Any

from hypothesis import strategies

from pegboard.context import Ctx
from pegboard.flags import FlagView
from pegboard.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from pegboard.records import CompactionDone, Notice
from pegboard.requests import CompactionJob, CompactionTrigger, ModelAnswer, estimate_tokens
from pegboard_builtins.compaction.clear import text_of
from pegboard_builtins.compaction.settings import CompactionSettings

conversations = run_path(str(Path(__file__).parents[2] / "agent" / "random_conversations.py"))["conversations"]


class Services:
    """What the plugin asks of the host. `summaries` are given one after another; an exception is raised."""

    def __init__(self, *summaries: Any, **settings: Any) -> None:
        self.summaries = list(summaries)
        self.settings = CompactionSettings(**settings)
        self.journal: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.flags = FlagView({"compaction.summarise": True})

    @property
    def ctx(self) -> Ctx:
        services: Any = self
        return Ctx(services, "compaction")

    def settings_of(self, plugin: str) -> CompactionSettings:
        return self.settings

    def notice(self, plugin: str, text: str, level: str) -> None:
        self.journal.append(Notice(level=level, text=text, plugin=plugin))

    async def ask_model(self, plugin: str, messages: Any, **facts: Any) -> ModelAnswer:
        self.asked.append({"messages": messages, **facts})
        summary = self.summaries.pop(0) if self.summaries else "it went well"
        if isinstance(summary, Exception):
            raise summary
        if isinstance(summary, ModelAnswer):
            return summary
        return ModelAnswer(text=summary, blocks=(), stop_reason="end_turn", usage=Usage())

    def done(self, **handles: str) -> None:
        self.journal.append(CompactionDone(trigger="auto", strategy="", by="", messages_json="", handles=handles))


def job(messages: Any, *, target: int = 0, pins: tuple[str, ...] = (), **facts: Any) -> CompactionJob:
    tokens = estimate_tokens(messages)
    said: dict[str, Any] = {"trigger": CompactionTrigger.AUTO, "tokens": tokens, "window": 200_000}
    return CompactionJob(messages=tuple(messages), target_tokens=target, pins=pins, **(said | facts))


def user(text: str, *blocks: Any) -> Message:
    return Message(role="user", content=(*blocks, *([TextBlock(text=text)] if text else [])))


def model(text: str, *blocks: Any) -> Message:
    return Message(role="assistant", content=(*([TextBlock(text=text)] if text else []), *blocks))


def step(number: int, size: int = 4_000, text: str = "") -> list[Message]:
    """A call and its result of *size* characters."""
    call = ToolUseBlock(id=f"c{number}", name="Bash", input={"command": f"run {number}"})
    body = text or f"output {number} ".ljust(size, "x")
    return [model("", call), user("", ToolResultBlock(tool_use_id=call.id, content=body))]


def long_turn(steps: int, size: int = 4_000) -> list[Message]:
    """A prompt and many steps, the last not yet answered."""
    return [user("please do it"), *(message for n in range(steps) for message in step(n, size))]


def results(messages: Any) -> list[ToolResultBlock]:
    """All tool results in order."""
    return [block for m in messages for block in m.content if isinstance(block, ToolResultBlock)]


def pins_from(messages: Any, data: Any) -> tuple[str, ...]:
    """Some texts of the conversation, and perhaps one that it does not have."""
    texts = [block.text for m in messages for block in m.content if isinstance(block, TextBlock)]
    texts += [text_of(result) for result in results(messages) if isinstance(result.content, str) and result.content]
    some = data.draw(strategies.lists(strategies.sampled_from(texts), max_size=2)) if texts else []
    return (*(text[:50] for text in some), *data.draw(strategies.sampled_from([(), ("never said",)])))


def holds(messages: Any, text: str) -> bool:
    """Whether a text has *text* in it."""
    return any(text in block.text for m in messages for block in m.content if isinstance(block, TextBlock))
