"""What a frame of the onion around a model is handed, and how streams are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pegboard.requests import CallNext, Request, StreamEvent


class Below:
    """What a frame is handed as `call_next`: passes on, and remembers what came back and what was raised."""

    __slots__ = ("_inner", "error", "passed", "raw")

    def __init__(self, inner: CallNext) -> None:
        self._inner = inner
        self.passed: AsyncIterator[StreamEvent] | None = None
        self.raw: AsyncIterator[StreamEvent] | None = None
        self.error: BaseException | None = None

    def __call__(self, request: Request) -> AsyncIterator[StreamEvent]:
        self.raw = self._inner(request)
        self.passed = self._remembering(self.raw)
        return self.passed

    async def _remembering(self, stream: AsyncIterator[StreamEvent]) -> AsyncIterator[StreamEvent]:
        try:
            async for event in stream:
                yield event
        except BaseException as error:
            self.error = error
            raise
        finally:
            await aclose(stream)


async def aclose(stream: Any) -> None:
    """Close a stream that can be closed."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
