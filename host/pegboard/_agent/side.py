"""What surrounds the turn: an answer out of a stream, words that are nobody's, the journal as plugins see it."""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from pegboard._agent.fold import Conversation
from pegboard._agent.journal import read_records
from pegboard._dataclass import dataclass
from pegboard._folders import make_private
from pegboard.messages import Block, Message, StopReason, TextBlock, Usage, whole
from pegboard.records import Record
from pegboard.requests import BlockDone, ModelAnswer, ModelDone, ModelNotice, StreamEvent


async def collect(stream: AsyncIterator[StreamEvent]) -> ModelAnswer:
    """Return the answer that a stream makes. Raises what the stream raises."""
    blocks: list[Block] = []
    stop, usage = str(StopReason.ERROR), Usage()
    async for event in stream:
        if isinstance(event, BlockDone):
            blocks.append(event.block)
        elif isinstance(event, ModelDone):
            stop, usage = event.stop_reason, event.usage
        elif isinstance(event, ModelNotice) and event.restart:
            blocks.clear()
    text = "".join(block.text for block in blocks if isinstance(block, TextBlock))
    return ModelAnswer(text=text, blocks=tuple(blocks), stop_reason=stop, usage=usage)


FAILURES = {
    401: "authentication_failed",
    403: "authentication_failed",
    402: "billing_error",
    404: "model_not_found",
    413: "invalid_request",
    429: "rate_limit",
}


def kind_of_failure(detail: str, status: int = 0) -> str:
    """Return the contract's word for what ended a turn, as it was recorded: 529 is a server's error, 400 is unknown."""
    if status in FAILURES:
        return FAILURES[status]
    if status >= 500:
        return "server_error"
    if "token limit" in detail:
        return "max_output_tokens"
    return "model_not_found" if "no plugin answers" in detail.lower() else "unknown"


def reminder(text: str) -> str:
    """Mark words that are neither the user's nor a tool's, so that they cannot pose as either."""
    safe = re.sub(r"<(\s*/\s*system-reminder)", r"<\\\1", whole(text), flags=re.IGNORECASE)
    return f"<system-reminder>\n{safe}\n</system-reminder>"


def saved_text(folder: Path, name: str, text: str) -> Path:
    """Save a text in a session's folder under a name that is free, for the user's eyes only; return where."""
    make_private(folder)
    safe = "".join(character if character.isalnum() or character in "-_" else "_" for character in name)
    path = folder / f"{safe}.txt"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{safe}.{number}.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    return path


class Observers:
    """Tells observers of records, in order and a little later: who writes one does not wait for them."""

    def __init__(self, tell: Callable[[Record], Awaitable[None]]) -> None:
        self._tell = tell
        self._records: deque[Record] = deque()
        self._telling: asyncio.Task[None] | None = None

    def tell(self, record: Record) -> None:
        """Take a record that was written."""
        self._records.append(record)
        if self._telling is None or self._telling.done():
            try:
                self._telling = asyncio.get_running_loop().create_task(self._tell_all())
            except RuntimeError:  # written outside the loop: told with the next record
                return

    async def _tell_all(self) -> None:
        while self._records:
            await self._tell(self._records.popleft())

    async def wait(self, seconds: float) -> None:
        """Wait until all was told, but no longer than this: what is not told by then is not told any more."""
        if self._telling is None:
            return
        await asyncio.wait([self._telling], timeout=seconds)
        if not self._telling.done():
            self._records.clear()
            self._telling.cancel()
            self._telling.add_done_callback(_forget)  # what it still has to say has no journal any more


def _forget(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


@dataclass(frozen=True)
class SessionJournal:
    """A session's journal for plugins: all records, and the conversation that they fold to."""

    path: Path
    _conversation: Conversation

    def __iter__(self) -> Iterator[Record]:
        return read_records(self.path)

    def messages(self) -> Sequence[Message]:
        """Return the conversation as it stands."""
        return self._conversation.view()
