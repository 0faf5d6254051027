"""A server that is asked over streamable HTTP: with bounds on what it sends, and with a token where there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from pegboard_builtins.mcp.pace import Pace
from pegboard_builtins.mcp.settings import ServerSettings

CONNECT_SECONDS = 30.0


class Heard:
    """What was noticed of a server's answers."""

    def __init__(self) -> None:
        self.status = 0
        """The HTTP status of the last answer that was no success; 0 if there was none."""


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error where it has more than *limit* bytes."""

    def __init__(self, stream: Any, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > self._limit:
                raise httpx2.ReadError(f"it sent a message of more than {self._limit:,} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Paced:
    """A stream of messages that is read no faster than its pace."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pace = Pace()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> _Paced:
        return self

    async def receive(self) -> Any:
        await self._pace.take(0)
        return await self._stream.receive()

    async def __anext__(self) -> Any:
        await self._pace.take(0)
        return await self._stream.__anext__()

    async def __aenter__(self) -> _Paced:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> Any:
        return await self._stream.__aexit__(*exc)


@asynccontextmanager
async def endpoint(
    settings: ServerSettings, *, auth: httpx2.Auth | None, heard: Heard
) -> AsyncIterator[tuple[Any, Any]]:
    """Yield the streams of messages from a server and to it."""

    async def look(response: httpx2.Response) -> None:
        if response.status_code >= 400:
            heard.status = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            # It was asked not to: what a few bytes unpack to has no bound.
            raise httpx2.DecodingError("it sent a packed message", request=response.request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _Bounded(response.stream, settings.max_message)

    client = httpx2.AsyncClient(
        headers={"accept-encoding": "identity", **settings.headers},
        auth=auth,
        timeout=httpx2.Timeout(CONNECT_SECONDS, read=max(settings.call_seconds, CONNECT_SECONDS)),
        event_hooks={"response": [look]},
    )
    size = min(settings.max_message, 16_000_000)
    async with client, streamable_http_client(settings.url, http_client=client, max_sse_event_size=size) as streams:
        from_it, to_it = streams
        yield _Paced(from_it), to_it
