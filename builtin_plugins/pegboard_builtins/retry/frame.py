"""The frame around the models: it passes events on, and begins again after an error that may pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from pegboard.context import Ctx
from pegboard.errors import ContextOverflowError, ModelError
from pegboard.messages import Message, RedactedThinkingBlock, ThinkingBlock
from pegboard.requests import CallNext, ModelDone, ModelNotice, Request, StreamEvent
from pegboard_builtins.retry.backoff import any_jitter, delay_before, long
from pegboard_builtins.retry.settings import RetrySettings

LOOK_UP = 0.1
"""Seconds between two looks at whether the turn is being interrupted."""


async def retrying(
    request: Request,
    call_next: CallNext,
    ctx: Ctx,
    settings: RetrySettings,
    jitter: Callable[[], float] = any_jitter,
) -> AsyncIterator[StreamEvent]:
    """Yield the events of the first attempt that succeeds; a notice with `restart` voids what came before it.

    Tools run only once a message is complete, so a broken stream is safe to replay; after a ModelDone nothing is.
    Raises the last ModelError, as it is or with the reason for giving up.
    """
    models = [request.model, *_others(request, settings)]
    before = ""
    for place, model in enumerate(models):
        asked = request if model == request.model else for_other_model(request, model)
        for attempt in range(1, settings.attempts + 1):
            done = False
            events = call_next(asked)
            try:
                async for event in events:
                    done = done or type(event) is ModelDone
                    yield event
                return
            except ModelError as error:
                if done or ctx.cancelled or isinstance(error, ContextOverflowError):
                    raise
                if not error.retryable:
                    if place:
                        raise _told(error, f"{error} - asked because {before}") from error
                    raise
                failure = error
            finally:
                # On every way out, also when we are closed in the middle of a stream.
                await _close(events)
            wait, why_not = _next_wait(failure, attempt, ctx, settings, jitter())
            out_of_time = wait > 0.0 and bool(why_not)
            if why_not:
                break
            yield ModelNotice(
                text=f"{failure} - asking {model} again in {wait:.3g} s (attempt {attempt + 1} of {settings.attempts})",
                restart=True,
            )
            await _sleep(wait, ctx, failure)
        if place + 1 == len(models):
            said = f"{failure} - gave up on {model}: {why_not}"
            text = f"{said}; asked because {before}" if place else said
            raise _told(failure, text, out_of_time=out_of_time) from failure
        before = f"{model} did not answer: {failure}"
        yield ModelNotice(text=f"{failure} - {why_not}; falling back from {model} to {models[place + 1]}", restart=True)


def _others(request: Request, settings: RetrySettings) -> list[str]:
    if request.params.get("count_tokens"):
        return []  # another model counts otherwise, and the answer is meant to be exact
    return [model for model in dict.fromkeys(settings.fallback) if model != request.model]


def for_other_model(request: Request, model: str) -> Request:
    """Return *request* for another model: without reasoning, which only the model that signed it takes back.

    The hash is that of the request as it was, so it is dropped.
    """
    kept: list[tuple[int, Message]] = []
    for index, message in enumerate(request.messages):
        blocks = tuple(b for b in message.content if not isinstance(b, ThinkingBlock | RedactedThinkingBlock))
        if blocks:
            whole = len(blocks) == len(message.content)
            kept.append((index, message if whole else replace(message, content=blocks)))
    moved = {old: new for new, (old, _) in enumerate(kept)}
    return replace(
        request,
        model=model,
        messages=[message for _, message in kept],
        anchors=tuple(moved[index] for index in request.anchors if index in moved),
        hash="",
    )


def _next_wait(
    failure: ModelError, attempt: int, ctx: Ctx, settings: RetrySettings, jitter: float
) -> tuple[float, str]:
    """Return how long to wait, and why there is no next attempt; an empty reason if there is one.

    A wait beside a reason is one that the turn has no time for.
    """
    asked = failure.retry_after
    if asked is not None and asked > settings.max_wait:
        return 0.0, f"it asks to wait {long(asked)}, and retry.max_wait is {settings.max_wait:g} s"
    if attempt == settings.attempts:
        return 0.0, f"{attempt} {'attempt' if attempt == 1 else 'attempts'} failed (retry.attempts)"
    wait = delay_before(
        attempt + 1, base=settings.base_delay, ceiling=settings.max_delay, retry_after=asked, jitter=jitter
    )
    left = ctx.deadline
    if left is not None and wait >= left:
        return wait, f"the next attempt would be in {wait:.3g} s, and this turn has {max(0.0, left):.3g} s left"
    return wait, ""


async def _sleep(seconds: float, ctx: Ctx, failure: ModelError) -> None:
    """Wait, and raise *failure* as soon as the turn is being interrupted."""
    end = time.monotonic() + seconds
    while not ctx.cancelled:
        left = end - time.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(min(left, LOOK_UP))
    raise failure


def _told(failure: ModelError, text: str, *, out_of_time: bool = False) -> ModelError:
    return ModelError(
        text,
        status=failure.status,
        retryable=failure.retryable,
        retry_after=failure.retry_after,
        out_of_time=out_of_time,
    )


async def _close(events: AsyncIterator[StreamEvent]) -> None:
    close = getattr(events, "aclose", None)  # an iterator need not have it; a generator does
    if close is not None:
        await close()
