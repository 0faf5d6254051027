"""One request to the Messages API, from the first byte to the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard.context import Ctx
from pegboard.errors import ModelError, did_you_mean
from pegboard.messages import Usage
from pegboard.requests import ModelDone, Request, StreamEvent
from pegboard_builtins.anthropic_model.clients import Clients, address_of, sdk
from pegboard_builtins.anthropic_model.errors import Asked, broken, model_error, without_events
from pegboard_builtins.anthropic_model.incoming import Incoming
from pegboard_builtins.anthropic_model.outgoing import SENT_PARAMS, betas, to_count, to_send, unknown_params
from pegboard_builtins.anthropic_model.settings import PREFIX, SERVICE, AnthropicSettings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

Body = TypeVar("Body")

DRAIN_TIMEOUT = 0.5
"""Seconds for the end of a response, after its message is complete."""


async def answer(request: Request, ctx: Ctx) -> AsyncIterator[StreamEvent]:
    """Yield the model's answer, or only the token count if that is asked for. Raises ModelError."""
    settings: AnthropicSettings = ctx.settings
    clients: Clients = await ctx.service(SERVICE)
    for name in unknown_params(request):
        ctx.log.warning("the Messages API has no parameter %r.%s", name, did_you_mean(name, SENT_PARAMS))
    if request.params.get("count_tokens"):
        counted, _ = await _asked(clients, settings, _count, to_count(request), request)
        yield ModelDone(stop_reason="end_turn", usage=Usage(input_tokens=counted.input_tokens))
        return
    try:
        body = to_send(request, clients.wires)
    except ValueError as wrong:
        raise ModelError(f"the request cannot be put into JSON: {wrong}") from wrong
    stream, asked = await _asked(clients, settings, _stream, body, request)
    model = request.model.removeprefix(PREFIX)
    incoming = Incoming(model, settings.prices, known_price=request.params.get("speed") in (None, "standard"))
    failure: ModelError | None = None
    # Both are closed on every way out, also when we are closed in the middle.
    async with stream, aclosing(aiter(stream)) as events:
        while not incoming.done:
            try:
                made = list(incoming.take(await anext(events)))
            except StopAsyncIteration:
                said = "" if incoming.begun else stream.response.headers.get("content-type", "")
                failure = without_events(said, asked) if said else broken("it ended without a message_stop")
            except (ValueError, KeyError, AttributeError) as wrong:  # half an event, or one out of order
                failure = broken(f"{type(wrong).__name__}: {wrong}")
            except Exception as wrong:
                failure = model_error(wrong, asked)
            if failure is not None:
                break
            if incoming.done:
                await _drain(events)
            for event in made:
                yield event
    if failure is not None:
        for cut in incoming.cut():
            yield cut
        raise failure


async def _drain(events: AsyncIterator[Any]) -> None:
    """Read the end of a response whose message is complete: only then can its connection be used again."""
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_TIMEOUT):
            async for _ in events:
                pass


async def _stream(client: AsyncAnthropic, body: bytes, headers: dict[str, str]) -> Any:
    """Open a stream. Not by `messages.create`: that copies the whole conversation, item by item, for each request.

    What is sent is JSON already. All the rest is the SDK's, as for an endpoint that it has no method for.
    """
    anthropic: Any = await sdk()
    return await client.post(
        "/v1/messages",
        content=body,
        cast_to=anthropic.types.Message,
        options={"headers": headers},
        stream=True,
        stream_cls=anthropic.AsyncStream[anthropic.types.RawMessageStreamEvent],
    )


async def _count(client: AsyncAnthropic, body: dict[str, Any], headers: dict[str, str]) -> Any:
    return await client.messages.count_tokens(**body, extra_headers=headers)


async def _asked(
    clients: Clients,
    settings: AnthropicSettings,
    ask: Callable[[AsyncAnthropic, Body, dict[str, str]], Awaitable[Any]],
    body: Body,
    request: Request,
) -> tuple[Any, Asked]:
    """Ask the API. A helper's key that was kept and is refused now is asked for again, once."""
    headers = betas(request, settings.betas)
    address, address_from = address_of(settings)
    while True:
        key = await clients.key(settings)
        asked = Asked(request.model.removeprefix(PREFIX), settings.timeout, key.source, address, address_from)
        try:
            client = await clients.client(key, settings)
            return await ask(client, body, headers), asked
        except Exception as wrong:
            if await _is_refused_key(wrong) and clients.forget(key):
                continue
            raise model_error(wrong, asked) from wrong


async def _is_refused_key(error: Exception) -> bool:
    anthropic: Any = await sdk()
    return isinstance(error, anthropic.AuthenticationError)
