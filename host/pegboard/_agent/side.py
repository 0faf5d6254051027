"""Requests beside the turn: a whole answer out of a stream, and the contract's word for a failure."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pegboard.messages import Block, StopReason, TextBlock, Usage
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


def kind_of_failure(detail: str) -> str:
    """Return the contract's word for an API error (hook-contract 1.2, StopFailure)."""
    words = {
        "429": "rate_limit",
        "rate": "rate_limit",
        "529": "overloaded",
        "overloaded": "overloaded",
        "401": "authentication_failed",
        "key": "authentication_failed",
        "billing": "billing_error",
        "404": "model_not_found",
        "no plugin answers": "model_not_found",
        "400": "invalid_request",
        "50": "server_error",
    }
    lower = detail.lower()
    return next((kind for word, kind in words.items() if word in lower), "unknown")
