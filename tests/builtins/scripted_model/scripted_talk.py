"""A stand-in for a session: it keeps a conversation and writes the records that make one, as the host does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pegboard.context import Ctx
from pegboard.messages import Block, Message, TextBlock, ToolResultBlock, ToolUseBlock
from pegboard.records import AssistantLine, CompactionDone, Record, RequestRecord, ResponseRecord
from pegboard.requests import BlockDone, ModelDone, Purpose, Request, StreamEvent, ToolSpec
from pegboard_builtins import scripted_model


class Journal:
    """Records in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Record] = []
        self.readings = 0

    def __iter__(self) -> Iterator[Record]:
        self.readings += 1
        return iter(self.records)


class Talk:
    """A conversation with a scripted model."""

    def __init__(self, model: str, folder: Path) -> None:
        self.model = model
        self.journal = Journal(folder / "journal.jsonl")
        self.messages: list[Message] = [Message(role="user", content=(TextBlock(text="go"),))]
        self.session_id = str(uuid.uuid4())
        self.folder = folder
        self.requests = 0

    @property
    def ctx(self) -> Ctx:
        services: Any = SimpleNamespace(session_id=self.session_id, journal=self.journal, project=self.folder)
        return Ctx(services, "scripted_model")

    def request(self, purpose: Purpose = Purpose.TURN, **facts: Any) -> Request:
        self.requests += 1
        said: dict[str, Any] = {
            "purpose": purpose,
            "model": self.model,
            "system": ("be good",),
            "tools": (ToolSpec(name="Read", description="reads", input_schema={}),),
            "messages": self.messages,
            "max_tokens": 100,
            "session_id": self.session_id,
            "request_id": f"r{self.requests}",
        }
        return Request(**(said | facts))

    def events(self, request: Request | None = None) -> list[StreamEvent]:
        """Ask once and return all events, without keeping the answer."""
        asked = request or self.request()

        async def collect() -> list[StreamEvent]:
            return [event async for event in scripted_model.model_call(asked, nobody, self.ctx)]

        return asyncio.run(collect())

    def ask(self, purpose: Purpose = Purpose.TURN, *, request: Request | None = None) -> str:
        """Ask, journal the answer, keep it, and return its text."""
        asked = request or self.request(purpose)
        self.journal.records.append(
            RequestRecord(
                request=asked.request_id, purpose=purpose, model=self.model, hash="", messages=len(self.messages)
            )
        )
        events = self.events(asked)
        blocks = [event.block for event in events if isinstance(event, BlockDone)]
        done = events[-1]
        assert isinstance(done, ModelDone)
        if purpose is Purpose.TURN:
            self.journal.records += [AssistantLine(message={}, request=asked.request_id) for _ in blocks]
            self.keep(blocks)
        self.journal.records.append(ResponseRecord(request=asked.request_id, stop_reason=done.stop_reason))
        return "".join(block.text for block in blocks if isinstance(block, TextBlock))

    def keep(self, blocks: Sequence[Block]) -> None:
        """Append the answer and what the user's side says to it."""
        if not blocks:
            return
        self.messages.append(Message(role="assistant", content=tuple(blocks)))
        calls = [block for block in blocks if isinstance(block, ToolUseBlock)]
        results: tuple[Block, ...] = tuple(
            ToolResultBlock(tool_use_id=call.id, content=f"result of {call.id}") for call in calls
        )
        self.messages.append(Message(role="user", content=results or (TextBlock(text="go on"),)))

    def compact(self, keep: int = 1) -> None:
        """Replace all but the last *keep* messages, as a compaction does."""
        kept = self.messages[-keep:]
        head = [] if kept[0].role == "user" else [Message(role="user", content=(TextBlock(text="summary"),))]
        self.messages = head + kept
        self.journal.records.append(CompactionDone(trigger="auto", strategy="test", by="test", messages_json="[]"))


async def nobody(request: Request) -> AsyncIterator[StreamEvent]:
    raise AssertionError(f"the rest of the onion was asked for {request.model}")
    yield  # pragma: no cover
