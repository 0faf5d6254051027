"""The streams of the onion around a model: what a frame is handed, and what becomes of what it gives back.

They are classes, because generators take twice the time here: an event loop keeps account of each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, get_args

from pegboard._board.caught import pass_on
from pegboard.errors import PegboardError, WrongAnswerError
from pegboard.requests import CallNext, Request, StreamEvent

EVENTS = frozenset(get_args(get_args(StreamEvent)[0]))

Broken = Callable[[Request, BaseException, bool], AsyncIterator[StreamEvent]]
"""What comes in the place of a frame's stream that failed; told whether it had yielded something."""


class Below:
    """What a frame is handed as `call_next`: passes on, and remembers what came back and what was raised."""

    __slots__ = ("_inner", "error", "passed", "raw")

    def __init__(self, inner: CallNext) -> None:
        self._inner = inner
        self.passed: _Passed | None = None
        self.raw: AsyncIterator[StreamEvent] | None = None
        self.error: BaseException | None = None

    def __call__(self, request: Request) -> AsyncIterator[StreamEvent]:
        self.raw = self._inner(request)
        self.passed = _Passed(self, self.raw)
        return self.passed


class _Passed:
    """The stream below a frame, as the frame sees it: its `Below` remembers what is raised here."""

    __slots__ = ("_below", "_next", "_stream")

    def __init__(self, below: Below, stream: AsyncIterator[StreamEvent]) -> None:
        self._below = below
        self._stream = stream
        self._next = stream.__anext__

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            return await self._next()
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self._below.error = error
            await aclose(self._stream)
            raise

    async def aclose(self) -> None:
        """Close the stream below."""
        await aclose(self._stream)


class Watched:
    """The stream of a frame. Where the frame fails, *broken* is asked what comes instead (or raises)."""

    __slots__ = ("_below", "_broken", "_next", "_plugin", "_request", "_stream", "_yielded")

    def __init__(
        self, stream: AsyncIterator[StreamEvent], request: Request, below: Below, broken: Broken, plugin: str
    ) -> None:
        self._plugin = plugin
        self._stream = stream
        self._next = aiter(stream).__anext__
        self._request = request
        self._below = below
        self._broken = broken
        self._yielded = False

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            event = await self._next()
            if type(event) not in EVENTS:
                raise WrongAnswerError(
                    self._plugin, "model_call", f"a stream of {type(event).__name__}", "stream events"
                )
        except StopAsyncIteration:
            if self._below.passed is not None:
                await self._below.passed.aclose()
            raise
        except BaseException as error:
            if type(error) is not GeneratorExit:  # where that closes us, nothing can be awaited
                await self.aclose()
            pass_on(error)
            if error is self._below.error or (isinstance(error, PegboardError) and type(error) is not WrongAnswerError):
                raise
            self._stream = self._broken(self._request, error, self._yielded)
            self._next = self._stream.__anext__
            return await self._next()
        self._yielded = True
        return event

    async def aclose(self) -> None:
        """Close the stream, and what the frame has read from: `async for` leaves that open."""
        await aclose(self._stream)
        if self._below.passed is not None:
            await self._below.passed.aclose()


async def aclose(stream: Any) -> None:
    """Close a stream that can be closed."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
